"""What stands at the seam of two files: an export cut into pieces may cut an order in two.

The rows of the neighbouring files that go on with the first or the last unit of a file are shown to its translation, so
that cells stated once a unit, and what is shared among its rows, are those of the whole unit. They remain rows of their
own files.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from coterie.collect.paths import words
from coterie.collect.read import Read
from coterie.collect.staged import ROW, Staged
from coterie.store.warehouse import Warehouse, quoted


def looks_around(read: Read) -> bool:
    """Tell whether the rows of a read depend on others of their unit."""
    return bool(read.unit) and bool(read.fill or any(field.share for _, field in read.fields))


def around(warehouse: Warehouse, read: Read, main: Staged, before: Staged | None, behind: Staged | None) -> Staged:
    """Return a file with the rows of its neighbours that belong to its first and its last unit.

    Parameters
    ----------
    warehouse
        Where the queries run.
    read
        What the files mean.
    main
        The file.
    before, behind
        The files that stand next to it in the order of their names; those with other columns are no neighbours.

    Returns
    -------
    Staged
        Rows before have numbers of at most 0, those behind of more than ``main.received``.
    """
    parts = []
    if before is not None and (reach := _reach(warehouse, read, main, before, end=False)) is not None:
        parts.append(_moved(before, f"{quoted(ROW)} > {reach}", -before.received))
    if behind is not None and (reach := _reach(warehouse, read, main, behind, end=True)) is not None:
        parts.append(_moved(behind, f"{quoted(ROW)} < {reach}", main.received))
    if not parts:
        return main
    whole = " UNION ALL BY NAME ".join([f"SELECT * FROM {main.relation}", *parts])
    return replace(main, relation=f"({whole})", around=True)


def _reach(warehouse: Warehouse, read: Read, main: Staged, other: Staged, *, end: bool) -> int | None:
    """Return a neighbour's first row, seen from the seam, that is of another unit; None when the seam cuts no unit."""
    if other.columns != main.columns or other.apart != main.apart or other.lines != main.lines:
        return None
    mine = _unit(warehouse, read, main, "DESC" if end else "ASC")
    if mine is None or mine != _unit(warehouse, read, other, "ASC" if end else "DESC"):
        return None
    extreme, beyond = ("MIN", other.received + 1) if end else ("MAX", 0)
    unlike = " OR ".join(f"{part} IS DISTINCT FROM ${at}" for at, part in enumerate(_parts(read, other), 1))
    found = warehouse.query(
        f"SELECT COALESCE({extreme}({quoted(ROW)}), {beyond}) AS reach FROM {other.relation} WHERE {unlike}",
        {str(at): value for at, value in enumerate(mine, 1)},
    )
    reach: int = found["reach"][0].as_py()
    return reach


def _unit(warehouse: Warehouse, read: Read, staged: Staged, order: str) -> tuple[str, ...] | None:
    """Return the unit of the first or the last row of a file; None when it has none."""
    listed = ", ".join(f"{part} AS u{at}" for at, part in enumerate(_parts(read, staged)))
    rows: pa.Table = warehouse.query(f"SELECT {listed} FROM {staged.relation} ORDER BY {quoted(ROW)} {order} LIMIT 1")
    if not rows.num_rows:
        return None
    values = tuple(rows.to_pylist()[0].values())
    return None if any(value is None or not value.strip() for value in values) else values


def _parts(read: Read, staged: Staged) -> list[str]:
    return [words(*staged.expression(name)) for name in read.unit]


def _moved(staged: Staged, condition: str, by: int) -> str:
    number = f"{quoted(ROW)} + ({by}) AS {quoted(ROW)}"
    return f"SELECT * REPLACE ({number}) FROM {staged.relation} WHERE {condition}"
