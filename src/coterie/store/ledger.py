"""The ledger: small tables with transactions, in SQLite or in memory."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import pyarrow as pa

from coterie.errors import IntegrityError, StoreError
from coterie.schema import Table
from coterie.store.columns import chosen, columns_of, decoded, encoded, filled, typed, typed_each, whole
from coterie.store.database import Database
from coterie.store.lease import Holder, Turns
from coterie.store.shape import conform, quoted, require_no_more_columns, require_same_columns

_BATCH = 100_000  # rows that are Python objects at one time
_FETCHED = 2_000  # rows that are read at one time: more are slower, for they are not in the processor's cache
_LEASES = "leases of this ledger"

Rows: TypeAlias = pa.Table | Sequence[Mapping[str, Any]]


class SqliteLedger:
    """A ledger in one SQLite file.

    A commit is on the disk when it returns (WAL with full synchronisation); deleted bytes are overwritten.

    Parameters
    ----------
    path
        The file; made when it is not there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._database = Database(path)
        self._leases = Turns()
        self._sound: dict[str, Table] = {}  # tables that were found to have their columns
        self._left: set[str] = set()  # leases that were given up and stand in the file all the same
        columns = "name TEXT PRIMARY KEY, host TEXT, pid INTEGER, started TEXT"
        self._database.execute(f"CREATE TABLE IF NOT EXISTS {quoted(_LEASES)} ({columns})")

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""
        missing = []
        for table in tables:
            if stored := self._stored(table):
                require_same_columns(table, stored, columns_of(table))
            else:
                missing.append(table)
        if missing:  # a reader of a shop that is complete waits for no writer
            with self.transaction():
                for table in missing:
                    self._make(table, table.name)

    def extend(self, *tables: Table) -> None:
        """Make tables that do not exist, and give those of an older layout the columns they lack, with nulls in them.

        A table whose key has changed is written anew, and the new columns of its key hold what is nothing of their
        type: an empty text, 0. All of it is done or none.
        """
        with self.transaction():
            for table in tables:
                if not (stored := self._stored(table)):
                    self._make(table, table.name)
                    continue
                declared = columns_of(table)
                require_no_more_columns(table, stored, declared)
                lacking = [pair for pair in declared if pair not in stored]
                if self._key(table) != list(table.key):
                    self._renew(table, {name for name, _ in stored})
                    continue
                for name, kind in lacking:
                    self._database.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {quoted(name)} {kind}")

    def tables(self) -> list[str]:
        """Name every table that exists."""
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> ? ORDER BY name"
        return [name for (name,) in self._database.rows(sql, [_LEASES])]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction; leaving it commits durably, an exception rolls back.

        Nested ones join the outer: theirs is kept when the outer is, and undone alone when they fail alone.
        """
        with self._database.transaction():
            yield

    def insert(self, table: Table, rows: Rows) -> int:
        """Add rows; a row whose key exists already raises IntegrityError and nothing is added. Returns the count."""
        return self._write(table, rows, "INSERT")

    def put(self, table: Table, rows: Rows) -> int:
        """Add rows, replacing those with the same key; of several with one key, the last stays."""
        return self._write(table, rows, "INSERT OR REPLACE")

    def add(self, table: Table, rows: Rows) -> int:
        """Add rows whose key does not exist yet, and leave the others as they are. Returns how many are new."""
        rows = conform(table, rows)
        if any(rows[name].null_count for name in table.key):  # which SQLite would leave out without a word
            raise IntegrityError(f"Table {table.name!r}: a key is missing.")
        count = f"SELECT COUNT(*) FROM {quoted(table.name)}"
        with self._database.transaction():
            ((before,),) = self._database.rows(count)
            self._write(table, rows, "INSERT OR IGNORE")
            return int(self._database.rows(count)[0][0]) - int(before)

    def delete(self, table: Table, column: str, values: Iterable[Any], *, overwrite: bool = True) -> int:
        """Delete the rows whose column is one of values; their bytes are overwritten. Returns the count.

        Inside a transaction the bytes go when it is committed. That rewrites the whole file, so without ``overwrite``
        they are left to the next deletion.
        """
        wanted = encoded(typed(table, column, values))
        self._require(table)
        with self._database.transaction():
            sql = f"DELETE FROM {quoted(table.name)} WHERE {quoted(column)} = ?"
            count = self._database.execute_many(sql, [(value,) for value in wanted])
            if count > 0 and overwrite:
                self._database.forget()
        return max(count, 0)

    def read(self, table: Table, *columns: str, **equals: Any) -> pa.Table:
        """Return the rows that match (None matches null), in the order of the key: these columns, or all of them."""
        self._require(table)
        wanted = typed_each(table, equals)
        where = " AND ".join(f"{quoted(name)} IS ?" for name in wanted) or "TRUE"
        schema = chosen(table, columns)
        names = ", ".join(map(quoted, schema.names))
        order = ", ".join(map(quoted, table.key))
        sql = f"SELECT {names} FROM {quoted(table.name)} WHERE {where} ORDER BY {order}"
        batches = []
        # Rows become columns a few at a time: all of them at once would be many millions of objects.
        for found in self._database.batches(sql, [encoded(value)[0] for value in wanted.values()], _FETCHED):
            arrays = [
                decoded(values, field.type) for values, field in zip(zip(*found, strict=True), schema, strict=True)
            ]
            batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        return pa.Table.from_batches(batches, schema=schema).combine_chunks()

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Hold the one lease of that name; raises ShopLockedError while another live process holds it.

        A lease that a killed process left is taken over. Within a thread the lease may be asked for again; another
        thread, or another ledger on the same file, is refused.
        """
        with self._leases.hold(name) as first:
            if not first:
                yield
                return
            me = Holder.here()
            with self._database.transaction():
                sql = f"SELECT host, pid, started FROM {quoted(_LEASES)} WHERE name = ?"
                for row in self._database.rows(sql, [name]):
                    if (holder := Holder(*row)).lives() and not (holder == me and name in self._left):
                        raise holder.refusal(name)
                sql = f"INSERT OR REPLACE INTO {quoted(_LEASES)} VALUES (?, ?, ?, ?)"
                self._database.execute(sql, [name, me.host, me.pid, me.started])
            try:
                yield
            finally:
                self._leave(name)

    def held(self, name: str) -> bool:
        """Tell whether a live process holds the lease of that name, this one included; changes nothing."""
        rows = self._database.rows(f"SELECT host, pid, started FROM {quoted(_LEASES)} WHERE name = ?", [name])
        return any(Holder(*row).lives() for row in rows)

    def release(self, name: str) -> bool:
        """Remove a lease that a process on a machine that is gone has left; False when there is none."""
        with self._database.transaction():
            rows = self._database.rows(f"SELECT host, pid, started FROM {quoted(_LEASES)} WHERE name = ?", [name])
            for holder in [Holder(*row) for row in rows]:
                if holder.host == Holder.here().host and holder.lives():
                    raise holder.refusal(name)
                self._database.execute(f"DELETE FROM {quoted(_LEASES)} WHERE name = ?", [name])
                return True
        return False

    def close(self) -> None:
        """Release the ledger; a closed ledger is opened anew by its class."""
        for name in list(self._left):
            self._leave(name)
        self._database.close()

    def _leave(self, name: str) -> None:
        """Give a lease up; on a disk that is full that is owed until the next lease or the closing of the ledger."""
        self._left.add(name)
        with suppress(StoreError):
            self._database.execute(f"DELETE FROM {quoted(_LEASES)} WHERE name = ?", [name])
            self._left.remove(name)

    def _write(self, table: Table, rows: Rows, verb: str) -> int:
        rows = whole(conform(table, rows))
        self._require(table)
        marks = ", ".join("?" * rows.num_columns)
        sql = f"{verb} INTO {quoted(table.name)} ({', '.join(map(quoted, rows.column_names))}) VALUES ({marks})"
        with self._database.transaction():
            for batch in rows.to_batches(max_chunksize=_BATCH):
                self._database.execute_many(sql, zip(*map(encoded, batch.columns), strict=True))
        return int(rows.num_rows)

    def _make(self, table: Table, name: str) -> None:
        """Make a table, under a name that may be for the time being."""
        declared = columns_of(table)
        columns = [f"{quoted(n)} {kind}{' NOT NULL' if n in table.key else ''}" for n, kind in declared]
        key = ", ".join(map(quoted, table.key))
        body = f"{', '.join(columns)}, PRIMARY KEY ({key})"
        self._database.execute(f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({body}) WITHOUT ROWID")
        for column in table.properties.get("subjects", (table.subject,)):
            if column and column != table.key[0]:  # so that one person is found without going through the table
                index = quoted(f"{name} by {column}")
                self._database.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {quoted(name)} ({quoted(column)})")

    def _key(self, table: Table) -> list[str]:
        sql = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
        return [name for (name,) in self._database.rows(sql, [table.name])]

    def _renew(self, table: Table, stored: set[str]) -> None:
        """Write a table anew under its new key."""
        values = []
        for name, kind in columns_of(table):
            empty = {"TEXT": "''", "BLOB": "x''"}.get(kind, "0") if name in table.key else "NULL"
            values.append(quoted(name) if name in stored else empty)
        made, names = f"{table.name} made anew", ", ".join(map(quoted, table.schema.names))
        self._make(table, made)
        self._database.execute(
            f"INSERT INTO {quoted(made)} ({names}) SELECT {', '.join(values)} FROM {quoted(table.name)}"
        )
        self._database.execute(f"DROP TABLE {quoted(table.name)}")
        self._database.execute(f"ALTER TABLE {quoted(made)} RENAME TO {quoted(table.name)}")
        self._database.forget()  # the old rows may have pages of their own until then

    def _stored(self, table: Table) -> list[tuple[str, str]]:
        return self._database.rows("SELECT name, type FROM pragma_table_info(?)", [table.name])

    def _require(self, table: Table) -> None:
        if self._sound.get(table.name) is table:
            return
        if not (stored := self._stored(table)):
            raise StoreError(f"There is no table {table.name!r} in {self._database.path}.")
        require_same_columns(table, stored, columns_of(table))
        self._sound[table.name] = table


def without_leases(copy: sqlite3.Connection) -> None:
    """Remove from a copy of a ledger who was writing to the original; other databases stay as they are."""
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if copy.execute(sql, [_LEASES]).fetchall():
        copy.execute(f"DELETE FROM {quoted(_LEASES)}")
        copy.commit()


class MemoryLedger:
    """A ledger in memory, for tests and small work."""

    def __init__(self) -> None:
        self._columns: dict[str, list[tuple[str, str]]] = {}
        self._rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._turn = threading.RLock()
        self._leases = Turns()

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""
        with self.transaction():
            for table in tables:
                declared = columns_of(table)
                require_same_columns(table, self._columns.setdefault(table.name, declared), declared)
                self._rows.setdefault(table.name, {})

    def extend(self, *tables: Table) -> None:
        """Make tables that do not exist, and give those of an older layout the columns they lack, as nulls."""
        with self.transaction():
            for table in tables:
                if table.name in self._rows:
                    require_no_more_columns(table, self._columns[table.name], columns_of(table))
                    self._columns[table.name] = columns_of(table)
                    rows = [filled(row, table) for row in self._rows[table.name].values()]
                    self._rows[table.name] = {tuple(row[name] for name in table.key): row for row in rows}
            self.create(*tables)

    def tables(self) -> list[str]:
        """Name every table that exists."""
        return sorted(self._rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Open a transaction; leaving it keeps the changes, an exception undoes them."""
        with self._turn:
            # Rows are replaced and never changed, so a shallow copy is a state to go back to.
            before = dict(self._columns), {name: dict(rows) for name, rows in self._rows.items()}
            try:
                yield
            except BaseException:
                self._columns, self._rows = before
                raise

    def insert(self, table: Table, rows: Rows) -> int:
        """Add rows; a row whose key exists already raises IntegrityError and nothing is added. Returns the count."""
        return self._write(table, rows, replace=False)

    def put(self, table: Table, rows: Rows) -> int:
        """Add rows, replacing those with the same key; of several with one key, the last stays."""
        return self._write(table, rows, replace=True)

    def add(self, table: Table, rows: Rows) -> int:
        """Add rows whose key does not exist yet, and leave the others as they are. Returns how many are new."""
        with self.transaction():
            known = self._require(table)
            keyed = [(tuple(row[name] for name in table.key), row) for row in conform(table, rows).to_pylist()]
            new = {key: row for key, row in reversed(keyed) if key not in known}  # of several, the first
            return self._write(table, list(new.values()), replace=False)

    def delete(self, table: Table, column: str, values: Iterable[Any], *, overwrite: bool = True) -> int:
        """Delete the rows whose column is one of values. Returns the count."""
        wanted = set(typed(table, column, values).to_pylist())
        with self._turn:
            rows = self._require(table)
            doomed = [key for key, row in rows.items() if row[column] is not None and row[column] in wanted]
            for key in doomed:
                del rows[key]
        return len(doomed)

    def read(self, table: Table, *columns: str, **equals: Any) -> pa.Table:
        """Return the rows that match (None matches null), in the order of the key: these columns, or all of them."""
        with self._turn:
            schema = chosen(table, columns)
            rows = self._require(table)
            wanted = {name: value[0].as_py() for name, value in typed_each(table, equals).items()}
            found = [key for key, row in rows.items() if all(row[name] == value for name, value in wanted.items())]
            # As SQLite orders: numbers by size, text by its UTF-8 bytes.
            found.sort(key=lambda key: tuple(part.encode() if isinstance(part, str) else part for part in key))
            return table.rows([rows[key] for key in found]).select(schema.names)

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Hold the one lease of that name; within a thread it may be asked for again, another thread is refused."""
        with self._leases.hold(name):
            yield

    def held(self, name: str) -> bool:
        """Tell whether a thread of this process holds the lease of that name."""
        return self._leases.held(name)

    def release(self, name: str) -> bool:
        """Return False: a ledger in memory dies with its process, and so do its leases."""
        return False

    def close(self) -> None:
        """Release the ledger."""

    def _write(self, table: Table, rows: Rows, *, replace: bool) -> int:
        fresh = whole(conform(table, rows)).to_pylist()
        with self.transaction():
            kept = self._require(table)
            for row in fresh:
                key = tuple(row[name] for name in table.key)
                if None in key or (not replace and key in kept):
                    raise IntegrityError(
                        f"Table {table.name!r}: a key is {'missing' if None in key else 'there already'}."
                    )
                kept[key] = row
        return len(fresh)

    def _require(self, table: Table) -> dict[tuple[Any, ...], dict[str, Any]]:
        if table.name not in self._rows:
            raise StoreError(f"There is no table {table.name!r} in memory.")
        require_same_columns(table, self._columns[table.name], columns_of(table))
        return self._rows[table.name]
