"""The files of a source: found, told apart by their content, and staged as one relation that DuckDB reads.

A Parquet file is read where it lies; everything else is read once, in order, into a temporary one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from coterie.collect import delimited, excel, jsonl, parquet
from coterie.collect.joined import check_lookup, first_of, looked_up, repeated_keys
from coterie.collect.opened import Opened
from coterie.collect.paths import words
from coterie.collect.staged import LINE, ROW, Staged
from coterie.errors import UnreadableSourceError
from coterie.progress import SILENT, Progress

__all__ = [
    "LINE",
    "ROW",
    "Staged",
    "check_lookup",
    "digest",
    "find",
    "first_of",
    "looked_up",
    "repeated_keys",
    "stage",
    "words",
]

_SHOWN = 20  # file names in a message


def find(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a path or glob in the folder, in the natural order of their names (2 before 10).

    ``**/`` stands for any folders, also linked ones. Files whose name begins with a point are found only when the
    pattern says so.

    Raises
    ------
    UnreadableSourceError
        When there is no such folder or no such file, or a folder may not be looked into.
    """
    if not folder.is_dir():
        raise UnreadableSourceError.of(folder, "there is no such folder", hint="give the folder that holds the files.")
    if Path(pattern).is_absolute():
        raise UnreadableSourceError.of(pattern, "it is not inside the folder of the data", hint="give it without '/'.")
    matched = sorted(set(_matching(folder, pattern)), key=lambda path: _natural(path.relative_to(folder).as_posix()))
    hidden = pattern.rpartition("/")[2].startswith(".")
    found = [path for path in matched if path.is_file() and (hidden or not path.name.startswith("."))]
    if not found:
        if matched:
            raise UnreadableSourceError.of(matched[0], "it is a folder", hint=f'name its files: "{pattern}/*".')
        there = sorted((path.name for path in _entries(folder) if path.is_file()), key=_natural)
        shown = ", ".join(there[:_SHOWN]) + (", …" if len(there) > _SHOWN else "")
        raise UnreadableSourceError.of(
            folder / pattern, "there is no such file", hint=f"the folder has {shown or 'no files'}."
        )
    return found


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableSourceError.of(path, error.strerror or "it cannot be opened") from error


@contextmanager
def stage(
    path: Path,
    name: str,
    *,
    encoding: str = "utf-8",
    delimiter: str = ",",
    sheet: str | None = None,
    scratch: Path | None = None,
    progress: Progress = SILENT,
) -> Iterator[Staged]:
    """Make a file ready to be queried for as long as the context lasts.

    Parameters
    ----------
    path
        CSV with a header, JSON Lines (or one JSON list of objects), Parquet or Excel (xlsx, xls, ods); told apart by
        their content, JSON also by its name. Compressed with gzip or zstd or not.
    name
        What messages call it.
    encoding, delimiter
        Of text. A byte order mark in the file goes before ``encoding``.
    sheet
        Of a workbook; None is the first.
    scratch
        Where a folder for temporary files is made, which hold the rows in the clear; None is the system's place.
    progress
        Told how many rows are read.

    Raises
    ------
    UnreadableSourceError
        When the file is empty, truncated, or not in the encoding; says where.
    """
    opened = Opened.of(path, encoding)
    with TemporaryDirectory(prefix="coterie-", dir=scratch) as made:
        folder = Path(made)
        if opened.head.startswith(parquet.MAGIC):
            yield parquet.stage(opened.unpacked(folder), path, name)
        elif opened.head.startswith(excel.MAGICS):
            yield excel.stage(opened.unpacked(folder), path, name, folder, sheet, progress)
        elif jsonl.looks_like(opened):
            yield jsonl.stage(opened, name, folder, progress)
        else:
            yield delimited.stage(opened, name, folder, delimiter, progress)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return what names are ordered by: numbers by what they say, all else by letter."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part] + [(2, 0, name)]


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    before, deep, after = pattern.partition("**/")
    if not deep:
        yield from folder.glob(pattern)
        return
    for start in folder.glob(before.rstrip("/")) if before else (folder,):
        for each in _folders(start, set()):
            yield from _matching(each, after)


def _folders(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Yield a folder and all folders in it, linked ones included, each once."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    yield folder
    for entry in sorted(_entries(folder)):
        if entry.is_dir() and not entry.name.startswith("."):
            yield from _folders(entry, seen)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        _closed(folder, error)


def _closed(folder: Path, error: OSError) -> NoReturn:
    raise UnreadableSourceError.of(folder, error.strerror or "it cannot be looked into") from error
