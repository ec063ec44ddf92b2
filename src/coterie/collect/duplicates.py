"""Which rows are there already: in the same file, or in the shop from another import.

A row with a known id that says the same is a duplicate; one that says something else is a conflict and is set aside, so
that nothing is lost behind an id that was not one. Products and traits have no conflicts with what is stored: what has
changed is a new version. Lines without an id of their own are told apart by ``units``.
"""

from __future__ import annotations

import pyarrow as pa

from coterie.collect import contract
from coterie.collect.read import Read
from coterie.collect.translation import composed, literal
from coterie.schema import TIME
from coterie.store.warehouse import Warehouse, quoted

ROWS = "intake_rows"
"""A view of the translated rows of one file, one for each element.

Further columns: ``#at`` (which element), ``#mask`` (broken rules), ``#key`` (what it is about), ``#said`` (its hash).
"""
HELD = "intake_held"
"""The table behind ``ROWS``, without the columns that are the same in all rows."""
FATES = "intake_fates"
"""``#at, #row, fate, of_import, of_row`` of the valid elements that are not new: ``duplicate`` or ``conflict``."""
FACTS = "intake_facts"
"""What the rows of a table of traits say that is new, one row a trait."""
KNOWN = "intake_known"
"""What is stored under the keys of the rows."""
VALID = f'"#mask" & {contract.SET_ASIDE} = 0'

_NEWEST = 'ORDER BY available_at DESC, ingested_at DESC, import_id DESC, "row" DESC'


def same(read: Read, *, converted: bool, ordered: bool) -> dict[str, str]:
    """Return the columns that are the same in all rows, or the same as another column, with the SQL of what they are.

    They are not held: of a file of millions of rows they would take a third of the memory.

    Parameters
    ----------
    read
        What the rows are.
    converted
        Whether amounts are converted.
    ordered
        Whether the unit of a row is its order.
    """
    mapped, schema = dict(read.fields), read.target.schema
    found = {} if read.each else {"#element": "CAST(0 AS BIGINT)"}
    if ordered or not read.unit:
        found["#unit"] = "order_id" if ordered else "CAST(NULL AS VARCHAR)"
    for name in read.target.fields:
        if name not in mapped and name not in ("kind", "currency", "channel"):
            found[name] = f"CAST(NULL AS {_SQL[schema.field(name).type]})"
    if "original_amount" in schema.names and not converted:
        found |= {"original_amount": "CAST(NULL AS BIGINT)", "original_currency": "CAST(NULL AS VARCHAR)"}
    if read.kind and read.kind.how == "value":
        found["kind"] = literal(str(read.kind.value))
    return found


_SQL = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.float64(): "DOUBLE", TIME: "TIMESTAMP"}


def key(read: Read, *, converted: bool, unit: bool) -> str:
    """Return SQL for the text that tells what a row is about; ``units.number`` tells apart rows of equal content.

    Parameters
    ----------
    read
        What the rows are.
    converted
        Whether amounts are converted: then what the source said counts, and not what the rate of the day made of it.
    unit
        Whether ``#unit`` says more than the canonical fields do.
    """
    if read.target.key and read.id:
        # An id of the row is not one of its elements, which are counted, unless it names a column of theirs.
        counted = read.each is not None and not any(map(read.inside, read.id))
        return '"#id" || \'/\' || "#element"' if counted else '"#id"'
    if read.target.key:
        mapped = dict(read.fields)
        said = ["COALESCE(\"#unit\", '')"] if unit else []
        said += [_filled("subject")]
        said += [
            f"COALESCE(CAST({sql} AS VARCHAR), '')"
            for name, sql in content(read, converted=converted).items()
            if name != "refund_of" or name in mapped  # ids of lines stay what they were before there was that field
        ]
        said += [_filled("available_at")] if "available_at" in mapped else []
        return f"LEFT(SHA256(CONCAT_WS(CHR(31), {', '.join(said)})), 32)"
    return composed([_filled(each) for each in _about(read)])


