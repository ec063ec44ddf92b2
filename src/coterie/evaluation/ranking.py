"""Rankings: how well a score puts first the people who buy most, on everybody and on many resamples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.metrics import Floats
from coterie.evaluation.resampling import Counts

TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The shares of people of whom a gain is told."""


def gini(outcome: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the normalised Gini coefficient: how near a score's order comes to the order of the outcome itself.

    The area between the concentration curve of the outcome in the order of the score and the diagonal, divided by the
    same area in the order of the outcome: 1 is the right order, 0 chance, -1 the order upside down. Ties count as the
    mean of all their orders. Of an outcome that happens or not it is 2 · AUC - 1. NaN when all outcomes are alike.

    References
    ----------
    Lerman & Yitzhaki (1984), A note on the calculation and interpretation of the Gini index; Frees, Meyers & Cummings
    (2014), Insurance ratemaking and a Gini index.

    >>> gini([0, 0, 1, 3], [0.1, 0.2, 0.3, 0.9]), gini([0, 0, 1, 3], [5, 5, 5, 5])
    (1.0, 0.0)
    """
    return float(_of_everybody(outcome, score).gini[0])


def spearman(outcome: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation, ties at their middle rank.

    A score that is the same for everybody tells nothing and gets 0; NaN when all outcomes are alike.

    References
    ----------
    Spearman (1904), The proof and measurement of association between two things.

    >>> spearman([1, 2, 3, 4], [1, 2, 4, 3]), spearman([1, 2, 3], [7, 7, 7])
    (0.8, 0.0)
    """
    return float(_of_everybody(outcome, score).spearman[0])


def gain(outcome: npt.ArrayLike, score: npt.ArrayLike, tops: Sequence[float] = TOPS) -> Floats:
    """Return which share of the whole outcome the people with the highest scores have: shape (tops,).

    Who is partly among them, because scores are tied or people are not divisible, counts in part. NaN when the outcome
    is 0 in all.

    Parameters
    ----------
    outcome
        Not negative, of shape (people,).
    score
        Shape (people,).
    tops
        Shares of people, from 0 to 1.

    >>> gain([0, 0, 1, 3], [0.1, 0.2, 0.3, 0.9], [0.25, 0.5, 1.0]).tolist()
    [0.75, 1.0, 1.0]
    """
    return np.asarray(_of_everybody(outcome, score, tops).gain[0])


@dataclass(frozen=True, slots=True)
class RankFigures:
    """What a score's order is worth, on each resample.

    Parameters
    ----------
    gini, spearman
        Shape (resamples,); NaN where all outcomes are alike.
    gain
        Shape (resamples, tops); NaN where the outcome is 0 in all.
    """

    gini: Floats
    spearman: Floats
    gain: Floats


class Ranks:
    """An outcome's order on many resamples, against which the orders of scores are held.

    People are counted, not copied, and sorted once a score; what depends on the outcome alone is worked out once for
    all scores. 100,000 people take half a second for 200 resamples of a score.

    Parameters
    ----------
    outcome
        Shape (people,).
    counts
        How often each resample has each person, from ``resampling.multiplicities``, columns of it for some of the
        people: shape (resamples, people). A row of ones is everybody.

    Examples
    --------
    >>> from coterie.evaluation.resampling import multiplicities
    >>> ranks = Ranks([0, 2, 0, 1], multiplicities(4, 3, seed=1))
    >>> ranks.judge([0.1, 0.9, 0.2, 0.3]).gini.tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, outcome: npt.ArrayLike, counts: Counts) -> None:
        self.outcome = _numbers(outcome, "outcome")
        self.counts = counts
        if counts.ndim != 2 or counts.shape[1] != len(self.outcome):
            raise ParameterError.of("Ranks", "counts", counts.shape, f"of shape (resamples, {len(self.outcome)})")
        self._levels, self._level = np.unique(self.outcome, return_inverse=True)
        self._middles = np.empty((len(counts), len(self._levels)))
        self._spread, self._mass, self._best = (np.empty(len(counts)) for _ in range(3))
        for draw, row in enumerate(counts):
            weight = np.bincount(self._level, weights=row, minlength=len(self._levels))
            self._middles[draw] = middle = _middles(weight.astype(np.float64))
            self._spread[draw] = (weight * middle) @ middle
            self._mass[draw] = weight @ self._levels
            self._best[draw] = (weight * self._levels) @ middle

    def judge(self, score: npt.ArrayLike, tops: Sequence[float] = TOPS) -> RankFigures:
        """Return how near the order of a score comes to the outcome's: a figure a resample."""
        told = _numbers(score, "score")
        if told.shape != self.outcome.shape:
            raise ParameterError.of("Ranks", "score", told.shape, f"of shape {self.outcome.shape}")
        order = np.argsort(told, kind="stable")
        ordered = told[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] > ordered[:-1]])
        outcome, level = self.outcome[order], self._level[order]
        draws = len(self.counts)
        ginis, correlations, gains = np.empty(draws), np.empty(draws), np.empty((draws, len(tops)))
        below = 1.0 - np.asarray(tops, dtype=np.float64)
        for draw, row in enumerate(self.counts):
            weight = row[order].astype(np.float64)
            sums = np.add.reduceat(weight, starts)
            masses = np.add.reduceat(weight * outcome, starts)
            ranks = np.add.reduceat(weight * self._middles[draw][level], starts)
            middle = _middles(sums)
            ginis[draw] = _part(float(masses @ middle), self._best[draw])
            spread = (sums * middle) @ middle
            both = float(np.sqrt(spread * self._spread[draw]))
            correlations[draw] = np.nan if self._spread[draw] == 0 else _part(float(ranks @ middle), both, nothing=0.0)
            people, held = np.concatenate([[0.0], np.cumsum(sums)]), np.concatenate([[0.0], np.cumsum(masses)])
            inside = np.interp(below * people[-1], people, held)
            gains[draw] = 1.0 - inside / held[-1] if held[-1] > 0 else np.nan
        return RankFigures(ginis, correlations, gains)


def _of_everybody(outcome: npt.ArrayLike, score: npt.ArrayLike, tops: Sequence[float] = TOPS) -> RankFigures:
    y = _numbers(outcome, "outcome")
    return Ranks(y, np.ones((1, len(y)), dtype=np.uint16)).judge(score, tops)


def _middles(weight: Floats) -> Floats:
    """Return the middle rank of each level of tied people, less the middle rank of all: 0 in the mean."""
    total = np.cumsum(weight)
    return np.asarray(total - weight / 2 - total[-1] / 2)


def _part(part: float, whole: float, nothing: float = float("nan")) -> float:
    """Divide; what is left of 0 by rounding is 0, and what is then divided is ``nothing``."""
    return float(np.clip(part / whole, -1.0, 1.0)) if whole > 0 else nothing


def _numbers(values: npt.ArrayLike, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1:
        raise ParameterError.of("A ranking", name, found.shape, "of shape (people,)")
    if not len(found):
        raise TooFewPeopleError.of("A ranking", 1, 0)
    if not np.isfinite(found).all():
        raise ParameterError.of("A ranking", name, "NaN or infinity", "finite")
    return found
