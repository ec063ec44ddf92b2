"""The files of a source: found, checked, and staged as one relation that DuckDB reads, each row with its number.

A Parquet file is read where it lies. A CSV file is parsed once, in order, into a temporary Parquet file of texts; each
line that cannot be parsed keeps its raw bytes (``records``).
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.collect.records import Records
from coterie.errors import DataError, MissingColumnError, UnreadableSourceError
from coterie.progress import SILENT, Progress
from coterie.store.sql import text
from coterie.store.warehouse import quoted

ROW = "#row"
BATCH, BATCH_BYTES = 122_880, 1 << 26  # of the temporary file: rows or bytes that are written at once
_PACKED = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "compressed with gzip", b"(\xb5/\xfd": "compressed with zstd"}


@dataclass(frozen=True)
class Staged:
    """A file that is ready to be queried.

    Parameters
    ----------
    name
        The file, relative to the folder of the data.
    relation
        What stands after FROM; it has the file's columns and ``#row``, which counts records from 1.
    columns
        Name and Arrow type of each column of the file.
    rows
        How many rows are well-formed.
    broken
        ``row, raw``: the records that cannot be parsed, as bytes.
    """

    name: str
    relation: str
    columns: dict[str, pa.DataType]
    rows: int
    broken: pa.Table

    @property
    def received(self) -> int:
        """How many records the file has."""
        return self.rows + len(self.broken)

    def require(self, columns: Iterable[str]) -> None:
        """Raise MissingColumnError, with the nearest names, unless the file has these columns."""
        if missing := [name for name in columns if name not in self.columns]:
            raise MissingColumnError.of(self.name, missing, self.columns)


def find(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a path or glob in the folder, in order of name.

    Raises
    ------
    UnreadableSourceError
        When there is no such folder or no such file.
    """
    if not folder.is_dir():
        raise UnreadableSourceError.of(folder, "there is no such folder", hint="give the folder that holds the files.")
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        there = sorted(path.name for path in folder.iterdir() if path.is_file())
        shown = ", ".join(there[:20]) + (", …" if len(there) > 20 else "")
        raise UnreadableSourceError.of(
            folder / pattern, "there is no such file", hint=f"the folder has {shown or 'no files'}."
        )
    return found


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableSourceError.of(path, error.strerror or "it cannot be opened") from error


