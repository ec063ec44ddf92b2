"""BG/NBD's likelihood summed over many people in few passes: what varies by x alone or T alone is taken once a value.

It is the sum of ``betageometric`` for k = 1 and parameters that all people share, at a fraction of the time. Of those
who never came back only T is to be known; of the others, the distinct histories are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betaln, digamma, gammaln, zeta

from coterie.predict.lifetime.histories import Floats, Histories, Ints, coded, counted, keyed

_BLOCK = 1 << 14  # histories that are summed at a time: so many stay in a processor's cache
_NEVER = -700.0  # logarithm of odds that are none
_BELOW = np.tril_indices(4, -1)


class Grid:
    """Histories laid out for summing; everything here stays while the parameters change.

    Parameters
    ----------
    h
        The histories, of whom one at least came back.
    first
        Whether the first purchase can be the last.

    Attributes
    ----------
    gap
        Mean time between purchases of those who came back, until their last.
    silent
        The share of people who never came back.
    age
        Mean T.
    """

    def __init__(self, h: Histories, first: bool) -> None:
        again = h.frequency > 0
        came = np.flatnonzero(again)
        x, recency, T = h.frequency[came], h.recency[came], h.T[came]
        quiet, silent = counted(h.T[np.flatnonzero(~again)])  # T of those who never came back, and how many have it
        (place, each), (when, ages) = coded(x), coded(T)
        self._times = np.append(quiet, ages)
        self._people = np.append(silent, np.bincount(when))
        self._purchases = np.append(np.zeros(len(quiet)), np.bincount(when, weights=x))
        self.silent, self.age = 1 - len(came) / len(h), float(self._people @ self._times) / len(h)

        key = keyed((place, each), (when, ages), coded(recency))
        order = np.argsort(key)
        begin = _begins(key[order])
        one, count = order[begin], _sizes(begin, len(key)).astype(np.float64)
        place, recency, T = place[one], recency[one], T[one]
        self.gap = float(count @ recency) / float(count @ each[place])
        if first and len(quiet):  # silent ones may be gone as well
            each, place = np.append(0.0, each), np.append(np.zeros(len(quiet), dtype=np.int64), place + 1)
            recency, T = np.append(np.zeros(len(quiet)), recency), np.append(quiet, T)
            count = np.append(silent, count)
        self._counts = _Counts(each, np.add.reduceat(count, _begins(place)), first, len(h))
        room = np.empty((6, min(len(place), _BLOCK)))
        blocks = [slice(at, at + _BLOCK) for at in range(0, len(place), _BLOCK)]
        self._parts = [_Part(each, place[at], recency[at], T[at], count[at], first, room) for at in blocks]

    def summed(self, p: Sequence[float]) -> tuple[float, Floats, Floats]:
        """Return the log-likelihood, its gradient (4,) and Hessian (4, 4) by the logarithms of r, α, a and b."""
        r, alpha, _, _ = p
        total, slope, square = self._counts.summed(p)
        away = 1 / (alpha + self._times)  # nobody bought since: -(r + x) log(α + T)
        events = r * self._people + self._purchases
        long = np.log(alpha + self._times)
        by_r, by_alpha = r * float(self._people @ long), alpha * float(events @ away)
        total -= float(events @ long)
        slope[:2] -= by_r, by_alpha
        square[0, 0] -= by_r
        square[0, 1] -= r * alpha * float(self._people @ away)
        square[1, 1] -= by_alpha - alpha * alpha * float(events @ np.square(away))
        for part in self._parts:  # or gone since the last purchase
            total += part.add(p, slope, square)
        square[_BELOW] = square.T[_BELOW]
        return total, slope, square


class _Counts:
    """What depends on x alone: how many have each x."""

    def __init__(self, x: Floats, count: Floats, first: bool, people: int) -> None:
        self._people = people
        self._later = np.zeros((3, 1 + len(x)))  # what purchases add to r, b and a + b; in the first column, nothing
        self._later[:, 1:] = x + np.array([[0], [first], [first]])
        self._weight = np.append(-count.sum(), count)
        self._bought, self._count = x[x > 0], count[x > 0]
        self._constant = float(self._count @ gammaln(self._bought))

    def summed(self, p: Sequence[float]) -> tuple[float, Floats, Floats]:
        """Return the sum, its gradient and the upper half of its Hessian."""
        r, alpha, a, b = p
        later = self._later + np.array([[r], [b], [a + b]])
        n, late, both = (digamma(later) @ self._weight).tolist()
        n_n, late_late, both_both = (zeta(2, later) @ self._weight).tolist()
        rate = r * self._people
        # a difference of gammaln would lose its digits where r is large
        total = self._constant - float(self._count @ betaln(r, self._bought)) + rate * float(np.log(alpha))
        total += float(betaln(a, later[1]) @ self._weight)
        slope = np.array([r * n + rate * np.log(alpha), rate, -a * both, b * (late - both)])
        square = np.diag(slope)
        square[0, 0] += r * r * n_n
        square[0, 1], square[1, 1] = rate, 0.0
        square[2, 2] -= a * a * both_both
        square[2, 3] = -a * b * both_both
        square[3, 3] += b * b * (late_late - both_both)
        return total, slope, square


class _Part:
    """Distinct histories, by x, of people who may be gone."""

    def __init__(
        self, x: Floats, place: Ints, recency: Floats, T: Floats, count: Floats, first: bool, room: Floats
    ) -> None:
        self._begin = _begins(place)
        self._size = _sizes(self._begin, len(place))
        self._each = x[place[self._begin]]
        self._late = self._each + first - 1
        self._x, self._recency, self._T, self._since, self._count = x[place], recency, T, T - recency, count
        self._room = room[:, : len(place)]

    def add(self, p: Sequence[float], slope: Floats, square: Floats) -> float:
        """Return the sum; add its gradient and the upper half of its Hessian to what there is."""
        r, alpha, a, b = p
        late = b + self._late
        stretch, by_alpha, weight, even, even_r, even_alpha = self._room
        then, now = 1 / (alpha + self._recency), 1 / (alpha + self._T)
        events = r + self._x
        nearer = self._since * then
        np.log1p(nearer, out=stretch)  # log((α + T) / (α + t_x))
        nearer *= now  # 1/(α + t_x) - 1/(α + T)
        np.multiply(events, nearer, out=by_alpha)
        events *= stretch
        odds = events
        odds += np.repeat(np.log(a / late), self._size)
        np.maximum(odds, _NEVER, out=odds)
        small = np.exp(-odds)
        gone = 1 / (1 + small)
        total = float(self._count @ odds) - float(self._count @ np.log(gone))
        np.multiply(self._count, gone, out=weight)
        small *= gone  # the chance not to be gone
        np.multiply(weight, small, out=even)
        np.multiply(even, stretch, out=even_r)
        np.multiply(even, by_alpha, out=even_alpha)
        (w_r, w_alpha), (e_r, e_alpha), (e_rr, e_ra), (_, e_aa) = (self._room[2:] @ self._room[:2].T).tolist()
        w, e, e_stretch, e_by_alpha = np.add.reduceat(self._room[2:], self._begin, axis=1)  # for each x
        nearer *= weight
        now += then
        bend = alpha * alpha * float((weight * by_alpha) @ now) - alpha * w_alpha
        lever = -b / late  # by the logarithm of b; by that of a it is 1
        slope += r * w_r, -alpha * w_alpha, w.sum(), lever @ w
        square[0] += (
            r * r * e_rr + r * w_r,
            -r * alpha * (e_ra + float(nearer.sum())),
            r * e_r,
            r * float(lever @ e_stretch),
        )
        square[1, 1:] += alpha * alpha * e_aa + bend, -alpha * e_alpha, -alpha * float(lever @ e_by_alpha)
        square[2, 2:] += e.sum(), lever @ e
        square[3, 3] += lever @ w + np.square(lever) @ (w + e)
        return total


def _begins(ascending: Ints) -> Ints:
    """Return where each value begins."""
    new = np.ones(len(ascending), dtype=bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return np.flatnonzero(new)


def _sizes(begin: Ints, end: int) -> Ints:
    """Return how many there are from each beginning to the next one."""
    return np.append(begin[1:], end) - begin
