"""To be forgotten: down to the bytes, at any crash, out of later imports, and again after an older backup."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from pyarrow import csv

import coterie
from coterie import Mapping, Workspace
from coterie.collect.cursors import reached
from coterie.collect.facts import CURSORS, LAKE_TABLES, QUARANTINE
from coterie.errors import DataError, ParameterError
from coterie.govern.requests import ERASURES
from coterie.profiles.edges import EDGES
from coterie.schema import Table
from oracles.crashes import dies
from oracles.traces import traces

MARKED = {
    "customer": "CUST-mark7341",
    "mail": "Marked.Person7341@mark.example",
    "phone": "+43 (0)660 7341 734",
    "name": "Markhilde Markowitsch",
    "invoice": "ORD-mark7341",
    "note": "propmark7341",
}
WORDS = ["mark7341", "marked.person7341", "(0)660 7341", "7341 734", "markhilde", "markowitsch"]
BASES = {"lawful_basis": {"segmentation": "legitimate interest: we group customers by what they bought"}}
AS_OF = "2025-03-15"
PEOPLE = 40


def rows() -> list[dict[str, Any]]:
    """Orders of some people; the first one is the marked person, who has one more order that breaks the contract."""
    made = []
    for person in range(PEOPLE):
        mine = {"customer": f"c{person}", "mail": f"p{person}@shop.example", "phone": f"0660 10000{person:02}"}
        mine = MARKED if person == 0 else mine | {"name": f"Name {person}", "note": f"note {person}"}
        made += [
            mine
            | {
                "line": f"{mine['customer']}-{order}",
                "invoice": f"{MARKED['invoice']}-{order}" if person == 0 else f"o{person}-{order}",
                "total": "much" if person == 0 and order == 1 else f"{10 + person}.50",
                "at": f"2025-0{1 + order}-1{person % 9} 10:00:00",
            }
            for order in range(1 + person % 4 + (person == 0))
        ]
    return made


IDENTIFY = {"customer_id": "customer", "email": "mail", "phone": "phone"}
LINE = {"order_id": "invoice", "amount": "total", "occurred_at": "at"}


def lines(source: str, **read: Any) -> dict[str, Any]:
    """A mapping of order lines, of events with properties, and of traits, all from the same rows."""
    return {
        "source": source,
        **BASES,
        "read": [
            {**read, "to": "order_line", "id": ["line"], "identify": IDENTIFY, "fields": LINE},
            {
                **read,
                "to": "event",
                "kind": "Page Viewed",
                "identify": IDENTIFY,
                "fields": {"occurred_at": "at"},
                "properties": {"note": "note", "who": "mail"},
            },
            {**read, "to": "trait", "identify": {"email": "mail"}, "traits": ["name"]},
        ],
    }


def import_csv(shop: Workspace, folder: Path, made: list[dict[str, Any]]) -> None:
    """CSV with broken lines, of which three name the marked person, and what people said about marketing."""
    csv.write_csv(pa.Table.from_pylist(made), folder / "till.csv")
    with (folder / "till.csv").open("a") as file:
        file.write("broken,c1,another's\n")
        if made[0]["customer"] == MARKED["customer"]:
            file.write(f"broken,{MARKED['customer']}\n")
            file.write(f"broken,{MARKED['mail'].upper()},too few\n")
            file.write(f"broken,call {MARKED['phone']} back\n")
    said = {"mail": [made[0]["mail"], "p1@shop.example"], "at": ["2025-01-01", "2025-01-01"]}
    said |= {"purpose": ["marketing"] * 2, "choice": ["objected"] * 2, "words": [made[0]["note"], "by letter"]}
    csv.write_csv(pa.table(said), folder / "choices.csv")
    mapping = lines("till", file="till.csv")
    fields = {"purpose": "purpose", "choice": "choice", "words": "words", "occurred_at": "at"}
    mapping["read"].append({"file": "choices.csv", "to": "consent", "identify": {"email": "mail"}, "fields": fields})
    shop.ingest(Mapping.of(mapping), folder)


def import_parquet(shop: Workspace, folder: Path, made: list[dict[str, Any]]) -> None:
    """Parquet."""
    pq.write_table(pa.Table.from_pylist(made), folder / "warehouse.parquet")
    shop.ingest(Mapping.of(lines("warehouse", file="warehouse.parquet")), folder)


def import_jsonl(shop: Workspace, folder: Path, made: list[dict[str, Any]]) -> None:
    """JSON Lines, packed and nested, with a broken line about the first person."""
    texts = [json.dumps({"context": {"who": row}, **row}) for row in made]
    texts.append(f'{{"customer": "{made[0]["customer"]}", "note": ')
    (folder / "app.jsonl.gz").write_bytes(gzip.compress("\n".join(texts).encode()))
    mapping = lines("app", file="app.jsonl.gz")
    mapping["read"][1]["properties"] = {"note": "context.who.note", "who": "context.who"}
    shop.ingest(Mapping.of(mapping), folder)


def import_excel(shop: Workspace, folder: Path, made: list[dict[str, Any]]) -> None:
    """Excel."""
    book = xlsxwriter.Workbook(str(folder / "office.xlsx"))
    sheet = book.add_worksheet("Orders")
    for number, row in enumerate([list(made[0]), *(list(row.values()) for row in made)]):
        sheet.write_row(number, 0, row)
    book.close()
    shop.ingest(Mapping.of(lines("office", file="office.xlsx", sheet="Orders")), folder)


def import_database(shop: Workspace, folder: Path, made: list[dict[str, Any]]) -> None:
    """A table of a database."""
    (folder / "erp.db").unlink(missing_ok=True)
    connection = sqlite3.connect(folder / "erp.db")
    connection.execute(f"CREATE TABLE orders ({', '.join(made[0])})")
    marks = ",".join("?" * len(made[0]))
    connection.executemany(f"INSERT INTO orders VALUES ({marks})", [tuple(row.values()) for row in made])
    connection.commit()
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERP_URL", f"sqlite:///{folder / 'erp.db'}")
        shop.ingest(Mapping.of(lines("erp", database="ERP_URL", table="orders")), folder)


SOURCES = (import_csv, import_parquet, import_jsonl, import_excel, import_database)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty shop and its key; for copying."""
    folder = tmp_path_factory.mktemp("begun")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        coterie.open(folder / "shop", create=True, currency="EUR", minimum_group=5).close()
    return folder


