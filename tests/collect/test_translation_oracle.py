"""The SQL of a read gives what its naive twin gives, row by row, whatever the rows and whatever the mapping says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect import sources
from coterie.collect.mapping import Mapping
from coterie.collect.translation import Translation
from coterie.store.warehouse import Warehouse
from oracles import translation as oracle

Translate = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]


def examples(number: int) -> settings:
    """An example takes a seventh of a second, most of it for planning the statement: few examples of many rows."""
    return settings(
        max_examples=number,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large, HealthCheck.too_slow],
    )


COLUMNS = {
    "order": ["A1", "A1", "A2", "C3", " A1 ", "", "a/b", "CX9"],
    "status": ["paid", "open", "", "n/a", "Paid"],
    "mail": ["a@x.de", "", "b@x.de"],
    "qty": ["1", "2", "3", "-2", "0", "", "1_0", "2.5", "٣", "x"],
    "price": ["10.00", "3.335", "0", "-1.5", "1e2", "", "NaN", "0x10", "7.", ".5", "1,000.50", "12,34", "1.234,50",
              "9 9"],
    "off": ["", "", "0.50", "1", "-0.25", "z", "1_1"],
    "whole": ["", "", "1.00", "10", "0.01", "-3", "100.05", "?", "0"],
    "currency": ["EUR", "usd", "JPY", "KWD", "", "eurosz", "CHF"],
    "day": ["2026-01-05", "05/01/2026", "13/01/2026", "01/13/2026", "03/03/2026", "05/01/26", "", "soon", "2026-02-30"],
    "sku": ["'T1'", "t1", "''", "", "T2"],
}  # fmt: skip
RATES = [
    (date(2026, 1, 1), "USD", "0.9"),
    (date(2026, 1, 4), "USD", "0.91"),
    (date(2026, 1, 2), "JPY", "0.0061"),
    (date(2026, 1, 5), "KWD", "2.9999"),
    (date(2026, 3, 1), "JPY", "0.007"),
]

TABLES = st.lists(st.fixed_dictionaries({name: st.sampled_from(pool) for name, pool in COLUMNS.items()}), min_size=1,
                  max_size=25)  # fmt: skip


def some(**choices: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw one choice for each key; None leaves the key out."""
    drawn = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in choices.items()})
    return drawn.map(lambda body: {key: value for key, value in body.items() if value is not None})


READS = some(
    where=[
        None,
        None,
        {"status": "paid"},
        {"status": ["", "open"]},
        {"status": {"not": ["paid", ""]}, "qty": {"not": "1"}},
    ],
    fill=[None, None, ["status"], ["currency", "mail", "day"]],
    missing=[None, ["N/A", "nan"]],
    thousands=[None, None, ",", " "],
    unit=[None, ["order"], ["order", "mail"]],
    kind=[
        None,
        {
            "column": "order",
            "prefixes": {"C": "Order Cancelled", "CX": "Order Refunded"},
            "otherwise": "Order Completed",
        },
        {"column": "status", "values": {"paid": "Order Completed", "": "Order Refunded"}, "case": "lower"},
    ],
)
AMOUNTS = some(
    how=[
        {"column": "price"},
        {"first": ["price", "off"]},
        {"multiply": ["qty", "price"]},
        {"sum": ["price", "off"]},
        {"multiply": ["qty", "price", "qty"]},
        {"column": "price", "unit": "minor"},
        {"column": "price", "strip": "N0"},
    ],
    less=[None, None, ["off"], ["off", "whole"]],
    less_share=[None, None, "whole"],
    absolute=[None, None, True],
).map(lambda body: {**body.pop("how"), **body})
DISCOUNTS = st.sampled_from(
    [None, {"column": "off"}, {"column": "off", "plus_share": "whole"}, {"value": 0, "plus_share": "whole"}]
)
DAYS = st.sampled_from(
    [
        {"column": "day"},
        {"column": "day", "format": "%d/%m/%Y"},
        {"column": "day", "format": ["%d/%m/%Y", "%m/%d/%Y"], "days": 1},
        {"column": "day", "format": ["iso", "%d/%m/%Y", "%d/%m/%y"]},
    ]
)
SKUS = st.sampled_from(
    ["sku", {"column": "sku", "strip": "'"}, {"first": ["sku", "order"], "strip": "'", "case": "upper"}]
)


