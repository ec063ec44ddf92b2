"""Learners as contenders: what people did after earlier moments, learnt from what was known of them then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import pyarrow as pa

from coterie.errors import DataError, NotFittedError, ParameterError
from coterie.predict.contest.contender import Case, Contender, Forecast

if TYPE_CHECKING:
    from coterie.predict.propensity.learner import Learner


class Learnt(Contender):
    """Expected orders, activity and spend, each from a learner of its own.

    Learners see the rows of ``case.then`` with what happened after them; all their columns that learners read must be
    in ``case.now`` as well. Where what happened is of a shorter time than the horizon it is stretched, as if it went on
    at the same pace.

    Parameters
    ----------
    orders
        Of counts; None forecasts no orders.
    active
        Of whether there is an order; None forecasts no activity.
    spend
        Of amounts; None forecasts no spend.
    name
        What it is called.
    """

    def __init__(
        self,
        orders: Learner | None = None,
        active: Learner | None = None,
        spend: Learner | None = None,
        name: str = "learner",
    ) -> None:
        self.orders = orders
        self.active = active
        self.spend = spend
        self.name = name

    def fit(self, case: Case) -> Self:
        """Let each learner learn what it is for.

        Raises
        ------
        ParameterError
            There is no learner.
        DataError
            The case has no earlier moments, or lacks an outcome.
        """
        asked = {"orders": self.orders, "active": self.active, "spend": self.spend}
        if not any(asked.values()):
            raise ParameterError.of("Learnt", "orders, active, spend", None, "a learner for at least one")
        for part, learner in asked.items():
            if learner is None:
                continue
            outcome = case.learnt("orders" if part == "active" else part)
            if case.then is None or outcome is None:
                raise DataError(
                    f"{self.name} cannot learn {part}: the case has no earlier moments with what happened after them.",
                    hint="give then and outcome, at moments a horizon or more before the origin.",
                )
            learner.fit(case.then, (outcome > 0).astype(np.float64) if part == "active" else outcome)
        self.stretch_ = case.stretch
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return what the learners predict; none is below 0."""
        if not hasattr(self, "stretch_"):
            raise NotFittedError.of(self)
        told = {
            part: None if learner is None else np.maximum(np.asarray(learner.predict(now), dtype=np.float64), 0.0)
            for part, learner in (("orders", self.orders), ("active", self.active), ("spend", self.spend))
        }
        if (active := told["active"]) is not None:
            told["active"] = 1 - (1 - np.minimum(active, 1.0)) ** self.stretch_
        orders, spend = (None if (one := told[part]) is None else one * self.stretch_ for part in ("orders", "spend"))
        return Forecast(orders, told["active"], spend)
