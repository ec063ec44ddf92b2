"""A shop's own features: what ``features.toml`` says is what is declared, and its mistakes are told."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import ConfigError
from coterie.features import batch
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG, trait
from coterie.features.combination import Combination
from coterie.features.definitions import Definitions, load, parse
from coterie.features.feature import Feature, Window
from coterie.features.outcome import Outcome
from coterie.features.rule import Compare, In
from coterie.store.warehouse import Warehouse
from oracles.features import History
from oracles.histories import event, itself, order_line, spine

FILE = """
[features.web_orders]
on = "Order Completed"
aggregation = "count"
window = 30
where = { channel = "web" }

[features.beauty_share]
on = "Order Line"
aggregation = "share"
value = "amount"
of = { category = ["skin", "hair"] }
title = "Beauty"
meaning = "Share of spend on beauty."

[features.fading_views]
on = "Product Viewed"
aggregation = "decayed"
half_life = 3.5

[features.views_of_brand]
on = "Event"
aggregation = "count"
where = { kind = "Product Viewed" }
per = "person-brand"

[combinations.web_share_of_all]
ratio = ["web_orders", "orders_30d"]

[combinations.spend_change]
difference = ["spend_30d", "spend_90d"]

[outcomes.buys_skin]
on = "Order Line"
aggregation = "count"
window = 30
where = { category = "skin" }
otherwise = 0

[traits]
shoe_size = "Shoes"
"""


def test_what_is_written_is_what_is_declared() -> None:
    own = parse(tomllib.loads(FILE))
    web = Feature(
        "web_orders", "Order Completed", Aggregation("count"), window=Window(30), where=Compare("channel", "=", "web"),
        unit="count", title="Web orders", meaning="Count: Order Completed where channel is “web”, 30 days.",
    )  # fmt: skip
    assert own.features["web_orders"] == web
    assert own.features["beauty_share"] == Feature(
        "beauty_share", "Order Line", Aggregation("share", of=In("category", ("skin", "hair"))), "amount", unit="share",
        title="Beauty", meaning="Share of spend on beauty.",
    )  # fmt: skip
    assert own.features["fading_views"].fingerprint == (
        Feature("x", "Product Viewed", Aggregation("decayed", half_life=3.5)).fingerprint
    )
    assert own.features["shoe_size"] == trait("shoe_size", "Shoes")
    orders, before = CATALOG["orders_30d"], CATALOG["spend_90d"]
    assert isinstance(orders, Feature)
    made = own.features["web_share_of_all"]
    assert made == Combination(
        "web_share_of_all", "ratio", web, orders, "share", "Web share of all", "Web_orders over orders_30d."
    )
    change = own.features["spend_change"]
    assert isinstance(change, Combination)
    assert (change.unit, change.right) == ("money", before)
    assert [feature.name for feature in own.of("person-brand")] == ["views_of_brand"]
    [outcome] = own.outcomes
    assert isinstance(outcome, Outcome)
    assert (outcome.otherwise, outcome.window.days, outcome.unit) == (0, 30, "count")


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats())
WORDS = st.sampled_from(("", "web", "Order Line", "orders", "\0"))
NESTED = st.sampled_from(([], {}, [[]], [{"x": []}], {"not": {}}, {"any": [{}]}))
JUNK = st.one_of(PLAIN, WORDS, NESTED.map(deepcopy))


def leaves(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places in nested tables and lists, each as the keys that lead there."""
    pairs = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [*([path] if path else []), *(place for key, value in pairs for place in leaves(value, (*path, key)))]


@given(st.data())
def test_whatever_stands_in_the_file_is_read_or_refused_with_its_place(data: st.DataObject) -> None:
    body = tomllib.loads(FILE)
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(leaves(body)))
        inner: Any = body
        for key in way:
            inner = inner[key]
        inner[last] = data.draw(JUNK)
    try:
        own = parse(body, "here.toml")
    except ConfigError as error:
        told = error.message
    else:
        told = "here.toml: nothing is wrong"
        assert Definitions.from_json(json.loads(json.dumps(own.to_json()))) == own
    assert told.startswith("here.toml: ")


def test_definitions_come_back_from_json() -> None:
    own = parse(tomllib.loads(FILE))
    back = Definitions.from_json(json.loads(json.dumps(own.to_json())))
    assert back == own
    assert [one.fingerprint for one in back.features] == [one.fingerprint for one in own.features]
    assert [type(one) for one in back.features] == [type(one) for one in own.features]


def test_own_features_are_computed_as_the_catalogue_s(shop: Callable[[History], Warehouse]) -> None:
    own = parse(tomllib.loads(FILE))
    moment = datetime(2026, 3, 20)
    history = History(
        order_lines=[
            order_line(1, 1, moment, 300, channel="web", product_id="p"),
            order_line(2, 1, moment, 100, channel="store", product_id="q"),
            order_line(3, 1, datetime(2026, 1, 1), 100, channel="web"),
        ],
        events=[event(1, 1, "Product Viewed", datetime(2026, 3, 24, 12), product_id="p")],
        products=[
            {"source": "shop", "product_id": "p", "category": "skin", "brand": "b", "import_id": 1, "row": 1},
            {"source": "shop", "product_id": "q", "category": "tea", "brand": "c", "import_id": 1, "row": 2},
        ],
        person_of=[itself(1)],
    )
    asked = [one for one in own.of("person") if one.name != "shoe_size"]
    [row] = batch.table(shop(history), asked, spine((1, datetime(2026, 3, 28))), timezone="UTC").to_pylist()
    assert row["web_orders"] == 1
    assert row["beauty_share"] == 0.6
    assert row["fading_views"] == 0.5
    assert row["web_share_of_all"] == 0.5
    assert row["spend_change"] == -100


