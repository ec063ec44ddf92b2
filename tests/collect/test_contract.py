"""Each rule of the contract, broken by hand, and what may look broken but is not."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from coterie.collect import contract
from coterie.collect.contract import RULES, Severity
from coterie.collect.facts import EVENTS, ORDER_LINES, PRODUCTS, QUARANTINE, TRAITS
from coterie.collect.targets import TARGETS
from coterie.schema import TIME
from oracles.contract import broken
from pages import DOCS

LINES = {
    "file": "lines.csv",
    "to": "order_line",
    "kind": {"column": "kind", "values": {"sale": "Order Completed", "return": "Order Refunded"}},
    "id": "line",
    "identify": {"customer_id": "who"},
    "fields": {
        "order_id": "order",
        "product_id": "product",
        "quantity": "pieces",
        "amount": "total",
        "discount": "off",
        "currency": "money",
        "occurred_at": "at",
        "available_at": "known",
    },
}
RIGHT = {"line": "1", "who": "ada", "order": "o1", "product": "p1", "pieces": "2", "total": "9.90", "off": "0",
         "money": "EUR", "at": "2026-02-01 10:00", "known": "2026-02-01 10:05", "kind": "sale"}  # fmt: skip


def table(*rows: dict[str, str]) -> str:
    lines = [",".join(RIGHT), *(",".join(row[name] for name in RIGHT) for row in rows)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"who": ""}, ["unidentified"]),
        ({"who": "NULL"}, ["unidentified"]),
        ({"line": ""}, ["no_id"]),
        ({"order": ""}, ["no_order"]),
        ({"order": "x" * 513}, ["long_id"]),
        ({"at": ""}, ["no_time"]),
        ({"at": "yesterday"}, ["bad_time"]),
        ({"at": "01/02/2026"}, ["bad_time"]),
        ({"at": "infinity"}, ["bad_time"]),
        ({"at": "epoch"}, ["bad_time"]),
        ({"at": "2026-02-30"}, ["bad_time"]),
        ({"known": "soon"}, ["bad_time"]),
        ({"at": "1969-12-31 23:59:59"}, ["ancient"]),
        ({"at": "2026-03-02 12:00:01", "known": ""}, ["future"]),
        ({"at": "20260-02-01"}, ["bad_time"]),
        ({"kind": "gift"}, ["unknown_kind"]),
        ({"kind": ""}, ["unknown_kind"]),
        ({"kind": "Page Viewed"}, ["unknown_kind"]),
        ({"total": ""}, ["no_amount"]),
        *(({"total": bad}, ["bad_amount"]) for bad in ("free", "NaN", "inf", "-Infinity", "1e30", "1.234.5", "€5")),
        *(({"off": bad}, ["bad_amount"]) for bad in ("NaN", "some")),
        ({"total": "-0.01"}, ["negative_amount"]),
        ({"off": "-1"}, ["negative_discount"]),
        ({"total": "10000000000.01"}, ["huge_amount"]),
        ({"off": "10000000000.01"}, ["huge_amount"]),
        *(({"pieces": bad}, ["bad_quantity"]) for bad in ("two", "nan", "1e999")),
        ({"pieces": "-1"}, ["negative_quantity"]),
        ({"pieces": "1000000001"}, ["huge_quantity"]),
        ({"money": "euro"}, ["bad_currency"]),
        ({"money": "EURO"}, ["bad_currency"]),
        ({"money": "USD"}, ["foreign_currency"]),
        ({"who": "", "at": "never", "total": "x", "money": "USD"},
         ["unidentified", "bad_time", "bad_amount", "foreign_currency"]),
    ],
)  # fmt: skip
def test_a_broken_row_is_set_aside_with_all_its_reasons(shop: Any, change: dict[str, str], reasons: list[str]) -> None:
    shop.write("lines.csv", table({**RIGHT, **change}))
    [receipt] = shop.ingest(LINES).files
    assert (receipt.accepted, receipt.quarantined) == (0, 1)
    assert shop.quarantined() == [(1, reasons)]
    assert receipt.reasons == dict.fromkeys(reasons, 1)
    [row] = shop.rows(QUARANTINE)
    assert json.loads(shop.vault.unseal([row["raw"]])[0]) == {**RIGHT, **change}
    known = change.get("who", "ada") == "ada"
    assert row["subject"] == (shop.subject("customer_id", "ada") if known else None)


@pytest.mark.parametrize(
    ("change", "column", "value"),
    [
        ({"total": " 9.90 "}, "amount", 990),
        ({"total": "9.905"}, "amount", 991),
        ({"total": "9.9049"}, "amount", 990),
        ({"total": "1e2"}, "amount", 10000),
        ({"total": "10000000000"}, "amount", 10**12),
        ({"total": "-9.905", "kind": "return"}, "amount", 991),
        ({"pieces": "-2", "kind": "return"}, "quantity", 2.0),
        ({"pieces": ""}, "quantity", None),
        ({"pieces": "0.25"}, "quantity", 0.25),
        ({"off": ""}, "discount", None),
        ({"money": "eur"}, "currency", "EUR"),
        ({"money": ""}, "currency", "EUR"),
        ({"kind": "Order Cancelled"}, "kind", "Order Cancelled"),
        ({"product": ""}, "product_id", None),
        ({"known": ""}, "available_at", "2026-02-01T10:00:00"),
        ({"at": "2026-03-02 12:00:00", "known": ""}, "occurred_at", "2026-03-02T12:00:00"),
        ({"at": "1970-01-01"}, "occurred_at", "1970-01-01T00:00:00"),
        ({"at": "2026-2-1T10:00:00.5"}, "occurred_at", "2026-02-01T10:00:00.500000"),
        ({"at": "2026-02-01T10:00:00Z"}, "occurred_at", "2026-02-01T10:00:00"),
        ({"at": "2026-02-01T10:00:00+05:30"}, "occurred_at", "2026-02-01T04:30:00"),
        ({"at": "2026-02-01 10:00:00.25 -0500"}, "occurred_at", "2026-02-01T15:00:00.250000"),
        ({"at": "2026-02-01 10:00 UTC"}, "occurred_at", "2026-02-01T10:00:00"),
    ],
)
def test_a_row_that_is_right_becomes_a_fact(shop: Any, change: dict[str, str], column: str, value: Any) -> None:
    shop.write("lines.csv", table({**RIGHT, **change}))
    shop.ingest(LINES)
    [fact] = shop.rows(ORDER_LINES)
    found = fact[column]
    assert (found.isoformat() if column.endswith("_at") else found) == value


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"pieces": "0"}, "zero_quantity"),
        ({"total": "0"}, "zero_price"),
        ({"known": "2026-01-31"}, "early"),
        ({"known": "2026-02-04 10:00:01"}, "late"),
    ],
)
def test_what_is_only_odd_is_kept_and_counted(shop: Any, change: dict[str, str], warning: str) -> None:
    shop.write("lines.csv", table({**RIGHT, **change}))
    [receipt] = shop.ingest(LINES).files
    assert (receipt.accepted, receipt.reasons) == (1, {warning: 1})


@pytest.mark.parametrize(
    ("currency", "text", "amount"),
    [("JPY", "1200", 1200), ("JPY", "1200.5", 1201), ("KWD", "1.2345", 1235), ("EUR", "0.005", 1)],
)
def test_minor_units_are_the_currencys(make_shop: Any, currency: str, text: str, amount: int) -> None:
    shop = make_shop(currency=currency)
    shop.write("lines.csv", table({**RIGHT, "total": text, "money": currency, "kind": "sale"}))
    shop.ingest(LINES)
    assert shop.rows(ORDER_LINES)[0]["amount"] == amount


def time(format: str) -> dict[str, Any]:
    return {"occurred_at": {"column": "at", "format": format}}


def read(**fields: Any) -> dict[str, Any]:
    return {**LINES, "fields": {**LINES["fields"], **fields}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("fields", "change", "column", "value"),
    [
        ({"amount": {"column": "total", "unit": "minor"}}, {"total": "990"}, "amount", 990),
        ({"amount": {"multiply": ["pieces", "total"]}}, {"pieces": "3", "total": "1.115"}, "amount", 335),
        ({"amount": {"sum": ["total", "off"]}}, {"total": "1.10", "off": ""}, "amount", 110),
        ({"discount": {"column": "off", "absolute": True}}, {"off": "-1.50"}, "discount", 150),
        ({"place": {"value": "Main Street"}}, {}, "place", "Main Street"),
        (time("%d/%m/%Y"), {"at": "03/02/2026"}, "occurred_at", "2026-02-03T00:00:00"),
        (time("unix"), {"at": "1769940000.5"}, "occurred_at", "2026-02-01T10:00:00.500000"),
        (time("unix_ms"), {"at": "1769940000000"}, "occurred_at", "2026-02-01T10:00:00"),
        (time("%Y-%m-%d %H:%M %z"), {"at": "2026-02-01 10:00 +0200"}, "occurred_at", "2026-02-01T08:00:00"),
        ({"available_at": {"column": "at", "days": 1}}, {}, "available_at", "2026-02-02T10:00:00"),
    ],
)  # fmt: skip
def test_ways_to_say_where_a_value_comes_from(
    shop: Any, fields: dict[str, Any], change: dict[str, str], column: str, value: Any
) -> None:
    shop.write("lines.csv", table({**RIGHT, **change}))
    shop.ingest(read(**fields))
    [fact] = shop.rows(ORDER_LINES)
    found = fact[column]
    assert (found.isoformat() if column.endswith("_at") else found) == value


def test_a_sum_with_a_part_that_is_no_number_is_no_number(shop: Any) -> None:
    shop.write("lines.csv", table({**RIGHT, "off": "some"}))
    shop.ingest(read(amount={"sum": ["total", "off"]}, discount="pieces"))
    assert shop.quarantined() == [(1, ["bad_amount"])]


def test_a_decimal_comma_is_read_when_it_is_named(shop: Any) -> None:
    shop.write(
        "lines.csv",
        table({**RIGHT, "total": "1.234,50", "pieces": "2,5"})
        .replace("1.234,50", '"1.234,50"')
        .replace("2,5", '"2,5"', 1),
    )
    shop.ingest({**LINES, "decimal": ","})
    [fact] = shop.rows(ORDER_LINES)
    assert (fact["amount"], fact["quantity"]) == (123450, 2.5)


def test_local_times_are_told_to_be_local(shop: Any) -> None:
    shop.write("lines.csv", table({**RIGHT, "at": "2025-07-01 10:00", "known": "2025-07-01T10:00:00Z"}))
    shop.ingest({**LINES, "timezone": "America/New_York"})
    [fact] = shop.rows(ORDER_LINES)
    assert (fact["occurred_at"].hour, fact["available_at"].hour) == (14, 10)


def test_parquet_types_become_the_same_facts_as_texts(shop: Any) -> None:
    shop.write("lines.csv", table(RIGHT, {**RIGHT, "line": "2", "total": "1.005", "off": "NaN"}))
    columns = pa.table(
        {
            **{name: pa.array([RIGHT[name]] * 2) for name in ("who", "order", "product", "money", "kind")},
            "line": pa.array([1.0, 2.0]),  # what pandas makes of whole numbers with gaps
            "pieces": pa.array([2, 2], pa.int32()),
            "total": pa.array([9.9, 1.005]),
            "off": pa.array([0.0, float("nan")]),
            "at": pa.array([1769940000000] * 2, pa.timestamp("ms")),
            "known": pa.array([1769940300000000000] * 2, pa.timestamp("ns", "UTC")),
        }
    )
    pq.write_table(columns, shop.folder / "lines.parquet")
    shop.ingest({**LINES, "missing": ["NaN"]}, source="csv")
    shop.ingest({**LINES, "missing": ["NaN"], "file": "lines.parquet"}, source="parquet")
    texts, types = shop.rows(ORDER_LINES)[:2], shop.rows(ORDER_LINES)[2:]
    assert [row["amount"] for row in types] == [990, 101]
    for one, other in zip(texts, types, strict=True):
        assert {**one, "source": "", "import_id": 0} == {**other, "source": "", "import_id": 0}


def test_events_keep_what_has_no_column_as_properties(shop: Any) -> None:
    shop.write(
        "clicks.csv", 'who,at,page,ref,kind\nada,2026-02-01,"/a ""b""",,Page Viewed\nada,2026-02-02,,,Pages Viewed\n'
    )
    shop.ingest({"file": "clicks.csv", "to": "event", "kind": {"column": "kind"}, "identify": {"device_id": "who"},
                 "fields": {"occurred_at": "at"}, "properties": {"url": "page", "referrer": "ref"}})  # fmt: skip
    [fact] = shop.rows(EVENTS)
    assert json.loads(fact["properties"]) == {"url": '/a "b"'}
    assert (fact["amount"], fact["currency"]) == (None, None)
    assert shop.quarantined() == [(2, ["unknown_kind"])]


