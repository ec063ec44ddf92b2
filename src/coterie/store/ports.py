"""The ports of storage, and of the engine that computes. Rooms are written against these; ``workspace`` chooses.

=========  =====================================================  ==============  ===============
port       keeps                                                  embedded        in memory
=========  =====================================================  ==============  ===============
Ledger     small, transactional: consents, edges, imports, runs   SQLite          MemoryLedger
Vault      direct identifiers ↔ subject keys, sealed bytes        SQLite          MemoryVault
Lake       facts: append-only tables of any size                  Delta tables    MemoryLake
State      online tiles: a cache that the lake can always rebuild LMDB            MemoryState
Archive    models and exports: content-addressed files            folder          MemoryArchive
Engine     nothing: runs the SQL over the lake's files            DuckDB, Spark   DuckDB
=========  =====================================================  ==============  ===============
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from sqlglot import exp

from coterie.schema import Table


@dataclass(frozen=True)
class Commit:
    """Names one write to the lake, so that repeating it after a crash does nothing.

    Parameters
    ----------
    application
        Who writes, for example ``import-17``.
    version
        Rises with each write of that application to that table; a version at or below the last one is skipped.
    """

    application: str
    version: int


class Files(list[str]):
    """The live files of a table, with the table, so that whoever reads them may ask again when some are removed."""

    def __init__(self, paths: Iterable[str], table: Table) -> None:
        super().__init__(paths)
        self.table = table


class Ledger(Protocol):
    """Small tables with transactions: every change inside ``transaction()`` is kept together or not at all."""

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""

    def extend(self, *tables: Table) -> None:
        """Make tables that do not exist, and give those of an older layout the columns they lack, with nulls in them.

        A table whose key has changed is written anew, and the new columns of its key hold what is nothing of their
        type: an empty text, 0. Repeating it changes nothing. Any other difference raises StoreError.
        """

    def tables(self) -> list[str]:
        """Name every table that exists."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open a transaction; leaving it commits durably, an exception rolls back. Nested ones join the outer."""

    def insert(self, table: Table, rows: pa.Table | Sequence[Mapping[str, Any]]) -> int:
        """Add rows; a row whose key exists already raises IntegrityError and nothing is added. Returns the count."""

    def put(self, table: Table, rows: pa.Table | Sequence[Mapping[str, Any]]) -> int:
        """Add rows, replacing those with the same key."""

    def add(self, table: Table, rows: pa.Table | Sequence[Mapping[str, Any]]) -> int:
        """Add rows whose key does not exist yet, and leave the others as they are. Returns how many are new."""

    def delete(self, table: Table, column: str, values: Iterable[Any], *, overwrite: bool = True) -> int:
        """Delete the rows whose column is one of values; their bytes are overwritten. Returns the count.

        Without ``overwrite`` the bytes may stay until the next deletion that overwrites.
        """

    def read(self, table: Table, *columns: str, **equals: Any) -> pa.Table:
        """Return the rows that match, in the order of the key: these columns of the table's schema, or all of them."""

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the one lease of that name; raises ShopLockedError while another live process holds it."""

    def held(self, name: str) -> bool:
        """Tell whether a live process holds the lease of that name, this one included; changes nothing."""

    def release(self, name: str) -> bool:
        """Remove a lease that a process on a machine that is gone has left; False when there is none.

        Whether a process of another machine lives cannot be known, so the caller vouches that it does not. A lease of
        a live process on this machine raises ShopLockedError.
        """

    def close(self) -> None:
        """Release the ledger; a closed ledger is opened anew by its class."""


class Vault(Protocol):
    """The only place that knows direct identifiers. Looks up by keyed hash, keeps the value sealed (AES-GCM)."""

    def subjects(self, identifiers: pa.Table) -> pa.Array:
        """Return the subject key of each identifier, making new random ones where there is none yet.

        ``identifiers`` has the columns ``kind`` and ``value`` (already normalised, no nulls); the answer is int64 of
        the same length, null where the identifier is suppressed. Repeating the call gives the same keys.
        """

    def find(self, kind: str, value: str) -> int | None:
        """Return the subject key of one identifier, or None; makes nothing."""

    def reveal(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind, value`` in the clear for the given subjects."""

    def kinds(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind`` of the given subjects that are kept, in the order of the keys; reveals no value."""

    def seal(self, values: Sequence[bytes]) -> list[bytes]:
        """Encrypt values that must be kept readable for us and unreadable for a thief, such as quarantined rows."""

    def unseal(self, values: Sequence[bytes]) -> list[bytes]:
        """Decrypt what ``seal`` made; raises IntegrityError when a value was changed."""

    def erase(self, subjects: Iterable[int], *, now: datetime | None = None) -> int:
        """Forget the identifiers of subjects, down to the bytes, and suppress them, in one step.

        Of each its keyed hash stays, with the moment (naive UTC; None is the present; one of its own for each call), to
        keep the person out: neither its value nor its subject. Returns how many identifiers were erased.
        """

    def strangers(self, subjects: Iterable[int]) -> list[int]:
        """Return those of the subject keys that stand for no identifier that is kept, once each, ascending."""

    def suppressed(self, identifiers: pa.Table) -> pa.Array:
        """Return for each identifier whether its person asked to be forgotten; makes nothing.

        ``identifiers`` as for ``subjects``; the answer is boolean, of the same length. Ask before ``subjects``, so that
        no other identifier of a row that names a suppressed one gets a subject.
        """

    def suppressions(self) -> pa.Table:
        """Return ``digest, at``: the keyed hash of every suppressed identifier, and since when (naive UTC)."""

    def suppress(self, digests: Iterable[bytes], *, now: datetime | None = None) -> list[int]:
        """Suppress identifiers by their keyed hashes, and return the subjects that are still kept under these.

        For a shop restored from a backup that is older than a request to be forgotten.
        """

    def together(self, kind: str, value: str) -> list[bytes]:
        """Return the keyed hashes that were suppressed in the same step as an identifier; none when it is not."""

    def readmit(self, kind: str, value: str) -> int:
        """Take an identifier off the suppressed ones, with all that came in the same step (one person's); the bytes go.

        Returns how many were taken off: 0 when it was not among them.
        """

    def count(self) -> int:
        """Return how many identifiers are kept."""

    def content_hash(self) -> str:
        """Return one SHA-256, in hexadecimal, of which subject stands for which identifier and what is suppressed.

        It is the same for equal content under one key, however it is sealed, and tells nothing of it.
        """

    def close(self) -> None:
        """Release the vault."""


class Lake(Protocol):
    """Append-only tables of facts, of any size."""

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""

    def extend(self, *tables: Table) -> None:
        """Make tables that do not exist, and give those of an older layout the columns they lack, with nulls in them.

        Repeating it changes nothing. Any other difference raises StoreError.
        """

    def tables(self) -> list[str]:
        """Name every table that exists."""

    def append(self, table: Table, rows: pa.Table, commit: Commit | None = None) -> bool:
        """Add rows in one atomic commit; False when ``commit`` was applied before, and then nothing is added."""

    def applied(self, table: Table, application: str) -> int | None:
        """Return the last version that ``application`` committed to the table, or None."""

    def source(self, table: Table) -> list[str] | pa.Table:
        """Return what an engine reads: the live Parquet files, or an Arrow table when there are none or no files."""

    def version(self, table: Table) -> int:
        """Return a number that changes with every commit to the table."""

    def appended(self, table: Table, since: int) -> list[str] | pa.Table | None:
        """Return, as ``source`` does, what was added after that version; None where anything else was done to the rows.

        None, too, where it cannot be told any more. Compaction does nothing to the rows.
        """

    def count(self, table: Table) -> int:
        """Return the number of rows."""

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete the rows whose integer column is one of values, and their bytes. Returns the count.

        Nothing that an earlier state of the table is told by stays either, such as the extremes of its columns.
        """

    def delete_rows(self, table: Table, rows: pa.Table) -> int:
        """Delete the rows that equal one of ``rows`` in all of its columns, which are integers; as ``delete``."""

    def compact(self, table: Table) -> None:
        """Rewrite many small files as few, sorted by subject and time; readers see the same rows."""


class Archive(Protocol):
    """Files named by the SHA-256 of their content: models and exports."""

    def put(self, content: bytes) -> str:
        """Keep content and return its SHA-256 in hexadecimal; the same content is kept once."""

    def get(self, digest: str) -> bytes:
        """Return content, checked against its name first; raises IntegrityError when it is missing or was changed."""

    def path(self, digest: str) -> Path | None:
        """Return where the content lies as a file, or None for an archive without files."""

    def names(self) -> list[str]:
        """Name everything that is kept."""

    def delete(self, digest: str) -> None:
        """Remove content; removing what is not there does nothing."""


class State(Protocol):
    """Small values under keys, read and written in microseconds: a cache, complete up to its mark.

    One process writes, many read. A write is there in full or not at all, with its mark; after a crash some of the last
    writes may be missing, together with their marks, and are made again by whoever compares the mark.
    """

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, all from one moment."""

    def put(self, values: Mapping[bytes, bytes | None], mark: bytes | None = None) -> None:
        """Write values in one step, removing the keys whose value is None, and set the mark unless that is None."""

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Go through the keys that begin so, in the order of their bytes."""

    def mark(self) -> bytes | None:
        """Return up to where the content is complete, as the last write said; None for an empty or a cleared one."""

    def clear(self) -> None:
        """Remove everything, the mark included."""

    def compact(self) -> None:
        """Rewrite what is kept, so that no byte of what was removed or written over is left."""

    def size(self) -> int:
        """Return how many bytes it takes on the disk (or in memory)."""

    def close(self) -> None:
        """Release it."""


class Engine(Protocol):
    """What runs the statements of the dialect (``store.sql``): trees are written for it, text is in its own words."""

    dialect: str
    """One of ``store.sql.ENGINES``."""

    def attach(self, name: str, source: Sequence[str] | pa.Table) -> None:
        """Show Parquet files or an Arrow table under a name, in place of what had that name."""

    def view(self, name: str, sql: exp.Expr) -> None:
        """Show a query under a name, in place of what had that name."""

    def temporary(self, name: str, rows: pa.Table) -> AbstractContextManager[str]:
        """Show an Arrow table under a name until the answer's ``with`` block ends."""

    def drop(self, name: str) -> None:
        """Remove what has that name; removing what is not there does nothing."""

    def query(self, sql: exp.Expr) -> pa.Table:
        """Return the answer to a statement as an Arrow table."""
