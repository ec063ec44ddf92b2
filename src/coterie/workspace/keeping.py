"""A shop's stores, held together: who may write, who owns what, and how they are released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from coterie.collect import quarantine, undo
from coterie.collect.cursors import Cursors
from coterie.collect.facts import LAKE_TABLES, LEDGER_TABLES
from coterie.collect.inbox import INBOX, INBOX_HEAD, Inbox
from coterie.collect.mentions import Mentions
from coterie.config import FILE, Config
from coterie.errors import IntegrityError, StoreError
from coterie.features import published
from coterie.features.definitions import FILE as FEATURES
from coterie.govern.audit import AUDIT, AUDIT_HEAD
from coterie.govern.consent import BASES, CONSENTS
from coterie.govern.gate import Gate
from coterie.govern.holders import Holder, Impersonal, LakeHolder, LedgerHolder, VaultHolder
from coterie.govern.requests import ERASURES, Receipt, finish
from coterie.ops.registry import MODELS, Registry
from coterie.ops.runs import RUNS, Run, record
from coterie.profiles.edges import unlink
from coterie.profiles.identity import PERSONAL as WHO
from coterie.profiles.identity import TABLES as IDENTITY
from coterie.progress import SILENT, Progress
from coterie.schema import Table, utc_now
from coterie.store.backup import Manifest, back_up
from coterie.store.content import content_hash
from coterie.store.disk import RESTORE
from coterie.store.ports import Archive, Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse
from coterie.workspace.scratch import SCRATCH, Scratch

HEADS = Table(
    "heads",
    pa.schema([("table", pa.string()), ("version", pa.int64())]),
    key=("table",),
    meaning="How far the log of each table of the lake reached when the shop was last written to; nothing personal.",
)
LEDGER = (
    *(*LEDGER_TABLES, INBOX, INBOX_HEAD, CONSENTS, BASES, *IDENTITY),
    *(AUDIT, AUDIT_HEAD, ERASURES, RUNS, MODELS, HEADS),
)
STATE = "state"
"""The folder of what can be made anew from the rest, and so is in no backup."""

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
        self._check_heads()
        self.gate = Gate(ledger, minimum_group=config.minimum_group)
        self._finished: list[Receipt] = []  # of requests to be forgotten that another process left unfinished
        self.registry = Registry(ledger, archive)
        self._scratch = Scratch(folder)
        self.inbox = Inbox(lake, ledger, Path(self._scratch.name))
        self.warehouse = Warehouse(self.inbox, temp_directory=self._scratch.name)

    def unlock(self) -> bool:
        """Remove the lease of a writer whose machine is gone for good, and say whether there was one.

        A process killed on this machine is noticed without this. Of another machine's nobody can tell but you.
        """
        released = self.ledger.release("writer")
        if released:
            self.gate.audit.append("unlock", "writer")
        return released

    def backup(self, target: str | Path, *, now: datetime | None = None, progress: Progress = SILENT) -> Manifest:
        """Copy the shop, while others read it, into a folder that :func:`coterie.restore` makes a shop of again.

        The key of the vault is not in it: keep that apart, for a backup without it tells nobody who the customers are.

        Parameters
        ----------
        target
            A folder that does not exist, or is empty. It is there when the backup is whole.
        now
            The moment that the manifest states, naive UTC; None is the present.
        progress
            Where steps are reported.

        Returns
        -------
        Manifest
            Every file with its size and SHA-256, as ``backup.json`` states them.

        Raises
        ------
        StoreError
            When the target cannot be used, or the shop is in memory.
        IntegrityError
            When the shop is damaged; nothing is left in the target.
        ShopLockedError
            When another process is writing to the shop.
        """
        if self.folder is None:
            raise StoreError("A shop in memory has no files to back up.", hint="open a shop in a folder.")
        moment = now or utc_now()
        with self.ledger.lease("writer"):
            self.gate.audit.append("backup", "the whole shop", now=moment)  # before: it is in the backup, too
            return back_up(
                self.folder,
                Path(target).expanduser().resolve(),
                shop_id=self.config.shop_id,
                name=self.config.name,
                layout=self.config.layout,
                now=moment,
                leave=(SCRATCH, STATE),
                tell=lambda done, total: progress.step("copying", done, total),
            )

    def compact(self, *, progress: Progress = SILENT) -> dict[str, int]:
        """Rewrite the tables that are in several files, sorted by person and time; readers see the same rows.

        Verbs that write do this by themselves when a table is in too many files.

        Returns
        -------
        dict
            How many files each table is in afterwards.
        """
        with self._writing("compact", {}) as run:
            for done, table in enumerate(LAKE):
                progress.step(f"compacting {table.name}", done, len(LAKE))
                self.lake.compact(table)
            progress.step("compacting", len(LAKE), len(LAKE))
            run.facts = {table.name: self._files(table) for table in LAKE}
        return dict(run.facts)

    def content_hash(self) -> str:
        """Return one SHA-256 of every row, identifier and file: equal for shops that hold the same."""
        return content_hash(self.ledger, LEDGER, self.vault, self.lake, LAKE, self.archive)

    def holders(self) -> list[Holder]:
        """Return the owners of every table and file of the shop, in the order in which they forget.

        The vault, by which a person is found, comes after all that is found by its keys. Only edges come later: were
        they erased first and the rest not, a repeated request would miss the person's other identifiers.
        """
        return [
            Mentions(self.inbox, self.vault),
            Cursors(self.ledger, self.vault),
            LakeHolder(self.lake, LAKE, files=("lake",)),
            LedgerHolder(
                self.ledger,
                tuple(table for table in LEDGER if table not in WHO),
                files=("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"),
            ),
            Impersonal("archive", ("archive",), "Models hold centres and scales of groups, never rows about a person."),
            Impersonal(
                "settings", (FILE, FEATURES), "The shop's own name, currency and time zone, and its own features."
            ),
            Impersonal("scratch", (SCRATCH,), "Rows on their way in, gone when the process ends."),
            VaultHolder(self.vault, files=("vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm")),
            LedgerHolder(self.ledger, WHO, name="edges"),
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
        """Hold the shop's one writer lease, record the run, and compact tables that are in too many files after it.

        First of all, what was cut off is finished: events move from the inbox to the lake, rows that were mended leave
        the quarantine, imports that were taken back go, and people who asked for it are erased. And rows that were set
        aside lose their raw bytes when their time is over.
        """
        with self.ledger.lease("writer"), record(self.ledger, verb, arguments) as run:
            self.inbox.move()
            quarantine.settle(self.lake, self.ledger)
            undo.finish(self.lake, self.ledger, self._unlink)
            quarantine.expire(self.warehouse, self.lake, self.ledger, now=utc_now())
            self._finished += finish(self.holders(), self.gate.audit)
            yield run
            for table in LAKE:
                if self._files(table) > MANY_FILES:
                    self.lake.compact(table)
            self.ledger.put(HEADS, [{"table": table.name, "version": self.lake.version(table)} for table in LAKE])

    def _unlink(self, import_id: int) -> int:
        """Delete the identity edges that an import has brought."""
        return unlink(self.ledger, import_id)

    def _check_heads(self) -> None:
        """Refuse a lake whose log has lost its newest entries: it would look like an earlier state of the shop."""
        tables = {table.name: table for table in LAKE}
        for head in self.ledger.read(HEADS).to_pylist():  # before the versions, which only rise
            table = tables.get(head["table"])
            if table and (version := self.lake.version(table)) < head["version"]:
                raise IntegrityError(
                    f"Table {table.name!r} is damaged: its log ends at entry {version}, and was at {head['version']}.",
                    hint=RESTORE,
                )

    def _files(self, table: Table) -> int:
        """Return how many files a table of the lake is in."""
        source = self.lake.source(table)
        return 0 if isinstance(source, pa.Table) else len(source)