def test_a_file_that_is_not_there_declares_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "features.toml") == Definitions()


COUNT = 'on = "Order Completed"\naggregation = "count"\n'


@pytest.mark.parametrize(
    ("written", "told", "hint"),
    [
        ("[feature.x]\n", "unknown table 'feature'; allowed are features, comb", "did you mean features"),
        ("features = 3\n", "features must be a table", None),
        ("traits = ['x']\n", "traits must be a table", None),
        ("[features]\nx = 3\n", "[features.x]: it must be a table", None),
        ("[features.x]\n", "[features.x]: on is missing", "Order Completed"),
        ('[features.x]\non = "Order Line"\n', "aggregation is missing", "count"),
        (f"[features.x]\n{COUNT}windw = 3\n", "unknown key 'windw'; allowed are on,", "did you mean window"),
        ('[features.x]\non = "Order Lines"\naggregation = "count"\n', "on must be one of", "mean Order Line?"),
        ('[features.x]\non = "Order Line"\naggregation = "summ"\n', "aggregation must be one of", "mean sum"),
        (
            '[features.x]\non = "Order Line"\naggregation = "sum"\nvalue = "amonut"\n',
            "value must be one of amount,",
            "mean amount",
        ),
        ('[features.x]\non = "Order Line"\naggregation = "sum"\n', "value must be the name of a column", None),
        (f'[features.x]\n{COUNT}where = {{ chanel = "web" }}\n', "no column 'chanel'", "mean channel"),
        (f'[features.x]\n{COUNT}where = {{ category = "bread" }}\n', "no column 'category'", 'on = "Order Line"'),
        ('[combinations.x]\ndifference = ["spend", "orders"]\n', "money for money less count", None),
        (f"[features.x]\n{COUNT}window = 0\n", "days must be a number above 0", None),
        (f'[features.x]\n{COUNT}window = "30"\n', "days must be a number above 0", None),
        (f'[features.x]\n{COUNT}unit = "money"\n', "unit must be one of count", None),
        (f'[features.x]\n{COUNT}per = "people"\n', "per must be one of person", None),
        (f'[features.x]\n{COUNT}per = "brand"\n', "per must be something that Order Completed tells", None),
        (f"[features.x]\n{COUNT}title = 3\n", "title must be text", None),
        (f"[features.Big-Orders]\n{COUNT}", "name must be snake case", None),
        (f"[features.orders_30d]\n{COUNT}", "the name of a feature of the catalogue", "own_orders_30d"),
        (f"[features.churned_50d]\n{COUNT}", "the name of a feature of the catalogue", "own_churned_50d"),
        ('[traits]\nage = "Age"\n', "[traits.age] has the name of a feature of the catalogue", None),
        ("[traits]\nshoes = 3\n", "[traits.shoes]: it must be the trait's title", None),
        (f'[features.x]\n{COUNT}\n[traits]\nx = "X"\n', "that stands in this file twice", None),
        ('[combinations.x]\nunit = "share"\n', "exactly one of ratio, remainder, difference", 'ratio = ["'),
        ('[combinations.x]\nratio = ["orders"]\n', "must be a list of the names of two", None),
        ('[combinations.x]\nratio = ["orders", "order"]\n', "'order' is no feature of person", "mean orders"),
        ('[combinations.x]\nratio = ["orders", "net_spend"]\n', "'net_spend' is itself made of two", None),
        ('[combinations.x]\nratio = ["top_category", "orders"]\n', "which is text", None),
        ('[combinations.x]\nratio = ["orders", "spend"]\nper = "shop"\n', "per must be one of", None),
        (f"[outcomes.x]\n{COUNT}", "window is missing", "window = 90"),
        (f"[outcomes.x]\n{COUNT}window = 3\notherwise = 'no'\n", "otherwise must be a whole number", None),
        (f"[features.x]\n{COUNT}\n[outcomes.x]\n{COUNT}window = 3\n", "[outcomes.x] has the name of a feature", None),
        ("[features.x\n", "Cannot read", "TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(written: str, told: str, hint: str | None, tmp_path: Path) -> None:
    file = tmp_path / "features.toml"
    file.write_text(written, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert told in raised.value.message
    assert str(file) in raised.value.message
    assert hint is None or hint in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ('ratio = ["spend", "orders"]', "money"),
        ('ratio = ["spend_90d", "spend"]', "share"),
        ('remainder = ["products", "orders"]', "share"),
        ('ratio = ["orders", "tenure_days"]', "number"),
        ('difference = ["tenure_days", "recency_days"]', "days"),
    ],
)
def test_a_combination_has_the_unit_of_what_it_is_made_of(written: str, unit: str) -> None:
    assert parse(tomllib.loads(f"[combinations.x]\n{written}\n")).features["x"].unit == unit
