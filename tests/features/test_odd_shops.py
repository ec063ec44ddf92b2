"""Shops with almost nothing in them: what can be built is built and right, what cannot is named, nothing fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from coterie.features import batch
from coterie.features.availability import available
from coterie.features.catalog import CATALOG, CATALOGS
from coterie.features.combination import Combination
from coterie.schema import TIME
from coterie.store.warehouse import Warehouse
from oracles import features as naive
from oracles.features import History
from oracles.histories import event, itself, order_line, spine

Shop = Callable[[History], Warehouse]
AS_OF = datetime(2026, 3, 31, 15, 20, 30)
ZONE = "Europe/Berlin"
UNDATED = {"occurred_at": None, "available_at": None, "source": "shop", "import_id": 1, "row": 1}
AGE = {**UNDATED, "subject": 1, "trait": "age", "value": "40"}
PRODUCT = {**UNDATED, "product_id": "p", "department": "d", "category": "c", "subcategory": "s", "brand": "b"}
PEOPLE = [itself(1), itself(2)]  # nothing is known of the second


def at(days: float) -> datetime:
    return AS_OF - timedelta(days=days)


SHOPS = {
    "nothing": History(person_of=PEOPLE),
    "one trait": History(traits=[AGE], person_of=PEOPLE),
    "one view": History(events=[event(1, 1, "Product Viewed", at(1), product_id="p")], person_of=PEOPLE),
    "one order": History(
        order_lines=[order_line(1, 1, at(3), 500, product_id="p")], products=[PRODUCT], person_of=PEOPLE
    ),
    "one category": History(
        order_lines=[order_line(n, 1, at(40 - n), 100, product_id="p") for n in range(7)],
        products=[PRODUCT],
        person_of=PEOPLE,
    ),
    "refunds alone": History(
        order_lines=[order_line(n, 1, at(n), 100, kind="Order Refunded", product_id="p") for n in range(3)],
        products=[PRODUCT],
        person_of=PEOPLE,
    ),
    "free of charge": History(order_lines=[order_line(n, 1, at(n), 0) for n in range(3)], person_of=PEOPLE),
    "no amounts": History(
        order_lines=[order_line(n, 1, at(n), None, discount=None, quantity=None) for n in range(3)], person_of=PEOPLE
    ),
    "all at once": History(order_lines=[order_line(n, 1, at(2), 100) for n in range(4)], person_of=PEOPLE),
    "all of the future": History(
        order_lines=[order_line(1, 1, at(-3), 100)], events=[event(1, 1, "Email Opened", at(-1))], person_of=PEOPLE
    ),
}


def built(warehouse: Warehouse) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Both people's features that the shop has facts for, and why not the others."""
    missing = available(warehouse, CATALOG)
    chosen = [feature for feature in CATALOG if feature.name not in missing]
    if not chosen:
        return [], missing
    return batch.table(warehouse, chosen, spine((1, AS_OF), (2, AS_OF)), timezone=ZONE).to_pylist(), missing


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOPS)
def test_every_feature_of_an_odd_shop_equals_the_naive_twin(name: str, shop: Shop) -> None:
    history = SHOPS[name]
    warehouse = shop(history)
    rows = batch.table(warehouse, list(CATALOG), spine((1, AS_OF), (2, AS_OF)), timezone=ZONE).to_pylist()
    for row in rows:
        for feature in CATALOG:
            want = naive.value(feature, history, row["person"], AS_OF, ZONE)
            near = pytest.approx(want, rel=1e-9, abs=1e-9) if isinstance(want, float) else want
            assert row[feature.name] == near, (feature.name, row["person"])


@pytest.mark.parametrize("name", SHOPS)
def test_of_whom_nothing_is_known_counts_are_0_and_all_else_is_missing(name: str, shop: Shop) -> None:
    rows, missing = built(shop(SHOPS[name]))
    assert rows or len(missing) == len(CATALOG)
    for row in rows:
        if row["person"] == 2:
            for feature in CATALOG:
                if feature.name in row:
                    assert row[feature.name] == feature.empty, feature.name
                    assert feature.empty is None or not isinstance(feature, Combination)


