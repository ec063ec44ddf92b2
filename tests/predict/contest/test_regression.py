"""Small regressions against scikit-learn's, and what must hold of any."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, PoissonRegressor, TweedieRegressor

from coterie.predict.contest import regression

SHRINK = 0.01


def drawn(seed: int, rows: int = 400) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[np.float64]]]:
    random = np.random.default_rng(seed)
    terms = random.normal(size=(rows, 3))
    mean = np.exp(0.3 + terms @ [0.5, -0.4, 0.0])
    counts = random.poisson(mean).astype(np.float64)
    return terms, {
        "poisson": counts,
        "logistic": (counts > 0).astype(np.float64),
        "tweedie": counts * random.gamma(2.0, 900.0, rows),
    }


def theirs(family: str, rows: int) -> Any:
    settings = {"tol": 1e-10, "max_iter": 10_000}
    if family == "poisson":
        return PoissonRegressor(alpha=SHRINK, **settings)
    if family == "logistic":
        return LogisticRegression(C=1 / (SHRINK * rows), **settings)
    return TweedieRegressor(power=1.5, alpha=SHRINK, link="log", **settings)


@pytest.mark.parametrize("family", ["poisson", "logistic", "tweedie"])
def test_weights_are_those_of_scikit_learn(family: regression.Family) -> None:
    terms, outcomes = drawn(1)
    outcome = outcomes[family] / (outcomes[family].mean() if family == "tweedie" else 1.0)
    model = theirs(family, len(terms)).fit(terms, outcome)
    weights = regression.fitted(terms, outcome, family, shrink=SHRINK)
    expected = np.r_[np.ravel(model.intercept_), np.ravel(model.coef_)]
    assert weights == pytest.approx(expected, abs=2e-4)
    told = model.predict_proba(terms)[:, 1] if family == "logistic" else model.predict(terms)
    assert regression.told(terms, weights, family) == pytest.approx(told, rel=1e-3)


@pytest.mark.parametrize("family", ["poisson", "logistic"])
def test_the_expected_total_is_the_one_that_was_seen(family: regression.Family) -> None:
    terms, outcomes = drawn(2)
    weights = regression.fitted(terms, outcomes[family], family)
    assert regression.told(terms, weights, family).sum() == pytest.approx(outcomes[family].sum(), rel=1e-6)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.001, 1e6))
@settings(max_examples=20, deadline=None)
def test_the_unit_of_money_and_the_order_of_rows_do_not_matter(seed: int, scale: float) -> None:
    terms, outcomes = drawn(seed, 120)
    amount = outcomes["tweedie"]
    weights = regression.fitted(terms, amount, "tweedie")
    other = regression.fitted(terms, amount * scale, "tweedie")
    assert other[1:] == pytest.approx(weights[1:], abs=1e-5)
    assert other[0] - weights[0] == pytest.approx(np.log(scale), abs=1e-5)
    mixed = np.random.default_rng(seed).permutation(len(terms))
    assert regression.fitted(terms[mixed], amount[mixed], "tweedie") == pytest.approx(weights, abs=1e-8)


def test_what_happened_to_all_is_expected_of_all() -> None:
    terms, _ = drawn(3)
    weights = regression.fitted(terms, np.ones(len(terms)), "logistic")
    assert (regression.told(terms, weights, "logistic") > 0.99).all()


def test_terms_that_tell_apart_completely_have_finite_weights() -> None:
    terms = np.r_[-np.ones(50), np.ones(50)].reshape(-1, 1)
    weights = regression.fitted(terms, (terms[:, 0] > 0).astype(np.float64), "logistic")
    assert np.isfinite(weights).all()
    assert weights[1] > 1
