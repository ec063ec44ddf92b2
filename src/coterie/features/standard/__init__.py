"""The features that every shop gets, theme by theme, one line each with a sentence of what it means.

``line`` is how a line is written. Of persons each theme is a file; ``goods`` has those of products, categories and
brands, and of a person with one of them. ``catalog`` puts them together. A new standard feature is a line here.
"""

from coterie.features.combination import Declared
from coterie.features.feature import OWNERS
from coterie.features.standard.assortment import ASSORTMENT
from coterie.features.standard.basket import BASKET
from coterie.features.standard.brands import BRANDS
from coterie.features.standard.campaigns import CAMPAIGNS
from coterie.features.standard.channels import CHANNELS
from coterie.features.standard.demographics import DEMOGRAPHICS
from coterie.features.standard.email import EMAIL
from coterie.features.standard.goods import goods, tastes
from coterie.features.standard.pace import PACE
from coterie.features.standard.price import PRICE
from coterie.features.standard.purchase import PURCHASE
from coterie.features.standard.returns import RETURNS
from coterie.features.standard.rhythm import RHYTHM
from coterie.features.standard.visits import VISITS

THEMES: dict[str, tuple[Declared, ...]] = {
    "Purchases": PURCHASE,
    "Basket": BASKET,
    "Between purchases": PACE,
    "Price and discounts": PRICE,
    "Assortment": ASSORTMENT,
    "Brands": BRANDS,
    "Returns": RETURNS,
    "Rhythm": RHYTHM,
    "Channels": CHANNELS,
    "Website and app": VISITS,
    "E-mails": EMAIL,
    "Campaigns and coupons": CAMPAIGNS,
    "Demographics": DEMOGRAPHICS,
}
"""The features of a person by theme."""

OF_GOODS: dict[str, tuple[Declared, ...]] = {
    per: tastes(per) if per.startswith("person-") else goods(per) for per in OWNERS if per != "person"
}
"""The features of products, categories … and of a person with one of them."""

__all__ = ["OF_GOODS", "THEMES"]
