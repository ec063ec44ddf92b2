"""What a stored table accepts: rows with exactly its columns, in types that turn into its types without loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import pyarrow as pa

from coterie.errors import StoreError
from coterie.schema import Table


def quoted(name: str) -> str:
    """Return a name as an SQL identifier.

    >>> print(quoted('the "new" one'))
    "the ""new"" one"
    """
    return '"' + name.replace('"', '""') + '"'


def conform(table: Table, rows: pa.Table | Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows in the schema of the table.

    Columns may come in any order. Dictionaries may leave columns out (null); an Arrow table must have them all.

    Raises
    ------
    StoreError
        Columns are missing or unknown, or a value does not fit the type. No value is shown.
    """
    given = set(rows.column_names) if isinstance(rows, pa.Table) else {name for row in rows for name in row}
    expected = set(table.schema.names)
    missing = [name for name in table.schema.names if name not in given] if isinstance(rows, pa.Table) else []
    if missing or not given <= expected:
        raise StoreError(differing(table.name, expected, given, missing=missing))
    try:
        if isinstance(rows, pa.Table):
            return rows.select(table.schema.names).cast(table.schema)
        return pa.Table.from_pylist(list(rows), schema=table.schema)
    except (pa.ArrowException, TypeError, OverflowError):
        # The cause would show the value.
        raise StoreError(f"Rows for table {table.name!r} do not fit its columns: {described(table.schema)}.") from None


def described(schema: pa.Schema) -> str:
    """Return the columns of a schema in words."""
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def differing(name: str, expected: set[str], given: set[str], missing: Sequence[str] | None = None) -> str:
    """Return a sentence on the columns that are missing and those that are unknown."""
    lost = sorted(expected - given) if missing is None else list(missing)
    parts = [f"lacks {', '.join(lost)}"] if lost else []
    if unknown := sorted(given - expected):
        parts.append(f"has {', '.join(unknown)}, which it should not")
    return f"Table {name!r}: the data {' and '.join(parts)}."


def require_same_columns(table: Table, stored: Sequence[tuple[str, str]], declared: Sequence[tuple[str, str]]) -> None:
    """Raise StoreError, naming the columns, unless a stored table has the declared columns: pairs of name and type."""
    if sorted(stored) == sorted(declared):
        return
    _refuse(table, stored, declared)


def require_no_more_columns(
    table: Table, stored: Sequence[tuple[str, str]], declared: Sequence[tuple[str, str]]
) -> None:
    """Raise StoreError unless the declared columns are those of the stored table and perhaps some more."""
    if not set(stored) <= set(declared):
        _refuse(table, stored, [pair for pair in declared if pair[0] in dict(stored)])


def _refuse(table: Table, stored: Sequence[tuple[str, str]], declared: Sequence[tuple[str, str]]) -> NoReturn:
    there, wanted = dict(stored), dict(declared)
    parts = [f"{name} is missing" for name in wanted if name not in there]
    parts += [f"{name} is not known" for name in there if name not in wanted]
    parts += [f"{name} is {there[name]}, not {kind}" for name, kind in wanted.items() if there.get(name, kind) != kind]
    raise StoreError(
        f"Table {table.name!r} exists with other columns: {'; '.join(parts)}.",
        hint="this shop was written by another version of coterie; open it with that version.",
    )
