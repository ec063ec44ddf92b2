"""Backups: a consistent copy of a shop's folder with the SHA-256 of every file, and the way back.

A backup is a folder with ``backup.json``, the manifest, and ``files/``. It is made beside its place and gets its name
when all of it is on the disk, so one that was interrupted is never taken for a whole one. The key of the vault is not
in it: without that key a backup tells nobody who the customers are.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from deltalake import DeltaTable

from coterie.errors import IntegrityError, StoreError
from coterie.store import disk
from coterie.store.delta import told
from coterie.store.ledger import without_leases
from coterie.store.parquet import flush

MANIFEST = "backup.json"
FILES = "files"
FORMAT = 1

_PIECE = 1 << 20  # bytes that are read at one time
_PAGES = 4096  # of a database that are copied at one time
_LOG = "_delta_log"
_PASSING = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database is in the copy of the database

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Manifest:
    """What is in a backup.

    Parameters
    ----------
    shop_id
        Whose it is; names the key that opens it.
    name
        The shop's name.
    layout
        Which tables and columns the shop had.
    made_at
        When, naive UTC.
    files
        Of each file its path below ``files/``, its bytes and its SHA-256 in hexadecimal.
    """

    shop_id: str
    name: str
    layout: int
    made_at: datetime
    files: tuple[tuple[str, int, str], ...]

    @property
    def bytes(self) -> int:
        """How large all files are together."""
        return sum(size for _, size, _ in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON values."""
        return {
            "format": FORMAT,
            "shop_id": self.shop_id,
            "name": self.name,
            "layout": self.layout,
            "made_at": self.made_at.isoformat() + "Z",
            "key": "not in here: it is kept apart, and a restored shop asks for it",
            "files": [{"path": path, "bytes": size, "sha256": digest} for path, size, digest in self.files],
        }

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read the manifest of a backup.

        Raises
        ------
        StoreError
            There is no backup in the folder, or one that only a newer coterie knows.
        IntegrityError
            The manifest is damaged.
        """
        path = folder / MANIFEST
        try:
            said = json.loads(path.read_text("utf-8"))
            if said["format"] > FORMAT:
                raise StoreError(
                    f"The backup in {folder} was made by a newer coterie.", hint="pip install --upgrade coterie."
                )
            files = tuple((str(file["path"]), int(file["bytes"]), str(file["sha256"])) for file in said["files"])
            made = datetime.fromisoformat(said["made_at"].removesuffix("Z"))
            found = cls(str(said["shop_id"]), str(said["name"]), int(said["layout"]), made, files)
        except FileNotFoundError:
            raise StoreError(
                f"There is no backup in {folder}: it has no {MANIFEST}.",
                hint="name the folder that `coterie backup` made; one that was interrupted is none.",
            ) from None
        except OSError as error:
            raise StoreError(f"Cannot read {path}: {error.strerror or error}.", hint=disk.remedy(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{path} is damaged.", hint="take another backup.") from error
        for name, _, _ in files:  # a path that leads out of the folder would write anywhere
            parts = PurePosixPath(name).parts
            if not parts or name.startswith("/") or ".." in parts or "\\" in name:
                raise IntegrityError(f"{path} is damaged: it names a file outside the backup.")
        return found


def back_up(
    shop: Path, target: Path, *, shop_id: str, name: str, layout: int, now: datetime, leave: Sequence[str], tell: Tell
) -> Manifest:
    """Copy a shop's folder into a backup, and return what is in it. The caller holds the shop's writer lease.

    Parameters
    ----------
    shop
        The shop's folder.
    target
        Where the backup goes: a folder that does not exist, or is empty.
    shop_id, name, layout, now
        As in :class:`Manifest`.
    leave
        Names in the shop's folder that are not copied.
    tell
        Called with how many files are copied, and of how many.

    Raises
    ------
    StoreError
        The target holds things already, lies within the shop, or cannot be written; nothing of it stays.
    IntegrityError
        The shop is damaged.
    """
    if target == shop or target.is_relative_to(shop):
        raise StoreError(f"Cannot back up into {target}: it lies within the shop.", hint="choose another folder.")
    with _made_aside(target) as aside:
        jobs = list(_jobs(shop, leave))
        entries = []
        for done, (path, copy) in enumerate(jobs):
            tell(done, len(jobs))
            to = aside / FILES / path.relative_to(shop)
            to.parent.mkdir(parents=True, exist_ok=True)
            copy(path, to)
            entries.append((path.relative_to(shop).as_posix(), to.stat().st_size, _digest(to)))
        tell(len(jobs), len(jobs))
        manifest = Manifest(shop_id, name, layout, now, tuple(entries))
        with (aside / MANIFEST).open("w", encoding="utf-8") as file:
            json.dump(manifest.to_json(), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
    return manifest


def bring_back(source: Path, target: Path, *, tell: Tell) -> Manifest:
    """Make a shop's folder of a backup whose every file is what it was, and return what was in it.

    Raises
    ------
    StoreError
        There is no backup, or the target holds things already or cannot be written; nothing of it stays.
    IntegrityError
        A file of the backup is missing or was changed.
    """
    manifest = Manifest.load(source)
    there = {path.relative_to(source / FILES).as_posix() for path in (source / FILES).rglob("*") if path.is_file()}
    if strangers := sorted(there - {path for path, _, _ in manifest.files}):
        raise IntegrityError(
            f"The backup in {source} holds {strangers[0]}, which was not in it.", hint="take another backup."
        )
    with _made_aside(target) as aside:
        for done, (name, size, digest) in enumerate(manifest.files):
            tell(done, len(manifest.files))
            path, to = source / FILES / name, aside / name
            if not path.is_file():
                raise IntegrityError(f"The backup in {source} lacks {name}.", hint="take another backup.")
            to.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, to)
            if to.suffix == ".sqlite":
                os.chmod(to, 0o600)  # as when they were made
            if to.stat().st_size != size or _digest(to) != digest:
                raise IntegrityError(
                    f"The backup in {source} is damaged: {name} is not what was backed up.", hint="take another backup."
                )
        tell(len(manifest.files), len(manifest.files))
    return manifest


@contextmanager
def _made_aside(target: Path) -> Iterator[Path]:
    """Give a folder to fill, which gets its name at the end; it goes when it was not filled."""
    aside = target.with_name(f".{target.name}.unfinished")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise StoreError(f"{target} holds things already.", hint="choose an empty or a new folder.")
        shutil.rmtree(aside, ignore_errors=True)  # what an interrupted one left
        aside.mkdir(parents=True, mode=0o700)
        try:
            yield aside
            flush(*(folder for folder in aside.rglob("*") if folder.is_dir()), aside)
            if target.exists():
                target.rmdir()
            aside.rename(target)
            flush(target.parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise StoreError(f"Cannot write {target}: {error.strerror or error}.", hint=disk.remedy(error)) from error


def _jobs(shop: Path, leave: Sequence[str]) -> Iterator[tuple[Path, Callable[[Path, Path], None]]]:
    """Return every file of the shop that belongs in a backup, with the way to copy it."""
    for entry in sorted(shop.iterdir()):
        if entry.name in leave or entry.name.endswith(_PASSING) or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _jobs_of_folder(entry)
        else:
            yield entry, _copy_database if entry.suffix == ".sqlite" else _copy


def _jobs_of_folder(folder: Path) -> Iterator[tuple[Path, Callable[[Path, Path], None]]]:
    """Return the files below a folder; of a Delta table its log and its live files alone."""
    if (folder / _LOG).is_dir():
        with told(folder.name, "read"):
            live = DeltaTable(str(folder)).file_uris()
        files = [folder / Path(uri).name for uri in live] + list((folder / _LOG).iterdir())
        for path in sorted(files):
            if not path.is_file():
                raise IntegrityError(f"Table {folder.name!r} is damaged: {path} is missing.", hint=disk.RESTORE)
            yield path, _copy
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _jobs_of_folder(entry)
        else:
            yield entry, _copy


def _copy(path: Path, to: Path) -> None:
    """Copy a file onto the disk."""
    with path.open("rb") as file, to.open("wb") as copy:
        shutil.copyfileobj(file, copy, _PIECE)
        copy.flush()
        os.fsync(copy.fileno())


def _copy_database(path: Path, to: Path) -> None:
    """Copy a SQLite database as it is at one moment, without the leases of those who write, and look it through."""
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as copy:
            os.chmod(to, 0o600)
            source.backup(copy, pages=_PAGES)
            without_leases(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            ((found, *_),) = copy.execute("PRAGMA quick_check(1)").fetchall()
        if found != "ok":
            raise IntegrityError(f"{path} is damaged: {found}.", hint=disk.RESTORE)
    except sqlite3.Error as error:
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        kind = IntegrityError if damaged else StoreError
        hint = disk.RESTORE if damaged else disk.remedy(error)
        raise kind(f"Cannot copy {path}: {error}.", hint=hint) from error
    with to.open("rb") as file:
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
