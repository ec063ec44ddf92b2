"""What each key of the mapping language does to the rows of a file, from the file to the facts and the quarantine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect import sources
from coterie.collect.facts import EVENTS, ORDER_LINES, TRAITS
from coterie.collect.mapping import Mapping
from coterie.errors import DataError, MissingColumnError, UnreadableSourceError
from coterie.store.warehouse import Warehouse

FIELDS = {"order_id": "order", "amount": "total", "occurred_at": "at"}
LINES: dict[str, Any] = {"file": "lines.csv", "to": "order_line", "identify": {"email": "mail"}, "fields": FIELDS}


def lines(*rows: str, header: str = "order,mail,total,at") -> str:
    return "\n".join([header, *rows]) + "\n"


def with_fields(**more: Any) -> dict[str, Any]:
    return {**LINES, "fields": {**FIELDS, **more}}


def judged(shop: Any, read: dict[str, Any], texts: list[str]) -> list[int | str]:
    """Write each text as the amount of one line; return its minor units, or the reasons why it was set aside."""
    shop.write("lines.csv", lines(*(f'o{at},a@x.de,"{said}",2026-01-01' for at, said in enumerate(texts, 1))))
    shop.ingest(read)
    found: dict[int, int | str] = {row: "; ".join(reasons) for row, reasons in shop.quarantined()}
    found |= {row["row"]: row["amount"] for row in shop.rows(ORDER_LINES)}
    return [found[at] for at in range(1, len(texts) + 1)]


def test_a_number_is_written_in_plain_digits(shop: Any) -> None:
    sound = {"1e2": 10_000, "1E+02": 10_000, "+5": 500, ".5": 50, "5.": 500, "1.005": 101}
    wrong = ["1_000", "0x10", "Infinity", "NaN", "١٢", "１２", "1,234.50", "1 000", "1d2", "--1", "$5"]
    assert judged(shop, LINES, [*sound, *wrong]) == [*sound.values(), *["bad_amount"] * len(wrong)]


@pytest.mark.parametrize(
    ("how", "sound", "wrong"),
    [
        (
            {"thousands": ","},
            {"1,234.50": 123_450, "12,345,678": 1_234_567_800, "1,00,000.5": 10_000_050, "7": 700},  # lakhs, too
            ["12,34", "1,2345", ",123", "1,,234", "1.234,5", "1,234,", "1_234"],
        ),
        ({"thousands": "'"}, {"1'234.50": 123_450}, ["1,234"]),
        ({"thousands": " "}, {"1 234": 123_400, "1\u202f234.50": 123_450}, ["12 34"]),
        # Was 12.50 meant as 12,50?
        ({"decimal": ","}, {"1.234,50": 123_450, "1 234,50": 123_450, "12,50": 1_250}, ["12.50", "1,234.50", "1_0"]),
        ({"decimal": ",", "thousands": " "}, {"1 234,50": 123_450}, ["1.234,50"]),
    ],
)
def test_thousands_stand_in_groups(shop: Any, how: dict[str, str], sound: dict[str, int], wrong: list[str]) -> None:
    found = judged(shop, {**LINES, **how}, [*sound, *wrong])
    assert found == [*sound.values(), *["bad_amount"] * len(wrong)]


def test_a_time_with_two_meanings_is_set_aside(shop: Any) -> None:
    both = {"column": "at", "format": ["%d/%m/%Y", "%m/%d/%Y"]}
    days = ("03/04/2024", "13/04/2024", "04/13/2024", "04/04/2024", "31/31/2024", "03/04/24")
    shop.write("lines.csv", lines(*(f"o{at},a@x.de,5,{day}" for at, day in enumerate(days))))
    shop.ingest(with_fields(occurred_at=both))
    assert [(row["order_id"], row["occurred_at"].date().isoformat()) for row in shop.rows(ORDER_LINES)] == [
        ("o1", "2024-04-13"),
        ("o2", "2024-04-13"),
        ("o3", "2024-04-04"),
    ]
    assert shop.quarantined() == [(1, ["ambiguous_time"]), (5, ["bad_time"]), (6, ["bad_time"])]


def test_a_time_is_not_guessed_at(shop: Any) -> None:
    shop.write("lines.csv", lines("o1,a@x.de,5,03/04/2024", "o2,a@x.de,5,epoch", "o3,a@x.de,5,infinity"))
    shop.ingest(LINES)
    assert shop.quarantined() == [(1, ["bad_time"]), (2, ["bad_time"]), (3, ["bad_time"])]


@st.composite
def nearly_a_time(draw: st.DrawFn) -> str:
    found = list(draw(st.sampled_from(["2025-01-03 10:20:30", "2025-01-03T10:20:30+02:00", "2025/1/3 10:20"])))
    for at in draw(st.lists(st.integers(0, len(found) - 1), max_size=3)):
        found[at] = draw(st.sampled_from("0123456789-:T Z+./aA\t"))
    return "".join(found)


SHAPE = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?"
    r"(?: ?(?:Z|UTC|([+-])(\d{2})(?::?(\d{2}))?))?",
    re.ASCII,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(nearly_a_time(), min_size=1, max_size=40))
def test_a_time_is_read_by_its_shape_alone(make_shop: Callable[..., Any], texts: list[str]) -> None:
    """Nothing that merely happens to be accepted by the database is a time, and an offset is never forgotten."""
    shop = make_shop()
    shop.write("lines.csv", lines(*(f'o{at},a@x.de,5,"{said}"' for at, said in enumerate(texts))))
    shop.ingest({**LINES, "id": "order"})
    for row in shop.rows(ORDER_LINES):
        said = texts[int(row["order_id"][1:])].strip()
        found = SHAPE.fullmatch(said)
        assert found is not None, said
        year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups(default="0")
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
        assert row["occurred_at"] == local + timedelta(microseconds=int(fraction.ljust(6, "0")[:6])) - offset


def test_microseconds_since_1970(shop: Any) -> None:
    shop.write("lines.csv", lines("o1,a@x.de,5,1735689600123456"))
    shop.ingest(with_fields(occurred_at={"column": "at", "format": "unix_us"}))
    assert shop.rows(ORDER_LINES)[0]["occurred_at"] == datetime(2025, 1, 1, 0, 0, 0, 123456)


def test_rows_are_taken_by_what_they_say(shop: Any) -> None:
    rows = ("o1,a@x.de,5,2026-01-01,paid", "o2,a@x.de,5,2026-01-01,", "o3,a@x.de,5,2026-01-01,open")
    shop.write("lines.csv", lines(*rows, header="order,mail,total,at,status"))
    shop.ingest({**LINES, "where": {"status": ["paid", ""]}}, {"file": "lines.csv", "to": "nothing",
                                                                  "where": {"status": "open"}})  # fmt: skip
    assert [row["order_id"] for row in shop.rows(ORDER_LINES)] == ["o1", "o2"]
    assert shop.quarantined() == []


def test_what_a_unit_states_once_holds_for_its_rows(shop: Any) -> None:
    rows = (
        "o1,a@x.de,2026-01-01,2,10.00,5.00",
        "o1,,,1,0.01,",
        "o1,,,1,9.99,",
        "o2,b@x.de,2026-01-02,1,1.00,",
        ",,,1,3.00,",
    )
    shop.write("lines.csv", lines(*rows, header="order,mail,at,pieces,price,off"))
    read = with_fields(amount={"multiply": ["pieces", "price"], "less_share": "off"},
                       discount={"value": 0, "plus_share": "off"})  # fmt: skip
    shop.ingest({**read, "unit": ["order"], "fill": ["mail", "at"]})
    found = shop.rows(ORDER_LINES)
    assert [row["amount"] for row in found] == [1667, 0, 833, 100]
    assert [row["discount"] for row in found] == [333, 1, 166, 0]
    assert len({row["subject"] for row in found[:3]}) == 1
    assert shop.quarantined() == [(5, ["unidentified", "no_order", "no_time"])]


def test_shares_add_up_exactly(shop: Any) -> None:
    """Whatever the amounts are: none, 0, of both signs, or next to the largest."""
    rows, expected = [], {}
    orders = (["0", "0", "0"], ["0.01"], ["5", "-5"], ["-1", "-2.50"], ["9000000000", "1"], ["3.33", "3.33", "3.34"])
    for number, prices in enumerate(orders):
        for stated in ("0.03", "100.00", "-0.05", "0", "9000000000"):
            order = f"o{number}/{stated}"
            expected[order] = round(float(stated) * 100)
            rows += [f"{order},a@x.de,2026-01-01,{price},{'' if at else stated}" for at, price in enumerate(prices)]
    shop.write("lines.csv", lines(*rows, header="order,mail,at,price,off"))
    discount = {"value": 1_000_000, "plus_share": "off"}
    shop.ingest({**with_fields(amount="price", discount=discount), "kind": "Order Refunded"})
    borne = dict.fromkeys(expected, 0)
    for row in shop.rows(ORDER_LINES):
        borne[row["order_id"]] += row["discount"] - 100_000_000
    assert shop.quarantined() == []
    assert borne == expected


def test_an_unreadable_share_is_no_share(shop: Any) -> None:
    shop.write(
        "lines.csv", lines("o1,a@x.de,2026-01-01,5,??", "o1,a@x.de,2026-01-01,5,", header="order,mail,at,total,off")
    )
    shop.ingest(with_fields(amount={"column": "total", "less_share": "off"}))
    assert shop.quarantined() == [(1, ["bad_amount"]), (2, ["bad_amount"])]


def test_words_have_meanings(shop: Any) -> None:
    rows = ("C7,a@x.de,5,2026-01-01,'Main'", "7,a@x.de,5,2026-01-01,", "X1,a@x.de,5,2026-01-01,Side")
    shop.write("lines.csv", lines(*rows, header="order,mail,total,at,place"))
    kind = {"column": "order", "prefixes": {"C": "Order Cancelled"}, "otherwise": "Order Completed"}
    place = {"column": "place", "strip": "'", "case": "lower", "values": {"": "nowhere", "side": "aside"}}
    shop.ingest({**with_fields(place=place, refund_of={"column": "order", "strip": "C"}), "kind": kind})
    assert [(row["kind"], row["place"], row["refund_of"]) for row in shop.rows(ORDER_LINES)] == [
        ("Order Cancelled", "main", "7"),
        ("Order Completed", "nowhere", "7"),
        ("Order Completed", "aside", "X1"),
    ]


def test_the_first_identifier_that_is_there_counts(shop: Any) -> None:
    header = "order,mail,billing,id,total,at"
    rows = ("o1,,b@x.de,'7',5,2026-01-01", "o2,a@x.de,b@x.de,7,5,2026-01-01", "o3,,,' ',5,2026-01-01")
    shop.write("lines.csv", lines(*rows, header=header))
    read = {
        **LINES,
        "identify": {"email": {"first": ["mail", "billing"]}, "customer_id": {"column": "id", "strip": "'"}},
    }
    shop.ingest(read)
    assert {row["subject"] for row in shop.rows(ORDER_LINES)} == {shop.subject("customer_id", "7")}
    assert shop.quarantined() == [(3, ["unidentified"])]
    pairs = {(edge["subject_a"], edge["subject_b"]) for edge in shop.edges}
    assert pairs == {(shop.subject("customer_id", "7"), shop.subject("email", f"{who}@x.de")) for who in "ab"}


def test_a_column_that_may_be_absent_is_missing(shop: Any) -> None:
    shop.write("lines.csv", lines("o1,a@x.de,5,2026-01-01"))
    shop.ingest({**with_fields(place="till", channel="context.app.name"), "optional": ["till", "context"]})
    assert [(row["place"], row["channel"]) for row in shop.rows(ORDER_LINES)] == [(None, None)]
    with pytest.raises(MissingColumnError, match="till"):
        shop.ingest(with_fields(place="till"))


def test_events_that_have_no_name_with_us_keep_their_own(shop: Any) -> None:
    shop.write("clicks.csv", 'who,what,at\na,Zoomed "in",2026-01-01\na,view,2026-01-02\n')
    kind = {"column": "what", "values": {"view": "Product Viewed"}, "otherwise": "Custom Event"}
    shop.ingest({"file": "clicks.csv", "to": "event", "kind": kind, "identify": {"device_id": "who"},
                 "fields": {"occurred_at": "at"}})  # fmt: skip
    found = [(row["kind"], json.loads(row["properties"])) for row in shop.rows(EVENTS)]
    assert found == [("Custom Event", {"name": 'Zoomed "in"'}), ("Product Viewed", {})]


def test_elements_of_a_list_of_plain_values(shop: Any) -> None:
    records = [{"order": "o1", "mail": "a@x.de", "at": "2026-01-01", "skus": ["A", "B"]},
               {"order": "o2", "mail": "a@x.de", "at": "2026-01-01", "skus": []}]  # fmt: skip
    shop.write("lines.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    shop.write("lines.csv", lines("o3,a@x.de,A+ B ,2026-01-01", header="order,mail,skus,at"))
    read = {**with_fields(product_id="skus", amount={"value": 0}), "id": ["order", "skus"]}
    receipt = shop.ingest({**read, "file": "lines.jsonl", "each": "skus"},
                          {**read, "each": {"column": "skus", "between": "+"}})  # fmt: skip
    assert [(row["order_id"], row["product_id"]) for row in shop.rows(ORDER_LINES)] == [
        ("o1", "A"),
        ("o1", "B"),
        ("o3", "A"),
        ("o3", "B"),
    ]
    assert [len(reasons) for _, reasons in shop.quarantined()] == [1]  # o2: a part of its id is missing
    assert (receipt.received, receipt.accepted, receipt.quarantined) == (3, 2, 1)


def test_traits_of_an_element(shop: Any) -> None:
    batch = {"batch": [{"userId": "7", "traits": {"plan": "pro"}}, {"userId": "8", "traits": {"plan": None}}]}
    shop.write("calls.jsonl", json.dumps(batch) + "\n")
    shop.ingest({"file": "calls.jsonl", "to": "trait", "each": "batch", "identify": {"customer_id": "batch.userId"},
                 "traits": {"plan": "batch.traits.plan", "who": "batch.userId"}})  # fmt: skip
    found = {(row["subject"], row["trait"], row["value"]) for row in shop.rows(TRAITS)}
    seven, eight = shop.subject("customer_id", "7"), shop.subject("customer_id", "8")
    assert found == {(seven, "plan", "pro"), (seven, "who", "7"), (eight, "who", "8")}


RATES = "date,currency,rate\n2026-01-01,USD,0.9\n2026-01-03,usd,0.95\n2026-01-01,JPY,0.006\n2026-01-01,KWD,3\n"
CONVERTED = {**LINES, "fields": {**FIELDS, "currency": "currency"}}


def convert(shop: Any, *rows: str, rates: str = RATES, **top: Any) -> Any:
    shop.write("rates.csv", rates)
    shop.write("lines.csv", lines(*rows, header="order,mail,total,at,currency"))
    return shop.ingest(CONVERTED, conversion={"file": "rates.csv"}, **top)


def test_amounts_are_converted_by_the_newest_rate_of_the_day(shop: Any) -> None:
    convert(
        shop,
        "o1,a@x.de,10.00,2026-01-02,USD",
        "o2,a@x.de,10.00,2026-01-10,USD",
        "o3,a@x.de,1000,2026-01-01,JPY",
        "o4,a@x.de,1.234,2026-01-01,KWD",
        "o5,a@x.de,10.00,2026-01-02,",
        "o6,a@x.de,10.00,2026-01-11,USD",
        "o7,a@x.de,10.00,2025-12-31,USD",
        "o8,a@x.de,10.00,2026-01-01,GBP",
        "o9,a@x.de,-0.50,2026-01-01,usd",
    )
    found = [(row["order_id"], row["amount"], row["currency"], row["original_amount"], row["original_currency"])
             for row in shop.rows(ORDER_LINES)]  # fmt: skip
    assert found == [
        ("o1", 900, "EUR", 1000, "USD"),
        ("o2", 950, "EUR", 1000, "USD"),
        ("o3", 600, "EUR", 1000, "JPY"),
        ("o4", 370, "EUR", 1234, "KWD"),
        ("o5", 1000, "EUR", None, None),
    ]
    refused = {row: set(reasons) for row, reasons in shop.quarantined()}
    assert set(refused) == {6, 7, 8, 9}
    assert all("no_rate" in refused[row] for row in (6, 7, 8))
    assert refused[9] == {"negative_amount"}


def test_the_day_of_a_rate_is_the_local_one(shop: Any) -> None:
    convert(shop, "o1,a@x.de,10.00,2026-01-02T23:30:00Z,USD", timezone="Europe/Berlin")
    assert [row["amount"] for row in shop.rows(ORDER_LINES)] == [950]


def test_a_source_in_another_currency_is_converted_as_a_whole(shop: Any) -> None:
    convert(shop, "o1,a@x.de,10.00,2026-01-01,", currency="USD")
    [row] = shop.rows(ORDER_LINES)
    assert (row["amount"], row["currency"], row["original_amount"], row["original_currency"]) == (
        900,
        "EUR",
        1000,
        "USD",
    )


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("date,currency,rate\n2026-01-01,USD,0.9\n2026-01-01,usd,0.8\n", "more than one rate of a day and currency"),
        ("date,currency,rate\n2026-01-01,USD,0.9\nsoon,USD,0.9\n", "row 2 has no day, currency or rate above 0"),
        ("date,currency,rate\n2026-01-01,USD,0\n", "row 1 has no day, currency or rate above 0"),
        ("date,currency,rate\n2026-01-01,USD,1_0\n", "row 1 has no day, currency or rate above 0"),
        ("date,currency,rate\n2026-01-01,,2\n", "row 1 has no day, currency or rate above 0"),
    ],
)
def test_rates_must_be_sound(warehouse: Warehouse, tmp_path: Path, rates: str, message: str) -> None:
    (tmp_path / "rates.csv").write_text(rates, "utf-8")
    conversion = Mapping.of({"source": "s", "read": [LINES], "conversion": {"file": "rates.csv"}}).conversion
    assert conversion is not None
    with (
        sources.stage(tmp_path / "rates.csv", "rates.csv") as staged,
        pytest.raises(DataError, match=message) as caught,
    ):
        conversion.prepare(warehouse, staged, "EUR")
    assert caught.value.hint


def test_rates_must_be_whole_and_have_their_columns(warehouse: Warehouse, tmp_path: Path) -> None:
    conversion = Mapping.of({"source": "s", "read": [LINES], "conversion": {"file": "rates.csv"}}).conversion
    assert conversion is not None
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2026-01-01,USD\n", "utf-8")
    with (
        sources.stage(tmp_path / "rates.csv", "rates.csv") as staged,
        pytest.raises(UnreadableSourceError, match="row 1"),
    ):
        conversion.prepare(warehouse, staged, "EUR")
    (tmp_path / "rates.csv").write_text("day,currency,rate\n2026-01-01,USD,1\n", "utf-8")
    with sources.stage(tmp_path / "rates.csv", "rates.csv") as staged, pytest.raises(MissingColumnError, match="date"):
        conversion.prepare(warehouse, staged, "EUR")


def test_look_ups_follow_each_other_and_may_take_the_first(shop: Any) -> None:
    shop.write("lines.csv", lines("o1,7,5,2026-01-01", header="order,customer,total,at"))
    shop.write("people.csv", "id,card\n7,c1\n")
    shop.write("cards.csv", "card,mail\nc1,a@x.de\nc1,b@x.de\n")
    joins: list[dict[str, Any]] = [
        {"file": "people.csv", "on": {"customer": "id"}},
        {"file": "cards.csv", "on": "card"},
    ]
    with pytest.raises(DataError, match="more than once"):
        shop.ingest({**LINES, "join": joins})
    shop.ingest({**LINES, "join": [joins[0], {**joins[1], "take": "first"}]})
    assert [row["subject"] for row in shop.rows(ORDER_LINES)] == [shop.subject("email", "a@x.de")]
