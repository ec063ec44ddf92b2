"""JSON Lines: one record a line, its root keys as columns of text; what is nested stays JSON, for paths to lead into.

DuckDB parses the lines in batches. A line that is no JSON object keeps its raw bytes; the file may gain keys at any
line, and a value may change its type at any line. Text is what it means, numbers are their digits (whole ones of any
length; those with a fraction as the shortest that give the same double), booleans ``true`` and ``false``; null is
missing. One JSON list of objects, or objects spread over many lines, are read like their lines, if all is well formed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect.opened import Opened
from coterie.collect.spool import Spool, room
from coterie.collect.staged import LINE, ROW, Staged
from coterie.errors import StoreError, UnreadableSourceError
from coterie.progress import Progress
from coterie.store.sql import text
from coterie.store.warehouse import Warehouse, quoted

BLOCK = 1 << 23  # bytes that are parsed at once
LONGEST = 1 << 29  # bytes of one line
LARGEST = 1 << 26  # bytes of one value of a list
VALUES = 20_000  # of a list that are parsed at once
WIDEST = 1_000  # keys that get a column of their own; values of others are taken out of the line when asked for
KEYS = 100_000  # different keys of a file
_NAMES = (".jsonl", ".ndjson", ".json")
_SPACE = b" \t\r\n"


def looks_like(opened: Opened) -> bool:
    """Tell whether a file is JSON, by its name or its first characters."""
    name = opened.path.name.lower().removesuffix(".gz").removesuffix(".zst")
    start = opened.start
    if name.endswith(_NAMES):
        return True
    inner = start[1:].lstrip()
    return (start.startswith("{") and inner.startswith(('"', "}"))) or (
        start.startswith("[") and inner.startswith(("{", "]"))
    )


def stage(opened: Opened, name: str, folder: Path, progress: Progress) -> Staged:
    """Stage a file of JSON Lines, or of one JSON list.

    Parameters
    ----------
    opened
        The file.
    name
        What messages call it.
    folder
        Takes temporary files.
    progress
        Told how many rows are read.

    Raises
    ------
    UnreadableSourceError
        When it is neither, or a list is damaged or cut off.
    """
    start = opened.start
    spread = re.match(r"\{[ \t]*\r?\n", start)
    form = "array" if start.startswith("[") else "unstructured" if spread else None
    with Warehouse(None, temp_directory=folder) as warehouse, Spool(folder, plain=[LINE]) as spool:
        records = _Records(warehouse, opened.path)
        for batch in _values(opened, folder, warehouse, form) if form else _lines(opened):
            spool.add(records.parsed(batch))
            progress.step(f"reading {name}", records.count)
        spool.finish()
        broken = pa.table(
            {"row": pa.array(records.broken_rows, pa.int64()), "raw": pa.array(records.broken_raw, pa.binary())}
        )
        columns = dict.fromkeys(records.keys, pa.string())
        apart = frozenset(columns) - frozenset(records.columns.values())
        return Staged(name, spool.relation, columns, spool.rows, broken, lines=True, apart=apart)


class _Records:
    """What has been read of a file: its keys in the order of their first appearance, its count, its broken lines."""

    def __init__(self, warehouse: Warehouse, path: Path) -> None:
        self.keys: dict[str, None] = {}
        self.count = 0
        self.broken_rows: list[int] = []
        self.broken_raw: list[bytes] = []
        self.columns: dict[str, str] = {}  # of keys that differ in case alone, the first has the column
        self._warehouse = warehouse
        self._path = path

    def parsed(self, lines: pa.Array) -> pa.Table:
        """Return the rows of some lines, of binary: ``#row``, ``#line`` and a text a key; keep what is broken."""
        texts = _decoded(lines)
        with self._warehouse.temporary("lines", pa.table({"line": texts})):
            keys = self._warehouse.query(
                "SELECT CASE WHEN TRY(JSON_TYPE(line)) = 'OBJECT' THEN JSON_KEYS(line) END AS keys FROM lines"
            )["keys"].combine_chunks()
            self._learn(pc.unique(pc.list_flatten(keys)).to_pylist())
            if not keys.null_count:
                numbers = np.arange(self.count + 1, self.count + 1 + len(lines))
                self.count += len(lines)
                return self._table(texts, numbers)
        good = keys.is_valid()
        numbers = self._numbers(lines, good)
        texts = texts.filter(good)
        with self._warehouse.temporary("lines", pa.table({"line": texts})):
            return self._table(texts, numbers[good.to_numpy(zero_copy_only=False)])

    def _numbers(self, lines: pa.Array, good: pa.Array) -> np.ndarray:
        """Count records; keep those that are broken, but for blank lines, which are none."""
        present = np.ones(len(lines), bool)
        raws: dict[int, bytes] = {}
        for place in np.flatnonzero(~good.to_numpy(zero_copy_only=False)).tolist():
            raw = lines[place].as_py()
            if raw.strip(_SPACE):
                raws[place] = raw
            else:
                present[place] = False
        numbers: np.ndarray = self.count + np.cumsum(present)
        self.count = int(numbers[-1])
        self.broken_rows += numbers[list(raws)].tolist()
        self.broken_raw += raws.values()
        return numbers

    def _learn(self, keys: list[str]) -> None:
        for key in keys:
            if key not in self.keys:
                self.keys[key] = None
                if key and "\0" not in key and key[0] != "#" and len(self.columns) < WIDEST:
                    self.columns.setdefault(key.lower(), key)
        if len(self.keys) > KEYS:
            raise UnreadableSourceError.of(
                self._path,
                f"its lines have more than {KEYS:,} different keys",
                hint="keys name fields; put ids into values.",
            )

    def _table(self, texts: pa.Array, numbers: np.ndarray) -> pa.Table:
        """Return the rows of what the warehouse holds as ``lines``."""
        columns = list(self.columns.values())
        shape = text(json.dumps(dict.fromkeys(columns, "VARCHAR"))).sql("duckdb")
        cells = ", ".join(f"cells.{quoted(key)} AS {quoted(key)}" for key in columns)
        parsed = f"SELECT {cells} FROM (SELECT JSON_TRANSFORM(line, {shape}) AS cells FROM lines)"
        values = self._warehouse.query(parsed).columns if columns else []
        return pa.table([pa.array(numbers, pa.int64()), texts, *values], [ROW, LINE, *columns])


