"""The Delta tables of the lake and their files: crashes, damage, other writers, bytes on the disk, order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie.errors import IntegrityError, StoreError
from coterie.schema import TIME, Table
from coterie.store.lake import DeltaLake
from coterie.store.ports import Commit
from coterie.store.warehouse import Warehouse

FACTS = Table(
    "facts",
    pa.schema([("id", pa.string()), ("subject", pa.int64()), ("occurred_at", TIME), ("text", pa.string())]),
    ("id",),
    "Facts of a test.",
    subject="subject",
)

WRITER = """
    import sys, pyarrow as pa
    from coterie.schema import TIME, Table
    from coterie.store.lake import DeltaLake
    from coterie.store.ports import Commit
    schema = pa.schema([("id", pa.string()), ("subject", pa.int64()), ("occurred_at", TIME), ("text", pa.string())])
    facts = Table("facts", schema, ("id",), "Facts of a test.", subject="subject")
    lake = DeltaLake("lake")
    lake.create(facts)

    def some(n, size):
        return pa.table({"id": [f"{n}-{i}" for i in range(size)], "subject": range(size),
                         "occurred_at": pa.array(range(size), TIME), "text": ["x" * 50] * size})
    """


def facts(count: int, seed: int = 0, people: int = 200) -> pa.Table:
    draw = np.random.default_rng(seed)
    subject = draw.choice(np.random.default_rng(99).integers(1, 2**63, people), count)
    return pa.table(
        {
            "id": [f"{seed}-{n}" for n in range(count)],
            "subject": subject,
            "occurred_at": pa.array(draw.integers(0, 2 * 10**15, count), pa.int64()).cast(TIME),
            "text": [f"<{key}>" for key in subject],
        }
    )


@pytest.fixture
def lake(tmp_path: Path) -> DeltaLake:
    made = DeltaLake(tmp_path / "lake", file_bytes=20_000)
    made.create(FACTS)
    return made


def log(lake: DeltaLake) -> list[dict[str, dict[str, object]]]:
    files = sorted((lake.folder / "facts" / "_delta_log").glob("*.json"))
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def test_a_lake_is_found_again(lake: DeltaLake) -> None:
    lake.append(FACTS, facts(10), Commit("import-1", 4))
    again = DeltaLake(lake.folder)
    assert again.tables() == ["facts"]
    assert again.count(FACTS) == 10
    assert again.applied(FACTS, "import-1") == 4


def test_compaction_gives_each_file_a_range_of_subjects_of_its_own(
    lake: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.store.lake.GROUP_ROWS", 2048)
    for seed in range(5):
        lake.append(FACTS, facts(3000, seed))
    lake.compact(FACTS)
    files = lake.source(FACTS)
    assert isinstance(files, list)
    assert len(files) > 3
    parts = [pq.read_table(file) for file in files]
    pairs = [list(zip(p["subject"].to_pylist(), p["occurred_at"].to_pylist(), strict=True)) for p in parts]
    assert all(part == sorted(part) for part in pairs)
    ordered = sorted(pairs)
    assert all(left[-1] <= right[0] for left, right in pairwise(ordered))
    version = lake.version(FACTS)
    lake.compact(FACTS)
    assert lake.version(FACTS) == version


def test_the_log_tells_extremes_of_times_and_neither_text_nor_subjects(lake: DeltaLake) -> None:
    rows = facts(1000)
    lake.append(FACTS, rows)
    lake.compact(FACTS)
    added = [json.loads(entry["add"]["stats"]) for entry in log(lake) if "add" in entry]  # type: ignore[arg-type]
    assert len(added) >= 1
    assert all(set(stats["minValues"]) == set(stats["maxValues"]) == {"occurred_at"} for stats in added)
    assert added[0]["numRecords"] == 1000
    assert datetime.fromisoformat(added[0]["minValues"]["occurred_at"]) == min(rows["occurred_at"].to_pylist())


def test_the_log_of_a_table_with_several_subjects_tells_none_of_them(tmp_path: Path) -> None:
    schema = pa.schema([("one", pa.int64()), ("other", pa.int64()), ("size", pa.int64())])
    pairs = Table("pairs", schema, ("one",), "Pairs.", subject="one", properties={"subjects": ("one", "other")})
    lake = DeltaLake(tmp_path)
    lake.create(pairs)
    lake.append(pairs, pa.table({"one": [7_777_777], "other": [8_888_888], "size": [3]}))
    lake.append(pairs, pa.table({"one": [1], "other": [2], "size": [4]}))
    lake.delete(pairs, "one", [1])
    told = b"".join(path.read_bytes() for path in (tmp_path / "pairs" / "_delta_log").iterdir())
    assert b"7777777" not in told
    assert b"8888888" not in told


def test_after_a_deletion_the_log_tells_nothing_of_the_rows_that_are_gone(lake: DeltaLake) -> None:
    """The newest purchase was the forgotten one's alone: its time stands as an extreme until then."""
    lake.append(FACTS, facts(500), Commit("import-1", 4))
    lonely = facts(1, 7).set_column(2, "occurred_at", pa.array([datetime(2039, 5, 6, 7, 8, 9, 101112)], TIME))
    lake.append(FACTS, lonely, Commit("import-1", 5))
    lake.append(FACTS, facts(500, 1))

    def telling() -> list[str]:
        folder = lake.folder / "facts" / "_delta_log"
        return [path.name for path in folder.iterdir() if b"2039-05-06T07:08:09.101112" in path.read_bytes()]

    assert telling() != []
    assert lake.delete(FACTS, "subject", lonely["subject"].to_pylist()) >= 1
    assert telling() == []
    assert len(list((lake.folder / "facts" / "_delta_log").glob("*.json"))) == 1
    again = DeltaLake(lake.folder)
    assert again.applied(FACTS, "import-1") == 5
    assert again.append(FACTS, facts(10, 3), Commit("import-1", 6))
    assert again.count(FACTS) == lake.count(FACTS)


