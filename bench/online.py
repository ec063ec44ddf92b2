"""The online plane: updates, reads, size and rebuild of people with twenty events each, beside rows in SQLite.

Both keep the same facts of the same people: orders of one to three lines, and what people do on a website and with
e-mails, over a year. coterie keeps 35 features of the catalogue as tiles in LMDB (``--features all``: every feature of
persons, as a shop does; the peer still answers the 35); the peer keeps the rows themselves in
SQLite (indexed by person) and works out the same features of a person in plain Python whenever it is asked. The values
of a sample of people are compared: unequal values end the benchmark. An update is one more order with two lines, or one
more event, of a person drawn at random; a read is the features of a person drawn at random. Times of single calls are
microseconds of the wall clock; beside them stand those of the CPU, which what else the machine does does not lengthen.

``python bench/online.py --people 1000000 [--draft]``
"""

from __future__ import annotations

import argparse
import math
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import looks
from coterie.features.catalog import CATALOG
from coterie.features.online import Plane
from coterie.schema import EVENT, ORDER_LINE, PRODUCT
from coterie.store.state import LmdbState

NAMES = (
    "recency_days", "tenure_days", "orders", "orders_7d", "orders_30d", "orders_90d", "orders_365d", "spend",
    "spend_7d", "spend_30d", "spend_90d", "spend_365d", "basket_value", "basket_value_90d", "basket_lines",
    "gap_mean_days", "gap_std_days", "active_days", "active_days_90d", "discount_share", "products", "categories",
    "category_entropy", "top_category", "top_category_share", "top_department", "weekend_share", "evening_share",
    "top_channel", "places", "product_views_30d", "cart_adds_30d", "searches_30d", "email_opens_90d",
    "email_clicks_90d",
)  # fmt: skip
BEGIN, NOW = datetime(2025, 7, 1), datetime(2026, 7, 1)
EVENTS = 20
KINDS = ("Product Viewed", "Product Viewed", "Product Added", "Products Searched", "Email Opened", "Email Link Clicked")
PRODUCTS, CATEGORIES = 10_000, 60
BUDGET = {"update p50": 100, "update p99": 300, "read p50": 200, "read p99": 500, "bytes a person": 2**30 / 1e6}
CHUNK = 20_000  # people whose facts are made at once


def products() -> pa.Table:
    """Return one version of each product."""
    rows = [
        {"source": "shop", "product_id": f"p{n}", "category": f"category {n % CATEGORIES}", "brand": f"brand {n % 300}",
         "department": f"department {n % 8}", "import_id": 1, "row": n}
        for n in range(PRODUCTS)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=PRODUCT)


def facts(first: int, count: int) -> tuple[pa.Table, pa.Table]:
    """Return order lines and events of people, sorted by person: of twenty facts each six to ten are order lines."""
    draw = np.random.default_rng(first)
    lines_of = draw.integers(6, 11, count)
    lines = _table(draw, first, np.repeat(np.arange(count), lines_of), lines=True)
    return lines, _table(draw, first, np.repeat(np.arange(count), EVENTS - lines_of), lines=False)


