"""Every row has one fate, importing again changes nothing, and a crash at any point is made good by the next run."""

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
from coterie.collect.facts import ALWAYS, EVENTS, IMPORTS, OFFERS, ORDER_LINES, PRODUCTS, QUARANTINE, TRAITS, current
from coterie.errors import (
    CurrencyError,
    DataError,
    GateRefusedError,
    MissingColumnError,
    UnreadableSourceError,
)
from coterie.govern.consent import CONSENTS
from coterie.store.lake import MemoryLake
from coterie.store.ledger import MemoryLedger

NOW = datetime(2026, 3, 1, 12)
LINES: dict[str, Any] = {
    "file": "lines*.csv",
    "to": "order_line",
    "id": "line",
    "identify": {"customer_id": "who"},
    "fields": {"order_id": "order", "amount": "total", "occurred_at": "at"},
}
HEAD = "line,who,order,total,at\n"
ADA = "1,ada,o1,5,2026-01-01\n"
BOB = "2,bob,o2,7,2026-01-02\n"


def facts(shop: Any, *tables: Any) -> list[dict[str, Any]]:
    """Facts without what depends on when and in which order they came in."""
    return [
        {name: value for name, value in row.items() if name not in ("import_id", "row", "ingested_at")}
        for table in tables or (ORDER_LINES,)
        for row in shop.rows(table)
    ]


def counted(shop: Any) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True, default=str) for row in facts(shop))


def fates(receipt: Any) -> tuple[int, int, int, int]:
    return (receipt.received, receipt.accepted, receipt.quarantined, receipt.duplicates)


def test_a_small_file_by_hand(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA + BOB + "3,,o3,1,2026-01-03\n" + ADA + "2,bob,o2,8,2026-01-02\n" + "oops\n")
    receipt = shop.ingest(LINES)
    assert fates(receipt) == (6, 2, 3, 1)
    assert receipt.files[0].reasons == {"conflicting_id": 1, "malformed": 1, "unidentified": 1}
    assert shop.quarantined() == [(3, ["unidentified"]), (5, ["conflicting_id"]), (6, ["malformed"])]
    assert [shop.vault.unseal([row["raw"]])[0] for row in shop.rows(QUARANTINE)][2] == b"oops\n"
    ada, bob = shop.rows(ORDER_LINES)
    assert ada == {
        "source": "shop",
        "line_id": "1",
        "order_id": "o1",
        "kind": "Order Completed",
        "subject": shop.subject("customer_id", "ada"),
        "channel": None,
        "place": None,
        "product_id": None,
        "quantity": None,
        "amount": 500,
        "discount": None,
        "currency": "EUR",
        "original_amount": None,
        "original_currency": None,
        "refund_of": None,
        "occurred_at": datetime(2026, 1, 1),
        "available_at": datetime(2026, 1, 1),
        "ingested_at": NOW,
        "import_id": 1,
        "row": 1,
    }
    assert (bob["row"], bob["amount"]) == (2, 700)
    [entry] = shop.ledger.read(IMPORTS).to_pylist()
    assert (entry["state"], entry["facts"], json.loads(entry["assumed"])) == ("done", 2, {"available_at": 2})