@pytest.fixture
def translate(warehouse: Warehouse, tmp_path: Path) -> Translate:
    """Stage a file, translate it by SQL and by the oracle, and return both results with the same columns."""

    def made(
        name: str, text: str, rows: list[dict[str, Any]], read: dict[str, Any], shop: str = "EUR", convert: bool = False
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        (tmp_path / name).write_text(text, "utf-8")
        top: dict[str, Any] = {"conversion": {"file": "rates.csv", "days": 3}} if convert else {}
        mapping = Mapping.of({"source": "shop", "read": [{"file": name, "to": "order_line", **read}], **top})
        [meant] = mapping.reads
        rates = None
        with sources.stage(tmp_path / name, name) as staged:
            if mapping.conversion:
                lines = "".join(f"{day},{code},{rate}\n" for day, code, rate in RATES)
                (tmp_path / "rates.csv").write_text("date,currency,rate\n" + lines, "utf-8")
                with sources.stage(tmp_path / "rates.csv", "rates.csv") as given_rates:
                    rates = mapping.conversion.prepare(warehouse, given_rates, shop)
            translation = Translation(mapping, meant, staged, shop, rates)
            found = [warehouse.query(query)["raw"].to_pylist() for _, query in translation.identifiers()]
            who = {"kind": ["email"] * len(found[0]), "raw": found[0], "subject": range(len(found[0]))}
            types = pa.schema([("kind", pa.string()), ("raw", pa.string()), ("subject", pa.int64())])
            with warehouse.temporary("who", pa.table({**who, "subject": list(who["subject"])}, schema=types)):
                ours = warehouse.query(f'SELECT * FROM ({translation.select("who")}) ORDER BY "#row", "#element"')
            condition = translation.taken() or "TRUE"
            taken = warehouse.query(f'SELECT "#row" AS n FROM {staged.relation} WHERE {condition} ORDER BY n')
        known = oracle.known_rates(RATES, 3) if convert else None
        people = {"mail": {mail: str(subject) for subject, mail in enumerate(found[0])}}
        theirs = oracle.translate(mapping, meant, rows, shop, known, people)
        assert taken["n"].to_pylist() == sorted({row["row"] for row in theirs})
        kept = ("unit", "order_id", "product_id", "kind", "amount", "discount", "currency", "original_amount",
                "original_currency", "occurred_at", "ambiguous", "no_rate", "row", "element", "amount#given",
                "discount#given")  # fmt: skip
        marked = {"unit", "ambiguous", "no_rate", "row", "element"}
        said = [{name: row["#" + name if name in marked else name] for name in kept} for row in ours.to_pylist()]
        return said, [{name: row[name] for name in kept} for row in theirs]

    return made


def fields(amount: Any, discount: Any, day: Any, sku: Any, **more: Any) -> dict[str, Any]:
    found = {"order_id": "order", "amount": amount, "occurred_at": day, "product_id": sku, **more}
    return {**found, "discount": discount} if discount else found


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def possible(read: dict[str, Any]) -> dict[str, Any]:
    """Leave out of ``fill`` what tells units apart."""
    fill = [name for name in read.get("fill", []) if name not in read.get("unit", ["order"])]
    rest = {key: value for key, value in read.items() if key != "fill"}
    return {**rest, "fill": fill} if fill else rest


MAPPED = st.tuples(TABLES, READS, AMOUNTS, DISCOUNTS, DAYS, SKUS, st.booleans(), st.sampled_from(["EUR", "JPY", "KWD"]))


def compare(translate: Translate, mapped: tuple[Any, ...]) -> None:
    rows, read, amount, discount, day, sku, convert, shop = mapped
    read = {**possible(read), "identify": {"email": "mail"}}
    read["fields"] = fields(amount, discount, day, sku, currency="currency")
    ours, theirs = translate("rows.csv", as_csv(rows), rows, read, shop, convert)
    assert ours == theirs


@examples(25)
@given(MAPPED)
def test_rows_become_what_the_oracle_says(translate: Translate, mapped: tuple[Any, ...]) -> None:
    compare(translate, mapped)


@pytest.mark.slow
@examples(150)
@given(MAPPED)
def test_many_rows_become_what_the_oracle_says(translate: Translate, mapped: tuple[Any, ...]) -> None:
    compare(translate, mapped)


@examples(12)
@given(TABLES, st.sampled_from([None, "."]), st.sampled_from([{"column": "price"}, {"multiply": ["qty", "price"]}]))
def test_decimal_commas_become_what_the_oracle_says(
    translate: Translate, rows: list[dict[str, Any]], thousands: str | None, amount: Any
) -> None:
    read = {"identify": {"email": "mail"}, "decimal": ",", **({"thousands": thousands} if thousands else {})}
    ours, theirs = translate(
        "rows.csv", as_csv(rows), rows, {**read, "fields": fields(amount, None, {"value": "2026-01-01"}, "sku")}
    )
    assert ours == theirs


ITEMS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "sku": st.sampled_from(["T1", " t:1 ", "", "T2"]),
            "total": st.sampled_from(["1.00", "2.345", "", "x", "0"]),
            "quantity": st.sampled_from(["1", "2", ""]),
        },
    ),
    max_size=4,
)
BASKETS = st.lists(
    st.fixed_dictionaries(
        {
            "order": st.sampled_from(["A1", "A2", "C3"]),
            "mail": st.just("a@x.de"),
            "whole": st.sampled_from(["", "1", "0.05"]),
            "items": ITEMS,
        }
    ),
    min_size=1,
    max_size=5,
)
PACKED_FIELDS = {"order_id": "order", "occurred_at": {"value": "2026-01-01"},
                 "product_id": {"first": ["items.sku", "items.id"]}}  # fmt: skip


