"""Refunds take back the lines that they are linked to, or the latest earlier ones alike, and nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect.facts import ORDER_LINES
from coterie.collect.refunds import matched
from coterie.collect.shops import adapted, ready
from oracles.refunds import taken_back

DAY = datetime(2026, 1, 1)


def line(number: int, day: int, kind: str = "Order Completed", **said: Any) -> dict[str, Any]:
    return {
        "source": "shop",
        "line_id": f"{number:03}",
        "order_id": f"o{number}",
        "kind": kind,
        "subject": 1,
        "product_id": "p",
        "quantity": 1.0,
        "amount": 500,
        "refund_of": None,
        "occurred_at": DAY + timedelta(days=day),
        **said,
    }


def found(warehouse: Any, lines: list[dict[str, Any]]) -> Any:
    warehouse.attach("lines", ORDER_LINES.rows(lines))
    return matched(warehouse, "lines")


def pairs(refunds: Any) -> list[tuple[str, str, float, str]]:
    return sorted(tuple(row.values())[1:] for row in refunds.taken_back.to_pylist())


def test_a_refund_takes_back_the_latest_earlier_line_alike_and_no_more_than_there_was(warehouse: Any) -> None:
    told = found(
        warehouse,
        [
            line(1, 1, quantity=2.0, amount=1000),
            line(2, 2),
            line(3, 9),
            line(4, 5, "Order Refunded", quantity=2.0, amount=1000),
            line(5, 6, "Order Cancelled", quantity=3.0, amount=1500),
            line(6, 6, "Order Refunded", product_id="other"),
        ],
    )
    pair = ("matched",)
    assert pairs(told) == [("004", "001", 1.0, *pair), ("004", "002", 1.0, *pair), ("005", "001", 1.0, *pair)]
    counts = [(each.lines, each.quantity, each.amount) for each in (told.matched, told.partly, told.unmatched)]
    assert counts == [(1, 2.0, 1000), (1, 3.0, 1500), (1, 1.0, 500)]
    assert (told.found.lines, told.found.quantity, told.found.amount) == (3, 3.0, 1500)


def test_a_link_goes_before_the_rule(warehouse: Any) -> None:
    told = found(
        warehouse,
        [
            line(1, 1, amount=700),
            line(2, 2),
            line(3, 3, "Order Refunded", refund_of="o1", amount=300),  # at another price
            line(4, 4, "Order Refunded", order_id="o2"),
            line(5, 5, "Order Refunded"),
            line(6, 6, "Order Refunded", refund_of="unknown"),
        ],
    )
    assert pairs(told) == [("003", "001", 1.0, "linked"), ("004", "002", 1.0, "linked")]
    assert (told.matched.lines, told.unmatched.lines) == (2, 2)


LINE = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["Order Completed", "Order Completed", "Order Refunded", "Order Cancelled"]),
        "day": st.integers(0, 4),
        "order_id": st.sampled_from(["a", "b", "c", "d"]),
        "subject": st.integers(1, 2),
        "product_id": st.sampled_from(["p", "q", None]),
        "quantity": st.sampled_from([None, 0.0, 1.0, 2.0, 3.0]),
        "amount": st.sampled_from([100, 200, 300]),
        "refund_of": st.sampled_from([None, None, "a", "nowhere"]),
    }
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=12), st.randoms(use_true_random=False))
def test_as_one_refund_at_a_time(warehouse: Any, said: list[dict[str, Any]], random: Any) -> None:
    lines = []
    for number, each in enumerate(said):
        day = each.pop("day")
        back = each["kind"] != "Order Completed"
        lines.append(line(number, day, **{**each, "refund_of": each["refund_of"] if back else None}))
    told = found(warehouse, lines)
    assert pairs(told) == taken_back(lines)
    counts = (told.matched, told.partly, told.unmatched)
    assert sum(each.lines for each in counts) == sum(each["kind"] != "Order Completed" for each in lines)
    used: Counter[str] = Counter()
    for _, of, quantity, _ in pairs(told):
        used[of] += quantity
    sold = {each["line_id"]: 1.0 if each["quantity"] is None else each["quantity"] for each in lines}
    assert all(quantity <= sold[of] + 1e-6 for of, quantity in used.items())
    random.shuffle(lines)
    assert pairs(found(warehouse, lines)) == pairs(told)


def test_no_lines(warehouse: Any) -> None:
    told = found(warehouse, [])
    assert (told.taken_back.num_rows, told.matched.lines, told.found.amount) == (0, 0, 0)


@pytest.mark.slow
def test_the_cancellations_of_online_retail(make_shop: Any, published: Callable[[str], Path]) -> None:
    folder = published("online_retail")
    shop = make_shop(currency="GBP", timezone="Europe/London")
    meant = adapted(ready("uci_online_retail"), lawful_basis={"segmentation": "contract: a test"})
    receipt = shop.intake.ingest(meant, folder)
    of_lines = [file for file in receipt.files if file.target in ("order_line", "nothing")]
    assert sum(file.received for file in of_lines) == 541_909
    shop.warehouse.attach("lines", shop.lake.source(ORDER_LINES))
    told = matched(shop.warehouse, "lines")
    # No invoice is linked to another, so a refund finds its lines among those of one person and product, or nowhere.
    alike: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for each in shop.warehouse.query("SELECT * FROM lines").to_pylist():
        alike.setdefault((each["subject"], each["product_id"]), []).append(each)
    back = {key: [each for each in lines if each["kind"] != "Order Completed"] for key, lines in alike.items()}
    expected = sorted(pair for key, lines in alike.items() if back[key] for pair in taken_back(lines))
    assert pairs(told) == expected
    of: Counter[str] = Counter()
    for refund, _, quantity, _ in expected:
        of[refund] += quantity
    refunds = [each for lines in back.values() for each in lines]
    assert len(refunds) == 8_905
    whole = sum(of[each["line_id"]] == abs(each["quantity"]) for each in refunds)
    nothing = sum(each["line_id"] not in of for each in refunds)
    assert (told.matched.lines, told.partly.lines, told.unmatched.lines) == (whole, len(of) - whole, nothing)
    assert whole > nothing
