"""Tracing: what became of one source row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coterie.collect import quarantine
from coterie.collect.facts import IMPORTS, LINKS
from coterie.collect.targets import TARGETS
from coterie.errors import ParameterError
from coterie.schema import Table
from coterie.store.ports import Lake, Ledger
from coterie.store.warehouse import Warehouse

_TABLE = "trace_table"


@dataclass(frozen=True)
class Fact:
    """A fact that a row became.

    Parameters
    ----------
    table
        In which table it is.
    id
        The columns that identify it there, without people.
    """

    table: str
    id: dict[str, str]


@dataclass(frozen=True)
class Fate:
    """What became of a row in one import.

    Parameters
    ----------
    import_id, file, read, row
        Which row, as which read of the mapping took it.
    fate
        ``accepted``, ``quarantined``, ``duplicate``, ``left out`` (on purpose), or ``undone`` with its import. Imports
        of consents and of what is left out keep no numbers of rows: beside other imports of the file one can only say
        ``accepted, or not taken`` and ``left out, or not taken``.
    facts
        What it became, or what the row became that it repeats.
    reasons
        Of a quarantined row: the rules that it broke.
    unit
        Of a quarantined row: the order or other unit that lacks it.
    repeats
        Of a duplicate: import and row that it repeats; None where that is not kept.
    """

    import_id: int
    file: str
    read: str
    row: int
    fate: str
    facts: tuple[Fact, ...] = ()
    reasons: tuple[str, ...] = ()
    unit: str | None = None
    repeats: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fate as JSON values."""
        body = vars(self) | {"facts": [vars(fact) for fact in self.facts], "reasons": list(self.reasons)}
        return body | {"repeats": list(self.repeats) if self.repeats else None}


def trace(
    warehouse: Warehouse, lake: Lake, ledger: Ledger, file: str, row: int, import_id: int | None = None
) -> tuple[Fate, ...]:
    """Return what became of one row of a file, in each import that took it, the oldest first.

    Parameters
    ----------
    warehouse, lake, ledger
        The shop's stores.
    file
        As the receipt names it.
    row
        Its number, from 1; the header does not count.
    import_id
        Only this import; None is every one.

    Raises
    ------
    ParameterError
        When no such import was made, or no import of the file has such a row.
    """
    books = [each for each in ledger.read(IMPORTS).to_pylist() if each["file"] == file]
    if not books:
        listed = ", ".join(sorted({each["file"] for each in ledger.read(IMPORTS).to_pylist()})[:20])
        raise ParameterError(f"No file {file!r} was imported.", hint=f"imported were {listed or 'none'}.")
    if import_id is not None:
        books = [each for each in books if each["import_id"] == import_id]
        if not books:
            raise ParameterError(f"Import {import_id} is not one of {file}.", hint="leave --import out to see all.")
    look = _Look(warehouse, lake, row, [each for each in ledger.read(IMPORTS).to_pylist() if each["file"] == file])
    found = [fate for book in sorted(books, key=lambda each: each["import_id"]) if (fate := look.fate(book))]
    if not found:
        rows = ", ".join(f"{each['received'] or 0:,}" for each in books[-5:])
        raise ParameterError(
            f"No import of {file} has a row {row:,}.",
            hint=f"the latest took {rows} rows; they are numbered as in the file, and the header does not count.",
        )
    return tuple(found)


class _Look:
    """Looks for one row in the tables of the lake."""

    def __init__(self, warehouse: Warehouse, lake: Lake, row: int, books: list[dict[str, Any]]) -> None:
        self.warehouse, self.lake, self.row, self.alone = warehouse, lake, row, len(books) == 1
        self.most = sum(each["received"] or 0 for each in books)

    def fate(self, book: dict[str, Any]) -> Fate | None:
        """Return what an import made of the row; None when it did not take it."""
        import_id, target = book["import_id"], TARGETS[book["target"]]
        of = {"import_id": import_id, "file": book["file"], "read": book["read"] or book["target"], "row": self.row}
        if book["state"] == "undone":
            return Fate(**of, fate="undone")
        where = f'import_id = {import_id} AND "row" = {self.row}'
        for bad in quarantine.rows(self.warehouse, self.lake, where, ("reasons", "unit")).to_pylist():
            return Fate(**of, fate="quarantined", reasons=tuple(bad["reasons"].split("; ")), unit=bad["unit"])
        if link := self._rows(LINKS, where, "of_import, of_row"):
            origin = (link[0]["of_import"], link[0]["of_row"])
            if None in origin:
                return Fate(**of, fate="duplicate")
            facts = self._facts(f'import_id = {origin[0]} AND "row" = {origin[1]}', target.table)
            return Fate(**of, fate="duplicate", facts=facts, repeats=origin)
        if facts := self._facts(where, target.table):
            return Fate(**of, fate="accepted", facts=facts)
        if target.table is None and book["accepted"] and self.row <= self.most:
            fate = "left out" if target.name == "nothing" else "accepted"
            return Fate(**of, fate=fate if self.alone else f"{fate}, or not taken")
        return None

    def _facts(self, where: str, table: Table | None) -> tuple[Fact, ...]:
        """Return the facts of a row, in the table of its import or, for rows that no read took at first, in any."""
        tables = [table] if table else [target.table for target in TARGETS.values() if target.table]
        found = []
        for each in tables:
            names = [name for name in each.key if each.schema.field(name).type == "string" and name != "value"]
            listed = ", ".join(names)
            found += [Fact(each.name, said) for said in self._rows(each, where, listed)]
        return tuple(found)

    def _rows(self, table: Table, where: str, columns: str) -> list[dict[str, Any]]:
        self.warehouse.attach(_TABLE, self.lake.source(table))
        rows: list[dict[str, Any]] = self.warehouse.query(
            f"SELECT {columns} FROM {_TABLE} WHERE {where} ORDER BY ALL"
        ).to_pylist()
        self.warehouse.drop(_TABLE)
        return rows
