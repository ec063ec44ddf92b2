"""Spark as an engine: the statements of the dialect over the same Parquet files, on one machine or on a cluster.

Needs the extra ``spark`` (PySpark 4.3) and a Java, both only where this is used. No Python runs inside Spark: tables
from Python are written as Parquet for Spark to read, and answers come back as Arrow.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
import tempfile
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from coterie.errors import CoterieError, DataError, MissingExtraError, ParameterError, StoreError
from coterie.store import disk
from coterie.store.jvm import Machine
from coterie.store.sql import Expression, render
from coterie.store.warehouse import Temporary

T = TypeVar("T")

_THREAD = "coterie-spark"
_BETWEEN = 0.2  # seconds from one call to stop to the next
_SHOWN = 2_000  # characters of SQL in an error message
# What makes the dialect mean the same as on DuckDB, whatever the session or the cluster was set to.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.legacy.statisticalAggregate": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # the calendar is Gregorian at all times
    "spark.sql.parquet.binaryAsString": "false",
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}
# What Spark says of a value that cannot be what the query makes of it; its message may quote the value.
_OF_THE_VALUES = re.compile(
    r"\[(ARITHMETIC_OVERFLOW|BINARY_ARITHMETIC_OVERFLOW|CAST_OVERFLOW|CAST_INVALID_INPUT|DIVIDE_BY_ZERO|REMAINDER_BY_ZERO"
    r"|NUMERIC_VALUE_OUT_OF_RANGE|DATETIME_OVERFLOW|INVALID_TIMEZONE)[.\]]"
)
_GONE = re.compile(r"FileNotFoundException|FAILED_READ_FILE\.FILE_NOT_EXIST|PATH_NOT_FOUND")


class Spark:
    """One Spark session that reads the lake's files and Arrow tables.

    It may be used from several threads, which take turns, and stops on Ctrl-C. Names and settings are of a session of
    its own; what others do in the same Spark is left alone.

    Parameters
    ----------
    session
        A ``SparkSession`` of yours, for example of a cluster; it goes on when this is closed. None starts Spark on
        this machine, or uses the one that is running in this process.
    threads, memory
        Of the Spark that is started here: cores (by default all that the process may use) and megabytes of its
        Java (by default a quarter of what the process may use). What does not fit is spilled to disk.
    scratch
        Folder for tables from Python, for Spark to read them; a folder of its own inside it is made, and removed by
        ``close``. On a cluster it has to be one that all machines see under the same path; by default it is the
        system's folder for temporary files, which will do on one machine.

    Raises
    ------
    MissingExtraError
        PySpark or Java is not installed.
    ParameterError
        The session is a cluster's and there is no ``scratch``.
    StoreError
        Spark does not start.
    """

    dialect = "spark"

    def __init__(
        self,
        session: Any = None,
        *,
        threads: int | None = None,
        memory: int | None = None,
        scratch: str | os.PathLike[str] | None = None,
    ) -> None:
        _quiet()
        # Python sees a signal only between two of its own instructions, so Spark is called beside the waiting thread.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=_THREAD)
        self._closed = False
        self._machine: Machine | None = None
        try:
            self._session = self._worker.submit(self._open, session, threads, memory).result()
            if scratch is None and not self._session.sparkContext.master.startswith("local"):
                raise ParameterError.of("Spark", "scratch", None, "a folder that all machines of the cluster see")
            self._scratch = Path(tempfile.mkdtemp(prefix="coterie-", dir=scratch))
        except BaseException as error:
            self._leave()
            if isinstance(error, OSError):
                hint = disk.remedy(error)
                raise StoreError(f"Cannot make a folder for temporary files: {error}.", hint=hint) from error
            if isinstance(error, CoterieError) or not isinstance(error, Exception):
                raise
            hint = "give it a running SparkSession of PySpark 4.3, and not one of Spark Connect."
            raise StoreError(f"Spark cannot be used: {type(error).__name__}.", hint=hint) from error
        self._sweep = weakref.finalize(self, shutil.rmtree, self._scratch, True)
        self._written: dict[str, Path] = {}

    def attach(self, name: str, source: Sequence[str | os.PathLike[str]] | pa.Table) -> None:
        """Show Parquet files or an Arrow table under a name, in place of what had that name.

        Columns of files are matched by name, and a file without a column has nulls there. Folder names of the form
        ``key=value`` are not read as columns. Times are naive, of microseconds.
        """
        if not isinstance(source, pa.Table):
            if not source:
                raise StoreError(
                    f"Cannot attach {name!r}: the list of files is empty.", hint="attach a typed Arrow table, no rows."
                )
            paths = [os.fspath(path) for path in source]
            for path in paths:
                if os.path.basename(path).startswith(("_", ".")):
                    raise StoreError(f"Spark takes {path} for hidden.", hint="files begin with neither _ nor a dot.")
            self._run(lambda: self._show(name, paths), f"READ {name}")
            return
        path = self._scratch / f"{uuid4().hex}.parquet"
        try:
            pq.write_table(source, path, coerce_timestamps="us", store_schema=False)
        except (OSError, pa.ArrowException) as error:
            hint = disk.remedy(error)
            raise StoreError(f"Cannot write {name!r} for Spark: {type(error).__name__}.", hint=hint) from error
        self._run(lambda: self._show(name, [str(path)]), f"READ {name}")
        self._written[name.lower()] = path

    def temporary(self, name: str, rows: pa.Table) -> Temporary:
        """Show an Arrow table under a name until the answer's ``with`` block ends (or else until ``close``)."""
        self.attach(name, rows)
        return Temporary(self.drop, name)

    def view(self, name: str, sql: str | Expression) -> None:
        """Show a query under a name, in place of what had that name; it reads what its names stand for now."""
        text = _text(sql)
        self._run(lambda: self._named(name, self._session.sql(text)), text)

    def drop(self, name: str) -> None:
        """Remove a view or table; removing what is not there does nothing."""
        self._run(lambda: self._forget(name), f"DROP {name}")

    def query(self, sql: str | Expression) -> pa.Table:
        """Return the answer to a query as an Arrow table.

        Parameters
        ----------
        sql
            A SQLGlot tree of the dialect, or text in Spark's words.

        Raises
        ------
        DataError
            A value cannot be what the query makes of it.
        StoreError
            Anything else: the message holds the SQL.
        """
        text = _text(sql)
        if isinstance(sql, exp.Select) and sql.ctes:
            statement = sql
            return self._run(lambda: self._answer(statement), text)
        return self._run(lambda: _plain(self._session.sql(text).toArrow()), text)

    def close(self) -> None:
        """Release memory and temporary files; closing twice does nothing."""
        if not self._closed:
            self._leave()
            self._sweep()

    def __enter__(self) -> Spark:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, session: Any, threads: int | None, memory: int | None) -> Any:
        """Return a session of our own in the given Spark, the running one, or one that is started."""
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        if session is None:
            context = SparkContext._active_spark_context
            if context is None or Machine.runs(context):
                self._machine = Machine.hold(threads, memory)
                context = self._machine.context
            session = SparkSession(context)
        own = session.newSession()
        for name, value in _SETTINGS.items():
            own.conf.set(name, value)
        return own

    def _leave(self) -> None:
        self._closed = True
        if self._machine is not None:
            self._worker.submit(self._machine.release).result()
        self._worker.shutdown()

    def _show(self, name: str, paths: list[str]) -> None:
        reader = self._session.read.option("mergeSchema", "true")
        # no characters of a path are wildcards, and no folder names are columns
        frame = reader.option("__globPaths__", "false").option("recursiveFileLookup", "true").parquet(*paths)
        zoned = [field.name for field in frame.schema if field.dataType.typeName() == "timestamp"]
        self._named(name, frame.withColumns({one: frame[one].cast("timestamp_ntz") for one in zoned}))

    def _answer(self, tree: exp.Select) -> pa.Table:
        """Answer a statement whose named relations are each computed once: Spark would copy each into its readers."""
        uses = Counter(table.name for table in tree.find_all(exp.Table))
        names: dict[str, str] = {}
        kept: list[Any] = []
        try:
            for relation in tree.ctes:
                frame = self._session.sql(_renamed(relation.this, names))
                if uses[relation.alias] > 1:
                    kept.append(frame.persist())
                names[relation.alias] = f"relation_{uuid4().hex}"
                frame.createTempView(names[relation.alias])
            rest = tree.copy()
            rest.set("with_", None)
            return _plain(self._session.sql(_renamed(rest, names)).toArrow())
        finally:
            for frame in kept:
                frame.unpersist()
            for name in names.values():
                self._session.catalog.dropTempView(name)

    def _named(self, name: str, frame: Any) -> None:
        self._forget(name)
        frame.createOrReplaceTempView(_quoted(name))

    def _forget(self, name: str) -> None:
        self._session.catalog.dropTempView(name)  # this one is not parsed
        if path := self._written.pop(name.lower(), None):
            path.unlink(missing_ok=True)

    def _run(self, work: Callable[[], T], text: str) -> T:
        """Do work beside the caller's thread."""
        if self._closed:
            raise StoreError("This Spark is closed.", hint="make a new one.")
        future = self._worker.submit(work)
        try:
            return future.result()
        except KeyboardInterrupt:
            if not future.cancel():
                while not wait([future], _BETWEEN).done:  # while Spark plans, there is no job to stop yet
                    self._session.interruptAll()
            raise
        except Exception as error:
            _raise(error, text)


