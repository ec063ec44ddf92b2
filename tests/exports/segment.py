"""Calls as Segment logs them, made up, with the oddities of real ones, and what they should become."""

from __future__ import annotations

import gzip
import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from exports.expected import Expected, minor, shares

PRODUCTS = {"p-1": Decimal("19.00"), "p-2": Decimal("3.00"), "p-3": Decimal("7.45")}
CALLS = (
    "page",
    "screen",
    "identify",
    "identify",
    "viewed",
    "viewed",
    "added",
    "searched",
    "checkout",
    "order",
    "order",
    "refund",
    "whole refund",
    "custom",
    "alias",
    "group",
    "consent",
    "silent consent",
)


def write(folder: Path, seed: int = 1, count: int = 500, *, packed: bool = True) -> tuple[Expected, int]:
    """Write calls, half of them into a file packed with gzip; return what they become, and how many repeat."""
    draw, found, messages = random.Random(seed), Expected(), []
    repeated = 0
    for number in range(count):
        call = draw.choice(CALLS)
        happened = datetime(2026, 1, 5) + timedelta(
            seconds=draw.randrange(3_000_000), milliseconds=draw.randrange(1000)
        )
        wrong = timedelta(hours=draw.choice((0, 0, 0, -3, 5)))  # the client's clock
        sent = happened + timedelta(seconds=draw.randrange(5))
        received = sent + timedelta(milliseconds=40)
        user = f"u-{draw.randrange(30)}" if draw.random() < 0.6 else None
        anonymous = f"a-{draw.randrange(80)}"
        if call == "alias":
            user = user or "u-1"
        message: dict[str, Any] = {
            "messageId": f"m-{number}",
            "userId": user,
            "anonymousId": None if user and number % 5 == 0 else anonymous,
            "originalTimestamp": _told(happened + wrong),
            "sentAt": _told(sent + wrong),
            "receivedAt": _told(received),
            # received - (sent - original), as the specification has it
            "timestamp": _told(received - (sent - happened)),
            "context": {
                "library": {"name": "analytics.js"},
                "campaign": {"name": "spring"} if number % 7 == 0 else None,
            },
            "integrations": {"All": True},
        }
        occurred = received - (sent - happened)
        if number % 50 == 11:  # a batch of a server's own: only the time that it says
            del message["timestamp"], message["sentAt"]
            occurred = happened + wrong
        if number % 60 == 17:
            message |= {"userId": None, "anonymousId": None}
        who = ("customer_id", message["userId"]) if message["userId"] else ("anonymous_id", message["anonymousId"])
        common = {"source": "segment", "who": who, "occurred_at": occurred, "available_at": received}
        _call(call, message, common, found, draw)
        messages.append(message)
        if number % 25 == 6:
            messages.append(message | {"receivedAt": _told(received + timedelta(seconds=9))})
            repeated += 1
    found.rows = len(messages)
    half = len(messages) // 2 if packed else len(messages)
    (folder / "calls-1.jsonl").write_text("".join(json.dumps(each) + "\n" for each in messages[:half]), "utf-8")
    if packed:
        with gzip.open(folder / "calls-2.json.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in messages[half:])
    return found, repeated


def _call(call: str, message: dict[str, Any], common: dict[str, Any], found: Expected, draw: random.Random) -> None:
    """Fill in a call, and note what it should become."""
    nobody = common["who"][1] is None
    event = common | {"channel": "web"}
    if (campaign := message["context"]["campaign"]) and call in (
        "page",
        "screen",
        "viewed",
        "added",
        "searched",
        "checkout",
    ):
        event["campaign_id"] = campaign["name"]
    product = draw.choice(tuple(PRODUCTS))
    kept: dict[str, Any] | None = None
    if call in ("page", "screen"):
        message |= {
            "type": call,
            "name": "Tea",
            "properties": {"path": "/tea", "url": "https://shop.example/tea?mail=ada@shop.example"},
        }
        kept = event | {
            "kind": "Page Viewed",
            "channel": "web" if call == "page" else "app",
            "properties": {"name": "Tea", "path": "/tea"},
        }
    elif call == "identify":
        message["type"] = call
        traits = {"age": draw.choice((None, 44)), "address": {"city": "Köln"}, "firstName": "Ada", "plan": "x"}
        rudder = draw.random() < 0.3
        message |= {"traits": {}} if rudder else {"traits": traits}
        message["context"] |= {"traits": traits} if rudder else {}
        said = {"identified": "identify", "city": "Köln", "age": str(traits["age"]) if traits["age"] else None}
        if not nobody:
            found.traits += [common | {"trait": name, "value": value} for name, value in said.items() if value]
    elif call in ("viewed", "added"):
        name = "Product Viewed" if call == "viewed" else "Product Added"
        extra = {"cart_id": "k-1"} if call == "added" else {}
        own = {"product_id": product, "price": float(PRODUCTS[product]), "quantity": 2, "currency": "EUR", **extra}
        if product == "p-3":
            own["sku"] = own.pop("product_id")
        message |= {"type": "track", "event": name, "properties": own}
        properties = {"price": own["price"], "quantity": 2, "currency": "EUR", **({"cart": "k-1"} if extra else {})}
        kept = event | {"kind": name, "product_id": product, "properties": properties}
    elif call == "searched":
        message |= {"type": "track", "event": "Products Searched", "properties": {"query": "grüner Tee"}}
        kept = event | {"kind": "Products Searched", "properties": {"query": "grüner Tee"}}
    elif call == "checkout":
        message |= {
            "type": "track",
            "event": "Checkout Started",
            "properties": {"order_id": "o-x", "currency": "EUR", "products": [{}]},
        }
        kept = event | {"kind": "Checkout Started", "order_id": "o-x", "properties": {"currency": "EUR"}}
    elif call in ("order", "refund"):
        _order(call, message, common, found, draw, nobody=nobody)
    elif call == "whole refund":
        order = f"o-{message['messageId']}"
        message |= {
            "type": "track",
            "event": "Order Refunded",
            "properties": {"order_id": order, "total": 12.5, "currency": "EUR"},
        }
        if not nobody:
            fact = {"kind": "Order Refunded", "order_id": order, "amount": 1250, "currency": "EUR", "channel": "web"}
            found.lines.append(common | fact)
    elif call == "custom":
        message |= {"type": "track", "event": "Quiz Finished", "properties": {"score": 7}}
        kept = event | {"kind": "Custom Event", "properties": {"name": "Quiz Finished"}}
    elif call == "alias":
        message |= {"type": "alias", "previousId": f"a-{draw.randrange(80)}"}
        if nobody:
            common["who"] = ("anonymous_id", message["previousId"])
            nobody = False
        kept = common | {"channel": "web", "kind": "Custom Event", "properties": {"name": "alias"}}
    elif call == "group":
        message |= {"type": "group", "groupId": "g-1", "traits": {"name": "Household"}}
        if not nobody:
            found.traits.append(common | {"trait": "group", "value": "g-1"})
    else:
        message |= {"type": "track", "event": "Segment Consent Preference Updated", "properties": {}}
        if call == "consent":
            chosen = draw.choice(
                ({}, {"Advertising": True, "Analytics": False}, {"Advertising": False}, {"Analytics": True})
            )
            message["context"]["consent"] = {"categoryPreferences": chosen}
            choice = "granted" if chosen.get("Advertising") else "withdrawn"
            words = "the category Advertising (Segment)"
            if not nobody:
                found.consents.append(common | {"purpose": "advertising", "choice": choice, "words": words})
        else:
            return
    if nobody:
        found.quarantined["unidentified"] += 1
    elif kept is not None:
        found.events.append(kept)


def _order(
    call: str, message: dict[str, Any], common: dict[str, Any], found: Expected, draw: random.Random, *, nobody: bool
) -> None:
    name = "Order Completed" if call == "order" else "Order Refunded"
    order = f"o-{message['messageId']}"
    bought = [(draw.choice(tuple(PRODUCTS)), draw.choice((1, 2, 3))) for _ in range(draw.choice((1, 2, 4)))]
    discount = draw.choice((None, 2.5, 0.01)) if call == "order" else None
    products = [{"product_id": each, "price": float(PRODUCTS[each]), "quantity": quantity} for each, quantity in bought]
    own = {"order_id": order, "currency": "EUR", "products": products, "affiliation": "Outlet"}
    message |= {"type": "track", "event": name, "properties": own | ({"discount": discount} if discount else {})}
    if nobody:
        return
    weights = [minor(PRODUCTS[each] * quantity) for each, quantity in bought]
    parts = shares(minor(Decimal(str(discount or 0))), weights)
    for (each, quantity), weight, share in zip(bought, weights, parts, strict=True):
        fact = {
            "kind": name,
            "order_id": order,
            "product_id": each,
            "quantity": float(quantity),
            "amount": weight - share,
            "discount": share,
            "currency": "EUR",
            "channel": "web",
            "place": "Outlet",
        }
        found.lines.append(common | fact)


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
