"""From a table of features to the matrix that distances are taken in: filled, logged, clipped, scaled, names kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from narwhals.typing import IntoDataFrame
from numpy.typing import ArrayLike, NDArray

from coterie.errors import (
    MissingColumnError,
    NotFittedError,
    NoVariationError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.features import encodings, saved
from coterie.features.encodings import (
    Column,
    NumberColumn,
    OrderedColumn,
    TextColumn,
    fit_number,
    fit_ordered,
    fit_text,
    is_number,
    is_text,
    is_usable,
    series,
    unit_of,
    why_not,
)
from coterie.features.feature import UNITS
from coterie.features.frames import kind_of, opened, shaped
from coterie.features.row import RowEncoder

__all__ = ["KEYS", "SCALINGS", "Matrix", "NumberColumn", "OrderedColumn", "TextColumn"]

SCALINGS = ("log-robust", "log-standard", "robust", "standard")
KEYS = ("person", "as_of")  # never features
_BLOCK = 1 << 16  # people at a time, whose columns stay in the cache
FORMAT = 1
"""The layout of a saved matrix."""


class Matrix:
    """Turn a table of features into a matrix whose columns weigh alike, and new people by the same fitted numbers.

    Each column of numbers is, in this order: filled where it is missing (NaN and infinities count as missing), logged,
    winsorised, centred and scaled. Each column of text becomes indicators of its levels.

    * Missing, by unit: ``money`` and ``count`` are 0 (nothing happened); ``days`` are the longest seen at fit (longer
      ago than for anybody else); ``share`` and ``number`` are the median at fit (unknown).
    * ``log1p`` where a column of unit money, count or days is never negative, and of unit number where its skewness
      exceeds 1 as well. Money is first divided by the first percentile of its positive amounts: in cents, the log would
      tell 0 from the smallest amount much further apart than that from the largest.
    * Winsorised at the .5 and 99.5 per cent quantiles of fit.
    * ``robust`` scaling takes the median and the interquartile range of a normal distribution (IQR / 1.349), and the
      standard deviation where that is more than twice as large (many zeros); ``standard`` mean and standard deviation.
    * Levels of text that fewer than 2 % of people have, or beyond the 20th, are pooled as ``other``; missing text is a
      level. All indicators of one column together have variance 1, so a column of text weighs as one of numbers. A
      level that was never seen is ``other`` where there is one, else none of the levels.
    * Text with an order (``orders``) becomes one column, the level's place, standardised; missing and unknown levels
      get the median place.
    * Columns in which (after winsorising) all people are alike are dropped and named in ``dropped_``.

    Parameters
    ----------
    columns
        The columns to use, in this order; None takes every column of numbers, truth values or text but ``person`` and
        ``as_of``.
    scaling
        ``"log-robust"``, ``"log-standard"``, ``"robust"`` or ``"standard"``; without ``log-`` nothing is logged.
    weights
        Factor by column, larger counts more; absent ones are 1. Squared distances grow with its square.
    units
        Unit by column (``money``, ``count``, ``days``, ``share`` or ``number``); absent ones are read from the
        catalogue, then from the name (``…_days``, ``…_share``), else ``count`` for integers and ``number`` for floats.
    orders
        Levels, smallest first, by column of text that has an order: ``{"age": ["19-24", "25-34", "35+"]}``. None
        in place of the levels takes those that are numbers or ranges (``"25-34"``, ``"Under 15K"``, ``"65+"``).
    add_indicator
        Add a column ``NAME=missing`` for each column of numbers (or with an order) that somebody lacked at fit.

    Attributes
    ----------
    columns_
        Names of the matrix's columns, such as ``"spend"`` or ``"top_category=MEAT"``.
    parts_
        What was learnt of each column that is used.
    dropped_
        Column → why it is not used.

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"orders": [1, 2, 3, 4], "channel": ["web", "web", "store", "store"], "shop": ["a"] * 4})
    >>> matrix = Matrix(scaling="standard").fit(people)
    >>> matrix.columns_
    ('orders', 'channel=store', 'channel=web')
    >>> matrix.dropped_
    {'shop': 'all people are alike'}
    >>> matrix.transform(people).shape
    (4, 3)
    """

    columns_: tuple[str, ...]
    parts_: tuple[Column, ...]
    dropped_: dict[str, str]

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        scaling: str = "log-robust",
        weights: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
        orders: Mapping[str, Sequence[str] | None] | None = None,
        add_indicator: bool = False,
    ) -> None:
        self.columns = columns
        self.scaling = scaling
        self.weights = weights
        self.units = units
        self.orders = orders
        self.add_indicator = add_indicator

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's ``clone`` wants them."""
        return {
            "columns": self.columns,
            "scaling": self.scaling,
            "weights": self.weights,
            "units": self.units,
            "orders": self.orders,
            "add_indicator": self.add_indicator,
        }

    def set_params(self, **parameters: Any) -> Matrix:
        """Change parameters of the constructor; returns self."""
        for name, value in parameters.items():
            if name not in self.get_params():
                raise ParameterError.of("Matrix", "the parameter", name, f"one of {', '.join(self.get_params())}")
            setattr(self, name, value)
        return self

    def fit(self, frame: IntoDataFrame, y: object = None) -> Matrix:
        """Learn fills, limits, centres and scales from people.

        Parameters
        ----------
        frame
            Any eager dataframe (pyarrow, polars, pandas …), one row a person, shape (people, columns).
        y
            Not used; here because scikit-learn's pipelines pass it.

        Raises
        ------
        ParameterError
            A parameter is not allowed.
        MissingColumnError
            A chosen column is not in the frame.
        TooFewPeopleError
            There are fewer than 2 people.
        NoVariationError
            All people look the same in every column.
        """
        data = opened(frame)
        names = self._checked(data)
        if len(data) < 2:
            raise TooFewPeopleError.of("Matrix.fit", 2, len(data), hint="give more people.")
        parts: list[Column] = []
        dropped: dict[str, str] = {}
        for name in names:
            part = self._fitted(data, name)
            if isinstance(part, str):
                dropped[name] = part
            else:
                parts.append(part)
        if not parts:
            raise NoVariationError(
                f"All {len(data):,} people look the same to it. {why_not(dropped)}",
                hint="choose other columns, or a longer time.",
            )
        self._learnt(parts, dropped)
        return self

    def transform(self, frame: IntoDataFrame) -> NDArray[np.float32]:
        """Return the matrix of people by what fit learnt: float32, shape (people, columns_), in the frame's order."""
        return self._of(opened(frame))

    def row(self, values: Mapping[str, object]) -> NDArray[np.float32]:
        """Return one person's row of the matrix: float32 of shape (columns_,), as ``transform`` makes it.

        Meant to be asked often: it takes microseconds, where ``transform`` has a whole table to read.

        Parameters
        ----------
        values
            What is known of the person, by the name of the column; None or NaN where it is missing.

        Raises
        ------
        NotFittedError, MissingColumnError, ParameterError
            It is not fitted; a name is not there; or a value is of another kind than at fit.

        Examples
        --------
        >>> matrix = Matrix().fit(pa.table({"orders": [1, 2, 3, 4], "channel": ["web", "web", "web", "store"]}))
        >>> print(matrix.row({"orders": 4, "channel": "store"}).round(2))
        [1.11 1.63 0.  ]
        """
        self._check_fitted()
        return self._encoder(values)

    def transform_frame(self, frame: IntoDataFrame) -> Any:
        """Return the matrix as a dataframe of the same kind, with the names of ``columns_``; in pandas with its index.

        >>> import pandas as pd
        >>> people = pd.DataFrame({"orders": [1, 2, 3]}, index=["Ada", "Bo", "Cy"])
        >>> print(Matrix(scaling="standard").fit(people).transform_frame(people).round(2))
             orders
        Ada   -1.22
        Bo     0.00
        Cy     1.22
        """
        data = opened(frame)
        made = self._of(data)
        named = pa.table({name: made[:, position] for position, name in enumerate(self.columns_)})
        told = shaped(named, kind_of(data)).to_native()
        if (index := nw.maybe_get_index(data)) is not None:
            told.index = index
        return told

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return ``columns_`` as scikit-learn's pipelines ask for them."""
        self._check_fitted()
        return np.array(self.columns_, dtype=object)

    def inverse_transform(self, matrix: ArrayLike) -> pa.Table:
        """Return rows of the matrix (people, or the centres of clusters) in the columns' own words and units.

        What fit pulled in stays so, and what it filled stays filled (missing again only with ``add_indicator``). A row
        between levels of text gets the one that is nearest, or most frequent.

        Parameters
        ----------
        matrix
            Shape (rows, columns_).

        Returns
        -------
        pa.Table
            A column for each column that is used: numbers as float64, else text.

        Raises
        ------
        ParameterError
            It has another number of columns.

        Examples
        --------
        >>> people = pa.table({"orders": [1, 2, 3, 4], "channel": ["web", "web", "web", "store"]})
        >>> matrix = Matrix().fit(people)
        >>> matrix.inverse_transform(matrix.transform(people).mean(axis=0, keepdims=True))["channel"].to_pylist()
        ['web']
        """
        self._check_fitted()
        values = np.asarray(matrix, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.columns_):
            allowed = f"of shape (rows, {len(self.columns_)})"
            raise ParameterError.of("Matrix.inverse_transform", "matrix", values.shape, allowed)
        told: dict[str, pa.Array] = {}
        position = 0
        for part in self.parts_:
            end = position + len(part.outputs)
            told[part.name] = part.inverse([values[:, each] for each in range(position, end)])
            position = end
        return pa.table(told)

    def fit_transform(self, frame: IntoDataFrame, y: object = None) -> NDArray[np.float32]:
        """Fit to people and return their matrix."""
        return self.fit(frame).transform(frame)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted matrix as plain JSON values; ``from_json`` reads it back."""
        self._check_fitted()
        return {
            "columns": None if self.columns is None else list(self.columns),
            "scaling": self.scaling,
            "weights": None if self.weights is None else dict(self.weights),
            "units": None if self.units is None else dict(self.units),
            **({"orders": {name: order and list(order) for name, order in self.orders.items()}} if self.orders else {}),
            **({"add_indicator": True} if self.add_indicator else {}),
            "parts": [encodings.to_json(part) for part in self.parts_],
            "dropped": self.dropped_,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Matrix:
        """Return the fitted matrix that ``to_json`` wrote, in this version or an earlier one."""
        given = {name: body[name] for name in ("columns", "scaling", "weights", "units")}
        matrix = cls(**given, orders=body.get("orders"), add_indicator=body.get("add_indicator", False))
        matrix._learnt([encodings.from_json(part) for part in body["parts"]], dict(body["dropped"]))
        return matrix

    def save(self, path: str | Path) -> Path:
        """Write the fitted matrix to a JSON file and return where it lies; nothing of any person is in it.

        Raises
        ------
        NotFittedError, StoreError
            It is not fitted; or the file cannot be written.
        """
        return saved.write(path, "matrix", FORMAT, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Matrix:
        """Return the fitted matrix that ``save`` wrote.

        Raises
        ------
        StoreError
            The file cannot be read, or was written by a newer coterie.
        IntegrityError
            The file is not a saved matrix, or was changed.
        """
        return cls.from_json(saved.read(path, "matrix", FORMAT))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the fitted matrix in hexadecimal: the same number means the same transformation."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def _checked(self, data: nw.DataFrame[Any]) -> list[str]:
        if self.scaling not in SCALINGS:
            raise ParameterError.of("Matrix", "scaling", self.scaling, f"one of {', '.join(SCALINGS)}")
        usable = [name for name in data.columns if name not in KEYS and is_usable(series(data, name))]
        if isinstance(self.columns, str):
            raise ParameterError.of("Matrix", "columns", self.columns, "a list of names", hint=f"[{self.columns!r}].")
        names = usable if self.columns is None else list(self.columns)
        if len(set(names)) < len(names):
            raise ParameterError.of("Matrix", "columns", names, "without repetition")
        if lost := [name for name in names if name not in data.columns]:
            raise MissingColumnError.of("The table of people", lost, data.columns)
        if bad := [name for name in names if name not in usable]:
            raise ParameterError.of("Matrix", "columns", bad, "columns of numbers, truth values or text")
        for name, weight in (self.weights or {}).items():
            if name not in names:
                raise ParameterError.of("Matrix", "weights", name, "for a column that is used")
            if not (np.isfinite(weight) and weight > 0):
                raise ParameterError.of("Matrix", f"the weight of {name}", weight, "a finite number above 0")
        for name, unit in (self.units or {}).items():
            if unit not in UNITS:
                raise ParameterError.of("Matrix", f"the unit of {name}", unit, f"one of {', '.join(UNITS)}")
        for name, order in (self.orders or {}).items():
            if name not in names or is_number(series(data, name).dtype):
                raise ParameterError.of("Matrix", "orders", name, "for a column of text that is used")
            if order is not None and (isinstance(order, str) or len(set(order)) < max(len(order), 2)):
                allowed = "two levels or more, the smallest first, or None"
                raise ParameterError.of("Matrix", f"the order of {name}", order, allowed)
        return names

    def _fitted(self, data: nw.DataFrame[Any], name: str) -> Column | str:
        """Learn one column, or say why it is not used."""
        weight = float((self.weights or {}).get(name, 1.0))
        kind = series(data, name).dtype
        if not is_text(kind) and not is_number(kind):
            return "nobody has a value"
        if name in (self.orders or {}):
            return fit_ordered(data, name, (self.orders or {})[name], weight, self.add_indicator)
        if is_text(kind):
            return fit_text(data, name, weight)
        unit = (self.units or {}).get(name) or unit_of(name, kind)
        return fit_number(data, name, unit, self.scaling, weight, self.add_indicator)

    def _learnt(self, parts: Sequence[Column], dropped: dict[str, str]) -> None:
        self.parts_, self.dropped_ = tuple(parts), dropped
        self.columns_ = tuple(output for part in parts for output in part.outputs)
        self._encoder = RowEncoder(self.parts_, self._of)

    def _check_fitted(self) -> None:
        if not hasattr(self, "parts_"):
            raise NotFittedError.of(self)

    def _of(self, data: nw.DataFrame[Any]) -> NDArray[np.float32]:
        """Return the matrix of people."""
        self._check_fitted()
        if lost := [part.name for part in self.parts_ if part.name not in data.columns]:
            raise MissingColumnError.of("The table of people", lost, data.columns)
        matrix = np.empty((len(data), len(self.columns_)), dtype=np.float32)
        for start in range(0, len(data), _BLOCK):
            block, told = data[start : start + _BLOCK], matrix[start : start + _BLOCK]
            for position, column in enumerate(chain.from_iterable(part.transform(block) for part in self.parts_)):
                told[:, position] = column
        return matrix
