"""The next order: when each person is likely to come again, whether at all, and who is late by their own measure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from threadpoolctl import threadpool_limits

from coterie.errors import ParameterError
from coterie.features.frames import opened
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.near_term import NearTerm
from coterie.predict.lifetime.purchasing import PurchaseModel

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
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
    near: NearTerm | None = None,
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
    near
        What somebody who knows more expects of these people, in the order of rows, in the first of these days: see
        :class:`NearTerm`.

    Returns
    -------
    ``person`` (where given), ``probability`` (of an order within ``within_days``), ``likely`` (whether that is at least
    one half), ``days_low``, ``days_median``, ``days_high`` and, with ``as_of``, ``date_low``, ``date_median``,
    ``date_high``: the days on which these times end.

    Raises
    ------
    ParameterError
        A length of time, level or date is not what is allowed; a near term of other people, or longer than
        ``within_days``.
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
    people, place = _people(model, frame, distinct=near is None)
    most = within_days / unit_days
    with threadpool_limits(1):
        chance = model.active(people, most)
        if near is not None:
            near.check_within(within_days, len(place))
            soon = model.active(people, near.days / unit_days)
            chance = near.chance(within_days, chance, soon)
        columns: dict[str, Any] = {"probability": chance[place], "likely": (chance >= 0.5)[place]}
        for name, at in (("low", (1 - level) / 2), ("median", 0.5), ("high", (1 + level) / 2)):
            days = np.full(len(chance), np.nan)
            reached = chance >= at
            spans = [(0.0, most, reached)]
            if near is not None:  # where it ends, chances bend
                early = near.active >= at
                spans = [(0.0, near.days / unit_days, early), (near.days / unit_days, most, reached & ~early)]
            for least, end, within in spans:
                who = np.flatnonzero(within)

                def by(rows: Rows, times: Floats, who: Rows = who) -> Floats:
                    some = who[rows]
                    alone = model.active(people.taken(some), times)
                    return alone if near is None else near.taken(some).chance(times * unit_days, alone, soon[some])

                days[who] = unit_days * inverted(by, at, end, len(who), least=least)
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
    people, place = _people(model, frame)
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


def inverted(
    chance: Callable[[Rows, Floats], Floats], at: float, most: float, count: int, *, least: float = 0.0
) -> Floats:
    """Return the times by which a probability that rises with time has reached ``at``: shape (count,).

    Parameters
    ----------
    chance
        Takes some of the people, as numbers below ``count``, and a time for each of them; returns probabilities, which
        are at most ``at`` at ``least`` and at least ``at`` at ``most``.
    at
        In (0, 1).
    most
        The longest time.
    count
        How many people there are.
    least
        The shortest time.

    Notes
    -----
    The method of false position as Illinois amends it (Dowell & Jarratt 1971), of the cumulative hazard
    ``-log(1 - chance)``, which is all but straight; as soon as it is slow, halving.

    >>> mean = np.array([2.0, 50.0])
    >>> inverted(lambda rows, times: 1 - np.exp(-times / mean[rows]), 0.5, 400.0, 2).round(6).tolist()
    [1.386294, 34.657359]
    """
    goal = -np.log1p(-at)

    def hazard(rows: Rows, times: Floats) -> Floats:
        return np.asarray(-np.log1p(-np.minimum(chance(rows, times), 1 - 1e-16)) - goal)

    found = np.full(count, float(most))
    above = hazard(np.arange(count), found)
    rows = np.flatnonzero(above > _CLOSE * goal)
    low, high, side = np.full(len(rows), float(least)), found[rows], np.zeros(len(rows))
    below, above = hazard(rows, low), above[rows]
    for step in range(_STEPS):
        if not len(rows):
            break
        slope = above - below
        guess = np.where(slope > 0, (low * above - high * below) / np.where(slope > 0, slope, 1), high)
        guess = np.where((guess > low) & (guess < high) & (step % 4 < 3), guess, (low + high) / 2)
        value = hazard(rows, guess)
        found[rows] = guess
        up = value < 0
        # an end that stays twice is made to count half, so that the other one moves
        above, below = np.where(up & (side > 0), above / 2, above), np.where(~up & (side < 0), below / 2, below)
        low, below = np.where(up, guess, low), np.where(up, value, below)
        high, above = np.where(up, high, guess), np.where(up, above, value)
        side = np.where(up, 1.0, -1.0)
        still = (np.abs(value) > _CLOSE * goal) & (high - low > _CLOSE * most)
        rows, low, high, below, above, side = (one[still] for one in (rows, low, high, below, above, side))
    return found


def _people(model: PurchaseModel, frame: Any, *, distinct: bool = True) -> tuple[Histories, npt.NDArray[np.int64]]:
    """Return histories without spend, distinct ones or everybody's, and which of them is each person's."""
    h = Histories.of(frame, covariates=getattr(model, "covariate_names_", ()))
    if not distinct:
        unknown = np.full(len(h), np.nan)
        alone = Histories(h.frequency, h.recency, h.T, unknown, unknown, h.covariates, h.covariate_names)
        return alone, np.arange(len(h))
    t = h.unique()
    unknown = np.full(len(t.T), np.nan)
    return Histories(t.frequency, t.recency, t.T, unknown, unknown, t.covariates, h.covariate_names), t.inverse
