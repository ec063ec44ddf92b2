"""Naive rules: what a shop can forecast without any model, and what every model has to beat."""

from __future__ import annotations

import re
from typing import Self

import numpy as np
import pyarrow as pa

from coterie.errors import MissingColumnError, NotFittedError
from coterie.predict.contest.contender import SPEND_PER_ORDER, Case, Contender, Floats, Forecast, numbers


class Rate(Contender):
    """Everybody goes on as before: x / T repeat orders a day, at the mean spend of a repeat order.

    Nobody ever leaves, so the total is too high; who has ordered once only is expected never to return.
    """

    name = "x/T·H"

    def fit(self, case: Case) -> Self:
        """Take the horizon."""
        self.horizon_ = case.horizon_days
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return x / T · horizon for each person."""
        orders = _per_day(numbers(now, "frequency"), numbers(now, "T")) * _horizon(self)
        return Forecast(orders, -np.expm1(-orders), _spend(now, orders))


class LastPeriod(Contender):
    """As many orders, and as much spend, as in the last period as long as the horizon.

    Read from columns ``orders_<n>d`` and ``spend_<n>d`` of the catalogue: those of the horizon's length, else those of
    the length nearest to it, scaled.
    """

    name = "last period"

    def fit(self, case: Case) -> Self:
        """Take the horizon, and find the columns of the last period."""
        self.horizon_ = case.horizon_days
        orders = _nearest(case.now, "orders", case.horizon_days)
        if orders is None:
            raise MissingColumnError.of(
                "The table of people, for what happened last period,",
                [f"orders_{case.horizon_days:g}d"],
                case.now.column_names,
            )
        self.orders_, self.spend_ = orders, _nearest(case.now, "spend", case.horizon_days)
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return what each person did in the last period."""
        horizon = _horizon(self)
        orders = numbers(now, self.orders_[0], missing=0.0) * horizon / self.orders_[1]
        spend = None if self.spend_ is None else numbers(now, self.spend_[0], missing=0.0) * horizon / self.spend_[1]
        return Forecast(orders, -np.expm1(-orders), spend)


class PastSpend(Contender):
    """Who spent most goes on to spend most: past spend a day, times the horizon.

    Past spend is the column ``spend`` of the catalogue, else that of the repeat orders.
    """

    name = "past spend"

    def fit(self, case: Case) -> Self:
        """Take the horizon."""
        self.horizon_ = case.horizon_days
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return spend so far / T · horizon for each person; nothing is said of orders."""
        if "spend" in now.column_names:
            spent = numbers(now, "spend", missing=0.0)
        else:
            spent = numbers(now, "frequency") * numbers(now, SPEND_PER_ORDER, missing=0.0)
        return Forecast(spend=_per_day(spent, numbers(now, "T")) * _horizon(self))


class Recency(Contender):
    """Who ordered last comes first: a ranking by days since the last order (T - recency), without any amounts."""

    name = "recency"

    def fit(self, case: Case) -> Self:
        """Learn nothing."""
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return 1 / (1 + days since the last order) as the score of orders, activity and spend."""
        score = 1 / (1 + np.maximum(numbers(now, "T") - numbers(now, "recency"), 0.0))
        return Forecast(score, score, score, level=False)


class Everybody(Contender):
    """The same for everybody: the mean of what happened after earlier moments, else the rate of all people together.

    Where what happened is of a shorter time than the horizon it is stretched, as if it went on at the same pace.
    """

    name = "mean of everybody"

    def fit(self, case: Case) -> Self:
        """Take the means of the case's outcomes, where it has some; else Σx / ΣT of the people at the origin."""
        orders, spend = case.learnt("orders"), case.learnt("spend")
        x = numbers(case.now, "frequency", missing=0.0)
        rate = float(_per_day(x.sum(), numbers(case.now, "T", missing=0.0).sum())) * case.horizon_days
        self.orders_ = rate if orders is None else float(orders.mean()) * case.stretch
        idle = np.exp(-rate) if orders is None else float((orders == 0).mean()) ** case.stretch
        self.active_ = 1.0 - float(idle)
        self.spend_: float | None = None if spend is None else float(spend.mean()) * case.stretch
        if spend is None and SPEND_PER_ORDER in case.now.column_names:
            money = x * numbers(case.now, SPEND_PER_ORDER, missing=0.0)
            self.spend_ = self.orders_ * float(_per_day(money.sum(), x.sum()))
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return the means."""
        if not hasattr(self, "orders_"):
            raise NotFittedError.of(self)
        people = len(now)
        spend = None if self.spend_ is None else np.full(people, self.spend_)
        return Forecast(np.full(people, self.orders_), np.full(people, self.active_), spend)


def naive_rules(case: Case) -> tuple[Contender, ...]:
    """Return the naive rules that a case has the columns for, the rate first."""
    rules: list[Contender] = [Rate(), Recency(), Everybody()]
    names = set(case.now.column_names)
    if _nearest(case.now, "orders", case.horizon_days):
        rules.append(LastPeriod())
    if names & {"spend", SPEND_PER_ORDER}:
        rules.append(PastSpend())
    return tuple(rules)


def _horizon(rule: Contender) -> float:
    horizon: float | None = getattr(rule, "horizon_", None)
    if horizon is None:
        raise NotFittedError.of(rule)
    return horizon


def _per_day(amount: Floats, days: Floats) -> Floats:
    """Divide, 0 where no time has passed."""
    return np.divide(amount, days, out=np.zeros(np.shape(amount)), where=np.asarray(days) > 0)


def _spend(now: pa.Table, orders: Floats) -> Floats | None:
    """Return orders at each person's mean spend of a repeat order; 0 for who has none yet."""
    if SPEND_PER_ORDER not in now.column_names:
        return None
    return orders * numbers(now, SPEND_PER_ORDER, missing=0.0)


def _nearest(table: pa.Table, what: str, days: float) -> tuple[str, float] | None:
    """Return the column ``what_<n>d`` whose length is nearest to ``days`` (as a ratio), and its length."""
    found = [
        (name, float(hit[1])) for name in table.column_names if (hit := re.fullmatch(rf"{what}_([1-9]\d*)d", name))
    ]
    return min(found, key=lambda one: abs(np.log(one[1] / days)), default=None)
