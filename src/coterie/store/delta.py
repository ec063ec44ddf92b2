"""One Delta table: its log, the files that the log names, and how both change together."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from coterie.errors import CoterieError, IntegrityError, StoreError
from coterie.schema import Table
from coterie.store import disk
from coterie.store.parquet import flush, indexed, statistics, write
from coterie.store.ports import Commit
from coterie.store.shape import require_no_more_columns, require_same_columns

T = TypeVar("T")
File = tuple[Path, int]  # where it lies, and its size in bytes

_ATTEMPTS = 5  # at a commit that another one overtook, or at reading a log that is being shortened
_PAUSE = 0.02  # seconds before the log is read again
_INDEX = "delta.dataSkippingStatsColumns"
_BLANK = "columns"  # begins the name of a file without rows that has the columns that older files lack


class Delta:
    """A Delta table as its log was when this was made.

    Parameters
    ----------
    folder
        The table's own folder.
    table
        The columns that the table must have.

    Raises
    ------
    StoreError
        There is no such table, its log is broken, or it has other columns.
    """

    def __init__(self, folder: Path, table: Table) -> None:
        self.folder = folder
        self.table = table
        self.log = _opened(folder, table)
        stored = pa.schema(self.log.schema().to_arrow())
        require_same_columns(table, kinds(stored), kinds(table.schema))

    @staticmethod
    def create(folder: Path, table: Table) -> None:
        """Make a table; one that is there stays as it is."""
        with told(table.name, "make"):
            if not DeltaTable.is_deltatable(str(folder)):
                if folder.is_dir() and any(folder.glob("*.parquet")):
                    raise IntegrityError(
                        f"Table {table.name!r} is damaged: {folder / '_delta_log'} is missing or empty.",
                        hint=disk.RESTORE,
                    )
                folder.mkdir(parents=True, exist_ok=True)
                DeltaTable.create(
                    str(folder),
                    schema=table.schema,
                    mode="ignore",
                    name=table.name,
                    description=table.meaning,
                    configuration={_INDEX: ",".join(indexed(table))},
                )

    @staticmethod
    def extend(folder: Path, table: Table) -> None:
        """Give a table of an older layout the columns it lacks, and a log that tells no subjects.

        Each step is one entry of the log and is taken only where it is still due, so a killed one is repeated.
        """
        log = _opened(folder, table)
        stored = pa.schema(log.schema().to_arrow())
        with told(table.name, "extend"):
            require_no_more_columns(table, kinds(stored), kinds(table.schema))
            if lacking := [field for field in table.schema if field.name not in stored.names]:
                log.alter.add_columns(list(Schema.from_arrow(pa.schema(lacking)).fields))
        Delta(folder, table)._complete()
        with told(table.name, "extend"):
            if Delta(folder, table).log.metadata().configuration.get(_INDEX) == ",".join(indexed(table)):
                return
            # What the log tells of the files is told anew, before the table says that it is.
            Delta(folder, table)._describe()
            Delta(folder, table).shorten()
            Delta(folder, table).log.alter.set_table_properties({_INDEX: ",".join(indexed(table))})

    @staticmethod
    def newest(folder: Path) -> int | None:
        """Return the number of the newest entry in a table's log, without reading it; None where there is none."""
        names = (path.name for path in (folder / "_delta_log").glob("*.json"))
        return max((int(name[:20]) for name in names if name[:20].isdigit()), default=None)

    @staticmethod
    def appended(folder: Path, since: int) -> list[Path] | None:
        """Return the files of rows that were added after an entry of a table's log, whether they are live or not.

        None where rows were removed meanwhile, or where the log or a file is not there any more.
        """
        newest = Delta.newest(folder)
        if newest is None or newest < since:
            return None
        found: list[Path] = []
        try:
            for number in range(since + 1, newest + 1):
                for line in (folder / "_delta_log" / f"{number:020}.json").read_text("utf-8").splitlines():
                    entry = json.loads(line)
                    if entry.get("remove", {}).get("dataChange", False) or "metaData" in entry:
                        return None
                    if entry.get("add", {}).get("dataChange", False):
                        found.append(folder / unquote(entry["add"]["path"]))
        except (OSError, ValueError, KeyError):
            return None
        return found if all(path.is_file() for path in found) else None

    def files(self) -> list[File]:
        """Return the live files."""
        actions = pa.table(self.log.get_add_actions(flatten=True))
        names, sizes = actions["path"].to_pylist(), actions["size_bytes"].to_pylist()
        return [(self.folder / name, size) for name, size in zip(names, sizes, strict=True)]

    def count(self) -> int:
        """Return the number of rows."""
        rows: list[int] = pa.table(self.log.get_add_actions(flatten=True))["num_records"].to_pylist()
        return sum(rows)

    def applied(self, application: str) -> int | None:
        """Return the last version that an application committed, or None."""
        version: int | None = self.log.transaction_version(application)
        return version

    def commit(
        self,
        batches: Iterable[pa.RecordBatch],
        prefix: str,
        file_bytes: int,
        *,
        mark: Commit | None = None,
        replaced: Sequence[File] = (),
        changed: bool = True,
    ) -> None:
        """Write batches to new files and make these live, instead of the replaced ones, in one entry of the log.

        All of it is on the disk when this returns. ``changed`` is False when readers see the same rows as before.
        """
        now = time.time_ns() // 1_000_000
        with told(self.table.name, "write to"):
            written = write(self.folder, prefix, self.table.schema, batches, file_bytes)
            flush(self.folder)
            added = [
                AddAction(path.name, path.stat().st_size, {}, now, changed, statistics(path, self.table))
                for path in written
            ]
            removed = [RemoveAction(path.name, changed, now, size, {}) for path, size in replaced]
            marks = [Transaction(mark.application, mark.version)] if mark else []
            # Should this fail, the new files stay until the next clean-up: the entry may be in the log all the same.
            self.log.create_write_transaction(
                [*added, *removed],
                "append",
                self.table.schema,
                commit_properties=CommitProperties(app_transactions=marks),
            )
            flush(max((self.folder / "_delta_log").glob("*.json")))

    def shorten(self) -> None:
        """Leave of the log only how the table is now: earlier entries tell the extremes of rows that are gone.

        A reader that is at an earlier entry meets a missing file and reads the log again.
        """
        with told(self.table.name, "shorten the log of"):
            now, log = self.log.version(), self.folder / "_delta_log"
            earlier = [path for path in log.iterdir() if path.name[:20].isdigit() and int(path.name[:20]) < now]
            if not earlier:
                return
            self.log.create_checkpoint()
            flush(*log.glob(f"{now:020}.checkpoint*.parquet"), log / "_last_checkpoint")
            for path in sorted(earlier):
                path.unlink(missing_ok=True)
            flush(log)

    def blank(self, folder: Path) -> Path:
        """Write a file without rows that has all columns of the table, for readers of files that may lack some."""
        path = folder / f"{_BLANK}-{uuid.uuid4()}.parquet"
        with told(self.table.name, "write to"), path.open("wb") as file:
            pq.write_table(self.table.empty(), file, store_schema=False)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _complete(self) -> None:
        """Add a file without rows, when files lack columns and none has them all: readers match columns by name."""
        files = [path for path, _ in self.files()]
        with told(self.table.name, "extend"):
            wanted = set(self.table.schema.names)
            if not files or any(wanted <= set(pq.read_schema(path).names) for path in reversed(files)):
                return
            path = self.blank(self.folder)
            self._enter([self._added(path)])

    def _describe(self) -> None:
        """Say anew what the log says about each live file."""
        if files := [path for path, _ in self.files()]:
            self._enter([self._added(path) for path in files])

    def _added(self, path: Path) -> AddAction:
        now = time.time_ns() // 1_000_000
        return AddAction(path.name, path.stat().st_size, {}, now, False, statistics(path, self.table))

    def _enter(self, actions: Sequence[AddAction]) -> None:
        """Make an entry in the log by which readers see the same rows."""
        self.log.create_write_transaction(list(actions), "append", self.table.schema)
        flush(max((self.folder / "_delta_log").glob("*.json")))

    def clean_up(self, hours: int) -> None:
        """Remove the files that stopped being live before so many hours, and those that never were."""
        with told(self.table.name, "clean up"):
            for dry in (True, False):  # a clean-up is an entry in the log, so there is none for nothing
                if not self.log.vacuum(hours, dry_run=dry, enforce_retention_duration=False, full=True):
                    break


