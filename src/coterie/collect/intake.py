"""The intake: files become facts, and every source row is accepted, set aside or known already.

The order of steps makes a crash harmless at any point: subjects (the vault gives the same ones again) → the import is
written into the ledger as started → the lake, chunk by chunk, each commit named so that repeating it does nothing → the
ledger, in one transaction: identity edges, consents, how far a database was read, and the import as done. An import
that was started and not done is taken up under its own number and clock; rows are told apart by what *other* imports
have stored, and chunks are ranges of source rows, so that it commits what it would have committed. A database may have
other rows by then: what was begun of it is taken back and read anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from coterie.collect.delivery import Delivery
from coterie.collect.facts import LAKE_TABLES, LEDGER_TABLES
from coterie.collect.mapping import Mapping
from coterie.collect.parcel import Stores
from coterie.collect.receipt import FileReceipt, Receipt
from coterie.collect.undo import Unlink
from coterie.config import Config
from coterie.govern.consent import CONSENTS
from coterie.govern.gate import Gate
from coterie.progress import SILENT, Progress
from coterie.schema import utc_now
from coterie.store.ports import Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse

__all__ = ["FileReceipt", "Intake", "Receipt"]


class Intake:
    """Brings the files of sources into a shop.

    Parameters
    ----------
    warehouse, lake, ledger, vault
        The shop's stores. The caller holds the shop's lease.
    gate
        Lets a source in, or not.
    config
        The shop's settings.
    edges
        Takes identity edges, which rows with several identifiers show: ``source, subject_a, subject_b``, their kinds
        ``kind_a, kind_b``, ``kind`` (of the weaker identifier), the three times and ``import_id``. Called
        inside a transaction of the ledger; must bear repetition.
    nobody
        By kind, the identifiers that the shop has blocked: they are left out, their rows are not.
    unlink
        Removes the identity edges that an import has brought, when it is taken back; called as ``edges`` is.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        lake: Lake,
        ledger: Ledger,
        vault: Vault,
        gate: Gate,
        config: Config,
        edges: Callable[[pa.Table], object] = lambda _: None,
        nobody: dict[str, Sequence[str]] | None = None,
        unlink: Unlink = int,
    ) -> None:
        self.stores = Stores(warehouse, lake, ledger, vault, edges, nobody or {}, unlink)
        self.gate = gate
        self.config = config
        lake.create(*LAKE_TABLES)
        ledger.create(*LEDGER_TABLES, CONSENTS)

    def ingest(
        self,
        mapping: Mapping,
        folder: Path | str,
        *,
        label: str = "",
        now: datetime | None = None,
        progress: Progress = SILENT,
    ) -> Receipt:
        """Bring in every file that a mapping names.

        Parameters
        ----------
        mapping
            What the files mean.
        folder
            Where they lie.
        label
            What their names begin with in the books, to tell files of several folders apart.
        now
            The clock of the import, naive UTC; None is the present.
        progress
            Told how far each file is.

        Returns
        -------
        Receipt
            The fate of every row.

        Raises
        ------
        GateRefusedError
            When the mapping declares no lawful basis.
        CurrencyError
            When the mapping's currency is not the shop's, and it says no rates.
        UnreadableSourceError, MissingColumnError
            When a file cannot be read or lacks a column; files before it stay imported.
        """
        with self._delivery(mapping, folder, label, now, progress) as delivery:
            receipts = delivery.taken_in()
        return Receipt(mapping.source, tuple(receipts))

    def replay(
        self, mapping: Mapping, folder: Path | str, *, now: datetime | None = None, progress: Progress = SILENT
    ) -> Receipt:
        """Judge the quarantined rows of a source anew, under a mended mapping and contract.

        What passes becomes facts under its old import and row, as if the rule had been mended before; the rest stays,
        with the reasons of today.

        Parameters
        ----------
        mapping
            What the files mean by now.
        folder
            Where its look-ups, rates and contract lie; the files themselves are not read.
        now
            The clock, naive UTC; None is the present.
        progress
            Told how far each file is.

        Returns
        -------
        Receipt
            Of each import that had rows in quarantine: the fate of these rows.
        """
        with self._delivery(mapping, folder, "", now, progress) as delivery:
            receipts = delivery.replay.run()
        return Receipt(mapping.source, tuple(receipts))

    def _delivery(
        self, mapping: Mapping, folder: Path | str, label: str, now: datetime | None, progress: Progress
    ) -> Delivery:
        """Let a source in at the gate, and return its delivery."""
        moment = now or utc_now()
        basis = {str(purpose): words for purpose, words in mapping.lawful_basis}
        self.gate.admit(mapping.source, basis, now=moment)
        currency = self.config.currency
        return Delivery(self.stores, currency, mapping, Path(folder), label=label, now=moment, progress=progress)
