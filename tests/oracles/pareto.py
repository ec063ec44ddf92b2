"""The Pareto/NBD model by its definition: integrals over every person's rates of purchase and of dropout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, hyp2f1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Person:
    """One history under given parameters; rates are integrated by the trapezoid rule in their logarithms.

    Under the integral stand exponentials of exponentials, for which that rule is exact to many digits.
    """

    r: float
    alpha: float
    s: float
    beta: float
    x: int
    recency: float
    T: float

    def _rates(self) -> tuple[Floats, Floats, Floats]:
        """Return lambda (n, 1), mu (1, n) and the log of their prior density and of lambda^x."""
        steps = [min(0.25, 0.6 / np.sqrt(shape)) for shape in (self.r + self.x, self.s)]
        a = np.arange(-40 / min(self.r + self.x, 1), 12, steps[0]) - np.log(self.alpha)
        b = np.arange(-40 / min(self.s, 1), 12, steps[1]) - np.log(self.beta)
        lam, mu = np.exp(a)[:, None], np.exp(b)[None, :]
        log = (self.r + self.x) * a[:, None] - self.alpha * lam + self.r * np.log(self.alpha) - gammaln(self.r)
        log = log + self.s * b[None, :] - self.beta * mu + self.s * np.log(self.beta) - gammaln(self.s)
        return lam, mu, log + np.log(steps).sum()

    def _integral(self, log: Floats, factor: Floats) -> float:
        """Return the log of the integral of factor times exp(log)."""
        top = float(log.max())
        return top + float(np.log((np.exp(log - top) * factor).sum()))

    def log_likelihood(self) -> float:
        """Alive at T, or dropped out at any time between the last purchase and T."""
        lam, mu, log = self._rates()
        gone = mu / (lam + mu) * -np.expm1(-(lam + mu) * (self.T - self.recency))
        staying = np.exp(-(lam + mu) * (self.T - self.recency))
        return self._integral(log - (lam + mu) * self.recency, gone + staying)

    def _given(self, wanted: Floats) -> float:
        lam, mu, log = self._rates()
        return float(np.exp(self._integral(log - (lam + mu) * self.T, wanted) - self.log_likelihood()))

    def alive(self) -> float:
        lam, mu, _ = self._rates()
        return self._given(np.ones_like(lam + mu))

    def orders(self, horizon: float) -> float:
        lam, mu, _ = self._rates()
        return self._given(lam * -np.expm1(-mu * horizon) / mu)

    def active(self, horizon: float) -> float:
        lam, mu, _ = self._rates()
        return self._given(lam / (lam + mu) * -np.expm1(-(lam + mu) * horizon))

    def variance(self, horizon: float) -> float:
        lam, mu, _ = self._rates()
        z = mu * horizon
        squared = horizon**2 * np.where(z > 1e-3, 2 * (-np.expm1(-z) - z * np.exp(-z)) / z**2, 1 - 2 * z / 3 + z**2 / 4)
        return self._given(lam**2 * squared) + self.orders(horizon) - self.orders(horizon) ** 2


def published_log_likelihood(r: float, alpha: float, s: float, beta: float, x: int, recency: float, T: float) -> float:
    """Return the log-likelihood by the Gauss hypergeometric function, as Fader & Hardie (2005) publish it."""
    n = r + s + x
    high, other = max(alpha, beta), (s + 1 if alpha >= beta else r + x)

    def branch(time: float) -> float:
        return float(hyp2f1(n, other, n + 1, abs(alpha - beta) / (high + time)) / (high + time) ** n)

    a0 = branch(recency) - branch(T)
    front = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return float(front + np.log((alpha + T) ** -(r + x) * (beta + T) ** -s + s / n * a0))
