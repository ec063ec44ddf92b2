"""A shop's own features: listed, built, taken along; and a mistake in their file stops nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import coterie
from coterie import Workspace
from coterie.errors import ConfigError, ParameterError
from coterie.features.catalog import CATALOG, CATALOGS

OWN = """
[features.store_spend_400d]
on = "Order Completed"
aggregation = "sum"
value = "amount"
window = 400
where = { channel = "store" }

[features.app_orders]
on = "Order Completed"
aggregation = "count"
where = { channel = "app" }

[features.k1_lines]
on = "Order Line"
aggregation = "count"
where = { category = "k1" }

[features.stock_turn]
on = "Order Line"
aggregation = "sum"
value = "quantity"
per = "product"

[combinations.k1_share]
ratio = ["k1_lines", "orders"]
unit = "number"

[outcomes.big_order_30d]
on = "Order Completed"
aggregation = "count"
window = 30
where = { amount = ">= 5000" }
"""
BROKEN = "[features.x]\non = 'nothing'\n"


def open_shop(folder: Path) -> Workspace:
    return coterie.open(folder)


@pytest.fixture
def folder(taken_in: Path, tmp_path: Path, keys: Path) -> Path:
    """A shop's folder, with features of its own."""
    shutil.copytree(taken_in, tmp_path, dirs_exist_ok=True)
    (tmp_path / "shop" / "features.toml").write_text(OWN, "utf-8")
    return tmp_path / "shop"


@pytest.fixture
def shop(folder: Path) -> Iterator[Workspace]:
    with open_shop(folder) as opened:
        yield opened


def test_own_features_are_listed_behind_the_catalogue_s(shop: Workspace) -> None:
    entries = shop.features()
    assert [entry.feature.name for entry in entries] == [
        *CATALOG.names, "store_spend_400d", "app_orders", "k1_lines", "k1_share",
    ]  # fmt: skip
    assert [entry.own for entry in entries] == [False] * len(CATALOG) + [True] * 4
    told = {entry.feature.name: entry.missing for entry in entries}
    assert told["app_orders"] == "no order has the channel “app”: map it, if the source has it"
    assert told["emails"] == "no Email Delivered in events: map a source that has them"
    assert told["spend"] is told["k1_share"] is None
    lacking = shop.features(missing=True)
    assert [entry.feature.name for entry in lacking] == [name for name, why in told.items() if why]


def test_features_of_products_are_listed_apart(shop: Workspace) -> None:
    entries = shop.features(per="product")
    assert [entry.feature.name for entry in entries] == [*CATALOGS["product"].names, "stock_turn"]
    with pytest.raises(ParameterError, match="one of person, product"):
        shop.features(per="shop")


def test_one_is_shown_by_name_an_outcome_too(shop: Workspace) -> None:
    [entry] = shop.features("k1_share")
    assert entry.own
    json.dumps(entry.to_json())
    [outcome] = shop.features("big_order_30d")
    assert outcome.feature.future
    assert dict(outcome.to_json()["definition"])["counts"] == "those for which amount is at least 5000"
    with pytest.raises(ParameterError, match="no feature 'k2_share'"):
        shop.features("k2_share")


def test_own_features_are_built_by_name_and_with_all_others(shop: Workspace) -> None:
    chosen = shop.build("2026-01-01", features=["k1_lines", "orders", "k1_share", "store_spend_400d", "spend"]).table
    for row in chosen.to_pylist():
        assert row["k1_share"] == row["k1_lines"] / row["orders"]
        assert row["store_spend_400d"] == row["spend"]  # one channel, 400 days of data
    everything = shop.build("2026-01-01")
    assert {"k1_lines", "k1_share", "spend"} <= set(everything.columns)
    assert "app_orders" in everything.missing
    assert everything.table["k1_lines"].to_pylist() == chosen["k1_lines"].to_pylist()


def test_an_outcome_of_its_own_is_a_label(shop: Workspace) -> None:
    table = shop.build("2025-09-01", features=["orders"], outcomes=["big_order_30d", "future_orders_30d"]).table
    assert all(row["big_order_30d"] <= row["future_orders_30d"] for row in table.to_pylist())
    assert sum(table["big_order_30d"].to_pylist()) > 0


def test_a_mistake_in_the_file_stops_only_who_needs_it(folder: Path, exports: Path) -> None:
    (folder / "features.toml").write_text(BROKEN, "utf-8")
    with open_shop(folder) as shop:
        for needs in (shop.features, shop.build, lambda: shop.build(features=["own"])):
            with pytest.raises(ConfigError, match=r"features\.toml: \[features\.x\]: aggregation is missing"):
                needs()
        plain = shop.build("2025-09-01", features=["orders"], outcomes=["churned_30d"])
        assert plain.table.num_rows > 200  # the catalogue has them: the file is not read
        shop.check()
        shop.record(
            "till",
            [
                {
                    "type": "track",
                    "event": "Product Viewed",
                    "messageId": "m1",
                    "userId": "c5",
                    "timestamp": "2026-02-01T00:00:00Z",
                    "properties": {"product_id": "s1"},
                }
            ],
        )
        shop.ingest(exports / "till.toml", exports)
        assert shop.forget("customer_id=c6").subjects
        assert shop.segment("2025-12-01", k=3).people > 200
        shop.show("customer_id=c5")


def test_a_shop_in_memory_has_the_catalogue_alone(keys: Path) -> None:
    with coterie.open(None) as shop:
        entries = shop.features()
        assert [entry.feature.name for entry in entries] == list(CATALOG.names)
        assert {entry.missing for entry in entries} == {"The shop has no data about anybody yet"}


def test_own_features_are_in_a_backup(shop: Workspace, tmp_path: Path) -> None:
    shop.backup(tmp_path / "copy")
    with coterie.restore(tmp_path / "copy", tmp_path / "again") as again:
        assert again.features("k1_lines")[0].own