def test_rows_without_people(shop: Any) -> None:
    shop.write("products.csv", "sku,name,since\np1,Tea,\n,Nothing,\np2,Cup,tomorrow\n")
    read = {
        "file": "products.csv",
        "to": "product",
        "fields": {"product_id": "sku", "name": "name", "available_at": "since"},
    }
    shop.ingest(read)
    assert [row["product_id"] for row in shop.rows(PRODUCTS)] == ["p1"]
    assert shop.quarantined() == [(2, ["no_product"]), (3, ["bad_availability"])]


def test_a_person_without_any_trait(shop: Any) -> None:
    shop.write("people.csv", "id,age,town\nada,,\nbob,40,\n")
    shop.ingest({"file": "people.csv", "to": "trait", "identify": {"customer_id": "id"}, "traits": ["age", "town"]})
    assert [(row["trait"], row["value"]) for row in shop.rows(TRAITS)] == [("age", "40")]
    assert shop.quarantined() == [(1, ["no_value"])]


def test_masks_hold_each_rule_once() -> None:
    assert contract.names(sum(contract.bit(rule.name) for rule in RULES)) == [rule.name for rule in RULES]
    assert {rule.name for rule in RULES} - set(contract.names(contract.SET_ASIDE)) == {
        rule.name for rule in RULES if rule.severity is Severity.WARN
    }


