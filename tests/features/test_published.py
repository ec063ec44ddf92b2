"""Published features are read as they were known; a snapshot only for the same question to the same data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coterie.errors import DataError, MissingColumnError, ParameterError
from coterie.features import batch, published
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG
from coterie.features.combination import Combination, Declared
from coterie.features.feature import ORDER_LINE, Feature
from coterie.features.outcome import future_spend
from coterie.features.published import PUBLISHED, SNAPSHOTS, publish, read
from coterie.store.lake import DeltaLake, MemoryLake
from coterie.store.ports import Commit, Lake
from coterie.store.warehouse import Warehouse
from oracles.features import History
from oracles.histories import AS_OF, attach, itself, order_line, spine

DAY = timedelta(days=1)
ASKED: dict[str, Any] = {"timezone": "Europe/Berlin", "data": {"order_lines": 3}}


@pytest.fixture(params=["memory", "delta"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return MemoryLake() if request.param == "memory" else DeltaLake(tmp_path / "lake")


@pytest.fixture
def stored(lake: Lake) -> Iterator[Warehouse]:
    with Warehouse(lake, threads=1) as warehouse:
        lines = [
            order_line(1, 1, AS_OF - DAY, 250, product_id="tea"),
            order_line(2, 2, AS_OF - 2 * DAY, 120, product_id="tea"),
        ]
        attach(warehouse, History(order_lines=lines, person_of=[itself(1), itself(2)]))
        yield warehouse


def segments(*labels: str) -> pa.Table:
    return pa.table({"person": list(range(1, len(labels) + 1)), "label": list(labels)})


def test_the_latest_value_that_was_known_is_read(lake: Lake, stored: Warehouse) -> None:
    publish(lake, "segment", "m1", segments("a", "b"), as_of=AS_OF, available_at=AS_OF)
    publish(lake, "segment", "m2", segments("c"), as_of=AS_OF + DAY, available_at=AS_OF + 3 * DAY)
    publish(lake, "score", "m1", segments("no", "no"), as_of=AS_OF + DAY, available_at=AS_OF + DAY)

    def labels(at: datetime, version: str | None = None) -> list[str]:
        found: list[str] = read(stored, "segment", at=at, version=version)["label"].to_pylist()
        return found

    assert labels(AS_OF - DAY) == []
    assert labels(AS_OF) == ["a", "b"]
    assert labels(AS_OF + 2 * DAY) == ["a", "b"]  # the next one was not known yet
    assert labels(AS_OF + 3 * DAY) == ["c", "b"]
    assert labels(AS_OF + 3 * DAY, "m1") == ["a", "b"]
    assert read(stored, "segment", at=AS_OF).column_names == [
        "person", "version", "as_of", "available_at", "number", "label"
    ]  # fmt: skip


def test_publishing_the_same_commit_again_does_nothing(lake: Lake, stored: Warehouse) -> None:
    once = Commit("segmenting", 1)
    assert publish(lake, "segment", "m1", segments("a"), as_of=AS_OF, commit=once)
    assert not publish(lake, "segment", "m1", segments("a"), as_of=AS_OF, commit=once)
    assert lake.count(PUBLISHED) == 1


def test_what_cannot_be_published(lake: Lake) -> None:
    with pytest.raises(DataError, match="twice"):
        publish(lake, "segment", "m1", pa.table({"person": [1, 1], "label": ["a", "b"]}), as_of=AS_OF)
    with pytest.raises(MissingColumnError):
        publish(lake, "segment", "m1", pa.table({"person": [1]}), as_of=AS_OF)
    with pytest.raises(ParameterError):
        publish(lake, "segment", "", segments("a"), as_of=AS_OF)


def test_the_same_question_is_read_back(lake: Lake, stored: Warehouse) -> None:
    rows = spine((2, AS_OF), (1, AS_OF), (2, AS_OF), (7, AS_OF))
    features = [*CATALOG[::8], *CATALOG.select(["top_category", "last_channel"]), future_spend(1)]
    first, _, reused = published.table(stored, lake, features, rows, until=AS_OF + DAY, **ASKED)
    assert not reused
    stored.drop("order_lines")  # nothing is computed any more
    second, _, reused = published.table(stored, lake, features, rows, until=AS_OF + DAY, **ASKED)
    assert reused
    assert second.equals(first)
    assert second.schema == batch.schema(features)
    assert lake.count(SNAPSHOTS) == 4


def test_another_question_or_other_data_are_computed(lake: Lake, stored: Warehouse) -> None:
    rows, some = spine((1, AS_OF), (2, AS_OF)), CATALOG.select(["orders", "spend"])
    published.table(stored, lake, some, rows, **ASKED)
    others: list[tuple[Any, pa.Table, dict[str, Any]]] = [
        (CATALOG.select(["spend", "orders"]), rows, ASKED),
        (some, spine((2, AS_OF), (1, AS_OF)), ASKED),
        (some, spine((1, AS_OF), (2, AS_OF + DAY)), ASKED),
        (some, rows, {**ASKED, "timezone": "UTC"}),
        (some, rows, {**ASKED, "currency": "EUR"}),
        (some, rows, {**ASKED, "data": {"order_lines": 4}}),
    ]
    for features, people, asked in others:
        answer, _, reused = published.table(stored, lake, features, people, **asked)
        assert not reused
        expected = batch.table(stored, features, people, timezone=asked["timezone"])
        assert answer.equals(expected)


def test_a_snapshot_that_lost_a_person_is_not_read_back(lake: Lake, stored: Warehouse) -> None:
    rows, some = spine((1, AS_OF), (2, AS_OF)), CATALOG.select(["orders"])
    published.table(stored, lake, some, rows, **ASKED)
    lake.delete(SNAPSHOTS, "person", [2])
    answer, _, reused = published.table(stored, lake, some, rows, **ASKED)
    assert not reused
    assert answer["orders"].to_pylist() == [1, 1]


def sold(name: str, per: str) -> Feature:
    return Feature(name, ORDER_LINE, Aggregation("sum"), "amount", unit="money", per=per)


def test_a_table_of_combinations_and_pairs_is_read_back(lake: Lake, stored: Warehouse) -> None:
    orders, days = CATALOG["orders"], CATALOG["active_days"]
    assert isinstance(orders, Feature)
    assert isinstance(days, Feature)
    people: list[Declared] = [Combination("orders_a_day", "ratio", orders, days, "number"), orders]
    pairs: list[Declared] = [sold("spent", "person-product")]
    wanted = pa.table({"source": ["shop", "till"], "product_id": ["tea", "tea"]})
    rows = spine((1, AS_OF), (2, AS_OF))
    of_pairs = rows
    for name in wanted.column_names:
        of_pairs = of_pairs.append_column(name, wanted[name])
    for features, asked in ((people, rows), (pairs, of_pairs)):
        first, snapshot, reused = published.table(stored, lake, features, asked, **ASKED)
        again, same, read_back = published.table(stored, lake, features, asked, **ASKED)
        assert (reused, read_back) == (False, True)
        assert snapshot == same == published.fingerprint(features, asked, currency=None, **ASKED)
        assert again.equals(first)
        assert again.schema == batch.schema(features)
    assert again["spent"].to_pylist() == [250, None]
    other = of_pairs.set_column(2, "source", pa.array(["till", "till"]))
    assert other.column_names == of_pairs.column_names
    assert not published.table(stored, lake, pairs, other, **ASKED)[2]


def test_a_table_about_products_is_computed_each_time_of_those_who_count(lake: Lake, stored: Warehouse) -> None:
    features = [sold("earned", "product")]
    lines = stored.query("SELECT DISTINCT source, product_id FROM order_lines")
    rows = lines.append_column("as_of", pa.array([AS_OF] * lines.num_rows, pa.timestamp("us")))
    seen = {}
    for among in (None, [1, 2], [1], []):
        keys = None if among is None else pa.array(among, pa.int64())
        for _ in range(2):
            answer, snapshot, reused = published.table(stored, lake, features, rows, among=keys, **ASKED)
            assert not reused
            seen[snapshot] = sum(value or 0 for value in answer["earned"].to_pylist())
    assert list(seen.values()) == [370, 370, 250, 0]
    assert lake.count(SNAPSHOTS) == 0
    assert not [name for name in stored.names() if name.startswith("among")]


def test_the_engine_that_is_given_computes(lake: Lake, stored: Warehouse) -> None:
    """Both engines hold other facts, so that it can be told which was asked; for a shop they hold the same."""
    with Warehouse(threads=1) as other:
        attach(other, History(order_lines=[order_line(1, 1, AS_OF - DAY, 990)], person_of=[itself(1)]))
        answer, _, _ = published.table(stored, lake, [CATALOG["spend"]], spine((1, AS_OF)), engine=other, **ASKED)
    assert answer["spend"].to_pylist() == [990]


def test_a_number_that_a_float_would_round_is_not_kept(lake: Lake, stored: Warehouse) -> None:
    huge = 2**53 + 1
    attach(stored, History(order_lines=[order_line(1, 1, AS_OF - DAY, huge)], person_of=[itself(1)]))
    for _ in range(2):
        answer, _, reused = published.table(stored, lake, [CATALOG["spend"]], spine((1, AS_OF)), **ASKED)
        assert answer["spend"].to_pylist() == [huge]
        assert not reused
