"""Which model is taken where a likelihood has no maximum, or one that is too flat to tell the parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from coterie.errors import ConvergenceError
from coterie.predict.lifetime.limits import Limit, maximise_or_limit
from coterie.predict.lifetime.newton import Floats, Likelihood, Optimum

NAMES = ("height", "size")
ENDLESS = Limit({1: 20.0}, {}, "size is infinite")
LEVEL = Limit({0: 0.0}, {}, "height is none")


def peaked(second: Callable[[float], tuple[float, float, float]]) -> Likelihood:
    """Return a likelihood that is highest at a height of 1, and of the size what a function and its derivatives say."""

    def likelihood(theta: Floats) -> tuple[float, Floats, Floats]:
        value, slope, bend = second(float(theta[1]))
        return (
            value - 8 * float(theta[0] - 1) ** 2,
            np.array([-16 * (theta[0] - 1), slope]),
            np.diag([-16.0, bend]),
        )

    return likelihood


def rising(size: float) -> tuple[float, float, float]:
    return -np.exp(-size), np.exp(-size), -np.exp(-size)


def fitted(likelihood: Likelihood, *limits: Limit) -> Optimum:
    return maximise_or_limit(likelihood, np.array([0.5, 0.5]), NAMES, limits, own=2)


def test_a_sharp_maximum_is_taken_as_it_is() -> None:
    found = fitted(peaked(lambda size: (-8 * size**2, -16 * size, -16.0)), LEVEL, ENDLESS)
    np.testing.assert_allclose(found.theta, [1, 0], atol=1e-9)
    np.testing.assert_allclose(found.covariance, np.eye(2) / 16)
    assert found.note == ""


def test_what_runs_away_is_fixed_in_the_limit_and_the_rest_keeps_its_error() -> None:
    found = fitted(peaked(rising), ENDLESS)
    np.testing.assert_allclose(found.theta, [1, 20], atol=1e-9)
    np.testing.assert_allclose(found.covariance, [[1 / 16, 0], [0, 0]])
    assert found.log_likelihood == pytest.approx(0, abs=1e-8)
    assert found.note == "In these data size is infinite."


def test_the_first_limit_wins_unless_another_is_clearly_higher() -> None:
    large, small = Limit({1: 3.0}, {}, "size is large"), Limit({1: 0.0}, {}, "size is none")
    assert fitted(peaked(rising), large, ENDLESS).theta[1] == 3  # lower by 0.05
    assert fitted(peaked(rising), small, ENDLESS).theta[1] == 20  # lower by 1


def test_two_limits_at_once_fix_what_either_does() -> None:
    both = LEVEL.of(Limit({1: 20.0}, {2: 1.0}, "size is infinite"))
    assert both == Limit({0: 0.0, 1: 20.0}, {2: 1.0}, "height is none; size is infinite")


def test_a_flat_maximum_far_above_its_limits_is_kept() -> None:
    def far(size: float) -> tuple[float, float, float]:
        return -0.01 * size**2, -0.02 * size, -0.02

    found = fitted(peaked(far), ENDLESS)  # standard error 7, and at 20 lower by 4
    np.testing.assert_allclose(found.theta, [1, 0], atol=1e-3)
    assert found.note == ""


def test_neither_a_maximum_nor_a_limit_is_an_error() -> None:
    def endless(theta: Floats) -> tuple[float, Floats, Floats]:
        return float(theta.sum()), np.ones(2), np.zeros((2, 2))

    with pytest.raises(ConvergenceError):
        fitted(endless, ENDLESS)
    with pytest.raises(ConvergenceError):
        fitted(endless)
