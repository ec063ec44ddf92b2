"""The near term: what a forecaster that is better there expects of people, joined to what a model expects later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from coterie.errors import DataError, ParameterError

Floats = npt.NDArray[np.float64]
_OWNER = "NearTerm"


@dataclass(frozen=True)
class NearTerm:
    """What is expected of each person in the first days of a longer horizon, by whatever forecasts them best.

    Models of purchases look as far ahead as is asked, and read nothing but a history; forecasters that read more, such
    as an ensemble, are learnt for one short horizon. Joined, the first days are the forecaster's. The time after them
    is told halfway between two accounts: the model's, and one in which everybody goes on as in the near term, as much
    as the model expects of all these people together.

    * Orders and value of the time after: the mean of the model's for the person, and of the person's in the near term
      times what the model expects of everybody later, over what the forecaster expects of everybody first.
    * No order in the horizon is none in the near term, and given that none after it: the mean of what the model has for
      it, ``(1 - model(horizon)) / (1 - model(days))``, and of as many near terms without an order as the time after
      has. So nobody is likelier to order in a month than in the year which begins with it.

    On earlier windows of three shops (``bench/worth.py``) this ranked people better by what they brought than models
    alone, and on most than the forecast followed by the model. The forecast stretched to the model's total ranked spend
    as well, and orders a little better; but it knows no dropout, and horizons of many near terms could not be tried.

    Parameters
    ----------
    days
        How long the near term is.
    orders
        Expected orders in it: shape (people,).
    active
        Probability of at least one: shape (people,).
    spend
        Expected spend in it, in the unit of the model of spend, before any margin, at least 0: shape (people,).

    Raises
    ------
    ParameterError
        A length is not above 0, or shapes differ.
    DataError
        Somebody's figure is no number, or cannot be.
    """

    days: float
    orders: Floats
    active: Floats
    spend: Floats

    def __post_init__(self) -> None:
        """Refuse what is no forecast of people."""
        if not (np.isfinite(self.days) and self.days > 0):
            raise ParameterError.of(_OWNER, "days", self.days, "a number above 0")
        for name in ("orders", "active", "spend"):
            values = getattr(self, name)
            if np.shape(values) != np.shape(self.orders) or np.ndim(values) != 1:
                raise ParameterError.of(_OWNER, name, np.shape(values), "one number a person")
            allowed = np.isfinite(values) & (values >= 0) & ((values <= 1) | (name != "active"))
            if lost := int((~allowed).sum()):
                what = "a probability" if name == "active" else "a number from 0 on"
                raise DataError(f"{_OWNER}: {name} is not {what} for {lost:,} of {len(values):,} people.")

    def check_within(self, horizon_days: float, people: int) -> None:
        """Raise ParameterError unless the near term is one of so many people and ends within a horizon."""
        if self.days > horizon_days:
            raise ParameterError.of(_OWNER, "days", self.days, f"at most the horizon, {horizon_days:g}")
        if len(self.orders) != people:
            raise ParameterError.of(_OWNER, "people", len(self.orders), f"as many as there are histories, {people}")

    def later(self, part: Literal["orders", "spend"], model: npt.ArrayLike) -> Floats:
        """Return what is expected of people after the near term: shape (people,).

        Parameters
        ----------
        part
            Orders or spend.
        model
            What the model expects of each of them after the near term: shape (people,).

        >>> near = NearTerm(30, np.array([1.0, 3.0]), np.array([0.6, 0.9]), np.array([10.0, 30.0]))
        >>> near.later("orders", [4.0, 4.0]).tolist()
        [3.0, 5.0]
        """
        alone, first = np.asarray(model, dtype=np.float64), getattr(self, part)
        total = first.sum()
        return np.asarray((alone + first * (alone.sum() / total)) / 2 if total > 0 else alone, dtype=np.float64)

    def chance(self, times: npt.ArrayLike, model: npt.ArrayLike, soon: npt.ArrayLike) -> Floats:
        """Return the probability of an order by a time: shape (people,).

        Within the near term it rises as the model's does, in proportion.

        Parameters
        ----------
        times
            Days from the moment on: one for all, or one a person.
        model
            The model's probability of an order by then: shape (people,).
        soon
            The model's at the end of the near term: shape (people,).

        >>> near = NearTerm(30, np.ones(1), np.array([0.6]), np.array([10.0]))
        >>> [near.chance(days, [by], [0.5]).round(12).tolist() for days, by in ((15, 0.25), (30, 0.5), (60, 0.75))]
        [[0.3], [0.6], [0.82]]
        """
        days, by, first = (np.asarray(one, dtype=np.float64) for one in (times, model, soon))
        with np.errstate(over="ignore"):  # of a model that as good as excludes an order
            share = np.clip(np.divide(by, first, out=np.ones_like(first), where=first > 0), 0.0, 1.0)
        idle = np.clip(np.divide(1 - by, 1 - first, out=np.ones_like(first), where=first < 1), 0.0, 1.0)
        none = 1 - self.active
        goes_on = none ** np.maximum(days / self.days - 1, 0.0)
        return np.where(days <= self.days, self.active * share, 1 - none * (idle + goes_on) / 2)

    def taken(self, rows: npt.NDArray[np.intp]) -> NearTerm:
        """Return the near term of some of the people."""
        return NearTerm(self.days, self.orders[rows], self.active[rows], self.spend[rows])
