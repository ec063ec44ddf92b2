"""Contenders: whatever forecasts people's next orders, seen in one way, so that a backtest can compare them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import DataError, MissingColumnError, ParameterError
from coterie.features import encodings
from coterie.features.frames import opened
from coterie.predict.lifetime.histories import Histories

Floats = npt.NDArray[np.float64]
OUTCOMES = ("orders", "spend")
SPEND_PER_ORDER = "spend_per_order"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of each person in a horizon; None is what a contender does not say.

    Parameters
    ----------
    orders
        Expected number of orders in the horizon: shape (people,).
    active
        Probability of at least one order in it, or any score to rank by it: shape (people,).
    spend
        Expected spend in it, in minor units of the shop's currency: shape (people,).
    level
        Whether the figures are meant as amounts; False where they only rank, as recency does: such a contender is
        asked neither for the total nor for errors.
    """

    orders: Floats | None = None
    active: Floats | None = None
    spend: Floats | None = None
    level: bool = True

    def checked(self, owner: str, people: int) -> Self:
        """Return itself, if each part is one finite number a person.

        Raises
        ------
        ParameterError
            A part is not of shape (people,).
        DataError
            Somebody's forecast is NaN or infinite.
        """
        for name in ("orders", "active", "spend"):
            values = getattr(self, name)
            if values is None:
                continue
            if np.shape(values) != (people,):
                raise ParameterError.of(owner, f"the forecast of {name}", np.shape(values), f"of shape ({people},)")
            if lost := int(people - np.isfinite(values).sum()):
                raise DataError(
                    f"{owner}: the forecast of {name} is no number for {lost:,} of {people:,} people.",
                    hint="leave the contender out, or look at the columns that it reads.",
                )
        return self


@dataclass(frozen=True, kw_only=True)
class Case:
    """What may be known at a moment, the origin of a forecast.

    Parameters
    ----------
    now
        One row a person, as of the origin: ``frequency``, ``recency``, ``T`` (in days, see ``Histories``) and
        ``spend_per_order`` (minor units) for models of histories, beside features of the catalogue for learners.
    horizon_days
        How far is looked ahead, in the unit of ``T`` (days, unless all times are in another one).
    then
        The same columns at earlier moments, whose horizon had ended by the origin; None where there are none.
    outcome
        What happened in the horizon after each row of ``then``: ``orders``, ``spend`` (minor units) → shape (rows,).
    minor_units
        Decimal places of the currency: 2 where amounts are cents.
    then_days
        How far after the rows of ``then`` was looked, where the past is too short for the whole horizon; None is
        ``horizon_days``.
    """

    now: pa.Table
    horizon_days: float
    then: pa.Table | None = None
    outcome: Mapping[str, Floats] = field(default_factory=dict)
    minor_units: int = 2
    then_days: float | None = None

    def __post_init__(self) -> None:
        """Refuse a horizon without length, and outcomes that are not one a row."""
        if not (np.isfinite(self.horizon_days) and self.horizon_days > 0):
            raise ParameterError.of("Case", "horizon_days", self.horizon_days, "a number above 0")
        if not (np.isfinite(self.stretch) and self.stretch > 0):
            raise ParameterError.of("Case", "then_days", self.then_days, "a number above 0")
        rows = 0 if self.then is None else len(self.then)
        for name, values in self.outcome.items():
            if name not in OUTCOMES:
                raise ParameterError.of("Case", "an outcome", name, f"one of {', '.join(OUTCOMES)}")
            if np.shape(values) != (rows,):
                allowed = f"of shape ({rows},), one a row of then"
                raise ParameterError.of("Case", f"the outcome {name}", np.shape(values), allowed)

    @property
    def stretch(self) -> float:
        """How many times as long as the time that outcomes are of the horizon is: 1 where ``then_days`` is None."""
        if self.then_days is None:
            return 1.0
        return self.horizon_days / self.then_days if self.then_days > 0 else 0.0

    def learnt(self, name: str) -> Floats | None:
        """Return what happened after the rows of ``then``; None where nothing is known of it."""
        values = self.outcome.get(name)
        return None if values is None or not len(values) else np.asarray(values, dtype=np.float64)


class Contender(ABC):
    """Forecasts people's next orders after it was shown the past.

    Attributes
    ----------
    name : str
        What it is called in tables.
    degraded_ : str or None
        Why, after fit, it says less than it could, as a sentence; None where it does not.
    """

    name: str
    degraded_: str | None = None

    @abstractmethod
    def fit(self, case: Case) -> Self:
        """Learn from a case, nothing but which is known at its origin; a second call forgets the first."""

    @abstractmethod
    def forecast(self, now: pa.Table) -> Forecast:
        """Return what is expected of people in the case's horizon after the moment of their rows."""


def histories(table: pa.Table, covariates: Sequence[str] = ()) -> Histories:
    """Return the purchase histories in a table of people, their spend from ``spend_per_order``."""
    return Histories.of(table, spend=SPEND_PER_ORDER, covariates=covariates)


def numbers(table: pa.Table, name: str, *, missing: float = float("nan")) -> Floats:
    """Return a column as floats of shape (people,); what is missing or not finite becomes ``missing``.

    Raises
    ------
    MissingColumnError
        It is not there.
    """
    if name not in table.column_names:
        raise MissingColumnError.of("The table of people", [name], table.column_names)
    values = encodings.numbers(opened(table), name)
    return np.where(np.isfinite(values), values, missing)
