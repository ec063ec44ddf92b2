"""One person, summed up: right at its moment, over all subjects, and without a single identifier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from coterie.errors import ParameterError
from coterie.profiles.profile import OrderCount, Profile
from coterie.profiles.resolution import person_of
from coterie.schema import EVENT, IDENTIFIER, KEY, ORDER_LINE, TIME, TRAIT
from coterie.store.vault import MemoryVault
from coterie.store.warehouse import Warehouse

START = datetime(2026, 1, 1)
DAY = timedelta(days=1)
MERGED = START + 5 * DAY


def line(subject: int, order: str, amount: int, day: int, source: str = "till", **more: object) -> dict[str, object]:
    moment = START + day * DAY
    return {
        "source": source,
        "order_id": order,
        "line_id": f"{order}-{amount}",
        "kind": "Order Completed",
        "subject": subject,
        "amount": amount,
        "currency": "EUR",
        "occurred_at": moment,
        "available_at": moment,
        **more,
    }


def trait(value: str, day: int | None, known: int = 0) -> dict[str, object]:
    return {
        "source": "crm",
        "subject": 1,
        "trait": "city",
        "value": value,
        "occurred_at": None if day is None else START + day * DAY,
        "available_at": START + known * DAY,
    }


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    lines = [
        line(1, "a", 500, 0),
        line(1, "a", 250, 0),
        line(2, "a", 100, 1, "web"),  # another source's order of the same name
        line(1, "b", 50, 2, kind="Order Refunded"),
        line(1, "late", 999, 3, available_at=START + 30 * DAY),
        line(3, "c", 700, 1),
    ]
    events = [
        {"source": "web", "kind": "Product Viewed", "subject": 2, "occurred_at": START + day * DAY} for day in (4, 6)
    ]
    edges = pa.table(
        {"subject_a": pa.array([1], KEY), "subject_b": pa.array([2], KEY), "available_at": pa.array([MERGED], TIME)}
    )
    with Warehouse() as made:
        made.attach("order_lines", pa.Table.from_pylist(lines, schema=ORDER_LINE))
        made.attach(
            "events",
            pa.Table.from_pylist([{**event, "available_at": event["occurred_at"]} for event in events], schema=EVENT),
        )
        made.attach(
            "traits", pa.Table.from_pylist([trait("Graz", None), trait("Wien", 2), trait("Linz", 8, 8)], schema=TRAIT)
        )
        made.attach("person_of", person_of(edges, [3]))
        yield made


def test_a_profile_sums_over_all_subjects_of_the_person(warehouse: Warehouse) -> None:
    profile = Profile.of(warehouse, 1, as_of=START + 7 * DAY)
    assert (profile.person, profile.subjects) == (1, 2)
    assert profile.sources == ("crm", "till", "web")
    assert (profile.first_seen, profile.last_seen) == (START, START + 6 * DAY)
    assert profile.orders == (
        OrderCount("Order Completed", orders=2, lines=3, amount=850, currency="EUR"),
        OrderCount("Order Refunded", orders=1, lines=1, amount=50, currency="EUR"),
    )
    assert profile.events == {"Product Viewed": 2}


def test_any_subject_of_the_person_will_do(warehouse: Warehouse) -> None:
    moment = START + 7 * DAY
    assert Profile.of(warehouse, 2, as_of=moment) == Profile.of(warehouse, 1, as_of=moment)


def test_before_the_merge_they_were_two(warehouse: Warehouse) -> None:
    before = Profile.of(warehouse, 2, as_of=MERGED - timedelta(microseconds=1))
    assert (before.person, before.subjects, before.events) == (2, 1, {"Product Viewed": 1})
    assert [order.amount for order in before.orders] == [100]
    assert before.traits == ()


@pytest.mark.parametrize(("day", "city"), [(1, "Graz"), (3, "Wien"), (9, "Linz")])
def test_the_last_known_trait_counts_a_dated_one_before_an_undated(warehouse: Warehouse, day: int, city: str) -> None:
    assert [trait.value for trait in Profile.of(warehouse, 1, as_of=START + day * DAY).traits] == [city]


def test_what_was_not_available_was_not_known(warehouse: Warehouse) -> None:
    def spent(day: int) -> int:
        return sum(order.amount for order in Profile.of(warehouse, 1, as_of=START + day * DAY).orders)

    assert spent(31) - spent(29) == 999


def test_a_person_without_facts_has_an_empty_profile(warehouse: Warehouse) -> None:
    profile = Profile.of(warehouse, 3, as_of=START)
    assert (profile.orders, profile.events, profile.first_seen, profile.sources) == ((), {}, None, ())


def test_nobody_has_no_profile(warehouse: Warehouse) -> None:
    with pytest.raises(ParameterError, match="nobody is known by this key"):
        Profile.of(warehouse, 4040)


def test_identifiers_are_counted_and_never_shown() -> None:
    vault = MemoryVault(bytes(32))
    rows = [{"kind": "email", "value": "ann@example.org"}, {"kind": "phone", "value": "+4311"}]
    ann, phone = vault.subjects(pa.Table.from_pylist(rows, schema=IDENTIFIER)).to_pylist()
    edges = pa.table(
        {
            "subject_a": pa.array([ann], KEY),
            "subject_b": pa.array([phone], KEY),
            "available_at": pa.array([START], TIME),
        }
    )
    with Warehouse() as warehouse:
        for name, schema in (("order_lines", ORDER_LINE), ("events", EVENT), ("traits", TRAIT)):
            warehouse.attach(name, schema.empty_table())
        warehouse.attach("person_of", person_of(edges))
        profile = Profile.of(warehouse, ann, vault=vault)
    assert profile.identifiers == {"email": 1, "phone": 1}
    text = json.dumps(profile.to_json())
    assert "ann@example.org" not in text
    assert "+4311" not in text


def test_a_profile_is_plain_json(warehouse: Warehouse) -> None:
    read = json.loads(json.dumps(Profile.of(warehouse, 1, as_of=START + 7 * DAY).to_json()))
    assert read["first_seen"] == "2026-01-01T00:00:00Z"
    assert read["orders"][0]["amount"] == 850
    assert read["traits"] == [
        {"trait": "city", "value": "Wien", "source": "crm", "occurred_at": "2026-01-03T00:00:00Z"}
    ]
