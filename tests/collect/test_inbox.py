"""The inbox before the lake: every message once, whatever is cut off and repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.collect import inbox as module
from coterie.collect.facts import EVENTS, LAKE_TABLES, ORDER_LINES, QUARANTINE
from coterie.collect.inbox import INBOX, Inbox
from coterie.errors import IntegrityError, StoreError
from coterie.store.lake import DeltaLake, MemoryLake
from coterie.store.ledger import MemoryLedger, SqliteLedger
from coterie.store.ports import Commit
from coterie.store.warehouse import Warehouse

NOW = datetime(2026, 3, 1, 12, 0, 0, 5)


def events(*ids: str) -> pa.Table:
    return EVENTS.rows(
        [
            {"source": "web", "event_id": each, "subject": 7, "occurred_at": NOW, "import_id": 1, "row": 1}
            for each in ids
        ]
    )


def lines(*ids: str) -> pa.Table:
    return ORDER_LINES.rows([{"source": "web", "line_id": each, "subject": 8, "quantity": 0.5} for each in ids])


@pytest.fixture(params=["folder", "memory"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Inbox]:
    kept = request.param == "folder"
    ledger = SqliteLedger(tmp_path / "ledger.sqlite") if kept else MemoryLedger()
    lake = DeltaLake(tmp_path / "lake") if kept else MemoryLake()
    lake.create(EVENTS, ORDER_LINES, QUARANTINE)
    (tmp_path / "scratch").mkdir()
    yield Inbox(lake, ledger, tmp_path / "scratch")
    ledger.close()


def seen(inbox: Inbox, table: Any, key: str) -> list[str]:
    with Warehouse(inbox) as warehouse:
        warehouse.attach_tables(table)
        found: list[str] = warehouse.query(f"SELECT {key} FROM {table.name} ORDER BY ALL")[key].to_pylist()
    return found


def test_what_is_recorded_is_read_at_once_and_moves_unchanged(inbox: Inbox) -> None:
    inbox.append(EVENTS, events("a"))
    before = inbox.version(EVENTS)
    bad = QUARANTINE.rows([{"import_id": 1, "row": 2, "raw": b"\0\xff", "reasons": "late", "ingested_at": NOW}])
    with inbox.recording():
        assert inbox.append(EVENTS, events("c", "b"), Commit("import-1", 0))
        inbox.append(ORDER_LINES, lines("x"))
        inbox.append(QUARANTINE, bad)
        assert seen(inbox, EVENTS, "event_id") == ["a", "b", "c"]
    assert (inbox.count(EVENTS), inbox.lake.count(EVENTS)) == (3, 1)
    assert inbox.version(EVENTS) != before
    assert inbox.count(ORDER_LINES) == 1
    assert inbox.move() == 4
    assert (inbox.count(EVENTS), inbox.lake.count(EVENTS)) == (3, 3)
    assert inbox.ledger.read(INBOX).num_rows == 0
    assert list(inbox.folder.iterdir()) == []
    assert inbox.move() == 0
    with Warehouse(inbox) as warehouse:
        warehouse.attach_tables(EVENTS, ORDER_LINES, QUARANTINE)
        assert warehouse.query("FROM quarantine").cast(bad.schema).equals(bad)
        assert warehouse.query("FROM order_lines").cast(lines().schema).equals(lines("x"))
        moved = warehouse.query("FROM events WHERE event_id <> 'a' ORDER BY event_id DESC").cast(events().schema)
        assert moved.equals(events("c", "b"))


def test_a_reader_beside_the_mover_and_a_deletion_sees_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, ledger = DeltaLake(tmp_path / "lake"), SqliteLedger(tmp_path / "ledger.sqlite")
    lake.create(*LAKE_TABLES)
    for name in ("reader", "writer"):
        (tmp_path / name).mkdir()
    reader, writer = (Inbox(lake, ledger, tmp_path / name) for name in ("reader", "writer"))
    writer.append(EVENTS, events("a"))
    with writer.recording():
        writer.append(EVENTS, events("b"))
    source, moved = lake.source, []

    def beside(table: Any) -> Any:
        if not moved:
            moved.append(writer.move())
        return source(table)

    with monkeypatch.context() as patch:
        patch.setattr(lake, "source", beside)
        assert seen(reader, EVENTS, "event_id") == ["a", "b"]
    assert moved == [1]

    with writer.recording():
        writer.append(EVENTS, events("c"))
        writer.append(EVENTS, EVENTS.rows([{"source": "web", "event_id": "d", "subject": 9}]))
    with Warehouse(reader) as warehouse:
        warehouse.attach(EVENTS.name, reader.source(EVENTS))
        writer.delete(EVENTS, "subject", [8])
        lake.append(EVENTS, EVENTS.rows([{"source": "web", "event_id": "e", "subject": 8}]))
        lake.compact(EVENTS)
        writer.delete(EVENTS, "subject", [8])  # which removes the files that the reader was told of
        found = warehouse.query("SELECT event_id FROM events ORDER BY ALL")["event_id"].to_pylist()
    assert found == ["a", "b", "c", "d"]
    ledger.close()


def test_what_was_recorded_by_halves_is_not_there(inbox: Inbox) -> None:
    with pytest.raises(StoreError), inbox.recording():  # noqa: PT012
        inbox.append(EVENTS, events("a"))
        raise StoreError("The disk is full.")
    assert inbox.count(EVENTS) == 0
    assert inbox.append(EVENTS, events("b"))
    assert inbox.lake.count(EVENTS) == 1  # recording is over


def test_a_message_that_lies_in_the_inbox_is_refused(inbox: Inbox) -> None:
    with inbox.recording():
        inbox.append(EVENTS, events("a"))
    with pytest.raises(IntegrityError), inbox.recording():
        inbox.append(EVENTS, events("b", "a"))
    assert seen(inbox, EVENTS, "event_id") == ["a"]


def test_the_mover_takes_pieces(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOVED", 3)
    for start in range(0, 10, 5):
        with inbox.recording():
            inbox.append(EVENTS, events(*(f"{n}" for n in range(start, start + 5))))
            inbox.append(ORDER_LINES, lines(f"l{start}"))
    assert inbox.move() == 12
    assert seen(inbox, EVENTS, "event_id") == [f"{n}" for n in range(10)]
    assert inbox.lake.applied(EVENTS, "mover") == 12


class Killed(BaseException):
    """Nothing in the program knows this."""


class Dying:
    """A store that dies before or after one of its next steps."""

    def __init__(self, store: Any, clock: list[int]) -> None:
        self._store, self._clock = store, clock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("append", "insert", "put", "delete"):
            return method

        def around(*arguments: Any, **named: Any) -> Any:
            self._step()
            answer = method(*arguments, **named)
            self._step()
            return answer

        return around

    def _step(self) -> None:
        self._clock[0] -= 1
        if self._clock[0] == 0:
            raise Killed


def record(inbox: Inbox, ids: list[int]) -> None:
    """As the intake does it: what is known is left out, in the lake and in the inbox."""
    with inbox.recording():
        for table, make, key in ((EVENTS, events, "event_id"), (ORDER_LINES, lines, "line_id")):
            known = set(inbox.source(table)[key].to_pylist())  # type: ignore[index]
            fresh = [f"{each}" for each in dict.fromkeys(ids) if f"{each}" not in known]
            mine = [each for each in fresh if (int(each) % 3 == 0) == (table is ORDER_LINES)]
            inbox.append(table, make(*mine))


steps = st.lists(
    st.tuples(
        st.one_of(st.none(), st.lists(st.integers(0, 12), max_size=5)),  # move, or record these
        st.integers(0, 9),  # the step at which it is killed; 0: not at all
        st.booleans(),  # whether the killed step is repeated
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_each_message_is_there_exactly_once_whatever_is_killed_and_repeated(
    taken: list[tuple[list[int] | None, int, bool]],
) -> None:
    ledger, lake = MemoryLedger(), MemoryLake()
    lake.create(EVENTS, ORDER_LINES)
    acknowledged: set[int] = set()
    tried: set[int] = set()
    for ids, at, repeated in taken:
        act: Callable[[Inbox], object] = (lambda box, ids=ids: record(box, ids)) if ids is not None else Inbox.move  # type: ignore[misc]
        tried |= set(ids or ())
        for clock in ([at], [0]) if repeated else ([at],):
            box = Inbox(Dying(lake, clock), Dying(ledger, clock), Path())  # type: ignore[arg-type]
            try:
                act(box)
            except Killed:
                continue
            acknowledged |= set(ids or ())
            break
        box = Inbox(lake, ledger, Path())
        now = [*box.source(EVENTS)["event_id"].to_pylist(), *box.source(ORDER_LINES)["line_id"].to_pylist()]  # type: ignore[index]
        assert len(now) == len(set(now))
        assert {f"{each}" for each in acknowledged} <= set(now) <= {f"{each}" for each in tried}
        assert box.count(EVENTS) + box.count(ORDER_LINES) == len(now)
    Inbox(lake, ledger, Path("nowhere")).move()
    found = [*lake.source(EVENTS)["event_id"].to_pylist(), *lake.source(ORDER_LINES)["line_id"].to_pylist()]  # type: ignore[index]
    assert sorted(found) == sorted(now if taken else [])
    assert ledger.read(INBOX).num_rows == 0
