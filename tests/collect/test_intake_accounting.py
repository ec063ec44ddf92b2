"""Every source row has one fate, however many reads look at a file and however many facts it becomes."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect import cursors, parcel, undo
from coterie.collect.facts import CURSORS, EVENTS, IMPORTS, LINKS, ORDER_LINES, PRODUCTS, QUARANTINE, TRAITS
from coterie.collect.mapping import Mapping
from coterie.collect.trace import trace
from coterie.errors import CurrencyError, DataError, ParameterError

NOW = datetime(2026, 3, 1, 12)
EVENT: dict[str, Any] = {
    "file": "events.csv",
    "to": "event",
    "kind": "Product Viewed",
    "identify": {"customer_id": "who"},
    "fields": {"occurred_at": "at"},
}
LINES: dict[str, Any] = {
    "file": "lines*.csv",
    "to": "order_line",
    "id": "line",
    "identify": {"customer_id": "who"},
    "fields": {"order_id": "order", "amount": "total", "occurred_at": "at"},
}
HEAD = "line,who,order,total,at\n"


def fates(receipt: Any) -> tuple[int, int, int, int]:
    return (receipt.received, receipt.accepted, receipt.quarantined, receipt.duplicates)


def test_each_read_counts_the_rows_that_it_takes_and_the_first_one_the_broken_lines(shop: Any) -> None:
    rows = ["view,ada,2026-01-01", "too,short", "click,bob,2026-01-01", "ping,ada,2026-01-01", "what,,", "view,,soon"]
    shop.write("events.csv", "what,who,at\n" + "\n".join(rows) + "\n")
    receipt = shop.ingest(
        {**EVENT, "where": {"what": "view"}},
        {**EVENT, "kind": "Product Clicked", "where": {"what": ["click"]}},
        {"file": "events.csv", "to": "nothing", "where": {"what": "ping"}},
    )
    assert [(file.target, fates(file), file.reasons) for file in receipt.files] == [
        ("event", (3, 1, 2, 0), {"bad_time": 1, "malformed": 1, "unidentified": 1}),
        ("event", (1, 1, 0, 0), {}),
        ("nothing", (1, 1, 0, 0), {}),
        ("nothing", (1, 0, 1, 0), {"unmapped": 1}),
    ]
    assert receipt.received == 6
    assert [row["kind"] for row in shop.rows(EVENTS)] == ["Product Viewed", "Product Clicked"]
    assert [(row["row"], row["reasons"], row["read"]) for row in shop.rows(QUARANTINE)] == [
        (2, "malformed", "event events.csv"),
        (6, "unidentified; bad_time", "event events.csv"),
        (5, "unmapped", "nothing events.csv"),
    ]
    again = shop.ingest(
        {**EVENT, "where": {"what": "view"}},
        {**EVENT, "kind": "Product Clicked", "where": {"what": ["click"]}},
        {"file": "events.csv", "to": "nothing", "where": {"what": "ping"}},
    )
    assert again.reused
    assert fates(again) == fates(receipt)


ITEM = st.fixed_dictionaries({"sku": st.sampled_from(["a", "b"]), "price": st.sampled_from(["1", "2", "x"])})
BASKETS = st.lists(
    st.tuples(st.sampled_from(["o1", "o2", "o3"]), st.sampled_from(["ada", ""]), st.lists(ITEM, max_size=3)), max_size=6
)


@pytest.mark.parametrize("ids", [["order", "items.sku"], []])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(BASKETS, min_size=1, max_size=2))
def test_a_row_of_several_elements_has_one_fate(
    make_shop: Callable[..., Any], tmp_path: Path, ids: list[str], files: list[Any]
) -> None:
    for old in tmp_path.glob("*.jsonl"):
        old.unlink()
    shop = make_shop()
    for number, rows in enumerate(files):
        bodies = [{"order": order, "who": who, "at": "2026-01-01", "items": items} for order, who, items in rows]
        shop.write(
            f"orders{number}.jsonl",
            "\n".join(map(json.dumps, [*bodies, {"order": "o", "who": "", "at": "", "items": []}])) + "\n",
        )
    receipt = shop.ingest(
        {
            "file": "orders*.jsonl",
            "to": "order_line",
            "id": ids,
            "each": "items",
            "identify": {"customer_id": "who"},
            "fields": {
                "order_id": "order",
                "product_id": "items.sku",
                "amount": "items.price",
                "occurred_at": "at",
            },
        }
    )
    lines = shop.rows(ORDER_LINES)
    stored = {(row["import_id"], row["row"]) for row in lines}
    bad = {(row["import_id"], row["row"]) for row in shop.rows(QUARANTINE)}
    known = {(row["import_id"], row["row"]) for row in shop.rows(LINKS)}
    assert (len(stored), len(bad), len(known)) == (receipt.accepted, receipt.quarantined, receipt.duplicates)
    everything = {(file.import_id, row) for file in receipt.files for row in range(1, file.received + 1)}
    assert stored | bad | known == everything
    assert len(stored) + len(bad) + len(known) == len(everything)
    assert sum(file.facts for file in receipt.files) == len(lines)
    assert len({row["line_id"] for row in lines}) == len(lines)
    for file, rows in zip(receipt.files, files, strict=True):
        for row, (_, who, items) in enumerate(rows, 1):
            good = who and items and all(item["price"] != "x" for item in items)
            if not good:
                assert (file.import_id, row) in bad
            elif not ids and (file.import_id, row) in stored:
                told = Counter(
                    line["product_id"] for line in lines if (line["import_id"], line["row"]) == (file.import_id, row)
                )
                assert told <= Counter(item["sku"] for item in items)


def test_a_repeated_row_is_linked_to_what_it_repeats_and_both_can_be_traced(shop: Any) -> None:
    shop.write("lines1.csv", HEAD + "1,ada,o1,5,2026-01-01\n2,bob,o2,x,2026-01-02\n1,ada,o1,5,2026-01-01\n")
    shop.write("lines2.csv", HEAD + "3,ada,o3,5,2026-01-03\n1,ada,o1,5,2026-01-01\n")
    shop.ingest(LINES)

    def told(file: str, row: int, import_id: int | None = None) -> list[Any]:
        found = trace(shop.warehouse, shop.lake, shop.ledger, file, row, import_id)
        return [(each.fate, each.repeats, [fact.id["line_id"] for fact in each.facts], each.reasons) for each in found]

    assert told("lines1.csv", 1) == [("accepted", None, ["1"], ())]
    assert told("lines1.csv", 2) == [("quarantined", None, [], ("bad_amount",))]
    assert told("lines1.csv", 3) == [("duplicate", (1, 1), ["1"], ())]
    assert told("lines2.csv", 2, 2) == [("duplicate", (1, 1), ["1"], ())]
    shop.ingest({**LINES, "missing": ["-"]})
    assert [fate for fate, *_ in told("lines1.csv", 1)] == ["accepted", "duplicate"]
    with pytest.raises(ParameterError, match=r"No import of lines1\.csv has a row 9"):
        told("lines1.csv", 9)
    with pytest.raises(ParameterError, match=r"No file 'lines9\.csv' was imported"):
        told("lines9.csv", 1)


def test_the_fates_of_products_traits_and_consents_can_be_traced(shop: Any) -> None:
    shop.write("products.csv", "sku,name\na,Tea\na,Tea\n")
    shop.write("people.csv", "who,age,mail,at\nada,30,a@x.org,2026-01-01\nada,30,a@x.org,2026-01-01\n")
    trait = {"file": "people.csv", "to": "trait", "identify": {"customer_id": "who"}, "traits": {"age": "age"}}
    said = {"purpose": {"value": "marketing"}, "choice": {"value": "granted"}, "occurred_at": "at"}
    consent = {"file": "people.csv", "to": "consent", "identify": {"customer_id": "who"}, "fields": said}
    shop.ingest(
        {"file": "products.csv", "to": "product", "fields": {"product_id": "sku", "name": "name"}}, trait, consent
    )

    def told(file: str, row: int) -> list[Any]:
        found = trace(shop.warehouse, shop.lake, shop.ledger, file, row)
        return [(each.read.partition(" ")[0], each.fate, each.repeats) for each in found]

    assert told("products.csv", 1) == [("product", "accepted", None)]
    assert told("products.csv", 2) == [("product", "duplicate", (1, 1))]
    assert told("people.csv", 1) == [
        ("consent", "accepted, or not taken", None),  # such imports keep no numbers
        ("trait", "accepted", None),
    ]
    assert told("people.csv", 2) == [("consent", "duplicate", (2, 1)), ("trait", "duplicate", (3, 1))]
    assert (len(shop.rows(PRODUCTS)), len(shop.rows(TRAITS))) == (1, 1)


def test_an_import_that_was_wrong_is_undone_and_a_corrected_mapping_brings_it_in(shop: Any) -> None:
    shop.write("lines1.csv", HEAD + "1,ada,o1,5,2026-01-01\n2,bob,o2,x,2026-01-02\n")
    shop.write("lines2.csv", HEAD + "3,ada,o3,5,2026-01-03\n1,ada,o1,5,2026-01-01\n")
    wrong = {**LINES, "fields": {**LINES["fields"], "amount": {"column": "total", "unit": "minor"}}}
    shop.ingest(wrong)
    with pytest.raises(ParameterError, match="import 2 left rows out because this one had them"):
        undo.undo(shop.warehouse, shop.lake, shop.ledger, 1)
    for number in (2, 1):
        undo.undo(shop.warehouse, shop.lake, shop.ledger, number)
    assert shop.rows(ORDER_LINES) == shop.rows(QUARANTINE) == shop.rows(LINKS) == []
    assert shop.ledger.read(IMPORTS)["state"].to_pylist() == ["undone", "undone"]
    with pytest.raises(ParameterError, match="Import 2 cannot be undone: it was undone before"):
        undo.undo(shop.warehouse, shop.lake, shop.ledger, 2)
    assert fates(shop.ingest(LINES)) == (4, 2, 1, 1)
    assert [(row["line_id"], row["amount"], row["import_id"]) for row in shop.rows(ORDER_LINES)] == [
        ("1", 500, 3),
        ("3", 500, 4),
    ]
    assert [each.fate for each in trace(shop.warehouse, shop.lake, shop.ledger, "lines1.csv", 1)] == [
        "undone",
        "accepted",
    ]
    # The wrong mapping is no longer known: it would be read again.
    assert not shop.ingest(wrong).reused


def test_a_trace_tells_no_more_than_is_known_of_rows_that_keep_no_numbers(shop: Any) -> None:
    nothing = {"file": "events.csv", "to": "nothing", "where": {"what": "ping"}}
    shop.write("events.csv", "what,who,at\nview,ada,2026-01-01\nview,ada,2026-01-02\nping,ada,2026-01-01\n")
    shop.ingest({**EVENT, "where": {"what": "view"}}, nothing)

    def told(row: int) -> list[tuple[int, str]]:
        found = trace(shop.warehouse, shop.lake, shop.ledger, "events.csv", row)
        return [(each.import_id, each.fate) for each in found]

    assert told(1) == [(1, "accepted"), (2, "left out, or not taken")]
    assert told(3) == [(2, "left out, or not taken")]  # although that import took but one row
    with pytest.raises(ParameterError, match="has a row 4"):
        told(4)


def test_imports_that_left_rows_out_for_each_other_are_undone_together(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("lines1.csv", HEAD + '1,ada,o1,"5,0",2026-01-01\n2,bob,o2,"6,0",02.01.2026\n')
    comma = {**LINES, "decimal": ","}
    right = {**comma, "fields": {**LINES["fields"], "occurred_at": {"column": "at", "format": ["iso", "%d.%m.%Y"]}}}
    assert fates(shop.ingest(LINES)) == (2, 0, 2, 0)
    assert fates(shop.ingest(comma)) == (2, 1, 1, 0)
    body = {"source": "shop", "lawful_basis": {"segmentation": "contract: a test"}, "read": [right]}
    shop.intake.replay(Mapping.of(body), shop.folder, now=NOW)
    assert {(row["import_id"], row["of_import"]) for row in shop.rows(LINKS)} == {(1, 2), (2, 1)}
    shop.write("lines2.csv", HEAD + '1,ada,o1,"5,0",2026-01-01\n')
    shop.ingest({**comma, "file": "lines2.csv"})
    with pytest.raises(ParameterError, match="import 3 left rows out"):
        undo.undo(shop.warehouse, shop.lake, shop.ledger, 1)
    undo.undo(shop.warehouse, shop.lake, shop.ledger, 3)

    class CrashError(BaseException):
        pass

    delete, calls = shop.lake.delete, iter(range(99))

    def crash(*given: Any) -> None:  # when the first of the two is gone
        if next(calls) == 4:
            raise CrashError
        delete(*given)

    with monkeypatch.context() as patch:
        patch.setattr(shop.lake, "delete", crash)
        with pytest.raises(CrashError):
            undo.undo(shop.warehouse, shop.lake, shop.ledger, 1)
    assert fates(shop.ingest({**right, "file": "lines1.csv"})) == (2, 2, 0, 0)
    assert {row["import_id"] for row in shop.rows(ORDER_LINES)} == {4}
    assert shop.ledger.read(IMPORTS)["state"].to_pylist() == ["undone", "undone", "undone", "done"]


def test_an_undoing_that_was_cut_off_is_finished_by_the_next_import(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write("lines1.csv", HEAD + "1,ada,o1,5,2026-01-01\n")
    shop.ingest(LINES)

    class CrashError(BaseException):
        pass

    def crash(*_: Any) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(shop.lake, "delete", crash)
        with pytest.raises(CrashError):
            undo.undo(shop.warehouse, shop.lake, shop.ledger, 1)
    assert len(shop.rows(ORDER_LINES)) == 1
    assert fates(shop.ingest(LINES)) == (1, 1, 0, 0)
    assert [row["import_id"] for row in shop.rows(ORDER_LINES)] == [2]


def test_who_asked_to_be_forgotten_stays_out_and_nothing_of_the_row_is_kept(shop: Any) -> None:
    shop.write("lines1.csv", "line,who,mail,order,total,at\n1,7,eve@x.org,o1,5,2026-01-01\n")
    read = {**LINES, "identify": {"customer_id": "who", "email": "mail"}}
    shop.ingest(read)
    shop.vault.erase([shop.subject("email", "eve@x.org")])
    before = shop.vault.count()
    rows = [
        "2,8,Eve@x.org,o2,5,2026-01-02",
        "3,9,ada@x.org,o3,5,2026-01-02",
        "4,8,,o4,x,2026-01-02",
        "5,10,eve@x.org,o5,x,soon",
    ]
    shop.write("lines2.csv", "line,who,mail,order,total,at\n" + "\n".join(rows) + "\n")
    receipt = shop.ingest({**read, "file": "lines2.csv"})
    assert fates(receipt) == (4, 1, 3, 0)
    assert receipt.files[0].reasons == {"bad_amount": 1, "suppressed": 2}
    kept = [
        (row["row"], row["reasons"], row["raw"] is None, row["unit"], row["subject"] is None)
        for row in shop.rows(QUARANTINE)
    ]
    assert kept == [
        (1, "suppressed", True, None, True),
        (3, "bad_amount", False, "o4", False),
        (4, "suppressed", True, None, True),
    ]
    assert shop.vault.count() == before + 3  # 9, ada, and 8, who has a row without the suppressed address; not 10
    assert [edge["kind"] for edge in shop.edges] == ["email", "email"]


def test_amounts_in_other_currencies_need_rates(shop: Any) -> None:
    shop.write(
        "lines1.csv",
        "line,who,order,total,at,cur\n1,ada,o1,10,2026-01-02,USD\n2,ada,o2,10,2026-01-02,EUR\n3,ada,o3,10,2026-01-02,GBP\n",
    )
    shop.write("rates.csv", "date,currency,rate\n2026-01-01,USD,0.5\n")
    read = {**LINES, "fields": {**LINES["fields"], "currency": "cur"}}
    with pytest.raises(CurrencyError, match=r"add \[conversion\]|is in USD"):
        shop.ingest(read, currency="USD")
    receipt = shop.ingest(read, conversion={"file": "rates.csv"})
    assert fates(receipt) == (3, 2, 1, 0)
    assert "no_rate" in receipt.files[0].reasons
    told = [
        (row["amount"], row["currency"], row["original_amount"], row["original_currency"])
        for row in shop.rows(ORDER_LINES)
    ]
    assert told == [(500, "EUR", 1000, "USD"), (1000, "EUR", None, None)]
    # A corrected rate is no other line.
    shop.write("rates.csv", "date,currency,rate\n2026-01-01,USD,0.6\n2026-01-01,GBP,1.1\n")
    assert fates(shop.ingest(read, conversion={"file": "rates.csv"})) == (3, 1, 0, 2)
    shop.write("rates.csv", "date,currency,rate\n2026-01-01,USD,0\n")
    with pytest.raises(DataError):
        shop.ingest(read, conversion={"file": "rates.csv"})


def test_a_source_s_own_contract_is_part_of_the_law(shop: Any) -> None:
    shop.write(
        "contract.yaml",
        """
