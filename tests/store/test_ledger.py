"""The SQLite ledger and its file: crashes, other processes, bytes on the disk."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from coterie.errors import ShopLockedError, StoreError
from coterie.schema import Table
from coterie.store.ledger import SqliteLedger

ROWS = Table("rows", pa.schema([("id", pa.int64()), ("text", pa.string())]), ("id",), "Rows of a test.")

WRITER = """
    import sys, pyarrow as pa
    from coterie.schema import Table
    from coterie.store.ledger import SqliteLedger
    rows = Table("rows", pa.schema([("id", pa.int64()), ("text", pa.string())]), ("id",), "Rows of a test.")
    ledger = SqliteLedger("ledger.db")
    """


def test_the_ledger_is_there_after_closing(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "below" / "ledger.db")
    ledger.create(ROWS)
    ledger.insert(ROWS, [{"id": 1, "text": "kept"}])
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError):
        ledger.read(ROWS)
    again = SqliteLedger(tmp_path / "below" / "ledger.db")
    assert again.read(ROWS)["text"].to_pylist() == ["kept"]
    again.close()


def test_the_file_is_its_owners_and_durable(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    assert (tmp_path / "ledger.db").stat().st_mode & 0o077 == 0
    settings = [
        ledger._database.rows(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "secure_delete")
    ]
    assert settings == ["wal", 2, 1]
    ledger.close()


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.02, 0.05])
def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path, run: Callable, seconds: float) -> None:
    writer = run(
        WRITER
        + """
    ledger.create(rows)
    for n in range(10_000):
        with ledger.transaction():
            for half in range(2):
                ids = range(n * 100 + half * 50, n * 100 + half * 50 + 50)
                ledger.insert(rows, pa.table({"id": ids, "text": ["x"] * 50}))
        print(n, flush=True)
    """
    )
    assert writer.stdout.readline() == "0\n"
    time.sleep(seconds)
    writer.kill()
    acknowledged = len([0, *writer.communicate()[0].splitlines()])
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ids = ledger.read(ROWS)["id"].to_pylist()
    ledger.close()
    assert ids == list(range(len(ids)))
    assert len(ids) % 100 == 0
    assert len(ids) >= 100 * acknowledged


HOLDER = (
    WRITER
    + """
    with ledger.lease("writer"):
        print("held", flush=True)
        sys.stdin.read()
    """
)


def test_a_lease_is_one_process_s_until_it_ends(tmp_path: Path, run: Callable) -> None:
    holder = run(HOLDER)
    assert holder.stdout.readline() == "held\n"
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with pytest.raises(ShopLockedError, match=f"Process {holder.pid} on "), ledger.lease("writer"):
        pass
    with ledger.lease("another"):
        pass
    holder.communicate("")
    assert holder.returncode == 0
    with ledger.lease("writer"):
        pass
    ledger.close()


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_process_s_lease_is_taken_over_at_once(tmp_path: Path, run: Callable, reaped: bool) -> None:
    holder = run(HOLDER)
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    if reaped:
        holder.wait()
    else:
        while Path(f"/proc/{holder.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.001)
    ledger = SqliteLedger(tmp_path / "ledger.db")
    with ledger.lease("writer"):
        pass
    ledger.close()


def test_a_process_with_a_used_number_is_another_process(tmp_path: Path) -> None:
    ledger, second = SqliteLedger(tmp_path / "ledger.db"), SqliteLedger(tmp_path / "ledger.db")
    with ledger.lease("writer"):
        with pytest.raises(ShopLockedError), second.lease("writer"):
            pass
        ledger._database.execute("UPDATE \"leases of this ledger\" SET started = 'long ago'")
        with second.lease("writer"):
            pass
        with second._database.transaction():
            second._database.execute(
                "INSERT INTO \"leases of this ledger\" VALUES ('far', 'another.example', 1, 'long ago')"
            )
        with pytest.raises(ShopLockedError, match=r"another\.example"), second.lease("far"):
            pass
    ledger.close()
    second.close()


def test_deleted_bytes_are_nowhere(tmp_path: Path, holding: Callable[[bytes], list[str]]) -> None:
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.create(ROWS)
    # Added backwards and in pieces, so that pages are split and rows move.
    for start in range(19_000, -1, -1000):
        ids = range(start, start + 1000)
        ledger.insert(ROWS, pa.table({"id": ids, "text": [f"<row {id_:05}>" + "." * (id_ % 90) for id_ in ids]}))
    doomed = [*range(0, 20_000, 7), *range(3000, 3400)]
    assert holding(b"<row 00700>") != []
    with ledger.transaction():
        ledger.delete(ROWS, "id", doomed[:50])
        ledger.put(ROWS, [{"id": 1, "text": "another"}])
    ledger.delete(ROWS, "id", doomed)
    left = {int(row) for path in tmp_path.iterdir() for row in re.findall(rb"<row (\d{5})>", path.read_bytes())}
    assert left == set(range(20_000)) - {1, *doomed}
    ledger.close()


def test_a_reader_in_the_way_of_forgetting_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.store.database._PATIENCE", 0.05)
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.create(ROWS)
    ledger.insert(ROWS, [{"id": 1, "text": "secret"}])
    reader = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM rows").fetchall() == [(1,)]
    with pytest.raises(ShopLockedError, match=r"bytes stay in ledger\.db-wal"):
        ledger.delete(ROWS, "id", [1])
    reader.close()
    assert ledger.delete(ROWS, "id", [1]) == 0
    assert all(b"secret" not in path.read_bytes() for path in tmp_path.iterdir())
    ledger.close()


@pytest.mark.parametrize("after", ["PRAGMA user_version =", "VACUUM", "PRAGMA wal_checkpoint"])
def test_a_killed_deletion_is_finished_at_the_next_opening(tmp_path: Path, run: Callable, after: str) -> None:
    writer = run(
        WRITER
        + """
    import os
    ledger.create(rows)
    ledger.insert(rows, pa.table({"id": range(2000), "text": [f"<row {n:05}>" for n in range(2000)]}))

    def die(sql):
        if sql.startswith(sys.argv[1]):
            os.kill(os.getpid(), 9)

    with ledger.transaction():
        ledger.delete(rows, "id", range(0, 2000, 2))
        ledger._database._connection.set_trace_callback(die)
    """,
        after,
    )
    assert writer.wait() == -9, writer.communicate()
    SqliteLedger(tmp_path / "ledger.db").close()
    left = {int(row) for path in tmp_path.iterdir() for row in re.findall(rb"<row (\d{5})>", path.read_bytes())}
    assert left == set(range(1, 2000, 2))


def test_a_writer_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.store.database._PATIENCE", 0.05)
    ledger, other = SqliteLedger(tmp_path / "ledger.db"), SqliteLedger(tmp_path / "ledger.db")
    ledger.create(ROWS)
    with other.transaction(), pytest.raises(ShopLockedError, match="Another process"):
        ledger.insert(ROWS, [{"id": 1}])
    ledger.insert(ROWS, [{"id": 1}])
    ledger.close()
    other.close()


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(StoreError, match=r"ledger\.db: file is not a database"):
        SqliteLedger(tmp_path / "ledger.db")
    with pytest.raises(StoreError, match="Cannot use"):
        SqliteLedger(tmp_path / "ledger.db" / "below")


def test_a_full_disk_loses_nothing(tmp_path: Path, run: Callable) -> None:
    writer = run(
        WRITER
        + """
    import resource
    from coterie.errors import StoreError
    ledger.create(rows)
    ledger.insert(rows, [{"id": -1, "text": "before"}])
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
    try:
        ledger.insert(rows, pa.table({"id": range(100_000), "text": ["x" * 100] * 100_000}))
    except StoreError as error:
        print(error)
    ledger.insert(rows, [{"id": -2, "text": "after"}])
    """
    )
    said, trouble = writer.communicate()
    assert trouble == ""
    assert "Cannot use" in said
    ledger = SqliteLedger(tmp_path / "ledger.db")
    assert ledger.read(ROWS)["text"].to_pylist() == ["after", "before"]
    ledger.close()


def test_a_reader_opens_and_reads_while_another_process_writes(tmp_path: Path, run: Callable) -> None:
    writer = run(
        WRITER
        + """
    ledger.create(rows)
    ledger.insert(rows, [{"id": 1, "text": "before"}])
    with ledger.transaction():
        ledger.insert(rows, [{"id": 2, "text": "meanwhile"}])
        print("writing", flush=True)
        sys.stdin.read()
    """
    )
    assert writer.stdout.readline() == "writing\n"
    reader = SqliteLedger(tmp_path / "ledger.db")
    reader.create(ROWS)
    assert reader.read(ROWS)["text"].to_pylist() == ["before"]
    writer.communicate("")
    assert reader.read(ROWS)["text"].to_pylist() == ["before", "meanwhile"]
    reader.close()


def test_a_lease_that_could_not_be_given_up_is_taken_again_and_given_up_later(tmp_path: Path) -> None:
    """On a full disk the row stays; it must not lock out the process that owes it."""
    ledger, other = SqliteLedger(tmp_path / "ledger.db"), SqliteLedger(tmp_path / "ledger.db")
    ledger.create(ROWS)
    for _ in range(2):
        with ledger.lease("writer"):
            ledger._database.execute("PRAGMA query_only = ON")
        ledger._database.execute("PRAGMA query_only = OFF")
        with pytest.raises(ShopLockedError), other.lease("writer"):
            pass
    ledger.close()
    with other.lease("writer"):
        pass
    other.close()
