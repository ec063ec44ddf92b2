"""A source that is ready to be queried: one relation, each row with its number, whatever kind of file it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from coterie.collect import paths
from coterie.errors import MissingColumnError
from coterie.store.warehouse import quoted

ROW = "#row"
LINE = "#line"


@dataclass(frozen=True)
class Staged:
    """A file, a sheet or the answer of a database, ready to be queried.

    Parameters
    ----------
    name
        What messages call it: a file, relative to the folder of the data.
    relation
        What stands after FROM; it has the source's columns and ``#row``, which counts records from 1.
    columns
        Name and Arrow type of each column of the source. Of JSON Lines all are text.
    rows
        How many rows are well-formed.
    broken
        ``row, raw``: the records that cannot be parsed, as bytes.
    lines
        Whether the relation has ``#line``, each row as it stands in the file.
    apart
        Columns that the relation lacks: keys of JSON that are taken out of ``#line`` when they are asked for.
    reached
        Of a database that is read onwards: the greatest value of the cursor column, as text.
    digest
        Of what has no file: the SHA-256 of its rows, in hexadecimal.
    around
        Whether rows with numbers outside of 1 to ``received`` are there, which belong to neighbouring files.
    """

    name: str
    relation: str
    columns: dict[str, pa.DataType]
    rows: int
    broken: pa.Table
    lines: bool = False
    apart: frozenset[str] = frozenset()
    reached: str | None = None
    digest: str | None = None
    around: bool = False

    @property
    def received(self) -> int:
        """How many records the source has."""
        return self.rows + len(self.broken)

    def has(self, path: str) -> bool:
        """Tell whether this is a column, or a path into a column that may be nested."""
        return self._found(path) is not None

    def require(self, columns: Iterable[str]) -> None:
        """Raise MissingColumnError, with the nearest names, unless the source has these columns or paths."""
        if missing := [name for name in columns if not self.has(name)]:
            raise MissingColumnError.of(self.name, missing, self.columns)

    def expression(self, path: str, alias: str = "") -> tuple[str, pa.DataType]:
        """Return SQL for a column or path over the relation, and its type.

        Parameters
        ----------
        path
            A column's name as it is, or a path into a nested column or a text of JSON.
        alias
            What stands before columns, for example ``"here."``.

        Returns
        -------
        tuple
            A flat column as it is; all that is nested as text (an object or list as JSON), null where there is nothing.
        """
        column, inner = self._place(path)
        kind = self.columns[column]
        if not inner and not pa.types.is_nested(kind):
            return self._column(column, alias), kind
        return paths.text_of(self._column(column, alias), kind, inner), pa.string()

    def elements(self, path: str, alias: str = "") -> str:
        """Return SQL for a list of JSON values: the elements of a nested list; null or empty where there are none."""
        column, inner = self._place(path)
        return paths.elements_of(self._column(column, alias), self.columns[column], inner)

    def raw(self, alias: str = "") -> str:
        """Return SQL for the text of a row as the source has it: its line, or else its columns as a JSON object."""
        if self.lines:
            return f"{alias}{quoted(LINE)}"
        cells = (
            f"{quoted(name)} := "
            + (f"{alias}{quoted(name)}" if pa.types.is_nested(kind) else f"CAST({alias}{quoted(name)} AS VARCHAR)")
            for name, kind in self.columns.items()
        )
        return f"CAST(TO_JSON(STRUCT_PACK({', '.join(cells)})) AS VARCHAR)"

    def _column(self, name: str, alias: str) -> str:
        if name in self.apart:
            return paths.json_text(f"{alias}{quoted(LINE)}", (paths.Step(name),))
        return f"{alias}{quoted(name)}"

    def _place(self, path: str) -> tuple[str, tuple[paths.Step, ...]]:
        found = self._found(path)
        if found is None:
            raise MissingColumnError.of(self.name, [path], self.columns)
        return found

    def _found(self, path: str) -> tuple[str, tuple[paths.Step, ...]] | None:
        """Return the column and the steps into it; the longest column's name that fits wins."""
        if path in self.columns:
            return path, ()
        for at in range(len(path) - 1, 0, -1):
            if path[at] in ".[" and (column := path[:at]) in self.columns:
                kind, inner = self.columns[column], paths.steps(path[at:])
                if inner is not None and (pa.types.is_nested(kind) or pa.types.is_string(kind)):
                    return column, inner
        return None


def nothing_broken() -> pa.Table:
    """Return the broken records of a source that has none."""
    return pa.schema([("row", pa.int64()), ("raw", pa.binary())]).empty_table()
