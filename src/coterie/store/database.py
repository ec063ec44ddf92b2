"""One SQLite file under the ledger or the vault: durable, wiped where rows are deleted, with nested transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from coterie.errors import CoterieError, IntegrityError, ShopLockedError, StoreError
from coterie.store import disk

_PATIENCE = 30.0  # seconds to wait while another process writes
_OWING = 1  # the file's user version while bytes of deleted rows are still to be overwritten


class Database:
    """A SQLite database in WAL mode. Threads share its one connection and take turns.

    Parameters
    ----------
    path
        The file; it and its folder are made when they are not there, readable by their owner alone.

    Raises
    ------
    ShopLockedError
        Another process has been writing for half a minute.
    IntegrityError
        A row with the same key exists.
    StoreError
        The file cannot be read or written, or is not a database.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._turn = threading.RLock()
        self._depth = 0
        self._closed = False
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
        try:
            # WAL first: it is what fails when the file is no database or cannot be written.
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "temp_store = MEMORY"):
                self.execute(f"PRAGMA {pragma}")
            self.execute("PRAGMA cache_size = -65536")  # KiB
            with suppress(ShopLockedError):  # then another process is at it, or the next one will be
                self._overwrite()  # what a process that was killed after a deletion owes
        except StoreError:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all changes or none; inside another transaction, a failure undoes the inner changes alone."""
        with self._turn:
            inner = self._depth > 0
            name = f"level_{self._depth}"
            self.execute(f"SAVEPOINT {name}" if inner else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if not inner:
                    self.execute("COMMIT")
                    self._overwrite()
            except BaseException:
                # SQLite itself rolls back after some errors, a full disk among them.
                if self._connection.in_transaction:
                    self.execute(f"ROLLBACK TO {name}" if inner else "ROLLBACK")
                raise
            finally:
                self._depth -= 1
                if inner and self._connection.in_transaction:
                    self.execute(f"RELEASE {name}")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the database throughout, and stand in no writer's way; inside a transaction, see that."""
        with self._turn:
            if self._depth:
                yield
                return
            self.execute("BEGIN")
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._turn, self._told():
            return self._connection.execute(sql, parameters).rowcount

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a statement once a row and return how many rows were changed."""
        with self._turn, self._told():
            return self._connection.executemany(sql, rows).rowcount

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that a query answers, as tuples."""
        with self._turn, self._told():
            return self._connection.execute(sql, parameters).fetchall()

    def batches(self, sql: str, parameters: Sequence[Any], size: int) -> Iterator[list[Any]]:
        """Return the rows that a query answers, as tuples, so many at a time; the database stays this thread's."""
        with self._turn, self._told():
            cursor = self._connection.execute(sql, parameters)
            try:
                while found := cursor.fetchmany(size):
                    yield found
            finally:
                cursor.close()

    def forget(self) -> None:
        """Have the transaction that is open leave no bytes of deleted rows, neither in the file nor in its log.

        That is done when it is committed, or by the next process when this one is killed. The end of the transaction
        raises ShopLockedError while another process reads an older state and so needs the log; the rows are deleted
        then, and their bytes stay until the next transaction ends or the file is opened again.
        """
        self.execute(f"PRAGMA user_version = {_OWING}")

    def close(self) -> None:
        """Release the file; closing twice does nothing."""
        with self._turn:
            if not self._closed:
                self._closed = True
                with self._told():
                    self._connection.close()

    def _overwrite(self) -> None:
        """Overwrite what deleted rows left, if a transaction asked for it."""
        if self.rows("PRAGMA user_version") != [(_OWING,)]:
            return
        # SQLite wipes the place of a deleted row, but not the places that the row had before its page was split.
        self.execute("VACUUM")
        busy, _, _ = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            raise ShopLockedError(
                f"The rows are deleted, but their bytes stay in {self.path.name}-wal while another process reads it.",
                hint="end the other process, then repeat the deletion.",
            )
        self.execute("PRAGMA user_version = 0")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, which name the file. SQLite's messages hold no values."""
        try:
            yield
        except CoterieError:
            raise
        except sqlite3.IntegrityError as error:
            raise IntegrityError(f"{self.path.name}: {error}.") from error
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ShopLockedError(
                    f"Another process has been writing to {self.path} for {_PATIENCE:.0f} seconds.",
                    hint="wait for it to end, or end it.",
                ) from error
            damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            kind = IntegrityError if damaged else StoreError
            hint = disk.RESTORE if damaged else disk.remedy(error)
            raise kind(f"Cannot use {self.path}: {error}.", hint=hint) from error
