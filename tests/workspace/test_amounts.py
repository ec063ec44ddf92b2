"""Amounts by person and item: what the lines add up to, in the past and in the future of a moment."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import coterie
from coterie import Workspace
from coterie.errors import DataError, EmptyShopError, ParameterError
from coterie.schema import Purpose
from coterie.workspace.amounts import amounts

MOMENT = datetime(2025, 9, 1)


@pytest.fixture(scope="module")
def shop(taken_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One shop for all tests here, which only read it."""
    folder = tmp_path_factory.mktemp("amounts")
    shutil.copytree(taken_in, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop") as opened:
            yield opened


def by_hand(shop: Workspace, begin: datetime, end: datetime, known: datetime, *, lines: bool) -> dict:
    """Add up the lines of an interval, begin not included, person by person as they were known at a moment."""
    seen = shop.facts(Purpose.SEGMENTATION)
    who = {}
    for row in seen.warehouse.query("SELECT subject, person, valid_from, valid_until FROM person_of").to_pylist():
        if row["valid_from"] <= known < row["valid_until"]:
            who[row["subject"]] = row["person"]
    category = {
        row["product_id"]: row["category"]
        for row in seen.warehouse.query("SELECT product_id, category FROM products").to_pylist()
    }
    allowed, total = set(seen.permitted.to_pylist()), defaultdict(int)
    buyers = set(seen.spine(known)["person"].to_pylist())
    query = "SELECT subject, product_id, amount, occurred_at FROM order_lines WHERE kind = 'Order Completed'"
    for row in seen.warehouse.query(query).to_pylist():
        person = who.get(row["subject"])
        if person in allowed and person in buyers and begin < row["occurred_at"] <= end:
            total[person, category[row["product_id"]]] += 1 if lines else row["amount"]
    return {key: amount for key, amount in total.items() if amount > 0}


def told(table: pa.Table) -> dict:
    keys = zip(table["person"].to_pylist(), table["item"].to_pylist(), strict=True)
    return dict(zip(keys, table["amount"].to_pylist(), strict=True))


@pytest.mark.parametrize("of", ["spend", "lines"])
def test_the_past_adds_up(shop, of):
    seen = shop.facts(Purpose.SEGMENTATION)
    found = amounts(shop, seen, MOMENT, by="category", of=of)
    assert found.schema == pa.schema([("person", pa.int64()), ("item", pa.string()), ("amount", pa.int64())])
    wanted = by_hand(shop, datetime(1970, 1, 1), MOMENT, MOMENT, lines=of == "lines")
    assert told(found) == wanted
    assert len(wanted) > 500


@pytest.mark.parametrize("of", ["spend", "lines"])
def test_the_future_is_that_of_people_known_at_the_moment(shop, of):
    seen = shop.facts(Purpose.SEGMENTATION)
    found = amounts(shop, seen, MOMENT, by="category", of=of, days=91, future=True)
    wanted = by_hand(shop, MOMENT, MOMENT + timedelta(days=91), MOMENT, lines=of == "lines")
    assert told(found) == wanted
    assert len(wanted) > 300


def test_products_are_items_too_and_windows_end(shop):
    seen = shop.facts(Purpose.SEGMENTATION)
    whole = told(amounts(shop, seen, MOMENT, by="product"))
    recent = told(amounts(shop, seen, MOMENT, by="product", days=30))
    assert {item for _, item in whole} == {f"s{number}" for number in range(30)}
    assert recent.keys() < whole.keys()
    assert all(amount <= whole[key] for key, amount in recent.items())


def test_whoever_objected_is_not_in_it(shop):
    seen = shop.facts(Purpose.SEGMENTATION)
    people = set(amounts(shop, seen, MOMENT, by="category")["person"].to_pylist())
    assert seen.refused
    assert people <= set(seen.permitted.to_pylist())


def test_what_cannot_be_told_is_refused(shop):
    seen = shop.facts(Purpose.SEGMENTATION)
    for wrong in ({"by": "colour"}, {"of": "profit"}, {"future": True}, {"by": "department"},
                  {"by": "department", "future": True, "days": 30}):  # fmt: skip
        with pytest.raises(ParameterError):
            amounts(shop, seen, MOMENT, **{"by": "category", **wrong})
    with pytest.raises(DataError):
        amounts(shop, seen, datetime(2026, 1, 20), by="category", days=91, future=True)
    with pytest.raises(EmptyShopError):
        amounts(shop, seen, datetime(2024, 1, 1), by="category")
    with pytest.raises(EmptyShopError):
        amounts(shop, seen, datetime(2024, 1, 1), by="category", days=91, future=True)
