"""Rows of people at moments: one order for all, whole people drawn, and folds that no person stands in twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt

from coterie.errors import ParameterError
from coterie.evaluation.splits import folds
from coterie.predict.propensity.labels import as_array

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True)
class Rows:
    """Who each row is about, and when, in an order that does not depend on the one in which rows came.

    Parameters
    ----------
    order
        The rows, in that order; those of people who were not drawn are left out.
    person
        The number of the person, 0 … people - 1, of each row in that order.
    moment
        The number of the moment, 0 the earliest, of each row in that order.
    """

    order: Ints
    person: Ints
    moment: Ints

    @classmethod
    def of(cls, told: Floats, person: npt.NDArray[Any] | None, moment: npt.NDArray[Any] | None, most: int) -> Self:
        """Put rows into one order, and draw whole people until ``most`` rows are reached.

        Parameters
        ----------
        told
            All that is known of each row, as numbers: shape (rows, columns).
        person, moment
            Who and when, one a row; None where every row is another person, all at one moment.
        """
        rows = len(told)
        when = np.zeros(rows, dtype=np.int64) if moment is None else _numbered(moment)
        key = _hashed(np.column_stack([told, when]))
        if person is None:
            order = np.argsort(key, kind="stable")
            who = np.arange(rows)
        else:
            # a person's place is told by all rows of the person, so that other names leave it as it is
            named = _numbered(person)
            together = np.zeros(int(named.max()) + 1, dtype=np.uint64)
            np.add.at(together, named, key)
            order = np.lexsort((key, named, together[named]))
            who = _renumbered(named[order])
        if rows > most:
            last = int(who[most])
            kept = (who < last) if last else np.ones(rows, dtype=bool)
            order, who = order[kept], who[kept]
        return cls(order.astype(np.int64), who, when[order])

    @property
    def people(self) -> int:
        """How many different people there are."""
        return int(self.person[-1]) + 1

    def folds(self, count: int, outcome: Floats | None, seed: int) -> Ints:
        """Return the fold of each row: people of either outcome (above 0 or not, at any moment) alike in all folds."""
        happened = None
        if outcome is not None:
            happened = np.zeros(self.people, dtype=bool)
            np.logical_or.at(happened, self.person, outcome > 0)
        dealt: Ints = folds(self.people, count, outcome=happened, seed=seed)[self.person]
        return dealt


def column_of(data: nw.DataFrame[Any], given: Any, name: str) -> npt.NDArray[Any] | None:
    """Return who or when each row is about: what was given, else the table's column, else None.

    Raises
    ------
    ParameterError
        What was given is not one a row, or somewhere missing.
    """
    if given is None and name not in data.columns:
        return None
    values = as_array(data.get_column(name).to_numpy() if given is None else given)
    if values.shape != (len(data),):
        raise ParameterError.of("Learner.fit", name, f"shape {values.shape}", f"one of each of {len(data):,} rows")
    if any(one is None or one != one for one in (values.tolist() if values.dtype.kind in "OfM" else [])):
        raise ParameterError.of("Learner.fit", name, "missing values", "known of each row")
    return values


def _numbered(values: npt.NDArray[Any]) -> Ints:
    """Return the place of each value among the different ones."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _renumbered(numbers: Ints) -> Ints:
    """Return 0, 1, 2 … for equal numbers that stand together."""
    return np.cumsum(np.diff(numbers, prepend=numbers[:1]) != 0, dtype=np.int64)


def _hashed(told: Floats) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each row: equal for equal rows, unlike for others but one pair in 10^19."""
    keys = np.full(len(told), _SEED)
    for column in told.T:
        plain = np.where(np.isnan(column), np.nan, column) + 0.0  # one NaN, one 0
        keys ^= plain.view(np.uint64)
        keys *= _FACTOR
        keys ^= keys >> np.uint64(29)
    return keys