def test_one_order_has_a_value_and_neither_a_gap_nor_a_spread(shop: Shop) -> None:
    [row, _], _ = built(shop(SHOPS["one order"]))
    assert (row["orders"], row["spend"], row["basket_value"], row["first_order_value"]) == (1, 500, 500, 500)
    assert row["recency_days"] == row["tenure_days"] == 3.0
    none = ("gap_mean_days", "gap_std_days", "gap_variation", "overdue_ratio", "basket_value_std")
    assert [row[name] for name in none] == [None] * 5
    assert (row["repeat_share"], row["category_entropy"], row["top_category_share"]) == (0.0, 0.0, 1.0)
    assert (row["discount_share"], row["unit_price"], row["top_price_band"]) == (0.0, 500, "5 to 10")
    assert (row["web_share"], row["channels"], row["weekend_share"]) == (1.0, 1, 1.0)


def test_of_one_category_there_is_no_variety(shop: Shop) -> None:
    [row, _], _ = built(shop(SHOPS["one category"]))
    assert (row["categories"], row["category_entropy"], row["top_category_share"]) == (1, 0.0, 1.0)
    assert row["repeat_share"] == 1 - 1 / 7
    assert (row["basket_value_std"], row["basket_value_variation"], row["gap_std_days"]) == (0, 0.0, 0.0)


def test_who_only_sent_back_has_refunds_and_no_net_spend(shop: Shop) -> None:
    [row, _], missing = built(shop(SHOPS["refunds alone"]))
    assert (row["refunded_lines"], row["refunded_amount"]) == (3, 300)
    assert missing["net_spend"] == "no Order Completed in order_lines: map a source that has them"
    assert "refunded_lines_share" in missing
    history = SHOPS["refunds alone"]
    both = History(order_lines=[*history.order_lines, order_line(9, 2, at(1), 70)], person_of=PEOPLE)
    [first, second], _ = built(shop(both))
    assert (first["net_spend"], first["refunded_share"], first["refunded_lines_share"]) == (None, None, None)
    assert (second["net_spend"], second["refunded_share"], second["refunded_lines_share"]) == (70, 0.0, 0.0)


def test_what_is_free_has_no_shares_of_nothing(shop: Shop) -> None:
    [row, _], _ = built(shop(SHOPS["free of charge"]))
    assert (row["spend"], row["discount_share"], row["basket_value_variation"]) == (0, None, None)
    assert (row["unit_price"], row["top_price_band"]) == (0, "under 1")


def test_orders_at_one_moment_have_a_gap_of_nothing_and_nobody_is_overdue(shop: Shop) -> None:
    [row, _], _ = built(shop(SHOPS["all at once"]))
    assert (row["gap_mean_days"], row["gap_std_days"]) == (0.0, 0.0)
    assert (row["gap_variation"], row["overdue_ratio"]) == (None, None)


def test_a_shop_of_views_alone_has_engagement_and_no_rates_of_orders(shop: Shop) -> None:
    [row, _], missing = built(shop(SHOPS["one view"]))
    assert (row["product_views_7d"], row["site_days_7d"], row["site_recency_days"]) == (1, 1, 1.0)
    assert row["decayed_product_views"] == pytest.approx(2 ** (-1 / 7), rel=1e-12)
    assert {"conversion_90d", "cart_abandonment_90d", "spend", "cart_rate_90d"} <= missing.keys()


@pytest.mark.parametrize("per", ["product", "category", "person-product", "person-brand"])
@pytest.mark.parametrize("name", ["one view", "one order", "refunds alone"])
def test_features_of_goods_in_odd_shops_equal_the_naive_twin(per: str, name: str, shop: Shop) -> None:
    history = SHOPS[name]
    warehouse = shop(history)
    owner = {"source": "shop", "product_id": "p", "category": "c", "department": "d", "brand": "b", "subcategory": "s"}
    catalog = CATALOGS[per]
    names = catalog[0].owner
    key = {column: 1 if column == "person" else owner[column] for column in names}
    asked = pa.table({**{column: [value] for column, value in key.items()}, "as_of": pa.array([AS_OF], TIME)})
    [row] = batch.table(warehouse, list(catalog), asked, timezone=ZONE).to_pylist()
    for feature in catalog:
        want = naive.value(feature, history, tuple(key.values()), AS_OF, ZONE)
        near = pytest.approx(want, rel=1e-9, abs=1e-9) if isinstance(want, float) else want
        assert row[feature.name] == near, feature.name
