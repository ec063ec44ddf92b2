"""Exports of Shopify, made up, with the oddities of real ones, and what they should become."""

from __future__ import annotations

import csv
import random
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from exports.expected import Expected, minor, shares, utc

_ORDER_COLUMNS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,"
    "Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,"
    "Lineitem name,Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,"
    "Lineitem taxable,Lineitem fulfillment status,Billing Name,Billing Street,Billing Address1,Billing Address2,"
    "Billing Company,Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,Shipping Name,"
    "Shipping Street,Shipping Address1,Shipping Address2,Shipping Company,Shipping City,Shipping Zip,"
    "Shipping Province,Shipping Country,Shipping Phone,Notes,Note Attributes,Cancelled at,Payment Method,"
    "Payment Reference,Refunded Amount,Vendor,Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,"
    "Source,Lineitem discount,Tax 1 Name,Tax 1 Value,Tax 2 Name,Tax 2 Value,Tax 3 Name,Tax 3 Value,Tax 4 Name,"
    "Tax 4 Value,Tax 5 Name,Tax 5 Value,Phone,Receipt Number,Duties,Billing Province Name,Shipping Province Name,"
    "Payment ID,Payment Terms Name,Next Payment Due At,Payment References"
)
ORDER_COLUMNS = _ORDER_COLUMNS.split(",")
_CUSTOMER_COLUMNS = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
    "Default Address Address1,Default Address Address2,Default Address City,Default Address Province Code,"
    "Default Address Country Code,Default Address Zip,Default Address Phone,Phone,Accepts SMS Marketing,"
    "Total Spent,Total Orders,Note,Tax Exempt,Tags"
)
CUSTOMER_COLUMNS = _CUSTOMER_COLUMNS.split(",")
_OLDER_CUSTOMER_COLUMNS = (
    "First Name,Last Name,Email,Accepts Email Marketing,Company,Address1,Address2,City,Province,Province Code,"
    "Country,Country Code,Zip,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Tags,Note,Tax Exempt"
)
OLDER_CUSTOMER_COLUMNS = _OLDER_CUSTOMER_COLUMNS.split(",")
PAID = ("paid", "partially_paid", "partially_refunded", "refunded")
NOTES = ("", "", 'Please ring\nthe bell, "loudly"', "Geschenk;\r\nohne Rechnung", "=HYPERLINK(1)")
CHANNELS = {"web": "web", "pos": "store", "shopify_draft_order": "draft order", "580111": "580111"}
CET = timezone(timedelta(hours=1))


