"""The ledger: small tables with transactions, in SQLite or in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import IntegrityError, MissingColumnError, ParameterError, StoreError
from coterie.schema import TIME, Table
from coterie.store.database import Database
from coterie.store.lease import Holder
from coterie.store.shape import conform, quoted, require_same_columns

# SQLite keeps the declared word as it is and stores what it is given: booleans and times are integers.
_TYPES = {
    pa.int64(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "TEXT",
    pa.binary(): "BLOB",
    TIME: "TIMESTAMP",
}
_BATCH = 100_000  # rows that are Python objects at one time
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
        self._leases = _Turns()
        columns = "name TEXT PRIMARY KEY, host TEXT, pid INTEGER, started TEXT"
        self._database.execute(f"CREATE TABLE IF NOT EXISTS {quoted(_LEASES)} ({columns})")

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""
        with self.transaction():
            for table in tables:
                declared = _declared(table)
                if stored := self._stored(table):
                    require_same_columns(table, stored, declared)
                    continue
                columns = [f"{quoted(n)} {kind}{' NOT NULL' if n in table.key else ''}" for n, kind in declared]
                key = ", ".join(map(quoted, table.key))
                body = f"{', '.join(columns)}, PRIMARY KEY ({key})"
                self._database.execute(f"CREATE TABLE {quoted(table.name)} ({body}) WITHOUT ROWID")

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

    def delete(self, table: Table, column: str, values: Iterable[Any]) -> int:
        """Delete the rows whose column is one of values; their bytes are overwritten. Returns the count.

        Inside a transaction the bytes go when it is committed. That rewrites the whole file.
        """
        wanted = _encoded(_values(table, column, values))
        self._require(table)
        with self._database.transaction():
            sql = f"DELETE FROM {quoted(table.name)} WHERE {quoted(column)} = ?"
            count = self._database.execute_many(sql, [(value,) for value in wanted])
            if count > 0:
                self._database.forget()
        return max(count, 0)

    def read(self, table: Table, **equals: Any) -> pa.Table:
        """Return the rows that match, in the order of the key, in the table's schema; None matches null."""
        self._require(table)
        wanted = _equal(table, equals)
        where = " AND ".join(f"{quoted(name)} IS ?" for name in wanted) or "TRUE"
        names = ", ".join(map(quoted, table.schema.names))
        order = ", ".join(map(quoted, table.key))
        sql = f"SELECT {names} FROM {quoted(table.name)} WHERE {where} ORDER BY {order}"
        found = self._database.rows(sql, [_encoded(value)[0] for value in wanted.values()])
        if not found:
            return table.empty()
        return pa.table(
            [
                _decoded(column, field.type)
                for column, field in zip(zip(*found, strict=True), table.schema, strict=True)
            ],
            schema=table.schema,
        )

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
                    if (holder := Holder(*row)).lives():
                        raise holder.refusal(name)
                sql = f"INSERT OR REPLACE INTO {quoted(_LEASES)} VALUES (?, ?, ?, ?)"
                self._database.execute(sql, [name, me.host, me.pid, me.started])
            try:
                yield
            finally:
                self._database.execute(f"DELETE FROM {quoted(_LEASES)} WHERE name = ?", [name])

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
        self._database.close()

    def _write(self, table: Table, rows: Rows, verb: str) -> int:
        rows = _whole(conform(table, rows))
        self._require(table)
        marks = ", ".join("?" * rows.num_columns)
        sql = f"{verb} INTO {quoted(table.name)} ({', '.join(map(quoted, rows.column_names))}) VALUES ({marks})"
        with self._database.transaction():
            for batch in rows.to_batches(max_chunksize=_BATCH):
                self._database.execute_many(sql, zip(*map(_encoded, batch.columns), strict=True))
        return int(rows.num_rows)

    def _stored(self, table: Table) -> list[tuple[str, str]]:
        return self._database.rows("SELECT name, type FROM pragma_table_info(?)", [table.name])

    def _require(self, table: Table) -> None:
        if not (stored := self._stored(table)):
            raise StoreError(f"There is no table {table.name!r} in {self._database.path}.")
        require_same_columns(table, stored, _declared(table))


