"""Values as a database's driver hands them over, in the types of Arrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from coterie.collect.staged import ROW

_DIGITS = 38  # of the widest decimal
_WIDE = 2**63


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]], count: int) -> pa.Table:
    """Return rows as a table with ``#row``, which goes on from a count.

    Whole numbers, decimals, floating-point numbers, truth, dates, times with and without zone and bytes keep their
    kind; objects and lists are JSON; anything else, and what is of several kinds in one column, is text. A column
    without any value has the type null.
    """
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    numbers = pa.array(np.arange(count + 1, count + 1 + len(rows)), pa.int64())
    return pa.table([*map(array_of, columns), numbers], [*names, ROW])


def array_of(values: Sequence[Any]) -> pa.Array:
    """Return the values of one column.

    >>> array_of([Decimal("1.50"), None, Decimal("12")]).type
    Decimal128Type(decimal128(4, 2))
    >>> array_of([1, "one"]).to_pylist()
    ['1', 'one']
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if len(kinds) == 1:
        [kind] = kinds
        if (known := _KNOWN.get(kind)) is not None and (found := known(values)) is not None:
            return found
    return pa.array([None if value is None else word(value) for value in values], pa.string())


def word(value: Any) -> str:
    """Return a value as text; a whole floating-point number without a decimal point."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=word)
    return str(value)


def _integers(values: Sequence[Any]) -> pa.Array | None:
    if all(value is None or -_WIDE <= value < _WIDE for value in values):
        return pa.array(values, pa.int64())
    return None


def _decimals(values: Sequence[Any]) -> pa.Array | None:
    scale = whole = 0
    for value in values:
        if value is None:
            continue
        if not value.is_finite():
            return None
        _, digits, exponent = value.as_tuple()
        scale = max(scale, -exponent)
        whole = max(whole, len(digits) + exponent)
    if whole + scale > _DIGITS:
        return None
    return pa.array(values, pa.decimal128(max(whole + scale, 1), scale))


def _moments(values: Sequence[Any]) -> pa.Array | None:
    zoned = {value.tzinfo is not None for value in values if value is not None}
    if len(zoned) != 1:
        return None
    if not zoned.pop():
        return pa.array(values, pa.timestamp("us"))
    return pa.array([None if value is None else value.astimezone(UTC) for value in values], pa.timestamp("us", "UTC"))


def _of(kind: pa.DataType) -> Callable[[Sequence[Any]], pa.Array | None]:
    return lambda values: pa.array(values, kind)


def _bytes(values: Sequence[Any]) -> pa.Array | None:
    return pa.array([None if value is None else bytes(value) for value in values], pa.binary())


_KNOWN: dict[type, Callable[[Sequence[Any]], pa.Array | None]] = {
    str: _of(pa.string()),
    bool: _of(pa.bool_()),
    int: _integers,
    float: _of(pa.float64()),
    Decimal: _decimals,
    date: _of(pa.date32()),
    datetime: _moments,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
}
