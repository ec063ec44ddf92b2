"""Aggregations: what a feature does with the facts that count, and its SQL.

==================  ======================================================  ================  =====================
kind                value over the facts that count                         of no fact        reads
==================  ======================================================  ================  =====================
count               their number                                            0                 nothing
none                1 when there is none, else 0                            1                 nothing
sum, mean           of a number                                             missing           a number
variance, std       sample variance, standard deviation; needs 2 facts      missing           a number
min, max            of a number                                             missing           a number
decayed             sum of a number (or of facts), each halved for every    missing           a number or nothing
                    ``half_life`` days that it is old at ``as_of``
first, last         the value at the earliest, latest time; ties by id      missing           any column
distinct            how many different values                               0                 any column
most_frequent       the commonest value; of equals the smallest             missing           any column
top_share           the share of facts with the commonest value             missing           any column
entropy             Shannon entropy of the values' shares, in nats          missing           any column
share               of the facts (or of a number) for which a rule holds,   missing           a rule and/or numbers
                    or of one number in another
days_since_last     days from the latest fact to ``as_of``                  missing           nothing
days_since_first    days from the earliest fact to ``as_of``                missing           nothing
gap_mean            mean days between a fact and the next; needs 2 facts    missing           nothing
gap_std             sample standard deviation of these; needs 3 facts       missing           nothing
==================  ======================================================  ================  =====================

Facts whose value is missing do not count. Money and counts are whole numbers: a mean of money is rounded to the
nearest minor unit, halves away from zero. Entropy is that of Shannon (1948), "A mathematical theory of communication".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from coterie.errors import ParameterError
from coterie.features import rule as rules
from coterie.features.rule import Rule
from coterie.store.sql import DAY, Expression, both, column, count, ratio, real, rest, row, total, when, whole


@dataclass(frozen=True)
class _Kind:
    value: str  # "none", "number", "any" or "optional" (a number)
    units: tuple[str, ...]


_ANY = ("money", "count", "days", "share", "number", "text")
_NUMBERS = ("money", "count", "share", "number", "days")
_KINDS = {
    "count": _Kind("none", ("count",)),
    "none": _Kind("none", ("count",)),
    "sum": _Kind("number", ("money", "count", "number")),
    "mean": _Kind("number", ("money", "number")),
    "variance": _Kind("number", ("number",)),
    "std": _Kind("number", ("money", "number")),
    "min": _Kind("number", _NUMBERS),
    "max": _Kind("number", _NUMBERS),
    "decayed": _Kind("optional", ("number",)),
    "first": _Kind("any", _ANY),
    "last": _Kind("any", _ANY),
    "distinct": _Kind("any", ("count",)),
    "most_frequent": _Kind("any", _ANY),
    "top_share": _Kind("any", ("share",)),
    "entropy": _Kind("any", ("number",)),
    "share": _Kind("optional", ("share",)),
    "days_since_last": _Kind("none", ("days",)),
    "days_since_first": _Kind("none", ("days",)),
    "gap_mean": _Kind("none", ("days",)),
    "gap_std": _Kind("none", ("days",)),
}
KINDS = tuple(_KINDS)
GROUPED = ("distinct", "most_frequent", "top_share", "entropy")  # counted by value first
PASSING = ("sum", "mean", "variance", "std", "min", "max")  # SQL passes over missing values by itself


@dataclass(frozen=True)
class Aggregation:
    """What is done with the facts that count; the table at the top of this module says what each kind means.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    of
        For ``share``: the rule of the facts in the numerator; all when None.
    over
        For ``share``: the column summed in the denominator, where it differs from the feature's value.
    half_life
        For ``decayed``: after how many days a fact counts half, above 0.

    Examples
    --------
    >>> Aggregation("share", over="gross").to_json()
    {'kind': 'share', 'over': 'gross'}
    """

    kind: str
    of: Rule | None = None
    over: str | None = None
    half_life: float | None = None

    def __post_init__(self) -> None:
        """Refuse unknown kinds and parameters that a kind does not have."""
        if self.kind not in _KINDS:
            raise ParameterError.of("Aggregation", "kind", self.kind, f"one of {', '.join(KINDS)}")
        has_parameters = self.of is not None or self.over is not None
        if self.kind != "share" and has_parameters:
            raise ParameterError.of(f"Aggregation {self.kind}", "of and over", self.of or self.over, "absent")
        if self.kind == "share" and not has_parameters:
            raise ParameterError.of(
                "Aggregation share", "of and over", None, "given, one at least", hint="a share of all in all is 1."
            )
        if self.kind != "decayed":
            if self.half_life is not None:
                raise ParameterError.of(f"Aggregation {self.kind}", "half_life", self.half_life, "absent")
        elif not _is_days(self.half_life):
            raise ParameterError.of(
                "Aggregation decayed", "half_life", self.half_life, "a number of days above 0 and at most 36525"
            )

    @property
    def value(self) -> str:
        """Whether a feature has to name a value: ``none``, ``number``, ``any``, or ``optional`` (a number)."""
        return _KINDS[self.kind].value

    @property
    def units(self) -> tuple[str, ...]:
        """The units that a result can have."""
        return _KINDS[self.kind].units

    @property
    def empty(self) -> int | None:
        """The result over no fact; None is missing."""
        return {"count": 0, "distinct": 0, "none": 1}.get(self.kind)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the parameters read, beside the feature's value."""
        return (self.of.columns if self.of else frozenset()) | (frozenset((self.over,)) if self.over else frozenset())

    def to_json(self) -> dict[str, Any]:
        """Return the aggregation as plain JSON values."""
        body: dict[str, Any] = {"kind": self.kind}
        if self.of is not None:
            body["of"] = self.of.to_json()
        if self.over is not None:
            body["over"] = self.over
        return body if self.half_life is None else {**body, "half_life": self.half_life}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Aggregation:
        """Return the aggregation that ``to_json`` wrote."""
        of = body.get("of")
        return cls(body["kind"], None if of is None else rules.from_json(of), body.get("over"), body.get("half_life"))

    def sql(
        self,
        value: str | None,
        hit: Expression | None,
        gap: Gap | None = None,
        kind: str = "BIGINT",
        as_of: Expression | None = None,
    ) -> Expression:
        """Return the aggregate over facts of one owner, which are rows with ``occurred`` and ``rank``.

        Parameters
        ----------
        value
            The column that is aggregated.
        hit
            The condition under which a fact counts; None when all do.
        gap
            For ``gap_std``: where the time to the fact before is.
        kind
            The SQL type of the value, which sums keep.
        as_of
            The moment in microseconds since 1970; by default the rows' column ``as_of``.
        """
        return _PLAIN[self.kind](_Facts(value, hit, gap, kind, self, column("as_of") if as_of is None else as_of))

    def sql_of_groups(self, value: Expression, number: Expression) -> Expression:
        """Return the aggregate over the different values of one owner.

        Parameters
        ----------
        value
            The value of a group.
        number
            How many facts that count have it.
        """
        return _OF_GROUPS[self.kind](value, number)