class MemoryLedger:
    """A ledger in memory, for tests and small work."""

    def __init__(self) -> None:
        self._columns: dict[str, list[tuple[str, str]]] = {}
        self._rows: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
        self._turn = threading.RLock()
        self._leases = _Turns()

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""
        with self.transaction():
            for table in tables:
                declared = _declared(table)
                require_same_columns(table, self._columns.setdefault(table.name, declared), declared)
                self._rows.setdefault(table.name, {})

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

    def delete(self, table: Table, column: str, values: Iterable[Any]) -> int:
        """Delete the rows whose column is one of values. Returns the count."""
        wanted = set(_values(table, column, values).to_pylist())
        with self._turn:
            rows = self._require(table)
            doomed = [key for key, row in rows.items() if row[column] is not None and row[column] in wanted]
            for key in doomed:
                del rows[key]
        return len(doomed)

    def read(self, table: Table, **equals: Any) -> pa.Table:
        """Return the rows that match, in the order of the key, in the table's schema; None matches null."""
        with self._turn:
            rows = self._require(table)
            wanted = {name: value[0].as_py() for name, value in _equal(table, equals).items()}
            found = [key for key, row in rows.items() if all(row[name] == value for name, value in wanted.items())]
            # As SQLite orders: numbers by size, text by its UTF-8 bytes.
            found.sort(key=lambda key: tuple(part.encode() if isinstance(part, str) else part for part in key))
            return table.rows([rows[key] for key in found])

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Hold the one lease of that name; within a thread it may be asked for again, another thread is refused."""
        with self._leases.hold(name):
            yield

    def release(self, name: str) -> bool:
        """Return False: a ledger in memory dies with its process, and so do its leases."""
        return False

    def close(self) -> None:
        """Release the ledger."""

    def _write(self, table: Table, rows: Rows, *, replace: bool) -> int:
        fresh = _whole(conform(table, rows)).to_pylist()
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
        require_same_columns(table, self._columns[table.name], _declared(table))
        return self._rows[table.name]


class _Turns:
    """Which thread of this process holds which lease."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[str, int] = {}

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Hold a name; the answer says whether this thread did not hold it before."""
        me = threading.get_ident()
        with self._lock:
            first = name not in self._threads
            if self._threads.setdefault(name, me) != me:
                raise Holder.here().refusal(name)
        try:
            yield first
        finally:
            if first:
                with self._lock:
                    del self._threads[name]


def _declared(table: Table) -> list[tuple[str, str]]:
    """Return the columns of a table with the words that SQLite declares them by."""
    if not table.key:
        raise ParameterError.of(f"table {table.name}", "key", table.key, "one column at least")
    for field in table.schema:
        if field.type not in _TYPES:
            allowed = ", ".join(map(str, _TYPES))
            raise ParameterError.of(f"table {table.name}", field.name, str(field.type), f"one of {allowed}")
    return [(field.name, _TYPES[field.type]) for field in table.schema]


def _whole(rows: pa.Table) -> pa.Table:
    """Return rows with null for NaN, which SQLite cannot tell from it."""
    for i, field in enumerate(rows.schema):
        if pa.types.is_floating(field.type):
            number = rows.column(i)
            rows = rows.set_column(i, field, pc.if_else(pc.is_nan(number), pa.scalar(None, field.type), number))
    return rows


def _values(table: Table, column: str, values: Iterable[Any]) -> pa.Array:
    """Return values in the type of a column."""
    if column not in table.schema.names:
        raise MissingColumnError.of(f"Table {table.name!r}", [column], table.schema.names)
    kind = table.schema.field(column).type
    try:
        return pa.array(values if isinstance(values, pa.Array) else list(values), kind)
    except (pa.ArrowException, TypeError, OverflowError):
        raise ParameterError.of(f"table {table.name}", column, "values that do not fit", str(kind)) from None


def _equal(table: Table, equals: Mapping[str, Any]) -> dict[str, pa.Array]:
    return {name: _values(table, name, [value]) for name, value in equals.items()}


def _encoded(column: pa.Array) -> list[Any]:
    """Return a column as what SQLite stores."""
    if column.type == TIME:
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _decoded(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return what SQLite stores as a column."""
    if kind == TIME or kind == pa.bool_():
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)
