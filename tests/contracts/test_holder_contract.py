"""What every holder of personal data promises, on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from coterie.collect.facts import PRODUCTS, TRAITS
from coterie.errors import IntegrityError
from coterie.govern.consent import BASES, CONSENTS
from coterie.govern.holders import Holder, Impersonal, LakeHolder, LedgerHolder, VaultHolder
from coterie.profiles.edges import EDGES
from coterie.schema import IDENTIFIER, Table
from coterie.store.lake import DeltaLake, MemoryLake
from coterie.store.ledger import MemoryLedger, SqliteLedger
from coterie.store.ports import Lake, Ledger, Vault
from coterie.store.vault import MemoryVault, SqliteVault

MOMENT = datetime(2026, 1, 1)
KEY_BYTES = bytes(range(32))


@dataclass
class Case:
    """A holder with data about three people, and who they are."""

    holder: Holder
    people: list[int]
    tables: set[str]  # where something about each of them is held
    rows: int  # about the first of them


def ledger_case(ledger: Ledger) -> Case:
    ledger.create(CONSENTS, BASES, EDGES)
    said = {"source": "shop", "purpose": "marketing", "choice": "granted", "occurred_at": MOMENT}
    ledger.insert(
        CONSENTS, CONSENTS.rows([{**said, "consent_id": f"c{subject}", "subject": subject} for subject in (1, 2, 3)])
    )
    edge = {"source": "shop", "kind": "same row", "occurred_at": MOMENT, "available_at": MOMENT}
    pairs = [(1, 2), (2, 3), (1, 9)]
    ledger.insert(EDGES, EDGES.rows([{**edge, "subject_a": a, "subject_b": b} for a, b in pairs]))
    ledger.insert(
        BASES, BASES.rows([{"source": "shop", "purpose": "marketing", "words": "consent: x", "declared_at": MOMENT}])
    )
    return Case(LedgerHolder(ledger, (CONSENTS, BASES, EDGES)), [1, 2, 3], {"consents", "edges"}, 3)


def lake_case(lake: Lake) -> Case:
    lake.create(TRAITS, PRODUCTS)
    for value in ("35-44", "45-54"):
        lake.append(
            TRAITS,
            TRAITS.rows(
                [
                    {"source": "shop", "subject": subject, "trait": "age", "value": value, "available_at": MOMENT}
                    for subject in (1, 2, 3)
                ]
            ),
        )
    lake.append(PRODUCTS, PRODUCTS.rows([{"source": "shop", "product_id": "p", "available_at": MOMENT}]))
    return Case(LakeHolder(lake, (TRAITS, PRODUCTS)), [1, 2, 3], {"traits"}, 2)


def vault_case(vault: Vault) -> Case:
    rows = [{"kind": "email", "value": f"person{number}@example.org"} for number in range(3)]
    people = vault.subjects(pa.Table.from_pylist(rows, schema=IDENTIFIER)).to_pylist()
    return Case(VaultHolder(vault), people, {"identifiers"}, 1)


CASES: dict[str, Callable[[Path], tuple[Case, Callable[[], None]]]] = {}


def case(make: Callable[[Path], Ledger | Lake | Vault], build: Callable[..., Case], name: str) -> None:
    def opened(folder: Path) -> tuple[Case, Callable[[], None]]:
        store = make(folder)
        return build(store), getattr(store, "close", lambda: None)

    CASES[name] = opened


case(lambda folder: MemoryLedger(), ledger_case, "ledger in memory")
case(lambda folder: SqliteLedger(folder / "ledger.sqlite"), ledger_case, "ledger in SQLite")
case(lambda folder: MemoryLake(), lake_case, "lake in memory")
case(lambda folder: DeltaLake(folder / "lake"), lake_case, "lake of Delta tables")
case(lambda folder: MemoryVault(KEY_BYTES), vault_case, "vault in memory")
case(lambda folder: SqliteVault(folder / "vault.sqlite", KEY_BYTES), vault_case, "vault in SQLite")


@pytest.fixture(params=sorted(CASES))
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    made, close = CASES[request.param](tmp_path)
    yield made
    close()


def counts(found: dict[str, pa.Table]) -> dict[str, int]:
    return {name: rows.num_rows for name, rows in found.items() if rows.num_rows}


def test_it_says_what_it_owns(held: Case) -> None:
    assert held.holder.name
    assert held.tables <= set(held.holder.holds)


def unordered(tables: dict[str, pa.Table]) -> dict[str, list[str]]:
    """A store may keep rows in another order after it erased some."""
    return {name: sorted(map(str, rows.to_pylist())) for name, rows in tables.items()}


def test_it_exports_what_it_holds_about_the_asked_and_only_them(held: Case) -> None:
    first = held.people[0]
    found = held.holder.export([first])
    assert set(counts(found)) == held.tables
    assert sum(counts(found).values()) == held.rows
    assert set(found) <= set(held.holder.holds)
    for rows in found.values():
        columns = [name for name in rows.column_names if name.startswith("subject")]
        assert columns
        assert all(first in (row[name] for name in columns) for row in rows.to_pylist())


def test_a_row_about_two_of_the_asked_is_exported_once(held: Case) -> None:
    for name, rows in held.holder.export([*held.people, *held.people]).items():
        listed = [str(row) for row in rows.to_pylist()]
        assert len(listed) == len(set(listed)), name


def test_after_erasing_nothing_is_found_and_others_are_untouched(held: Case) -> None:
    first, _, third = held.people
    before = held.holder.export([third])
    assert held.holder.erase([first]) == held.rows
    assert counts(held.holder.export([first])) == {}
    after = held.holder.export([third])
    assert unordered(after) == unordered(before)


def test_erasing_again_and_erasing_strangers_erases_nothing(held: Case) -> None:
    held.holder.erase(held.people[:1])
    assert held.holder.erase(held.people[:1]) == 0
    assert held.holder.erase([77]) == 0
    assert held.holder.erase([]) == 0
    assert counts(held.holder.export([77])) == {}
    assert counts(held.holder.export([])) == {}


def test_any_iterable_of_subjects_will_do(held: Case) -> None:
    assert counts(held.holder.export(iter(held.people))) == counts(held.holder.export(set(held.people)))
    held.holder.erase(iter(held.people))
    assert counts(held.holder.export(held.people)) == {}


def test_an_export_beside_a_deletion_reads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = DeltaLake(tmp_path / "lake")
    held = lake_case(lake)
    source, deleted = lake.source, []

    def beside(table: Table) -> list[str] | pa.Table:
        found = source(table)
        if not deleted:  # by another process, which removes the files that were named
            deleted.append(DeltaLake(tmp_path / "lake").delete(TRAITS, "subject", [2]))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(lake, "source", beside)
        assert counts(held.holder.export([1, 2])) == {"traits": 2}
    [path, *_] = [Path(path) for path in lake.source(TRAITS)]
    path.unlink()  # gone for good
    with pytest.raises(IntegrityError, match=path.name):
        held.holder.export([1])


def test_what_is_impersonal_is_owned_and_has_nothing_about_anybody() -> None:
    holder: Holder = Impersonal("models", ("archive/*",), "Models keep averages over many people.")
    assert holder.holds == ("archive/*",)
    assert holder.export([1]) == {}
    assert holder.erase([1]) == 0
