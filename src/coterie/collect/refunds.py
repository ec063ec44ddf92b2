"""Which completed order lines each refund or cancellation takes back: by the source's link, or by a stated rule.

A source links a refund where it names the order (``refund_of``) or gives the refund the id of an order of its own. Then
the refund takes back lines of that order with the same product. Other refunds, such as the ``C`` invoices of UCI Online
Retail, are matched: same source, subject, product and price of one unit (to the nearest minor unit), and of these lines
the latest one that is not later than the refund and has quantity left. A refund may take back several lines, and a part
of a line. What finds no line stays unmatched and is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.schema import Kind
from coterie.store.warehouse import Warehouse

TAKEN_BACK = pa.schema(
    [
        ("source", pa.string()),
        ("line_id", pa.string()),  # the refund's
        ("of_line_id", pa.string()),  # the completed line's
        ("quantity", pa.float64()),
        ("how", pa.string()),  # linked or matched
    ]
)

_LINES, _LEFT = "refund_lines", "refund_left"
_LEAST = 1e-9  # quantities below this are nothing
_IN_TIME = "occurred_at, back, order_id, quantity, amount, line_id"  # ids of lines may be random: they only break ties


@dataclass(frozen=True)
class Counted:
    """How many refund lines there are of one kind, the quantity and the money (minor units) that they stand for."""

    lines: int
    quantity: float
    amount: int


@dataclass(frozen=True)
class Refunds:
    """What the refunds and cancellations of a shop take back.

    Parameters
    ----------
    taken_back
        Pairs of refund line and completed line, see :data:`TAKEN_BACK`.
    matched, partly, unmatched
        Refund lines of which everything, a part, or nothing was found. Also of ``partly``, quantity and amount are
        those of the whole line.
    found
        Of all of them together, the quantity and the amount that was found; ``lines`` counts pairs.
    """

    taken_back: pa.Table
    matched: Counted
    partly: Counted
    unmatched: Counted
    found: Counted


def matched(warehouse: Warehouse, lines: str = "order_lines") -> Refunds:
    """Find out which completed lines the refunds take back.

    Parameters
    ----------
    warehouse
        Where the lines are attached.
    lines
        The name of a relation in the canonical schema of order lines. A line without a quantity counts as one piece.

    Returns
    -------
    Refunds
        The pairs and the counts; the order of the rows does not matter.
    """
    completed = f"kind = '{Kind.ORDER_COMPLETED}'"
    warehouse.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_LINES} AS
        WITH said AS (
            SELECT source, line_id, order_id, subject, product_id, amount, occurred_at, NOT {completed} AS back,
                COALESCE(refund_of, order_id) AS "order", refund_of IS NOT NULL AS named,
                ABS(COALESCE(quantity, 1)) AS quantity,
                ROUND(ABS(amount) / NULLIF(ABS(COALESCE(quantity, 1)), 0)) AS price
            FROM {lines}
        ),
        refunds AS (SELECT * FROM said WHERE back),
        links AS (
            SELECT source, "order" FROM refunds WHERE named
            UNION
            SELECT source, "order" FROM refunds SEMI JOIN (SELECT source, "order" FROM said WHERE NOT back)
                USING (source, "order")
        ),
        judged AS (
            SELECT refunds.*, links."order" IS NOT NULL AS linked FROM refunds LEFT JOIN links USING (source, "order")
        )
        SELECT *, FALSE AS linked FROM said WHERE NOT back AND (
            (source, "order") IN (SELECT (source, "order") FROM links)
            OR (source, subject, product_id) IN (SELECT (source, subject, product_id) FROM judged WHERE NOT linked))
        UNION ALL SELECT * FROM judged
        """
    )
    try:
        pairs = [_linked(warehouse)]
        warehouse.temporary(_LEFT, _used(pairs[0]))
        pairs.append(_by_rule(warehouse))
        taken_back = pa.concat_tables(pairs).sort_by([(name, "ascending") for name in TAKEN_BACK.names[:3]])
        return Refunds(taken_back, *_counts(warehouse, taken_back))
    finally:
        warehouse.drop(_LINES)
        warehouse.drop(_LEFT)


