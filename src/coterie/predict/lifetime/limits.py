"""Where a likelihood has no maximum, for parameters run to infinity or 0: the models that lie in those limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coterie.errors import ConvergenceError
from coterie.predict.lifetime.newton import Floats, Likelihood, Optimum, maximise

_ALIKE = 0.5  # of log-likelihood: no reason for a model with more parameters, none of which is then told
_KNOWN = 3.0  # standard error of a logarithm: beyond it, a parameter is known to within a factor of 20 at best


@dataclass(frozen=True, slots=True)
class Limit:
    """A model that another one comes to while some of its parameters run away.

    Parameters
    ----------
    fixed
        Position → value in theta of what runs away.
    start
        Position → value in theta at which to begin, where it is not that of the whole model.
    told
        What it means, as a clause.
    """

    fixed: Mapping[int, float]
    start: Mapping[int, float]
    told: str

    def of(self, other: Limit) -> Limit:
        """Return the model in which both are so."""
        return Limit({**self.fixed, **other.fixed}, {**self.start, **other.start}, f"{self.told}; {other.told}")


def maximise_or_limit(
    likelihood: Likelihood, start: Floats, names: Sequence[str], limits: Sequence[Limit], *, own: int
) -> Optimum:
    """Return the maximum, or where there is none, or one too flat to tell the parameters, that of the best limit.

    The simplest that is not lower than the best by half a unit of log-likelihood is taken. What a limit fixes has no
    variance: intervals then are those of the simpler model.

    Parameters
    ----------
    likelihood, start, names
        As in ``maximise``.
    limits
        The models to try, simplest first.
    own
        How many of the parameters are the model's own; the others are coefficients of covariates.

    Raises
    ------
    ConvergenceError
        Neither the model nor a limit has a maximum.
    """
    try:
        whole = maximise(likelihood, start, names)
    except ConvergenceError:
        found = _fitted(likelihood, start, names, limits)
        if not found:
            raise
    else:
        errors = np.sqrt(np.diag(whole.covariance))[:own]
        if np.isfinite(errors).all() and errors.max() < _KNOWN:
            return whole
        found = [*_fitted(likelihood, start, names, limits), whole]
    height = max(one.log_likelihood for one in found)
    return next(one for one in found if one.log_likelihood >= height - _ALIKE)


def _fitted(likelihood: Likelihood, start: Floats, names: Sequence[str], limits: Sequence[Limit]) -> list[Optimum]:
    """Return the maxima of those limits that have one."""
    return [one for limit in limits if (one := _within(likelihood, start, names, limit)) is not None]


def _within(likelihood: Likelihood, start: Floats, names: Sequence[str], limit: Limit) -> Optimum | None:
    """Return the maximum of a limit as one of the whole model."""
    theta = np.array(start, dtype=np.float64)
    for place, value in {**limit.start, **limit.fixed}.items():
        theta[place] = value
    free = np.array([place not in limit.fixed for place in range(len(theta))])

    def restricted(some: Floats) -> tuple[float, Floats, Floats]:
        theta[free] = some
        value, gradient, hessian = likelihood(theta)
        return value, gradient[free], hessian[np.ix_(free, free)]

    try:
        best = maximise(restricted, theta[free], [name for name, kept in zip(names, free, strict=True) if kept])
    except ConvergenceError:
        return None
    theta[free] = best.theta
    covariance = np.zeros((len(theta), len(theta)))
    covariance[np.ix_(free, free)] = best.covariance
    return replace(best, theta=theta, covariance=covariance, note=f"In these data {limit.told}.")
