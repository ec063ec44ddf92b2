"""The contract check of ``contract.py`` in pointblank, on polars; run by an environment that has ``pointblank``."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from pathlib import Path

import pointblank as pb
import polars as pl

NAMES = (
    *("unidentified", "no_order", "ancient", "future", "unknown_kind", "negative_amount", "negative_discount"),
    *("negative_quantity", "bad_currency"),
)
COMPLETED = pl.col("kind") == "Order Completed"
KINDS = ["Order Completed", "Order Refunded", "Order Cancelled"]


def main(source: Path, target: Path) -> None:
    """Check, count by rule, write the bad rows."""
    begun = time.process_time()
    lines = pl.read_parquet(source)
    checked = (
        pb.Validate(lines)
        .col_vals_not_null("subject")
        .col_vals_not_null("order_id")
        .col_vals_ge("occurred_at", datetime(1970, 1, 1), na_pass=True)
        .col_vals_le("occurred_at", datetime(2026, 3, 2, 12), na_pass=True)
        .col_vals_in_set("kind", KINDS)
        .col_vals_expr(~((pl.col("amount") < 0) & COMPLETED))
        .col_vals_ge("discount", 0, na_pass=True)
        .col_vals_expr(~((pl.col("quantity") < 0) & COMPLETED))
        .col_vals_regex("currency", "^[A-Z]{3}$", na_pass=True)
        .interrogate(collect_extracts=False)
    )
    rows = checked.get_sundered_data(type="fail")
    rows.write_parquet(target)
    failed = checked.n_failed()
    counts = {name: int(failed[step]) for step, name in enumerate(NAMES, 1)}
    print(json.dumps({"counts": counts, "bad": rows.height, "check": round(time.process_time() - begun, 3)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
