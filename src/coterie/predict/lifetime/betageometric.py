"""The arithmetic of geometric dropout: likelihood, chance to be alive, and moments of purchases to come.

A customer buys after every ``k`` events of a Poisson process of rate λ ~ Gamma(r, α), and drops out after a purchase
with probability p ~ Beta(a, b); with ``first`` the first purchase counts as well. All functions take the parameters as
floats or as arrays (m,), and histories x, t_x, T as arrays (m,).

Given a history, a customer who is alive is one of k kinds: j events have passed since the last purchase. Then
λ ~ Gamma(r + kx + j, α + T) and p ~ Beta(a, b + x + first), so that all expectations are finite mixtures over j.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, digamma, gammaln, zeta

Floats = npt.NDArray[np.float64]
PAIRS = ((0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3))
"""Which second derivatives are kept, in this order: those of r, α, a, b by each other."""


def counting(p: Any, x: Floats, k: int, first: bool) -> tuple[Floats, Floats, Floats]:
    """Return the part of log-likelihoods that depends on x alone, its gradient (4, m) and Hessian (10, m).

    All are by logarithms of the parameters, as in :func:`timing`. Special functions are dear: give each x once.
    """
    r, alpha, a, b = p
    n, late = r + k * x, b + x + first
    bought = np.maximum(k * x, 1.0)  # a difference of gammaln would lose its digits where r is large
    value = (
        np.where(x > 0, gammaln(bought) - betaln(r, bought), 0.0) + r * np.log(alpha) + betaln(a, late) - betaln(a, b)
    )
    gradient, hessian = np.zeros((4, len(x))), np.zeros((10, len(x)))
    both, all_ = digamma(a + b), digamma(a + late)
    gradient[0] = r * (digamma(n) - digamma(r) + np.log(alpha))
    gradient[1] = r
    gradient[2] = a * (both - all_)
    gradient[3] = b * (digamma(late) - digamma(b) + both - all_)
    bend = zeta(2, a + b) - zeta(2, a + late)
    hessian[0] = np.square(r) * (zeta(2, n) - zeta(2, r)) + gradient[0]
    hessian[1] = r
    hessian[7] = np.square(a) * bend + gradient[2]
    hessian[8] = a * b * bend
    hessian[9] = np.square(b) * (zeta(2, late) - zeta(2, b) + bend) + gradient[3]
    return value, gradient, hessian


def phases(n: Any, z: Floats, k: int) -> list[Floats]:
    """Return the weights of j = 0 … k-1 events since the last purchase: (n)_j z^j / j!, each of shape (m,)."""
    weight = [np.ones_like(z)]
    for j in range(k - 1):
        weight.append(weight[-1] * (n + j) * z / (j + 1))
    return weight


def _waiting(n: Floats, z: Floats, away: Floats, k: int) -> tuple[Floats, list[Floats], list[Floats]]:
    """Return log Σ_j (n)_j z^j / j!, its derivatives by n and α, and its second ones (nn, nα, αα); away = 1/(α+T)."""
    term, by_n, by_nn = np.ones_like(z), np.zeros_like(z), np.zeros_like(z)
    sums = [term.copy(), *(np.zeros_like(z) for _ in range(5))]
    for j in range(1, k):
        ratio = z / j
        by_nn = (by_nn * (n + j - 1) + 2 * by_n) * ratio
        by_n = (by_n * (n + j - 1) + term) * ratio
        term = term * (n + j - 1) * ratio
        for place, value in enumerate((term, by_n, -j * term, by_nn, -j * by_n, j * (j + 1) * term)):
            sums[place] += value
    total, one, two, three, four, five = sums
    down = away / total
    v_n, v_a = one / total, two * down
    seconds = [three / total - v_n * v_n, four * down - v_n * v_a, five * down * away - v_a * v_a]
    return np.log(total), [v_n, v_a], seconds


def dropped(p: Any, x: Floats, recency: Floats, T: Floats, k: int, first: bool) -> Floats:
    """Return the logarithm of how likely it is that all ended at t_x, beside no event at all since then: shape (m,)."""
    r, alpha, a, b = p
    with np.errstate(divide="ignore"):
        never = np.log(np.maximum(b + x + first - 1, 0.0)) if first else np.log(np.where(x > 0, b + x - 1, np.inf))
    return np.asarray(np.log(a) - never + (r + k * x) * np.log1p((T - recency) / (alpha + recency)))


def timing(p: Any, x: Floats, recency: Floats, T: Floats, k: int, first: bool) -> tuple[Floats, Floats, Floats]:
    """Return the part of log-likelihoods that depends on times, its gradient (4, m) and Hessian (10, m)."""
    r, alpha, _, b = p
    n = r + k * x
    away = 1 / (alpha + T)
    since = T - recency
    stretch = np.log1p(since / (alpha + recency))
    u = dropped(p, x, recency, T, k, first)
    v = np.zeros_like(u)
    if k > 1:
        v, v1, v2 = _waiting(n, since * away, away, k)
    top = np.maximum(u, v)
    gone, here = np.exp(u - top), np.exp(v - top)
    both = gone + here
    gone /= both
    here /= both
    long = np.log(alpha + T)
    value = top + np.log(both) - n * long
    nearer = -since * away / (alpha + recency)  # 1/(α+T) - 1/(α+t_x)
    lever = b / (b + x + first - 1) if first else np.where(x > 0, b / np.where(x > 0, b + x - 1, 1.0), 0.0)
    u_r, u_alpha = r * stretch, alpha * n * nearer
    mixed = gone * here
    gradient, hessian = np.empty((4, len(x))), np.empty((10, len(x)))
    gradient[0] = gone * u_r - r * long
    gradient[1] = gone * u_alpha - alpha * n * away
    gradient[2] = gone
    gradient[3] = -gone * lever
    d_r, d_alpha = u_r, u_alpha
    second = [np.zeros_like(u)] * 3
    if k > 1:
        d_r, d_alpha = u_r - r * v1[0], u_alpha - alpha * v1[1]
        gradient[0] += here * (r * v1[0])
        gradient[1] += here * (alpha * v1[1])
        second = [r * r * v2[0] * here, r * alpha * v2[1] * here, alpha * alpha * v2[2] * here]
    hessian[0] = mixed * d_r * d_r + gradient[0] + second[0]
    hessian[1] = mixed * d_r * d_alpha + gone * (r * alpha * nearer) - r * alpha * away + second[1]
    hessian[2] = mixed * d_r
    hessian[3] = -mixed * d_r * lever
    bend = nearer * (away + 1 / (alpha + recency))  # 1/(α+T)² - 1/(α+t_x)²
    hessian[4] = (
        mixed * d_alpha * d_alpha
        + gradient[1]
        - gone * (alpha * alpha * n * bend)
        + n * np.square(alpha * away)
        + second[2]
    )
    hessian[5] = mixed * d_alpha
    hessian[6] = -hessian[5] * lever
    hessian[7] = mixed
    hessian[8] = -mixed * lever
    hessian[9] = mixed * lever * lever + gone * lever * (lever - 1)
    return value, gradient, hessian


def alive(p: Any, x: Floats, recency: Floats, T: Floats, k: int, first: bool) -> Floats:
    """Return the probability of still being a customer: shape (m,)."""
    r, alpha, _, _ = p
    u = dropped(p, x, recency, T, k, first)
    waiting = np.sum(phases(r + k * x, (T - recency) / (alpha + T), k), axis=0)
    return np.asarray(1 / (1 + np.exp(np.minimum(u - np.log(waiting), 700.0))))
