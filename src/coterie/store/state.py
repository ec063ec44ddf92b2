"""The state: online tiles under short keys, in memory or in one LMDB file that a process writes and others read.

It is a cache. A write is there in full or not at all, its mark with it, whatever kills the process. Writes are handed
to the operating system and not flushed, so a machine that stops (no power) may leave a torn file: the folder remembers
under which start of the machine it was last written, and what another start left unfinished is thrown away when it is
opened. Its mark is gone then, so that whoever compares marks makes it anew.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from coterie.errors import IntegrityError, ParameterError, StoreError
from coterie.store import disk

_MARK = b"\xff"  # the one key that no caller may use
_MAP = 1 << 36  # bytes of address space, not of disk: growing later would break readers for a moment
_SMALL = 64  # from how many keys on it pays to look whether they can be appended
_LONGEST = 511
_READERS = 512
_BOOT = Path("/proc/sys/kernel/random/boot_id")

_Answer = TypeVar("_Answer")


class MemoryState:
    """A state that lasts as long as the process; threads may share it."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._turn = threading.RLock()

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, all from one moment."""
        with self._turn:
            return [self._values.get(key) for key in keys]

    def put(self, values: Mapping[bytes, bytes | None], mark: bytes | None = None) -> None:
        """Write values in one step, removing the keys whose value is None, and set the mark unless that is None."""
        _check(values)
        with self._turn:
            for key, value in values.items():
                if value is None:
                    self._values.pop(key, None)
                else:
                    self._values[key] = bytes(value)
            if mark is not None:
                self._values[_MARK] = bytes(mark)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Go through the keys that begin so, in the order of their bytes."""
        with self._turn:
            found = sorted((k, v) for k, v in self._values.items() if k.startswith(prefix) and k != _MARK)
        yield from found

    def mark(self) -> bytes | None:
        """Return up to where the content is complete, as the last write said; None for an empty or a cleared one."""
        return self.get([_MARK])[0]

    def clear(self) -> None:
        """Remove everything, the mark included."""
        with self._turn:
            self._values.clear()

    def compact(self) -> None:
        """Do nothing: what was removed is gone."""

    def size(self) -> int:
        """Return how many bytes the keys and values take."""
        with self._turn:
            return sum(len(key) + len(value) for key, value in self._values.items())

    def close(self) -> None:
        """Do nothing."""


