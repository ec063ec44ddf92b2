"""How far each table of a database was read, so that the next import goes on from there.

A cursor may be the number or the address of the newest customer. So it is kept sealed, it goes when that person is
forgotten, and it never stops at somebody who is kept out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from coterie.collect.facts import CURSORS
from coterie.collect.identifiers import normalised
from coterie.collect.read import Read
from coterie.schema import IDENTIFIER
from coterie.store.ports import Ledger, Vault


def reached(ledger: Ledger, vault: Vault, source: str, read: str) -> str | None:
    """Return how far a table was read, as :class:`~coterie.collect.reached.Reached` writes it; None for not at all."""
    found = ledger.read(CURSORS, source=source, read=read)["value"].to_pylist()
    return _opened(vault, found[0]) if found else None


def reach(ledger: Ledger, vault: Vault, source: str, read: Read, text: str) -> None:
    """Note how far a table was read; what was noted before stays where that would name somebody who is kept out."""
    said = text.partition(" ")[2]
    for kind in [kind for kind, column in read.identify if column.columns == (read.cursor,)]:
        value = normalised(kind, said)
        if value is not None and vault.suppressed(pa.table([[str(kind)], [value]], schema=IDENTIFIER))[0].as_py():
            return
    ledger.put(CURSORS, [{"source": source, "read": read.name, "value": vault.seal([text.encode()])[0].hex()}])


def forget(ledger: Ledger, source: str, read: str) -> int:
    """Let a table be read from its beginning again: rows that are known are duplicates. Returns how many cursors go."""
    others = [each for each in ledger.read(CURSORS, read=read).to_pylist() if each["source"] != source]
    with ledger.transaction():
        count = ledger.delete(CURSORS, "read", [read])
        if others:
            ledger.put(CURSORS, others)
    return count - len(others)


@dataclass(frozen=True)
class Cursors:
    """Answers for cursors that stopped at a person.

    Parameters
    ----------
    ledger
        Where the cursors are kept.
    vault
        Opens them, and knows the identifiers; so this holder erases before the vault does.
    """

    ledger: Ledger
    vault: Vault
    name: str = field(default="cursors", init=False)
    holds: tuple[str, ...] = field(default=(), init=False)  # the table belongs to the owner of the ledger

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return the cursors whose value is one of the identifiers, as ``cursors``: of which source and table."""
        mine = {(row["kind"], row["value"]) for row in self.vault.reveal(subjects).to_pylist()}
        found = []
        for row in self.ledger.read(CURSORS).to_pylist() if mine else []:
            said = _opened(self.vault, row["value"]).partition(" ")[2]
            if any(normalised(kind, said) == value for kind, value in mine):
                found.append({"source": row["source"], "read": row["read"]})
        return {self.name: pa.Table.from_pylist(found, schema=CURSORS.schema.remove(2))}

    def erase(self, subjects: Iterable[int]) -> int:
        """Delete them, and their bytes; the tables are read from their beginning again."""
        rows = self.export(subjects)[self.name].to_pylist()
        return sum(forget(self.ledger, row["source"], row["read"]) for row in rows)


def _opened(vault: Vault, sealed: str) -> str:
    return vault.unseal([bytes.fromhex(sealed)])[0].decode()
