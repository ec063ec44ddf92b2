"""Naive rules: what a shop can forecast without any model, and what every model has to beat."""

from __future__ import annotations

import re
from typing import Any, Self

import numpy as np
import pyarrow as pa

from coterie.errors import MissingColumnError
from coterie.predict.contest.contender import SPEND_PER_ORDER, Case, Contender, Floats, Forecast, numbers
from coterie.predict.contest.stored import Parts, Storable


class _Rule(Storable):
    """A rule of one name, which needs to know how far to look ahead."""

    _last = "horizon_"

    def fit(self, case: Case) -> Self:
        """Take the horizon."""
        self.horizon_ = float(case.horizon_days)
        return self

    def _learnt(self) -> dict[str, Any]:
        return {"horizon": self.horizon_}

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        rule = cls()
        if name != rule.name:
            raise ValueError(f"its name is not {rule.name}")
        rule.horizon_ = parts.number("horizon", above=0.0)
        return rule


class Rate(_Rule):
    """Everybody goes on as before: x / T repeat orders a day, at the mean spend of a repeat order.

    Nobody ever leaves, so the total is too high; who has ordered once only is expected never to return.
    """

    name = "x/T·H"

    def forecast(self, now: pa.Table) -> Forecast:
        """Return x / T · horizon for each person."""
        self._check_fitted()
        orders = _per_day(numbers(now, "frequency"), numbers(now, "T")) * self.horizon_
        return Forecast(orders, -np.expm1(-orders), _spend(now, orders))


class LastPeriod(_Rule):
    """As many orders, and as much spend, as in the last period as long as the horizon.

    Read from columns ``orders_<n>d`` and ``spend_<n>d`` of the catalogue: those of the horizon's length, else those of
    the length nearest to it, scaled.
    """

    name = "last period"

    def fit(self, case: Case) -> Self:
        """Take the horizon, and find the columns of the last period."""
        orders = _nearest(case.now, "orders", case.horizon_days)
        if orders is None:
            raise MissingColumnError.of(
                "The table of people, for what happened last period,",
                [f"orders_{case.horizon_days:g}d"],
                case.now.column_names,
            )
        self.orders_, self.spend_ = orders, _nearest(case.now, "spend", case.horizon_days)
        return super().fit(case)

    def forecast(self, now: pa.Table) -> Forecast:
        """Return what each person did in the last period."""
        self._check_fitted()
        orders = self._scaled(now, *self.orders_)
        spend = None if self.spend_ is None else self._scaled(now, *self.spend_)
        return Forecast(orders, -np.expm1(-orders), spend)

    def _scaled(self, now: pa.Table, column: str, days: float) -> Floats:
        return numbers(now, column, missing=0.0) * self.horizon_ / days

    def _learnt(self) -> dict[str, Any]:
        read = {"orders": self.orders_, "spend": self.spend_}
        return super()._learnt() | {part: one and {"column": one[0], "days": one[1]} for part, one in read.items()}

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        rule = super()._made(name, parts)
        rule.orders_ = _column(parts.parts("orders"))
        rule.spend_ = None if parts.any("spend") is None else _column(parts.parts("spend"))
        return rule


class PastSpend(_Rule):
    """Who spent most goes on to spend most: past spend a day, times the horizon.

    Past spend is the column ``spend`` of the catalogue, else that of the repeat orders.
    """

    name = "past spend"

    def forecast(self, now: pa.Table) -> Forecast:
        """Return spend so far / T · horizon for each person; nothing is said of orders."""
        self._check_fitted()
        if "spend" in now.column_names:
            spent = numbers(now, "spend", missing=0.0)
        else:
            spent = numbers(now, "frequency") * numbers(now, SPEND_PER_ORDER, missing=0.0)
        return Forecast(spend=_per_day(spent, numbers(now, "T")) * self.horizon_)


class Recency(_Rule):
    """Who ordered last comes first: a ranking by days since the last order (T - recency), without any amounts."""

    name = "recency"

    def forecast(self, now: pa.Table) -> Forecast:
        """Return 1 / (1 + days since the last order) as the score of orders, activity and spend."""
        score = 1 / (1 + np.maximum(numbers(now, "T") - numbers(now, "recency"), 0.0))
        return Forecast(score, score, score, level=False)


class Everybody(_Rule):
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
        return super().fit(case)

    def forecast(self, now: pa.Table) -> Forecast:
        """Return the means."""
        self._check_fitted()
        people = len(now)
        spend = None if self.spend_ is None else np.full(people, self.spend_)
        return Forecast(np.full(people, self.orders_), np.full(people, self.active_), spend)

    def _learnt(self) -> dict[str, Any]:
        return super()._learnt() | {"orders": self.orders_, "active": self.active_, "spend": self.spend_}

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        rule = super()._made(name, parts)
        rule.orders_, rule.active_ = parts.number("orders"), parts.number("active")
        rule.spend_ = None if parts.any("spend") is None else parts.number("spend")
        return rule


def naive_rules(case: Case) -> tuple[Contender, ...]:
    """Return the naive rules that a case has the columns for, the rate first."""
    rules: list[Contender] = [Rate(), Recency(), Everybody()]
    names = set(case.now.column_names)
    if _nearest(case.now, "orders", case.horizon_days):
        rules.append(LastPeriod())
    if names & {"spend", SPEND_PER_ORDER}:
        rules.append(PastSpend())
    return tuple(rules)


def _per_day(amount: Floats, days: Floats) -> Floats:
    """Divide, 0 where no time has passed."""
    return np.divide(amount, days, out=np.zeros(np.shape(amount)), where=np.asarray(days) > 0)


def _spend(now: pa.Table, orders: Floats) -> Floats | None:
    """Return orders at each person's mean spend of a repeat order; 0 for who has none yet."""
    if SPEND_PER_ORDER not in now.column_names:
        return None
    return orders * numbers(now, SPEND_PER_ORDER, missing=0.0)


def _column(parts: Parts) -> tuple[str, float]:
    found = parts.text("column"), parts.number("days", above=0.0)
    parts.finish()
    return found


def _nearest(table: pa.Table, what: str, days: float) -> tuple[str, float] | None:
    """Return the column ``what_<n>d`` whose length is nearest to ``days`` (as a ratio), and its length."""
    found = [
        (name, float(hit[1])) for name in table.column_names if (hit := re.fullmatch(rf"{what}_([1-9]\d*)d", name))
    ]
    return min(found, key=lambda one: abs(np.log(one[1] / days)), default=None)
