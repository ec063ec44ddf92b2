"""Who is who in a shop: rules, reasons, decisions; and what stays when somebody is forgotten."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv

import coterie
from coterie import Workspace
from coterie.collect.facts import IMPORTS
from coterie.errors import ConfigError, ParameterError
from coterie.profiles.decision import DECISIONS
from coterie.profiles.edges import EDGES
from coterie.profiles.identity import ASIDE, RULES, Identity, sweep
from coterie.profiles.rules import IdentityRules

MAPPING = """
source = "till"
currency = "EUR"
timezone = "UTC"

[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought"

[[read]]
file = "*.csv"
to = "order_line"
id = ["line"]
identify = { customer_id = "customer", email = "mail", phone = "phone" }
fields = { order_id = "line", amount = "total", occurred_at = "at" }
"""
DAY = timedelta(days=1)
START = datetime(2026, 1, 1)
# Anna re-registered: two customer ids, one address. Eight customers gave the till's own telephone number.
ROWS = [
    ("c1", "anna@x.example", "", 0),
    ("c2", "anna@x.example", "+431111", 1),
    ("c3", "ben@x.example", "", 2),
    *((f"t{number}", "", "+430000", 3 + number) for number in range(8)),
]


def write(folder: Path, rows: list[tuple[str, str, str, int]], name: str = "orders.csv", first: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "till.toml").write_text(MAPPING, "utf-8")
    customers, mails, phones, days = zip(*rows, strict=True)
    table = {
        "line": [f"l{first + number}" for number in range(len(rows))],
        "customer": customers,
        "mail": mails,
        "phone": phones,
        "total": ["10.00"] * len(rows),
        "at": [f"{START + day * DAY:%Y-%m-%d %H:%M:%S}" for day in days],
    }
    csv.write_csv(pa.table(table), folder / name)


def opened(folder: Path | None) -> Workspace:
    return coterie.open(folder, create=True, currency="EUR", minimum_group=1)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop, its files and its key; for copying."""
    folder = tmp_path_factory.mktemp("begun")
    write(folder / "data", ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with opened(folder / "shop") as shop:
            shop.ingest(folder / "data" / "till.toml")
    return folder


@pytest.fixture(params=["folder", "memory"])
def till(request: pytest.FixtureRequest, begun: Path, tmp_path: Path, keys: Path) -> Iterator[Workspace]:
    """The small shop, in a folder and in memory."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    with opened(tmp_path / "shop" if request.param == "folder" else None) as shop:
        if request.param == "memory":
            shop.ingest(tmp_path / "data" / "till.toml")
        yield shop


def same(shop: Workspace, one: str, other: str) -> bool:
    return shop.why(one, other).other is None


def test_a_person_has_one_customer_id_and_a_hub_joins_nobody(till: Workspace) -> None:
    found = till.resolve()
    # c1 with the address, c2 with the telephone, c3 with his address, eight customers, the till's number
    assert (found.subjects, found.persons, found.joined, found.largest) == (15, 12, 3, 2)
    assert found.reasons() == {"limit customer_id": 1}
    [hub] = found.hubs.to_pylist()
    assert (hub["kind"], hub["seen_with"], hub["since"]) == ("phone", 8, START + 8 * DAY)
    assert not same(till, "customer_id=c1", "customer_id=c2")
    assert not same(till, "customer_id=t0", "phone=+430000")
    assert till.show("email=anna@x.example").profile.identifiers == {"customer_id": 1, "email": 1}


def test_persons_of_the_past_are_those_that_were_known(till: Workspace) -> None:
    resolved = Identity.read(till.ledger).resolve().persons.to_pylist()
    keys = [till.vault.find("phone", "+430000"), till.vault.find("customer_id", "t0")]

    def persons(day: int) -> set[int]:
        moment = START + day * DAY
        rows = [row for row in resolved if row["valid_from"] <= moment < row["valid_until"]]
        return {row["person"] for row in rows if row["subject"] in keys}

    # joined to the first customer it was seen with, and from the sixth on to nobody any more
    assert [len(persons(day)) for day in (2, 3, 7, 8, 99)] == [2, 1, 1, 2, 2]


def test_new_rules_are_tried_and_then_set(till: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "identity.toml"
    file.write_text('[limit]\ncustomer_id = 2\n\n[hub]\nphone = "unlimited"\n', "utf-8")
    before = till.resolve()
    tried = till.resolve(file, dry_run=True)
    assert tried.preview is not None
    assert (tried.preview.splits, tried.preview.merges) == (0, 2)
    anna, other = tried.preview.largest_merges
    assert (anna.subjects, anna.kinds) == (4, {"customer_id": 2, "email": 1, "phone": 1})
    assert (other.subjects, other.kinds, len(other.parts)) == (3, {"customer_id": 2, "phone": 1}, 3)
    assert not tried.revealed
    assert till.resolve().version == before.version
    assert till.ledger.read(RULES).num_rows == 0
    found = till.resolve(file)
    assert found.persons == tried.persons == 9
    assert found.version == tried.version != before.version
    assert same(till, "customer_id=c1", "customer_id=c2")
    assert till.gate.audit.entries()["action"].to_pylist()[-2:] == ["identity rules", "why"]
    assert till.resolve(IdentityRules()).persons == before.persons


def test_a_preview_reveals_only_on_the_audit(till: Workspace) -> None:
    tried = till.resolve(IdentityRules(limit={"customer_id": 2}), dry_run=True, reveal=True)
    assert set(tried.revealed.values()) == {"customer_id=c1", "customer_id=c2", "email=anna@x.example", "phone=+431111"}
    assert till.gate.audit.entries()["action"].to_pylist()[-1] == "reveal"
    with pytest.raises(ParameterError, match="only a dry run"):
        till.resolve(reveal=True)


def test_a_blocked_value_is_taken_out_and_not_taken_in(till: Workspace, tmp_path: Path) -> None:
    rules = IdentityRules(blocked={"phone": ["+43 1111"], "email": ["*@x.example"]})
    tried = till.resolve(rules, dry_run=True)
    assert tried.preview is not None
    assert (tried.preview.splits, tried.blocked) == (3, 3)
    found = till.resolve(rules)
    assert (found.blocked, found.persons, found.joined) == (3, 15, 0)
    assert "it is blocked" in " ".join(till.why("customer_id=c3").held_back)
    write(tmp_path / "more", [("c9", "new@x.example", "", 50)], "more.csv", first=100)
    till.ingest(tmp_path / "more" / "till.toml")
    assert till.vault.find("customer_id", "c9") is not None
    assert till.vault.find("email", "new@x.example") is None
    if till.folder is not None:
        assert not any(b"x.example" in path.read_bytes() for path in till.folder.rglob("*") if path.is_file())
    assert till.resolve(IdentityRules()).blocked == 0
    assert same(till, "customer_id=c3", "email=ben@x.example")


def test_why_tells_the_chain_and_what_was_held_back_and_no_value(till: Workspace) -> None:
    found = till.why("customer_id=c2")
    assert sorted(found.subjects.values()) == ["customer_id", "phone"]
    [path] = [path for path in found.paths.values() if path]
    assert [(step.sources, step.since) for step in path] == [(("till",), START + DAY)]
    assert "one person would have more than 1 customer_id" in found.held_back[0]
    text = "\n".join(found.lines()) + json.dumps(found.to_json())
    assert not any(value in text for row in ROWS for value in row[1:3] if value)
    assert "it is a hub" in " ".join(till.why("customer_id=t3").held_back)
    with pytest.raises(ParameterError, match="same identifier"):
        till.why("customer_id=c2", "customer_id=c2")
    with pytest.raises(ParameterError, match="Nobody in this shop"):
        till.why("customer_id=c77")


def test_a_decision_holds_from_its_moment_until_it_is_taken_back(till: Workspace) -> None:
    at = START + 100 * DAY
    before = till.resolve()
    joined = till.join("customer_id=c1", "customer_id=c2", now=at)
    assert same(till, "email=anna@x.example", "phone=+431111")
    [path] = till.why("customer_id=c1", "customer_id=c2").paths.values()
    assert [step.decision for step in path] == [joined]
    assert till.resolve().decisions["decision"].to_pylist() == [joined]
    with pytest.raises(ParameterError, match="says so already"):
        till.join("customer_id=c2", "customer_id=c1")
    past = Identity.read(till.ledger).resolve().persons
    was = {r["subject"]: r["person"] for r in past.to_pylist() if r["valid_from"] < at <= r["valid_until"]}
    assert len(set(was.values())) == before.persons
    separated = till.separate("customer_id=c3", "email=ben@x.example", now=at + DAY)
    assert not same(till, "customer_id=c3", "email=ben@x.example")
    assert "somebody has separated them" in " ".join(till.why("customer_id=c3").held_back)
    for number in (joined, separated):
        till.undo_decision(number, now=at + 2 * DAY)
    after = till.resolve()
    assert (after.persons, after.refused, after.decisions.num_rows) == (before.persons, before.refused, 0)
    assert till.ledger.read(DECISIONS).num_rows == 4
    with pytest.raises(ParameterError, match="taken back before"):
        till.undo_decision(joined)
    with pytest.raises(ParameterError, match="there is no decision 77"):
        till.undo_decision(77)
    with pytest.raises(ParameterError, match="before the newest decision"):
        till.separate("customer_id=c1", "customer_id=c2", now=START)


def test_what_cannot_be_joined_is_refused_and_leaves_no_decision(till: Workspace) -> None:
    with pytest.raises(ParameterError, match="cannot be one person"):
        till.join("phone=+430000", "customer_id=t1")
    with pytest.raises(ParameterError, match="same identifier"):
        till.separate("customer_id=c1", "customer_id=c1")
    assert till.ledger.read(DECISIONS).num_rows == 0


def test_who_is_separated_is_not_forgotten_along(till: Workspace) -> None:
    till.separate("customer_id=c3", "email=ben@x.example")
    till.forget("customer_id=c3")
    assert till.vault.find("customer_id", "c3") is None
    assert till.vault.find("email", "ben@x.example") is not None


def test_a_hub_stays_one_when_those_it_was_seen_with_are_forgotten(till: Workspace) -> None:
    others = [f"customer_id=t{number}" for number in range(4, 8)]
    for customer in ("t0", "t1", "t2", "t3"):
        till.forget(f"customer_id={customer}")
    assert till.resolve().hubs["kind"].to_pylist() == ["phone"]
    assert not any(same(till, customer, "phone=+430000") for customer in others)
    assert till.ledger.read(EDGES).num_rows == 8
    till.resolve(IdentityRules(hub={"phone": 20}))
    assert same(till, others[0], "phone=+430000")
    till.forget("phone=+430000")
    assert till.ledger.read(ASIDE).num_rows == 0


def test_orphans_are_swept(till: Workspace) -> None:
    subject = till.vault.find("customer_id", "c3")
    assert subject is not None
    till.separate("customer_id=c3", "email=ben@x.example")
    till.vault.erase([subject])  # as if a request had been cut off here
    assert sweep(till.ledger, till.vault) == 2
    assert sweep(till.ledger, till.vault) == 0


def test_an_import_that_is_undone_takes_its_edges_along(till: Workspace, tmp_path: Path) -> None:
    write(
        tmp_path / "wrong", [("c3", "anna@x.example", "", 60), ("c3", "ben@x.example", "", 61)], "wrong.csv", first=50
    )
    before = till.ledger.read(EDGES)
    receipt = till.ingest(tmp_path / "wrong" / "till.toml")
    assert till.ledger.read(EDGES).num_rows == before.num_rows + 2
    till.undo_import(receipt.files[0].import_id)
    assert till.ledger.read(EDGES).equals(before)


def test_an_undoing_that_is_cut_off_leaves_who_is_who_until_the_next_verb_finishes_it(
    till: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "wrong", [("c3", "anna@x.example", "", 60)], "wrong.csv", first=50)
    before = till.ledger.read(EDGES)
    number = till.ingest(tmp_path / "wrong" / "till.toml").files[0].import_id

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(till.lake, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            till.undo_import(number)
    assert till.ledger.read(EDGES).num_rows == before.num_rows + 1
    till.compact()
    assert till.ledger.read(EDGES).equals(before)
    assert till.ledger.read(IMPORTS, import_id=number)["state"].to_pylist() == ["undone"]


def test_rules_that_cannot_be_are_refused_before_anything_is_written(till: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "identity.toml"
    file.write_text("[limits]\nemail = 3\n", "utf-8")
    with pytest.raises(ConfigError, match="there is no limits"):
        till.resolve(file)
    with pytest.raises(ConfigError, match="Cannot read"):
        till.resolve(tmp_path / "none.toml")
    assert till.ledger.read(RULES).num_rows == 0
