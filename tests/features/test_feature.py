"""Definitions refuse parts that do not fit, survive JSON, and have a fingerprint of what changes the value."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import ParameterError
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG
from coterie.features.combination import Combination, parts_of
from coterie.features.feature import LIFETIME, ORDER, ORDER_LINE, Feature, Window
from coterie.features.outcome import Outcome, churned, future_spend
from coterie.features.rule import Compare
from coterie.store.sql import DAY, HOUR
from oracles import features as naive

COUNT = Aggregation("count")
MOMENTS = st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1))


@given(moment=MOMENTS, days=st.floats(0.004, 4000))
def test_a_window_is_its_days_and_less_than_one_hop_longer(moment: datetime, days: float) -> None:
    window = Window(days)
    tail = window.tail(moment)
    assert tail is not None
    assert window.hop is not None
    length = moment - tail
    assert timedelta(0) <= length - timedelta(microseconds=window.length or 0) < timedelta(microseconds=window.hop)


@given(moment=MOMENTS, days=st.sampled_from((0.25, 0.5, 1, 7, 11.99, 12, 30, 365)))
def test_the_tail_is_the_naive_one(moment: datetime, days: float) -> None:
    assert Window(days).tail(moment) == naive.tail(days, moment)


def test_hops() -> None:
    assert [Window(days).hop for days in (12, 11.9, 0.5, 0.49)] == [DAY, HOUR, HOUR, HOUR // 12]
    assert LIFETIME.hop is None
    assert LIFETIME.tail(datetime(2026, 1, 1)) is None


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), True, "7", 1e-9])
def test_windows_that_are_none(days: Any) -> None:
    with pytest.raises(ParameterError, match="Window"):
        Window(days)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "Spend 30"}),
    ("name", {"name": "person"}),
    ("on", {"on": "Order Placed"}),
    ("per", {"per": "product"}),
    ("per", {"per": "person-category"}),
    ("per", {"per": "shop"}),
    ("per", {"per": "product", "on": "Trait"}),
    ("column", {"on": "Product Viewed", "where": Compare("kind", "=", "Product Viewed")}),
    ("column", {"where": Compare("price_band", "=", "under 1")}),
    ("unit", {"aggregation": Aggregation("variance"), "value": "amount", "unit": "money"}),
    ("value", {"aggregation": Aggregation("decayed", half_life=7), "value": "channel", "unit": "number"}),
    ("unit", {"unit": "euros"}),
    ("unit", {"unit": "money"}),
    ("value", {"value": "amount"}),
    ("value", {"aggregation": Aggregation("sum")}),
    ("column", {"aggregation": Aggregation("sum"), "value": "amonut"}),
    ("value", {"aggregation": Aggregation("sum"), "value": "channel"}),
    ("unit", {"aggregation": Aggregation("last"), "value": "channel", "unit": "number"}),
    ("unit", {"aggregation": Aggregation("last"), "value": "amount", "unit": "text"}),
    ("unit", {"aggregation": Aggregation("sum"), "value": "quantity"}),
    ("column", {"where": Compare("brand", "=", "x")}),
    ("compared", {"where": Compare("channel", "=", 1)}),
    ("compared", {"where": Compare("amount", "=", "1")}),
    ("compared", {"aggregation": Aggregation("share", of=Compare("hour", "=", "late")), "unit": "share"}),
    ("value", {"aggregation": Aggregation("share", over="channel"), "value": "amount", "unit": "share"}),
]


@pytest.mark.parametrize(("what", "changes"), BAD)
def test_parts_that_do_not_fit_are_refused(what: str, changes: dict[str, Any]) -> None:
    good: dict[str, Any] = {"name": "n", "on": ORDER, "aggregation": COUNT, "unit": "count"}
    Feature(**good)
    with pytest.raises(ParameterError, match=what):
        Feature(**{**good, **changes})


@pytest.mark.parametrize(
    "parts", [("median",), ("count", Compare("a", "=", 1)), ("sum", None, "gross"), ("share",)], ids=str
)
def test_aggregations_that_are_none(parts: tuple[Any, ...]) -> None:
    with pytest.raises(ParameterError, match="Aggregation"):
        Aggregation(*parts)


@pytest.mark.parametrize("feature", [*CATALOG, churned(30), future_spend(90)], ids=lambda feature: feature.name)
def test_definitions_survive_json(feature: Feature) -> None:
    again = type(feature).from_json(feature.to_json())
    assert again == feature
    assert again.fingerprint == feature.fingerprint


def test_the_fingerprint_is_of_the_value() -> None:
    feature = Feature("n", ORDER, COUNT, window=Window(30), unit="count")
    same = replace(feature, name="m", title="Orders", meaning="How many.")
    assert same.fingerprint == feature.fingerprint
    others = [
        replace(feature, window=Window(31)),
        replace(feature, on=ORDER_LINE),
        replace(feature, where=Compare("channel", "=", "web")),
        replace(feature, aggregation=Aggregation("none")),
        Outcome("n", ORDER, COUNT, window=Window(30), unit="count"),
        Outcome("n", ORDER, COUNT, window=Window(30), unit="count", otherwise=0),
    ]
    assert len({feature.fingerprint, *(other.fingerprint for other in others)}) == len(others) + 1


@pytest.mark.parametrize("days", [None, 0, -1, True, "7", float("nan"), 1e9])
def test_half_lives_that_are_none(days: Any) -> None:
    with pytest.raises(ParameterError, match="half_life"):
        Aggregation("decayed", half_life=days)
    with pytest.raises(ParameterError, match="half_life"):
        Aggregation("sum", half_life=7)


ORDERS, SPEND = CATALOG["orders"], CATALOG["spend"]
MADE = {"name": "n", "operation": "ratio", "left": SPEND, "right": ORDERS, "unit": "money"}


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("name", {"name": "as_of"}),
        ("operation", {"operation": "sum"}),
        ("unit", {"unit": "text"}),
        ("unit", {"operation": "remainder"}),
        ("unit", {"operation": "difference"}),
        ("part", {"left": "spend"}),
        ("part", {"left": churned(30)}),
        ("part", {"right": Feature("age", "Trait", Aggregation("last"), "value", unit="text")}),
        ("parts", {"left": Feature("sold", ORDER_LINE, COUNT, unit="count", per="product")}),
    ],
)
def test_combinations_that_are_none(what: str, changes: dict[str, Any]) -> None:
    Combination(**MADE)
    with pytest.raises(ParameterError, match=what):
        Combination(**{**MADE, **changes})


def test_combinations_have_a_fingerprint_of_the_value_and_share_their_parts() -> None:
    made = Combination(**MADE)
    assert replace(made, name="m", title="Basket").fingerprint == made.fingerprint
    renamed = replace(made, left=replace(SPEND, name="paid"))
    others = [replace(made, unit="number"), replace(made, left=ORDERS), replace(made, right=CATALOG["orders_30d"])]
    assert renamed.fingerprint == made.fingerprint
    assert len({made.fingerprint, *(other.fingerprint for other in others)}) == 4
    parts = parts_of((made, renamed, ORDERS, SPEND))
    assert list(parts) == [SPEND.fingerprint, ORDERS.fingerprint]
    assert len({part.name for part in parts.values()}) == 2


def test_a_future_has_an_end() -> None:
    with pytest.raises(ParameterError, match="window"):
        Outcome("n", ORDER, COUNT, unit="count")