def _lines(opened: Opened) -> Iterator[pa.Array]:
    """Yield the lines of a file in batches, each line with its end."""
    with _utf8(opened) as read:
        rest = b""
        while True:
            # Where a block held no whole line, the next is as long as all before: no byte is looked at often.
            block = read(max(BLOCK, len(rest)))
            data = rest + block
            end = data.rfind(b"\n") + 1 if block else len(data)
            if end:
                yield _split(data[:end])
            rest = data[end:]
            if not block:
                return
            if len(rest) > LONGEST:
                raise UnreadableSourceError.of(
                    opened.path, f"a line is longer than {LONGEST >> 20:,} MiB", hint="write one object a line."
                )


def _split(data: bytes) -> pa.Array:
    """Return the lines of some bytes, which are not copied."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    offsets = np.concatenate(([0], ends, [] if data.endswith(b"\n") else [len(data)])).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _values(opened: Opened, folder: Path, warehouse: Warehouse, form: str) -> Iterator[pa.Array]:
    """Yield the elements of one JSON list, or values that are spread over many lines, in batches."""
    path = opened.unpacked(folder)
    if opened.encoding != "utf-8":
        path = folder / "recoded"
        with _utf8(opened) as read, room(), path.open("wb") as file:
            while block := read(BLOCK):
                file.write(block)
    where = text(escape(str(path))).sql("duckdb")
    objects = f"READ_JSON_OBJECTS([{where}], format = '{form}', compression = 'none', maximum_object_size = {LARGEST})"
    try:
        for batch in warehouse.stream(f"SELECT json AS line FROM {objects}", VALUES):
            yield batch["line"].cast(pa.binary())
    except StoreError as error:
        at = re.search(r"in record/value [\d,]+", error.message)
        raise UnreadableSourceError.of(
            opened.path,
            f"its JSON is damaged or cut off{' ' + at[0].replace('record/value', 'record') if at else ''}",
            hint="copy it again; or write one object a line: then a bad line costs one row.",
        ) from None


@contextmanager
def _utf8(opened: Opened) -> Iterator[Callable[[int], bytes]]:
    """Give a function that reads on in the content as UTF-8."""
    if opened.encoding == "utf-8":
        with opened.bytes() as content:
            yield content.read
    else:
        with opened.text() as file:
            yield lambda size: file.read(size).encode()


def _decoded(lines: pa.Array) -> pa.Array:
    """Return lines as texts; null where one is not UTF-8."""
    try:
        return lines.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(raw) for raw in lines.to_pylist()], pa.string())


def _text(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None
