"""What every lake does, whatever keeps it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from coterie.errors import ParameterError, StoreError
from coterie.schema import TIME, Table
from coterie.store.lake import DeltaLake, MemoryLake
from coterie.store.ports import Commit, Lake
from coterie.store.warehouse import Warehouse

CLICKS = Table(
    "clicks",
    pa.schema(
        [
            ("id", pa.string()),
            ("subject", pa.int64()),
            ("occurred_at", TIME),
            ("amount", pa.float64()),
            ("good", pa.bool_()),
            ("raw", pa.binary()),
        ]
    ),
    ("id",),
    "Clicks of a test.",
    subject="subject",
)
PLACES = Table("places", pa.schema([("name", pa.string()), ("size", pa.int32())]), ("name",), "Places of a test.")


@pytest.fixture(params=["delta", "delta in an odd place", "memory"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    odd = {"delta": "lake", "delta in an odd place": "shop=1/Zoë's #1 lake?*"}
    made: Lake = DeltaLake(tmp_path / odd[request.param]) if request.param in odd else MemoryLake()
    made.create(CLICKS, PLACES)
    return made


def clicks(*subjects: int | None, day: int = 0) -> pa.Table:
    at = datetime(2026, 1, 1, 0, 0, 0, 1) + timedelta(days=day)
    return CLICKS.rows(
        [
            {
                "id": f"{day}-{n}",
                "subject": subject,
                "occurred_at": at,
                "amount": n / 3,
                "good": n % 2 == 0,
                "raw": b"\0",
            }
            for n, subject in enumerate(subjects)
        ]
    )


def rows(lake: Lake, table: Table = CLICKS) -> pa.Table:
    """What a reader sees, in the order of the key."""
    with Warehouse(lake, threads=1) as warehouse:
        warehouse.attach_tables(table)
        assert warehouse.query(f"FROM {table.name}").schema.names == table.schema.names
        return warehouse.query(f"FROM {table.name} ORDER BY {', '.join(table.key)}")


def test_a_new_table_is_empty_and_typed(lake: Lake) -> None:
    assert lake.tables() == ["clicks", "places"]
    assert lake.source(CLICKS).equals(CLICKS.empty())  # type: ignore[union-attr]
    assert lake.count(CLICKS) == 0
    assert lake.applied(CLICKS, "import-1") is None
    assert rows(lake).schema == CLICKS.schema


def test_appended_rows_come_back_as_they_were(lake: Lake) -> None:
    first, second = clicks(5, None, -1), clicks(2**63 - 1, 5, day=1)
    assert lake.append(CLICKS, first)
    assert lake.append(CLICKS, second.select(CLICKS.schema.names[::-1]))
    assert lake.count(CLICKS) == 5
    assert rows(lake).equals(pa.concat_tables([first, second]))
    assert lake.count(PLACES) == 0


def test_every_commit_changes_the_version(lake: Lake) -> None:
    versions = [lake.version(CLICKS)]
    for change in (
        lambda: lake.append(CLICKS, clicks(1)),
        lambda: lake.append(CLICKS, clicks(2, day=1)),
        lambda: lake.append(CLICKS, CLICKS.empty(), Commit("import-1", 0)),
        lambda: lake.compact(CLICKS),
        lambda: lake.delete(CLICKS, "subject", [1]),
    ):
        change()
        versions.append(lake.version(CLICKS))
    assert versions == sorted(set(versions))
    lake.create(CLICKS)
    assert lake.version(CLICKS) == versions[-1]


def test_what_was_added_since_a_version_can_be_told_until_rows_are_removed(lake: Lake) -> None:
    def added(since: int) -> list[int] | None:
        found = lake.appended(CLICKS, since)
        if found is None:
            return None
        with Warehouse(threads=1) as warehouse:
            warehouse.attach("found", found)
            return warehouse.query("SELECT subject FROM found ORDER BY subject")["subject"].to_pylist()

    lake.append(CLICKS, clicks(1, 2))
    begun = lake.version(CLICKS)
    assert added(begun) == []
    lake.append(CLICKS, clicks(3, day=1))
    middle = lake.version(CLICKS)
    lake.append(CLICKS, clicks(4, 5, day=2), Commit("import-1", 1))
    assert added(begun) == [3, 4, 5]
    assert added(middle) == [4, 5]
    assert added(lake.version(CLICKS) + 1) is None
    lake.compact(CLICKS)
    assert added(middle) in ([4, 5], None)
    before = lake.version(CLICKS)
    lake.append(CLICKS, clicks(6, day=3))
    assert added(before) == [6]
    lake.delete(CLICKS, "subject", [4])
    assert added(before) is None
    assert added(lake.version(CLICKS)) == []
    assert lake.appended(PLACES, lake.version(PLACES)) is not None


def test_a_commit_is_applied_once(lake: Lake) -> None:
    assert lake.append(CLICKS, clicks(1), Commit("import-1", 1))
    assert not lake.append(CLICKS, clicks(1), Commit("import-1", 1))
    assert not lake.append(CLICKS, clicks(1, day=9), Commit("import-1", 0))
    assert lake.append(CLICKS, clicks(2, day=1), Commit("import-1", 5))
    assert lake.append(CLICKS, clicks(3, day=2), Commit("import-2", 0))
    assert lake.append(PLACES, PLACES.rows([{"name": "till"}]), Commit("import-1", 1))
    assert lake.applied(CLICKS, "import-1") == 5
    assert lake.applied(CLICKS, "import-2") == 0
    assert rows(lake)["subject"].to_pylist() == [1, 2, 3]


def test_an_empty_commit_is_remembered(lake: Lake) -> None:
    assert lake.append(CLICKS, CLICKS.empty(), Commit("import-1", 3))
    assert not lake.append(CLICKS, clicks(1), Commit("import-1", 3))
    assert lake.append(CLICKS, CLICKS.empty())
    assert lake.count(CLICKS) == 0


def test_deleted_rows_are_gone_and_others_stay(lake: Lake) -> None:
    lake.append(CLICKS, clicks(1, 2, None, 3), Commit("import-1", 0))
    lake.append(CLICKS, clicks(2, 2, day=1))
    lake.append(CLICKS, clicks(4, day=2))
    assert lake.delete(CLICKS, "subject", [2, 4, 99, 2]) == 4
    assert rows(lake).equals(clicks(1, 2, None, 3).take([0, 2, 3]))
    assert lake.delete(CLICKS, "subject", [2]) == 0
    assert lake.delete(CLICKS, "subject", []) == 0
    assert lake.applied(CLICKS, "import-1") == 0
    assert lake.delete(CLICKS, "subject", [1, 3]) == 2
    assert rows(lake)["subject"].to_pylist() == [None]


def test_rows_are_deleted_by_several_columns_together(lake: Lake) -> None:
    cells = Table(
        "cells",
        pa.schema([("x", pa.int64()), ("y", pa.int32()), ("marks", pa.list_(pa.field("element", pa.float64())))]),
        ("x", "y"),
        "Cells of a test.",
    )
    lake.create(cells)
    for x in (1, 2):
        lake.append(cells, cells.rows([{"x": x, "y": y, "marks": [1.0, None]} for y in (1, 2, None)]))
    doomed = pa.table({"x": [1, 2, 2, 9], "y": [2, 1, 1, 9]})
    assert lake.delete_rows(cells, doomed) == 2
    assert lake.delete_rows(cells, doomed) == 0
    assert lake.delete_rows(cells, doomed.slice(0, 0)) == 0
    with Warehouse(lake) as warehouse:
        warehouse.attach_tables(cells)
        left = warehouse.query("SELECT x, y FROM cells ORDER BY ALL").to_pylist()
    assert [(row["x"], row["y"]) for row in left] == [(1, 1), (1, None), (2, 2), (2, None)]
    for columns in (["x", "marks"], ["z"], []):
        with pytest.raises(ParameterError, match="integer column"):
            lake.delete_rows(cells, pa.table({name: [1] for name in columns}))


def test_a_table_can_be_emptied_and_filled_again(lake: Lake) -> None:
    lake.append(CLICKS, clicks(1, 2))
    assert lake.delete(CLICKS, "subject", range(1000)) == 2
    assert lake.source(CLICKS).equals(CLICKS.empty())  # type: ignore[union-attr]
    lake.append(CLICKS, clicks(3))
    assert rows(lake)["subject"].to_pylist() == [3]


@pytest.mark.parametrize("column", ["id", "amount", "colour"])
def test_only_integer_columns_choose_what_is_deleted(lake: Lake, column: str) -> None:
    with pytest.raises(ParameterError, match=column):
        lake.delete(CLICKS, column, [1])


def test_compaction_changes_no_row(lake: Lake) -> None:
    for day in range(6):
        lake.append(CLICKS, clicks(9 - day, None, 3, day=day), Commit("import-1", day))
    before = rows(lake)
    lake.compact(CLICKS)
    assert rows(lake).equals(before)
    assert lake.count(CLICKS) == 18
    assert lake.applied(CLICKS, "import-1") == 5
    lake.append(CLICKS, clicks(7, day=7))
    assert lake.delete(CLICKS, "subject", [3]) == 6
    lake.compact(CLICKS)
    assert rows(lake)["subject"].to_pylist() == [9, None, 8, None, 7, None, 6, None, 5, None, 4, None, 7]


def test_a_table_without_subjects_is_compacted_by_its_key(lake: Lake) -> None:
    for name in "cab":
        lake.append(PLACES, PLACES.rows([{"name": name, "size": 1}]))
    lake.compact(PLACES)
    with Warehouse(lake) as warehouse:
        warehouse.attach_tables(PLACES)
        assert warehouse.query("FROM places")["name"].to_pylist() == ["a", "b", "c"]
    lake.compact(CLICKS)
    assert lake.count(CLICKS) == 0


def test_other_columns_are_named(lake: Lake) -> None:
    changed = Table("places", pa.schema([("name", pa.int64()), ("more", TIME)]), ("name",), "Changed.")
    for use in (lake.create, lake.source, lake.count, lambda table: lake.append(table, table.empty())):
        with pytest.raises(StoreError, match=r"more is missing; size is not known; name is string, not int64"):
            use(changed)
    with pytest.raises(StoreError, match="no table 'nowhere'"):
        lake.count(Table("nowhere", PLACES.schema, ("name",), "Never made."))
    with pytest.raises(StoreError, match="lacks size and has colour"):
        lake.append(PLACES, pa.table({"name": ["a"], "colour": ["red"]}))
    assert lake.count(PLACES) == 0


WIDER = Table(
    "clicks",
    pa.schema(
        [
            ("id", pa.string()),
            ("campaign", pa.string()),
            ("subject", pa.int64()),
            ("occurred_at", TIME),
            ("amount", pa.float64()),
            ("good", pa.bool_()),
            ("raw", pa.binary()),
            ("cents", pa.int64()),
            ("expires_at", TIME),
        ]
    ),
    ("id",),
    "Clicks of a later layout.",
    subject="subject",
)


@pytest.mark.parametrize("filled", [True, False])
def test_a_table_of_an_older_layout_gets_the_columns_it_lacks(lake: Lake, filled: bool) -> None:
    if filled:
        lake.append(CLICKS, clicks(1, 2, None), Commit("import-1", 0))
        lake.append(CLICKS, clicks(3, day=1), Commit("import-1", 1))
    before = rows(lake)
    for _ in range(2):
        lake.extend(WIDER, PLACES)
        with pytest.raises(StoreError, match="other columns"):
            lake.count(CLICKS)
        found = rows(lake, WIDER)
        assert found.select(CLICKS.schema.names).equals(before)
        assert all(found[name].null_count == before.num_rows for name in ("campaign", "cents", "expires_at"))
    assert lake.applied(WIDER, "import-1") == (1 if filled else None)
    more = WIDER.rows([{"id": "new", "subject": 2, "campaign": "spring", "cents": 5}])
    assert lake.append(WIDER, more, Commit("import-1", 2))
    assert rows(lake, WIDER).filter(pc.field("id") == "new").equals(more)
    assert lake.delete(WIDER, "subject", [2]) == (2 if filled else 1)
    lake.compact(WIDER)
    left = rows(lake, WIDER)
    assert left["subject"].to_pylist() == ([1, None, 3] if filled else [])
    assert left["cents"].null_count == left.num_rows


def test_extending_refuses_what_is_no_later_layout(lake: Lake) -> None:
    changed = Table("places", pa.schema([("name", pa.string()), ("size", pa.int64())]), ("name",), "Changed.")
    fewer = Table("places", pa.schema([("name", pa.string())]), ("name",), "Fewer.")
    for table, said in ((changed, "size is int32, not int64"), (fewer, "size is not known")):
        with pytest.raises(StoreError, match=said):
            lake.extend(table)
    fresh = Table("fresh", PLACES.schema, ("name",), "Not there before.")
    lake.extend(fresh)
    assert lake.count(fresh) == 0
