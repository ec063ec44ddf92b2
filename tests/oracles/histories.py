"""Small shops as lists of rows: builders for examples, strategies for properties, and the views that features read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from coterie.schema import EVENT, KEY, ORDER_LINE, PRODUCT, TIME, TRAIT
from coterie.store.warehouse import Warehouse
from oracles.features import History

PERSON_OF = pa.schema([("subject", KEY), ("person", KEY), ("valid_from", TIME), ("valid_until", TIME)])
SCHEMAS = {
    "order_lines": ORDER_LINE,
    "events": EVENT,
    "products": PRODUCT,
    "traits": TRAIT,
    "person_of": PERSON_OF,
}


def attach(warehouse: Warehouse, history: History) -> None:
    """Show a history to the features."""
    for name, schema in SCHEMAS.items():
        warehouse.attach(name, pa.Table.from_pylist(getattr(history, name), schema=schema))


def order_line(
    number: int, subject: int, occurred_at: datetime, amount: int | None = 100, **more: Any
) -> dict[str, Any]:
    """A line that is an order of its own, unless ``order_id`` says otherwise."""
    usual = {
        "source": "shop",
        "line_id": f"l{number}",
        "order_id": f"o{number}",
        "kind": "Order Completed",
        "channel": "web",
        "place": None,
        "product_id": None,
        "quantity": 1.0,
        "discount": 0,
        "currency": "EUR",
        "available_at": occurred_at,
        "import_id": 1,
        "row": number,
    }
    return {**usual, "subject": subject, "occurred_at": occurred_at, "amount": amount, **more}


def event(number: int, subject: int, kind: str, occurred_at: datetime, **more: Any) -> dict[str, Any]:
    usual = {"source": "shop", "event_id": f"e{number}", "available_at": occurred_at, "import_id": 1, "row": number}
    return {**usual, "subject": subject, "kind": kind, "occurred_at": occurred_at, **more}


def itself(subject: int) -> dict[str, Any]:
    """A subject that has always been a person of its own."""
    return {"subject": subject, "person": subject, "valid_from": None, "valid_until": None}


def spine(*rows: tuple[int, datetime]) -> pa.Table:
    people, moments = [person for person, _ in rows], [moment for _, moment in rows]
    return pa.table({"person": pa.array(people, KEY), "as_of": pa.array(moments, TIME)})


AS_OF = datetime(2026, 3, 31, 15, 20, 30)
MICROSECOND = timedelta(microseconds=1)
# where windows begin and end at AS_OF (365, 30, 7 and 1 days), and the clock change in New York on 8 March
EDGES = (
    AS_OF,
    datetime(2025, 3, 31),
    datetime(2026, 3, 1),
    datetime(2026, 3, 24, 15),
    datetime(2026, 3, 30, 15),
    datetime(2026, 3, 8, 5),
    datetime(2026, 3, 8, 7),
    datetime(2026, 4, 7, 15, 20, 30),
)
SUBJECTS = (1, 2, 3, 4)
PEOPLE = (1, 2, 3, 9)


def moments() -> st.SearchStrategy[datetime]:
    """Times on, just before and just after the edges, or anywhere within two years."""
    edges = st.builds(lambda edge, off: edge + off * MICROSECOND, st.sampled_from(EDGES), st.integers(-1, 1))
    anywhere = st.integers(0, 2 * 365 * 86_400).map(lambda seconds: datetime(2024, 6, 1) + timedelta(seconds=seconds))
    return st.one_of(edges, edges, anywhere)


def _late(moment: datetime, late: int) -> datetime:
    return moment + timedelta(hours=late)


_LATE = st.sampled_from((0, 0, 0, 1, 24 * 40))
_TEXT = st.sampled_from((None, "a", "b", "B", "ä"))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to a dozen facts of each kind about four subjects, with ties, late rows, gaps in the data and merges."""
    history = History()
    for number in range(draw(st.integers(0, 14))):
        moment = draw(moments())
        line = order_line(
            number,
            draw(st.sampled_from(SUBJECTS)),
            moment,
            draw(st.one_of(st.none(), st.integers(-500, 10_000))),
            order_id=f"o{draw(st.integers(0, 6))}",
            kind=draw(st.sampled_from(("Order Completed",) * 4 + ("Order Refunded",))),
            discount=draw(st.one_of(st.none(), st.integers(0, 900))),
            quantity=draw(st.one_of(st.none(), st.floats(-5, 50, allow_subnormal=False))),
            channel=draw(_TEXT),
            place=draw(_TEXT),
            product_id=draw(st.sampled_from((None, "p1", "p2", "p3"))),
            available_at=_late(moment, draw(_LATE)),
        )
        history.order_lines.append(line)
    for number in range(draw(st.integers(0, 10))):
        moment = draw(moments())
        kind = draw(st.sampled_from(("Product Viewed", "Campaign Sent")))
        more = {"campaign_id": draw(_TEXT), "available_at": _late(moment, draw(_LATE))}
        history.events.append(event(number, draw(st.sampled_from(SUBJECTS)), kind, moment, **more))
    for number in range(draw(st.integers(0, 5))):
        begin = draw(st.one_of(st.none(), moments()))
        row = {
            "source": "shop",
            "product_id": draw(st.sampled_from(("p1", "p2"))),
            "available_at": begin,
            "import_id": 1,
        }
        history.products.append(
            {**row, "row": number, "category": draw(_TEXT), "department": "d", "brand": draw(_TEXT)}
        )
    for number in range(draw(st.integers(0, 5))):
        moment = draw(st.one_of(st.none(), moments()))
        row = {"source": "shop", "subject": draw(st.sampled_from(SUBJECTS)), "trait": "age", "value": draw(_TEXT)}
        available = None if moment is None else _late(moment, draw(_LATE))
        history.traits.append({**row, "occurred_at": moment, "available_at": available, "import_id": 1, "row": number})
    for subject in SUBJECTS:
        merged = draw(st.one_of(st.none(), moments()))
        if merged is None:
            history.person_of.append(itself(subject))
        else:
            history.person_of.append({**itself(subject), "valid_until": merged})
            history.person_of.append({"subject": subject, "person": 1, "valid_from": merged, "valid_until": None})
    return history
