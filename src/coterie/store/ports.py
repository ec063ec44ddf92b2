"""The four ports of storage. Rooms are written against these; adapters are chosen in ``workspace``.

=========  =====================================================  ==============  ===============
port       keeps                                                  embedded        in memory
=========  =====================================================  ==============  ===============
Ledger     small, transactional: consents, edges, imports, runs   SQLite          MemoryLedger
Vault      direct identifiers ↔ subject keys, sealed bytes        SQLite          MemoryVault
Lake       facts: append-only tables of any size                  Delta tables    MemoryLake
Archive    models and exports: content-addressed files            folder          MemoryArchive
=========  =====================================================  ==============  ===============
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

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


class Ledger(Protocol):
    """Small tables with transactions: every change inside ``transaction()`` is kept together or not at all."""

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""

    def tables(self) -> list[str]:
        """Name every table that exists."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open a transaction; leaving it commits durably, an exception rolls back. Nested ones join the outer."""

    def insert(self, table: Table, rows: pa.Table | Sequence[Mapping[str, Any]]) -> int:
        """Add rows; a row whose key exists already raises IntegrityError and nothing is added. Returns the count."""

    def put(self, table: Table, rows: pa.Table | Sequence[Mapping[str, Any]]) -> int:
        """Add rows, replacing those with the same key."""

    def delete(self, table: Table, column: str, values: Iterable[Any]) -> int:
        """Delete the rows whose column is one of values; their bytes are overwritten. Returns the count."""

    def read(self, table: Table, **equals: Any) -> pa.Table:
        """Return the rows that match, in the order of the key, in the table's schema."""

    def lease(self, name: str) -> AbstractContextManager[None]:
        """Hold the one lease of that name; raises ShopLockedError while another live process holds it."""

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
        the same length. Repeating the call gives the same keys.
        """

    def find(self, kind: str, value: str) -> int | None:
        """Return the subject key of one identifier, or None; makes nothing."""

    def reveal(self, subjects: Iterable[int]) -> pa.Table:
        """Return ``subject, kind, value`` in the clear for the given subjects."""

    def seal(self, values: Sequence[bytes]) -> list[bytes]:
        """Encrypt values that must be kept readable for us and unreadable for a thief, such as quarantined rows."""

    def unseal(self, values: Sequence[bytes]) -> list[bytes]:
        """Decrypt what ``seal`` made; raises IntegrityError when a value was changed."""

    def erase(self, subjects: Iterable[int]) -> int:
        """Forget the identifiers of subjects, down to the bytes. Returns how many identifiers were erased."""

    def count(self) -> int:
        """Return how many identifiers are kept."""

    def close(self) -> None:
        """Release the vault."""


class Lake(Protocol):
    """Append-only tables of facts, of any size."""

    def create(self, *tables: Table) -> None:
        """Make tables that do not exist yet; existing ones must have the same columns."""

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

    def count(self, table: Table) -> int:
        """Return the number of rows."""

    def delete(self, table: Table, column: str, values: Iterable[int]) -> int:
        """Delete the rows whose integer column is one of values, and their bytes. Returns the count."""

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
