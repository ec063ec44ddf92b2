"""Whether orders and spend go together: the Gamma-Gamma model takes them to be independent."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from coterie.evaluation.intervals import Estimate

Floats = npt.NDArray[np.float64]

_SURE = 0.95  # of the interval of the correlation


def correlation(x: Floats, mean: Floats) -> Estimate:
    """Return Pearson's correlation of orders and mean spend over people, with an interval of 95 %.

    The interval assumes no distribution, and also holds without the person who moves it most. All NaN where everybody
    has as many orders, or spends the same.

    Parameters
    ----------
    x
        Repeat purchases: shape (people,).
    mean
        Their mean amount: shape (people,).

    References
    ----------
    Fisher (1915), Frequency distribution of the values of the correlation coefficient; Devlin, Gnanadesikan &
    Kettenring (1975), Robust estimation and outlier detection with correlation coefficients: the influence of a person.

    >>> import numpy as np
    >>> str(correlation(np.arange(1.0, 60), np.arange(1.0, 60) ** 2))
    '0.969 [0.960, 0.978]'
    """
    if x.min() == x.max() or mean.min() == mean.max():
        return Estimate(math.nan, math.nan, math.nan)
    value, influence, low, high = _pearson(x, mean)
    kept = np.arange(len(x)) != np.abs(influence).argmax()
    if x[kept].min() < x[kept].max() and mean[kept].min() < mean[kept].max():
        _, _, other_low, other_high = _pearson(x[kept], mean[kept])
        low, high = min(low, other_low), max(high, other_high)
    return Estimate(value, low, high)


def caution(correlation: Estimate) -> str | None:
    """Say what a correlation means for the product of orders and spend; None where none is shown."""
    if not (correlation.low > 0 or correlation.high < 0):
        return None
    more, few = ("more", "low") if correlation.value > 0 else ("less", "high")
    return (
        f"People who order more often spend {more} per order (correlation {correlation}); the model takes orders and "
        f"spend to be independent, so that it puts the value of frequent buyers too {few}."
    )


def _pearson(x: Floats, mean: Floats) -> tuple[float, Floats, float, float]:
    """Return the correlation, the influence of each person, and the interval that follows from these."""
    a, b = (x - x.mean()) / x.std(), (mean - mean.mean()) / mean.std()
    value = float((a * b).mean())
    influence = a * b - value / 2 * (a * a + b * b)
    error = float(influence.std()) / math.sqrt(len(x))
    far = float(ndtri((1 + _SURE) / 2)) * error / max(1 - value**2, 1e-12)  # on Fisher's scale
    middle = math.atanh(min(max(value, -1 + 1e-12), 1 - 1e-12))
    return value, influence, math.tanh(middle - far), math.tanh(middle + far)
