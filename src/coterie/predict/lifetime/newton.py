"""Maximum likelihood by damped Newton steps: few evaluations, and the exact covariance of what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.errors import ConvergenceError

Floats = npt.NDArray[np.float64]
Likelihood = Callable[[Floats], tuple[float, Floats, Floats]]
"""Takes theta (p,), returns the log-likelihood, its gradient (p,) and its Hessian (p, p)."""

_SMALL = 1e-9  # gain in log-likelihood that a further step would bring, by the quadratic model
_STEP = 3.0  # longest step of one parameter: on the log scale, twenty-fold
_FAR = 20.0  # on the log scale, half a billion: beyond it, a parameter says "infinite" or "none"
_FLAT = 1e-6  # curvature of a likelihood that does not tell
_LEVEL = 0.01  # gain in log-likelihood that nobody would notice


@dataclass(frozen=True, slots=True)
class Optimum:
    """A maximum and how sharp it is.

    Parameters
    ----------
    theta
        Where it is: shape (p,).
    log_likelihood
        Its height.
    covariance
        The inverse of the negative Hessian, of theta: shape (p, p). A direction in which the likelihood is flat has a
        variance of a million.
    iterations, evaluations
        Steps taken, and likelihoods computed.
    note
        What is to be known of it, as a sentence; empty when all is well.
    """

    theta: Floats
    log_likelihood: float
    covariance: Floats
    iterations: int
    evaluations: int
    note: str = ""


def maximise(likelihood: Likelihood, start: npt.ArrayLike, names: Sequence[str], *, limit: int = 100) -> Optimum:
    """Climb to the maximum of a log-likelihood by Newton steps, shortened where they would not rise.

    Where the likelihood is hollow the curvature is taken by its size, so that every step leads uphill.

    Parameters
    ----------
    likelihood
        Returns value, gradient and Hessian; best in logarithms of parameters, in which likelihoods are rounder.
    start
        Where to begin: shape (p,).
    names
        Of the parameters, for the error.
    limit
        Evaluations after which to give up.

    Raises
    ------
    ConvergenceError
        There is no maximum within reach, or the likelihood is not a number. A parameter that runs away while the
        likelihood has come to rest is no error: "nobody drops out" can be the answer.

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, chapter 3.4 (Newton's method with modified curvature).

    Examples
    --------
    >>> peak = maximise(lambda t: (-float(t @ t), -2 * t, np.array([[-2.0]])), [1.5], ["height"])
    >>> round(float(peak.theta[0]), 6), peak.covariance.tolist()
    (0.0, [[0.5]])
    """

    def tried(theta: Floats) -> tuple[float, Floats, Floats]:
        with np.errstate(all="ignore"):  # what is not a number is seen, and the step shortened
            return likelihood(theta)

    theta = np.array(start, dtype=np.float64)
    begun = theta.copy()
    value, gradient, hessian = tried(theta)
    evaluations, iterations, room = 1, 0, _STEP
    if not np.isfinite(value):
        raise ConvergenceError("The likelihood is not a number where the fit begins.", hint="look at the data's range.")
    while True:
        step = _uphill(gradient, -hessian)
        gain = float(gradient @ step) / 2
        if gain <= _SMALL * max(1.0, 1e-6 * abs(value)):
            return Optimum(theta, value, _inverse(-hessian), iterations, evaluations)
        step *= min(1.0, room / float(np.abs(step).max()))
        rise = float(gradient @ step)
        found = tried(theta + step)
        evaluations += 1
        if np.isfinite(found[0]) and found[0] > value + 1e-4 * rise:
            room = min(_STEP, 2 * room)
            theta, (value, gradient, hessian), iterations = theta + step, found, iterations + 1
        elif rise <= 1e-12 * abs(value):  # no higher in floating-point numbers
            return Optimum(theta, value, _inverse(-hessian), iterations, evaluations)
        else:  # as far as the top of the parabola through both
            top = rise / (2 * (rise + (value - found[0]))) if np.isfinite(found[0]) else 0.0
            room = float(np.abs(step).max()) * min(max(top, 0.1), 0.5)
        far = np.abs(theta - begun) > _FAR
        if far.any() and gain <= _LEVEL:  # the height is that of the limit
            return Optimum(theta, value, _inverse(-hessian), iterations, evaluations)
        if far.any() or evaluations >= limit:
            lost = " and ".join(name for name, gone in zip(names, far, strict=True) if gone)
            raise ConvergenceError(
                f"The likelihood keeps rising while {lost} runs away." if lost else f"No maximum in {limit} steps.",
                hint="take a simpler model, more people or a longer history.",
            )


def _uphill(gradient: Floats, curvature: Floats) -> Floats:
    """Return Newton's step; where the likelihood is hollow, the step of a hill as steep."""
    values, vectors = np.linalg.eigh(curvature)
    steep = np.maximum(np.abs(values), 1e-12 * np.abs(values).max() + 1e-300)
    return np.asarray(vectors @ (vectors.T @ gradient / steep))


def _inverse(curvature: Floats) -> Floats:
    values, vectors = np.linalg.eigh(curvature)
    return np.asarray((vectors / np.maximum(values, _FLAT)) @ vectors.T)