@examples(12)
@given(BASKETS, st.booleans())
def test_packed_items_become_what_the_oracle_says(
    translate: Translate, baskets: list[dict[str, Any]], shares: bool
) -> None:
    rows = []
    for basket in baskets:
        pieces = ["|".join(f"{name}:{value}" for name, value in item.items()) for item in basket["items"]]
        rows.append({**basket, "items": ";".join(pieces)})
    amount = {"column": "items.total", **({"less_share": "whole"} if shares else {})}
    read = {
        "identify": {"email": "mail"},
        "each": {"column": "items", "between": ";", "inside": "|", "named": ":"},
        "fields": {**PACKED_FIELDS, "amount": amount},
    }
    ours, theirs = translate("rows.csv", as_csv(rows), rows, read)
    assert ours == theirs


@examples(12)
@given(BASKETS, st.booleans())
def test_nested_items_become_what_the_oracle_says(
    translate: Translate, baskets: list[dict[str, Any]], deep: bool
) -> None:
    rows = [{**basket, "order": {"id": basket["order"]}, "items": basket["items"] or None} for basket in baskets]
    if deep:
        rows = [{**row, "items": {"list": row["items"]}} for row in rows]
    at = "items.list" if deep else "items"
    read = {
        "identify": {"email": "mail"},
        "each": at,
        "fields": {
            "order_id": "order.id",
            "occurred_at": {"value": "2026-01-01"},
            "product_id": f"{at}.sku",
            "amount": {"multiply": [f"{at}.total", f"{at}.quantity"], "less_share": "whole"},
        },
    }
    ours, theirs = translate("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows), rows, read)
    assert ours == theirs
