"""Tables and queries of a SQL database, streamed through SQLAlchemy into a temporary file.

Where the database is, and as whom to read it, stands in an environment variable alone; nothing of it gets into a
message. Only reading is asked for, and a read leaves no transaction open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

from coterie.collect.delimited import unlike
from coterie.collect.reached import Reached
from coterie.collect.spool import Spool
from coterie.collect.staged import Staged, nothing_broken
from coterie.collect.values import table_of
from coterie.errors import ConfigError, MissingColumnError, MissingExtraError, UnreadableSourceError
from coterie.progress import SILENT, Progress

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

ROWS = 20_000  # fetched at once
_SINCE = "coterie_since"
_REFUSED = ("authentication failed", "access denied", "login failed", "no pg_hba.conf entry", "no password supplied")
_UNREACHABLE = (
    "refused",
    "translate host",
    "timed out",
    "timeout",
    "unreachable",
    "can't connect",
    "resolve",
    "no such file",
)
# What these say is about the query; anything else may quote values of the data.
_OF_THE_QUERY = ("no such ", "near ", "unrecognized token", "incomplete input", "ambiguous column")


@contextmanager
def stage(
    variable: str,
    *,
    table: str | None = None,
    query: str | None = None,
    cursor: str | None = None,
    since: str | None = None,
    scratch: Path | None = None,
    progress: Progress = SILENT,
) -> Iterator[Staged]:
    """Make a table or the answer to a query ready to be queried for as long as the context lasts.

    Parameters
    ----------
    variable
        Name of the environment variable that holds the SQLAlchemy URL.
    table, query
        Exactly one of them; a table may be named with its schema.
    cursor
        A column that grows with every change of a row, such as ``updated_at``.
    since
        A former ``reached``: only rows whose cursor is at least this, or missing, are read. Equal ones are read again,
        so that none is lost among those of one moment.
    scratch
        Where a folder for temporary files is made, which hold the rows in the clear; None is the system's place.
    progress
        Told how many rows are read.

    Returns
    -------
    Staged
        With ``reached``, the greatest value of the cursor (``since`` where there was no newer), and a ``digest``.

    Raises
    ------
    MissingExtraError
        Without SQLAlchemy.
    ConfigError
        When the variable is not set or does not hold a URL that can be followed.
    UnreadableSourceError
        When the database cannot be reached, or refuses.
    MissingColumnError
        When there is no such cursor.
    """
    engine = _engine(variable)
    name = f"{variable}: {table or 'query'}"
    with TemporaryDirectory(prefix="coterie-", dir=scratch) as folder:
        try:
            with _reading(engine) as connection:
                asked = _question(connection, name, table, query)
                staged = _staged(connection, asked, name, Path(folder), cursor, since, progress)
        except _errors() as error:
            _refuse(name, error)
        finally:
            engine.dispose()
        yield staged


def _engine(variable: str) -> Engine:
    try:
        import sqlalchemy
    except ImportError as error:
        raise MissingExtraError.of("SQLAlchemy, which reads databases,", "sql") from error
    url = os.environ.get(variable, "").strip()
    if not url:
        raise ConfigError(
            f"The environment variable {variable} is not set.",
            hint=f"it holds where the database is: export {variable}='postgresql+psycopg://user:password@host/name'.",
        )
    try:
        made = sqlalchemy.make_url(url)
        if made.drivername in ("postgres", "postgresql"):
            made = made.set(drivername="postgresql+psycopg")
        if made.drivername.startswith("sqlite") and made.database and not Path(made.database).is_file():
            # SQLite would make an empty one.
            raise UnreadableSourceError.of(variable, "there is no such database file", hint="look at the path in it.")
        return sqlalchemy.create_engine(made, poolclass=sqlalchemy.NullPool, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The database that {variable} names needs the Python package {error.name!r}, which is not installed.",
            hint=f"pip install {error.name}, or name another driver.",
        ) from None
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ValueError):
        raise ConfigError(
            f"The environment variable {variable} does not hold the URL of a database.",
            hint="write it like postgresql+psycopg://user:password@host:5432/name or sqlite:////folder/file.db.",
        ) from None


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that only reads, row by row, and ends without a trace."""
    options: dict[str, Any] = {"stream_results": True, "yield_per": ROWS}
    if engine.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    with engine.connect().execution_options(**options) as connection:
        try:
            yield connection
        finally:
            connection.rollback()


