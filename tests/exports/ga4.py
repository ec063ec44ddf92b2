"""Google Analytics 4 in BigQuery's export, made up, with the oddities of real ones, and what it should become."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exports.expected import Expected, minor

_TEXT, _INT, _REAL = pa.string(), pa.int64(), pa.float64()
_VALUE = pa.struct([("string_value", _TEXT), ("int_value", _INT), ("float_value", _REAL), ("double_value", _REAL)])
_PARAMS = pa.list_(pa.struct([("key", _TEXT), ("value", _VALUE)]))
_ITEM = pa.struct(
    [(name, _TEXT) for name in ("item_id", "item_name", "item_brand", "item_variant", "item_category")]
    + [("price_in_usd", _REAL), ("price", _REAL), ("quantity", _INT), ("item_revenue", _REAL), ("item_refund", _REAL)]
    + [(name, _TEXT) for name in ("coupon", "location_id", "item_list_id", "promotion_id")]
)
SCHEMA = pa.schema(
    [
        ("event_date", _TEXT),
        ("event_timestamp", _INT),
        ("event_name", _TEXT),
        ("event_params", _PARAMS),
        ("event_bundle_sequence_id", _INT),
        ("user_id", _TEXT),
        ("user_pseudo_id", _TEXT),
        (
            "privacy_info",
            pa.struct([(name, _TEXT) for name in ("analytics_storage", "ads_storage", "uses_transient_token")]),
        ),
        ("user_properties", _PARAMS),
        ("device", pa.struct([("category", _TEXT), ("language", _TEXT), ("operating_system", _TEXT)])),
        ("geo", pa.struct([("country", _TEXT), ("city", _TEXT)])),
        ("traffic_source", pa.struct([("name", _TEXT), ("medium", _TEXT), ("source", _TEXT)])),
        ("platform", _TEXT),
        (
            "ecommerce",
            pa.struct(
                [
                    ("total_item_quantity", _INT),
                    ("purchase_revenue", _REAL),
                    ("refund_value", _REAL),
                    ("unique_items", _INT),
                    ("transaction_id", _TEXT),
                ]
            ),
        ),
        ("items", pa.list_(_ITEM)),
    ]
)
"""The columns that matter here, nested as in BigQuery."""

PRICES = {"T-1": Decimal("19.90"), "P-9": Decimal("49.00"), "C-3": Decimal("3.33")}
NAMES = (
    "session_start",
    "first_visit",
    "page_view",
    "page_view",
    "search",
    "view_item_list",
    "view_item",
    "view_item",
    "add_to_cart",
    "begin_checkout",
    "purchase",
    "purchase",
    "refund",
    "whole refund",
    "bare purchase",
    "scroll",
    "user_engagement",
    "login",
    "view_promotion",
)
ONE = {
    "page_view": "Page Viewed",
    "search": "Products Searched",
    "view_item_list": "Product List Viewed",
    "login": "Signed In",
    "begin_checkout": "Checkout Started",
    "view_promotion": "Promotion Viewed",
}
CHANNELS = {"WEB": "web", "IOS": "app", "ANDROID": "app"}


def events(seed: int = 1, count: int = 400, days: int = 3) -> list[dict[str, Any]]:
    """Events as BigQuery's rows, over some days, in order of time."""
    draw, made = random.Random(seed), []
    for number in range(count):
        moment = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(microseconds=draw.randrange(days * 86_400_000_000))
        name = draw.choice(NAMES)
        visitor = draw.randrange(60)
        row: dict[str, Any] = {
            "event_date": f"{moment:%Y%m%d}",
            "event_timestamp": (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1),
            "event_name": name.removeprefix("whole ").removeprefix("bare "),
            "event_bundle_sequence_id": number,
            # who signs in is known from then on, and keeps the id of the device
            "user_id": f"u-{visitor % 20}" if visitor % 3 == 0 and moment.hour >= 12 else None,
            "user_pseudo_id": None if number % 45 == 8 else f"{visitor}.17000000{visitor:02d}",
            "privacy_info": {
                "analytics_storage": "Yes",
                "ads_storage": draw.choice(("Yes", "No", "Unset")),
                "uses_transient_token": "No",
            },
            "user_properties": [],
            "device": {
                "category": draw.choice(("mobile", "desktop")),
                "language": "de-de",
                "operating_system": "(not set)",
            },
            "geo": {"country": draw.choice(("Germany", "(not set)")), "city": "(not set)"},
            "traffic_source": {"name": "(direct)", "medium": "(none)", "source": draw.choice(("(direct)", "google"))},
            "platform": draw.choice(("WEB", "WEB", "IOS", "ANDROID")),
            "ecommerce": None,
            "items": [],
        }
        params: dict[str, Any] = {
            "ga_session_id": 1_770_000_000 + visitor,
            "page_location": "https://shop.example/?mail=ada@shop.example",
        }
        _fill(name, number, row, params, draw)
        row["event_params"] = [{"key": key, "value": _typed(value)} for key, value in params.items()]
        made.append(row)
        if name == "purchase" and number % 6 == 0:  # the confirmation page was loaded again
            made.append(row | {"event_timestamp": row["event_timestamp"] + 60_000_000})
    return sorted(made, key=lambda row: row["event_timestamp"])


