"""Which rows are there already: in the same file, or in the shop from another import.

A row with a known id that says the same is a duplicate; one that says something else is a conflict and is set aside, so
that nothing is lost behind an id that was not one. Products and traits have no conflicts with what is stored: what has
changed is a new version.
"""

from __future__ import annotations

from coterie.collect import contract
from coterie.collect.mapping import Read
from coterie.collect.translation import composed, literal
from coterie.store.warehouse import Warehouse, quoted

ROWS = "intake_rows"
"""The translated rows of one file, with ``#mask`` and ``#key``."""
FATES = "intake_fates"
"""``#row, fate`` of the valid rows that are not accepted: ``duplicate`` or ``conflict``."""
FACTS = "intake_facts"
"""What the rows of a table of traits say that is new, one row a trait."""
KNOWN = "intake_known"
"""What is stored under the keys of the rows."""
VALID = f'"#mask" & {contract.SET_ASIDE} = 0'

_NEWEST = 'ORDER BY available_at DESC, ingested_at DESC, import_id DESC, "row" DESC'


def key(read: Read) -> str:
    """Return SQL for the text that tells what a row is about; ``number`` tells apart rows of equal content."""
    if read.target.key and read.id:
        return '"#id"'
    if read.target.key:
        dated = ["available_at"] if "available_at" in dict(read.fields) else []
        said = ", ".join(_filled(each) for each in ("subject", *content(read), *dated))
        return f"LEFT(SHA256(CONCAT_WS(CHR(31), {said})), 32)"
    return composed([_filled(each) for each in _about(read)])


def content(read: Read) -> tuple[str, ...]:
    """Return the columns that two rows of the same key must agree on to be the same.

    Not the subject: a row that is filed under another identifier of the same person is still the same row.
    """
    if read.target.name == "trait":
        return tuple(f"trait#{trait}" for trait, _ in read.traits) or ("value",)
    if read.target.key or read.target.name == "product":
        extra = ("properties",) if read.target.properties else ()
        return (*(name for name in read.target.fields if name != "available_at"), *extra)
    return ()


def number(warehouse: Warehouse) -> None:
    """Give rows that say the same, and have no id, keys of their own: two lines alike are two facts."""
    warehouse.execute(
        f"""
        UPDATE {ROWS} SET "#key" = {ROWS}."#key" || '-' || numbered.ordinal
        FROM (
            SELECT "#row", ROW_NUMBER() OVER (PARTITION BY "#key" ORDER BY "#row") - 1 AS ordinal FROM {ROWS}
            WHERE {VALID} AND "#key" IN (SELECT "#key" FROM {ROWS} WHERE {VALID} GROUP BY "#key" HAVING COUNT(*) > 1)
        ) AS numbered
        WHERE numbered."#row" = {ROWS}."#row" AND numbered.ordinal > 0
        """
    )


