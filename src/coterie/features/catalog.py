"""The features that every shop gets, one line each. A shop's own features are made the same way, beside these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, SupportsIndex, overload

from sqlglot import exp

from coterie.errors import ParameterError
from coterie.features.aggregation import Aggregation
from coterie.features.feature import LIFETIME, ORDER, ORDER_LINE, TRAIT, Feature, Window, relation
from coterie.features.outcome import churned, future_orders, future_spend
from coterie.features.rule import Compare, In, Rule
from coterie.schema import Kind
from coterie.store.sql import column

if TYPE_CHECKING:
    from coterie.store.warehouse import Warehouse


class Catalog(tuple[Feature, ...]):
    """Features in order, found by position or by name.

    >>> CATALOG["spend_90d"].unit, "spend_90d" in CATALOG, CATALOG[0].name
    ('money', True, 'recency_days')
    >>> [feature.name for feature in CATALOG.select(["orders", "spend"])]
    ['orders', 'spend']
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all features, in order."""
        return tuple(feature.name for feature in self)

    @overload
    def __getitem__(self, key: SupportsIndex | str) -> Feature: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Feature, ...]: ...
    def __getitem__(self, key: SupportsIndex | slice | str) -> Feature | tuple[Feature, ...]:
        """Return a feature by position or name; an unknown name raises ParameterError."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        for feature in self:
            if feature.name == key:
                return feature
        raise ParameterError.of("The catalogue", "the feature", key, f"one of {', '.join(self.names)}")

    def __contains__(self, key: object) -> bool:
        """Return whether there is such a feature, or one of that name."""
        return key in self.names if isinstance(key, str) else super().__contains__(key)

    def select(self, names: Iterable[str]) -> Catalog:
        """Return the features of these names, in that order."""
        return Catalog(self[name] for name in names)


def trait(name: str, title: str = "") -> Feature:
    """Return the feature that is the last known value of a trait.

    >>> trait("kids").name, trait("kids").unit
    ('kids', 'text')
    """
    shown = title or name.replace("_", " ").capitalize()
    return Feature(
        name, TRAIT, Aggregation("last"), "value", where=Compare("trait", "=", name), unit="text",
        title=shown, meaning=f"The last known value of the trait {name}.",
    )  # fmt: skip


def _line(
    name: str, on: str, kind: str | Aggregation, value: str | None, days: int | None, unit: str, title: str,
    meaning: str, where: Rule | None = None,
) -> Feature:  # fmt: skip
    aggregation = Aggregation(kind) if isinstance(kind, str) else kind
    return Feature(name, on, aggregation, value, Window(days) if days else LIFETIME, where, unit, title, meaning)


def _share_of(rule: Rule) -> Aggregation:
    return Aggregation("share", of=rule)


_DISCOUNT = Aggregation("share", over="gross")
_PRIVATE = _share_of(In("brand", ("Own Brand", "Private", "Private Label")))
_WEEKEND = _share_of(In("weekday", (5, 6)))
_MORNING = _share_of(In("hour", (6, 7, 8, 9, 10, 11)))
_EVENING = _share_of(In("hour", (18, 19, 20, 21)))
_NIGHT = _share_of(In("hour", (22, 23, 0, 1, 2, 3, 4, 5)))

