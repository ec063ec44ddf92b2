"""Rules as they are written in TOML, read into the one tree of rules.

==========================================  ============================================================
written                                     holds where
==========================================  ============================================================
``channel = "web"``                         the channel is web
``channel = ["web", "app"]``                it is one of these
``amount = ">= 500"``                       the number compares: ``=  !=  <  <=  >  >=``
``place = { missing = true }``              there is no place; ``false``: there is one
``channel = { not = "web" }``               the channel is not web, or missing
``not = { … }``                             the conditions inside do not all hold
``any = [{ … }, { … }]``                    those of at least one table hold
``all = [{ … }, { … }]``                    those of every table hold
==========================================  ============================================================

Several conditions in one table hold together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import reduce
from typing import Any

from coterie.errors import ParameterError
from coterie.features.feature import ORDER_LINE, relation
from coterie.features.rule import And, Compare, In, Missing, Not, Or, Rule

_NUMBER = re.compile(r"(=|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)")
_OPERATORS = "= != < <= > >="


def read(written: Any, columns: Mapping[str, type]) -> Rule:
    """Return the rule that a TOML table of conditions says.

    Parameters
    ----------
    written
        The table.
    columns
        The columns that the facts have, with their types.

    Raises
    ------
    ParameterError
        There is no such column, or a condition is none of those above; the text says where.

    Examples
    --------
    >>> read({"channel": ["web", "app"], "amount": ">= 500"}, {"channel": str, "amount": int}).sentence()
    'channel is one of “app”, “web” and amount is at least 500'
    """
    if not isinstance(written, Mapping) or not written:
        raise ParameterError(
            f"Conditions must be a table with at least one condition, got {written!r}.",
            hint='for example where = { channel = "web" }.',
        )
    rules = [_condition(name, value, columns) for name, value in written.items()]
    return rules[0] if len(rules) == 1 else reduce(_both, rules)


def _both(left: Rule, right: Rule) -> Rule:
    return And((*(left.rules if isinstance(left, And) else (left,)), right))


def _condition(name: str, value: Any, columns: Mapping[str, type]) -> Rule:
    if name == "not":
        return Not(read(value, columns))
    if name in ("any", "all"):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise ParameterError(f"{name} must be a list of tables of conditions, got {value!r}.")
        rules = tuple(read(each, columns) for each in value)
        return Or(rules) if name == "any" else And(rules)
    if name not in columns:
        raise ParameterError(
            f"There is no column {name!r}; allowed are {', '.join(columns)}, and not, any, all.",
            hint=instead(name, columns),
        )
    return _of_column(name, value, columns[name])


def instead(name: str, columns: Iterable[str]) -> str | None:
    """Return what may have been meant by a column that facts do not have."""
    if name in relation(ORDER_LINE).columns:
        return f"lines have it: on = {ORDER_LINE!r}.".replace("'", '"')
    near = get_close_matches(name, list(columns), 1)
    return f"did you mean {near[0]}?" if near else None


def _of_column(name: str, value: Any, kind: type) -> Rule:
    if isinstance(value, Mapping):
        match value:
            case {"missing": bool(wanted), **rest} if not rest:
                return Missing(name) if wanted else Not(Missing(name))
            case {"not": inner, **rest} if not rest:
                return Not(_of_column(name, inner, kind))
        raise ParameterError(
            f"{name} must be a value, a list, {{ missing = true }} or {{ not = … }}, got {dict(value)!r}."
        )
    if isinstance(value, list):
        return In(name, tuple(_scalar(name, each, kind) for each in value))
    if kind is not str and isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        if found is None:
            raise ParameterError(
                f"{name} is a number and cannot be {value!r}.",
                hint=f'write a number, or an operator ({_OPERATORS}) and a number: {name} = ">= 500".',
            )
        number = float(found[2]) if "." in found[2] else int(found[2])
        return Compare(name, found[1], _scalar(name, number, kind))
    return Compare(name, "=", _scalar(name, value, kind))


def _scalar(name: str, value: Any, kind: type) -> str | int | float:
    if kind is str:
        if isinstance(value, str):
            return value
        raise ParameterError(f"{name} is a text and cannot be {value!r}.", hint=f'write {name} = "{value}".')
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"{name} is a number and cannot be {value!r}.")
    if kind is int and isinstance(value, float):
        raise ParameterError(
            f"{name} is a whole number and cannot be {value!r}.",
            hint="amounts are whole minor units (cents): 5.00 is 500." if name in _MONEY else None,
        )
    return value


_MONEY = ("amount", "discount", "gross")
