"""The next order: when each person is likely to come again, whether at all, and who is late by their own measure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits

from coterie.errors import ParameterError
from coterie.features.frames import opened
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.purchasing import PurchaseModel

Floats = npt.NDArray[np.float64]
_CLOSE = 1e-9  # how near to a probability is near enough
_STEPS = 100  # of a search; a dozen are the rule


def next_order(
    model: PurchaseModel,
    frame: Any,
    *,
    within_days: float = 365,
    level: float = 0.8,
    as_of: date | None = None,
    unit_days: float = 1.0,
) -> pa.Table:
    """Return when the next order of each person is likely to come, in the order of rows.

    The time to the next order exceeds t with probability ``1 - active(t)``, by any model of purchases; some never order
    again, so that this need not fall to 0. The median is the day by which a next order is as likely as not, and the
    interval runs between the days by which it has come with probability ``(1 - level) / 2`` and ``(1 + level) / 2``.
    What does not happen within ``within_days`` is missing: no median says that no order in that time is the likelier.

    Parameters
    ----------
    model
        Fitted; of regular buyers one of the CNBD models knows that an order is due.
    frame
        Histories, or a dataframe with ``frequency``, ``recency`` and ``T``; ``person`` is taken along.
    within_days
        How far is looked ahead.
    level
        Coverage of the interval, in (0, 1).
    as_of
        The last day of the histories (UTC); dates are counted from it.
    unit_days
        Days in a unit of T: 7 where histories are in weeks.

    Returns
    -------
    ``person`` (where given), ``probability`` (of an order within ``within_days``), ``likely`` (whether that is at least
    one half), ``days_low``, ``days_median``, ``days_high`` and, with ``as_of``, ``date_low``, ``date_median``,
    ``date_high``: the days on which these times end.

    Raises
    ------
    ParameterError
        A length of time, level or date is not what is allowed.
    NotFittedError, MissingColumnError, DataError, EmptyShopError
        As the model.
    """
    for name, got in (("within_days", within_days), ("unit_days", unit_days)):
        if not (np.isfinite(got) and got > 0):
            raise ParameterError.of("next_order", name, got, "a number above 0")
    if not 0 < level < 1:
        raise ParameterError.of("next_order", "level", level, "between 0 and 1")
    if as_of is not None and not isinstance(as_of, date):
        raise ParameterError.of("next_order", "as_of", as_of, "a date")
    people, place = _distinct(model, frame)
    most = within_days / unit_days
    with threadpool_limits(1):
        chance = model.active(people, most)
        columns: dict[str, Any] = {"probability": chance[place], "likely": (chance >= 0.5)[place]}
        for name, at in (("low", (1 - level) / 2), ("median", 0.5), ("high", (1 + level) / 2)):
            days = np.full(len(chance), np.nan)
            if len(rows := np.flatnonzero(chance >= at)):
                active = partial(model.active, people.taken(rows))
                days[rows] = unit_days * inverted(active, at, most, len(rows))
            columns[f"days_{name}"] = pa.array(days[place], mask=np.isnan(days)[place])
    if as_of is not None:
        first = np.datetime64(as_of, "D")
        for name in ("low", "median", "high"):
            wait = columns[f"days_{name}"].to_numpy(zero_copy_only=False)
            lost = np.isnan(wait)
            ends = first + np.ceil(np.where(lost, 0, wait)).astype("timedelta64[D]")
            columns[f"date_{name}"] = pa.array(ends, pa.date32(), mask=lost)
    person = None if isinstance(frame, Histories) else opened(frame)
    if person is not None and "person" in person.columns:
        columns = {"person": person.get_column("person").to_arrow(), **columns}
    return pa.table(columns)


def lateness(model: PurchaseModel, frame: Any, *, within_days: float = 730, unit_days: float = 1.0) -> Floats:
    """Return how late each person is by their own measure, in [0, 1]: shape (people,).

    Of the waits after the last order that the person's own history lets expect, the share that would have ended by
    now; counted are waits that end within ``within_days``, so that a person can be late in a shop where most do
    not come again. .9 reads "nine times of ten the next order would have come". It says nothing of whether the person
    will come: ``active`` does.

    Parameters
    ----------
    model, frame, unit_days
        As in ``next_order``.
    within_days
        A person who is silent for as long is as late as can be: 1.
    """
    for name, got in (("within_days", within_days), ("unit_days", unit_days)):
        if not (np.isfinite(got) and got > 0):
            raise ParameterError.of("lateness", name, got, "a number above 0")
    people, place = _distinct(model, frame)
    then = Histories(
        people.frequency,
        people.recency,
        people.recency,  # as it was at the last order
        people.spend,
        people.log_gaps,
        people.covariates,
        people.covariate_names,
    )
    most = within_days / unit_days
    with threadpool_limits(1):
        by_now = model.active(then, np.minimum(people.T - people.recency, most))
        ever = model.active(then, most)
    share = np.divide(by_now, ever, out=np.ones(len(ever)), where=ever > 0)
    return np.asarray(np.clip(share, 0, 1)[place])


def inverted(chance: Callable[[Floats], Floats], at: float, most: float, count: int) -> Floats:
    """Return the times by which a probability that rises with time has reached ``at``: shape (count,).

    Parameters
    ----------
    chance
        Takes a time a person, returns probabilities, which are 0 at time 0 and at least ``at`` at ``most``.
    at
        In (0, 1).
    most
        The longest time.
    count
        How many people there are.

    Notes
    -----
    The method of false position as Illinois amends it (Dowell & Jarratt 1971), of the cumulative hazard
    ``-log(1 - chance)``, which is all but straight; as soon as it is slow, halving.

    >>> inverted(lambda t: 1 - np.exp(-t / np.array([2.0, 50.0])), 0.5, 400.0, 2).round(6).tolist()
    [1.386294, 34.657359]
    """
    goal = -np.log1p(-at)

    def hazard(times: Floats) -> Floats:
        return np.asarray(-np.log1p(-np.minimum(chance(times), 1 - 1e-16)) - goal)

    low, high = np.zeros(count), np.full(count, most)
    below, above = np.full(count, -goal), hazard(high)
    found, side = high.copy(), np.zeros(count)
    open_ = above > _CLOSE * goal
    for step in range(_STEPS):
        if not open_.any():
            break
        slope = above - below
        guess = np.where(slope > 0, (low * above - high * below) / np.where(slope > 0, slope, 1), high)
        middle = (low + high) / 2
        guess = np.where((guess > low) & (guess < high) & (step % 4 < 3), guess, middle)
        guess = np.where(open_, guess, found)
        value = hazard(guess)
        up = value < 0
        # an end that stays twice is made to count half, so that the other one moves
        above = np.where(open_ & up & (side > 0), above / 2, above)
        below = np.where(open_ & ~up & (side < 0), below / 2, below)
        low, below = np.where(open_ & up, guess, low), np.where(open_ & up, value, below)
        high, above = np.where(open_ & ~up, guess, high), np.where(open_ & ~up, value, above)
        side = np.where(up, 1.0, -1.0)
        found = np.where(open_, guess, found)
        open_ &= (np.abs(value) > _CLOSE * goal) & (high - low > _CLOSE * most)
    return found


def _distinct(model: PurchaseModel, frame: Any) -> tuple[Histories, npt.NDArray[np.int64]]:
    """Return the distinct histories of people, and that of each person."""
    histories = Histories.of(frame, covariates=getattr(model, "covariate_names_", ()))
    t = histories.unique()
    unknown = np.full(len(t.T), np.nan)
    people = Histories(t.frequency, t.recency, t.T, unknown, unknown, t.covariates, histories.covariate_names)
    return people, t.inverse
