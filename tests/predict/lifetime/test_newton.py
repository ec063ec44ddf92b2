"""Newton's climb: to the maximum in few steps, from anywhere, or an error that says what runs away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from coterie.errors import ConvergenceError
from coterie.predict.lifetime.newton import maximise


def quadratic(theta):
    bend = np.array([[-4.0, 1.0], [1.0, -2.0]])
    away = theta - [1.0, -2.0]
    return float(away @ bend @ away / 2), bend @ away, bend


def test_a_parabola_takes_one_step_and_knows_its_covariance():
    peak = maximise(quadratic, [3.0, -1.0], ["a", "b"])
    np.testing.assert_allclose(peak.theta, [1.0, -2.0], atol=1e-12)
    np.testing.assert_allclose(peak.covariance, np.linalg.inv([[4.0, -1.0], [-1.0, 2.0]]))
    assert (peak.iterations, peak.evaluations) == (1, 2)


@settings(max_examples=40)
@given(st.floats(-8, 8), st.floats(-8, 8))
def test_a_crooked_hill_is_climbed_from_anywhere(x, y):
    def hill(theta):  # log-concave nowhere near the edges: curvature of both signs on the way
        u, v = theta
        value = -np.log1p(u * u + 2 * v * v - u * v)
        s = 1 + u * u + 2 * v * v - u * v
        first = -np.array([2 * u - v, 4 * v - u]) / s
        return value, first, -np.array([[2.0, -1.0], [-1.0, 4.0]]) / s + np.outer(first, first)

    peak = maximise(hill, [x, y], ["u", "v"])
    np.testing.assert_allclose(peak.theta, 0, atol=1e-4)
    assert peak.log_likelihood == pytest.approx(-minimize(lambda t: -hill(t)[0], [0.3, 0.3]).fun, abs=1e-8)


def test_what_runs_away_is_named():
    def slope(theta):
        return float(theta[1] - theta[0] ** 2), np.array([-2 * theta[0], 1.0]), np.diag([-2.0, 0.0])

    with pytest.raises(ConvergenceError, match="keeps rising while rate runs away"):
        maximise(slope, [1.0, 0.0], ["level", "rate"])


def test_a_ridge_that_has_come_to_rest_is_an_answer_of_no_precision():
    def ridge(theta):  # rises towards 0 as theta falls
        gone = np.exp(theta[0])
        return -float(gone), np.array([-gone]), np.array([[-gone]])

    peak = maximise(ridge, [0.0], ["dropout"])
    assert peak.log_likelihood == pytest.approx(0, abs=1e-8)
    assert peak.covariance[0, 0] == pytest.approx(1e6)


def test_a_likelihood_that_is_no_number_is_an_error():
    with pytest.raises(ConvergenceError, match="not a number where the fit begins"):
        maximise(lambda theta: (np.nan, theta, np.eye(1)), [0.0], ["a"])


def test_a_climb_that_takes_too_long_is_an_error():
    with pytest.raises(ConvergenceError, match="No maximum in 3 steps"):
        maximise(quadratic, [15.0, 0.0], ["a", "b"], limit=3)
