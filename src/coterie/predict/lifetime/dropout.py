"""When a customer may have dropped out: the integral over that time, in the Pareto/NBD model, by quadrature."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SIZES = np.array([10, 16, 24, 32, 48, 64, 96, 256])  # nodes of the rules
_FOLDS = 40.0  # e-folds after which what is left of an integral is below 1e-17 of it
_BLOCK = 1 << 14  # nodes at a time: a few arrays of them stay in the cache


class Nodes(NamedTuple):
    """Times at which some people may have dropped out, each with its share of the integral.

    Parameters
    ----------
    rows
        Whose integrals these are: int64 of shape (people,).
    times
        Shape (nodes, people), between the start and the end of each.
    log_alpha, log_beta
        log(1 + time / alpha) and log(1 + time / beta).
    log_mass
        The log of the nodes' shares: the log of their summed exponentials over a column is the log of the integral.
    """

    rows: npt.NDArray[np.int64]
    times: Floats
    log_alpha: Floats
    log_beta: Floats
    log_mass: Floats


@cache
def _rule(size: int) -> tuple[Floats, Floats]:
    """Return nodes and log weights of Gauss and Legendre's rule on [0, 1], each of shape (size, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return (nodes[:, None] + 1) / 2, np.log(weights[:, None] / 2)


def dropout_times(
    alpha: npt.ArrayLike,
    beta: npt.ArrayLike,
    n: npt.ArrayLike,
    m: npt.ArrayLike,
    start: npt.ArrayLike,
    end: npt.ArrayLike,
) -> Iterator[Nodes]:
    """Yield nodes of the integrals of (1 + u / alpha)^-n (1 + u / beta)^-m over u from start to end, people by people.

    In w = log((c + u) / (c + start)), where c is the smaller of alpha and beta, the integrand is the exponential of a
    concave function without a singularity nearer than pi to the real axis, however far apart alpha and beta are and
    however large n is. So few nodes of Gauss and Legendre suffice for 12 digits: their number follows from the length
    of the range in w and from how far the integrand falls on it, and where it falls below what a float can tell, the
    range is cut. The same nodes give the derivatives, which a difference of Gauss hypergeometric functions does not.

    Parameters
    ----------
    alpha, beta
        Above 0; like the others numbers or of shape (people,), at least one of them the latter.
    n, m
        Exponents, together above 1.
    start, end
        0 <= start <= end, in any unit of time.

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), Counting your customers; Fader & Hardie (2005), A note on deriving the
    Pareto/NBD model, where the integral is A_0 and is solved by the Gauss hypergeometric function.
    """
    alpha, beta, n, m, start, end = (
        np.asarray(one, dtype=np.float64) for one in np.broadcast_arrays(alpha, beta, n, m, start, end)
    )
    swapped, low, high = alpha > beta, np.minimum(alpha, beta), np.maximum(alpha, beta)
    near, far = np.where(swapped, m, n), np.where(swapped, n, m)
    base, other = low + start, high + start
    ratio, length = base / other, np.log1p((end - start) / base)
    fall = (near - 1) * length + far * np.log1p(ratio * np.expm1(length))
    long = np.flatnonzero(fall > _FOLDS)
    length[long] = _cut(near[long], far[long], ratio[long], length[long])
    fall[long] = _FOLDS
    needed = 5 + np.maximum(2.4 * np.sqrt(np.maximum(fall, 0)), 3.5 * length)
    sizes = _SIZES[np.minimum(np.searchsorted(_SIZES, needed), len(_SIZES) - 1)]
    with np.errstate(divide="ignore"):  # nobody drops out in no time
        scale = np.log(base) + np.log(length)
    before = np.log1p(start / low)
    for size in np.unique(sizes):
        at, log_weights = _rule(int(size))
        alike, step = np.flatnonzero(sizes == size), _BLOCK // int(size)
        for first in range(0, len(alike), step):
            rows = alike[first : first + step]
            mass = length[rows] * at
            times = np.expm1(mass)
            times *= base[rows]
            times += start[rows]
            log_near, log_far = mass + before[rows], np.log1p(times / high[rows])
            mass += scale[rows]
            mass += log_weights
            mass -= near[rows] * log_near
            mass -= far[rows] * log_far
            other_way = swapped[rows]
            log_alpha = np.where(other_way, log_far, log_near)
            log_beta = np.where(other_way, log_near, log_far)
            yield Nodes(rows, times, log_alpha, log_beta, mass)


def _cut(near: Floats, far: Floats, ratio: Floats, length: Floats) -> Floats:
    """Return where the integrand has fallen by _FOLDS: by Newton's method, which stays above the root of a concave."""
    for _ in range(8):
        grown = 1 + ratio * np.expm1(length)
        excess = (near - 1) * length + far * np.log(grown) - _FOLDS
        length = length - excess / (near - 1 + far * ratio * np.exp(length) / grown)
    return length
