"""The audit chain: whatever is altered, removed or moved is found."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import IntegrityError, ParameterError
from coterie.govern.audit import AUDIT, AUDIT_HEAD, Audit, Chain
from coterie.schema import TIME, Table
from coterie.store.ledger import MemoryLedger, SqliteLedger

NOW = datetime(2026, 3, 1)


def a_chain(length: int) -> Audit:
    audit = Audit(MemoryLedger())
    for number in range(length):
        audit.append("release", f"destination {number}", {"released": number, "purpose": "Ä"}, now=NOW)
    return audit


def rewrite(audit: Audit, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Write to the ledger past coterie."""
    rows = change(audit.entries().to_pylist())
    audit.ledger.delete(AUDIT, "sequence", audit.entries()["sequence"].to_pylist())
    audit.ledger.insert(AUDIT, rows)


def test_an_untouched_chain_is_whole_and_continues_where_it_ended() -> None:
    audit = a_chain(3)
    kept = audit.head()
    assert audit.verify() == kept
    assert kept.length == 3
    again = Audit(audit.ledger)
    again.append("export", "request 1")
    assert again.verify(kept).length == 4
    assert again.verify(Chain()).length == 4


def test_an_empty_chain_is_whole() -> None:
    assert Audit(MemoryLedger()).verify() == Chain()


CHANGED: dict[str, Any] = {
    "at": datetime(2020, 1, 1),
    "action": "export",
    "about": "elsewhere",
    "details": "{}",
    "previous": "f" * 64,
    "hash": "f" * 64,
    "sequence": 99,
}


@settings(deadline=None)
@given(position=st.integers(0, 4), column=st.sampled_from(sorted(CHANGED)))
def test_an_altered_row_is_found_where_it_is(position: int, column: str) -> None:
    audit = a_chain(5)

    def alter(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[position][column] = CHANGED[column]
        return rows

    rewrite(audit, alter)
    with pytest.raises(IntegrityError, match=f"breaks at entry {position}"):
        audit.verify()


@pytest.mark.parametrize("position", range(5))
def test_a_removed_row_is_found_also_the_last(position: int) -> None:
    audit = a_chain(5)
    rewrite(audit, lambda rows: rows[:position] + rows[position + 1 :])
    with pytest.raises(IntegrityError, match=f"breaks at entry {position}"):
        audit.verify()


def test_rows_that_changed_places_are_found() -> None:
    audit = a_chain(5)

    def swap(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows[1]["sequence"], rows[2]["sequence"] = 2, 1
        return rows

    rewrite(audit, swap)
    with pytest.raises(IntegrityError, match="breaks at entry 1"):
        audit.verify()


def test_a_chain_rewritten_from_the_start_is_found_by_a_head_that_was_kept_elsewhere() -> None:
    kept = a_chain(5).head()
    forged = Audit(MemoryLedger())
    for number in range(6):
        forged.append("release", f"destination {number}", {"released": 0}, now=NOW)
    assert forged.verify().length == 6  # by itself it is a fine chain
    with pytest.raises(IntegrityError, match="does not run through the known one"):
        forged.verify(kept)


def test_a_tail_cut_off_with_its_head_is_found_by_a_head_that_was_kept_elsewhere() -> None:
    audit = a_chain(5)
    kept = audit.head()
    rewrite(audit, lambda rows: rows[:3])
    audit.ledger.put(AUDIT_HEAD, [{"chain": "audit", "length": 3, "hash": audit.entries()["hash"][2].as_py()}])
    assert audit.verify().length == 3
    with pytest.raises(IntegrityError, match="does not run through the known one"):
        audit.verify(kept)


def test_an_entry_is_kept_together_with_what_it_records_or_not_at_all() -> None:
    audit = a_chain(2)

    def release() -> None:
        with audit.ledger.transaction():
            audit.append("release", "mail")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        release()
    assert audit.verify().length == 2


def test_two_writers_make_one_chain(tmp_path: Path) -> None:
    def write(name: str) -> None:
        ledger = SqliteLedger(tmp_path / "ledger.sqlite")
        audit = Audit(ledger)
        for number in range(15):
            audit.append("release", name, {"number": number})
        ledger.close()

    with ThreadPoolExecutor(2) as writers:
        list(writers.map(write, ["mail", "shop"]))
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    assert Audit(ledger).verify().length == 30
    ledger.close()


def test_details_are_plain_json() -> None:
    with pytest.raises(ParameterError, match="not plain JSON"):
        a_chain(0).append("release", "mail", {"when": NOW})
    with pytest.raises(ParameterError, match="not plain JSON"):
        a_chain(0).append("release", "mail", {"share": float("nan")})


def test_the_tables_of_the_audit_hold_nothing_personal() -> None:
    tables: tuple[Table, ...] = (AUDIT, AUDIT_HEAD)
    assert [table.subject for table in tables] == [None, None]
    assert AUDIT.schema.field("at").type == TIME
