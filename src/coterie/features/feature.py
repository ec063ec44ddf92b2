"""A feature: what is aggregated, over which facts, in which window; and the one rule about windows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlglot import exp

from coterie.errors import ParameterError
from coterie.features import rule as rules
from coterie.features.aggregation import Aggregation
from coterie.features.rule import Rule
from coterie.schema import Kind
from coterie.store.sql import DAY, HOUR, SECOND, Expression, floor_to, whole

UNITS = ("money", "count", "days", "share", "number", "text")
ORDER = Kind.ORDER_COMPLETED.value
ORDER_LINE = "Order Line"
EVENT = "Event"
TRAIT = "Trait"
DEFINITION = 2
"""Rises when the meaning of definitions changes: tables and tiles of an older one are never read under the new."""

_PRODUCT = ("source", "product_id")
OWNERS: dict[str, tuple[str, ...]] = {
    "person": ("person",),
    "product": _PRODUCT,
    **{name: (name,) for name in ("department", "category", "subcategory", "brand")},
    "person-product": ("person", *_PRODUCT),
    **{f"person-{name}": ("person", name) for name in ("department", "category", "subcategory", "brand")},
}
"""Whom or what features are about, beside the columns that name one of them in a spine."""

_MINUTES_5 = 300 * SECOND
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Window:
    """How far back facts count: some days, or the whole life.

    The beginning moves in hops, so that the same moment always gives the same answer from stored parts as from rows:
    one day for windows of 12 days and more, one hour from 12 hours, else five minutes, aligned to 1970 in UTC. A fact
    counts when ``tail(as_of) <= occurred_at <= as_of``: a window is never shorter than its days and less than one hop
    longer.

    Parameters
    ----------
    days
        Length in days, above 0; None is the whole life.

    Examples
    --------
    >>> Window(30).tail(datetime(2026, 3, 31, 15, 20))
    datetime.datetime(2026, 3, 1, 0, 0)
    >>> Window(7).tail(datetime(2026, 3, 31, 15, 20))
    datetime.datetime(2026, 3, 24, 15, 0)
    """

    days: float | None = None

    def __post_init__(self) -> None:
        """Refuse lengths that are not a positive number of whole microseconds."""
        if self.days is None:
            return
        if isinstance(self.days, bool) or not isinstance(self.days, int | float) or not 0 < self.days <= 36_525:
            raise ParameterError.of(
                "Window", "days", self.days, "a number above 0 and at most 36525 (a century), or None"
            )
        if self.length is not None and self.length < _MINUTES_5:
            raise ParameterError.of("Window", "days", self.days, "at least five minutes (1/288)")

    @property
    def length(self) -> int | None:
        """The length in microseconds; None is the whole life."""
        return None if self.days is None else round(self.days * DAY)

    @property
    def hop(self) -> int | None:
        """By how many microseconds the beginning moves at once; the whole life has none."""
        if self.length is None:
            return None
        return DAY if self.length >= 12 * DAY else HOUR if self.length >= 12 * HOUR else _MINUTES_5

    def tail(self, as_of: datetime) -> datetime | None:
        """Return the first moment that counts at ``as_of``; None for the whole life."""
        if self.length is None or self.hop is None:
            return None
        begin = (as_of - _EPOCH) // timedelta(microseconds=1) - self.length
        return _EPOCH + timedelta(microseconds=begin // self.hop * self.hop)

    def tail_sql(self, as_of: Expression) -> Expression | None:
        """Return the first moment that counts, both in microseconds since 1970; None for the whole life."""
        if self.length is None or self.hop is None:
            return None
        return floor_to(exp.Sub(this=as_of, expression=whole(self.length)), self.hop)

    def __str__(self) -> str:
        """Return the window in words."""
        return "whole life" if self.days is None else f"{self.days:g} days"


LIFETIME = Window(None)
RESERVED = ("person", "as_of", "position", "source", "product_id", "department", "category", "subcategory", "brand")

BANDS = (
    (0, "under 1"), (1, "1 to 2"), (2, "2 to 5"), (5, "5 to 10"), (10, "10 to 20"), (20, "20 to 50"), (50, "50 to 100"),
    (100, "100 to 200"), (200, "200 to 500"), (500, "500 to 1000"), (1000, "1000 and more"),
)  # fmt: skip
"""Price bands: from which price of one piece, in whole units of the currency, and its name."""

_CLOCK = {"local_day": int, "weekday": int, "hour": int}
_MONEY = {"amount": int, "discount": int, "gross": int}
_SHELF = dict.fromkeys(("department", "category", "subcategory", "brand"), str)
_LINE: dict[str, type] = {
    **_MONEY,
    "quantity": float,
    **dict.fromkeys(("source", "order_id", "line_id", "channel", "place", "product_id"), str),
    **_SHELF,
    "price_band": str,
    **_CLOCK,
}
_ORDER: dict[str, type] = {
    **_MONEY,
    "lines": int,
    "quantity": float,
    **dict.fromkeys(("source", "order_id", "channel", "place"), str),
    **_CLOCK,
}
_EVENT: dict[str, type] = {
    "amount": int,
    **dict.fromkeys(("source", "channel", "order_id", "product_id", "campaign_id", "offer_id"), str),
    **_SHELF,
    **_CLOCK,
}


@dataclass(frozen=True)
class Relation:
    """The facts of one kind: the table that they are in, one row of what, and the columns that features can read."""

    table: str
    kind: str | None
    row: str
    columns: Mapping[str, type]


def relation(on: str) -> Relation:
    """Return the facts that features of that kind are made of.

    ``Order Completed`` has one row an order: the sums of its lines, its first moment, of several channels or places
    the first in the alphabet; lines that were filed under different subjects are different orders. ``Order Line`` has
    the lines of completed orders; refunds and cancellations have the lines that were refunded or cancelled. ``Event``
    has the events of all kinds, which its column ``kind`` tells apart.

    Lines and events carry the product's department, category, subcategory and brand as they were when the line was sold
    (the first known before that). ``gross`` is amount + discount. ``price_band`` says between which of 1, 2, 5, 10, 20,
    50, 100, 200, 500, 1000 … of the currency the price of one piece lies. ``local_day`` counts days since 1970,
    ``weekday`` runs from Monday 0 to Sunday 6, ``hour`` from 0 to 23, all on the shop's wall clock.

    Raises
    ------
    ParameterError
        There is no such kind.
    """
    match on:
        case Kind.ORDER_COMPLETED.value:
            return Relation("order_lines", on, "order", _ORDER)
        case "Order Line":
            return Relation("order_lines", ORDER, "line", _LINE)
        case Kind.ORDER_REFUNDED.value | Kind.ORDER_CANCELLED.value:
            return Relation("order_lines", on, "line", _LINE)
        case "Event":
            return Relation("events", None, "event", {"kind": str, **_EVENT})
        case "Trait":
            return Relation("traits", None, "trait", {"trait": str, "value": str, "source": str})
    if on in {kind.value for kind in Kind}:
        return Relation("events", on, "event", _EVENT)
    allowed = ", ".join([ORDER_LINE, EVENT, TRAIT, *(kind.value for kind in Kind)])
    raise ParameterError.of("Feature", "on", on, f"one of {allowed}")


def check_name(name: object) -> None:
    """Raise ParameterError for what cannot be the name of a feature's column."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise ParameterError.of("Feature", "name", name, "snake case, such as spend_30d")
    if name in RESERVED:
        raise ParameterError.of("Feature", "name", name, f"other than {', '.join(RESERVED)}")


