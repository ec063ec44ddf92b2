"""Cases of a shop: what was known at moments of its past, and what happened in the horizon after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.config import minor_units
from coterie.errors import DataError
from coterie.features import batch
from coterie.features.aggregation import Aggregation
from coterie.features.combination import Declared
from coterie.features.feature import ORDER, Window
from coterie.features.outcome import Outcome, future_spend, observed_until
from coterie.predict.contest.contender import Case
from coterie.predict.contest.ensemble import label_days
from coterie.progress import SILENT, Progress
from coterie.workspace.histories import COLUMNS, histories

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts
    from coterie.workspace.results import FeatureTable
    from coterie.workspace.shop import Workspace

Floats = npt.NDArray[np.float64]
FEATURES = (
    *("recency_days", "tenure_days", "orders", "orders_30d", "orders_90d", "orders_365d", "recent_orders_share"),
    *("active_days_90d", "active_days_365d", "decayed_orders", "gap_mean_days", "gap_std_days", "overdue_ratio"),
    *("spend", "spend_30d", "spend_90d", "spend_365d", "basket_value", "basket_value_90d", "decayed_spend"),
    *("first_order_value", "last_order_value", "largest_basket", "basket_lines", "basket_units"),
    *("basket_value_variation", "discount_share", "discounted_lines_share", "products", "repeat_share"),
    *("categories", "category_entropy", "last_category", "top_category", "top_category_share"),
    *("private_label_share", "refunded_share", "cancelled_lines_365d"),
    *("weekend_share", "evening_share", "top_channel", "channels", "web_share"),
    *("page_views_30d", "product_views_30d", "cart_adds_30d", "site_days_90d", "site_recency_days"),
    *("emails_90d", "email_opens_90d", "email_clicks_90d", "email_open_recency_days"),
    *("campaigns_365d", "coupons_365d", "campaigns_redeemed"),
    *("age", "age_band", "gender", "income", "household_size", "kids_count", "country"),
)
"""What learners read of a person, by name in the catalogue; of a shop, those that can be built of its data."""

PEOPLE = 100_000  # at moments of the past: enough to choose and to learn by, however many a shop has
ORIGINS = 3  # moments of the past that forecasts are tried from


@dataclass(frozen=True)
class Cases:
    """What a shop knew at moments, in the form that contenders read.

    Parameters
    ----------
    shop
        The shop.
    seen
        What may be seen of it.
    horizon_days
        How far is looked ahead from each moment.
    """

    shop: Workspace
    seen: Facts
    horizon_days: int

    @cached_property
    def features(self) -> tuple[Declared, ...]:
        """Those of ``FEATURES`` that the shop has data for."""
        return self.shop.declared(self.seen, FEATURES)

    def today(self, as_of: str | date | datetime | None, progress: Progress = SILENT) -> FeatureTable:
        """Return features and history of everybody at a moment."""
        built = self.shop.tabulate(self.seen, as_of, FEATURES, progress, whole=False)
        ended = self.seen.newest()
        if built.as_of > ended + timedelta(days=max(self.horizon_days, 1)):
            raise DataError(
                f"Nothing can be predicted at {built.as_of:%Y-%m-%d %H:%M} UTC: the data end on {ended:%Y-%m-%d}, and "
                "days without data would be taken for days on which nobody bought.",
                hint="leave out as_of, or ingest what happened since.",
            )
        past = histories(self.seen, [built.as_of], timezone=self.shop.config.timezone)
        return _with(built, _joined(built.table, past))

    def silence(self, moment: datetime) -> tuple[str, ...]:
        """Return a warning where the data end days before a moment; else nothing."""
        ended = self.seen.newest()
        days = (moment - ended).days
        if days < 1:
            return ()
        told = "a day" if days == 1 else f"{days} days"
        return (f"The data end on {ended:%Y-%m-%d}: {told} without any are taken for days on which nobody bought.",)

    def case(self, now: pa.Table) -> Case:
        """Return the case of people at a moment, with what was seen after an earlier one."""
        moment, age = _moment(now), float(pc.max(now["T"]).as_py())
        digits = minor_units(self.shop.config.currency)
        days = int(label_days(age, self.horizon_days))
        if days < 1:
            return Case(now=now, horizon_days=self.horizon_days, minor_units=digits)
        earlier = Cases(self.shop, self.seen, days)
        then = earlier.at([self._decided(moment) - timedelta(days=days)])
        return Case(
            now=now, horizon_days=self.horizon_days, then=then, outcome=earlier.outcome(then), then_days=days,
            minor_units=digits,
        )  # fmt: skip

    def origins(self, now: pa.Table) -> list[datetime]:
        """Return moments before that of a table, the latest first, one horizon apart.

        What happened in the horizon of each is known by the moment of the table; before the earliest, the shop had
        been selling for a horizon, or, where there is only one, for half of it.
        """
        last, age = self._decided(_moment(now)), self.age(now)
        count = max(int(age // self.horizon_days) - 1, int(age >= self.horizon_days * 1.5))
        return [last - timedelta(days=self.horizon_days * step) for step in range(1, count + 1)]

    def age(self, now: pa.Table) -> int:
        """Return for how many days of a table's past the shop had been selling, as far as its data tell."""
        moment = _moment(now)
        return int(pc.max(now["T"]).as_py()) - (moment - self._decided(moment)).days

    def _decided(self, moment: datetime) -> datetime:
        """Return the latest time of that time of day, at most the moment, up to which the shop's data tell what was."""
        beyond = moment - observed_until(self.seen.warehouse) - timedelta(days=1)
        return moment - timedelta(days=max(0, -(-beyond // timedelta(days=1))))

    def at(self, moments: Sequence[datetime]) -> pa.Table:
        """Return features and histories at moments of the past, of a sample of people where there are very many."""
        spine = self.seen.spine(list(moments))
        people = spine["person"].unique().sort()
        if len(people) > PEOPLE:
            chosen = np.random.default_rng(0).choice(len(people), PEOPLE, replace=False)
            people = people.take(pa.array(np.sort(chosen)))
            spine = spine.filter(pc.is_in(spine["person"], people))
        config = self.shop.config
        table = batch.table(
            self.seen.warehouse, self.features, spine, timezone=config.timezone, currency=config.currency
        )
        past = histories(self.seen, list(moments), timezone=config.timezone, people=people)
        return _joined(table, past)

    def outcome(self, table: pa.Table) -> dict[str, Floats]:
        """Return what each person of a table did in the horizon after: days with an ``order``, and ``spend``."""
        asked = (future_purchases(self.horizon_days), future_spend(self.horizon_days))
        config = self.shop.config
        found = batch.table(
            self.seen.warehouse, asked, table.select(["person", "as_of"]),
            timezone=config.timezone, currency=config.currency,
        )  # fmt: skip
        orders, spend = (found[one.name].to_numpy().astype(np.float64) for one in asked)
        return {"orders": orders, "spend": spend}


def future_purchases(days: int) -> Outcome:
    """Return on how many days of the shop's clock a person orders in the days after: what models of purchases count."""
    return Outcome(
        f"future_purchases_{days}d", ORDER, Aggregation("distinct"), "local_day", Window(days), unit="count",
        title=f"Purchases in the next {days} days",
        meaning=f"On how many days the person orders in the {days} days after.",
    )  # fmt: skip


def _moment(table: pa.Table) -> datetime:
    moment: datetime = table["as_of"][0].as_py()
    return moment


def _joined(table: pa.Table, past: pa.Table) -> pa.Table:
    """Return a table of people with their histories beside it: both are in order of person and moment."""
    if not (table["person"].equals(past["person"]) and table["as_of"].equals(past["as_of"])):
        kept = table.select(["person", "as_of"]).append_column("row", pa.array(np.arange(table.num_rows)))
        past = past.join(kept, ["person", "as_of"], join_type="inner").sort_by("row")
        table = table.take(past["row"])
    for name in COLUMNS:
        table = table.append_column(name, past[name])
    return table.combine_chunks()


def _with(built: FeatureTable, table: pa.Table) -> FeatureTable:
    from dataclasses import replace

    return replace(built, table=table)
