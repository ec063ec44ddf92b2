"""Small regressions with a logarithmic or logistic link: penalised maximum likelihood by Newton steps."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from coterie.predict.lifetime.newton import maximise
from coterie.predict.threads import one_thread

Floats = npt.NDArray[np.float64]
Family = Literal["poisson", "logistic", "tweedie"]
SHRINK = 1e-2  # penalty on squared weights, a row; terms are in standard deviations


def fitted(terms: Floats, outcome: Floats, family: Family, *, shrink: float = SHRINK) -> Floats:
    """Return the intercept and the weights of an outcome on terms.

    Parameters
    ----------
    terms
        Standardised: shape (rows, terms).
    outcome
        Shape (rows,): counts (``poisson``), 0 or 1 (``logistic``), amounts of at least 0 (``tweedie``, whose variance
        grows with the power 1.5 of the mean).
    family
        As named.
    shrink
        Half of it times the sum of squared weights is taken off the mean log-likelihood.

    Raises
    ------
    ConvergenceError
        There is no maximum, as nothing ever happened.

    References
    ----------
    McCullagh & Nelder (1989), Generalized Linear Models; Jørgensen (1987), Exponential dispersion models; Hoerl &
    Kennard (1970), Ridge regression.

    Examples
    --------
    >>> fitted(np.array([[-1.0], [1.0]]), np.array([1.0, 4.0]), "poisson", shrink=0.0).round(3).tolist()
    [0.693, 0.693]
    """
    x = np.column_stack([np.ones(len(terms)), terms])
    unit = float(outcome.mean()) if family == "tweedie" and outcome.any() else 1.0  # near 1, steps are well scaled
    y, mean = outcome / unit, float(np.clip(outcome.mean() / unit, 1e-12, None))
    penalty = np.full(x.shape[1], shrink * len(x))
    penalty[0] = 0.0

    def likelihood(weights: Floats) -> tuple[float, Floats, Floats]:
        eta = np.minimum(x @ weights, 700.0)
        if family == "poisson":
            mu = np.exp(eta)
            value, slope, bend = y @ eta - mu.sum(), y - mu, mu
        elif family == "logistic":
            mu = expit(eta)
            value, slope, bend = y @ eta - np.logaddexp(0.0, eta).sum(), y - mu, mu * (1 - mu)
        else:
            root = np.exp(eta / 2)
            value, slope, bend = -2 * (y / root + root).sum(), y / root - root, (y / root + root) / 2
        value -= float(penalty @ np.square(weights)) / 2
        return float(value), x.T @ slope - penalty * weights, -(x.T * bend) @ x - np.diag(penalty)

    start = np.zeros(x.shape[1])
    start[0] = np.log(mean / (1 - mean)) if family == "logistic" and mean < 1 else np.log(mean)
    with one_thread():  # sums over several threads differ in the last digits
        found = maximise(likelihood, start, [f"weight {place}" for place in range(x.shape[1])]).theta
    found[0] += np.log(unit)
    return found


def told(terms: Floats, weights: Floats, family: Family) -> Floats:
    """Return the expected outcome of each row: shape (rows,)."""
    eta = weights[0] + terms @ weights[1:]
    return np.asarray(expit(eta) if family == "logistic" else np.exp(np.minimum(eta, 700.0)))