NOW = datetime(2026, 3, 1, 12)
TIMES = [None, NOW, datetime(1969, 12, 31), *(NOW + timedelta(hours=hours) for hours in (-72, -1, 24, 25, 71))]
CELLS = {
    "subject": (pa.int64(), st.sampled_from([None, 7])),
    "#no_id": (pa.bool_(), st.booleans()),
    "order_id": (pa.string(), st.sampled_from([None, "o1"])),
    "#longest": (pa.int64(), st.sampled_from([0, 512, 513])),
    "occurred_at": (TIME, st.sampled_from(TIMES)),
    "available_at": (TIME, st.sampled_from(TIMES)),
    "#ambiguous": (pa.bool_(), st.booleans()),
    "#no_rate": (pa.bool_(), st.booleans()),
    "kind": (pa.string(), st.sampled_from([None, "Order Completed", "Order Refunded", "Page Viewed"])),
    "amount": (pa.int64(), st.sampled_from([None, -1, 0, 5, 10**12, 10**12 + 1, -(10**12) - 1])),
    "discount": (pa.int64(), st.sampled_from([None, -1, 0, 10**12, 10**12 + 1])),
    "quantity": (pa.float64(), st.sampled_from([None, -1.0, 0.0, 2.5, 1e9, 1.1e9, -1.1e9])),
    "currency": (pa.string(), st.sampled_from(["EUR", "USD", "euro", "eur", "EURO", ""])),
    **{
        f"{name}#given": (pa.bool_(), st.booleans())
        for name in ("occurred_at", "available_at", "amount", "discount", "quantity")
    },
}


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({name: values for name, (_, values) in CELLS.items()}), min_size=1))
def test_the_bitmask_says_of_each_row_what_asking_rule_by_rule_says(warehouse: Any, rows: list[dict[str, Any]]) -> None:
    columns = {name: pa.array([row[name] for row in rows], kind) for name, (kind, _) in CELLS.items()}
    mask = contract.mask(TARGETS["order_line"], now=NOW, currency="EUR")
    with warehouse.temporary("judged_rows", pa.table({"#row": range(len(rows)), **columns})):
        masks = warehouse.query(f'SELECT {mask} AS mask FROM judged_rows ORDER BY "#row"')["mask"].to_pylist()
    assert [set(contract.names(each)) for each in masks] == [broken(row, now=NOW, currency="EUR") for row in rows]


