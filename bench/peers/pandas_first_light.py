"""First light by hand: the import, nineteen features and k-means of ``first_light.py``, in pandas and scikit-learn.

Written as someone who knows pandas well would: only the needed columns, categories for keys, vectorised group-bys, no
``apply``. It prints one JSON object: people, lines kept and the stages' CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = [
    "line_id",
    "kind",
    "order_id",
    "customer_id",
    "ordered_at",
    "recorded_at",
    "product_id",
    "amount",
    "discount",
]
SHARES = ["discount_share", "top_category_share", "weekend_share"]


def read(folder: Path, form: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the order lines that count at ``as_of``: good values, each line once, somebody's, known by then."""
    if form == "csv":
        lines = pd.read_csv(folder / "orders.csv", usecols=COLUMNS, engine="pyarrow", na_values=["n/a"])
        for name in ("ordered_at", "recorded_at"):
            if not pd.api.types.is_datetime64_any_dtype(lines[name]):
                lines[name] = pd.to_datetime(lines[name], format="%Y-%m-%d %H:%M:%S.%f", errors="coerce")
        products = pd.read_csv(folder / "products.csv", usecols=["product_id", "category"])
    else:
        lines = pd.read_parquet(folder / "orders.parquet", columns=COLUMNS)
        products = pd.read_parquet(folder / "products.parquet", columns=["product_id", "category"])
    lines = lines.dropna(subset=["customer_id", "ordered_at", "amount"])
    lines = lines[lines["kind"] == "Order Completed"]
    lines = lines[(lines["ordered_at"] <= as_of) & (lines["recorded_at"] <= as_of)]
    lines = lines.drop_duplicates("line_id")
    for name in ("amount", "discount"):
        lines[name] = (lines[name] * 100).round().astype("int64")
    for name in ("customer_id", "order_id", "product_id"):
        lines[name] = lines[name].astype("category")
    lines["category"] = lines["product_id"].map(products.set_index("product_id")["category"]).astype("category")
    return lines


def features(lines: pd.DataFrame, as_of: pd.Timestamp, timezone: str) -> pd.DataFrame:
    """Return the nineteen features, one row a customer."""
    day = pd.Timedelta(days=1)
    orders = (
        lines.groupby(["customer_id", "order_id"], observed=True, sort=False)
        .agg(at=("ordered_at", "min"), amount=("amount", "sum"), discount=("discount", "sum"), lines=("amount", "size"))
        .reset_index()
        .sort_values(["customer_id", "at"], ignore_index=True)
    )
    local = orders["at"].dt.tz_localize("UTC").dt.tz_convert(timezone)
    orders["weekend"] = local.dt.day_of_week >= 5
    orders["day"] = local.dt.normalize()
    orders["gap"] = orders.groupby("customer_id", observed=True)["at"].diff() / day
    for days in (30, 90):
        recent = orders["at"] >= as_of - days * day
        orders[f"orders_{days}d"] = recent
        orders[f"spend_{days}d"] = orders["amount"].where(recent)
    orders["day_90d"] = orders["day"].where(orders["orders_90d"])
    by = orders.groupby("customer_id", observed=True)
    table = by.agg(
        last=("at", "max"),
        first=("at", "min"),
        orders=("at", "size"),
        orders_30d=("orders_30d", "sum"),
        orders_90d=("orders_90d", "sum"),
        spend=("amount", "sum"),
        basket_lines=("lines", "mean"),
        gap_mean_days=("gap", "mean"),
        active_days=("day", "nunique"),
        active_days_90d=("day_90d", "nunique"),
        weekend_share=("weekend", "mean"),
        discount=("discount", "sum"),
    )
    table["spend_30d"] = by["spend_30d"].sum(min_count=1)
    table["spend_90d"] = by["spend_90d"].sum(min_count=1)
    table["recency_days"] = (as_of - table.pop("last")) / day
    table["tenure_days"] = (as_of - table.pop("first")) / day
    table["basket_value"] = np.floor(table["spend"] / table["orders"] + 0.5)
    discount = table.pop("discount")
    table["discount_share"] = discount / (table["spend"] + discount).replace(0, np.nan)
    table["products"] = lines.groupby("customer_id", observed=True)["product_id"].nunique()

    counts = lines.dropna(subset=["category"]).groupby(["customer_id", "category"], observed=True).size()
    totals = counts.groupby("customer_id", observed=True).transform("sum")
    share = counts / totals
    table["categories"] = counts.groupby("customer_id", observed=True).size()
    table["category_entropy"] = -(share * np.log(share)).groupby("customer_id", observed=True).sum()
    table["top_category_share"] = share.groupby("customer_id", observed=True).max()
    return table


def cluster(table: pd.DataFrame, k: int, starts: int) -> np.ndarray:
    """Return the cluster of each customer: what has a long tail is logged, all is scaled, then k-means."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    filled = table.astype("float64").copy()
    filled["gap_mean_days"] = filled["gap_mean_days"].fillna(filled["gap_mean_days"].max())
    filled = filled.fillna(0.0)
    logged = filled.columns.difference(SHARES)
    filled[logged] = np.log1p(filled[logged].clip(lower=0))
    scaled = StandardScaler().fit_transform(filled).astype("float32")
    return KMeans(k, n_init=starts, random_state=0).fit_predict(scaled)


def main() -> None:
    """Do it, and say what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--form", default="csv")
    parser.add_argument("--as-of", default="2025-01-01")
    parser.add_argument("--timezone", default="America/New_York")
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--write", type=Path, help="write the features to this Parquet file")
    asked = parser.parse_args()
    as_of, marks = pd.Timestamp(asked.as_of), [time.process_time()]
    lines = read(asked.data, asked.form, as_of)
    marks.append(time.process_time())
    table = features(lines, as_of, asked.timezone)
    marks.append(time.process_time())
    groups = cluster(table, asked.k, asked.starts) if asked.k else None
    marks.append(time.process_time())
    if asked.write:
        table.set_axis(table.index.astype("str").rename("customer_id")).reset_index().to_parquet(asked.write)
    said = {
        "people": len(table),
        "lines": len(lines),
        "segments": None if groups is None else int(groups.max()) + 1,
        "start_cpu": round(marks[0], 2),
        "import_cpu": round(marks[1] - marks[0], 2),
        "features_cpu": round(marks[2] - marks[1], 2),
        "cluster_cpu": round(marks[3] - marks[2], 2),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
