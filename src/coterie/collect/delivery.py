"""One mapping and one folder on their way in: files are found, staged and joined, and each goes its way as a parcel."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.collect import contract, cursors, database, quarantine, remainder, sources, undo
from coterie.collect.contract import Contract
from coterie.collect.facts import IMPORTS
from coterie.collect.lookup import Join
from coterie.collect.mapping import Mapping
from coterie.collect.neighbours import around, looks_around
from coterie.collect.parcel import Meaning, Parcel, Stores
from coterie.collect.read import Read
from coterie.collect.receipt import FileReceipt
from coterie.collect.replay import Replay
from coterie.collect.staged import Staged, nothing_broken
from coterie.collect.targets import NOTHING, TARGETS
from coterie.errors import CurrencyError, StoreError, UnreadableSourceError
from coterie.progress import Progress


class Delivery:
    """One mapping and one folder on their way in, for as long as the context lasts.

    Parameters
    ----------
    stores, currency
        The shop's.
    mapping
        What the files mean; the gate has let its source in.
    root
        Where the files lie.
    label
        What their names begin with in the books.
    now
        The clock, naive UTC.
    progress
        Told how far each file is.

    Raises
    ------
    CurrencyError
        When the mapping's currency is not the shop's, and it says no rates.
    MappingError
        When the source's own contract cannot be followed.
    """

    def __init__(
        self,
        stores: Stores,
        currency: str,
        mapping: Mapping,
        root: Path,
        *,
        label: str = "",
        now: datetime,
        progress: Progress,
    ) -> None:
        self.stores = stores
        self.mapping, self.root, self.label, self.now, self.progress = mapping, root, label, now, progress
        self.currency = currency
        if mapping.currency not in (None, self.currency) and not mapping.conversion:
            raise CurrencyError(
                f"The source {mapping.source!r} is in {mapping.currency}, the shop in {self.currency}.",
                hint="add [conversion] with a table of rates, or keep a shop for each currency: unlike amounts are "
                "never added up.",
            )
        self.contract = Contract.load(root / mapping.contract) if mapping.contract else Contract()
        self.rates: str | None = None
        self._kept: dict[tuple[object, ...], Staged] = {}
        self._stack = ExitStack()
        self.replay = Replay(self.stores, mapping, self.meaning, self.joined, now, progress)

    def __enter__(self) -> Delivery:
        warehouse, lake, ledger = self.stores.warehouse, self.stores.lake, self.stores.ledger
        try:
            undo.finish(lake, ledger, self.stores.unlink)
            quarantine.settle(lake, ledger)
            quarantine.expire(warehouse, lake, ledger, now=self.now)
            contract.keep(ledger, self.mapping.source, self.contract, now=self.now)
            if self.mapping.conversion:
                path = sources.find(self.root, self.mapping.conversion.file)[0]
                with sources.stage(path, self.mapping.conversion.file, scratch=warehouse.scratch) as staged:
                    self.rates = self.mapping.conversion.prepare(warehouse, staged, self.currency)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.rates:
            self.stores.warehouse.drop(self.rates)
        self._stack.close()

    def meaning(self, read: Read) -> Meaning:
        """Return what the rows of a read mean."""
        return Meaning(self.mapping, read, self.contract, self.currency, self.rates)

    def taken_in(self) -> list[FileReceipt]:
        """Bring everything in, in the order in which targets refer to each other, and return what became of it."""
        order = list(TARGETS)
        reads = sorted(self.mapping.reads, key=lambda read: order.index(read.target.name))
        found = [
            (read, path) for read in reads for path in ([None] if read.database else sources.find(self.root, read.file))
        ]
        for read in reads:
            for join in read.join:
                sources.find(self.root, join.file)
        times = Counter(path for _, path in found if path)
        seen: set[Path] = set()
        receipts = []
        for read, path in found:
            if path is None:
                receipts.append(self._database(read))
            else:
                receipts.append(self._file(read, path, first=path not in seen, kept=times[path] > 1))
                seen.add(path)
        rests = [False] * len(receipts)
        for path in times:
            mine = [read for read, each in found if each == path]
            if all(read.where for read in mine):
                receipts.append(self._rest(mine, path))
                rests.append(True)
        self.replay.completed()
        done = {row["import_id"]: row for row in self.stores.ledger.read(IMPORTS).to_pylist()}
        # What came first of an order may have been let in only when its rest was there.
        told = [FileReceipt.of(done[each.import_id], reused=each.reused) for each in receipts]
        return [each for each, rest in zip(told, rests, strict=True) if each.received or not rest]

    def _file(self, read: Read, path: Path, *, first: bool, kept: bool) -> FileReceipt:
        """Bring one file in as one read takes it; its broken lines belong to the first read of the file."""
        name = self.label + path.relative_to(self.root).as_posix()
        fingerprint = self._fingerprint(name, read, sources.digest(path))
        row = self._before(fingerprint)
        if row and row["state"] == "done":
            return FileReceipt.of(row, reused=True)
        with ExitStack() as stack:
            main = self._staged(stack, read, path, name, kept=kept)
            if not first:
                main = _whole(main)
            return self._parcel(stack, read, main, row, fingerprint, path, around=self._around(read, path, main))

    def _database(self, read: Read) -> FileReceipt:
        """Bring in what is new in a table of a database."""
        ledger = self.stores.ledger
        with ExitStack() as stack:
            main = stack.enter_context(
                database.stage(
                    read.database or "",
                    table=read.table,
                    query=read.query,
                    cursor=read.cursor,
                    since=cursors.reached(ledger, self.stores.vault, self.mapping.source, read.name),
                    scratch=self.stores.warehouse.scratch,
                    progress=self.progress,
                )
            )
            fingerprint = self._fingerprint(main.name, read, main.digest or "")
            row = self._before(fingerprint)
            if row and row["state"] == "done":
                return FileReceipt.of(row, reused=True)
            begun = ledger.read(IMPORTS, source=self.mapping.source, read=read.name, state="started").to_pylist()
            for other in begun:
                if row is None or other["import_id"] != row["import_id"]:
                    undo.abandon(self.stores.lake, ledger, other, self.stores.unlink)
            return self._parcel(stack, read, main, row, fingerprint)

    def _parcel(
        self,
        stack: ExitStack,
        read: Read,
        main: Staged,
        row: dict[str, Any] | None,
        fingerprint: str,
        *paths: Path,
        around: Staged | None = None,
    ) -> FileReceipt:
        joined = stack.enter_context(self.joined(read, around or main))
        if read.target is NOTHING:
            row = row or self._begin(read.target.name, read.name, main.name, fingerprint)
            return remainder.left_out(self.stores, self.meaning(read), main, joined, row)
        parcel = Parcel(self.stores, self.meaning(read), main, joined, self.progress)
        stack.callback(parcel.clear)
        try:
            parcel.identify()
            row = row or self._begin(read.target.name, read.name, main.name, fingerprint)
            parcel.judge(row["import_id"], row["started_at"])
        except StoreError:
            _check_readable(*paths, *(sources.find(self.root, join.file)[0] for join in read.join))
            raise
        return FileReceipt.of(parcel.write(row, cursor=lambda: self._reach(read, main)), reused=False)

    def _reach(self, read: Read, main: Staged) -> None:
        if main.reached is not None:
            cursors.reach(self.stores.ledger, self.stores.vault, self.mapping.source, read, main.reached)

    def _rest(self, reads: list[Read], path: Path) -> FileReceipt:
        """Set the rows aside that no read of a file takes."""
        name = self.label + path.relative_to(self.root).as_posix()
        meanings = sorted(self.mapping.meaning(read) for read in reads)
        fingerprint = self._digest(quarantine.UNMAPPED, name, *meanings, sources.digest(path))
        row = self._before(fingerprint)
        if row and row["state"] == "done":
            return FileReceipt.of(row, reused=True)
        with ExitStack() as stack:
            main = _whole(self._staged(stack, reads[0], path, name, kept=True))
            row = row or self._begin(NOTHING.name, f"{NOTHING.name} {reads[0].file}", name, fingerprint)
            joined = [
                (self.meaning(read), stack.enter_context(self.joined(read, self._around(read, path, main))))
                for read in reads
            ]
            return remainder.unmapped(self.stores, joined, main, row)

    def _staged(self, stack: ExitStack, read: Read, path: Path, name: str, *, kept: bool) -> Staged:
        """Stage a file; one that is read several times is kept until all is in."""
        how = {"encoding": read.encoding, "delimiter": read.delimiter, "sheet": read.sheet}
        key = (path, *how.values())
        if key not in self._kept:
            holder = self._stack if kept else stack
            place = self.stores.warehouse.scratch
            staged = holder.enter_context(
                sources.stage(path, name, **how, scratch=place, progress=self.progress)  # type: ignore[arg-type]
            )
            if not kept:
                return staged
            self._kept[key] = staged
        return self._kept[key]

    def _around(self, read: Read, path: Path, main: Staged) -> Staged:
        """Return a file with the rows of its neighbours that go on with its first and its last unit."""
        files = sources.find(self.root, read.file) if looks_around(read) else [path]
        at = files.index(path)
        before, behind = (
            self._staged(self._stack, read, other[0], other[0].relative_to(self.root).as_posix(), kept=True)
            if other
            else None
            for other in (files[max(at - 1, 0) : at], files[at + 1 : at + 2])
        )
        return around(self.stores.warehouse, read, main, before, behind)

    @contextmanager
    def joined(self, read: Read, main: Staged) -> Iterator[Staged]:
        """Give a staged file the columns of its look-ups."""
        with ExitStack() as stack:
            others = []
            for join in read.join:
                path = sources.find(self.root, join.file)[0]
                staged = stack.enter_context(
                    sources.stage(
                        path,
                        join.file,
                        encoding=read.encoding,
                        delimiter=read.delimiter,
                        sheet=join.sheet,
                        scratch=self.stores.warehouse.scratch,
                    )
                )
                others.append((self._unique(staged, join), join.on))
            yield sources.looked_up(main, others)

    def _unique(self, staged: Staged, join: Join) -> Staged:
        """Return a look-up of which each key has one row."""
        keys = [right for _, right in join.on]
        staged.require(keys)
        if join.take == "first":
            sources.check_lookup(staged, keys, 0)
            return sources.first_of(staged, keys)
        repeated = self.stores.warehouse.query(sources.repeated_keys(staged, keys))["keys"][0].as_py()
        sources.check_lookup(staged, keys, repeated)
        return staged

    def _fingerprint(self, name: str, read: Read, content: str) -> str:
        """Return what decides the facts of a file: its name and content, and what they mean."""
        paths = [sources.find(self.root, join.file)[0] for join in read.join]
        if self.rates and self.mapping.conversion and "amount" in read.target.fields:
            paths.append(sources.find(self.root, self.mapping.conversion.file)[0])
        return self._digest(name, self.mapping.meaning(read), content, *map(sources.digest, paths))

    def _digest(self, *parts: str) -> str:
        whole = "\n".join([*parts, self.currency, self.contract.fingerprint])
        return hashlib.sha256(whole.encode()).hexdigest()

    def _before(self, fingerprint: str) -> dict[str, Any] | None:
        """Return the import of the same content and meaning that is done or was begun, if it still stands."""
        same = self.stores.ledger.read(IMPORTS, fingerprint=fingerprint).sort_by("import_id").to_pylist()
        for row in [row for row in same if row["state"] != "undone"][-1:]:
            if row["state"] == "started" or not self._superseded(row):
                return dict(row)
        return None

    def _superseded(self, row: dict[str, Any]) -> bool:
        """Tell whether a file said something else in between: then saying the former again is news.

        Only products and traits can change; a line or an event that was there stays.
        """
        if row["target"] not in ("product", "trait"):
            return False
        same = self.stores.ledger.read(IMPORTS, source=row["source"], file=row["file"], read=row["read"])
        return any(each["import_id"] > row["import_id"] and each["facts"] for each in same.to_pylist())

    def _begin(self, target: str, read: str, file: str, fingerprint: str) -> dict[str, Any]:
        ledger = self.stores.ledger
        with ledger.transaction():
            last = max(ledger.read(IMPORTS)["import_id"].to_pylist(), default=0)
            row = dict.fromkeys(IMPORTS.schema.names) | {
                "import_id": last + 1,
                "source": self.mapping.source,
                "file": file,
                "target": target,
                "read": read,
                "fingerprint": fingerprint,
                "state": "started",
                "started_at": self.now,
            }
            ledger.insert(IMPORTS, [row])
        return row


def _whole(staged: Staged) -> Staged:
    """Return a file without its broken lines, which another read of it answers for."""
    return replace(staged, broken=nothing_broken())


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
