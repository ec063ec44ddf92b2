"""From a table of features to the matrix that distances are taken in: filled, logged, clipped, scaled, names kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.typing import IntoDataFrame
from numpy.typing import NDArray

from coterie.errors import MissingColumnError, NotFittedError, NoVariationError, ParameterError, TooFewPeopleError
from coterie.features.feature import UNITS

SCALINGS = ("log-robust", "log-standard", "robust", "standard")
KEYS = ("person", "as_of")  # never features

_CLIP = 0.005  # the outermost half per cent on either side is pulled in
_SKEWED = 1.0  # numbers are logged above this skewness
_COIN = 0.01  # money is logged in units of its first percentile: a small amount, not a cent, counts as 1
_RARE = 0.02  # a level that fewer people have goes to "other"
_LEVELS = 20  # at most that many levels of a text column are kept apart
_NORMAL_IQR = 1.3489795003921634  # interquartile range of the standard normal distribution


@dataclass(frozen=True)
class NumberColumn:
    """What fit learnt about a column: ``(clip(log1p?(fill(x) / per), low, high) - centre) / scale * weight``."""

    name: str
    unit: str
    fill: float
    log: bool
    per: float
    low: float
    high: float
    centre: float
    scale: float
    weight: float

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the matrix's columns that come of this one."""
        return (self.name,)

    def transform(self, frame: nw.DataFrame[Any]) -> list[NDArray[np.float64]]:
        """Return one column of floats, shape (people,)."""
        values = _prepare(_numbers(frame, self.name), self.fill, self.per if self.log else None)
        return [(np.clip(values, self.low, self.high) - self.centre) / self.scale * self.weight]


