"""Buckets: the same answer as from one statement, however the spine is split, and every row in one of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from math import isclose
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.features import batch, buckets
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG
from coterie.features.feature import LIFETIME, ORDER_LINE, Feature
from coterie.progress import SILENT
from coterie.store.warehouse import Warehouse
from oracles.definitions import FUTURE, POOL
from oracles.features import History
from oracles.histories import AS_OF, PEOPLE, histories, itself, order_line, spine

Shop = Callable[[History], Warehouse]
ZONE = "America/New_York"
MOMENTS = (AS_OF, datetime(2025, 12, 24), datetime(2026, 3, 8))


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(left == right)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=histories(),
    hand=st.lists(st.sampled_from(POOL), min_size=1, max_size=6, unique_by=lambda f: f.name),
    asked=st.lists(st.tuples(st.sampled_from((*PEOPLE, 99)), st.sampled_from(MOMENTS)), min_size=1, max_size=12),
    size=st.integers(1, 6),
)
def test_a_split_spine_has_the_same_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, history: History, hand: list[Any], asked: list[Any], size: int
) -> None:
    warehouse, rows = shop(history), spine(*asked)
    features = [*hand, *FUTURE]
    arguments = {"timezone": ZONE, "until": AS_OF + timedelta(days=2000)}
    plain = batch.table(warehouse, features, rows, **arguments)
    with monkeypatch.context() as small:
        small.setattr(buckets, "FACTS", size)
        split = batch.table(warehouse, features, rows, **arguments)
    assert split.schema == plain.schema
    for one, other in zip(split.to_pylist(), plain.to_pylist(), strict=True):
        assert all(same(one[name], other[name]) for name in plain.column_names), (one, other)


def people(*subjects: tuple[int, ...]) -> History:
    """Persons of these subjects, the first of which is the person, with two lines each."""
    line, at = iter(range(10_000)), AS_OF - timedelta(days=9)
    return History(
        order_lines=[order_line(next(line), one, at) for own in subjects for one in own for _ in range(2)],
        person_of=[{**itself(one), "person": own[0]} for own in subjects for one in own],
    )


def split(shop: Shop, history: History, persons: list[int], size: int) -> list[buckets.Bucket]:
    return buckets.buckets(shop(history), pa.chunked_array([persons], pa.int64()), ["order_lines"], size)


def test_every_row_is_in_one_bucket_with_all_subjects_of_its_person(shop: Shop) -> None:
    everybody = [(number,) for number in range(-20, 20, 2)] + [(5, 7), (-19, 19), (9, 1, -3)]
    of = {own[0]: own for own in everybody}
    persons = [own[0] for own in everybody] * 2 + [1_000]
    found = split(shop, people(*everybody), persons, 8)
    assert len(found) > 5
    assert sorted(np.concatenate([bucket.positions for bucket in found])) == list(range(len(persons)))
    for bucket in found:
        assert (np.diff(bucket.positions) > 0).all()
        for position in bucket.positions:
            for subject in of.get(persons[position], ()):
                assert bucket.subjects is None or bucket.subjects[0] <= subject <= bucket.subjects[1]
    ranges = sorted(bucket.subjects for bucket in found if bucket.subjects)
    assert all(one[1] < other[0] for one, other in pairwise(ranges))
    (wide,) = (bucket for bucket in found if bucket.subjects is None)
    assert {-19} <= {persons[position] for position in wide.positions} <= {-19, 9, 5}


def test_a_small_shop_is_one_bucket_and_moments_make_it_larger(shop: Shop) -> None:
    history = people((1,), (2,), (3,), (4,))
    assert len(split(shop, history, [1, 2, 3, 4], 8)) == 1
    assert len(split(shop, history, [1, 2, 3, 4] * 4, 8)) == 4


def test_rows_of_pairs_make_it_no_larger(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is of one product: of however many rows of a person, it is worked on in one a moment."""
    history, steps = people((1,), (2,), (3,), (4,)), []
    lines = Feature(
        "lines", ORDER_LINE, Aggregation("count"), None, LIFETIME,
        unit="count", title="Lines", meaning="Lines of one product.", per="person-product",
    )  # fmt: skip
    pairs = [(person, f"p{number}", moment) for moment in MOMENTS for person in (1, 2, 3, 4) for number in range(9)]
    person, product, moment = zip(*pairs, strict=True)
    rows = pa.table({"person": person, "source": ["till"] * len(pairs), "product_id": product, "as_of": moment})

    class Watching:
        def step(self, name: str, done: int, total: int | None = None) -> None:
            steps.append(done)

    monkeypatch.setattr(buckets, "FACTS", 8)
    warehouse = shop(history)
    one_moment = batch.table(warehouse, [lines], rows.slice(0, 36), timezone=ZONE, progress=Watching())
    assert steps == [0, 36]
    steps.clear()
    every = batch.table(warehouse, [lines], rows, timezone=ZONE, progress=Watching())
    assert len(steps) == 1 + len(MOMENTS)
    assert every.slice(0, 36).equals(one_moment)


def test_few_of_many_people_are_one_bucket_that_reads_only_their_facts(shop: Shop) -> None:
    history = people(*((number,) for number in range(40)))
    (bucket,) = split(shop, history, [11, 10], 8)
    assert bucket.subjects == (10, 11)


def test_nobody_at_all_is_one_bucket(shop: Shop) -> None:
    history = people((1,))
    history.person_of.clear()
    assert len(split(shop, history, [1, 2], 1)) == 1


def test_each_bucket_is_reported_and_an_interruption_leaves_nothing_behind(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "FACTS", 4)
    warehouse = shop(people(*((number,) for number in range(8))))
    rows, steps, before = spine(*((number, AS_OF) for number in range(8))), [], warehouse.names()

    class Watching:
        def step(self, name: str, done: int, total: int | None = None) -> None:
            steps.append((name, done, total))
            if len(steps) == 7:
                raise KeyboardInterrupt

    batch.table(warehouse, [CATALOG["orders"]], rows, timezone=ZONE, progress=Watching())
    assert steps == [("features", done, 8) for done in (0, 2, 4, 6, 8)]
    with pytest.raises(KeyboardInterrupt):
        batch.table(warehouse, [CATALOG["orders"]], rows, timezone=ZONE, progress=Watching())
    assert warehouse.names() == before
    answer = batch.table(warehouse, [CATALOG["orders"]], rows, timezone=ZONE, progress=SILENT)
    assert answer["person"].to_pylist() == list(range(8))
