"""The integral over the time of dropout, against a finer rule that knows nothing of where the integrand falls."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.predict.lifetime.dropout import Floats, dropout_times

POWERS = st.floats(-5, 6)


def summed(alpha: float, beta: float, n: float, m: float, start: float, end: float) -> Floats:
    """Return the log of the integral, and the mean over it of log(1 + u / alpha), log(1 + u / beta) and u."""
    ((_, times, log_alpha, log_beta, mass),) = dropout_times([alpha], beta, n, m, start, end)
    return means(times, log_alpha, log_beta, mass)


def means(times: Floats, log_alpha: Floats, log_beta: Floats, mass: Floats) -> Floats:
    top = mass.max()
    shares = np.exp(mass - top)
    total = shares.sum()
    return np.array([np.log(total) + top, *((shares * one).sum() / total for one in (log_alpha, log_beta, times))])


def finer(alpha: float, beta: float, n: float, m: float, start: float, end: float) -> Floats:
    """Return the same from 100 panels of 40 nodes that crowd towards the start."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    at = (((nodes + 1) / 2 + np.arange(100)[:, None]) / 100).ravel()
    low = min(alpha, beta) + start
    length = np.log1p((end - start) / low)
    w = length * at**3
    times = start + low * np.expm1(w)
    log_alpha, log_beta = np.log1p(times / alpha), np.log1p(times / beta)
    mass = np.log(np.tile(weights, 100) / 200 * 3 * length * at**2 * low) + w - n * log_alpha - m * log_beta
    return means(times, log_alpha, log_beta, mass)


@settings(max_examples=150, deadline=None)
@given(
    alpha=POWERS,
    beta=POWERS,
    shape=st.floats(-2.5, 2),
    dropout=st.floats(-2.5, 3),
    x=st.one_of(st.just(0), st.integers(1, 1500)),
    horizon=st.floats(-0.5, 5),
    share=st.floats(0, 0.999),
)
def test_few_nodes_give_the_integral_however_extreme_the_parameters(
    alpha: float, beta: float, shape: float, dropout: float, x: int, horizon: float, share: float
) -> None:
    end = 10**horizon
    case = (10**alpha, 10**beta, 10**shape + x, 10**dropout + 1, share * end if x else 0.0, end)
    found, expected = summed(*case), finer(*case)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12, atol=3e-12)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-11, atol=3e-12)


def test_a_dropout_almost_at_once_is_as_exact() -> None:
    case = (20.0, 1e-25, 0.9, 1.02, 0.0, 300.0)
    np.testing.assert_allclose(summed(*case), finer(*case), rtol=1e-11)


def test_nobody_drops_out_in_no_time() -> None:
    ((_, _, _, _, mass),) = dropout_times([10.0], 12.0, 0.5, 1.6, 7.0, 7.0)
    assert (mass == -np.inf).all()


def test_everybody_gets_nodes_of_the_own_range() -> None:
    rng = np.random.default_rng(3)
    start = rng.uniform(0, 300, 5000)
    end = start + rng.exponential(200, 5000)
    n = 0.5 + rng.integers(0, 300, 5000)
    seen = np.zeros(5000, dtype=int)
    for rows, times, *_ in dropout_times(9.0, 12.0, n, 1.6, start, end):
        seen[rows] += 1
        assert ((times >= start[rows]) & (times <= end[rows])).all()
    assert (seen == 1).all()
