"""The record of what was done under governance: a chain of hashes in which no row can be changed unseen.

Each entry carries the SHA-256 of the entry before it and of its own content, so that altering, removing or moving any
row breaks the chain there. What a chain alone cannot see: a tail that was cut off together with the kept head, and a
rewrite of everything from some row on by someone who can write the ledger and compute the hashes. Both are seen when an
earlier :class:`Chain` is kept somewhere else (printed, mailed, in another system) and handed to :meth:`Audit.verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from coterie.errors import IntegrityError, ParameterError
from coterie.schema import TIME, Table, utc_now
from coterie.store.ports import Ledger

AUDIT = Table(
    "audit",
    pa.schema(
        [
            ("sequence", pa.int64()),
            ("at", TIME),
            ("action", pa.string()),
            ("about", pa.string()),
            ("details", pa.string()),
            ("previous", pa.string()),
            ("hash", pa.string()),
        ]
    ),
    key=("sequence",),
    meaning="What was declared, released, exported and erased, in a chain of hashes; holds nothing personal.",
)

AUDIT_HEAD = Table(
    "audit_head",
    pa.schema([("chain", pa.string()), ("length", pa.int64()), ("hash", pa.string())]),
    key=("chain",),
    meaning="Where the audit chain ends, so that appending need not read it all; holds nothing personal.",
)

_CHAIN = "audit"


@dataclass(frozen=True)
class Chain:
    """How far the chain reached at some moment; keep one elsewhere to see later that nothing before it was touched.

    Parameters
    ----------
    length
        The number of entries.
    head
        The hash of the last one, hexadecimal; of an empty chain 64 zeros.
    """

    length: int = 0
    head: str = "0" * 64


class Audit:
    """The audit chain of one shop.

    Parameters
    ----------
    ledger
        Where it is kept. An entry is written inside the ledger's transaction: together with what it records, or not.

    Examples
    --------
    >>> from coterie.store.ledger import MemoryLedger
    >>> audit = Audit(MemoryLedger())
    >>> audit.append("export", "request 7", {"tables": 4}).length
    1
    >>> audit.verify().length
    1
    """

    def __init__(self, ledger: Ledger) -> None:
        ledger.create(AUDIT, AUDIT_HEAD)
        self.ledger = ledger

    def append(
        self, action: str, about: str, details: Mapping[str, Any] | None = None, *, now: datetime | None = None
    ) -> Chain:
        """Add an entry and return how far the chain reaches now.

        Parameters
        ----------
        action
            What was done, for example ``release``.
        about
            To which thing: a source, a destination, a request. Never a person.
        details
            Counts and names, JSON; never identifiers, subject keys or values of people.
        now
            The moment, naive UTC; None is the present.

        Raises
        ------
        ParameterError
            When the details are not plain JSON.
        """
        try:
            text = json.dumps(
                dict(details or {}), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
            )
        except (TypeError, ValueError) as error:
            raise ParameterError(f"audit: the details of {action!r} are not plain JSON: {error}.") from error
        with self.ledger.transaction():
            before = self.head()
            entry: dict[str, Any] = {
                "sequence": before.length,
                "at": now or utc_now(),
                "action": action,
                "about": about,
                "details": text,
                "previous": before.head,
            }
            after = Chain(before.length + 1, _hash(entry))
            self.ledger.insert(AUDIT, [{**entry, "hash": after.head}])
            self.ledger.put(AUDIT_HEAD, [{"chain": _CHAIN, "length": after.length, "hash": after.head}])
        return after

    def head(self) -> Chain:
        """Return where the chain ends, as it was kept with the last entry."""
        kept = self.ledger.read(AUDIT_HEAD, chain=_CHAIN).to_pylist()
        return Chain(kept[0]["length"], kept[0]["hash"]) if kept else Chain()

    def entries(self) -> pa.Table:
        """Return every entry, oldest first, in the schema of :data:`AUDIT`."""
        return self.ledger.read(AUDIT).sort_by("sequence")

    def verify(self, known: Chain | None = None) -> Chain:
        """Recompute the whole chain and return how far it reaches.

        Parameters
        ----------
        known
            A chain of earlier, kept elsewhere: today's must run through it.

        Raises
        ------
        IntegrityError
            When a row was altered, removed or moved, the end is missing, or the chain does not run through ``known``.
            The message names the first entry that does not fit.
        """
        chain = Chain()
        met = known is None or known == chain
        for row in self.entries().to_pylist():
            if row["sequence"] != chain.length:
                raise _broken(chain.length, "it is missing or out of its order")
            if row["previous"] != chain.head or row["hash"] != _hash(row):
                raise _broken(chain.length, "it is not what was written")
            chain = Chain(chain.length + 1, row["hash"])
            met = met or chain == known
        if chain != self.head():
            raise _broken(chain.length, f"the chain should have {self.head().length:,} entries")
        if not met:
            raise IntegrityError(
                "The audit chain does not run through the known one: what came before it was rewritten or cut.",
                hint="compare with a backup of the ledger from the day that the known chain was kept.",
            )
        return chain


def _hash(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the previous hash and the entry's content as canonical JSON."""
    content = [entry["sequence"], entry["at"].isoformat(), entry["action"], entry["about"], entry["details"]]
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{entry['previous']}{text}".encode()).hexdigest()


def _broken(sequence: int, why: str) -> IntegrityError:
    return IntegrityError(
        f"The audit chain breaks at entry {sequence:,}: {why}.",
        hint="somebody wrote to the ledger past coterie; compare with a backup.",
    )
