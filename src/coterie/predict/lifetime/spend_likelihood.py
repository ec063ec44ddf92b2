"""The likelihood of the Gamma-Gamma model of mean spend, with its derivatives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, gammaln, polygamma

Floats = npt.NDArray[np.float64]


class SpendLikelihood:
    """The log-likelihood of log p, log q, log v, with derivatives.

    Parameters
    ----------
    x
        Repeat purchases, at least 1: shape (people,). Special functions are computed of the distinct ones only.
    mean
        Their mean amount, above 0: shape (people,).

    References
    ----------
    Fader, Hardie & Lee (2005), RFM and CLV: using iso-value curves for customer base analysis, equation 10.
    """

    def __init__(self, x: Floats, mean: Floats) -> None:
        self.x, self.total = x, x * mean
        self.distinct, self.count = np.unique(x, return_counts=True)
        self.log_mean = float(np.log(mean).sum())
        self.weighted = float((x * np.log(self.total)).sum())

    def __call__(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """Return the log-likelihood of theta, its gradient (3,) and its Hessian (3, 3)."""
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far is not taken
            return self._at(*np.exp(theta))

    def _at(self, p: float, q: float, v: float) -> tuple[float, Floats, Floats]:
        x, c, people = self.distinct, self.count, len(self.x)
        both, shape = p * x + q, p * x
        grown = v + self.total
        log, inverse = np.log(grown), 1 / grown
        logs, x_logs = float(log.sum()), float((self.x * log).sum())
        ones, x_ones = float(inverse.sum()), float((self.x * inverse).sum())
        inverse *= inverse
        squares, x_squares = float(inverse.sum()), float((self.x * inverse).sum())
        psi, tri = digamma(both), polygamma(1, both)
        value = float((c * (gammaln(both) - gammaln(shape))).sum()) + people * (q * np.log(v) - gammaln(q))
        value += p * self.weighted - self.log_mean - p * x_logs - q * logs
        gradient = np.array(
            [
                (c * x * (psi - digamma(shape))).sum() + self.weighted - x_logs,
                (c * psi).sum() + people * (np.log(v) - digamma(q)) - logs,
                people * q / v - p * x_ones - q * ones,
            ]
        )
        pq, pv, qv = (c * x * tri).sum(), -x_ones, people / v - ones
        hessian = np.array(
            [
                [(c * x * x * (tri - polygamma(1, shape))).sum(), pq, pv],
                [pq, (c * tri).sum() - people * polygamma(1, q), qv],
                [pv, qv, p * x_squares + q * squares - people * q / v**2],
            ]
        )
        scale = np.array([p, q, v])
        gradient *= scale
        return float(value), gradient, hessian * np.outer(scale, scale) + np.diag(gradient)