class LmdbState:
    """A state in a folder, in one LMDB file.

    The file is opened when it is first used. Compacting and clearing write a new file under the next number, and
    whoever still reads the old one turns to the new one at the next call.

    Parameters
    ----------
    folder
        Made when it is not there; it and its files are readable by their owner alone.
    map_size
        How large the file may grow before it has to be mapped anew, in bytes. It takes addresses, not space.

    Raises
    ------
    IntegrityError
        The file is damaged or is no state; ``clear`` makes a new one.
    StoreError
        The disk refuses: full, not writable, or too many processes read.
    """

    def __init__(self, folder: str | os.PathLike[str], *, map_size: int = _MAP) -> None:
        self.folder = Path(folder).absolute()
        self._map_size = map_size
        self._turn = threading.RLock()
        self._file: _File | None = None
        self._closed = False

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none, all from one moment."""

        def read(file: _File) -> list[bytes | None]:
            with file.environment.begin() as transaction:
                return [transaction.get(key) for key in keys]

        return self._using(read)

    def put(self, values: Mapping[bytes, bytes | None], mark: bytes | None = None) -> None:
        """Write values in one step, removing the keys whose value is None, and set the mark unless that is None."""
        _check(values)

        def write(file: _File) -> None:
            file.owe()
            with file.environment.begin(write=True) as transaction:
                _write(transaction, values)
                if mark is not None:
                    transaction.put(_MARK, mark)

        self._using(write)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Go through the keys that begin so, in the order of their bytes; a thousand at a time come from one moment."""
        begin = prefix
        while True:
            found = self._using(lambda file, begin=begin: _from(file, prefix, begin))  # type: ignore[misc]
            yield from found
            if len(found) < _PAGE:
                return
            begin = found[-1][0] + b"\0"

    def mark(self) -> bytes | None:
        """Return up to where the content is complete, as the last write said; None for an empty or a cleared one."""
        return self.get([_MARK])[0]

    def clear(self) -> None:
        """Remove everything, the mark included; also what can no longer be read."""
        with self._turn, self._told():
            self._begin_anew(_numbers(self.folder))

    def compact(self) -> None:
        """Rewrite what is kept, so that no byte of what was removed or written over is left."""

        def copy(file: _File) -> None:
            after = file.number + 1
            draft = self.folder / "draft"
            draft.unlink(missing_ok=True)
            try:
                file.rewrite(draft)
                os.replace(draft, _path(self.folder, after))
            finally:
                draft.unlink(missing_ok=True)

        with self._turn:
            self._using(copy)
            with self._told():
                self._let_go()
                for number in _numbers(self.folder)[:-1]:
                    _remove(self.folder, number)

    def size(self) -> int:
        """Return how many bytes the folder takes on the disk."""
        with self._told():
            files = [path for path in self.folder.glob("*") if path.is_file()] if self.folder.is_dir() else []
            return sum(path.stat().st_blocks * 512 for path in files)

    def close(self) -> None:
        """Release it, with what was written flushed to the disk; closing twice does nothing."""
        with self._turn, self._told():
            self._closed = True
            self._let_go()

    def _using(self, use: Callable[[_File], _Answer]) -> _Answer:
        """Do something with the newest file, mapping it anew where it has outgrown its map."""
        import lmdb

        with self._turn, self._told():
            if self._closed:
                raise StoreError(f"The state in {self.folder} is closed.", hint="open it again.")
            while True:
                file = self._newest()
                try:
                    return use(file)
                except lmdb.MapFullError:
                    file.environment.set_mapsize(file.environment.info()["map_size"] * 2)
                except lmdb.MapResizedError:  # another process has made the map larger
                    file.environment.set_mapsize(0)

    def _begin_anew(self, old: list[int]) -> _File:
        self._let_go()
        self._file = file = _File.open(self.folder, max(old, default=0) + 1, self._map_size)
        for number in old:
            _remove(self.folder, number)
        return file

    def _newest(self) -> _File:
        file = self._file
        if file is not None and file.is_there():
            return file
        self._let_go()
        while True:
            numbers = _numbers(self.folder)
            if numbers and _is_torn(self.folder, numbers[-1]):
                return self._begin_anew(numbers)
            file = _File.open(self.folder, numbers[-1] if numbers else 1, self._map_size)
            if _numbers(self.folder)[-1] == file.number:
                self._file = file
                return file
            file.let_go()  # another process has just put a new one in its place

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.let_go()

    def _told(self) -> _Told:
        return _Told(self.folder)


class _File:
    """One LMDB file, opened once a process however many states read it: LMDB allows no more."""

    _open: dict[tuple[int, Path], _File] = {}  # noqa: RUF012 (shared on purpose)
    _turn = threading.RLock()

    def __init__(self, folder: Path, number: int, map_size: int) -> None:
        import lmdb

        self.number, self.path, self.process = number, _path(folder, number), os.getpid()
        self._name = str(self.path)
        self._owes = _path(folder, number, "boot")
        self._owing = False
        self._users = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self.environment: Any = lmdb.open(
            str(self.path), map_size=max(map_size, self.path.stat().st_size), subdir=False, mode=0o600, sync=False,
            metasync=False, readahead=False, meminit=True, max_readers=_READERS, max_spare_txns=4,
        )  # fmt: skip
        self.environment.reader_check()

    @classmethod
    def open(cls, folder: Path, number: int, map_size: int) -> _File:
        with cls._turn:
            key = (os.getpid(), _path(folder, number).resolve())
            file = cls._open.get(key)
            if file is None or not file.is_there():
                file = cls(folder, number, map_size)
                cls._open[key] = file
            file._users += 1
            return file

    def is_there(self) -> bool:
        if self.process != os.getpid():  # LMDB does not live through a fork
            return False
        try:
            os.stat(self._name)
        except FileNotFoundError:
            return False
        return True

    def owe(self) -> None:
        """Note under which start of the machine the file is written, before it is."""
        if self._owing:
            return
        draft = self._owes.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, _boot().encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, self._owes)
        self._owing = True

    def rewrite(self, to: Path) -> None:
        """Write what is kept into a new file. A copy by LMDB's own hand has keys of removed entries in its branches."""
        import lmdb

        os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        size = self.environment.info()["map_size"]
        made = lmdb.open(str(to), map_size=size, subdir=False, lock=False, sync=False)
        with made, self.environment.begin() as transaction:
            entries, written = iter(transaction.cursor()), _AT_A_TIME
            while written == _AT_A_TIME:
                with made.begin(write=True) as writing, writing.cursor() as cursor:
                    written, _ = cursor.putmulti(islice(entries, _AT_A_TIME), append=True)
            made.sync(True)

    def let_go(self) -> None:
        with self._turn:
            self._users -= 1
            if self._users or self.process != os.getpid():
                return
            key = (self.process, self.path.resolve())
            if self._open.get(key) is self:
                del self._open[key]
            if self._owing and self.is_there():
                self.environment.sync(True)
                self._owes.unlink(missing_ok=True)
            self.environment.close()


