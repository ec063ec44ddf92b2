"""Columns of the ledger's tables: how SQLite declares them, and how values go in and come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import MissingColumnError, ParameterError
from coterie.schema import TIME, Table

# SQLite keeps the declared word as it is and stores what it is given: booleans and times are integers.
_TYPES = {
    pa.int64(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "TEXT",
    pa.binary(): "BLOB",
    TIME: "TIMESTAMP",
}


def columns_of(table: Table) -> list[tuple[str, str]]:
    """Return the columns of a table with the words that SQLite declares them by."""
    if not table.key:
        raise ParameterError.of(f"table {table.name}", "key", table.key, "one column at least")
    for field in table.schema:
        if field.type not in _TYPES:
            allowed = ", ".join(map(str, _TYPES))
            raise ParameterError.of(f"table {table.name}", field.name, str(field.type), f"one of {allowed}")
    return [(field.name, _TYPES[field.type]) for field in table.schema]


def filled(row: dict[str, Any], table: Table) -> dict[str, Any]:
    """Return a row with the columns it lacks: null, and in the key what is nothing of their type."""
    nothing = {pa.string(): "", pa.binary(): b""}
    lacking = [field for field in table.schema if field.name not in row]
    return {**row, **{f.name: nothing.get(f.type, 0) if f.name in table.key else None for f in lacking}}


def whole(rows: pa.Table) -> pa.Table:
    """Return rows with null for NaN, which SQLite cannot tell from it."""
    for i, field in enumerate(rows.schema):
        if pa.types.is_floating(field.type):
            number = rows.column(i)
            rows = rows.set_column(i, field, pc.if_else(pc.is_nan(number), pa.scalar(None, field.type), number))
    return rows


def typed(table: Table, column: str, values: Iterable[Any]) -> pa.Array:
    """Return values in the type of a column."""
    if column not in table.schema.names:
        raise MissingColumnError.of(f"Table {table.name!r}", [column], table.schema.names)
    kind = table.schema.field(column).type
    try:
        return pa.array(values if isinstance(values, pa.Array) else list(values), kind)
    except (pa.ArrowException, TypeError, OverflowError):
        raise ParameterError.of(f"table {table.name}", column, "values that do not fit", str(kind)) from None


def typed_each(table: Table, equals: Mapping[str, Any]) -> dict[str, pa.Array]:
    """Return one value of each of some columns in the type of its column."""
    return {name: typed(table, name, [value]) for name, value in equals.items()}


def chosen(table: Table, columns: Sequence[str]) -> pa.Schema:
    """Return the schema of some columns of a table, in their order; of all of them where none is named."""
    if lost := [name for name in columns if name not in table.schema.names]:
        raise MissingColumnError.of(f"Table {table.name!r}", lost, table.schema.names)
    return pa.schema([table.schema.field(name) for name in columns]) if columns else table.schema


def encoded(column: pa.Array) -> list[Any]:
    """Return a column as what SQLite stores."""
    if column.type == TIME:
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def decoded(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return what SQLite stores as a column."""
    if kind == TIME or kind == pa.bool_():
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
