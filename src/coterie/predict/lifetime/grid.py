"""BG/NBD's likelihood summed over many people in few passes: what varies by x alone or T alone is taken once a value.

It is the sum of ``betageometric`` for k = 1 and parameters that all people share, at about a third of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coterie.predict.lifetime import betageometric
from coterie.predict.lifetime.histories import Floats, Tuples, coded


class Grid:
    """Histories laid out for summing; everything here stays while the parameters change.

    Parameters
    ----------
    t
        The histories.
    first
        Whether the first purchase can be the last.
    """

    def __init__(self, t: Tuples, first: bool) -> None:
        self._first, self._people = first, float(t.count.sum())
        self._place, self._x = coded(t.frequency)
        self._of_x = np.bincount(self._place, weights=t.count)
        when, self._T = coded(t.T)
        self._of_T = np.bincount(when, weights=t.count)
        self._bought_by_T = np.bincount(when, weights=t.count * t.frequency)
        came = np.flatnonzero(t.frequency >= (0 if first else 1))  # of the others nothing else is to be summed
        self._place = self._place[came]
        self._frequency, self._recency, self._age, self._count = (
            part[came] for part in (t.frequency, t.recency, t.T, t.count)
        )
        self._slopes = np.ones((4, len(came)))

    def summed(self, p: Any) -> tuple[float, Floats, Floats]:
        """Return the log-likelihood, its gradient (4,) and Hessian (4, 4) by the logarithms of r, α, a and b."""
        r, alpha, a, b = p
        value, gradient, pairs = betageometric.counting(p, self._x, 1, self._first)
        total, slope, bends = float(self._of_x @ value), gradient @ self._of_x, pairs @ self._of_x
        square = np.empty((4, 4))
        for (i, j), bend in zip(betageometric.PAIRS, bends, strict=True):
            square[i, j] = square[j, i] = bend

        away = 1 / (alpha + self._T)  # nobody bought since: -(r + x) log(α + T)
        events = r * self._of_T + self._bought_by_T
        long = np.log(alpha + self._T)
        by_r, by_alpha = r * float(self._of_T @ long), alpha * float(events @ away)
        total -= float(events @ long)
        slope[:2] -= by_r, by_alpha
        square[0, 0] -= by_r
        crossed = r * alpha * float(self._of_T @ away)
        square[1, 1] -= by_alpha - alpha * alpha * float(events @ np.square(away))

        late = self._x + b + self._first - 1  # or gone since the last purchase
        late[late <= 0] = np.nan  # x = 0 in BG/NBD, where nobody is
        then, now = 1 / (alpha + self._recency), 1 / (alpha + self._age)
        stretch = np.log(now / then)
        stretch *= -1
        odds = np.log(a / late)[self._place]
        odds += (r + self._frequency) * stretch
        small = np.exp(-np.abs(odds))
        whole = 1 / (1 + small)
        gone = np.where(odds > 0, whole, small * whole)
        total += float(self._count @ (np.maximum(odds, 0.0) + np.log1p(small)))
        sloped = self._slopes
        np.multiply(stretch, r, out=sloped[0])
        nearer = now - then
        np.multiply((r + self._frequency) * nearer, alpha, out=sloped[1])
        np.take(-b / late, self._place, out=sloped[3])
        weight = self._count * gone
        slope += sloped @ weight
        square += (sloped * (self._count * small * whole * whole)) @ sloped.T
        square[0, 0] += float(weight @ sloped[0])
        crossed -= r * alpha * float(weight @ nearer)
        square[1, 1] += float((weight * sloped[1]) @ (1 - alpha * (now + then)))
        square[3, 3] += float((weight * sloped[3]) @ (1 + sloped[3]))
        square[0, 1] -= crossed
        square[1, 0] -= crossed
        return total, slope, square