@dataclass(frozen=True)
class Feature:
    """A number or a text about a person at a moment, made of the facts that were known then.

    Parameters
    ----------
    name
        Snake case; the column's name.
    on
        The facts: ``Order Completed`` (orders), ``Order Line``, ``Trait``, a kind of event, or ``Event`` (all kinds).
    aggregation
        What is done with the facts.
    value
        The column that is aggregated, for aggregations that take one.
    window
        Which facts count by time; the whole life if not given.
    where
        Which facts count otherwise; all if not given.
    unit
        ``money`` (integer minor units of the shop's currency), ``count`` (whole number), ``days``, ``share`` (0 to 1),
        ``number`` or ``text``.
    title
        A short name for people.
    meaning
        One sentence.
    per
        Whom or what the feature is about, one of ``OWNERS``: ``person``, ``product``, ``category`` (``department``,
        ``subcategory``, ``brand``), or a pair such as ``person-category``.

    Raises
    ------
    ParameterError
        The parts do not fit each other; the text says which.

    Examples
    --------
    >>> feature = Feature("web_orders_30d", ORDER, Aggregation("count"), window=Window(30),
    ...                   where=rules.Compare("channel", "=", "web"), unit="count")
    >>> Feature.from_json(feature.to_json()) == feature
    True
    """

    name: str
    on: str
    aggregation: Aggregation
    value: str | None = None
    window: Window = LIFETIME
    where: Rule | None = None
    unit: str = "number"
    title: str = ""
    meaning: str = ""
    per: str = "person"

    future: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse parts that do not fit each other."""
        check_name(self.name)
        if self.per not in OWNERS:
            raise ParameterError.of(f"Feature {self.name}", "per", self.per, f"one of {', '.join(OWNERS)}")
        if lost := [name for name in self.owner if name not in ("person", *relation(self.on).columns)]:
            raise ParameterError.of(
                f"Feature {self.name}", "per", self.per, f"something that {self.on} tells", hint=f"it has no {lost[0]}."
            )
        if self.unit not in UNITS:
            raise ParameterError.of(f"Feature {self.name}", "unit", self.unit, f"one of {', '.join(UNITS)}")
        if self.unit not in self.aggregation.units:
            allowed = ", ".join(self.aggregation.units)
            raise ParameterError.of(
                f"Feature {self.name}", "unit", self.unit, f"one of {allowed} for {self.aggregation.kind}"
            )
        self._check_columns()

    def _check_columns(self) -> None:
        owner, known = f"Feature {self.name}", relation(self.on).columns
        needs = self.aggregation.value
        if (self.value is None) if needs in ("number", "any") else (self.value is not None and needs == "none"):
            allowed = "absent" if needs == "none" else "the name of a column"
            raise ParameterError.of(owner, "value", self.value, f"{allowed} for {self.aggregation.kind}")
        for name in sorted(self.columns - known.keys()):
            raise ParameterError.of(owner, "a column", name, f"one of {', '.join(known)} of {self.on}")
        numbers = [self.aggregation.over, self.value if needs in ("number", "optional") else None]
        for name in filter(None, numbers):
            if known[name] is str:
                raise ParameterError.of(owner, "value", name, "a column of numbers")
        if self.value is not None:
            kind = known[self.value]
            carries = self.aggregation.kind in ("first", "last", "most_frequent")
            if carries and (kind is str) != (self.unit == "text"):
                raise ParameterError.of(
                    owner, "unit", self.unit, f"text exactly for columns of text, not for {self.value}"
                )
            if kind is float and self.unit in ("money", "count") and self.aggregation.kind != "distinct":
                raise ParameterError.of(owner, "unit", self.unit, f"number for {self.value}, which is not whole")
        tests = [*(self.where.comparisons if self.where else ())]
        tests += self.aggregation.of.comparisons if self.aggregation.of else ()
        for name, value in tests:
            if isinstance(value, bool) or isinstance(value, str) != (known[name] is str):
                expected = "text" if known[name] is str else "a number"
                raise ParameterError.of(owner, f"the value that {name} is compared with", value, expected)

    @property
    def owner(self) -> tuple[str, ...]:
        """The columns that name, in a spine, whom or what the feature is about."""
        return OWNERS[self.per]

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the facts that the feature reads; those of its owner come besides."""
        own = frozenset((self.value,)) if self.value else frozenset[str]()
        return own | self.aggregation.columns | (self.where.columns if self.where else frozenset())

    @property
    def empty(self) -> int | None:
        """The value of a person without any fact that counts; None is missing."""
        return self.aggregation.empty

    def to_json(self) -> dict[str, Any]:
        """Return the definition as plain JSON values; ``from_json`` reads it back."""
        return {"name": self.name, **self._content(), "title": self.title, "meaning": self.meaning}

    def _content(self) -> dict[str, Any]:
        return {
            "on": self.on,
            "aggregation": self.aggregation.to_json(),
            "value": self.value,
            "window": self.window.days,
            "where": self.where.to_json() if self.where else None,
            "unit": self.unit,
            "per": self.per,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Feature:
        """Return the definition that ``to_json`` wrote."""
        values = dict(body)
        values["aggregation"] = Aggregation.from_json(values["aggregation"])
        values["window"] = Window(values["window"])
        values["where"] = None if values["where"] is None else rules.from_json(values["where"])
        return cls(**values)

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all that changes the value; the name and the words do not."""
        content = {"definition": DEFINITION, "plane": type(self).__name__, **self._content(), "hop": self.window.hop}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
