"""What people are segmented on: purchase behaviour only, no outcomes, no demographics, no contacts."""

from __future__ import annotations

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

VALUE_WEIGHTS: dict[str, float] = dict.fromkeys(VALUE[11:], 0.5)
"""How wide and how people buy colours segments; rhythm, frequency and money make them (the choice is in the docs)."""
