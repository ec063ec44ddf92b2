"""The lake: append-only tables of facts, as Delta tables in a folder or as Arrow tables in memory.

A Delta table is a flat folder of Parquet files with a log that names the live ones. Files are written and flushed to
disk first, and one entry in the log then makes them live, so a killed writer leaves the table as it was. Compaction
rewrites a table as few files sorted by subject and time. Subject keys are random numbers, so each of these files is one
bucket of subjects with a range of keys of its own, which the log and the files state and readers skip by.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import CoterieError, IntegrityError, ParameterError, StoreError
from coterie.schema import Table
from coterie.store.parquet import GROUP_ROWS, flush, indexed, statistics, write
from coterie.store.ports import Commit
from coterie.store.shape import conform, require_same_columns
from coterie.store.warehouse import Warehouse, files_relation, quoted

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")

_FILE_BYTES = 64 << 20  # of a compacted file: erasing one subject rewrites at least one of them
_ATTEMPTS = 5  # at a commit that another one overtook
_GRACE_HOURS = 1  # for readers that opened the files which a compaction replaced
_MEANT_FOR_URLS = re.compile(r"[%\[\]^|\\\x00-\x1f]")  # deltalake cannot work in a folder whose path has one of these


def _integers(table: Table, column: str, values: Iterable[int]) -> list[int]:
    """Return the values of an integer column to delete, once each."""
    if column not in table.schema.names or not pa.types.is_integer(table.schema.field(column).type):
        raise ParameterError.of(f"delete from {table.name}", "column", column, "an integer column of the table")
    return sorted({int(value) for value in values})


class DeltaLake:
    """Delta tables under a folder, one folder a table.

    One process writes at a time (who does holds the ledger's lease); any number may read. A list of files that a reader
    got from ``source`` stays readable through appends, and for an hour through compactions; ``delete`` removes the
    files at once, and a reader that meets a missing file asks again.

    Parameters
    ----------
    folder
        Made at the first write.
    file_bytes
        The size of a compacted file.

    Raises
    ------
    StoreError
        A table cannot be read or written; the message names it. What was committed before stays.
    """

    def __init__(self, folder: str | os.PathLike[str], *, file_bytes: int = _FILE_BYTES) -> None:
        self.folder = Path(folder).absolute()
        self._file_bytes = file_bytes
        self._writing = threading.RLock()
        if found := _MEANT_FOR_URLS.search(str(self.folder)):
            raise StoreError(
                f"The folder {self.folder} cannot hold tables: its path has the character {found.group()!r}.",
                hint="choose a folder whose path has none of % [ ] ^ | \\",
            )

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""
        from deltalake import DeltaTable

        for table in tables:
            path = self.folder / table.name
            with self._writing, _told(table.name, "make"):
                if not DeltaTable.is_deltatable(str(path)):
                    path.mkdir(parents=True, exist_ok=True)
                    DeltaTable.create(
                        str(path),
                        schema=table.schema,
                        mode="ignore",
                        name=table.name,
                        description=table.meaning,
                        configuration={"delta.dataSkippingStatsColumns": ",".join(indexed(table.schema))},
                    )
            self._open(table)

    def tables(self) -> list[str]:
        """Name every table that exists."""
        return sorted(log.parent.name for log in self.folder.glob("*/_delta_log") if any(log.iterdir()))

    def append(self, table: Table, rows: pa.Table, commit: Commit | None = None) -> bool:
        """Add rows in one atomic commit; False when ``commit`` was applied before, and then nothing is added.

        The rows are on the disk when this returns.
        """
        rows = conform(table, rows)

        def once() -> bool:
            delta = self._open(table)
            if commit and _applied(delta, commit):
                return False
            if not rows.num_rows and not commit:
                return True
            self._commit(delta, table, rows.to_batches(), "fresh", commit)
            return True

        with self._writing:
            return _retried(once, table.name)

    def applied(self, table: Table, application: str) -> int | None:
        """Return the last version that ``application`` committed to the table, or None."""
        version: int | None = self._open(table).transaction_version(application)
        return version

    def source(self, table: Table) -> list[str] | pa.Table:
        """Return the paths of the live Parquet files, or a typed Arrow table without rows when there are none.

        Raises
        ------
        IntegrityError
            A live file is missing or has another size than was committed.
        """
        known: list[tuple[Path, int]] | None = None
        damaged: list[tuple[Path, int]] = []
        while (files := self._files(table)) != known:
            known = files
            damaged = [(path, size) for path, size in files if _size(path) != size]
            if not damaged:
                return [str(path) for path, _ in files] or table.empty()
        # The list is the same at a second look, so the files were not replaced meanwhile.
        path, size = damaged[0]
        found = _size(path)
        state = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
        raise IntegrityError(
            f"Table {table.name!r} is damaged: {path} {state}.", hint="restore the file from a backup."
        )

    def version(self, table: Table) -> int:
        """Return a number that changes with every commit to the table."""
        return int(self._open(table).version())

    def count(self, table: Table) -> int:
        """Return the number of rows."""
        actions = pa.table(self._open(table).get_add_actions(flatten=True))
        rows: list[int] = actions["num_records"].to_pylist()
        return sum(rows)

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete the rows whose integer column is one of values, and their bytes. Returns the count.

        Every file that is not live any more is removed, so repeating a delete that was cut short finishes it.
        """
        wanted = _integers(table, column, values)
        if not wanted:
            return 0
        doomed = pa.table({"value": pa.array(wanted, pa.int64())})

        def once() -> int:
            delta = self._open(table)
            with self._engine() as warehouse:
                warehouse.attach("doomed", doomed)
                old, count = self._holding(warehouse, self._files(table, delta), column)
                if old:
                    listed = files_relation([path for path, _ in old])
                    # Nulls stay: NOT IN would take them for unknown, and drop them.
                    sql = f"FROM {listed} AS fact ANTI JOIN doomed ON fact.{quoted(column)} = doomed.value"
                    kept = warehouse.stream(f"SELECT {_columns(table)} {sql}", rows=GROUP_ROWS)
                    batches = (batch.cast(table.schema) for batch in kept)
                    self._commit(delta, table, batches, "kept", replaced=old, changed=True)
                return count

        with self._writing:
            count = _retried(once, table.name)
            self._vacuum(table, hours=0)
        return count

    def compact(self, table: Table) -> None:
        """Rewrite the table as few files, sorted by subject and time, or by the key; readers see the same rows.

        The whole table is read and written again, in bounded memory. A table that is compact already is left alone.
        """

        def once() -> None:
            delta = self._open(table)
            old = self._files(table, delta)
            if len(old) <= 1 or all(path.name.startswith("sorted-") for path, _ in old):
                return
            with self._engine() as warehouse:
                listed = files_relation([path for path, _ in old])
                order = ", ".join(quoted(name) for name in _order(table))
                ordered = warehouse.stream(f"SELECT {_columns(table)} FROM {listed} ORDER BY {order}", rows=GROUP_ROWS)
                batches = (batch.cast(table.schema) for batch in ordered)
                self._commit(delta, table, batches, "sorted", replaced=old)

        with self._writing:
            _retried(once, table.name)
            self._vacuum(table, hours=_GRACE_HOURS)

    def _engine(self) -> Warehouse:
        """Return a warehouse that spills beside the tables, where there is room for another copy of them."""
        spill = self.folder / ".spill"
        shutil.rmtree(spill, ignore_errors=True)  # what a killed process left
        spill.mkdir(parents=True)
        return Warehouse(temp_directory=spill)

    def _holding(
        self, warehouse: Warehouse, files: list[tuple[Path, int]], column: str
    ) -> tuple[list[tuple[Path, int]], int]:
        """Return the files that hold doomed rows, and how many such rows there are."""
        if not files:
            return [], 0
        listed = files_relation([path for path, _ in files], "filename = true")
        sql = f"FROM {listed} AS fact SEMI JOIN doomed ON fact.{quoted(column)} = doomed.value GROUP BY filename"
        found = warehouse.query(f"SELECT filename, count(*) AS rows {sql}")
        names = {Path(name).name for name in found["filename"].to_pylist()}
        return [file for file in files if file[0].name in names], sum(found["rows"].to_pylist())

    def _open(self, table: Table) -> DeltaTable:
        from deltalake import DeltaTable

        path = self.folder / table.name
        with _told(table.name, "read"):
            if not DeltaTable.is_deltatable(str(path)):
                raise StoreError(f"There is no table {table.name!r} in {self.folder}.")
            delta = DeltaTable(str(path))
            stored = pa.schema(delta.schema().to_arrow())
        require_same_columns(
            table, [(field.name, str(field.type)) for field in stored], [(f.name, str(f.type)) for f in table.schema]
        )
        return delta

    def _files(self, table: Table, delta: DeltaTable | None = None) -> list[tuple[Path, int]]:
        """Return the live files and their sizes."""
        actions = pa.table((delta or self._open(table)).get_add_actions(flatten=True))
        folder = self.folder / table.name
        return [
            (folder / path, size)
            for path, size in zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)
        ]

    def _commit(
        self,
        delta: DeltaTable,
        table: Table,
        batches: Iterable[pa.RecordBatch],
        prefix: str,
        commit: Commit | None = None,
        *,
        replaced: Sequence[tuple[Path, int]] = (),
        changed: bool = False,
    ) -> None:
        """Write batches to new files, then make these live instead of the replaced ones in one entry of the log."""
        from deltalake import CommitProperties, Transaction
        from deltalake.transaction import AddAction, RemoveAction

        now = time.time_ns() // 1_000_000
        changed = changed or not replaced
        with _told(table.name, "write to"):
            added = [
                AddAction(path.name, path.stat().st_size, {}, now, changed, statistics(path, table.schema))
                for path in write(self.folder / table.name, prefix, table.schema, batches, self._file_bytes)
            ]
            removed = [RemoveAction(path.name, changed, now, size, {}) for path, size in replaced]
            mark = [Transaction(commit.application, commit.version)] if commit else []
            # Should this fail, the new files stay until the next clean-up: the entry may be in the log all the same.
            delta.create_write_transaction(
                [*added, *removed], "append", table.schema, commit_properties=CommitProperties(app_transactions=mark)
            )
            flush(*(self.folder / table.name / "_delta_log").glob("*.json"))

    def _vacuum(self, table: Table, hours: int) -> None:
        """Remove the files that stopped being live before so many hours, and those that never were."""
        with _told(table.name, "clean up"):
            delta = self._open(table)
            for dry in (True, False):  # a clean-up is an entry in the log, so there is none for nothing
                if not delta.vacuum(hours, dry_run=dry, enforce_retention_duration=False, full=True):
                    break


