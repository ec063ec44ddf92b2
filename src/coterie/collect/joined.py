"""A source with the columns of its look-ups: joins that never multiply rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from coterie.collect.paths import words
from coterie.collect.staged import ROW, Staged
from coterie.errors import DataError, UnreadableSourceError
from coterie.store.warehouse import quoted


def looked_up(main: Staged, others: Iterable[tuple[Staged, tuple[tuple[str, str], ...]]]) -> Staged:
    """Return ``main`` with the columns of other sources, each joined on pairs of columns; the rows stay the same.

    A pair may name a column that an earlier look-up brought. Where names clash, the earlier column stays. That the keys
    are unique is for ``check_lookup`` to tell, or for ``first_of`` to make so.
    """
    found = main
    for other, pairs in others:
        found.require(left for left, _ in pairs)
        other.require(right for _, right in pairs)
        taken = {name.lower() for name in found.columns}
        added = {}
        for name, kind in other.columns.items():
            if name.lower() not in taken:
                taken.add(name.lower())
                added[name] = kind
        condition = " AND ".join(
            f"{words(*found.expression(left, 'here.'))} = {words(*other.expression(right, 'there.'))}"
            for left, right in pairs
        )
        cells = (
            (other.expression(name, "there.")[0] if name in other.apart else f"there.{quoted(name)}", name)
            for name in added
        )
        columns = "".join(f", {cell} AS {quoted(name)}" for cell, name in cells)
        relation = (
            f"(SELECT here.*{columns} FROM {found.relation} AS here LEFT JOIN {other.relation} AS there ON {condition})"
        )
        found = replace(found, relation=relation, columns={**found.columns, **added})
    return found


def first_of(staged: Staged, columns: Iterable[str]) -> Staged:
    """Return a look-up with one row a key: of several, the first of the file."""
    keys = ", ".join(staged.expression(name, "there.")[0] for name in columns)
    relation = (
        f"(SELECT * FROM {staged.relation} AS there "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY {quoted(ROW)}) = 1)"
    )
    return replace(staged, relation=relation)


def repeated_keys(staged: Staged, columns: Iterable[str]) -> str:
    """Return the query that counts how many keys of a look-up occur more than once."""
    keys = ", ".join(staged.expression(name, "there.")[0] for name in columns)
    return (
        f"SELECT COUNT(*) AS keys FROM (SELECT {keys} FROM {staged.relation} AS there GROUP BY ALL HAVING COUNT(*) > 1)"
    )


def check_lookup(staged: Staged, columns: Iterable[str], repeated: int) -> None:
    """Raise DataError when a look-up would multiply rows or cannot be read to its end."""
    if staged.broken.num_rows:
        first = staged.broken["row"][0].as_py()
        raise UnreadableSourceError.of(staged.name, f"row {first:,} cannot be parsed, and a look-up must be whole")
    if repeated:
        key = ", ".join(columns)
        raise DataError(
            f"The look-up {staged.name} has {repeated:,} value{'s' if repeated > 1 else ''} of ({key}) more than once.",
            hint="a look-up must have one row a key; add the columns that make it so to 'on', or say take = \"first\".",
        )