class _Told:
    """Turns LMDB's errors into ours, which name the folder. LMDB's messages hold no values."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, StoreError | ParameterError):
            return
        import lmdb

        if isinstance(error, lmdb.InvalidError | lmdb.CorruptedError | lmdb.VersionMismatchError | lmdb.PanicError):
            raise IntegrityError(
                f"The state in {self._folder} cannot be read: {error}.",
                hint="it is a cache: remove the folder, and the shop makes it anew from its facts.",
            ) from error
        if isinstance(error, lmdb.ReadersFullError):
            raise StoreError(
                f"More than {_READERS} threads read the state in {self._folder}.", hint="end some of them."
            ) from error
        if isinstance(error, lmdb.Error | OSError):
            short = "Input/output error" in str(error)  # what LMDB says when a write is cut short
            hint = disk.remedy("no space left" if short else error)
            raise StoreError(f"Cannot use {self._folder}: {error}.", hint=hint) from error


_PAGE = 1000
_AT_A_TIME = 100_000  # entries that are copied in one transaction


def _from(file: _File, prefix: bytes, begin: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    with file.environment.begin() as transaction, transaction.cursor() as cursor:
        if not (cursor.set_range(begin) if begin else cursor.first()):
            return found
        for key, value in cursor:
            if not key.startswith(prefix) or len(found) == _PAGE:
                return found
            if key != _MARK:
                found.append((key, value))
    return found


def _write(transaction: Any, values: Mapping[bytes, bytes | None]) -> None:
    if len(values) < _SMALL:
        for key, value in values.items():
            if value is None:
                transaction.delete(key)
            else:
                transaction.put(key, value)
        return
    # In the order of the keys; those behind the last one are appended, which fills the pages.
    order = sorted(values)
    with transaction.cursor() as cursor:
        mark = transaction.pop(_MARK)  # it sorts last, and would be in the way
        last = cursor.key() if cursor.last() else b""
        for key in order:
            value = values[key]
            if value is None:
                transaction.delete(key)
            else:
                cursor.put(key, value, append=key > last)
                last = max(last, key)
        if mark is not None:
            transaction.put(_MARK, mark)


def _check(values: Mapping[bytes, bytes | None]) -> None:
    for key in values:
        if not 0 < len(key) <= _LONGEST or key == _MARK:
            raise ParameterError.of(
                "A state", "a key", f"{len(key)} bytes", f"1 to {_LONGEST} bytes, and not the one byte 0xff"
            )


def _path(folder: Path, number: int, suffix: str = "lmdb") -> Path:
    return folder / f"tiles-{number:06}.{suffix}"


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem.partition("-")[2]) for path in folder.glob("tiles-*.lmdb"))


def _remove(folder: Path, number: int) -> None:
    for suffix in ("lmdb", "lmdb-lock", "boot"):
        with suppress(FileNotFoundError):
            os.unlink(_path(folder, number, suffix))


def _is_torn(folder: Path, number: int) -> bool:
    """Tell whether a file was being written when the machine stopped."""
    try:
        return _path(folder, number, "boot").read_text() != _boot()
    except FileNotFoundError:
        return False


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:  # a system that does not say: then nothing can be told apart
        return "unknown"
