"""Splits: by time, so that nothing is judged on what it was made from, and into folds of people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError, TooFewPeopleError


@dataclass(frozen=True)
class Window:
    """A moment to look back from, and the outcome window after it: ``(as_of, end]``.

    Parameters
    ----------
    as_of
        Features use what was available at or before this moment; naive UTC.
    horizon_days
        How far the outcome looks.

    Examples
    --------
    >>> Window(datetime(2017, 6, 1), 91).end
    datetime.datetime(2017, 8, 31, 0, 0)
    """

    as_of: datetime
    horizon_days: int

    def __post_init__(self) -> None:
        """Refuse a window without length."""
        if self.horizon_days < 1:
            raise ParameterError.of("Window", "horizon_days", self.horizon_days, "a whole number of at least 1")

    @property
    def end(self) -> datetime:
        """The last moment of the outcome."""
        return self.as_of + timedelta(days=self.horizon_days)


def last_window(now: datetime, horizon_days: int) -> Window:
    """Return the newest window whose outcome is complete at ``now``: choices are made on it, never on a later one."""
    return Window(now - timedelta(days=Window(now, horizon_days).horizon_days), horizon_days)


def folds(people: int, count: int = 5, *, outcome: npt.ArrayLike | None = None, seed: int = 0) -> npt.NDArray[np.int64]:
    """Deal people into folds of equal size at random: shape (people,), values 0 … count - 1.

    With an ``outcome`` (a truth value a person) each fold gets its share of those to whom it happened.

    >>> np.bincount(folds(10, 5)).tolist()
    [2, 2, 2, 2, 2]
    """
    if count < 2:
        raise ParameterError.of("folds", "count", count, "a whole number of at least 2")
    if people < count:
        raise TooFewPeopleError.of(f"{count} folds", count, people)
    shuffled = np.random.default_rng(seed).permutation(people)
    if outcome is not None:
        shuffled = shuffled[np.argsort(np.asarray(outcome)[shuffled], kind="stable")]
    dealt = np.empty(people, dtype=np.int64)
    dealt[shuffled] = np.arange(people) % count
    return dealt
