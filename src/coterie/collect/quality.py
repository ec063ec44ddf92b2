"""The quality of what a shop has collected: every row's fate, what is missing, how fresh it is, what was assumed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from coterie.collect import contract, measures, problems, refunds
from coterie.collect.expectation import Outcome
from coterie.collect.facts import EVENTS, OFFERS, ORDER_LINES, PRODUCTS, QUARANTINE, TRAITS, current
from coterie.collect.history import FileQuality, ImportQuality, assumed, broken, histories, imports
from coterie.collect.judgement import judged
from coterie.collect.measures import KNOWN, TableQuality
from coterie.collect.reasons import Reason, reasons
from coterie.collect.targets import TARGETS
from coterie.schema import Kind, utc_now
from coterie.store.ports import Lake, Ledger, Vault
from coterie.store.warehouse import Warehouse

__all__ = ["FileQuality", "ImportQuality", "Outcome", "Quality", "Reason", "RefundQuality", "TableQuality", "quality"]

_PERSONAL = (ORDER_LINES, EVENTS, TRAITS)
_STORED = (ORDER_LINES, EVENTS, TRAITS, PRODUCTS, OFFERS)
_WITHIN = "order lines count as known from the moment they occurred; the source does not say"
_ASSUMED = {
    ("order_line", "available_at"): _WITHIN,
    ("event", "available_at"): _WITHIN.replace("order lines", "events"),
    ("trait", "occurred_at"): "rows of traits have no date; their values are used as if they had always held",
    ("trait", "available_at"): "rows of traits count as known from their date; the source does not say",
    ("product", "available_at"): "products count as known from the beginning; the source does not say since when",
    ("offer", "available_at"): "offers count as known from the beginning; the source does not say since when",
    ("consent", "available_at"): "choices count as known from the moment they were made; the source does not say",
}


@dataclass(frozen=True)
class RefundQuality:
    """Lines of refunds and cancellations, by how much of what they take back was found among the bought ones.

    Parameters
    ----------
    matched, partly, unmatched
        Lines of which all, a part or nothing was found.
    linked
        Pairs of a refund line and a bought one that the source itself links; the others were found by the stated rule.
    """

    matched: int
    partly: int
    unmatched: int
    linked: int


@dataclass(frozen=True)
class Quality:
    """The quality report.

    Parameters
    ----------
    checked_at
        The moment of the check, naive UTC.
    files, reasons, tables
        By source: the fate of rows, the rules broken, the facts.
    history
        Every import, the oldest first.
    people
        How many different people the facts are about (subjects, where identities are not resolved).
    identified
        Source → share of its rows about people that name somebody.
    currencies
        Which currencies amounts are in.
    unknown_products
        Order lines whose product is in no table of products.
    incomplete
        Source → orders that lack a line, because it is set aside.
    refunds
        What became of refunds; None where there are none.
    assumed
        What was assumed, in words, each with the number of rows.
    problems
        What needs a look, in words; empty when nothing does.
    expectations
        What the sources' own contracts expect, and whether it is so.
    running
        Files whose import is under way in another process.
    """

    checked_at: datetime
    files: tuple[FileQuality, ...]
    reasons: tuple[Reason, ...]
    tables: tuple[TableQuality, ...]
    history: tuple[ImportQuality, ...]
    people: int
    identified: dict[str, float]
    currencies: tuple[str, ...]
    unknown_products: int
    incomplete: dict[str, int]
    refunds: RefundQuality | None
    assumed: tuple[str, ...]
    problems: tuple[str, ...]
    expectations: tuple[Outcome, ...]
    running: tuple[str, ...]

    @property
    def received(self) -> int:
        """How many source rows came in; those of a file that was read twice count twice."""
        return sum(file.received for file in self.files)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The expectations that the data does not meet."""
        return tuple(one for one in self.expectations if not one.passed)

    @property
    def passed(self) -> bool:
        """Whether nothing needs a look and every expectation is met."""
        return not self.problems and not self.failed

    def age(self, table: TableQuality) -> timedelta | None:
        """Return how old the newest fact of a table was at the check; None where nothing is dated."""
        return self.checked_at - table.last if table.last else None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; times and days in ISO 8601."""
        body: dict[str, Any] = _plain(asdict(self))
        for told, table in zip(body["tables"], self.tables, strict=True):
            age = self.age(table)
            told["age_days"] = age / timedelta(days=1) if age is not None else None
        return {"passed": self.passed, **body}


def quality(
    warehouse: Warehouse,
    lake: Lake,
    ledger: Ledger,
    vault: Vault | None = None,
    *,
    now: datetime | None = None,
    timezone: str = "UTC",
    busy: Callable[[], bool] = lambda: False,
) -> Quality:
    """Report on everything that a shop has collected, from what is stored.

    Parameters
    ----------
    warehouse
        Where the queries run. If it has ``person_of``, people are counted, not subjects.
    lake, ledger
        Where facts and imports are kept.
    vault
        Knows by which kind of identifier each subject is known; without it nobody says who is known.
    now
        The moment that freshness is measured at, naive UTC; None is the present.
    timezone
        IANA name; days are local to it.
    busy
        Tells whether a process is writing to the shop: then an import that has not ended is running, and not cut off.
    """
    moment = now or utc_now()
    writing = busy()
    past = histories(ledger)
    writing = busy() or writing  # one that began or ended meanwhile was writing, too
    done = [row for history in past for row in history.done]
    standing = [row for history in past for row in history.standing]
    contracts = contract.kept(ledger)
    for table in _STORED:
        warehouse.attach(f"all_{table.name}", lake.source(table))
        warehouse.view(f"quality_{table.name}", current(table, f"all_{table.name}"))
    if vault is not None:
        measures.know(warehouse, vault, [f"quality_{table.name}" for table in _PERSONAL])
    try:
        tables = tuple(
            measured
            for table in _STORED
            for measured in measures.measure(
                warehouse,
                table,
                f"quality_{table.name}",
                timezone=timezone,
                stated=[
                    row["import_id"] for row in done if (row["accepted"] or 0) > assumed(row).get("available_at", 0)
                ],
            )
        )
        unknown = _unknown(warehouse)
        found = Quality(
            checked_at=moment,
            files=tuple(history.quality() for history in past),
            reasons=reasons(done, standing, contracts),
            tables=tables,
            history=imports(past),
            people=_people(warehouse),
            identified=_identified(standing),
            currencies=tuple(sorted({name for table in tables for name in table.currencies})),
            unknown_products=unknown,
            incomplete=_incomplete(warehouse, lake, standing),
            refunds=_refunds(warehouse),
            assumed=_assumed(done),
            problems=(),
            expectations=judged(warehouse, contracts, tables, past, moment),
            running=tuple(history.imports[-1]["file"] for history in past if writing and not history.ended),
        )
    finally:
        for table in _STORED:
            warehouse.drop(f"quality_{table.name}")
            warehouse.drop(f"all_{table.name}")
        warehouse.drop(KNOWN)
    said = [*problems.of_files(past, contracts, busy=writing), *problems.of_tables(tables, unknown, found.incomplete)]
    return replace(found, problems=tuple(said))


def _unknown(warehouse: Warehouse) -> int:
    return _one(
        warehouse,
        """
        SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) AS n
        FROM (SELECT source, product_id, COUNT(*) AS n FROM quality_order_lines GROUP BY source, product_id) AS line
        WHERE product_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM all_products AS product
            WHERE product.source = line.source AND product.product_id = line.product_id)
        """,
    )


def _people(warehouse: Warehouse) -> int:
    everyone = " UNION ".join(
        f"SELECT subject FROM quality_{table.name} WHERE subject IS NOT NULL" for table in _PERSONAL
    )
    if "person_of" not in warehouse.names():
        return _one(warehouse, f"SELECT COUNT(*) AS n FROM ({everyone})")
    return _one(
        warehouse,
        f"""
        SELECT COUNT(DISTINCT person) AS n
        FROM (SELECT subject, ARG_MAX(person, valid_until) AS person FROM person_of GROUP BY subject)
        WHERE subject IN ({everyone})
        """,
    )


def _incomplete(warehouse: Warehouse, lake: Lake, standing: list[dict[str, Any]]) -> dict[str, int]:
    """Count the orders of which some lines are stored and another was set aside by an import that stands."""
    if QUARANTINE.name not in lake.tables() or not standing:
        return {}
    warehouse.attach("quality_quarantine", lake.source(QUARANTINE))
    warehouse.temporary("quality_standing", pa.table({"import_id": pa.array([row["import_id"] for row in standing])}))
    try:
        rows = warehouse.query(
            """
            WITH lacking AS (
                SELECT DISTINCT source, unit AS order_id FROM quality_quarantine
                WHERE unit IS NOT NULL AND import_id IN (SELECT import_id FROM quality_standing)
            )
            SELECT source, COUNT(DISTINCT order_id) AS n
            FROM quality_order_lines SEMI JOIN lacking USING (source, order_id) GROUP BY source ORDER BY source
            """
        ).to_pylist()
    finally:
        warehouse.drop("quality_quarantine")
        warehouse.drop("quality_standing")
    return {row["source"]: row["n"] for row in rows}


def _refunds(warehouse: Warehouse) -> RefundQuality | None:
    completed = f"SELECT COUNT(*) AS n FROM quality_order_lines WHERE kind <> '{Kind.ORDER_COMPLETED}'"
    if not _one(warehouse, completed):
        return None
    found = refunds.matched(warehouse, "quality_order_lines")
    linked = found.taken_back["how"].to_pylist().count("linked")
    return RefundQuality(found.matched.lines, found.partly.lines, found.unmatched.lines, linked)


def _one(warehouse: Warehouse, query: str) -> int:
    count: int = warehouse.query(query)["n"][0].as_py()
    return count


def _identified(standing: list[dict[str, Any]]) -> dict[str, float]:
    received: Counter[str] = Counter()
    nobody: Counter[str] = Counter()
    for row in standing:
        if row["target"] in TARGETS and TARGETS[row["target"]].personal:
            received[row["source"]] += row["received"] or 0
            nobody[row["source"]] += broken(row).get("unidentified", 0)
    return {source: 1 - nobody[source] / rows for source, rows in sorted(received.items()) if rows}


def _assumed(done: list[dict[str, Any]]) -> tuple[str, ...]:
    counted: Counter[str] = Counter()
    for row in done:
        for what, rows in assumed(row).items():
            if words := _ASSUMED.get((row["target"], what)):
                counted[words] += rows
    return tuple(f"{rows:,} {words}" for words, rows in counted.most_common())


def _plain(value: Any) -> Any:
    """Return values as JSON has them."""
    if isinstance(value, dict):
        return {key.isoformat() if isinstance(key, date) else key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value
