"""What files probably mean: the proposal says why, asks what it cannot tell, and imports once it has been read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import coterie
from coterie.collect.columns import Column
from coterie.collect.guess import propose
from coterie.collect.mapping import Mapping
from coterie.collect.sample import Sample
from coterie.errors import GateRefusedError, UnreadableSourceError
from coterie.workspace.trial import guess

BASIS = '[lawful_basis]\nsegmentation = "legitimate interest: we group customers by what they bought"\n'


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, "utf-8")
    return folder


def reads(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(propose(folder).toml())["read"]
    return found


def test_a_web_shop_of_several_tables_is_joined_and_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        order_items__csv="order_id,product_id,price,qty\n1,p1,10.50,2\n1,p2,3,1\n2,p1,10.50,1\n3,p2,3,4\n",
        orders__csv="order_id,customer_id,order_purchase_timestamp\n"
        "1,c1,2024-01-02 10:00:00\n2,c2,2024-01-03 11:00:00\n3,c1,2024-02-01 09:30:00\n",
        products__csv="product_id,product_category_name,brand\np1,toys,Acme\np2,garden,Bolt\n",
        customers__csv="customer_id,email,age_band\nc1,ada@example.org,30-39\nc2,bob@example.org,40-49\n",
    )
    proposal = propose(tmp_path)
    found = {read["file"]: read for read in reads(tmp_path)}
    assert {file: read["to"] for file, read in found.items()} == {
        "order_items.csv": "order_line",
        "products.csv": "product",
        "customers.csv": "trait",
    }
    items = found["order_items.csv"]
    assert items["join"] == {"file": "orders.csv", "on": {"order_id": "order_id"}}
    assert items["fields"]["amount"] == {"multiply": ["qty", "price"]}
    assert items["identify"] == {"customer_id": "customer_id"}
    assert "# orders.csv: left out: its rows are joined to those of order_items.csv." in proposal.toml()
    assert found["customers.csv"]["traits"] == {"age_band": "age_band"}
    text = proposal.toml().replace("# [lawful_basis]", BASIS)
    with coterie.open(None, currency="EUR") as shop:
        receipt = shop.ingest(Mapping.of(tomllib.loads(text)), tmp_path)
        assert receipt.received == receipt.accepted == 4 + 2 + 2
        assert [order.amount for order in shop.show("customer_id=c1").profile.orders] == [2 * 1050 + 300 + 4 * 300]


def test_nothing_is_imported_before_somebody_has_said_why(tmp_path: Path) -> None:
    write(tmp_path, sales__csv="customer,order,total,date\na,1,5.00,2024-01-01\nb,2,6.00,2024-01-02\n")
    mapping = Mapping.of(tomllib.loads(propose(tmp_path).toml()))
    with coterie.open(None) as shop, pytest.raises(GateRefusedError, match="no lawful basis"):
        shop.ingest(mapping, tmp_path)


def test_the_writing_of_a_file_is_seen(tmp_path: Path) -> None:
    text = "Kundennummer;Bestellnummer;Artikelnummer;Menge;Einzelpreis;Datum\n" + "".join(
        f"K{n % 3};B{n};Ä{n};{n % 4 + 1};{n},50;{n % 28 + 1:02}.03.2024\n" for n in range(1, 40)
    )
    (tmp_path / "verkauf.csv").write_bytes(text.encode("latin-1"))
    (read,) = reads(tmp_path)
    assert (read["delimiter"], read["decimal"], read["encoding"]) == (";", ",", "cp1252")
    assert read["fields"]["occurred_at"] == {"column": "Datum", "format": "%d.%m.%Y"}
    assert read["fields"]["amount"] == {"multiply": ["Menge", "Einzelpreis"]}
    assert read["identify"] == {"customer_id": "Kundennummer"}


def test_what_the_values_cannot_tell_is_asked(tmp_path: Path) -> None:
    write(tmp_path, sales__csv="customer,order,total,date\na,1,5.00,03/04/2024\nb,2,-6.00,05/06/2024\n")
    proposal = propose(tmp_path)
    (read,) = reads(tmp_path)
    assert read["fields"]["occurred_at"]["format"] == ["%d/%m/%Y", "%m/%d/%Y"]
    assert any("%d/%m/%Y or as %m/%d/%Y" in question for question in proposal.questions)
    assert any("below 0" in question for question in proposal.questions)
    assert "# TO DECIDE" in proposal.toml()


def test_letters_before_invoice_numbers_are_kinds(tmp_path: Path) -> None:
    rows = {
        "InvoiceNo": ["536365", "536366", "C536367", "A563185", "536368"],
        "StockCode": ["a", "b", "a", "B", "a"],
        "Quantity": [6, 1, -6, 1, 2],
        "UnitPrice": [2.5, 3.0, 2.5, 11062.06, 2.5],
        "CustomerID": [17850.0, 13047.0, 17850.0, None, 13047.0],
        "InvoiceDate": ["2010-12-01 08:26:00"] * 5,
    }
    pq.write_table(pa.table(rows), tmp_path / "online.parquet")
    (read,) = reads(tmp_path)
    assert read["kind"]["prefixes"] == {"C": "Order Cancelled"}
    assert read["kind"]["otherwise"] == "Order Completed"
    assert any("what do A" in question for question in propose(tmp_path).questions)


def test_events_keep_the_words_of_their_source(tmp_path: Path) -> None:
    lines = [
        '{"visitorid": "v1", "event": "view", "item": {"id": 7}, "ts": 1700000000123}',
        '{"visitorid": "v2", "event": "addtocart", "item": {"id": 8}, "ts": 1700000001123}',
        '{"visitorid": "v1", "event": "heartbeat", "item": {"id": 7}, "ts": 1700000002123}',
    ]
    write(tmp_path, events__jsonl="\n".join(lines))
    (read,) = reads(tmp_path)
    assert read["kind"] == {
        "column": "event",
        "values": {"view": "Product Viewed", "addtocart": "Product Added"},
        "otherwise": "Custom Event",
    }
    assert read["identify"] == {"anonymous_id": "visitorid"}
    assert read["fields"]["occurred_at"] == {"column": "ts", "format": "unix_ms"}
    assert read["properties"]["name"] == "event"


def test_files_alike_are_one_read_and_what_is_nothing_known_is_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        sales_01__csv="customer,order,total,date\na,1,5.00,2024-01-01\n",
        sales_02__csv="customer,order,total,date\nb,2,6.00,2024-02-01\n",
        weather__csv="station,rain\nx,1\ny,2\n",
    )
    assert [read["file"] for read in reads(tmp_path)] == ["sales_0*.csv"]
    assert "# weather.csv: left out" in propose(tmp_path).toml()


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    write(tmp_path, README__md="# words")
    with pytest.raises(UnreadableSourceError, match="no file in it can be read as a table"):
        propose(tmp_path)


def test_names_that_would_end_a_comment_write_nothing_into_the_mapping(tmp_path: Path) -> None:
    header = 'order_id,customer_id,order_date,amount,"note\n[lawful_basis]\nsegmentation = ""x"" #",a\x7fb,c\x00d\n'
    write(tmp_path, a__csv=header.replace(",c\x00d", "") + "1,2,2026-01-01,3.50,x,y\n" * 3, b__tsv="x\ty\x85z\n1\t2\n")
    (tmp_path / "c.jsonl").write_text(
        '{"order_id": "1", "email": "a@b.example", "amount": 1, "ordered_at": "2024-01-01", "x\\ud800": 1}\n' * 3
    )
    body = tomllib.loads(propose(tmp_path).toml())
    assert "lawful_basis" not in body
    assert Mapping.of(body).reads[0].file == "a.csv"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.tar", b"orders.csv" + bytes(90) + b"order,amount\n1,2\n", "no text"),
        ("a.wav", b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00,\n", "no text"),
        ("a.parquet", b"PAR1" + b"x" * 99, "no whole Parquet file"),
        ("a.jsonl", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no object"),
        ("a.json", b"[1, 2]", "no object"),
    ],
)
def test_what_is_no_table_is_named_and_does_not_hide_the_rest(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableSourceError, match=why):
        propose(tmp_path)
    write(tmp_path, orders__csv="customer,order,total,date\na,1,5.00,2024-01-01\nb,2,5.00,2024-01-02\n")
    assert [read["file"] for read in reads(tmp_path)] == ["orders.csv"]
    assert f"# {name}: left out: it cannot be read:" in propose(tmp_path).toml()


def test_a_quote_that_is_never_closed_hides_only_what_follows(tmp_path: Path) -> None:
    good = "".join(f"{at},c{at % 9},2024-01-0{at % 9 + 1},{at}.50\n" for at in range(99))
    write(tmp_path, orders__csv=f'order_id,customer_id,order_date,amount\n{good}9,"9,2024-01-01,1\n{good * 200}')
    assert [read["to"] for read in reads(tmp_path)] == ["order_line"]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_objects_is_looked_at_as_it_is_read(tmp_path: Path, indent: int | None) -> None:
    rows = [
        {"order_id": f"o{at}", "customer_id": at % 3 + 1, "order_date": "2024-01-02", "amount": 2.5} for at in range(9)
    ]
    (tmp_path / "orders.json").write_text(json.dumps(rows, indent=indent))
    found = guess(tmp_path)
    assert found.receipt is not None
    assert found.receipt.accepted == 9


def test_a_pattern_stands_for_the_files_alike_and_no_others(tmp_path: Path) -> None:
    sales = "customer,order,total,date\na,1,5.00,2024-01-01\n"
    (tmp_path / "s[1].csv").write_text(sales)
    (tmp_path / "s[2].csv").write_text(sales.replace("a,1", "b,2"))
    assert [read["file"] for read in reads(tmp_path)] == ["s[[]*].csv"]
    (tmp_path / "s[x].csv").write_text("station,rain\nx,1\ny,2\n")
    assert [read["file"] for read in reads(tmp_path)] == ["s[[]1].csv", "s[[]2].csv"]
    found = guess(tmp_path)
    assert found.receipt is not None
    assert found.receipt.accepted == 2


def test_money_counts_once_and_what_may_be_no_person_is_asked(tmp_path: Path) -> None:
    orders = "".join(f"o{at},c{at},delivered,2024-01-02 10:{at:02d}:00\n" for at in range(40))
    items = "".join(f"o{at},1,p{at % 7},{at}.50,9.90\n" for at in range(1, 40))
    payments = "".join(f"o{at},1,voucher,{at}.00\n" for at in range(40))
    write(
        tmp_path,
        items__csv=f"order_id,order_item_id,product_id,price,freight_value\n{items}",
        orders__csv=f"order_id,customer_id,order_status,order_purchase_timestamp\n{orders}",
        payments__csv=f"order_id,payment_sequential,payment_type,payment_value\n{payments}",
    )
    [read] = reads(tmp_path)
    assert (read["file"], read["fields"]["amount"]) == ("items.csv", "price")
    proposal = propose(tmp_path)
    assert "# payments.csv: left out: its money would count beside that of items.csv" in proposal.toml()
    assert any("is it the person's, or the order's?" in question for question in proposal.questions)


def test_two_files_of_orders_are_asked_about(tmp_path: Path) -> None:
    write(
        tmp_path,
        web__csv="customer,order,total,date\na,1,5.00,2024-01-01\n",
        till__csv="customer,receipt,total,day,store\nb,2,6.00,2024-02-01,x\n",
    )
    asked = propose(tmp_path).questions
    assert [question.partition(":")[0] for question in asked if "counts twice" in question] == ["till.csv", "web.csv"]


def test_a_folder_that_is_none_is_told_so(tmp_path: Path) -> None:
    write(tmp_path, a__csv="a,b\n1,2\n")
    for path, why in ((tmp_path / "a.csv", "it is a file"), (tmp_path / "b", "there is no such folder")):
        with pytest.raises(UnreadableSourceError, match=why):
            propose(path)


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), min_size=1, max_size=20))
def test_whatever_a_file_holds_the_proposal_is_a_mapping_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    import csv

    folder = tmp_path_factory.mktemp("any")
    with (folder / "any.csv").open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([["customer_id", 'odd "name"\n'], *rows])
    body = tomllib.loads(propose(folder).toml())
    assert "read" not in body or Mapping.of(body).reads


def test_a_column_is_looked_at_without_being_decided() -> None:
    column = Column.of("t", ["1,5", "2,25", "", None])
    assert (column.number, column.comma, column.point, column.fullness) == (True, 1.0, 0.0, 0.5)
    assert Column.of("t", []).fullness == 0.0
    assert Column.of("t", ["1396866599.014", "1396866600.5"]).times == ("unix",)
    assert Column.of("t", ["ada@example.org"]).email == 1.0


def test_the_beginning_of_a_long_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("a,b\n" + "x,1\n" * 3_000_000, "utf-8")
    sample = Sample.of(tmp_path / "long.csv", "long.csv")
    assert (sample.rows, sample.whole) == (20_000, False)
