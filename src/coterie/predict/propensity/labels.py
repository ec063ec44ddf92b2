"""Labels: what happened to people, checked, and as a learner takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import EmptyShopError, ParameterError

Floats = npt.NDArray[np.float64]

OTHER = "other"
"""The class of all rare ones together."""
_CLASSES = 20  # kept apart at most
_RARE_CLASS = 20  # rows of a class at least
_LEAST = 50  # people: below, nobody can be told apart, and all get the mean
_LEAST_ANSWERS = 10  # of a yes or no: people of either kind; else people above 0


@dataclass(frozen=True)
class Labels:
    """What happened to people.

    Parameters
    ----------
    known
        Of whom it is known (and who weigh more than nothing): truth values, one a row of the table.
    y, weight
        Of these: 0 or 1, numbers, or the place of the class; and what they weigh.
    classes
        The classes in alphabetical order, the rare ones together as ``other``; empty of other kinds.
    """

    known: npt.NDArray[np.bool_]
    y: Floats
    weight: Floats
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, y: Any, weight: Any, rows: int, kind: str, *, below_zero: bool = False, apart: bool = False) -> Labels:
        """Check what happened to the people of a table.

        Parameters
        ----------
        y, weight
            As in :meth:`Learner.fit`.
        rows
            How many rows the table has.
        kind
            ``binary``, ``count``, ``amount`` or ``class``.
        below_zero
            Whether amounts may be below 0.
        apart
            Whether all classes are kept apart, also the rare ones.

        Raises
        ------
        ParameterError
            They are not one a row, or not of that kind.
        EmptyShopError
            Nobody's outcome is known.
        """
        heavy = _weights(weight, rows)
        if kind == "class":
            found, y_, classes = _classes(y, rows, heavy, apart)
        else:
            found, y_, classes = heavy > 0, _numbers(y, rows, kind, below_zero), ()
        if not found.any():
            raise EmptyShopError(
                "There is nobody to learn from: of none of the people is it known what happened.",
                hint="choose an earlier moment or a longer horizon.",
            )
        return cls(found, y_[found], heavy[found], classes)

    def too_little(self, persons: npt.NDArray[np.int64], kind: str) -> str | None:
        """Return why nobody can be told apart, and what is needed; None where that is possible."""
        people = len(np.unique(persons))
        if people < _LEAST:
            return f"at least {_LEAST} people are needed, and there {'is' if people == 1 else 'are'} {people}"
        if kind == "class":
            return None if len(self.classes) > 1 else f"the outcome is the same for all {people:,} people"
        if self.y.min() == self.y.max():
            return f"the outcome is the same for all {people:,} people"
        for happened, words in ((True, "it happened"), (False, "it did not happen")):
            some = len(np.unique(persons[(self.y > 0) == happened]))
            if some < _LEAST_ANSWERS and (happened or kind == "binary"):
                if (self.y < 0).any():
                    continue
                return f"at least {_LEAST_ANSWERS} people to whom {words} are needed, and there are {some}"
        return None


def as_array(values: Any) -> npt.NDArray[Any]:
    """Return a column of any dataframe, a list or an array as a numpy array; what is missing is None or NaN."""
    try:
        values = nw.from_native(values, series_only=True).to_list() if not isinstance(values, np.ndarray) else values
    except TypeError:
        values = values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else values
    if isinstance(values, list):
        return (
            np.array(values, dtype=object) if any(isinstance(one, str | None) for one in values) else np.array(values)
        )
    return np.asarray(values)


def _weights(weight: Any, rows: int) -> Floats:
    if weight is None:
        return np.ones(rows)
    try:
        heavy = np.asarray(as_array(weight), dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError.of("Learner.fit", "weight", type(weight).__name__, "numbers, one a row") from None
    if heavy.shape != (rows,):
        raise ParameterError.of("Learner.fit", "weight", f"shape {heavy.shape}", f"one of each of {rows:,} rows")
    if not (np.isfinite(heavy).all() and (heavy >= 0).all()):
        raise ParameterError.of("Learner.fit", "weight", "values missing, infinite or below 0", "finite, 0 or more")
    return heavy


def _numbers(y: Any, rows: int, kind: str, below_zero: bool) -> Floats:
    try:
        outcome = np.asarray(as_array(y), dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError.of("Learner.fit", "y", type(y).__name__, f"numbers for the kind {kind}") from None
    if outcome.shape != (rows,):
        raise ParameterError.of("Learner.fit", "y", f"shape {outcome.shape}", f"the outcome of each of {rows:,} rows")
    if lost := int((~np.isfinite(outcome)).sum()):
        raise ParameterError.of("Learner.fit", "y", f"{lost:,} values missing or infinite", "finite numbers")
    if kind == "binary" and not np.isin(outcome, (0.0, 1.0)).all():
        raise ParameterError.of("Learner.fit", "y", "other values", "truth values, or 0 and 1, for the kind binary")
    if kind == "count" and (outcome != np.rint(outcome)).any():
        raise ParameterError.of("Learner.fit", "y", "fractions", "whole numbers for the kind count")
    if not below_zero and (outcome < 0).any():
        hint = "take amounts before refunds, or the objective 'squares'." if kind == "amount" else None
        raise ParameterError.of("Learner.fit", "y", "values below 0", "0 or more", hint=hint)
    return outcome


def _classes(y: Any, rows: int, heavy: Floats, apart: bool) -> tuple[npt.NDArray[np.bool_], Floats, tuple[str, ...]]:
    values = as_array(y)
    if values.shape != (rows,):
        raise ParameterError.of("Learner.fit", "y", f"shape {values.shape}", f"the class of each of {rows:,} rows")
    there = np.array([isinstance(one, str) for one in values])
    strange = [one for one in values[~there].tolist() if not (one is None or one != one)]
    if strange:
        raise ParameterError.of("Learner.fit", "y", type(strange[0]).__name__, "texts, or None, for the kind class")
    known = there & (heavy > 0)
    names, counts = np.unique(values[known].astype(str), return_counts=True)
    often = sorted(zip((-counts).tolist(), names.tolist(), strict=True))
    kept = {name for count, name in often[:_CLASSES] if -count >= _RARE_CLASS} or {name for _, name in often[:1]}
    kept = set(names.tolist()) if apart else kept
    classes = tuple(sorted(kept | ({OTHER} if len(kept) < len(names) else set())))
    place = {name: float(number) for number, name in enumerate(classes)}
    told = np.array([place.get(one, place.get(OTHER, 0.0)) if there[row] else 0.0 for row, one in enumerate(values)])
    return known, told, classes
