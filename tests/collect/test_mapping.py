"""A mapping says what files mean, and says precisely what it cannot follow."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from coterie.collect.mapping import Mapping
from coterie.collect.shops import complete_journey, ready
from coterie.errors import MappingError

GOOD: dict[str, Any] = {
    "source": "webshop",
    "channel": "web",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "lawful_basis": {"segmentation": "contract: we keep what was bought"},
    "read": [
        {
            "file": "orders-*.csv",
            "to": "order_line",
            "kind": {"column": "type", "values": {"sale": "Order Completed", "return": "Order Refunded"}},
            "id": ["order", "position"],
            "identify": {"email": "mail", "customer_id": "customer"},
            "fields": {
                "order_id": "order",
                "amount": {"multiply": ["price", "pieces"]},
                "discount": {"sum": ["coupon", "card"], "absolute": True},
                "occurred_at": {"column": "day", "format": "%d.%m.%Y", "days": 1},
                "currency": {"value": "EUR"},
            },
            "join": {"file": "prices.csv", "on": {"product": "sku"}},
            "decimal": ",",
            "delimiter": ";",
            "encoding": "latin-1",
        },
        {"file": "people.csv", "to": "trait", "identify": {"customer_id": "id"}, "traits": ["age", "town"]},
        {"file": "clicks.csv", "to": "event", "kind": "Product Viewed", "identify": {"device_id": "cookie"},
         "fields": {"occurred_at": {"column": "t", "format": "unix"}}, "properties": {"page": "url"}},
    ],
}  # fmt: skip


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    body = deepcopy(GOOD)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return body


def test_what_it_says_survives_json() -> None:
    mapping = Mapping.of(GOOD)
    again = Mapping.from_json(json.loads(json.dumps(mapping.to_json())))
    assert again == mapping
    assert again.fingerprint == mapping.fingerprint


def test_a_read_knows_its_columns_and_its_strongest_identifier_first() -> None:
    [orders, people, _] = Mapping.of(GOOD).reads
    assert [kind for kind, _ in orders.identify] == ["customer_id", "email"]
    named = "order position mail customer product type price pieces coupon card day"
    assert set(orders.columns) == set(named.split())
    assert people.traits == (("age", "age"), ("town", "town"))
    assert orders.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["currency"], "CHF"),
        (["read", 0, "fields", "discount", "absolute"], False),
        (["read", 0, "fields", "occurred_at", "days"], 2),
        (["read", 0, "kind", "values", "sale"], "Order Cancelled"),
        (["read", 2, "properties", "page"], "link"),
        (["timezone"], "Europe/Paris"),
    ],
)
def test_whatever_changes_the_facts_changes_the_fingerprint(path: list[Any], value: Any) -> None:
    assert Mapping.of(changed(path, value)).fingerprint != Mapping.of(GOOD).fingerprint


@pytest.mark.parametrize(
    ("path", "value", "message", "hint"),
    [
        (["sauce"], "x", "unknown key 'sauce'", "'source'"),
        (["source"], None, "'source' is missing", ""),
        (["read"], [], "reads no file", "[[read]]"),
        (["timezone"], "Berlin", "IANA time zone", "Europe/Berlin"),
        (["lawful_basis", "segmentaton"], "x", "unknown purpose 'segmentaton'", "'segmentation'"),
        (["read", 0, "to"], "order_lines", "unknown target 'order_lines'", "'order_line'"),
        (["read", 0, "flie"], "x", "read 1 (orders-*.csv): unknown key 'flie'", "'file'"),
        (["read", 0, "fields", "ocurred_at"], "x", "field of order_line 'ocurred_at'", "'occurred_at'"),
        (["read", 0, "fields", "amount"], None, "to = 'order_line' needs 'amount'", 'amount = "column"'),
        (["read", 0, "fields", "amount"], {"sum": ["a"]}, "field amount: 'sum' needs two columns or more", ""),
        (["read", 0, "fields", "amount"], {"column": "a", "unit": "cents"}, "unknown unit 'cents'", ""),
        (["read", 0, "fields", "amount"], {"column": "a", "value": 1}, "exactly one of column, value, sum", ""),
        (["read", 0, "fields", "amount"], {"colum": "a"}, "unknown key 'colum'", "'column'"),
        (["read", 0, "fields", "order_id"], {"sum": ["a", "b"]}, "unknown key 'sum'", ""),
        (["read", 0, "fields", "occurred_at", "days"], 1.5, "'days' must be a whole number", ""),
        (["read", 0, "kind"], "Order Complete", "unknown kind of order_line 'Order Complete'", "'Order Completed'"),
        (["read", 0, "kind"], "Page Viewed", "unknown kind of order_line 'Page Viewed'", ""),
        (["read", 2, "kind"], None, "'kind' is missing", "Product Viewed"),
        (["read", 0, "identify"], None, "'identify' is missing", "customer_id"),
        (["read", 0, "identify", "e-mail"], "x", "unknown kind of identifier 'e-mail'", "'email'"),
        (["read", 0, "traits"], ["age"], "only for to = \"trait\"", ""),
        (["read", 1, "traits"], None, "needs either 'traits'", ""),
        (["read", 1, "id"], ["id"], "identified by their content", ""),
        (["read", 1, "properties"], ["x"], "keeps no properties", ""),
        (["read", 1, "kind"], "Page Viewed", "to = 'trait' has no kind", ""),
        (["read", 0, "encoding"], "utf-9", "unknown encoding 'utf-9'", "latin-1"),
        (["read", 0, "delimiter"], ";;", "one character", ""),
        (["read", 0, "decimal"], "'", "unknown decimal mark", ""),
        (["read", 0, "join", "on"], None, "'on' is missing", ""),
        (["read", 0, "file"], "../orders.csv", "inside the folder", ""),
        (["read", 0, "file"], "/etc/passwd", "inside the folder", ""),
        (["read", 0, "file"], ".", "inside the folder", ""),
        (["read", 0, "fields", "occurred_at"], {"column": "at", "format": "%Q"}, "'format' must be", "%d/%m/%Y"),
        (["read", 0, "fields", "occurred_at"], {"column": "at", "format": "dd.mm.yy"}, "'format' must be", "%d/%m/%Y"),
        (["read", 0, "fields", "occurred_at"], {"column": "at", "format": "%H:%"}, "'format' must be", "%d/%m/%Y"),
        (["read", 0, "join", "file"], "../x.csv", "inside the folder", ""),
        (["read", 0, "missing"], [1], "text or a list of texts", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_said_precisely(path: list[Any], value: Any, message: str, hint: str) -> None:
    with pytest.raises(MappingError) as caught:
        Mapping.of(changed(path, value))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_file_that_is_no_mapping_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    with pytest.raises(MappingError, match=r"Cannot read the mapping .*shop\.toml"):
        Mapping.load(path)
    path.write_text("source = ", "utf-8")
    with pytest.raises(MappingError, match="is not valid TOML"):
        Mapping.load(path)
    path.write_text('source = "x"\n', "utf-8")
    with pytest.raises(MappingError, match=r"shop\.toml: the mapping reads no file"):
        Mapping.load(path)


def test_the_demo_shop_is_ready(complete_journey_folder: Path) -> None:
    mapping, folder = complete_journey()
    assert mapping == ready("complete_journey")
    assert folder == complete_journey_folder
    assert all((folder / read.file).is_file() for read in mapping.reads)