@contextmanager
def stage(
    path: Path, name: str, *, encoding: str = "utf-8", delimiter: str = ",", progress: Progress = SILENT
) -> Iterator[Staged]:
    """Make a file ready to be queried for as long as the context lasts.

    Parameters
    ----------
    path
        A CSV file with a header, or a Parquet file; told apart by their content.
    name
        What messages call it.
    encoding, delimiter
        Of a CSV file.
    progress
        Told how many rows are read.

    Raises
    ------
    UnreadableSourceError
        When the file is empty, compressed, truncated, or not in the encoding; says where.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UnreadableSourceError.of(path, error.strerror or "it cannot be opened") from error
    if not head:
        raise UnreadableSourceError.of(path, "the file is empty", hint="a CSV file needs at least its header.")
    for magic, what in _PACKED.items():
        if head.startswith(magic):
            raise UnreadableSourceError.of(path, f"it is {what}", hint="unpack it first.")
    with ExitStack() as stack:
        if head == b"PAR1":
            yield _parquet(path, name)
        else:
            target = Path(stack.enter_context(TemporaryDirectory(prefix="coterie-"))) / "staged.parquet"
            yield _csv(path, name, target, encoding, delimiter, progress)


def looked_up(main: Staged, others: Iterable[tuple[Staged, tuple[tuple[str, str], ...]]]) -> Staged:
    """Return ``main`` with the columns of other files, each joined on pairs of columns; the rows stay the same.

    Where names clash, the column of ``main`` stays. That the keys are unique is for ``check_unique`` to tell.
    """
    joined, columns = f"SELECT here.*{{}} FROM {main.relation} AS here", dict(main.columns)
    added = ""
    for number, (other, pairs) in enumerate(others):
        main.require(left for left, _ in pairs)
        other.require(right for _, right in pairs)
        there = f"there{number}"
        for name, kind in other.columns.items():
            if name not in columns:
                columns[name] = kind
                added += f", {there}.{quoted(name)}"
        condition = " AND ".join(
            f"{words(f'here.{quoted(left)}', main.columns[left])} = "
            f"{words(f'{there}.{quoted(right)}', other.columns[right])}"
            for left, right in pairs
        )
        joined += f" LEFT JOIN {other.relation} AS {there} ON {condition}"
    return Staged(main.name, f"({joined.format(added)})", columns, main.rows, main.broken)


def repeated_keys(staged: Staged, columns: Iterable[str]) -> str:
    """Return the query that counts how many keys of a look-up occur more than once."""
    keys = ", ".join(quoted(name) for name in columns)
    return (
        f"SELECT COUNT(*) AS keys FROM (SELECT {keys} FROM {staged.relation} AS there GROUP BY ALL HAVING COUNT(*) > 1)"
    )


def check_lookup(staged: Staged, columns: Iterable[str], repeated: int) -> None:
    """Raise DataError when a look-up would multiply rows or cannot be read to its end."""
    if staged.broken.num_rows:
        first = staged.broken["row"][0].as_py()
        raise UnreadableSourceError.of(staged.name, f"row {first:,} cannot be parsed, and a look-up must be whole")
    if repeated:
        key = ", ".join(columns)
        raise DataError(
            f"The look-up {staged.name} has {repeated:,} value{'s' if repeated > 1 else ''} of ({key}) more than once.",
            hint="a look-up must have one row a key; add the columns that make it so to 'on'.",
        )


def words(expression: str, kind: pa.DataType) -> str:
    """Return SQL that gives a source value as text, whole floating-point numbers without a decimal point.

    pandas turns whole numbers with gaps into floating-point ones; the customer 7.0 is still the customer 7.
    """
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return expression
    if pa.types.is_floating(kind):
        return (
            f"CASE WHEN {expression} = TRUNC({expression}) AND ABS({expression}) < 9007199254740992 "
            f"THEN CAST(CAST({expression} AS BIGINT) AS VARCHAR) ELSE CAST({expression} AS VARCHAR) END"
        )
    return f"CAST({expression} AS VARCHAR)"


def _nothing_broken() -> pa.Table:
    return pa.schema([("row", pa.int64()), ("raw", pa.binary())]).empty_table()


def _located(path: Path) -> str:
    """Return a path as SQL in which no character is a wildcard."""
    return text(escape(str(path))).sql("duckdb")


def _parquet(path: Path, name: str) -> Staged:
    try:
        with pq.ParquetFile(path) as file:
            columns = {field.name: field.type for field in file.schema_arrow}
            rows = file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableSourceError.of(
            path, "the Parquet file is damaged or cut off", hint="write or copy it again."
        ) from error
    relation = (
        f"(SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS {quoted(ROW)} "
        f"FROM read_parquet([{_located(path)}], file_row_number = true, hive_partitioning = false))"
    )
    return Staged(name, relation, columns, rows, _nothing_broken())


def _csv(path: Path, name: str, target: Path, encoding: str, delimiter: str, progress: Progress) -> Staged:
    """Parse a CSV file into a Parquet file of texts."""
    # A byte order mark is no part of the first column's name.
    decoded = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    broken_rows: list[int] = []
    broken_raw: list[bytes] = []
    rows = 0
    try:
        with path.open(encoding=decoded, newline="") as file:
            records = Records(file, delimiter)
            names = _header(path, records)
            schema = pa.schema([*((each, pa.string()) for each in names), (ROW, pa.int64())])
            how: dict[str, Any] = {"compression": "lz4", "use_dictionary": names, "write_statistics": [ROW]}
            with pq.ParquetWriter(target, schema, **how) as writer:
                held: list[pa.Table] = []
                for table, numbers, bad in records.parts(names):
                    rows += len(table)
                    held.append(table.append_column(schema.field(ROW), numbers))
                    if sum(map(len, held)) >= BATCH or sum(each.nbytes for each in held) >= BATCH_BYTES:
                        writer.write_table(pa.concat_tables(held))
                        held.clear()
                    for number, raw in bad:
                        broken_rows.append(number)
                        broken_raw.append(raw.encode(encoding))
                    progress.step(f"reading {name}", rows + len(broken_rows))
                writer.write_table(pa.concat_tables([schema.empty_table(), *held]))
    except UnicodeDecodeError as error:
        raise _undecodable(path, encoding) from error
    except OSError as error:
        raise UnreadableSourceError.of(path, error.strerror or "it cannot be read") from error
    relation = f"(SELECT * FROM read_parquet([{_located(target)}], hive_partitioning = false))"
    broken = pa.table({"row": pa.array(broken_rows, pa.int64()), "raw": pa.array(broken_raw, pa.binary())})
    return Staged(name, relation, dict.fromkeys(names, pa.string()), rows, broken)


def _header(path: Path, records: Records) -> list[str]:
    try:
        names = [each.strip() or f"column_{number}" for number, each in enumerate(records.header(), 1)]
    except (StopIteration, csv.Error) as error:
        raise UnreadableSourceError.of(path, "it has no header", hint="the first line names the columns.") from error
    # DuckDB tells columns apart without regard to case.
    lowered = [each.lower() for each in names]
    if twice := sorted({each for each, low in zip(names, lowered, strict=True) if lowered.count(low) > 1}):
        raise UnreadableSourceError.of(
            path,
            f"its header names {', '.join(map(repr, twice))} more than once",
            hint="give each column its own name.",
        )
    return names


def _undecodable(path: Path, encoding: str) -> UnreadableSourceError:
    """Find the first byte that is not in the encoding; decoding in blocks only says where in the block."""
    decoder = codecs.getincrementaldecoder(encoding)()
    start, line = 0, 1
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                place = start - pending + error.start
                line += block[: max(error.start - pending, 0)].count(b"\n")
                byte = error.object[error.start]
                other = "latin-1" if codecs.lookup(encoding).name == "utf-8" else "utf-8"
                return UnreadableSourceError.of(
                    path,
                    f"byte {place:,} in line {line:,} (0x{byte:02x}) is not {encoding}",
                    hint=f'say in the mapping how it is written, for example encoding = "{other}".',
                )
            start += len(block)
            line += block.count(b"\n")
    return UnreadableSourceError.of(path, f"it ends in the middle of a character of {encoding}")