apiVersion: v3.1.0
kind: DataContract
schema:
  - name: order_line
    properties:
      - { name: amount, logicalType: integer, logicalTypeOptions: { maximum: 600 } }
""",
    )
    shop.write("lines1.csv", HEAD + "1,ada,o1,5,2026-01-01\n2,bob,o2,7,2026-01-02\n")
    assert fates(shop.ingest(LINES, contract="contract.yaml")) == (2, 1, 1, 0)
    assert fates(shop.ingest(LINES)) == (2, 1, 0, 1)


@pytest.fixture
def till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "till.db")
    connection.execute("CREATE TABLE sales (line INTEGER, who TEXT, ord TEXT, total REAL, at TEXT, changed INTEGER)")
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{tmp_path / 'till.db'}")
    return connection


SALES: dict[str, Any] = {
    "database": "SHOP_DATABASE",
    "table": "sales",
    "cursor": "changed",
    "to": "order_line",
    "id": "line",
    "identify": {"customer_id": "who"},
    "fields": {"order_id": "ord", "amount": "total", "occurred_at": "at"},
}


def sell(till: sqlite3.Connection, *rows: tuple[int, int]) -> None:
    sales = [(line, f"p{line}", f"o{line}", 5.0, "2026-01-01", changed) for line, changed in rows]
    till.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?, ?)", sales)
    till.commit()


def test_a_database_is_read_on_from_where_it_was_left(shop: Any, till: sqlite3.Connection) -> None:
    sell(till, (1, 10), (2, 20), (3, 20))
    assert fates(shop.ingest(SALES)) == (3, 3, 0, 0)
    assert cursors.reached(shop.ledger, shop.vault, "shop", "order_line sales") == "integer 20"
    sell(till, (4, 20), (5, 30))
    assert fates(shop.ingest(SALES)) == (4, 2, 0, 2)
    assert cursors.reached(shop.ledger, shop.vault, "shop", "order_line sales") == "integer 30"
    assert [row["line_id"] for row in shop.rows(ORDER_LINES)] == ["1", "2", "3", "4", "5"]


def test_a_database_that_has_moved_on_since_a_crash_is_read_anew(
    shop: Any, till: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "CHUNK", 2)
    sell(till, (1, 10), (2, 20), (3, 30), (4, 40))

    class CrashError(BaseException):
        pass

    calls = [0]
    append = shop.lake.append

    def second(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise CrashError
        return append(*given)

    with monkeypatch.context() as patch:
        patch.setattr(shop.lake, "append", second)
        with pytest.raises(CrashError):
            shop.ingest(SALES)
    assert (len(shop.rows(ORDER_LINES)), shop.ledger.read(CURSORS).num_rows) == (2, 0)
    till.execute("DELETE FROM sales WHERE line = 1")
    sell(till, (5, 50))
    assert fates(shop.ingest(SALES, now=NOW + timedelta(days=1))) == (4, 4, 0, 0)
    assert [(row["line_id"], row["import_id"]) for row in shop.rows(ORDER_LINES)] == [
        ("2", 2),
        ("3", 2),
        ("4", 2),
        ("5", 2),
    ]
    assert shop.ledger.read(IMPORTS)["state"].to_pylist() == ["undone", "done"]
    undo.undo(shop.warehouse, shop.lake, shop.ledger, 2)
    assert shop.ledger.read(CURSORS).num_rows == 0
