"""Trees and their leaves as rules: every reading puts everybody into the same leaf."""

from __future__ import annotations

import json
import math

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from coterie.errors import MissingColumnError, ParameterError
from coterie.features.rule import Compare, from_json
from coterie.segments.decision_tree import grow, leaves_of, roundest, see, thresholds
from coterie.segments.leaf import exactly, holds, rule_of, sentence_of

FLOATS = st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([0.0, 0.1, 0.1 + 2**-56, 16_777_217.0, 1e300, -1e300])
ROWS = st.lists(
    st.tuples(
        st.none() | FLOATS,
        st.none() | st.integers(-5, 5) | st.sampled_from([2**24, 2**24 + 1, 2**53, 2**53 + 2]),
        st.none() | st.sampled_from(["web", "store", "it's", ""]),
        st.none() | st.booleans(),
        st.integers(0, 9),
    ),
    min_size=4,
    max_size=60,
)


def table(rows):
    columns = list(zip(*rows, strict=True))
    kinds = (pa.float64(), pa.int64(), pa.string(), pa.bool_())
    names = ("real", "whole", "channel", "member")
    return pa.table({name: pa.array(columns[i], kinds[i]) for i, name in enumerate(names)}), np.array(columns[4], float)


@given(ROWS, st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_sql_python_and_arrays_agree_with_the_tree(rows, k):
    people, y = table(rows)
    data = nw.from_native(people, eager_only=True)
    seen = see(data, None, 1)
    grown = grow(seen.codes, y, leaves=8, least=1, seed=0, classes=False)
    k = min(k, grown.leaves)
    leaves = leaves_of(grown, seen, k)
    if k == 1:
        return
    node = grown.within(k)[grown.nodes(seen.codes)]
    with duckdb.connect() as warehouse:
        warehouse.register("people", people.append_column("row", pa.array(range(len(people)))))
        for leaf, asked in leaves.items():
            rule = from_json(json.loads(json.dumps(rule_of([asked]).to_json())))
            wanted = (node == leaf).tolist()
            assert holds(rule, data).tolist() == wanted
            assert [rule.matches(row) for row in people.to_pylist()] == wanted
            statement = f"SELECT {rule.sql().sql(dialect='duckdb')} FROM people ORDER BY row"
            assert [row[0] for row in warehouse.sql(statement).fetchall()] == wanted


@given(ROWS)
@settings(max_examples=20, deadline=None)
def test_the_first_nodes_are_the_smaller_tree(rows):
    people, y = table(rows)
    seen = see(nw.from_native(people, eager_only=True), None, 1)
    grown = grow(seen.codes, y, leaves=8, least=1, seed=0, classes=False)
    for k in range(2, grown.leaves + 1):
        alone = DecisionTreeRegressor(max_leaf_nodes=k, random_state=0).fit(seen.codes, y)
        assert (alone.apply(seen.codes) == grown.within(k)[grown.nodes(seen.codes)]).all()


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
@example(-1.7976931348623147e308, -1.0977121702440959e293)
def test_a_threshold_lies_between_its_neighbours(one, other):
    low, high = sorted((one, other))
    if low == high or high == -math.inf:
        return
    found = roundest(low, high)
    assert low <= found < high or math.isinf(low)
    assert found < high
    assert math.isfinite(found) or low == high


@pytest.mark.parametrize(
    ("low", "high", "wanted"), [(3, 4, 3), (12, 1000, 500), (1049, 1112, 1100), (0.1, 0.3, 0.2), (-8, -3, -6)]
)
def test_thresholds_are_round(low, high, wanted):
    assert roundest(low, high) == wanted


@given(st.lists(st.floats(-1e12, 1e12) | st.integers(-500, 500).map(float), min_size=1, max_size=200, unique=True))
@settings(max_examples=100, deadline=None)
def test_thresholds_part_people_finely_enough_and_each_lies_in_a_gap(values):
    found = np.unique(np.array(values) + 0.0)  # -0 is 0
    people = np.ones(len(found), dtype=np.int64)
    cuts = thresholds(found, people)
    assert (np.diff(cuts) > 0).all()
    assert len(cuts) <= max(len(found) - 1, 0)
    place = np.searchsorted(found, cuts, side="right")
    assert len(np.unique(place)) == len(cuts)  # no gap has two
    assert ((place > 0) & (place < len(found))).all()
    groups = np.bincount(np.searchsorted(cuts, found))
    assert (groups[groups > 1] <= 0.05 * len(found)).all()


@pytest.mark.parametrize(
    ("values", "step", "places"),
    [
        (np.random.default_rng(0).random(5000), 1e-3, 3),  # shares: a tenth of a per cent
        (np.random.default_rng(0).exponential(20, 5000), 0.1, 1),  # days
        (1000 + np.random.default_rng(0).random(5000), 0.1, 2),  # all close together: as fine as it takes
    ],
)
def test_thresholds_have_few_digits(values, step, places):
    cuts = thresholds(np.unique(values), np.ones(len(values), dtype=np.int64), step)
    assert len(cuts) >= 20
    assert np.allclose(cuts, np.round(cuts, places), rtol=0, atol=1e-12)


def test_the_rule_asks_for_round_numbers_and_chooses_the_tree_s_people():
    random = np.random.default_rng(3)
    days = np.sort(random.exponential(30, 2000))
    y = np.select([days < 28.0152, days < 62.0173], [0.0, 1.0], 2.0)
    seen = see(nw.from_native(pa.table({"days": days}), eager_only=True), ["days"], 10, {"days": "days"})
    tree = grow(seen.codes, y, leaves=3, least=10, seed=0, classes=False)
    leaves = leaves_of(tree, seen, 3)
    told = [sentence_of([leaf], {"days": ("Days", "days")}, "USD") for leaf in leaves.values()]
    assert told == [
        "Days: at most 28\xa0days.",
        "Days: more than 28\xa0days and at most 62\xa0days.",
        "Days: more than 62\xa0days.",
    ]
    nodes = tree.within(3)[tree.nodes(seen.codes)]
    for node, leaf in leaves.items():
        assert (
            holds(rule_of([leaf]), nw.from_native(pa.table({"days": days}), eager_only=True)) == (nodes == node)
        ).all()


def test_sentences_speak_in_the_units_of_the_shop():
    people = pa.table(
        {"spend_90d": pa.array([None, 500, 1250, 12_000] * 30), "channel": (["web"] * 2 + ["store"] * 2) * 30}
    )
    y = np.array([0.0, 0, 5, 9] * 30)
    data = nw.from_native(people, eager_only=True)
    seen = see(data, ["spend_90d"], 10)
    leaves = list(leaves_of(grow(seen.codes, y, leaves=3, least=10, seed=0, classes=False), seen, 3).values())
    told = [sentence_of([leaf], {"spend_90d": ("Spend, 90 days", "money")}, "EUR") for leaf in leaves]
    assert told == [
        "Spend, 90 days: at most €10, or none.",
        "Spend, 90 days: more than €10 and at most €100.",
        "Spend, 90 days: more than €100.",
    ]
    seen = see(data, ["channel"], 10)
    leaves = list(leaves_of(grow(seen.codes, y, leaves=2, least=10, seed=0, classes=False), seen, 2).values())
    told = sorted(sentence_of([leaf], {}, "EUR") for leaf in leaves)
    assert told in (["Channel: not store.", "Channel: store."], ["Channel: not web.", "Channel: web."])


def test_figures_are_not_rounded():
    assert [exactly(value, unit, "USD") for value, unit in ((123_456, "money"), (-50, "money"), (0.1234, "share"))] == [
        "$1,234.56",
        "−$0.50",
        "12.34%",
    ]


def test_rules_refuse_other_columns():
    people = nw.from_native(pa.table({"orders": [1, 2], "channel": ["web", None]}), eager_only=True)
    with pytest.raises(MissingColumnError):
        holds(Compare("spend", ">", 3), people)
    with pytest.raises(ParameterError):
        holds(Compare("channel", ">", 3), people)
    assert holds(Compare("channel", "!=", "store"), people).tolist() == [True, False]
