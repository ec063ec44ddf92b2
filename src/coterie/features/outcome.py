"""Outcomes: features of the future, the labels that models learn and are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import exp

from coterie.errors import DataError, EmptyShopError, ParameterError
from coterie.features.aggregation import Aggregation
from coterie.features.feature import EVENT, ORDER, ORDER_LINE, Feature, Window
from coterie.features.rule import In, Missing
from coterie.schema import Kind
from coterie.store.sql import alias, column

if TYPE_CHECKING:
    from coterie.store.ports import Engine


@dataclass(frozen=True)
class Outcome(Feature):
    """What happens to a person after a moment: a feature over ``as_of < occurred_at <= as_of + window``.

    Being a label, it uses what became known at any later time; who is who stays as it was known at ``as_of``.

    Parameters
    ----------
    otherwise
        The value of a person without any fact that counts, for outcomes where that is known; None leaves it missing.
    """

    otherwise: int | None = None

    future: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a future without end, beside what no feature may be."""
        super().__post_init__()
        if self.window.days is None:
            raise ParameterError.of(f"Outcome {self.name}", "window", "the whole life", "a number of days")

    @property
    def empty(self) -> int | None:
        """The value of a person without any fact that counts; None is missing."""
        return self.aggregation.empty if self.otherwise is None else self.otherwise

    def _content(self) -> dict[str, Any]:
        return {**super()._content(), "otherwise": self.otherwise}


def future_spend(days: int) -> Outcome:
    """Return what a person pays in the days after: minor units, 0 without an order; refunds are not taken off."""
    return Outcome(
        f"future_spend_{days}d", ORDER, Aggregation("sum"), "amount", Window(days), unit="money", otherwise=0,
        title=f"Spend in the next {days} days", meaning=f"What the person pays for orders in the {days} days after.",
    )  # fmt: skip


def future_orders(days: int) -> Outcome:
    """Return how many orders a person places in the days after."""
    return Outcome(
        f"future_orders_{days}d", ORDER, Aggregation("count"), None, Window(days), unit="count",
        title=f"Orders in the next {days} days", meaning=f"How many orders the person places in the {days} days after.",
    )  # fmt: skip


def churned(days: int) -> Outcome:
    """Return 1 for a person who places no order in the days after, else 0."""
    return Outcome(
        f"churned_{days}d", ORDER, Aggregation("none"), None, Window(days), unit="count",
        title=f"No order in the next {days} days", meaning=f"1 without an order in the {days} days after, else 0.",
    )  # fmt: skip


def future_category(days: int) -> Outcome:
    """Return the category with most order lines in the days after; ties go to the first in the alphabet."""
    return Outcome(
        f"future_category_{days}d", ORDER_LINE, Aggregation("most_frequent"), "category", Window(days), unit="text",
        title=f"Category of the next {days} days",
        meaning=f"The category with most order lines in the {days} days after; missing without an order in them.",
    )  # fmt: skip


def next_category(days: int) -> Outcome:
    """Return the category of the first order line in the days after; of lines at one moment that of the first id."""
    return Outcome(
        f"next_category_{days}d", ORDER_LINE, Aggregation("first"), "category", Window(days), unit="text",
        title=f"Next category, in {days} days",
        meaning=f"The category of the next order line in the {days} days after; missing without an order in them.",
    )  # fmt: skip


def future_responses(days: int) -> Outcome:
    """Return how often a person answers a campaign in the days after: redeems its coupon or follows its links.

    What counts are coupons redeemed, links followed from e-mails and promotions clicked that name their campaign.
    """
    answers = (Kind.COUPON_APPLIED.value, Kind.EMAIL_LINK_CLICKED.value, Kind.PROMOTION_CLICKED.value)
    return Outcome(
        f"future_responses_{days}d", EVENT, Aggregation("count"), None, Window(days),
        In("kind", answers) & ~Missing("campaign_id"), unit="count",
        title=f"Answers to campaigns in the next {days} days",
        meaning=f"How many coupons of campaigns the person redeems, and how many of their links or promotions the "
                f"person follows, in the {days} days after.",
    )  # fmt: skip


def future_events(kind: str, days: int) -> Outcome:
    """Return how many facts of a kind a person brings in the days after; of refunds and cancellations how many lines.

    Raises
    ------
    ParameterError
        There is no such kind.

    Examples
    --------
    >>> future_events("Product Viewed", 30).name
    'future_product_viewed_30d'
    """
    name = kind.lower().replace(" ", "_").replace("-", "_") if isinstance(kind, str) else ""
    return Outcome(
        f"future_{name}_{days}d", kind, Aggregation("count"), None, Window(days), unit="count",
        title=f"{kind} in the next {days} days", meaning=f"How many times: {kind}, in the {days} days after.",
    )  # fmt: skip


def observed_until(engine: Engine) -> datetime:
    """Return the time of the shop's latest order line or event: up to there, no order means that there was none.

    Raises
    ------
    EmptyShopError
        There are no facts.
    """
    latest = [_latest(engine, table) for table in ("order_lines", "events")]
    known = [moment for moment in latest if moment is not None]
    if not known:
        raise EmptyShopError("The shop has neither orders nor events.", hint="ingest a source first: coterie ingest.")
    return max(known)


def _latest(engine: Engine, table: str) -> datetime | None:
    newest = alias(exp.Max(this=column("occurred_at")), "latest")
    answer = engine.query(exp.select(newest).from_(exp.table_(table, quoted=True)))
    moment: datetime | None = answer.column(0)[0].as_py()
    return moment


def check_observed(outcomes: list[Outcome], newest: datetime, until: datetime) -> None:
    """Raise DataError when the data end before an outcome is decided.

    A shop's last fact is seldom the last second of its last day, so the data may end up to a day before the horizon.

    Parameters
    ----------
    outcomes
        The outcomes that are asked for.
    newest
        The latest ``as_of`` of the spine.
    until
        When the shop's data end.
    """
    for outcome in outcomes:
        horizon = newest + timedelta(days=outcome.window.days or 0)
        if until < horizon - timedelta(days=1):
            latest = until - timedelta(days=(outcome.window.days or 0) - 1)
            raise DataError(
                f"{outcome.name} at {newest:%Y-%m-%d} is decided on {horizon:%Y-%m-%d}, but the data end on "
                f"{until:%Y-%m-%d}.",
                hint=f"ask for a moment up to {latest:%Y-%m-%d}, or for fewer days.",
            )
