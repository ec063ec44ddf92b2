"""What the facts of each source are like: how complete, how fresh, how many a day, whose, how late, in which money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect.facts import TRAITS
from coterie.collect.volume import unusual
from coterie.schema import IdentifierKind, Table
from coterie.store.ports import Vault
from coterie.store.sql import text
from coterie.store.warehouse import Warehouse, quoted

NAMING = (IdentifierKind.CUSTOMER_ID, IdentifierKind.LOYALTY_ID, IdentifierKind.EMAIL, IdentifierKind.PHONE)
"""Identifiers by which a shop knows somebody; a device or a cookie tells only that it is the same one again."""

KNOWN = "quality_known"
"""The subjects of known people: ``subject``."""

_SLOTS = "quality_slots"
_SLOT = 900_000_000  # microseconds: every time zone is a multiple of a quarter of an hour away from UTC
_BOOKKEEPING = ("source", "ingested_at", "import_id", "row")


@dataclass(frozen=True)
class Lateness:
    """How long facts took to become available, where their source says so.

    Parameters
    ----------
    rows
        Facts that both times are known of.
    median, p95, longest
        Seconds from ``occurred_at`` to ``available_at``; below 0 where a clock is wrong.
    early
        Facts that were available before they happened: two clocks disagree.
    """

    rows: int
    median: float
    p95: float
    longest: float
    early: int


@dataclass(frozen=True)
class TableQuality:
    """What one source has in one table.

    Parameters
    ----------
    source, table
        Which.
    rows
        How many facts.
    subjects
        How many different subjects they are about; None for tables without people.
    first, last
        Span of ``occurred_at``, naive UTC; None where nothing is dated.
    ingested_at
        When the newest was stored.
    completeness
        Column → share of rows that have a value.
    months
        Month → rows that occurred in it.
    completeness_by_month
        Month → column → share of its rows that have a value.
    days
        Day → rows that occurred on it; days without rows are left out.
    missing_days, scarce_days
        Days without rows, and with strikingly few, where that day of the week usually has them.
    known
        Share of rows that are about a known person: somebody with a customer number, loyalty number, e-mail address or
        telephone number, by this subject or another of the same person. None where this cannot be told.
    lateness
        None where the source does not say when facts became available.
    currencies
        Currency → rows with an amount in it, as stored.
    converted
        Currency → rows whose amounts were converted from it.

    Notes
    -----
    Days and months are those of the shop's time zone.
    """

    source: str
    table: str
    rows: int
    subjects: int | None
    first: datetime | None
    last: datetime | None
    ingested_at: datetime | None
    completeness: dict[str, float]
    months: dict[str, int]
    completeness_by_month: dict[str, dict[str, float]]
    days: dict[date, int]
    missing_days: tuple[date, ...]
    scarce_days: tuple[date, ...]
    known: float | None
    lateness: Lateness | None
    currencies: dict[str, int]
    converted: dict[str, int]


def know(warehouse: Warehouse, vault: Vault, relations: Sequence[str]) -> None:
    """Make ``KNOWN``: the subjects that name somebody, and all others of the same people.

    Parameters
    ----------
    warehouse
        If it has ``person_of``, that says who is one person today.
    vault
        Knows the kind of identifier behind each subject.
    relations
        Facts that have a ``subject``.
    """
    grouped = "person_of" in warehouse.names()
    seen = " UNION ".join(f"SELECT subject FROM {name}" for name in (*relations, *(["person_of"] if grouped else [])))
    subjects = warehouse.query(f"SELECT subject FROM ({seen}) WHERE subject IS NOT NULL")["subject"]
    kinds = vault.kinds(subjects.to_pylist())
    naming = pc.is_in(kinds["kind"], pa.array([str(kind) for kind in NAMING]))
    warehouse.temporary(KNOWN, kinds.filter(naming).select(["subject"]))
    if grouped:
        warehouse.execute(
            f"""
            INSERT INTO {KNOWN}
            WITH today AS (
                SELECT subject, ARG_MAX(person, valid_until) AS person FROM person_of GROUP BY subject
            )
            SELECT subject FROM today WHERE person IN (SELECT person FROM today SEMI JOIN {KNOWN} USING (subject))
                AND subject NOT IN (SELECT subject FROM {KNOWN})
            """
        )


def measure(
    warehouse: Warehouse, table: Table, relation: str, *, timezone: str, stated: Iterable[int]
) -> list[TableQuality]:
    """Measure the facts of each source in one table.

    Parameters
    ----------
    warehouse
        Has ``relation``, the rows of ``table``; and ``KNOWN`` where it is known who is known.
    table, relation
        Which.
    timezone
        IANA name; days are local to it.
    stated
        The imports whose source says when its facts became available.
    """
    names = [name for name in table.schema.names if name not in _BOOKKEEPING]
    dated = "occurred_at" in names
    at = "occurred_at" if dated else "CAST(NULL AS TIMESTAMP)"
    filled = ", ".join(f"COUNT({quoted(name)}) AS {quoted('has ' + name)}" for name in names)
    # One scan: counts by quarters of an hour, which then become local days, months and totals.
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_SLOTS} AS
        SELECT source, EPOCH_US({at}) // {_SLOT} AS slot, COUNT(*) AS "rows", MIN({at}) AS "first",
            MAX({at}) AS "last", MAX(ingested_at) AS ingested_at, {filled}
        FROM {relation} GROUP BY source, slot
        """
    )
    local = f"TIMEZONE({text(timezone).sql('duckdb')}, TIMEZONE('UTC', MAKE_TIMESTAMP(slot * {_SLOT})))"
    sums = ", ".join(f"CAST(SUM({quoted(name)}) AS BIGINT) AS {quoted(name)}" for name in ("rows", *_has(names)))
    try:
        totals = warehouse.query(
            f"""
            SELECT source, {sums}, MIN("first") AS "first", MAX("last") AS "last", MAX(ingested_at) AS ingested_at
            FROM {_SLOTS} GROUP BY source ORDER BY source
            """
        ).to_pylist()
        by_month = warehouse.query(
            f"""
            SELECT source, STRFTIME({local}, '%Y-%m') AS month, {sums} FROM {_SLOTS}
            WHERE slot IS NOT NULL GROUP BY ALL ORDER BY ALL
            """
        ).to_pylist()
        by_day = warehouse.query(
            f"""
            SELECT source, CAST({local} AS DATE) AS day, CAST(SUM("rows") AS BIGINT) AS "rows" FROM {_SLOTS}
            WHERE slot IS NOT NULL GROUP BY ALL ORDER BY ALL
            """
        ).to_pylist()
    finally:
        warehouse.drop(_SLOTS)
    who = _who(warehouse, table, relation)
    late = _lateness(warehouse, relation, stated) if dated else {}
    money = _money(warehouse, relation) if "original_currency" in names else []
    found = []
    for row in totals:
        source = row["source"]
        months = {each["month"]: each for each in by_month if each["source"] == source}
        days = {each["day"]: each["rows"] for each in by_day if each["source"] == source}
        # What is known of people does not happen day by day.
        missing, scarce = unusual(days) if table is not TRAITS else ((), ())
        found.append(
            TableQuality(
                **{name: row[name] for name in ("source", "rows", "first", "last", "ingested_at")},
                table=table.name,
                subjects=who.get(source, {}).get("subjects"),
                completeness=_shares(row, names),
                months={month: each["rows"] for month, each in months.items()},
                completeness_by_month={month: _shares(each, names) for month, each in months.items()},
                days=days,
                missing_days=missing,
                scarce_days=scarce,
                known=who.get(source, {}).get("known"),
                lateness=late.get(source),
                currencies=_counts(money, source, "currency"),
                converted=_counts(money, source, "original_currency"),
            )
        )
    return found


