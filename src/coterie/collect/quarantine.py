"""The quarantine: rows that were set aside, sealed; mended, let go when their time is over, and staged again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect import mentions
from coterie.collect.facts import MENDED, QUARANTINE
from coterie.collect.staged import LINE, Staged
from coterie.schema import KEY, TIME
from coterie.store.ports import Lake, Ledger, Vault
from coterie.store.sql import text
from coterie.store.warehouse import Warehouse, quoted

MALFORMED, UNMAPPED = "malformed", "unmapped"
NEXT, NUMBER = "\x1e", "\x1f"
"""What stands before each other row of the unit in raw bytes, and after its number: no text of JSON holds them."""
UNKNOWN = "?"
"""Stands for a rest that is too large, or another person's."""
LARGEST = 1_000  # rows of a unit of which each bad row keeps the rest
_LOOKED_AT, _RAW = "quarantine_now", "quarantine_raw"


def rows(warehouse: Warehouse, lake: Lake, condition: str = "TRUE", columns: Sequence[str] = ()) -> pa.Table:
    """Return the rows of the quarantine that satisfy a condition in SQL, by import and row."""
    warehouse.attach(_LOOKED_AT, lake.source(QUARANTINE))
    named = ", ".join(map(quoted, columns or QUARANTINE.schema.names))
    try:
        return warehouse.query(f'SELECT {named} FROM {_LOOKED_AT} WHERE {condition} ORDER BY import_id, "row"')
    finally:
        warehouse.drop(_LOOKED_AT)


def mend(ledger: Ledger, changed: pa.Table) -> None:
    """Note changes to rows of the quarantine; those without reasons leave it. ``settle`` makes them.

    Call it in the transaction that changes the books, so that both happen or neither.
    """
    ledger.put(MENDED, changed)


def settle(lake: Lake, ledger: Ledger) -> None:
    """Make the changes that ``mend`` noted. Repeating it after a crash, at any point, ends in the same state."""
    changed = ledger.read(MENDED)
    if not changed.num_rows:
        return
    lake.delete_rows(QUARANTINE, changed.select(["import_id", "row"]))
    if (left := changed.filter(pc.is_valid(changed["reasons"]))).num_rows:
        lake.append(QUARANTINE, left)
    ledger.delete(MENDED, "import_id", pc.unique(changed["import_id"]).to_pylist())


def expire(warehouse: Warehouse, lake: Lake, ledger: Ledger, *, now: datetime) -> int:
    """Erase the raw bytes of rows whose time is over; row, reasons and counts stay. Returns how many rows it was."""
    over = f"expires_at <= TIMESTAMP {_literal(now.isoformat(sep=' '))} AND raw IS NOT NULL"
    found = rows(warehouse, lake, over)
    if found.num_rows:
        with ledger.transaction():
            mend(ledger, found.set_column(found.column_names.index("raw"), "raw", pa.nulls(len(found), pa.binary())))
        settle(lake, ledger)
    return int(found.num_rows)


def sealed(
    vault: Vault,
    found: pa.Table,
    *,
    source: str,
    import_id: int,
    file: str,
    read: str,
    now: datetime,
    expires_at: datetime,
) -> pa.Table:
    """Return rows ``row, reasons, unit, subject, raw`` (bytes in the clear, null where nothing may be kept) as kept."""
    nobodys = pc.is_null(found["subject"]) if "subject" in found.column_names else pa.repeat(True, found.num_rows)
    raw = mentions.withheld(vault, found["raw"].to_pylist(), nobodys.to_pylist())
    closed = iter(vault.seal([each for each in raw if each is not None]))
    count = len(raw)
    same: dict[str, Any] = {
        "source": pa.repeat(source, count),
        "import_id": pa.repeat(pa.scalar(import_id, pa.int64()), count),
        "file": pa.repeat(file, count),
        "read": pa.repeat(read, count),
        "raw": pa.array([None if each is None else next(closed) for each in raw], pa.binary()),
        "ingested_at": pa.repeat(pa.scalar(now, TIME), count),
        "expires_at": pa.repeat(pa.scalar(expires_at, TIME), count),
    }
    columns = {
        name: same.get(name, found[name] if name in found.column_names else None) for name in QUARANTINE.schema.names
    }
    return pa.table(columns).select(QUARANTINE.schema.names).cast(QUARANTINE.schema)


def broken(staged: Staged) -> pa.Table:
    """Return the records of a file that cannot be parsed, as ``sealed`` takes them."""
    count = staged.broken.num_rows
    return pa.table(
        {
            "row": staged.broken["row"].cast(pa.int64()),
            "reasons": pa.array([MALFORMED] * count, pa.string()),
            "unit": pa.nulls(count, pa.string()),
            "subject": pa.nulls(count, KEY),
            "raw": staged.broken["raw"].cast(pa.binary()),
        }
    )


def shape(warehouse: Warehouse, staged: Staged) -> str:
    """Return the columns of a file and their types, as JSON, by which its rows can be staged again."""
    if staged.lines:
        return json.dumps(dict.fromkeys((LINE, *staged.columns), "VARCHAR"), ensure_ascii=False)
    if all(pa.types.is_string(kind) for kind in staged.columns.values()):
        return json.dumps(dict.fromkeys(staged.columns, "VARCHAR"), ensure_ascii=False)
    types = warehouse.query(f"DESCRIBE SELECT * FROM {staged.relation}").to_pylist()
    found = {each["column_name"]: each["column_type"] for each in types}
    return json.dumps({name: found[name] for name in staged.columns}, ensure_ascii=False)


def rests(bad: str, rows: str, raw: str) -> str:
    """Return the join that gives bad rows, as ``mine``, the rest of their unit, as ``rest``.

    What a row becomes may depend on other rows of its unit, which fill its gaps or share an amount with it. So that it
    can be judged anew without its file, they are kept with it: those of the same person, or of nobody.

    Parameters
    ----------
    bad, rows
        The queries of the bad rows and of all rows of a unit: ``#row, unit, subject, kept``.
    raw
        The query ``#row, raw`` of all rows of the file.
    """
    return f"""
        LEFT JOIN (
            WITH bad AS ({bad}),
            rows AS (SELECT * FROM ({rows}) SEMI JOIN bad USING (unit)),
            pairs AS (
                SELECT bad."#row", rows."#row" AS other,
                    rows.kept AND COALESCE(rows.subject = bad.subject, rows.subject IS NULL) AS theirs
                FROM bad JOIN rows USING (unit)
                WHERE unit IN (SELECT unit FROM rows GROUP BY unit HAVING COUNT(*) <= {LARGEST})
            ),
            said AS ({raw} WHERE "#row" IN (SELECT other FROM pairs))
            SELECT bad."#row", CASE
                WHEN bad.unit IS NULL THEN ''
                WHEN COALESCE(BOOL_AND(theirs), FALSE) THEN '{NEXT}' || COALESCE(STRING_AGG(
                    other || '{NUMBER}' || said.raw, '{NEXT}' ORDER BY other) FILTER (other <> bad."#row"), '')
                ELSE '{NEXT}{UNKNOWN}' END AS rest
            FROM bad LEFT JOIN pairs ON pairs."#row" = bad."#row" LEFT JOIN said ON said."#row" = other
            GROUP BY bad."#row", bad.unit
        ) AS rest ON rest."#row" = mine."#row"
        """


def own(raw: bytes) -> bytes:
    """Return the bytes of a row alone, without the rest of its unit."""
    return raw.partition(NEXT.encode())[0]


def _literal(value: str) -> str:
    return text(value).sql("duckdb")
