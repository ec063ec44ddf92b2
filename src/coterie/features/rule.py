"""Rules: conditions on a row, as one tree with four readings (JSON, a sentence, a SQL predicate, a Python predicate).

Rules are two-valued. A comparison with a missing value does not hold, whatever the operator; ``Not`` is the exact
complement, so ``Not(Compare("channel", "=", "web"))`` holds where the channel is missing; ``Missing`` asks for it. Text
is compared by its code points. Where one side is a floating-point number, both are compared as such. "Not a number" is
missing in Python, and does not belong into a table: there, ``Missing`` asks for null.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sqlglot import exp

from coterie.errors import ParameterError
from coterie.store.sql import Expression, column, real, text, whole

Scalar = str | int | float | bool

Predicate = Callable[[Mapping[str, Any]], bool]

_OPERATORS: dict[str, tuple[Callable[[Any, Any], bool], type[exp.Binary], str]] = {
    "=": (eq, exp.EQ, "is"),
    "!=": (ne, exp.NEQ, "is known and is not"),
    "<": (lt, exp.LT, "is below"),
    "<=": (le, exp.LTE, "is at most"),
    ">": (gt, exp.GT, "is above"),
    ">=": (ge, exp.GTE, "is at least"),
}


class Rule(ABC):
    """A condition on a row. Combine rules with ``&``, ``|`` and ``~``."""

    @property
    @abstractmethod
    def columns(self) -> frozenset[str]:
        """The columns that the rule reads."""

    @property
    def comparisons(self) -> tuple[tuple[str, Scalar], ...]:
        """Each column beside each value that it is compared with."""
        return ()

    @abstractmethod
    def sentence(self) -> str:
        """Return the rule in words."""

    @abstractmethod
    def sql(self, table: str | None = None) -> Expression:
        """Return the rule as a SQL predicate that is never null, over the columns of ``table``."""

    @abstractmethod
    def predicate(self) -> Predicate:
        """Return a function that tells whether the rule holds for a row; an absent column is a missing value."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Return whether the rule holds for a row; for many rows, ask for the ``predicate`` once."""
        return self.predicate()(row)

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain JSON values; ``from_json`` reads it back."""

    def __and__(self, other: Rule) -> Rule:
        """Return the rule that holds where both do."""
        return And((self, other))

    def __or__(self, other: Rule) -> Rule:
        """Return the rule that holds where at least one does."""
        return Or((self, other))

    def __invert__(self) -> Rule:
        """Return the rule that holds where this one does not."""
        return Not(self)


@dataclass(frozen=True)
class Compare(Rule):
    """``column operator value``; never holds where the column is missing.

    >>> rule = Compare("amount", ">=", 500)
    >>> rule.sentence(), rule.matches({"amount": 500}), rule.matches({"amount": None})
    ('amount is at least 500', True, False)
    """

    column: str
    operator: str
    value: Scalar

    def __post_init__(self) -> None:
        """Refuse operators and values that cannot be compared everywhere."""
        _check_name(self.column)
        if self.operator not in _OPERATORS:
            raise ParameterError.of("Compare", "operator", self.operator, f"one of {', '.join(_OPERATORS)}")
        _check_value(self.value)
        if isinstance(self.value, bool) and self.operator not in ("=", "!="):
            raise ParameterError.of("Compare", "operator", self.operator, "= or != for a truth value")

    @property
    def columns(self) -> frozenset[str]:
        """The one column."""
        return frozenset((self.column,))

    @property
    def comparisons(self) -> tuple[tuple[str, Scalar], ...]:
        """The column beside its value."""
        return ((self.column, self.value),)

    def sentence(self) -> str:
        """Return the comparison in words."""
        return f"{_words(self.column)} {_OPERATORS[self.operator][2]} {_shown(self.value)}"

    def sql(self, table: str | None = None) -> Expression:
        """Return the comparison, false where it would be null."""
        compare = _OPERATORS[self.operator][1](this=column(self.column, table), expression=_literal(self.value))
        return exp.Coalesce(this=compare, expressions=[exp.false()])

    def predicate(self) -> Predicate:
        """Return whether a row's value is there and compares."""
        name, holds, value = self.column, _OPERATORS[self.operator][0], self.value
        if not _is_number(value):
            return lambda row: (got := row.get(name)) is not None and holds(got, value)
        floating = float(value)
        exactly = None if isinstance(value, float) else lambda got: holds(got, value)
        return _of_number(name, exactly, lambda got: holds(got, floating))

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON."""
        return {"rule": "compare", "column": self.column, "operator": self.operator, "value": self.value}


@dataclass(frozen=True)
class In(Rule):
    """The column's value is one of several; never holds where it is missing."""

    column: str
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        """Refuse an empty list and values that cannot be compared everywhere; order does not matter."""
        _check_name(self.column)
        if not self.values:
            raise ParameterError.of("In", "values", self.values, "a list of at least one value")
        for value in self.values:
            _check_value(value)
        kinds = {bool if isinstance(value, bool) else str if isinstance(value, str) else float for value in self.values}
        if len(kinds) > 1:
            raise ParameterError.of(
                "In", "values", self.values, "of one kind: all text, all numbers or all truth values"
            )
        object.__setattr__(self, "values", tuple(sorted(set(self.values), key=lambda value: (str(type(value)), value))))

    @property
    def columns(self) -> frozenset[str]:
        """The one column."""
        return frozenset((self.column,))

    @property
    def comparisons(self) -> tuple[tuple[str, Scalar], ...]:
        """The column beside each of its values."""
        return tuple((self.column, value) for value in self.values)

    def sentence(self) -> str:
        """Return the membership in words."""
        if len(self.values) == 1:
            return f"{_words(self.column)} is {_shown(self.values[0])}"
        return f"{_words(self.column)} is one of {', '.join(_shown(value) for value in self.values)}"

    def sql(self, table: str | None = None) -> Expression:
        """Return the membership, false where it would be null."""
        member = exp.In(this=column(self.column, table), expressions=[_literal(value) for value in self.values])
        return exp.Coalesce(this=member, expressions=[exp.false()])

    def predicate(self) -> Predicate:
        """Return whether a row's value is one of the values."""
        name, values = self.column, frozenset(self.values)
        if not _is_number(self.values[0]):
            return lambda row: row.get(name) in values
        exactly = values.__contains__ if all(isinstance(value, int) for value in values) else None
        return _of_number(name, exactly, frozenset(map(float, values)).__contains__)

    def to_json(self) -> dict[str, Any]:
        """Return the membership as JSON."""
        return {"rule": "in", "column": self.column, "values": list(self.values)}


