"""Loyalty to brands."""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import ORDER_LINE
from coterie.features.rule import In
from coterie.features.standard.line import line, share_of

_PRIVATE = share_of(In("brand", ("Own Brand", "Private", "Private Label")))

# fmt: off
BRANDS: tuple[Declared, ...] = (
    line("brands", ORDER_LINE, "distinct", "brand", "Brands", "Number of different brands bought."),
    line("top_brand", ORDER_LINE, "most_frequent", "brand", "Favourite brand",
         "The brand with most order lines; ties go to the first in the alphabet."),
    line("top_brand_share", ORDER_LINE, "top_share", "brand", "Share of favourite brand",
         "Share of order lines of the favourite brand, of those whose brand is known."),
    line("brand_entropy", ORDER_LINE, "entropy", "brand", "Variety of brands",
         "Shannon entropy (nats) of brands over order lines: 0 when all are of one brand."),
    line("private_label_share", ORDER_LINE, _PRIVATE, "amount", "Private-label share",
         "Share of spend on the shop's own brands (named Private, Private Label or Own Brand)."),
)