def retried(once: Callable[[], T]) -> T:
    """Try again while another commit overtakes this one, or a deletion removes the files that it reads."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return once()
        except StoreError as error:
            if not isinstance(error.__cause__, (CommitFailedError, duckdb.IOException)) or disk.remedy(error):
                raise
    return once()


@contextmanager
def told(name: str, what: str) -> Iterator[None]:
    """Turn what deltalake, Arrow and the system raise into errors of ours that name the table."""
    try:
        yield
    except CoterieError:
        raise
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]  # the rest is a backtrace
        hint = disk.remedy(error) or (disk.RESTORE if what == "read" else None)
        raise StoreError(f"Cannot {what} table {name!r}: {said.rstrip('.')}.", hint=hint) from error


def _opened(folder: Path, table: Table) -> DeltaTable:
    """Read the log of a table, again where it was shortened meanwhile."""
    for attempt in range(_ATTEMPTS):
        try:
            with told(table.name, "read"):
                if not DeltaTable.is_deltatable(str(folder)):
                    raise StoreError(f"There is no table {table.name!r} in {folder.parent}.", hint=disk.RESTORE)
                return DeltaTable(str(folder))
        except StoreError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
    raise AssertionError("the last attempt returns or raises")


def kinds(schema: pa.Schema) -> list[tuple[str, str]]:
    """Return the columns of a schema as pairs of name and type."""
    return [(field.name, str(field.type)) for field in schema]
