"""Comparisons: is one method better than another on the same people, or would other people tell another story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from coterie.evaluation.intervals import Estimate, bootstrap

Verdict = Literal["better", "not inferior", "worse", "no different"]
Statistic = Callable[[npt.NDArray[np.intp]], float]


def difference(model: Statistic, other: Statistic, draws: npt.NDArray[np.intp], *, level: float = 0.95) -> Estimate:
    """Return model minus other, with the interval over people; both are figured on the same people each time.

    Paired, the chance of who is in the sample cancels out, so that small true differences show.

    Parameters
    ----------
    model, other
        Take positions of people, return a figure where more is better.
    draws
        The samples, from ``intervals.resamples``.
    level
        Of the interval, between 0 and 1.
    """
    return bootstrap(lambda rows: model(rows) - other(rows), draws, level=level)


def verdict(gap: Estimate, margin: float = 0.0) -> Verdict:
    """Say in words whether a difference's interval lies above, below or around nothing.

    Parameters
    ----------
    gap
        Model minus other.
    margin
        Above 0 it is asked as well whether the model is not inferior: whether its interval ends above ``-margin``. To
        find no difference shows no such thing, the interval may be wide.

    References
    ----------
    Piaggio et al. (2012), Reporting of noninferiority and equivalence randomized trials (CONSORT).

    >>> verdict(Estimate(0.02, -0.01, 0.05))
    'no different'
    >>> verdict(Estimate(0.02, -0.01, 0.05), margin=0.02)
    'not inferior'
    """
    if gap.low > 0:
        return "better"
    if margin > 0 and gap.low > -margin:
        return "not inferior"
    return "worse" if gap.high < 0 else "no different"
