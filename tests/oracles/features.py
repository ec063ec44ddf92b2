"""Naive twins of features: one owner, one moment, one definition at a time, in plain Python over lists of rows."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
BEGINNING = datetime(1, 1, 1)
DAY = timedelta(days=1)
HOPS = ((timedelta(days=12), DAY), (timedelta(hours=12), timedelta(hours=1)), (timedelta(0), timedelta(minutes=5)))
BANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}
SHELF = ("department", "category", "subcategory", "brand")
PRECISION = 1e-9
Row = dict[str, Any]
Owner = int | tuple[Any, ...]


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


@dataclass(frozen=True)
class Asked:
    """What is asked besides the definition: of whom or what, when, on which clock, in which money, among whom."""

    owner: Owner
    as_of: datetime
    timezone: str
    currency: str | None = None
    among: frozenset[int] | None = None


def value(
    feature: Any,
    history: History,
    owner: Owner,
    as_of: datetime,
    timezone: str,
    currency: str | None = None,
    among: Sequence[int] | None = None,
) -> Any:
    """The value of a feature, outcome or combination of one owner at one moment.

    Parameters
    ----------
    feature
        The definition.
    history
        All facts.
    owner
        A person, or the values of the columns that name the owner, in their order.
    as_of, timezone, currency
        The moment, the shop's zone and its money.
    among
        For owners that are no person: the subjects whose facts count; all when None.
    """
    return judged(feature, history, owner, as_of, timezone, currency, among)[0]


def judged(
    feature: Any,
    history: History,
    owner: Owner,
    as_of: datetime,
    timezone: str,
    currency: str | None = None,
    among: Sequence[int] | None = None,
) -> tuple[Any, float]:
    """The value beside how far a computed one may be off: PRECISION times the magnitude of what went into it.

    Whole numbers and text allow nothing, for they are exact.
    """
    asked = Asked(owner, as_of, timezone, currency, None if among is None else frozenset(among))
    if not hasattr(feature, "operation"):
        return _plain(feature, history, asked)
    left, right = (_plain(part, history, asked) for part in (feature.left, feature.right))
    if left[0] is None:
        left = (feature.otherwise, 0.0)
    answer, slack = combined(feature.operation, left, right)
    if answer is not None and feature.unit == "money":
        return rounded(answer), 0.0
    return answer, slack


def combined(operation: str, left: tuple[Any, float], right: tuple[Any, float]) -> tuple[Any, float]:
    (a, off_a), (b, off_b) = left, right
    if operation == "difference":
        return (None, 0.0) if a is None else (a - (b or 0), off_a + off_b)
    if a is None or b is None or b == 0:
        return None, 0.0
    part = a / b
    slack = (off_a + abs(part) * off_b) / abs(b) + PRECISION * abs(part)
    return (part if operation == "ratio" else 1 - part), slack + (PRECISION if operation == "remainder" else 0)


def rounded(number: float) -> int:
    """To the nearest whole number, halves away from zero."""
    below = math.floor(abs(number))
    return int(math.copysign(below + (abs(number) - below >= 0.5), number))


def _plain(feature: Any, history: History, asked: Asked) -> tuple[Any, float]:
    rows = counted(feature, history, asked)
    kind = feature.aggregation.kind
    answer = AGGREGATIONS[kind](feature, rows, asked.as_of) if rows else None
    if answer is None:
        nothing = {"count": 0, "distinct": 0, "none": 1}.get(kind)
        return (nothing if getattr(feature, "otherwise", None) is None else feature.otherwise), 0.0
    if feature.unit == "money":
        return rounded(answer), 0.0
    exact = feature.unit in ("count", "text") or kind in ("first", "last", "min", "max", "most_frequent")
    return answer, 0.0 if exact else PRECISION * magnitude(feature, rows, asked.as_of)


def counted(feature: Any, history: History, asked: Asked) -> list[Row]:
    """The facts that count, in their order."""
    rows = [row for row in facts(feature, history, asked) if inside(feature, row["occurred_at"], asked.as_of)]
    if feature.per != "person":
        columns = OWNERS[feature.per.removeprefix("person-")]
        values = asked.owner if feature.per in OWNERS else asked.owner[1:]  # type: ignore[index]
        wanted = dict(zip(columns, values, strict=True))  # type: ignore[arg-type]
        rows = [row for row in rows if all(row[name] is not None and row[name] == wanted[name] for name in columns)]
    rows = [row for row in rows if feature.where is None or feature.where.matches(row)]
    for column in (feature.value, feature.aggregation.over):
        if column:
            rows = [row for row in rows if row.get(column) is not None]
    return sorted(rows, key=lambda row: (row["occurred_at"], row["id"], row["subject"]))


OWNERS = {"product": ("source", "product_id"), **{name: (name,) for name in SHELF}}


def tail(days: float, as_of: datetime) -> datetime:
    """The first moment in the window, which moves in hops from 1970 on."""
    length = timedelta(days=days)
    hop = next(hop for least, hop in HOPS if length >= least)
    return EPOCH + (as_of - length - EPOCH) // hop * hop


def inside(feature: Any, moment: datetime, as_of: datetime) -> bool:
    days = feature.window.days
    if feature.future:
        return as_of < moment <= as_of + timedelta(days=days)
    return bool(days is None or tail(days, as_of) <= moment)


def subjects(feature: Any, history: History, asked: Asked) -> frozenset[int] | None:
    """Whose facts are meant: those of the person as it was known at the moment, or of those among; None for all."""
    if feature.per in OWNERS:
        return asked.among
    person = asked.owner if isinstance(asked.owner, int) else asked.owner[0]
    return frozenset(
        row["subject"]
        for row in history.person_of
        if row["person"] == person
        and (row["valid_from"] is None or row["valid_from"] <= asked.as_of)
        and (row["valid_until"] is None or asked.as_of < row["valid_until"])
    )


def facts(feature: Any, history: History, asked: Asked) -> list[Row]:
    """Everything of that kind that is known about them at the moment (or, for outcomes, ever)."""
    whose = subjects(feature, history, asked)

    def known(row: Row) -> bool:
        if whose is not None and row["subject"] not in whose:
            return False
        return feature.future or (row["occurred_at"] <= asked.as_of and row["available_at"] <= asked.as_of)

    if feature.on == "Trait":
        return [
            {**row, "occurred_at": row["occurred_at"] or BEGINNING, "id": (row["import_id"], row["row"])}
            for row in history.traits
            if known({**row, "available_at": BEGINNING, "occurred_at": BEGINNING} if not row["occurred_at"] else row)
        ]
    if feature.on in ("Order Completed", "Order Line", "Order Refunded", "Order Cancelled"):
        kind = "Order Completed" if feature.on == "Order Line" else feature.on
        rows = [row for row in history.order_lines if row["kind"] == kind and known(row)]
        if feature.on == "Order Completed":
            rows = orders(rows, asked.as_of, feature)
        else:
            band = {"currency": asked.currency or "EUR"}
            rows = [
                {
                    **row,
                    **product(history, row),
                    "price_band": price_band(row, **band),
                    "id": (row["source"], row["line_id"]),
                }
                for row in rows
            ]
        rows = [{**row, "gross": added(row["amount"], row["discount"])} for row in rows]
    else:
        rows = [
            {"product_id": None, **row, **product(history, row), "id": (row["source"], row["event_id"])}
            for row in history.events
            if feature.on in ("Event", row["kind"]) and known(row)
        ]
    return [{**row, **clock(row["occurred_at"], asked.timezone)} for row in rows]


def added(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def price_band(line: Row, currency: str) -> str | None:
    """Between which of 1, 2, 5, 10 … of the currency the price of one piece lies."""
    amount, quantity = line["amount"], line["quantity"]
    if amount is None or quantity is None or quantity <= 0 or amount < 0:
        return None
    reached = [band for band in BANDS if float(amount) >= float(band * 10 ** DECIMALS[currency]) * quantity]
    if not reached:
        return f"under {BANDS[0]}"
    above = [band for band in BANDS if band not in reached]
    return f"{reached[-1]} to {above[0]}" if above else f"{reached[-1]} and more"


def orders(lines: list[Row], as_of: datetime, feature: Any) -> list[Row]:
    """The orders that lines make; lines that were filed under different subjects are different orders."""
    grouped: dict[tuple[int, str, str], list[Row]] = {}
    reach = as_of + timedelta(days=feature.window.days) if feature.future else None
    for line in lines:
        if reach is None or line["occurred_at"] <= reach:
            grouped.setdefault((line["subject"], line["source"], line["order_id"]), []).append(line)
    return [
        {
            "id": (source, order_id),
            "subject": subject,
            "source": source,
            "order_id": order_id,
            "occurred_at": min(line["occurred_at"] for line in group),
            "amount": total(group, "amount"),
            "discount": total(group, "discount"),
            "quantity": total(group, "quantity"),
            "lines": len(group),
            "channel": smallest(group, "channel"),
            "place": smallest(group, "place"),
        }
        for (subject, source, order_id), group in grouped.items()
    ]


def total(rows: list[Row], column: str) -> Any:
    there = [row[column] for row in rows if row[column] is not None]
    return exactly(there) if there else None


def exactly(numbers: list[Any]) -> Any:
    """The sum, which floats get rounded once."""
    return math.fsum(numbers) if any(isinstance(number, float) for number in numbers) else sum(numbers)


def smallest(rows: list[Row], column: str) -> Any:
    return min((row[column] for row in rows if row[column] is not None), default=None)


def product(history: History, fact: Row) -> Row:
    """The product as it was when the fact happened; before its first version, that."""
    empty = dict.fromkeys(SHELF)
    same = history.versions.get((fact["source"], fact.get("product_id")))  # type: ignore[arg-type]
    if not same:
        return empty
    began = {row["available_at"] or BEGINNING for row in same}
    moment = max((begin for begin in began if begin <= fact["occurred_at"]), default=min(began))
    version = max(
        (row for row in same if (row["available_at"] or BEGINNING) == moment),
        key=lambda row: (row["import_id"], row["row"]),
    )
    return {name: version.get(name) for name in empty}


def clock(moment: datetime, timezone: str) -> Row:
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    return {"local_day": (local - EPOCH) // DAY, "weekday": local.weekday(), "hour": local.hour}


def days(difference: timedelta) -> float:
    return (difference // timedelta(microseconds=1)) / 86_400_000_000


def column(feature: Any, rows: list[Row]) -> list[Any]:
    """The values, or 1 a fact where none is asked for."""
    return [row[feature.value] if feature.value else 1 for row in rows]


def parts(feature: Any, rows: list[Row]) -> tuple[list[Any], list[Any]]:
    """What a share is of, and in what."""
    of, over = feature.aggregation.of, feature.aggregation.over or feature.value
    part = [row[feature.value] if feature.value else 1 for row in rows if of is None or of.matches(row)]
    return part, [row[over] if over else 1 for row in rows]


def share(feature: Any, rows: list[Row], as_of: datetime) -> float | None:
    part, whole = map(exactly, parts(feature, rows))
    return part / whole if whole else None


def weights(feature: Any, rows: list[Row], as_of: datetime) -> list[float]:
    half_life = feature.aggregation.half_life
    return [2.0 ** -(days(as_of - row["occurred_at"]) / half_life) for row in rows]


def decayed(feature: Any, rows: list[Row], as_of: datetime) -> float:
    values = column(feature, rows)
    return math.fsum(number * by for number, by in zip(values, weights(feature, rows, as_of), strict=True))


def gaps(rows: list[Row]) -> list[float]:
    return [days(after["occurred_at"] - before["occurred_at"]) for before, after in pairwise(rows)]


def entropy(values: list[Any]) -> float:
    counts = Counter(values).values()
    return -math.fsum(n / len(values) * math.log(n / len(values)) for n in counts) + 0.0


def commonest(values: list[Any]) -> Any:
    counts = Counter(values)
    return min(value for value, n in counts.items() if n == max(counts.values()))


AGGREGATIONS: dict[str, Any] = {
    "count": lambda f, rows, as_of: len(rows),
    "none": lambda f, rows, as_of: 0,
    "sum": lambda f, rows, as_of: exactly(column(f, rows)),
    "mean": lambda f, rows, as_of: exactly(column(f, rows)) / len(rows),
    "variance": lambda f, rows, as_of: statistics.variance(column(f, rows)) if len(rows) > 1 else None,
    "std": lambda f, rows, as_of: statistics.stdev(column(f, rows)) if len(rows) > 1 else None,
    "min": lambda f, rows, as_of: min(column(f, rows)),
    "max": lambda f, rows, as_of: max(column(f, rows)),
    "decayed": decayed,
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


def magnitude(feature: Any, rows: list[Row], as_of: datetime) -> float:
    """How large the numbers are that a value is computed from, in the value's unit: the sum of their sizes.

    A computed value may differ from the exact one by rounding that is relative to this, not to a result near 0.
    """
    kind = feature.aggregation.kind
    if kind == "share":
        part, whole = parts(feature, rows)
        below = abs(exactly(whole))
        return (size(part) + abs(exactly(part)) / below * size(whole)) / below if below else math.inf
    if kind in ("top_share", "entropy"):
        return 1 + math.log(len(rows))
    if kind in ("gap_mean", "gap_std"):
        return size(gaps(rows))
    if kind.startswith("days_since"):
        return days(as_of - rows[0]["occurred_at"])
    if kind == "decayed":
        return size([n * by for n, by in zip(column(feature, rows), weights(feature, rows, as_of), strict=True)])
    if kind == "variance":
        return size([number**2 for number in column(feature, rows)])
    return size(column(feature, rows))


def size(numbers: list[Any]) -> float:
    return math.fsum(map(abs, numbers))


def agrees(feature: Any, got: Any, want: Any, slack: float) -> bool:
    """Whether a plane's answer is the twin's: of the right type, and equal, floats within the slack."""
    if want is None or got is None:
        return got is want
    kind = {"text": str, "money": int, "count": int}.get(feature.unit, float)
    return type(got) is kind and (got == want if kind is not float else abs(got - want) <= slack)
