"""Boosted models of one outcome: what is learnt for it, in one stage or two, and how their scores go together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from coterie.errors import IntegrityError
from coterie.predict.propensity.calibration import exp, sigmoid, softmax
from coterie.predict.propensity.forest import Forest, cross_fit
from coterie.progress import Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OBJECTIVES: dict[str, tuple[str, ...]] = {
    "binary": ("binary",),
    "count": ("poisson", "tweedie", "two-stage"),
    "amount": ("tweedie", "poisson", "two-stage", "squares"),
    "class": ("classes",),
}
"""Kind of target → what can be learnt for it, the default first."""
POWER = 1.5  # of Tweedie's variance: between counts (1) and amounts that are never 0 (2)
_MOST, _PATIENCE = 500, 30  # rounds at most, and without a gain
_SETTINGS = {
    "feature_fraction": 0.6, "bagging_fraction": 0.8, "bagging_freq": 1,
    "lambda_l2": 1.0, "min_data_per_group": 50, "cat_smooth": 20.0, "deterministic": True, "force_col_wise": True,
    "verbose": -1,
}  # fmt: skip
_LEAST_IN_LEAF = 30
_LEAVES = ((7, 20_000), (15, math.inf))
"""Leaves of a tree, below how many rows."""
_CHANCES = ("binary", "multiclass")  # of few people, cuts at random tell these better
_STAGES: dict[str, tuple[dict[str, Any], ...]] = {
    "binary": ({"objective": "binary"},),
    "poisson": ({"objective": "poisson"},),
    "tweedie": ({"objective": "tweedie", "tweedie_variance_power": POWER},),
    "two-stage": ({"objective": "binary"}, {"objective": "gamma"}),
    "squares": ({"objective": "regression"},),
    "classes": ({"objective": "multiclass"},),
}
_SLOPE = 1e-6  # a secant of scores that are nearer is taken over this width


@dataclass(frozen=True)
class Sample:
    """Whom a model learns from, in one order for all.

    Parameters
    ----------
    X, y, weight
        Columns, outcome (of classes their number) and weight: shapes (people, columns), (people,), (people,).
    categorical
        The positions of columns whose numbers name levels.
    """

    X: Floats
    y: Floats
    weight: Floats
    categorical: list[int]

    def take(self, rows: npt.NDArray[Any]) -> Sample:
        """Return some of the people."""
        return Sample(self.X[rows], self.y[rows], self.weight[rows], self.categorical)


@dataclass(frozen=True)
class Boosted:
    """One or two forests, and the score that they make together.

    The score is in log odds where something happens or not, a log where an amount (or count) is expected, log odds up
    to a constant for each class, else the amount itself.

    Parameters
    ----------
    objective
        What was learnt, one of the values of ``OBJECTIVES``.
    stages
        The forests; of ``two-stage`` that of whether the outcome is above 0, then that of how much it is then.
    scale
        The amount that counted as 1.
    """

    objective: str
    stages: tuple[Forest, ...]
    scale: float = 1.0

    @classmethod
    def learn(cls, objective: str, sample: Sample, rounds: tuple[int, ...], classes: int, seed: int) -> Self:
        """Learn from everybody, in as many rounds as were found to be best."""
        scale = _scale(objective, sample.y, sample.weight)
        stages = []
        for stage, most in zip(_STAGES[objective], rounds, strict=True):
            rows, y = _asked(objective, stage, sample, scale)
            part = sample.take(rows)
            settings = _settings(stage, len(rows), classes, seed)
            stages.append(Forest.grow(part.X, y[rows], settings, most, part.weight, sample.categorical))
        return cls(objective, tuple(stages), scale)

    def raw(self, X: Floats) -> Floats:
        """Return the score: shape (people,), or (people, classes)."""
        first = self.stages[0].raw(X)
        return combined(self.objective, [first, *(stage.raw(X) for stage in self.stages[1:])], self.scale)

    def contributions(self, X: Floats) -> Floats:
        """Return what each column adds to the score: shape (people, scores, columns + 1), what all share last.

        They add up to ``raw``. In two stages, what a column adds to the log odds of the first is taken for the same
        share of what the first stage as a whole adds to the log of the expected amount.
        """
        told = self.stages[0].contributions(X)
        if self.objective == "two-stage":
            own, shared = told[:, 0, :-1], told[:, 0, -1]
            slope = secant(log_sigmoid, shared, shared + own.sum(axis=1))
            told[:, 0, :-1] = own * slope[:, None]
            told[:, 0, -1] = log_sigmoid(shared)
            told += self.stages[1].contributions(X)
        if self.objective == "squares":
            return told * self.scale
        if self.objective in ("poisson", "tweedie", "two-stage"):
            told[:, 0, -1] += math.log(self.scale)
        return told

    def to_json(self) -> dict[str, Any]:
        """Return the model as plain JSON values; ``from_json`` reads it back."""
        return {
            "objective": self.objective, "scale": self.scale, "stages": [stage.to_json() for stage in self.stages],
        }  # fmt: skip

    @classmethod
    def from_json(cls, body: Any, features: int, classes: int) -> Self:
        """Return the model that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is none, or was changed.
        """
        wrong = IntegrityError("This is no stored learner: its model is none.", hint="fit it anew.")
        if not isinstance(body, Mapping) or set(body) != {"objective", "scale", "stages"}:
            raise wrong
        objective, scale, stages = body["objective"], body["scale"], body["stages"]
        if (
            not isinstance(objective, str)
            or objective not in _STAGES
            or not isinstance(stages, list)
            or len(stages) != len(_STAGES[objective])
        ):
            raise wrong
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < 1e300:
            raise wrong
        outputs = classes if objective == "classes" else 1
        return cls(objective, tuple(Forest.from_json(stage, features, outputs) for stage in stages), float(scale))


@dataclass(frozen=True)
class CrossFitted:
    """What was told of each person by trees that did not see the person.

    Parameters
    ----------
    rounds
        The best number of rounds of each stage.
    raw
        Scores: shape (people,), or (people, classes).
    """

    rounds: tuple[int, ...]
    raw: Floats


def cross_fitted(
    objective: str, sample: Sample, fold: Ints, classes: int, seed: int, progress: Progress, among: Floats | None = None
) -> CrossFitted:  # fmt: skip
    """Learn on all folds but one, tell that one, and find how many rounds are best.

    Parameters
    ----------
    fold
        The fold of each row; all rows of a person are in one.
    among
        Truth value a row: rows that may be learnt from; the others are told all the same. None is all.
    """
    scale = _scale(objective, sample.y, sample.weight)
    may = np.ones(len(fold), dtype=bool) if among is None else among > 0
    found, rounds = [], []
    names = np.unique(fold)
    for stage in _STAGES[objective]:
        rows, y = _asked(objective, stage, sample, scale)
        counts = np.zeros(len(fold), dtype=bool)
        counts[rows] = True
        parts = [
            (np.flatnonzero(counts & may & (fold != one)), np.flatnonzero(counts & (fold == one))) for one in names
        ]
        if among is not None:  # watched are those who may not be learnt from: they come later
            parts = [(learn, watch[~may[watch]]) for learn, watch in parts]
        settings = _settings(stage, min(len(learn) for learn, _ in parts), classes, seed)
        best, boosters = cross_fit(
            sample.X, y, settings, sample.weight, sample.categorical, parts,
            most=_MOST, patience=_PATIENCE, progress=progress, step=f"{objective}, out of fold",
        )  # fmt: skip
        raw = np.empty((len(fold), classes) if objective == "classes" else len(fold))
        for one, booster in zip(names, boosters, strict=True):
            here = fold == one
            raw[here] = booster.predict(sample.X[here], raw_score=True, num_iteration=best)
        found.append(raw)
        rounds.append(best)
    return CrossFitted(tuple(rounds), combined(objective, found, scale))


def combined(objective: str, scores: list[Floats], scale: float) -> Floats:
    """Return the score that the scores of the stages make."""
    if objective == "two-stage":
        return log_sigmoid(scores[0]) + scores[1] + math.log(scale)
    if objective in ("poisson", "tweedie"):
        return scores[0] + math.log(scale)
    return scores[0] * scale if objective == "squares" else scores[0]


def expected(objective: str, raw: Floats) -> Floats:
    """Return what scores mean before they are calibrated."""
    if objective == "binary":
        return sigmoid(raw)
    if objective == "classes":
        return softmax(raw)
    return raw if objective == "squares" else exp(raw)


def deviance(outcome: Floats, told: Floats, weight: Floats, power: float = POWER) -> float:
    """Return the mean Tweedie deviance, which the true mean makes least; of power 1 Poisson's, of power 0 the squares.

    It is in units of the mean outcome to the power ``2 - power``, so that it does not depend on the currency.

    References
    ----------
    Jørgensen (1987), Exponential dispersion models.
    """
    mean = float((weight * outcome).sum() / weight.sum())
    unit = mean if mean > 0 and power else 1.0
    y, m = outcome / unit, told / unit
    if power == 0:
        return float((weight * np.square(y - m)).sum() / weight.sum())
    m = np.maximum(m, 1e-12)
    if power == 1:
        each = np.where(y > 0, y * np.log(np.maximum(y, 1e-300) / m), 0.0) - (y - m)
    else:
        each = y ** (2 - power) / ((1 - power) * (2 - power)) - y * m ** (1 - power) / (1 - power)
        each = each + m ** (2 - power) / (2 - power)
    return float(2 * (weight * each).sum() / weight.sum())


def log_sigmoid(score: Floats) -> Floats:
    """Return the log of the probability at log odds."""
    return np.asarray(-np.logaddexp(0.0, -score), dtype=np.float64)


def secant(curve: Any, start: Floats, end: Floats, width: float = _SLOPE) -> Floats:
    """Return the slope of a curve between two scores; where they are nearer than ``width``, around them."""
    near = np.abs(end - start) < width
    middle = (start + end) / 2
    low, high = np.where(near, middle - width / 2, start), np.where(near, middle + width / 2, end)
    return np.asarray((curve(high) - curve(low)) / (high - low), dtype=np.float64)


def _scale(objective: str, y: Floats, weight: Floats) -> float:
    """Return what counts as 1: the mean amount, that above 0 in two stages, or the deviation of squares."""
    if objective in ("binary", "classes"):
        return 1.0
    heavy, y = (weight[y > 0], y[y > 0]) if objective == "two-stage" else (weight, y)
    mean = float((heavy * y).sum() / heavy.sum())
    if objective != "squares":
        return mean
    return math.sqrt(float((heavy * np.square(y - mean)).sum() / heavy.sum())) or 1.0


def _asked(objective: str, stage: Mapping[str, Any], sample: Sample, scale: float) -> tuple[Ints, Floats]:
    """Return the rows that a stage learns from, and the outcome as it sees it."""
    everybody = np.arange(len(sample.y))
    if objective == "two-stage" and stage["objective"] == "binary":
        return everybody, (sample.y > 0).astype(np.float64)
    if stage["objective"] == "gamma":
        return np.flatnonzero(sample.y > 0), sample.y / scale
    return everybody, sample.y / scale


def _settings(stage: Mapping[str, Any], rows: int, classes: int, seed: int) -> dict[str, Any]:
    least = max(min(_LEAST_IN_LEAF, rows // 20), 3)
    leaves = next(leaves for leaves, most in _LEAVES if rows < most)
    few = leaves == _LEAVES[0][0]
    pace = 0.04 if few else 0.1
    shape = {
        "num_leaves": leaves,
        "extra_trees": few and stage["objective"] in _CHANCES,
        "min_data_in_leaf": least,
        "learning_rate": pace,
    }
    several = {"num_class": classes} if stage["objective"] == "multiclass" else {}
    return {**_SETTINGS, **stage, **several, **shape, "seed": seed}
