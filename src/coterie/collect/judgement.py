"""Whether the data of each source is as its own contract expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from coterie.collect.contract import Contract
from coterie.collect.expectation import Expectation, Outcome, outcome
from coterie.collect.history import History
from coterie.collect.measures import TableQuality
from coterie.collect.targets import TARGETS
from coterie.collect.volume import least, weekly
from coterie.store.sql import text
from coterie.store.warehouse import Warehouse, quoted


def judged(
    warehouse: Warehouse,
    contracts: Mapping[str, Contract],
    tables: Sequence[TableQuality],
    past: Sequence[History],
    now: datetime,
) -> tuple[Outcome, ...]:
    """Judge every expectation of every source.

    Parameters
    ----------
    warehouse
        Has ``quality_<table>``, the facts, for each table.
    contracts
        By source.
    tables, past
        What was measured of the facts, and the imports.
    now
        The moment of the check, naive UTC.
    """
    found = []
    for source, contract in sorted(contracts.items()):
        for expectation in contract.expectations:
            if query := _query(expectation, source, now):
                got: float | None = warehouse.query(query)["got"][0].as_py()
            else:
                got = _figure(expectation, source, tables, past, now)
            found.append(outcome(source, expectation, got))
    return tuple(found)


def _query(one: Expectation, source: str, now: datetime) -> str | None:
    """Return the query of a figure that needs the facts themselves."""
    table = TARGETS[one.target].table if one.target else None
    if table is None:
        return None
    mine = f"quality_{table.name} WHERE source = {text(source).sql('duckdb')}"
    share = one.unit == "percent"
    if one.metric in ("nullValues", "missingValues", "invalidValues"):
        counted = f"COUNT(CASE WHEN TRY({one.measure}) THEN 1 END)"
        got = f"100.0 * {counted} / NULLIF(COUNT(*), 0)" if share else f"CAST({counted} AS DOUBLE)"
        return f"SELECT {got} AS got FROM {mine}"
    if one.metric == "sql":
        kept = f" AND TRY({one.where})" if one.where else ""
        return f"SELECT CAST({one.measure} AS DOUBLE) AS got FROM {mine}{kept}"
    if one.metric == "latency":
        clock = f"EPOCH_US(TIMESTAMP {text(now.isoformat(sep=' ')).sql('duckdb')})"
        return f"SELECT ({clock} - EPOCH_US(MAX({quoted(one.columns[0])}))) / 1e6 AS got FROM {mine}"
    if one.metric == "duplicateValues":
        filled = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in one.columns)
        several = f"SELECT COUNT(*) AS n FROM {mine} AND {filled} GROUP BY {', '.join(map(quoted, one.columns))}"
        every = f" * 100.0 / NULLIF((SELECT COUNT(*) FROM {mine}), 0)" if share else ""
        return f"SELECT CAST(COALESCE(SUM(n - 1), 0) AS DOUBLE){every} AS got FROM ({several})"
    return None


def _figure(
    one: Expectation, source: str, tables: Sequence[TableQuality], past: Sequence[History], now: datetime
) -> float | None:
    """Return a figure that was measured already."""
    table = TARGETS[one.target].table if one.target else None
    mine = next((each for each in tables if table and (each.source, each.table) == (source, table.name)), None)
    if one.metric == "rowCount":
        return mine.rows if mine else 0
    if one.metric == "rowsPerDay":
        return least(mine.days, one.days) if mine else None
    if one.metric == "weeklyVolume":
        return weekly(mine.days, one.days) if mine else None
    if one.metric == "identifiedRows":
        return 100 * mine.known if mine and mine.known is not None else None
    histories = [each for each in past if each.imports[-1]["source"] == source]
    histories = [each for each in histories if one.target in ("", each.imports[-1]["target"])]
    if one.metric == "quarantinedRows":
        sums: Counter[str] = Counter()
        for row in (row for history in histories for row in history.standing):
            sums.update({name: row[name] for name in ("received", "quarantined")})
        return 100 * sums["quarantined"] / sums["received"] if sums["received"] else None
    if one.metric == "frequency":
        times = [row["finished_at"] or row["started_at"] for history in histories for row in history.done]
    else:  # latency of all that the source sends
        times = [each.last for each in tables if each.source == source and each.last]
    return (now - max(times)) / timedelta(seconds=1) if times else None
