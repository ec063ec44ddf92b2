"""The rule of refunds, one refund at a time."""

from __future__ import annotations

from typing import Any


def taken_back(lines: list[dict[str, Any]]) -> list[tuple[str, str, float, str]]:
    """Return refund, line, quantity and how, for order lines of one source."""
    ordered = sorted(
        lines,
        key=lambda line: (line["occurred_at"], line["order_id"], pieces(line), line["amount"], line["line_id"]),
    )
    sold = [line for line in ordered if line["kind"] == "Order Completed"]
    refunds = [line for line in ordered if line["kind"] != "Order Completed"]
    left = {line["line_id"]: pieces(line) for line in sold}
    orders = {line["order_id"] for line in sold}
    found = []
    for how in ("linked", "matched"):
        for refund in refunds:
            linked = refund["refund_of"] is not None or refund["order_id"] in orders
            if linked != (how == "linked"):
                continue
            wanted = pieces(refund)
            for line in reversed(sold):
                if line["occurred_at"] > refund["occurred_at"] or line["product_id"] != refund["product_id"]:
                    continue
                if linked and line["order_id"] != (refund["refund_of"] or refund["order_id"]):
                    continue
                if not linked and (
                    refund["product_id"] is None
                    or line["subject"] != refund["subject"]
                    or price(line) is None
                    or price(line) != price(refund)
                ):
                    continue
                taken = min(wanted, left[line["line_id"]])
                if taken > 0:
                    found.append((refund["line_id"], line["line_id"], taken, how))
                    wanted -= taken
                    left[line["line_id"]] -= taken
    return sorted(found)


def pieces(line: dict[str, Any]) -> float:
    return 1.0 if line["quantity"] is None else abs(line["quantity"])


def price(line: dict[str, Any]) -> int | None:
    """The price of one piece, rounded half away from zero."""
    return int(abs(line["amount"]) / pieces(line) + 0.5) if pieces(line) else None