def test_the_built_in_contract_is_a_document_that_other_tools_read() -> None:
    path = files("coterie.collect") / "contract.yaml"
    read = OpenDataContractStandard.from_string(path.read_text("utf-8"))
    assert {schema.name for schema in read.schema_} == {*TARGETS, "nothing"}
    for schema in read.schema_:
        named = {check.name for check in schema.quality}
        assert named == {rule.name for rule in RULES if schema.name in rule.targets}
        columns = {column.name for column in schema.properties or ()}
        fields = set(TARGETS[schema.name].fields) if schema.name in TARGETS else set()
        assert fields <= columns <= fields | {"original_amount", "original_currency", "properties"}


def test_a_bit_is_the_same_in_every_contract_and_tells_whether_a_row_is_set_aside() -> None:
    own = contract.Contract.of(
        {
            "apiVersion": "v3.1.0",
            "schema": [
                {
                    "name": "order_line",
                    "properties": [
                        {"name": "product_id", "required": True},
                        {
                            "name": "place",
                            "required": True,
                            "customProperties": [{"property": "severity", "value": "warning"}],
                        },
                    ],
                }
            ],
        }
    )
    for rule in RULES:
        assert contract.bit(rule.name, own.rules) == contract.bit(rule.name)
    for rule in own.rules:
        aside = contract.bit(rule.name, own.rules) & contract.SET_ASIDE != 0
        assert aside == (rule.severity is Severity.QUARANTINE)


def test_every_rule_says_what_is_wrong_and_those_that_can_be_mended_how() -> None:
    for rule in RULES:
        assert rule.wrong.split()[0] in {"is", "has", "names", "lacks", "cannot", "does", "happened", "carries",
                                         "belongs", "says", "was", "became"}  # fmt: skip
        assert not rule.wrong.endswith(".")
        assert rule.hint == "" or rule.hint.endswith(".")
    hinted = {rule.name for rule in RULES if rule.hint}
    assert {"malformed", "unidentified", "bad_time", "bad_amount", "foreign_currency", "unmapped", "no_rate"} <= hinted


def test_the_reference_page_has_every_rule_in_its_words() -> None:
    page = (DOCS / "reference" / "contract.md").read_text("utf-8")
    for rule in RULES:
        done = "set aside" if rule.severity is Severity.QUARANTINE else "let in, counted"
        [line] = [line for line in page.splitlines() if line.startswith(f"| `{rule.name}` |")]
        assert rule.wrong in line
        assert line.endswith(f"| {done} |")