def _fill(name: str, number: int, row: dict[str, Any], params: dict[str, Any], draw: random.Random) -> None:
    bought = [draw.choice(tuple(PRICES)) for _ in range(draw.choice((1, 1, 2, 3)))]
    items = [_item(sku, draw.choice((1, 2))) for sku in bought]
    transaction = f"t-{number}"
    if name in ("view_item", "add_to_cart", "view_item_list", "view_promotion"):
        row["items"] = items if name == "view_item_list" else items[:1]
        params |= {"currency": draw.choice(("EUR", "USD")), "value": 5}
        if name == "view_promotion":
            row["items"][0]["promotion_id"] = "SPRING"
        if name == "view_item_list":
            params["item_list_id"] = "teas"
    elif name == "search":
        params["search_term"] = 'tea "green"'
    elif name == "begin_checkout":
        params |= {"currency": "EUR", "value": 12.5}  # a whole number arrives as int_value, others as double_value
    elif name == "login":
        params["method"] = "mail"
    elif name == "purchase":
        for item in items:
            item["item_revenue"] = float(PRICES[item["item_id"]] * item["quantity"])
        row["items"] = items
        total = sum(item["item_revenue"] for item in items)
        foreign = number % 40 == 3
        params |= {"currency": "USD" if foreign else "EUR", "transaction_id": transaction, "value": total}
        if number % 4 == 0:
            params["coupon"] = "welcome10"
        row["ecommerce"] = {
            "transaction_id": transaction,
            "purchase_revenue": total,
            "unique_items": len(set(bought)),
            "total_item_quantity": sum(item["quantity"] for item in items),
        }
    elif name == "bare purchase":
        params |= {"currency": "EUR", "transaction_id": transaction, "value": 25}
        row["ecommerce"] = {"transaction_id": transaction, "purchase_revenue": 25.0, "unique_items": 0}
    elif name == "refund":
        items[0]["item_refund"] = float(PRICES[items[0]["item_id"]])
        row["items"] = items[:1]
        params |= {"currency": "EUR", "transaction_id": "t-9"}
        row["ecommerce"] = {"transaction_id": "t-9", "refund_value": items[0]["item_refund"], "unique_items": 1}
    elif name == "whole refund":
        params |= {"currency": "EUR", "transaction_id": "t-9", "value": 7.5}
        row["ecommerce"] = {"transaction_id": "t-9", "refund_value": 7.5}


def _item(sku: str, quantity: int) -> dict[str, Any]:
    item = dict.fromkeys((field.name for field in _ITEM), None) | {
        "item_variant": "(not set)",
        "item_list_id": "(not set)",
    }
    return item | {"item_id": sku, "item_name": f"Name of {sku}", "price": float(PRICES[sku]), "quantity": quantity}


def _typed(value: Any) -> dict[str, Any]:
    kind = "string_value" if isinstance(value, str) else "int_value" if isinstance(value, int) else "double_value"
    return {kind: value}


def expected(made: list[dict[str, Any]], currency: str = "EUR") -> Expected:
    """What events should become in a shop of a currency."""
    found = Expected(rows=len(made))
    seen: set[str] = set()
    for row in made:
        _one(row, found, seen, currency)
    return found


