"""Exports of shop systems with all their oddities come out as the facts that they were made of."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

import coterie
from coterie.collect.shops import adapted, ready
from exports import ga4, mail_and_till, segment, shopify, woocommerce
from exports.expected import Expected, check, comparable, facts, lawful

NOW = datetime(2026, 6, 1, 12)
BASIS = {"segmentation": "contract: a test", "marketing": "consent: a test", "advertising": "consent: a test"}
EXPORT_DAY = date(2026, 3, 1)


@dataclass(frozen=True)
class Case:
    """One export: its mapping, how its files are written, and where the shop is."""

    mapping: str
    write: Callable[[Path, int], Expected]
    currency: str = "EUR"
    timezone: str = "Europe/Berlin"


def shopify_orders(folder: Path, seed: int) -> Expected:
    made = shopify.orders(seed)
    shopify.write(folder / "orders_export.csv", shopify.ORDER_COLUMNS, shopify.order_rows(made))
    return shopify.expected(made)


def ga4_parquet(folder: Path, seed: int) -> Expected:
    made = ga4.events(seed)
    ga4.parquet(folder, made)
    return ga4.expected(made)


def ga4_json(folder: Path, seed: int) -> Expected:
    made = ga4.events(seed, days=1)
    ga4.json_lines(folder, made)
    return ga4.expected(made)


CASES = {
    "shopify orders": Case("shopify_orders", shopify_orders),
    "shopify customers": Case(
        "shopify_customers",
        lambda folder, seed: shopify.customers(folder / "customers_export.csv", EXPORT_DAY, older=False, seed=seed),
    ),
    "shopify customers, older": Case(
        "shopify_customers",
        lambda folder, seed: shopify.customers(folder / "customers_export.csv", EXPORT_DAY, older=True, seed=seed),
    ),
    "woocommerce": Case(
        "woocommerce_orders",
        lambda folder, seed: woocommerce.write(folder / "orders-2026.csv", seed),
        "USD",
        "America/Chicago",
    ),
    "ga4, parquet": Case("ga4_bigquery", ga4_parquet),
    "ga4, json": Case("ga4_bigquery", ga4_json),
    "segment": Case("segment", lambda folder, seed: segment.write(folder, seed)[0], timezone="UTC"),
    "e-mail": Case("email_events", lambda folder, seed: mail_and_till.mails(folder / "email-2026.csv", seed)[0]),
    "tills": Case("store_till", mail_and_till.receipts),
}


def ingest(shop: Any, case: Case, folder: Path) -> Any:
    exported = EXPORT_DAY if case.mapping == "shopify_customers" else None
    mapping = adapted(ready(case.mapping), lawful_basis=BASIS, timezone=case.timezone, exported=exported)
    receipt = shop.ingest(mapping, folder, now=NOW)
    lawful(receipt)
    return receipt


def made(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


# A read of a file costs a tenth of a second or two, and these have eleven reads of several files.
LONG = {"ga4, parquet", "segment"}


def some(long: set[str]) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.slow if name in long else ()) for name in CASES]


@pytest.mark.parametrize("name", some(LONG))
def test_an_export_becomes_what_it_was_made_of(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expected = case.write(tmp_path, 1)
    with coterie.open(None, currency=case.currency, timezone=case.timezone) as shop:
        ingest(shop, case, tmp_path)
        check(shop, expected)


@pytest.mark.parametrize("name", some({*LONG, "ga4, json"}))
def test_an_export_that_comes_again_brings_nothing_new(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    first, second = made(tmp_path, "first"), made(tmp_path, "second")
    case.write(first, 2)
    for path in sorted(first.iterdir()):  # under another name it is another file, and is read again
        (second / f"{path.name.partition('.')[0]}_2.{path.name.partition('.')[2]}").write_bytes(path.read_bytes())
    with coterie.open(None, currency=case.currency, timezone=case.timezone) as shop:
        before = ingest(shop, case, first)
        held = facts(shop)
        assert ingest(shop, case, first).reused
        again = ingest(shop, case, second)
        assert [(file.file, file.target, file.facts) for file in again.files if file.facts] == []
        assert again.quarantined == before.quarantined
        for kind in ("lines", "events", "traits", "consents"):
            assert comparable(getattr(facts(shop), kind), shop) == comparable(getattr(held, kind), shop)


@pytest.mark.parametrize("seed", [3, 4])
def test_an_order_that_is_split_across_files_is_one_order(seed: int, tmp_path: Path) -> None:
    """The second file begins in the middle of an order, without the cells that stand on an order's first row."""
    orders = shopify.orders(seed)
    rows = shopify.order_rows(orders)
    starts = [at for at, row in enumerate(rows) if row["Financial Status"]]
    cut = next(at for at in range(len(rows) // 2, len(rows)) if at not in starts and rows[at]["Email"] == "")
    for number, part in enumerate((rows[:cut], rows[cut:]), 1):
        shopify.write(tmp_path / f"orders_export_{number}.csv", shopify.ORDER_COLUMNS, part)
    with coterie.open(None, currency="EUR") as shop:
        ingest(shop, CASES["shopify orders"], tmp_path)
        check(shop, shopify.expected(orders))


def test_orders_of_two_exports_that_overlap_are_kept_once(tmp_path: Path) -> None:
    orders = shopify.orders(5)
    first, second = made(tmp_path, "first"), made(tmp_path, "second")
    shopify.write(first / "orders_export.csv", shopify.ORDER_COLUMNS, shopify.order_rows(orders[:100]))
    shopify.write(second / "orders_export.csv", shopify.ORDER_COLUMNS, shopify.order_rows(orders[60:]))
    with coterie.open(None, currency="EUR") as shop:
        for folder in (second, first):
            ingest(shop, CASES["shopify orders"], folder)
        for kind in ("lines", "events", "consents"):
            assert comparable(getattr(facts(shop), kind), shop) == comparable(
                getattr(shopify.expected(orders), kind), shop
            )


@pytest.mark.slow
def test_late_events_of_daily_tables_are_added_and_intraday_tables_repeat_nothing(tmp_path: Path) -> None:
    events = ga4.events(6)
    draw = random.Random(1)
    # A table of the day holds what has come in so far; the final one holds everything.
    early, late = made(tmp_path, "early"), made(tmp_path, "late")
    ga4.parquet(
        early, [row for row in events if draw.random() < 0.8 and row["event_name"] != "purchase"], "events_intraday_"
    )
    ga4.parquet(late, events)
    with coterie.open(None, currency="EUR") as shop:
        ingest(shop, CASES["ga4, parquet"], early)
        before = facts(shop)
        ingest(shop, CASES["ga4, parquet"], late)
        after, wanted = facts(shop), ga4.expected(events)
        for kind in ("lines", "events", "traits", "consents"):
            assert not comparable(getattr(before, kind), shop) - comparable(getattr(after, kind), shop)
            assert comparable(getattr(after, kind), shop) == comparable(getattr(wanted, kind), shop)


def test_orders_in_another_currency_come_in_at_the_rates_that_the_shop_gives(tmp_path: Path) -> None:
    orders = shopify.orders(7)
    shopify.write(tmp_path / "orders_export.csv", shopify.ORDER_COLUMNS, shopify.order_rows(orders))
    days = sorted(
        {order["created"].date() for order in orders} | {(order["paid"] or order["created"]).date() for order in orders}
    )
    rates = "".join(f"{day},USD,0.5\n" for day in (days[0], *days))
    (tmp_path / "rates.csv").write_text("date,currency,rate\n" + rates.partition("\n")[2], "utf-8")
    body = ready("shopify_orders").to_json() | {
        "lawful_basis": BASIS,
        "conversion": {"file": "rates.csv", "date": "date", "currency": "currency", "rate": "rate", "days": 7},
    }
    with coterie.open(None, currency="EUR", timezone="Europe/Berlin") as shop:
        lawful(shop.ingest(coterie.Mapping.of(body), tmp_path, now=NOW))
        held = facts(shop)
    foreign = [line for line in held.lines if line["original_currency"] == "USD"]
    wanted = [line for line in shopify.expected(orders, "USD").lines if line["currency"] == "USD"]
    assert len(foreign) == len(wanted) > 0
    assert sorted(line["original_amount"] for line in foreign) == sorted(line["amount"] for line in wanted)
    assert all(abs(2 * line["amount"] - line["original_amount"]) <= 1 and line["currency"] == "EUR" for line in foreign)
    assert "foreign_currency" not in held.quarantined


def test_a_call_that_was_sent_twice_is_a_duplicate_and_ids_in_one_call_are_one_person(tmp_path: Path) -> None:
    _, repeated = segment.write(tmp_path, 8, packed=False)
    with coterie.open(None, currency="EUR") as shop:
        receipt = ingest(shop, CASES["segment"], tmp_path)
        person = shop.show("customer_id=u-1").profile
    assert 0 < receipt.duplicates <= repeated
    assert person.identifiers["anonymous_id"] >= 1
    assert person.subjects > 1