def content(read: Read, *, converted: bool) -> dict[str, str]:
    """Return what two rows of the same key must agree on to be the same: name and SQL of each column.

    Not the subject: a row that is filed under another identifier of the same person is still the same row.
    """
    if read.target.name == "trait":
        names = tuple(f"trait#{trait}" for trait, _ in read.traits) or ("value",)
    elif read.target.key or read.target.name == "product":
        extra = ("properties",) if read.target.properties else ()
        names = (*(name for name in read.target.fields if name != "available_at"), *extra)
    else:
        names = ()
    found = {name: quoted(name) for name in names}
    if converted and "amount" in found:
        for name in ("amount", "currency"):
            found[name] = f"COALESCE(original_{name}, {name})"
        if "discount" in found:
            found["discount"] = "CASE WHEN original_currency IS NULL THEN discount END"
    return found


def said(read: Read, *, converted: bool) -> str:
    """Return SQL for a number that two rows of the same key share when they say the same (else once in 2**64)."""
    doubles = {field.name for field in read.target.schema if pa.types.is_floating(field.type)}
    parts = [f"{sql} + 0.0" if name in doubles else sql for name, sql in content(read, converted=converted).items()]
    return f"HASH({', '.join(parts)})" if parts else "CAST(0 AS UBIGINT)"  # 0.0 and -0.0 are one number


def sift(warehouse: Warehouse, read: Read, stored: str, import_id: int, *, converted: bool = False) -> None:
    """Make ``FATES`` and, of traits, ``FACTS``; mark conflicts in ``#mask``.

    Parameters
    ----------
    warehouse
        Has ``ROWS``.
    read
        What the rows are.
    stored
        The relation of this source's facts from other imports, in the canonical schema of the target; empty: none.
    import_id
        Of the rows, to which rows that repeat each other are linked.
    converted
        As for ``key``.
    """
    _know(warehouse, read, stored, converted=converted)
    _tell(warehouse, read, import_id)
    # A row is set aside whole. What repeats one of its other elements repeats nothing that is stored, so look again.
    while _conflicts(warehouse) and read.each:
        _tell(warehouse, read, import_id)
    if read.target.name == "trait":
        _sift_traits(warehouse, read, stored)


def _know(warehouse: Warehouse, read: Read, stored: str, *, converted: bool) -> None:
    """Make ``KNOWN``. Keys are compared by their hashes, which are small; ``_tell`` compares them by what they say."""
    name = read.target.name
    about = {"order_line": "line_id", "event": "event_id"}.get(name)
    stored_key = about or composed([_filled(each) for each in _about(read)])
    nowhere = "CAST(NULL AS BIGINT) AS of_import, CAST(NULL AS BIGINT) AS of_row"
    origin = 'import_id AS of_import, "row" AS of_row' if read.target.table else nowhere
    newest = f'QUALIFY ROW_NUMBER() OVER (PARTITION BY "#key" {_NEWEST}) = 1' if name == "product" else ""
    query = f"""
        SELECT "#key", {origin}, {said(read, converted=converted)} AS "#said" FROM (
            SELECT *, {stored_key} AS "#key" FROM {stored}
            WHERE HASH({stored_key}) IN (SELECT HASH("#key") FROM {ROWS})
        ) {newest}
        """
    if not stored or name == "trait":  # traits are compared one by one
        query = f'SELECT "#key", {nowhere}, "#said" FROM {ROWS} WHERE FALSE'
    warehouse.execute(f"CREATE OR REPLACE TEMP TABLE {KNOWN} AS {query}")