def subjects_of(shop: Workspace, **identifiers: str) -> list[int]:
    return [key for kind, value in identifiers.items() if (key := shop.vault.find(kind, value)) is not None]


def unordered(tables: dict[str, pa.Table]) -> dict[str, list[str]]:
    """A table that somebody was erased from may have its rows in another order."""
    return {name: sorted(map(str, rows.to_pylist())) for name, rows in tables.items()}


MINE = {"customer_id": MARKED["customer"], "email": MARKED["mail"].lower(), "phone": "+436607341734"}


@pytest.mark.slow
def test_a_person_of_every_source_is_forgotten_down_to_the_bytes(
    opened: Callable[[], Workspace], files: Path, tmp_path: Path
) -> None:
    shop = opened()
    for source in SOURCES:
        source(shop, files, rows())
    built = shop.build(AS_OF)
    made = shop.segment(AS_OF, method="rfm", horizon_days=28)
    report, copy = made.report(tmp_path / "report.html"), tmp_path / f"copy of {MARKED['mail']}.json"
    copy.write_text(shop.exported(f"email={MARKED['mail']}", copy))
    for table in LAKE_TABLES:
        shop.lake.compact(table)
    subjects = subjects_of(shop, **MINE)
    person = shop.show(f"phone={MARKED['phone']}").profile.person
    neighbour = unordered(shop.export("customer_id=c2"))
    assert len(subjects) == 3
    before = traces(tmp_path / "shop", WORDS, subjects, shop.vault)
    assert {trace.split(" in ")[0] for trace in before} >= {*WORDS, *map(str, subjects)}

    receipt = shop.forget(f"customer_id={MARKED['customer']}")
    assert receipt.verified
    assert receipt.erased["mentions"] == 4
    assert len(receipt.kept_out) == 3
    assert receipt.outside == (str(copy), str(report))
    shop = opened()  # whatever the process that erased had in memory is gone
    assert traces(tmp_path / "shop", WORDS, subjects, shop.vault) == []
    assert not [word for word in WORDS if word in json.dumps({**receipt.to_json(), "outside": []}).lower()]

    assert unordered(shop.export("customer_id=c2")) == neighbour
    others = built.table.filter(pc.not_equal(built.table["person"], person))
    assert shop.build(AS_OF).table.equals(others)
    again = shop.segment(AS_OF, method="rfm", horizon_days=28)
    kept = made.members.filter(pc.not_equal(made.members["person"], person))
    assert again.members["person"].equals(kept["person"])
    shop.gate.audit.verify()

    for source in SOURCES:  # the files come again, changed
        source(shop, files, [*rows(), {**rows()[5], "line": "new", "invoice": "new"}])
    shop = opened()
    assert traces(tmp_path / "shop", WORDS, subjects, shop.vault) == []
    assert subjects_of(shop, **MINE) == []
    assert shop.build(AS_OF).table["person"].equals(others["person"])


