"""The features of ``features.py`` by hand, in pandas, as someone who knows it well would write them.

Only the needed columns are read, texts are categories, everything is a vectorised group-by without ``apply``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq

COLUMNS = ["subject", "order_id", "occurred_at", "channel", "place", "product_id", "amount", "discount"]
TEXTS = ["order_id", "channel", "place", "product_id"]
HOURS = {"morning_share": (6, 12), "evening_share": (18, 22)}


def read(folder: Path, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the lines that count, each with its product's attributes."""
    files = json.loads((folder / "files.json").read_text("utf-8"))
    known = (ds.field("occurred_at") <= as_of) & (ds.field("available_at") <= as_of)
    known &= ds.field("kind") == "Order Completed"
    table = ds.dataset(files["lines"]).to_table(columns=COLUMNS, filter=known)
    for name in TEXTS:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    lines = table.unify_dictionaries().to_pandas(self_destruct=True, split_blocks=True)
    shelf = pq.read_table(files["products"][0], columns=["product_id", "department", "category", "brand"]).to_pandas()
    shelf = shelf.set_index("product_id").reindex(lines["product_id"].cat.categories)
    codes = lines["product_id"].cat.codes.to_numpy()
    for name in ("department", "category"):
        values = shelf[name].astype("category")
        lines[name] = pd.Categorical.from_codes(values.cat.codes.to_numpy()[codes], dtype=values.dtype)
    private = shelf["brand"].isin(["Own Brand", "Private", "Private Label"]).to_numpy()
    lines["private"] = lines["amount"].where(private[codes], 0)
    return lines


def tops(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return of each person the commonest value, of equals the first, its share, how many values, and their entropy."""
    counts = rows.groupby(["subject", name], observed=True, sort=False).size().rename("n").reset_index()
    counts["text"] = counts[name].cat.reorder_categories(sorted(counts[name].cat.categories)).cat.codes
    counts["weighted"] = counts["n"] * np.log(counts["n"])
    by = counts.groupby("subject")
    found = by.agg(all=("n", "sum"), most=("n", "max"), values=("n", "size"), weighted=("weighted", "sum"))
    best = counts[counts["n"].to_numpy() == found["most"].reindex(counts["subject"]).to_numpy()]
    words = np.array(sorted(counts[name].cat.categories), dtype=object)
    found["top"] = words[best.groupby("subject")["text"].min().reindex(found.index).to_numpy()]
    found["share"] = found["most"] / found["all"]
    found["entropy"] = np.maximum(np.log(found["all"]) - found["weighted"] / found["all"], 0.0)
    return found


def features(lines: pd.DataFrame, as_of: pd.Timestamp, timezone: str) -> pd.DataFrame:
    """Return the thirty-five features, a row for everybody with an order."""
    day = pd.Timedelta(days=1)
    of_order = {"at": ("occurred_at", "min"), "amount": ("amount", "sum"), "discount": ("discount", "sum")}
    of_order |= {"lines": ("amount", "size"), "channel": ("channel", "first"), "place": ("place", "first")}
    orders = lines.groupby(["subject", "order_id"], observed=True, sort=False).agg(**of_order).reset_index()
    orders = orders.sort_values(["subject", "at"], ignore_index=True)
    local = orders["at"].dt.tz_localize("UTC").dt.tz_convert(timezone)
    hour, orders["day"] = local.dt.hour, local.dt.normalize()
    orders["weekend_share"] = local.dt.day_of_week >= 5
    orders["night_share"] = (hour >= 22) | (hour < 6)
    for name, (first, end) in HOURS.items():
        orders[name] = (hour >= first) & (hour < end)
    orders["gap"] = (orders["at"].diff() / day).where(orders["subject"].eq(orders["subject"].shift()))
    orders["gross"] = orders["amount"] + orders["discount"]
    for days in (7, 30, 90, 365):
        recent = orders["at"] >= as_of - days * day
        orders[f"orders_{days}d"] = recent
        orders[f"spend_{days}d"] = orders["amount"].where(recent)
    recent = orders["orders_90d"]
    for name in ("discount", "gross", "day"):
        orders[f"{name}_90d"] = orders[name].where(recent)
    by = orders.groupby("subject")
    table = by.agg(first=("at", "min"), last=("at", "max"), orders=("at", "size"), spend=("amount", "sum"),
                   basket_lines=("lines", "mean"), gap_mean_days=("gap", "mean"), gap_std_days=("gap", "std"),
                   discount=("discount", "sum"), gross=("gross", "sum"), discount_90d=("discount_90d", "sum"),
                   gross_90d=("gross_90d", "sum"), active_days=("day", "nunique"),
                   active_days_90d=("day_90d", "nunique"), places=("place", "nunique"))  # fmt: skip
    shares = ["weekend_share", "morning_share", "evening_share", "night_share"]
    table[shares] = by[shares].mean()
    windows = [f"orders_{days}d" for days in (7, 30, 90, 365)]
    table[windows] = by[windows].sum()
    windows = [f"spend_{days}d" for days in (7, 30, 90, 365)]
    table[windows] = by[windows].sum(min_count=1)
    table["recency_days"] = (as_of - table.pop("last")) / day
    table["tenure_days"] = (as_of - table.pop("first")) / day
    table["basket_value"] = np.floor(table["spend"] / table["orders"] + 0.5)
    table["basket_value_90d"] = np.floor(table["spend_90d"] / table["orders_90d"].replace(0, np.nan) + 0.5)
    table["discount_share"] = table.pop("discount") / table.pop("gross").replace(0, np.nan)
    table["discount_share_90d"] = table.pop("discount_90d") / table.pop("gross_90d").replace(0, np.nan)
    table["top_channel"] = tops(orders, "channel")["top"]
    sums = lines.groupby("subject")[["private", "amount"]].sum()
    table["private_label_share"] = sums["private"] / sums["amount"].replace(0, np.nan)
    bought = lines[["subject", "product_id"]]
    table["products"] = bought.drop_duplicates().groupby("subject").size()
    recent_lines = bought[(lines["occurred_at"] >= as_of - 90 * day).to_numpy()]
    table["products_90d"] = recent_lines.drop_duplicates().groupby("subject").size()
    categories = tops(lines, "category")
    table["categories"], table["category_entropy"] = categories["values"], categories["entropy"]
    table["top_category"], table["top_category_share"] = categories["top"], categories["share"]
    table["top_department"] = tops(lines, "department")["top"]
    return table


COUNTS = ["orders", "orders_7d", "orders_30d", "orders_90d", "orders_365d", "active_days", "active_days_90d",
          "products", "products_90d", "categories", "places"]  # fmt: skip


def main() -> None:
    """Do it, and say for how many people."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--timezone", required=True)
    parser.add_argument("--write", type=Path, help="write the features to this Parquet file")
    asked = parser.parse_args()
    as_of = pd.Timestamp(asked.as_of)
    people = pq.read_table(asked.folder / "people.parquet", columns=["person"]).to_pandas()
    table = features(read(asked.folder, as_of), as_of, asked.timezone).reindex(people["person"])
    table[COUNTS] = table[COUNTS].fillna(0).astype("int64")
    if asked.write:
        table.rename_axis("person").reset_index().to_parquet(asked.write, index=False)
    print(json.dumps({"people": len(table)}))


if __name__ == "__main__":
    main()
