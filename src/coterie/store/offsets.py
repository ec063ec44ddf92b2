"""Offsets of a time zone from UTC, as the moments since when each held: data for statements and not an engine's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

YEARS = 32
"""How many years of changes are written into a statement; two a year in most zones that change their clocks."""

_DAY = 86_400
_FIRST, _LAST = 1900, 9990


@lru_cache(maxsize=64)
def offsets(timezone: str, year: int) -> tuple[tuple[int, int | None], ...]:
    """Return since when which offset holds, the latest first, in seconds since 1970 and seconds east of UTC.

    Parameters
    ----------
    timezone
        IANA name of the zone.
    year
        The last year that is wanted; those before it are there for ``YEARS`` years.

    Returns
    -------
    tuple of (since, offset)
        The offset of the first pair is None: from then on, as before the last pair, nothing is said. Empty for years
        that are too far from now.

    Examples
    --------
    >>> offsets("Europe/Berlin", 2024)[:3]
    ((1767225600, None), (1761440400, 3600), (1743296400, 7200))
    """
    if not _FIRST + YEARS <= year <= _LAST:
        return ()
    zone = ZoneInfo(timezone)
    start, end = (int(datetime(one, 1, 1, tzinfo=UTC).timestamp()) for one in (year + 1 - YEARS, year + 2))
    # no zone has ever changed its clocks and changed them back within a day
    days = range(start, end, _DAY)
    found = [(start, _offset(zone, start))]
    for day in days:
        found += [(moment, _offset(zone, moment)) for moment in _changes(zone, day, min(day + _DAY, end))]
    return ((end, None), *reversed(found))


def _offset(zone: ZoneInfo, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def _changes(zone: ZoneInfo, low: int, high: int) -> Iterator[int]:
    """Yield the moments after low, up to high, at which another offset begins, searched by halves."""
    if _offset(zone, low) == _offset(zone, high):
        return
    if high - low == 1:
        yield high
        return
    middle = (low + high) // 2
    yield from _changes(zone, low, middle)
    yield from _changes(zone, middle, high)
