"""Spark as an engine: what it shows, what it answers, what it says of errors, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import parse_one

from coterie.errors import DataError, MissingExtraError, ParameterError, StoreError
from coterie.store import jvm
from coterie.store.spark import Spark

OLD = datetime(1850, 2, 3, 4, 5, 6, 789_012)


def test_a_java_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingExtraError, match="no bin/java") as error:
        jvm.java_home()
    assert "openjdk-17-jre-headless" in (error.value.hint or "")
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jvm, "_HOMES", str(tmp_path))
    with pytest.raises(MissingExtraError, match="Java, in which Spark runs, is not installed"):
        jvm.java_home()
    java = tmp_path / "some-17" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.touch(0o755)
    assert jvm.java_home() == str(tmp_path / "some-17")
    monkeypatch.setenv("PATH", str(java.parent))
    assert jvm.java_home() is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyspark", None)
    with pytest.raises(MissingExtraError, match="PySpark is not installed") as error:
        Spark()
    assert error.value.hint == "pip install 'coterie[spark]'"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b", "a=1", "[a]{b}*?", "50%20", "it's", 'say "ä"'])
def test_files_are_matched_by_name_in_folders_of_any_name(spark: Spark, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    newer, older = str(folder / "newer.parquet"), str(folder / f"{name}.parquet")
    pq.write_table(pa.table({"n": [1, None], "t": pa.array([OLD, None], pa.timestamp("us")), "s": ["ä", "b"]}), newer)
    pq.write_table(pa.table({"s": ["c"], "n": [3]}), older)
    spark.attach("odd `name`", [newer, older])
    answer = spark.query("SELECT n, t, s FROM `odd ``name```")
    assert answer.schema == pa.schema([("n", pa.int64()), ("t", pa.timestamp("us")), ("s", pa.string())])
    assert sorted(answer.to_pylist(), key=lambda row: row["s"]) == [
        {"n": None, "t": None, "s": "b"}, {"n": 3, "t": None, "s": "c"}, {"n": 1, "t": OLD, "s": "ä"},
    ]  # fmt: skip
    spark.drop("odd `name`")


@pytest.mark.slow
def test_a_file_that_spark_would_pass_over_is_refused(spark: Spark, tmp_path: Path) -> None:
    path = tmp_path / "_hidden.parquet"
    pq.write_table(pa.table({"n": [1]}), path)
    with pytest.raises(StoreError, match="hidden"):
        spark.attach("facts", [str(path)])
    with pytest.raises(StoreError, match="the list of files is empty"):
        spark.attach("facts", [])
    with pytest.raises(StoreError, match="not there"):
        spark.attach("facts", [str(tmp_path / "gone.parquet")])


@pytest.mark.slow
def test_arrow_comes_in_with_naive_microseconds(spark: Spark) -> None:
    rows = pa.table(
        {
            "ns": pa.array([1000, None], pa.timestamp("ns")),
            "zoned": pa.array([0, 1], pa.timestamp("us", "Europe/Berlin")),
            "dictionary": pa.array(["x", "y"]).dictionary_encode(),
            "large": pa.array(["x", None], pa.large_string()),
            "small": pa.array([1, -1], pa.int32()),
        }
    )
    with spark.temporary("rows", rows) as name:
        answer = spark.query(parse_one(f"SELECT ns, zoned, dictionary, large, small FROM {name} ORDER BY zoned"))
    assert answer.schema.types == [pa.timestamp("us")] * 2 + [pa.string()] * 2 + [pa.int32()]
    assert answer.to_pylist()[0] == {
        "ns": datetime(1970, 1, 1, 0, 0, 0, 1), "zoned": datetime(1970, 1, 1), "dictionary": "x", "large": "x",
        "small": 1,
    }  # fmt: skip
    with pytest.raises(StoreError, match="NOT_FOUND"):
        spark.query("SELECT ns FROM rows")


@pytest.mark.slow
def test_what_has_a_name_is_replaced_and_removed(spark: Spark) -> None:
    spark.attach("facts", pa.table({"n": [1]}))
    spark.attach("facts", pa.table({"n": [2]}))
    spark.view("seen", parse_one('SELECT n + 1 AS m FROM "facts"', read="duckdb"))
    assert spark.query("SELECT m FROM seen").to_pylist() == [{"m": 3}]
    spark.view("seen", parse_one('SELECT n + 2 AS m FROM "facts"', read="duckdb"))
    assert spark.query("SELECT m FROM seen").to_pylist() == [{"m": 4}]
    for name in ("seen", "facts", "never there"):
        spark.drop(name)
    with pytest.raises(StoreError, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.query("SELECT m FROM seen")


@pytest.mark.slow
def test_the_relations_of_a_statement_are_let_go(spark: Spark) -> None:
    spark.attach("facts", pa.table({"n": [1, 2]}))
    before = {view.name for view in spark._session.catalog.listTables()}
    relations = "WITH facts AS (SELECT n * 10 AS n FROM facts), more AS (SELECT n + 1 AS n FROM facts)"
    tree = parse_one(f"{relations} SELECT facts.n, m.n AS m FROM facts, more AS m ORDER BY facts.n, m", read="duckdb")
    rows = [{"n": 10, "m": 11}, {"n": 10, "m": 21}, {"n": 20, "m": 11}, {"n": 20, "m": 21}]
    assert spark.query(tree).to_pylist() == rows
    fails = parse_one(
        "WITH a AS (SELECT n FROM facts) SELECT CAST(1 AS BIGINT) AS n FROM a, a AS b, gone", read="duckdb"
    )
    with pytest.raises(StoreError, match="TABLE_OR_VIEW_NOT_FOUND"):
        spark.query(fails)
    assert {view.name for view in spark._session.catalog.listTables()} == before
    assert spark._session._jsparkSession.sharedState().cacheManager().isEmpty()
    assert spark.query("SELECT n FROM facts ORDER BY n").to_pylist() == [{"n": 1}, {"n": 2}]
    spark.drop("facts")


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(secret AS BIGINT) AS n FROM letters",
        "SELECT CAST(SUM(9223372036854775807) AS BIGINT) AS n FROM letters",
        "SELECT CONVERT_TIMEZONE('UTC', secret, TIMESTAMP'2026-01-01') AS n FROM letters",
    ],
)
def test_errors_of_values_say_no_value(spark: Spark, capfd: pytest.CaptureFixture[str], query: str) -> None:
    letters = pa.table({"secret": ["jane@example.com", "joe@example.com"]})
    with spark.temporary("letters", letters), pytest.raises(DataError) as error:
        spark.query(query)
    assert error.value.__cause__ is None
    assert "@" not in f"{error.value}{capfd.readouterr()}"


@pytest.mark.slow
def test_a_tree_outside_the_dialect_does_not_run(spark: Spark) -> None:
    with pytest.raises(ParameterError, match="rule sum-cast"):
        spark.query(parse_one("SELECT SUM(n) AS n FROM facts"))


@pytest.mark.slow
def test_a_session_of_somebody_else_stays_as_it_was(spark: Spark, tmp_path: Path) -> None:
    session = spark._session.newSession()
    session.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    session.sql("SELECT 7 AS n").createOrReplaceTempView("facts")
    with Spark(session, scratch=tmp_path) as other:
        other.attach("facts", pa.table({"n": [1]}))
        assert list(tmp_path.iterdir())
        assert other.query("SELECT n, current_timezone() AS z FROM facts").to_pylist() == [{"n": 1, "z": "UTC"}]
    assert not list(tmp_path.iterdir())
    assert session.sql("SELECT n, current_timezone() AS z FROM facts").toArrow().to_pylist() == [
        {"n": 7, "z": "Asia/Tokyo"}
    ]
    with pytest.raises(StoreError, match="closed"):
        other.query("SELECT 1 AS n")


@pytest.mark.slow
def test_what_is_no_session_is_refused(spark: Spark, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        Spark(object())
    with pytest.raises(StoreError, match="folder for temporary files"):
        Spark(scratch=tmp_path / "not there")
    assert spark.query("SELECT 1 AS n").to_pylist() == [{"n": 1}]


@pytest.mark.slow
def test_ctrl_c_stops_a_query_and_the_next_one_runs(spark: Spark) -> None:
    # whoever started the tests may have told them to ignore Ctrl-C, and a session of somebody else's may catch it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            spark.query("SELECT CAST(SUM(id % 7) AS BIGINT) AS n FROM RANGE(200000000000)")
    finally:
        signal.signal(signal.SIGINT, before)
    assert spark.query("SELECT 1 AS n").to_pylist() == [{"n": 1}]


@pytest.mark.slow
def test_a_spark_that_is_closed_leaves_nothing(run: object, tmp_path: Path) -> None:
    code = """
        import os, sys, pyarrow as pa
        from coterie.errors import MissingExtraError
        from coterie.store.spark import Spark
        before = dict(os.environ)
        try:
            one = Spark(threads=1, memory=512)
        except MissingExtraError:
            sys.exit(7)
        one.attach("facts", pa.table({"n": [1]}))
        two = Spark()
        one.close()
        assert two.query("SELECT 2 AS n").to_pylist() == [{"n": 2}]
        two.close()
        with Spark(threads=1, memory=512) as again:
            assert again.query("SELECT 3 AS n").to_pylist() == [{"n": 3}]
        assert dict(os.environ) == before
        assert os.system("pgrep -P %d java > /dev/null" % os.getpid()) != 0
    """
    (tmp_path / "temporary").mkdir()
    process = run(code, env={**os.environ, "TMPDIR": str(tmp_path / "temporary")})  # type: ignore[operator]
    out, err = process.communicate(timeout=300)
    if process.returncode == 7:
        pytest.skip("no Spark here: install coterie[spark] and Java 17 (Debian: openjdk-17-jre-headless)")
    assert (process.returncode, out, err) == (0, "", "")
    assert not list((tmp_path / "temporary").glob("coterie*"))
    assert not (tmp_path / "spark-warehouse").exists()
