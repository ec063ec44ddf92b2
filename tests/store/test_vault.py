"""The SQLite vault and its file: keys, crashes, bytes on the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import IntegrityError, KeyMismatchError
from coterie.store.vault import SqliteVault

KEY = bytes(range(32))


def emails(start: int, stop: int) -> pa.Table:
    return pa.table({"kind": ["email"] * (stop - start), "value": [f"user{n}@example.com" for n in range(start, stop)]})


def test_another_key_does_not_open_a_vault(tmp_path: Path) -> None:
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    keys = vault.subjects(emails(0, 3))
    vault.close()
    with pytest.raises(KeyMismatchError, match="COTERIE_KEY"):
        SqliteVault(tmp_path / "vault.db", KEY[::-1])
    again = SqliteVault(tmp_path / "vault.db", KEY)
    assert again.subjects(emails(0, 3)).equals(keys)
    again.close()


def test_no_identifier_and_no_key_is_on_the_disk(tmp_path: Path, holding: Callable[[bytes], list[str]]) -> None:
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    vault.subjects(emails(0, 2000))
    vault.reveal(vault.subjects(emails(0, 100)).to_pylist())
    assert (tmp_path / "vault.db-wal").stat().st_size > 0
    for secret in (b"user", b"example.com", KEY, vault._seals._look_up):
        assert holding(secret) == []
    vault.close()
    assert holding(b"example.com") == []
    assert (tmp_path / "vault.db").stat().st_mode & 0o077 == 0


def test_erased_bytes_are_nowhere(tmp_path: Path) -> None:
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    for start in range(0, 8000, 400):  # in pieces, so that pages are split and rows move
        vault.subjects(emails(start, start + 400))
    keys = vault.subjects(emails(0, 8000)).to_pylist()
    doomed = [key for n, key in enumerate(keys) if n % 3 == 0]
    marks = ",".join("?" * len(doomed))
    traces = vault._database.rows(f"SELECT sealed FROM identifiers WHERE subject IN ({marks})", doomed)

    parts = {part[-8:] for trace in traces for part in trace} | {key.to_bytes(8, "big") for key in doomed}
    wanted = np.frombuffer(b"".join(parts), np.uint64)

    def left() -> int:
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir()) + bytes(8)
        windows = [np.frombuffer(content, np.uint64, len(content) // 8 - 1, shift) for shift in range(8)]
        return len(np.intersect1d(np.concatenate(windows), wanted))

    assert left() == len(parts) == 2 * len(doomed)
    digests = {digest for (digest,) in vault._database.rows("SELECT digest FROM identifiers")}
    assert vault.erase(doomed) == len(doomed)
    assert left() == 0
    assert vault.count() == 8000 - len(doomed)
    kept_out = set(vault.suppressions()["digest"].to_pylist())
    assert len(kept_out) == len(doomed)
    assert kept_out < digests
    vault.close()


def test_a_readmitted_identifier_leaves_no_bytes(tmp_path: Path, holding: Callable[[bytes], list[str]]) -> None:
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    for key in vault.subjects(emails(0, 3000)).to_pylist()[70:80]:
        vault.erase([key])
    vault.erase(vault.subjects(emails(80, 3000)).to_pylist())
    digest = vault._seals.digest(b"email\0user77@example.com")
    assert holding(digest)
    assert vault.readmit("email", "user77@example.com")
    assert holding(digest) == []
    assert vault.suppressions().num_rows == 2929
    vault.close()


def test_a_vault_of_before_suppression_opens(tmp_path: Path) -> None:
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    keys = vault.subjects(emails(0, 2))
    vault._database.execute("DROP TABLE suppressed")
    vault.close()
    again = SqliteVault(tmp_path / "vault.db", KEY)
    assert again.subjects(emails(0, 2)).equals(keys)
    assert again.suppressed(emails(0, 2)).to_pylist() == [False, False]
    again.close()


def test_an_identifier_moved_to_another_subject_is_noticed(tmp_path: Path) -> None:
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    first, second = vault.subjects(emails(0, 2)).to_pylist()
    vault.close()
    thief = sqlite3.connect(tmp_path / "vault.db")
    sql = "UPDATE identifiers SET sealed = (SELECT sealed FROM identifiers WHERE subject = ?) WHERE subject = ?"
    thief.execute(sql, [first, second])
    thief.commit()
    thief.close()
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    assert vault.reveal([first])["value"].to_pylist() == ["user0@example.com"]
    with pytest.raises(IntegrityError):
        vault.reveal([second])
    vault.close()


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1])
def test_a_killed_writer_leaves_whole_calls(tmp_path: Path, run: Callable, seconds: float) -> None:
    writer = run(
        """
    import pyarrow as pa
    from coterie.store.vault import SqliteVault
    vault = SqliteVault("vault.db", bytes(range(32)))
    for start in range(0, 10_000_000, 2000):
        values = [f"user{n}@example.com" for n in range(start, start + 2000)]
        print(*vault.subjects(pa.table({"kind": ["email"] * 2000, "value": values})).to_pylist(), flush=True)
    """
    )
    first = writer.stdout.readline()
    time.sleep(seconds)
    writer.kill()
    answers = [line for line in (first + writer.communicate()[0]).splitlines(keepends=True) if line.endswith("\n")]
    vault = SqliteVault(tmp_path / "vault.db", KEY)
    kept = vault.count()
    assert kept % 2000 == 0
    promised = [int(key) for answer in answers for key in answer.split()]
    assert len(promised) <= kept
    assert vault.subjects(emails(0, len(promised))).to_pylist() == promised
    assert vault.count() == kept
    assert vault._database.rows("SELECT count(*) FROM lookup") == [(kept,)]
    vault.close()


def test_a_reader_stands_in_no_writer_s_way_and_waits_for_none(tmp_path: Path) -> None:
    """An import of millions of identifiers is one transaction; who looks people up meanwhile sees the state before."""
    writer = SqliteVault(tmp_path / "vault.db", KEY)
    keys = writer.subjects(emails(0, 10)).to_pylist()
    with writer._database.transaction():
        more = writer.subjects(emails(10, 20)).to_pylist()
        reader = SqliteVault(tmp_path / "vault.db", KEY)
        assert reader.reveal(keys + more).num_rows == 10
        assert reader.kinds(keys).num_rows == 10
        assert reader.strangers([*keys, 1]) == [1]
        assert reader.find("email", "user3@example.com") == keys[3]
    assert reader.reveal(keys + more).num_rows == 20
    reader.close()
    writer.close()


def test_equal_content_has_one_hash_and_other_content_another(tmp_path: Path) -> None:
    seen = []
    for name in ("a", "b"):
        vault = SqliteVault(tmp_path / name, KEY, generator=np.random.default_rng(1))
        seen.append([vault.content_hash()])
        for work in (lambda v: v.subjects(emails(0, 5)), lambda v: v.erase(v.subjects(emails(2, 3)).to_pylist())):
            work(vault)
            seen[-1].append(vault.content_hash())
        vault.close()
    assert seen[0][:2] == seen[1][:2]
    assert len(set(seen[0])) == 3