def _has(names: Sequence[str]) -> list[str]:
    return [f"has {name}" for name in names]


def _shares(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: row[f"has {name}"] / row["rows"] for name in names}


def _who(warehouse: Warehouse, table: Table, relation: str) -> dict[str, dict[str, Any]]:
    """Return of each source how many subjects it has, and the share of its rows about known people."""
    if table.subject is None:
        return {}
    told = KNOWN in warehouse.names()
    known = f"SUM(CASE WHEN subject IN (SELECT subject FROM {KNOWN}) THEN n END)" if told else "NULL"
    rows = warehouse.query(
        f"""
        SELECT source, CAST(COUNT(subject) AS BIGINT) AS subjects,
            CAST(COALESCE({known}, {0 if told else "NULL"}) AS DOUBLE) / SUM(n) AS known
        FROM (SELECT source, {quoted(table.subject)} AS subject, COUNT(*) AS n FROM {relation} GROUP BY ALL)
        GROUP BY source
        """
    ).to_pylist()
    return {row["source"]: row for row in rows}


def _lateness(warehouse: Warehouse, relation: str, stated: Iterable[int]) -> dict[str, Lateness]:
    listed = ", ".join(str(int(number)) for number in stated)
    if not listed:
        return {}
    rows = warehouse.query(
        f"""
        SELECT source, COUNT(*) AS "rows", QUANTILE_CONT(late, 0.5) AS median, QUANTILE_CONT(late, 0.95) AS p95,
            MAX(late) AS longest, COUNT(CASE WHEN late < 0 THEN 1 END) AS early
        FROM (
            SELECT source, (EPOCH_US(available_at) - EPOCH_US(occurred_at)) / 1e6 AS late FROM {relation}
            WHERE occurred_at IS NOT NULL AND available_at IS NOT NULL AND import_id IN ({listed}))
        GROUP BY source
        """
    ).to_pylist()
    return {row.pop("source"): Lateness(**row) for row in rows}


def _money(warehouse: Warehouse, relation: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = warehouse.query(
        f"""
        SELECT source, currency, original_currency, COUNT(*) AS "rows" FROM {relation}
        WHERE amount IS NOT NULL GROUP BY ALL ORDER BY ALL
        """
    ).to_pylist()
    return rows


def _counts(money: list[dict[str, Any]], source: str, name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in money:
        if row["source"] == source and row[name] is not None:
            found[row[name]] = found.get(row[name], 0) + row["rows"]
    return found
