"""The canonical shapes of a shop's data: what an event, an order line, a product, a trait, an identifier, a consent is.

Every source is turned into these Arrow schemas at the door; every room reads nothing else. Conventions:

* Times are naive UTC microseconds. A fact has ``occurred_at`` (when it happened), ``available_at`` (when the shop could
  have known it; training reads only what was available) and ``ingested_at`` (when coterie stored it; for audit only).
* Money is an integer in minor units (cents) beside an ISO 4217 ``currency``.
* ``subject`` is the random key of one identifier; who is whom is a table of its own (``profiles``).
* ``import_id`` and ``row`` say which row of which import became this fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa

TIME = pa.timestamp("us")
KEY = pa.int64()


def utc_now() -> datetime:
    """Return the present moment as naive UTC, the only kind of time that coterie stores."""
    return datetime.now(UTC).replace(tzinfo=None)


class Kind(StrEnum):
    """Kinds of events. Names are those of the Segment e-commerce and e-mail specs wherever these have one."""

    ORDER_COMPLETED = "Order Completed"
    ORDER_REFUNDED = "Order Refunded"
    ORDER_CANCELLED = "Order Cancelled"
    PAGE_VIEWED = "Page Viewed"
    PRODUCTS_SEARCHED = "Products Searched"
    PRODUCT_LIST_VIEWED = "Product List Viewed"
    PRODUCT_CLICKED = "Product Clicked"
    PRODUCT_VIEWED = "Product Viewed"
    PRODUCT_ADDED = "Product Added"
    PRODUCT_REMOVED = "Product Removed"
    CART_VIEWED = "Cart Viewed"
    CHECKOUT_STARTED = "Checkout Started"
    CHECKOUT_STEP_COMPLETED = "Checkout Step Completed"
    PAYMENT_INFO_ENTERED = "Payment Info Entered"
    PRODUCT_ADDED_TO_WISHLIST = "Product Added to Wishlist"
    PRODUCT_SHARED = "Product Shared"
    PRODUCT_REVIEWED = "Product Reviewed"
    PROMOTION_VIEWED = "Promotion Viewed"
    PROMOTION_CLICKED = "Promotion Clicked"
    COUPON_APPLIED = "Coupon Applied"
    EMAIL_DELIVERED = "Email Delivered"
    EMAIL_OPENED = "Email Opened"
    EMAIL_LINK_CLICKED = "Email Link Clicked"
    EMAIL_BOUNCED = "Email Bounced"
    EMAIL_MARKED_AS_SPAM = "Email Marked as Spam"
    UNSUBSCRIBED = "Unsubscribed"
    SIGNED_UP = "Signed Up"
    SIGNED_IN = "Signed In"
    CAMPAIGN_SENT = "Campaign Sent"  # ours: a contact on paper or in store, which the spec has no name for
    CUSTOM = "Custom Event"  # ours: anything else that a source records; its own name is the property "name"


class IdentifierKind(StrEnum):
    """Kinds of identifiers, strongest first: a fact that carries several is filed under the first of these."""

    CUSTOMER_ID = "customer_id"
    LOYALTY_ID = "loyalty_id"
    EMAIL = "email"
    PHONE = "phone"
    DEVICE_ID = "device_id"
    ANONYMOUS_ID = "anonymous_id"


class Purpose(StrEnum):
    """What a person's data may be used for; each needs its own lawful basis."""

    SEGMENTATION = "segmentation"
    PERSONALISATION = "personalisation"
    MARKETING = "marketing"
    ADVERTISING = "advertising"


