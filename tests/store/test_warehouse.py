"""The warehouse: what it reads, what it says when it fails, how it stops."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot

from coterie.errors import DataError, StoreError
from coterie.schema import TIME, Table
from coterie.store.warehouse import Warehouse

NUMBERS = pa.table({"n": range(10), "name": [f"n{n}" for n in range(10)]})


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse(threads=2) as made:
        yield made


def values(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_arrow_tables_come_back_as_they_were(warehouse: Warehouse) -> None:
    rows = pa.table(
        {
            "a": pa.array([1, None], pa.int64()),
            "b": pa.array([1.5, None]),
            "c": pa.array(["x", None]),
            "d": pa.array([datetime(2026, 1, 1, 2, 3, 4, 5), None], TIME),
            "e": pa.array([True, None]),
            "f": pa.array([b"\0", None]),
            "g": pa.array([[1, 2], None], pa.list_(pa.int64())),
        }
    )
    warehouse.attach("odd name; --", rows)
    assert warehouse.query('FROM "odd name; --"').cast(rows.schema).equals(rows)
    warehouse.attach("empty", rows.slice(0, 0))
    assert warehouse.query("FROM empty").num_rows == 0
    assert warehouse.query("FROM empty").schema.types[:6] == rows.schema.types[:6]


def test_files_are_matched_by_name_and_folders_name_no_columns(tmp_path: Path, warehouse: Warehouse) -> None:
    folder = tmp_path / "year=2026" / "it's [1] *? \N{SNOWMAN}"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), folder / "1.parquet")
    pq.write_table(pa.table({"c": [True], "a": [2]}), folder / "2.parquet")
    warehouse.attach("files", [folder / "1.parquet", str(folder / "2.parquet")])
    assert warehouse.query("FROM files ORDER BY a").to_pylist() == [
        {"a": 1, "b": "x", "c": None},
        {"a": 2, "b": None, "c": True},
    ]
    with pytest.raises(StoreError, match="list of files is empty"):
        warehouse.attach("none", [])
    with pytest.raises(StoreError, match=r"3\.parquet"):
        warehouse.attach("lost", [folder / "3.parquet"])


def test_a_name_is_taken_over_by_what_comes_last(tmp_path: Path, warehouse: Warehouse) -> None:
    pq.write_table(pa.table({"n": [-1]}), tmp_path / "1.parquet")
    seen = []
    for _ in range(2):
        for show in (
            lambda: warehouse.attach("Thing", NUMBERS),
            lambda: warehouse.attach("thing", [tmp_path / "1.parquet"]),
            lambda: warehouse.view("thing", "SELECT 7 AS n"),
            lambda: warehouse.temporary("thing", NUMBERS.slice(3)),
        ):
            show()
            seen.append(warehouse.query("SELECT min(n)::BIGINT AS low FROM thing")["low"][0].as_py())
    assert seen == [0, -1, 7, 3] * 2
    warehouse.drop("thing")
    warehouse.drop("thing")
    assert warehouse.names() == []


def test_a_temporary_table_ends_with_its_block(warehouse: Warehouse) -> None:
    with warehouse.temporary("spine", NUMBERS) as name:
        assert values(warehouse.query(f"SELECT count(*) FROM {name}")) == [(10,)]
    with pytest.raises(StoreError, match="spine"):
        warehouse.query("FROM spine")


def test_queries_are_text_or_trees_with_parameters(warehouse: Warehouse) -> None:
    warehouse.attach("numbers", NUMBERS)
    tree = sqlglot.select("n").from_("numbers").where("n > 7").order_by("n")
    assert values(warehouse.query(tree)) == [(8,), (9,)]
    warehouse.view("big", tree)
    assert values(warehouse.query("SELECT n FROM big WHERE n <> ? ORDER BY n", [8])) == [(9,)]
    assert values(warehouse.query("SELECT n FROM numbers WHERE name = $name", {"name": "n4"})) == [(4,)]
    assert warehouse.query("SELECT n FROM numbers WHERE n = ?", [77]).schema.types == [pa.int64()]
    warehouse.execute("CREATE TABLE made AS SELECT n FROM numbers WHERE n < ?", [3])
    assert values(warehouse.query("SELECT sum(n)::BIGINT FROM made")) == [(3,)]
    reader = warehouse.stream("SELECT n FROM numbers WHERE n > ? ORDER BY n", parameters=[6])
    assert reader.read_all()["n"].to_pylist() == [7, 8, 9]


def test_a_variable_of_the_caller_is_no_table(warehouse: Warehouse) -> None:
    rows = NUMBERS
    assert rows.num_rows == 10
    with pytest.raises(StoreError, match="rows"):
        warehouse.query("FROM rows")


def test_a_stream_is_read_while_other_queries_run(warehouse: Warehouse) -> None:
    warehouse.attach("numbers", pa.table({"n": range(100_000)}))
    reader = warehouse.stream("SELECT n FROM numbers ORDER BY n", rows=10_000)
    total, batches = 0, 0
    for batch in reader:
        assert warehouse.query("SELECT 1 AS one")["one"].to_pylist() == [1]
        warehouse.attach("other", NUMBERS)
        total, batches = total + sum(batch["n"].to_pylist()), batches + 1
    assert total == sum(range(100_000))
    assert batches > 3
    abandoned = warehouse.stream("FROM numbers", rows=1000)
    assert abandoned.read_next_batch().num_rows > 0
    del abandoned
    assert values(warehouse.query("SELECT count(*) FROM numbers")) == [(100_000,)]


def test_a_failure_in_the_middle_of_a_stream_is_ours(warehouse: Warehouse) -> None:
    warehouse.attach("words", pa.table({"word": [*map(str, range(300_000)), "anna@example.com"]}))
    with pytest.raises(DataError, match="SQL: SELECT word::BIGINT") as caught:
        warehouse.stream("SELECT word::BIGINT AS n FROM words", rows=10_000).read_all()
    assert "anna" not in str(caught.value)


def test_failed_sql_is_in_the_message_and_values_are_not(warehouse: Warehouse) -> None:
    warehouse.attach("people", pa.table({"email": ["anna@example.com"]}))
    with pytest.raises(StoreError, match=r"emial[\s\S]*SQL: SELECT emial FROM people$"):
        warehouse.query("SELECT emial FROM people")
    with pytest.raises(DataError) as caught:
        warehouse.query("SELECT email::BIGINT FROM people")
    assert "SQL: SELECT email::BIGINT FROM people" in str(caught.value)
    assert "anna" not in str(caught.value)
    assert caught.value.__cause__ is None
    warehouse.attach("quotes", pa.table({"email": ["it's\n'anna@example.com' \"x\""]}))
    with pytest.raises(DataError) as caught:
        warehouse.query("SELECT email::BIGINT FROM quotes")
    assert "anna" not in str(caught.value)
    long = "SELECT " + " + ".join(["1"] * 5000) + " FROM nowhere"
    with pytest.raises(StoreError, match=f"{len(long):,} characters") as caught_long:
        warehouse.query(long)
    assert len(str(caught_long.value)) < 3000


def test_a_line_of_a_file_is_not_shown(tmp_path: Path, warehouse: Warehouse) -> None:
    (tmp_path / "people.csv").write_text("id,age\nanna@example.com,31\nben@example.com,old\n" * 3000)
    columns = "columns = {id: 'VARCHAR', age: 'INTEGER'}"
    with pytest.raises((DataError, StoreError)) as caught:
        warehouse.query(f"FROM read_csv('{tmp_path}/people.csv', header = true, {columns})")
    assert "@example.com" not in str(caught.value)


def test_after_a_failure_it_goes_on(warehouse: Warehouse) -> None:
    for sql in ("SELEC 1", "FROM nowhere", "SELECT error('no')"):
        with pytest.raises(StoreError):
            warehouse.execute(sql)
    assert values(warehouse.query("SELECT 42")) == [(42,)]


def test_it_downloads_nothing_and_knows_no_time_zone_but_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with Warehouse() as warehouse:
            settings = ("autoinstall_known_extensions", "autoload_known_extensions", "allow_community_extensions")
            sql = f"SELECT {', '.join(f'current_setting({name!r})::VARCHAR' for name in settings)}"
            assert values(warehouse.query(sql)) == [("false", "false", "false")]
            found = warehouse.query(
                "SELECT epoch_us(TIMESTAMP '2026-07-01 00:00:00')::BIGINT, TIMESTAMP '2026-07-01'::TIMESTAMPTZ::VARCHAR"
            )
            assert values(found) == [(1_782_864_000_000_000, "2026-07-01 00:00:00+00")]
            local = "SELECT timezone('America/New_York', timezone('UTC', TIMESTAMP '2026-07-01 02:00:00'))"
            assert values(warehouse.query(local)) == [(datetime(2026, 6, 30, 22),)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_more_than_the_memory_is_spilled_and_cleaned_up(tmp_path: Path) -> None:
    sql = "SELECT sum(r * n)::DOUBLE FROM (SELECT n, row_number() OVER (ORDER BY hash(n)) AS r FROM range({}) AS t(n))"
    with Warehouse(memory_limit="60MB", threads=1, temp_directory=tmp_path) as warehouse:
        assert len(list(tmp_path.iterdir())) == 1
        big = warehouse.stream("SELECT n, hash(n) AS h FROM range(4_000_000) AS t(n) ORDER BY h")
        assert big.read_next_batch().num_rows > 0
        spilled = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        assert spilled > 1_000_000
        del big
        assert warehouse.query(sql.format(1000)).num_rows == 1
    assert list(tmp_path.iterdir()) == []


def test_a_closed_warehouse_says_so() -> None:
    warehouse = Warehouse()
    warehouse.close()
    warehouse.close()
    with pytest.raises(StoreError, match="closed"):
        warehouse.query("SELECT 1")
    with pytest.raises(StoreError, match="no lake"), Warehouse() as other:
        other.attach_tables(Table("clicks", pa.schema([("id", pa.int64())]), ("id",), "Clicks of a test."))


def test_threads_take_turns(warehouse: Warehouse) -> None:
    warehouse.attach("numbers", NUMBERS)
    found: list[int] = []

    def ask(n: int) -> None:
        found.extend(warehouse.query("SELECT n FROM numbers WHERE n = ?", [n])["n"].to_pylist())

    threads = [Thread(target=ask, args=[n]) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(10))


@pytest.mark.parametrize("how", ["query", "execute", "stream"])
def test_an_interrupt_stops_the_query_and_the_warehouse_goes_on(run: Callable, how: str) -> None:
    process = run(
        """
    import signal, sys
    from coterie.store.warehouse import Warehouse
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Hours of work.
    sql = "SELECT sum(a.n * b.n + c.n) AS s FROM range(1000000) a(n), range(1000000) b(n), range(1000) c(n)"
    with Warehouse(threads=1) as warehouse:
        print("go", flush=True)
        try:
            answer = getattr(warehouse, sys.argv[1])(sql)
            answer.read_all()
        except KeyboardInterrupt:
            print(warehouse.query("SELECT 42 AS n")["n"].to_pylist())
    """,
        how,
    )
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    said, trouble = process.communicate(timeout=60)
    assert (said, trouble, process.returncode) == ("[42]\n", "", 0)
