"""Intervals: how far a figure would move had other people of the same kind come to the shop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError

RESAMPLES = 200


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval.

    Parameters
    ----------
    value
        The figure on all people.
    low, high
        The ends of its interval (95 % unless said otherwise); equal to ``value`` when there is nothing to vary.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Show the figure with its interval, three decimals each."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def resamples(people: int, count: int = RESAMPLES, *, seed: int = 0) -> npt.NDArray[np.intp]:
    """Draw bootstrap samples of people: each row holds ``people`` positions, drawn with replacement.

    Figures computed on the same rows are paired, so that their difference can be judged as well.

    >>> resamples(3, 2, seed=1).shape
    (2, 3)
    """
    if people < 1:
        raise TooFewPeopleError.of("A bootstrap", 1, people)
    if count < 1:
        raise ParameterError.of("resamples", "count", count, "a whole number of at least 1")
    return np.random.default_rng(seed).integers(0, people, size=(count, people))


def bootstrap(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    draws: npt.NDArray[np.intp],
    *,
    level: float = 0.95,
) -> Estimate:
    """Estimate a figure and its percentile interval over resampled people.

    Parameters
    ----------
    statistic
        Takes positions of people, returns the figure on these people; NaN where it is undefined (such draws are left
        out of the interval).
    draws
        The samples, from ``resamples``.
    level
        The interval's coverage, in (0, 1).

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    if not 0 < level < 1:
        raise ParameterError.of("bootstrap", "level", level, "between 0 and 1")
    value = float(statistic(np.arange(draws.shape[1])))
    return interval(value, np.array([statistic(rows) for rows in draws]), level=level)


def interval(value: float, repeats: npt.ArrayLike, *, level: float = 0.95) -> Estimate:
    """Return ``value`` with the percentile interval of its repeats; NaN repeats are left out.

    >>> interval(0.5, [0.4, 0.5, 0.6], level=0.5)
    Estimate(value=0.5, low=0.45, high=0.55)
    """
    kept = np.asarray(repeats, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return Estimate(value, value, value)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, round(float(low), 12), round(float(high), 12))
