"""Shops in which there is little to tell apart."""

from __future__ import annotations

from pathlib import Path

import pytest

import coterie
from coterie import Mapping, Workspace
from coterie.errors import EmptyShopError, MissingColumnError, NoVariationError, TooFewPeopleError
from till import mapping

MAPPING = mapping()


def shop_of(folder: Path, orders: list[tuple[str, str, str]]) -> Workspace:
    """Return a shop in memory with these orders of (customer, total, time)."""
    lines = [f"{number},{customer},{total},{at}" for number, (customer, total, at) in enumerate(orders)]
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    shop = coterie.open(None)
    shop.ingest(MAPPING, folder)
    return shop


def test_one_customer_is_no_segment(tmp_path: Path) -> None:
    with shop_of(tmp_path, [("c1", "10.00", "2025-01-01"), ("c1", "12.00", "2025-03-01")]) as shop:
        assert shop.build().table["orders"].to_pylist() == [2]
        for k in (None, 2):
            with pytest.raises(TooFewPeopleError, match="at least 2 people, there is 1"):
                shop.segment(k=k)


def test_refunds_alone_are_said_to_be_refunds(tmp_path: Path) -> None:
    refunds = MAPPING.to_json()
    refunds["read"][0]["kind"] = "Order Refunded"
    (tmp_path / "orders.csv").write_text("order,customer,total,at\n1,c1,9.00,2025-01-02\n", "utf-8")
    with coterie.open(None) as shop:
        shop.ingest(Mapping.from_json(refunds), tmp_path)
        for ask in (shop.segment, shop.build):
            with pytest.raises(EmptyShopError, match="refunds only") as refused:
                ask()
            assert "the orders themselves" in str(refused.value.hint)


def test_a_view_without_data_says_what_would_bring_them(tmp_path: Path) -> None:
    orders = [(f"c{n}", f"{10 + n}.00", f"2025-01-{n % 27 + 1:02d}") for n in range(60)]
    with shop_of(tmp_path, orders) as shop, pytest.raises(MissingColumnError) as refused:
        shop.segment(view="demographics", k=2)
    assert "_" not in refused.value.message, "titles, not names of columns"
    assert "no trait age: map it as a trait of the source" in str(refused.value.hint)


def test_a_goal_of_few_people_names_what_can_be_set(tmp_path: Path) -> None:
    orders = [(f"c{n}", f"{10 + n}.00", f"2025-{month:02d}-01") for n in range(30) for month in (1, 3, 6)]
    with shop_of(tmp_path, orders) as shop, pytest.raises(TooFewPeopleError, match="minimum_group"):
        shop.segment(method="goal", horizon_days=60)


def test_identical_customers_cannot_be_told_apart(tmp_path: Path) -> None:
    with shop_of(tmp_path, [(f"c{n}", "10.00", "2025-01-01") for n in range(120)]) as shop:
        for method in ("kmeans", "ward"):
            with pytest.raises(NoVariationError, match="look the same"):
                shop.segment(method=method, k=2)


def test_more_segments_than_people_are_refused(tmp_path: Path) -> None:
    orders = [(f"c{n}", f"{10 + n}.00", f"2025-01-{n + 1:02d}") for n in range(18)]
    with shop_of(tmp_path, orders) as shop:
        assert len(shop.segment(k=2).segments) == 2
        with pytest.raises(TooFewPeopleError, match="at least 20 people, there are 18"):
            shop.segment(k=20)
        with pytest.raises(TooFewPeopleError, match="give k"):
            shop.segment()


def test_a_shop_without_a_catalogue_is_segmented_by_what_it_has(tmp_path: Path) -> None:
    orders = [
        (f"c{n}", f"{5 + n % 40}.00", f"2025-{1 + (n * step) % 12:02d}-{1 + n % 27:02d}")
        for n in range(200)
        for step in range(1 + n % 5)
    ]
    with shop_of(tmp_path, orders) as shop:
        made = shop.segment(k=3)
        assert "categories" in made.built.missing
        assert "spend" in made.built.columns
        assert made.people == 200