def test_deleted_rows_are_in_no_file(lake: DeltaLake) -> None:
    def holding(subject: int) -> list[Path]:
        """Name the files, live or not, that hold a subject's rows, and the log's entries that hold its text."""
        files = [path for path in lake.folder.rglob("*") if path.is_file()]
        tables = [path for path in files if path.suffix == ".parquet" and path.parent.name != "_delta_log"]
        found = [path for path in tables if subject in pq.read_table(path)["subject"].to_pylist()]
        return found + [path for path in files if f"<{subject}>".encode() in path.read_bytes()]

    for seed in range(4):
        lake.append(FACTS, facts(500, seed))
    lake.compact(FACTS)  # leaves the files that it replaced for an hour
    lake.append(FACTS, facts(500, 5))
    gone, stays = facts(1)["subject"][0].as_py(), facts(2)["subject"][1].as_py()
    assert len(holding(gone)) > 4
    before = lake.count(FACTS)
    assert before - lake.delete(FACTS, "subject", [gone]) == lake.count(FACTS) < before
    assert holding(gone) == []
    assert len(holding(stays)) > 0
    assert not list(lake.folder.glob(".spill/*"))


def test_a_file_that_never_was_live_goes_with_the_next_deletion(lake: DeltaLake) -> None:
    lake.append(FACTS, facts(10))
    orphan = lake.folder / "facts" / "fresh-left-by-a-killed-writer.parquet"
    pq.write_table(facts(10, 1), orphan)
    lake.delete(FACTS, "subject", [12345])
    assert not orphan.exists()
    assert lake.count(FACTS) == 10


def test_open_readers_outlive_appends_and_compaction(lake: DeltaLake) -> None:
    lake.append(FACTS, facts(500, 1))
    with Warehouse(lake) as warehouse:
        warehouse.attach_tables(FACTS)
        lake.append(FACTS, facts(500, 2))
        lake.compact(FACTS)
        assert warehouse.query("SELECT count(*) AS n FROM facts")["n"].to_pylist() == [500]
        warehouse.attach_tables(FACTS)
        assert warehouse.query("SELECT count(*) AS n FROM facts")["n"].to_pylist() == [1000]


@pytest.mark.parametrize("text_only", [True, False])
def test_a_table_of_text_alone_and_a_column_with_an_odd_name(tmp_path: Path, text_only: bool) -> None:
    names = ["name"] if text_only else ['a "b", c', "select", "Größe"]
    kind = pa.string() if text_only else pa.int64()
    table = Table("odd", pa.schema([(name, kind) for name in names]), (names[0],), "Odd.")
    lake = DeltaLake(tmp_path)
    lake.create(table)
    for _ in range(2):
        lake.append(table, table.rows([dict.fromkeys(names, "x" if text_only else 7)]))
    lake.compact(table)
    if not text_only:
        lake.append(table, table.rows([dict.fromkeys(names, 8)]))
        assert lake.delete(table, names[0], [7]) == 2
    assert lake.count(table) == (2 if text_only else 1)


def test_a_truncated_or_missing_file_is_told(lake: DeltaLake) -> None:
    lake.append(FACTS, facts(100))
    (file,) = lake.source(FACTS)
    content = Path(file).read_bytes()
    Path(file).write_bytes(content[:-7])
    with pytest.raises(
        IntegrityError, match=rf"'facts' is damaged: .*{Path(file).name} has {len(content) - 7:,} bytes"
    ):
        lake.source(FACTS)
    Path(file).unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        lake.source(FACTS)