def orders(seed: int = 1, count: int = 150) -> list[dict[str, Any]]:
    """Orders as the shop knows them; amounts are decimals, times have a zone."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        created = datetime(2025, 10, 1, 8, tzinfo=CET) + timedelta(minutes=draw.randrange(200_000), seconds=number % 60)
        status = draw.choice((*PAID, "paid", "paid", "pending", "authorized", "voided", "expired"))
        lines = []
        for _ in range(draw.choice((1, 1, 2, 3, 5))):
            price = Decimal(draw.choice((990, 1995, 4900, 333, 0, 12000))) / 100
            quantity = draw.choice((1, 1, 2, 3))
            off = (price * quantity * draw.choice((0, 0, 10, 25)) / 100).quantize(Decimal("0.01"))
            sku = draw.choice(("TEA-1", "TEA-2", "POT-9", "CUP-3", ""))
            lines.append(
                {
                    "sku": sku,
                    "name": draw.choice(("Sencha, 100 g", 'Pot "Arita"', "Cup\n- blue")),
                    "price": price,
                    "quantity": quantity,
                    "off": off,
                }
            )
        if number % 11 == 3:  # two lines alike, and a gift card
            lines.append(dict(lines[-1]))
            lines.append({"sku": "", "name": "Gift Card", "price": Decimal("50.00"), "quantity": 1, "off": Decimal(0)})
        net = sum((line["price"] * line["quantity"] - line["off"] for line in lines), Decimal(0))
        coupon = draw.choice(("", "", "", "welcome10", "XMAS"))
        discount = (net * draw.choice((10, 15)) / 100).quantize(Decimal("0.01")) if coupon else Decimal(0)
        made.append(
            {
                "name": f"#{1001 + number}",
                "email": ""
                if number % 9 == 5
                else f"{draw.choice(('Ada', 'ben', 'CLEO', 'dan'))}{draw.randrange(20)}@Shop.example",
                "phone": f"+49 30 {1000000 + number}" if number % 9 == 5 and number % 2 else "",
                "status": status,
                "currency": "USD" if number % 25 == 7 else "EUR",
                "created": created,
                "paid": created + timedelta(seconds=draw.randrange(90_000)) if status in PAID and number % 13 else None,
                "cancelled": created + timedelta(days=2)
                if status in ("voided", "refunded") and draw.random() < 0.5
                else None,
                "coupon": coupon if net else "",
                "discount": discount,
                "net": net,
                "refunded": net - discount
                if status == "refunded"
                else Decimal("1.50")
                if status == "partially_refunded"
                else Decimal(0),
                "marketing": draw.choice(("yes", "no", "")),
                "source": draw.choice(tuple(CHANNELS)),
                "note": draw.choice(NOTES),
                "lines": lines,
            }
        )
    return made


def expected(made: list[dict[str, Any]], currency: str = "EUR") -> Expected:
    """What orders should become in a shop of a currency."""
    found = Expected()
    for order in made:
        found.rows += len(order["lines"])
        who = ("email", order["email"].lower()) if order["email"] else ("phone", order["phone"].replace(" ", ""))
        known = bool(order["email"] or order["phone"])
        paid = order["status"] in PAID
        created, known_at = utc(order["created"]), utc(order["paid"] or order["created"])
        common = {
            "source": "shopify_orders",
            "who": who,
            "order_id": order["name"],
            "channel": CHANNELS[order["source"]],
        }
        why = [] if known else ["unidentified"]
        aside = [*why, *(["foreign_currency"] if order["currency"] != currency else [])]
        weights = [minor(line["price"] * line["quantity"] - line["off"]) for line in order["lines"]]
        for line, weight, share in zip(order["lines"], weights, shares(minor(order["discount"]), weights), strict=True):
            if not paid:
                continue
            if aside:
                found.quarantined["; ".join(aside)] += 1
                continue
            fact = {
                "kind": "Order Completed",
                "product_id": line["sku"] or line["name"],
                "quantity": float(line["quantity"]),
                "amount": weight - share,
                "discount": minor(line["off"]) + share,
                "currency": order["currency"],
                "occurred_at": created,
                "available_at": created,
            }
            found.lines.append(common | fact)
        if order["refunded"]:
            if aside:
                found.quarantined["; ".join(aside)] += 1
            else:
                when = utc(order["cancelled"]) if order["cancelled"] else known_at
                later = when if order["cancelled"] else when + timedelta(days=30)
                fact = {
                    "kind": "Order Refunded",
                    "amount": minor(order["refunded"]),
                    "currency": order["currency"],
                    "refund_of": order["name"],
                    "occurred_at": when,
                    "available_at": later,
                }
                found.lines.append(common | fact)
        if order["coupon"] and paid:
            if why:
                found.quarantined["; ".join(why)] += 1
            else:
                fact = {
                    "kind": "Coupon Applied",
                    "offer_id": order["coupon"].upper(),
                    "occurred_at": created,
                    "available_at": created,
                }
                found.events.append(common | fact)
        if order["marketing"] == "yes":
            if why:
                found.quarantined["; ".join(why)] += 1
            else:
                found.consents.append(
                    {
                        "source": "shopify_orders",
                        "who": who,
                        "purpose": "marketing",
                        "choice": "granted",
                        "words": "Accepts Marketing, at the checkout (Shopify)",
                        "occurred_at": created,
                        "available_at": created,
                    }
                )
    return found


def order_rows(made: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Orders as rows of the export: the order's own cells on the first row only."""
    rows = []
    for position, order in enumerate(made):
        for at, line in enumerate(order["lines"]):
            row = dict.fromkeys(ORDER_COLUMNS, "")
            row |= {
                "Name": order["name"],
                "Lineitem quantity": str(line["quantity"]),
                "Lineitem name": line["name"],
                "Lineitem price": str(line["price"]),
                "Lineitem sku": line["sku"],
                "Lineitem requires shipping": "false" if line["name"] == "Gift Card" else "true",
                "Lineitem taxable": "true",
                "Lineitem fulfillment status": "pending",
                "Lineitem discount": f"{line['off']:.2f}",
                "Vendor": "Tea & Co",
            }
            if at and position % 2:  # some exports repeat these two
                row |= {"Email": order["email"], "Created at": _told(order["created"])}
            if not at:
                subtotal = order["net"] - order["discount"]
                row |= {
                    "Email": order["email"],
                    "Financial Status": order["status"],
                    "Paid at": _told(order["paid"]),
                    "Accepts Marketing": order["marketing"],
                    "Currency": order["currency"],
                    "Subtotal": f"{subtotal:.2f}",
                    "Shipping": "4.90",
                    "Total": f"{subtotal + Decimal('4.90'):.2f}",
                    "Discount Code": order["coupon"],
                    "Discount Amount": f"{order['discount']:.2f}",
                    "Created at": _told(order["created"]),
                    "Billing Zip": "'01067",
                    "Shipping Zip": "'01067",
                    "Shipping Phone": "'+49 40 999999",
                    "Phone": f"'{order['phone']}" if order["phone"] else "",
                    "Notes": order["note"],
                    "Cancelled at": _told(order["cancelled"]),
                    "Payment Method": "gift_card" if position % 10 == 0 else "Shopify Payments",
                    "Refunded Amount": f"{order['refunded']:.2f}",
                    "Id": str(5_000_000_000 + position),
                    "Source": order["source"],
                }
            rows.append(row)
    return rows


