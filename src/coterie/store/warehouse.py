"""The warehouse: one DuckDB over the lake's files and Arrow tables, in bounded memory.

Tables and views made here last as long as the warehouse; what must stay is written to the lake or the ledger.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import duckdb
import pyarrow as pa

from coterie.errors import CoterieError, DataError, StoreError
from coterie.schema import Table
from coterie.store import disk, machine
from coterie.store.ports import Files, Lake
from coterie.store.shape import quoted as quoted

if TYPE_CHECKING:
    from coterie.store.sql import Expression

T = TypeVar("T")
Parameters = Sequence[Any] | Mapping[str, Any]

_SHARE = 0.5  # of the machine's memory; the rest is for Arrow, the models and the user
_ATTEMPTS = 10  # at a query whose files are removed under it
_SHOWN = 2_000  # characters of SQL in an error message
_STAGED = "arrow rows being taken in"

# What DuckDB says of the query and the machine. All it says besides may hold values of the data, and a value may be an
# e-mail address. (An error in a stream reaches us through Arrow, as text alone.)
_OF_THE_QUERY = ("Catalog", "Binder", "Parser", "Syntax", "IO", "Out of Memory", "Interrupt", "TProtocolException")
_OF_THE_VALUES = ("Conversion", "Out of Range", "Mismatch Type")


def _literal(path: str) -> str:
    """Return the path of one file as an SQL string in which no character is a wildcard."""
    return "'" + re.sub(r"[\[*?]", r"[\g<0>]", path).replace("'", "''") + "'"


class Warehouse:
    """One DuckDB that reads the lake's files and Arrow tables.

    It downloads nothing, knows no time zone but UTC, keeps to its memory (spilling to disk) and stops on Ctrl-C. It may
    be used from several threads, which take turns.

    Parameters
    ----------
    lake
        Where ``attach_tables`` finds its tables; None for a warehouse of attached sources alone.
    threads
        Cores to use; by default all that the process may use.
    memory_limit
        In DuckDB's words, for example ``"2GB"``; by default half of what the process may use.
    temp_directory
        Where results that do not fit in memory are spilled; a folder of its own inside it is made, and removed by
        ``close``. By default the system's folder for temporary files.

    Examples
    --------
    >>> import pyarrow as pa
    >>> with Warehouse() as warehouse:
    ...     warehouse.attach("orders", pa.table({"amount": [250, 750]}))
    ...     warehouse.query("SELECT sum(amount)::BIGINT AS total FROM orders").to_pylist()
    [{'total': 1000}]
    """

    dialect = "duckdb"

    def __init__(
        self,
        lake: Lake | None = None,
        *,
        threads: int | None = None,
        memory_limit: str | None = None,
        temp_directory: str | os.PathLike[str] | None = None,
    ) -> None:
        self.lake = lake
        try:
            self._spill = tempfile.mkdtemp(prefix="coterie-", dir=temp_directory)
        except OSError as error:
            hint = disk.remedy(error)
            raise StoreError(f"Cannot make a folder for temporary files: {error}.", hint=hint) from error
        settings: dict[str, Any] = {
            "threads": threads or machine.cores(),
            "memory_limit": memory_limit or f"{int(machine.memory() * _SHARE) // 1024}KiB",
            "temp_directory": self._spill,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
        try:
            self._connection = duckdb.connect(":memory:", config=settings)
            self._connection.execute("SET TimeZone = 'UTC'")
            # A name in a query is what was attached, and never a variable of whoever calls.
            self._connection.execute("SET python_enable_replacements = false")
        except duckdb.Error as error:
            shutil.rmtree(self._spill, ignore_errors=True)
            raise StoreError(f"DuckDB does not start: {error}.") from error
        self._shown: dict[str, tuple[str, Files]] = {}  # views of the lake's files: which columns, and of which files
        # Python sees a signal only between two of its own instructions, so the query runs beside the thread that waits.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="warehouse")
        self._closed = False
        self._sweep = weakref.finalize(self, shutil.rmtree, self._spill, True)

    @property
    def scratch(self) -> Path:
        """The folder of its temporary files, readable by its owner alone; it goes when the warehouse is closed."""
        return Path(self._spill)

    def attach(self, name: str, source: Sequence[str | os.PathLike[str]] | pa.Table) -> None:
        """Show Parquet files or an Arrow table under a name, in place of what had that name.

        Columns of files are matched by name, and a file without a column has nulls there. Folder names of the form
        ``key=value`` are not read as columns. An Arrow table is copied into the warehouse.
        """
        if isinstance(source, pa.Table):
            self._take_in(name, source)
            return
        if not source:
            raise StoreError(
                f"Cannot attach {name!r}: the list of files is empty.", hint="attach a typed Arrow table with no rows."
            )
        self._show(name, "*", source)

    def attach_tables(self, *tables: Table) -> None:
        """Show tables of the lake under their names, with the columns of their schema and as they are now.

        Where another process deletes rows, and so removes files, a query that meets a missing file shows the tables
        again, as they are then, and is repeated; so it is with files of the lake that were given to ``attach``.
        """
        if self.lake is None:
            raise StoreError("This warehouse has no lake to attach tables of.")
        for table in tables:
            source = self.lake.source(table)
            if isinstance(source, pa.Table):
                self._take_in(table.name, source)
            else:
                self._show(table.name, ", ".join(quoted(column) for column in table.schema.names), source)

    def temporary(self, name: str, rows: pa.Table) -> Temporary:
        """Show an Arrow table under a name until the answer's ``with`` block ends (or else until ``close``)."""
        self._take_in(name, rows)
        return Temporary(self.drop, name)

    def view(self, name: str, sql: str | Expression) -> None:
        """Show a query under a name, in place of what had that name."""
        text = _text(sql)
        self._run(self._viewing(name, text), text)

    def drop(self, name: str) -> None:
        """Remove a view or table of the warehouse; removing what is not there does nothing."""
        self._shown.pop(name, None)
        self._run(lambda: self._drop(name), f"DROP {name}")

    def names(self) -> list[str]:
        """Name every view and table that is attached."""
        rows = self.query("SELECT table_name AS name FROM information_schema.tables ORDER BY name")
        names: list[str] = rows.column("name").to_pylist()
        return names

    def query(self, sql: str | Expression, parameters: Parameters | None = None) -> pa.Table:
        """Return the answer to a query as an Arrow table.

        Parameters
        ----------
        sql
            Text in DuckDB's dialect, or a SQLGlot tree.
        parameters
            Values for ``?`` (a sequence) or ``$name`` (a mapping).

        Raises
        ------
        DataError
            A value cannot be what the query makes of it.
        StoreError
            Anything else: the message holds the SQL.
        """
        text = _text(sql)

        def work() -> pa.Table:
            relation = self._connection.sql(text, params=parameters)
            return pa.table({}) if relation is None else relation.to_arrow_table()

        return self._run(work, text)

    def execute(self, sql: str | Expression, parameters: Parameters | None = None) -> None:
        """Run a statement for its effect; errors as in ``query``."""
        text = _text(sql)

        def work() -> None:
            self._connection.execute(text, parameters).fetchall()

        self._run(work, text)

    def stream(
        self, sql: str | Expression, rows: int = 100_000, parameters: Parameters | None = None
    ) -> pa.RecordBatchReader:
        """Return the answer to a query batch by batch, about ``rows`` rows each; other queries may run meanwhile."""
        text = _text(sql)
        # A connection has one open result at a time, so each stream reads through a connection of its own.
        cursor = self._connection.cursor()
        reader = self._run(lambda: cursor.sql(text, params=parameters).to_arrow_reader(rows), text, cursor)

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                while (batch := self._once(lambda: next(reader, None), text, cursor)) is not None:
                    yield batch
            finally:
                cursor.close()

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def close(self) -> None:
        """Release memory and temporary files; closing twice does nothing."""
        if not self._closed:
            self._closed = True
            self._worker.shutdown()
            self._connection.close()
            self._sweep()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _show(self, name: str, columns: str, files: Sequence[str | os.PathLike[str]]) -> None:
        """Show files, or those that stand for them by now where some were removed meanwhile."""
        for attempt in range(_ATTEMPTS):
            text = f"SELECT {columns} FROM {files_relation(files)}"
            try:
                self._once(self._viewing(name, text), text)
                break
            except StoreError as error:
                if not isinstance(error.__cause__, duckdb.IOException) or attempt == _ATTEMPTS - 1:
                    raise
                if not isinstance(files, Files) or self.lake is None:
                    raise
                source = self.lake.source(files.table)
                if isinstance(source, pa.Table):
                    self._take_in(name, source)
                    return
                if source == files:
                    raise
                files = source
        if isinstance(files, Files):
            self._shown[name] = columns, files

    def _viewing(self, name: str, text: str) -> Callable[[], None]:
        self._shown.pop(name, None)

        def work() -> None:
            self._drop(name, unless="VIEW")
            self._connection.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {text}")

        return work

    def _take_in(self, name: str, rows: pa.Table) -> None:
        self._shown.pop(name, None)

        def work() -> None:
            self._drop(name, unless="BASE TABLE")
            self._connection.register(_STAGED, rows)
            try:
                self._connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS FROM {quoted(_STAGED)}")
            finally:
                self._connection.unregister(_STAGED)

        self._run(work, f"CREATE TABLE {name}")

    def _drop(self, name: str, unless: str = "") -> None:
        """Drop what has this name, unless it is of that type and can be replaced in one step."""
        kinds = "SELECT table_type FROM information_schema.tables WHERE lower(table_name) = lower(?)"
        for (kind,) in self._connection.execute(kinds, [name]).fetchall():
            if kind != unless:
                self._connection.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {quoted(name)}")

    def _run(self, work: Callable[[], T], text: str, connection: duckdb.DuckDBPyConnection | None = None) -> T:
        """Do work beside the caller's thread, and again where files that it reads were removed meanwhile."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._once(work, text, connection)
            except StoreError as error:
                if not isinstance(error.__cause__, duckdb.IOException) or not self._shown_again():
                    raise
        return self._once(work, text, connection)

    def _once(self, work: Callable[[], T], text: str, connection: duckdb.DuckDBPyConnection | None = None) -> T:
        if self._closed:
            raise StoreError("This warehouse is closed.", hint="open the shop again; write reports while it is open.")
        future = self._worker.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            if not future.cancel():
                (connection or self._connection).interrupt()
                future.exception()  # wait until the query has stopped, so that the connection is free again
            raise
        except (duckdb.Error, pa.ArrowInvalid, RuntimeError, OSError) as error:
            _raise(error, text)

    def _shown_again(self) -> bool:
        """Show the tables of the lake whose files are others by now, and say whether there were any.

        Raises IntegrityError, which names the file, when one is missing that should be there.
        """
        if self.lake is None:
            return False
        changed = False
        for name, (columns, files) in list(self._shown.items()):
            source = self.lake.source(files.table)
            if isinstance(source, pa.Table):
                self._take_in(name, source)
            elif source != files:
                self._show(name, columns, source)
            changed = changed or isinstance(source, pa.Table) or source != files
        return changed


class Temporary:
    """A table that leaves its engine when the ``with`` block ends."""

    def __init__(self, drop: Callable[[str], None], name: str) -> None:
        self._drop = drop
        self.name = name

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._drop(self.name)


def _text(sql: str | Expression) -> str:
    return sql if isinstance(sql, str) else sql.sql(dialect="duckdb")


def files_relation(paths: Sequence[str | os.PathLike[str]], *options: str) -> str:
    """Return the SQL that reads Parquet files, matching columns by name, and no columns out of folder names."""
    listed = ", ".join(_literal(os.fspath(path)) for path in paths)
    return f"read_parquet({', '.join([f'[{listed}]', 'hive_partitioning = false', 'union_by_name = true', *options])})"


def _raise(error: Exception, sql: str) -> NoReturn:
    """Raise what DuckDB says as an error of ours, without values of the data and with the SQL."""
    if isinstance(error, CoterieError):
        raise error
    # What follows an empty line is an excerpt of the SQL, which is shown whole below.
    said = str(error).split("\n\nLINE ")[0].strip()
    shown = sql if len(sql) <= _SHOWN else f"{sql[:_SHOWN]} … ({len(sql):,} characters)"
    if said.startswith(_OF_THE_QUERY):
        raise StoreError(f"{said}\nSQL: {shown}", hint=disk.remedy(said)) from error
    kind = DataError if said.startswith(_OF_THE_VALUES) else StoreError
    said = re.sub(r"Original Line:.*?(?=\nError|\Z)", "", said, flags=re.DOTALL)
    said = re.sub(r"(['\"]).*\1", "'…'", said, flags=re.DOTALL)  # from the first quote to the last: values hold quotes
    raise kind(f"{said}\nSQL: {shown}") from None  # the cause would show the values again
