"""How one column of a table of features becomes columns of a matrix, and what was learnt of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from coterie.errors import ParameterError

Floats = NDArray[np.float64]

_CLIP = 0.005  # the outermost half per cent on either side is pulled in
_SKEWED = 1.0  # numbers are logged above this skewness
_COIN = 0.01  # money is logged in units of its first percentile: a small amount, not a cent, counts as 1
_RARE = 0.02  # a level that fewer people have goes to "other"
_LEVELS = 20  # at most that many levels of a text column are kept apart
_NORMAL_IQR = 1.3489795003921634  # interquartile range of the standard normal distribution
LARGEST = 1e150  # numbers beyond are pulled in to it, so that their squares are numbers still
_ABSENT, _OTHER = "missing", "other"


@dataclass(frozen=True)
class NumberColumn:
    """What fit learnt about a column: ``(clip(log1p?(fill(x) / per), low, high) - centre) / scale * weight``.

    Where ``absent`` is above 0, a second column says whether the value was missing: 0, or ``weight / absent``.
    """

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
    absent: float = 0.0

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the matrix's columns that come of this one."""
        return _with_absent(self.name, self.absent)

    def transform(self, frame: nw.DataFrame[Any]) -> list[Floats]:
        """Return a column of floats for each of ``outputs``, shape (people,)."""
        known = numbers(frame, self.name)
        values = _prepare(known, self.fill, self.per if self.log else None)
        told = [(np.clip(values, self.low, self.high) - self.centre) / self.scale * self.weight]
        return told + ([~np.isfinite(known) / self.absent * self.weight] if self.absent else [])

    def inverse(self, columns: Sequence[Floats]) -> pa.Array:
        """Return values in the column's own unit; missing where the second column says so."""
        values = columns[0].astype(np.float64) / self.weight * self.scale + self.centre
        values = np.expm1(values) * self.per if self.log else values
        return pa.array(values, mask=_was_absent(columns, self.absent, self.weight))


@dataclass(frozen=True)
class OrderedColumn:
    """What fit learnt about text with an order: ``(place of the level - centre) / scale * weight``.

    Missing values and unknown levels get the place ``fill``; ``absent`` as in :class:`NumberColumn`.
    """

    name: str
    levels: tuple[str, ...]
    fill: float
    centre: float
    scale: float
    weight: float
    absent: float = 0.0

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the matrix's columns that come of this one."""
        return _with_absent(self.name, self.absent)

    def transform(self, frame: nw.DataFrame[Any]) -> list[Floats]:
        """Return a column of floats for each of ``outputs``, shape (people,)."""
        places = _places(texts(frame, self.name), self.levels)
        filled = np.where(np.isnan(places), self.fill, places)
        told = [(filled - self.centre) / self.scale * self.weight]
        return told + ([np.isnan(places) / self.absent * self.weight] if self.absent else [])

    def inverse(self, columns: Sequence[Floats]) -> pa.Array:
        """Return the level that is nearest; missing where the second column says so."""
        places = columns[0].astype(np.float64) / self.weight * self.scale + self.centre
        nearest = np.clip(np.rint(places), 0, len(self.levels) - 1).astype(int)
        gone = _was_absent(columns, self.absent, self.weight)
        return pa.array([self.levels[place] for place in nearest], pa.string(), mask=gone)


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
        return tuple(f"{self.name}={level}" for level in self._all)

    @property
    def _all(self) -> tuple[str, ...]:
        return (*self.levels, *((_OTHER,) if self.other else ()))

    def transform(self, frame: nw.DataFrame[Any]) -> list[Floats]:
        """Return one indicator of floats a level, each of shape (people,)."""
        values = texts(frame, self.name).to_arrow()
        found = pc.index_in(values, pa.array(self.levels, values.type)).to_numpy(zero_copy_only=False)
        place = np.where(np.isnan(found), len(self.levels), found) if found.dtype.kind == "f" else found
        return [(place == each) / self.scale * self.weight for each in range(len(self._all))]

    def inverse(self, columns: Sequence[Floats]) -> pa.Array:
        """Return the level with the largest indicator; missing for the level of what was missing, and for none."""
        hits = np.stack(columns, axis=1)
        levels = [None if level == _ABSENT else level for level in self._all]
        return pa.array([levels[best] for best in hits.argmax(axis=1)], pa.string(), mask=~(hits > 0).any(axis=1))