def _table(draw: np.random.Generator, first: int, person: np.ndarray, *, lines: bool) -> pa.Table:
    count = len(person)
    seconds = draw.integers(0, int((NOW - BEGIN).total_seconds()) - 1, count)
    order = np.arange(count)
    if lines:  # a line belongs to the order of the line before in two cases of five
        joins = (draw.random(count) < 0.4) & (np.r_[-1, person[:-1]] == person)
        order = np.maximum.accumulate(np.where(joins, 0, order))
        seconds = seconds[order]
    at = pa.array(np.datetime64(BEGIN, "us") + seconds.astype("timedelta64[s]"))
    ids = [f"{first}-{n}" for n in range(count)]
    columns = {
        "source": pa.array(["shop"] * count), "subject": pa.array(person + first), "occurred_at": at,
        "available_at": at, "channel": pa.array(np.array(["web", "store", "app"])[draw.integers(0, 3, count)[order]]),
    }  # fmt: skip
    if lines:
        columns |= {
            "line_id": ids, "order_id": [f"o{first}-{n}" for n in order], "kind": ["Order Completed"] * count,
            "place": pa.array(np.array([f"place {n}" for n in range(40)])[draw.integers(0, 40, count)[order]]),
            "product_id": [f"p{n}" for n in (draw.random(count) ** 2 * PRODUCTS).astype(int)],
            "quantity": draw.integers(1, 4, count).astype(float), "amount": draw.integers(100, 9_000, count),
            "discount": np.where(draw.random(count) < 0.3, 100, 0),
        }  # fmt: skip
    else:
        columns |= {"event_id": ids, "kind": pa.array(np.array(KINDS)[draw.integers(0, len(KINDS), count)])}
    schema = ORDER_LINE if lines else EVENT
    nothing = {name: pa.nulls(count, schema.field(name).type) for name in schema.names if name not in columns}
    return pa.table({name: (columns | nothing)[name] for name in schema.names}, schema=schema)


