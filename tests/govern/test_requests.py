"""Export and forget over all holders, with a receipt that tells the truth."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from coterie.collect.facts import TRAITS
from coterie.errors import DataError, ParameterError
from coterie.govern.audit import Audit
from coterie.govern.consent import CONSENTS
from coterie.govern.holders import Holder, Impersonal, LakeHolder, LedgerHolder, VaultHolder, unowned
from coterie.govern.requests import (
    ERASURES,
    erasure_debt,
    export_person,
    exported_json,
    finish,
    forget,
    kept_out,
    rehearse,
)
from coterie.schema import IDENTIFIER
from coterie.store.lake import MemoryLake
from coterie.store.ledger import MemoryLedger, SqliteLedger
from coterie.store.vault import MemoryVault

NOW = datetime(2026, 3, 1, 12)
TAUGHT = {"model_id": "segments-kmeans-0011", "kind": "kmeans", "as_of": "2026-02-01T00:00:00Z"}


@dataclass
class Shop:
    """The stores of a small shop with two people of two identifiers each."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    lake: MemoryLake = field(default_factory=MemoryLake)
    vault: MemoryVault = field(default_factory=lambda: MemoryVault(bytes(32)))
    people: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = ["ann@example.org", "+43 1 1", "bob@example.org", "+43 1 2"]
        rows = [{"kind": "email" if "@" in name else "phone", "value": name} for name in names]
        self.people = self.vault.subjects(pa.Table.from_pylist(rows, schema=IDENTIFIER)).to_pylist()
        self.ledger.create(CONSENTS)
        self.lake.create(TRAITS)
        said = {"source": "shop", "purpose": "marketing", "choice": "objected", "occurred_at": NOW}
        self.ledger.insert(CONSENTS, [{**said, "consent_id": str(key), "subject": key} for key in self.people])
        trait = {"source": "shop", "trait": "age", "value": "35-44", "available_at": NOW}
        self.lake.append(TRAITS, TRAITS.rows([{**trait, "subject": key} for key in self.people]))

    @property
    def holders(self) -> list[LakeHolder | LedgerHolder | VaultHolder]:
        return [LakeHolder(self.lake, (TRAITS,)), LedgerHolder(self.ledger, (CONSENTS,)), VaultHolder(self.vault)]


class Forgetful:
    """A holder that says it erased and did not."""

    name = "forgetful"
    holds = ("notes",)

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        return {"notes": pa.table({"subject": list(subjects)})}

    def erase(self, subjects: Iterable[int]) -> int:
        return len(list(subjects))


def test_an_export_has_everything_about_the_person_and_nothing_about_others() -> None:
    shop = Shop()
    found = export_person(shop.holders, shop.people[:2])
    assert {name: rows.num_rows for name, rows in found.items()} == {"traits": 2, "consents": 2, "identifiers": 2}
    read = json.loads(exported_json(found))
    assert {row["value"] for row in read["identifiers"]} == {"ann@example.org", "+43 1 1"}
    assert {row["occurred_at"] for row in read["consents"]} == {"2026-03-01T12:00:00Z"}
    assert export_person(shop.holders, [12]) == {}


def test_two_holders_of_one_table_are_an_error_as_one_would_be_lost() -> None:
    shop = Shop()
    with pytest.raises(ParameterError, match="two holders have a table 'traits'"):
        export_person([*shop.holders, LakeHolder(shop.lake, (TRAITS,), name="copy")], shop.people)


def test_after_forgetting_nothing_is_left_of_the_person_and_all_of_the_other() -> None:
    shop = Shop()
    first, other = shop.people[:2], shop.people[2:]
    before = exported_json(export_person(shop.holders, other))
    receipt = forget(shop.holders, first, now=NOW)
    assert receipt.verified
    assert receipt.subjects == 2
    assert receipt.erased == {"lake": 2, "ledger": 2, "vault": 2}
    assert export_person(shop.holders, first) == {}
    assert exported_json(export_person(shop.holders, other)) == before