class Choice(StrEnum):
    """What a person has said about one purpose."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"


_TIMES = [("occurred_at", TIME), ("available_at", TIME), ("ingested_at", TIME)]
_ORIGIN = [("import_id", pa.int64()), ("row", pa.int64())]

EVENT = pa.schema(
    [
        ("source", pa.string()),
        ("event_id", pa.string()),
        ("kind", pa.string()),
        ("subject", KEY),
        ("channel", pa.string()),
        ("order_id", pa.string()),
        ("product_id", pa.string()),
        ("campaign_id", pa.string()),
        ("offer_id", pa.string()),
        ("amount", pa.int64()),
        ("currency", pa.string()),
        ("original_amount", pa.int64()),  # before conversion into the shop's currency; null where nothing was converted
        ("original_currency", pa.string()),
        ("properties", pa.string()),  # what the columns above do not hold, as a JSON object
        *_TIMES,
        *_ORIGIN,
    ]
)

# An order is the set of its lines; it is a view over this table and never stored twice. A source that knows only order
# totals gives one line an order, without a product.
ORDER_LINE = pa.schema(
    [
        ("source", pa.string()),
        ("line_id", pa.string()),
        ("order_id", pa.string()),
        ("kind", pa.string()),  # Order Completed | Order Refunded | Order Cancelled
        ("subject", KEY),
        ("channel", pa.string()),
        ("place", pa.string()),  # the store, till or site
        ("product_id", pa.string()),
        ("quantity", pa.float64()),
        ("amount", pa.int64()),  # what was paid for the whole line, discounts taken off, in minor units
        ("discount", pa.int64()),  # what was taken off, in minor units, not negative
        ("currency", pa.string()),
        ("original_amount", pa.int64()),  # before conversion into the shop's currency; null where nothing was converted
        ("original_currency", pa.string()),
        ("refund_of", pa.string()),  # the order that a refund or cancellation takes back, where the source says so
        *_TIMES,
        *_ORIGIN,
    ]
)

PRODUCT = pa.schema(
    [
        ("source", pa.string()),
        ("product_id", pa.string()),
        ("name", pa.string()),
        ("brand", pa.string()),
        ("department", pa.string()),  # the coarsest level of the shop's tree
        ("category", pa.string()),
        ("subcategory", pa.string()),
        ("properties", pa.string()),
        ("available_at", TIME),
        ("ingested_at", TIME),
        *_ORIGIN,
    ]
)

# A trait without a date of its own has occurred_at null: it is used, marked, and counted in the quality report.
TRAIT = pa.schema(
    [("source", pa.string()), ("subject", KEY), ("trait", pa.string()), ("value", pa.string()), *_TIMES, *_ORIGIN]
)

OFFER = pa.schema(
    [
        ("source", pa.string()),
        ("offer_id", pa.string()),
        ("product_id", pa.string()),
        ("campaign_id", pa.string()),
        ("available_at", TIME),
        ("ingested_at", TIME),
        *_ORIGIN,
    ]
)

# Identifiers exist in the clear only at the door and in the vault.
IDENTIFIER = pa.schema([("kind", pa.string()), ("value", pa.string())])

CONSENT = pa.schema(
    [
        ("source", pa.string()),
        ("subject", KEY),
        ("purpose", pa.string()),
        ("choice", pa.string()),
        ("words", pa.string()),  # what the person was told or said, or where that is kept
        *_TIMES,
    ]
)


@dataclass(frozen=True)
class Table:
    """A table of the shop, declared by the room that owns it.

    Parameters
    ----------
    name
        Snake case, unique in the shop.
    schema
        Its Arrow schema.
    key
        The columns that identify a row.
    subject
        The column that holds the subject (or person) key, for tables with personal data; None for all others.
    meaning
        One sentence for the reference page and the privacy officer.
    properties
        What its holder needs to know besides, such as the columns of a table about two subjects a row.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    meaning: str
    subject: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def empty(self) -> pa.Table:
        """Return the table with no rows, typed."""
        return self.schema.empty_table()

    def rows(self, rows: list[dict[str, Any]]) -> pa.Table:
        """Return rows given as dictionaries as a typed Arrow table; absent columns are null."""
        return pa.Table.from_pylist(rows, schema=self.schema)