@dataclass(frozen=True)
class Missing(Rule):
    """The column has no value."""

    column: str

    def __post_init__(self) -> None:
        """Refuse an empty name."""
        _check_name(self.column)

    @property
    def columns(self) -> frozenset[str]:
        """The one column."""
        return frozenset((self.column,))

    def sentence(self) -> str:
        """Return the question in words."""
        return f"{_words(self.column)} is missing"

    def sql(self, table: str | None = None) -> Expression:
        """Return the null test."""
        return exp.Is(this=column(self.column, table), expression=exp.null())

    def predicate(self) -> Predicate:
        """Return whether a row has no value there."""
        name = self.column
        return lambda row: (got := row.get(name)) is None or got != got

    def to_json(self) -> dict[str, Any]:
        """Return the question as JSON."""
        return {"rule": "missing", "column": self.column}


@dataclass(frozen=True)
class _Many(Rule):
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        """Refuse an empty list."""
        if not self.rules:
            raise ParameterError.of(type(self).__name__, "rules", self.rules, "at least one rule")
        object.__setattr__(self, "rules", tuple(self.rules))

    @property
    def columns(self) -> frozenset[str]:
        """The columns of all rules."""
        return frozenset().union(*(rule.columns for rule in self.rules))

    @property
    def comparisons(self) -> tuple[tuple[str, Scalar], ...]:
        """The comparisons of all rules."""
        return tuple(pair for rule in self.rules for pair in rule.comparisons)

    def to_json(self) -> dict[str, Any]:
        """Return the rules as JSON."""
        return {"rule": type(self).__name__.lower(), "rules": [rule.to_json() for rule in self.rules]}


