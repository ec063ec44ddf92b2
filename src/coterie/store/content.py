"""The content of a shop as one number: equal for two shops that hold the same, however their files are cut."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from coterie.schema import Table
from coterie.store.ports import Archive, Lake, Ledger, Vault
from coterie.store.shape import quoted
from coterie.store.warehouse import Warehouse

_ROWS = "rows of one table"


def content_hash(
    ledger: Ledger,
    ledger_tables: Iterable[Table],
    vault: Vault,
    lake: Lake,
    lake_tables: Iterable[Table],
    archive: Archive,
) -> str:
    """Return the SHA-256, in hexadecimal, of every row of every table, every identifier and every file.

    The order of rows does not count, nor which files they lie in; which subject key stands for which identifier does.

    Parameters
    ----------
    ledger, ledger_tables
        The ledger and its tables.
    vault
        Its identifiers count with their kinds and values, not as they are sealed.
    lake, lake_tables
        The lake and its tables.
    archive
        Its files count by their names, which are hashes of their content.
    """
    lines = [f"archive {name}" for name in archive.names()]
    with Warehouse(lake) as warehouse:
        for table in ledger_tables:
            warehouse.attach(_ROWS, ledger.read(table))
            lines.append(f"ledger {table.name} {_told(warehouse, _ROWS, table.schema)}")
        for table in lake_tables:
            warehouse.attach_tables(table)
            lines.append(f"lake {table.name} {_told(warehouse, table.name, table.schema)}")
    lines.append(f"vault {vault.content_hash()}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _told(warehouse: Warehouse, name: str, schema: pa.Schema) -> str:
    """Return how many rows there are, and the sum of their hashes."""
    # Each value is led by its length, so that no two rows give one text; what a null gives, no value can.
    texts = [f"CAST({_text(field)} AS VARCHAR)" for field in sorted(schema, key=lambda field: field.name)]
    parts = ", ".join(f"COALESCE(strlen({text}) || ':' || {text}, '-')" for text in texts)
    sums = ", ".join(
        f"CAST(sum(CAST({half}(row) AS HUGEINT)) AS VARCHAR)" for half in ("md5_number_lower", "md5_number_upper")
    )
    sql = f"SELECT count(*) AS n, {sums} FROM (SELECT concat({parts}) AS row FROM {quoted(name)})"
    return " ".join(map(str, warehouse.query(sql).to_pylist()[0].values()))


def _text(field: pa.Field) -> str:
    return f"hex({quoted(field.name)})" if pa.types.is_binary(field.type) else quoted(field.name)
