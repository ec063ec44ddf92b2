"""The features of ``features.py`` by hand, in pandas and NumPy, as someone who knows them well would write them.

Only the needed columns are read, texts become whole numbers at once, a pair of keys is one whole number, and everything
is a vectorised count, sum or group-by of these: no ``apply``, no group-by of texts, no index of several levels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

COLUMNS = ["subject", "order_id", "occurred_at", "channel", "place", "product_id", "amount", "discount"]
TEXTS = ["order_id", "channel", "place", "product_id"]
HOURS = {"morning_share": (6, 12), "evening_share": (18, 22)}
WINDOWS = (7, 30, 90, 365)
DAY = 86_400_000_000


def read(folder: Path, as_of: pd.Timestamp, people: pd.Index) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the columns of the lines that count, texts as codes in the order of the text, and what the codes mean."""
    files = json.loads((folder / "files.json").read_text("utf-8"))
    known = (ds.field("occurred_at") <= as_of) & (ds.field("available_at") <= as_of)
    known &= ds.field("kind") == "Order Completed"
    table = ds.dataset(files["lines"]).to_table(columns=COLUMNS, filter=known)
    lines, words = {}, {}
    for name in COLUMNS:
        values = table[name]
        table = table.drop_columns([name])
        if name not in TEXTS:
            lines[name] = (values.cast(pa.int64()) if name == "occurred_at" else values).to_numpy()
            continue
        codes = values.combine_chunks().dictionary_encode()
        lines[name] = codes.indices.to_numpy()
        words[name] = codes.dictionary.to_numpy(zero_copy_only=False)
        if name in ("channel", "place"):
            lines[name], words[name] = in_order(lines[name], words[name])
    lines["who"] = people.get_indexer(lines.pop("subject"))
    shelf = pq.read_table(files["products"][0], columns=["product_id", "department", "category", "brand"]).to_pandas()
    shelf = shelf.set_index("product_id").loc[words["product_id"]]
    for name in ("department", "category"):
        codes, found = pd.factorize(shelf[name].to_numpy())
        codes, words[name] = in_order(codes, found)
        lines[name] = codes[lines["product_id"]]
    private = shelf["brand"].isin(["Own Brand", "Private", "Private Label"]).to_numpy()
    lines["private"] = np.where(private[lines["product_id"]], lines["amount"], 0)
    return lines, words


