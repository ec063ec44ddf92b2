"""Prospects of people: what they are expected to be worth, how sure their next order is, and whether they slow down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from coterie.errors import DataError, EmptyShopError, MissingColumnError
from coterie.features import encodings
from coterie.features.frames import opened

Floats = npt.NDArray[np.float64]
NEEDED = ("value", "active", "lateness", "frequency", "days_since")
TREND = ("orders_90d", "orders_365d", "T")
_OWNER = "The table of people to advise on"


@dataclass(frozen=True)
class Prospects:
    """What is expected of people and known of their pace, checked: each figure of shape (people,).

    Parameters
    ----------
    person
        Their keys, as they were given; None where none were.
    value
        What each is expected to be worth in the horizon, in minor units.
    active
        The probability of at least one order in the horizon.
    lateness
        The share of their usual waits that are shorter than the wait since the last order.
    frequency
        Repeat orders.
    days_since
        Days since the last order.
    orders_90d, orders_365d, T
        Orders of the last 90 and 365 days, and days since the first order; NaN where no trend is known.
    """

    person: Any
    value: Floats
    active: Floats
    lateness: Floats
    frequency: Floats
    days_since: Floats
    orders_90d: Floats
    orders_365d: Floats
    T: Floats

    @classmethod
    def of(cls, frame: Any) -> Self:
        """Read people from any eager dataframe, one row a person; the three columns of the trend may lack together.

        Raises
        ------
        MissingColumnError
            A column that is needed is not there.
        EmptyShopError
            There is nobody.
        DataError
            A value, chance or count is not known or cannot be.
        """
        data = opened(frame)
        if lost := [name for name in NEEDED if name not in data.columns]:
            raise MissingColumnError.of(_OWNER, lost, data.columns)
        if not len(data):
            raise EmptyShopError("There is nobody to advise on.", hint="give one row a person.")
        known = {name: encodings.numbers(data, name) for name in NEEDED}
        for name, values in known.items():
            allowed = np.isfinite(values) & ((values >= 0) | (name == "value"))
            if name in ("active", "lateness"):
                allowed &= values <= 1
            if lost_rows := int((~allowed).sum()):
                what = "known numbers" + ("" if name == "value" else ", not below 0")
                what = "probabilities" if name in ("active", "lateness") else what
                raise DataError(
                    f"{_OWNER}: column {name!r} holds something else than {what} in {lost_rows:,} rows.",
                    hint="leave these people out, or score them first.",
                )
        trended = all(name in data.columns for name in TREND)
        unknown = np.full(len(data), np.nan)
        trend = [encodings.numbers(data, name) if trended else unknown for name in TREND]
        for name, values in zip(TREND, trend, strict=True):
            if lost_rows := int((values < 0).sum()):
                raise DataError(
                    f"{_OWNER}: column {name!r} is below 0 in {lost_rows:,} rows.",
                    hint="orders and days are counted from 0; leave empty what is not known.",
                )
        person = data.get_column("person").to_arrow() if "person" in data.columns else None
        return cls(person, *(known[name] for name in NEEDED), *trend)

    @property
    def potential(self) -> Floats:
        """What a person is worth if they order at all; 0 of those who surely do not."""
        return np.divide(self.value, self.active, out=np.zeros(len(self.value)), where=self.active > 1e-9)

    @property
    def even(self) -> Floats:
        """The share of a year's orders that falls into its last 90 days at an even pace; 0 where no trend is seen."""
        # who came first less than 120 days ago has no pace of old to compare with
        return np.where(self.T >= 120, 90 / np.clip(self.T, 120.0, 365.0), 0.0)

    @property
    def recent(self) -> Floats:
        """The orders of 90 days of those with a trend."""
        return np.where(self.even > 0, np.nan_to_num(self.orders_90d), 0.0)

    @property
    def recent_of(self) -> Floats:
        """The orders that might have fallen into the last 90 days: not the first one, if it is what began the year."""
        counted = np.nan_to_num(self.orders_365d) - (self.T <= 365)
        return np.where(self.even > 0, np.maximum(counted, self.recent), 0.0)

    def tails(self, season: float) -> tuple[Floats, Floats]:
        """Return the chance of so few, and of so many, orders in 90 days at the usual pace; 1 where none is known."""
        from scipy.special import betainc

        recent, older = self.recent, self.recent_of - self.recent
        chance = np.clip(self.even * season, 0.0, 1.0)
        few = np.where(older > 0, betainc(np.maximum(older, 1.0), recent + 1, 1 - chance), 1.0)  # of a binomial
        many = np.where((recent > 0) & (self.even > 0), betainc(np.maximum(recent, 1.0), older + 1, chance), 1.0)
        return few, many
