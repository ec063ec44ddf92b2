"""The records of a CSV text: what is plain at the speed of Arrow's parser, the rest line by line.

Arrow's parser is fast, and lenient with what is broken; Python's is slow, and says exactly which lines are. A block of
text that both must read alike (``_plain``) is for the first; any other block is for the second. So a file costs much
time only around its broken lines, and is read the same wherever its blocks end.

After a quote that is never closed, reading goes on with the next line: one stray quote costs one row, not the rest of
the file.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import TextIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

BLOCK = 1 << 20  # characters
WIDE = 1_000  # columns: a block is longer for each so many, as each column of a block has its price
RECORD_LINES = 500  # a quoted field may span so many lines; beyond, its quote is taken for a stray one
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'


class Records:
    """The records of one CSV file: first its ``header``, then its ``parts``.

    Parameters
    ----------
    file
        Opened with ``newline=""``.
    delimiter
        One character.
    """

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._file = file
        self._delimiter = delimiter

    def header(self) -> list[str]:
        """Return the first record that is not blank.

        Raises
        ------
        csv.Error, StopIteration
            When there is none.
        """
        reader = csv.reader(_Lines(self._file), delimiter=self._delimiter, strict=True)
        while not (record := next(reader)):
            pass
        return record

    def parts(self, names: list[str]) -> Iterator[tuple[pa.Table, pa.Array, list[tuple[int, str]]]]:
        """Yield, in order, well-formed records as a table of texts with their numbers, and broken lines with theirs.

        Numbers count records and broken lines from 1; blank lines are neither.
        """
        schema = pa.schema([(name, pa.string()) for name in names])
        data, final, count = b"", False, 0
        block = BLOCK * max(1, len(names) // WIDE)
        while not final:
            # Where a block held no whole record, the next is as long as all before: no character is looked at often.
            read = self._file.read(max(block, len(data)))
            final = not read
            data += read.encode()
            if length := _plain(data, self._delimiter, final=final):
                table = _parsed(data[:length], self._delimiter, schema)
                if table is not None:
                    numbers = pa.array(np.arange(count + 1, count + 1 + len(table)))
                    count += len(table)
                    data = data[length:]
                    yield table, numbers, []
                    continue
            good, values, bad, rest = _judged(data.decode(), self._delimiter, len(names), count, final=final)
            count += len(good) + len(bad)
            data = rest.encode()
            columns = [pa.array(each, pa.string()) for each in zip(*values, strict=True)]
            yield pa.table(columns, schema) if columns else schema.empty_table(), pa.array(good, pa.int64()), bad


def _plain(data: bytes, delimiter: str, *, final: bool) -> int:
    """Return how many bytes at the start are whole records that both parsers read alike; 0 where that is not sure.

    That is: each quote opens a field, closes one, or is one of two inside it; or none opens a field, so that all stand
    for themselves. No NUL, no carriage return but before a newline, and no byte order mark, which Arrow would skip.
    No record is too long for the other parser.
    """
    if not delimiter.isascii():
        return 0
    text = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(text == _QUOTE) if b'"' in data else np.empty(0, np.int64)
    starts = (ord(delimiter), _NEWLINE)
    if not _stands(text, quotes - 1, *starts).any():
        quotes = quotes[:0]
    ends = np.flatnonzero(text == _NEWLINE)
    outside = np.flatnonzero(np.searchsorted(quotes, ends) % 2 == 0)
    if final:
        length, bounds, lines = len(data), np.append(ends[outside], len(data)), np.append(outside, len(ends))
    else:
        length, bounds, lines = int(ends[outside[-1]]) + 1 if len(outside) else 0, ends[outside], outside
    if not length or np.diff(bounds, prepend=-1).max() > csv.field_size_limit():
        return 0
    if np.diff(lines, prepend=-1).max() > RECORD_LINES:
        return 0
    quotes = quotes[quotes < length]
    if len(quotes) % 2 or not (
        _stands(text, quotes[::2] - 1, *starts, _QUOTE).all()
        and _stands(text, quotes[1::2] + 1, *starts, _QUOTE, _RETURN).all()
    ):
        return 0
    records = data[:length]
    lone = b"\r" in records and records.count(b"\r") != records.count(b"\r\n")
    if lone or b"\0" in records or records.startswith(b"\xef\xbb\xbf"):
        return 0
    return length


def _stands(text: np.ndarray, places: np.ndarray, *letters: int) -> np.ndarray:
    """Tell of each place whether one of these bytes stands there; outside of the text stand newlines."""
    wanted = np.zeros(256, bool)
    wanted[list(letters)] = True
    found = text.take(places, mode="clip")
    found[(places < 0) | (places >= len(text))] = _NEWLINE
    answer: np.ndarray = wanted[found]
    return answer


def _parsed(data: bytes, delimiter: str, schema: pa.Schema) -> pa.Table | None:
    """Return plain records as a table; None when one of them has too many values or too few."""
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(column_names=schema.names, use_threads=False, block_size=len(data)),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            # Nothing is null in a text: what means "nothing" is for the mapping to say.
            arrow_csv.ConvertOptions(column_types=schema, strings_can_be_null=False, check_utf8=False),
        )
    except pa.ArrowInvalid:
        return None


class _Lines:
    """The lines of one record after another, which can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.taken: list[str] = []
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        """Give the parser one more line of the record, unless the record is already too long to be one."""
        if len(self.taken) >= RECORD_LINES:
            raise StopIteration
        try:
            line = self._again.popleft() if self._again else next(self._lines)
        except StopIteration:
            self.ended = True
            raise
        self.taken.append(line)
        return line

    def give_back(self, keep: int) -> None:
        """Give back the lines taken after the first ``keep``."""
        self._again.extendleft(reversed(self.taken[keep:]))
        self.taken.clear()

    def rest(self) -> str:
        """Return all text that is not taken."""
        return "".join((*self._again, *self._lines))


def _judged(
    text: str, delimiter: str, width: int, count: int, *, final: bool
) -> tuple[list[int], list[list[str]], list[tuple[int, str]], str]:
    """Return numbers and values of well-formed records, numbers and text of broken lines, and the text not yet read.

    Unless the text is final, a record that may go on behind its end is not read.
    """
    whole = len(text) if final else 1 + max(text.rfind("\n"), text.rfind("\r", 0, max(len(text) - 1, 0)))
    lines = _Lines(io.StringIO(text[:whole], newline=""))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    numbers: list[int] = []
    values: list[list[str]] = []
    bad: list[tuple[int, str]] = []
    while True:
        try:
            record = next(reader)
        except StopIteration:
            if not lines.taken:
                break
            record = None
        except csv.Error:
            record = None
        if record is None and lines.ended and not final:
            lines.give_back(0)
            break
        if record is None or (record and len(record) != width):
            # Only the first line is given up; what a stray quote swallowed is parsed again.
            count += 1
            bad.append((count, lines.taken[0]))
            lines.give_back(1)
        elif record:
            count += 1
            numbers.append(count)
            values.append(record)
        lines.taken.clear()
    return numbers, values, bad, lines.rest() + text[whole:]
