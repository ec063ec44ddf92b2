"""Exports of a mailing service and of store tills, made up, and what they should become."""

from __future__ import annotations

import csv
import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from exports.expected import Expected, minor, utc

KINDS = {
    "sent": "Campaign Sent",
    "delivered": "Email Delivered",
    "open": "Email Opened",
    "Clicked": "Email Link Clicked",
    "bounced": "Email Bounced",
    "Unsubscribed": "Unsubscribed",
    "complaint": "Email Marked as Spam",
}
CHOICES = {"Unsubscribed": "withdrawn", "complaint": "objected"}


def mails(path: Path, seed: int = 1, count: int = 400) -> tuple[Expected, int]:
    """Write the log of a mailing service; return what it becomes, and how many rows repeat an event word for word."""
    draw, found, rows, repeated = random.Random(seed), Expected(), [], 0
    for number in range(count):
        word = draw.choice(tuple(KINDS))
        moment = datetime(2026, 2, 1) + timedelta(seconds=draw.randrange(2_000_000))
        email = f"Reader{draw.randrange(50)}@mail.example" if number % 40 else "undefined"
        row = {
            "event_id": f"e-{number}",
            "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}Z",
            "event": word,
            "email": email,
            "campaign_id": f"c-{number % 3}",
            "url": "https://shop.example/tea" if word == "Clicked" else "",
        }
        again = number % 20 == 7
        rows += [row, row] if again else [row]
        found.rows += 1 + again
        repeated += again
        if email == "undefined":
            found.quarantined["unidentified"] += (1 + (word in CHOICES)) * (1 + again)
            repeated -= again
            continue
        common = {
            "source": "email_events",
            "who": ("email", email.lower()),
            "occurred_at": moment,
            "available_at": moment,
        }
        properties = {"url": row["url"]} if row["url"] else {}
        found.events.append(
            common
            | {"kind": KINDS[word], "channel": "email", "campaign_id": row["campaign_id"], "properties": properties}
        )
        if word in CHOICES:
            found.consents.append(common | {"purpose": "marketing", "choice": CHOICES[word], "words": word})
            repeated += again
    _write(path, rows)
    return found, repeated


def receipts(folder: Path, seed: int = 1, count: int = 200) -> Expected:
    """Write the receipts of several stores, a file each; return what they become in Germany."""
    draw, found = random.Random(seed), Expected()
    zone = ZoneInfo("Europe/Berlin")
    files: dict[str, list[dict[str, str]]] = {}
    for number in range(count):
        store = draw.choice(("0101", "0102", "0203"))
        moment = datetime(2026, 1, 2, 8) + timedelta(days=draw.randrange(80), minutes=draw.randrange(720))
        card = f"{draw.randrange(40):013d}" if number % 3 else ""
        if card == "0" * 13:
            card = "0" * 12 + "1"
        receipt = f"{store}-{number:06d}"
        back = number % 17 == 4
        for line in range(1, draw.choice((2, 3, 5))):
            quantity = draw.choice((Decimal(1), Decimal(2), Decimal("0.345")))
            amount = (quantity * draw.choice((Decimal("2.49"), Decimal("19.99")))).quantize(Decimal("0.01"))
            off = draw.choice((Decimal(0), Decimal("0.50")))
            kind = "void" if draw.random() < 0.05 else "return" if back else "sale"
            deposit = kind == "sale" and draw.random() < 0.03  # empty bottles, handed in among the sales
            sign = -1 if back or deposit else 1
            row = {
                "receipt": receipt,
                "line": str(line),
                "store": store,
                "time": f"{moment:%Y-%m-%d %H:%M}",
                "type": kind,
                "card": card,
                "article": f"{4000000000000 + draw.randrange(30)}",
                "quantity": str(sign * quantity),
                "amount": str(sign * amount),
                "discount": f"-{off}" if off else "",
                "original_receipt": f"{store}-{number - 1:06d}" if back and number % 2 else "",
            }
            files.setdefault(store, []).append(row)
            found.rows += 1
            if kind == "void" or not card:
                continue
            if deposit:
                found.quarantined["negative_amount; negative_quantity"] += 1
                continue
            when = utc(moment.replace(tzinfo=zone))
            fact = {
                "source": "store_till",
                "who": ("loyalty_id", card),
                "order_id": receipt,
                "channel": "store",
                "place": store,
                "kind": "Order Refunded" if back else "Order Completed",
                "product_id": row["article"],
                "quantity": float(quantity),
                "amount": minor(amount),
                "discount": minor(off) if off else None,
                "currency": "EUR",
                "refund_of": row["original_receipt"] or None,
                "occurred_at": when,
                "available_at": when,
            }
            found.lines.append(fact)
    for store, rows in files.items():
        _write(folder / f"receipts-{store}.csv", rows)
    return found


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