CELLS = {
    "line": ["1", "2", "3", ""],
    "who": ["ada", "bob", "", "null", '"a, b"'],
    "order": ["o1", "o2", ""],
    "total": ["5", "5.005", "-1", "NaN", "x", "", "1e40"],
    "at": ["2026-01-01", "2026-01-01T10:00:00Z", "2030-01-01", "0001-01-01", "soon", ""],
}
ROW = st.tuples(*(st.sampled_from(values) for values in CELLS.values())).map(",".join)
DIRTY = st.lists(st.one_of(ROW, ROW, ROW, st.text('ab1,"\n ', max_size=12)), max_size=12).map("\n".join)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(DIRTY, min_size=1, max_size=3), st.booleans())
def test_the_law_of_accounting(make_shop: Callable[..., Any], tmp_path: Path, files: list[str], has_id: bool) -> None:
    for old in tmp_path.glob("*.csv"):
        old.unlink()
    shop = make_shop()
    for number, text in enumerate(files):
        shop.write(f"lines{number}.csv", HEAD + text)
    read = LINES if has_id else {key: value for key, value in LINES.items() if key != "id"}
    receipt = shop.ingest(read)
    assert receipt.received == receipt.accepted + receipt.quarantined + receipt.duplicates
    assert len(shop.rows(ORDER_LINES)) == receipt.accepted
    assert len(shop.rows(QUARANTINE)) == receipt.quarantined
    for file in receipt.files:
        assert file.received == file.accepted + file.quarantined + file.duplicates
    ids = [row["line_id"] for row in shop.rows(ORDER_LINES)]
    assert len(ids) == len(set(ids))
    assert all(reasons and reasons != [""] for _, reasons in shop.quarantined())

    before = facts(shop)
    again = shop.ingest(read, now=NOW + timedelta(days=1))
    assert again.reused
    assert fates(again) == fates(receipt)
    assert facts(shop) == before


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=20), st.permutations(["a", "b", "c"]))
def test_the_order_of_files_changes_nothing(
    make_shop: Callable[..., Any], tmp_path: Path, rows: list[tuple[int, int]], order: list[str]
) -> None:
    results = []
    for names in (["a", "b", "c"], order):
        shop = make_shop()
        for name in "abc":
            mine = [number for number, at in rows if "abc"[at] == name]
            lines = [f"{number},p{number % 3},o{number},{number},2026-01-01\n" for number in mine]
            shop.write(f"lines{name}.csv", HEAD + "".join(lines))
        totals = [shop.ingest({**LINES, "file": f"lines{name}.csv"}) for name in names]
        people = {shop.subject("customer_id", f"p{number}"): number for number in range(3)}
        said = Counter((row["line_id"], people[row["subject"]], row["amount"]) for row in facts(shop))
        results.append((said, sum(each.accepted for each in totals), sum(each.duplicates for each in totals)))
    assert results[0] == results[1]


def test_rows_that_overlap_with_an_earlier_file_are_known(shop: Any) -> None:
    shop.write("lines1.csv", HEAD + ADA + BOB)
    shop.ingest(LINES)
    shop.write("lines2.csv", HEAD + BOB + "3,cyd,o3,1,2026-01-03\n" + "1,ada,o1,6,2026-01-01\n")
    first, second = shop.ingest(LINES).files
    assert first.reused
    assert fates(second) == (3, 1, 1, 1)
    assert shop.quarantined() == [(3, ["conflicting_id"])]
    assert [row["line_id"] for row in shop.rows(ORDER_LINES)] == ["1", "2", "3"]


def test_a_file_that_has_grown_is_read_again(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA)
    shop.ingest(LINES)
    shop.write("lines.csv", HEAD + ADA + BOB)
    assert fates(shop.ingest(LINES)) == (2, 1, 0, 1)


def test_without_an_id_two_lines_alike_are_two_facts_and_an_overlap_none(shop: Any) -> None:
    read = {key: value for key, value in LINES.items() if key != "id"}
    shop.write("lines1.csv", HEAD + ADA + ADA + BOB)
    assert fates(shop.ingest(read)) == (3, 3, 0, 0)
    shop.write("lines2.csv", HEAD + BOB + ADA + ADA + ADA)
    assert fates(shop.ingest(read).files[1]) == (4, 1, 0, 3)
    assert len({row["line_id"] for row in shop.rows(ORDER_LINES)}) == 4


def test_the_same_ids_of_another_source_are_other_rows(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA)
    shop.ingest(LINES, source="one")
    assert shop.ingest(LINES, source="other").accepted == 1


