"""Tables that are given to a command as files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from coterie.errors import UnreadableSourceError

if TYPE_CHECKING:
    import pyarrow as pa


def read_spine(path: Path) -> pa.Table:
    """Return the rows of a CSV or Parquet file.

    A CSV file is in UTF-8, with commas, semicolons or tabs as its first line has them. Identifiers stay text, with
    their leading zeros; what is empty is missing, and nothing else is.

    Raises
    ------
    UnreadableSourceError
        The file cannot be read, or is neither.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    from coterie.features.feature import OWNERS
    from coterie.schema import IdentifierKind

    owned = {name for columns in OWNERS.values() for name in columns} - {"person"}
    texts = {name: pa.string() for name in (*IdentifierKind, *owned, "as_of")}
    try:
        if path.suffix == ".csv":
            with path.open("rb") as file:
                first = file.readline()
            if not first.strip():
                raise UnreadableSourceError.of(path, "it is empty")
            rows = csv.read_csv(
                path,
                parse_options=csv.ParseOptions(delimiter=max(",;\t", key=lambda mark: first.count(mark.encode()))),
                convert_options=csv.ConvertOptions(column_types=texts, null_values=[""], strings_can_be_null=True),
            )
            if any(pa.types.is_binary(column.type) for column in rows.schema):
                raise UnreadableSourceError.of(path, "it is not in UTF-8")
            return rows
        if path.suffix == ".parquet":
            return parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:  # what Arrow says may quote the file's rows
        why = "there is no such file" if isinstance(error, FileNotFoundError) else "it is no table that Arrow can read"
        if "UTF8" in str(error):
            why = "it is not in UTF-8"
        elif told := re.search(r"Expected (\d+) columns, got (\d+)", str(error)):
            why = f"a row has {told[2]} values, and the first line has {told[1]}"
        raise UnreadableSourceError.of(path, why) from None
    raise UnreadableSourceError.of(path, "its name ends neither in .csv nor in .parquet")