@pytest.mark.parametrize(
    "source",
    [import_csv, *(pytest.param(source, marks=pytest.mark.slow) for source in SOURCES[1:])],
    ids=lambda source: source.__name__.removeprefix("import_"),
)
def test_a_forgotten_person_stays_out_until_readmitted(
    opened: Callable[[], Workspace], files: Path, tmp_path: Path, source: Callable[..., None]
) -> None:
    shop = opened()
    source(shop, files, rows())
    shop.forget(f"customer_id={MARKED['customer']}")
    source(shop, files, [*rows(), {**rows()[5], "line": "new", "invoice": "new"}])
    assert subjects_of(shop, **MINE) == []
    reasons = {reason.rule: reason.rows for reason in shop.check().reasons}
    assert reasons["suppressed"] > 0
    for table in LAKE_TABLES:
        assert not [row for row in values(shop, table) if "mark7341" in row.lower()]
    assert shop.readmit(f"phone={MARKED['phone']}") == 3
    with pytest.raises(ParameterError, match="kept out"):
        shop.readmit(f"phone={MARKED['phone']}")
    source(shop, files, [*rows(), {**rows()[5], "line": "newer", "invoice": "newer"}])
    assert shop.show(f"customer_id={MARKED['customer']}").profile.orders[0].orders == 1
    assert [entry["action"] for entry in shop.gate.audit.entries().to_pylist()][-2:] == ["readmit", "show"]


def values(shop: Workspace, table: Table) -> list[str]:
    """Every row of a table in the lake as text, opened."""
    shop.warehouse.attach("looked_at", shop.lake.source(table))
    found = shop.warehouse.query("SELECT * FROM looked_at").to_pylist()
    return [
        str({name: shop.vault.unseal([value])[0] if name == "raw" and value else value for name, value in row.items()})
        for row in found
    ]


def test_a_stranger_cannot_be_forgotten_and_a_forgotten_person_can_again(
    opened: Callable[[], Workspace], files: Path
) -> None:
    shop = opened()
    import_csv(shop, files, rows())
    with pytest.raises(ParameterError, match="Nobody"):
        shop.forget("customer_id=nobody")
    with pytest.raises(ParameterError, match="kept out"):
        shop.readmit("customer_id=c1")
    first = shop.forget(f"email={MARKED['mail']}")
    assert (first.subjects, len(first.kept_out)) == (3, 3)
    shop.forget("customer_id=c1")
    second = shop.forget(f"email={MARKED['mail']}")
    assert second.kept_out == first.kept_out  # of this person alone
    assert (second.verified, second.subjects, sum(second.erased.values())) == (True, 0, 0)
    for wrong in ({}, {"identifier": "customer_id=c1", "again": ["receipt.json"]}):
        with pytest.raises(ParameterError, match="an identifier, or receipts"):
            shop.forget(**wrong)


