"""Calibration against scikit-learn, and what it must never do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from coterie.errors import IntegrityError
from coterie.predict.propensity.calibration import (
    Isotonic,
    Logistic,
    Scale,
    Shift,
    Temperature,
    choose_binary,
    class_loss,
    from_json,
    log_loss,
    sigmoid,
    softmax,
)


def told(count: int = 2_000, slope: float = 0.5, shift: float = -0.7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.normal(0, 2, count)
    return score, (random.random(count) < sigmoid(slope * score + shift)).astype(float)


def test_logistic_is_the_maximum_likelihood() -> None:
    score, happened = told()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(score))
    found = Logistic.learn(score, happened, weight)
    plain = LogisticRegression(C=np.inf, tol=1e-10).fit(score[:, None], happened, sample_weight=weight)
    assert found.slope == pytest.approx(plain.coef_[0, 0], abs=2e-3)  # Platt's targets move it a little
    assert found.intercept == pytest.approx(plain.intercept_[0], abs=2e-3)


def test_logistic_of_what_is_told_apart_without_error_stays_finite() -> None:
    score = np.linspace(-5, 5, 40)
    found = Logistic.learn(score, (score > 0).astype(float), np.ones(40))
    assert 0 < found.slope < 100
    assert 0 < found(np.array([-5.0]))[0] < found(np.array([5.0]))[0] < 1


def test_a_score_that_tells_the_reverse_becomes_the_rate() -> None:
    score, happened = told(slope=-1.0, shift=0.0)
    found = Logistic.learn(score, happened, np.ones(len(score)))
    assert found.slope == 0
    assert found(score) == pytest.approx(np.full(len(score), happened.mean()), abs=0.001)


def test_isotonic_pools_as_scikit_learn_does() -> None:
    score, happened = told(400)
    found = Isotonic.learn(score, happened, np.ones(400))
    plain = IsotonicRegression().fit_transform(score, happened)
    inside = found.value[1:-1]
    assert sorted(set(np.round(plain, 12)) - {0.0, 1.0}) == pytest.approx(sorted(set(np.round(inside, 12))), abs=1e-9)


@given(st.lists(st.tuples(st.floats(-20, 20), st.booleans()), min_size=2, max_size=60))
@settings(max_examples=80, deadline=None)
def test_isotonic_never_falls_and_is_never_sure(pairs: list[tuple[float, bool]]) -> None:
    score = np.array([one for one, _ in pairs])
    happened = np.array([one for _, one in pairs], dtype=float)
    found = Isotonic.learn(score, happened, np.ones(len(score)))
    at = np.sort(np.concatenate([score, [-1e9, 1e9]]))
    assert (np.diff(found(at)) >= 0).all()
    if len(set(happened)) > 1:
        assert found(at).min() > 0
        assert found(at).max() < 1


def test_one_odd_person_at_the_end_does_not_lift_all_others() -> None:
    score = np.arange(1_000.0)
    happened = (np.random.default_rng(0).random(1_000) < 0.02).astype(float)
    happened[0], happened[1] = 0, 1
    found = Isotonic.learn(score, happened, np.ones(1_000))
    assert found(score).mean() == pytest.approx(happened.mean(), abs=0.002)


def test_the_way_is_chosen_out_of_fold() -> None:
    score, happened = told(slope=0.4)
    fold = np.arange(len(score)) % 5
    chosen, losses = choose_binary(score, happened, np.ones(len(score)), fold)
    assert isinstance(chosen, Logistic)
    assert losses["logistic"] < losses["none"]
    assert log_loss(chosen(score), happened, np.ones(len(score))) < losses["none"]
    happened = (np.random.default_rng(5).random(len(score)) < np.where(np.abs(score) > 1, 0.1, 0.8)).astype(float)
    chosen, losses = choose_binary(-np.abs(score), happened, np.ones(len(score)), fold)
    assert isinstance(chosen, Isotonic)
    assert losses["isotonic"] < losses["logistic"]


def test_amounts_add_up() -> None:
    random = np.random.default_rng(0)
    score, weight = random.normal(size=300), random.uniform(0, 2, 300)
    amount = np.exp(score) * 3.5 * random.lognormal(size=300)
    assert (weight * Scale.learn(score, amount, weight)(score)).sum() == pytest.approx((weight * amount).sum())
    assert (weight * Shift.learn(score, amount, weight)(score)).sum() == pytest.approx((weight * amount).sum())
    assert Scale.learn(score, np.zeros(300), weight) == Scale(1.0)


def test_heat_is_found() -> None:
    random = np.random.default_rng(0)
    true = random.normal(0, 1.5, (4_000, 4))
    place = np.array([random.choice(4, p=one) for one in softmax(true)])
    found = Temperature.learn(true * 2, place, np.ones(4_000))
    assert found.heat == pytest.approx(2.0, rel=0.1)
    assert found(true).sum(axis=1) == pytest.approx(np.ones(4_000))
    assert class_loss(found(true * 2), place, np.ones(4_000)) < class_loss(softmax(true * 2), place, np.ones(4_000))


@pytest.mark.parametrize(
    "one", [Logistic(0.5, -1.0), Isotonic((0.0, 1.0), (0.1, 0.9)), Scale(2.0), Shift(-3.0), Temperature(1.5)]
)
def test_json_there_and_back(one: object) -> None:
    assert from_json(json.loads(json.dumps(one.to_json()))) == one  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "body",
    [
        None, {}, {"kind": "Scale"}, {"kind": "Scale", "factor": -1.0}, {"kind": "Scale", "factor": "2"},
        {"kind": "Scale", "factor": float("nan")}, {"kind": "Scale", "factor": 1.0, "more": 2},
        {"kind": "Logistic", "slope": -1.0, "intercept": 0.0}, {"kind": "Temperature", "heat": 0.0},
        {"kind": "Isotonic", "at": [0.0, 0.0], "value": [0.1, 0.2]}, {"kind": "Isotonic", "at": [], "value": []},
        {"kind": "Isotonic", "at": [0.0, 1.0], "value": [0.3, 0.2]},
        {"kind": "Isotonic", "at": [0.0, 1.0], "value": [0.3, 1.2]},
        {"kind": "Isotonic", "at": [0.0], "value": [0.3, 0.4]}, {"kind": ["Scale"], "factor": 1.0},
        {"kind": "Scale", "factor": 10**400},
    ],
    ids=str,
)  # fmt: skip
def test_other_json_is_refused(body: object) -> None:
    with pytest.raises(IntegrityError):
        from_json(body)
