"""What a learner reads of people: columns of numbers as they are, columns of text as numbered levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import EmptyShopError, IntegrityError, MissingColumnError, ParameterError
from coterie.features import encodings
from coterie.features.frames import opened
from coterie.features.matrix import KEYS

Floats = npt.NDArray[np.float64]
_ABSENT = "missing"
_LEVELS = 50  # levels of a column of text that are kept apart at most
_RARE, _RARE_SHARE = 20, 0.02  # a level needs that many rows, or in small tables that share of them
_LARGEST = 1e300  # LightGBM writes larger numbers as infinite ones


@dataclass(frozen=True, slots=True)
class Input:
    """A column that is read.

    Parameters
    ----------
    name
        Its name.
    levels
        Of text the levels that are told apart, in alphabetical order; all others count as one more. None is numbers.
    typical
        The median of numbers (NaN if unknown), the commonest level of text.
    """

    name: str
    levels: tuple[str, ...] | None
    typical: float | str


@dataclass(frozen=True, slots=True)
class Inputs:
    """The columns that a learner reads, in order, and what was left out.

    Parameters
    ----------
    parts
        The columns.
    dropped
        Column → why it is not read.
    """

    parts: tuple[Input, ...]
    dropped: Mapping[str, str]

    @classmethod
    def learn(cls, data: nw.DataFrame[Any], columns: Sequence[str] | None) -> Self:
        """Learn the columns of a table.

        Parameters
        ----------
        data
            One row a person (and moment), from :func:`people`.
        columns
            Which; None takes every column of numbers, truth values or text but ``person`` and ``as_of``.

        Raises
        ------
        MissingColumnError, ParameterError
            A column that was asked for is not there, or is neither of numbers nor of text.
        """
        asked = [name for name in data.columns if name not in KEYS] if columns is None else list(columns)
        if lost := [name for name in asked if name not in data.columns]:
            raise MissingColumnError.of("The table of people", lost, data.columns)
        parts, dropped = [], {}
        for name in sorted(set(asked)):  # one order, whatever order the table has
            column = encodings.series(data, name)
            if not encodings.is_usable(column):
                if columns is not None:
                    raise ParameterError.of(
                        "The table of people", f"column {name}", str(column.dtype), "numbers or text"
                    )
                dropped[name] = "it is neither of numbers nor of text"
                continue
            found = _text(data, name) if encodings.is_text(column.dtype) else _number(data, name)
            if isinstance(found, str):
                dropped[name] = found
            else:
                parts.append(found)
        return cls(tuple(parts), dropped)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(part.name for part in self.parts)

    @property
    def categorical(self) -> list[int]:
        """The positions of the columns of text."""
        return [place for place, part in enumerate(self.parts) if part.levels is not None]

    def encode(self, data: nw.DataFrame[Any]) -> Floats:
        """Return people as numbers: shape (people, columns), NaN where missing or infinite.

        Raises
        ------
        MissingColumnError, ParameterError
            A column is not there, or is of another kind than the one that was learnt.
        """
        if lost := [part.name for part in self.parts if part.name not in data.columns]:
            raise MissingColumnError.of("The table of people", lost, data.columns)
        matrix = np.empty((len(data), len(self.parts)))
        for place, part in enumerate(self.parts):
            matrix[:, place] = (
                _numbers(data, part.name) if part.levels is None else _codes(data, part.name, part.levels)
            )
        return matrix

    def to_json(self) -> list[dict[str, Any]]:
        """Return the columns as plain JSON values."""
        return [
            {
                "name": part.name,
                "levels": None if part.levels is None else list(part.levels),
                "typical": None if isinstance(part.typical, float) and math.isnan(part.typical) else part.typical,
            }
            for part in self.parts
        ]

    @classmethod
    def from_json(cls, body: Any) -> Self:
        """Return the columns that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            They are not such columns.
        """
        parts = []
        for one in body if isinstance(body, list) else [None]:
            if not isinstance(one, Mapping) or set(one) != {"name", "levels", "typical"}:
                raise IntegrityError("This is no stored learner: its columns are not columns.", hint="fit it anew.")
            levels, typical = one["levels"], one["typical"]
            text = isinstance(levels, list) and all(isinstance(level, str) for level in levels)
            number = typical is None or (isinstance(typical, int | float) and not isinstance(typical, bool))
            if not isinstance(one["name"], str) or not (
                isinstance(typical, str) if text else levels is None and number
            ):
                raise IntegrityError("This is no stored learner: its columns are not columns.", hint="fit it anew.")
            kept = typical if text else math.nan if typical is None else float(typical)
            parts.append(Input(one["name"], tuple(levels) if text else None, kept))
        if len({part.name for part in parts}) < len(parts):
            raise IntegrityError("This is no stored learner: a column stands in it twice.", hint="fit it anew.")
        return cls(tuple(parts), {})


def people(frame: Any, *, empty: bool = False) -> nw.DataFrame[Any]:
    """Return any eager dataframe, or a 2-D numpy array (columns ``x0``, ``x1`` …), as a narwhals one.

    Raises
    ------
    EmptyShopError
        There is nobody; with ``empty`` that is allowed.
    ParameterError
        It is no table.
    """
    if isinstance(frame, nw.DataFrame):
        data = frame
    elif isinstance(frame, np.ndarray):
        if frame.ndim != 2 or frame.dtype.kind not in "fiub":
            got = f"{frame.dtype} of shape {frame.shape}"
            raise ParameterError.of("The table of people", "an array", got, "numbers of shape (people, columns)")
        names = [f"x{place}" for place in range(frame.shape[1])]
        data = nw.from_native(pa.table({name: frame[:, place].copy() for place, name in enumerate(names)}))
    else:
        try:
            data = opened(frame)
        except TypeError as error:
            raise ParameterError.of(
                "The table of people", "its type", type(frame).__name__, "a dataframe or a 2-D numpy array",
                hint="collect a lazy table first, and make a table of anything else.",
            ) from error  # fmt: skip
    if not empty and not len(data):
        raise EmptyShopError("There is nobody to learn from: the table has no rows.", hint="give one row a person.")
    return data


def _number(data: nw.DataFrame[Any], name: str) -> Input | str:
    values = _numbers(data, name)
    known = values[~np.isnan(values)]
    if not known.size:
        return "nobody has a value"
    if known.size == values.size and known.min() == known.max():
        return "all people are alike"
    return Input(name, None, float(np.median(known)))


def _text(data: nw.DataFrame[Any], name: str) -> Input | str:
    counts = dict(encodings.texts(data, name).value_counts(name="count").iter_rows())
    if len(counts) < 2:
        return "all people are alike" if counts.keys() != {_ABSENT} else "nobody has a value"
    least = min(_RARE, max(_RARE_SHARE * len(data), 2))
    often = sorted(counts.keys() - {_ABSENT}, key=lambda level: (-counts[level], level))
    levels = tuple(sorted(level for level in often[:_LEVELS] if counts[level] >= least))
    if not levels:
        return "its levels are all rare"
    return Input(name, levels, often[0])


def _numbers(data: nw.DataFrame[Any], name: str) -> Floats:
    values = encodings.numbers(data, name)
    return np.where(np.isfinite(values), np.clip(values, -_LARGEST, _LARGEST), np.nan)


def _codes(data: nw.DataFrame[Any], name: str, levels: Sequence[str]) -> Floats:
    """Return the number of each level; of all other levels the next one, of what is missing NaN."""
    texts = encodings.texts(data, name).to_arrow()
    found = pc.fill_null(pc.index_in(texts, pa.array([*levels], texts.type)), len(levels))
    codes = found.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(pc.equal(texts, _ABSENT).to_numpy(zero_copy_only=False), np.nan, codes)
