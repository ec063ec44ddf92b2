"""Units: lines that belong together, such as an invoice, and have no ids of their own.

The id of such a line is a hash of what it says and its ordinal among the lines of its unit that say the same. A unit
that is stored already may come again, in another file or a longer one; or it may be the rest of one that was cut when a
file was split. Which of the two it is decides whether a line that says the same is known or one more:

* the part that comes now is contained in what is stored, or contains it (as multisets of what lines say): the same unit
  again, so lines that say the same are known;
* one file ends in the unit and the other begins with it, they share no other unit, and the two parts are unlike: the
  unit was cut, so all lines are new;
* else, when neither contains the other and no line of the unit is in quarantine: another part, so all lines are new.

A file of the same name is the same file again, whatever it says.
"""

from __future__ import annotations

from coterie.collect import contract
from coterie.collect.duplicates import HELD, ROWS, VALID
from coterie.collect.read import Read
from coterie.store.warehouse import Warehouse, quoted

LINE_KEY = 32
"""Characters of the hash in a line's id; the ordinal follows after a hyphen."""

_PARTS = "intake_parts"
_CUT = "intake_cut"


def is_order(read: Read) -> bool:
    """Tell whether the unit of order lines is their order, so that its stored lines can be found by its id."""
    return read.target.name == "order_line" and dict(read.fields)["order_id"].columns == read.unit


def number(warehouse: Warehouse, read: Read) -> None:
    """Give rows that say the same, and have no id, keys of their own: two lines alike are two facts.

    All but the first of a unit get the bit of the warning ``repeated``.
    """
    repeated = f" | CASE WHEN unit IS NULL THEN 0 ELSE {contract.bit('repeated')} END" if read.unit else ""
    warehouse.execute(
        f"""
        UPDATE {HELD}
        SET "#key" = {HELD}."#key" || '-' || numbered.ordinal, "#mask" = {HELD}."#mask"{repeated}
        FROM (
            SELECT "#at", "#unit" AS unit, ROW_NUMBER() OVER (PARTITION BY "#key" ORDER BY "#at") - 1 AS ordinal
            FROM {ROWS} WHERE {VALID} AND HASH("#key") IN (
                SELECT HASH("#key") AS hashed FROM {ROWS} WHERE {VALID} GROUP BY hashed HAVING COUNT(*) > 1)
        ) AS numbered
        WHERE numbered."#at" = {HELD}."#at" AND numbered.ordinal > 0
        """
    )


def place(warehouse: Warehouse, stored: str, edges: str, extents: str, incomplete: str, same_file: str) -> None:
    """Move the keys of lines on that are one more of what is stored, when their unit is an order.

    Parameters
    ----------
    warehouse
        Has ``ROWS``, numbered.
    stored
        The relation of this source's order lines from other imports.
    edges
        The query ``first, last``: between which rows the file lies.
    extents
        The relation ``import_id, first, last``: the same of other imports.
    incomplete
        The query of the units of which lines are in quarantine: one column, ``unit``.
    same_file
        The query of the imports of a file of the same name: one column, ``import_id``.
    """
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_PARTS} AS
        SELECT order_id AS unit, {_said("line_id")} AS said, import_id, "row",
            {_ordinal("line_id")} AS ordinal
        FROM {stored} WHERE order_id IN (SELECT DISTINCT "#unit" FROM {ROWS} WHERE "#unit" IS NOT NULL)
        """
    )
    if not warehouse.query(f"SELECT COUNT(*) AS n FROM {_PARTS}")["n"][0].as_py():
        warehouse.drop(_PARTS)
        return
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_CUT} AS
        WITH mine AS (
            SELECT "#unit" AS unit, {_said('"#key"')} AS said FROM {ROWS}
            WHERE {VALID} AND "#unit" IN (SELECT unit FROM {_PARTS})
        ),
        again AS (SELECT DISTINCT unit FROM {_PARTS} WHERE import_id IN ({same_file})),
        coming AS (SELECT unit, said, COUNT(*) AS n FROM mine GROUP BY ALL),
        there AS (SELECT unit, said, COUNT(*) AS n FROM {_PARTS} GROUP BY ALL),
        compared AS (
            SELECT COALESCE(coming.unit, there.unit) AS unit, COALESCE(coming.n, 0) AS now,
                COALESCE(there.n, 0) AS before
            FROM coming FULL JOIN there ON coming.unit = there.unit AND coming.said = there.said
        ),
        nested AS (
            SELECT unit FROM compared GROUP BY unit HAVING BOOL_AND(now <= before) OR BOOL_AND(before <= now)
        ),
        edges AS ({edges}),
        spans AS (
            SELECT "#unit" AS unit, MIN("#row") = ANY_VALUE(first) AS begins, MAX("#row") = ANY_VALUE(last) AS ends
            FROM {ROWS}, edges WHERE "#unit" IN (SELECT unit FROM {_PARTS}) GROUP BY "#unit"
        ),
        neighbours AS (
            SELECT part.unit, part.import_id FROM {_PARTS} AS part
            JOIN {extents} AS extent USING (import_id) JOIN spans USING (unit)
            WHERE import_id IN (SELECT import_id FROM {_PARTS} GROUP BY import_id HAVING COUNT(DISTINCT unit) = 1)
            GROUP BY part.unit, part.import_id
            HAVING (ANY_VALUE(begins) AND MAX(part."row") = ANY_VALUE(extent.last))
                OR (ANY_VALUE(ends) AND MIN(part."row") = ANY_VALUE(extent.first))
        ),
        beside AS (
            SELECT part.unit, part.import_id, said, COUNT(*) AS n FROM {_PARTS} AS part
            SEMI JOIN neighbours USING (unit, import_id) GROUP BY ALL
        ),
        unlike AS (
            SELECT DISTINCT neighbour.unit FROM neighbours AS neighbour
            JOIN LATERAL (
                SELECT COALESCE(BOOL_OR(c.n IS DISTINCT FROM b.n), FALSE) AS other
                FROM (SELECT * FROM coming WHERE unit = neighbour.unit) AS c
                FULL JOIN (
                    SELECT * FROM beside WHERE unit = neighbour.unit AND import_id = neighbour.import_id
                ) AS b ON c.said = b.said
            ) AS told ON other
        )
        SELECT unit FROM (
            SELECT unit FROM unlike
            UNION
            (SELECT unit FROM coming EXCEPT SELECT unit FROM nested EXCEPT ({incomplete}))
        ) WHERE unit NOT IN (SELECT unit FROM again)
        """
    )
    warehouse.execute(
        f"""
        UPDATE {HELD} SET "#key" = moved.key FROM (
            SELECT mine."#at", mine.said || '-' || (mine.ordinal + there.next) AS key FROM (
                SELECT "#at", "#unit" AS unit, {_said('"#key"')} AS said, {_ordinal('"#key"')} AS ordinal
                FROM {ROWS} WHERE {VALID} AND "#unit" IN (SELECT unit FROM {_CUT})
            ) AS mine
            JOIN (SELECT unit, said, MAX(ordinal) + 1 AS next FROM {_PARTS} GROUP BY ALL) AS there USING (unit, said)
        ) AS moved WHERE moved."#at" = {HELD}."#at"
        """
    )
    warehouse.drop(_CUT)
    warehouse.drop(_PARTS)


