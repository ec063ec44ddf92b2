"""What is known of a product, a category, a brand: sold, viewed, put in carts, sent back, by everybody together."""

from __future__ import annotations

from coterie.features.aggregation import Aggregation
from coterie.features.combination import Declared
from coterie.features.feature import ORDER_LINE
from coterie.features.rule import Compare
from coterie.features.standard.line import decayed, line, ratio, windows
from coterie.schema import Kind

_REFUND, _VIEW, _ADD = Kind.ORDER_REFUNDED.value, Kind.PRODUCT_VIEWED.value, Kind.PRODUCT_ADDED.value
_DISCOUNT = Aggregation("share", over="gross")
_PRICED = Compare("quantity", ">", 0) & Compare("amount", ">=", 0)


def goods(per: str) -> tuple[Declared, ...]:
    """Return the features of one kind of goods: ``product``, ``department``, ``category``, ``subcategory``, ``brand``.

    >>> [feature.name for feature in goods("brand")][:2]
    ['lines_sold', 'lines_sold_30d']
    """
    # fmt: off
    lines = windows("lines_sold", ORDER_LINE, "count", None, "Lines sold", "Number of order lines", (None, 30, 90, 365),
                    per=per)
    back = windows("lines_refunded", _REFUND, "count", None, "Lines refunded", "Number of order lines refunded",
                   (None, 365), per=per)
    views = windows("views", _VIEW, "count", None, "Views", "Number of times a product page was viewed",
                    (1, 7, 30), per=per)
    adds = windows("cart_adds", _ADD, "count", None, "Put in carts", "Number of times it was put in a cart", (7, 30),
                   per=per)
    paid = line("priced_revenue", ORDER_LINE, "sum", "amount", "Paid for pieces",
                "What was paid for lines with an amount and a quantity above 0.", where=_PRICED, per=per)
    pieces = line("priced_units", ORDER_LINE, "sum", "quantity", "Pieces",
                  "Quantity of lines with an amount and a quantity above 0.", where=_PRICED, per=per)
    return (
        *lines,
        *windows("units_sold", ORDER_LINE, "sum", "quantity", "Pieces sold", "Quantity sold", (None, 30, 90), per=per),
        *windows("revenue", ORDER_LINE, "sum", "amount", "Revenue", "What was paid for it (refunds are not taken off)",
                 (None, 30, 90, 365), per=per),
        line("decayed_sales", ORDER_LINE, decayed(30), None, "Decayed sales",
             "Number of order lines; each counts half for every 30 days that it is old.", per=per),
        ratio("unit_price", paid, pieces, "Price of a piece",
              "What was paid over how many pieces were bought, of lines with an amount and a quantity above 0.",
              unit="money"),
        line("discount_share", ORDER_LINE, _DISCOUNT, "discount", "Discount share",
             "Discounts as a share of the price before discounts.", per=per),
        line("first_sale_days", ORDER_LINE, "days_since_first", None, "Days since first sale",
             "Days from the first order line to the moment.", per=per),
        line("last_sale_days", ORDER_LINE, "days_since_last", None, "Days since last sale",
             "Days from the latest order line to the moment.", per=per),
        *back,
        ratio("refund_rate", back[0], lines[0], "Refund rate", "Lines refunded over lines sold, both ever."),
        *views,
        line("decayed_views", _VIEW, decayed(7), None, "Decayed views",
             "Number of times a product page was viewed; each counts half for every 7 days that it is old.", per=per),
        *adds,
        ratio("cart_rate_30d", adds[1], views[2], "Views to cart, 30 days",
              "Times put in a cart over times viewed, in 30 days.", unit="number"),
        ratio("sale_rate_30d", lines[1], views[2], "Views to sale, 30 days",
              "Order lines over times viewed, in 30 days.", unit="number"),
    )
    # fmt: on


def tastes(per: str) -> tuple[Declared, ...]:
    """Return the features of a person and one kind of goods: such as ``person-category``.

    >>> tastes("person-category")[0].owner
    ('person', 'category')
    """
    # fmt: off
    last = line("last_bought_days", ORDER_LINE, "days_since_last", None, "Days since bought",
                "Days from the latest order line of it to the moment.", per=per)
    gap = line("gap_mean_days", ORDER_LINE, "gap_mean", None, "Days between purchases",
               "Mean days from an order line of the product to the next; lines of one order have none between them.",
               per=per)
    overdue = ratio("overdue_ratio", last, gap, "Overdue",
                    "Days since it was bought over the mean days between purchases: above 1 it is later than usual.",
                    unit="number")
    return (
        *windows("lines", ORDER_LINE, "count", None, "Lines", "Number of order lines of it", (None, 30, 90, 365),
                 per=per),
        *windows("units", ORDER_LINE, "sum", "quantity", "Pieces", "Quantity of it", (None, 365), per=per),
        *windows("spend", ORDER_LINE, "sum", "amount", "Spend",
                 "What the person paid for it (refunds are not taken off)", (None, 30, 90, 365), per=per),
        *windows("shopping_days", ORDER_LINE, "distinct", "local_day", "Shopping days",
                 "Number of different days with an order line of it", (None, 365), per=per),
        line("decayed_lines", ORDER_LINE, decayed(30), None, "Decayed lines",
             "Number of order lines of it; each counts half for every 30 days that it is old.", per=per),
        line("decayed_spend", ORDER_LINE, decayed(90), "amount", "Decayed spend",
             "What the person paid for it, in minor units; a line counts half for every 90 days that it is old.",
             per=per),
        line("first_bought_days", ORDER_LINE, "days_since_first", None, "Days since first bought",
             "Days from the first order line of it to the moment.", per=per),
        last,
        *((gap, overdue) if per == "person-product" else ()),  # an order has many lines of a category, not of a product
        line("refunded_lines", _REFUND, "count", None, "Refunded lines", "Number of order lines of it refunded.",
             per=per),
        *windows("views", _VIEW, "count", None, "Views", "Number of product pages of it viewed", (7, 30), per=per),
        line("decayed_views", _VIEW, decayed(7), None, "Decayed views",
             "Number of product pages of it viewed; each counts half for every 7 days that it is old.", per=per),
        line("last_viewed_days", _VIEW, "days_since_last", None, "Days since viewed",
             "Days from the latest product page of it viewed to the moment.", per=per),
        *windows("cart_adds", _ADD, "count", None, "Put in cart", "Number of times it was put in the cart", (30,),
                 per=per),
    )
    # fmt: on
