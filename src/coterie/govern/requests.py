"""The rights of one person: to get everything the shop holds about them, and to be forgotten, with a receipt.

Every store is owned by a :class:`Holder`. A request goes through all of them in the order given; a request to forget
that was interrupted is simply repeated, so put last the holders by which a person is found (edges, then the vault).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import ParameterError
from coterie.govern.audit import Audit
from coterie.schema import KEY, Table, utc_now
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
        wanted = _keys(subjects)
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
        wanted = _keys(subjects).to_pylist()
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
        import pyarrow.dataset as ds

        wanted = _keys(subjects)
        found = {}
        for table, columns in _personal(self.tables):
            source = self.lake.source(table)
            rows = ds.dataset(source, schema=table.schema) if isinstance(source, list) else ds.dataset(source)
            about = pc.field(columns[0]).isin(wanted)
            for column in columns[1:]:
                about = about | pc.field(column).isin(wanted)
            found[table.name] = rows.to_table(columns=table.schema.names, filter=about)
        return found

    def erase(self, subjects: Iterable[int]) -> int:
        """Delete the rows about the subjects, and their bytes."""
        wanted = _keys(subjects).to_pylist()
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
        """The identifiers and their files."""
        return ("identifiers", *self.files)

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        """Return the identifiers of the subjects in the clear."""
        return {"identifiers": self.vault.reveal(_keys(subjects).to_pylist())}

    def erase(self, subjects: Iterable[int]) -> int:
        """Forget the identifiers of the subjects."""
        return self.vault.erase(_keys(subjects).to_pylist())


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


@dataclass(frozen=True)
class Receipt:
    """What a request to be forgotten did; itself it holds nothing personal and may be kept.

    Parameters
    ----------
    request
        Random number of the request, also on the audit chain.
    asked_at, finished_at
        Naive UTC.
    subjects
        How many identifiers were asked to be forgotten.
    erased
        Rows erased, by holder, in the order in which they were asked.
    left
        Rows that a second search still found, by table; empty when all is gone.
    """

    request: str
    asked_at: datetime
    finished_at: datetime
    subjects: int
    erased: dict[str, int]
    left: dict[str, int]

    @property
    def verified(self) -> bool:
        """Whether the second search found nothing."""
        return not self.left

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as plain JSON values."""
        times = {name: getattr(self, name).isoformat() + "Z" for name in ("asked_at", "finished_at")}
        return {**asdict(self), **times, "verified": self.verified}


def export_person(
    holders: Sequence[Holder], subjects: Iterable[int], *, audit: Audit | None = None, now: datetime | None = None
) -> dict[str, pa.Table]:
    """Return everything that is held about a person (GDPR Articles 15 and 20), by table, empty ones left out.

    Parameters
    ----------
    holders
        Every holder of the shop.
    subjects
        All subject keys of the person.
    audit
        Where it is written that an export was made, with counts only.
    now
        The moment, naive UTC; None is the present.

    Raises
    ------
    ParameterError
        When two holders export a table of the same name, of which one would be lost.
    """
    wanted = _keys(subjects).to_pylist()
    found: dict[str, pa.Table] = {}
    for holder in holders:
        for name, rows in holder.export(wanted).items():
            if name in found:
                raise ParameterError(f"export: two holders have a table {name!r}; the second one is {holder.name!r}.")
            found[name] = rows
    found = {name: rows for name, rows in found.items() if rows.num_rows}
    if audit is not None:
        details = {"subjects": len(wanted), "rows": {name: rows.num_rows for name, rows in found.items()}}
        audit.append("export", uuid4().hex, details, now=now)
    return found


def exported_json(tables: dict[str, pa.Table]) -> str:
    """Return an export as JSON that people can read and programs can take over: table → list of rows, times in UTC.

    Examples
    --------
    >>> print(exported_json({"traits": pa.table({"trait": ["age"], "value": ["45-54"]})}))
    {
      "traits": [
        {
          "trait": "age",
          "value": "45-54"
        }
      ]
    }
    """
    return json.dumps(
        {name: rows.to_pylist() for name, rows in tables.items()}, indent=2, ensure_ascii=False, default=_plain
    )


def forget(
    holders: Sequence[Holder], subjects: Iterable[int], *, audit: Audit | None = None, now: datetime | None = None
) -> Receipt:
    """Erase everything that is held about a person (GDPR Article 17) and search again to verify it.

    Parameters
    ----------
    holders
        Every holder of the shop, in the order in which they erase: last those by which the person is found.
    subjects
        All subject keys of the person.
    audit
        Where the request and its counts are written.
    now
        The moment of asking, naive UTC; None is the present.

    Returns
    -------
    Receipt
        Look at ``verified``: False means that a holder still finds rows, which ``left`` counts.
    """
    wanted = _keys(subjects).to_pylist()
    request, asked_at = uuid4().hex, now or utc_now()
    if audit is not None:  # before anything is gone: a request that is cut off leaves its trace
        audit.append("forget asked", request, {"subjects": len(wanted)}, now=now)
    erased = {holder.name: holder.erase(wanted) for holder in holders}
    left = _counts(holders, wanted)
    receipt = Receipt(request, asked_at, now or utc_now(), len(wanted), erased, left)
    if audit is not None:
        details = {"subjects": len(wanted), "erased": erased, "left": left, "verified": receipt.verified}
        audit.append("forget", request, details, now=now)
    return receipt


def rehearse(holders: Sequence[Holder], subjects: Iterable[int], *, now: datetime | None = None) -> Receipt:
    """Return the receipt of a request to be forgotten that erases nothing: ``left`` counts what is held, by table.

    Parameters
    ----------
    holders
        Every holder of the shop.
    subjects
        All subject keys of the person.
    now
        The moment, naive UTC; None is the present.
    """
    wanted = _keys(subjects).to_pylist()
    moment = now or utc_now()
    return Receipt(uuid4().hex, moment, moment, len(wanted), {}, _counts(holders, wanted))


def unowned(existing: Iterable[str], holders: Sequence[Holder]) -> list[str]:
    """Return the names of tables and files that no holder owns, sorted; a shop must have none.

    Examples
    --------
    >>> unowned(["runs", "archive/ab12"], [Impersonal("runs", ("runs",), "Runs count, they do not name.")])
    ['archive/ab12']
    """
    owned = [name for holder in holders for name in holder.holds]
    return sorted(name for name in set(existing) if not any(fnmatchcase(name, pattern) for pattern in owned))


def _keys(subjects: Iterable[int]) -> pa.Array:
    """Return subject keys, each once, ascending."""
    return pa.array(sorted({int(subject) for subject in subjects}), KEY)


def _counts(holders: Sequence[Holder], wanted: list[int]) -> dict[str, int]:
    """Return how many rows are held about subjects, by table."""
    found = [item for holder in holders for item in holder.export(wanted).items()]
    return {name: rows.num_rows for name, rows in found if rows.num_rows}


def _personal(tables: Iterable[Table]) -> list[tuple[Table, tuple[str, ...]]]:
    """Return the tables about people, each with its columns of subject keys."""
    return [(table, tuple(table.properties.get("subjects", (table.subject,)))) for table in tables if table.subject]


def _plain(value: object) -> str:
    """Return a value that JSON has no form for as text."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else str(value)
