"""Which built-in rules does an order line break? The slow way: one row, one question after another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

KINDS = ("Order Completed", "Order Refunded", "Order Cancelled")


def broken(row: Mapping[str, Any], *, now: datetime, currency: str) -> set[str]:
    """Return the names of the rules that a translated order line breaks."""
    found: set[str] = set()

    def when(name: str, condition: bool) -> None:
        if condition:
            found.add(name)

    at, known, amount, discount, quantity = (
        row[name] for name in ("occurred_at", "available_at", "amount", "discount", "quantity")
    )
    given = {name: row[f"{name}#given"] for name in ("occurred_at", "available_at", "amount", "discount", "quantity")}
    completed = row["kind"] == "Order Completed"
    code = re.fullmatch("[A-Z]{3}", row["currency"]) is not None
    when("unidentified", row["subject"] is None)
    when("no_id", row["#no_id"])
    when("no_order", row["order_id"] is None)
    when("long_id", row["#longest"] > 512)
    when("no_time", at is None and not given["occurred_at"])
    when("bad_time", (at is None and given["occurred_at"]) or (known is None and given["available_at"]))
    when("ambiguous_time", row["#ambiguous"])
    when("ancient", at is not None and at.year < 1970)
    when("future", at is not None and at > now + timedelta(days=1))
    when("unknown_kind", row["kind"] not in KINDS)
    when("no_amount", amount is None and not given["amount"])
    when("bad_amount", (amount is None and given["amount"]) or (discount is None and given["discount"]))
    when("negative_amount", amount is not None and amount < 0 and completed)
    when("negative_discount", discount is not None and discount < 0)
    when(
        "huge_amount",
        (amount is not None and abs(amount) > 10**12) or (discount is not None and discount > 10**12),
    )
    when("bad_quantity", quantity is None and given["quantity"])
    when("negative_quantity", quantity is not None and quantity < 0 and completed)
    when("huge_quantity", quantity is not None and abs(quantity) > 10**9)
    when("bad_currency", not code)
    when("foreign_currency", code and row["currency"] != currency and not row["#no_rate"])
    when("no_rate", row["#no_rate"])
    when("zero_price", amount == 0 and completed)
    when("zero_quantity", quantity == 0)
    when("early", at is not None and known is not None and known < at)
    when("late", at is not None and known is not None and known > at + timedelta(days=3))
    return found
