"""Exports of WooCommerce orders, made up, with the oddities of real ones, and what they should become."""

from __future__ import annotations

import csv
import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from exports.expected import Expected, minor, utc

_COLUMNS = (
    "order_id,order_number,order_date,paid_date,status,shipping_total,shipping_tax_total,fee_total,fee_tax_total,"
    "tax_total,cart_discount,order_discount,discount_total,order_total,order_subtotal,order_currency,"
    "payment_method,payment_method_title,transaction_id,customer_ip_address,customer_user_agent,shipping_method,"
    "customer_id,customer_user,customer_email,billing_first_name,billing_last_name,billing_company,billing_email,"
    "billing_phone,billing_address_1,billing_address_2,billing_postcode,billing_city,billing_state,"
    "billing_country,customer_note,line_items"
)
COLUMNS = _COLUMNS.split(",")
SOLD = ("completed", "processing", "refunded")
NAMES = ("Tea", "Pot: Arita", "Cable|black", "Cable\\|black", "Cup \\: blue", 'Size 5"')
ZONE = ZoneInfo("America/Chicago")


def write(path: Path, seed: int = 1, count: int = 120) -> Expected:
    """Write an export and return what it should become in a shop that counts in USD."""
    draw, found, rows = random.Random(seed), Expected(), []
    for number in range(count):
        status = draw.choice((*SOLD, "completed", "cancelled", "failed", "pending", "on-hold"))
        placed = datetime(2026, 1, 2, 9, 5, 7) + timedelta(days=draw.randrange(60), minutes=draw.randrange(600))
        paid = placed + timedelta(minutes=number % 7) if number % 5 else None
        guest, nobody = number % 4 == 1, number % 24 == 13
        email = "" if nobody else f"Guest{number}@Shop.example" if guest else f"member{number % 30}@shop.example"
        customer = "0" if guest or nobody else str(300 + number % 30)
        items = []
        for _ in range(draw.choice((1, 1, 2, 4))):
            quantity = draw.choice((1, 2, 3))
            before = Decimal(draw.choice((1000, 1999, 3333))) / 100 * quantity
            total = before if draw.random() < 0.7 else (before * Decimal("0.85"))
            name = draw.choice(NAMES)
            sku = draw.choice(("T-1", "P-2", ""))
            items.append(
                {
                    "name": name,
                    "product": str(draw.randrange(40, 50)),
                    "sku": sku,
                    "quantity": quantity,
                    "total": total,
                    "before": before,
                }
            )
        if number % 30 == 9:  # this packing cannot say a semicolon: the order is set aside, and not cut in two
            items[0]["name"] = "Tea; green"
        packed = ";".join(
            f"name:{item['name']}|product_id:{item['product']}|sku:{item['sku']}|quantity:{item['quantity']}"
            f"|total:{item['total']}|sub_total:{item['before']}"
            for item in items
        )
        rows.append(
            dict.fromkeys(COLUMNS, "")
            | {
                "order_id": str(9000 + number),
                "order_number": f"WC-{number}",
                "order_date": _told(placed, number),
                "paid_date": _told(paid, number) if paid else "",
                "status": status,
                "order_total": str(sum((item["total"] for item in items), Decimal("5.00"))),
                "order_currency": "usd" if number % 6 == 0 else "USD",
                "customer_id": customer,
                "customer_email": "" if guest else email,
                "billing_email": email,
                "billing_phone": "" if nobody else f"(312) 555-{1000 + number}",
                "customer_note": 'no bag,\n"please"' if number % 8 == 0 else "",
                "line_items": packed,
            }
        )
        found.rows += 1
        if status not in SOLD:
            continue
        reasons = ["unidentified"] if nobody else []
        if number % 30 == 9:
            reasons.append("no_amount")
        kinds = ["Order Completed", *(["Order Refunded"] if status == "refunded" else [])]
        if reasons:
            found.quarantined["; ".join(reasons)] += len(kinds)
            continue
        who = ("email", email.lower()) if guest else ("customer_id", customer)
        occurred = utc(placed.replace(tzinfo=ZONE))
        known = utc((paid or placed).replace(tzinfo=ZONE))
        for item in items:
            fact = {
                "source": "woocommerce_orders",
                "who": who,
                "order_id": str(9000 + number),
                "channel": "web",
                "product_id": item["sku"] or item["product"],
                "quantity": float(item["quantity"]),
                "amount": minor(item["total"]),
                "currency": "USD",
            }
            discount = minor(item["before"] - item["total"])
            found.lines.append(
                fact | {"kind": kinds[0], "discount": discount, "occurred_at": occurred, "available_at": occurred}
            )
            if len(kinds) > 1:
                later = {
                    "occurred_at": known,
                    "available_at": known + timedelta(days=30),
                    "refund_of": str(9000 + number),
                }
                found.lines.append(fact | {"kind": kinds[1]} | later)
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # for the spreadsheet
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return found


def _told(moment: datetime, number: int) -> str:
    """A time as the exporter writes it, month first and without zeros; some sites have it year first."""
    if number % 15 == 2:
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    return f"{moment.month}/{moment.day}/{moment.year} {moment:%H:%M:%S}"