def write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    """Write rows as Shopify does: UTF-8, quotes where needed, line ends of Unix."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def customers(
    path: Path, exported: date, *, older: bool, seed: int = 1, count: int = 60, zone: str = "Europe/Berlin"
) -> Expected:
    """Write the export of customers in one of its editions, and return what it should become."""
    draw, found, rows = random.Random(seed), Expected(), []
    moment = utc(datetime(exported.year, exported.month, exported.day, tzinfo=ZoneInfo(zone)))  # its beginning
    for number in range(count):
        email = "" if number % 10 == 4 else f"Person{number}@Shop.example"
        phone = f"+33 6 12 34 {number:02d} 00" if number % 3 == 0 else ""
        accepts = draw.choice(("yes", "no"))
        place = {
            "city": draw.choice(("Köln", "Lyon", "")),
            "province": draw.choice(("NW", "")),
            "country": draw.choice(("DE", "FR")),
        }
        known = {
            "tags": draw.choice(("", "vip, b2b")),
            "tax_exempt": "no",
            "total_spent": f"{draw.randrange(9999) / 100:.2f}",
            "total_orders": str(draw.randrange(5)),
        }
        row = {
            "First Name": "A",
            "Last Name": "B",
            "Email": email,
            "Accepts Email Marketing": accepts,
            "Phone": f"'{phone}" if phone else "",
            "Accepts SMS Marketing": "no",
            "Total Spent": known["total_spent"],
            "Total Orders": known["total_orders"],
            "Tags": known["tags"],
            "Tax Exempt": "no",
            "Note": 'called\n"twice"',
        }
        before, country = ("", "Country Code") if older else ("Default Address ", "Default Address Country Code")
        row |= {f"{before}City": place["city"], f"{before}Province Code": place["province"], country: place["country"]}
        if not older:
            row["Customer ID"] = f"'{7_000_000 + number}"
        rows.append(row)
        found.rows += 1
        who = (
            ("customer_id", str(7_000_000 + number))
            if not older
            else ("email", email.lower())
            if email
            else ("phone", phone.replace(" ", ""))
        )
        common = {"source": "shopify_customers", "who": who, "occurred_at": moment, "available_at": moment}
        if older and not email and not phone:
            found.quarantined["unidentified"] += 2
            continue
        found.traits += [common | {"trait": name, "value": value} for name, value in (place | known).items() if value]
        found.consents.append(
            common
            | {
                "purpose": "marketing",
                "choice": "granted" if accepts == "yes" else "withdrawn",
                "words": "Accepts Email Marketing, as it stood at the export (Shopify)",
            }
        )
    write(path, OLDER_CUSTOMER_COLUMNS if older else CUSTOMER_COLUMNS, rows)
    return found


def _told(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} {moment:%z}"
