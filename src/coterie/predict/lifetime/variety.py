"""What a table of histories can teach: whether people differ enough for parameters to be learnt from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coterie.errors import ConvergenceError, ParameterError
from coterie.predict.lifetime.histories import Floats, Histories

_VAGUE = 3.0  # standard error of a logarithm


def standard(histories: Histories, model: object) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the covariates; ParameterError names one in which people do not differ."""
    if not histories.covariate_names:
        return np.empty(0), np.empty(0)
    centre, scale = histories.covariates.mean(axis=0), histories.covariates.std(axis=0)
    for name, width in zip(histories.covariate_names, scale, strict=True):
        if not width > 0:
            raise ParameterError.of(
                type(model).__name__, "covariates", name, "traits in which people differ", hint="leave it out."
            )
    return centre, scale


def check_variety(model: object, histories: Histories, parameters: int) -> None:
    """Raise ConvergenceError where it is plain beforehand that no parameters can be learnt."""
    x, T = histories.frequency, histories.T
    if len(x) <= parameters:
        people = "1 person" if len(x) == 1 else f"{len(x)} people"
        raise ConvergenceError.of(
            model, f"there is no more than {people} for {parameters} parameters", hint="give hundreds of people."
        )
    if not x.any():
        raise ConvergenceError.of(
            model,
            f"nobody of {len(x):,} people bought a second time, so that nothing is known of how often they would",
            hint="take a longer history.",
        )
    if not T.any():
        raise ConvergenceError.of(
            model, "T is 0 for everybody: no time has passed in which to buy again", hint="take a later moment."
        )


def shown(histories: Histories) -> str:
    """Say what of the data may be the reason that they cannot be fitted."""
    x, T = histories.frequency, histories.T
    words = [f"{np.count_nonzero(x):,} of {len(x):,} people bought again"]
    if np.ptp(T) == 0:
        words.append("all have the same T")
    if np.ptp(x) == 0:
        words.append("all bought equally often")
    return " and ".join(words)


def vagueness(names: Sequence[str], errors: Floats) -> str:
    """Say which parameters the data hardly tell, from standard errors of their logarithms; empty when all is well."""
    vague = [name for name, error in zip(names, errors, strict=True) if error > _VAGUE]
    return f"The data hardly tell {', '.join(vague)}: twenty-fold values fit as well." if vague else ""
