"""What a source's contract expects of its data as a whole, and whether it is so."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_WORDS: dict[str, tuple[str, Callable[[float, Any], bool]]] = {
    "mustBe": ("exactly {}", operator.eq),
    "mustNotBe": ("not {}", operator.ne),
    "mustBeGreaterThan": ("more than {}", operator.gt),
    "mustBeGreaterOrEqualTo": ("at least {}", operator.ge),
    "mustBeLessThan": ("less than {}", operator.lt),
    "mustBeLessOrEqualTo": ("at most {}", operator.le),
    "mustBeBetween": ("between {} and {}", lambda got, ends: ends[0] <= got <= ends[1]),
    "mustNotBeBetween": ("not between {} and {}", lambda got, ends: not ends[0] <= got <= ends[1]),
}
OPERATORS = tuple(_WORDS)
"""How a figure may be compared, in the words of the Open Data Contract Standard."""

_SECONDS = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


@dataclass(frozen=True)
class Bound:
    """What a figure must be.

    Parameters
    ----------
    operator
        One of ``OPERATORS``.
    values
        One number, or two for the ends of a range, both included.
    """

    operator: str
    values: tuple[float, ...]

    def holds(self, got: float) -> bool:
        """Tell whether a figure is as it must be.

        >>> Bound("mustBeBetween", (1, 3)).holds(3), Bound("mustBeLessThan", (5,)).holds(5)
        (True, False)
        """
        _, compare = _WORDS[self.operator]
        return compare(got, self.values if len(self.values) == 2 else self.values[0])

    def words(self, unit: str = "") -> str:
        """Say it.

        >>> Bound("mustBeLessThan", (5,)).words("percent"), Bound("mustBeBetween", (1, 3)).words("rows")
        ('less than 5%', 'between 1 and 3 rows')
        """
        words, _ = _WORDS[self.operator]
        *first, last = self.values
        if unit in ("percent", "seconds"):
            return words.format(*(figure(value, unit) for value in self.values))
        return words.format(*(figure(value, "") for value in first), figure(last, unit))


@dataclass(frozen=True)
class Expectation:
    """One thing that must be true of a source's data as a whole.

    Parameters
    ----------
    name
        What it is called in reports.
    target
        What the rows are (``order_line``, …); empty for all that the source sends.
    metric
        What is measured: ``nullValues``, ``missingValues``, ``invalidValues``, ``duplicateValues``, ``rowCount``,
        ``rowsPerDay``, ``weeklyVolume``, ``quarantinedRows``, ``identifiedRows``, ``latency``, ``frequency``, ``sql``.
    bound
        What the figure must be.
    unit
        ``rows``, ``percent``, ``seconds``, or empty for the figure of a query.
    columns
        Of ``duplicateValues``: the columns that must differ; of ``latency``: the column of the time.
    measure
        Of the metrics about values: SQL over a stored row that is true for those that count; of ``sql``: the figure.
    where
        Of ``sql``: which rows it is about, as SQL.
    days
        Of ``rowsPerDay``: how many whole days back; of ``weeklyVolume``: how many weeks are compared with.
    """

    name: str
    target: str
    metric: str
    bound: Bound
    unit: str = "rows"
    columns: tuple[str, ...] = ()
    measure: str = ""
    where: str = ""
    days: int = 1


@dataclass(frozen=True)
class Outcome:
    """How an expectation turned out.

    Parameters
    ----------
    source, name
        Which.
    expected, got
        In words with their unit.
    passed
        False when the data is not as expected.
    value
        The figure; None where there is nothing to measure yet, which passes.
    """

    source: str
    name: str
    expected: str
    got: str
    passed: bool
    value: float | None = None


def outcome(source: str, expectation: Expectation, got: float | None, nothing: str = "nothing to judge yet") -> Outcome:
    """Judge one figure; None is nothing to judge yet, in words ``nothing``."""
    expected = expectation.bound.words(expectation.unit)
    if got is None:
        return Outcome(source, expectation.name, expected, nothing, True)
    passed = expectation.bound.holds(got)
    told = figure(got, expectation.unit)
    near = got != expectation.bound.values[0] and told == figure(expectation.bound.values[0], expectation.unit)
    if not passed and near:
        told = f"{got:,.6g}{'%' if expectation.unit == 'percent' else ''}"  # rounding hides the difference
    return Outcome(source, expectation.name, expected, told, passed, float(got))


def figure(value: float, unit: str) -> str:
    """Write a figure with its unit.

    >>> figure(1200, "rows"), figure(2.5, "percent"), figure(172_800, "seconds"), figure(5_400, "seconds")
    ('1,200 rows', '2.5%', '2 days', '90 minutes')
    """
    if unit == "seconds":
        name, scale = next(
            ((name, scale) for name, scale in _SECONDS if value >= 2 * scale or (value >= scale and not value % scale)),
            ("seconds", 1),
        )
        shown = f"{value / scale:,.1f}".removesuffix(".0")
        return f"{shown} {name.removesuffix('s') if shown == '1' else name}"
    shown = f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:.6g}"
    if unit == "percent":
        return f"{shown}%"
    return f"{shown} {unit.removesuffix('s') if shown == '1' else unit}".rstrip()


def failed(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return those that did not pass."""
    return tuple(one for one in outcomes if not one.passed)
