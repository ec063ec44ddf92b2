"""What every ledger does, whatever keeps it."""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import IntegrityError, MissingColumnError, ParameterError, ShopLockedError, StoreError
from coterie.schema import TIME, Table
from coterie.store.ledger import MemoryLedger, SqliteLedger
from coterie.store.ports import Ledger

NOTES = Table(
    "notes",
    pa.schema(
        [
            ("place", pa.string()),
            ("number", pa.int64()),
            ("weight", pa.float64()),
            ("good", pa.bool_()),
            ("raw", pa.binary()),
            ("at", TIME),
        ]
    ),
    ("place", "number"),
    "Notes of a test.",
)
OTHER = Table("other", pa.schema([("id", pa.int64())]), ("id",), "Another table.")


@pytest.fixture(params=["sqlite", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made: Ledger = SqliteLedger(tmp_path / "ledger.db") if request.param == "sqlite" else MemoryLedger()
    made.create(NOTES, OTHER)
    yield made
    made.close()


def note(place: str, number: int, **more: object) -> dict[str, object]:
    return {"place": place, "number": number, **more}


def numbers(ledger: Ledger) -> list[int]:
    return ledger.read(NOTES)["number"].to_pylist()


def test_rows_come_back_as_they_were_in_the_order_of_the_key(ledger: Ledger) -> None:
    rows = NOTES.rows(
        [
            note("b", 1, weight=1.5, good=True, raw=b"\x00\xff", at=datetime(2026, 1, 2, 3, 4, 5, 678901)),
            note("a", 9, weight=-math.inf, good=False, raw=b"", at=datetime(1901, 1, 1)),
            note("a", -(2**63)),
            note("é", 2**63 - 1, weight=1e-300),
            note("Z", 0, weight=2.0**60),
        ]
    )
    assert ledger.insert(NOTES, rows) == 5
    found = ledger.read(NOTES)
    assert found.schema == NOTES.schema
    assert found.equals(rows.take([4, 2, 1, 0, 3]))


def test_an_empty_table_is_typed(ledger: Ledger) -> None:
    assert ledger.read(NOTES).equals(NOTES.empty())
    assert ledger.insert(NOTES, NOTES.empty()) == 0
    assert ledger.insert(NOTES, []) == 0


def test_nan_is_read_as_null(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", 1, weight=math.nan)])
    assert ledger.read(NOTES)["weight"].to_pylist() == [None]


def test_columns_may_come_in_another_order_and_in_types_that_fit(ledger: Ledger) -> None:
    rows = NOTES.rows([note("a", 1)])
    ledger.insert(NOTES, rows.select(NOTES.schema.names[::-1]))
    narrow = pa.table({"id": pa.array([5], pa.int32())})
    ledger.insert(OTHER, narrow)
    assert ledger.read(NOTES).equals(rows)
    assert ledger.read(OTHER)["id"].to_pylist() == [5]


def test_columns_that_do_not_fit_are_named(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="lacks weight, good, raw, at and has colour"):
        ledger.insert(NOTES, pa.table({"place": ["a"], "number": [1], "colour": ["red"]}))
    with pytest.raises(StoreError, match="colour"):
        ledger.insert(NOTES, [note("a", 1, colour="red")])
    with pytest.raises(StoreError, match="number int64") as caught:
        ledger.insert(NOTES, [{"place": "a", "number": "anna@example.com"}])
    assert "anna" not in str(caught.value)
    assert numbers(ledger) == []


def test_what_is_added_leaves_what_is_known(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", 1, weight=7.0)])
    assert ledger.add(NOTES, [note("a", 1, weight=8.0), note("b", 2, weight=1.0), note("b", 2, weight=2.0)]) == 1
    assert ledger.read(NOTES)["weight"].to_pylist() == [7.0, 1.0]
    assert ledger.add(NOTES, []) == 0
    with pytest.raises(IntegrityError, match="missing"):
        ledger.add(NOTES, [note("c", 1), {**note("d", 1), "number": None}])
    assert ledger.read(NOTES).num_rows == 2


@pytest.mark.parametrize("repeated", [[note("b", 2), note("a", 1)], [note("c", 3), note("c", 3)]])
def test_a_key_twice_adds_nothing(ledger: Ledger, repeated: list[dict[str, object]]) -> None:
    ledger.insert(NOTES, [note("a", 1, weight=7.0)])
    with pytest.raises(IntegrityError):
        ledger.insert(NOTES, repeated)
    assert ledger.read(NOTES).to_pylist() == NOTES.rows([note("a", 1, weight=7.0)]).to_pylist()


def test_a_key_without_a_value_is_refused(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError):
        ledger.insert(NOTES, [{"place": "a"}])
    with pytest.raises(IntegrityError):
        ledger.put(NOTES, [{"number": 1}])


def test_put_replaces_and_adds(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", 1, weight=1.0, good=True)])
    assert ledger.put(NOTES, [note("a", 1, weight=2.0), note("a", 2), note("a", 2, weight=3.0)]) == 3
    assert ledger.read(NOTES).select(["number", "weight", "good"]).to_pylist() == [
        {"number": 1, "weight": 2.0, "good": None},
        {"number": 2, "weight": 3.0, "good": None},
    ]


def test_read_matches_every_column(ledger: Ledger) -> None:
    at = datetime(2026, 1, 1)
    ledger.insert(NOTES, [note("a", 1, at=at), note("a", 2, good=True), note("b", 1, good=True, raw=b"x")])
    assert ledger.read(NOTES, place="a", good=True)["number"].to_pylist() == [2]
    assert ledger.read(NOTES, at=at)["number"].to_pylist() == [1]
    assert ledger.read(NOTES, raw=b"x")["place"].to_pylist() == ["b"]
    assert ledger.read(NOTES, at=None)["number"].to_pylist() == [2, 1]
    assert ledger.read(NOTES, place="nobody").equals(NOTES.empty())
    with pytest.raises(MissingColumnError, match="plaice"):
        ledger.read(NOTES, plaice="a")
    with pytest.raises(ParameterError):
        ledger.read(NOTES, number="one")


def test_read_takes_the_columns_that_are_asked_for(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", 1, weight=2.0), note("b", 2)])
    assert ledger.read(NOTES, "number", "place").to_pydict() == {"number": [1, 2], "place": ["a", "b"]}
    assert ledger.read(NOTES, "weight", place="a").to_pydict() == {"weight": [2.0]}
    assert ledger.read(NOTES, "raw", place="nobody").schema == NOTES.empty().select(["raw"]).schema
    with pytest.raises(MissingColumnError, match="plaice"):
        ledger.read(NOTES, "plaice")


def test_delete_returns_how_many(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", n) for n in range(5)])
    assert ledger.delete(NOTES, "number", [1, 3, 3, 99]) == 2
    assert ledger.delete(NOTES, "number", []) == 0
    assert ledger.delete(NOTES, "weight", [None]) == 0
    assert ledger.delete(NOTES, "number", pa.array([0])) == 1
    assert numbers(ledger) == [2, 4]


def test_a_transaction_is_kept_whole(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.insert(NOTES, [note("a", 1)])
        ledger.put(OTHER, [{"id": 1}])
        assert numbers(ledger) == [1]
    assert numbers(ledger) == [1]
    assert ledger.read(OTHER).num_rows == 1


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", 1), note("a", 2)])
    late = Table("late", OTHER.schema, ("id",), "Made in a transaction that fails.")

    def stopped() -> None:
        with ledger.transaction():
            ledger.create(late)
            ledger.put(NOTES, [note("a", 1, weight=9.0), note("a", 3)])
            ledger.delete(NOTES, "number", [2])
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert ledger.read(NOTES).equals(NOTES.rows([note("a", 1), note("a", 2)]))
    assert ledger.tables() == ["notes", "other"]


def test_a_nested_transaction_ends_with_the_outer_one(ledger: Ledger) -> None:
    def stopped() -> None:
        with ledger.transaction():
            with ledger.transaction():
                ledger.insert(NOTES, [note("a", 1)])
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert numbers(ledger) == []


def test_a_nested_transaction_that_fails_alone_is_undone_alone(ledger: Ledger) -> None:
    def stopped() -> None:
        with ledger.transaction():
            ledger.insert(NOTES, [note("a", 2)])
            raise KeyError

    with ledger.transaction():
        ledger.insert(NOTES, [note("a", 1)])
        with pytest.raises(KeyError):
            stopped()
        with pytest.raises(IntegrityError):
            ledger.insert(NOTES, [note("a", 3), note("a", 1)])
        ledger.insert(NOTES, [note("a", 4)])
    assert numbers(ledger) == [1, 4]


def test_create_keeps_what_is_there_and_refuses_other_columns(ledger: Ledger) -> None:
    ledger.insert(OTHER, [{"id": 1}])
    ledger.create(OTHER)
    assert ledger.read(OTHER).num_rows == 1
    changed = Table("other", pa.schema([("id", pa.string()), ("more", TIME)]), ("id",), "Changed.")
    for use in (ledger.create, ledger.read):
        with pytest.raises(StoreError, match=r"'other' exists with other columns: more is missing; id is INTEGER"):
            use(changed)
    with pytest.raises(StoreError, match="no table 'nowhere'"):
        ledger.read(Table("nowhere", OTHER.schema, ("id",), "Never made."))


def test_a_table_that_cannot_be_kept_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ParameterError, match="list"):
        ledger.create(Table("lists", pa.schema([("id", pa.list_(pa.int64()))]), ("id",), "Lists."))
    with pytest.raises(ParameterError, match="key"):
        ledger.create(Table("keyless", OTHER.schema, (), "No key."))
    assert ledger.tables() == ["notes", "other"]


def test_a_lease_is_held_by_one_thread(ledger: Ledger) -> None:
    refused: list[BaseException] = []

    def ask(done: Callable[[], None]) -> None:
        try:
            with ledger.lease("writer"):
                done()
        except ShopLockedError as error:
            refused.append(error)

    def beside(name: str) -> list[str]:
        got: list[str] = []
        thread = threading.Thread(target=ask, args=[lambda: got.append(name)])
        thread.start()
        thread.join()
        return got

    with ledger.lease("writer"):
        with ledger.lease("writer"), ledger.lease("another"):
            pass
        assert beside("while held") == []
    assert len(refused) == 1
    assert beside("after") == ["after"]
    assert ledger.tables() == ["notes", "other"]


def test_a_lease_ends_with_an_error(ledger: Ledger) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), ledger.lease("writer"):
            raise KeyError


operations = st.lists(
    st.tuples(
        st.sampled_from(["insert", "put", "delete", "fail"]),
        st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), st.text(max_size=3))), max_size=4),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(operations)
def test_both_ledgers_agree(steps: list[tuple[str, list[tuple[int, str | None]]]]) -> None:
    table = Table("t", pa.schema([("id", pa.int64()), ("text", pa.string())]), ("id",), "Both.")
    folder = tempfile.TemporaryDirectory()
    ledgers: list[Ledger] = [SqliteLedger(Path(folder.name) / "ledger.db"), MemoryLedger()]
    seen = []
    for ledger in ledgers:
        ledger.create(table)
        answers: list[object] = []
        for verb, rows in steps:
            given_rows = [{"id": id_, "text": text} for id_, text in rows]
            try:
                if verb == "delete":
                    answers.append(ledger.delete(table, "id", [id_ for id_, _ in rows]))
                elif verb == "fail":
                    with ledger.transaction():
                        ledger.put(table, given_rows)
                        raise KeyError
                else:
                    answers.append(getattr(ledger, verb)(table, given_rows))
            except (IntegrityError, KeyError) as error:
                answers.append(type(error))
            answers.append(ledger.read(table).to_pylist())
        seen.append(answers)
        ledger.close()
    folder.cleanup()
    assert seen[0] == seen[1]


def test_there_is_no_lease_to_release_where_nobody_holds_one(ledger: Ledger) -> None:
    assert ledger.release("writer") is False
    with ledger.lease("writer"):
        pass
    assert ledger.release("writer") is False


LATER = [("said", pa.string()), ("when", TIME), ("share", pa.float64())]


def test_a_table_of_an_older_layout_gets_the_columns_it_lacks(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("a", 2, raw=b"x"), note("a", 1, weight=0.5)])
    before = ledger.read(NOTES)
    wider = Table("notes", pa.schema([*LATER, *NOTES.schema]), NOTES.key, "Notes of a later layout.")
    fresh = Table("fresh", OTHER.schema, ("id",), "Not there before.")
    for _ in range(2):
        ledger.extend(wider, OTHER, fresh)
        found = ledger.read(wider)
        assert found.select(NOTES.schema.names).equals(before)
        assert all(found[name].null_count == 2 for name, _ in LATER)
    with pytest.raises(StoreError, match="other columns"):
        ledger.read(NOTES)
    ledger.put(wider, [note("a", 1, said="more", when=datetime(2026, 1, 1))])
    assert ledger.read(wider)["said"].to_pylist() == ["more", None]
    assert ledger.tables() == ["fresh", "notes", "other"]


def test_a_table_whose_key_has_changed_is_written_anew(ledger: Ledger) -> None:
    ledger.insert(NOTES, [note("b", 1, weight=0.5), note("a", 2)])
    keyed = Table(
        "notes",
        pa.schema([*NOTES.schema, ("kind", pa.string()), ("turn", pa.int64())]),
        ("number", "kind", "turn"),
        "Notes of a later layout.",
    )
    for _ in range(2):
        ledger.extend(keyed)
    assert ledger.read(keyed)["place"].to_pylist() == ["b", "a"]
    assert ledger.read(keyed, number=1).to_pylist()[0]["kind"] == ""
    ledger.insert(keyed, [{"number": 1, "kind": "", "turn": 1}])
    with pytest.raises(IntegrityError):
        ledger.insert(keyed, [{"number": 1, "kind": "", "turn": 0}])
    assert ledger.tables() == ["notes", "other"]


def test_extending_refuses_what_is_no_later_layout_and_changes_nothing(ledger: Ledger) -> None:
    changed = Table("other", pa.schema([("id", pa.string())]), ("id",), "Changed.")
    wider = Table("notes", pa.schema([*LATER, *NOTES.schema]), NOTES.key, "Wider.")
    with pytest.raises(StoreError, match="id is"):
        ledger.extend(wider, changed)
    assert ledger.read(NOTES).num_rows == 0
