"""One SQLite file under the ledger or the vault: durable, wiped where rows are deleted, with nested transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coterie.errors import CoterieError, IntegrityError, ShopLockedError, StoreError

_PATIENCE = 30.0  # seconds to wait while another process writes


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
        self._forgetting = False
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
                    if self._forgetting:
                        self._empty_log()
            except BaseException:
                # SQLite itself rolls back after some errors, a full disk among them.
                if self._connection.in_transaction:
                    self.execute(f"ROLLBACK TO {name}" if inner else "ROLLBACK")
                raise
            finally:
                self._depth -= 1
                self._forgetting = self._forgetting and inner
                if inner and self._connection.in_transaction:
                    self.execute(f"RELEASE {name}")

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

    def forget(self) -> None:
        """Have the transaction that is open leave no bytes of deleted rows: it empties the log when it is committed.

        Its end raises StoreError while another process reads an older state and so needs the log. The rows are
        deleted then, and their bytes stay until this is called again.
        """
        self._forgetting = True

    def close(self) -> None:
        """Release the file; closing twice does nothing."""
        with self._turn:
            if not self._closed:
                self._closed = True
                with self._told():
                    self._connection.close()

    def _empty_log(self) -> None:
        busy, _, _ = self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            raise StoreError(
                f"The rows are deleted, but the bytes stay in {self.path.name}-wal while another process reads it.",
                hint="end the other process, then repeat the deletion.",
            )

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
            raise StoreError(f"Cannot use {self.path}: {error}.") from error
