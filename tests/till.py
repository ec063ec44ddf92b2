"""The mapping of a till that writes one file of orders, which tests bring in."""

from __future__ import annotations

import tomllib

from coterie import Mapping

ORDERS = """
[[read]]
file = "orders.csv"
to = "order_line"
id = ["order"]
identify = { customer_id = "customer" }
fields = { order_id = "order", amount = "total", occurred_at = "at" }
"""

CHOICES = """
[[read]]
file = "choices.csv"
to = "consent"
identify = { customer_id = "customer" }
fields = { purpose = "purpose", choice = "choice", words = "words", occurred_at = "at" }
"""
"""What people said, in a file beside the orders: add it to the mapping's text."""


def till(*settings: str, purpose: str = "segmentation") -> str:
    """Return the mapping, with lines for its head."""
    basis = f'lawful_basis = {{ {purpose} = "legitimate interest: we group customers by what they bought" }}'
    return "\n".join(['source = "till"', *settings, basis, ORDERS])


def mapping() -> Mapping:
    """Return the mapping of a till that takes dollars."""
    return Mapping.of(tomllib.loads(till('currency = "USD"')))