def test_what_was_set_aside_is_let_in_when_the_mapping_is_mended(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA + "2,bob,o2,7,02.01.2026\n")
    assert fates(shop.ingest(LINES)) == (2, 1, 1, 0)
    shop.write("lines.csv", HEAD + "1,ada,o1,5,01.01.2026\n" + "2,bob,o2,7,02.01.2026\n")
    mended = {**LINES, "fields": {**LINES["fields"], "occurred_at": {"column": "at", "format": "%d.%m.%Y"}}}
    assert fates(shop.ingest(mended)) == (2, 1, 0, 1)
    assert [row["line_id"] for row in shop.rows(ORDER_LINES)] == ["1", "2"]


def test_an_id_never_holds_an_identifier_in_the_clear(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada@example.org,o/1,5,2026-01-01\n")
    shop.ingest({**LINES, "id": ["who", "order"], "identify": {"email": "who"}})
    [row] = shop.rows(ORDER_LINES)
    assert row["line_id"] == f"{shop.subject('email', 'ada@example.org')}/o\\/1"


def test_several_identifiers_on_a_row_are_edges(shop: Any) -> None:
    rows = [
        "line,card,mail,order,total,at",
        "1,7,Ada@Example.org,o1,5,2026-01-02",
        "2,7,ada@example.org,o2,5,2026-01-01",
        "3,,ada@example.org,o3,5,2026-01-03",
        "4,8,null,o4,5,2026-01-04",
        "5,9,bad@example.org,o5,x,2026-01-04",
    ]
    shop.write("lines.csv", "\n".join(rows))
    shop.ingest({**LINES, "identify": {"email": "mail", "loyalty_id": "card"}})
    card, mail = shop.subject("loyalty_id", "7"), shop.subject("email", "ada@example.org")
    assert [row["subject"] for row in shop.rows(ORDER_LINES)] == [card, card, mail, shop.subject("loyalty_id", "8")]
    moment = datetime(2026, 1, 1)
    assert shop.edges == [
        {
            "source": "shop",
            "subject_a": card,
            "subject_b": mail,
            "kind_a": "loyalty_id",
            "kind_b": "email",
            "kind": "email",
            "occurred_at": moment,
            "available_at": moment,
            "ingested_at": NOW,
            "import_id": 1,
        }
    ]


def test_a_changed_product_is_a_new_version_and_an_unchanged_one_is_known(shop: Any) -> None:
    read = {"file": "products.csv", "to": "product", "fields": {"product_id": "sku", "name": "name"}}
    for day, names in enumerate([("Tea", "Cup"), ("Tea", "Mug"), ("Tea", "Cup")]):
        shop.write("products.csv", f"sku,name\np1,{names[0]}\np2,{names[1]}\np1,{names[0]}\np2,Pot\n")
        receipt = shop.ingest(read, now=NOW + timedelta(days=day))
        # The second p1 says the same, the second p2 something else.
        assert fates(receipt) == ((4, 2, 1, 1) if day == 0 else (4, 1, 1, 2))
        shop.warehouse.attach("versions", shop.lake.source(PRODUCTS))
        newest = shop.warehouse.query(f"{current(PRODUCTS, 'versions')} ORDER BY product_id").to_pylist()
        assert [row["name"] for row in newest] == list(names)
    assert [row["available_at"] for row in shop.rows(PRODUCTS)] == [
        ALWAYS,
        ALWAYS,
        NOW + timedelta(days=1),
        NOW + timedelta(days=2),
    ]


def test_a_wide_table_of_people_becomes_traits_and_only_news_are_kept(shop: Any) -> None:
    read = {
        "file": "people.csv",
        "to": "trait",
        "identify": {"customer_id": "id"},
        "traits": {"age": "years", "town": "town"},
    }
    shop.write("people.csv", "id,years,town\nada,30,Rome\nbob,,Oslo\n")
    [receipt] = shop.ingest(read).files
    assert (fates(receipt), receipt.facts) == ((2, 2, 0, 0), 3)
    shop.write("people.csv", "id,years,town\nada,31,Rome\nbob,,Oslo\n")
    later = NOW + timedelta(days=9)
    [receipt] = shop.ingest(read, now=later).files
    assert (fates(receipt), receipt.facts) == ((2, 1, 0, 1), 1)
    assert [(row["trait"], row["value"], row["occurred_at"], row["available_at"]) for row in shop.rows(TRAITS)] == [
        ("age", "30", None, ALWAYS),
        ("town", "Rome", None, ALWAYS),
        ("town", "Oslo", None, ALWAYS),
        ("age", "31", None, later),
    ]


def test_a_long_table_of_dated_traits(shop: Any) -> None:
    read = {"file": "tiers.csv", "to": "trait", "identify": {"customer_id": "id"},
            "fields": {"trait": {"value": "tier"}, "value": "tier", "occurred_at": "since"}}  # fmt: skip
    shop.write(
        "tiers.csv", "id,tier,since\nada,gold,2026-01-01\nada,blue,2025-01-01\nada,gold,2026-01-01\nbob,,2025-01-01\n"
    )
    assert fates(shop.ingest(read)) == (4, 2, 1, 1)
    shop.write("tiers.csv", "id,tier,since\nada,gold,2026-01-01\nada,gold,2026-02-01\n")
    assert fates(shop.ingest(read)) == (2, 1, 0, 1)
    assert [row["available_at"] for row in shop.rows(TRAITS)] == [
        datetime(2026, 1, 1),
        datetime(2025, 1, 1),
        datetime(2026, 2, 1),
    ]


def test_consents_go_to_the_gate(shop: Any) -> None:
    read = {
        "file": "consents.csv",
        "to": "consent",
        "identify": {"email": "mail"},
        "fields": {"purpose": {"value": "marketing"}, "choice": {"column": "ok", "values": {"yes": "granted"}},
                   "occurred_at": "at"},
    }  # fmt: skip
    shop.write(
        "consents.csv", "mail,ok,at\nada@x.org,yes,2026-01-01\nbob@x.org,maybe,2026-01-01\nada@x.org,yes,2026-01-01\n"
    )
    assert fates(shop.ingest(read)) == (3, 1, 1, 1)
    shop.write("consents.csv", "mail,ok,at\nada@x.org,yes,2026-01-01\nada@x.org,withdrawn,2026-01-01\n")
    assert fates(shop.ingest(read)) == (2, 1, 0, 1)
    kept = shop.ledger.read(CONSENTS).to_pylist()
    assert sorted(row["choice"] for row in kept) == ["granted", "withdrawn"]
    assert {row["subject"] for row in kept} == {shop.subject("email", "ada@x.org")}


def test_a_look_up_gives_columns_and_never_rows(shop: Any) -> None:
    read = {"file": "sent.csv", "to": "event", "kind": "Campaign Sent", "id": ["campaign", "who"],
            "identify": {"customer_id": "who"}, "join": {"file": "campaigns.csv", "on": {"campaign": "id"}},
            "fields": {"campaign_id": "campaign", "occurred_at": "start"}, "properties": {"name": "name"}}  # fmt: skip
    shop.write("sent.csv", "campaign,who\nc1,ada\nc1,bob\nc9,ada\n")
    shop.write("campaigns.csv", "id,start,name,who\nc1,2026-01-01,Spring,nobody\nc2,2026-02-01,Summer,nobody\n")
    assert fates(shop.ingest(read)) == (3, 2, 1, 0)
    assert shop.quarantined() == [(3, ["no_time"])]
    assert [json.loads(row["properties"]) for row in shop.rows(EVENTS)] == [{"name": "Spring"}] * 2
    shop.write("campaigns.csv", "id,start,name\nc1,2026-01-01,Spring\nc1,2026-02-01,Summer\n")
    with pytest.raises(DataError, match=r"campaigns.csv has 1 value of \(id\) more than once"):
        shop.ingest(read)
    shop.write("campaigns.csv", "id,start,name\nc1,2026-01-01\n")
    with pytest.raises(UnreadableSourceError, match="a look-up must be whole"):
        shop.ingest(read)


def test_offers_that_repeat_are_known(shop: Any) -> None:
    shop.write("offers.csv", "code,sku\nX,p1\nX,p2\nX,p1\n")
    receipt = shop.ingest({"file": "offers.csv", "to": "offer", "fields": {"offer_id": "code", "product_id": "sku"}})
    assert fates(receipt) == (3, 2, 0, 1)
    assert [row["available_at"] for row in shop.rows(OFFERS)] == [ALWAYS, ALWAYS]


def test_a_source_without_a_lawful_basis_is_refused(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA)
    with pytest.raises(GateRefusedError):
        shop.ingest(LINES, lawful_basis={})
    assert shop.rows(ORDER_LINES) == []


def test_another_currency_is_refused_at_the_door(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA)
    with pytest.raises(CurrencyError, match="is in USD, the shop in EUR"):
        shop.ingest(LINES, currency="USD")


def test_a_missing_column_stops_before_anything_is_kept(shop: Any) -> None:
    shop.write("lines.csv", "line,who,order,totl,at\n" + ADA)
    with pytest.raises(MissingColumnError, match=r"lines\.csv has no column 'total'"):
        shop.ingest(LINES)
    assert shop.ledger.read(IMPORTS).num_rows == 0
    assert shop.vault.count() == 0


def test_a_missing_file_stops_before_any_other_is_read(shop: Any) -> None:
    shop.write("lines.csv", HEAD + ADA)
    with pytest.raises(UnreadableSourceError, match="there is no such file"):
        shop.ingest(LINES, {**LINES, "file": "refunds.csv"})
    assert shop.rows(ORDER_LINES) == []


def test_a_parquet_file_damaged_inside_is_told(shop: Any) -> None:
    rows = {"line": [str(number) for number in range(5000)], "who": ["ada"] * 5000, "order": ["o"] * 5000,
            "total": [1.0] * 5000, "at": [NOW] * 5000}  # fmt: skip
    path = shop.folder / "lines.csv"
    pq.write_table(pa.table(rows), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[40:400] = bytes(360)
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableSourceError, match="damaged inside"):
        shop.ingest(LINES)


def test_a_header_alone_and_an_empty_file(shop: Any) -> None:
    shop.write("lines.csv", HEAD)
    assert fates(shop.ingest(LINES)) == (0, 0, 0, 0)
    shop.write("lines.csv", "")
    with pytest.raises(UnreadableSourceError, match="the file is empty"):
        shop.ingest(LINES)


class Crash(BaseException):
    """The process is gone."""


class Fuse:
    """Lets so many calls through, then burns: before the call takes effect or after."""

    def __init__(self, calls: int, *, after: bool) -> None:
        self.calls, self.after = calls, after
        self.burnt = False

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.calls -= 1
            if self.calls == 0 and not self.after:
                self.burnt = True
                raise Crash
            result = call(*args, **kwargs)
            if self.calls == 0:
                self.burnt = True
                raise Crash
            return result

        return guarded


def story(shop: Any) -> list[dict[str, Any]]:
    """Three files of every sort, several chunks each, with bad rows, duplicates, conflicts and two identifiers."""
    amounts = ["x" if n % 7 == 0 else n % 17 for n in range(23)]
    rows = [f"{n % 17},p{n % 5},p{n % 5}@x.org,o{n % 3},{amount},2026-01-05\n" for n, amount in enumerate(amounts)]
    shop.write("lines.csv", "line,who,mail,order,total,at\n" + "".join(rows))
    people = [f"p{n % 6},{30 + n % 6},{'' if n else 'Rome'}\n" for n in range(9)]
    shop.write("people.csv", "id,age,town\n" + "".join(people))
    shop.write("consents.csv", "mail,choice,at\n" + "".join(f"p{n}@x.org,granted,2026-01-01\n" for n in range(4)))
    return [
        {**LINES, "identify": {"customer_id": "who", "email": "mail"}},
        {"file": "people.csv", "to": "trait", "identify": {"customer_id": "id"}, "traits": ["age", "town"]},
        {"file": "consents.csv", "to": "consent", "identify": {"email": "mail"},
         "fields": {"purpose": {"value": "marketing"}, "choice": "choice", "occurred_at": "at"}},
    ]  # fmt: skip


def outcome(shop: Any) -> list[Any]:
    kept = [shop.rows(table) for table in (ORDER_LINES, TRAITS)]
    bad = [{**row, "raw": shop.vault.unseal([row["raw"]])} for row in shop.rows(QUARANTINE)]
    consents = sorted(shop.ledger.read(CONSENTS).to_pylist(), key=lambda row: row["consent_id"])
    return [*kept, bad, shop.ledger.read(IMPORTS).to_pylist(), consents]


@pytest.mark.parametrize(
    ("after", "step"),
    [
        (False, 4),
        pytest.param(False, 1, marks=pytest.mark.slow),
        pytest.param(True, 1, marks=pytest.mark.slow),
    ],
)
def test_a_crash_at_any_point_is_made_good_by_the_next_run(
    make_shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, after: bool, step: int
) -> None:
    monkeypatch.setattr(parcel, "CHUNK", 8)
    whole = make_shop()
    reads = story(whole)
    whole.ingest(*reads)
    crashes = 0
    for calls in range(2, 100, step):
        lake, ledger = MemoryLake(), MemoryLedger()
        shop = make_shop(lake=lake, ledger=ledger)
        shop.vault = whole.vault  # the same keys, so that the outcomes can be compared
        shop.intake.stores = parcel.Stores(shop.warehouse, lake, ledger, whole.vault, shop.edges.append)
        fuse = Fuse(calls, after=after)
        with monkeypatch.context() as patch:
            for thing, name in ((lake, "append"), (ledger, "insert"), (ledger, "put"), (whole.vault, "subjects")):
                patch.setattr(thing, name, fuse.around(getattr(thing, name)))
            try:
                shop.ingest(*reads)
            except Crash:
                crashes += 1
        if not fuse.burnt:
            break
        shop.ingest(*reads)
        for one, other in zip(outcome(shop), outcome(whole), strict=True):
            assert one == other
    assert crashes > 15 // step


def test_an_interrupted_import_keeps_its_clock_and_number(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "CHUNK", 2)
    shop.write("lines.csv", HEAD + ADA + BOB + "3,cyd,o3,1,2026-03-04\n" + "4,dan,o4,1,2026-01-04\n")
    with monkeypatch.context() as patch:
        patch.setattr(shop.lake, "append", Fuse(2, after=False).around(shop.lake.append))
        with pytest.raises(Crash):
            shop.ingest(LINES)
    assert [row["row"] for row in shop.rows(ORDER_LINES)] == [1, 2]
    shop.write("lines2.csv", HEAD + BOB + "4,dan,o4,1,2026-01-04\n")
    other = shop.ingest({**LINES, "file": "lines2.csv"}, now=NOW + timedelta(days=1))
    assert fates(other) == (2, 1, 0, 1)
    # On the 4th of March row 3 would no longer lie in the future, but this import's clock stands at the 1st.
    resumed = shop.ingest({**LINES, "file": "lines.csv"}, now=NOW + timedelta(days=9))
    assert fates(resumed) == (4, 2, 1, 1)
    assert shop.quarantined() == [(3, ["future"])]
    assert [(row["line_id"], row["import_id"], row["ingested_at"]) for row in shop.rows(ORDER_LINES)] == [
        ("1", 1, NOW),
        ("2", 1, NOW),
        ("4", 2, NOW + timedelta(days=1)),
    ]