def _linked(warehouse: Warehouse) -> pa.Table:
    """Return what linked refunds take back: lines of the same order and product."""
    group = 'source, "order", product_id'
    events = warehouse.query(
        f"""
        SELECT source, line_id, back, quantity, DENSE_RANK() OVER (ORDER BY {group}) AS "group", occurred_at
        FROM {_LINES} WHERE linked OR (NOT back AND EXISTS (
            SELECT 1 FROM {_LINES} AS refund WHERE refund.linked AND refund.source = {_LINES}.source
                AND refund."order" = {_LINES}."order" AND refund.product_id IS NOT DISTINCT FROM {_LINES}.product_id))
        ORDER BY "group", {_IN_TIME}
        """
    )
    return _paired(events, "linked")


def _by_rule(warehouse: Warehouse) -> pa.Table:
    """Return what the other refunds take back of what the linked ones have left."""
    group = "source, subject, product_id, price"
    events = warehouse.query(
        f"""
        WITH lines AS (
            SELECT * REPLACE (quantity - COALESCE(used, 0) AS quantity)
            FROM {_LINES} LEFT JOIN {_LEFT} USING (source, line_id) WHERE NOT back
        ),
        refunds AS (SELECT *, NULL AS used FROM {_LINES} WHERE back AND NOT linked AND product_id IS NOT NULL),
        involved AS (
            SELECT * FROM lines SEMI JOIN refunds USING (source, subject, product_id, price) UNION ALL FROM refunds
        )
        SELECT source, line_id, back, quantity, DENSE_RANK() OVER (ORDER BY {group}) AS "group", occurred_at
        FROM involved ORDER BY "group", {_IN_TIME}
        """
    )
    return _paired(events, "matched")


def _paired(events: pa.Table, how: str) -> pa.Table:
    """Return pairs of a refund and the latest earlier line of its group with quantity left.

    ``events`` is sorted by group and time, lines before refunds of the same moment. A loop over the lines of groups
    with refunds, of which there are few.
    """
    refunds, lines, quantities = [], [], []
    for refund, line, quantity in _taken(events):
        refunds.append(refund)
        lines.append(line)
        quantities.append(quantity)
    at, of = pa.array(refunds, pa.int64()), pa.array(lines, pa.int64())
    return pa.table(
        {
            "source": events["source"].take(at),
            "line_id": events["line_id"].take(at),
            "of_line_id": events["line_id"].take(of),
            "quantity": pa.array(quantities, pa.float64()),
            "how": pa.array([how] * len(refunds), pa.string()),
        },
        schema=TAKEN_BACK,
    )


def _taken(events: pa.Table) -> Iterator[tuple[int, int, float]]:
    """Yield position of the refund, position of the line, and the quantity."""
    stack: list[list[float]] = []  # position and quantity left of each line, the latest last
    current = None
    columns = (events[name].to_pylist() for name in ("group", "back", "quantity"))
    for position, (group, back, quantity) in enumerate(zip(*columns, strict=True)):
        if group != current:
            stack, current = [], group
        if not back:
            stack.append([position, quantity])
        while back and quantity > _LEAST and stack:
            line, left = stack[-1]
            taken = min(left, quantity)
            if taken > _LEAST:
                yield position, int(line), taken
            quantity -= taken
            stack[-1][1] = left - taken
            if stack[-1][1] <= _LEAST:
                stack.pop()


def _used(pairs: pa.Table) -> pa.Table:
    """Return how much of each completed line is taken back: ``source, line_id, used``."""
    used = pairs.group_by(["source", "of_line_id"]).aggregate([("quantity", "sum")])
    return used.select(["source", "of_line_id", "quantity_sum"]).rename_columns(["source", "line_id", "used"])


def _counts(warehouse: Warehouse, taken_back: pa.Table) -> tuple[Counted, Counted, Counted, Counted]:
    """Return what was found whole, in part, not at all, and the sum of what was found."""
    refunds = warehouse.query(f"SELECT source, line_id, quantity, amount FROM {_LINES} WHERE back")
    found = taken_back.group_by(["source", "line_id"]).aggregate([("quantity", "sum")])
    refunds = refunds.join(found, ["source", "line_id"], join_type="left outer")
    whole = refunds["quantity"].to_numpy()
    part = pc.fill_null(refunds["quantity_sum"], 0.0).to_numpy()
    amount = np.abs(pc.fill_null(refunds["amount"], 0).to_numpy())
    none = part <= _LEAST
    full = ~none & (whole - part <= _LEAST)

    def counted(chosen: np.ndarray) -> Counted:
        return Counted(int(chosen.sum()), float(whole[chosen].sum()), int(amount[chosen].sum()))

    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    money = int(np.rint(amount * share).sum())
    return (
        counted(full),
        counted(~none & ~full),
        counted(none),
        Counted(taken_back.num_rows, float(part.sum()), money),
    )
