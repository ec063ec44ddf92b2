"""Rows that become nothing: left out on purpose, or taken by no read of their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa

from coterie.collect import quarantine
from coterie.collect.facts import IMPORTS, QUARANTINE
from coterie.collect.parcel import CHUNK, Meaning, Stores
from coterie.collect.receipt import FileReceipt
from coterie.collect.staged import Staged
from coterie.collect.translation import Translation
from coterie.store.ports import Commit


def left_out(stores: Stores, meaning: Meaning, main: Staged, joined: Staged, row: dict[str, Any]) -> FileReceipt:
    """Count the rows that a mapping leaves out on purpose: accepted, without facts. Broken lines are set aside."""
    taken = f"SELECT COUNT(*) AS n FROM ({_taken(meaning, joined)})"
    counted = stores.warehouse.query(taken)["n"][0].as_py()
    return _write(stores, meaning, main, row, counted, quarantine.broken(main), quarantine.MALFORMED)


def unmapped(stores: Stores, reads: Sequence[tuple[Meaning, Staged]], main: Staged, row: dict[str, Any]) -> FileReceipt:
    """Set the rows of a file aside that none of its reads takes; of each, what it means and the file with look-ups."""
    taken = " UNION ALL ".join(_taken(meaning, joined) for meaning, joined in reads)
    rest = stores.warehouse.query(
        f"""
        SELECT "#row" AS "row", '{quarantine.UNMAPPED}' AS reasons, CAST(NULL AS VARCHAR) AS unit,
            CAST(NULL AS BIGINT) AS subject, ENCODE({main.raw()}) AS raw
        FROM {main.relation} WHERE "#row" NOT IN ({taken}) ORDER BY "#row"
        """
    )
    return _write(stores, reads[0][0], main, row, 0, rest, quarantine.UNMAPPED)


def _taken(meaning: Meaning, joined: Staged) -> str:
    """Return the query of the rows that a read takes."""
    translation = Translation(meaning.mapping, meaning.read, joined, meaning.currency, meaning.rates)
    return f'SELECT "#row" FROM {joined.relation} WHERE {translation.taken() or "TRUE"}'


def _write(
    stores: Stores, meaning: Meaning, main: Staged, row: dict[str, Any], accepted: int, bad: pa.Table, reason: str
) -> FileReceipt:
    mapping, import_id, now = meaning.mapping, row["import_id"], row["started_at"]
    application = f"import-{import_id}"
    last = stores.lake.applied(QUARANTINE, application)
    for chunk, start in enumerate(range(0, bad.num_rows, CHUNK)):
        if last is not None and chunk <= last:
            continue
        rows = quarantine.sealed(
            stores.vault,
            bad.slice(start, CHUNK),
            source=mapping.source,
            import_id=import_id,
            file=main.name,
            read=row["read"],
            now=now,
            expires_at=now + timedelta(days=mapping.retention),
        )
        stores.lake.append(QUARANTINE, rows, Commit(application, chunk))
    counts = {"accepted": accepted, "quarantined": bad.num_rows, "duplicates": 0, "facts": 0}
    finished = (
        row
        | counts
        | {
            "received": accepted + bad.num_rows,
            "reasons": json.dumps({reason: bad.num_rows} if bad.num_rows else {}),
            "assumed": "{}",
            "state": "done",
            "finished_at": now,
            "columns": quarantine.shape(stores.warehouse, main) if bad.num_rows else None,
        }
    )
    with stores.ledger.transaction():
        stores.ledger.put(IMPORTS, [finished])
    return FileReceipt.of(finished, reused=False)
