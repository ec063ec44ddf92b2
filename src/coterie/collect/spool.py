"""A temporary place for rows on their way in: Parquet files, which become one relation whatever their columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.collect.paths import words
from coterie.collect.staged import ROW
from coterie.errors import StoreError
from coterie.store.warehouse import files_relation, quoted

BATCH, BATCH_BYTES = 122_880, 1 << 26  # rows or bytes that are written at once


class Spool:
    """Takes tables of rows and writes them down; when the columns or types change, into a further file.

    Parameters
    ----------
    folder
        Where the files go.
    plain
        Columns whose values hardly repeat, so that a dictionary of them costs time alone.
    """

    def __init__(self, folder: Path, plain: Sequence[str] = ()) -> None:
        self.rows = 0
        self._folder = folder
        self._plain = {ROW, *plain}
        self._parts: list[tuple[Path, pa.Schema]] = []
        self._held: list[pa.Table] = []
        self._held_bytes = self._held_rows = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pa.Table) -> None:
        """Take rows; they have ``#row``."""
        if self._held and rows.schema != self._held[0].schema:
            self._write()
        self._held.append(rows)
        self._held_rows += len(rows)
        self._held_bytes += rows.nbytes
        if self._held_rows >= BATCH or self._held_bytes >= BATCH_BYTES:
            self._write()

    def finish(self) -> None:
        """Write down what is held and close the last file."""
        self._write()
        self._close()

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Name and type of each column but ``#row``, over all files: what was of several types is text."""
        found: dict[str, pa.DataType] = {}
        for _, schema in self._parts:
            for field in schema:
                if field.name != ROW:
                    found[field.name] = _common(found.get(field.name, pa.null()), field.type)
        return {name: pa.string() if pa.types.is_null(kind) else kind for name, kind in found.items()}

    @property
    def relation(self) -> str:
        """What stands after FROM."""
        columns = self.columns
        if all(columns.get(field.name, field.type) == field.type for _, schema in self._parts for field in schema):
            return f"(SELECT * FROM {files_relation([path for path, _ in self._parts])})"
        parts = []
        for path, schema in self._parts:
            there = {field.name: field.type for field in schema}
            cells = (f"{_cast(name, there.get(name), kind)} AS {quoted(name)}" for name, kind in columns.items())
            parts.append(f"SELECT {quoted(ROW)}, {', '.join(cells)} FROM {files_relation([path])}")
        return f"({' UNION ALL '.join(parts)})"

    def digest(self) -> str:
        """Return the SHA-256 of all that was written, in hexadecimal."""
        found = hashlib.sha256()
        for path, _ in self._parts:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        return found.hexdigest()

    def _write(self) -> None:
        if not self._held:
            return
        with room():
            self._put(pa.concat_tables(self._held))
        self._held.clear()
        self._held_rows = self._held_bytes = 0

    def _put(self, table: pa.Table) -> None:
        if self._writer is None or table.schema != self._parts[-1][1]:
            self._close()
            path = self._folder / f"part-{len(self._parts)}.parquet"
            self._parts.append((path, table.schema))
            self._writer = pq.ParquetWriter(
                path,
                table.schema,
                compression="lz4",
                use_dictionary=[name for name in table.schema.names if name not in self._plain],
                write_statistics=[ROW],
            )
        self._writer.write_table(table)
        self.rows += len(table)

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with room():
                writer.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()


@contextmanager
def room() -> Iterator[None]:
    """Raise StoreError when temporary files cannot be written."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"Cannot write temporary files: {error.strerror or error}.",
            hint="free some space on the disk of the shop; for a shop in memory, in the folder that TMPDIR names.",
        ) from error


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds the values of both exactly."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        scale = max(one.scale, other.scale)
        whole = max(one.precision - one.scale, other.precision - other.scale)
        return pa.decimal128(whole + scale, scale) if whole + scale <= 38 else pa.string()
    return pa.string()


def _cast(name: str, there: pa.DataType | None, kind: pa.DataType) -> str:
    """Return SQL for a column of one file in the type that all have."""
    if there is None:
        return "NULL"
    if pa.types.is_decimal(kind):
        return f"CAST({quoted(name)} AS DECIMAL({kind.precision}, {kind.scale}))"
    return words(quoted(name), there) if pa.types.is_string(kind) else quoted(name)
