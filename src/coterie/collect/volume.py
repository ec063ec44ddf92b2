"""How many rows there are a day: days without any, days with strikingly few, and weeks beside former ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

WEEKS = 8  # former weeks that a day is compared with, on the same day of the week
FORMER = 4  # of these at least so many must lie in the data
USUAL = 20.0  # rows that a day must usually have, so that none is striking

_Counts = npt.NDArray[np.float64]


def unusual(days: Mapping[date, int]) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """Return the days without a row, and those with strikingly few, between the first day and the last.

    A day is compared with the median of the same day of the week in the eight weeks before it, so that a shop which is
    closed on Sundays lacks nothing. Strikingly few are less than half of that, and four standard deviations of counting
    below it. The first and the last day, of which a part may be missing, are never told.

    >>> steady = {date(2026, 1, 1) + timedelta(days=day): 100 for day in range(60)}
    >>> unusual({**steady, date(2026, 2, 10): 20, date(2026, 2, 20): 0})
    ((datetime.date(2026, 2, 20),), (datetime.date(2026, 2, 10),))
    """
    first, counts = _series(days)
    if len(counts) <= 7 * FORMER:
        return (), ()
    former = np.full((WEEKS, len(counts)), np.nan)
    for week in range(1, WEEKS + 1):
        former[week - 1, 7 * week :] = counts[: len(counts) - 7 * week] if 7 * week < len(counts) else []
    enough = np.isfinite(former).sum(axis=0) >= FORMER
    usual = np.zeros(len(counts))
    usual[enough] = np.nanmedian(former[:, enough], axis=0)
    usual[-1] = 0.0
    missing = (counts == 0) & (usual >= USUAL)
    few = (counts > 0) & (counts < usual / 2) & (usual - counts > 4 * np.sqrt(usual))
    return _days(first, missing), _days(first, few)


def runs(days: tuple[date, ...], least: int) -> list[tuple[date, date]]:
    """Return first and last day of each run of at least so many days that follow one another.

    >>> runs((date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 5)), 2)
    [(datetime.date(2026, 1, 1), datetime.date(2026, 1, 2))]
    """
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return [(first, last) for first, last in found if (last - first).days + 1 >= least]


def least(days: Mapping[date, int], back: int) -> int | None:
    """Return the fewest rows of any of the last whole days; None when there are not so many.

    The newest day counts as begun and not as whole.

    >>> least({date(2026, 1, 1): 5, date(2026, 1, 3): 7, date(2026, 1, 4): 1}, 2)
    0
    """
    _, counts = _series(days)
    whole = counts[:-1][-back:]
    return int(whole.min()) if len(whole) == back else None


def weekly(days: Mapping[date, int], weeks: int) -> float | None:
    """Return the rows of the last seven whole days in percent of the median of up to so many weeks before these.

    None when no whole week lies before them, or the median is 0.

    >>> weekly({date(2026, 1, 1) + timedelta(days=day): 10 if day < 14 else 5 for day in range(22)}, 8)
    50.0
    """
    _, counts = _series(days)
    whole = counts[:-1]
    spans = [whole[len(whole) - 7 * (week + 1) : len(whole) - 7 * week].sum() for week in range(len(whole) // 7)]
    usual = float(np.median(spans[1 : weeks + 1])) if len(spans) > 1 else 0.0
    return float(100 * spans[0] / usual) if usual else None


def _series(days: Mapping[date, int]) -> tuple[date, _Counts]:
    """Return the first day and the rows of each day from then on."""
    first = min(days, default=date(1970, 1, 1))
    counts = np.zeros((max(days, default=first) - first).days + 1 if days else 0)
    for day, rows in days.items():
        counts[(day - first).days] = rows
    return first, counts


def _days(first: date, which: npt.NDArray[np.bool_]) -> tuple[date, ...]:
    return tuple(first + timedelta(days=int(place)) for place in np.flatnonzero(which))
