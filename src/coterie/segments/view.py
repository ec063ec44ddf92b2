"""What people are segmented on: views of a person, each a set of columns, with weights that balance blocks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import numpy as np

from coterie.errors import MissingColumnError
from coterie.features.encodings import is_text, ranges
from coterie.features.matrix import Matrix
from coterie.segments.people import read

VALUE: tuple[str, ...] = (
    # rhythm
    "recency_days",
    "gap_mean_days",
    # how often
    "orders",
    "orders_30d",
    "orders_90d",
    "active_days",
    "active_days_90d",
    # how much
    "spend",
    "spend_30d",
    "spend_90d",
    "basket_value",
    # how wide
    "products",
    "categories",
    "category_entropy",
    "basket_lines",
    # how
    "discount_share",
    "weekend_share",
    "top_category_share",
    "tenure_days",
)
"""The nineteen features of the value and lifecycle segmentation, by name in the catalogue."""

_ONCE = ("orders", "spend_30d", "spend_90d")
VALUE_WEIGHTS: dict[str, float] = {
    **{name: 0.5 for name in VALUE if name not in _ONCE},
    "recency_days": 1.5,
    "spend": 2.5,
}
"""Spend counts most, then recency, then orders and spend of late (1 each); the rest colours segments (½ each).

Chosen on earlier windows of two shops, with what else was tried, by ``bench/value_view.py``; the table is in the docs.
"""

ENGAGEMENT: tuple[str, ...] = (
    # on the site and in the app
    "site_recency_days",
    "site_days_30d",
    "site_days_90d",
    "page_views_30d",
    "page_views_90d",
    "product_views_30d",
    "product_views_90d",
    "viewed_categories_30d",
    "searches_30d",
    "searches_90d",
    "cart_adds_30d",
    "cart_adds_90d",
    "checkouts_90d",
    "wishlist_adds_90d",
    "sign_ins_30d",
    # e-mails
    "email_opens_30d",
    "email_opens_90d",
    "email_clicks_90d",
    "email_open_rate_90d",
    "email_click_rate_90d",
    "email_open_recency_days",
    # campaigns and coupons
    "coupons_90d",
    "coupons_365d",
    "coupon_recency_days",
    "campaign_response",
)
"""What people do beside buying: visits, e-mails, answers to campaigns; by name in the catalogue."""

DEMOGRAPHICS: tuple[str, ...] = (
    "age",
    "age_band",
    "gender",
    "income",
    "education",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
    "country",
    "region",
)
"""Who people are, as far as they have said: traits, by name in the catalogue."""

ORDERED: tuple[str, ...] = ("age", "age_band", "income", "household_size", "kids_count")
"""Traits whose levels have an order, where they are told as text."""


@dataclass(frozen=True)
class View:
    """Columns to segment on, and how much each counts.

    Parameters
    ----------
    title
        Its name for people.
    columns
        The columns, in the order of its blocks.
    weights
        Factor by column, as ``features.matrix.Matrix`` takes it; absent ones are 1. Of a view with several blocks they
        balance columns inside a block; ``on`` balances the blocks.
    words
        What the view looks at, in a sentence.
    blocks
        The columns that count together as one; empty for a view that is one block.
    orders
        Columns of text whose levels have an order, as ``Matrix`` takes them.
    """

    title: str
    columns: tuple[str, ...]
    weights: Mapping[str, float]
    words: str
    blocks: tuple[tuple[str, ...], ...] = ()
    orders: Mapping[str, Sequence[str] | None] = field(default_factory=dict)

    def on(self, frame: Any) -> View:
        """Return the view of these people: columns that they have and differ in, its blocks of equal weight.

        Each block is divided by the root of its total variance (the sum of the variances of its scaled columns), so
        that blocks add alike to the squared distance of two people, however many columns they have; then all weights
        are scaled so that they are 1 on average. In a view of one block the weights stay as they are.

        Parameters
        ----------
        frame
            Any dataframe of people with their features.

        Raises
        ------
        MissingColumnError
            There is none of its columns.
        NoVariationError
            All people look the same in those that there are.

        References
        ----------
        Escofier & Pagès (1994), Multiple factor analysis, which divides by the largest singular value of a block; the
        total variance, as here, also holds back a block of many columns that have little to do with each other.

        Examples
        --------
        >>> import pyarrow as pa
        >>> people = pa.table({"orders": [1, 2, 9], "spend": [5, 9, 70], "recency_days": [9.0, 4.0, 1.0],
        ...                    "gender": ["f", "m", "f"]})
        >>> both = VIEWS["combined"].on(people)
        >>> both.blocks
        (('recency_days', 'orders', 'spend'), ('gender',))
        >>> both.weights["gender"] > both.weights["spend"] > both.weights["orders"]
        True
        """
        data = read(frame)
        columns = tuple(name for name in self.columns if name in data.columns)
        if not columns:
            raise MissingColumnError(
                f"The table of people has no column of the view {self.title!r} ({', '.join(self.columns[:5])}, …).",
                missing=self.columns,
                present=tuple(data.columns),
                hint="take another view, or build these features.",
            )
        orders = {name: self.orders[name] for name in columns if name in self.orders and _has_order(data, name)}
        weights = {name: self.weights[name] for name in columns if name in self.weights}
        matrix = Matrix(columns=columns, weights=weights, orders=orders).fit(data.to_native())
        used = [part.name for part in matrix.parts_]
        blocks = tuple(
            kept for block in (self.blocks or (self.columns,)) if (kept := tuple(one for one in block if one in used))
        )
        balanced = {name: weight for name, weight in weights.items() if name in used}
        if len(blocks) > 1:
            scaled = matrix.transform(data.to_native()).astype(np.float64)
            of_column = dict.fromkeys(used, 0.0)
            position = 0
            for part in matrix.parts_:
                end = position + len(part.outputs)
                of_column[part.name] = float(scaled[:, position:end].var(axis=0).sum())
                position = end
            balanced = {
                name: balanced.get(name, 1.0) / np.sqrt(sum(of_column[one] for one in block))
                for block in blocks
                for name in block
            }
            mean = sum(balanced.values()) / len(balanced)
            balanced = {name: round(float(weight / mean), 6) for name, weight in balanced.items()}
        ordered = {name: order for name, order in orders.items() if name in used}
        chosen = tuple(name for block in blocks for name in block)
        return replace(self, columns=chosen, weights=balanced, blocks=blocks, orders=ordered)


def _has_order(data: nw.DataFrame[Any], name: str) -> bool:
    """Say whether a column is text of numbers or ranges, two at least."""
    column = data.get_column(name)
    return is_text(column.dtype) and len(ranges(column.drop_nulls().cast(nw.String).unique().to_list())) > 1


_ORDERS: dict[str, Sequence[str] | None] = dict.fromkeys(ORDERED)

VIEWS: dict[str, View] = {
    "value": View("Purchases", VALUE, VALUE_WEIGHTS, "How lately, how often, for how much and how widely people buy."),
    "engagement": View("Engagement", ENGAGEMENT, {}, "What people do beside buying: visits, e-mails, campaigns."),
    "demographics": View("Demographics", DEMOGRAPHICS, {}, "Who people say they are.", (), _ORDERS),
    "combined": View(
        "Combined",
        (*VALUE, *ENGAGEMENT, *DEMOGRAPHICS),
        VALUE_WEIGHTS,
        "Purchases, engagement and demographics, each counting as much as the others.",
        (VALUE, ENGAGEMENT, DEMOGRAPHICS),
        _ORDERS,
    ),
}
"""The views that every shop gets, as far as its data go: ``VIEWS["combined"].on(people)``."""
