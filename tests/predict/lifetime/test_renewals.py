"""Moments of purchases to come: against the definition, against each other, and beyond what a float can take apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.predict.lifetime import renewals
from coterie.predict.lifetime.renewals import moments
from oracles import purchases

shapes = st.floats(0.1, 6)


@settings(max_examples=20, deadline=None)
@given(
    st.floats(1, 6),
    st.floats(5, 40),
    shapes,
    shapes,
    st.floats(0.1, 30),
    st.sampled_from([(1, 0), (2, 0), (2, 1), (3, 1)]),
)
def test_moments_are_those_of_the_definition(r, alpha, a, b, horizon, regular):
    k, passed = regular
    mean, second = moments(r, alpha, a, b, horizon, k, passed)
    assert mean[0] == pytest.approx(purchases.expected(r, alpha, a, b, horizon, k=k, passed=passed), rel=1e-5)
    expected = purchases.expected(r, alpha, a, b, horizon, k=k, passed=passed, power=2)
    assert second[0] == pytest.approx(expected, rel=1e-5, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 200), st.floats(10, 400), st.floats(0.01, 18), st.floats(0.05, 200), st.floats(0.01, 500))
def test_the_series_and_the_sum_over_events_agree(r, alpha, a, b, horizon):
    row = [np.array([value]) for value in (r, alpha, a, max(b, r - a - 2), horizon)]
    series, events = renewals._by_series(*row, mean_alone=False), renewals._by_events(*row, k=1, j=0)
    digits = 1e-8 * (1 + row[3] / row[0])  # what differences and the interpolation next to a pole leave
    np.testing.assert_allclose(series[0], events[0], rtol=digits[0])
    np.testing.assert_allclose(series[1], events[1], rtol=digits[0], atol=1e-9 * events[0][0] * row[3][0])


@pytest.mark.parametrize("at", [1.0, 2.0])
@pytest.mark.parametrize("r", [0.25, 160.0])
def test_nothing_jumps_where_a_formula_has_a_pole(at, r):
    around = np.array([-1e-3, -1e-5, -1e-9, 0.0, 1e-9, 1e-5, 1e-3])
    for horizon in (0.1, 100.0, 1_000.0):
        for values in moments(r, 4.4, at + around, 20.0, horizon, 1, 0):
            assert np.all(np.diff(values) <= np.abs(values[1:]) * 1e-7)
            np.testing.assert_allclose(values, values[3], rtol=2e-2)
            np.testing.assert_allclose(values[2:5], values[3], rtol=1e-6)


def test_without_dropout_and_with_one_rate_purchases_are_poisson():
    mean, second = moments(1e9, 1e9 / 0.3, 1e-9, 1e9, 20.0, 1, 0)
    np.testing.assert_allclose([mean[0], second[0]], [6.0, 36.0], rtol=1e-5)


def test_no_time_brings_no_purchase():
    assert [part[0] for part in moments(2.0, 3.0, 0.5, 2.0, 0.0, 1, 0)] == [0.0, 0.0]
    assert [part[0] for part in moments(2.0, 3.0, 0.5, 2.0, 0.0, 3, 2)] == [0.0, 0.0]


def test_many_people_are_answered_as_one_is():
    r = np.linspace(0.1, 60, 40_000)  # more than are taken at once, some by the series and some by events
    mean, second = moments(r, 30.0, 0.7, 5.0, 20.0, 1, 0)
    for place in (0, 3_000, 16_384, 39_999):
        alone = moments(r[place], 30.0, 0.7, 5.0, 20.0, 1, 0)
        np.testing.assert_allclose([mean[place], second[place]], [part[0] for part in alone], rtol=1e-12)
    assert np.all(np.diff(mean) > 0)
