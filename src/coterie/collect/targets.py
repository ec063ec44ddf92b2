"""What one row of a source can become: the targets of a mapping, with the fields that each of them has."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from coterie.collect.facts import EVENTS, OFFERS, ORDER_LINES, PRODUCTS, TRAITS
from coterie.schema import CONSENT, Kind, Table

NOT_MAPPED = frozenset(
    {"source", "subject", "ingested_at", "import_id", "row", "line_id", "event_id", "properties"}
    | {"original_amount", "original_currency"}
)


@dataclass(frozen=True)
class Target:
    """What one row of a file may become.

    Parameters
    ----------
    name
        As written after ``to =``.
    schema
        The canonical schema of the facts.
    table
        The lake table; None for consents, which the gate keeps, and for what becomes nothing.
    required
        Fields that a read must map.
    personal
        Whether rows belong to a person, so that the read must say by which columns.
    key
        The column that holds the row's own id, None where the facts have none.
    properties
        Whether columns without a canonical field can be kept.
    """

    name: str
    schema: pa.Schema
    table: Table | None
    required: tuple[str, ...]
    personal: bool = True
    key: str | None = None
    properties: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The canonical fields that a read can map, in the order of the schema."""
        return tuple(name for name in self.schema.names if name not in NOT_MAPPED)


NOTHING = Target("nothing", pa.schema([]), None, (), personal=False)
"""What rows become that a source's mapping leaves out on purpose."""

TARGETS = {
    target.name: target
    for target in (
        Target("product", PRODUCTS.schema, PRODUCTS, ("product_id",), personal=False, properties=True),
        Target("offer", OFFERS.schema, OFFERS, ("offer_id",), personal=False),
        Target("consent", CONSENT, None, ("purpose", "choice", "occurred_at")),
        Target("trait", TRAITS.schema, TRAITS, ()),
        Target("order_line", ORDER_LINES.schema, ORDER_LINES, ("order_id", "amount", "occurred_at"), key="line_id"),
        Target("event", EVENTS.schema, EVENTS, ("occurred_at",), key="event_id", properties=True),
        NOTHING,
    )
}
"""The targets, in the order in which an import reads them: what others refer to comes first."""

ORDER_KINDS = (Kind.ORDER_COMPLETED, Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED)
