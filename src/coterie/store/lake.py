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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from coterie.errors import IntegrityError, ParameterError, StoreError
from coterie.schema import Table
from coterie.store import disk
from coterie.store.delta import Delta, File, kinds, retried
from coterie.store.parquet import GROUP_ROWS
from coterie.store.ports import Commit, Files
from coterie.store.shape import conform, quoted, require_no_more_columns, require_same_columns
from coterie.store.warehouse import Warehouse, files_relation

_FILE_BYTES = 64 << 20  # of a compacted file: erasing one subject rewrites at least one of them
_GRACE_HOURS = 1  # for readers that opened the files which a compaction replaced
_MEANT_FOR_URLS = re.compile(r"[%\[\]^|\\\x00-\x1f]")  # deltalake cannot work in a folder whose path has one of these


def _column(column: str, values: Iterable[int]) -> pa.Table:
    """Return values of one column as rows to delete."""
    return pa.table({column: pa.array([int(value) for value in values], pa.int64())})


def _doomed(table: Table, rows: pa.Table) -> pa.Table:
    """Return what rows to delete have in integer columns of the table, once each."""
    for column in rows.column_names or [""]:
        if column not in table.schema.names or not pa.types.is_integer(table.schema.field(column).type):
            raise ParameterError.of(f"delete from {table.name}", "column", column, "an integer column of the table")
    return (
        rows.cast(pa.schema([(name, pa.int64()) for name in rows.column_names]))
        .group_by(rows.column_names)
        .aggregate([])
    )


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
        for table in tables:
            with self._writing:
                Delta.create(self.folder / table.name, table)
            self._open(table)

    def extend(self, *tables: Table) -> None:
        """Make tables that do not exist, and give those of an older layout the columns they lack, with nulls in them.

        No file is written anew. Repeating it changes nothing, also after a crash.
        """
        for table in tables:
            with self._writing:
                Delta.create(self.folder / table.name, table)
                retried(lambda table=table: Delta.extend(self.folder / table.name, table))  # type: ignore[misc]

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
            last = delta.applied(commit.application) if commit else None
            if commit and last is not None and commit.version <= last:
                return False
            if rows.num_rows or commit:
                delta.commit(rows.to_batches(), "fresh", self._file_bytes, mark=commit)
            return True

        with self._writing:
            return retried(once)

    def applied(self, table: Table, application: str) -> int | None:
        """Return the last version that ``application`` committed to the table, or None."""
        return self._open(table).applied(application)

    def source(self, table: Table) -> list[str] | pa.Table:
        """Return the paths of the live Parquet files, or a typed Arrow table without rows when there are none.

        Raises
        ------
        IntegrityError
            A live file is missing or has another size than was committed.
        """
        known: list[File] | None = None
        damaged: list[File] = []
        while (files := self._open(table).files()) != known:
            known = files
            damaged = [(path, size) for path, size in files if _size(path) != size]
            if not damaged:
                return Files((str(path) for path, _ in files), table) if files else table.empty()
        # The list is the same at a second look, so the files were not replaced meanwhile.
        path, size = damaged[0]
        found = _size(path)
        state = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
        raise IntegrityError(f"Table {table.name!r} is damaged: {path} {state}.", hint=disk.RESTORE)

    def version(self, table: Table) -> int:
        """Return a number that changes with every commit to the table."""
        if (newest := Delta.newest(self.folder / table.name)) is not None:
            return newest
        return int(self._open(table).log.version())  # which says what is wrong

    def appended(self, table: Table, since: int) -> list[str] | pa.Table | None:
        """Return what was added after that version, or None where anything else was done or it cannot be told."""
        found = Delta.appended(self.folder / table.name, since)
        return found if found is None else [str(path) for path in found] or table.empty()

    def count(self, table: Table) -> int:
        """Return the number of rows."""
        return self._open(table).count()

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete the rows whose integer column is one of values, and their bytes. Returns the count.

        Every file that is not live any more is removed, and every entry of the log but the state of today, so
        repeating a delete that was cut short finishes it.
        """
        return self.delete_rows(table, _column(column, values))

    def delete_rows(self, table: Table, rows: pa.Table) -> int:
        """Delete the rows that equal one of ``rows`` in all of its columns, which are integers; as ``delete``."""
        doomed = _doomed(table, rows)
        if not doomed.num_rows:
            return 0

        def once() -> int:
            delta = self._open(table)
            with self._engine() as warehouse:
                warehouse.attach("doomed", doomed)
                old, count = _holding(warehouse, delta.files(), doomed.column_names)
                if old:
                    listed = files_relation([delta.blank(self._spill), *(path for path, _ in old)])
                    # Nulls stay: NOT IN would take them for unknown, and drop them.
                    sql = f"FROM {listed} AS fact ANTI JOIN doomed ON {_same(doomed.column_names)}"
                    kept = warehouse.stream(f"SELECT {_columns(table)} {sql}", rows=GROUP_ROWS)
                    batches = (batch.cast(table.schema) for batch in kept)
                    delta.commit(batches, "kept", self._file_bytes, replaced=old)
                return count

        with self._writing:
            count = retried(once)
            self._open(table).clean_up(hours=0)
            self._open(table).shorten()
        return count

    def compact(self, table: Table) -> None:
        """Rewrite the table as few files, sorted by subject and time, or by the key; readers see the same rows.

        The whole table is read and written again, in bounded memory. A table that is compact already is left alone.
        """

        def once() -> None:
            delta = self._open(table)
            old = delta.files()
            if len(old) <= 1 or all(path.name.startswith("sorted-") for path, _ in old):
                return
            with self._engine() as warehouse:
                listed = files_relation([delta.blank(self._spill), *(path for path, _ in old)])
                order = ", ".join(quoted(name) for name in _order(table))
                ordered = warehouse.stream(f"SELECT {_columns(table)} FROM {listed} ORDER BY {order}", rows=GROUP_ROWS)
                batches = (batch.cast(table.schema) for batch in ordered)
                delta.commit(batches, "sorted", self._file_bytes, replaced=old, changed=False)

        with self._writing:
            retried(once)
            self._open(table).clean_up(_GRACE_HOURS)

    @contextmanager
    def _engine(self) -> Iterator[Warehouse]:
        """Open a warehouse that spills beside the tables, where there is room for another copy of them."""
        shutil.rmtree(self._spill, ignore_errors=True)  # what a killed process left
        try:
            try:
                self._spill.mkdir(parents=True)
            except OSError as error:
                hint = disk.remedy(error)
                raise StoreError(f"Cannot make {self._spill}: {error.strerror or error}.", hint=hint) from error
            with Warehouse(temp_directory=self._spill) as warehouse:
                yield warehouse
        finally:
            shutil.rmtree(self._spill, ignore_errors=True)

    @property
    def _spill(self) -> Path:
        return self.folder / ".spill"

    def _open(self, table: Table) -> Delta:
        return Delta(self.folder / table.name, table)


class MemoryLake:
    """Tables in memory, for tests and small work."""

    def __init__(self) -> None:
        self._rows: dict[str, list[pa.Table]] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._applied: dict[tuple[str, str], int] = {}
        self._versions: dict[str, int] = {}
        self._since: dict[str, int] = {}  # from which version on nothing but appending was done
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
                    self._versions[table.name] = self._since[table.name] = 0

    def extend(self, *tables: Table) -> None:
        """Make tables that do not exist, and give those of an older layout the columns they lack, as nulls."""
        with self._writing:
            for table in tables:
                if (stored := self._schemas.get(table.name, table.schema)) != table.schema:
                    require_no_more_columns(table, kinds(stored), kinds(table.schema))
                    self._schemas[table.name] = table.schema
                    parts = self._rows[table.name]
                    wider = [pa.concat_tables([table.empty(), part], promote_options="default") for part in parts]
                    self._replace(table, wider)
            self.create(*tables)

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
                parts.append(rows)
                self._versions[table.name] += 1
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

    def appended(self, table: Table, since: int) -> list[str] | pa.Table | None:
        """Return what was added after that version, or None where anything else was done."""
        parts, version = self._parts(table), self._versions[table.name]
        if not self._since[table.name] <= since <= version:
            return None
        return pa.concat_tables([table.empty(), *parts[len(parts) - (version - since) :]])

    def count(self, table: Table) -> int:
        """Return the number of rows."""
        return sum(part.num_rows for part in self._parts(table))

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete the rows whose integer column is one of values. Returns the count."""
        return self.delete_rows(table, _column(column, values))

    def delete_rows(self, table: Table, rows: pa.Table) -> int:
        """Delete the rows that equal one of ``rows`` in all of its columns, which are integers; as ``delete``."""
        doomed = _doomed(table, rows)
        with self._writing:
            before: int = self.count(table)
            kept = [_without(part, doomed) for part in self._parts(table)]
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
        require_same_columns(table, kinds(stored), kinds(table.schema))
        return self._rows[table.name]

    def _replace(self, table: Table, parts: list[pa.Table]) -> None:
        self._rows[table.name] = parts
        self._versions[table.name] += 1
        self._since[table.name] = self._versions[table.name]


