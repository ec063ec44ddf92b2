"""Workbooks (xlsx, xls, ods): one sheet, every cell as the text that a person would read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from coterie.collect.delimited import unlike
from coterie.collect.spool import Spool
from coterie.collect.staged import ROW, Staged, nothing_broken
from coterie.errors import UnreadableSourceError
from coterie.progress import Progress

MAGICS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
ROWS = 20_000  # of a sheet that are taken over at once
_ZIP = MAGICS[0]


def stage(readable: Path, path: Path, name: str, folder: Path, sheet: str | None, progress: Progress) -> Staged:
    """Stage a sheet of a workbook.

    Dates are ISO 8601, numbers as many digits as Excel keeps (15) and whole ones no decimal point, truth ``true`` and
    ``false``; a cell with an error is empty. The first row that is not empty names the columns; empty rows are no rows,
    and columns without a name and without values no columns.

    Parameters
    ----------
    readable
        Where its unpacked content lies.
    path
        Where it came from.
    name
        What messages call it.
    folder
        Takes temporary files.
    sheet
        The sheet; None is the first.
    progress
        Told how many rows are read.

    Raises
    ------
    UnreadableSourceError
        When it is no workbook, is locked by a password, lacks the sheet, or its sheet has no header.
    """
    found = _sheet(readable, path, sheet)
    rows = (each for each in _rows(found) if any(each))
    head = next(rows, None)
    if head is None:
        raise UnreadableSourceError.of(
            path, f"its sheet {found.name!r} is empty", hint="the first row names the columns; another sheet?"
        )
    taken = _taken(found, head)
    names = unlike(path, [head[place].strip() or f"column_{place + 1}" for place in taken])
    with Spool(folder) as spool:
        count = 0
        spool.add(_table(names, [], 0))
        while batch := [[row[place] for place in taken] for row in islice(rows, ROWS)]:
            spool.add(_table(names, batch, count))
            count += len(batch)
            progress.step(f"reading {name}", count)
        spool.finish()
        columns = dict.fromkeys(names, pa.string())
        return Staged(name, spool.relation, columns, count, nothing_broken())


def _sheet(readable: Path, path: Path, sheet: str | None) -> CalamineSheet:
    try:
        with CalamineWorkbook.from_path(readable) as book:
            names = book.sheet_names
            if sheet is None and names:
                return book.get_sheet_by_index(0)
            if sheet in names:
                return book.get_sheet_by_name(sheet)
    except PasswordError as error:
        raise UnreadableSourceError.of(path, "it is locked by a password", hint="save it without one.") from error
    except (CalamineError, OSError) as error:
        with readable.open("rb") as file:
            zipped = file.read(4) == _ZIP
        raise UnreadableSourceError.of(
            path,
            "it is a zip archive and no workbook, or damaged" if zipped else "the workbook is damaged or cut off",
            hint="unpack it first." if zipped else "copy it again.",
        ) from error
    listed = ", ".join(map(repr, names))
    raise UnreadableSourceError.of(path, f"it has no sheet {sheet!r}", hint=f"its sheets are {listed or 'none'}.")


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    """Yield the rows as texts."""
    for row in sheet.iter_rows():
        yield [_word(cell) for cell in row]


def _taken(sheet: CalamineSheet, head: list[str]) -> list[int]:
    """Return the places of columns: those with a name, and those with any value."""
    named = {place for place, each in enumerate(head) if each.strip()}
    if len(named) < len(head):
        for row in sheet.iter_rows():
            named |= {place for place, cell in enumerate(row) if _word(cell).strip()}
    return sorted(named)


def _table(names: Sequence[str], rows: list[list[str]], count: int) -> pa.Table:
    columns: Sequence[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [pa.array(column, pa.string()) for column in columns]
    numbers = pa.array(range(count + 1, count + 1 + len(rows)), pa.int64())
    return pa.table([*arrays, numbers], [*names, ROW])


def _word(cell: Any) -> str:
    """Return a cell as a person reads it."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, timedelta):
        seconds = cell.total_seconds()
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)
