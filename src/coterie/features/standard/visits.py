"""Engagement with the website and the app: views, carts, searches, and what became of them.

Events of these kinds are what a person did on the site; e-mails, letters and sign-ups are not.
"""

from __future__ import annotations

from coterie.features.combination import Declared
from coterie.features.feature import EVENT, ORDER
from coterie.features.rule import In
from coterie.features.standard.line import decayed, line, ratio, remainder, windows
from coterie.schema import Kind

SITE = (
    Kind.PAGE_VIEWED, Kind.PRODUCTS_SEARCHED, Kind.PRODUCT_LIST_VIEWED, Kind.PRODUCT_CLICKED, Kind.PRODUCT_VIEWED,
    Kind.PRODUCT_ADDED, Kind.PRODUCT_REMOVED, Kind.CART_VIEWED, Kind.CHECKOUT_STARTED, Kind.CHECKOUT_STEP_COMPLETED,
    Kind.PAYMENT_INFO_ENTERED, Kind.PRODUCT_ADDED_TO_WISHLIST, Kind.PRODUCT_SHARED, Kind.PRODUCT_REVIEWED,
    Kind.PROMOTION_VIEWED, Kind.PROMOTION_CLICKED, Kind.SIGNED_IN,
)  # fmt: skip
"""The kinds of events that say that somebody was on the site or in the app."""

_VIEW, _ADD, _CHECKOUT = Kind.PRODUCT_VIEWED.value, Kind.PRODUCT_ADDED.value, Kind.CHECKOUT_STARTED.value
_ON_SITE = In("kind", tuple(kind.value for kind in SITE))
_ONLINE = In("channel", ("web", "app"))

# fmt: off
_VIEWS = windows("product_views", _VIEW, "count", None, "Product views",
                 "Number of product pages viewed", (7, 30, 90))
_ADDS = windows("cart_adds", _ADD, "count", None, "Added to cart",
                "Number of times a product was put in the cart", (7, 30, 90))
_DAYS = windows("site_days", EVENT, "distinct", "local_day", "Days on the site",
                "Number of different days on the site or in the app", (7, 30, 90), where=_ON_SITE)
_CART_DAYS = line("cart_days_90d", _ADD, "distinct", "local_day", "Days with a cart, 90 days",
                  "Number of different days on which a product was put in the cart in 90 days.", days=90)
_CHECKOUTS = line("checkouts_90d", _CHECKOUT, "count", None, "Checkouts, 90 days",
                  "Number of checkouts started in 90 days.", days=90)
_ORDERS = line("online_orders_90d", ORDER, "count", None, "Online orders, 90 days",
               "Number of orders in the channels web and app in 90 days.", days=90, where=_ONLINE)
_ORDER_DAYS = line("online_order_days_90d", ORDER, "distinct", "local_day", "Days with an online order, 90 days",
                   "Number of different days with an order in the channels web and app in 90 days.", days=90,
                   where=_ONLINE)

VISITS: tuple[Declared, ...] = (
    *windows("page_views", Kind.PAGE_VIEWED.value, "count", None, "Page views", "Number of pages viewed",
             (7, 30, 90)),
    *_VIEWS,
    line("decayed_product_views", _VIEW, decayed(7), None, "Decayed product views",
         "Number of product pages viewed; each counts half for every 7 days that it is old."),
    line("viewed_products_30d", _VIEW, "distinct", "product_id", "Products viewed, 30 days",
         "Number of different products viewed in 30 days.", days=30),
    line("viewed_categories_30d", _VIEW, "distinct", "category", "Categories viewed, 30 days",
         "Number of different product categories viewed in 30 days.", days=30),
    line("top_viewed_category_30d", _VIEW, "most_frequent", "category", "Category viewed most, 30 days",
         "The category with most product pages viewed in 30 days; ties go to the first in the alphabet.", days=30),
    *windows("list_views", Kind.PRODUCT_LIST_VIEWED.value, "count", None, "List views",
             "Number of lists of products viewed", (30,)),
    *windows("searches", Kind.PRODUCTS_SEARCHED.value, "count", None, "Searches", "Number of searches",
             (7, 30, 90)),
    *_ADDS,
    *windows("cart_removals", Kind.PRODUCT_REMOVED.value, "count", None, "Taken out of cart",
             "Number of times a product was taken out of the cart", (30, 90)),
    _CART_DAYS,
    _CHECKOUTS,
    *_DAYS,
    line("site_recency_days", EVENT, "days_since_last", None, "Days since last visit",
         "Days from the latest event on the site or in the app to the moment.", where=_ON_SITE),
    line("site_tenure_days", EVENT, "days_since_first", None, "Days since first visit",
         "Days from the first event on the site or in the app to the moment.", where=_ON_SITE),
    _ORDERS,
    ratio("cart_rate_90d", _ADDS[2], _VIEWS[2], "Views to cart, 90 days",
          "Products put in the cart over product pages viewed in 90 days.", unit="number"),
    ratio("conversion_90d", _ORDER_DAYS, _DAYS[2], "Conversion, 90 days",
          "Days with an online order (channels web and app) over days on the site, in 90 days; above 1 when orders "
          "came on days without a visit that was recorded."),
    remainder("cart_abandonment_90d", _ORDER_DAYS, _CART_DAYS, "Abandoned carts, 90 days",
              "1 - days with an online order over days with a product put in the cart, in 90 days; below 0 when orders "
              "came without a cart that was recorded that day."),
    remainder("checkout_abandonment_90d", _ORDERS, _CHECKOUTS, "Abandoned checkouts, 90 days",
              "1 - online orders (channels web and app) over checkouts started in 90 days; below 0 when orders came "
              "without a checkout that was recorded."),
    *windows("wishlist_adds", Kind.PRODUCT_ADDED_TO_WISHLIST.value, "count", None, "Wishes",
             "Number of times a product was put on a wishlist", (90,)),
    *windows("reviews", Kind.PRODUCT_REVIEWED.value, "count", None, "Reviews", "Number of products reviewed",
             (None, 365)),
    *windows("product_shares", Kind.PRODUCT_SHARED.value, "count", None, "Products shared",
             "Number of times a product was shared with others", (365,)),
    *windows("promotion_clicks", Kind.PROMOTION_CLICKED.value, "count", None, "Promotions clicked",
             "Number of promotions clicked", (90,)),
    *windows("sign_ins", Kind.SIGNED_IN.value, "count", None, "Sign-ins", "Number of sign-ins", (30,)),
    line("account_age_days", Kind.SIGNED_UP.value, "days_since_first", None, "Days since sign-up",
         "Days from the first sign-up to the moment."),
)
