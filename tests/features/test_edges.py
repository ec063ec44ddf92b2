"""Edges by example, in both planes: first and last moments, hops, what comes first of a moment, halves of a cent.

Each plane is asked: the batch for one moment and for several in one spine, and online.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coterie.features import batch
from coterie.features.aggregation import Aggregation
from coterie.features.combination import Combination, Declared
from coterie.features.feature import EVENT, LIFETIME, ORDER, ORDER_LINE, TRAIT, Feature, Window
from coterie.features.online import Plane
from coterie.features.outcome import Outcome
from coterie.schema import PRODUCT
from coterie.store import sql
from coterie.store.sql import alias, column, exp
from coterie.store.state import MemoryState
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.features import History
from oracles.histories import AS_OF, MICROSECOND, event, itself, order_line, spine
from oracles.stories import PERSONAL, complete

ZONE = "America/New_York"
Shop = Callable[[History], Warehouse]
DAY = timedelta(days=1)
EARLIER = AS_OF - 400 * DAY


def batched(shop: Shop, history: History, features: Sequence[Declared], as_of: datetime = AS_OF) -> dict[str, Any]:
    """What the batch says of person 1: the same for the moment alone and beside others."""
    warehouse = shop(history)
    alone, *_ = batch.table(warehouse, features, spine((1, as_of)), timezone=ZONE, currency="EUR").to_pylist()
    rows = spine((1, EARLIER), (1, as_of), (2, as_of), (1, as_of + 900 * DAY))
    beside = batch.table(warehouse, features, rows, timezone=ZONE, currency="EUR").to_pylist()[1]
    assert alone == beside
    return {feature.name: alone[feature.name] for feature in features}


def online(history: History, features: Sequence[Declared], as_of: datetime = AS_OF) -> dict[str, Any]:
    """What the online plane says of person 1, to which the facts came one by one."""
    plane = Plane(MemoryState(), features, timezone=ZONE, currency="EUR")
    plane.shelve(pa.Table.from_pylist(history.products, schema=PRODUCT))
    for table in PERSONAL:
        for row in getattr(history, table):
            assert plane.update(table, [complete(table, row)]) == []
    subjects = [row["subject"] for row in history.person_of if row["person"] == 1]
    return dict(plane.values(subjects, as_of))


def answers(shop: Shop, history: History, *features: Declared, as_of: datetime = AS_OF) -> dict[str, Any]:
    """What all say: the batch for one moment, for several, online, and the naive twin."""
    found = batched(shop, history, list(features), as_of)
    assert online(history, list(features), as_of) == found
    assert {f.name: naive.value(f, history, 1, as_of, ZONE, "EUR") for f in features} == found
    return found


def number(on: str, window: Window = LIFETIME, name: str = "n", **more: Any) -> Feature:
    return Feature(name, on, Aggregation("count"), window=window, unit="count", **more)


# the first and the last moment

FACTS: dict[str, tuple[str, Callable[[datetime], dict[str, Any]]]] = {
    ORDER: ("order_lines", lambda at: order_line(1, 1, at)),
    ORDER_LINE: ("order_lines", lambda at: order_line(1, 1, at)),
    EVENT: ("events", lambda at: event(1, 1, "Product Viewed", at)),
    TRAIT: (
        "traits",
        lambda at: {
            "source": "shop", "subject": 1, "trait": "age", "value": "1", "import_id": 1, "row": 1, "occurred_at": at,
            "available_at": at,
        },
    ),
}  # fmt: skip


def one(on: str, at: datetime, available_at: datetime | None = None) -> History:
    """A shop with one fact."""
    table, made = FACTS[on]
    row = made(at) | ({"available_at": available_at} if available_at else {})
    return History(**{table: [row]}, person_of=[itself(1)])


@pytest.mark.parametrize("window", [LIFETIME, Window(1), Window(30)], ids=str)
@pytest.mark.parametrize("on", FACTS)
def test_a_fact_at_the_moment_itself_counts_and_one_just_after_it_does_not(shop: Shop, on: str, window: Window) -> None:
    asked = number(on, window)
    assert answers(shop, one(on, AS_OF), asked) == {"n": 1}
    for after in (one(on, AS_OF + MICROSECOND), one(on, AS_OF - DAY, AS_OF + MICROSECOND)):
        assert batched(shop, after, [asked]) == {"n": 0}
    assert answers(shop, one(on, AS_OF - timedelta(hours=1), AS_OF), asked) == {"n": 1}


TAILS = [
    (1 / 288, datetime(2026, 3, 31, 15, 15)),
    (1 / 24, datetime(2026, 3, 31, 14, 20)),
    (0.25, datetime(2026, 3, 31, 9, 20)),
    (0.499, datetime(2026, 3, 31, 3, 20)),
    (0.5, datetime(2026, 3, 31, 3)),
    (1, datetime(2026, 3, 30, 15)),
    (7, datetime(2026, 3, 24, 15)),
    (11.99, datetime(2026, 3, 19, 15)),
    (12, datetime(2026, 3, 19)),
    (30, datetime(2026, 3, 1)),
    (730, datetime(2024, 3, 31)),
]


@pytest.mark.parametrize(("days", "tail"), TAILS)
def test_windows_begin_at_a_hop(shop: Shop, days: float, tail: datetime) -> None:
    assert Window(days).tail(AS_OF) == tail
    lines = [order_line(n, 1, at) for n, at in enumerate((tail - MICROSECOND, tail))]
    history = History(order_lines=lines, person_of=[itself(1)])
    asked = [number(on, Window(days), name) for on, name in ((ORDER, "orders"), (ORDER_LINE, "lines"))]
    more = number(ORDER_LINE, Window(1000), name="of_more")
    assert answers(shop, history, *asked, more) == {"orders": 1, "lines": 1, "of_more": 2}
    assert batched(shop, history, asked) == {"orders": 1, "lines": 1}  # lines out of all windows are left out early


def test_an_outcome_begins_after_the_moment_and_ends_with_the_horizon(shop: Shop) -> None:
    features = [
        Outcome("f_order", ORDER, Aggregation("count"), window=Window(7), unit="count"),
        Outcome("f_line", ORDER_LINE, Aggregation("count"), window=Window(7), unit="count"),
        Outcome("f_late", ORDER_LINE, Aggregation("count"), window=Window(30), unit="count"),
    ]
    end = AS_OF + 7 * DAY
    for at, week in ((AS_OF, 0), (AS_OF + MICROSECOND, 1), (end, 1), (end + MICROSECOND, 0)):
        warehouse = shop(one(ORDER, at))
        for rows in (spine((1, AS_OF)), spine((1, AS_OF), (1, EARLIER), (2, AS_OF))):
            answer = batch.table(warehouse, features, rows, timezone=ZONE, until=AS_OF + 60 * DAY).to_pylist()[0]
            late = int(at > AS_OF)
            assert (answer["f_order"], answer["f_line"], answer["f_late"]) == (week, week, late)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.sampled_from([days for days, _ in TAILS]) | st.floats(1 / 288, 4000),
    moments=st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), min_size=1, max_size=200),
)
@example(days=1, moments=[datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(1969, 12, 31)])
def test_the_tail_of_the_statement_is_that_of_python(
    warehouse: Warehouse, days: float, moments: list[datetime]
) -> None:
    epoch, microsecond = datetime(1970, 1, 1), timedelta(microseconds=1)
    numbers = pa.array([(moment - epoch) // microsecond for moment in moments], pa.int64())
    tail = Window(days).tail_sql(column("as_of"))
    assert tail is not None
    with warehouse.temporary("asked", pa.table({"n": pa.array(range(len(moments))), "as_of": numbers})):
        tree = exp.select(alias(tail, "tail")).from_("asked").order_by(column("n"))
        found = warehouse.query(sql.render(tree))["tail"].to_pylist()
    assert [epoch + value * microsecond for value in found] == [Window(days).tail(moment) for moment in moments]


def test_a_gap_lies_in_the_window_with_both_its_ends(shop: Shop) -> None:
    lines = [order_line(day, 1, AS_OF - day * DAY) for day in (60, 10, 9, 6)]
    features: list[Declared] = [
        Feature(f"{kind}_{n}", on, Aggregation(kind), window=window, unit="days")
        for kind in ("gap_mean", "gap_std")
        for n, (on, window) in enumerate(((ORDER, Window(30)), (ORDER_LINE, Window(30)), (ORDER_LINE, LIFETIME)))
    ]
    history = History(order_lines=lines, person_of=[itself(1)])
    found = batched(shop, history, features)
    assert [found[f"gap_mean_{n}"] for n in range(3)] == [2.0, 2.0, 18.0]  # of 1 and 3 days; of 50, 1 and 3
    assert [found[f"gap_std_{n}"] for n in range(3)] == pytest.approx([2**0.5, 2**0.5, 27.7308492477])
    assert online(history, features) == pytest.approx(found)


# what comes first and last of one moment


def ranked(on: str, value: str, unit: str = "text") -> list[Declared]:
    return [Feature(kind, on, Aggregation(kind), value, unit=unit) for kind in ("first", "last")]


def test_lines_of_a_moment_are_ordered_by_source_then_id(shop: Shop) -> None:
    lines = [
        order_line(1, 1, AS_OF, source="a", line_id="l2", order_id="o1", channel="a, l2"),
        order_line(2, 1, AS_OF, source="b", line_id="l1", order_id="o2", channel="b, l1"),
        order_line(3, 1, AS_OF, source="a", line_id="l3", order_id="o0", channel="a, l3"),
    ]
    for some in permutations(lines):
        history = History(order_lines=list(some), person_of=[itself(1)])
        assert answers(shop, history, *ranked(ORDER_LINE, "channel")) == {"first": "a, l2", "last": "b, l1"}


def test_events_of_a_moment_are_ordered_by_source_then_id(shop: Shop) -> None:
    names = ("a", "e2"), ("b", "e1"), ("a", "e3")
    seen = [event(n, 1, "Product Viewed", AS_OF, source=s, event_id=i, channel=s + i) for n, (s, i) in enumerate(names)]
    for some in permutations(seen):
        history = History(events=list(some), person_of=[itself(1)])
        assert answers(shop, history, *ranked(EVENT, "channel")) == {"first": "ae2", "last": "be1"}


def test_traits_of_a_moment_are_ordered_by_import_then_row(shop: Shop) -> None:
    usual = {"source": "shop", "subject": 1, "trait": "age", "occurred_at": AS_OF, "available_at": AS_OF}
    traits = [{**usual, "value": f"{i} {row}", "import_id": i, "row": row} for i, row in ((1, 9), (2, 1), (1, 10))]
    for some in permutations(traits):
        history = History(traits=list(some), person_of=[itself(1)])
        assert answers(shop, history, *ranked(TRAIT, "value")) == {"first": "1 9", "last": "2 1"}


@pytest.mark.parametrize(
    ("orders", "first", "last"),
    [
        ((("a", "o2", 1), ("b", "o1", 1), ("a", "o3", 1)), "a o2 1", "b o1 1"),  # source before id
        ((("a", "o1", 2), ("b", "o0", 1)), "a o1 2", "b o0 1"),  # source before subject
        ((("a", "o1", 2), ("a", "o2", 1)), "a o1 2", "a o2 1"),  # id before subject
        ((("a", "o1", 2), ("a", "o1", 1)), "a o1 1", "a o1 2"),  # subject last
    ],
)
def test_orders_of_a_moment_are_ordered_by_source_id_and_subject(
    shop: Shop, orders: tuple[tuple[str, str, int], ...], first: str, last: str
) -> None:
    lines = [
        order_line(n, subject, AS_OF, source=source, order_id=order, channel=f"{source} {order} {subject}")
        for n, (source, order, subject) in enumerate(orders)
    ]
    people = [itself(1), {**itself(2), "person": 1}]
    for some in permutations(lines):
        history = History(order_lines=list(some), person_of=people)
        assert answers(shop, history, *ranked(ORDER, "channel")) == {"first": first, "last": last}


def test_of_the_commonest_values_the_least_is_taken(shop: Shop) -> None:
    lines = [order_line(n, 1, AS_OF - n * DAY, channel=channel) for n, channel in enumerate("bBaäbBaä")]
    often = Feature("often", ORDER, Aggregation("most_frequent"), "channel", unit="text")
    assert answers(shop, History(order_lines=lines, person_of=[itself(1)]), often) == {"often": "B"}


# what is missing, and what is another's


def test_what_is_missing_does_not_count(shop: Shop) -> None:
    values: tuple[tuple[int | None, int | None], ...] = ((None, None), (100, None), (None, 10), (300, 100))
    lines = [order_line(n, 1, AS_OF - n * DAY, a, discount=d, channel=None) for n, (a, d) in enumerate(values)]
    made: list[tuple[str, str | None, str, dict[str, Any]]] = [
        ("mean", "amount", "money", {}), ("min", "amount", "money", {}), ("last", "amount", "money", {}),
        ("days_since_last", None, "days", {}), ("distinct", "channel", "count", {}), ("sum", "gross", "money", {}),
        ("share", "discount", "share", {"over": "gross"}), ("first", "channel", "text", {}),
        ("mean", "gross", "number", {}),
    ]  # fmt: skip
    features: list[Declared] = [
        Feature(f"v{n}", on, Aggregation(kind, **more), value, unit=unit)
        for on in (ORDER, ORDER_LINE)
        for n, (kind, value, unit, more) in enumerate(made, len(made) * (on == ORDER))
    ]
    found = [200, 100, 100, 0.0, 0, 400, 0.25, None, 400.0]
    history = History(order_lines=lines, person_of=[itself(1)])
    assert [*answers(shop, history, *features).values()] == found * 2


def test_a_product_of_another_source_is_another_product(shop: Shop) -> None:
    usual = {"product_id": "p", "available_at": None, "import_id": 1}
    products = [{**usual, "source": source, "category": f"of {source}", "row": n} for n, source in enumerate("ab")]
    lines = [order_line(n, 1, AS_OF - n * DAY, source=source, product_id="p") for n, source in enumerate("abc")]
    history = History(order_lines=lines, products=products, person_of=[itself(1)])
    asked: list[Declared] = [
        Feature("last", ORDER_LINE, Aggregation("last"), "category", unit="text"),
        Feature("categories", ORDER_LINE, Aggregation("distinct"), "category", unit="count"),
        number(ORDER_LINE),
    ]
    assert answers(shop, history, *asked) == {"last": "of a", "categories": 2, "n": 3}


# halves of a cent


@pytest.mark.parametrize(
    ("amounts", "mean"),
    [
        ((1, 2), 2), ((2, 3), 3), ((0, 1), 1), ((4, 5), 5), ((-1, -2), -2), ((-2, -3), -3), ((0, -1), -1),
        ((-4, -5), -5), ((1, 1, 2), 1), ((1, 2, 2), 2), ((-1, -1, -2), -1), ((2**51, 2**51 + 1), 2**51 + 1),
    ],
)  # fmt: skip
def test_a_mean_of_money_is_rounded_half_away_from_zero(shop: Shop, amounts: tuple[int, ...], mean: int) -> None:
    lines = [order_line(n, 1, AS_OF - n * DAY, amount) for n, amount in enumerate(amounts)]
    features: list[Declared] = [
        Feature(f"m{number}", on, Aggregation("mean"), "amount", unit="money")
        for number, on in enumerate((ORDER, ORDER_LINE))
    ]
    spent, orders = (
        Feature("spent", ORDER, Aggregation("sum"), "amount", unit="money"), number(ORDER, name="orders")
    )  # fmt: skip
    features.append(Combination("ratio", "ratio", spent, orders, "money"))
    history = History(order_lines=lines, person_of=[itself(1)])
    assert answers(shop, history, *features) == {"m0": mean, "m1": mean, "ratio": mean}


@pytest.mark.parametrize(("amounts", "spread"), [((0, 0, 0, 5), 3), ((0, 0, 0, 9), 5), ((0, 0, 0, -5), 3)])
def test_a_spread_of_money_is_rounded_half_away_from_zero(shop: Shop, amounts: tuple[int, ...], spread: int) -> None:
    lines = [order_line(n, 1, AS_OF - (9 - n) * DAY, amount) for n, amount in enumerate(amounts)]
    std = Feature("std", ORDER, Aggregation("std"), "amount", unit="money")
    assert answers(shop, History(order_lines=lines, person_of=[itself(1)]), std) == {"std": spread}  # of 2.5 and 4.5
