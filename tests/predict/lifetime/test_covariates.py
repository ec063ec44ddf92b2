"""Traits that do not change, in BG/NBD and MBG/NBD: who buys more, and who leaves sooner."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import DataError, MissingColumnError, ParameterError
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import MBGCNBD
from coterie.predict.lifetime.histories import Histories, Tuples


def people(kind=BGNBD, count=4000, seed=0):
    """Half are club members, who buy 1.5 times as often; those who live farther leave sooner."""
    random = np.random.default_rng(seed)
    club, far = random.integers(0, 2, count).astype(float), random.normal(30, 10, count)
    standard = (far - 30) / 10
    model = kind().fit(pa.table({"frequency": [0, 1, 2, 5] * 9, "recency": [0, 9, 19, 30] * 9, "T": [40] * 36}))
    model.theta_ = np.log([1.0, 8.0, 0.7, 2.4])
    p = [1.0, 8.0 * np.exp(-0.4 * club), 0.7 * np.exp(0.5 * standard), np.full(count, 2.4)]
    made = model._simulated([np.broadcast_to(v, count) for v in p], np.full(count, 60.0), 0.0, random).histories
    return pd.DataFrame({"frequency": made.frequency, "recency": made.recency, "T": made.T, "club": club, "far": far})


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.floats(-1.5, 1.5), min_size=10, max_size=10),
    st.sampled_from([BGNBD(), MBGNBD(), MBGCNBD(k=2)]),
)
def test_slopes_and_bends_with_covariates_are_those_of_finite_differences(at, model):
    frame = people(count=60)
    histories = Histories.of(frame, covariates=["club", "far"])
    histories.covariates[:, 1] = (histories.covariates[:, 1] - 30) / 10
    model.k_ = getattr(model, "k", 1)
    likelihood, theta = model._likelihood(histories.unique()), np.array(at)
    _, gradient, hessian = likelihood(theta)
    steps = 1e-5 * np.eye(10)
    ends = [(likelihood(theta + step), likelihood(theta - step)) for step in steps]
    rough = np.array([(high[0] - low[0]) / 2e-5 for high, low in ends])
    bends = np.array([(high[1] - low[1]) / 2e-5 for high, low in ends])
    np.testing.assert_allclose(gradient, rough, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())
    np.testing.assert_allclose(hessian, bends, rtol=1e-5, atol=1e-6 * np.abs(hessian).max())


def test_coefficients_of_nothing_leave_the_model_without_covariates():
    frame = people(count=300)
    plain = BGNBD().fit(frame)
    histories = Histories.of(frame, covariates=["club", "far"])
    theta = np.concatenate([plain.theta_, np.zeros(6)])
    value, gradient, _ = BGNBD()._likelihood(histories.unique())(theta)
    assert value == pytest.approx(plain.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(gradient[:4], 0, atol=1e-3)


@pytest.mark.parametrize("kind", [BGNBD, MBGNBD])
def test_who_buys_more_and_who_leaves_sooner_is_found(kind):
    frame = people(kind)
    model = kind().fit(frame, covariates=["club", "far"])
    plain = kind().fit(frame)
    assert model.log_likelihood_ > plain.log_likelihood_ + 20
    truth = {"alpha:club": 0.4 * frame["club"].std(ddof=0), "a:far": 0.5 * frame["far"].std(ddof=0) / 10}
    for name in model.names_[4:]:
        away = model.parameters_[name] - truth.get(name, 0.0)
        assert abs(away) < 4 * model.standard_errors_[name], name
    assert model.evaluations_ <= 15


def test_answers_are_each_persons_own():
    frame = people()
    model = BGNBD().fit(frame, covariates=["club", "far"])
    alike = frame.iloc[[0, 0]].assign(club=[0.0, 1.0], frequency=0.0, recency=0.0, T=1.0, far=30.0)
    less, more = model.expected_orders(alike, 30.0)
    assert more > 1.15 * less
    low, high = model.orders_interval(frame, 30.0)
    mean = model.expected_orders(frame, 30.0)
    assert np.all((low < mean) & (mean < high))
    again = BGNBD.from_json(json.loads(json.dumps(model.to_json())))
    np.testing.assert_array_equal(again.expected_orders(frame, 30.0), mean)
    shuffled = frame.sample(frac=1, random_state=2)
    np.testing.assert_array_equal(model.active(shuffled, 9.0), model.active(frame, 9.0)[shuffled.index])
    np.testing.assert_allclose(
        BGNBD().fit(shuffled, covariates=["club", "far"]).theta_, model.theta_, rtol=1e-6, atol=1e-8
    )


def test_samples_follow_the_traits_that_are_given():
    frame = people()
    model = BGNBD().fit(frame, covariates=["club"])
    random = np.random.default_rng(3)
    member, other = (
        model.sample(np.full(30_000, 60.0), random, covariates=np.full((30_000, 1), club)).histories for club in (1, 0)
    )
    assert member.frequency.mean() > 1.15 * other.frequency.mean()
    seen = frame.groupby("club")["frequency"].mean()
    assert member.frequency.mean() == pytest.approx(seen[1.0], rel=0.1)


def test_a_covariate_that_cannot_be_used_says_why():
    frame = people(count=60)
    with pytest.raises(MissingColumnError, match="'age'"):
        BGNBD().fit(frame, covariates=["age"])
    with pytest.raises(ParameterError, match="traits in which people differ, got 'club'"):
        BGNBD().fit(frame.assign(club=1.0), covariates=["club"])
    with pytest.raises(DataError, match="a covariate that is no number"):
        BGNBD().fit(frame.assign(far=np.nan), covariates=["far"])
    model = BGNBD().fit(frame, covariates=["far"])
    with pytest.raises(MissingColumnError, match="'far'"):
        model.active(frame.drop(columns="far"), 9.0)
    with pytest.raises(MissingColumnError, match="'far'"):
        model.active(Histories.of(frame), 9.0)


def test_people_unlike_in_traits_alone_are_not_one():
    tuples = Histories.of(people(count=50), covariates=["club"]).unique()
    assert isinstance(tuples, Tuples)
    assert tuples.covariates.shape == (len(tuples.T), 1)
