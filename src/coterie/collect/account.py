"""The account of a file: how many of its rows met which fate, and which rules they broke."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa

from coterie.collect import contract, quarantine
from coterie.collect.contract import Rule
from coterie.collect.duplicates import FATES, ROWS, VALID
from coterie.collect.read import Read
from coterie.store.warehouse import Warehouse

REASONS = "intake_reasons"
"""``mask, reasons``: the rules that set a row aside, by name, for each mask of rows that are."""


def reasons(warehouse: Warehouse, rules: tuple[Rule, ...]) -> None:
    """Make ``REASONS``; duplicates and conflicts must be known."""
    masks = warehouse.query(f'SELECT DISTINCT "#mask" AS mask FROM {ROWS} WHERE NOT ({VALID})')["mask"]
    said = ["; ".join(contract.names(mask & contract.SET_ASIDE, rules)) for mask in masks.to_pylist()]
    warehouse.temporary(REASONS, pa.table({"mask": masks, "reasons": pa.array(said, pa.string())}))


def counts(warehouse: Warehouse, read: Read, rules: tuple[Rule, ...], broken: int) -> dict[str, Any]:
    """Return what the books say of the rows, but for the number of facts.

    Parameters
    ----------
    warehouse
        Has ``ROWS`` and ``FATES``.
    read
        What the rows are.
    rules
        The contract's.
    broken
        How many further records cannot be parsed.
    """
    known = f'SELECT "#at", fate FROM {FATES}'
    rows = f'SELECT "#row", "#mask" AS mask, fate FROM {ROWS} LEFT JOIN ({known}) USING ("#at")'
    if read.each:  # a row is a duplicate when all its elements are; conflicts have set their row aside by now
        whole = "CASE WHEN COUNT(fate) = COUNT(*) THEN 'duplicate' END"
        rows = f'SELECT BIT_OR(mask) AS mask, {whole} AS fate FROM ({rows}) GROUP BY "#row"'
    groups = warehouse.query(f"SELECT mask, fate, COUNT(*) AS n FROM ({rows}) GROUP BY mask, fate")
    told: Counter[str] = Counter({quarantine.MALFORMED: broken} if broken else {})
    fates: Counter[str] = Counter(quarantined=broken)
    for group in groups.to_pylist():
        bad = group["mask"] & contract.SET_ASIDE
        fate = "quarantined" if bad else "duplicates" if group["fate"] == "duplicate" else "accepted"
        fates[fate] += group["n"]
        broke = bad if bad else group["mask"] if fate == "accepted" else 0
        told.update(dict.fromkeys(contract.names(broke, rules), group["n"]))
    return {
        "received": fates.total(),
        **{name: fates[name] for name in ("accepted", "quarantined", "duplicates")},
        "reasons": json.dumps(dict(sorted(told.items()))),
        "assumed": json.dumps(_assumed(warehouse, read)),
    }


def _assumed(warehouse: Warehouse, read: Read) -> dict[str, int]:
    """Count the accepted rows about which something was assumed."""
    undated = "occurred_at IS NULL" if read.target.name == "trait" else "FALSE"
    simply = f'NOT "available_at#given" AND NOT ({undated})'
    rows = 'DISTINCT "#row"' if read.each else "*"
    counted = warehouse.query(
        f"""
        SELECT COUNT({rows}) FILTER ({simply}) AS available_at, COUNT({rows}) FILTER ({undated}) AS occurred_at
        FROM {ROWS} WHERE {VALID} AND "#at" NOT IN (SELECT "#at" FROM {FATES})
        """
    ).to_pylist()[0]
    return {name: rows for name, rows in counted.items() if rows}