Column = NumberColumn | OrderedColumn | TextColumn
_KINDS: dict[str, type[Column]] = {"number": NumberColumn, "ordered": OrderedColumn, "text": TextColumn}


def to_json(part: Column) -> dict[str, Any]:
    """Return what was learnt as plain JSON values; what has its default is left out."""
    kind = next(name for name, made in _KINDS.items() if type(part) is made)
    defaults = {each.name: each.default for each in fields(part) if each.default is not MISSING}
    values = {name: value for name, value in asdict(part).items() if name not in defaults or value != defaults[name]}
    return {"kind": kind, **values, **({"levels": list(values["levels"])} if "levels" in values else {})}


def from_json(body: Mapping[str, Any]) -> Column:
    """Return what ``to_json`` wrote."""
    values: dict[str, Any] = {name: value for name, value in body.items() if name != "kind"}
    if "levels" in values:
        values["levels"] = tuple(values["levels"])
    return _KINDS[body["kind"]](**values)


def fit_number(
    frame: nw.DataFrame[Any], name: str, unit: str, scaling: str, weight: float, absent: bool
) -> NumberColumn | str:
    """Learn a column of numbers, or say why it tells nothing; parameters as in ``Matrix``."""
    values = numbers(frame, name)
    known = np.sort(values[np.isfinite(values)])  # sorted, sums do not depend on the order that people come in
    missing = len(values) - len(known)
    if not known.size:
        return "nobody has a value"
    fill = {"money": 0.0, "count": 0.0, "days": float(known[-1])}.get(unit, _quantile(known, 0.5))
    plain = np.insert(known, np.searchsorted(known, fill), np.full(missing, fill)) if missing else known
    plain = _prepare(plain, fill, None)
    wanted = scaling.startswith("log-") and unit != "share" and plain[0] >= 0
    log = bool(wanted and (unit != "number" or _skewness(plain) > _SKEWED))
    positive = plain[np.searchsorted(plain, 0.0, side="right") :]
    per = _quantile(positive, _COIN) if unit == "money" and positive.size else 1.0
    full = _prepare(plain, fill, per) if log else plain
    low, high = _quantile(full, _CLIP), _quantile(full, 1 - _CLIP)
    clipped = np.clip(full, low, high)
    spread = float(clipped.std())
    if not spread > 1e-12 * max(abs(low), abs(high)):
        return "all people are alike" if full[0] == full[-1] else "fewer than one person in 200 differs"
    gone = _spread(missing, len(values)) if absent else 0.0
    if scaling.endswith("standard"):
        return NumberColumn(name, unit, fill, log, per, low, high, float(clipped.mean()), spread, weight, gone)
    robust = (_quantile(clipped, 0.75) - _quantile(clipped, 0.25)) / _NORMAL_IQR
    scale = robust if 2 * robust >= spread else spread
    return NumberColumn(name, unit, fill, log, per, low, high, _quantile(clipped, 0.5), scale, weight, gone)


def fit_ordered(
    frame: nw.DataFrame[Any], name: str, order: Sequence[str] | None, weight: float, absent: bool
) -> OrderedColumn | str:
    """Learn a column of text whose levels have an order, or say why it tells nothing; None reads the order off them."""
    values = texts(frame, name)
    if order is None:
        counts = dict(values.value_counts(name="count").iter_rows())
        order = ranges(counts.keys() - {_ABSENT})
        if len(order) > _LEVELS:  # no list to choose from, but what people wrote: what few wrote is not kept
            order = tuple(level for level in order if counts[level] >= _RARE * len(values))
        if not order and counts.keys() != {_ABSENT}:
            return "its levels are no ranges, or all rarer than one person in 50"
    places = _places(values, order)
    known = places[~np.isnan(places)]
    if not known.size:
        return "nobody has a value"
    fill = float(np.median(known))
    filled = np.sort(np.where(np.isnan(places), fill, places))
    spread = float(filled.std())
    if not spread:
        return "all people are alike"
    gone = _spread(len(places) - len(known), len(places)) if absent else 0.0
    return OrderedColumn(name, tuple(order), fill, float(filled.mean()), spread, weight, gone)


