"""Portraits of a model: what it says of all histories side by side, of a cohort by week, of a person by day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coterie.errors import DataError, ParameterError
from coterie.predict.contest.contender import Floats
from coterie.predict.lifetime.histories import Histories
from coterie.predict.lifetime.orders import purchases

if TYPE_CHECKING:
    from coterie.predict.lifetime.purchasing import PurchaseModel

_AGES = 2_000  # ages at which a cohort's expectation is worked out; between them it is a straight line
_MOMENTS = 400


@dataclass(frozen=True, slots=True)
class FrequencyRecency:
    """What a model expects after each combination of frequency and recency.

    Parameters
    ----------
    frequency
        Repeat orders: shape (columns,).
    recency
        Time from the first order to the last: shape (rows,).
    orders, active
        Expected orders in the horizon, and the probability of one: shape (rows, columns).
    T
        How long these people have been customers.
    horizon
        How far is looked ahead, in the unit of ``T``.
    """

    frequency: Floats
    recency: Floats
    orders: Floats
    active: Floats
    T: float
    horizon: float


def frequency_recency(
    model: PurchaseModel, T: float, horizon: float, *, most: int = 30, rows: int = 40
) -> FrequencyRecency:
    """Return the frequency/recency matrix of the field for people who have been customers for a time T.

    Parameters
    ----------
    model
        A fitted model without covariates.
    T
        Time since the first order, above 0, in the unit the model was fitted in.
    horizon
        How far to look ahead.
    most
        The highest number of repeat orders; the lowest is 1, as who has none has no recency.
    rows
        Recencies, from T / rows to T.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way.
    """
    for name, value in (("T", T), ("horizon", horizon)):
        if not (np.isfinite(value) and value > 0):
            raise ParameterError.of("frequency_recency", name, value, "a number above 0")
    if most < 1 or rows < 1:
        raise ParameterError.of("frequency_recency", "most and rows", (most, rows), "at least 1")
    x, recency = np.arange(1.0, most + 1), T * np.arange(1.0, rows + 1) / rows
    flat_x, flat_recency = (one.ravel() for one in np.meshgrid(x, recency))
    people = _histories(flat_x, flat_recency, np.full(flat_x.shape, T))
    shape = (rows, most)
    orders, active = model.expected_orders(people, horizon), model.active(people, horizon)
    return FrequencyRecency(x, recency, orders.reshape(shape), active.reshape(shape), T, horizon)


@dataclass(frozen=True, slots=True)
class Tracking:
    """Cumulative repeat orders of a cohort, as they happened and as the model expects them.

    Parameters
    ----------
    days
        Ends of the steps, in days since the first order of all: shape (steps,).
    happened, expected
        Repeat orders up to then: shape (steps,).
    fitted
        The day up to which the model had seen orders.
    people
        Of how many people.
    """

    days: Floats
    happened: Floats
    expected: Floats
    fitted: float
    people: int


def track(
    model: PurchaseModel,
    orders: Any,
    *,
    fitted_until: Any,
    until: Any,
    person: str = "person",
    time: str = "time",
    unit: float = 1.0,
    step: float = 7.0,
    collapse: bool = True,
) -> Tracking:
    """Follow the repeat orders of the people whom a model was fitted to, beyond the moment it was fitted at.

    Parameters
    ----------
    model
        Fitted to ``Histories.of_orders(orders, until=fitted_until, …)``.
    orders
        Any dataframe, one row an order, see ``Histories.of_orders``.
    fitted_until, until
        The moment of the fit, and the last one to follow to.
    person, time, unit, collapse
        As in ``Histories.of_orders``.
    step
        Days between the moments.

    Raises
    ------
    ParameterError, DataError
        The moments are not in order, the step has no length, or what ``Histories.of_orders`` raises.

    References
    ----------
    Fader & Hardie (2005), A note on implementing the Pareto/NBD model: tracking plots.
    """
    if not step > 0:
        raise ParameterError.of("track", "step", step, "a number of days above 0")
    *_, fitted = purchases(orders, fitted_until, person, time, None, collapse)
    _, first, at, _, end = purchases(orders, until, person, time, None, collapse)
    if end < fitted:
        raise ParameterError.of("track", "until", until, f"not before fitted_until, {fitted_until}")
    births = at[first]
    born = np.repeat(births, np.diff(np.append(np.flatnonzero(first), len(at))))
    known, repeats = births <= fitted, at[~first & (born <= fitted)]
    days, came = np.unique(births[known], return_counts=True)
    at_, again = np.unique(repeats, return_counts=True)
    return follow(model, (days, came), (at_, again), fitted=fitted, until=end, start=births.min(), unit=unit, step=step)


def follow(
    model: PurchaseModel,
    first: tuple[npt.ArrayLike, npt.ArrayLike],
    repeats: tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    fitted: float,
    until: float,
    start: float | None = None,
    unit: float = 1.0,
    step: float = 7.0,
) -> Tracking:
    """Follow the repeat orders of a cohort of which only the sums by day are known.

    Parameters
    ----------
    model
        Fitted to the people of the cohort.
    first, repeats
        Days in rising order, and how many people bought for the first time, or bought again, on each of them.
    fitted, until
        The day of the fit, and the last one to follow to.
    start
        The day from which days are counted; the first of ``first`` when not given.
    unit
        Days in a unit of the model's time.
    step
        Days between the moments.

    Raises
    ------
    DataError
        There is less than a step between the first order and the last day.
    """
    born, came = (np.asarray(one, dtype=np.float64) for one in first)
    at, again = (np.asarray(one, dtype=np.float64) for one in repeats)
    begin = float(born[0]) if start is None else start
    if until - begin < step:
        raise DataError(
            f"The orders span {until - begin:g} days, less than a step of {step:g}.", hint="take a later until."
        )
    moments = np.append(np.arange(begin + step, until, step), until)
    sums = np.concatenate([[0.0], np.cumsum(again)])
    ages = np.linspace(0.0, until - begin, _AGES)
    each = np.asarray(model.expected_of_new(ages / unit), dtype=np.float64)
    expected = [float(came @ np.interp(np.maximum(moment - born, 0.0), ages, each)) for moment in moments]
    return Tracking(
        moments - begin,
        sums[np.searchsorted(at, moments, side="right")],
        np.array(expected),
        fitted - begin,
        int(came.sum()),
    )


@dataclass(frozen=True, slots=True)
class Trajectory:
    """How a person's probability of being active went up with each order, and down with silence.

    Parameters
    ----------
    times
        Since the first order: shape (moments,); at each order twice, before and after it.
    active
        Probability of an order in the horizon after each moment: shape (moments,).
    orders
        Times of the orders since the first, which is at 0: shape (orders,).
    horizon
        How far is looked ahead, in the unit of the times.
    """

    times: Floats
    active: Floats
    orders: Floats
    horizon: float


def trajectory(model: PurchaseModel, orders: npt.ArrayLike, until: float, horizon: float) -> Trajectory:
    """Follow one person from the first order on, each moment with what was known at it.

    Parameters
    ----------
    model
        A fitted model without covariates.
    orders
        Times of the person's orders, in the unit the model was fitted in: any start, any order; equal times are one.
    until
        The last moment.
    horizon
        How far to look ahead from each moment.

    Raises
    ------
    DataError
        There is no order before ``until``.
    """
    at = np.unique(np.asarray(orders, dtype=np.float64))
    at = at[at <= until]
    if not len(at) or until <= at[0]:
        raise DataError("There is no order before the last moment.", hint="take a later one.")
    at, end = at - at[0], until - at[0]
    moments = np.unique(np.concatenate([np.linspace(0.0, end, _MOMENTS), at]))
    before = at[1:]
    times = np.concatenate([moments, before])
    known = np.concatenate(
        [np.searchsorted(at, moments, side="right"), np.searchsorted(at, before, side="left")]
    )  # orders so far, the last one not yet counted just before itself
    order = np.lexsort((known, times))
    times, known = times[order], known[order]
    gaps = np.concatenate([[0.0], np.cumsum(np.log(np.diff(at)))])
    people = _histories(known - 1.0, at[known - 1], times, gaps[known - 1])
    return Trajectory(times, np.asarray(model.active(people, horizon)), at, horizon)


def _histories(x: Floats, recency: Floats, T: Floats, log_gaps: Floats | None = None) -> Histories:
    unknown = np.full(x.shape, np.nan)
    return Histories(x, recency, T, unknown, unknown if log_gaps is None else log_gaps, np.empty((len(x), 0)))
