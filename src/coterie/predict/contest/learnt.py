"""Learners as contenders: what people did after earlier moments, learnt from what was known of them then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from coterie.errors import DataError, ParameterError
from coterie.predict.contest.contender import Case, Floats, Forecast
from coterie.predict.contest.stored import Parts, Storable

if TYPE_CHECKING:
    from coterie.predict.propensity.learner import Learner

_PARTS = ("orders", "active", "spend")


class Learnt(Storable):
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

    _last = "stretch_"

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
        if not self._learners:
            raise ParameterError.of("Learnt", "orders, active, spend", None, "a learner for at least one")
        for part, learner in self._learners.items():
            outcome = case.learnt("orders" if part == "active" else part)
            if case.then is None or outcome is None:
                raise DataError(
                    f"{self.name} cannot learn {part}: the case has no earlier moments with what happened after them.",
                    hint="give then and outcome, at moments a horizon or more before the origin.",
                )
            learner.fit(case.then, (outcome > 0).astype(np.float64) if part == "active" else outcome)
        why = [f"{part}: {learner.degraded_}" for part, learner in self._learners.items() if learner.degraded_]
        self.degraded_ = f"Everybody gets the mean, for {'; '.join(why)}." if why else None
        self.stretch_ = float(case.stretch)
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        """Return what the learners predict; none is below 0."""
        self._check_fitted()
        told: dict[str, Floats] = {}
        for part, learner in self._learners.items():
            values = np.maximum(np.asarray(learner.predict(now), dtype=np.float64), 0.0)
            active = part == "active"
            told[part] = 1 - (1 - np.minimum(values, 1.0)) ** self.stretch_ if active else values * self.stretch_
        return Forecast(told.get("orders"), told.get("active"), told.get("spend"))

    @property
    def _learners(self) -> dict[str, Learner]:
        return {part: learner for part in _PARTS if (learner := getattr(self, part)) is not None}

    def _learnt(self) -> dict[str, Any]:
        return {
            "stretch": self.stretch_,
            "learners": dict.fromkeys(_PARTS) | {part: one.to_json() for part, one in self._learners.items()},
        }

    @classmethod
    def _made(cls, name: str, parts: Parts) -> Self:
        from coterie.predict.propensity.learner import Learner

        learners = parts.parts("learners")
        given = {part: Learner.from_json(learners.any(part)) for part in learners.given(_PARTS)}
        learners.finish()
        if not given or any(learner.kind == "class" for learner in given.values()):
            raise ValueError("learners is not as it should be")
        made = cls(**given, name=name)
        made.stretch_ = parts.number("stretch", above=0.0)
        return made