def _question(connection: Connection, name: str, table: str | None, query: str | None) -> str:
    """Return the SELECT to be asked; a query becomes a part of one, where it can do nothing but read."""
    if query is not None:
        return f"SELECT * FROM ({query.strip().rstrip(';')}\n) source"
    import sqlalchemy

    whole = table or ""
    there = sqlalchemy.inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    schema, _, last = whole.rpartition(".")
    for place, each in ((None, whole), (schema, last)):
        if each and place != "" and (there.has_table(each, schema=place) or each in there.get_view_names(schema=place)):
            return f"SELECT * FROM {'' if place is None else quote(place) + '.'}{quote(each)}"
    listed = ", ".join(sorted([*there.get_table_names(), *there.get_view_names()])[:30])
    raise UnreadableSourceError.of(name, f"there is no table {whole!r}", hint=f"the tables are {listed or 'none'}.")


def _staged(
    connection: Connection,
    asked: str,
    name: str,
    folder: Path,
    cursor: str | None,
    since: str | None,
    progress: Progress,
) -> Staged:
    import sqlalchemy

    asked = asked.replace(":", r"\:")  # a colon in the query is its own; only ours stands for a value
    parameters = {}
    if cursor is not None and since is not None:
        column = connection.dialect.identifier_preparer.quote(cursor).replace(":", r"\:")
        asked = f"SELECT * FROM ({asked}) newer WHERE {column} >= :{_SINCE} OR {column} IS NULL"
        parameters[_SINCE] = Reached(name, since).value
    reached = None if cursor is None else Reached(name, since)
    with Spool(folder) as spool, connection.execute(sqlalchemy.text(asked), parameters) as rows:
        names = unlike(name, list(rows.keys()))
        if cursor is not None and cursor not in names:
            raise MissingColumnError.of(name, [cursor], names)
        count = 0
        for batch in rows.partitions(ROWS):
            if reached is not None and cursor is not None:
                place = names.index(cursor)
                reached.see([row[place] for row in batch])
            spool.add(table_of(names, batch, count))
            count += len(batch)
            progress.step(f"reading {name}", count)
        if not count:
            spool.add(table_of(names, [], 0))
        spool.finish()
    there = spool.columns
    return Staged(
        name,
        spool.relation,
        {each: there[each] for each in names},
        count,
        nothing_broken(),
        reached=None if reached is None else reached.text,
        digest=spool.digest(),
    )


def _errors() -> type[Exception]:
    from sqlalchemy.exc import SQLAlchemyError

    return SQLAlchemyError


def _refuse(name: str, error: Exception) -> NoReturn:
    """Raise what a database says as an error of ours, without where it is, who asked, and values of the data."""
    cause = getattr(error, "orig", None)
    said = str(cause or "").strip()
    lowered = said.lower()
    state = str(getattr(cause, "sqlstate", None) or "")
    if state.startswith("28") or any(words in lowered for words in _REFUSED):
        why, hint = "the database does not accept the user or the password", "look at the URL in the variable."
    elif state.startswith("42") or said.startswith(_OF_THE_QUERY):
        why, hint = f"the database does not understand the query ({said.splitlines()[0]})", "try it in its own console."
    elif not state and "does not exist" in lowered:
        why, hint = "there is no such database or user", "look at the URL in the variable."
    elif any(words in lowered for words in _UNREACHABLE) or "connection failed" in lowered:
        why, hint = "the database cannot be reached", "is it running, and is the URL in the variable right?"
    else:
        kind = type(cause or error).__name__
        why, hint = f"the database failed with {kind}{f', SQLSTATE {state}' if state else ''}", "see its own log."
    raise UnreadableSourceError.of(name, why, hint=hint) from None
