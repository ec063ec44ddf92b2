"""Comparisons: is one method better than another on the same people, or would other people tell another story."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from coterie.evaluation.intervals import Estimate, bootstrap

Verdict = Literal["better", "worse", "no different"]
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


def verdict(gap: Estimate) -> Verdict:
    """Say in words whether a difference's interval lies above, below or around nothing.

    >>> verdict(Estimate(0.02, -0.01, 0.05))
    'no different'
    """
    if gap.low > 0:
        return "better"
    return "worse" if gap.high < 0 else "no different"
