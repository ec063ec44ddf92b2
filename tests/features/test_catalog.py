"""The catalogue says what it means, says what it cannot compute, and its reference page is current."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from coterie.errors import ParameterError
from coterie.features.catalog import CATALOG, OUTCOMES, available, trait
from coterie.features.feature import Feature
from coterie.store.warehouse import Warehouse
from oracles.features import History
from oracles.histories import itself, order_line

DOCS = Path(__file__).parents[2] / "docs"
PROMISED = """recency_days tenure_days orders orders_7d orders_30d orders_90d orders_365d
spend spend_7d spend_30d spend_90d spend_365d basket_value basket_lines gap_mean_days gap_std_days
discount_share discount_share_90d products categories
category_entropy top_category top_category_share weekend_share morning_share evening_share night_share active_days
active_days_90d product_views_30d cart_adds_30d searches_30d email_opens_90d email_clicks_90d campaigns_365d
coupons_365d"""


def test_the_promised_features_are_there() -> None:
    assert set(PROMISED.split()) <= set(CATALOG.names)
    assert len(set(CATALOG.names)) == len(CATALOG)
    assert [make(90).name for make in OUTCOMES] == ["future_spend_90d", "churned_90d", "future_orders_90d"]


@pytest.mark.parametrize("feature", CATALOG, ids=lambda feature: feature.name)
def test_a_feature_speaks_to_people(feature: Feature) -> None:
    assert feature.title
    assert feature.meaning.endswith(".")


def test_features_are_found_by_name() -> None:
    assert CATALOG["spend"].name == "spend"
    assert CATALOG[0] in CATALOG
    assert "spent" not in CATALOG
    with pytest.raises(ParameterError, match="spent"):
        CATALOG["spent"]


def test_what_cannot_be_computed_is_named_with_what_would_bring_it(shop: Callable[[History], Warehouse]) -> None:
    moment = datetime(2026, 1, 1)
    product = {"source": "shop", "product_id": "p", "category": "c", "import_id": 1, "row": 1}
    age = {"source": "shop", "subject": 1, "trait": "age", "value": "40", "import_id": 1, "row": 1}
    history = History(
        order_lines=[order_line(1, 1, moment, product_id="p")], products=[product], traits=[age], person_of=[itself(1)]
    )
    missing = available(shop(history), [*CATALOG, trait("shoe_size")])
    assert missing["product_views_30d"] == "no Product Viewed in events: map a source that has them"
    assert missing["refunded_lines_365d"] == "no Order Refunded in order_lines: map a source that has them"
    assert missing["shoe_size"] == "no trait shoe_size: map it as a trait of the source"
    assert missing["private_label_share"] == "no product has brand: map it from the product catalogue"
    assert missing["places"] == "no order line has place: map it, if the source has it"
    assert not {"spend", "age", "top_category", "products"} & missing.keys()


def test_a_shop_of_order_totals_has_no_features_of_products(shop: Callable[[History], Warehouse]) -> None:
    total = order_line(1, 1, datetime(2026, 1, 1), product_id=None, discount=None)
    missing = available(shop(History(order_lines=[total], person_of=[itself(1)])), CATALOG)
    assert missing["discount_share"] == "no order line has discount: map it, if the source has it"
    assert missing["products"] == "no order line has product_id: map it, if the source has it"
    assert not {"spend", "basket_lines", "orders"} & missing.keys()


def test_the_reference_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("features_page", DOCS / "features_page.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.PAGE.read_text("utf-8") == writer.page(), "run python docs/features_page.py"
