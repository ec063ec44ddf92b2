"""Parquet files: read where they lie, with their types, nested ones included."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from coterie.collect.delimited import unlike
from coterie.collect.staged import ROW, Staged, nothing_broken
from coterie.errors import UnreadableSourceError
from coterie.store.warehouse import files_relation, quoted

MAGIC = b"PAR1"
_NUMBER = "file_row_number"


def stage(readable: Path, path: Path, name: str) -> Staged:
    """Stage a Parquet file.

    Parameters
    ----------
    readable
        Where its unpacked content lies.
    path
        Where it came from.
    name
        What messages call it.

    Raises
    ------
    UnreadableSourceError
        When it is damaged or cut off, or two columns have names alike.
    """
    try:
        with pq.ParquetFile(readable) as file:
            columns = {field.name: _plain(field.type) for field in file.schema_arrow}
            unlike(path, file.schema_arrow.names)
            rows = file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableSourceError.of(
            path, "the Parquet file is damaged or cut off", hint="write or copy it again."
        ) from error
    if ROW in columns or _NUMBER in columns:
        raise UnreadableSourceError.of(
            path, f"a column is called {ROW!r} or {_NUMBER!r}, as the number of a row is", hint="rename the column."
        )
    relation = (
        f"(SELECT * EXCLUDE ({_NUMBER}), {_NUMBER} + 1 AS {quoted(ROW)} "
        f"FROM {files_relation([readable], f'{_NUMBER} = true')})"
    )
    return Staged(name, relation, columns, rows, nothing_broken())


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind
