"""Targets: what a learner is asked about a person, as an outcome of the shop, with the naive rule to beat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from coterie.errors import MissingColumnError, ParameterError
from coterie.features import encodings
from coterie.features.frames import opened
from coterie.features.outcome import (
    Outcome,
    churned,
    future_category,
    future_events,
    future_orders,
    future_responses,
    future_spend,
    next_category,
)
from coterie.schema import Kind

TargetKind = Literal["binary", "count", "amount", "class"]
KINDS: tuple[TargetKind, ...] = ("binary", "count", "amount", "class")
NAMES = ("churn", "purchase", "orders", "spend", "category", "next_category", "response")
"""Targets that every shop can be asked about, beside ``event:KIND`` for any kind of event."""
_EVENT = "event:"
_PERIODS = (7, 30, 90, 365)  # windows in which the catalogue counts orders and spend


@dataclass(frozen=True)
class NaiveRule:
    """What one would say without any model.

    Parameters
    ----------
    words
        The rule, as one sentence.
    feature
        The feature of the catalogue that it reads; None reads none and says the same of everybody.
    factor
        By what the feature is multiplied; below 0 where a larger value means less.
    level
        Whether that is meant as an amount; else it only ranks.
    """

    words: str
    feature: str | None = None
    factor: float = 1.0
    level: bool = False

    def scores(self, frame: Any) -> npt.NDArray[Any] | None:
        """Return what the rule says of each person; None where the table lacks its feature.

        Numbers of shape (people,), where unknown as if the feature were 0 (or, of days, the longest seen); of a feature
        of text the texts.
        """
        data = opened(frame)
        if self.feature is None or self.feature not in data.columns:
            return None
        column = encodings.series(data, self.feature)
        if encodings.is_text(column.dtype):
            return np.array(column.to_list(), dtype=object)
        values = encodings.numbers(data, self.feature)
        known = np.isfinite(values)
        longest = float(values[known].max()) if known.any() else 0.0
        return np.where(known, values, longest if self.feature.endswith("_days") else 0.0) * self.factor


@dataclass(frozen=True)
class Target:
    """What is asked of each person, in the days after a moment.

    Parameters
    ----------
    name
        Stable name, such as ``"churn"`` or ``"event:Product Viewed"``.
    days
        The horizon.
    kind
        ``binary`` (happens or not), ``count``, ``amount`` (minor units) or ``class`` (which of several).
    outcome
        The outcome that answers it, for ``Workspace.build(outcomes=[...])``.
    title
        What is predicted, for people, as it stands inside a sentence: ``"the chance of no order in the next 90 days"``.
    naive
        The rule to beat.

    Examples
    --------
    >>> churn = target("churn", 90)
    >>> churn.outcome.name, churn.kind, churn.naive.words
    ('churned_90d', 'binary', 'Who has not ordered for longest is the likeliest to stay away.')
    """

    name: str
    days: int
    kind: TargetKind
    outcome: Outcome
    title: str
    naive: NaiveRule

    @property
    def unit(self) -> str:
        """The unit of predictions: share (a probability), count, money (minor units) or text."""
        return {"binary": "share", "count": "count", "amount": "money", "class": "text"}[self.kind]

    def labels(self, table: Any) -> npt.NDArray[Any]:
        """Return what happened to each person, as :meth:`Learner.fit` takes it: shape (people,).

        Parameters
        ----------
        table
            A dataframe with the outcome's column, such as ``build(outcomes=[target.outcome]).table``.

        Returns
        -------
        numpy.ndarray
            0 or 1, counts or minor units as float64; of classes texts, None where there is none.

        Raises
        ------
        MissingColumnError
            The outcome is not there.
        """
        data = opened(table)
        if self.outcome.name not in data.columns:
            raise MissingColumnError.of("The table of outcomes", [self.outcome.name], data.columns)
        if self.kind == "class":
            return np.array(data.get_column(self.outcome.name).to_list(), dtype=object)
        values = np.nan_to_num(encodings.numbers(data, self.outcome.name), nan=0.0)
        return (values > 0).astype(np.float64) if self.kind == "binary" else values


def target(name: str, days: int = 90) -> Target:
    """Return a target by its name.

    Parameters
    ----------
    name
        ``churn`` (no order), ``purchase`` (an order), ``orders`` (how many), ``spend`` (how much), ``category`` (which
        is bought most), ``next_category`` (which is bought first), ``response`` (a campaign is answered), or
        ``event:KIND`` (that event happens), such as ``event:Product Viewed``.
    days
        The horizon, a whole number of days.

    Raises
    ------
    ParameterError
        There is no such target or kind of event, or the horizon is not allowed.
    """
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 36_525:
        raise ParameterError.of(f"Target {name}", "days", days, "a whole number from 1 to 36525")
    after = f"in the next {days} days" if days > 1 else "in the next day"
    period = min(_PERIODS, key=lambda one: (abs(one - days), one))
    last = f"the last {period} days" + ("" if period == days else f", at the pace of {days}")
    match name:
        case "churn":
            rule = NaiveRule("Who has not ordered for longest is the likeliest to stay away.", "recency_days")
            return Target(name, days, "binary", churned(days), f"the chance of no order {after}", rule)
        case "purchase":
            rule = NaiveRule("Who ordered last is the likeliest to order again.", "recency_days", -1.0)
            return Target(name, days, "binary", future_orders(days), f"the chance of an order {after}", rule)
        case "orders":
            rule = NaiveRule(f"As many orders as in {last}.", f"orders_{period}d", days / period, level=True)
            return Target(name, days, "count", future_orders(days), f"the expected orders {after}", rule)
        case "spend":
            rule = NaiveRule(f"As much as in {last}.", f"spend_{period}d", days / period, level=True)
            return Target(name, days, "amount", future_spend(days), f"the expected spend {after}", rule)
        case "category":
            rule = NaiveRule("The category that the person has bought most.", "top_category")
            title = f"the chance that this category is bought most {after}"
            return Target(name, days, "class", future_category(days), title, rule)
        case "next_category":
            rule = NaiveRule("The category that the person has bought most.", "top_category")
            title = f"the chance that this category is bought next, {after}"
            return Target(name, days, "class", next_category(days), title, rule)
        case "response":
            rule = NaiveRule("Who has redeemed coupons of more campaigns answers the next.", "campaigns_redeemed")
            return Target(name, days, "binary", future_responses(days), f"the chance of an answer {after}", rule)
    if isinstance(name, str) and name.startswith(_EVENT):
        kinds = [kind.value for kind in Kind]
        kind = next((one for one in kinds if one.lower() == name.removeprefix(_EVENT).strip().lower()), None)
        if kind is None:
            raise ParameterError.of("A target", "the event", name, f"event: and one of {', '.join(kinds)}")
        rule = NaiveRule("Everybody as likely as all together.")
        title = f"the chance of {kind} {after}"
        return Target(f"{_EVENT}{kind}", days, "binary", future_events(kind, days), title, rule)
    names = ", ".join(NAMES)
    if isinstance(name, str) and (known := re.fullmatch(r"(.+?)_(\d+)d?", name)) and known[1] in NAMES:
        hint = f"name {known[1]}, and the days beside it: {known[2]}."
        raise ParameterError.of("A target", "the name", name, f"one of {names} or event:KIND", hint=hint)
    raise ParameterError.of("A target", "the name", name, f"one of {names} or event:KIND")
