"""Purchases to come of a customer who is alive: their mean and spread, to the last digits, for anybody and any horizon.

With events at a rate λ ~ Gamma(r, α), a purchase at every k-th of them (j have passed already) and dropout after each
with p ~ Beta(a, b), the number of purchases in the horizon H is capped by a geometric number, and the number of events
is negative binomial with z = H / (α + H):

    E[X] = Σ_n NB(n; r, z) · C(⌊(n + j) / k⌋),      C(M) = Σ_{i<M} S_i,      S_i = (b)_i / (a + b)_i.

For k = 1 this sums to Gauss's hypergeometric function; after Euler's transformation its series converges fast for
hundreds of purchases, where the untransformed one overflows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, hyp2f1

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_TERMS = 20_000  # of the series; what has not settled by then is next to z = 1
_EVENTS = 1_000_000
_BLOCK = 1 << 14
_TINY = 1e-17
_STILL = 32  # terms between looks at what has settled
_BENT = -4.0  # below it, terms of the series alternate and cancel
_WIDE = 20.0  # above it they grow before they fall
_LARGE = 300.0  # so much more of b than of r leaves few digits to a difference
_NEAR = 1e-5  # so near a pole the function itself is interpolated
_ONE = 3e-5  # so near a = 1 or 2 the closed sums are 0/0 and are interpolated


def moments(
    r: Any, alpha: Any, a: Any, b: Any, horizon: Any, k: int, j: int, *, mean_alone: bool = False
) -> tuple[Floats, Floats]:
    """Return E[X] and E[X(X-1)] of purchases in the horizon.

    Parameters
    ----------
    r, alpha, a, b
        Of this customer's rate and dropout, given the past: floats or arrays, broadcast together.
    horizon
        At least 0; a float or an array.
    k, j
        Events a purchase, and how many of them have passed already (0 ≤ j < k).
    mean_alone
        Whether E[X(X-1)] is not needed; it is then 0, for half the time.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way; Platzer & Reutterer (2016), Ticking away the
    moments, whose approximation of the conditional expectation this replaces by the exact sum.
    """
    columns = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (r, alpha, a, b, horizon)))
    whole = np.array([np.atleast_1d(column) for column in columns])
    found = np.empty((2, whole.shape[1]))
    for start in range(0, whole.shape[1], _BLOCK):  # a few arrays of a block stay in the cache
        block, out = whole[:, start : start + _BLOCK], found[:, start : start + _BLOCK]
        r, _, a, b, _ = block
        series = (a + b - 1 - r >= _BENT) & (a <= _WIDE) & (a + b <= _LARGE * r) & (k == 1)
        if series.any():
            out[:, series] = _by_series(*block[:, series], mean_alone=mean_alone)
        if not series.all():
            out[:, ~series] = _by_events(*block[:, ~series], k=k, j=j)
    return found[0], found[1]


def _by_series(
    r: Floats, alpha: Floats, a: Floats, b: Floats, horizon: Floats, *, mean_alone: bool
) -> tuple[Floats, Floats]:
    z, y = horizon / (alpha + horizon), np.log1p(horizon / alpha)
    mean = _capped(r, a, a + b - 1, z, y)
    if mean_alone:
        return mean, np.zeros_like(mean)
    second = 2 * b * (_capped(r, a - 1, a + b - 1, z, y) - mean)
    return mean, np.maximum(second, 0.0)


def _capped(r: Floats, a: Floats, c: Floats, z: Floats, y: Floats) -> Floats:
    """Return c/(a-1) · (1 - (1-z)^r · 2F1(r, c-a+1; c; z)) without its singular points; y = -log(1-z).

    By Euler's transformation it is c·expm1((1-a)y)/(1-a) - e^((1-a)y) Σ_{n≥1} (δ)_n (a)_{n-1} z^n / ((c+1)_{n-1} n!)
    with δ = c - r, which does not grow with the number of purchases, while c does.
    """
    delta = c - r
    total = delta * z
    term = total.copy()
    rest: Ints = np.arange(len(z))
    d, e, f, w = delta, a, c, z
    found = total.copy()
    for n in range(1, _TERMS):
        term = term * ((d + n) * (e + n - 1) / ((f + n) * (n + 1)) * w)
        total = total + term
        if n % _STILL == 0 or n == _TERMS - 1:
            # what is left is at most a geometric series of ratio w
            moving = np.abs(term) * w > _TINY * (1 - w) * np.abs(total)
            found[rest] = total
            if not moving.any():
                break
            rest = rest[moving]
            d, e, f, w, term, total = (part[moving] for part in (d, e, f, w, term, total))
    else:
        found[rest] = _closed(delta[rest], a[rest], c[rest], z[rest])
    power = (1 - a) * y
    with np.errstate(invalid="ignore", divide="ignore"):
        grown = np.where(np.abs(1 - a) > 1e-12, np.expm1(power) / (1 - a), y)
    return np.asarray(c * grown - np.exp(power) * found)


def _closed(delta: Floats, a: Floats, c: Floats, z: Floats) -> Floats:
    """Return the sum of the series from the function itself, next to z = 1; it is 0/0 at a = 1 and at c = 0."""
    head = np.where(np.abs(c) < _NEAR, _NEAR, c)
    near = np.abs(a - 1) < _NEAR
    high, low = (np.where(near, 1 + side * _NEAR, a) for side in (1, -1))
    ends = [head / (end - 1) * (hyp2f1(delta, end - 1, head, z) - 1) for end in (high, low)]
    share = np.where(near, (a - low) / (2 * _NEAR), 1.0)
    return np.asarray(share * ends[0] + (1 - share) * ends[1])


def _by_events(
    r: Floats, alpha: Floats, a: Floats, b: Floats, horizon: Floats, *, k: int, j: int
) -> tuple[Floats, Floats]:
    """Sum over the number of events, all terms positive, from eight standard deviations below its mean."""
    z = horizon / (alpha + horizon)
    most, spread = r * horizon / alpha, np.sqrt(r * z) * (alpha + horizon) / alpha
    n = np.maximum(np.floor(most - 8 * spread), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_z = np.where(n > 0, n * np.log(z), 0.0)
    chance = np.exp(log_z - r * np.log1p(horizon / alpha) - betaln(r, n + 1)) / (r + n)
    bought = np.floor((n + j) / k)
    survived, capped, twice = _caps(a, b, bought)
    mean, second = np.zeros(len(r)), np.zeros(len(r))
    rest: Ints = np.arange(len(r))
    for step in range(_EVENTS):
        mean[rest] += chance * capped
        second[rest] += chance * twice
        n, chance = n + 1, chance * ((r + n) / (n + 1) * z)
        more = (n + j) % k == 0
        capped = capped + more * survived
        twice = twice + more * (2 * bought * survived)
        survived = np.where(more, survived * ((b + bought) / (a + b + bought)), survived)
        bought = bought + more
        if step % _STILL == 0:
            moving = (n <= most + 1) | (chance * (1 + twice + capped) > _TINY * (1 - z) * (mean[rest] + 1e-300))
            if not moving.any():
                break
            rest = rest[moving]
            r, a, b, z, most, n, chance, bought, survived, capped, twice = (
                part[moving] for part in (r, a, b, z, most, n, chance, bought, survived, capped, twice)
            )
    return mean, second


def _caps(a: Floats, b: Floats, bought: Floats) -> tuple[Floats, Floats, Floats]:
    """Return S_M, Σ_{i<M} S_i and 2 Σ_{i<M} i·S_i in closed form."""
    capped, lowered = (_summed(a, b, bought, less) for less in (0, 1))
    return np.exp(betaln(a, b + bought) - betaln(a, b)), capped, np.where(bought > 1, 2 * b * (lowered - capped), 0.0)


def _summed(a: Floats, b: Floats, bought: Floats, less: int) -> Floats:
    """Return Σ_{i<M} S_i of a and b, or of a-1 and b+1 (``less`` is 1): (c - S_M·(c + M)) / (a-1) with c = a+b-1."""

    def closed(a: Floats) -> Floats:
        survived = np.exp(betaln(a, b + bought) - betaln(a, b)) * (1 + less * bought / b)
        return np.asarray((a + b - 1 - survived * (a + b - 1 + bought)) / (a - less - 1))

    near = np.abs(a - less - 1) < _ONE
    found = closed(np.where(near, less + 1 + _ONE, a))
    if near.any():
        share = (a - less - 1 + _ONE) / (2 * _ONE)
        found = np.where(near, share * found + (1 - share) * closed(np.where(near, less + 1 - _ONE, a)), found)
    return found
