"""Surrogate rules: few questions that name a segment, with how often they are right about people not seen."""

from __future__ import annotations

import dataclasses
import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.segments.clustering import KMeansSegments
from coterie.segments.surrogate import surrogate


@pytest.fixture(scope="module")
def labels(households) -> np.ndarray:
    return KMeansSegments(5).fit(households).labels_


def test_rules_are_nearly_the_segments(households, labels):
    told = surrogate(households, labels)
    assert [one.segment for one in told] == [0, 1, 2, 3, 4]
    assert all(one.fidelity == told[0].fidelity > 0.8 for one in told)
    rows = households.to_pylist()
    matched, named = np.zeros((2, len(rows)), dtype=int)
    with duckdb.connect() as warehouse:
        warehouse.register("people", households.append_column("row", pa.array(range(len(rows)))))
        for one in told:
            assert one.rule is not None
            chosen = np.array([one.rule.matches(row) for row in rows])
            query = f"SELECT {one.rule.sql().sql(dialect='duckdb')} FROM people ORDER BY row"
            assert [row[0] for row in warehouse.sql(query).fetchall()] == chosen.tolist()
            named[chosen] = one.segment
            matched += chosen
    assert (matched == 1).all(), "the rules part everybody"
    sizes = np.bincount(labels)
    assert sum(one.recall * sizes[one.segment] for one in told) / len(labels) == pytest.approx(told[0].fidelity)
    assert (named == labels).mean() == pytest.approx(told[0].fidelity, abs=0.05)
    assert all(one.precision > 0.7 for one in told)


def test_fidelity_is_of_people_not_seen(households):
    noise = np.random.default_rng(0).integers(0, 4, len(households))
    told = surrogate(households, noise, depth=12, leaves=60, minimum_size=5)
    assert told[0].fidelity < 0.32


def test_fidelity_is_no_better_for_the_choice_of_a_size():
    """Of coins that no feature tells, the best of many sizes is right in more than half by luck: that is not told."""
    found = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        people = pa.table({f"noise_{number}": random.normal(0, 1, 60) for number in range(8)})
        found.append(surrogate(people, random.permutation(np.arange(60) % 2), minimum_size=2)[0].fidelity)
    assert np.mean(found) < 0.53


def test_order_of_rows_changes_nothing(households, labels):
    order = np.random.default_rng(2).permutation(len(households))
    assert surrogate(households.take(order), labels[order]) == surrogate(households, labels)


def test_it_is_plain_data(households, labels):
    body = [dataclasses.asdict(one) for one in surrogate(households, labels)]
    assert json.loads(json.dumps(body, allow_nan=False)) == body


def test_few_leaves_may_leave_a_segment_without_a_rule():
    people = pa.table({"orders": list(range(100)) * 3})
    groups = np.array([0] * 45 + [1] * 10 + [2] * 45)
    told = surrogate(people, np.tile(groups, 3), leaves=2)
    assert [one.condition is None for one in told] == [False, True, False]
    assert told[1].sentence == ""
    assert told[1].recall == 0
    assert told[1].precision is None


def test_the_missing_are_told(households):
    gap = households["gap_mean_days"].to_numpy()
    told = surrogate(households, np.isnan(gap).astype(int), columns=["gap_mean_days"], minimum_size=5)
    assert told[1].sentence == "Days between orders: unknown."
    assert told[0].sentence == "Days between orders: not unknown."
    assert told[0].fidelity == 1


def test_what_makes_no_sense_is_refused():
    people = pa.table({"orders": range(40)})
    for wrong in ({"labels": [0] * 39}, {"labels": [-1] * 40}, {"labels": [0.5] * 40},
                  {"labels": [0, 1] * 20, "depth": 0}, {"labels": [0, 1] * 20, "leaves": 1}):  # fmt: skip
        with pytest.raises(ParameterError):
            surrogate(people, **wrong)
    with pytest.raises(TooFewPeopleError):
        surrogate(people, [3] * 40)
    with pytest.raises(TooFewPeopleError):
        surrogate(people.slice(0, 9), [0, 1, 0, 1, 0, 1, 0, 1, 0])
