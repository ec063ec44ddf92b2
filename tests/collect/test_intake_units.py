"""Lines without ids: a unit that comes again is known, one that was cut is joined, whatever comes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from coterie.collect.facts import LINKS, ORDER_LINES, QUARANTINE
from oracles.units import facts_of

NOW = datetime(2026, 3, 1, 12)
READ: dict[str, Any] = {
    "file": "lines*.csv",
    "to": "order_line",
    "identify": {"customer_id": "who"},
    "fields": {"order_id": "order", "product_id": "sku", "amount": "total", "occurred_at": "at"},
}
HEAD = "who,order,sku,total,at\n"


def line(order: str, sku: str) -> str:
    return f"ada,{order},{sku},5,2026-01-01\n"


def said(shop: Any) -> Counter[tuple[str, str]]:
    return Counter((row["order_id"], row["product_id"]) for row in shop.rows(ORDER_LINES))


def fates(receipt: Any) -> tuple[int, int, int, int]:
    return (receipt.received, receipt.accepted, receipt.quarantined, receipt.duplicates)


def write(shop: Any, name: str, lines: list[tuple[str, str]]) -> None:
    shop.write(name, HEAD + "".join(line(*each) for each in lines))


def test_repeated_lines_of_an_order_are_kept_and_reported(shop: Any) -> None:
    write(shop, "lines.csv", [("o1", "a"), ("o1", "a"), ("o2", "a"), ("o1", "b"), ("o1", "a")])
    receipt = shop.ingest(READ)
    assert fates(receipt) == (5, 5, 0, 0)
    assert receipt.files[0].reasons == {"repeated": 2}
    assert len({row["line_id"] for row in shop.rows(ORDER_LINES)}) == 5


def test_an_order_that_was_cut_where_a_file_ends_is_whole_again(shop: Any) -> None:
    write(shop, "lines1.csv", [("o1", "a"), ("o2", "a"), ("o2", "b")])
    write(shop, "lines2.csv", [("o2", "a"), ("o3", "a")])  # contained in what is there, and yet another line
    assert fates(shop.ingest(READ)) == (5, 5, 0, 0)
    assert said(shop)["o2", "a"] == 2


def test_an_export_that_overlaps_repeats_nothing(shop: Any) -> None:
    write(shop, "lines1.csv", [("o1", "a"), ("o2", "a"), ("o2", "b"), ("o3", "a")])
    write(shop, "lines2.csv", [("o2", "a"), ("o2", "b"), ("o3", "a"), ("o3", "b"), ("o4", "a")])
    first, second = shop.ingest(READ).files
    assert (fates(first), fates(second)) == ((4, 4, 0, 0), (5, 2, 0, 3))
    assert said(shop) == Counter([("o1", "a"), ("o2", "a"), ("o2", "b"), ("o3", "a"), ("o3", "b"), ("o4", "a")])
    links = [(row["import_id"], row["row"], row["of_import"], row["of_row"]) for row in shop.rows(LINKS)]
    assert links == [(2, 1, 1, 2), (2, 2, 1, 3), (2, 3, 1, 4)]


def test_one_order_at_the_seam_that_comes_twice_alike_is_the_same(shop: Any) -> None:
    write(shop, "lines1.csv", [("o1", "a"), ("o2", "a"), ("o2", "b")])
    write(shop, "lines2.csv", [("o2", "a"), ("o2", "b"), ("o3", "a")])
    assert fates(shop.ingest(READ)) == (6, 4, 0, 2)


def test_the_same_file_under_a_changed_mapping_is_known_line_by_line(shop: Any) -> None:
    write(shop, "lines1.csv", [("o1", "a"), ("o2", "a"), ("o2", "b")])
    write(shop, "lines2.csv", [("o2", "a"), ("o3", "a")])
    shop.ingest(READ)
    before = said(shop)
    again = shop.ingest({**READ, "missing": ["nothing"]})
    assert fates(again) == (5, 0, 0, 5)
    assert said(shop) == before


def test_another_part_of_an_order_is_added_though_lines_look_alike(shop: Any) -> None:
    write(shop, "lines1.csv", [("o1", "a"), ("o1", "b"), ("o9", "z")])
    write(shop, "lines2.csv", [("o8", "z"), ("o1", "a"), ("o1", "c"), ("o7", "z")])
    assert fates(shop.ingest(READ)) == (7, 7, 0, 0)
    assert said(shop)["o1", "a"] == 2


def test_while_a_line_is_in_quarantine_lines_alike_are_the_same(shop: Any) -> None:
    shop.write("lines1.csv", HEAD + line("o1", "a") + "ada,o1,b,x,2026-01-01\n" + line("o9", "z"))
    write(shop, "lines2.csv", [("o8", "z"), ("o1", "a"), ("o1", "c"), ("o7", "z")])
    assert fates(shop.ingest(READ)) == (7, 5, 1, 1)
    assert [row["unit"] for row in shop.rows(QUARANTINE)] == ["o1"]


ORDERS = st.lists(
    st.tuples(st.sampled_from(["o1", "o2", "o3"]), st.sampled_from(["a", "b"])), min_size=1, max_size=8
).map(sorted)
STATED = [HealthCheck.function_scoped_fixture]


def check_splitting(
    make_shop: Callable[..., Any], tmp_path: Path, rows: list[tuple[str, str]], data: Any, backwards: bool
) -> None:
    at = data.draw(st.integers(0, len(rows)))
    parts = [rows[:at], rows[at:]]
    one, other = ([sku for order, sku in part if order == rows[min(at, len(rows) - 1)][0]] for part in parts)
    assume(sorted(one) != sorted(other))  # two equal halves of one order cannot be told from one that came twice
    whole = make_shop(folder=tmp_path / "whole")
    write(whole, "lines.csv", rows)
    whole.ingest(READ)
    split = make_shop(folder=tmp_path / "split")
    for number, part in enumerate(parts):
        write(split, f"lines{number}.csv", part)
    files = ["lines0.csv", "lines1.csv"]
    for name in reversed(files) if backwards else files:
        split.ingest({**READ, "file": name})
    assert said(split) == said(whole) == Counter(rows)
    again = split.ingest({**READ, "missing": ["-"]}, now=NOW + timedelta(days=1))
    assert (again.accepted, said(split)) == (0, said(whole))


@settings(max_examples=4, deadline=None, suppress_health_check=STATED)
@given(ORDERS, st.data(), st.booleans())
def test_splitting_a_file_changes_nothing(
    make_shop: Callable[..., Any], tmp_path: Path, rows: list[tuple[str, str]], data: Any, backwards: bool
) -> None:
    check_splitting(make_shop, tmp_path, rows, data, backwards)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=STATED)
@given(ORDERS, st.data(), st.booleans())
def test_splitting_a_file_anywhere_changes_nothing(
    make_shop: Callable[..., Any], tmp_path: Path, rows: list[tuple[str, str]], data: Any, backwards: bool
) -> None:
    check_splitting(make_shop, tmp_path, rows, data, backwards)


@settings(max_examples=10, deadline=None, suppress_health_check=STATED)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["o1", "o2", "o3"]), st.sampled_from("ab")), max_size=5), max_size=4)
)
def test_as_the_rule_says_file_by_file(
    make_shop: Callable[..., Any], tmp_path: Path, files: list[list[tuple[str, str]]]
) -> None:
    shop = make_shop()
    for old in tmp_path.glob("*.csv"):
        old.unlink()
    for number, rows in enumerate(files):
        write(shop, f"lines{number}.csv", rows)
        receipt = shop.ingest({**READ, "file": f"lines{number}.csv"})
        assert receipt.received == receipt.accepted + receipt.duplicates == len(rows)
    assert said(shop) == facts_of(files)
    ids = [row["line_id"] for row in shop.rows(ORDER_LINES)]
    assert len(set(ids)) == len(ids)


FILLED: dict[str, Any] = {
    "file": "orders*.csv",
    "to": "order_line",
    "unit": ["Name"],
    "fill": ["Email", "Paid"],
    "identify": {"email": "Email"},
    "fields": {"order_id": "Name", "product_id": "Sku", "amount": "Price", "occurred_at": "Paid"},
}
START = "Name,Email,Paid,Sku,Price\n#1,ada@x.org,2026-01-01,a,5\n#1,,,b,6\n#2,bob@x.org,2026-01-02,a,5\n"
REST = "Name,Email,Paid,Sku,Price\n#2,,,a,5\n#2,,,c,7\n#3,cyd@x.org,2026-01-03,a,5\n"


@pytest.mark.parametrize("first", ["start", "rest", "together"])
def test_lines_that_lack_what_their_order_says_in_another_file_are_filled(shop: Any, first: str) -> None:
    files = {"start": ("orders1.csv", START), "rest": ("orders2.csv", REST)}
    if first == "together":
        shop.write(*files["start"])
        shop.write(*files["rest"])
        assert fates(shop.ingest(FILLED)) == (6, 6, 0, 0)
    else:
        order = ["start", "rest"] if first == "start" else ["rest", "start"]
        for name in order:
            shop.write(*files[name])
            shop.ingest(FILLED)
    bob = shop.subject("email", "bob@x.org")
    lines = [row for row in shop.rows(ORDER_LINES) if row["order_id"] == "#2"]
    assert sorted((row["product_id"], row["subject"] == bob, row["occurred_at"].day) for row in lines) == [
        ("a", True, 2),
        ("a", True, 2),
        ("c", True, 2),
    ]
    assert shop.rows(QUARANTINE) == []
    assert len(shop.rows(ORDER_LINES)) == 6