def _one(row: dict[str, Any], found: Expected, seen: set[str], currency: str) -> None:
    params = {each["key"]: next(iter(each["value"].values())) for each in row["event_params"]}
    moment = datetime(1970, 1, 1) + timedelta(microseconds=row["event_timestamp"])
    who = ("customer_id", row["user_id"]) if row["user_id"] else ("anonymous_id", row["user_pseudo_id"])
    nobody, name = who[1] is None, row["event_name"]
    common = {"source": "ga4", "who": who, "occurred_at": moment, "available_at": moment}
    event = common | {"channel": CHANNELS[row["platform"]]}
    session = {"session": params["ga_session_id"]}
    transaction = (row["ecommerce"] or {}).get("transaction_id")
    made_of: list[dict[str, Any]] = []
    if name in ("purchase", "refund"):
        kind, money = ("Order Completed", "item_revenue") if name == "purchase" else ("Order Refunded", "item_refund")
        line = event | {"kind": kind, "order_id": transaction, "currency": params["currency"]}
        line |= {"refund_of": transaction} if name == "refund" else {}
        if row["items"]:
            lines = [
                line
                | {
                    "product_id": item["item_id"],
                    "quantity": float(item["quantity"]),
                    "amount": minor(Decimal(str(item[money]))),
                }
                for item in row["items"]
            ]
        else:
            lines = [
                line
                | {
                    "amount": minor(
                        Decimal(str(row["ecommerce"].get("purchase_revenue") or row["ecommerce"]["refund_value"]))
                    )
                }
            ]
        reasons = [
            *(["unidentified"] if nobody else []),
            *(["foreign_currency"] if params["currency"] != currency else []),
        ]
        if reasons:
            found.quarantined["; ".join(reasons)] += 1
        elif name == "purchase" and transaction in seen:
            found.quarantined["conflicting_id"] += 1
        else:
            found.lines += lines
            seen |= {transaction} if name == "purchase" else set()
        if "coupon" in params:
            made_of = [
                event
                | {"kind": "Coupon Applied", "order_id": transaction, "offer_id": "WELCOME10", "properties": session}
            ]
            key = f"coupon {transaction}"
            if not nobody and key in seen:
                found.quarantined["conflicting_id"] += 1
                return
            seen.add(key)
    elif name in ("view_item", "add_to_cart"):
        kind = {"view_item": "Product Viewed", "add_to_cart": "Product Added"}[name]
        for item in row["items"]:
            properties = session | {
                "price": item["price"],
                "quantity": item["quantity"],
                "currency": params["currency"],
            }
            made_of.append(event | {"kind": kind, "product_id": item["item_id"], "properties": properties})
    elif name in ONE:
        told = {
            "query": "search_term",
            "list": "item_list_id",
            "value": "value",
            "currency": "currency",
            "method": "method",
        }
        properties = session | {mine: params[theirs] for mine, theirs in told.items() if theirs in params}
        offer = {"offer_id": "SPRING"} if name == "view_promotion" else {}
        made_of = [event | {"kind": ONE[name], "properties": properties} | offer]
    elif name == "scroll":
        made_of = [event | {"kind": "Custom Event", "properties": session | {"name": "scroll"}}]
    elif name == "first_visit":
        said = {
            "first_source": row["traffic_source"]["source"],
            "first_medium": "(none)",
            "country": row["geo"]["country"],
            "device": row["device"]["category"],
            "language": "de-de",
        }
        if nobody:
            found.quarantined["unidentified"] += 1
        else:
            found.traits += [
                common | {"trait": trait, "value": value} for trait, value in said.items() if value != "(not set)"
            ]
        return
    elif name == "session_start":
        if (said := row["privacy_info"]["ads_storage"]) == "Unset":
            return
        if nobody:
            found.quarantined["unidentified"] += 1
        else:
            found.consents.append(
                common
                | {
                    "purpose": "advertising",
                    "choice": {"Yes": "granted", "No": "withdrawn"}[said],
                    "words": "ad_storage of Google's consent mode",
                }
            )
        return
    if nobody and made_of:
        found.quarantined["unidentified"] += 1
    else:
        found.events += made_of


def parquet(folder: Path, made: list[dict[str, Any]], prefix: str = "events_") -> None:
    """Write the daily tables as nested Parquet, a file a day."""
    for day in sorted({row["event_date"] for row in made}):
        rows = [row for row in made if row["event_date"] == day]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / f"{prefix}{day}.parquet")


def json_lines(folder: Path, made: list[dict[str, Any]]) -> None:
    """Write the daily tables as BigQuery writes JSON: no nulls, and whole numbers in quotes."""
    for day in sorted({row["event_date"] for row in made}):
        rows = (json.dumps(_quoted(row)) for row in made if row["event_date"] == day)
        (folder / f"events_{day}.json").write_text("".join(f"{row}\n" for row in rows), "utf-8")


def _quoted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _quoted(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_quoted(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
