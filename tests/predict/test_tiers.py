"""Value tiers: who is in which, whatever the order and the ties, and what they are worth together."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import DataError, IntegrityError, ParameterError, TooFewPeopleError
from coterie.predict.tiers import Tiers, concentration, lorenz, totals, value_at_risk

VALUES = st.lists(st.sampled_from([-5.0, 0.0, 1.0, 2.0, 7.0, 300.0]) | st.floats(0, 1e7), min_size=1, max_size=60)
CUTS = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=5, unique=True).map(sorted)


@given(VALUES, CUTS, st.randoms(use_true_random=False))
def test_the_order_of_people_does_not_matter(values, cuts, random):
    tiers = Tiers.of(values, cuts=cuts)
    mixed = list(range(len(values)))
    random.shuffle(mixed)
    again = Tiers.of([values[i] for i in mixed], cuts=cuts)
    assert again == tiers
    assert again.assign([values[i] for i in mixed]).tolist() == [tiers.assign(values)[i] for i in mixed]


@given(VALUES, CUTS, st.sampled_from(["people", "value"]))
def test_more_value_is_never_a_lower_tier_and_the_same_value_never_another(values, cuts, by):
    tier = Tiers.of(values, cuts=cuts, by=by).assign(values)
    value = np.array(values)
    assert all(tier[i] <= tier[j] for i in range(len(value)) for j in range(len(value)) if value[i] >= value[j])
    assert (tier[value <= 0] == len(cuts)).all()


@given(VALUES, CUTS)
def test_the_upper_tiers_hold_their_share_of_people_and_no_more_than_ties_ask(values, cuts):
    value = np.array(values)
    tier = Tiers.of(value, cuts=cuts).assign(value)
    for place, cut in enumerate(cuts):
        upper = tier <= place
        wanted = min(int(np.ceil(round(cut * len(value), 9))), int((value > 0).sum()))
        assert upper.sum() >= wanted
        if upper.any():
            assert (upper & (value > value[upper].min())).sum() < max(wanted, 1)


@given(VALUES, CUTS)
def test_tiers_by_value_are_the_fewest_who_make_the_share(values, cuts):
    value = np.array(values)
    tier = Tiers.of(value, cuts=cuts, by="value").assign(value)
    whole = value[value > 0].sum()
    for place, cut in enumerate(cuts):
        upper = (tier <= place) & (value > 0)
        if whole > 0:
            assert value[upper].sum() >= cut * whole * (1 - 1e-12)
            without = upper & (value > value[upper].min())
            assert value[without].sum() < cut * whole * (1 + 1e-12)


def test_who_has_the_same_value_as_everybody_is_in_the_top_tier():
    assert Tiers.of([40.0] * 9).assign([40.0] * 9).tolist() == [0] * 9


def test_a_tier_whose_people_are_worth_as_much_as_a_higher_one_is_empty():
    tiers = Tiers.of([9.0, 9.0, 9.0, 1.0], cuts=(0.25, 0.5, 0.9))
    assert tiers.begins == (9.0, 9.0, 1.0)
    assert tiers.table([9.0, 9.0, 9.0, 1.0])["people"].to_pylist() == [3, 0, 1, 0]


def test_the_smallest_share_holds_one_person():
    assert Tiers.of([3.0, 2.0, 1.0], cuts=(1e-12,)).begins == (3.0,)


def test_nobody_is_worth_anything():
    tiers = Tiers.of([0.0, -3.0])
    assert tiers.assign([0.0, -3.0, 5.0]).tolist() == [4, 4, 4]
    table = tiers.table([0.0, -3.0])
    assert table["people"].to_pylist() == [0, 0, 0, 0, 2]
    assert Tiers.from_json(tiers.to_json()) == tiers


def test_one_of_few_is_in_the_top_one_per_cent():
    tiers = Tiers.of([10, 20, 30], cuts=(0.01, 0.5))
    assert tiers.assign([10, 20, 30]).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("cuts", "by", "names"),
    [
        ((0.01, 0.05, 0.2, 0.5), "people", ("top 1%", "next 4%", "next 15%", "next 30%", "last 50%")),
        ((0.5, 0.8), "value", ("top 50% of value", "next 30% of value", "last 20% of value")),
        ((0.1, 0.2, 0.3), "people", ("up to 10%", "up to 20%", "up to 30%", "last 70%")),
        ((0.5,), "people", ("top 50%", "last 50%")),
    ],
)
def test_tiers_are_named_by_their_cuts(cuts, by, names):
    assert Tiers.of([1.0, 2.0], cuts=cuts, by=by).names == names


def test_the_table_tells_where_tiers_begin_and_what_they_hold():
    value = np.array([600.0, 200.0, 100.0, 60.0, 40.0])
    table = Tiers.of(value, cuts=(0.2, 0.6), names=["gold", "silver", "bronze"]).table(value, value / 10)
    assert table.to_pylist() == [
        {"tier": "gold", "people": 1, "people_share": 0.2, "value": 600.0, "value_share": 0.6, "value_mean": 600.0,
         "at_risk": 60.0, "begins": 600.0, "cumulative_value_share": 0.6},
        {"tier": "silver", "people": 2, "people_share": 0.4, "value": 300.0, "value_share": 0.3, "value_mean": 150.0,
         "at_risk": 30.0, "begins": 100.0, "cumulative_value_share": pytest.approx(0.9)},
        {"tier": "bronze", "people": 2, "people_share": 0.4, "value": 100.0, "value_share": 0.1, "value_mean": 50.0,
         "at_risk": 10.0, "begins": None, "cumulative_value_share": pytest.approx(1.0)},
    ]  # fmt: skip


@given(VALUES, CUTS)
def test_stored_tiers_are_the_same(values, cuts):
    tiers = Tiers.of(values, cuts=cuts)
    assert Tiers.from_json(json.loads(json.dumps(tiers.to_json()))) == tiers


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "Tiers", "version": 1, "names": ["a", "b"], "begins": [1.0, 2.0]},
        {"kind": "Tiers", "version": 1, "names": ["a", "b", "c"], "begins": [1.0, 2.0]},
        {"kind": "Tiers", "version": 1, "names": ["a", "b"], "begins": ["much"]},
        {"kind": "Tiers", "version": 2, "names": ["a", "b"], "begins": [2.0]},
        {"kind": "Tiers", "version": 1, "names": ["a"], "begins": []},
    ],
)
def test_what_is_no_stored_tiers_is_refused(body):
    with pytest.raises(IntegrityError):
        Tiers.from_json(body)


@pytest.mark.parametrize("cuts", [(), (0.0, 0.5), (0.5, 0.2), (0.2, 0.2), (0.5, 1.0)])
def test_cuts_must_rise_between_0_and_1(cuts):
    with pytest.raises(ParameterError, match="rising shares"):
        Tiers.of([1.0], cuts=cuts)


def test_what_else_is_refused():
    with pytest.raises(DataError, match="no number for 1 of 2"):
        Tiers.of([1.0, np.nan])
    with pytest.raises(TooFewPeopleError):
        Tiers.of([])
    with pytest.raises(ParameterError, match="one more than cuts"):
        Tiers.of([1.0], cuts=(0.5,), names=["gold"])
    with pytest.raises(ParameterError, match="'people' or 'value'"):
        Tiers.of([1.0], by="orders")
    with pytest.raises(ParameterError, match="probabilities"):
        value_at_risk([1.0], [1.5])
    with pytest.raises(ParameterError, match="shape"):
        value_at_risk([1.0, 2.0], [0.5])
    with pytest.raises(ParameterError, match="one a person"):
        totals([0, 1], [5.0])
    with pytest.raises(ParameterError, match="at least 3 names"):
        totals([0, 2], [5.0, 1.0], names=["a", "b"])


def test_groups_are_worth_together_what_their_people_are():
    table = totals([2, 0, 2], [10.0, 5.0, 30.0], [1.0, 0.0, 3.0])
    assert table["group"].to_pylist() == ["0", "1", "2"]
    assert table["value"].to_pylist() == [5.0, 0.0, 40.0]
    assert table["value_mean"].to_pylist() == [5.0, None, 20.0]
    assert table["at_risk"].to_pylist() == [0.0, 0.0, 4.0]
    assert sum(table["value_share"].to_pylist()) == pytest.approx(1)


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_the_value_at_risk_is_small_of_who_is_sure_to_come_and_of_who_is_lost(whole, active):
    # people who are worth the same if they come: the odds alone decide, and even ones most
    at_risk = value_at_risk([whole * active, whole * 0.5], [active, 0.5])
    assert 0 <= at_risk[0] <= at_risk[1] + 1e-9
    assert value_at_risk([whole, 0.0], [1.0, 0.0]).tolist() == [0.0, 0.0]


@given(VALUES)
def test_the_curve_of_lorenz_is_the_share_of_the_top_people(values):
    value = np.sort(np.maximum(values, 0))[::-1]
    curve = lorenz(values, len(values) + 1)["value_share"].to_numpy()
    if value.sum() > 0:
        np.testing.assert_allclose(curve[1:], np.cumsum(value) / value.sum(), rtol=1e-9)
    assert (np.diff(curve) >= -1e-12).all()


@given(VALUES)
def test_concentration_is_half_the_relative_mean_difference(values):
    value = np.maximum(values, 0)
    differences = np.abs(value[:, None] - value[None]).mean()
    expected = differences / (2 * value.mean()) if value.sum() > 0 else 0.0
    assert concentration(values) == pytest.approx(expected, abs=1e-9)
