"""Delimited text (CSV): parsed once, in order, into texts; each line that cannot be parsed keeps its raw bytes."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa

from coterie.collect.opened import Opened
from coterie.collect.records import Records
from coterie.collect.spool import Spool
from coterie.collect.staged import ROW, Staged
from coterie.errors import UnreadableSourceError
from coterie.progress import Progress

_DELIMITERS = (";", "\t", ",", "|")


def stage(opened: Opened, name: str, folder: Path, delimiter: str, progress: Progress) -> Staged:
    """Stage a CSV file.

    Parameters
    ----------
    opened
        The file.
    name
        What messages call it.
    folder
        Takes temporary files.
    delimiter
        Between values.
    progress
        Told how many rows are read.

    Raises
    ------
    UnreadableSourceError
        When it has no header, repeats a name in it, or evidently has another delimiter.
    """
    broken_rows: list[int] = []
    broken_raw: list[bytes] = []
    with opened.text() as file, Spool(folder) as spool:
        records = Records(file, delimiter)
        names = _header(opened.path, records, delimiter)
        schema = pa.schema([*((each, pa.string()) for each in names), (ROW, pa.int64())])
        spool.add(schema.empty_table())
        rows = 0
        for table, numbers, bad in records.parts(names):
            rows += len(table)
            spool.add(table.append_column(schema.field(ROW), numbers))
            for number, raw in bad:
                broken_rows.append(number)
                broken_raw.append(raw.encode(opened.encoding))
            progress.step(f"reading {name}", rows + len(broken_rows))
        spool.finish()
    broken = pa.table({"row": pa.array(broken_rows, pa.int64()), "raw": pa.array(broken_raw, pa.binary())})
    return Staged(name, spool.relation, dict.fromkeys(names, pa.string()), rows, broken)


def unlike(path: object, names: list[str]) -> list[str]:
    """Return the names of columns; raises UnreadableSourceError when two are alike.

    DuckDB tells columns apart without regard to case.
    """
    counted = Counter(each.lower() for each in names)
    if twice := sorted({each for each in names if counted[each.lower()] > 1}):
        shown = ", ".join(map(repr, twice[:10])) + (", …" if len(twice) > 10 else "")
        raise UnreadableSourceError.of(
            path, f"its header names {shown} more than once", hint="give each column its own name."
        )
    return names


def _header(path: Path, records: Records, delimiter: str) -> list[str]:
    try:
        names = [each.strip() or f"column_{number}" for number, each in enumerate(records.header(), 1)]
    except (StopIteration, csv.Error) as error:
        raise UnreadableSourceError.of(path, "it has no header", hint="the first line names the columns.") from error
    if len(names) == 1:
        for other in _DELIMITERS:
            if other != delimiter and other in names[0]:
                written = other.replace("\t", "\\t")
                raise UnreadableSourceError.of(
                    path,
                    f"with the delimiter {delimiter!r} it has one column, {names[0][:80]!r}",
                    hint=f'say in the mapping how it is written: delimiter = "{written}".',
                )
    return unlike(path, names)
