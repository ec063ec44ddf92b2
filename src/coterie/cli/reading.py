"""Tables that are given to a command as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coterie.errors import UnreadableSourceError

if TYPE_CHECKING:
    import pyarrow as pa


def read_spine(path: Path) -> pa.Table:
    """Return the rows of a CSV or Parquet file; identifiers in a CSV file stay text, with their leading zeros.

    Raises
    ------
    UnreadableSourceError
        The file cannot be read, or is neither.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    from coterie.schema import IdentifierKind

    texts = {name: pa.string() for name in (*IdentifierKind, "source", "product_id", "as_of")}
    try:
        if path.suffix == ".csv":
            return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=texts))
        if path.suffix == ".parquet":
            return parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:  # what Arrow says may quote the file's rows
        why = "there is no such file" if isinstance(error, FileNotFoundError) else "it is no table that Arrow can read"
        raise UnreadableSourceError.of(path, why) from None
    raise UnreadableSourceError.of(path, "its name ends neither in .csv nor in .parquet")