def test_bytes_changed_inside_a_file_are_told_by_the_query(lake: DeltaLake) -> None:
    lake.append(FACTS, facts(5000))
    for file in lake.source(FACTS):
        content = Path(file).read_bytes()  # type: ignore[arg-type]
        Path(file).write_bytes(content[:100] + bytes(len(content) - 200) + content[-100:])  # type: ignore[arg-type]

    def look(warehouse: Warehouse) -> None:
        warehouse.attach_tables(FACTS)
        warehouse.query("SELECT max(text), sum(subject) FROM facts")

    with Warehouse(lake) as warehouse, pytest.raises(StoreError, match=Path(file).name):
        look(warehouse)


def test_a_broken_log_is_told(lake: DeltaLake) -> None:
    lake.append(FACTS, facts(10))
    newest = max((lake.folder / "facts" / "_delta_log").glob("*.json"))
    newest.write_bytes(newest.read_bytes()[:50])
    with pytest.raises(StoreError, match="Cannot read table 'facts'"):
        lake.count(FACTS)


@pytest.mark.parametrize("character", "%[]^|\\\n")
def test_a_folder_that_delta_cannot_use_is_refused(tmp_path: Path, character: str) -> None:
    with pytest.raises(StoreError, match="choose a folder"):
        DeltaLake(tmp_path / f"a{character}b")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="Cannot make table 'facts'"):
        DeltaLake(tmp_path / "file").create(FACTS)


def test_a_full_disk_loses_nothing_and_leaves_no_half_file(tmp_path: Path, run: Callable) -> None:
    writer = run(
        WRITER
        + """
    import resource
    from coterie.errors import StoreError
    lake.append(facts, some(1, 10))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        lake.append(facts, some(2, 100_000), Commit("import-1", 1))
    except StoreError as error:
        print(error)
    print(lake.append(facts, some(3, 10), Commit("import-1", 1)))
    """
    )
    said, trouble = writer.communicate()
    assert trouble == ""
    assert "Cannot write to table 'facts'" in said
    assert said.splitlines()[-1] == "True"
    lake = DeltaLake(tmp_path / "lake")
    assert lake.count(FACTS) == 20
    assert len(list((lake.folder / "facts").glob("*.parquet"))) == 2


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
def test_a_killed_append_is_there_whole_or_not_at_all_and_can_be_repeated(
    tmp_path: Path, run: Callable, seconds: float
) -> None:
    writer = run(
        WRITER
        + """
    for n in range(10_000):
        lake.append(facts, some(n, 1000), Commit("import", n))
        print(n, flush=True)
    """
    )
    first = writer.stdout.readline()
    time.sleep(seconds)
    writer.kill()
    acknowledged = len((first + writer.communicate()[0]).splitlines())
    lake = DeltaLake(tmp_path / "lake")
    last = lake.applied(FACTS, "import")
    assert last is not None
    assert last >= acknowledged - 1
    assert lake.count(FACTS) == 1000 * (last + 1)
    assert not lake.append(FACTS, facts(1000), Commit("import", last))
    assert lake.append(FACTS, facts(1000), Commit("import", last + 1))
    with Warehouse(lake) as warehouse:
        warehouse.attach_tables(FACTS)
        assert warehouse.query("SELECT count(*) AS n FROM facts")["n"].to_pylist() == [1000 * (last + 2)]


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_a_killed_compaction_or_deletion_changes_nothing_else(tmp_path: Path, run: Callable, seconds: float) -> None:
    writer = run(
        WRITER
        + """
    for n in range(4):
        lake.append(facts, some(n, 50_000))
    print("go", flush=True)
    for n in range(1_000):
        lake.compact(facts)
        lake.delete(facts, "subject", [n])
        print(n, flush=True)
    """
    )
    assert writer.stdout.readline() == "go\n"
    time.sleep(seconds)
    writer.kill()
    deleted = len(writer.communicate()[0].splitlines())
    lake = DeltaLake(tmp_path / "lake")
    assert lake.count(FACTS) in (200_000 - 4 * deleted, 200_000 - 4 * deleted - 4)
    lake.delete(FACTS, "subject", range(deleted + 1))
    lake.compact(FACTS)
    with Warehouse(lake) as warehouse:
        warehouse.attach_tables(FACTS)
        found = warehouse.query("SELECT count(*) AS n, min(subject) AS low FROM facts").to_pylist()
    assert found == [{"n": 200_000 - 4 * (deleted + 1), "low": deleted + 1}]
    live = {Path(file).name for file in lake.source(FACTS)}
    lake.delete(FACTS, "subject", [-1])
    assert {path.name for path in (lake.folder / "facts").glob("*.parquet")} == live