def go_on(warehouse: Warehouse, own: str) -> None:
    """Number lines that come later than others of the same file, because they were in quarantine, after those.

    Parameters
    ----------
    warehouse
        Has ``ROWS``, numbered.
    own
        The relation ``id`` of the lines of the same import that are stored or known.
    """
    warehouse.execute(
        f"""
        UPDATE {HELD} SET "#key" = moved.key FROM (
            SELECT mine."#at", mine.said || '-' || (mine.ordinal + before.next) AS key FROM (
                SELECT "#at", {_said('"#key"')} AS said, {_ordinal('"#key"')} AS ordinal FROM {ROWS} WHERE {VALID}
            ) AS mine
            JOIN (SELECT {_said("id")} AS said, MAX({_ordinal("id")}) + 1 AS next FROM {own} GROUP BY 1) AS before
                USING (said)
        ) AS moved WHERE moved."#at" = {HELD}."#at"
        """
    )


def completed(read: Read, translated: str, stored: str) -> str:
    """Return translated rows with what only the stored lines of their order say, for a read that fills.

    A file that begins in the middle of an order lacks what is stated on its first line: whose it is, when, where.

    Parameters
    ----------
    read
        What the rows are; its unit is the order.
    translated
        The query of the rows.
    stored
        The relation of this source's order lines from other imports.
    """
    filled = [
        name
        for name, each in read.fields
        if name in _OF_ORDERS and each.columns and set(each.columns) <= set(read.fill)
    ]
    if any(set(each.columns) & set(read.fill) for _, each in read.identify):
        filled.append("subject")
    if read.kind and read.kind.columns and set(read.kind.columns) <= set(read.fill):
        filled.append("kind")
    if not filled:
        return translated
    said = ", ".join(f"COALESCE(line.{quoted(name)}, rest.{quoted(name)}) AS {quoted(name)}" for name in filled)
    first = ", ".join(f"ARG_MIN({quoted(name)}, line_id) AS {quoted(name)}" for name in filled)
    return f"""
        SELECT line.* REPLACE ({said}) FROM ({translated}) AS line
        LEFT JOIN (SELECT order_id, {first} FROM {stored} GROUP BY order_id) AS rest ON rest.order_id = line.order_id
        """


_OF_ORDERS = ("occurred_at", "channel", "place")


def _said(line: str) -> str:
    """Return SQL for the hash in the id of a line."""
    return f"LEFT({line}, {LINE_KEY})"


def _ordinal(line: str) -> str:
    """Return SQL for the ordinal in the id of a line."""
    return f"COALESCE(TRY_CAST(SUBSTR({line}, {LINE_KEY + 2}) AS BIGINT), 0)"
