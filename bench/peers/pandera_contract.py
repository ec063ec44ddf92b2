"""The contract check of ``contract.py`` in pandera, on polars; run by an environment that has ``pandera[polars]``."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path

import pandera.polars as pa
import polars as pl

COMPLETED = pl.col("kind") == "Order Completed"
KINDS = ["Order Completed", "Order Refunded", "Order Cancelled"]


def over(name: str, good: pl.Expr) -> pa.Check:
    """Return a check over several columns: a row is good where the expression is true or null."""
    return pa.Check(lambda data: data.lazyframe.select(good.fill_null(True)), name=name)


SCHEMA = pa.DataFrameSchema(
    {
        "subject": pa.Column(checks=pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).is_not_null()),
                                             name="unidentified", ignore_na=False), nullable=True),
        "order_id": pa.Column(checks=pa.Check(lambda d: d.lazyframe.select(pl.col(d.key).is_not_null()),
                                              name="no_order", ignore_na=False), nullable=True),
        "occurred_at": pa.Column(
            checks=[
                pa.Check.ge(datetime(1970, 1, 1), error="ancient"),
                pa.Check.le(datetime(2026, 3, 2, 12), error="future"),
            ],
            nullable=True,
        ),
        "kind": pa.Column(checks=pa.Check.isin(KINDS, error="unknown_kind")),
        "discount": pa.Column(checks=pa.Check.ge(0, error="negative_discount"), nullable=True),
        "currency": pa.Column(checks=pa.Check.str_matches("^[A-Z]{3}$", error="bad_currency"), nullable=True),
    },
    checks=[
        over("negative_amount", ~((pl.col("amount") < 0) & COMPLETED)),
        over("negative_quantity", ~((pl.col("quantity") < 0) & COMPLETED)),
    ],
)  # fmt: skip


def main(source: Path, target: Path) -> None:
    """Check, count by rule, write the bad rows."""
    begun = time.process_time()
    lines = pl.read_parquet(source)
    counts: dict[str, int] = {}
    bad = pl.Series("index", [], dtype=pl.Int64)
    try:
        SCHEMA.validate(lines, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failures = errors.failure_cases
        counts = {str(name): rows for name, rows in failures.group_by("check").len().iter_rows()}
        bad = failures["index"].unique().cast(pl.Int64)
    rows = lines[bad]
    rows.write_parquet(target)
    said = {"counts": counts, "bad": rows.height, "check": round(time.process_time() - begun, 3)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
