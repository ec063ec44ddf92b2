"""The statement by example: owners, combinations, orders, price bands, decay, spread, large numbers, the dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from coterie.errors import DataError, MissingColumnError, ParameterError
from coterie.features import batch
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG
from coterie.features.combination import Combination
from coterie.features.feature import ORDER, ORDER_LINE, Feature, Window
from coterie.features.outcome import future_spend
from coterie.features.rule import Compare
from coterie.features.spine import Spine
from coterie.features.statement import statement
from coterie.store import sql
from coterie.store.warehouse import Warehouse
from oracles.definitions import FUTURE, POOL
from oracles.features import History
from oracles.histories import AS_OF, event, itself, order_line, spine

ZONE = "America/New_York"
Shop = Callable[[History], Warehouse]
LATER = AS_OF + timedelta(days=400)

CATEGORY = Feature("sold", ORDER_LINE, Aggregation("count"), unit="count", per="category")


def owned(per: str, **columns: list[Any]) -> pa.Table:
    """A spine of such owners at AS_OF."""
    rows = len(next(iter(columns.values())))
    return pa.table({**columns, "as_of": pa.array([AS_OF] * rows, pa.timestamp("us"))}).cast(batch.spine_schema(per))


def shelved() -> History:
    """Two people and a stranger, who buy and look at two products of one category and one of none."""
    day = datetime(2026, 3, 1)
    bought = [(1, "p1"), (1, "p1"), (2, "p2"), (None, "p1"), (2, "p3"), (1, None)]
    return History(
        order_lines=[order_line(n, subject, day, product_id=item) for n, (subject, item) in enumerate(bought)],  # type: ignore[arg-type]
        events=[event(n, 1, "Product Viewed", day, product_id=item) for n, item in enumerate(("p1", "p2", "p3", None))],
        products=[
            {"source": "shop", "product_id": item, "category": "tea", "brand": brand, "import_id": 1, "row": 1}
            for item, brand in (("p1", "a"), ("p2", "b"))
        ],
        person_of=[itself(1), itself(2)],
    )


def test_products_and_categories_have_features_of_everybody(shop: Shop) -> None:
    warehouse = shop(shelved())
    warehouse.attach("chosen", pa.table({"subject": pa.array([2], pa.int64())}))
    rows = owned("category", category=["tea", "coffee", "tea"])
    assert batch.table(warehouse, [CATEGORY], rows, timezone=ZONE)["sold"].to_pylist() == [4, 0, 4]
    chosen = batch.table(warehouse, [CATEGORY], rows, timezone=ZONE, among="chosen")
    assert chosen["sold"].to_pylist() == [1, 0, 1]
    views = Feature("views", "Product Viewed", Aggregation("count"), unit="count", per="product")
    shown = batch.table(
        warehouse, [views], owned("product", source=["shop", "till"], product_id=["p3", "p3"]), timezone=ZONE
    )
    assert shown.column_names == ["source", "product_id", "as_of", "views"]
    assert shown["views"].to_pylist() == [1, 0]


def test_pairs_have_the_persons_facts_about_the_other(shop: Shop) -> None:
    sold = replace(CATEGORY, per="person-category")
    brands = Feature("brands", "Event", Aggregation("distinct"), "brand", unit="count", per="person-category")
    rows = owned("person-category", person=[1, 2, 9], category=["tea", "tea", "tea"])
    answer = batch.table(shop(shelved()), [sold, brands], rows, timezone=ZONE)
    assert answer.select(["person", "category"]) == rows.select(["person", "category"])
    assert answer["sold"].to_pylist() == [2, 1, 0]
    assert answer["brands"].to_pylist() == [2, 0, 0]


def test_owners_are_not_mixed_up(shop: Shop) -> None:
    warehouse, rows = shop(shelved()), spine((1, AS_OF))
    with pytest.raises(ParameterError, match=r"owners must be one for all, got 'person \(orders\), category \(sold\)'"):
        batch.table(warehouse, [CATALOG["orders"], CATEGORY], rows, timezone=ZONE)
    with pytest.raises(MissingColumnError, match=r"features per category.*category"):
        batch.table(warehouse, [CATEGORY], rows, timezone=ZONE)
    with pytest.raises(MissingColumnError, match=r"features per person.*person"):
        batch.table(warehouse, [CATALOG["orders"]], owned("category", category=["tea"]), timezone=ZONE)
    with pytest.raises(DataError, match="rows without a category"):
        batch.table(warehouse, [CATEGORY], owned("category", category=["tea", None]), timezone=ZONE)
    wrong = pa.table({"person": ["Ann"], "as_of": rows["as_of"]})
    with pytest.raises(ParameterError, match="person int64"):
        batch.table(warehouse, [CATALOG["orders"]], wrong, timezone=ZONE)


@pytest.mark.parametrize(
    ("currency", "amount", "quantity", "band"),
    [
        ("EUR", 0, 1, "under 1"),
        ("EUR", 99, 1, "under 1"),
        ("EUR", 100, 1, "1 to 2"),
        ("EUR", 199, 2, "under 1"),
        ("EUR", 99_999, 1, "500 to 1000"),
        ("EUR", 100_000, 1, "1000 and more"),
        ("JPY", 100, 1, "100 to 200"),
        ("KWD", 100, 0.1, "1 to 2"),
        ("EUR", 100, 0, None),
        ("EUR", 100, -1, None),
        ("EUR", -100, 1, None),
        ("EUR", None, 1, None),
        ("EUR", 100, None, None),
    ],
)
def test_price_bands(shop: Shop, currency: str, amount: int | None, quantity: float | None, band: str | None) -> None:
    feature = Feature("band", ORDER_LINE, Aggregation("last"), "price_band", unit="text")
    line = order_line(1, 1, datetime(2026, 3, 1), amount, quantity=quantity, currency=currency)
    warehouse = shop(History(order_lines=[line], person_of=[itself(1)]))
    answer = batch.table(warehouse, [feature], spine((1, AS_OF)), timezone=ZONE, currency=currency)
    assert answer["band"].to_pylist() == [band]


def test_what_is_decayed_halves_with_every_half_life(shop: Shop) -> None:
    ages = (0, 10, 20)
    lines = [order_line(n, 1, AS_OF - timedelta(days=age), 800) for n, age in enumerate(ages)]
    features = [
        Feature("amounts", ORDER, Aggregation("decayed", half_life=10), "amount"),
        Feature("facts", ORDER, Aggregation("decayed", half_life=10)),
        Feature("recent", ORDER, Aggregation("decayed", half_life=10), window=Window(10)),
        Feature("none", "Product Viewed", Aggregation("decayed", half_life=10)),
    ]
    warehouse = shop(History(order_lines=lines, person_of=[itself(1)]))
    answer = batch.table(warehouse, features, spine((1, AS_OF)), timezone=ZONE).to_pylist()[0]
    assert [answer[name] for name in ("amounts", "facts", "recent", "none")] == [1400, 1.75, 1.5, None]


def test_spread_needs_two_facts(shop: Shop) -> None:
    lines = [order_line(n, 1, datetime(2026, 3, n), amount) for n, amount in ((1, 100), (2, 200), (3, None))]
    features = [
        Feature("variance", ORDER, Aggregation("variance"), "amount"),
        Feature("std", ORDER, Aggregation("std"), "amount", unit="money"),
        Feature("late", ORDER, Aggregation("std"), "amount", Window(30), where=Compare("amount", ">", 100)),
    ]
    warehouse = shop(History(order_lines=lines, person_of=[itself(1)]))
    answer = batch.table(warehouse, features, spine((1, AS_OF)), timezone=ZONE).to_pylist()[0]
    assert (answer["variance"], answer["std"], answer["late"]) == (5000, 71, None)  # 70.71, in whole minor units


def test_combinations_are_made_of_finished_values(shop: Shop) -> None:
    orders, spend = CATALOG["orders"], CATALOG["spend"]
    views = Feature("views", "Product Viewed", Aggregation("count"), unit="count")
    refunded = Feature("refunded", "Order Refunded", Aggregation("sum"), "amount", unit="money")
    features = [
        Combination("per_order", "ratio", spend, orders, "money"),
        Combination("per_order_exactly", "ratio", spend, orders, "number"),
        Combination("not_ordered", "remainder", orders, views),
        Combination("net", "difference", spend, refunded, "money"),
        Combination("refunds", "difference", refunded, spend, "money"),
        Combination("no_views", "ratio", orders, Feature("none", "Cart Viewed", Aggregation("count"), unit="count")),
        orders,
    ]
    huge = 2**53 + 1
    lines = [order_line(1, 1, datetime(2026, 3, 1), huge), order_line(2, 1, datetime(2026, 3, 2), 2)]
    seen = [event(n, 1, "Product Viewed", datetime(2026, 3, 1)) for n in range(8)]
    warehouse = shop(History(order_lines=lines, events=seen, person_of=[itself(1)]))
    answer = batch.table(warehouse, features, spine((1, AS_OF), (9, AS_OF)), timezone=ZONE)
    assert answer.schema == batch.schema(features)
    assert [list(row.values())[2:] for row in answer.to_pylist()] == [
        [2**52 + 2, 2.0**52 + 2, 0.75, huge + 2, None, None, 2],
        [None, None, None, None, None, None, 0],
    ]


def test_parts_of_several_features_are_computed_once() -> None:
    orders, spend = CATALOG["orders"], CATALOG["spend"]
    asked = [orders, Combination("a", "ratio", spend, orders, "money"), Combination("b", "remainder", orders, spend)]
    written = sql.render(statement(asked, Spine(AS_OF, AS_OF, ZONE)))
    assert written.count("SUM(") == 2  # of an order's lines, then of a person's orders


def test_orders_are_told_apart_by_subject_too(shop: Shop) -> None:
    moment = datetime(2026, 3, 1)
    lines = [
        order_line(n, subject, moment, 100 * subject, order_id="same", channel=f"of {subject}")
        for n, subject in enumerate((2, 1, 2))
    ]
    who = [itself(1), {**itself(2), "person": 1}]
    features = [
        CATALOG["orders"],
        CATALOG["spend"],
        Feature("first", ORDER, Aggregation("first"), "channel", unit="text"),
        Feature("final", ORDER, Aggregation("last"), "channel", unit="text"),
    ]
    answer = batch.table(shop(History(order_lines=lines, person_of=who)), features, spine((1, AS_OF)), timezone=ZONE)
    assert [answer[f.name][0].as_py() for f in features] == [2, 500, "of 1", "of 2"]


def test_an_outcome_does_not_depend_on_what_else_is_asked(shop: Shop) -> None:
    lines = [order_line(n, 1, AS_OF + timedelta(days=days), order_id="one") for n, days in enumerate((1, 20))]
    warehouse = shop(History(order_lines=lines, person_of=[itself(1)]))
    later = AS_OF + timedelta(days=15)
    answer = batch.table(
        warehouse, [future_spend(7), future_spend(30)], spine((1, AS_OF), (1, later)), timezone=ZONE, until=LATER
    )
    assert answer["future_spend_7d"].to_pylist() == [100, 0]
    assert answer["future_spend_30d"].to_pylist() == [200, 0]


def test_whole_numbers_stay_whole_up_to_64_bits(shop: Shop) -> None:
    total = Feature("total", ORDER, Aggregation("sum"), "amount", unit="money")
    for amounts in ((2**53, 1), (2**62, 2**62 - 1), (-(2**62), -(2**62))):
        lines = [order_line(n, 1, datetime(2026, 3, 1), amount) for n, amount in enumerate(amounts)]
        warehouse = shop(History(order_lines=lines, person_of=[itself(1)]))
        answer = batch.table(warehouse, [total], spine((1, AS_OF)), timezone=ZONE)
        assert answer["total"].to_pylist() == [sum(amounts)]
    lines = [order_line(n, 1, datetime(2026, 3, 1), 2**62) for n in range(2)]
    warehouse = shop(History(order_lines=lines, person_of=[itself(1)]))
    with pytest.raises(DataError, match="too large for 64 bits"):
        batch.table(warehouse, [total], spine((1, AS_OF)), timezone=ZONE)


def test_the_statement_keeps_to_the_dialect_and_is_written_for_spark() -> None:
    tree = statement([*CATALOG, *POOL[::40], *FUTURE], Spine(AS_OF, AS_OF, ZONE))
    written = sql.render(tree, "spark")
    assert "UNIX_MICROS" in written
    assert "EPOCH_US" not in written
