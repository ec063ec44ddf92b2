"""How long, how often, how much: orders and what was paid for them. Refunds are not taken off (see ``returns``)."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER
from coterie.features.standard.line import WINDOWS, decayed, line, ratio, windows

# fmt: off
ORDERS = windows("orders", ORDER, "count", None, "Orders", "Number of orders", (None, *WINDOWS))
SPEND = windows("spend", ORDER, "sum", "amount", "Spend", "What was paid for orders (refunds are not taken off)",
                (None, *WINDOWS))
PURCHASE: tuple[Declared, ...] = (
    line("recency_days", ORDER, "days_since_last", None,
         "Days since last order", "Days from the latest order to the moment."),
    line("tenure_days", ORDER, "days_since_first", None,
         "Days since first order", "Days from the first order to the moment."),
    *ORDERS,
    *SPEND,
    *windows("basket_value", ORDER, "mean", "amount", "Basket value", "Mean amount of an order", (None, *WINDOWS)),
    *windows("active_days", ORDER, "distinct", "local_day", "Shopping days",
             "Number of different days with an order", (None, *WINDOWS)),
    line("first_order_value", ORDER, "first", "amount", "First order", "What was paid for the first order."),
    line("last_order_value", ORDER, "last", "amount", "Last order", "What was paid for the latest order."),
    line("decayed_spend", ORDER, decayed(90), "amount", "Decayed spend",
         "What was paid for orders, in minor units; an order counts half for every 90 days that it is old."),
    line("decayed_orders", ORDER, decayed(90), None, "Decayed orders",
         "Number of orders; each counts half for every 90 days that it is old."),
    ratio("recent_orders_share", ORDERS[3], ORDERS[4], "Recent orders",
          "Orders of 90 days as a share of those of 365: .25 is an even pace, more is speeding up."),
)
