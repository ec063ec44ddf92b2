"""Rows of the quarantine, staged again as their file was, each with its old number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect import sources
from coterie.collect.quarantine import MALFORMED, NEXT, NUMBER, UNKNOWN
from coterie.collect.read import Read
from coterie.collect.staged import LINE, ROW, Staged, nothing_broken
from coterie.collect.translation import literal
from coterie.errors import CoterieError
from coterie.store.warehouse import Warehouse, quoted

_RAW = "restaged_raw"


@contextmanager
def restaged(
    warehouse: Warehouse, kept: pa.Table, raws: list[bytes], columns: dict[str, str], read: Read
) -> Iterator[tuple[Staged, list[int]]]:
    """Stage rows of the quarantine again, all of one file, with the rest of their units.

    Parameters
    ----------
    warehouse
        Where they are put.
    kept
        Rows of the quarantine: ``file, row, reasons``.
    raws
        Their bytes, unsealed.
    columns
        The columns of the file and their types, see ``quarantine.shape``.
    read
        How texts are written: records that could not be parsed are tried again.

    Returns
    -------
    tuple
        The staged rows, and the numbers of those that can be judged: of others the rest of the unit is not known, and
        what they become depends on it.
    """
    name = kept["file"][0].as_py()
    shared = any(field.share for field in read.mapped)
    malformed: list[tuple[int, bytes]] = []
    whole: dict[int, bytes] = {}
    asked = []
    for row, reasons, raw in zip(kept["row"].to_pylist(), kept["reasons"].to_pylist(), raws, strict=True):
        if MALFORMED in reasons.split("; "):
            malformed.append((row, raw))
            asked.append(row)
            continue
        mine, *others = raw.split(NEXT.encode())
        whole[row] = mine
        if others == [UNKNOWN.encode()] and shared:
            continue
        asked.append(row)
        for number, _, text in (other.partition(NUMBER.encode()) for other in others if NUMBER.encode() in other):
            whole.setdefault(int(number), text)
    stage = _lines if LINE in columns else _cells
    with stage(warehouse, whole, malformed, columns, read, name) as staged:
        yield staged, asked


@contextmanager
def _cells(
    warehouse: Warehouse,
    whole: dict[int, bytes],
    malformed: list[tuple[int, bytes]],
    columns: dict[str, str],
    read: Read,
    name: str,
) -> Iterator[Staged]:
    """Stage rows that are kept as JSON of their columns, each in its type."""
    lost: list[tuple[int, bytes]] = []
    texts = {row: raw.decode() for row, raw in whole.items()}
    for row, raw in malformed:
        if (again := _parsed_again(warehouse, raw, columns, read)) is None:
            lost.append((row, raw))
        else:
            texts[row] = again
    nested = {each: kind.endswith((")", "]")) and not kind.startswith("DECIMAL(") for each, kind in columns.items()}
    types = json.dumps({each: "JSON" if nested[each] else "VARCHAR" for each in columns}, ensure_ascii=False)
    cells = ", ".join(
        f"CAST(STRUCT_EXTRACT(cells, {literal(each)}) AS {kind}) AS {quoted(each)}" for each, kind in columns.items()
    )
    parsed = f'SELECT "row", FROM_JSON(raw, {literal(types)}) AS cells FROM {_RAW}'
    relation = f'(SELECT {cells}, "row" AS {quoted(ROW)} FROM ({parsed}))'
    given = pa.schema([("row", pa.int64()), ("raw", pa.string())])
    with warehouse.temporary(_RAW, pa.table([list(texts), list(texts.values())], schema=given)):
        schema = warehouse.query(f"SELECT * FROM {relation} LIMIT 0").schema
        kinds = {each: schema.field(each).type for each in columns}
        records = pa.table([[row for row, _ in lost], [raw for _, raw in lost]], schema=nothing_broken().schema)
        yield Staged(name, relation, kinds, len(texts), records)


@contextmanager
def _lines(
    warehouse: Warehouse,
    whole: dict[int, bytes],
    malformed: list[tuple[int, bytes]],
    columns: dict[str, str],
    read: Read,
    name: str,
) -> Iterator[Staged]:
    """Stage lines of JSON; a column that none of them has is missing in all of them."""
    lines = [*whole.items(), *malformed]
    numbers = pa.array([row for row, _ in lines], pa.int64())
    with ExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory(dir=warehouse.scratch))) / "lines.jsonl"
        path.write_bytes(b"".join(raw.rstrip(b"\r\n") + b"\n" for _, raw in lines))
        places = pa.table({"place": pa.array(range(1, len(lines) + 1), pa.int64()), "row": numbers})
        staged = stack.enter_context(sources.stage(path, name, scratch=warehouse.scratch))
        stack.enter_context(warehouse.temporary(_RAW, places))
        there = {each.lower() for each in staged.columns}
        absent = [each for each in columns if each != LINE and each.lower() not in there]
        more = "".join(f", CAST(NULL AS VARCHAR) AS {quoted(each)}" for each in absent)
        relation = (
            f'(SELECT line.* REPLACE (numbered."row" AS {quoted(ROW)}){more} FROM {staged.relation} AS line '
            f"JOIN {_RAW} AS numbered ON numbered.place = line.{quoted(ROW)})"
        )
        old = numbers.take(pc.subtract(staged.broken["row"].combine_chunks(), 1))
        kinds = {**staged.columns, **dict.fromkeys(absent, pa.string())}
        yield replace(staged, relation=relation, columns=kinds, broken=staged.broken.set_column(0, "row", old))


def _parsed_again(warehouse: Warehouse, raw: bytes, columns: dict[str, str], read: Read) -> str | None:
    """Return a record that could not be parsed as JSON of its columns, if it can be parsed by now."""
    header = read.delimiter.join('"' + name.replace('"', '""') + '"' for name in columns)
    with TemporaryDirectory(dir=warehouse.scratch) as folder:
        path = Path(folder) / "record.csv"
        path.write_bytes(f"{header}\n".encode(read.encoding) + raw)
        try:
            encoding, delimiter, place = read.encoding, read.delimiter, warehouse.scratch
            with sources.stage(path, "record", encoding=encoding, delimiter=delimiter, scratch=place) as staged:
                if staged.rows != 1 or staged.broken.num_rows:
                    return None
                found: str = warehouse.query(f"SELECT {staged.raw()} AS raw FROM {staged.relation}")["raw"][0].as_py()
                return found
        except CoterieError:
            return None