# fmt: off
CATALOG = Catalog((
    # how long, how often, how much
    _line("recency_days", ORDER, "days_since_last", None, None, "days",
          "Days since last order", "Days from the latest order to the moment."),
    _line("tenure_days", ORDER, "days_since_first", None, None, "days",
          "Days since first order", "Days from the first order to the moment."),
    _line("orders", ORDER, "count", None, None, "count",
          "Orders", "Number of orders ever."),
    _line("orders_7d", ORDER, "count", None, 7, "count",
          "Orders, 7 days", "Number of orders in 7 days."),
    _line("orders_30d", ORDER, "count", None, 30, "count",
          "Orders, 30 days", "Number of orders in 30 days."),
    _line("orders_90d", ORDER, "count", None, 90, "count",
          "Orders, 90 days", "Number of orders in 90 days."),
    _line("orders_365d", ORDER, "count", None, 365, "count",
          "Orders, 1 year", "Number of orders in 365 days."),
    _line("spend", ORDER, "sum", "amount", None, "money",
          "Spend", "What was paid for all orders, refunds not taken off."),
    _line("spend_7d", ORDER, "sum", "amount", 7, "money",
          "Spend, 7 days", "What was paid for orders of 7 days."),
    _line("spend_30d", ORDER, "sum", "amount", 30, "money",
          "Spend, 30 days", "What was paid for orders of 30 days."),
    _line("spend_90d", ORDER, "sum", "amount", 90, "money",
          "Spend, 90 days", "What was paid for orders of 90 days."),
    _line("spend_365d", ORDER, "sum", "amount", 365, "money",
          "Spend, 1 year", "What was paid for orders of 365 days."),
    _line("basket_value", ORDER, "mean", "amount", None, "money",
          "Basket value", "Mean amount of an order."),
    _line("basket_value_90d", ORDER, "mean", "amount", 90, "money",
          "Basket value, 90 days", "Mean amount of an order of 90 days."),
    _line("basket_lines", ORDER, "mean", "lines", None, "number",
          "Lines in a basket", "Mean number of lines of an order."),
    _line("gap_mean_days", ORDER, "gap_mean", None, None, "days",
          "Days between orders", "Mean days from an order to the next."),
    _line("gap_std_days", ORDER, "gap_std", None, None, "days",
          "Irregularity of orders", "Standard deviation of the days from an order to the next."),
    _line("active_days", ORDER, "distinct", "local_day", None, "count",
          "Shopping days", "Number of different days with an order."),
    _line("active_days_90d", ORDER, "distinct", "local_day", 90, "count",
          "Shopping days, 90 days", "Number of different days with an order in 90 days."),
    # price
    _line("discount_share", ORDER, _DISCOUNT, "discount", None, "share",
          "Discount share", "Discounts as a share of the price before discounts."),
    _line("discount_share_90d", ORDER, _DISCOUNT, "discount", 90, "share",
          "Discount share, 90 days", "Discounts as a share of the price before discounts, in 90 days."),
    _line("private_label_share", ORDER_LINE, _PRIVATE, "amount", None, "share",
          "Private-label share",
          "Share of spend on the shop's own brands (named Private, Private Label or Own Brand)."),
    # what
    _line("products", ORDER_LINE, "distinct", "product_id", None, "count",
          "Products", "Number of different products bought."),
    _line("products_90d", ORDER_LINE, "distinct", "product_id", 90, "count",
          "Products, 90 days", "Number of different products bought in 90 days."),
    _line("categories", ORDER_LINE, "distinct", "category", None, "count",
          "Categories", "Number of different product categories bought."),
    _line("category_entropy", ORDER_LINE, "entropy", "category", None, "number",
          "Variety", "Shannon entropy (nats) of categories over order lines: 0 when all are of one category."),
    _line("top_category", ORDER_LINE, "most_frequent", "category", None, "text",
          "Favourite category", "The category with most order lines; ties go to the first in the alphabet."),
    _line("top_category_share", ORDER_LINE, "top_share", "category", None, "share",
          "Share of favourite category", "Share of order lines in the favourite category."),
    _line("top_department", ORDER_LINE, "most_frequent", "department", None, "text",
          "Favourite department", "The department with most order lines; ties go to the first in the alphabet."),
    _line("refunded_lines_365d", Kind.ORDER_REFUNDED.value, "count", None, 365, "count",
          "Refunded lines, 1 year", "Number of order lines refunded in 365 days."),
    # when and where
    _line("weekend_share", ORDER, _WEEKEND, None, None, "share",
          "Weekend share", "Share of orders on Saturday or Sunday, local time."),
    _line("morning_share", ORDER, _MORNING, None, None, "share",
          "Morning share", "Share of orders from 6 to 12 o'clock, local time."),
    _line("evening_share", ORDER, _EVENING, None, None, "share",
          "Evening share", "Share of orders from 18 to 22 o'clock, local time."),
    _line("night_share", ORDER, _NIGHT, None, None, "share",
          "Night share", "Share of orders from 22 to 6 o'clock, local time."),
    _line("top_channel", ORDER, "most_frequent", "channel", None, "text",
          "Favourite channel", "The channel with most orders; ties go to the first in the alphabet."),
    _line("places", ORDER, "distinct", "place", None, "count",
          "Places", "Number of different stores or sites with an order."),
    # engagement
    _line("product_views_30d", Kind.PRODUCT_VIEWED.value, "count", None, 30, "count",
          "Product views, 30 days", "Number of product pages viewed in 30 days."),
    _line("cart_adds_30d", Kind.PRODUCT_ADDED.value, "count", None, 30, "count",
          "Added to cart, 30 days", "Number of times a product was put in the cart in 30 days."),
    _line("searches_30d", Kind.PRODUCTS_SEARCHED.value, "count", None, 30, "count",
          "Searches, 30 days", "Number of searches in 30 days."),
    _line("email_opens_90d", Kind.EMAIL_OPENED.value, "count", None, 90, "count",
          "E-mails opened, 90 days", "Number of e-mails opened in 90 days."),
    _line("email_clicks_90d", Kind.EMAIL_LINK_CLICKED.value, "count", None, 90, "count",
          "E-mail clicks, 90 days", "Number of links followed from e-mails in 90 days."),
    _line("campaigns_365d", Kind.CAMPAIGN_SENT.value, "distinct", "campaign_id", 365, "count",
          "Campaigns, 1 year", "Number of different campaigns sent to the person in 365 days."),
    _line("coupons_365d", Kind.COUPON_APPLIED.value, "count", None, 365, "count",
          "Coupons, 1 year", "Number of coupons redeemed in 365 days."),
    # who
    trait("age"), trait("gender"), trait("income"), trait("home_ownership"), trait("marital_status"),
    trait("household_size"), trait("household_comp", "Household"), trait("kids_count", "Kids"),
))
# fmt: on
OUTCOMES = (future_spend, churned, future_orders)