def in_order(codes: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return codes that are ordered as their texts are."""
    order = np.argsort(words)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[codes], words[order]


def distinct(who: np.ndarray, values: np.ndarray, people: int) -> np.ndarray:
    """Return how many different values each person has."""
    step = int(values.max(initial=0)) + 1
    return np.bincount(pd.unique(who * step + values) // step, minlength=people)


def tops(who: np.ndarray, values: np.ndarray, words: np.ndarray, people: int) -> dict[str, np.ndarray]:
    """Return of each person the commonest value, of equals the first, its share, how many values, and their entropy."""
    step = len(words)
    pairs, keys = pd.factorize(who * step + values)
    number = np.bincount(pairs)
    owner, value = keys // step, keys % step
    everything = np.bincount(owner, number, people)
    weighted = np.bincount(owner, number * np.log(number), people)
    best = pd.Series(number * step + (step - 1 - value)).groupby(owner).max()  # the first of equals has the largest
    top = np.full(people, None, object)
    top[best.index] = words[step - 1 - best.to_numpy() % step]
    most = np.full(people, np.nan)
    most[best.index] = best.to_numpy() // step
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = np.maximum(np.log(everything) - weighted / everything, 0.0)
    found = {"top": top, "share": most / np.where(everything, everything, np.nan), "entropy": entropy}
    return {**found, "values": np.bincount(owner, minlength=people)}


def orders_of(lines: dict[str, np.ndarray], as_of: pd.Timestamp, timezone: str) -> dict[str, np.ndarray]:
    """Return the columns of the orders, by person, then time."""
    step = int(lines["order_id"].max()) + 1
    order, keys = pd.factorize(lines["who"] * step + lines["order_id"])
    at = pd.Series(lines["occurred_at"]).groupby(order).min().to_numpy()
    line = np.empty(len(keys), np.int64)
    line[order] = np.arange(len(order))  # one of its lines: all have the order's channel and place
    orders = {"who": keys // step, "at": at, "lines": np.bincount(order)}
    orders |= {name: np.bincount(order, lines[name]) for name in ("amount", "discount")}
    orders |= {name: lines[name][line] for name in ("channel", "place")}
    sorted_by = np.lexsort((at, orders["who"]))
    orders = {name: values[sorted_by] for name, values in orders.items()}
    local = pd.DatetimeIndex(orders["at"].view("datetime64[us]")).tz_localize("UTC").tz_convert(timezone)
    wall = local.tz_localize(None).as_unit("us").asi8
    orders["day"], orders["hour"] = wall // DAY, wall % DAY // (DAY // 24)
    return orders


def features(
    lines: dict[str, np.ndarray], words: dict[str, np.ndarray], people: int, as_of: pd.Timestamp, timezone: str
) -> pd.DataFrame:
    """Return the thirty-five features, a row for everybody."""
    now = as_of.value // 1000
    orders = orders_of(lines, as_of, timezone)
    who, at, amount, hour = (orders[name] for name in ("who", "at", "amount", "hour"))
    gross = amount + orders["discount"]
    n = np.bincount(who, minlength=people)
    some = np.where(n, n, np.nan)
    begins = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    first, last = np.full(people, np.nan), np.full(people, np.nan)
    first[who[begins]], last[who[begins]] = at[begins], at[np.r_[begins[1:] - 1, len(at) - 1]]
    spend = np.bincount(who, amount, people)
    table = {"recency_days": (now - last) / DAY, "tenure_days": (now - first) / DAY, "orders": n}
    table |= {"spend": np.where(n, spend, np.nan), "basket_value": np.floor(spend / some + 0.5)}
    table["basket_lines"] = np.bincount(who, orders["lines"], people) / some
    for days in WINDOWS:
        recent = at >= now - days * DAY
        number = np.bincount(who[recent], minlength=people)
        paid = np.where(number, np.bincount(who[recent], amount[recent], people), np.nan)
        table |= {f"orders_{days}d": number, f"spend_{days}d": paid}
    recent = at >= now - 90 * DAY
    few = np.where(table["orders_90d"], table["orders_90d"], np.nan)
    table["basket_value_90d"] = np.floor(table["spend_90d"] / few + 0.5)
    for name, hit in (("discount_share", slice(None)), ("discount_share_90d", recent)):
        whole = np.bincount(who[hit], gross[hit], people)
        table[name] = np.bincount(who[hit], orders["discount"][hit], people) / np.where(whole, whole, np.nan)
    earlier = np.flatnonzero(who[1:] == who[:-1])
    of_gap, gap = who[earlier], (at[earlier + 1] - at[earlier]) / DAY
    gaps = np.where(n > 1, n - 1, np.nan)
    table["gap_mean_days"] = np.bincount(of_gap, gap, people) / gaps
    apart = np.bincount(of_gap, (gap - table["gap_mean_days"][of_gap]) ** 2, people)
    table["gap_std_days"] = np.sqrt(apart / np.where(n > 2, gaps - 1, np.nan))
    day = orders["day"] - orders["day"].min()
    table["active_days"], table["active_days_90d"] = (
        distinct(who, day, people),
        distinct(who[recent], day[recent], people),
    )
    shares = {name: (hour >= begin) & (hour < end) for name, (begin, end) in HOURS.items()}
    shares |= {"weekend_share": (orders["day"] + 3) % 7 >= 5, "night_share": (hour >= 22) | (hour < 6)}
    table |= {name: np.bincount(who[hit], minlength=people) / some for name, hit in shares.items()}
    table["places"] = distinct(who, orders["place"], people)
    table["top_channel"] = tops(who, orders["channel"], words["channel"], people)["top"]
    who, product = lines["who"], lines["product_id"]
    paid = np.bincount(who, lines["amount"], people)
    table["private_label_share"] = np.bincount(who, lines["private"], people) / np.where(paid, paid, np.nan)
    recent = lines["occurred_at"] >= now - 90 * DAY
    table["products"] = distinct(who, product, people)
    table["products_90d"] = distinct(who[recent], product[recent], people)
    categories = tops(who, lines["category"], words["category"], people)
    table |= {"categories": categories["values"], "category_entropy": np.where(n, categories["entropy"], np.nan)}
    table |= {"top_category": categories["top"], "top_category_share": categories["share"]}
    table["top_department"] = tops(who, lines["department"], words["department"], people)["top"]
    return pd.DataFrame(table, copy=False)


def main() -> None:
    """Do it, and say for how many people."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--timezone", required=True)
    parser.add_argument("--write", type=Path, help="write the features to this Parquet file")
    asked = parser.parse_args()
    as_of = pd.Timestamp(asked.as_of)
    people = pd.Index(pq.read_table(asked.folder / "people.parquet", columns=["person"])["person"].to_numpy())
    lines, words = read(asked.folder, as_of, people)
    table = features(lines, words, len(people), as_of, asked.timezone)
    if asked.write:
        table.set_axis(people).rename_axis("person").reset_index().to_parquet(asked.write, index=False)
    print(json.dumps({"people": len(table)}))


if __name__ == "__main__":
    main()
