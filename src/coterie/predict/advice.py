"""What to do about each customer: retain, upsell, win back, leave or wait and see; by rules that all can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.charts import numbers as written
from coterie.errors import IntegrityError, NotFittedError, ParameterError
from coterie.predict.prospects import Prospects
from coterie.predict.tiers import Tiers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ADVICE = ("retain", "upsell", "win back", "leave", "too early to say")


@dataclass(frozen=True)
class Rule:
    """One rule of an adviser; the first that fits a person is the person's.

    Parameters
    ----------
    name
        What it is called in tables, such as ``"late"``.
    advice
        One of ``ADVICE``.
    when
        Its condition in words, with the thresholds in force.
    """

    name: str
    advice: str
    when: str


class Adviser:
    """Put every person on exactly one list, with the reason in words.

    What a person is worth is weighed as what they are worth *if they order at all*, value / active: expected value
    itself is low for whoever may have gone, and would never let anybody be won back. Retained and won back are people
    with a habit, who ordered at least twice: in shops where most order once, those would crowd the lists, and few
    of them ever come.

    Parameters
    ----------
    worth
        What a person must be worth if they order at all, in minor units, to be worth an effort. None learns it in
        ``fit``: the people above it make ``value_share`` of all expected value.
    value_share
        Used where ``worth`` is None, in (0, 1).
    late
        A person is late whose wait since the last order is longer than this share of their usual waits, as their own
        history tells them; and slower, or faster, when chance brings so few, or so many, orders in 90 days in at most
        1 - ``late`` of cases.
    unlikely
        A person whose chance of an order in the horizon is below is in doubt; who is late as well may be gone.
    early
        It is too early to say anything of somebody who ordered once, while less than this share of those who order
        again have done so by now.
    currency
        ISO 4217 code, for the words.
    horizon_days
        The horizon of ``value`` and ``active``, for the words.

    Attributes
    ----------
    worth_
        The threshold in force, in minor units.
    season_
        The shop's orders of the last 90 days over those that an even pace of everybody would have brought: a quiet
        season is nobody's own; 1 where no trend is known.
    """

    def __init__(
        self,
        worth: float | None = None,
        *,
        value_share: float = 0.8,
        late: float = 0.95,
        unlikely: float = 0.5,
        early: float = 0.5,
        currency: str = "USD",
        horizon_days: float = 365,
    ) -> None:
        self.worth = worth
        self.value_share = value_share
        self.late = late
        self.unlikely = unlikely
        self.early = early
        self.currency = currency
        self.horizon_days = horizon_days

    def fit(self, frame: Any) -> Self:
        """Learn what is worth an effort from the people of a shop; columns as ``advise`` takes them.

        Raises
        ------
        ParameterError
            A threshold is outside what is allowed.
        MissingColumnError, DataError, EmptyShopError
            As ``advise``.
        """
        for name in ("value_share", "late", "unlikely", "early"):
            if not 0 < (got := getattr(self, name)) < 1:
                raise ParameterError.of("Adviser", name, got, "between 0 and 1")
        if self.worth is not None and not (np.isfinite(self.worth) and self.worth >= 0):
            raise ParameterError.of("Adviser", "worth", self.worth, "an amount of at least 0, or None")
        people = Prospects.of(frame)
        if self.worth is None:
            order = np.argsort(-people.potential, kind="stable")
            made = np.cumsum(np.maximum(people.value[order], 0))
            enough = min(int(np.searchsorted(made, self.value_share * made[-1])), len(made) - 1)
            self.worth_ = float(people.potential[order[enough]])
        else:
            self.worth_ = float(self.worth)
        expected = float((people.recent_of * people.even).sum())
        self.season_ = float(people.recent.sum()) / expected if expected > 0 else 1.0
        return self

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules in the order in which they are tried; the last fits everybody."""
        self._fitted()
        worth = f"{self._money(self.worth_)} in {self._horizon}, if they order at all"
        below = f"the chance of an order in {self._horizon} is below {written.share(self.unlikely)}"
        late = f"longer without an order than in {written.share(self.late)} of their usual waits"
        chance = f"orders in the last 90 days come by chance in at most {written.share(1 - self.late)} of cases"
        early = f"fewer than {written.share(self.early)} of those who order again have done so by now"
        return (
            Rule("new", "too early to say", f"ordered once, and {early}"),
            Rule("little to win", "leave", f"else, if worth less than {worth}"),
            Rule("only once", "leave", f"else, if ordered once, and {below}"),
            Rule("gone", "win back", f"else, if {late}, and {below}"),
            Rule("late", "retain", f"else, if {late}"),
            Rule("in doubt", "retain", f"else, if {below}"),
            Rule("slower", "retain", f"else, if at the pace of their year and in this season so few {chance}"),
            Rule("faster", "upsell", f"else, if at the pace of their year and in this season so many {chance}"),
            Rule("on pace", "upsell", "all others"),
        )

    def advise(self, frame: Any, *, tiers: Tiers | None = None) -> pa.Table:
        """Return the advice on each person, in the order of rows.

        Parameters
        ----------
        frame
            Any eager dataframe, one row a person, with ``value`` (expected, in minor units) and ``active`` (the
            probability of at least one order) in the horizon, ``lateness`` (see ``next_order.lateness``), ``frequency``
            (repeat orders) and ``days_since`` (days since the last order). With ``orders_90d``, ``orders_365d`` and
            ``T`` (days since the first order) those who slow down are seen as well. ``person`` is taken along.
        tiers
            Value tiers, told in the reasons.

        Returns
        -------
        ``person`` (where given), ``advice`` (one of ``ADVICE``), ``rule`` (the name of the rule) and ``reason``.

        Raises
        ------
        NotFittedError
            ``fit`` was not called.
        MissingColumnError
            A column that is needed is not there.
        DataError
            A value, chance or count is not known or cannot be.
        EmptyShopError
            There is nobody.
        """
        self._fitted()
        people = Prospects.of(frame)
        fits = self._fits(people)
        rules = self.rules()
        rule = np.argmax(fits, axis=0).astype(np.int64)  # the first that fits
        reason = self._reasons(people, rule, tiers)
        columns = {} if people.person is None else {"person": people.person}
        return pa.table(
            {
                **columns,
                "advice": pa.array([one.advice for one in rules]).take(pa.array(rule)),
                "rule": pa.array([one.name for one in rules]).take(pa.array(rule)),
                "reason": reason,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values; ``from_json`` reads it back."""
        self._fitted()
        names = ("worth", "value_share", "late", "unlikely", "early", "currency", "horizon_days", "worth_", "season_")
        return {"kind": "Adviser", "version": 1, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted adviser that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is not what ``to_json`` wrote.
        """
        try:
            if body["kind"] != "Adviser" or body["version"] != 1:
                raise ValueError("another kind")
            given = {name: float(body[name]) for name in ("value_share", "late", "unlikely", "early", "horizon_days")}
            worth = None if body["worth"] is None else float(body["worth"])
            adviser = cls(worth, currency=str(body["currency"]), **given)
            adviser.worth_, adviser.season_ = float(body["worth_"]), float(body["season_"])
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError("This is no stored Adviser.", hint="fit it anew.") from error
        return adviser

    def _fits(self, people: Prospects) -> npt.NDArray[np.bool_]:
        """Return which rules fit whom, of shape (rules, people), in the order of ``rules``."""
        everybody, late = np.ones(len(people.value), dtype=bool), people.lateness >= self.late
        doubtful, (few, many) = people.active < self.unlikely, people.tails(self.season_)
        return np.stack(
            [
                (people.frequency == 0) & (people.lateness < self.early),
                # nobody who is worth nothing is worth an effort, however low the threshold
                (people.potential < self.worth_) | (people.potential <= 0),
                (people.frequency == 0) & doubtful,
                late & doubtful,
                late,
                doubtful,
                few <= 1 - self.late,
                many <= 1 - self.late,
                everybody,
            ]
        )

    def _reasons(self, people: Prospects, rule: Ints, tiers: Tiers | None) -> pa.Array:
        """Return a sentence a person; only the rows of a rule are written by it."""
        since, late = _each(people.days_since, written.days), _each(np.round(people.lateness, 3), _most)
        value, potential = _each(_coarse(people.value), self._money), _each(_coarse(people.potential), self._money)
        chance = _each(np.round(people.active, 3), written.share)
        recent, of = _each(people.orders_90d, written.count), _each(people.orders_365d, written.count)
        worth = ["; worth ", value, f" in {self._horizon}"]
        if tiers is not None:
            worth += [" (", pa.array(tiers.names).take(pa.array(tiers.assign(people.value))), ")"]
        sentences: tuple[list[Any], ...] = (
            ["One order, ", since, " ago: of those who order again, most take longer" if self.early <= 0.5
             else " ago: many of those who order again take longer"],
            ["Worth ", potential, f" in {self._horizon} if they order at all: below the {self._money(self.worth_)}"
             " that is worth an effort"],
            ["One order, ", since, f" ago, and the chance of another in {self._horizon} is ", chance],
            ["Last order ", since, " ago: a longer wait than ", late, " of their usual ones, and the chance of an order"
             f" in {self._horizon} is ", chance, "; worth ", potential, " if they come back"],
            ["Last order ", since, " ago: a longer wait than ", late, " of their usual ones", *worth],
            ["Last order ", since, f" ago: the chance of one in {self._horizon} is ", chance, "; worth ", potential,
             " if they order at all"],
            ["Slower than usual: ", recent, " of the ", of, " orders of a year came in the last 90 days", *worth],
            ["Faster than usual: ", recent, " of the ", of, " orders of a year came in the last 90 days", *worth],
            ["Comes as usual, last ", since, " ago", *worth],
        )  # fmt: skip
        count = len(rule)
        told = np.empty(count, dtype=object)
        for place, sentence in enumerate(sentences):
            rows = np.flatnonzero(rule == place)
            taken = pa.array(rows)
            parts = [one.take(taken) if isinstance(one, pa.Array) else one for one in [*sentence, "."]]
            if len(rows):
                told[rows] = pc.binary_join_element_wise(*parts, "").to_numpy(zero_copy_only=False)
        return pa.array(told, pa.string())

    @property
    def _horizon(self) -> str:
        return "the next year" if self.horizon_days == 365 else f"the next {written.days(self.horizon_days)}"

    def _money(self, minor: float) -> str:
        return written.money(minor, self.currency)

    def _fitted(self) -> None:
        if not hasattr(self, "worth_"):
            raise NotFittedError.of(self)


def _each(values: Floats, words: Any) -> pa.Array:
    """Return the words for each value; each distinct value is put into words once."""
    distinct, place = np.unique(values, return_inverse=True)
    return pa.array([words(float(one)) for one in distinct], pa.string()).take(pa.array(place))


def _coarse(minor: Floats) -> Floats:
    """Return amounts to four digits: words show no more."""
    with np.errstate(divide="ignore"):
        digits = np.where(minor != 0, np.floor(np.log10(np.abs(minor))) - 3, 0)
    step = 10.0 ** np.maximum(digits, 0)
    return np.round(minor / step) * step


def _most(part: float) -> str:
    return "nearly all" if part >= 0.995 else written.share(part)
