"""The catalogue says what it means, and its reference page is current."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from coterie.errors import ParameterError
from coterie.features.catalog import CATALOG, CATALOGS, OUTCOMES
from coterie.features.combination import Combination, Declared
from coterie.features.feature import OWNERS

DOCS = Path(__file__).parents[2] / "docs"
PROMISED = """recency_days tenure_days orders orders_7d orders_30d orders_90d orders_365d
spend spend_7d spend_30d spend_90d spend_365d basket_value basket_lines gap_mean_days gap_std_days
discount_share discount_share_90d products categories
category_entropy top_category top_category_share weekend_share morning_share evening_share night_share active_days
active_days_90d product_views_30d cart_adds_30d searches_30d email_opens_90d email_clicks_90d campaigns_365d
coupons_365d"""

WINDOWED = [name for name in CATALOG.names if re.search(r"_\d+d$", name)]


def test_the_promised_features_are_there() -> None:
    assert set(PROMISED.split()) <= set(CATALOG.names)
    assert len(set(CATALOG.names)) == len(CATALOG)
    names = ["future_spend", "churned", "future_orders", "future_category", "next_category", "future_responses"]
    assert [make(90).name for make in OUTCOMES] == [f"{name}_90d" for name in names]


@pytest.mark.parametrize("feature", CATALOG, ids=lambda feature: feature.name)
def test_a_feature_speaks_to_people(feature: Declared) -> None:
    assert feature.title
    assert feature.meaning.endswith(".")


def test_features_are_found_by_name() -> None:
    assert CATALOG["spend"].name == "spend"
    assert CATALOG[0] in CATALOG
    assert "spent" not in CATALOG
    with pytest.raises(ParameterError, match="spent"):
        CATALOG["spent"]


@pytest.mark.parametrize("per", CATALOGS)
def test_features_of_one_owner_have_names_of_their_own_and_meanings_of_their_own(per: str) -> None:
    catalog = CATALOGS[per]
    assert len(set(catalog.names)) == len(catalog) > 20
    assert {feature.per for feature in catalog} == {per}
    assert len({feature.fingerprint for feature in catalog}) == len(catalog), "two names for the same number"
    assert len({feature.title for feature in catalog}) == len(catalog)
    assert all(feature.title and feature.meaning.endswith(".") for feature in catalog)


def test_every_owner_has_a_catalogue() -> None:
    assert CATALOGS.keys() == OWNERS.keys()
    assert CATALOGS["person"] is CATALOG


@pytest.mark.parametrize("feature", CATALOG, ids=lambda feature: feature.name)
def test_a_feature_comes_back_from_json(feature: Declared) -> None:
    assert type(feature).from_json(json.loads(json.dumps(feature.to_json()))) == feature


@pytest.mark.parametrize("name", WINDOWED)
def test_a_window_is_in_the_name(name: str) -> None:
    feature = CATALOG[name]
    parts = feature.parts if isinstance(feature, Combination) else (feature,)
    assert {part.window.days for part in parts} == {int(name.rpartition("_")[2].removesuffix("d"))}


def test_the_reference_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("features_page", DOCS / "features_page.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert writer.PAGE.read_text("utf-8") == writer.page(), "run python docs/features_page.py"