@dataclass(frozen=True)
class TextColumn:
    """What fit learnt about a column of text: its levels, ``other`` last, scaled to the weight of one number."""

    name: str
    levels: tuple[str, ...]
    other: bool
    scale: float
    weight: float

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the matrix's columns that come of this one."""
        return tuple(f"{self.name}={level}" for level in (*self.levels, *(("other",) if self.other else ())))

    def transform(self, frame: nw.DataFrame[Any]) -> list[NDArray[np.float64]]:
        """Return one indicator of floats a level, each of shape (people,)."""
        values = _texts(frame, self.name)
        hits = [(values == level).to_numpy().astype(float) for level in self.levels]
        if self.other:
            hits.append(1.0 - np.sum(hits, axis=0) if hits else np.ones(len(values)))
        return [hit / self.scale * self.weight for hit in hits]


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
      level. All indicators of one column together have variance 1, so a column of text weighs as one of numbers.
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
    parts_: tuple[NumberColumn | TextColumn, ...]
    dropped_: dict[str, str]

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        scaling: str = "log-robust",
        weights: Mapping[str, float] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self.columns = columns
        self.scaling = scaling
        self.weights = weights
        self.units = units

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's ``clone`` wants them."""
        return {"columns": self.columns, "scaling": self.scaling, "weights": self.weights, "units": self.units}

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
            raise TooFewPeopleError.of("Matrix.fit", 2, len(data))
        weights = self.weights or {}
        parts: list[NumberColumn | TextColumn] = []
        dropped: dict[str, str] = {}
        for name in names:
            weight = float(weights.get(name, 1.0))
            part = self._text(data, name, weight) if _is_text(data.schema[name]) else self._number(data, name, weight)
            if isinstance(part, str):
                dropped[name] = part
            else:
                parts.append(part)
        if not parts:
            raise NoVariationError(
                f"All {len(data):,} people look the same to it. {_why_not(dropped)}",
                hint="choose other columns, or a longer time.",
            )
        self.parts_, self.dropped_ = tuple(parts), dropped
        self.columns_ = tuple(output for part in parts for output in part.outputs)
        return self

    def transform(self, frame: IntoDataFrame) -> NDArray[np.float32]:
        """Return the matrix of people by what fit learnt: float32, shape (people, columns_), in the frame's order."""
        if not hasattr(self, "parts_"):
            raise NotFittedError.of(self)
        data = opened(frame)
        if lost := [part.name for part in self.parts_ if part.name not in data.columns]:
            raise MissingColumnError.of("The table of people", lost, data.columns)
        matrix = np.empty((len(data), len(self.columns_)), dtype=np.float32)
        position = 0
        for part in self.parts_:
            for column in part.transform(data):
                matrix[:, position] = column
                position += 1
        return matrix

    def fit_transform(self, frame: IntoDataFrame, y: object = None) -> NDArray[np.float32]:
        """Fit to people and return their matrix."""
        return self.fit(frame).transform(frame)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted matrix as plain JSON values; ``from_json`` reads it back."""
        if not hasattr(self, "parts_"):
            raise NotFittedError.of(self)
        return {
            "columns": None if self.columns is None else list(self.columns),
            "scaling": self.scaling,
            "weights": None if self.weights is None else dict(self.weights),
            "units": None if self.units is None else dict(self.units),
            "parts": [
                {"kind": "number" if isinstance(part, NumberColumn) else "text", **asdict(part)} for part in self.parts_
            ],
            "dropped": self.dropped_,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Matrix:
        """Return the fitted matrix that ``to_json`` wrote."""
        matrix = cls(body["columns"], body["scaling"], body["weights"], body["units"])
        parts: list[NumberColumn | TextColumn] = []
        for part in body["parts"]:
            values = {name: value for name, value in part.items() if name != "kind"}
            if part["kind"] == "number":
                parts.append(NumberColumn(**values))
            else:
                parts.append(TextColumn(**{**values, "levels": tuple(values["levels"])}))
        matrix.parts_, matrix.dropped_ = tuple(parts), dict(body["dropped"])
        matrix.columns_ = tuple(output for part in parts for output in part.outputs)
        return matrix

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the fitted matrix in hexadecimal: the same number means the same transformation."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def _checked(self, data: nw.DataFrame[Any]) -> list[str]:
        if self.scaling not in SCALINGS:
            raise ParameterError.of("Matrix", "scaling", self.scaling, f"one of {', '.join(SCALINGS)}")
        usable = [
            name for name, kind in data.schema.items() if name not in KEYS and (_is_text(kind) or _is_number(kind))
        ]
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
        return names

    def _number(self, data: nw.DataFrame[Any], name: str, weight: float) -> NumberColumn | str:
        values = _numbers(data, name)
        known = values[np.isfinite(values)]
        if not known.size:
            return "nobody has a value"
        unit = (self.units or {}).get(name) or _unit_of(name, data.schema[name])
        fill = {"money": 0.0, "count": 0.0, "days": float(known.max())}.get(unit, float(np.median(known)))
        plain = _prepare(values, fill, None)
        wanted = self.scaling.startswith("log-") and unit != "share" and plain.min() >= 0
        log = bool(wanted and (unit != "number" or _skewness(plain) > _SKEWED))
        per = float(np.quantile(plain[plain > 0], _COIN)) if unit == "money" and (plain > 0).any() else 1.0
        full = _prepare(values, fill, per if log else None)
        low, high = (float(limit) for limit in np.quantile(full, (_CLIP, 1 - _CLIP)))
        clipped = np.clip(full, low, high)
        spread = float(clipped.std())
        if not spread > 1e-12 * max(abs(low), abs(high)):
            return "all people are alike" if full.min() == full.max() else "fewer than one person in 200 differs"
        if self.scaling.endswith("standard"):
            return NumberColumn(name, unit, fill, log, per, low, high, float(clipped.mean()), spread, weight)
        quartiles = np.quantile(clipped, (0.25, 0.5, 0.75))
        robust = float(quartiles[2] - quartiles[0]) / _NORMAL_IQR
        scale = robust if 2 * robust >= spread else spread
        return NumberColumn(name, unit, fill, log, per, low, high, float(quartiles[1]), scale, weight)

    def _text(self, data: nw.DataFrame[Any], name: str, weight: float) -> TextColumn | str:
        counts = dict(_texts(data, name).value_counts(name="count").iter_rows())
        if len(counts) < 2:
            return "all people are alike" if counts.keys() != {_MISSING} else "nobody has a value"
        often = sorted(counts, key=lambda level: (-counts[level], level))
        levels = tuple(sorted(level for level in often[:_LEVELS] if counts[level] >= _RARE * len(data)))
        pooled = len(data) - sum(counts[level] for level in levels)
        shares = np.array([counts[level] for level in levels] + ([pooled] if pooled else [])) / len(data)
        if len(shares) < 2:
            return "its levels are all rarer than one person in 50" if not levels else "nearly all people are alike"
        return TextColumn(name, levels, bool(pooled), float(np.sqrt(np.sum(shares * (1 - shares)))), weight)


_MISSING = "missing"


def opened(frame: Any) -> nw.DataFrame[Any]:
    """Return any eager dataframe as a narwhals one.

    Raises
    ------
    ParameterError
        Columns share a name, or a name is no text.
    TypeError
        It is no dataframe.
    """
    try:
        data: nw.DataFrame[Any] = nw.from_native(frame, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        names = [str(name) for name in getattr(frame, "column_names", None) or frame.columns]
        twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
        raise ParameterError.of(
            "The table of people",
            "the name of a column",
            twice,
            "unlike all others",
            hint="rename or drop the surplus.",
        ) from error
    for name in data.columns:
        if not isinstance(name, str):
            raise ParameterError.of(
                "The table of people",
                "the name of a column",
                name,
                "text",
                hint="in pandas: frame.columns = [str(name) for name in frame.columns].",
            )
    return data


def _why_not(dropped: Mapping[str, str]) -> str:
    """Say, reason by reason, why columns are not used; of many columns the first few."""
    by_reason: dict[str, list[str]] = {}
    for name, why in dropped.items():
        by_reason.setdefault(why, []).append(name)
    told = [
        f"{', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''}: {why}."
        for why, names in by_reason.items()
    ]
    return " ".join(told) or "There is no column of numbers, truth values or text."


def _is_text(kind: nw.dtypes.DType) -> bool:
    return isinstance(kind, nw.String | nw.Categorical | nw.Enum)


def _is_number(kind: nw.dtypes.DType) -> bool:
    return kind.is_numeric() or isinstance(kind, nw.Boolean)


def _unit_of(name: str, kind: nw.dtypes.DType) -> str:
    from coterie.features.catalog import CATALOG  # late: only here, and a fitted matrix never needs it

    if name in CATALOG.names:
        return CATALOG[name].unit
    for ending in ("days", "share"):
        if name.endswith(f"_{ending}"):
            return ending
    return "count" if kind.is_integer() or isinstance(kind, nw.Boolean) else "number"


def _numbers(frame: nw.DataFrame[Any], name: str) -> NDArray[np.float64]:
    if not _is_number(frame.schema[name]):
        raise ParameterError.of("The table of people", f"column {name}", str(frame.schema[name]), "numbers")
    column = frame.get_column(name).cast(nw.Float64)
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _texts(frame: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    return frame.get_column(name).cast(nw.String).fill_null(_MISSING)


def _prepare(values: NDArray[np.float64], fill: float, per: float | None) -> NDArray[np.float64]:
    """Fill what is missing, and log it in units of ``per`` unless that is None."""
    filled = np.where(np.isfinite(values), values, fill)
    return filled if per is None else np.log1p(np.maximum(filled, 0.0) / per)


def _skewness(values: NDArray[np.float64]) -> float:
    spread = values.std()
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
