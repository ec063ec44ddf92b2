"""The conditional logit: its likelihood beside a plain one, its derivatives, and that the best weights are the best."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from coterie.predict.propensity.conditional_logit import PENALTY, Likelihood, everybodys, scores, weights
from coterie.predict.propensity.repertoire import PARTS, Repertoires
from coterie.progress import SILENT


def bought(people: int = 80, items: int = 7, seed: int = 0) -> tuple[Repertoires, np.ndarray]:
    """Return what made-up people bought, some nothing, and what each chose, some something never bought."""
    random = np.random.default_rng(seed)
    there = random.random((people, items)) < 0.4
    there[3] = False
    row, item = np.nonzero(there)
    lines = random.geometric(0.3, len(row)).astype(float)
    recency = random.exponential(20, len(row))
    first = recency + random.exponential(50, len(row)) * (lines > 1)
    orders = np.minimum(lines, random.geometric(0.4, len(row)))
    measures = np.column_stack([lines, lines * 0.7, lines * 0.4, orders, recency, first])
    seen = Repertoires(people, tuple(f"item {number}" for number in range(items)), row, item, measures)
    return seen, random.choice(items, people, p=np.arange(1, items + 1) / (items * (items + 1) / 2))


@pytest.fixture
def problem() -> Likelihood:
    seen, place = bought()
    shares = everybodys(place, np.full(7, 1 / 7))
    return Likelihood(seen, seen.design(np.full(7, 1 / 7)), place, np.log(shares))


def plain(problem: Likelihood, by: np.ndarray) -> float:
    """Return the same value item by item."""
    total = PENALTY / 2 * float(by[:-1] @ by[:-1] + (by[-1] - 1) ** 2)
    for person in range(problem.seen.rows):
        raw = by[-1] * problem.logs.copy()
        for pair in np.flatnonzero(problem.seen.row == person):
            raw[problem.seen.item[pair]] += problem.X[pair] @ by[:-1]
        total -= raw[problem.place[person]] - np.log(np.exp(raw).sum())
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_value_is_that_of_a_plain_sum_over_items(problem: Likelihood, seed: int) -> None:
    by = np.random.default_rng(seed).normal(0, 0.5, len(PARTS) + 1)
    assert problem.at(by)[0] == pytest.approx(plain(problem, by), rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_gradient_and_hessian_are_those_of_differences(problem: Likelihood, seed: int) -> None:
    by = np.random.default_rng(seed).normal(0, 0.3, len(PARTS) + 1)
    _, slope, curve = problem.at(by)
    assert check_grad(lambda at: problem.at(at)[0], lambda at: problem.at(at)[1], by) < 1e-4 * np.abs(slope).max()
    for place in range(len(by)):
        moved = np.eye(len(by))[place] * 1e-5
        differences = (problem.at(by + moved)[1] - problem.at(by - moved)[1]) / 2e-5
        np.testing.assert_allclose(curve[place], differences, atol=1e-5 * np.abs(curve).max())


def test_the_weights_are_the_best() -> None:
    seen, place = bought(200)
    usual = np.full(7, 1 / 7)
    shares = everybodys(place, usual)
    found = weights(seen, place, usual, shares, SILENT)
    X = seen.design(usual)
    scale = np.where(X.std(axis=0) < 1e-9, 1.0, X.std(axis=0))
    problem = Likelihood(seen, X / scale, place, np.log(shares))
    value, slope, _ = problem.at(found * np.append(scale, 1.0))
    other = minimize(lambda at: problem.at(at)[0], np.zeros(len(found)), jac=lambda at: problem.at(at)[1])
    assert np.abs(slope).max() < 1e-3
    assert value <= other.fun + 1e-6


def test_scores_are_those_of_the_likelihood(problem: Likelihood) -> None:
    by = np.random.default_rng(1).normal(0, 0.3, len(PARTS) + 1)
    raw = scores(problem.seen, by, np.full(7, 1 / 7), np.exp(problem.logs))
    told = raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))
    value = -told[np.arange(len(raw)), problem.place].sum() + PENALTY / 2 * float(by[:-1] @ by[:-1] + (by[-1] - 1) ** 2)
    assert problem.at(by)[0] == pytest.approx(value, rel=1e-10)


def test_what_nobody_chose_has_a_share_by_what_is_bought_of_it() -> None:
    told = everybodys(np.array([0] * 10), np.array([0.5, 0.4, 0.1]))
    assert told.sum() == pytest.approx(1)
    assert told[1] == pytest.approx(4 * told[2])
    assert told[0] > 0.9


def test_items_that_everybody_chooses_alike_leave_the_weights_to_what_was_bought() -> None:
    seen, _ = bought(140)
    place = np.tile(np.arange(7), 20)
    found = weights(seen, place, np.full(7, 1 / 7), np.full(7, 1 / 7), SILENT)
    assert found[-1] == pytest.approx(1)
    assert np.isfinite(found).all()