def test_the_bytes_of_a_forgotten_person_are_gone_from_the_ledger(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    ledger.create(CONSENTS)
    said = {"source": "shop", "purpose": "marketing", "choice": "objected", "occurred_at": NOW}
    words = {7: "never write to Ann again", 8: "Bob does not mind"}
    ledger.insert(
        CONSENTS, [{**said, "consent_id": str(key), "subject": key, "words": text} for key, text in words.items()]
    )
    assert words[7].encode() in bytes_of(tmp_path)
    assert forget([LedgerHolder(ledger, (CONSENTS,))], [7]).verified
    left = bytes_of(tmp_path)
    assert words[7].encode() not in left
    ledger.close()
    assert words[8].encode() in bytes_of(tmp_path)


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_forgetting_again_is_verified_and_erases_nothing() -> None:
    shop = Shop()
    forget(shop.holders, shop.people)
    again = forget(shop.holders, shop.people)
    assert again.verified
    assert sum(again.erased.values()) == 0


def test_a_rehearsal_counts_what_is_held_and_erases_nothing() -> None:
    shop = Shop()
    receipt = rehearse(shop.holders, shop.people[:2])
    assert receipt.left == {"traits": 2, "consents": 2, "identifiers": 2}
    assert receipt.erased == {}
    assert rehearse(shop.holders, shop.people[:2]).left == receipt.left


def test_a_receipt_says_so_when_something_is_left() -> None:
    shop = Shop()
    receipt = forget([*shop.holders, Forgetful()], shop.people[:2])
    assert not receipt.verified
    assert receipt.left == {"notes": 2}
    assert receipt.to_json()["verified"] is False


def test_a_receipt_and_the_audit_may_be_kept_as_they_name_nobody() -> None:
    shop = Shop()
    audit = Audit(shop.ledger)
    export_person(shop.holders, shop.people[:2], audit=audit, now=NOW)
    receipt = forget(shop.holders, shop.people[:2], audit=audit, now=NOW)
    audit.verify()
    entries = audit.entries().to_pylist()
    assert [entry["action"] for entry in entries] == ["export", "forget asked", "forget"]
    assert entries[1]["about"] == entries[2]["about"] == receipt.request
    kept = json.dumps(receipt.to_json()) + str(entries)
    assert json.loads(json.dumps(receipt.to_json()))["asked_at"] == "2026-03-01T12:00:00Z"
    assert not [person for person in shop.people if str(person) in kept]
    assert "ann@example.org" not in kept


def test_every_table_and_file_needs_an_owner() -> None:
    shop = Shop()
    holders = [*shop.holders, Impersonal("models", ("archive/*", "runs"), "Averages over many people.")]
    assert unowned(["traits", "consents", "identifiers", "runs", "archive/ab/cdef"], holders) == []
    assert unowned(["traits", "cache", "cache", "Runs", "archive"], holders) == ["Runs", "archive", "cache"]


class Dying:
    """A holder at which the process dies, once."""

    name = "dying"
    holds = ("letters",)
    alive = True

    def export(self, subjects: Iterable[int]) -> dict[str, pa.Table]:
        return {}

    def erase(self, subjects: Iterable[int]) -> int:
        if self.alive:
            self.alive = False
            raise KeyboardInterrupt
        return 0


@pytest.mark.parametrize("place", range(4))
def test_a_request_that_was_cut_off_is_finished_though_nobody_can_be_found_any_more(place: int) -> None:
    shop = Shop()
    audit = Audit(shop.ledger)
    holders: list[Holder] = [*shop.holders]
    holders.insert(place, Dying())
    with pytest.raises(KeyboardInterrupt):
        forget(holders, shop.people[:2], audit=audit, now=NOW, models=[TAUGHT])
    assert sorted(shop.ledger.read(ERASURES)["subject"].to_pylist()) == sorted(shop.people[:2])
    (receipt,) = finish(holders, audit)
    assert receipt.verified
    assert (receipt.subjects, receipt.asked_at) == (2, NOW)
    assert receipt.to_json()["models"] == [TAUGHT], "what was trained with the person is told although all is erased"
    assert erasure_debt(audit) == {TAUGHT["model_id"]: 1}
    assert export_person(shop.holders, shop.people[:2]) == {}
    assert shop.ledger.read(ERASURES).num_rows == 0
    assert finish(holders, audit) == []
    assert [entry["action"] for entry in audit.entries().to_pylist()] == ["forget asked", "forget"]
    assert shop.vault.suppressions().num_rows == 2
    assert export_person(shop.holders, shop.people[2:]).keys() == {"traits", "consents", "identifiers"}


def test_a_request_that_left_something_stays_open() -> None:
    shop = Shop()
    audit = Audit(shop.ledger)
    assert not forget([*shop.holders, Forgetful()], shop.people[:2], audit=audit).verified
    assert shop.ledger.read(ERASURES).num_rows == 2
    (again,) = finish(shop.holders, audit)
    assert again.verified


def test_receipts_say_whom_to_keep_out() -> None:
    shop = Shop()
    forget(shop.holders, shop.people[:2])
    marks = shop.vault.suppressions()["digest"].to_pylist()
    texts = [json.dumps({"kept_out": [mark.hex() for mark in marks]}), json.dumps({"kept_out": [marks[0].hex()]})]
    assert kept_out(texts) == marks
    for wrong in ("{}", "[]", "no JSON", '{"kept_out": ["xy"]}', '{"kept_out": [1]}'):
        with pytest.raises(DataError, match="Receipt 2 is not one"):
            kept_out([texts[0], wrong])
