"""White space around a value is no part of it, and of several parts no two make the same id."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect.facts import ORDER_LINES, PRODUCTS

SPACES = " \t\r\n\u00a0"
CELL = st.text(st.sampled_from(SPACES + "a\u2003\x01!\u0301é"), max_size=6)
PART = st.text(st.sampled_from("a/\\ "), min_size=1, max_size=5).map(lambda part: f"b{part}b")


def written(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELL, min_size=1, max_size=8))
def test_white_space_around_a_value_is_no_part_of_it(make_shop: Callable[..., Any], cells: list[str]) -> None:
    shop = make_shop()
    shop.write("products.csv", written([("sku", "name"), *((f"p{at}", cell) for at, cell in enumerate(cells))]))
    shop.ingest({"file": "products.csv", "to": "product", "fields": {"product_id": "sku", "name": "name"}})
    assert [row["name"] for row in shop.rows(PRODUCTS)] == [cell.strip(SPACES) or None for cell in cells]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PART, PART), min_size=1, max_size=8, unique=True))
def test_other_parts_are_another_id(make_shop: Callable[..., Any], parts: list[tuple[str, str]]) -> None:
    shop = make_shop()
    rows = [(*pair, "ada", "5", "2026-01-01") for pair in parts]
    shop.write("lines.csv", written([("order", "line", "who", "total", "at"), *rows]))
    fields = {"order_id": "order", "amount": "total", "occurred_at": "at"}
    read = {"file": "lines.csv", "to": "order_line", "identify": {"customer_id": "who"}, "fields": fields}
    receipt = shop.ingest({**read, "id": ["order", "line"]})
    assert receipt.accepted == len(parts)
    escaped = ["/".join(part.replace("\\", "\\\\").replace("/", "\\/") for part in pair) for pair in parts]
    assert [row["line_id"] for row in shop.rows(ORDER_LINES)] == escaped
