"""Between purchases: how long, how regular, and who is late by their own measure."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER
from coterie.features.standard.line import line, ratio

_LAST = line("recency_days", ORDER, "days_since_last", None, "Days since last order",
             "Days from the latest order to the moment.")  # fmt: skip
_MEAN = line("gap_mean_days", ORDER, "gap_mean", None, "Days between orders",
             "Mean days from an order to the next.")  # fmt: skip
_SPREAD = line("gap_std_days", ORDER, "gap_std", None, "Irregularity of orders",
               "Standard deviation of the days from an order to the next.")  # fmt: skip

# fmt: off
PACE: tuple[Declared, ...] = (
    _MEAN,
    _SPREAD,
    ratio("gap_variation", _SPREAD, _MEAN, "Regularity of orders",
          "Standard deviation over mean of the days from an order to the next: 0 is a clock, 1 is chance; "
          "needs three orders.", unit="number"),
    ratio("overdue_ratio", _LAST, _MEAN, "Overdue",
          "Days since the latest order over the mean days between orders: above 1 is later than usual; "
          "needs two orders at different times.", unit="number"),
)
