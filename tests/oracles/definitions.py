"""Definitions that between them ask for every aggregation, in every window, under every rule, of every owner."""

from __future__ import annotations

import random
from itertools import product

from coterie.features.aggregation import Aggregation
from coterie.features.combination import Combination, Declared
from coterie.features.feature import LIFETIME, ORDER, ORDER_LINE, Feature, Window
from coterie.features.outcome import Outcome, churned, future_orders, future_spend
from coterie.features.rule import Compare, In, Missing, Not, Rule
from oracles.histories import PRODUCTS, SOURCES

WINDOWS = (LIFETIME, Window(1 / 24), Window(0.25), Window(1), Window(7), Window(30), Window(365), Window(730))

Shape = tuple[Aggregation, str, str | None, str]
_WEEKEND = In("weekday", (5, 6))
SHAPES: tuple[Shape, ...] = (
    (Aggregation("count"), ORDER, None, "count"),
    (Aggregation("count"), "Order Refunded", None, "count"),
    (Aggregation("count"), "Event", None, "count"),
    (Aggregation("none"), ORDER, None, "count"),
    (Aggregation("none"), "Order Cancelled", None, "count"),
    (Aggregation("sum"), ORDER, "amount", "money"),
    (Aggregation("sum"), ORDER, "lines", "count"),
    (Aggregation("sum"), ORDER_LINE, "quantity", "number"),
    (Aggregation("sum"), "Product Added", "amount", "money"),
    (Aggregation("mean"), ORDER, "gross", "money"),
    (Aggregation("mean"), ORDER, "quantity", "number"),
    (Aggregation("mean"), ORDER_LINE, "amount", "number"),
    (Aggregation("variance"), ORDER, "amount", "number"),
    (Aggregation("variance"), ORDER_LINE, "quantity", "number"),
    (Aggregation("std"), ORDER, "gross", "money"),
    (Aggregation("std"), ORDER_LINE, "quantity", "number"),
    (Aggregation("min"), ORDER, "amount", "money"),
    (Aggregation("min"), ORDER_LINE, "quantity", "number"),
    (Aggregation("max"), ORDER, "discount", "money"),
    (Aggregation("max"), "Event", "hour", "number"),
    (Aggregation("decayed", half_life=30), ORDER, "amount", "number"),
    (Aggregation("decayed", half_life=1.5), ORDER_LINE, "quantity", "number"),
    (Aggregation("decayed", half_life=7), "Event", None, "number"),
    (Aggregation("first"), ORDER, "channel", "text"),
    (Aggregation("first"), ORDER_LINE, "quantity", "number"),
    (Aggregation("first"), "Trait", "value", "text"),
    (Aggregation("last"), ORDER, "amount", "money"),
    (Aggregation("last"), ORDER, "place", "text"),
    (Aggregation("last"), ORDER_LINE, "category", "text"),
    (Aggregation("last"), "Event", "kind", "text"),
    (Aggregation("last"), "Trait", "value", "text"),
    (Aggregation("distinct"), ORDER, "local_day", "count"),
    (Aggregation("distinct"), ORDER_LINE, "product_id", "count"),
    (Aggregation("distinct"), "Event", "category", "count"),
    (Aggregation("distinct"), "Trait", "trait", "count"),
    (Aggregation("most_frequent"), ORDER, "hour", "number"),
    (Aggregation("most_frequent"), ORDER_LINE, "price_band", "text"),
    (Aggregation("most_frequent"), "Event", "channel", "text"),
    (Aggregation("top_share"), ORDER_LINE, "category", "share"),
    (Aggregation("top_share"), "Event", "brand", "share"),
    (Aggregation("entropy"), ORDER_LINE, "category", "number"),
    (Aggregation("entropy"), ORDER_LINE, "price_band", "number"),
    (Aggregation("entropy"), "Event", "kind", "number"),
    (Aggregation("share", over="gross"), ORDER, "discount", "share"),
    (Aggregation("share", of=_WEEKEND), ORDER, None, "share"),
    (Aggregation("share", of=Missing("brand")), ORDER_LINE, "amount", "share"),
    (Aggregation("share", of=Compare("kind", "=", "Product Viewed")), "Event", None, "share"),
    (Aggregation("days_since_last"), ORDER, None, "days"),
    (Aggregation("days_since_last"), "Event", None, "days"),
    (Aggregation("days_since_first"), ORDER, None, "days"),
    (Aggregation("days_since_first"), "Product Viewed", None, "days"),
    (Aggregation("gap_mean"), ORDER, None, "days"),
    (Aggregation("gap_mean"), ORDER_LINE, None, "days"),
    (Aggregation("gap_mean"), "Event", None, "days"),
    (Aggregation("gap_std"), ORDER, None, "days"),
    (Aggregation("gap_std"), ORDER_LINE, None, "days"),
    (Aggregation("gap_std"), "Product Viewed", None, "days"),
)


