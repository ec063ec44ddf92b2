"""What each person will really bring: quantiles of their own value, chance and all, from simulated futures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from coterie.predict.lifetime import futures
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.histories import Histories, Ints
from coterie.predict.lifetime.purchasing import PurchaseModel
from coterie.progress import SILENT, Progress

Floats = npt.NDArray[np.float64]


def realised(
    orders: PurchaseModel,
    spend: GammaGamma,
    people: Histories,
    bought: Floats,
    place: Ints,
    active: Floats,
    horizon: float,
    tails: Sequence[float],
    progress: Progress = SILENT,
) -> Floats:
    """Return quantiles of what each person brings in the horizon: shape (tails, people).

    Futures are simulated once for all people of one history and one number of purchases; how likely a person is to
    order at all is the person's own.

    Parameters
    ----------
    orders, spend
        The models, fitted.
    people
        Distinct histories.
    bought
        Each person's purchases whose spend is known: shape (people,).
    place
        Which of the distinct histories is each person's: shape (people,).
    active
        Each person's probability of at least one order in the horizon: shape (people,).
    horizon
        In the unit of T.
    tails
        Which quantiles, in (0, 1).
    progress
        Told how many of the distinct people have been simulated.

    Returns
    -------
    In units of v + x m, the scale of a person's posterior of spend; 0 where nothing at all is that likely.
    """
    alone, row, back = _pairs(place, bought)
    person = people.taken(alone)
    worth = futures.spends(spend.parameters_["p"], spend.parameters_["q"], row)
    found = np.zeros((len(tails), len(place)))
    order = np.argsort(back, kind="stable")
    ends = np.searchsorted(back[order], np.arange(len(alone) + 1))
    for block in futures.drawn(orders, person, horizon):
        values = np.empty(block.orders.shape, dtype=np.float32)
        for i, count in enumerate(block.orders):
            values[i] = worth(i, block.rows, count)
        rising = np.sort(np.ascontiguousarray(values.T), axis=1)
        who = order[ends[block.rows.start] : ends[block.rows.stop]]
        for end, tail in enumerate(tails):
            found[end, who] = _quantile(rising, back[who] - block.rows.start, active[who], tail)
        progress.step("value", block.rows.stop, len(alone))
    return found


def _pairs(place: Ints, bought: Floats) -> tuple[Ints, Floats, Ints]:
    """Return the distinct pairs of a history and the purchases whose spend is known, and the pair of each person."""
    kinds, kind = np.unique(bought, return_inverse=True)
    _, one, back = np.unique(place * len(kinds) + kind, return_index=True, return_inverse=True)
    return place[one], bought[one], back.astype(np.int64)


def _quantile(rising: npt.NDArray[np.float32], row: Ints, active: Floats, at: float) -> Floats:
    """Return a quantile of what people bring: 0 with probability 1 - active, else as in those futures that bring some.

    Parameters
    ----------
    rising
        What the futures bring, in order: shape (distinct people, futures).
    row
        Which of them each person is: shape (people,).
    """
    futures_ = rising.shape[1]
    none = np.argmax(rising > 0, axis=1)
    nothing = np.where(rising[:, -1] > 0, none, futures_)[row]
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.clip((at - (1 - active)) / active, 0, 1)  # among the futures that bring some
    position = np.clip(nothing + level * (futures_ - nothing) - 0.5, np.minimum(nothing, futures_ - 1), futures_ - 1)
    below = np.floor(np.nan_to_num(position)).astype(np.int64)
    above = np.minimum(below + 1, futures_ - 1)
    found = rising[row, below] + (position - below) * (rising[row, above] - rising[row, below])
    return np.where(at <= 1 - active, 0.0, found)
