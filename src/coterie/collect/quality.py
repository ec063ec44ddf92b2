"""The quality of what a shop has collected: every row's fate, what is missing, how fresh it is, what was assumed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from coterie.collect import contract
from coterie.collect.facts import EVENTS, IMPORTS, OFFERS, ORDER_LINES, PRODUCTS, TRAITS, current
from coterie.collect.targets import TARGETS
from coterie.schema import Table
from coterie.store.ports import Lake, Ledger
from coterie.store.warehouse import Warehouse, quoted

NOTEWORTHY = 0.001
"""Share of a file's rows set aside, or of order lines without a product row, above which it is a problem."""

_ASSUMED = {
    ("order_line", "available_at"): "order lines count as known from the moment they occurred; the source does not say",
    ("event", "available_at"): "events count as known from the moment they occurred; the source does not say",
    ("trait", "occurred_at"): "rows of traits have no date; their values are used as if they had always held",
    (
        "trait",
        "available_at",
    ): "rows of traits count as known from their date; the source does not say",
    ("product", "available_at"): "products count as known from the beginning; the source does not say since when",
    ("offer", "available_at"): "offers count as known from the beginning; the source does not say since when",
    ("consent", "available_at"): "choices count as known from the moment they were made; the source does not say",
}


@dataclass(frozen=True)
class FileQuality:
    """The fate of the rows of one file.

    Parameters
    ----------
    source, file, target
        Which, and what its rows become.
    imports
        How often it was read to its end: again when it, the mapping or the contract had changed.
    received, accepted, quarantined, duplicates
        Rows over all these imports; the first is the sum of the others, as it is for each import.
    set_aside
        Quarantined rows of imports that no later one has gone over: what is mended no longer counts.
    imported_at, finished
        When its last import began, and whether that came to its end.
    """

    source: str
    file: str
    target: str
    imports: int
    received: int
    accepted: int
    quarantined: int
    duplicates: int
    set_aside: int
    imported_at: datetime
    finished: bool


@dataclass(frozen=True)
class Reason:
    """One rule of the contract that rows of a source broke: rows that are stored (``warn``) or set aside."""

    source: str
    rule: str
    severity: str
    wrong: str
    hint: str
    rows: int


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
        Month (UTC) → rows that occurred in it.
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