def rules(on: str) -> tuple[Rule | None, ...]:
    """None and rules that the facts of that kind can answer."""
    if on == "Trait":
        return None, Compare("trait", "=", "age"), Not(Compare("source", "=", "shop"))
    everywhere = (None, Not(Compare("channel", "=", "a")), Missing("channel") | Compare("hour", ">=", 12))
    if on == ORDER:
        return *everywhere, Compare("amount", ">", 300), Not(In("place", ("a", "ä"))) & Not(_WEEKEND)
    if on in (ORDER_LINE, "Order Refunded", "Order Cancelled"):
        return (
            *everywhere,
            Compare("quantity", ">=", 0.5),
            Not(In("price_band", ("1 to 2",))) & Not(Missing("category")),
        )
    return *everywhere, Compare("amount", "<=", 500), Not(Missing("brand")) | Compare("source", "=", "till")


def _pool() -> list[Feature]:
    features = []
    for shape, window in product(SHAPES, WINDOWS):
        aggregation, on, value, unit = shape
        for rule in rules(on):
            name = f"f{len(features)}"
            features.append(Feature(name, on, aggregation, value, window, where=rule, unit=unit))
    return features


POOL = _pool()
"""Every shape in every window under every rule."""


def hands(pool: list[Feature], size: int) -> list[list[Feature]]:
    """The pool in hands of that size at most, mixed the same way every time."""
    mixed = random.Random(4).sample(pool, len(pool))
    return [mixed[start : start + size] for start in range(0, len(mixed), size)]


def _owned(per: str) -> list[Feature]:
    aggregations = (
        (Aggregation("count"), None, "count"),
        (Aggregation("sum"), "amount", "money"),
        (Aggregation("std"), "amount", "money"),
        (Aggregation("decayed", half_life=30), "amount", "number"),
        (Aggregation("last"), "channel", "text"),
        (Aggregation("distinct"), "product_id", "count"),
        (Aggregation("entropy"), "channel", "number"),
        (Aggregation("share", of=_WEEKEND), None, "share"),
        (Aggregation("days_since_last"), None, "days"),
        (Aggregation("gap_mean"), None, "days"),
        (Aggregation("gap_std"), None, "days"),
    )
    found = []
    for on in (ORDER_LINE, "Order Refunded", "Event"):
        for (aggregation, value, unit), window in product(aggregations, (LIFETIME, Window(1), Window(30), Window(365))):
            rule = rules(on)[len(found) % len(rules(on))]
            name = f"o{len(found)}"
            found.append(Feature(name, on, aggregation, value, window, where=rule, unit=unit, per=per))
    return found


OWNED = {per: _owned(per) for per in ("product", "category", "brand", "person-product", "person-category")}
"""Features of owners that are no persons, and of pairs."""
_VALUES = ("a", "b", "B", "ä", "nan", "nothing")
OF_OWNERS: dict[str, list[tuple[str, ...]]] = {
    "product": list(product(SOURCES, PRODUCTS)),
    "category": [(value,) for value in _VALUES],
    "brand": [(value,) for value in _VALUES],
    "person-product": list(product(SOURCES, PRODUCTS)),
    "person-category": [(value,) for value in _VALUES],
}
"""What these owners are; the person of a pair comes besides."""


def _made(name: str, operation: str, left: Feature, right: Feature, unit: str) -> Combination:
    return Combination(name, operation, left, right, unit, otherwise=0 if len(name) % 2 else None)


def combinations(per: str = "person", on: str = ORDER) -> list[Declared]:
    """One of each operation and unit, over facts of a kind."""

    def part(kind: str, value: str | None, unit: str, window: Window = LIFETIME, rule: Rule | None = None) -> Feature:
        return Feature("part", on, Aggregation(kind), value, window, where=rule, unit=unit, per=per)

    spent, lately = part("sum", "amount", "money"), part("sum", "amount", "money", Window(30))
    number, some = part("count", None, "count"), part("count", None, "count", Window(365), rules(on)[1])
    mean = Feature("part", on, Aggregation("mean"), "amount", unit="money", per=per)
    return [
        _made("c_share", "ratio", some, number, "share"),
        _made("c_number", "ratio", spent, number, "number"),
        _made("c_money", "ratio", spent, some, "money"),
        _made("c_of_money", "ratio", mean, lately, "number"),
        _made("c_rest", "remainder", some, number, "share"),
        _made("c_more", "difference", spent, lately, "money"),
        _made("c_less", "difference", lately, spent, "money"),
        _made("c_count", "difference", number, some, "count"),
        _made("c_days", "difference", part("gap_mean", None, "days"), part("days_since_last", None, "days"), "days"),
        _made("c_gap", "ratio", part("days_since_last", None, "days"), part("gap_mean", None, "days"), "number"),
    ]


FUTURE: list[Outcome] = [
    future_spend(7),
    future_orders(7),
    churned(7),
    Outcome("future_lines", ORDER_LINE, Aggregation("count"), window=Window(7), unit="count"),
    Outcome("future_products", ORDER_LINE, Aggregation("distinct"), "product_id", Window(30), unit="count"),
    Outcome("future_views", "Product Viewed", Aggregation("gap_std"), window=Window(30), unit="days"),
    Outcome("future_spread", ORDER, Aggregation("std"), "amount", Window(30), unit="money"),
    Outcome("future_kinds", "Event", Aggregation("entropy"), "kind", Window(30), unit="number"),
    Outcome("future_decay", ORDER_LINE, Aggregation("decayed", half_life=3), "amount", Window(7), unit="number"),
]