def fit_text(frame: nw.DataFrame[Any], name: str, weight: float) -> TextColumn | str:
    """Learn a column of text, or say why it tells nothing."""
    people = len(frame)
    counts = dict(texts(frame, name).value_counts(name="count").iter_rows())
    if len(counts) < 2:
        return "all people are alike" if counts.keys() != {_ABSENT} else "nobody has a value"
    often = sorted(counts.keys() - {_OTHER}, key=lambda level: (-counts[level], level))
    levels = tuple(sorted(level for level in often[:_LEVELS] if counts[level] >= _RARE * people))
    pooled = people - sum(counts[level] for level in levels)
    shares = np.array([counts[level] for level in levels] + ([pooled] if pooled else [])) / people
    if len(shares) < 2:
        return "its levels are all rarer than one person in 50" if not levels else "nearly all people are alike"
    return TextColumn(name, levels, bool(pooled), float(np.sqrt(np.sum(shares * (1 - shares)))), weight)


def ranges(levels: Iterable[str]) -> tuple[str, ...]:
    """Return those levels that are numbers or ranges of numbers, the smallest first.

    Examples
    --------
    >>> ranges(["65+", "19-24", "Unknown", "25-34"])
    ('19-24', '25-34', '65+')
    >>> ranges(["250K+", "50-74K", "Under 15K", "15-24K", "1M or more"])
    ('Under 15K', '15-24K', '50-74K', '250K+', '1M or more')
    """
    found = [(bound, level) for level in levels if (bound := _bound(level)) is not None]
    return tuple(level for _, level in sorted(found))


def is_text(kind: nw.dtypes.DType) -> bool:
    """Say whether a column is of text."""
    return isinstance(kind, nw.String | nw.Categorical | nw.Enum)


def is_number(kind: nw.dtypes.DType) -> bool:
    """Say whether a column is of numbers or truth values."""
    return kind.is_numeric() or isinstance(kind, nw.Boolean)


def why_not(dropped: Mapping[str, str]) -> str:
    """Say, reason by reason, why columns are not used; of many columns the first few."""
    by_reason: dict[str, list[str]] = {}
    for name, why in dropped.items():
        by_reason.setdefault(why, []).append(name)
    told = [
        f"{', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''}: {why}."
        for why, names in by_reason.items()
    ]
    return " ".join(told) or "There is no column of numbers, truth values or text."


def is_usable(column: nw.Series[Any]) -> bool:
    """Say whether a column can be made numbers of; one without any value may not know its type."""
    return is_text(column.dtype) or is_number(column.dtype) or bool(column.is_null().all())


def unit_of(name: str, kind: nw.dtypes.DType) -> str:
    """Return the unit of a column: that of the catalogue, else by the name's ending, else by the type."""
    from coterie.features.catalog import CATALOG  # late: only here, and a fitted matrix never needs it

    if name in CATALOG.names:
        return CATALOG[name].unit
    for ending in ("days", "share"):
        if name.endswith(f"_{ending}"):
            return ending
    return "count" if kind.is_integer() or isinstance(kind, nw.Boolean) else "number"