@dataclass(frozen=True)
class And(_Many):
    """All of several rules hold."""

    def sentence(self) -> str:
        """Return the rules in words."""
        return " and ".join(_inner(rule) for rule in self.rules)

    def sql(self, table: str | None = None) -> Expression:
        """Return the conjunction."""
        return exp.paren(exp.and_(*(rule.sql(table) for rule in self.rules)))

    def predicate(self) -> Predicate:
        """Return whether all hold."""
        parts = [rule.predicate() for rule in self.rules]
        return lambda row: all(part(row) for part in parts)


@dataclass(frozen=True)
class Or(_Many):
    """At least one of several rules holds."""

    def sentence(self) -> str:
        """Return the rules in words."""
        return " or ".join(_inner(rule) for rule in self.rules)

    def sql(self, table: str | None = None) -> Expression:
        """Return the disjunction."""
        return exp.paren(exp.or_(*(rule.sql(table) for rule in self.rules)))

    def predicate(self) -> Predicate:
        """Return whether one holds."""
        parts = [rule.predicate() for rule in self.rules]
        return lambda row: any(part(row) for part in parts)


@dataclass(frozen=True)
class Not(Rule):
    """The exact complement of a rule: holds wherever that does not, also where values are missing."""

    rule: Rule

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the rule."""
        return self.rule.columns

    @property
    def comparisons(self) -> tuple[tuple[str, Scalar], ...]:
        """The comparisons of the rule."""
        return self.rule.comparisons

    def sentence(self) -> str:
        """Return the rule in words."""
        return f"not ({self.rule.sentence()})"

    def sql(self, table: str | None = None) -> Expression:
        """Return the negation; right, because no rule's SQL is ever null."""
        return exp.not_(exp.paren(self.rule.sql(table)))

    def predicate(self) -> Predicate:
        """Return whether the rule does not hold."""
        holds = self.rule.predicate()
        return lambda row: not holds(row)

    def to_json(self) -> dict[str, Any]:
        """Return the negation as JSON."""
        return {"rule": "not", "of": self.rule.to_json()}


def from_json(body: Mapping[str, Any]) -> Rule:
    """Return the rule that ``to_json`` wrote.

    >>> from_json({"rule": "not", "of": {"rule": "missing", "column": "brand"}}).sentence()
    'not (brand is missing)'
    """
    kind = body.get("rule") if isinstance(body, Mapping) else None
    try:
        match kind:
            case "compare":
                return Compare(body["column"], body["operator"], body["value"])
            case "in" if isinstance(body["values"], list):
                return In(body["column"], tuple(body["values"]))
            case "missing":
                return Missing(body["column"])
            case "and":
                return And(tuple(from_json(rule) for rule in body["rules"]))
            case "or":
                return Or(tuple(from_json(rule) for rule in body["rules"]))
            case "not":
                return Not(from_json(body["of"]))
    except RecursionError as error:
        raise ParameterError("The rule is nested too deeply to be read.") from error
    except (KeyError, TypeError) as error:
        raise ParameterError(f"The rule of kind {kind!r} cannot be read: {error}.") from error
    raise ParameterError.of("A rule", "kind", kind, "one of compare, in (with a list of values), missing, and, or, not")


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise ParameterError.of("A rule", "column", name, "the name of a column")


def _check_value(value: object) -> None:
    allowed = "text (Unicode without NUL), a truth value, a whole number of 64 bits or a finite number"
    if isinstance(value, str):
        fine = "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    elif isinstance(value, int):
        fine = -(2**63) < value < 2**63
    else:
        fine = isinstance(value, float) and math.isfinite(value)
    if not fine:
        raise ParameterError.of("A rule", "value", value, allowed)


def _literal(value: Scalar) -> Expression:
    if isinstance(value, bool):
        return exp.true() if value else exp.false()
    if isinstance(value, int):
        return whole(value)
    return real(value) if isinstance(value, float) else text(value)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_number(name: str, exactly: Callable[[Any], bool] | None, floating: Callable[[float], bool]) -> Predicate:
    """Return a condition on a number: asked exactly between whole numbers, else as floats."""

    def holds(row: Mapping[str, Any]) -> bool:
        got = row.get(name)
        if got is None or got != got:
            return False
        return floating(float(got)) if exactly is None or isinstance(got, float) else exactly(got)

    return holds


def _inner(rule: Rule) -> str:
    return f"({rule.sentence()})" if isinstance(rule, _Many) and len(rule.rules) > 1 else rule.sentence()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Scalar) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)