def available(warehouse: Warehouse, features: Sequence[Feature]) -> dict[str, str]:
    """Name the features for which the shop has no fact at all, and what would bring them.

    Parameters
    ----------
    warehouse
        The shop's views.
    features
        The definitions asked about.

    Returns
    -------
    dict
        Name of a feature that cannot be computed → what is missing. Features that are not named can be.
    """
    missing: dict[str, str] = {}
    rows: dict[str, set[str]] = {}
    for feature in features:
        facts = relation(feature.on)
        key = "trait" if facts.table == "traits" else "kind"
        if facts.table not in rows:
            table = exp.table_(facts.table, quoted=True)
            answer = warehouse.query(exp.select(column(key)).distinct().from_(table))
            rows[facts.table] = set(answer.column(0).to_pylist())
        if facts.table == "traits":
            names = {str(value) for _, value in (feature.where.comparisons if feature.where else ())}
            if not (names & rows["traits"] if names else rows["traits"]):
                missing[feature.name] = (
                    f"no trait {', '.join(sorted(names)) or 'at all'}: map it as a trait of the source"
                )
        elif facts.kind not in rows[facts.table]:
            missing[feature.name] = f"no {facts.kind} in {facts.table}: map a source that has them"
    return {**missing, **_empty_columns(warehouse, [feature for feature in features if feature.name not in missing])}


def _empty_columns(warehouse: Warehouse, features: Sequence[Feature]) -> dict[str, str]:
    """Name the features that read a column in which the shop has no value at all."""
    sparse = (
        ("order_lines", ("discount", "place", "product_id"), "no order line has {}: map it, if the source has it"),
        (
            "products",
            ("department", "category", "subcategory", "brand"),
            "no product has {}: map it from the product catalogue",
        ),
    )
    missing: dict[str, str] = {}
    for table, names, hint in sparse:
        reading = {
            feature.name: sorted(feature.columns & set(names))
            for feature in features
            if relation(feature.on).table == "order_lines"
        }
        if not any(reading.values()):
            continue
        counts = [exp.alias_(exp.Count(this=column(name)), name, quoted=True) for name in names]
        answer = warehouse.query(exp.select(*counts).from_(exp.table_(table, quoted=True))).to_pylist()[0]
        for name, parts in reading.items():
            if empty := [part for part in parts if not answer[part]]:
                missing.setdefault(name, hint.format(" or ".join(empty)))
    return missing