def series(frame: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    """Return a column; one of Python objects that are all of one type as that type.

    In pandas, a column of truth values of which one is missing is a column of objects.

    >>> import pandas as pd
    >>> series(nw.from_native(pd.DataFrame({"member": [True, None]})), "member").dtype
    Boolean
    """
    column = frame.get_column(name)
    if not isinstance(column.dtype, nw.Object):
        return column
    try:
        return nw.from_native(pa.chunked_array([pa.array(column.to_list(), from_pandas=True)]), series_only=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return column


def numbers(frame: nw.DataFrame[Any], name: str) -> Floats:
    """Return a column as floats, NaN where it is missing; truth values are 0 and 1.

    Raises
    ------
    ParameterError
        It is no column of numbers.
    """
    column = series(frame, name)
    if not is_number(column.dtype):
        if column.is_null().all():  # a table without any value in it may not know its type
            return np.full(len(column), np.nan)
        raise ParameterError.of("The table of people", f"column {name}", str(column.dtype), "numbers")
    if column.dtype.is_integer():  # not by narwhals: in Arrow that refuses numbers which a float rounds
        values = pc.cast(column.to_arrow(), pa.float64(), safe=False)
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    return np.asarray((column if column.dtype == nw.Float64 else column.cast(nw.Float64)).to_numpy(), dtype=np.float64)


def texts(frame: nw.DataFrame[Any], name: str) -> nw.Series[Any]:
    """Return a column as text, ``missing`` where there is none.

    Raises
    ------
    ParameterError
        It is a column of something else than text, numbers or truth values.
    """
    column = series(frame, name)
    if not is_text(column.dtype) and column.is_null().all():
        return nw.new_series(name, [_ABSENT] * len(column), nw.String, backend=column.implementation)
    if not is_text(column.dtype) and not is_number(column.dtype):
        raise ParameterError.of("The table of people", f"column {name}", str(column.dtype), "text")
    return column.cast(nw.String).fill_null(_ABSENT)


def _with_absent(name: str, absent: float) -> tuple[str, ...]:
    return (name, f"{name}={_ABSENT}") if absent else (name,)


def _was_absent(columns: Sequence[Floats], absent: float, weight: float) -> NDArray[np.bool_]:
    """Return where the second column says that the value was missing: more than half of what it would say for sure."""
    return columns[1] * absent / weight > 0.5 if absent else np.zeros(len(columns[0]), dtype=bool)


def _spread(hits: int, people: int) -> float:
    """Return the standard deviation of an indicator that so many people have."""
    return float(np.sqrt(hits / people * (1 - hits / people)))


def _quantile(ordered: Floats, share: float) -> float:
    """Return a quantile of sorted numbers, between neighbours by a straight line, as numpy's."""
    place = (len(ordered) - 1) * share
    before = int(place)
    low, high = float(ordered[before]), float(ordered[min(before + 1, len(ordered) - 1)])
    part = place - before
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def _places(values: nw.Series[Any], levels: Sequence[str]) -> Floats:
    """Return the place of each text in the order of the levels; NaN for others."""
    place: Callable[[str], float] = {level: float(index) for index, level in enumerate(levels)}.get  # type: ignore[assignment]
    return np.array([place(value) for value in values.to_list()], dtype=np.float64)


_NUMBER = re.compile(r"(\d+(?:[.,]\d+)*)\s*([kKmM]?)(?![a-zA-Z])")
_BELOW = re.compile(r"^\s*(<|≤|under|below|less than|up to|unter|bis)", re.IGNORECASE)
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6}


def _bound(level: str) -> tuple[float, int] | None:
    """Return where a range begins, so that ranges can be sorted; None for a text without a number."""
    found = _NUMBER.findall(level)
    if not found:
        return None
    text, scale = found[0]
    scale = scale or (found[1][1] if len(found) > 1 else "")  # of "50-74K" both are thousands
    number = float(text.replace(",", "")) * _SCALES[scale.lower()]
    return number, -1 if _BELOW.match(level) else 0


def _prepare(values: Floats, fill: float, per: float | None) -> Floats:
    """Fill what is missing, and log it in units of ``per`` unless that is None."""
    filled = np.clip(np.where(np.isfinite(values), values, fill), -LARGEST, LARGEST)
    return filled if per is None else np.log1p(np.maximum(filled, 0.0) / per)


def _skewness(values: Floats) -> float:
    spread = values.std()
    if not spread > 0:
        return 0.0
    scores = (values - values.mean()) / spread
    return float((scores * scores * scores).mean())