def _columns(table: Table) -> str:
    return ", ".join(quoted(name) for name in table.schema.names)


def _order(table: Table) -> list[str]:
    """Name the columns that a compacted table is sorted by."""
    by_subject = [table.subject, "occurred_at"] if table.subject else []
    return [name for name in (*by_subject, *table.key) if name in table.schema.names] or table.schema.names


def _same(columns: Sequence[str]) -> str:
    return " AND ".join(f"fact.{quoted(name)} = doomed.{quoted(name)}" for name in columns)


def _without(rows: pa.Table, doomed: pa.Table) -> pa.Table:
    """Return rows but those that equal a doomed one in all of its columns; nulls equal nothing."""
    numbered = (
        rows.select(doomed.column_names)
        .cast(doomed.schema)
        .append_column("#", pa.array(range(rows.num_rows), pa.int64()))
    )
    kept = numbered.join(doomed, doomed.column_names, join_type="left anti")["#"].combine_chunks()
    return rows.take(kept.sort())


def _holding(warehouse: Warehouse, files: list[File], columns: Sequence[str]) -> tuple[list[File], int]:
    """Return the files that hold doomed rows, and how many such rows there are."""
    if not files:
        return [], 0
    listed = files_relation([path for path, _ in files], "filename = true")
    sql = f"FROM {listed} AS fact SEMI JOIN doomed ON {_same(columns)} GROUP BY filename"
    found = warehouse.query(f"SELECT filename, count(*) AS rows {sql}")
    names = {Path(name).name for name in found["filename"].to_pylist()}
    return [file for file in files if file[0].name in names], sum(found["rows"].to_pylist())


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
