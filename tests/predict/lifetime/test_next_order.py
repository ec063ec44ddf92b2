"""When the next order comes: by the model's own probabilities, by hand where a hand can, and on a real shop."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import MissingColumnError, NotFittedError, ParameterError
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.next_order import inverted, lateness, next_order
from coterie.predict.lifetime.pareto_nbd import ParetoNBD

PEOPLE = pa.table(
    {
        "person": [11, 12, 13, 14, 15, 16],
        "frequency": [0, 0, 2, 12, 40, 200],
        "recency": [0.0, 0.0, 60.0, 200.0, 30.0, 364.5],
        "T": [5.0, 300.0, 300.0, 210.0, 200.0, 365.0],
    }
)
MODELS = [
    (BGNBD, (0.6, 20.0, 0.8, 2.5), {}),
    (MBGNBD, (0.9, 30.0, 0.5, 3.0), {}),
    (BGCNBD, (1.2, 6.0, 0.6, 3.0), {"k": 3}),
    (MBGCNBD, (1.2, 9.0, 0.6, 3.0), {"k": 2}),
    (ParetoNBD, (0.7, 15.0, 0.6, 90.0), {}),
]


@pytest.mark.parametrize(("kind", "parameters", "settings"), MODELS)
@pytest.mark.parametrize("level", [0.8, 0.3])
def test_by_these_days_an_order_has_come_with_these_probabilities(model_of, kind, parameters, settings, level):
    model = model_of(kind, *parameters, **settings)
    found = next_order(model, PEOPLE, level=level, within_days=400)
    chance = model.active(PEOPLE, 400.0)
    np.testing.assert_allclose(found["probability"].to_numpy(), chance)
    assert found["likely"].to_pylist() == (chance >= 0.5).tolist()
    before = np.zeros(len(PEOPLE))
    for name, at in (("low", (1 - level) / 2), ("median", 0.5), ("high", (1 + level) / 2)):
        days = found[f"days_{name}"].to_numpy(zero_copy_only=False)
        assert (np.isnan(days) == (chance < at)).all()
        known = np.nan_to_num(days, nan=400)
        reached = model.active(PEOPLE, known)[chance >= at]
        np.testing.assert_allclose(reached, at, atol=1e-6)
        assert (known >= before).all()
        assert (known <= 400).all()
        before = known


@pytest.mark.parametrize(("kind", "parameters", "settings"), MODELS)
def test_nobodys_day_depends_on_the_others(model_of, kind, parameters, settings):
    model = model_of(kind, *parameters, **settings)
    whole, rows = next_order(model, PEOPLE), [3, 0, 4]
    few = next_order(model, PEOPLE.take(rows))
    assert few["person"].to_pylist() == [14, 11, 15]
    for name in ("days_low", "days_median", "days_high"):
        np.testing.assert_allclose(
            few[name].to_numpy(zero_copy_only=False), whole[name].to_numpy(zero_copy_only=False)[rows], rtol=1e-6
        )
    np.testing.assert_allclose(lateness(model, PEOPLE.take(rows)), lateness(model, PEOPLE)[rows], rtol=1e-9)


def test_a_person_of_a_known_rate_waits_as_the_exponential_distribution_says(model_of):
    # all buy every 10 days and hardly anybody drops out
    model = model_of(MBGNBD, 1e7, 1e8, 1e-6, 1e3)
    found = next_order(model, PEOPLE.slice(0, 1), level=0.8)
    assert found["days_low"][0].as_py() == pytest.approx(-10 * np.log(0.9), rel=1e-3)
    assert found["days_median"][0].as_py() == pytest.approx(10 * np.log(2), rel=1e-3)
    assert found["days_high"][0].as_py() == pytest.approx(-10 * np.log(0.1), rel=1e-3)


def test_who_buys_by_the_clock_is_due_when_the_clock_says(model_of):
    # gaps of 10 days, of an Erlang distribution so narrow that it is nearly one day
    model = model_of(MBGCNBD, 1e7, 5e6, 1e-6, 1e3, k=20)
    people = pa.table({"frequency": [9, 9], "recency": [90.0, 90.0], "T": [90.0, 97.0]})
    found = next_order(model, people)["days_median"].to_pylist()
    assert found[0] == pytest.approx(9.83, abs=0.05)
    assert 2.5 < found[1] < 3.6
    assert (lateness(model, people) < 0.15).all()
    late = pa.table({"frequency": [9], "recency": [90.0], "T": [108.0]})
    assert lateness(model, late)[0] > 0.99


def test_days_become_dates_on_which_they_end(model_of):
    found = next_order(model_of(*[MBGNBD, 1e7, 1e8, 1e-6, 1e3]), PEOPLE, as_of=date(2017, 5, 31))
    assert found["date_median"][0].as_py() == date(2017, 6, 7)  # 6.9 days
    assert found["date_low"][0].as_py() == date(2017, 6, 2)  # 1.1 days
    gone = next_order(model_of(BGNBD, 0.3, 20.0, 5.0, 2.5), PEOPLE, as_of=datetime(2017, 5, 31, 12))
    assert gone["date_high"].to_pylist()[4] is None
    assert gone["days_high"].to_pylist()[4] is None
    assert not gone["likely"][4].as_py()


def test_weeks_give_the_same_days(model_of):
    weeks = PEOPLE.set_column(2, "recency", pa.array(PEOPLE["recency"].to_numpy() / 7))
    weeks = weeks.set_column(3, "T", pa.array(PEOPLE["T"].to_numpy() / 7))
    daily, weekly = model_of(BGNBD, 0.6, 21.0, 0.8, 2.5), model_of(BGNBD, 0.6, 3.0, 0.8, 2.5)
    for name in ("days_low", "days_median"):
        days = next_order(daily, PEOPLE)[name].to_numpy(zero_copy_only=False)
        np.testing.assert_allclose(next_order(weekly, weeks, unit_days=7)[name].to_numpy(zero_copy_only=False), days)
    np.testing.assert_allclose(lateness(weekly, weeks, unit_days=7), lateness(daily, PEOPLE))


@given(
    st.lists(st.tuples(st.floats(0.01, 5), st.floats(0.5, 4)), min_size=1, max_size=6),
    st.floats(0.01, 0.99),
    st.sampled_from([1.0, 365.0, 1e5]),
)
def test_what_is_inverted_comes_back(shapes, at, most):
    # Weibull times, of which one in twenty never ends
    scale, shape = np.array(shapes).T * np.array([[most / 6], [1.0]])

    def chance(rows, times):
        return 0.95 * -np.expm1(-((times / scale[rows]) ** shape[rows]))

    reached = chance(np.arange(len(scale)), np.full(len(scale), most)) >= at
    scale, shape = scale[reached], shape[reached]
    found = inverted(chance, at, most, int(reached.sum()))
    np.testing.assert_allclose(chance(np.arange(len(scale)), found), at, atol=1e-6)


@given(st.floats(0, 60), st.floats(0, 60))
def test_who_waits_longer_is_later(model_of, one, more):
    model = model_of(ParetoNBD, 0.7, 15.0, 0.6, 90.0)
    people = pa.table({"frequency": [6, 6], "recency": [50.0, 50.0], "T": [50.0 + one, 50.0 + one + more]})
    early, late = lateness(model, people)
    assert 0 <= early <= late + 1e-14  # rounding
    assert late <= 1


def test_lateness_is_the_share_of_waits_that_would_have_ended(model_of):
    # without dropout the next wait, given x purchases in t, is a Lomax time
    model = model_of(MBGNBD, 0.8, 25.0, 1e-9, 1e3)
    x, recency, T = (PEOPLE[name].to_numpy() for name in ("frequency", "recency", "T"))

    def ended(wait):
        return 1 - ((25 + recency) / (25 + recency + wait)) ** (0.8 + x)

    np.testing.assert_allclose(lateness(model, PEOPLE), ended(T - recency) / ended(730.0), rtol=1e-5)
    assert lateness(model, PEOPLE, within_days=100)[1] == 1


def test_what_is_refused(model_of):
    model = model_of(BGNBD, 0.6, 21.0, 0.8, 2.5)
    for options in ({"within_days": 0}, {"level": 1}, {"unit_days": -1}, {"as_of": "2017-05-31"}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            next_order(model, PEOPLE, **options)
    with pytest.raises(ParameterError, match="within_days"):
        lateness(model, PEOPLE, within_days=np.inf)
    with pytest.raises(MissingColumnError):
        next_order(model, PEOPLE.drop_columns("T"))
    with pytest.raises(NotFittedError):
        next_order(BGNBD(), PEOPLE)


@pytest.mark.parametrize("month", [4, 6])
def test_a_grocers_households_come_nearer_to_the_day_than_their_gaps_say(journey_at, month):
    _, histories, future = journey_at(datetime(2017, month, 1))
    wait = np.where(np.isnan(future["wait"]), 90, future["wait"])

    def error(days):
        return np.abs(np.clip(np.nan_to_num(days, nan=90), 1, 90) - wait).mean()

    def judged(model):
        found = next_order(model.fit(histories), histories, within_days=90)
        low, median, high = (
            np.nan_to_num(found[f"days_{name}"].to_numpy(zero_copy_only=False), nan=90)
            for name in ("low", "median", "high")
        )
        return error(median), float(((wait >= np.ceil(low)) & (wait <= np.ceil(high))).mean())

    some = histories.frequency > 0
    gap = histories.recency / np.maximum(histories.frequency, 1)
    gap = np.where(some, gap, np.median(gap[some]))
    naive = {
        "mean gap from the last order": error(gap - (histories.T - histories.recency)),
        "half-life of the mean gap": error(gap * np.log(2)),
        "everybody's median": error(np.full(len(wait), np.median(wait))),
    }
    found, covered = judged(BGNBD())
    assert found < 0.95 * min(naive.values())
    assert 0.76 < covered < 0.92  # days are whole, and either end counts
    # households of a grocer are no regular buyers: the model of regular ones fits better and foretells worse
    regular, covered = judged(BGCNBD())
    assert regular < min(naive.values())
    assert 0.76 < covered < 0.92


def test_histories_are_taken_as_a_table_is(model_of):
    model = model_of(BGNBD, 0.6, 21.0, 0.8, 2.5)
    assert next_order(model, Histories.of(PEOPLE)).equals(next_order(model, PEOPLE).drop_columns("person"))
