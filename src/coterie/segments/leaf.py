"""Leaves of decision trees as rules: what they ask of each column, in words, and for which people it holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.charts.numbers import money
from coterie.config import minor_units
from coterie.errors import ParameterError
from coterie.features.rule import And, Compare, In, Missing, Not, Or, Rule
from coterie.segments.people import Floats, need

Bools = npt.NDArray[np.bool_]
Titles = Mapping[str, tuple[str, str]]
_WHOLE = 2**53  # up to here whole numbers and floats are the same
_MINUS = "\u2212"
_NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Span:
    """What a leaf asks of one column: a number in (low, high], or one of some levels; and whether it may be missing."""

    column: str
    low: float = -math.inf
    high: float = math.inf
    levels: frozenset[str | bool] | None = None
    without: frozenset[str | bool] = field(default_factory=frozenset)
    missing: bool = True
    whole: bool = False
    gaps: bool = False

    def rule(self) -> Rule:
        """Return the condition as a rule."""
        if self.levels is not None:
            chosen = sorted(self.levels - self.without)
            return Compare(self.column, "=", chosen[0]) if len(chosen) == 1 else In(self.column, tuple(chosen))
        if self.without:
            out = sorted(self.without)
            return Not(Compare(self.column, "=", out[0]) if len(out) == 1 else In(self.column, tuple(out)))
        if self.low >= self.high:
            return Missing(self.column)
        bounds: list[Rule] = []
        if self.low > -math.inf:
            bounds.append(Compare(self.column, ">", self._number(self.low)))
        if self.high < math.inf:
            bounds.append(Compare(self.column, "<=", self._number(self.high)))
        if not bounds:
            return Not(Missing(self.column))
        if self.missing and not self.gaps:  # nobody lacked it: the complement says where newcomers without it belong
            outside: list[Rule] = []
            if self.low > -math.inf:
                outside.append(Compare(self.column, "<=", self._number(self.low)))
            if self.high < math.inf:
                outside.append(Compare(self.column, ">", self._number(self.high)))
            return Not(outside[0] if len(outside) == 1 else Or(tuple(outside)))
        inside = bounds[0] if len(bounds) == 1 else And(tuple(bounds))
        return Or((inside, Missing(self.column))) if self.missing else inside

    def sentence(self, titles: Titles, currency: str) -> str:
        """Return the condition in words, figures in the units of the shop."""
        title, unit = titles.get(self.column, (self.column.replace("_", " ").capitalize(), "number"))
        without = "none" if unit in ("money", "count") else "unknown"
        if self.levels is not None:
            return f"{title}: {_listed(self.levels - self.without, 'or')}"
        if self.without:
            return f"{title}: not {_listed(self.without, 'nor')}{', or unknown' if self.gaps else ''}"
        if self.low >= self.high:
            return f"{title}: {without}"
        said = []
        if self.low > -math.inf:
            said.append(f"more than {exactly(self.low, unit, currency)}")
        if self.high < math.inf:
            said.append(f"at most {exactly(self.high, unit, currency)}")
        open_to = f", or {without}" if self.missing and self.gaps else ""
        return f"{title}: {' and '.join(said) or f'not {without}'}{open_to}"

    def _number(self, value: float) -> int | float:
        return int(value) if self.whole and value.is_integer() and abs(value) < _WHOLE else value


Leaf = tuple[Span, ...]


def rule_of(leaves: Sequence[Leaf]) -> Rule:
    """Return the rule that holds in any of some leaves."""
    rules = []
    for leaf in leaves:
        parts = [span.rule() for span in leaf]
        rules.append(parts[0] if len(parts) == 1 else And(tuple(parts)))
    return rules[0] if len(rules) == 1 else Or(tuple(rules))


def sentence_of(leaves: Sequence[Leaf], titles: Titles, currency: str) -> str:
    """Return in words what holds in any of some leaves."""
    said = ["; ".join(span.sentence(titles, currency) for span in leaf) for leaf in leaves]
    return f"{'. Or: '.join(said)}."


def exactly(value: float, unit: str, currency: str) -> str:
    """Write a threshold in its unit without rounding it.

    >>> exactly(12000, "money", "USD"), exactly(1250, "money", "USD"), exactly(0.125, "share", "USD")
    ('$120', '$12.50', '12.5%')
    """
    if unit == "money":
        places = minor_units(currency)
        amount = value / 10**places
        shown = f"{abs(amount):,.{0 if amount == int(amount) else places if value == int(value) else places + 4}f}"
        return f"{_MINUS if value < 0 else ''}{money(0, currency).removesuffix('0')}{shown}"
    if unit == "share":
        return f"{value * 100:.12g}%"
    shown = f"{abs(value):,.15g}" if abs(value) < 1e15 else f"{abs(value):.15g}"
    return f"{_MINUS if value < 0 else ''}{shown}{_NO_BREAK + 'days' if unit == 'days' else ''}"


def holds(rule: Rule, data: nw.DataFrame[Any]) -> Bools:
    """Return for which people a rule holds: the rule's predicate, asked of all at once.

    Raises
    ------
    MissingColumnError, ParameterError
        The rule reads a column that is not there, or holds values of another kind.
    """
    need(data, *sorted(rule.columns))
    return _holds(rule, data, {})


def _holds(rule: Rule, data: nw.DataFrame[Any], read: dict[str, Floats]) -> Bools:
    match rule:
        case Not(rule=inner):
            return ~_holds(inner, data, read)
        case And(rules=rules):
            return np.asarray(np.logical_and.reduce([_holds(one, data, read) for one in rules]), dtype=bool)
        case Or(rules=rules):
            return np.asarray(np.logical_or.reduce([_holds(one, data, read) for one in rules]), dtype=bool)
        case Missing(column=name):
            if data.schema[name].is_numeric():
                return np.isnan(_read(data, name, read))
            return np.asarray(data.get_column(name).is_null().to_numpy(), dtype=bool)
        case Compare(column=name, operator=operator, value=value):
            kind = data.schema[name]
            truth, text = isinstance(kind, nw.Boolean), isinstance(kind, nw.String | nw.Categorical | nw.Enum)
            if (isinstance(value, bool), isinstance(value, str)) != (truth, text) or not (
                truth or text or kind.is_numeric()
            ):
                if data.get_column(name).is_null().all():  # a column without any value may not know its type
                    return np.zeros(len(data), dtype=bool)
                allowed = f"fit for {rule.sentence()}"
                raise ParameterError.of("The table of people", f"column {name}", str(kind), allowed)
            if isinstance(value, str | bool):
                same = np.asarray((data.get_column(name) == value).fill_null(False).to_numpy(), dtype=bool)
                return same if operator == "=" else ~same & ~np.asarray(data.get_column(name).is_null().to_numpy())
            numbers = _read(data, name, read)
            compare = {"=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater,
                       ">=": np.greater_equal}[operator]  # fmt: skip
            return np.asarray(compare(numbers, float(value)) & ~np.isnan(numbers), dtype=bool)
        case In(column=name, values=values):
            return _holds(Or(tuple(Compare(name, "=", value) for value in values)), data, read)
    raise ParameterError.of("A rule", "kind", type(rule).__name__, "one of compare, in, missing, and, or, not")


def _read(data: nw.DataFrame[Any], name: str, read: dict[str, Floats]) -> Floats:
    if name not in read:
        read[name] = column_of(data, name)
    return read[name]


def column_of(data: nw.DataFrame[Any], name: str) -> Floats:
    """Return a column of numbers as rules read it: floats, infinite ones included, NaN where it is missing."""
    values = pc.cast(data.get_column(name).to_arrow(), pa.float64(), safe=False)  # the nearest float, as in a rule
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _listed(levels: frozenset[str | bool], last: str) -> str:
    names = sorted("yes" if level is True else "no" if level is False else str(level) for level in levels)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
