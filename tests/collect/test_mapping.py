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
        {
            "file": "export*.csv",
            "to": "order_line",
            "kind": {"column": "number", "prefixes": {"C": "Order Cancelled"}, "otherwise": "Order Completed"},
            "where": {"status": ["paid", ""], "type": {"not": "test"}},
            "each": {"column": "items", "between": ";", "inside": "|", "named": ":"},
            "unit": ["number"],
            "fill": ["status"],
            "optional": ["type"],
            "identify": {"email": {"first": ["mail", "billing"]}, "phone": {"column": "tel", "strip": "'"}},
            "fields": {
                "order_id": "number",
                "refund_of": {"column": "refunded", "case": "upper"},
                "amount": {"column": "items.total", "less": ["items.off"], "less_share": "discount"},
                "discount": {"value": 0, "plus_share": "discount"},
                "occurred_at": {"first": ["paid", "made"], "format": ["%d/%m/%Y", "iso"]},
            },
            "join": [{"file": "a.csv", "on": "a"}, {"file": "b.xlsx", "on": {"b": "c"}, "take": "first", "sheet": "B"}],
            "thousands": "'",
        },
        {"file": "export*.csv", "to": "nothing", "where": {"type": "test"}},
        {"database": "SHOP_DATABASE", "table": "people", "cursor": "changed", "to": "trait",
         "identify": {"customer_id": "id"}, "traits": ["age"]},
        {"database": "SHOP_DATABASE", "query": "SELECT 1", "to": "product", "fields": {"product_id": "id"}},
        {"file": "clicks.csv", "to": "event", "kind": {"column": "what", "otherwise": "Custom Event"},
         "unit": ["visit"], "identify": {"device_id": "cookie"},
         "fields": {"occurred_at": {"column": "t", "format": "unix_us"}}},
    ],
    "conversion": {"file": "rates.csv", "rate": "eur", "days": 3},
    "retention": 30,
    "contract": "rules/shop.yaml",
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
    [orders, people, *_] = Mapping.of(GOOD).reads
    assert [kind for kind, _ in orders.identify] == ["customer_id", "email"]
    named = "order position mail customer product type price pieces coupon card day"
    assert set(orders.columns) == set(named.split())
    assert people.traits == (("age", "age"), ("town", "town"))
    assert orders.timezone == "Europe/Berlin"


def test_a_read_knows_what_belongs_to_an_element_and_what_the_file_must_have() -> None:
    read = Mapping.of(GOOD).reads[3]
    assert [name for name in read.cells if read.inside(name)] == ["items.total", "items.off"]
    needed = "number status type mail billing tel refunded discount paid made items a b"
    assert set(read.columns) == set(needed.split())
    assert [name for name in read.columns if read.may_lack(name)] == ["type"]


def test_lines_belong_to_their_order_unless_something_else_is_said() -> None:
    reads = Mapping.of(GOOD).reads
    assert [read.unit for read in reads] == [("order",), (), (), ("number",), (), (), (), ("visit",)]


def test_every_read_has_a_name_of_its_own() -> None:
    assert [read.name for read in Mapping.of(GOOD).reads] == [
        "order_line orders-*.csv",
        "trait people.csv",
        "event clicks.csv",
        "order_line export*.csv",
        "nothing export*.csv",
        "trait people",
        "product SHOP_DATABASE query",
        "event clicks.csv 2",
    ]


