"""BG/NBD and MBG/NBD: published parameters, the model's own words integrated, and customers that it makes itself."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import (
    ConvergenceError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    ParameterError,
)
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
from coterie.predict.lifetime.histories import Histories
from oracles import purchases

KINDS = [BGNBD, MBGNBD]
positive = st.floats(0.05, 8)
theta = st.tuples(positive, st.floats(0.5, 60), positive, positive)


def orders(path, sample):
    rows = [line.split() for line in path.read_text("latin-1").splitlines()]
    rows = [row[sample:] for row in rows if row and row[0].isdigit()]
    when = [date(int(row[1][:4]), int(row[1][4:6]), int(row[1][6:])) for row in rows]
    return pa.table({"person": [row[0] for row in rows], "time": when, "amount": [float(row[-1]) for row in rows]})


@pytest.fixture(scope="session")
def cdnow_sample(published) -> Histories:
    table = orders(published("cdnow/CDNOW_sample.txt"), True)
    return Histories.of_orders(table, until=date(1997, 9, 30), unit=7, amount="amount")[1]


@pytest.fixture(scope="session")
def cdnow(published) -> Histories:
    table = orders(published("cdnow/CDNOW_master.txt"), False)
    return Histories.of_orders(table, until=date(1997, 9, 30), unit=7, amount="amount")[1]


def known(kind, values, **settings_):
    """A model of parameters that somebody knows, as a file holds it."""
    return kind.from_json(
        {
            "kind": kind.__name__,
            "version": 1,
            "settings": settings_,
            "names": list(kind.names),
            "theta": np.log(values).tolist(),
            "covariance": (np.eye(4) / 100).tolist(),
            "log_likelihood": 0.0,
            "warning": "",
            "people": 1,
            "longest": 1.0,
            "iterations": 0,
            "evaluations": 0,
            "covariates": [],
            "centre": [],
            "scale": [],
        }
    )


def made(seed=0, people=400):
    """Histories on a grid of days, with very many purchases among them."""
    random = np.random.default_rng(seed)
    T = random.integers(1, 300, people).astype(float)
    x = np.where(random.random(people) < 0.5, 0, random.geometric(0.2, people)).astype(float)
    x[:3] = 300, 1, 40
    recency = np.where(x > 0, np.maximum(np.rint(T * random.random(people)), 1), 0.0)
    recency[5:9] = np.where(x[5:9] > 0, T[5:9], 0)
    unknown = np.full(people, np.nan)
    return Histories(x, recency, T, unknown, random.normal(size=people) * x, np.empty((people, 0)))


def one(x, recency, T, log_gaps=0.0):
    row = [np.array([float(value)]) for value in (x, recency, T, np.nan, log_gaps)]
    return Histories(*row, np.empty((1, 0)))


def slopes(likelihood, at, step=1e-5):
    """Gradient and Hessian by central differences."""
    ends = [[likelihood(at + sign * step * unit) for sign in (1, -1)] for unit in np.eye(len(at))]
    return (
        np.array([(high[0] - low[0]) / (2 * step) for high, low in ends]),
        np.array([(high[1] - low[1]) / (2 * step) for high, low in ends]),
    )


def test_the_published_parameters_of_the_cdnow_sample(cdnow_sample):
    assert len(cdnow_sample) == 2357
    model = BGNBD().fit(cdnow_sample)
    assert {name: round(value, 4) for name, value in model.parameters_.items()} == {
        "r": 0.2426,
        "alpha": 4.4136,
        "a": 0.7929,
        "b": 2.4259,
    }
    assert round(model.log_likelihood_, 3) == -9582.429
    assert model.evaluations_ <= 9
    # Fader, Hardie & Lee (2005) print 1.226 for this customer
    assert round(model.expected_orders(one(2, 30.43, 38.86), 39)[0], 3) == 1.226


def test_the_published_likelihood_of_all_of_cdnow(cdnow):
    assert len(cdnow) == 23570
    model = BGNBD().fit(cdnow)
    assert round(model.log_likelihood_, 4) == -95368.4439
    assert model.evaluations_ <= 5
    assert model.log_likelihoods(cdnow).sum() == pytest.approx(model.log_likelihood_, rel=1e-12)
    assert MBGNBD().fit(cdnow).log_likelihood_ > model.log_likelihood_


def test_the_published_parameters_of_the_modified_model(cdnow_sample):
    model = MBGNBD().fit(cdnow_sample)  # Batislam et al. (2007), as the lifetimes package tests them
    assert [round(value, 3) for value in model.parameters_.values()] == [0.525, 6.183, 0.891, 1.614]


@settings(max_examples=25)
@given(theta, st.sampled_from([(BGNBD, {}), (MBGNBD, {}), (BGCNBD, {"k": 3}), (MBGCNBD, {"k": 2})]))
def test_slopes_and_bends_are_those_of_finite_differences(values, which):
    kind, more = which
    model, histories = known(kind, values, **more), made()
    _, likelihood = model._prepared(histories)
    value, gradient, hessian = likelihood(np.log(values))
    total = (model.log_likelihoods(histories) - model._constants(histories)).sum()
    assert value == pytest.approx(total, rel=1e-11)
    rough = slopes(likelihood, np.log(values))
    np.testing.assert_allclose(gradient, rough[0], rtol=1e-6, atol=1e-5 * np.abs(gradient).max())
    np.testing.assert_allclose(hessian, rough[1], rtol=1e-6, atol=1e-6 * np.abs(hessian).max())
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
@pytest.mark.parametrize("values", [(0.25, 4.8, 0.7, 2.2), (3.0, 0.1, 0.02, 0.4), (900.0, 1e5, 40.0, 1e-3)])
def test_many_histories_sum_to_what_each_adds(kind, values):
    random = np.random.default_rng(3)
    people = 45_000  # more unlike ones than are summed at a time
    T = random.uniform(1, 900, people)
    x = np.where(random.random(people) < 0.3, 0, random.geometric(0.1, people)).astype(float)
    recency = np.where(x > 0, T * random.uniform(0.01, 1, people), 0.0)
    again = random.integers(0, people, 5000)  # some more than once
    x, recency, T = (np.append(column, column[again]) for column in (x, recency, T))
    unknown = np.full(len(x), np.nan)
    histories, model = Histories(x, recency, T, unknown, unknown, np.empty((len(x), 0))), known(kind, values)
    found = model._prepared(histories)[1](np.log(values))
    expected = model._likelihood(histories.unique())(np.log(values))
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    for one_, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one_, other, rtol=1e-7, atol=1e-10 * np.abs(other).max())
    shuffled = model._prepared(histories.taken(random.permutation(len(x))))[1](np.log(values))
    for one_, other in zip(found, shuffled, strict=True):
        np.testing.assert_array_equal(one_, other)


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
def test_histories_and_their_tuples_give_the_same_rough_values(kind):
    people = made()
    rough, _ = kind()._prepared(people)
    assert rough == pytest.approx(kind()._start(people.unique()), rel=1e-12)
    assert np.all(np.isfinite(np.log(rough)))


@settings(max_examples=20, deadline=None)
@given(
    theta,
    st.integers(0, 12),
    st.floats(0.05, 1),
    st.floats(1, 80),
    st.sampled_from([(BGNBD, 1), (MBGNBD, 1), (BGCNBD, 2), (MBGCNBD, 3)]),
)
def test_a_likelihood_is_the_definition_integrated(values, x, share, T, which):
    kind, k = which
    model = known(kind, values, **({"k": k} if k > 1 else {}))
    recency = share * T if x else 0.0
    log_gaps = x * np.log(recency / x) if x else 0.0
    expected = purchases.likelihood(values, x, recency, T, log_gaps, k=k, first=kind.first)
    assert model.log_likelihoods(one(x, recency, T, log_gaps))[0] == pytest.approx(np.log(expected), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_come_back_from_customers_that_the_model_made(kind):
    truth = np.array([0.8, 12.0, 0.7, 2.5])
    made_up = known(kind, truth).sample(np.full(30_000, 100.0), np.random.default_rng(4)).histories
    model = kind().fit(made_up)
    errors = np.array(list(model.standard_errors_.values()))
    assert np.all(np.abs(np.array(list(model.parameters_.values())) - truth) < 4 * errors)
    assert np.all(errors < 0.2 * truth)


@pytest.mark.parametrize(("kind", "more"), [(BGNBD, {}), (MBGNBD, {}), (BGCNBD, {"k": 3}), (MBGCNBD, {"k": 2})])
def test_every_answer_is_right_on_average_for_customers_of_each_kind(kind, more):
    model = known(kind, [1.2, 5.0, 0.7, 2.3], **more)
    random = np.random.default_rng(8)
    found = model.sample(random.integers(1, 30, 120_000).astype(float), random, horizon=25.0)
    people, orders_ = found.histories, found.orders
    mean, spread = model.expected_orders(people, 25.0), model.spread(people, 25.0)
    surprises = {
        "orders": orders_ - mean,
        "spread": np.square(orders_ - mean) - spread,
        "active": (orders_ > 0) - model.active(people, 25.0),
        "alive": found.alive - model.alive(people),
    }
    x = people.frequency
    groups = {"none": x == 0, "one": x == 1, "some": (x > 1) & (x < 5), "many": x >= 5}
    for name, surprise in surprises.items():
        for group, rows in groups.items():
            mine = surprise[rows]
            if np.any(mine):  # everybody without a repeat purchase is alive in BG/NBD
                assert abs(mine.sum()) < 4 * np.sqrt(np.square(mine).sum()), (name, group)


@pytest.mark.parametrize(("kind", "more"), [(BGNBD, {}), (MBGNBD, {}), (MBGCNBD, {"k": 2})])
def test_a_new_customer_buys_what_samples_buy(kind, more):
    model = known(kind, [0.9, 7.0, 0.6, 2.0], **more)
    ages = np.array([0.0, 5.0, 60.0])
    found = model.expected_of_new(ages)
    assert found[0] == 0
    for age, expected in zip(ages[1:], found[1:], strict=True):
        x = model.sample(np.full(60_000, age), np.random.default_rng(5)).histories.frequency
        assert abs(x.mean() - expected) < 4 * x.std() / np.sqrt(len(x))
    assert found.shape == (3,)
    assert model.expected_of_new(5.0).shape == ()


def test_the_counts_interval_holds_as_many_as_it_says():
    model = known(BGNBD, [1.5, 20.0, 0.5, 3.0])
    model.theta_covariance_ = np.eye(4) * 1e-8  # as of very many people
    found = model.sample(np.full(40_000, 100.0), np.random.default_rng(6), horizon=50.0)
    low, high = model.orders_interval(found.histories, 50.0, level=0.9, kind="count")
    inside = np.mean((found.orders >= low) & (found.orders <= high))
    assert 0.9 - 0.01 < inside < 0.99  # counts are whole: an interval of them holds more than it must
    assert np.mean(found.orders > high) < 0.06
    assert np.all(low == np.floor(low))


def test_the_means_interval_is_that_of_fits_to_new_samples():
    truth = known(BGNBD, [0.8, 12.0, 0.7, 2.5])
    random, who = np.random.default_rng(7), one(3, 60.0, 90.0)
    fits = [BGNBD().fit(truth.sample(np.full(3000, 90.0), random).histories) for _ in range(120)]
    expected = truth.expected_orders(who, 40.0)[0]
    held = [low[0] <= expected <= high[0] for low, high in (fit.orders_interval(who, 40.0) for fit in fits)]
    assert abs(np.mean(held) - 0.9) < 4 * np.sqrt(0.09 / 120)


@pytest.mark.parametrize("kind", [*KINDS, lambda: BGCNBD(k=2)])
def test_the_order_of_people_and_their_number_of_times_change_nothing(kind):
    people = made()
    order = np.random.default_rng(1).permutation(len(people))
    first, again = kind().fit(people), kind().fit(people.taken(order))
    assert first.parameters_ == again.parameters_
    np.testing.assert_array_equal(first.active(people, 30.0)[order], again.active(people.taken(order), 30.0))
    each = first.expected_orders(people, np.full(len(people), 30.0))
    np.testing.assert_allclose(each, first.expected_orders(people, 30.0), rtol=1e-12)


def test_the_unit_of_time_is_the_users():
    days = made()
    weeks = Histories(days.frequency, days.recency / 7, days.T / 7, days.spend, days.log_gaps, days.covariates)
    by_day, by_week = BGNBD().fit(days), BGNBD().fit(weeks)
    assert by_day.parameters_["alpha"] == pytest.approx(7 * by_week.parameters_["alpha"], rel=1e-5)
    np.testing.assert_allclose(by_day.active(days, 70.0), by_week.active(weeks, 10.0), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_stay_sound_far_out(kind):
    model = known(kind, [0.25, 4.4, 0.79, 2.43])
    x = np.array([0.0, 1, 300, 800, 5000])
    people = pa.table({"frequency": x, "recency": np.where(x > 0, 38.0, 0), "T": np.full(5, 39.0)})
    before = np.zeros(5)
    for horizon in (0.0, 1e-9, 1.0, 39.0, 5000.0, 1e5):
        mean, active = model.expected_orders(people, horizon), model.active(people, horizon)
        spread = model.spread(people, horizon)
        assert np.isfinite([mean, active, spread]).all()
        assert np.all(active <= 1)
        assert np.all(mean >= active * (1 - 1e-9))
        assert np.all(mean >= before)
        assert np.all((spread >= 0) & np.isfinite(spread))
        before = mean
    np.testing.assert_array_equal(model.expected_orders(people, 0.0), 0)


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame])
def test_any_dataframe_is_read(make):
    people = made(people=120)
    frame = make({"x": people.frequency, "recency": people.recency, "T": people.T})
    with pytest.raises(MissingColumnError, match="frequency"):
        BGNBD().fit(frame)
    frame = make({"frequency": people.frequency, "recency": people.recency, "T": people.T})
    model = BGNBD().fit(frame)
    assert model.people_ == 120
    np.testing.assert_array_equal(model.alive(frame), model.alive(people))


@pytest.mark.parametrize(
    ("x", "recency", "T", "words"),
    [
        ([0] * 60, [0] * 60, [30] * 60, "nobody of 60 people bought a second time"),
        ([0] * 60, [0] * 60, [0] * 60, "nobody of 60"),
        ([2], [10], [30], "no more than 1 person for 4 parameters"),
        ([0, 1, 3], [0, 10, 20], [30] * 3, "no more than 3 people for 4 parameters"),
    ],
)
@pytest.mark.parametrize("kind", [*KINDS, BGCNBD])
def test_what_cannot_be_learnt_says_why(kind, x, recency, T, words):
    with pytest.raises(ConvergenceError, match=rf"{kind.__name__} could not be fitted: .*{words}"):
        kind().fit(pa.table({"frequency": x, "recency": recency, "T": T, "log_gaps": [0.0] * len(x)}))


@pytest.mark.parametrize(
    ("x", "recency"),
    [([2] * 90, [50] * 90), ([0] * 89 + [1], [0] * 89 + [5]), ([5, 2] * 45, [100] * 90), ([3, 0] * 45, [20, 0] * 45)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_people_who_are_all_alike_leave_a_warning_and_sound_answers(kind, x, recency):
    people = pa.table({"frequency": x, "recency": recency, "T": [100] * 90})
    model = kind().fit(people)
    assert model.warning_.startswith("The data hardly tell")
    mean, active = model.expected_orders(people, 100.0), model.active(people, 100.0)
    low, high = model.orders_interval(people, 100.0)
    assert np.isfinite([mean, active, low, high]).all()
    assert np.all((low <= mean) & (mean <= high))
    assert BGNBD().fit(made()).warning_ == ""


def test_a_saved_model_answers_as_the_fitted_one():
    people = made()
    for model in (BGNBD().fit(people), MBGNBD().fit(people), BGCNBD(k=2).fit(people)):
        body = json.loads(json.dumps(model.to_json(), allow_nan=False))
        again = type(model).from_json(body)
        assert again.to_json() == model.to_json()
        np.testing.assert_array_equal(again.expected_orders(people, 9.0), model.expected_orders(people, 9.0))
        assert again.standard_errors_ == model.standard_errors_


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "ParetoNBD"},
        {"version": 2},
        {"theta": [0.0, 0.0, 0.0]},
        {"theta": [0.0, 0.0, 0.0, None]},
        {"covariance": [[1.0]]},
        {"names": 3},
        {"settings": {"k": 3}},
        {"centre": [0.0]},
    ],
)
def test_a_file_that_was_changed_is_refused(change):
    body = known(BGNBD, [1.0, 1.0, 1.0, 1.0]).to_json()
    with pytest.raises(IntegrityError):
        BGNBD.from_json({**body, **change})


def test_questions_that_make_no_sense_say_what_is_allowed():
    people = made(people=90)
    with pytest.raises(NotFittedError, match="BGNBD is not fitted"):
        BGNBD().active(people, 3.0)
    model = BGNBD().fit(people)
    for horizon in (-1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match="at least 0"):
            model.active(people, horizon)
    with pytest.raises(ParameterError, match="horizon must be"):
        model.active(people, [1.0, 2.0])
    with pytest.raises(ParameterError, match="level"):
        model.orders_interval(people, 1.0, level=1.0)
    with pytest.raises(ParameterError, match="kind"):
        model.orders_interval(people, 1.0, kind="both")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
@pytest.mark.parametrize("horizon", [0, 1.5, 39, 5000.0])
def test_many_people_are_told_what_few_are(kind: type[BGNBD | MBGNBD], horizon: float) -> None:
    random = np.random.default_rng(0)
    age = random.integers(0, 12, 4000).astype(np.float64)
    x = np.minimum(random.poisson(1.0, 4000), age)
    recency = np.where(x > 0, np.ceil(age * random.random(4000) ** 0.3), 0.0)
    people = pa.table({"frequency": x, "recency": recency, "T": age})
    model = kind().fit(people)
    alone = np.concatenate([model.expected_orders(people.slice(start, 50), horizon) for start in range(0, 4000, 50)])
    assert model.expected_orders(people, horizon) == pytest.approx(alone, rel=1e-12, abs=1e-300)
