"""Where a number of orders lies: the expectation, given what is known of the parameters, and a person's own count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from coterie.predict.lifetime.histories import Floats


def delta(expectation: Callable[[Floats], Floats], theta: Floats, covariance: Floats) -> Floats:
    """Return the standard error of an expectation given theta's covariance: the delta method by central differences.

    >>> delta(lambda theta: 3 * theta, np.array([2.0]), np.array([[4.0]])).round(6).tolist()
    [6.0]
    """
    values, vectors = np.linalg.eigh(covariance)
    total = np.zeros_like(expectation(theta))
    for value, vector in zip(values, vectors.T, strict=True):
        step = vector * 1e-4 / max(float(np.abs(vector).max()), 1e-12)
        slope = (expectation(theta + step) - expectation(theta - step)) / (2 * float(np.linalg.norm(step)))
        total += max(float(value), 0.0) * np.square(slope)
    return np.sqrt(total)


def count_quantile(at: float, active: Floats, mean: Floats, variance: Floats) -> Floats:
    """Return the quantile of a count with this chance not to be 0, mean and variance."""
    from scipy.stats import nbinom, poisson

    chance = np.maximum(active, 1e-300)
    more = np.maximum(mean / chance - 1, 1e-12)  # beyond the first order, given that there is one
    wide = np.maximum((variance + np.square(mean)) / chance - np.square(mean / chance), 0.0)
    left = np.clip((at - (1 - active)) / chance, 0.0, 1.0)
    surplus = np.maximum(wide - more, 1e-9 * more)
    beyond = np.where(
        wide > more * (1 + 1e-6),
        nbinom.ppf(left, np.square(more) / surplus, 1 / (1 + surplus / more)),
        poisson.ppf(left, more),
    )
    return np.where(at <= 1 - active, 0.0, 1 + np.maximum(beyond, 0.0))
