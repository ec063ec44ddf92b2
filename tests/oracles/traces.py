"""What a folder still says about somebody: its bytes, and every value of its Parquet and SQLite files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import IntegrityError
from coterie.store.ports import Vault


def traces(folder: Path, words: Iterable[str], subjects: Iterable[int], vault: Vault) -> list[str]:
    """Return where words (in any case, in UTF-8 or UTF-16) or subject keys (as bytes or digits) are found.

    Parameters
    ----------
    folder
        Every file under it is read, as it lies there and, for Parquet and SQLite, value by value.
    words, subjects
        What to look for.
    vault
        Opens the values that are sealed.
    """
    subjects = list(subjects)
    texts = [*words, *map(str, subjects)]
    marks = {text: [text.lower().encode(), text.lower().encode("utf-16-le")] for text in texts}
    for key in subjects:
        shifted = (key + (1 << 63)).to_bytes(8, "big")  # as keys that sort by number are written
        marks[str(key)] += [key.to_bytes(8, "little"), key.to_bytes(8, "big"), shifted]
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for part, content in _contents(path, vault):
            lowered = content.lower()
            found += [
                f"{text} in {path.relative_to(folder)}{part}"
                for text, forms in marks.items()
                if any(form in lowered or form in content for form in forms)
            ]
    return found


def _contents(path: Path, vault: Vault) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield "", content
    if content[:4] == b"PAR1":
        for name, column in zip(*_columns(path), strict=True):
            yield f" ({name})", b"\n".join(_said(value, vault) for value in column)
    if content[:15] == b"SQLite format 3":
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
            yield f" ({table})", b"\n".join(_said(value, vault) for row in rows for value in row)
        connection.close()


def _columns(path: Path) -> tuple[list[str], list[list[object]]]:
    table: pa.Table = pq.ParquetFile(path).read()
    return table.column_names, [column.to_pylist() for column in table.columns]


def _said(value: object, vault: Vault) -> bytes:
    if isinstance(value, bytes):
        try:
            return vault.unseal([value])[0]
        except IntegrityError:  # sealed for another use, or not sealed
            return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return f"{value}".encode() + b" " + value.to_bytes(8, "little", signed=True)
    return str(value).encode()
