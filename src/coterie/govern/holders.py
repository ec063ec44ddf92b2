"""Who owns the tables and files of a shop: each owner answers for the personal data in them, exports and erases.

A test fails on a table or a file without an owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from coterie.schema import KEY, Table
from coterie.store.parquet import scanned
from coterie.store.ports import Lake, Ledger, Vault


class Holder(Protocol):
    """Owns tables and files of the shop and answers for the personal data in them."""

    @property
    def name(self) -> str:
        """The holder's name, unique in the shop."""

    @property
    def holds(self) -> tuple[str, ...]:
        """Names of the tables and files it owns; ``*`` stands for any part of a name."""

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return what is held about the subjects, by table; tables without any such row may be left out."""

    def erase(self, subjects: Iterable[int]) -> int:
        """Erase it, down to the bytes; returns how many rows. Erasing again, or unknown subjects, erases nothing."""


@dataclass(frozen=True)
class LedgerHolder:
    """Answers for tables of the ledger.

    Parameters
    ----------
    ledger
        The ledger.
    tables
        Its tables. Those without a subject column hold nothing personal: they are owned, not searched. A table with
        several names them in ``properties["subjects"]``.
    name
        The holder's name.
    files
        The files in which the tables lie.
    """

    ledger: Ledger
    tables: tuple[Table, ...]
    name: str = "ledger"
    files: tuple[str, ...] = ()

    @property
    def holds(self) -> tuple[str, ...]:
        """The tables and their files."""
        return (*(table.name for table in self.tables), *self.files)

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return the rows about the subjects, by table."""
        wanted = keys_of(subjects)
        found = {}
        for table, columns in _personal(self.tables):
            parts = [table.empty()]
            for position, column in enumerate(columns):
                for subject in wanted.to_pylist():
                    rows = self.ledger.read(table, **{column: subject})
                    for earlier in columns[:position]:  # met there already
                        rows = rows.filter(pc.invert(pc.is_in(rows[earlier], wanted)))
                    parts.append(rows)
            found[table.name] = pa.concat_tables(parts)
        return found

    def erase(self, subjects: Iterable[int]) -> int:
        """Delete the rows about the subjects, and their bytes, in one transaction."""
        wanted = keys_of(subjects).to_pylist()
        with self.ledger.transaction():
            return sum(
                self.ledger.delete(table, column, wanted)
                for table, columns in _personal(self.tables)
                for column in columns
            )


@dataclass(frozen=True)
class LakeHolder:
    """Answers for tables of the lake.

    Parameters
    ----------
    lake
        The lake.
    tables
        Its tables; those without a subject column are owned, not searched.
    name
        The holder's name.
    files
        The files in which the tables lie.
    """

    lake: Lake
    tables: tuple[Table, ...]
    name: str = "lake"
    files: tuple[str, ...] = ()

    @property
    def holds(self) -> tuple[str, ...]:
        """The tables and their files."""
        return (*(table.name for table in self.tables), *self.files)

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return the rows about the subjects, by table; only the row groups that may hold them are read."""
        wanted = keys_of(subjects)
        found = {}
        for table, columns in _personal(self.tables):
            about = pc.field(columns[0]).isin(wanted)
            for column in columns[1:]:
                about = about | pc.field(column).isin(wanted)
            asked = {"columns": table.schema.names, "filter": about}
            found[table.name] = scanned(self.lake, table, lambda rows, asked=asked: rows.to_table(**asked))  # type: ignore[misc]
        return found

    def erase(self, subjects: Iterable[int]) -> int:
        """Delete the rows about the subjects, and their bytes."""
        wanted = keys_of(subjects).to_pylist()
        if not wanted:
            return 0
        return sum(
            self.lake.delete(table, column, wanted) for table, columns in _personal(self.tables) for column in columns
        )


@dataclass(frozen=True)
class VaultHolder:
    """Answers for the direct identifiers.

    Parameters
    ----------
    vault
        The vault.
    name
        The holder's name.
    files
        The files in which it lies.
    """

    vault: Vault
    name: str = "vault"
    files: tuple[str, ...] = ()

    @property
    def holds(self) -> tuple[str, ...]:
        """The identifiers, those that are kept out, and their files."""
        return ("identifiers", "suppressed", *self.files)

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return the identifiers of the subjects in the clear."""
        return {"identifiers": self.vault.reveal(keys_of(subjects).to_pylist())}

    def erase(self, subjects: Iterable[int]) -> int:
        """Forget the identifiers of the subjects and keep them out: their keyed hashes stay, and nothing else."""
        return self.vault.erase(keys_of(subjects).to_pylist())


@dataclass(frozen=True)
class Impersonal:
    """Owns what holds nothing personal, and says why.

    Parameters
    ----------
    name
        The holder's name.
    holds
        Names of tables and files.
    why
        Why nothing in them is about a person, as a sentence for the privacy officer.
    """

    name: str
    holds: tuple[str, ...]
    why: str

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return nothing: there is nothing about anybody."""
        return {}

    def erase(self, subjects: Iterable[int]) -> int:
        """Erase nothing: there is nothing about anybody."""
        return 0


def unowned(existing: Iterable[str], holders: Sequence[Holder]) -> list[str]:
    """Return the names of tables and files that no holder owns, sorted; a shop must have none.

    Examples
    --------
    >>> unowned(["runs", "archive/ab12"], [Impersonal("runs", ("runs",), "Runs count, they do not name.")])
    ['archive/ab12']
    """
    owned = [name for holder in holders for name in holder.holds]
    return sorted(name for name in set(existing) if not any(fnmatchcase(name, pattern) for pattern in owned))


def keys_of(subjects: Iterable[int]) -> pa.Array:
    """Return subject keys, each once, ascending."""
    return pa.array(sorted({int(subject) for subject in subjects}), KEY)


def _personal(tables: Iterable[Table]) -> list[tuple[Table, tuple[str, ...]]]:
    """Return the tables about people, each with its columns of subject keys."""
    return [(table, tuple(table.properties.get("subjects", (table.subject,)))) for table in tables if table.subject]
