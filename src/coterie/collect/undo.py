"""Undoing an import that was wrong: its facts, links and quarantined rows go, and the books say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.collect import cursors, quarantine
from coterie.collect.facts import IMPORTS, LINKS, QUARANTINE
from coterie.collect.targets import TARGETS
from coterie.errors import ParameterError
from coterie.store.ports import Lake, Ledger
from coterie.store.warehouse import Warehouse

_LINKS = "undo_links"

Unlink = Callable[[int], object]
"""Removes the identity edges that an import has brought."""


def undo(
    warehouse: Warehouse,
    lake: Lake,
    ledger: Ledger,
    import_id: int,
    *,
    unlink: Unlink = int,
    going: Callable[[list[int]], object] = len,
) -> list[dict[str, Any]]:
    """Take an import back, so that a corrected mapping can bring the file in anew; return its row in the books.

    Identifiers stay in the vault. Consents are evidence and cannot be undone. After a replay two imports may each have
    left rows out because the other had them; none can go first, so they go together, and their rows follow the first.

    Parameters
    ----------
    warehouse, lake, ledger
        The shop's stores. The caller holds the shop's lease.
    import_id
        The number of the import.
    unlink
        Removes the identity edges that an import has brought.
    going
        Told which imports go, while all of them are still there.

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
    quarantine.settle(lake, ledger)
    after = _after(warehouse, lake)
    first = _reach(after, import_id)
    together = [import_id, *sorted((each for each in first if import_id in _reach(after, each)), reverse=True)]
    rows = [row for each in together for row in ledger.read(IMPORTS, import_id=each).to_pylist()]
    if consents := [row["import_id"] for row in rows if row["target"] == "consent"]:
        raise ParameterError(
            f"Import {consents[0]} holds consents, which are evidence and stay.",
            hint="record the right choice beside it.",
        )
    if later := sorted(first - set(together)):
        listed = ", ".join(map(str, later))
        raise ParameterError(
            f"Import {import_id} cannot be undone alone: import{'s' if len(later) > 1 else ''} {listed} left rows out "
            "because this one had them.",
            hint=f"undo {listed} first, the newest first; then bring their files in again.",
        )
    going(together)
    ledger.put(IMPORTS, [{**row, "state": "undoing"} for row in rows])  # all at once: a crash must not part them
    return [abandon(lake, ledger, row, unlink) for row in rows]


def abandon(lake: Lake, ledger: Ledger, row: dict[str, Any], unlink: Unlink) -> dict[str, Any]:
    """Remove all that an import has stored, and mark it as undone. Repeating it after a crash finishes it.

    Edges go in the transaction that marks it: until then the import stands, and so does who is who by it.
    """
    ledger.put(IMPORTS, [{**row, "state": "undoing"}])
    tables = {target.table.name: target.table for target in TARGETS.values() if target.table}
    own = TARGETS[row["target"]].table
    for table in (*([own] if own else tables.values()), LINKS, QUARANTINE):
        lake.delete(table, "import_id", [row["import_id"]])
    undone = {**row, "state": "undone"}
    with ledger.transaction():
        unlink(row["import_id"])
        cursors.forget(ledger, row["source"], row["read"])
        ledger.put(IMPORTS, [undone])
    return undone


def finish(lake: Lake, ledger: Ledger, unlink: Unlink) -> None:
    """Finish undoing what was cut off."""
    for row in ledger.read(IMPORTS, state="undoing").to_pylist():
        abandon(lake, ledger, row, unlink)


def _after(warehouse: Warehouse, lake: Lake) -> dict[int, set[int]]:
    """Return import → the others that left rows out because it had them."""
    warehouse.attach(_LINKS, lake.source(LINKS))
    pairs = f"SELECT DISTINCT of_import, import_id FROM {_LINKS} WHERE of_import <> import_id"
    found: dict[int, set[int]] = {}
    for row in warehouse.query(pairs).to_pylist():
        found.setdefault(row["of_import"], set()).add(row["import_id"])
    warehouse.drop(_LINKS)
    return found


def _reach(after: dict[int, set[int]], start: int) -> set[int]:
    """Return the imports that must not stand without ``start``, near and far, without itself."""
    found, front = {start}, [start]
    while front:
        new = after.get(front.pop(), set()) - found
        found |= new
        front += new
    return found - {start}
