"""Parquet files of the lake: written in order, flushed to the disk, and described for the log."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.schema import Table
from coterie.store.ports import Lake

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

T = TypeVar("T")

GROUP_ROWS = 122_880  # DuckDB's unit of parallel reading
_SAMPLE = 20_000  # rows that tell whether a text repeats itself
_ATTEMPTS = 5  # at reading files while others are removed


def write(
    folder: Path, prefix: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], file_bytes: int
) -> list[Path]:
    """Write batches, in their order, to new files of about the given size; all of them are on the disk, or none."""
    written: list[Path] = []
    pending = (batch for batch in batches if batch.num_rows)
    batch = next(pending, None)
    repeated = _repeated(batch) if batch is not None else []
    try:
        while batch is not None:
            written.append(folder / f"{prefix}-{uuid.uuid4()}.parquet")
            with written[-1].open("wb") as file:
                with pq.ParquetWriter(
                    file, schema, compression="zstd", store_schema=False, use_dictionary=repeated
                ) as writer:
                    while batch is not None and file.tell() < file_bytes:
                        writer.write_batch(batch, row_group_size=GROUP_ROWS)
                        batch = next(pending, None)
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def scanned(lake: Lake, table: Table, read: Callable[[Dataset], T]) -> T:
    """Return what ``read`` makes of a table's rows, read anew where a deletion removed files under it.

    Raises
    ------
    IntegrityError
        A live file is missing.
    """
    import pyarrow.dataset as ds

    for attempt in range(_ATTEMPTS):
        source = lake.source(table)
        try:
            if isinstance(source, pa.Table):
                return read(ds.dataset(source))
            return read(ds.dataset(source, schema=table.schema))
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1 or lake.source(table) == source:
                raise
    raise AssertionError("the last attempt returns or raises")


def _repeated(batch: pa.RecordBatch) -> list[str]:
    """Name the text columns that repeat themselves: only there a dictionary is worth its time and room.

    On 469,307 order lines: .20 CPU seconds and 6.7 MB, against .41 and 8.2 with a dictionary for every column.
    """
    sample = batch.slice(0, _SAMPLE)
    texts = [field.name for field in batch.schema if pa.types.is_string(field.type)]
    return [name for name in texts if pc.count_distinct(sample[name]).as_py() < sample.num_rows / 2]


def indexed(table: Table) -> list[str]:
    """Name the columns whose extremes may be kept in the log, which outlives deleted rows: no text, and no subject."""
    about = set(table.properties.get("subjects", (table.subject,)))
    return [
        field.name
        for field in table.schema
        if (pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)) and field.name not in about
    ]


def statistics(path: Path, table: Table) -> str:
    """Return what the log says about a file: how many rows, and the extremes of the indexed columns."""
    found = pq.read_metadata(path)
    names = [found.schema.column(i).path for i in range(found.num_columns)]
    groups = [found.row_group(i) for i in range(found.num_row_groups) if found.row_group(i).num_rows]
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name in indexed(table):
        if name not in names:  # a file of an older layout
            continue
        parts = [group.column(names.index(name)).statistics for group in groups]
        nulls[name] = sum(part.null_count for part in parts)
        if extremes := [part for part in parts if part.has_min_max]:
            low[name] = _spelled(min(part.min for part in extremes))
            high[name] = _spelled(max(part.max for part in extremes))
    return json.dumps({"numRecords": found.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})


def _spelled(value: Any) -> Any:
    return value if isinstance(value, int) else value.isoformat(timespec="microseconds")


def flush(*paths: Path) -> None:
    """Have the system put files or folders on the disk, with the entries of the folders that they lie in."""
    for path in dict.fromkeys([*paths, *(path.parent for path in paths)]):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
