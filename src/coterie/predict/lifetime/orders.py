"""Orders as a table records them, put into the order that histories are made from: by person, then by time."""

from __future__ import annotations

from datetime import date, datetime
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import DataError, EmptyShopError, MissingColumnError, ParameterError
from coterie.features import encodings
from coterie.features.frames import opened

Floats = npt.NDArray[np.float64]
_OWNER = "The table of orders"
_DAY = 86_400_000_000


def purchases(
    orders: Any, until: Any, person: str, time: str, amount: str | None, collapse: bool
) -> tuple[pa.Array, npt.NDArray[np.bool_], Floats, Floats, float]:
    """Return the purchases until a moment, by person and time; those of one day (moment) are one.

    Returns
    -------
    people
        Who bought, ascending.
    first
        Whether a purchase is a person's first: shape (purchases,).
    at
        When, in days: shape (purchases,).
    worth
        What it is worth, NaN where there are no amounts: shape (purchases,).
    moment
        ``until`` in days.

    Raises
    ------
    MissingColumnError, ParameterError, DataError, EmptyShopError
        As ``Histories.of_orders``.
    """
    try:
        data = opened(orders)
    except TypeError as error:
        raise ParameterError.of(
            _OWNER, "its type", type(orders).__name__, "a pandas, polars or pyarrow table"
        ) from error
    if lost := [name for name in (person, time, amount) if name is not None and name not in data.columns]:
        raise MissingColumnError.of(_OWNER, lost, data.columns)
    who, when = _whole(data.get_column(person).to_arrow(), person), _whole(data.get_column(time).to_arrow(), time)
    ticks, moment, day = _ticks(when, time, until)
    worth = np.full(len(ticks), np.nan) if amount is None else encodings.numbers(data, amount)
    if amount is not None and not np.isfinite(worth).all():
        raise DataError(f"{_OWNER} has orders without an amount in {amount!r}.", hint="leave them out, or give it.")
    if collapse:
        ticks, moment = np.floor_divide(ticks, day), np.floor_divide(moment, day)
        kept = ticks <= moment  # a day counts as a whole
        day = 1
    else:
        kept = ticks <= moment
    if not kept.any():
        raise EmptyShopError(f"Nobody bought until {until}.", hint="take a later moment.")
    who = (who if isinstance(who, pa.Array) else who.combine_chunks()).filter(pa.array(kept)).dictionary_encode()
    names = who.dictionary
    ascending = pc.sort_indices(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[ascending.to_numpy()] = np.arange(len(names))
    code, ticks, worth = rank[who.indices.to_numpy(zero_copy_only=False)], ticks[kept], worth[kept]
    order = np.lexsort((worth, ticks, code))  # worth too: sums do not depend on the order of rows
    code, ticks, worth = code[order], ticks[order], worth[order]
    first = np.diff(code, prepend=-1) > 0
    start = np.flatnonzero(first | (np.diff(ticks, prepend=ticks[0]) != 0))
    return (
        names.take(ascending),
        first[start],
        np.asarray(ticks[start] / day, dtype=np.float64),
        np.add.reduceat(worth, start),
        float(moment / day),
    )


def _whole(column: Any, name: str) -> Any:
    if column.null_count:
        raise DataError(
            f"{_OWNER} has no value of {name!r} in {column.null_count:,} of {len(column):,} rows.",
            hint="leave these orders out.",
        )
    return column


def _ticks(when: Any, name: str, until: Any) -> tuple[npt.NDArray[Any], Any, int]:
    """Return times and the moment in ticks, and how many of them make a day."""
    kind = when.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if isinstance(until, bool) or not isinstance(until, (int, float)) or not np.isfinite(until):
            raise ParameterError.of("Histories.of_orders", "until", until, f"a number of days, as {name!r} is")
        days = when.to_numpy().astype(np.float64)
        if not np.isfinite(days).all():
            raise DataError(f"{_OWNER} has times in {name!r} that are no numbers.", hint="leave these orders out.")
        return days, float(until), 1
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise ParameterError.of(_OWNER, f"column {name!r}", str(kind), "dates, datetimes or numbers of days")
    zone = getattr(kind, "tz", None)
    local = when.cast(pa.timestamp("us", zone), safe=False)
    if zone is not None:
        local = pc.local_timestamp(local)
    return local.cast(pa.int64()).to_numpy(), _moment(until, zone), _DAY


def _moment(until: Any, zone: str | None) -> int:
    """Return a moment in microseconds of the clock that the orders' times are of."""
    try:
        found = datetime.fromisoformat(until) if isinstance(until, str) else until
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime.combine(found, clock.min)
        if zone is not None and found.tzinfo is not None:
            found = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if found.tzinfo is not None:
            raise ValueError("a time zone")
        return int(np.datetime64(found, "us").astype(np.int64))
    except (ValueError, AttributeError, TypeError) as error:
        raise ParameterError.of(
            "Histories.of_orders",
            "until",
            until,
            "a date, a datetime or its ISO text; naive where the orders' times are",
        ) from error
