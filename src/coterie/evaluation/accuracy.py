"""Accuracy of amounts: the total and each person's, on everybody and on many resamples of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError
from coterie.evaluation.metrics import Floats, paired
from coterie.evaluation.resampling import Counts

_BLOCK = 25  # resamples that are summed at once


def bias(outcome: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return how much too large the predicted total is, as a share of the true one: .1 is 10 % too much.

    NaN when the true total is not above 0.

    >>> bias([0, 1, 3], [1, 1, 1])
    -0.25
    """
    return float(_of_everybody(outcome, prediction).bias[0])


def mae(outcome: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return the mean absolute error, in the outcome's unit.

    Where most people buy nothing it is lowest for who predicts nothing: judge by it beside others only.

    >>> mae([0, 1, 3], [1, 1, 1])
    1.0
    """
    return float(_of_everybody(outcome, prediction).mae[0])


def rmse(outcome: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Return the root of the mean squared error, in the outcome's unit; the mean of the future is what makes it least.

    >>> round(rmse([0, 1, 3], [1, 1, 1]), 3)
    1.291
    """
    return float(_of_everybody(outcome, prediction).rmse[0])


@dataclass(frozen=True, slots=True)
class AccuracyFigures:
    """How far predictions are off, on each resample: all of shape (resamples,).

    Parameters
    ----------
    bias
        Of the total, as a share of the true one; NaN where that is not above 0.
    mae, rmse
        In the outcome's unit.
    """

    bias: Floats
    mae: Floats
    rmse: Floats


def accuracy_repeats(outcome: npt.ArrayLike, prediction: npt.ArrayLike, counts: Counts) -> AccuracyFigures:
    """Return how far predictions are off on each resample of people.

    Parameters
    ----------
    outcome, prediction
        Shape (people,).
    counts
        How often each resample has each person: shape (resamples, people).
    """
    y, p = paired(outcome, prediction, "prediction")
    sums = summed(np.column_stack([y, p, np.abs(y - p), np.square(y - p)]), counts)
    people = np.maximum(counts.sum(axis=1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(sums[:, 0] > 0, (sums[:, 1] - sums[:, 0]) / sums[:, 0], np.nan)
    return AccuracyFigures(off, sums[:, 2] / people, np.sqrt(sums[:, 3] / people))


def summed(parts: Floats, counts: Counts) -> Floats:
    """Return the sums of each column over each resample's people: shape (resamples, columns).

    Parameters
    ----------
    parts
        Shape (people, columns).
    counts
        How often each resample has each person: shape (resamples, people).
    """
    if counts.ndim != 2 or counts.shape[1] != len(parts):
        raise ParameterError.of("A resample", "counts", counts.shape, f"of shape (resamples, {len(parts)})")
    blocks = [counts[start : start + _BLOCK].astype(np.float64) @ parts for start in range(0, len(counts), _BLOCK)]
    return np.concatenate(blocks) if blocks else np.empty((0, parts.shape[1]))


def _of_everybody(outcome: npt.ArrayLike, prediction: npt.ArrayLike) -> AccuracyFigures:
    return accuracy_repeats(outcome, prediction, np.ones((1, np.size(outcome)), dtype=np.uint16))