class MemoryLake:
    """Tables in memory, for tests and small work."""

    def __init__(self) -> None:
        self._rows: dict[str, list[pa.Table]] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._applied: dict[tuple[str, str], int] = {}
        self._versions: dict[str, int] = {}
        self._writing = threading.RLock()

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""
        with self._writing:
            for table in tables:
                if table.name in self._schemas:
                    self._parts(table)
                else:
                    self._schemas[table.name] = table.schema
                    self._rows[table.name] = []
                    self._versions[table.name] = 0

    def tables(self) -> list[str]:
        """Name every table that exists."""
        return sorted(self._schemas)

    def append(self, table: Table, rows: pa.Table, commit: Commit | None = None) -> bool:
        """Add rows in one atomic commit; False when ``commit`` was applied before, and then nothing is added."""
        rows = conform(table, rows)
        with self._writing:
            parts = self._parts(table)
            if commit:
                name = (table.name, commit.application)
                if commit.version <= self._applied.get(name, commit.version - 1):
                    return False
                self._applied[name] = commit.version
            if rows.num_rows or commit:
                self._replace(table, [*parts, rows])
            return True

    def applied(self, table: Table, application: str) -> int | None:
        """Return the last version that ``application`` committed to the table, or None."""
        self._parts(table)
        return self._applied.get((table.name, application))

    def source(self, table: Table) -> list[str] | pa.Table:
        """Return the rows as one Arrow table."""
        return pa.concat_tables([table.empty(), *self._parts(table)])

    def version(self, table: Table) -> int:
        """Return a number that changes with every commit to the table."""
        self._parts(table)
        return self._versions[table.name]

    def count(self, table: Table) -> int:
        """Return the number of rows."""
        return sum(part.num_rows for part in self._parts(table))

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete the rows whose integer column is one of values. Returns the count."""
        wanted = pa.array(_integers(table, column, values), table.schema.field(column).type)
        with self._writing:
            before: int = self.count(table)
            kept = [part.filter(pc.invert(pc.is_in(part[column], wanted))) for part in self._parts(table)]
            count: int = before - sum(part.num_rows for part in kept)
            if count:
                self._replace(table, kept)
            return count

    def compact(self, table: Table) -> None:
        """Join the parts, sorted by subject and time; readers see the same rows."""
        with self._writing:
            rows = pa.concat_tables([table.empty(), *self._parts(table)])
            self._replace(table, [rows.sort_by([(name, "ascending") for name in _order(table)])])

    def _parts(self, table: Table) -> list[pa.Table]:
        if table.name not in self._schemas:
            raise StoreError(f"There is no table {table.name!r} in memory.")
        stored = self._schemas[table.name]
        require_same_columns(
            table, [(f.name, str(f.type)) for f in stored], [(f.name, str(f.type)) for f in table.schema]
        )
        return self._rows[table.name]

    def _replace(self, table: Table, parts: list[pa.Table]) -> None:
        self._rows[table.name] = parts
        self._versions[table.name] += 1


def _columns(table: Table) -> str:
    return ", ".join(quoted(name) for name in table.schema.names)


def _order(table: Table) -> list[str]:
    """Name the columns that a compacted table is sorted by."""
    by_subject = [table.subject, "occurred_at"] if table.subject else []
    return [name for name in (*by_subject, *table.key) if name in table.schema.names] or table.schema.names


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _applied(delta: DeltaTable, commit: Commit) -> bool:
    last = delta.transaction_version(commit.application)
    return bool(last is not None and commit.version <= last)


def _retried(once: Callable[[], T], name: str) -> T:
    """Try again while other commits overtake this one."""
    from deltalake.exceptions import CommitFailedError

    for _ in range(_ATTEMPTS):
        try:
            with _told(name, "write to"):
                return once()
        except StoreError as error:
            if not isinstance(error.__cause__, CommitFailedError):
                raise
            last = error
    raise last


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    """Turn what deltalake, Arrow and the system raise into errors of ours that name the table."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except CoterieError:
        raise
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(f"Cannot {what} table {name!r}: {error}.") from error
