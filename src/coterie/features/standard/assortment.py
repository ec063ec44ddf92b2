"""What is bought: products, categories, departments, how mixed and how often again."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER_LINE
from coterie.features.rule import Missing
from coterie.features.standard.line import line, remainder, windows

# fmt: off
_PRODUCTS = windows("products", ORDER_LINE, "distinct", "product_id", "Products",
                    "Number of different products bought", (None, 90, 365))
_NAMED = line("product_lines", ORDER_LINE, "count", None, "Lines with a product",
              "Number of order lines that name a product.", where=~Missing("product_id"))

ASSORTMENT: tuple[Declared, ...] = (
    *_PRODUCTS,
    remainder("repeat_share", _PRODUCTS[0], _NAMED, "Repeat purchases",
              "Share of order lines whose product the person had bought before, of lines that name a product."),
    *windows("categories", ORDER_LINE, "distinct", "category", "Categories",
             "Number of different product categories bought", (None, 365)),
    line("category_entropy", ORDER_LINE, "entropy", "category", "Variety",
         "Shannon entropy (nats) of categories over order lines: 0 when all are of one category."),
    line("top_category", ORDER_LINE, "most_frequent", "category", "Favourite category",
         "The category with most order lines; ties go to the first in the alphabet."),
    line("top_category_share", ORDER_LINE, "top_share", "category", "Share of favourite category",
         "Share of order lines in the favourite category, of those whose category is known."),
    line("top_category_90d", ORDER_LINE, "most_frequent", "category", "Favourite category, 90 days",
         "The category with most order lines in 90 days; ties go to the first in the alphabet.", days=90),
    line("last_category", ORDER_LINE, "last", "category", "Last category",
         "The category of the latest order line whose category is known."),
    line("departments", ORDER_LINE, "distinct", "department", "Departments",
         "Number of different departments bought from."),
    line("top_department", ORDER_LINE, "most_frequent", "department", "Favourite department",
         "The department with most order lines; ties go to the first in the alphabet."),
)
