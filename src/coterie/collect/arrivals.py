"""Who is on the rows of a file: identifiers become subjects, but those who asked to be forgotten stay out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect.duplicates import ROWS, VALID
from coterie.collect.facts import ALWAYS
from coterie.collect.identifiers import normalise
from coterie.collect.read import Read
from coterie.collect.translation import Translation, literal
from coterie.schema import KEY, TIME, IdentifierKind
from coterie.store.ports import Vault
from coterie.store.warehouse import Warehouse, quoted

WHO = "intake_who"
"""``kind, raw, subject`` of every identifier of a file."""

SUPPRESSED = -1
"""Stands for the subject of an identifier that must stay out; real keys are above 0."""

EDGE = pa.schema(
    [
        ("source", pa.string()),
        ("subject_a", KEY),
        ("subject_b", KEY),
        ("kind_a", pa.string()),
        ("kind_b", pa.string()),
        ("kind", pa.string()),
        ("occurred_at", TIME),
        ("available_at", TIME),
        ("ingested_at", TIME),
        ("import_id", pa.int64()),
    ]
)


def identify(
    warehouse: Warehouse, vault: Vault, translation: Translation, nobody: Mapping[str, Sequence[str]] | None = None
) -> bool:
    """Make ``WHO``, new subjects included; return whether somebody on the rows is suppressed.

    What the shop has blocked (``nobody``, values by kind) is no identifier. Of a row that names somebody suppressed, no
    other identifier gets a subject on that row's account.
    """
    kinds, raws, values = [], [], []
    for kind, query in translation.identifiers():
        raw = warehouse.query(query)["raw"].combine_chunks().cast(pa.string())
        normal = normalise(IdentifierKind(kind), raw, nobody)
        raws.append(raw.filter(normal.is_valid()))
        values.append(normal.drop_null())
        kinds.append(pa.repeat(str(kind), len(values[-1])))
    named = pa.table(
        {
            "kind": pa.chunked_array(kinds, pa.string()),
            "raw": pa.chunked_array(raws, pa.string()),
            "value": pa.chunked_array(values, pa.string()),
        }
    )
    asked = named.select(["kind", "value"])
    suppressed = vault.suppressed(asked) if named.num_rows else pa.array([], pa.bool_())
    if not pc.any(suppressed, min_count=0).as_py():
        found = vault.subjects(asked) if named.num_rows else pa.array([], KEY)
        warehouse.temporary(WHO, named.select(["kind", "raw"]).append_column("subject", found))
        return False
    # Numbers stand for subjects until it is known which of them stand on a row without a suppressed one.
    number = pc.if_else(suppressed, pa.scalar(SUPPRESSED, KEY), pa.array(range(1, named.num_rows + 1), KEY))
    warehouse.temporary(WHO, named.select(["kind", "raw"]).append_column("subject", number))
    on_rows = [f"subject#{kind}" for kind, _ in translation.read.identify]
    columns = ", ".join(map(quoted, on_rows)) if len(on_rows) > 1 else "subject"
    rows = f"SELECT [{columns}] AS named FROM ({translation.select(WHO)})"
    welcome = warehouse.query(
        f"""
        SELECT DISTINCT number FROM (
            SELECT UNNEST(named) AS number FROM ({rows}) WHERE NOT COALESCE(LIST_CONTAINS(named, {SUPPRESSED}), FALSE)
        ) WHERE number IS NOT NULL ORDER BY number
        """
    )["number"]
    chosen = named.take(pc.subtract(welcome, 1))
    new = vault.subjects(chosen.select(["kind", "value"])).cast(KEY) if chosen.num_rows else pa.array([], KEY)
    barred = named.filter(suppressed).select(["kind", "raw"])
    parts = [
        chosen.select(["kind", "raw"]).append_column("subject", new),
        barred.append_column("subject", pa.repeat(pa.scalar(SUPPRESSED, KEY), barred.num_rows)),
    ]
    warehouse.temporary(WHO, pa.concat_tables(parts))
    return True


def edges(warehouse: Warehouse, source: str, read: Read, import_id: int, now: datetime) -> pa.Table:
    """Return which subjects stand on one row: the strongest with each of the others, at the first time."""
    kinds = [str(kind) for kind, _ in read.identify]
    if len(kinds) < 2:
        return EDGE.empty_table()
    dated = "occurred_at" in read.target.schema.names
    times = ("occurred_at", "available_at") if dated else ("available_at",) * 2
    strongest = " ".join(f"WHEN {quoted('subject#' + kind)} IS NOT NULL THEN {literal(kind)}" for kind in kinds)
    pairs = " UNION ALL ".join(
        f"SELECT subject AS a, {quoted('subject#' + kind)} AS b, CASE {strongest} END AS kind_a, "
        f"{literal(kind)} AS kind, {times[0]} AS occurred_at, "
        f"COALESCE(available_at, {times[0]}, TIMESTAMP '{ALWAYS}') AS available_at "
        f"FROM {ROWS} WHERE {VALID} AND {quoted('subject#' + kind)} <> subject"
        for kind in kinds[1:]
    )
    return warehouse.query(
        f"""
        SELECT {literal(source)} AS source, a AS subject_a, b AS subject_b, kind_a, kind AS kind_b, kind,
            MIN(occurred_at) AS occurred_at, MIN(available_at) AS available_at,
            TIMESTAMP {literal(now.isoformat(sep=" "))} AS ingested_at, {int(import_id)} AS import_id
        FROM ({pairs}) GROUP BY a, b, kind_a, kind ORDER BY a, b, kind
        """
    ).cast(EDGE)
