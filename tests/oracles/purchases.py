"""Purchases by the model's own words, one customer at a time: the definition integrated by quadrature, slowly."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
from scipy.integrate import quad
from scipy.special import roots_jacobi
from scipy.stats import gamma, poisson

PEOPLE = pa.table(
    {
        "person": ["ann", "bob", "cy", "dee", "eve", "flo"],
        "frequency": [0, 1, 4, 12, 250, 3],
        "recency": [0.0, 20.0, 90.0, 200.0, 360.0, 80.0],
        "T": [30.0, 100.0, 300.0, 210.0, 365.0, 365.0],
        "spend": [None, 2500.0, 900.0, 4000.0, 1200.0, None],
    }
)
"""Six people who differ in what models of purchases look at; spend in cents."""


def dropouts(a: float, b: float, nodes: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Values of p ~ Beta(a, b) and their shares: sums over these are exact for polynomials of p."""
    at, share = roots_jacobi(nodes, b - 1, a - 1)
    return (1 + at) / 2, share / share.sum()


def likelihood(p, x, recency, T, log_gaps=0.0, *, k=1, first=False) -> float:
    """Of one customer: gaps Erlang(k, λ), after each purchase gone with chance p; λ and p integrated out."""
    r, alpha, a, b = p
    chance, share = dropouts(a, b)
    stayed = np.sum(share * (1 - chance) ** (x + first))
    went = np.sum(share * chance * (1 - chance) ** (x - 1 + first)) if x + first > 0 else 0.0
    if x == 0 and not first:
        went = 0.0

    def given(rate: float) -> float:
        bought = math.exp(k * x * math.log(rate) + (k - 1) * log_gaps - rate * recency - x * math.lgamma(k))
        waiting = gamma.sf(T - recency, k, scale=1 / rate)
        return bought * (stayed * waiting + went) * gamma.pdf(rate, r, scale=1 / alpha)

    middle = (r + k * x) / (alpha + recency)
    last = 60 * middle + 60 / (alpha + recency)  # where r is small, the tail goes far beyond the middle
    edges = [0, middle / 100, middle / 4, middle, 3 * middle, 10 * middle, 60 * middle, last]
    return sum(quad(given, low, high, limit=200, epsabs=0, epsrel=1e-10)[0] for low, high in pairwise(edges))


def expected(r, alpha, a, b, horizon, *, k=1, passed=0, power=1) -> float:
    """E[X] (power 1) or E[X(X-1)] (power 2) of a customer who is there: count after count, rates integrated out."""
    chance, share = dropouts(a, b)
    at, weight = np.polynomial.legendre.leggauss(24)
    edges = gamma.ppf(
        [0.0, 1e-9, 1e-6, 1e-3, 0.05, 0.3, 0.6, 0.9, 0.99, 0.9999, 1 - 1e-7, 1 - 1e-11], r, scale=1 / alpha
    )
    total = 0.0
    for low, high in pairwise(edges):
        rate = low + (high - low) * (1 + at) / 2
        most = int(rate[-1] * horizon + 10 * math.sqrt(rate[-1] * horizon) + 30) // k + 2
        count = np.arange(1, most + 1)
        reached = poisson.sf(k * count - passed - 1, rate[:, None] * horizon)
        stayed = share @ (1 - chance[:, None]) ** (count - 1)
        times = np.ones(most) if power == 1 else 2 * (count - 1)
        total += (high - low) / 2 * float(weight * gamma.pdf(rate, r, scale=1 / alpha) @ reached @ (times * stayed))
    return total
