"""Naive twins of features: one person, one moment, one definition at a time, in plain Python over lists of rows."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
DAY = timedelta(days=1)
HOPS = ((timedelta(days=12), DAY), (timedelta(hours=12), timedelta(hours=1)), (timedelta(0), timedelta(minutes=5)))
Row = dict[str, Any]


@dataclass
class History:
    """A shop's facts as rows; times are naive UTC."""

    order_lines: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    traits: list[Row] = field(default_factory=list)
    person_of: list[Row] = field(default_factory=list)

    @cached_property
    def versions(self) -> dict[tuple[str, str], list[Row]]:
        """The versions of each product."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.products:
            found.setdefault((row["source"], row["product_id"]), []).append(row)
        return found


def tail(days: float, as_of: datetime) -> datetime:
    """The first moment in the window, which moves in hops from 1970 on."""
    length = timedelta(days=days)
    hop = next(hop for least, hop in HOPS if length >= least)
    return EPOCH + (as_of - length - EPOCH) // hop * hop


def value(feature: Any, history: History, person: int, as_of: datetime, timezone: str) -> Any:
    """The value of a feature or outcome of one person at one moment."""
    rows = [
        row for row in facts(feature, history, person, as_of, timezone) if inside(feature, row["occurred_at"], as_of)
    ]
    rows = [row for row in rows if feature.where is None or feature.where.matches(row)]
    for column in (feature.value, feature.aggregation.over):
        if column:
            rows = [row for row in rows if row.get(column) is not None]
    rows.sort(key=lambda row: (row["occurred_at"], row["id"]))
    answer = AGGREGATIONS[feature.aggregation.kind](feature, rows, as_of) if rows else None
    if answer is None:
        nothing = {"count": 0, "distinct": 0, "none": 1}.get(feature.aggregation.kind)
        return nothing if getattr(feature, "otherwise", None) is None else feature.otherwise
    if feature.unit == "money":
        return int(math.copysign(math.floor(abs(answer) + 0.5), answer))
    return answer


def inside(feature: Any, moment: datetime, as_of: datetime) -> bool:
    days = feature.window.days
    if feature.future:
        return as_of < moment <= as_of + timedelta(days=days)
    return days is None or tail(days, as_of) <= moment


def facts(feature: Any, history: History, person: int, as_of: datetime, timezone: str) -> list[Row]:
    """Everything of that kind that is known about the person at the moment (or, for outcomes, ever)."""
    subjects = {
        row["subject"]
        for row in history.person_of
        if row["person"] == person
        and (row["valid_from"] is None or row["valid_from"] <= as_of)
        and (row["valid_until"] is None or as_of < row["valid_until"])
    }

    def known(row: Row) -> bool:
        return feature.future or (row["occurred_at"] <= as_of and row["available_at"] <= as_of)

    if feature.on == "Trait":
        undated = datetime(1, 1, 1)
        rows = [
            {**row, "occurred_at": row["occurred_at"] or undated, "id": (row["import_id"], row["row"])}
            for row in history.traits
            if row["subject"] in subjects and (row["occurred_at"] is None or known(row))
        ]
        return rows
    if feature.on in ("Order Completed", "Order Line", "Order Refunded", "Order Cancelled"):
        kind = "Order Completed" if feature.on == "Order Line" else feature.on
        rows = [row for row in history.order_lines if row["kind"] == kind and row["subject"] in subjects and known(row)]
        if feature.on == "Order Completed":
            rows = orders(rows, as_of, feature)
        else:
            rows = [{**row, **product(history, row), "id": (row["source"], row["line_id"])} for row in rows]
        rows = [{**row, "gross": added(row["amount"], row["discount"])} for row in rows]
    else:
        rows = [
            {**row, "id": (row["source"], row["event_id"])}
            for row in history.events
            if row["kind"] == feature.on and row["subject"] in subjects and known(row)
        ]
    return [{**row, **clock(row["occurred_at"], timezone)} for row in rows]


def added(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def orders(lines: list[Row], as_of: datetime, feature: Any) -> list[Row]:
    grouped: dict[tuple[str, str], list[Row]] = {}
    reach = as_of + timedelta(days=feature.window.days) if feature.future else None
    for line in lines:
        if reach is None or line["occurred_at"] <= reach:
            grouped.setdefault((line["source"], line["order_id"]), []).append(line)
    return [
        {
            "id": key,
            "source": key[0],
            "order_id": key[1],
            "occurred_at": min(line["occurred_at"] for line in group),
            "amount": total(group, "amount"),
            "discount": total(group, "discount"),
            "quantity": total(group, "quantity"),
            "lines": len(group),
            "channel": smallest(group, "channel"),
            "place": smallest(group, "place"),
        }
        for key, group in grouped.items()
    ]


def total(rows: list[Row], column: str) -> Any:
    there = [row[column] for row in rows if row[column] is not None]
    return sum(there) if there else None


def smallest(rows: list[Row], column: str) -> Any:
    return min((row[column] for row in rows if row[column] is not None), default=None)


def product(history: History, line: Row) -> Row:
    """The product as it was when the line was sold; before its first version, that."""
    empty = dict.fromkeys(("department", "category", "subcategory", "brand"))
    same = history.versions.get((line["source"], line["product_id"]))
    if not same:
        return empty
    began = {row["available_at"] or datetime(1, 1, 1) for row in same}
    moment = max((begin for begin in began if begin <= line["occurred_at"]), default=min(began))
    version = max(
        (row for row in same if (row["available_at"] or datetime(1, 1, 1)) == moment),
        key=lambda row: (row["import_id"], row["row"]),
    )
    return {name: version.get(name) for name in empty}


def clock(moment: datetime, timezone: str) -> Row:
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return {"local_day": (local - EPOCH) // DAY, "weekday": local.weekday(), "hour": local.hour}


def days(difference: timedelta) -> float:
    return (difference // timedelta(microseconds=1)) / 86_400_000_000


def column(feature: Any, rows: list[Row]) -> list[Any]:
    return [row[feature.value] for row in rows]


def share(feature: Any, rows: list[Row], as_of: datetime) -> float | None:
    of, over = feature.aggregation.of, feature.aggregation.over or feature.value
    part = sum((row[feature.value] if feature.value else 1) for row in rows if of is None or of.matches(row))
    whole = sum((row[over] if over else 1) for row in rows)
    return part / whole if whole else None


def gaps(rows: list[Row]) -> list[float]:
    return [days(after["occurred_at"] - before["occurred_at"]) for before, after in pairwise(rows)]


def entropy(values: list[Any]) -> float:
    counts = Counter(values).values()
    return -sum(n / len(values) * math.log(n / len(values)) for n in counts)


def commonest(values: list[Any]) -> Any:
    counts = Counter(values)
    return min(value for value, n in counts.items() if n == max(counts.values()))


AGGREGATIONS: dict[str, Any] = {
    "count": lambda f, rows, as_of: len(rows),
    "none": lambda f, rows, as_of: 0,
    "sum": lambda f, rows, as_of: sum(column(f, rows)),
    "mean": lambda f, rows, as_of: sum(column(f, rows)) / len(rows),
    "min": lambda f, rows, as_of: min(column(f, rows)),
    "max": lambda f, rows, as_of: max(column(f, rows)),
    "first": lambda f, rows, as_of: column(f, rows)[0],
    "last": lambda f, rows, as_of: column(f, rows)[-1],
    "distinct": lambda f, rows, as_of: len(set(column(f, rows))),
    "most_frequent": lambda f, rows, as_of: commonest(column(f, rows)),
    "top_share": lambda f, rows, as_of: max(Counter(column(f, rows)).values()) / len(rows),
    "entropy": lambda f, rows, as_of: entropy(column(f, rows)),
    "share": share,
    "days_since_last": lambda f, rows, as_of: days(as_of - rows[-1]["occurred_at"]),
    "days_since_first": lambda f, rows, as_of: days(as_of - rows[0]["occurred_at"]),
    "gap_mean": lambda f, rows, as_of: statistics.fmean(gaps(rows)) if len(rows) > 1 else None,
    "gap_std": lambda f, rows, as_of: statistics.stdev(gaps(rows)) if len(rows) > 2 else None,
}