def _is_days(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 36_525


@dataclass(frozen=True)
class Gap:
    """Where a row says how long after the fact before it happened, and when that gap counts."""

    length: Expression
    hit: Expression


@dataclass(frozen=True)
class _Facts:
    name: str | None
    hit: Expression | None
    gap: Gap | None
    kind: str
    aggregation: Aggregation
    as_of: Expression

    @property
    def value(self) -> Expression:
        return when(self.hit, column(self.name or ""))

    @property
    def age(self) -> Expression:
        return when(self.hit, exp.Sub(this=self.as_of, expression=column("occurred")))

    @property
    def occurred(self) -> Expression:
        return when(self.hit, column("occurred"))

    @property
    def number(self) -> Expression:
        return exp.Count(this=self.value) if self.name else count(self.hit)


def _days(microseconds: Expression) -> Expression:
    return exp.Div(this=real(microseconds), expression=real(float(DAY)), typed=False, safe=False)


def _none(facts: _Facts) -> Expression:
    return when(exp.EQ(this=facts.number, expression=whole(0)), whole(1), whole(0))


def _share(facts: _Facts) -> Expression:
    share = facts.aggregation
    part = column(facts.name) if facts.name else whole(1)
    all_of = column(share.over) if share.over else part.copy()
    counted = when(share.of.sql(), part, whole(0)) if share.of else part
    return ratio(total(when(facts.hit, counted), facts.kind), total(when(facts.hit, all_of), facts.kind))


def _gap_mean(facts: _Facts) -> Expression:
    span = exp.paren(exp.Sub(this=exp.Max(this=facts.occurred), expression=exp.Min(this=facts.occurred)))
    gaps = exp.paren(exp.Sub(this=facts.number, expression=whole(1)))
    return _days(ratio(span, gaps))


def _decayed(facts: _Facts) -> Expression:
    half_life = real(float(DAY) * (facts.aggregation.half_life or 1))
    halvings = exp.Div(
        this=real(exp.paren(exp.Sub(this=column("occurred"), expression=facts.as_of))), expression=half_life
    )
    kept: Expression = exp.Pow(this=real(2.0), expression=halvings)
    if facts.name:
        kept = exp.Mul(this=real(column(facts.name)), expression=kept)
    return total(when(facts.hit, kept), "DOUBLE")


def _gap_std(facts: _Facts) -> Expression:
    if facts.gap is None:
        raise ParameterError.of("Aggregation gap_std", "gap", None, "given")
    hit = both(facts.hit, facts.gap.hit)
    return exp.StddevSamp(this=when(hit, _days(facts.gap.length)))


_PLAIN: dict[str, Callable[[_Facts], Expression]] = {
    "count": lambda facts: facts.number,
    "none": _none,
    "sum": lambda facts: total(facts.value, facts.kind),
    "mean": lambda facts: ratio(total(facts.value, facts.kind), facts.number),
    "variance": lambda facts: exp.Variance(this=real(facts.value)),
    "std": lambda facts: exp.StddevSamp(this=real(facts.value)),
    "min": lambda facts: exp.Min(this=facts.value),
    "max": lambda facts: exp.Max(this=facts.value),
    # "rank" numbers a person's facts by time, then id, so that there are no ties
    "first": lambda facts: exp.ArgMin(this=column(facts.name or ""), expression=when(facts.hit, column("rank"))),
    "last": lambda facts: exp.ArgMax(this=column(facts.name or ""), expression=when(facts.hit, column("rank"))),
    "share": _share,
    "decayed": _decayed,
    "days_since_last": lambda facts: _days(exp.Min(this=facts.age)),
    "days_since_first": lambda facts: _days(exp.Max(this=facts.age)),
    "gap_mean": _gap_mean,
    "gap_std": _gap_std,
}


def _positive(number: Expression) -> Expression:
    return exp.GT(this=number, expression=whole(0))


def _entropy(number: Expression) -> Expression:
    everything = real(total(number))
    weighted = exp.Mul(this=real(number), expression=exp.Ln(this=real(number)))
    inner = total(when(_positive(number), weighted), "DOUBLE")
    entropy = exp.Sub(this=exp.Ln(this=everything), expression=ratio(inner, everything.copy()))
    # one category has entropy 0, which rounding can miss by 1e-16; the outer CASE keeps "no fact" missing
    return when(_positive(total(number)), exp.Greatest(this=real(0.0), expressions=[entropy], ignore_nulls=True))


def _most_frequent(value: Expression, number: Expression) -> Expression:
    commonest_first = row(exp.Neg(this=number), value)
    return exp.ArgMin(this=value, expression=when(_positive(number), commonest_first))


def commonest(code: Expression, number: Expression) -> Expression:
    """Return the most frequent value of one owner, where values are numbers from 1 to 2^32 - 1 in their order.

    Number and value go into one whole number, of which engines find the least much faster than that of a row.
    """
    together = exp.Sub(this=code, expression=exp.Mul(this=number, expression=whole(2**32)))
    return rest(exp.Min(this=when(_positive(number), together)), 2**32)


_OF_GROUPS: dict[str, Callable[[Expression, Expression], Expression]] = {
    "distinct": lambda value, number: count(_positive(number)),
    "most_frequent": _most_frequent,
    "top_share": lambda value, number: ratio(exp.Max(this=number), total(number)),
    "entropy": lambda value, number: _entropy(number),
}
