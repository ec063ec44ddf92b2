"""Rolling origins from a plain table of orders: what was known at moments in the past, and what came after them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import DataError, ParameterError
from coterie.predict.contest.contender import SPEND_PER_ORDER, Case, Floats
from coterie.predict.contest.holdout import Origin
from coterie.predict.lifetime.orders import purchases


def rolling_origins(
    orders: Any,
    horizon_days: float,
    *,
    until: Any,
    count: int = 3,
    step_days: float | None = None,
    learnt_from: int = 1,
    person: str = "person",
    time: str = "time",
    amount: str | None = None,
    minor_units: int = 2,
    collapse: bool = True,
) -> list[Origin]:
    """Return origins in the past of a shop, each with its case, what happened next, and earlier moments to learn from.

    The last origin lies a horizon before ``until``, the others before it at equal steps; nothing after ``until`` is
    read. Tables hold ``person, as_of, frequency, recency, T, log_gaps`` in days, ``orders_<n>d`` of the last n days
    (the horizon, in whole days), and with amounts ``spend_per_order, first_spend, spend, spend_<n>d``.

    Parameters
    ----------
    orders
        Any eager dataframe, one row an order, as in ``Histories.of_orders``.
    horizon_days
        How far to look ahead.
    until
        The end of what is known: a date, a datetime or its ISO text; a number where ``time`` is in numbers of days.
    count
        How many origins.
    step_days
        Between origins; None is the horizon, so that no order is judged twice.
    learnt_from
        How many earlier moments, a horizon apart, learners get at each origin; those without any orders are left out.
    person, time, amount, collapse
        As in ``Histories.of_orders``; amounts are in minor units.
    minor_units
        Decimal places of the currency.

    Returns
    -------
    list of Origin
        The earliest first.

    Raises
    ------
    DataError
        There are no orders before the first origin.
    ParameterError
        A number is not allowed; or what ``Histories.of_orders`` raises.

    Examples
    --------
    >>> shop = pa.table({"person": ["a", "a", "b", "b"], "time": [0.0, 30.0, 5.0, 50.0]})
    >>> origin = rolling_origins(shop, 20, until=50.0, count=1)[0]
    >>> origin.name, origin.case.now["frequency"].to_pylist(), origin.orders.tolist()
    ('day 30', [1.0, 0.0], [0.0, 1.0])
    """
    step = horizon_days if step_days is None else step_days
    for name, value in (("horizon_days", horizon_days), ("step_days", step)):
        if not (np.isfinite(value) and value > 0):
            raise ParameterError.of("rolling_origins", name, value, "a number of days above 0")
    for name, whole, least in (("count", count, 1), ("learnt_from", learnt_from, 0)):
        if whole < least:
            raise ParameterError.of("rolling_origins", name, whole, f"at least {least}")
    priced, dated = amount is not None, not isinstance(until, int | float)
    past = _Past(
        *purchases(orders, until, person, time, amount, collapse), horizon=horizon_days, priced=priced, dated=dated
    )
    moments = [past.end - horizon_days - step * place for place in range(count)][::-1]
    if moments[0] < past.days.min():
        raise DataError(
            f"There are no orders before the first of {count} origins, {past.end - moments[0]:g} days before the end.",
            hint="ask for fewer origins, or a shorter horizon.",
        )
    return [_origin(past, moment, learnt_from, minor_units) for moment in moments]


class _Past:
    """All purchases, by person and time, as ``purchases`` returns them."""

    def __init__(
        self,
        people: pa.Array,
        first: npt.NDArray[np.bool_],
        days: Floats,
        worth: Floats,
        end: float,
        *,
        horizon: float,
        priced: bool,
        dated: bool,
    ) -> None:
        self.people, self.first, self.days, self.worth, self.end = people, first, days, worth, end
        self.horizon, self.priced, self.dated = horizon, priced, dated
        self.code, self.births = np.cumsum(first) - 1, days[first]
        gaps = np.diff(days, prepend=days[0])
        gaps[first] = 1.0  # of logarithm 0
        self.logs = np.log(gaps)

    def known(self, moment: float) -> npt.NDArray[np.bool_]:
        """Return who had bought by a moment."""
        return np.asarray(self.births <= moment)

    def sums(self, chosen: npt.NDArray[np.bool_], of: Floats | None = None) -> Floats:
        """Return how many of the chosen purchases each person made, or their sum of something."""
        weights = None if of is None else of[chosen]
        return np.bincount(self.code[chosen], weights=weights, minlength=len(self.births)).astype(np.float64)

    def table(self, moment: float) -> pa.Table:
        """Return what was known at a moment of those who had bought by then."""
        seen, who = self.days <= moment, self.known(moment)
        length = max(round(self.horizon), 1)
        recent = seen & (self.days > moment - length)
        last = np.zeros(len(self.births))
        last[self.code[seen]] = self.days[seen]  # purchases rise in time: the last one stays
        x = self.sums(seen) - 1
        columns: dict[str, Any] = {
            "frequency": x,
            "recency": last - self.births,
            "T": moment - self.births,
            "log_gaps": self.sums(seen, self.logs),
            f"orders_{length}d": self.sums(recent),
        }
        if self.priced:
            spent, opening = self.sums(seen, self.worth), self.worth[self.first]
            with np.errstate(invalid="ignore", divide="ignore"):
                columns[SPEND_PER_ORDER] = np.where(x > 0, (spent - opening) / x, np.nan)
            columns |= {"first_spend": opening, "spend": spent, f"spend_{length}d": self.sums(recent, self.worth)}
        told = {name: pa.array(values[who], from_pandas=True) for name, values in columns.items()}
        as_of = pa.array([self.written(moment)] * int(who.sum()))
        return pa.table({"person": self.people.filter(pa.array(who)), "as_of": as_of, **told})

    def outcome(self, moment: float) -> dict[str, Floats]:
        """Return what those who had bought by a moment did in the horizon after it."""
        after, who = (self.days > moment) & (self.days <= moment + self.horizon), self.known(moment)
        found = {"orders": self.sums(after)[who]}
        return {**found, "spend": self.sums(after, self.worth)[who]} if self.priced else found

    def written(self, moment: float) -> Any:
        """Return a moment as the orders' times are: a datetime, or a number of days."""
        return datetime(1970, 1, 1) + timedelta(days=moment) if self.dated else moment


def _origin(past: _Past, moment: float, learnt_from: int, minor_units: int) -> Origin:
    earlier = [moment - past.horizon * place for place in range(learnt_from, 0, -1)]
    earlier = [one for one in earlier if past.known(one).any()]
    outcomes = [past.outcome(one) for one in earlier]
    case = Case(
        now=past.table(moment),
        horizon_days=past.horizon,
        then=pa.concat_tables([past.table(one) for one in earlier]) if earlier else None,
        outcome={name: np.concatenate([one[name] for one in outcomes]) for name in (outcomes[0] if outcomes else ())},
        minor_units=minor_units,
    )
    name = f"{past.written(moment):%Y-%m-%d}" if past.dated else f"day {moment:g}"
    told = past.outcome(moment)
    return Origin(name=name, case=case, orders=told["orders"], spend=told.get("spend"))
