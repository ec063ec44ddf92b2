"""What is in one order: its lines, its pieces, and how much orders of one person differ."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER
from coterie.features.standard.line import line, ratio

_MEAN = line("basket_value", ORDER, "mean", "amount", "Basket value", "Mean amount of an order.")
_SPREAD = line("basket_value_std", ORDER, "std", "amount", "Spread of basket value",
               "Standard deviation of the amounts of orders; needs two orders.")  # fmt: skip

# fmt: off
BASKET: tuple[Declared, ...] = (
    line("basket_lines", ORDER, "mean", "lines", "Lines in a basket", "Mean number of lines of an order."),
    line("basket_lines_90d", ORDER, "mean", "lines", "Lines in a basket, 90 days",
         "Mean number of lines of an order in 90 days.", days=90),
    line("basket_units", ORDER, "mean", "quantity", "Pieces in a basket",
         "Mean quantity of an order, lines added up in the unit in which the source counts."),
    line("largest_basket", ORDER, "max", "amount", "Largest basket", "The highest amount of an order."),
    _SPREAD,
    ratio("basket_value_variation", _SPREAD, _MEAN, "Variation of basket value",
          "Standard deviation of the amounts of orders over their mean: 0 when all are alike.", unit="number"),
)
