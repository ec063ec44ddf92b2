"""The coterie mapping of the generated files."""

from __future__ import annotations

from shop_generator.parameters import Parameters

_HEAD = """\
# A generated shop ({regime}); made by bench/shop_generator.
source = "generated-{regime}"
channel = "web"
currency = "{currency}"
timezone = "UTC"

[lawful_basis]
segmentation = "legitimate interest: none is harmed, for the people of this shop do not exist."
personalisation = "legitimate interest: none is harmed, for the people of this shop do not exist."
marketing = "consent: the choice that each generated person made, in consents.{form}."

[[read]]
file = "products.{form}"
to = "product"
properties = ["price"]

[read.fields]
product_id = "product_id"
name = "name"
brand = "brand"
department = "department"
category = "category"

[[read]]
file = "customers.{form}"
to = "trait"
identify = {{ customer_id = "customer_id", email = "email" }}
traits = ["region", "age_band"]
fields = {{ occurred_at = "joined_at" }}

[[read]]
file = "consents.{form}"
to = "consent"
identify = {{ customer_id = "customer_id" }}
fields = {{ purpose = "purpose", choice = "choice", occurred_at = "at" }}

[[read]]
file = "orders.{form}"
to = "order_line"
kind = {{ column = "kind" }}
id = "line_id"
identify = {{ customer_id = "customer_id", email = "email" }}

[read.fields]
order_id = "order_id"
channel = "channel"
product_id = "product_id"
quantity = "quantity"
amount = "amount"
discount = "discount"
currency = "currency"
occurred_at = "ordered_at"
available_at = "recorded_at"
"""

_CLICKS = """
[[read]]
file = "clicks.{form}"
to = "event"
kind = {{ column = "event" }}
id = "event_id"
identify = {{ customer_id = "customer_id", anonymous_id = "anonymous_id" }}
fields = {{ product_id = "product_id", occurred_at = "occurred_at", available_at = "received_at" }}
properties = ["session_id"]
"""

_EMAILS = """
[[read]]
file = "emails.{form}"
to = "event"
kind = {{ column = "event" }}
id = "event_id"
identify = {{ email = "email" }}
fields = {{ campaign_id = "campaign_id", channel = {{ value = "email" }}, occurred_at = "occurred_at", \
available_at = "received_at" }}
"""


def mapping_text(p: Parameters, form: str, *, clicks: bool, mails: bool) -> str:
    """Return ``mapping.toml`` for the files of this shop."""
    parts = [_HEAD, *[_CLICKS] * clicks, *[_EMAILS] * mails]
    return "".join(part.format(regime=p.regime, currency=p.currency, form=form) for part in parts)