def _tell(warehouse: Warehouse, read: Read, import_id: int) -> None:
    """Make ``FATES`` of what is in ``KNOWN`` and of what the file says twice."""
    elsewise = "NULL" if read.target.name == "product" else "'conflict'"
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {FATES} AS
        WITH suspected AS (
            SELECT HASH("#key") AS hashed FROM {ROWS} WHERE {VALID} GROUP BY hashed HAVING COUNT(*) > 1
        ),
        twice AS (
            SELECT "#key", MIN("#at") AS head, ARG_MIN("#said", "#at") AS "#said", ARG_MIN("#row", "#at") AS "#row"
            FROM {ROWS} WHERE {VALID} AND HASH("#key") IN (SELECT hashed FROM suspected)
            GROUP BY "#key" HAVING COUNT(*) > 1
        ),
        judged AS (
            SELECT mine."#at", mine."#row", CASE
                WHEN known."#said" = mine."#said" THEN 'duplicate'
                WHEN known."#key" IS NOT NULL AND {elsewise} IS NOT NULL THEN {elsewise}
                WHEN head."#said" = mine."#said" THEN 'duplicate'
                WHEN head."#key" IS NOT NULL THEN 'conflict'
            END AS fate,
            CASE WHEN known."#key" IS NOT NULL THEN known.of_import ELSE CAST({import_id} AS BIGINT) END AS of_import,
            CASE WHEN known."#key" IS NOT NULL THEN known.of_row ELSE head."#row" END AS of_row
            FROM {ROWS} AS mine
            LEFT JOIN {KNOWN} AS known ON known."#key" = mine."#key"
            LEFT JOIN twice AS head ON head."#key" = mine."#key" AND head.head < mine."#at"
            WHERE mine.{VALID}
                AND mine."#key" IN (SELECT "#key" FROM {KNOWN} UNION ALL SELECT "#key" FROM twice)
        )
        SELECT * FROM judged WHERE fate IS NOT NULL
        """
    )


def _conflicts(warehouse: Warehouse) -> int:
    """Mark the rows that conflict, and return how many they are."""
    conflict = contract.bit("conflicting_id")
    found: int = warehouse.query(f"SELECT COUNT(*) AS n FROM {FATES} WHERE fate = 'conflict'")["n"][0].as_py()
    if found:
        warehouse.execute(
            f"""
            UPDATE {HELD} SET "#mask" = "#mask" | {conflict}
            WHERE "#row" IN (SELECT "#row" FROM {FATES} WHERE fate = 'conflict')
            """
        )
    return found


def _sift_traits(warehouse: Warehouse, read: Read, stored: str) -> None:
    """Make ``FACTS`` of what is new, and duplicates of the rows that say nothing new."""
    dated = "occurred_at" in dict(read.fields)
    mine = f'SELECT * FROM {ROWS} WHERE {VALID} AND "#at" NOT IN (SELECT "#at" FROM {FATES})'
    named = [(literal(trait), quoted(f"trait#{trait}")) for trait, _ in read.traits] or [("trait", "value")]
    said = " UNION ALL ".join(
        f'SELECT "#at", "#row", subject, {trait} AS trait, {value} AS value, occurred_at, available_at FROM mine '
        f"WHERE {value} IS NOT NULL"
        for trait, value in named
    )
    # What is undated is compared with what was said last; what is dated, with what was said of that moment.
    about = "subject, trait, occurred_at" if dated else "subject, trait"
    same = "AND known.occurred_at IS NOT DISTINCT FROM said.occurred_at" if dated else ""
    nothing = (
        "SELECT subject, trait, occurred_at, value, CAST(NULL AS BIGINT) AS import_id, "
        'CAST(NULL AS BIGINT) AS "row" FROM said WHERE FALSE'
    )
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {FACTS} AS
        WITH mine AS ({mine}), said AS ({said}), known AS ({
            f'''SELECT {about}, value, import_id, "row" FROM {stored}
            WHERE {"TRUE" if dated else "occurred_at IS NULL"}
            QUALIFY ROW_NUMBER() OVER (PARTITION BY {about} {_NEWEST}) = 1'''
            if stored
            else nothing
        })
        SELECT said.*, known.subject IS NOT NULL AS "#changed", known.value IS DISTINCT FROM said.value AS "#new",
            known.import_id AS of_import, known."row" AS of_row
        FROM said LEFT JOIN known ON known.subject = said.subject AND known.trait = said.trait {same}
        """
    )
    warehouse.execute(
        f"""
        INSERT INTO {FATES}
        SELECT "#at", MIN("#row"), 'duplicate', ANY_VALUE(of_import ORDER BY trait), ANY_VALUE(of_row ORDER BY trait)
        FROM {FACTS} GROUP BY "#at" HAVING NOT BOOL_OR("#new")
        """
    )
    warehouse.execute(f'DELETE FROM {FACTS} WHERE NOT "#new"')


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
