"""What every state does, whatever keeps it; and what the one on the disk does besides."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import IntegrityError, ParameterError, StoreError
from coterie.store.ports import State
from coterie.store.state import LmdbState, MemoryState


@pytest.fixture(params=["lmdb", "memory"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    one: State = LmdbState(tmp_path / "state") if request.param == "lmdb" else MemoryState()
    yield one
    one.close()


def test_a_new_state_is_empty(state: State) -> None:
    assert state.get([b"a"]) == [None]
    assert list(state.items()) == []
    assert state.mark() is None


def test_values_come_back_under_their_keys_in_the_order_asked(state: State) -> None:
    state.put({b"b": b"2", b"a": b"1", b"empty": b""})
    assert state.get([b"a", b"c", b"b", b"empty", b"a"]) == [b"1", None, b"2", b"", b"1"]
    state.put({b"a": b"3", b"b": None, b"never": None})
    assert state.get([b"a", b"b"]) == [b"3", None]


def test_the_mark_is_written_with_the_values_and_stays_until_the_next(state: State) -> None:
    state.put({b"a": b"1"}, b"mark 1")
    state.put({b"a": b"2"})
    assert state.mark() == b"mark 1"
    state.put({}, b"")
    assert state.mark() == b""
    assert [key for key, _ in state.items()] == [b"a"]


def test_items_are_those_with_the_prefix_in_order(state: State) -> None:
    many = {b"p%05d" % number: str(number).encode() for number in range(2_500)}
    state.put({b"o": b"", b"q": b"", **many}, b"mark")
    assert list(state.items(b"p")) == sorted(many.items())
    assert len(list(state.items())) == 2_502
    assert list(state.items(b"p00001")) == [(b"p00001", b"1")]


def test_many_new_keys_may_come_between_and_behind_those_there_are(state: State) -> None:
    state.put({b"b%04d" % number: b"old" for number in range(0, 400, 2)}, b"1")
    state.put({b"b%04d" % number: b"new" for number in range(1, 400, 2)} | {b"b0000": None, b"b0399": None})
    state.put({b"c%04d" % number: b"new" for number in range(200)} | {b"b0002": b"mended"}, b"2")
    found = dict(state.items())
    assert len(found) == 399 - 1 + 200
    assert found[b"b0002"] == b"mended"
    assert found[b"b0001"] == b"new"
    assert state.mark() == b"2"


def test_a_cleared_state_is_as_a_new_one(state: State) -> None:
    state.put({b"a": b"1"}, b"mark")
    state.clear()
    assert (list(state.items()), state.mark()) == ([], None)
    state.put({b"a": b"2"})
    assert state.get([b"a"]) == [b"2"]


def test_compacting_changes_nothing_that_is_read(state: State) -> None:
    state.put({b"a%04d" % number: os.urandom(300) for number in range(2_000)}, b"mark")
    state.put({b"a%04d" % number: None for number in range(1_900)})
    before, size = list(state.items()), state.size()
    state.compact()
    assert (list(state.items()), state.mark()) == (before, b"mark")
    assert state.size() <= size
    state.put({b"b": b"1"})
    assert state.get([b"b"]) == [b"1"]


@pytest.mark.parametrize("key", [b"", b"\xff", b"k" * 512])
def test_a_key_that_no_store_could_keep_is_refused(state: State, key: bytes) -> None:
    with pytest.raises(ParameterError):
        state.put({b"fine": b"1", key: b"2"})
    assert state.get([b"fine"]) == [None]


_KEYS = st.binary(min_size=1, max_size=3).filter(lambda key: key != b"\xff")
_WRITES = st.lists(st.dictionaries(_KEYS, st.one_of(st.none(), st.binary(max_size=9)), max_size=90), max_size=5)


@settings(max_examples=40, deadline=None)
@given(_WRITES)
def test_both_states_keep_the_same(tmp_path_factory: pytest.TempPathFactory, writes: list[dict[bytes, bytes]]) -> None:
    memory, disk = MemoryState(), LmdbState(tmp_path_factory.mktemp("state"))
    for number, values in enumerate(writes):
        for one in (memory, disk):
            one.put(values, b"%d" % number)
    assert list(disk.items()) == list(memory.items())
    assert list(disk.items(b"\x00")) == list(memory.items(b"\x00"))
    assert disk.mark() == memory.mark()
    disk.close()


# on the disk


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_was_written_is_there_when_the_state_is_opened_again(tmp_path: Path) -> None:
    first = LmdbState(tmp_path)
    first.put({b"a": b"1"}, b"mark")
    first.close()
    second = LmdbState(tmp_path)
    assert (second.get([b"a"]), second.mark()) == ([b"1"], b"mark")
    second.close()
    second.close()
    with pytest.raises(StoreError, match="closed"):
        second.get([b"a"])


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    state = LmdbState(tmp_path / "state")
    state.put({b"a": b"1"})
    state.compact()
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    state.close()


@pytest.mark.parametrize("how", ["removed", "written over", "cleared"])
def test_no_byte_of_what_was_removed_is_left_after_compacting(tmp_path: Path, how: str) -> None:
    secret = b"the twelfth of never " * 20
    state = LmdbState(tmp_path)
    for number in range(200):
        state.put({b"k%03d" % number: secret if number == 77 else os.urandom(400)})
    assert secret in bytes_in(tmp_path)
    if how == "cleared":
        state.clear()
    else:
        state.put({b"k077": None if how == "removed" else b"nothing"})
        state.compact()
    assert b"twelfth" not in bytes_in(tmp_path)
    assert len(list(tmp_path.glob("*.lmdb"))) == 1
    state.close()


def test_keys_that_were_removed_are_not_left_in_the_branches_of_the_tree(tmp_path: Path) -> None:
    state = LmdbState(tmp_path)
    keys = [b"subject %06d" % number for number in range(2_000)]
    state.put(dict.fromkeys(keys, b"x" * 1_500))  # two on a page, so that every other key is a branch's
    for gone in (keys[0::2], keys[1::4]):
        state.put(dict.fromkeys(gone))
    state.compact()
    assert [key for key, _ in state.items()] == keys[3::4]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [key for key in keys if key in kept] == keys[3::4]
    state.close()


def test_a_reader_goes_on_when_the_file_is_compacted_or_cleared_beneath_it(tmp_path: Path) -> None:
    writer, reader = LmdbState(tmp_path), LmdbState(tmp_path)
    writer.put({b"a": b"1"}, b"mark")
    assert reader.get([b"a"]) == [b"1"]
    writer.compact()
    assert (reader.get([b"a"]), reader.mark()) == ([b"1"], b"mark")
    writer.put({b"a": b"2"})
    assert reader.get([b"a"]) == [b"2"]
    writer.clear()
    assert (reader.get([b"a"]), reader.mark()) == ([None], None)
    writer.close()
    assert reader.mark() is None
    reader.close()


def test_it_grows_beyond_its_map(tmp_path: Path) -> None:
    state = LmdbState(tmp_path, map_size=1 << 20)
    values = {b"k%04d" % number: os.urandom(2_000) for number in range(2_000)}
    state.put(values, b"mark")
    assert dict(state.items()) == values
    assert state.mark() == b"mark"
    state.close()
    again = LmdbState(tmp_path, map_size=1 << 20)
    assert again.get([b"k1999"]) == [values[b"k1999"]]
    again.close()


_READER = """
import sys
from coterie.store.state import LmdbState
state = LmdbState(sys.argv[1], map_size=1 << 20)
print(state.get([b"a"]), flush=True)
for line in sys.stdin:
    print(state.get([b"a"])[0], len(list(state.items(b"k"))), flush=True)
