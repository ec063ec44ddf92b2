"""What a shop has the facts for: what cannot be built is named with what would bring it, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlglot import exp

from coterie.features import batch
from coterie.features.aggregation import Aggregation
from coterie.features.availability import available
from coterie.features.catalog import CATALOG, CATALOGS, trait
from coterie.features.feature import Feature
from coterie.features.rule import Compare
from coterie.schema import Kind
from coterie.store.warehouse import Warehouse
from oracles.features import History
from oracles.histories import event, itself, order_line, spine

MOMENT = datetime(2026, 1, 1)
PRODUCT = {"source": "shop", "product_id": "p", "category": "c", "import_id": 1, "row": 1}
AGE = {"source": "shop", "subject": 1, "trait": "age", "value": "40", "import_id": 1, "row": 1}
Shop = Callable[[History], Warehouse]


def test_what_cannot_be_computed_is_named_with_what_would_bring_it(shop: Shop) -> None:
    history = History(
        order_lines=[order_line(1, 1, MOMENT, product_id="p")], products=[PRODUCT], traits=[AGE], person_of=[itself(1)]
    )
    missing = available(shop(history), [*CATALOG, trait("shoe_size")])
    assert missing["product_views_30d"] == "no Product Viewed in events: map a source that has them"
    assert missing["refunded_lines_365d"] == "no Order Refunded in order_lines: map a source that has them"
    assert missing["shoe_size"] == "no trait shoe_size: map it as a trait of the source"
    assert missing["private_label_share"] == "no product has brand: map it from the product catalogue"
    assert missing["places"] == "no order line has place: map it, if the source has it"
    assert not {"spend", "age", "top_category", "products", "web_share", "unit_price"} & missing.keys()


def test_a_shop_of_order_totals_has_no_features_of_products(shop: Shop) -> None:
    total = order_line(1, 1, MOMENT, product_id=None, discount=None)
    missing = available(shop(History(order_lines=[total], person_of=[itself(1)])), CATALOG)
    assert missing["discount_share"] == "no order line has discount: map it, if the source has it"
    assert missing["products"] == "no order line has product_id: map it, if the source has it"
    assert missing["top_category"] == "no order line has product_id: map it, if the source has it"
    assert not {"spend", "basket_lines", "orders"} & missing.keys()


def test_a_share_of_a_channel_that_never_occurs_would_be_no_news(shop: Shop) -> None:
    lines = [order_line(1, 1, MOMENT), order_line(2, 1, MOMENT, channel="phone", kind="Order Refunded")]
    missing = available(shop(History(order_lines=lines, person_of=[itself(1)])), CATALOG)
    assert missing["phone_share"] == "no order has the channel “phone”: map it, if the source has it"
    assert "web_share" not in missing
    assert "online_orders_90d" not in missing  # one of its two channels is enough


def test_features_of_events_need_one_of_their_kinds(shop: Shop) -> None:
    history = History(events=[event(1, 1, "Email Opened", MOMENT)], person_of=[itself(1)])
    missing = available(shop(history), CATALOG)
    assert missing["site_days_30d"] == (
        "no Cart Viewed, Checkout Started, Checkout Step Completed or 14 others in events: map a source that has them"
    )
    assert "email_opens_30d" not in missing
    history.events.append(event(2, 1, "Signed In", MOMENT))
    assert "site_days_30d" not in available(shop(history), CATALOG)


def test_a_combination_needs_both_parts_and_says_what_each_lacks(shop: Shop) -> None:
    history = History(events=[event(1, 1, "Product Added", MOMENT)], person_of=[itself(1)])
    rate = available(shop(history), [CATALOG["cart_rate_90d"], CATALOG["conversion_90d"]])
    assert rate == {
        "cart_rate_90d": "no Product Viewed in events: map a source that has them",
        "conversion_90d": "no Order Completed in order_lines: map a source that has them",
    }
    neither = available(shop(History(person_of=[itself(1)])), [CATALOG["net_spend"]])
    assert neither == {
        "net_spend": "no Order Completed in order_lines: map a source that has them; "
        "no Order Refunded in order_lines: map a source that has them"
    }


def test_a_rate_of_campaigns_needs_their_ids(shop: Shop) -> None:
    mails = [event(1, 1, "Email Delivered", MOMENT, campaign_id="k"), event(2, 1, "Email Opened", MOMENT)]
    missing = available(shop(History(events=mails, person_of=[itself(1)])), CATALOG)
    assert missing["email_open_rate"] == "no Email Opened has campaign_id: map it, if the source has it"
    assert "emails" not in missing


def test_facts_find_the_products_of_their_own_source_alone(shop: Shop) -> None:
    history = History(
        order_lines=[order_line(1, 1, MOMENT, product_id="p")],
        products=[{**PRODUCT, "source": "warehouse"}],
        person_of=[itself(1)],
    )
    missing = available(shop(history), [CATALOG["top_category"], CATALOG["products"]])
    assert missing == {
        "top_category": "no product of the source shop has category: map products under that source",
    }


def test_features_about_products_and_pairs_need_what_names_their_owner(shop: Shop) -> None:
    total = order_line(1, 1, MOMENT, product_id=None)
    warehouse = shop(History(order_lines=[total], person_of=[itself(1)]))
    assert set(available(warehouse, CATALOGS["category"])) == set(CATALOGS["category"].names)
    assert set(available(warehouse, CATALOGS["person-product"])) == set(CATALOGS["person-product"].names)
    history = History(order_lines=[order_line(1, 1, MOMENT, product_id="p")], products=[PRODUCT], person_of=[itself(1)])
    assert "revenue" not in available(shop(history), CATALOGS["category"])
    assert "revenue" in available(shop(history), CATALOGS["brand"])
    assert "spend_90d" not in available(shop(history), CATALOGS["person-category"])


def test_a_text_in_words_that_no_engine_reads_as_its_own_is_asked_for_as_it_stands(shop: Shop) -> None:
    odd = 'it\'s "web"; --'
    feature = Feature("x", "Order Completed", Aggregation("count"), where=Compare("channel", "=", odd), unit="count")
    history = History(order_lines=[order_line(1, 1, MOMENT, channel=odd)], person_of=[itself(1)])
    assert available(shop(history), [feature]) == {}


def test_every_table_is_read_once(shop: Shop) -> None:
    class Counting:
        dialect = "duckdb"

        def __init__(self, warehouse: Warehouse) -> None:
            self.warehouse, self.asked = warehouse, list[str]()

        def query(self, tree: exp.Expr) -> pa.Table:
            self.asked += [table.name for table in tree.find_all(exp.Table)]
            return self.warehouse.query(tree)

    engine: Any = Counting(shop(History(order_lines=[order_line(1, 1, MOMENT)], person_of=[itself(1)])))
    available(engine, [*CATALOG])
    assert sorted(engine.asked) == ["events", "order_lines", "products", "traits"]


def test_what_is_named_as_missing_says_nothing_about_anybody_and_the_rest_does(shop: Shop) -> None:
    """In a shop with a fact of every kind nothing is missing, and every feature that is built has a value."""
    lines = [
        order_line(n, 1, MOMENT, 300 + n, channel=channel, place="s", product_id="p", discount=1, quantity=2.0)
        for n, channel in enumerate(("web", "store", "app", "phone"))
    ]
    lines = [
        *[{**line, "occurred_at": MOMENT.replace(day=1 + n), "available_at": MOMENT} for n, line in enumerate(lines)],
        order_line(8, 1, MOMENT, kind="Order Refunded", product_id="p"),
        order_line(9, 1, MOMENT, kind="Order Cancelled", product_id="p"),
    ]
    kinds = [kind.value for kind in Kind if kind.value not in {line["kind"] for line in lines}]
    events = [event(n, 1, kind, MOMENT, product_id="p", campaign_id="k") for n, kind in enumerate(kinds)]
    whole = {**PRODUCT, "department": "d", "subcategory": "s", "brand": "Private"}
    asked = sorted({value for feature in CATALOG if isinstance(feature, Feature) and feature.on == "Trait"
                    for _, value in (feature.where.comparisons if feature.where else ())}, key=str)  # fmt: skip
    traits = [{**AGE, "trait": name, "row": n} for n, name in enumerate(asked)]
    history = History(order_lines=lines, events=events, products=[whole], traits=traits, person_of=[itself(1)])
    warehouse = shop(history)
    for per, catalog in CATALOGS.items():
        assert available(warehouse, catalog) == {}, per
    [row] = batch.table(warehouse, list(CATALOG), spine((1, MOMENT.replace(day=5))), timezone="UTC").to_pylist()
    assert [name for name, value in row.items() if value is None] == []
