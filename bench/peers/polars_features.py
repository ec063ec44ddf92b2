"""The features of ``features.py`` by hand, in Polars, lazily and on its streaming engine."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

WINDOWS = (7, 30, 90, 365)
PRIVATE = ["Own Brand", "Private", "Private Label"]


def tops(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Return of each person the commonest value, of equals the first, its share, how many values, and their entropy."""
    counts = rows.filter(pl.col(name).is_not_null()).group_by("subject", name).agg(n=pl.len())
    weighted = (pl.col("n") * pl.col("n").log()).sum()
    entropy = (pl.col("n").sum().log() - weighted / pl.col("n").sum()).clip(lower_bound=0.0)
    return counts.group_by("subject").agg(
        pl.col(name).filter(pl.col("n") == pl.col("n").max()).min().alias("top"),
        (pl.col("n").max() / pl.col("n").sum()).alias("share"),
        pl.len().cast(pl.Int64).alias("values"),
        entropy.alias("entropy"),
    )


def of_orders(lines: pl.LazyFrame, as_of: datetime, timezone: str) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Return the features of orders, and those of their channels."""
    day = timedelta(days=1) / timedelta(microseconds=1)
    at, amount, gross = pl.col("at"), pl.col("amount"), pl.col("amount") + pl.col("discount")
    orders = lines.group_by("subject", "order_id").agg(
        at=pl.col("occurred_at").min(), amount=amount.sum(), discount=pl.col("discount").sum(), lines=pl.len(),
        channel=pl.col("channel").min(), place=pl.col("place").min(),
    )  # fmt: skip
    local = at.dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
    orders = orders.sort("subject", "at").with_columns(
        day=local.dt.date(), weekday=local.dt.weekday(), hour=local.dt.hour()
    )
    same = pl.col("subject") == pl.col("subject").shift()
    orders = orders.with_columns(gap=pl.when(same).then((at - at.shift()).dt.total_microseconds() / day))
    since = {days: at >= as_of - timedelta(days=days) for days in WINDOWS}
    hour = pl.col("hour")
    values = [
        ((as_of - at.max()).dt.total_microseconds() / day).alias("recency_days"),
        ((as_of - at.min()).dt.total_microseconds() / day).alias("tenure_days"),
        pl.len().cast(pl.Int64).alias("orders"),
        *(hit.sum().cast(pl.Int64).alias(f"orders_{days}d") for days, hit in since.items()),
        amount.sum().alias("spend"),
        *(pl.when(hit.any()).then(amount.filter(hit).sum()).alias(f"spend_{days}d") for days, hit in since.items()),
        (amount.mean() + 0.5).floor().alias("basket_value"),
        (amount.filter(since[90]).mean() + 0.5).floor().alias("basket_value_90d"),
        pl.col("lines").mean().alias("basket_lines"),
        pl.col("gap").mean().alias("gap_mean_days"),
        pl.col("gap").std().alias("gap_std_days"),
        pl.col("day").n_unique().cast(pl.Int64).alias("active_days"),
        pl.col("day").filter(since[90]).n_unique().cast(pl.Int64).alias("active_days_90d"),
        (pl.col("discount").sum() / gross.sum()).alias("discount_share"),
        (pl.col("discount").filter(since[90]).sum() / gross.filter(since[90]).sum()).alias("discount_share_90d"),
        (pl.col("weekday") >= 6).mean().alias("weekend_share"),
        ((hour >= 6) & (hour < 12)).mean().alias("morning_share"),
        ((hour >= 18) & (hour < 22)).mean().alias("evening_share"),
        ((hour >= 22) | (hour < 6)).mean().alias("night_share"),
        pl.col("place").drop_nulls().n_unique().cast(pl.Int64).alias("places"),
    ]
    return orders.group_by("subject").agg(values), tops(orders, "channel").select("subject", top_channel="top")


def of_lines(lines: pl.LazyFrame, shelf: pl.LazyFrame, as_of: datetime) -> list[pl.LazyFrame]:
    """Return the features of lines."""
    lines = lines.join(shelf, on="product_id", how="left")
    amount, recent = pl.col("amount"), pl.col("occurred_at") >= as_of - timedelta(days=90)
    private = amount.filter(pl.col("brand").is_in(PRIVATE)).sum() / amount.sum()
    bought = lines.group_by("subject", "product_id").agg(recent=recent.any())
    products = bought.group_by("subject").agg(
        products=pl.len().cast(pl.Int64), products_90d=pl.col("recent").sum().cast(pl.Int64)
    )
    category = tops(lines, "category").select(
        "subject", categories="values", category_entropy="entropy", top_category="top", top_category_share="share"
    )
    department = tops(lines, "department").select("subject", top_department="top")
    return [lines.group_by("subject").agg(private_label_share=private), products, category, department]


COUNTS = ["orders", *(f"orders_{days}d" for days in WINDOWS), "active_days", "active_days_90d", "products",
          "products_90d", "categories", "places"]  # fmt: skip


def main() -> None:
    """Do it, and say for how many people."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--timezone", required=True)
    parser.add_argument("--write", type=Path, help="write the features to this Parquet file")
    asked = parser.parse_args()
    as_of = datetime.fromisoformat(asked.as_of)
    files = json.loads((asked.folder / "files.json").read_text("utf-8"))
    known = (pl.col("occurred_at") <= as_of) & (pl.col("available_at") <= as_of)
    lines = pl.scan_parquet(files["lines"]).filter(known & (pl.col("kind") == "Order Completed"))
    lines = lines.select("subject", "order_id", "occurred_at", "channel", "place", "product_id", "amount", "discount")
    shelf = pl.scan_parquet(files["products"]).select("product_id", "department", "category", "brand")
    people = pl.scan_parquet(asked.folder / "people.parquet").select(subject="person")
    parts = pl.collect_all(
        [*of_orders(lines, as_of, asked.timezone), *of_lines(lines, shelf, as_of)], engine="streaming"
    )
    table = people
    for part in parts:
        table = table.join(part.lazy(), on="subject", how="left")
    found = table.with_columns(pl.col(COUNTS).fill_null(0)).rename({"subject": "person"}).collect()
    if asked.write:
        found.write_parquet(asked.write)
    print(json.dumps({"people": found.height}))


if __name__ == "__main__":
    main()