def test_broken_lines_of_others_stay(opened: Callable[[], Workspace], files: Path) -> None:
    shop = opened()
    import_csv(shop, files, rows())
    mine = shop.export("customer_id=c1")["mentions"]
    assert "raw" not in mine.column_names
    assert mine["reasons"].to_pylist() == ["malformed"]
    before = shop.lake.count(QUARANTINE)
    receipt = shop.forget("customer_id=c1")
    assert receipt.erased["mentions"] == 1
    assert shop.lake.count(QUARANTINE) == before - 1


def test_a_cursor_that_stopped_at_somebody_goes_with_them(
    opened: Callable[[], Workspace], files: Path, tmp_path: Path
) -> None:
    shop = opened()
    mail = MARKED["mail"].lower()

    def sell(*names: str) -> None:
        with closing(sqlite3.connect(files / "crm.db")) as crm:
            crm.execute("CREATE TABLE IF NOT EXISTS people (mail, tier)")
            crm.executemany("INSERT INTO people VALUES (?, 'gold')", [(name,) for name in names])
            crm.commit()
        read = {"database": "CRM_URL", "table": "people", "cursor": "mail", "to": "trait"}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CRM_URL", f"sqlite:///{files / 'crm.db'}")
            who = {"identify": {"email": "mail"}, "traits": ["tier"]}
            shop.ingest(Mapping.of({"source": "crm", **BASES, "read": [{**read, **who}]}), files)

    sell("a@shop.example", mail)
    assert reached(shop.ledger, shop.vault, "crm", "trait people") == f"text {mail}"
    assert mail.encode() not in (tmp_path / "shop" / "ledger.sqlite").read_bytes()
    assert shop.forget(f"email={mail}", dry_run=True).left["cursors"] == 1
    assert shop.forget(f"email={mail}").erased["cursors"] == 1
    assert shop.ledger.read(CURSORS).num_rows == 0
    sell("b@shop.example")
    assert reached(shop.ledger, shop.vault, "crm", "trait people") is None  # it would stop at the same person again
    assert traces(tmp_path / "shop", [mail], [], shop.vault) == []


def test_after_an_older_backup_receipts_say_whom_to_forget_again(
    opened: Callable[[], Workspace], files: Path, tmp_path: Path
) -> None:
    shop = opened()
    import_csv(shop, files, rows())
    subjects = subjects_of(shop, **MINE)
    shop.close()
    shutil.copytree(tmp_path / "shop", tmp_path / "backup")
    shop = opened()
    receipts = []
    for number, identifier in enumerate([f"phone={MARKED['phone']}", "customer_id=c3"]):
        receipts.append(tmp_path / f"receipt{number}.json")
        receipts[-1].write_text(json.dumps(shop.forget(identifier).to_json()))
    shop.close()
    shutil.rmtree(tmp_path / "shop")
    (tmp_path / "backup").rename(tmp_path / "shop")
    shop = opened()
    assert subjects_of(shop, **MINE) == subjects
    again = shop.forget(again=receipts)
    assert (again.verified, again.subjects, len(again.kept_out)) == (True, 6, 6)
    assert subjects_of(shop, **MINE, loyalty_id="c3") == []
    assert shop.forget(again=receipts).subjects == 0
    shop = opened()
    assert traces(tmp_path / "shop", WORDS, subjects, shop.vault) == []
    assert shop.readmit("customer_id=c3") == 3  # one person at a time
    assert shop.vault.suppressions().num_rows == 3
    (tmp_path / "letter.json").write_text("{}")
    with pytest.raises(DataError, match="Receipt 1 is not one"):
        shop.forget(again=[tmp_path / "letter.json"])


def test_edges_of_nobody_are_swept(opened: Callable[[], Workspace], files: Path) -> None:
    shop = opened()
    import_csv(shop, files, rows())
    edge = shop.ledger.read(EDGES).to_pylist()[0]
    shop.ledger.insert(EDGES, [{**edge, "subject_a": 5, "subject_b": 7}, {**edge, "subject_a": 5}])
    shop.forget("customer_id=c1")
    left = shop.ledger.read(EDGES)
    assert {5, 7}.isdisjoint(left["subject_a"].to_pylist() + left["subject_b"].to_pylist())
    assert left.num_rows > 0


