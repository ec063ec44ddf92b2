"""Possible futures agree with what the models know in closed form, and nobody's depend on who else is asked about."""

from __future__ import annotations

import numpy as np
import pytest

from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
from coterie.predict.lifetime.futures import POINTS, drawn, points, spends
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.pareto_nbd import ParetoNBD

MODELS = [
    (BGNBD, (0.5, 20.0, 0.8, 2.5), {}),
    (MBGNBD, (0.9, 30.0, 0.5, 3.0), {}),
    (BGCNBD, (1.2, 6.0, 0.6, 3.0), {"k": 3}),
    (MBGCNBD, (1.2, 9.0, 0.6, 3.0), {"k": 2}),
    (ParetoNBD, (0.7, 15.0, 0.6, 90.0), {}),
]


def people(*rows: tuple[float, float, float]) -> Histories:
    x, recency, T = np.array(rows, dtype=float).T
    unknown = np.full(len(x), np.nan)
    return Histories(x, recency, T, unknown, unknown, np.empty((len(x), 0)))


SOME = people((0, 0, 1), (0, 0, 200), (1, 3, 10), (2, 90, 100), (9, 150, 200), (40, 195, 200), (300, 360, 365))


def orders(model, histories, horizon):
    return np.concatenate([block.orders for block in drawn(model, histories, horizon)], axis=1)


@pytest.mark.parametrize(("kind", "parameters", "settings"), MODELS)
@pytest.mark.parametrize("horizon", [10.0, 180.0])
def test_futures_have_the_mean_and_the_chance_that_the_model_tells(model_of, kind, parameters, settings, horizon):
    model = model_of(kind, *parameters, **settings)
    found, alive = orders(model, SOME, horizon), model.alive(SOME)
    # 512 points that lie evenly: an error of chance of about a fiftieth of a standard deviation
    slack = 0.05 * np.sqrt(model.spread(SOME, horizon)) + 1e-3
    assert (np.abs(found.mean(axis=0) * alive - model.expected_orders(SOME, horizon)) < slack).all()
    np.testing.assert_allclose((found > 0).mean(axis=0) * alive, model.active(SOME, horizon), atol=0.025)


@pytest.mark.parametrize(("kind", "parameters", "settings"), MODELS)
def test_nobodys_futures_depend_on_who_else_is_asked_about(model_of, kind, parameters, settings):
    model = model_of(kind, *parameters, **settings)
    everybody = orders(model, SOME, 90.0)
    for row in range(len(SOME)):
        np.testing.assert_array_equal(orders(model, SOME.taken(np.array([row])), 90.0)[:, 0], everybody[:, row])


def test_covariates_move_futures_as_they_move_the_model():
    rng = np.random.default_rng(4)
    kind = rng.integers(0, 2, 4000)
    T, x = np.full(4000, 300.0), rng.poisson(np.where(kind, 12.0, 3.0)).astype(float)
    recency = np.where(x > 0, T * rng.random(4000) ** (1 / np.maximum(x, 1)), 0.0)
    unknown = np.full(4000, np.nan)
    histories = Histories(x, recency, T, unknown, unknown, kind[:, None].astype(float), ("app",))
    for model in (MBGNBD().fit(histories), ParetoNBD().fit(histories)):
        some = histories.taken(np.arange(40))
        expected = model.expected_orders(some, 60.0)
        found = orders(model, some, 60.0).mean(axis=0) * model.alive(some)
        assert (np.abs(found - expected) < 0.05 * np.sqrt(model.spread(some, 60.0)) + 1e-3).all()


def test_hundreds_of_orders_and_decades_are_counted(model_of):
    busy = people((3000, 360, 365))
    model = model_of(ParetoNBD, 20.0, 2.5, 0.5, 5000.0)
    found = orders(model, busy, 3650.0)
    assert found.mean() * model.alive(busy)[0] == pytest.approx(model.expected_orders(busy, 3650.0)[0], rel=0.03)


def test_amounts_add_up_to_orders_times_the_mean():
    p, q, v = 6.0, 4.0, 1500.0
    bought, mean = np.array([0.0, 1.0, 12.0]), np.array([0.0, 900.0, 700.0])
    worth = spends(p, q, bought)
    for count in (1, 7, 5000):
        orders_ = np.full(3, count)
        drawn_ = np.array([worth(i, slice(0, 3), orders_) for i in range(POINTS)]) * (v + bought * mean)
        expected = count * p * (v + bought * mean) / (p * bought + q - 1)
        np.testing.assert_allclose(drawn_.mean(axis=0), expected, rtol=0.03)
    assert worth(0, slice(0, 3), np.zeros(3, dtype=int)).tolist() == [0.0, 0.0, 0.0]


def test_points_lie_evenly():
    found = np.sort(points(), axis=1)
    assert (np.abs(found - (np.arange(POINTS) + 0.5) / POINTS) < 1 / POINTS).all()