def sift(warehouse: Warehouse, read: Read, stored: str) -> None:
    """Make ``FATES`` and, of traits, ``FACTS``.

    Parameters
    ----------
    warehouse
        Has ``ROWS``.
    read
        What the rows are.
    stored
        The relation of this source's facts from other imports, in the canonical schema of the target.
    """
    name = read.target.name
    stored_key = {"order_line": "line_id", "event": "event_id"}.get(name) or composed(
        [_filled(each) for each in _about(read)]
    )
    same = ", ".join(quoted(each) for each in content(read))
    known = f"""
        SELECT *, {stored_key} AS "#key" FROM {stored}
        WHERE {stored_key} IN (SELECT "#key" FROM {ROWS})
    """
    if name == "trait":
        known = f"SELECT * FROM ({known}) WHERE FALSE"  # compared trait by trait, below
    elif name == "product":
        known = f'{known} QUALIFY ROW_NUMBER() OVER (PARTITION BY "#key" {_NEWEST}) = 1'
    columns = "" if name == "trait" or not same else f", {same}"
    warehouse.execute(f'CREATE OR REPLACE TEMP TABLE {KNOWN} AS SELECT "#key"{columns} FROM ({known})')
    unlike_known = "FALSE" if name == "trait" else _unlike(read, "known")
    elsewise = "NULL" if name == "product" else "'conflict'"
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {FATES} AS
        WITH twice AS (
            SELECT "#key", MIN("#row") AS head FROM {ROWS} WHERE {VALID} GROUP BY "#key" HAVING COUNT(*) > 1
        ),
        heads AS (SELECT * FROM {ROWS} WHERE "#row" IN (SELECT head FROM twice)),
        judged AS (
            SELECT mine."#row", CASE
                WHEN known."#key" IS NOT NULL AND NOT ({unlike_known}) THEN 'duplicate'
                WHEN known."#key" IS NOT NULL AND {elsewise} IS NOT NULL THEN {elsewise}
                WHEN head."#row" IS NOT NULL AND NOT ({_unlike(read, "head")}) THEN 'duplicate'
                WHEN head."#row" IS NOT NULL THEN 'conflict'
            END AS fate
            FROM {ROWS} AS mine
            LEFT JOIN {KNOWN} AS known ON known."#key" = mine."#key"
            LEFT JOIN heads AS head ON head."#key" = mine."#key" AND head."#row" < mine."#row"
            WHERE mine.{VALID}
                AND mine."#key" IN (SELECT "#key" FROM {KNOWN} UNION ALL SELECT "#key" FROM twice)
        )
        SELECT "#row", fate FROM judged WHERE fate IS NOT NULL
        """
    )
    if name == "trait":
        _sift_traits(warehouse, read, stored)


def _sift_traits(warehouse: Warehouse, read: Read, stored: str) -> None:
    """Make ``FACTS`` of what is new, and duplicates of the rows that say nothing new."""
    dated = "occurred_at" in dict(read.fields)
    mine = f'SELECT * FROM {ROWS} WHERE {VALID} AND "#row" NOT IN (SELECT "#row" FROM {FATES})'
    named = [(literal(trait), quoted(f"trait#{trait}")) for trait, _ in read.traits] or [("trait", "value")]
    said = " UNION ALL ".join(
        f'SELECT "#row", subject, {trait} AS trait, {value} AS value, occurred_at, available_at FROM mine '
        f"WHERE {value} IS NOT NULL"
        for trait, value in named
    )
    # What is undated is compared with what was said last; what is dated, with what was said of that moment.
    about = "subject, trait, occurred_at" if dated else "subject, trait"
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {FACTS} AS
        WITH mine AS ({mine}), said AS ({said}), known AS (
            SELECT {about}, value FROM {stored} WHERE {"TRUE" if dated else "occurred_at IS NULL"}
            QUALIFY ROW_NUMBER() OVER (PARTITION BY {about} {_NEWEST}) = 1
        )
        SELECT said.*, known.subject IS NOT NULL AS "#changed"
        FROM said LEFT JOIN known ON known.subject = said.subject AND known.trait = said.trait
            {"AND known.occurred_at IS NOT DISTINCT FROM said.occurred_at" if dated else ""}
        WHERE known.value IS DISTINCT FROM said.value
        """
    )
    warehouse.execute(
        f"""
        INSERT INTO {FATES} SELECT "#row", 'duplicate' FROM ({mine})
        WHERE "#row" NOT IN (SELECT "#row" FROM {FACTS})
        """
    )


def _about(read: Read) -> list[str]:
    """Return the columns that identify what a row without an id of its own is about."""
    mapped = dict(read.fields)
    of = {
        "product": ("product_id", "available_at" if "available_at" in mapped else ""),
        "offer": ("offer_id", "product_id", "campaign_id"),
        "consent": ("subject", "purpose", "choice", "occurred_at"),
        "trait": ("subject", "trait" if "trait" in mapped else "", "occurred_at" if "occurred_at" in mapped else ""),
    }
    return [name for name in of[read.target.name] if name]


def _filled(name: str) -> str:
    default = "1970-01-01 00:00:00" if name == "available_at" else ""
    return f"COALESCE(CAST({quoted(name)} AS VARCHAR), '{default}')"


def _unlike(read: Read, other: str) -> str:
    pairs = ((f"mine.{quoted(name)}", f"{other}.{quoted(name)}") for name in content(read))
    return " OR ".join(f"{one} IS DISTINCT FROM {two}" for one, two in pairs) or "FALSE"
