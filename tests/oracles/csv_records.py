"""A naive twin of the reader of CSV records: Python's parser over all lines of the text, one record at a time."""

from __future__ import annotations

import csv
import io


def records(
    text: str, delimiter: str, longest: int
) -> tuple[list[str], list[tuple[int, list[str]]], list[tuple[int, str]]]:
    """Return the header, the well-formed records and the broken lines of a text, each with its number.

    Raises csv.Error or StopIteration when the text has no header.
    """
    lines = list(io.StringIO(text, newline=""))
    header: list[str] = []
    good: list[tuple[int, list[str]]] = []
    broken: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        reader = csv.reader(iter(lines[at : at + longest]), delimiter=delimiter, strict=True)
        try:
            record = next(reader)
        except csv.Error:
            if not header:
                raise
            record = None
        if not header:
            header = record or []
            at += reader.line_num
            continue
        if record == []:
            at += 1
        elif record is None or len(record) != len(header):
            broken.append((len(good) + len(broken) + 1, lines[at]))
            at += 1
        else:
            good.append((len(good) + len(broken) + 1, record))
            at += reader.line_num
    if not header:
        raise StopIteration
    return header, good, broken
