"""Remaking: all tiles of a state at once, streamed from facts in the order of the subjects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from coterie.errors import DataError
from coterie.features.entry import TABLES, Entries, Entry
from coterie.progress import Progress

_FLUSH = 5_000  # subjects that are written at once
_OWNERS_FLUSH = 100_000  # facts of products and the like that wait to be put in
_STEP = "tiles"

Group = tuple[int, int, list[dict[str, Any]]]
Gather = Callable[[list[Entry]], dict[tuple[str, bytes], list[Entry]]]
Apply = Callable[[str, bytes | None, list[Entry]], bytes]


def remade(
    facts: Mapping[str, Iterable[pa.RecordBatch]],
    entries: Entries,
    gather: Gather,
    apply: Apply,
    is_personal: Callable[[bytes], bool],
    progress: Progress,
) -> Iterator[dict[bytes, bytes | None]]:
    """Return what is to be written, some thousand subjects at a time, in the order of the keys.

    Parameters
    ----------
    facts
        Table → batches of its rows, sorted by ``subject``; rows without one come last or not at all.
    entries
        Makes facts of rows.
    gather
        Returns the facts of each owner under its kind and key.
    apply
        Returns what is kept of an owner with more facts.
    is_personal
        Tells whether a key is about a person; the others are written at the end.
    progress
        Sees how many facts are done.

    Raises
    ------
    DataError
        The rows are not sorted.
    """
    done = 0
    written: dict[bytes, bytes | None] = {}
    owners: dict[tuple[str, bytes], bytes] = {}
    waiting: dict[tuple[str, bytes], list[Entry]] = {}
    number = 0
    groups = merge(*(_groups(TABLES.index(table), batches, entries) for table, batches in facts.items()))
    for _, chosen in groupby(groups, itemgetter(0)):
        of_subject: list[Entry] = []
        for _, table, rows in chosen:
            done += len(rows)
            of_subject += entries.of(TABLES[table], rows)
        for (per, key), found in gather(of_subject).items():
            if is_personal(key):
                written[key] = apply(per, None, found)
            else:
                waiting.setdefault((per, key), []).extend(found)
                number += len(found)
        if number > _OWNERS_FLUSH:
            _put_in(owners, waiting, apply)
            number = 0
        if len(written) >= _FLUSH:
            yield written
            written = {}
            progress.step(_STEP, done)
    _put_in(owners, waiting, apply)
    yield {**written, **{key: packed for (_, key), packed in sorted(owners.items())}}
    progress.step(_STEP, done, done)


def _put_in(
    owners: dict[tuple[str, bytes], bytes], waiting: dict[tuple[str, bytes], list[Entry]], apply: Apply
) -> None:
    for unit, found in waiting.items():
        owners[unit] = apply(unit[0], owners.get(unit), found)
    waiting.clear()


def _groups(table: int, batches: Iterable[pa.RecordBatch], entries: Entries) -> Iterator[Group]:
    """Return the rows of each subject of a table."""
    subject: int | None = None
    rows: list[dict[str, Any]] = []
    for batch in batches:
        for one, row in _rows(batch, entries.columns(TABLES[table])):
            if one != subject:
                if rows and subject is not None:
                    yield subject, table, rows
                if one is None:
                    return
                if subject is not None and one < subject:
                    raise DataError(f"The rows of {TABLES[table]} are not sorted by subject.")
                subject, rows = one, []
            rows.append(row)
    if rows and subject is not None:
        yield subject, table, rows


def _rows(batch: pa.RecordBatch, wanted: frozenset[str]) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Return the rows as dictionaries of the columns that are read, times in microseconds since 1970."""
    names = [name for name in batch.schema.names if name in wanted]
    columns = []
    for name in names:
        column = batch.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us")).cast(pa.int64())
        columns.append(column.to_pylist())
    place = names.index("subject")
    for values in zip(*columns, strict=True):
        yield values[place], dict(zip(names, values, strict=True))
