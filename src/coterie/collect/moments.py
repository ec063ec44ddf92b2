"""Times, as sources write them, as naive UTC."""

from __future__ import annotations

import pyarrow as pa

from coterie.collect.cells import Cells, literal
from coterie.collect.field import Field
from coterie.collect.notation import ISO, UNIX
from coterie.collect.paths import words

_ISO = (
    r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$",
    r"^\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)? ?(Z|UTC|[+-]\d{2}(:?\d{2})?)$",
)


def moment(cells: Cells, field: Field) -> tuple[str, str | None]:
    """Return SQL for a time, and for whether its notations disagree about it; None where they cannot.

    A time that is ambiguous is given in the first notation that can read it.
    """
    cell, kind = cells.value(field)
    formats = field.formats or (ISO,)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        formats = (ISO,)
    parsed = [_parsed(cells, cell, kind, each) for each in formats]
    later = f" + INTERVAL {field.days} DAY" if field.days else ""
    if len(parsed) == 1:
        return f"{parsed[0]}{later}", None
    listed = ", ".join(parsed)
    return f"COALESCE({listed}){later}", f"COALESCE(GREATEST({listed}) <> LEAST({listed}), FALSE)"


def _parsed(cells: Cells, cell: str, kind: pa.DataType, form: str) -> str:
    """Return SQL for a time that is written in one notation; null where it is not."""
    zone = cells.read.timezone
    said = words(cell, kind)
    if form in UNIX:
        micros = cells.once(f"TRY_CAST({cell} AS DECIMAL(24, 6)) * {UNIX[form]}")
        return f"CASE WHEN ABS({micros}) < 9000000000000000 THEN MAKE_TIMESTAMP(CAST({micros} AS BIGINT)) END"
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        value = f"TIMEZONE('UTC', {cell})"
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        value = _local(f"CAST({cell} AS TIMESTAMP)", zone)
    elif form != ISO:
        value = f"TRY_STRPTIME({said}, {literal(form)})"
        value = f"TIMEZONE('UTC', {value})" if "%z" in form or "%Z" in form else _local(value, zone)
    else:
        # DuckDB reads an offset and then forgets it, and takes words such as 'epoch': so only these two are read.
        naive, aware = (f"REGEXP_MATCHES({said}, {literal(pattern)})" for pattern in _ISO)
        close = f"REGEXP_REPLACE({said}, ' ?(Z|UTC)$', 'Z')"
        close = f"REGEXP_REPLACE({close}, ' ([+-][0-9:]+)$', '\\1')"
        plain = f"TRY_CAST({said} AS TIMESTAMP)"
        # What DuckDB would write in the same way needs no look at its shape, which takes longer.
        value = (
            f"CASE WHEN CAST({plain} AS VARCHAR) = {said} OR {naive} THEN {_local(plain, zone)} "
            f"WHEN {aware} THEN TIMEZONE('UTC', TRY_CAST({close} AS TIMESTAMPTZ)) END"
        )
    value = cells.once(value)
    # DuckDB reads the year 24 of "03/04/24" as one of antiquity.
    sound = f"{value} >= TIMESTAMP '1000-01-02' AND " if "%Y" in form else ""
    return f"CASE WHEN {sound}ISFINITE({value}) THEN {value} END"


def _local(naive: str, zone: str) -> str:
    """Return UTC for a wall-clock time in a zone."""
    return naive if zone == "UTC" else f"TIMEZONE('UTC', TIMEZONE({literal(zone)}, {naive}))"
