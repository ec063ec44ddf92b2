"""A rule that is mended later gives what it would have given at first; the books stay true, whatever happens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect import parcel
from coterie.collect.facts import EVENTS, IMPORTS, LINKS, MENDED, ORDER_LINES, QUARANTINE
from coterie.collect.mapping import Mapping
from coterie.store.lake import MemoryLake
from coterie.store.ledger import MemoryLedger

NOW = datetime(2026, 3, 1, 12)
LATER = NOW + timedelta(days=2)
STRICT: dict[str, Any] = {
    "file": "lines*.csv",
    "to": "order_line",
    "id": "line",
    "identify": {"customer_id": "who"},
    "fields": {"order_id": "order", "product_id": "sku", "amount": "total", "occurred_at": "at"},
}
MENDED_READ = {**STRICT, "decimal": ",", "missing": ["-"]}
HEAD = "line,who,order,sku,total,at\n"


def mapping(*reads: dict[str, Any], **top: Any) -> Mapping:
    basis = {"segmentation": "contract: a test"}
    return Mapping.of({"source": "shop", "lawful_basis": basis, "read": list(reads), **top})


def replay(shop: Any, *reads: dict[str, Any], now: datetime = LATER, **top: Any) -> Any:
    return shop.intake.replay(mapping(*reads, **top), shop.folder, now=now)


def facts(shop: Any, *tables: Any) -> Counter[str]:
    """Facts without what may differ: when they were stored, and which of two rows alike is which."""
    rows = [row for table in tables or (ORDER_LINES,) for row in shop.rows(table)]
    told = [{name: value for name, value in row.items() if name not in ("ingested_at", "row")} for row in rows]
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in told)


def books(shop: Any) -> list[dict[str, Any]]:
    names = ("import_id", "received", "accepted", "quarantined", "duplicates", "facts", "reasons", "assumed")
    return [{name: row[name] for name in names} for row in shop.ledger.read(IMPORTS).to_pylist()]


def fates(receipt: Any) -> tuple[int, int, int, int]:
    return (receipt.received, receipt.accepted, receipt.quarantined, receipt.duplicates)


def test_what_was_set_aside_becomes_facts_under_its_old_row_when_the_mapping_is_mended(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada,o1,a,5,2026-01-01\n" + '2,bob,o2,b,"7,50",2026-01-02\n' + "3,,o3,c,1,soon\n")
    assert fates(shop.ingest(STRICT)) == (3, 1, 2, 0)
    receipt = replay(shop, MENDED_READ)
    assert fates(receipt) == (2, 1, 1, 0)
    assert receipt.files[0].reasons == {"bad_time": 1, "unidentified": 1}
    [_, bob] = shop.rows(ORDER_LINES)
    assert (bob["import_id"], bob["row"], bob["amount"], bob["ingested_at"]) == (1, 2, 750, LATER)
    assert shop.quarantined() == [(3, ["unidentified", "bad_time"])]
    assert books(shop)[0] == {
        "import_id": 1,
        "received": 3,
        "accepted": 2,
        "quarantined": 1,
        "duplicates": 0,
        "facts": 2,
        "reasons": '{"bad_time": 1, "unidentified": 1}',
        "assumed": '{"available_at": 2}',
    }
    assert replay(shop, MENDED_READ).accepted == 0
    assert shop.ledger.read(MENDED).num_rows == 0


AMOUNTS = st.sampled_from(["5", "7,5", "1.000,5", "0", "x", ""])
CELLS = st.tuples(
    st.sampled_from(["ada", "bob", "-", ""]),
    st.sampled_from(["o1", "o2", ""]),
    st.sampled_from(["a", "b"]),
    AMOUNTS,
    st.sampled_from(["2026-01-01", "soon", "2026-01-02T10:00:00Z"]),
)


def examples(number: int) -> settings:
    """An example takes a third of a second."""
    return settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_the_law(make_shop: Callable[..., Any], rows: list[tuple[str, ...]], has_id: bool) -> None:
    written = "".join(",".join([str(number), *(f'"{cell}"' for cell in row)]) + "\n" for number, row in enumerate(rows))
    drop = () if has_id else ("id",)
    strict, mended = ({key: value for key, value in read.items() if key not in drop} for read in (STRICT, MENDED_READ))
    # '-' names somebody under the first mapping: what is let in under it must not differ under the second.
    strict = {**strict, "missing": ["-"]}
    vault = None
    shops = []
    for first in (strict, mended):
        shop = make_shop()
        if vault is not None:
            shop.vault = vault
            shop.intake.stores = parcel.Stores(shop.warehouse, shop.lake, shop.ledger, vault, shop.edges.append)
        vault = shop.vault
        shop.write("lines.csv", HEAD + written)
        shop.ingest(first)
        shops.append(shop)
    late, early = shops
    replay(late, mended)
    assert facts(late) == facts(early)
    assert sorted(row["row"] for row in late.rows(ORDER_LINES)) == sorted(row["row"] for row in early.rows(ORDER_LINES))
    assert late.quarantined() == early.quarantined()
    assert books(late) == books(early)


@pytest.mark.parametrize("has_id", [True, False])
@examples(4)
@given(rows=st.lists(CELLS, max_size=9))
def test_the_law_of_replay(make_shop: Callable[..., Any], rows: list[tuple[str, ...]], has_id: bool) -> None:
    check_the_law(make_shop, rows, has_id)


@pytest.mark.slow
@pytest.mark.parametrize("has_id", [True, False])
@examples(60)
@given(rows=st.lists(CELLS, max_size=9))
def test_the_law_of_replay_often(make_shop: Callable[..., Any], rows: list[tuple[str, ...]], has_id: bool) -> None:
    check_the_law(make_shop, rows, has_id)


def test_a_join_that_is_added_and_a_column_that_was_not_read_before_are_found(shop: Any) -> None:
    shop.write("sent.csv", "campaign,who,note\nc1,ada,hi\nc9,bob,ho\n")
    read = {"file": "sent.csv", "to": "event", "kind": "Campaign Sent", "id": ["campaign", "who"],
            "identify": {"customer_id": "who"},
            "fields": {"campaign_id": "campaign", "occurred_at": "note"}}  # fmt: skip
    assert fates(shop.ingest(read)) == (2, 0, 2, 0)
    shop.write("campaigns.csv", "id,start\nc1,2026-01-01\n")
    (shop.folder / "sent.csv").unlink()
    mended = {**read, "join": {"file": "campaigns.csv", "on": {"campaign": "id"}}, "properties": {"note": "note"},
              "fields": {"campaign_id": "campaign", "occurred_at": "start"}}  # fmt: skip
    assert fates(replay(shop, mended)) == (2, 1, 1, 0)
    [event] = shop.rows(EVENTS)
    assert (event["row"], json.loads(event["properties"])) == (1, {"note": "hi"})
    assert shop.quarantined() == [(2, ["no_time"])]


def test_typed_and_nested_columns_come_back_as_they_were(shop: Any) -> None:
    rows = {
        "line": pa.array([1.0, None], pa.float64()),
        "who": pa.array([7.0, 8.0], pa.float64()),
        "items": pa.array(
            [[{"sku": "a", "price": 1.5}, {"sku": "b", "price": 2.0}], [{"sku": "c", "price": 3.0}]],
            pa.list_(pa.struct([("sku", pa.string()), ("price", pa.float64())])),
        ),
        "at": pa.array([datetime(2026, 1, 1, 10), datetime(2026, 1, 2)], pa.timestamp("us", "UTC")),
        "day": pa.array([datetime(2026, 1, 1), datetime(2026, 1, 2)], pa.date32()),
        "price": pa.array([1, 2], pa.decimal128(9, 2)),
    }
    pq.write_table(pa.table(rows), shop.folder / "orders.parquet")
    fields = {"order_id": "line", "product_id": "items.sku", "amount": "items.price", "occurred_at": "at"}
    read: dict[str, Any] = {"file": "orders.parquet", "to": "order_line", "each": "items",
                            "identify": {"customer_id": "who"}, "fields": fields}  # fmt: skip
    strict = {**read, "fields": {**read["fields"], "amount": "items.sku"}}
    assert fates(shop.ingest(strict)) == (2, 0, 2, 0)
    (shop.folder / "orders.parquet").unlink()
    assert fates(replay(shop, read)) == (2, 1, 1, 0)
    told = [
        (row["order_id"], row["product_id"], row["amount"], row["occurred_at"].hour) for row in shop.rows(ORDER_LINES)
    ]
    assert sorted(told) == [("1", "a", 150, 10), ("1", "b", 200, 10)]
    assert {row["subject"] for row in shop.rows(ORDER_LINES)} == {shop.subject("customer_id", "7")}
    assert books(shop)[0]["facts"] == 2


def test_lines_of_json_come_back_as_they_were(shop: Any) -> None:
    lines = [
        '{"id": 1, "user": {"id": "ada"}, "at": "2026-01-01", "total": "5,5"}',
        '{"id": 2, "at": "2026-01-01"}',
        "no",
    ]
    shop.write("lines.jsonl", "\n".join(lines) + "\n")
    read = {"file": "lines.jsonl", "to": "order_line", "id": "id", "identify": {"customer_id": "user.id"},
            "fields": {"order_id": "id", "amount": "total", "occurred_at": "at"}}  # fmt: skip
    assert fates(shop.ingest(read)) == (3, 0, 3, 0)
    assert fates(replay(shop, {**read, "decimal": ","})) == (2, 1, 1, 0)
    assert shop.quarantined() == [(2, ["unidentified", "no_amount"]), (3, ["malformed"])]
    assert [row["amount"] for row in shop.rows(ORDER_LINES)] == [550]


def test_rows_that_no_read_took_are_taken_by_one_that_is_added(shop: Any) -> None:
    shop.write("events.csv", "what,who,at\nview,ada,2026-01-01\nclick,bob,2026-01-02\nping,,2026-01-03\n")
    view = {"file": "events.csv", "to": "event", "kind": "Product Viewed", "where": {"what": "view"},
            "identify": {"customer_id": "who"}, "fields": {"occurred_at": "at"}}  # fmt: skip
    receipt = shop.ingest(view)
    assert [(file.target, fates(file)) for file in receipt.files] == [
        ("event", (1, 1, 0, 0)),
        ("nothing", (2, 0, 2, 0)),
    ]
    assert receipt.files[1].reasons == {"unmapped": 2}
    click = {**view, "kind": "Product Clicked", "where": {"what": "click"}}
    assert fates(replay(shop, view, click)) == (1, 1, 0, 0)
    assert [(row["kind"], row["import_id"], row["row"]) for row in shop.rows(EVENTS)] == [
        ("Product Viewed", 1, 1),
        ("Product Clicked", 2, 2),
    ]
    assert shop.quarantined() == [(3, ["unmapped"])]
    assert books(shop)[1]["accepted"] == 1


def test_a_record_that_could_not_be_parsed_stays_and_is_tried_again(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada,o1,a,5,2026-01-01\n" + "too,short\n" + "2,bob,o2,b,5,soon\n")
    shop.ingest(STRICT)
    assert fates(replay(shop, STRICT)) == (1, 0, 1, 0)
    assert shop.quarantined() == [(2, ["malformed"]), (3, ["bad_time"])]
    assert books(shop)[0]["reasons"] == '{"bad_time": 1, "malformed": 1}'


def test_rows_whose_time_is_over_lose_their_bytes_and_stay_in_the_books(shop: Any) -> None:
    shop.write("lines.csv", HEAD + '1,ada,o1,a,"5,5",2026-01-01\n')
    shop.ingest(STRICT, retention=10)
    [row] = shop.rows(QUARANTINE)
    assert row["expires_at"] == NOW + timedelta(days=10)
    assert replay(shop, STRICT, now=NOW + timedelta(days=10) - timedelta(seconds=1)).quarantined == 1
    assert replay(shop, MENDED_READ, now=NOW + timedelta(days=10)).files == ()
    [row] = shop.rows(QUARANTINE)
    assert (row["raw"], row["reasons"]) == (None, "bad_amount")
    assert books(shop)[0]["quarantined"] == 1


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize(
    ("after", "step"),
    [(False, 2), pytest.param(False, 1, marks=pytest.mark.slow), pytest.param(True, 1, marks=pytest.mark.slow)],
)
def test_a_crash_at_any_point_is_made_good_by_the_next_replay(
    make_shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, after: bool, step: int
) -> None:
    rows = [f'{n % 7},p{n % 3},o{n % 3},a,"{n % 4},5",2026-01-0{n % 5 + 1}\n' for n in range(9)]
    rows += [f"{n},p{n % 3},o{n % 3},a,{n},2026-01-05\n" for n in range(20, 24)] + ["30,,o1,a,1,soon\n"]

    def made(**stores: Any) -> Any:
        shop = make_shop(**stores)
        shop.vault = vault
        shop.intake.stores = parcel.Stores(shop.warehouse, shop.lake, shop.ledger, vault, shop.edges.append)
        shop.write("lines.csv", HEAD + "".join(rows))
        shop.ingest(STRICT)
        return shop

    vault = make_shop().vault
    whole = made()
    replay(whole, MENDED_READ)
    crashes = 0
    for calls in range(1, 40, step):
        lake, ledger = MemoryLake(), MemoryLedger()
        shop = made(lake=lake, ledger=ledger)
        count = [0]

        def guarded(call: Callable[..., Any], count: list[int] = count, calls: int = calls) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                count[0] += 1
                if count[0] == calls and not after:
                    raise Crash
                result = call(*args, **kwargs)
                if count[0] == calls:
                    raise Crash
                return result

            return run

        with monkeypatch.context() as patch:
            for thing, name in (
                (lake, "append"),
                (lake, "delete_rows"),
                (ledger, "put"),
                (ledger, "delete"),
                (vault, "subjects"),
            ):
                patch.setattr(thing, name, guarded(getattr(thing, name)))
            try:
                replay(shop, MENDED_READ)
            except Crash:
                crashes += 1
        if count[0] < calls:
            break
        replay(shop, MENDED_READ)
        assert facts(shop) == facts(whole)
        assert books(shop) == books(whole)
        assert shop.quarantined() == whole.quarantined()
        assert shop.rows(LINKS) == whole.rows(LINKS)
        assert ledger.read(MENDED).num_rows == 0
    assert crashes > 5 // step


def test_a_replay_that_was_cut_off_under_another_mapping_is_booked_and_repeats_nothing(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("lines.csv", HEAD + '1,ada,o1,a,"5,5",2026-01-01\n2,bob,o2,a,"6,5",02.01.2026\n')
    shop.ingest(STRICT)

    def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(shop.ledger, "put", crash)
        with pytest.raises(Crash):
            replay(shop, MENDED_READ)
    assert len(shop.rows(ORDER_LINES)) == 1
    dotted = {**MENDED_READ, "fields": {**STRICT["fields"], "occurred_at": {"column": "at", "format": "%d.%m.%Y"}}}
    replay(shop, dotted)
    assert [(row["line_id"], row["amount"]) for row in shop.rows(ORDER_LINES)] == [("1", 550), ("2", 650)]
    assert shop.rows(QUARANTINE) == []
    [book] = books(shop)
    assert (book["accepted"], book["quarantined"], book["facts"], book["reasons"]) == (2, 0, 2, "{}")


def test_a_row_that_shares_an_amount_with_its_order_is_judged_with_the_rest_of_it(
    make_shop: Callable[..., Any], tmp_path: Path
) -> None:
    read: dict[str, Any] = {
        "file": "orders.csv",
        "to": "order_line",
        "unit": ["Name"],
        "fill": ["Email", "Paid"],
        "identify": {"email": "Email"},
        "fields": {
            "order_id": "Name",
            "product_id": "Sku",
            "quantity": "Pieces",
            "amount": {"column": "Price", "less_share": "Discount"},
            "occurred_at": "Paid",
        },
    }
    rows = ["#1,ada@x.org,2026-01-01,a,1,10,3", "#1,,,b,one,20,", "#1,,,c,2,30,", "#2,bob@x.org,2026-01-02,a,one,5,1"]
    shops = []
    for number, pieces in enumerate(("Pieces", "Sku")):
        shop = make_shop(folder=tmp_path / str(number))
        shop.write("orders.csv", "Name,Email,Paid,Sku,Pieces,Price,Discount\n" + "\n".join(rows) + "\n")
        # First the words of quantities are not understood, then no quantity is mapped.
        fields = {name: field for name, field in read["fields"].items() if pieces == "Pieces" or name != "quantity"}
        shop.ingest({**read, "fields": fields})
        shops.append(shop)
    late, early = shops
    assert late.quarantined() == [(2, ["bad_quantity"]), (4, ["bad_quantity"])]
    (late.folder / "orders.csv").unlink()
    fields = {name: field for name, field in read["fields"].items() if name != "quantity"}
    assert fates(replay(late, {**read, "fields": fields})) == (2, 2, 0, 0)

    def told(shop: Any) -> list[Any]:
        return sorted(
            (row["order_id"], row["product_id"], row["amount"], row["occurred_at"]) for row in shop.rows(ORDER_LINES)
        )

    assert told(late) == told(early)
    assert [amount for _, _, amount, _ in told(early)] == [950, 1900, 2850, 400]
