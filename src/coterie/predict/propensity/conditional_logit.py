"""A conditional logit over many items, of which each person has bought a few: its likelihood, and the best weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy import linalg

from coterie.predict.propensity.repertoire import Repertoires
from coterie.progress import Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PENALTY = 1.0  # on half the squares of weights of standardised parts, and of what everybody's is away from 1
_MOST_STEPS = 100
_SMOOTH = 0.5  # choices an item, dealt by popularity, on top of those that were seen


def everybodys(place: Ints, popularity: Floats) -> Floats:
    """Return how often everybody chooses each item; of what nobody chose as if a few had, by what is bought of it."""
    counts = np.bincount(place, minlength=len(popularity)) + _SMOOTH * len(popularity) * popularity
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def scores(seen: Repertoires, by: Floats, popularity: Floats, shares: Floats) -> Floats:
    """Return the log odds of each item up to a constant a person: shape (people, items)."""
    raw = np.tile(by[-1] * np.log(shares), (seen.rows, 1))
    raw[seen.row, seen.item] += seen.design(popularity) @ by[:-1]
    return raw


def weights(seen: Repertoires, place: Ints, popularity: Floats, shares: Floats, progress: Progress) -> Floats:
    """Return the weights of greatest penalised likelihood, by Newton's method with halved steps.

    Parameters
    ----------
    seen
        What each person had bought.
    place
        Which item each chose afterwards: shape (people,).
    popularity, shares
        Everybody's share of lines of each item, and how often everybody chooses it, above 0: shape (items,).
    progress
        Where steps are reported.

    Returns
    -------
    ndarray
        One of each of ``repertoire.PARTS``, and of the logarithm of ``shares``.
    """
    X = seen.design(popularity)
    scale = X.std(axis=0)
    scale[scale < 1e-9] = 1.0
    logs = np.log(shares)
    problem = Likelihood(seen, X / scale, place, logs - logs.mean())
    found = np.append(np.zeros(X.shape[1]), 1.0)
    loss, slope, curve = problem.at(found)
    for step in range(_MOST_STEPS):
        progress.step("choices", step, _MOST_STEPS)
        move = linalg.solve(curve, slope, assume_a="pos")
        gain = float(slope @ move)
        if gain <= 1e-8 * (1 + abs(loss)):
            break
        size = 1.0
        while size > 1e-6:
            tried = problem.at(found - size * move)
            if tried[0] <= loss - 1e-4 * size * gain:
                break
            size /= 2
        else:
            break
        found, (loss, slope, curve) = found - size * move, tried
    progress.step("choices", _MOST_STEPS, _MOST_STEPS)
    best: Floats = found / np.append(scale, 1.0)
    return best


class Likelihood:
    """The penalised negative log likelihood of choices, with gradient and Hessian.

    Items that a person never bought differ by everybody's choices alone, so their sums are everybody's sums less those
    of what the person did buy: the time it takes grows with what was bought, not with people times items.

    Parameters
    ----------
    seen, place
        As of :func:`weights`.
    X
        What is known of each pair: shape (pairs, parts).
    logs
        Logarithms of how often everybody chooses each item: shape (items,).
    """

    def __init__(self, seen: Repertoires, X: Floats, place: Ints, logs: Floats) -> None:
        self.seen, self.X, self.place, self.logs = seen, X, place, logs
        self.starts = np.searchsorted(seen.row, np.arange(seen.rows + 1))
        self.pair = np.full(seen.rows, -1, dtype=np.int64)
        here = np.flatnonzero(seen.item == place[seen.row])
        self.pair[seen.row[here]] = here  # the pair of what was chosen; -1 where it was never bought

    def at(self, by: Floats) -> tuple[float, Floats, Floats]:
        """Return the value, its gradient and its Hessian: shapes (parts + 1,) and (parts + 1, parts + 1)."""
        seen, X, logs, own = self.seen, self.X, self.logs, self.pair[self.pair >= 0]
        row, item = seen.row, seen.item
        parts, told = by[:-1], logs[item]
        common = by[-1] * logs
        score = X @ parts + common[item]
        top = np.full(seen.rows, common.max())
        np.maximum.at(top, row, score)
        shift = np.exp(common.max() - top)
        others = np.exp(common - common.max())
        mine, without = np.exp(score - top[row]), others[item] * shift[row]
        norm = np.maximum(others.sum() * shift + seen.sums(mine - without), np.finfo(np.float64).tiny)
        mine, without, shift = mine / norm[row], without / norm[row], shift / norm
        chosen = common[self.place]
        chosen[self.pair >= 0] = score[own]
        value = float(-(chosen - top - np.log(norm)).sum() + PENALTY / 2 * (parts @ parts + (by[-1] - 1) ** 2))
        mean = np.column_stack(
            [
                sp.csr_matrix((mine, np.arange(len(mine)), self.starts), shape=(seen.rows, len(mine))) @ X,
                (others * logs).sum() * shift + seen.sums((mine - without) * told),
            ]
        )
        slope = mean.sum(axis=0)
        slope[:-1] += PENALTY * parts - X[own].sum(axis=0)
        slope[-1] += PENALTY * (by[-1] - 1) - logs[self.place].sum()
        curve = -mean.T @ mean
        weighed = X * mine[:, None]
        curve[:-1, :-1] += weighed.T @ X + PENALTY * np.eye(len(parts))
        cross = weighed.T @ told
        curve[:-1, -1] += cross
        curve[-1, :-1] += cross
        curve[-1, -1] += float(
            ((others * logs * logs).sum() * shift).sum() + ((mine - without) * told * told).sum() + PENALTY
        )
        return value, slope, curve
