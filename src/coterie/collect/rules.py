"""Rules about one row, and how any number of them compile to one bitmask in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from coterie.collect.targets import ORDER_KINDS, Target
from coterie.errors import MappingError
from coterie.schema import Choice, Kind, Purpose
from coterie.store.sql import text
from coterie.store.warehouse import quoted

FUTURE = timedelta(days=1)
"""How far ahead of the import's clock a row may lie: clocks are wrong, and time zones are."""

ERRORS, BITS = 50, 63  # rules that set aside have the bits below ERRORS, warnings those from it: BIGINT holds 63
SET_ASIDE = (1 << ERRORS) - 1
"""The bits of all rules that set a row aside, whatever the contract."""


class Severity(StrEnum):
    """What happens to a row that breaks a rule."""

    QUARANTINE = "quarantine"
    WARN = "warn"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Parameters
    ----------
    name
        Snake case; stored with each bad row.
    wrong
        What is wrong with the row, in words that follow "the row".
    hint
        What to do about it; empty where nothing can be said in general.
    severity
        Whether the row is set aside or only counted.
    conditions
        Pairs of target and SQL over its translated row that is true when the rule is broken; empty SQL for rules that
        are judged before or after there is a translated row. ``${now}``, ``${currency}``, ``${kinds}``,
        ``${purposes}`` and ``${choices}`` stand for the import's clock, the shop's currency and the words there are.
    own
        Whether a source's own contract says it: then a condition that fails on a value counts as not broken.
    trait
        The trait that it is about; its condition then speaks of the column ``trait#<name>``.
    """

    name: str
    wrong: str
    hint: str
    severity: Severity
    conditions: tuple[tuple[str, str], ...]
    own: bool = False
    trait: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the targets that it applies to."""
        return tuple(target for target, _ in self.conditions)

    def condition(self, target: str, traits: Sequence[str] = ()) -> str:
        """Return the SQL for a target's row, empty where there is none; see :func:`mask` for ``traits``."""
        sql = dict(self.conditions).get(target, "")
        if self.trait and sql:
            column = quoted(f"trait#{self.trait}")
            if not traits:  # each row has one trait, which it names
                return f"trait = {text(self.trait).sql('duckdb')} AND ({sql.replace(column, 'value')})"
            if self.trait not in traits:
                sql = sql.replace(column, "CAST(NULL AS VARCHAR)")
        return sql


@cache
def _bits(rules: tuple[Rule, ...]) -> dict[str, int]:
    """Return the bit of each rule: built-in ones have the same in every contract, for they come first."""
    found: dict[str, int] = {}
    free = {Severity.QUARANTINE: iter(range(ERRORS)), Severity.WARN: iter(range(ERRORS, BITS))}
    for rule in rules:
        place = next(free[rule.severity], None)
        if place is None:
            built_in = sum(not one.own and one.severity is rule.severity for one in rules)
            room = (ERRORS if rule.severity is Severity.QUARANTINE else BITS - ERRORS) - built_in
            severity = "error" if rule.severity is Severity.QUARANTINE else "warning"
            raise MappingError(
                f"The contract has more than {room} rules of severity {severity}; more do not fit.",
                hint="join conditions that belong together with OR.",
            )
        found[rule.name] = 1 << place
    return found


def bit(name: str, rules: tuple[Rule, ...]) -> int:
    """Return the bit of a rule."""
    return _bits(rules)[name]


def names(mask: int, rules: tuple[Rule, ...]) -> list[str]:
    """Return the names of the rules that a mask holds, in the order of the contract."""
    bits = _bits(rules)
    return [rule.name for rule in rules if mask & bits[rule.name]]


def mask(target: Target, rules: tuple[Rule, ...], *, now: datetime, currency: str, traits: Sequence[str] = ()) -> str:
    """Return SQL for the bitmask of the rules that a translated row breaks.

    Parameters
    ----------
    target
        What the row becomes.
    rules
        The contract's, built-in ones first.
    now
        The import's clock, naive UTC.
    currency
        The shop's, ISO 4217.
    traits
        The traits that a wide table of them has a column for; empty where each row names its own.
    """
    values = {
        "now": f"TIMESTAMP {text((now + FUTURE).isoformat(sep=' ')).sql('duckdb')}",
        "currency": text(currency).sql("duckdb"),
        "kinds": one_of(ORDER_KINDS if target.name == "order_line" else Kind),
        "purposes": one_of(Purpose),
        "choices": one_of(Choice),
    }
    bits, parts = _bits(rules), []
    for rule in rules:
        if not (sql := rule.condition(target.name, traits)):
            continue
        if rule.own:
            sql = f"TRY({sql})"
        else:
            for name, value in values.items():
                sql = sql.replace(f"${{{name}}}", value)
        parts.append(f"CASE WHEN {sql} THEN CAST({bits[rule.name]} AS BIGINT) ELSE 0 END")
    return " + ".join(parts) or "CAST(0 AS BIGINT)"


def one_of(values: Iterable[str]) -> str:
    """Return a list of texts as SQL.

    >>> one_of(["a", "it's"])
    "('a', 'it''s')"
    """
    return "(" + ", ".join(text(value).sql("duckdb") for value in values) + ")"