class Killed(BaseException):
    """Nothing in the program knows this, so nothing is tidied but what a transaction undoes."""


def killed(*_: object) -> None:
    raise Killed


@pytest.fixture
def saved(opened: Callable[[], Workspace], files: Path, tmp_path: Path) -> tuple[Path, list[int]]:
    """A shop in a folder, ready to be copied, and the marked person's subjects."""
    shop = opened()
    import_csv(shop, files, rows())
    subjects = subjects_of(shop, **MINE)
    shop.close()
    (tmp_path / "shop").rename(tmp_path / "saved")
    return tmp_path / "saved", subjects


def check_finished(shop: Workspace, folder: Path, subjects: list[int]) -> None:
    assert shop.ledger.read(ERASURES).num_rows == 0
    assert traces(folder, WORDS, subjects, shop.vault) == []
    assert shop.vault.suppressions().num_rows == 3
    assert subjects_of(shop, customer_id="c1")
    shop.gate.audit.verify()
    actions = [entry["action"] for entry in shop.gate.audit.entries().to_pylist()]
    assert actions.count("forget asked") <= actions.count("forget") + 1


@pytest.mark.slow
def test_a_request_that_is_cut_off_anywhere_is_finished(
    saved: tuple[Path, list[int]], opened: Callable[[], Workspace], tmp_path: Path
) -> None:
    folder, subjects = saved
    at, ended = -1, False
    while not ended:
        at += 2  # what comes after a step and what comes before the next one find the same on the disk
        shutil.rmtree(tmp_path / "shop", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "shop")
        shop = opened()
        with pytest.MonkeyPatch.context() as patch:
            dies(patch.setattr, killed, at)
            try:
                shop.forget(f"customer_id={MARKED['customer']}")
                ended = True
            except Killed:
                pass
        shop = opened()
        if at % 4 == 1:  # the request is repeated
            receipt = shop.forget(f"customer_id={MARKED['customer']}")
            assert receipt.verified
            assert len(receipt.kept_out) == 3 or receipt.subjects == 0
        elif shop.ledger.read(ERASURES).num_rows:  # it was written down: whoever writes next finishes it
            shop.build(AS_OF)
        else:
            shop.forget(f"email={MARKED['mail']}")
        check_finished(shop, tmp_path / "shop", subjects)
    assert at > 30


KILL = """
import os, sys
from coterie import open
sys.path.insert(0, {tests!r})
from oracles.crashes import dies
shop = open({shop!r})
dies(setattr, lambda: os._exit(9), {at!r})
shop.forget({identifier!r})
"""


@pytest.mark.parametrize(
    "at", ["after erase", *(pytest.param(at, marks=pytest.mark.slow) for at in ("before delete_rows", "before delete"))]
)
def test_a_request_that_was_killed_is_finished(
    saved: tuple[Path, list[int]], opened: Callable[[], Workspace], tmp_path: Path, at: str
) -> None:
    folder, subjects = saved
    folder.rename(tmp_path / "shop")
    identifier = f"customer_id={MARKED['customer']}"
    script = KILL.format(
        tests=str(Path(__file__).parents[1]), shop=str(tmp_path / "shop"), at=at, identifier=identifier
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    shop = opened()
    assert shop.ledger.read(ERASURES).num_rows == 3
    shop.build(AS_OF)
    check_finished(shop, tmp_path / "shop", subjects)
    assert len(shop.forget(identifier).kept_out) == 3  # the receipt of what another verb has finished


def test_of_several_requests_that_were_cut_off_each_has_its_own_receipt(
    opened: Callable[[], Workspace], files: Path
) -> None:
    shop = opened()
    import_csv(shop, files, rows())
    asked = [("first", "c5"), ("second", "c6"), ("third", "c7")]
    for day, (request, customer) in enumerate(asked, 1):
        person = {"subject": subjects_of(shop, customer_id=customer)[0], "asked_at": datetime(2026, 1, day)}
        shop.ledger.insert(ERASURES, [{"request": request, **person}])
    assert shop.forget("customer_id=c6").request == "second"
    with pytest.raises(ParameterError, match="Nobody"):
        shop.show("customer_id=c5")