class Ours:
    """The online plane over LMDB."""

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        self.state = LmdbState(folder / "state")
        features = CATALOG if whole else CATALOG.select(NAMES)
        self.plane = Plane(self.state, features, timezone="Europe/Berlin", currency="EUR")

    def fill(self, people: int) -> None:
        """Rebuild the state."""

        def batches(which: int) -> Iterator[pa.RecordBatch]:
            for first in range(0, people, CHUNK):
                yield from facts(first, min(CHUNK, people - first))[which].to_batches()

        self.plane.rebuild({"order_lines": batches(0), "events": batches(1)}, products=products())

    def update(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Put in one more fact."""
        if self.plane.update(table, rows):
            raise SystemExit("an order was taken for one that is there already")

    def read(self, person: int, as_of: datetime) -> dict[str, Any]:
        """Return the features."""
        return self.plane.values([person], as_of)

    def size(self) -> int:
        """Return the bytes on the disk."""
        return self.state.size()


class Rows:
    """The rows themselves in SQLite, and plain Python at every read."""

    columns = ("kind", "subject", "occurred_at", "order_id", "channel", "place", "product_id", "amount", "discount")

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rows.sqlite"
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(f"CREATE TABLE fact ({', '.join(self.columns)})")
        self.connection.execute("CREATE INDEX of_subject ON fact (subject)")
        shelf = products().to_pydict()
        self.shelf = dict(
            zip(shelf["product_id"], zip(shelf["category"], shelf["department"], strict=True), strict=True)
        )

    def fill(self, people: int) -> None:
        """Insert every row."""
        insert = f"INSERT INTO fact VALUES ({', '.join('?' * len(self.columns))})"
        self.connection.execute("BEGIN")
        for first in range(0, people, CHUNK):
            for table in facts(first, min(CHUNK, people - first)):
                at = table["occurred_at"].cast(pa.int64()).to_pylist()
                known = [
                    table[name].to_pylist() if name in table.column_names else [None] * len(at) for name in self.columns
                ]
                known[2] = at
                self.connection.executemany(insert, zip(*known, strict=True))
        self.connection.execute("COMMIT")

    def update(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Insert one more fact."""
        insert = f"INSERT INTO fact VALUES ({', '.join('?' * len(self.columns))})"
        made = [[_us(row[n]) if n == "occurred_at" else row.get(n) for n in self.columns] for row in rows]
        self.connection.execute("BEGIN")
        self.connection.executemany(insert, made)
        self.connection.execute("COMMIT")

    def size(self) -> int:
        """Return the bytes on the disk."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self.path.stat().st_size

    def read(self, person: int, as_of: datetime) -> dict[str, Any]:
        """Return the features."""
        from zoneinfo import ZoneInfo

        now, zone = _us(as_of), ZoneInfo("Europe/Berlin")
        facts = self.connection.execute(
            f"SELECT {', '.join(self.columns)} FROM fact WHERE subject = ?", [person]
        ).fetchall()
        lines = [row for row in facts if row[0] == "Order Completed"]
        orders: dict[str, list[Any]] = {}
        for _, _, at, order, channel, place, _, amount, discount in lines:
            made = orders.setdefault(order, [at, 0, 0, 0, channel, place])
            made[1] += amount
            made[2] += discount
            made[3] += 1
        of = sorted(orders.values())
        local = [datetime.fromtimestamp(o[0] // 1_000_000, zone) for o in of]

        def inside(at: int, days: int) -> bool:
            hop = 86_400_000_000 if days >= 12 else 3_600_000_000
            return at >= (now - days * 86_400_000_000) // hop * hop

        found: dict[str, Any] = {"orders": len(of), "spend": sum(o[1] for o in of) if of else None}
        for days in (7, 30, 90, 365):
            chosen = [o[1] for o in of if inside(o[0], days)]
            found[f"orders_{days}d"], found[f"spend_{days}d"] = len(chosen), sum(chosen) if chosen else None
            if days == 90:
                found["basket_value_90d"] = math.floor(sum(chosen) / len(chosen) + 0.5) if chosen else None
                found["active_days_90d"] = len(
                    {day.date() for o, day in zip(of, local, strict=True) if inside(o[0], 90)}
                )
        number, day = len(of), 86_400_000_000
        found["recency_days"] = (now - of[-1][0]) / day if of else None
        found["tenure_days"] = (now - of[0][0]) / day if of else None
        found["basket_value"] = math.floor(found["spend"] / number + 0.5) if of else None
        found["basket_lines"] = sum(o[3] for o in of) / number if of else None
        gaps = [(b[0] - a[0]) / day for a, b in pairwise(of)]
        found["gap_mean_days"] = sum(gaps) / len(gaps) if gaps else None
        found["gap_std_days"] = statistics.stdev(gaps) if len(gaps) > 1 else None
        found["active_days"] = len({day.date() for day in local})
        gross = sum(o[1] + o[2] for o in of)
        found["discount_share"] = sum(o[2] for o in of) / gross if gross else None
        found["weekend_share"] = sum(day.weekday() > 4 for day in local) / number if of else None
        found["evening_share"] = sum(18 <= day.hour < 22 for day in local) / number if of else None
        channels = Counter(o[4] for o in of)
        found["top_channel"] = _commonest(channels)
        found["places"] = len({o[5] for o in of if o[5]})
        bought = [row[6] for row in lines]
        categories = Counter(self.shelf[product][0] for product in bought)
        departments = Counter(self.shelf[product][1] for product in bought)
        found["products"], found["categories"] = len(set(bought)), len(categories)
        found["category_entropy"] = (
            max(0.0, -sum(n / len(bought) * math.log(n / len(bought)) for n in categories.values())) if bought else None
        )
        found["top_category"], found["top_department"] = _commonest(categories), _commonest(departments)
        found["top_category_share"] = max(categories.values()) / len(bought) if bought else None
        for name, kind, days in (
            ("product_views_30d", "Product Viewed", 30), ("cart_adds_30d", "Product Added", 30),
            ("searches_30d", "Products Searched", 30), ("email_opens_90d", "Email Opened", 90),
            ("email_clicks_90d", "Email Link Clicked", 90),
        ):  # fmt: skip
            found[name] = sum(row[0] == kind and inside(row[2], days) for row in facts)
        return found


def _commonest(counts: Counter[str]) -> str | None:
    return min((value for value, n in counts.items() if n == max(counts.values())), default=None)


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def new_fact(number: int, person: int, at: datetime, draw: random.Random) -> tuple[str, list[dict[str, Any]]]:
    """Return an order of two lines, or an event."""
    row = {"source": "shop", "subject": person, "occurred_at": at, "available_at": at, "channel": "web"}
    if draw.random() < 0.5:
        return "events", [{**row, "event_id": f"new {number}", "kind": draw.choice(KINDS)}]
    line = {
        **row,
        "kind": "Order Completed",
        "order_id": f"new {number}",
        "place": None,
        "quantity": 1.0,
        "discount": 0,
    }
    return "order_lines", [
        {**line, "line_id": f"new {number} {n}", "product_id": f"p{draw.randrange(PRODUCTS)}", "amount": 500 + n}
        for n in range(2)
    ]


def timed(what: str, calls: int, call: Callable[[int], object]) -> dict[str, float]:
    """Return the median and the 99th percentile of a call, in microseconds of the wall clock and of the CPU."""
    took = np.empty((calls, 2))
    for number in range(calls):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()  # the clock of the CPU is slow to read: outside
        call(number)
        wall = time.perf_counter_ns() - wall
        took[number] = wall, time.process_time_ns() - cpu
    of = np.percentile(took, (50, 99), axis=0) / 1_000
    return {
        f"{what} p50": of[0, 0], f"{what} p99": of[1, 0], f"{what} CPU p50": of[0, 1], f"{what} CPU p99": of[1, 1],
    }  # fmt: skip


def equal(left: Any, right: Any) -> bool:
    """Tell whether two values are the same, floating-point numbers up to rounding."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return type(left) is type(right) and left == right


def measured(peer: Ours | Rows, people: int, calls: int) -> dict[str, float]:
    """Return what a peer takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    peer.fill(people)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found = {"rebuild s": wall, "rebuild CPU s": cpu, "facts/CPU s": people * EVENTS / cpu}
    found["bytes a person"] = peer.size() / people
    draw = random.Random(1)
    new = [new_fact(n, draw.randrange(people), NOW + timedelta(seconds=n), draw) for n in range(calls)]
    found |= timed("update", calls, lambda n: peer.update(*new[n]))
    later = NOW + timedelta(days=2)
    asked = [draw.randrange(people) for _ in range(calls)]
    found |= timed("read", calls, lambda n: peer.read(asked[n], later))
    found["bytes a person after updates"] = peer.size() / people
    return found


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--features", choices=("some", "all"), default="some", help="some: 35; all: the catalogue")
    parser.add_argument("--draft", action="store_true", help="print only; for a dirty tree")
    options = parser.parse_args()
    configuration = {
        "people": options.people,
        "events a person": EVENTS,
        "features": len(CATALOG) if options.features == "all" else len(NAMES),
        "calls": options.calls,
    }
    with looks.look("online.py", configuration, draft=options.draft) as taken:
        found = compared(options.people, options.calls, whole=options.features == "all")
        taken.figures.update({f"{name}, {peer}": value for peer, of in found.items() for name, value in of.items()})
    lines = ["| | " + " | ".join(found) + " | budget |", "|---|" + "---:|" * (len(found) + 1)]
    for name in found["coterie"]:
        values = " | ".join(f"{of[name]:,.1f}" for of in found.values())
        lines.append(f"| {name} | {values} | {f'{BUDGET[name]:,.0f}' if name in BUDGET else ''} |")
    print("\n".join(lines))


def compared(people: int, calls: int, *, whole: bool) -> dict[str, dict[str, float]]:
    """Return what both peers take, after their values were found equal."""
    with tempfile.TemporaryDirectory(prefix="online-") as folder:
        ours, rows = Ours(Path(folder), whole=whole), Rows(Path(folder))
        found = {"coterie": measured(ours, people, calls), "rows in SQLite": measured(rows, people, calls)}
        later, draw = NOW + timedelta(days=2), random.Random(2)
        for person in (draw.randrange(people) for _ in range(1_000)):
            mine, theirs = ours.read(person, later), rows.read(person, later)
            if unlike := [name for name in NAMES if not equal(mine[name], theirs[name])]:
                raise SystemExit(f"{unlike[0]} differs: {mine[unlike[0]]} and {theirs[unlike[0]]}")
    return found


if __name__ == "__main__":
    main()