"""


def test_a_reader_in_another_process_follows_growth_and_compaction(tmp_path: Path) -> None:
    state = LmdbState(tmp_path, map_size=1 << 20)
    state.put({b"a": b"1"})
    with subprocess.Popen(
        [sys.executable, "-c", _READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def asked() -> str:
            reader.stdin.write("?\n")
            reader.stdin.flush()
            return reader.stdout.readline().strip()

        assert reader.stdout.readline().strip() == "[b'1']"
        state.put({b"a": b"2", **{b"k%04d" % number: os.urandom(2_000) for number in range(2_000)}})
        assert asked() == "b'2' 2000"
        state.compact()
        state.put({b"a": b"3", b"k0000": None})
        assert asked() == "b'3' 1999"
        reader.stdin.close()
    state.close()


_WRITER = """
import os, sys
from coterie.store.state import LmdbState
state = LmdbState(sys.argv[1])
number = int(state.mark() or b"0")
print("ready", flush=True)
while True:
    number += 1
    text = b"%d" % number
    state.put({b"k%d" % (number * 31 % 50): text * 150, b"first": text, b"last": text}, text)
"""


def test_values_and_mark_agree_after_kill_9(tmp_path: Path) -> None:
    marks = [0]
    for number in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            seen = LmdbState(tmp_path)
            least = marks[-1] + 20 + 37 * number
            while int(seen.mark() or b"0") < least:  # a reader beside it
                pass
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            mark = seen.mark()
            assert mark is not None
            assert seen.get([b"first", b"last", b"k%d" % (int(mark) * 31 % 50)]) == [mark, mark, mark * 150]
            marks.append(int(mark))
            seen.close()
    assert all(after > before for before, after in pairwise(marks))


def test_what_another_start_of_the_machine_left_unfinished_is_thrown_away(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        seen = LmdbState(tmp_path)
        while seen.mark() is None:
            pass
        writer.kill()
        writer.wait()
        seen.close()
    same = LmdbState(tmp_path)
    assert same.mark() is not None
    same.close()
    [note] = tmp_path.glob("*.boot")
    note.write_text("another start")
    after = LmdbState(tmp_path)
    assert (after.mark(), list(after.items())) == (None, [])
    after.close()


def test_a_file_that_is_no_state_is_refused_and_can_be_cleared(tmp_path: Path) -> None:
    state = LmdbState(tmp_path)
    state.put({b"a": b"1"})
    state.close()
    [path] = tmp_path.glob("*.lmdb")
    path.write_bytes(b"no state " * 2_000)
    state = LmdbState(tmp_path)
    with pytest.raises(IntegrityError, match=r"cannot be read(.|\n)*Hint: it is a cache") as caught:
        state.mark()
    assert str(tmp_path) in str(caught.value)
    state.clear()
    assert state.mark() is None
    state.put({b"a": b"2"})
    assert state.get([b"a"]) == [b"2"]
    state.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        LmdbState(tmp_path / "file" / "state").mark()


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    script = f"""
import resource, sys
from coterie.errors import StoreError
from coterie.store.state import LmdbState
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
state = LmdbState({str(tmp_path)!r})
state.put({{b"a": b"1"}}, b"mark")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    state.put({{b"k%d" % n: bytes(1000) for n in range(2000)}}, b"later")
except StoreError as error:
    print(error.hint)
print(state.get([b"a", b"k1"]), state.mark())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    hint, found = ended.stdout.strip().splitlines()
    assert "make space on the disk" in hint
    assert found == "[b'1', None] b'mark'"


def test_threads_may_share_it(tmp_path: Path) -> None:
    state = LmdbState(tmp_path)
    state.put({b"a": b"0"}, b"0")
    torn: list[object] = []

    def look() -> None:
        for _ in range(300):
            [a], mark = state.get([b"a"]), state.mark()
            if a is None or mark is None or int(a) > int(mark):
                torn.append((a, mark))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        state.put({b"a": b"%d" % number}, b"%d" % number)
        if number % 100 == 50:
            state.compact()
    for thread in threads:
        thread.join()
    assert torn == []
    state.close()


def test_importing_coterie_loads_no_lmdb() -> None:
    script = "import sys, coterie, coterie.store.state; print('lmdb' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
