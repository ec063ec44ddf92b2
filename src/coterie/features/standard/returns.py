"""What came back.

A refund counts at its own time, whichever order it takes back: a window of refunds beside the same window of orders
compares what happened in it, not what became of its orders.
"""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER_LINE
from coterie.features.standard.line import difference, line, ratio, windows
from coterie.features.standard.purchase import SPEND
from coterie.schema import Kind

_REFUND, _CANCEL = Kind.ORDER_REFUNDED.value, Kind.ORDER_CANCELLED.value

# fmt: off
_LINES = windows("lines", ORDER_LINE, "count", None, "Order lines", "Number of order lines bought", (None, 365))
_REFUNDED_LINES = windows("refunded_lines", _REFUND, "count", None, "Refunded lines",
                          "Number of order lines refunded", (None, 365))
_REFUNDED = windows("refunded_amount", _REFUND, "sum", "amount", "Refunds", "What was paid back", (None, 365))
_CANCELLED_LINES = windows("cancelled_lines", _CANCEL, "count", None, "Cancelled lines",
                           "Number of order lines cancelled", (None, 365))
_CANCELLED = windows("cancelled_amount", _CANCEL, "sum", "amount", "Cancellations",
                     "What cancelled order lines had amounted to", (None, 365))

RETURNS: tuple[Declared, ...] = (
    *_REFUNDED_LINES,
    *_REFUNDED,
    ratio("refunded_lines_share", _REFUNDED_LINES[0], _LINES[0], "Refund rate",
          "Refunded lines over lines bought, both ever: 0 for who bought and returned nothing, above 1 when orders "
          "from before the data came back."),
    ratio("refunded_share", _REFUNDED[0], SPEND[0], "Refunded share of spend",
          "What was paid back over what was paid, both ever: 0 for who bought and never had a refund.",
          otherwise=0),
    difference("net_spend", SPEND[0], _REFUNDED[0], "Net spend",
               "What was paid for orders less what was paid back; cancellations are not taken off."),
    difference("net_spend_365d", SPEND[4], _REFUNDED[1], "Net spend, 1 year",
               "What was paid for orders in 365 days less what was paid back in them, also for earlier orders; missing "
               "without an order in 365 days."),
    line("refund_recency_days", _REFUND, "days_since_last", None, "Days since last refund",
         "Days from the latest refund to the moment."),
    *_CANCELLED_LINES,
    *_CANCELLED,
    difference("kept_spend", SPEND[0], _CANCELLED[0], "Spend less cancellations",
               "What was paid for orders less what cancelled lines had amounted to, for sources that record "
               "cancellations in place of refunds."),
)
