"""Evidence: how well people were told who had not been learnt from, beside the mean of everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.predict.propensity import boosting
from coterie.predict.propensity.boosting import Sample
from coterie.predict.propensity.calibration import (
    Calibration,
    Scale,
    Shift,
    Temperature,
    choose_binary,
    class_loss,
    log_loss,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """How well a learner told people whom it had not seen, beside the mean of everybody.

    Parameters
    ----------
    measure
        ``log loss`` (nats), or ``deviance`` (Poisson's of counts, Tweedie's of amounts, with power 1.5; mean squares
        with the objective ``squares``), each the lower the better.
    loss
        That of the learner, out of fold, after calibration.
    naive
        That of the mean of everybody.
    ways
        What was tried: the way of calibrating, or the objective → its loss.
    """

    measure: str
    loss: float
    naive: float
    ways: Mapping[str, float]


def power(kind: str, objective: str = "") -> float:
    """Return the power of the deviance that counts or amounts are judged by."""
    return 0.0 if objective == "squares" else 1.0 if kind == "count" else boosting.POWER


def calibrated(
    kind: str, objective: str, sample: Sample, fold: Ints, raw: Floats, tried: dict[str, float]
) -> tuple[Calibration, Evidence]:
    """Return the calibration learnt of what was told out of fold, and how well that told it beside the mean.

    What is told of a fold is calibrated on the others, so that nothing is judged on what it was learnt from.
    """
    y, weight = sample.y, sample.weight
    if kind == "binary":
        chosen, ways = choose_binary(raw, y, weight, fold)
        naive = _out_of_fold_mean(y, weight, fold)
        return chosen, Evidence("log loss", min(ways.values()), log_loss(naive, y, weight), ways)
    learn: Any = Temperature.learn if kind == "class" else Shift.learn if objective == "squares" else Scale.learn
    told = np.empty_like(raw)
    place: Any = y.astype(np.int64) if kind == "class" else y
    for part in np.unique(fold):
        here = fold == part
        told[here] = learn(raw[~here], place[~here], weight[~here])(raw[here])
    chosen = learn(raw, place, weight)
    if kind == "class":
        shares = np.column_stack(
            [_out_of_fold_mean((y == one).astype(np.float64), weight, fold) for one in range(raw.shape[1])]
        )
        return chosen, Evidence("log loss", class_loss(told, place, weight), class_loss(shares, place, weight), tried)
    mean = _out_of_fold_mean(y, weight, fold)
    losses = [boosting.deviance(y, one, weight, power(kind, objective)) for one in (told, mean)]
    return chosen, Evidence("deviance", losses[0], losses[1], tried)


def _out_of_fold_mean(y: Floats, weight: Floats, fold: Ints) -> Floats:
    """Return, for each row, the mean outcome of the other folds."""
    total, heavy = np.bincount(fold, weights=weight * y), np.bincount(fold, weights=weight)
    means: Floats = (total.sum() - total) / (heavy.sum() - heavy)
    return means[fold]