def _quiet() -> None:
    """Import PySpark, and keep it from printing what is wrong with a query: that may quote the data."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it speaks of pandas, which is not used here
            importlib.import_module("pyspark.testing")
            from pyspark.logger import PySparkLogger
    except ImportError as error:
        raise MissingExtraError.of("PySpark", "spark") from error
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).addFilter(_of_others)


def _of_others(record: logging.LogRecord) -> bool:
    return not (record.threadName or "").startswith(_THREAD)


def _text(sql: str | Expression) -> str:
    return sql if isinstance(sql, str) else render(sql, "spark")


def _renamed(tree: Expression, names: Mapping[str, str]) -> str:
    """Return the text of a query in which relations have other names."""
    tree = tree.copy()
    for table in tree.find_all(exp.Table):
        if table.name in names:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
            table.set("this", exp.to_identifier(names[table.name], quoted=True))
    return render(tree, "spark")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _plain(answer: pa.Table) -> pa.Table:
    """Return the answer without Spark's notes on its columns."""
    return answer.cast(pa.schema([pa.field(field.name, field.type) for field in answer.schema]))


def _raise(error: Exception, sql: str) -> NoReturn:
    """Raise what Spark says as an error of ours, without values of the data and with the SQL."""
    if isinstance(error, CoterieError):
        raise error
    said = str(error)
    shown = sql if len(sql) <= _SHOWN else f"{sql[:_SHOWN]} … ({len(sql):,} characters)"
    if found := _OF_THE_VALUES.search(said):
        raise DataError(f"Spark: {found[1]}.\nSQL: {shown}") from None  # the cause would show the values
    if _GONE.search(said):
        raise StoreError(
            f"Files that Spark was to read are not there.\nSQL: {shown}",
            hint="a cluster has to see the shop's folder; if rows were deleted meanwhile, repeat the command.",
        ) from None
    condition = re.search(r"\[([A-Z][A-Z0-9_.]+)\]", said)
    what = condition[1] if condition else type(error).__name__
    raise StoreError(f"Spark: {what}.\nSQL: {shown}", hint=disk.remedy(said)) from None