def test_two_writers_keep_each_other_s_rows(lake: DeltaLake) -> None:
    """The lease keeps writers apart; should that fail, Delta's own check still loses nothing."""
    lake.append(FACTS, facts(500, 1))
    lake.append(FACTS, facts(500, 2))
    other = DeltaLake(lake.folder)
    open_ = lake._open

    def overtaken(table: Table) -> object:
        delta = open_(table)
        lake._open = open_  # type: ignore[method-assign]
        other.append(FACTS, facts(500, 3), Commit("import", 1))
        return delta

    lake._open = overtaken  # type: ignore[assignment,method-assign]
    lake.compact(FACTS)
    assert lake.count(FACTS) == 1500
    lake._open = overtaken  # type: ignore[assignment,method-assign]
    assert lake.append(FACTS, facts(500, 4))
    assert lake.count(FACTS) == 2000
    subject = facts(1)["subject"][0].as_py()

    def overtaken_by_a_deletion(table: Table) -> object:
        delta = open_(table)
        lake._open = open_  # type: ignore[method-assign]
        other.delete(FACTS, "subject", [subject])
        return delta

    lake._open = overtaken_by_a_deletion  # type: ignore[assignment,method-assign]
    lake.compact(FACTS)
    with Warehouse(lake) as warehouse:
        warehouse.attach_tables(FACTS)
        found = warehouse.query("SELECT count(*) AS n FROM facts WHERE subject = ?", [subject])
    assert found["n"].to_pylist() == [0]


def test_a_torn_log_is_said_in_one_line(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.create(FACTS)
    log = max((tmp_path / "facts" / "_delta_log").glob("*.json"))
    log.write_bytes(log.read_bytes()[:30])
    with pytest.raises(StoreError, match="'facts'") as refused:
        DeltaLake(tmp_path).source(FACTS)
    assert "\n" not in refused.value.message


@pytest.mark.slow
def test_readers_see_whole_states_while_another_process_appends_compacts_and_deletes(
    tmp_path: Path, run: Callable
) -> None:
    """Each append brings 5,000 rows of 100 subjects, each deletion takes one subject from all: 50 of each append."""
    lake = DeltaLake(tmp_path / "lake")
    lake.create(FACTS)
    rows = {"id": ["x"] * 5000, "subject": [n % 100 for n in range(5000)]}
    batch = pa.table({**rows, "occurred_at": pa.array(range(5000), TIME), "text": ["y" * 40] * 5000})
    lake.append(FACTS, batch)
    reader = """
    import sys
    from pathlib import Path
    from coterie.store.warehouse import Warehouse
    print("go", flush=True)
    with Warehouse(lake, threads=1) as warehouse:
        warehouse.attach("listed", lake.source(facts))
        warehouse.attach_tables(facts)
        while not Path("stop").exists():
            for name in ("facts", "listed"):
                sql = f"SELECT count(*) AS n, count(DISTINCT subject) AS people, max(text) AS text FROM {name}"
                print(*[value for value in warehouse.query(sql).to_pylist()[0].values()][:2], flush=True)
            if sys.argv[1] == "again":
                warehouse.attach_tables(facts)
    """
    readers = [run(WRITER + reader, how) for how in ("again", "once")]
    for process in readers:
        assert process.stdout.readline() == "go\n"
    deleted = 0
    for turn in range(8):
        lake.append(FACTS, batch.filter(pc.greater_equal(batch["subject"], deleted)))
        if turn % 2:
            lake.compact(FACTS)
        if turn % 3:
            assert lake.delete(FACTS, "subject", [deleted]) == 50 * (turn + 2)
            deleted += 1
    (tmp_path / "stop").touch()
    for process in readers:
        said, trouble = process.communicate()
        assert trouble == ""
        seen = [tuple(map(int, line.split())) for line in said.splitlines()]
        assert len(seen) > 1
        assert all(rows % (50 * people) == 0 and 100 - deleted <= people <= 100 for rows, people in seen)
    assert lake.count(FACTS) == 9 * 50 * (100 - deleted)


def test_many_small_appends_stay_quick_to_open_and_become_few_sorted_files(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    lake.create(FACTS)
    rows = facts(12_000)
    for n in range(120):
        lake.append(FACTS, rows.slice(n * 100, 100), Commit("import-1", n))
    assert len(lake.source(FACTS)) == 120
    # The log has summaries of its own, so that opening a table reads a part of it.
    assert list((tmp_path / "facts" / "_delta_log").glob("*.checkpoint*.parquet"))
    lake.compact(FACTS)
    (file,) = lake.source(FACTS)
    found = pq.read_table(file)
    assert found.equals(rows.sort_by([("subject", "ascending"), ("occurred_at", "ascending"), ("id", "ascending")]))
    assert lake.applied(FACTS, "import-1") == 119