def test_what_a_read_means_is_what_decides_its_facts() -> None:
    meanings = [Mapping.of(GOOD).meaning(read) for read in Mapping.of(GOOD).reads]
    assert len(set(meanings)) == len(meanings)
    for path, value, alike in (
        (["retention"], 90, True),
        (["conversion", "days"], 2, False),
        (["conversion", "file"], "other.csv", True),  # what is in it counts, not its name
        (["read", 0, "file"], "other.csv", True),
        (["read", 0, "fields", "amount", "less"], ["x"], False),
    ):
        other = Mapping.of(changed(path, value))
        assert (other.meaning(other.reads[0]) == meanings[0]) is alike, path
        assert other.meaning(other.reads[1]) == meanings[1], "rates do not matter where there is no money"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["currency"], "CHF"),
        (["conversion", "rate"], "usd"),
        (["conversion"], None),
        (["retention"], 31),
        (["contract"], None),
        (["read", 3, "where", "status"], ["paid"]),
        (["read", 3, "where", "type"], "test"),
        (["read", 3, "each", "between"], ","),
        (["read", 3, "unit"], ["number", "type"]),
        (["read", 3, "fill"], None),
        (["read", 3, "optional"], None),
        (["read", 3, "thousands"], " "),
        (["read", 3, "kind", "prefixes", "C"], "Order Refunded"),
        (["read", 3, "kind", "otherwise"], "Order Refunded"),
        (["read", 3, "identify", "phone", "strip"], "+"),
        (["read", 3, "identify", "email", "first"], ["billing", "mail"]),
        (["read", 3, "fields", "refund_of", "case"], "lower"),
        (["read", 3, "fields", "amount", "less"], ["off"]),
        (["read", 3, "fields", "amount", "less_share"], None),
        (["read", 3, "fields", "discount", "plus_share"], "other"),
        (["read", 3, "fields", "occurred_at", "format"], ["iso", "%d/%m/%Y"]),
        (["read", 3, "join", 1, "take"], None),
        (["read", 3, "join", 1, "sheet"], None),
        (["read", 5, "table"], "customers"),
        (["read", 5, "cursor"], None),
        (["read", 6, "query"], "SELECT 2"),
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
        (["read", 0, "fields", "amount"], {"column": "a", "value": 1}, "exactly one of column, first, value, sum", ""),
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
        (["currency"], "Euro", "'currency' must be an ISO 4217 code, got 'Euro'", '"EUR"'),
        (["retention"], 0, "'retention' must be a whole number from 1 to 36,500", ""),
        (["retention"], True, "'retention' must be a whole number", ""),
        (["contract"], "../x.yaml", "inside the folder", ""),
        (["conversion", "file"], None, "the mapping, conversion: 'file' is missing", ""),
        (["conversion", "rates"], "x", "conversion: unknown key 'rates'", "'rate'"),
        (["conversion", "days"], -1, "'days' must be a whole number from 0 to 366", ""),
        (["conversion", "format"], ["%d/%m/%Y", "%m/%d/%Y"], "'format' must be one notation", ""),
        (["read", 3, "wher"], {}, "unknown key 'wher'", "'where'"),
        (["read", 3, "where", "status"], [], "where, status: needs at least one text", "{ not ="),
        (["read", 3, "where", "status"], {"nt": "x"}, "unknown key 'nt'", "'not'"),
        (["read", 3, "where", "status"], 1, "must be text or a list of texts", ""),
        (["read", 3, "where", "items.total"], "1", "'where' is about rows; 'items.total' belongs to an element", ""),
        (["read", 3, "fill"], ["items.total"], "'fill' is about rows", ""),
        (["read", 3, "fill"], ["number"], "'number' tells units apart and cannot be filled", ""),
        (["read", 3, "unit"], ["items.order"], "'fill' needs a 'unit' of columns of the row", ""),
        (["read", 2, "fill"], ["url"], "'fill' needs 'unit'", 'unit = ["order"]'),
        (["read", 3, "join", 0, "on"], "items.sku", "'join' is about rows", ""),
        (["read", 3, "join", 0, "take"], "last", "unknown take 'last'; allowed are one, first", ""),
        (["read", 3, "each", "named"], None, "each: needs both 'inside' and 'named', or neither", "between"),
        (["read", 3, "each", "named"], "|", "'between', 'inside' and 'named' must differ", ""),
        (["read", 3, "each", "between"], None, "each: 'between' is missing", ""),
        (["read", 3, "each"], ["items"], "'each' must be text or a table", ""),
        (["read", 3, "identify", "email"], {"value": "x"}, "identify, email: unknown key 'value'", ""),
        (["read", 3, "identify", "email"], {"first": ["mail"]}, "'first' needs two columns or more", ""),
        (["read", 3, "fields", "amount", "less_share"], "items.off", "'items.off' is of one element", ""),
        (["read", 2, "fields", "amount"], {"column": "a", "less_share": "b"}, "amount: a share needs 'unit'", "stated"),
        (["read", 0, "join"], "prices.csv", "'join' must be a table or a list of tables", ""),
        (["read", 0, "fields", "discount", "absolute"], "yes", "'absolute' must be true or false, got 'yes'", ""),
        (["read", 0, "fields", "discount"], 5, "'discount' must be text or a table, got 5", ""),
        (["read", 0, "fields"], "x", "'fields' must be a table, got 'x'", ""),
        (["read", 3, "fields", "amount", "plus_share"], "x", "unknown key 'plus_share'", "'less_share'"),
        (["read", 3, "fields", "discount", "less_share"], "x", "unknown key 'less_share'", "'plus_share'"),
        (["read", 3, "fields", "quantity"], {"column": "q", "less_share": "x"}, "unknown key 'less_share'", ""),
        (["read", 3, "fields", "quantity"], {"column": "q", "unit": "minor"}, "unknown key 'unit'", ""),
        (["read", 3, "fields", "discount", "value"], "none", "'value' of a number must be one, got 'none'", ""),
        (["read", 3, "fields", "discount", "value"], "1_000", "'value' of a number must be one, got '1_000'", ""),
        (["read", 3, "fields", "refund_of", "case"], "title", "unknown case 'title'", ""),
        (["read", 3, "fields", "refund_of", "values"], {"x": "y"}, "case = 'upper' comes first", ""),
        (["read", 3, "fields", "place"], {"column": "x", "strip": "'", "values": {"'a'": "b"}}, "strip = \"'\"", ""),
        (["read", 3, "fields", "place"], {"column": "x", "prefixes": {"": "b"}}, "every word begins with", "otherwise"),
        (["read", 3, "fields", "place"], {"value": "x", "otherwise": "y"}, "a constant needs no 'otherwise'", ""),
        (["read", 3, "fields", "place"], {"column": "x", "otherwise": 1}, "'otherwise' must be text, got 1", ""),
        (["read", 3, "fields", "occurred_at", "format"], ["%d/%m/%Y", "%Q"], "'format' must be", "must agree"),
        (["read", 3, "fields", "occurred_at", "format"], "unix_ns", "iso, unix, unix_ms, unix_us or made of", ""),
        (["read", 3, "kind", "otherwise"], "Custom Event", "unknown kind of order_line 'Custom Event'", ""),
        (["read", 7, "kind", "otherwise"], "Custom", "unknown kind of event 'Custom'", "'Custom Event'"),
        (["read", 3, "thousands"], ".", "'thousands' must be one character that is no", ""),
        (["read", 3, "thousands"], "1", "'thousands' must be one character that is no", ""),
        (["read", 3, "thousands"], "  ", "'thousands' must be one character that is no", ""),
        (["read", 4, "where"], None, "to = \"nothing\" needs 'where'", "left out on purpose"),
        (["read", 4, "fields"], {"order_id": "x"}, "unknown key of to = \"nothing\" 'fields'", ""),
        (["read", 4, "identify"], {"email": "x"}, "unknown key of to = \"nothing\" 'identify'", ""),
        (["read", 5, "query"], "SELECT 1", "a 'database' needs either 'table' or 'query'", ""),
        (["read", 5, "table"], None, "a 'database' needs either 'table' or 'query'", ""),
        (["read", 5, "file"], "x.csv", "a 'database' has no 'file'", ""),
        (["read", 5, "delimiter"], ";", "a 'database' has no 'delimiter'", ""),
        (["read", 5, "database"], "postgresql://me:secret@host/shop", "the name of an environment variable", "SHOP_DA"),
        (["read", 0, "cursor"], "changed", "'cursor' is for a 'database'", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_said_precisely(path: list[Any], value: Any, message: str, hint: str) -> None:
    with pytest.raises(MappingError) as caught:
        Mapping.of(changed(path, value))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "secret" not in str(caught.value)


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