@dataclass(frozen=True)
class Quality:
    """The quality report.

    Parameters
    ----------
    files, reasons, tables
        By source: the fate of rows, the rules broken, the facts.
    people
        How many different people the facts are about (subjects, where identities are not resolved).
    identified
        Source → share of its rows about people that name somebody.
    currencies
        Which currencies amounts are in.
    unknown_products
        Order lines whose product is in no table of products.
    assumed
        What was assumed, in words, each with the number of rows.
    problems
        What needs a look, in words; empty when nothing does.
    """

    files: tuple[FileQuality, ...]
    reasons: tuple[Reason, ...]
    tables: tuple[TableQuality, ...]
    people: int
    identified: dict[str, float]
    currencies: tuple[str, ...]
    unknown_products: int
    assumed: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def received(self) -> int:
        """How many source rows came in; those of a file that was read twice count twice."""
        return sum(file.received for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; times in ISO 8601."""
        body: dict[str, Any] = json.loads(json.dumps(asdict(self), default=lambda time: time.isoformat()))
        return body


def quality(warehouse: Warehouse, lake: Lake, ledger: Ledger) -> Quality:
    """Report on everything that a shop has collected, from what is stored.

    Parameters
    ----------
    warehouse
        Where the queries run. If it has ``person_of``, people are counted, not subjects.
    lake, ledger
        Where facts and imports are kept.
    """
    histories = _histories(ledger)
    imports = [row for history in histories for row in history.done]
    standing = [row for history in histories for row in history.standing]
    files = tuple(history.quality() for history in histories)
    stored = (ORDER_LINES, EVENTS, TRAITS, PRODUCTS, OFFERS)
    for table in stored:
        warehouse.attach(f"all_{table.name}", lake.source(table))
        warehouse.view(f"quality_{table.name}", current(table, f"all_{table.name}"))
    tables = tuple(quality for table in stored for quality in _table(warehouse, table))
    unknown = _one(
        warehouse,
        """
        SELECT COUNT(*) AS n FROM quality_order_lines AS line
        WHERE product_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM quality_products AS product
            WHERE product.source = line.source AND product.product_id = line.product_id)
        """,
    )
    people = _people(warehouse)
    currencies = warehouse.query(
        """
        SELECT DISTINCT currency FROM (
            SELECT currency FROM quality_order_lines UNION ALL SELECT currency FROM quality_events)
        WHERE currency IS NOT NULL ORDER BY currency
        """
    )["currency"].to_pylist()
    for table in stored:
        warehouse.drop(f"quality_{table.name}")
        warehouse.drop(f"all_{table.name}")
    lines = sum(each.rows for each in tables if each.table == ORDER_LINES.name)
    has_products = any(each.table == PRODUCTS.name for each in tables)
    return Quality(
        files=files,
        reasons=_reasons(imports, standing),
        tables=tables,
        people=people,
        identified=_identified(standing),
        currencies=tuple(currencies),
        unknown_products=unknown,
        assumed=_assumed(imports),
        problems=_problems(histories, unknown / lines if lines and has_products else 0.0, unknown),
    )


@dataclass(frozen=True)
class _History:
    """The imports of one file, the oldest first."""

    imports: list[dict[str, Any]]

    @property
    def done(self) -> list[dict[str, Any]]:
        return [row for row in self.imports if row["state"] == "done"]

    @property
    def standing(self) -> list[dict[str, Any]]:
        """The imports whose bad rows no later import has gone over."""
        done = self.done
        return [row for at, row in enumerate(done) if not any(_gone_over(row, later) for later in done[at + 1 :])]

    def quality(self) -> FileQuality:
        last = self.imports[-1]
        counts = ("received", "accepted", "quarantined", "duplicates")
        return FileQuality(
            **{name: last[name] for name in ("source", "file", "target")},
            imports=len(self.done),
            **{name: sum(row[name] for row in self.done) for name in counts},
            set_aside=sum(row["quarantined"] for row in self.standing),
            imported_at=last["started_at"],
            finished=last["state"] == "done",
        )


def _histories(ledger: Ledger) -> list[_History]:
    found: dict[tuple[str, str, str], _History] = {}
    for row in ledger.read(IMPORTS).sort_by("import_id").to_pylist():
        found.setdefault((row["source"], row["file"], row["target"]), _History([])).imports.append(row)
    return list(found.values())


def _gone_over(row: dict[str, Any], later: dict[str, Any]) -> bool:
    """Tell whether a later import read the same rows, and not others in a file of the same name.

    Then all that was good is known, or broke a rule this time. A list of products or people is always the same list.
    """
    whole = row["target"] in ("product", "trait")
    good: int = row["accepted"] + row["duplicates"]
    return whole or later["duplicates"] + later["quarantined"] >= good


def _broken(row: dict[str, Any]) -> dict[str, int]:
    reasons: dict[str, int] = json.loads(row["reasons"] or "{}")
    return reasons


def _table(warehouse: Warehouse, table: Table) -> list[TableQuality]:
    names = [name for name in table.schema.names if name not in ("source", "ingested_at", "import_id", "row")]
    dated = "occurred_at" if "occurred_at" in names else "CAST(NULL AS TIMESTAMP)"
    subjects = f"COUNT(DISTINCT {table.subject})" if table.subject else "NULL"
    filled = ", ".join(f"COUNT({quoted(name)}) AS {quoted('has ' + name)}" for name in names)
    totals = warehouse.query(
        f"""
        SELECT source, COUNT(*) AS "rows", {subjects} AS subjects, MIN({dated}) AS "first", MAX({dated}) AS "last",
            MAX(ingested_at) AS ingested_at, {filled}
        FROM quality_{table.name} GROUP BY source ORDER BY source
        """
    ).to_pylist()
    months = warehouse.query(
        f"""
        SELECT source, STRFTIME({dated}, '%Y-%m') AS month, COUNT(*) AS "rows" FROM quality_{table.name}
        WHERE {dated} IS NOT NULL GROUP BY ALL ORDER BY ALL
        """
    ).to_pylist()
    return [
        TableQuality(
            **{name: row[name] for name in ("source", "rows", "subjects", "first", "last", "ingested_at")},
            table=table.name,
            completeness={name: row[f"has {name}"] / row["rows"] for name in names},
            months={each["month"]: each["rows"] for each in months if each["source"] == row["source"]},
        )
        for row in totals
    ]


def _people(warehouse: Warehouse) -> int:
    everyone = " UNION ".join(
        f"SELECT subject FROM quality_{table.name} WHERE subject IS NOT NULL" for table in (ORDER_LINES, EVENTS, TRAITS)
    )
    if "person_of" not in warehouse.names():
        return _one(warehouse, f"SELECT COUNT(*) AS n FROM ({everyone})")
    return _one(
        warehouse,
        f"""
        SELECT COUNT(DISTINCT person) AS n FROM person_of
        JOIN (SELECT subject, MAX(valid_until) AS valid_until FROM person_of GROUP BY subject)
            USING (subject, valid_until)
        WHERE subject IN ({everyone})
        """,
    )


def _one(warehouse: Warehouse, query: str) -> int:
    count: int = warehouse.query(query)["n"][0].as_py()
    return count


def _reasons(imports: list[dict[str, Any]], standing: list[dict[str, Any]]) -> tuple[Reason, ...]:
    """Count warnings over all imports, for a row is accepted once, and what sets aside over those that stand."""
    counted: Counter[tuple[str, str]] = Counter()
    for severity, rows_of in ((contract.Severity.WARN, imports), (contract.Severity.QUARANTINE, standing)):
        for row in rows_of:
            for name, rows in _broken(row).items():
                if (rule := contract.BY_NAME.get(name)) and rule.severity is severity:
                    counted[row["source"], name] += rows
    found = []
    for (source, name), rows in counted.most_common():
        rule = contract.BY_NAME[name]
        found.append(Reason(source, name, str(rule.severity), rule.wrong, rule.hint, rows))
    return tuple(found)


def _identified(imports: list[dict[str, Any]]) -> dict[str, float]:
    received: Counter[str] = Counter()
    nobody: Counter[str] = Counter()
    for row in imports:
        if TARGETS[row["target"]].personal:
            received[row["source"]] += row["received"] or 0
            nobody[row["source"]] += _broken(row).get("unidentified", 0)
    return {source: 1 - nobody[source] / rows for source, rows in sorted(received.items()) if rows}


def _assumed(imports: list[dict[str, Any]]) -> tuple[str, ...]:
    counted: Counter[str] = Counter()
    for row in imports:
        for what, rows in json.loads(row["assumed"] or "{}").items():
            counted[_ASSUMED[row["target"], what]] += rows
    return tuple(f"{rows:,} {words}" for words, rows in counted.most_common())


def _problems(histories: list[_History], share_unknown: float, unknown: int) -> tuple[str, ...]:
    found = []
    for history in histories:
        file = history.quality()
        among = sum(row["received"] for row in history.standing)
        if not file.finished:
            found.append(
                f"The import of {file.file} has not ended: it is running, or was cut off; then ingest it again."
            )
        elif among and file.set_aside / among > NOTEWORTHY:
            why = "; ".join(f"{each.rows:,} × {each.wrong}" for each in _reasons([], history.standing)[:3])
            found.append(f"{file.set_aside:,} of {among:,} rows of {file.file} are set aside: {why}.")
        elif not history.imports[-1]["received"]:
            found.append(f"{file.file} has a header and no rows.")
    if share_unknown > 10 * NOTEWORTHY:
        found.append(f"{unknown:,} order lines ({share_unknown:.0%}) name a product that no table of products has.")
    return tuple(found)
