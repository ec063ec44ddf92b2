"""A shop's stores, held together: who may write, who owns what, and how they are released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from coterie.collect.facts import LAKE_TABLES, LEDGER_TABLES
from coterie.config import FILE, Config
from coterie.features import published
from coterie.govern.audit import AUDIT, AUDIT_HEAD
from coterie.govern.consent import BASES, CONSENTS
from coterie.govern.gate import Gate
from coterie.govern.requests import Holder, Impersonal, LakeHolder, LedgerHolder, VaultHolder
from coterie.ops.registry import MODELS, Registry
from coterie.ops.runs import RUNS, Run, record
from coterie.profiles.resolution import EDGES
from coterie.store.ports import Archive, Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse
from coterie.workspace.scratch import SCRATCH, scratch

LEDGER = (*LEDGER_TABLES, CONSENTS, BASES, EDGES, AUDIT, AUDIT_HEAD, RUNS, MODELS)
MANY_FILES = 50  # scans slow down with the number of files: 1,351 took ten times as long as 6
LAKE = (*LAKE_TABLES, published.PUBLISHED, published.SNAPSHOTS)


class Keeping:
    """A shop that is open: its stores and the one lease to write."""

    def __init__(
        self, folder: Path | None, config: Config, ledger: Ledger, vault: Vault, lake: Lake, archive: Archive
    ) -> None:
        self.folder = folder
        self.config = config
        self.ledger = ledger
        self.vault = vault
        self.lake = lake
        self.archive = archive
        self.ledger.create(*LEDGER)
        self.lake.create(*LAKE)
        self.gate = Gate(ledger, minimum_group=config.minimum_group)
        self.registry = Registry(ledger, archive)
        self._scratch = scratch(folder)
        self.warehouse = Warehouse(lake, temp_directory=self._scratch.name)

    def unlock(self) -> bool:
        """Remove the lease of a writer whose machine is gone for good, and say whether there was one.

        A process killed on this machine is noticed without this. Of another machine's nobody can tell but you.
        """
        released = self.ledger.release("writer")
        if released:
            self.gate.audit.append("unlock", "writer")
        return released

    def holders(self) -> list[Holder]:
        """Return the owners of every table and file of the shop, in the order in which they forget.

        The vault, by which a person is found, comes after all that is found by its keys. Only edges come later: were
        they erased first and the rest not, a repeated request would miss the person's other identifiers.
        """
        return [
            LakeHolder(self.lake, LAKE, files=("lake",)),
            LedgerHolder(
                self.ledger,
                tuple(table for table in LEDGER if table is not EDGES),
                files=("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"),
            ),
            Impersonal("archive", ("archive",), "Models hold centres and scales of groups, never rows about a person."),
            Impersonal("settings", (FILE,), "The shop's own name, currency and time zone."),
            Impersonal("scratch", (SCRATCH,), "Rows on their way in, gone when the process ends."),
            VaultHolder(self.vault, files=("vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm")),
            LedgerHolder(self.ledger, (EDGES,), name="edges"),
        ]

    def settings(self) -> dict[str, Any]:
        """Return the shop's settings as JSON values."""
        return asdict(self.config)

    def close(self) -> None:
        """Release the stores; a closed workspace is opened anew by :func:`coterie.open`."""
        self.warehouse.close()
        self.ledger.close()
        self.vault.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({self.config.name!r}, {self.folder or 'in memory'})"

    @contextmanager
    def _writing(self, verb: str, arguments: dict[str, Any]) -> Iterator[Run]:
        """Hold the shop's one writer lease, record the run, and compact tables that are in too many files after it."""
        with self.ledger.lease("writer"), record(self.ledger, verb, arguments) as run:
            yield run
            for table in LAKE:
                source = self.lake.source(table)
                if not isinstance(source, pa.Table) and len(source) > MANY_FILES:
                    self.lake.compact(table)
