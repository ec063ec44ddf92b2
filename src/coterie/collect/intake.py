"""The intake: files become facts, and every source row is accepted, set aside or known already.

The order of steps makes a crash harmless at any point: subjects (the vault gives the same ones again) → the import is
written into the ledger as started → the lake, chunk by chunk, each commit named so that repeating it does nothing → the
ledger, in one transaction: identity edges, consents, and the import as done. An import that was started and not done is
taken up under its own number and clock; rows are told apart by what *other* imports have stored, and chunks are ranges
of source rows, so that it commits what it would have committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.collect import contract, sources
from coterie.collect.facts import IMPORTS, LAKE_TABLES, LEDGER_TABLES
from coterie.collect.mapping import Mapping, Read
from coterie.collect.parcel import Parcel, Stores
from coterie.collect.receipt import FileReceipt, Receipt
from coterie.collect.targets import TARGETS
from coterie.config import Config
from coterie.errors import CurrencyError, StoreError, UnreadableSourceError
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
        Takes identity edges, which rows with several identifiers show: ``source, subject_a, subject_b, kind`` (of the
        weaker identifier) and the three times. Called inside a transaction of the ledger; must bear repetition.
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
    ) -> None:
        self.stores = Stores(warehouse, lake, ledger, vault, edges)
        self.gate = gate
        self.config = config
        lake.create(*LAKE_TABLES)
        ledger.create(*LEDGER_TABLES, CONSENTS)

    def ingest(
        self, mapping: Mapping, folder: Path | str, *, now: datetime | None = None, progress: Progress = SILENT
    ) -> Receipt:
        """Bring in every file that a mapping names.

        Parameters
        ----------
        mapping
            What the files mean.
        folder
            Where they lie.
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
            When the mapping's currency is not the shop's.
        UnreadableSourceError, MissingColumnError
            When a file cannot be read or lacks a column; files before it stay imported.
        """
        self.gate.admit(mapping.source, {str(purpose): words for purpose, words in mapping.lawful_basis}, now=now)
        if mapping.currency not in (None, self.config.currency):
            raise CurrencyError(
                f"The source {mapping.source!r} is in {mapping.currency}, the shop in {self.config.currency}.",
                hint="convert it before, or keep a shop for each currency: unlike amounts are never added up.",
            )
        root = Path(folder)
        order = list(TARGETS)
        reads = sorted(mapping.reads, key=lambda read: order.index(read.target.name))
        found = [(read, path) for read in reads for path in sources.find(root, read.file)]
        for read in reads:
            for join in read.join:
                sources.find(root, join.file)
        moment = now or utc_now()
        files = [self._file(mapping, read, root, path, moment, progress) for read, path in found]
        return Receipt(mapping.source, tuple(files))

    def _file(
        self, mapping: Mapping, read: Read, root: Path, path: Path, now: datetime, progress: Progress
    ) -> FileReceipt:
        name = path.relative_to(root).as_posix()
        looked_up = [sources.find(root, join.file)[0] for join in read.join]
        parts = [name, mapping.meaning(read), self.config.currency, contract.FINGERPRINT]
        parts += [sources.digest(each) for each in (path, *looked_up)]
        fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        before = self.stores.ledger.read(IMPORTS, fingerprint=fingerprint).sort_by("import_id").to_pylist()[-1:]
        if before and before[0]["state"] == "done":
            if not self._superseded(before[0]):
                return FileReceipt.of(before[0], reused=True)
            before = []
        with ExitStack() as stack:
            main = stack.enter_context(
                sources.stage(path, name, encoding=read.encoding, delimiter=read.delimiter, progress=progress)
            )
            others = []
            for join, other in zip(read.join, looked_up, strict=True):
                staged = stack.enter_context(
                    sources.stage(other, join.file, encoding=read.encoding, delimiter=read.delimiter)
                )
                keys = [right for _, right in join.on]
                staged.require(keys)
                repeated = self.stores.warehouse.query(sources.repeated_keys(staged, keys))["keys"][0].as_py()
                sources.check_lookup(staged, keys, repeated)
                others.append((staged, join.on))
            joined = sources.looked_up(main, others)
            parcel = Parcel(self.stores, mapping, read, main, joined, self.config.currency, progress)
            stack.callback(parcel.clear)
            try:
                parcel.identify()
                row = before[0] if before else self._begin(mapping, read, name, fingerprint, now)
                parcel.judge(row["import_id"], row["started_at"])
            except StoreError:
                _check_readable(path, *looked_up)
                raise
            return FileReceipt.of(parcel.write(row), reused=False)

    def _superseded(self, row: dict[str, Any]) -> bool:
        """Tell whether a file said something else in between: then saying the former again is news.

        Only products and traits can change; a line or an event that was there stays.
        """
        if row["target"] not in ("product", "trait"):
            return False
        same = self.stores.ledger.read(IMPORTS, source=row["source"], file=row["file"], target=row["target"])
        return any(each["import_id"] > row["import_id"] and each["facts"] for each in same.to_pylist())

    def _begin(self, mapping: Mapping, read: Read, name: str, fingerprint: str, now: datetime) -> dict[str, Any]:
        with self.stores.ledger.transaction():
            last = max(self.stores.ledger.read(IMPORTS)["import_id"].to_pylist(), default=0)
            row = dict.fromkeys(IMPORTS.schema.names) | {
                "import_id": last + 1,
                "source": mapping.source,
                "file": name,
                "target": read.target.name,
                "read": read.name,
                "fingerprint": fingerprint,
                "state": "started",
                "started_at": now,
            }
            self.stores.ledger.insert(IMPORTS, [row])
        return row


def _check_readable(*paths: Path) -> None:
    """Raise UnreadableSourceError when a Parquet file among these is damaged inside."""
    for path in paths:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                continue
        try:
            with pq.ParquetFile(path) as parquet:
                for _ in parquet.iter_batches():
                    pass
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableSourceError.of(path, "the Parquet file is damaged inside", hint="copy it again.") from error
