"""The beginning of a file, looked at before anybody has said what it means: how it is written, and its columns."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.collect.columns import Column
from coterie.collect.sources import stage
from coterie.errors import UnreadableSourceError
from coterie.store.warehouse import Warehouse

ROWS = 20_000
"""Rows that are looked at, from the beginning of a file."""

BYTES = 8 << 20
_DELIMITERS = ",;\t|"
_PACKED = {b"\x1f\x8b": "gzip", b"(\xb5/\xfd": "zstd"}
_BINARY = re.compile("[\0-\x08\x0e-\x1f]")  # in a header: of texts, only values hold such characters
_BOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


@dataclass(frozen=True)
class Sample:
    """The beginning of one file.

    Parameters
    ----------
    file
        Relative to the folder of the data.
    columns
        What each column looks like; those inside nested records have dotted paths.
    lists
        Paths that hold lists of records.
    rows
        How many rows were looked at.
    whole
        Whether that is the whole file.
    encoding, delimiter
        How a CSV file is written; None for other files.
    """

    file: str
    columns: tuple[Column, ...]
    lists: tuple[str, ...]
    rows: int
    whole: bool
    encoding: str | None = None
    delimiter: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    @classmethod
    def of(cls, path: Path, file: str) -> Sample:
        """Look at the beginning of a file: CSV, JSON Lines, Parquet or Excel, also packed with gzip or zstd.

        Raises
        ------
        UnreadableSourceError
            When it is empty or none of these.
        """
        head, whole = _head(path)
        if not head.strip():
            raise UnreadableSourceError.of(path, "the file is empty")
        if head.startswith(b"PAR1"):
            return cls._parquet(path, file)
        if head.startswith(_BOOKS):
            return cls._book(path, file)
        encoding = _encoding(head)
        text = head.decode(encoding, "replace")
        if not whole:
            text = text[: text.rfind("\n") + 1]
        if text.lstrip("\ufeff \r\n\t").startswith(("{", "[")):
            if found := list(islice(_records(text), ROWS)):
                return cls._nested(file, found, whole=whole)
            raise UnreadableSourceError.of(path, "it begins like JSON, but with no object")
        if _BINARY.search(text.lstrip("\ufeff\r\n").partition("\n")[0]):
            raise UnreadableSourceError.of(path, "it is no text", hint="unpack archives first.")
        return cls._table(file, text, encoding, whole=whole)

    @classmethod
    def _parquet(cls, path: Path, file: str) -> Sample:
        try:
            with pq.ParquetFile(path) as parquet:
                batch = next(parquet.iter_batches(batch_size=5_000), None)
                rows = batch.to_pylist() if batch is not None else []
                return cls._nested(file, rows, whole=parquet.metadata.num_rows <= 5_000)
        except (OSError, pa.ArrowException, ValueError) as error:
            raise UnreadableSourceError.of(path, "it is no whole Parquet file") from error

    @classmethod
    def _table(cls, file: str, text: str, encoding: str, *, whole: bool) -> Sample:
        delimiter = _delimiter(text)
        reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        rows: list[list[str]] = []
        with suppress(csv.Error):  # a quote that is never closed: what stands before it is enough
            rows += (row for row in islice(reader, ROWS) if len(row) == len(names))
        columns = tuple(
            Column.of(name, values)
            for name, values in zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)
        )
        return cls(file, columns, (), len(rows), whole and len(rows) < ROWS, encoding.removesuffix("-sig"), delimiter)

    @classmethod
    def _nested(cls, file: str, records: Iterable[Mapping[str, Any]], *, whole: bool) -> Sample:
        found: list[dict[str, str | None]] = []
        lists: dict[str, None] = {}
        for record in records:
            flat: dict[str, str | None] = {}
            _flatten("", record, flat, lists)
            found.append(flat)
        names = dict.fromkeys(name for flat in found for name in flat)
        columns = tuple(Column.of(name, [flat.get(name) for flat in found]) for name in names)
        return cls(file, columns, tuple(lists), len(found), whole and len(found) < ROWS)

    @classmethod
    def _book(cls, path: Path, file: str) -> Sample:
        with stage(path, file) as staged, Warehouse() as warehouse:
            names = list(staged.columns)
            table: pa.Table = warehouse.query(f"SELECT * FROM {staged.relation} LIMIT {ROWS}").select(names)
            texts = [[_text(value) for value in table[name].to_pylist()] for name in names]
            columns = tuple(Column.of(name, values) for name, values in zip(names, texts, strict=True))
            return cls(file, columns, (), table.num_rows, staged.rows <= ROWS)


def _head(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes, unpacked, and whether they are all."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            packed = next((codec for start, codec in _PACKED.items() if magic.startswith(start)), None)
            stream: BinaryIO | pa.CompressedInputStream = pa.CompressedInputStream(file, packed) if packed else file
            head = bytes(stream.read(BYTES + 1))
    except (OSError, pa.ArrowException) as error:
        raise UnreadableSourceError.of(path, str(error).splitlines()[0] or "it cannot be opened") from error
    return head[:BYTES], len(head) <= BYTES


def _encoding(head: bytes) -> str:
    """Return how the bytes are written: by their mark, else UTF-8 where that is possible, else Western European."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        head[:-4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return "cp1252"
    return "utf-8-sig" if head.startswith(b"\xef\xbb\xbf") else "utf-8"


def _delimiter(text: str) -> str:
    """Return the delimiter with which most of the first lines have as many values as the header."""

    def score(delimiter: str) -> tuple[float, int]:
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows += islice(csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter), 100)
        width = len(rows[0]) if rows else 0
        even = sum(len(row) == width for row in rows) / max(len(rows), 1)
        return (round(even, 1) if width > 1 else 0.0, width)

    return max(_DELIMITERS, key=score)


def _records(text: str) -> Iterable[dict[str, Any]]:
    """Yield the objects of JSON: one a line, spread over lines, or in one list. A line that is none is left out."""
    decoder, at = json.JSONDecoder(parse_float=str, parse_int=str), 0
    while (start := text.find("{", at)) >= 0:
        try:
            found, at = decoder.raw_decode(text, start)
            yield found
        except (ValueError, RecursionError):
            at = text.find("\n", start)
            if at < 0:
                return


def _flatten(path: str, value: Any, flat: dict[str, str | None], lists: dict[str, None]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{path}.{key}" if path else str(key), inner, flat, lists)
    elif isinstance(value, list):
        if value and isinstance(value[0], Mapping):
            lists[path] = None
    else:
        flat[path] = _text(value)


def _text(value: Any) -> str | None:
    """Return a value as an import would write it: true and 7 rather than True and 7.0."""
    if value is None or isinstance(value, bool):
        return None if value is None else str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
