"""Undoing an import that was wrong: its facts, links and quarantined rows go, and the books say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.collect import quarantine
from coterie.collect.facts import CURSORS, IMPORTS, LINKS, QUARANTINE
from coterie.collect.targets import TARGETS
from coterie.errors import ParameterError
from coterie.store.ports import Lake, Ledger
from coterie.store.warehouse import Warehouse

_LINKS = "undo_links"


def undo(
    warehouse: Warehouse, lake: Lake, ledger: Ledger, import_id: int, *, unlink: Callable[[int], object] = int
) -> dict[str, Any]:
    """Take an import back, so that a corrected mapping can bring the file in anew; return its row in the books.

    Identifiers stay in the vault. Consents are evidence and cannot be undone.

    Parameters
    ----------
    warehouse, lake, ledger
        The shop's stores. The caller holds the shop's lease.
    import_id
        The number of the import.
    unlink
        Removes the identity edges that an import has brought.

    Raises
    ------
    ParameterError
        When there is no such import, it is of consents, or rows of other imports were left out because this one had
        them: those must be undone first.
    """
    found = ledger.read(IMPORTS, import_id=import_id).to_pylist()
    if not found or found[0]["state"] == "undone":
        was = "it was undone before" if found else "there is none"
        raise ParameterError(f"Import {import_id} cannot be undone: {was}.", hint="coterie check --json lists imports.")
    [row] = found
    if row["target"] == "consent":
        raise ParameterError(
            f"Import {import_id} holds consents, which are evidence and stay.",
            hint="record the right choice beside it.",
        )
    quarantine.settle(lake, ledger)
    if later := _linked(warehouse, lake, import_id):
        listed = ", ".join(map(str, later))
        raise ParameterError(
            f"Import {import_id} cannot be undone alone: import{'s' if len(later) > 1 else ''} {listed} left rows out "
            "because this one had them.",
            hint=f"undo {listed} first, the newest first; then bring their files in again.",
        )
    unlink(import_id)  # first: if this is cut off, the import stands and can be undone again
    return abandon(lake, ledger, row)


def abandon(lake: Lake, ledger: Ledger, row: dict[str, Any]) -> dict[str, Any]:
    """Remove all that an import has stored, and mark it as undone. Repeating it after a crash finishes it."""
    ledger.put(IMPORTS, [{**row, "state": "undoing"}])
    tables = {target.table.name: target.table for target in TARGETS.values() if target.table}
    own = TARGETS[row["target"]].table
    for table in (*([own] if own else tables.values()), LINKS, QUARANTINE):
        lake.delete(table, "import_id", [row["import_id"]])
    undone = {**row, "state": "undone"}
    with ledger.transaction():
        _forget_cursor(ledger, row)
        ledger.put(IMPORTS, [undone])
    return undone


def finish(lake: Lake, ledger: Ledger) -> None:
    """Finish undoing what was cut off."""
    for row in ledger.read(IMPORTS, state="undoing").to_pylist():
        abandon(lake, ledger, row)


def _linked(warehouse: Warehouse, lake: Lake, import_id: int) -> list[int]:
    """Return the other imports of which rows repeat rows of this one."""
    warehouse.attach(_LINKS, lake.source(LINKS))
    others = f"SELECT DISTINCT import_id FROM {_LINKS} WHERE of_import = {import_id} AND import_id <> {import_id}"
    found: list[int] = warehouse.query(f"{others} ORDER BY import_id")["import_id"].to_pylist()
    warehouse.drop(_LINKS)
    return found


def _forget_cursor(ledger: Ledger, row: dict[str, Any]) -> None:
    """Let a database be read from its beginning again: rows that are known are duplicates."""
    others = [each for each in ledger.read(CURSORS, read=row["read"]).to_pylist() if each["source"] != row["source"]]
    if ledger.delete(CURSORS, "read", [row["read"]]):
        ledger.put(CURSORS, others)
