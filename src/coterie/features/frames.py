"""The edge: any dataframe comes in, and a table goes out as the user's own kind."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pyarrow as pa

from coterie.errors import ParameterError

KINDS = ("pandas", "polars", "pyarrow", "modin", "cudf")
"""Dataframes that tables can be given out as."""


def opened(frame: Any, *, lazy: bool = False) -> nw.DataFrame[Any]:
    """Return any eager dataframe as a narwhals one; with ``lazy`` a lazy one is computed.

    Raises
    ------
    ParameterError
        Columns share a name, or a name is no text.
    TypeError
        It is no dataframe.
    """
    try:
        found = nw.from_native(frame) if lazy else nw.from_native(frame, eager_only=True)
        data: nw.DataFrame[Any] = found.collect() if isinstance(found, nw.LazyFrame) else found
    except nw.exceptions.DuplicateError as error:
        names = [str(name) for name in getattr(frame, "column_names", None) or frame.columns]
        twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
        raise ParameterError.of(
            "The table of people",
            "the name of a column",
            twice,
            "unlike all others",
            hint="rename or drop the surplus.",
        ) from error
    for name in data.columns:
        if not isinstance(name, str):
            raise ParameterError.of(
                "The table of people",
                "the name of a column",
                name,
                "text",
                hint="in pandas: frame.columns = [str(name) for name in frame.columns].",
            )
    return data


def kind_of(data: nw.DataFrame[Any]) -> str:
    """Return which kind of dataframe it is, such as ``"pandas"``.

    >>> kind_of(opened(pa.table({"orders": [3]})))
    'pyarrow'
    """
    return str(data.implementation.value)


def shaped(table: pa.Table, kind: str) -> nw.DataFrame[Any]:
    """Return an Arrow table as a dataframe of a kind.

    Raises
    ------
    ParameterError
        There is no such kind, or its library is not installed.

    Examples
    --------
    >>> shaped(pa.table({"orders": [3]}), "polars").to_native().columns
    ['orders']
    """
    if kind not in KINDS:
        raise ParameterError.of("A dataframe", "the kind", kind, f"one of {', '.join(KINDS)}")
    try:
        return nw.from_arrow(table, backend=nw.Implementation.from_backend(kind))  # type: ignore[arg-type]
    except ModuleNotFoundError as error:
        raise ParameterError(f"{kind} is not installed.", hint=f"pip install {kind}, or ask for pyarrow.") from error


def converted(data: nw.DataFrame[Any], kind: str) -> nw.DataFrame[Any]:
    """Return a dataframe as another kind; errors as :func:`shaped`. An index that is no column is not taken along.

    >>> converted(opened(pa.table({"orders": [3]})), "pandas").columns
    ['orders']
    """
    return shaped(pa.table({name: data.get_column(name).to_arrow() for name in data.columns}), kind)


def beside(data: nw.DataFrame[Any], table: pa.Table) -> nw.DataFrame[Any]:
    """Return a dataframe with an Arrow table's columns, row by row, after its own; index and kind stay.

    >>> beside(opened(pa.table({"city": ["Bern"]})), pa.table({"orders": [3]})).columns
    ['city', 'orders']
    """
    more = shaped(table, kind_of(data))
    return data.with_columns(*(more.get_column(name) for name in more.columns))
