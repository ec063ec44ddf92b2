"""How dear: discounts, price bands, the price of one piece."""

from __future__ import annotations

from coterie.features.aggregation import Aggregation
from coterie.features.combination import Declared
from coterie.features.feature import ORDER, ORDER_LINE
from coterie.features.rule import Compare, Missing
from coterie.features.standard.line import line, ratio, share_of, windows

_DISCOUNT = Aggregation("share", over="gross")
_PRICED = Compare("quantity", ">", 0) & Compare("amount", ">=", 0)  # lines whose price is known, as for price_band

# fmt: off
_PAID = line("priced_amount", ORDER_LINE, "sum", "amount", "Paid for pieces",
             "What was paid for lines with an amount and a quantity above 0.", where=_PRICED)
_PIECES = line("priced_units", ORDER_LINE, "sum", "quantity", "Pieces",
               "Quantity of lines with an amount and a quantity above 0.", where=_PRICED)

PRICE: tuple[Declared, ...] = (
    *windows("discount_share", ORDER, _DISCOUNT, "discount", "Discount share",
             "Discounts as a share of the price before discounts", (None, 90)),
    line("discounted_lines_share", ORDER_LINE, share_of(Compare("discount", ">", 0)), None, "Discounted lines",
         "Share of order lines with a discount, of those whose discount is known.", where=~Missing("discount")),
    line("top_price_band", ORDER_LINE, "most_frequent", "price_band", "Usual price band",
         "The band of prices (of one piece, in the shop's currency) with most order lines; ties go to the first in "
         "the alphabet."),
    line("top_price_band_share", ORDER_LINE, "top_share", "price_band", "Share of usual price band",
         "Share of order lines in the usual price band."),
    line("price_bands", ORDER_LINE, "distinct", "price_band", "Price bands", "Number of different price bands."),
    ratio("unit_price", _PAID, _PIECES, "Price of a piece",
          "What was paid over the quantity that it bought (pieces, litres: as the source counts), of lines "
          "with an amount and a quantity above 0.",
          unit="money"),
)
