"""A forecast of the first days joined to a model of the days after them: what must hold whatever both say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import DataError, ParameterError
from coterie.predict.lifetime.bg_nbd import BGNBD
from coterie.predict.lifetime.near_term import NearTerm
from coterie.predict.lifetime.next_order import next_order
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from coterie.predict.lifetime.value import CustomerValue
from oracles.purchases import PEOPLE

chances = st.floats(0, 1)


@pytest.fixture
def value(model_of, spend_of):
    model = model_of(ParetoNBD, 0.7, 20.0, 0.6, 90.0)
    return CustomerValue(model, spend_of(6.25, 3.744, 1544.0), margin=0.5, discount_rate=0.1, horizon_days=365)


def modelled(value, days):
    """What the models themselves expect of the first days, as if somebody else had said it."""
    plain = CustomerValue(value.orders, value.spend, discount_rate=0.0)
    told = plain.predict(PEOPLE, horizon_days=days, intervals=False)
    return NearTerm(days, *(told[name].to_numpy() for name in ("expected_orders", "active", "value")))


def test_for_one_person_the_models_own_forecast_changes_no_value(value):
    near, alone = modelled(value, 60), value.predict(PEOPLE)
    for row in range(6):
        joined = value.predict(PEOPLE.slice(row, 1), near=near.taken(np.array([row])))
        for name in ("expected_orders", "value"):
            assert joined[name][0].as_py() == pytest.approx(alone[name][row].as_py(), rel=1e-9)


def test_value_is_the_forecast_first_and_later_halfway_between_model_and_forecast(value):
    near = NearTerm(60, np.arange(6.0), np.array([0.0, 0.2, 0.9, 1.0, 0.5, 0.1]), np.arange(6) * 1000.0)
    undiscounted = CustomerValue(value.orders, value.spend, margin=0.5, discount_rate=0.0, horizon_days=365)
    joined = undiscounted.predict(PEOPLE, near=near)
    whole, soon = (undiscounted.predict(PEOPLE, horizon_days=days) for days in (365, 60))
    for name, first in (("value", 0.5 * near.spend), ("expected_orders", near.orders)):
        after = whole[name].to_numpy() - soon[name].to_numpy()
        np.testing.assert_allclose(joined[name], first + after / 2 + first / first.sum() * after.sum() / 2, rtol=1e-9)
    active = joined["active"].to_numpy()
    assert (active >= near.active).all()
    assert active[3] == 1
    np.testing.assert_allclose(joined["at_risk"], joined["value"].to_numpy() * (1 - active), rtol=1e-12)
    total = undiscounted.total(PEOPLE, near=near)
    assert total.value == pytest.approx(joined["value"].to_numpy().sum())
    own = undiscounted.total(PEOPLE)  # as wide, in proportion
    assert (total.high - total.low) / total.value == pytest.approx((own.high - own.low) / own.value)
    # later money counts less, and of the forecast too
    assert (value.predict(PEOPLE, near=near)["value"].to_numpy()[1:] < joined["value"].to_numpy()[1:]).all()


def test_a_near_term_as_long_as_the_horizon_is_all_there_is(value):
    near = NearTerm(365, np.arange(6.0), np.linspace(0, 1, 6), np.arange(6) * 1000.0)
    undiscounted = CustomerValue(value.orders, value.spend, discount_rate=0.0, horizon_days=365)
    told = undiscounted.predict(PEOPLE, near=near)
    for name, values in (("expected_orders", near.orders), ("active", near.active), ("value", near.spend)):
        np.testing.assert_allclose(told[name], values, atol=1e-9, err_msg=name)


def test_who_surely_orders_has_no_futures_without_an_order(value):
    sure = NearTerm(60, np.full(6, 3.0), np.ones(6), np.full(6, 5000.0))
    assert (value.predict(PEOPLE, near=sure, level=0.98)["value_low"].to_numpy() > 0).all()
    never = NearTerm(365, np.zeros(6), np.zeros(6), np.zeros(6))
    gone = value.predict(PEOPLE, near=never)
    for name in ("expected_orders", "active", "value", "at_risk", "value_low", "value_high"):
        np.testing.assert_allclose(gone[name], 0, atol=1e-9, err_msg=name)


def test_a_persons_own_value_is_as_wide_as_simulated_customers_make_it(model_of, spend_of):
    # a forecaster who knows who still is a customer: intervals of the joined value must hold what these people bring
    model, spend = model_of(ParetoNBD, 0.7, 20.0, 0.6, 90.0), spend_of(6.25, 3.744, 1544.0)
    rng = np.random.default_rng(5)
    made = model.sample(np.full(4000, 200.0), rng, horizon=200.0)
    amount = 1544.0 / rng.gamma(3.744, 1.0, 4000)
    brought = np.array([rng.gamma(6.25 * n) if n else 0.0 for n in made.orders]) * amount
    h = made.histories
    mean = np.where(h.frequency > 0, rng.gamma(np.maximum(6.25 * h.frequency, 1)) / np.maximum(h.frequency, 1), np.nan)
    people = pa.table(
        {"frequency": h.frequency, "recency": h.recency, "T": h.T, "spend": pa.array(mean * amount, from_pandas=True)}
    )
    value = CustomerValue(model, spend, discount_rate=0.0, horizon_days=200)
    alive, soon = np.clip(model.alive(people), 1e-9, 1), 60.0
    knows = made.alive / alive
    plain = value.predict(people, horizon_days=soon, intervals=False)
    near = NearTerm(
        soon,
        plain["expected_orders"].to_numpy() * knows,
        np.minimum(plain["active"].to_numpy() * knows, 1.0),
        plain["value"].to_numpy() * knows,
    )
    told = value.predict(people, near=near, level=0.8)
    inside = (told["value_low"].to_numpy() <= brought + 1e-9) & (brought <= told["value_high"].to_numpy() + 1e-9)
    assert inside.mean() > 0.75
    assert inside[made.alive].mean() > 0.7


@given(chances, st.lists(st.tuples(st.floats(0, 365), chances), min_size=2, max_size=8), st.floats(1, 300))
def test_chances_rise_with_time_and_pass_through_the_forecast(near, points, days):
    # the model's chances rise with time, too
    times, model = sorted(time for time, _ in points), sorted(chance for _, chance in points)
    soon = np.interp(days, times, model)
    term = NearTerm(days, np.ones(1), np.array([near]), np.ones(1))
    found = [term.chance(time, [np.interp(time, times, model)], [soon])[0] for time in sorted({*times, days})]
    assert (np.diff(found) >= -1e-12).all()
    assert min(found) >= 0
    assert max(found) <= 1
    assert term.chance(days, [soon], [soon])[0] == pytest.approx(near)


@pytest.mark.parametrize("kind", [BGNBD, ParetoNBD])
@pytest.mark.parametrize("unit", [1.0, 7.0])
def test_waits_are_those_that_a_calendar_of_days_gives(model_of, kind, unit):
    parameters = (0.5, 30.0 / unit, 0.8, 2.5) if kind is BGNBD else (0.7, 20.0 / unit, 0.6, 90.0 / unit)
    model, people = model_of(kind, *parameters), PEOPLE
    for place, name in ((2, "recency"), (3, "T")):
        people = people.set_column(place, name, pa.array(PEOPLE[name].to_numpy() / unit))
    near = NearTerm(40, np.ones(6), np.array([0.05, 0.3, 0.6, 0.95, 1.0, 0.0]), np.ones(6))
    found = next_order(model, people, within_days=365, near=near, unit_days=unit)
    soon, days = model.active(people, 40.0 / unit), np.linspace(0.05, 365, 7300)
    for person in range(6):
        rising = model.active(people.slice(person, 1).take([0] * len(days)), days / unit)
        chance = near.taken(np.full(len(days), person)).chance(days, rising, np.full(len(days), soon[person]))
        for name, at in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
            wait = found[f"days_{name}"][person].as_py()
            if wait is None:
                assert chance[-1] < at
            else:
                assert wait == pytest.approx(days[np.argmax(chance >= at)], abs=0.06)
        assert found["probability"][person].as_py() == pytest.approx(chance[-1])


def test_what_is_no_forecast_of_these_people_is_refused(value):
    fine = np.ones(6)
    with pytest.raises(ParameterError, match="days"):
        NearTerm(0, fine, fine, fine)
    with pytest.raises(ParameterError, match="active"):
        NearTerm(30, fine, np.ones(5), fine)
    with pytest.raises(DataError, match="a probability for 6 of 6"):
        NearTerm(30, fine, fine * 1.5, fine)
    with pytest.raises(DataError, match="orders is not a number from 0 on for 1 of 6"):
        NearTerm(30, np.array([1, 1, 1, 1, 1, np.nan]), fine, fine)
    long, others = NearTerm(400, fine, fine, fine), NearTerm(30, *[np.ones(2)] * 3)
    for near, what in ((long, "at most the horizon"), (others, "6")):
        with pytest.raises(ParameterError, match=what):
            value.predict(PEOPLE, near=near)
        with pytest.raises(ParameterError, match=what):
            next_order(value.orders, PEOPLE, near=near)
