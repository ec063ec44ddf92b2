"""Small shops as lists of rows: builders for examples, strategies for properties, and the views that features read."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
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
# where windows begin at AS_OF (730, 365, 30, 7 and 1 days; 6 and 1 hours) and the next hops, the end of a future, the
# clock changes in New York and the turn of the year there and in UTC
EDGES = (
    AS_OF,
    datetime(2024, 3, 31),
    datetime(2025, 3, 31),
    datetime(2026, 3, 1),
    datetime(2026, 3, 24, 15),
    datetime(2026, 3, 30, 15),
    datetime(2026, 3, 31, 9, 20),
    datetime(2026, 3, 31, 14, 20),
    datetime(2026, 3, 31, 14, 25),
    datetime(2026, 4, 7, 15, 20, 30),
    datetime(2026, 3, 8, 5),
    datetime(2026, 3, 8, 7),
    datetime(2025, 11, 2, 5, 30),
    datetime(2025, 11, 2, 6, 30),
    datetime(2026, 1, 1),
    datetime(2026, 1, 1, 5),
)
SUBJECTS = (1, 2, 3, 4)
PEOPLE = (1, 2, 3, 9)
SOURCES = ("shop", "till")
PRODUCTS = ("p1", "p2", "p3")
VIEWED, SENT, ADDED = "Product Viewed", "Campaign Sent", "Product Added"


def moments() -> st.SearchStrategy[datetime]:
    """Times on, just before and just after the edges, in the last hours or days, or anywhere within two years."""
    edges = st.builds(lambda edge, off: edge + off * MICROSECOND, st.sampled_from(EDGES), st.integers(-1, 1))
    anywhere = st.integers(0, 2 * 365 * 86_400).map(lambda seconds: datetime(2024, 6, 1) + timedelta(seconds=seconds))
    lately = st.sampled_from((3_600, 86_400, 40 * 86_400)).flatmap(lambda most: st.integers(0, most))
    before = lately.map(lambda seconds: AS_OF - timedelta(seconds=seconds))
    return st.one_of(edges, edges, before, anywhere)


_LATE = st.sampled_from((0, 0, 0, 1, 24 * 40)).map(lambda hours: timedelta(hours=hours))
_TEXT = st.sampled_from((None, "a", "b", "B", "ä", "nan", ""))
# also prices on the edges of their bands, and one minor unit off
_AMOUNT = st.one_of(
    st.none(), st.integers(-500, 10_000), st.sampled_from((0, 99, 100, 199, 200, 500, 999, 1000, 100_000))
)
EIGHTHS = st.one_of(st.none(), st.sampled_from((0.5, 1.0, 2.0)), st.integers(-40, 400).map(lambda number: number / 8))
"""Quantities whose sums are exact, so that whatever is made of them is, in any order."""
TENTHS = st.one_of(st.none(), st.integers(1, 500).map(lambda number: number / 10), st.floats(1e-3, 1e6))
"""Quantities whose sums are rounded."""


@st.composite
def histories(draw: st.DrawFn, quantities: st.SearchStrategy[float | None] = EIGHTHS) -> History:
    """Up to a dozen facts of each kind about four subjects.

    They come from two sources with equal ids, with ties, late rows, gaps in the data, refunds and cancellations,
    several versions of products and imports; subjects merge with others and part from them again.
    """
    history = History()
    often = draw(st.lists(moments(), min_size=1, max_size=4))
    moment = st.one_of(st.sampled_from(often), moments())
    subject = st.sampled_from(SUBJECTS)
    item = st.sampled_from((None, *PRODUCTS))

    def origin(number: int) -> dict[str, Any]:
        """Two facts each have one id, in two sources."""
        return {"source": SOURCES[number % 2], "import_id": draw(st.integers(1, 3)), "row": number}

    for number in range(draw(st.integers(0, 14))):
        at = draw(moment)
        line = order_line(
            number,
            draw(subject),
            at,
            draw(_AMOUNT),
            line_id=f"l{number // 2}",
            order_id=f"o{draw(st.integers(0, 4))}",
            kind=draw(st.sampled_from(("Order Completed",) * 4 + ("Order Refunded", "Order Cancelled"))),
            discount=draw(st.one_of(st.none(), st.integers(0, 900))),
            quantity=draw(quantities),
            channel=draw(_TEXT),
            place=draw(_TEXT),
            product_id=draw(item),
            available_at=at + draw(_LATE),
        )
        history.order_lines.append(line | origin(number))
    for number in range(draw(st.integers(0, 12))):
        at = draw(moment)
        seen = event(
            number,
            draw(subject),
            draw(st.sampled_from((VIEWED, SENT, ADDED))),
            at,
            event_id=f"e{number // 2}",
            channel=draw(_TEXT),
            order_id=None,
            product_id=draw(item),
            campaign_id=draw(_TEXT),
            offer_id=None,
            amount=draw(_AMOUNT),
            currency="EUR",
            available_at=at + draw(_LATE),
        )
        history.events.append(seen | origin(number))
    for number in range(draw(st.integers(0, 6))):
        version = {"product_id": draw(st.sampled_from(PRODUCTS[:2])), "available_at": draw(st.none() | moment)}
        shelf = {"category": draw(_TEXT), "department": "d", "subcategory": draw(_TEXT), "brand": draw(_TEXT)}
        history.products.append(version | shelf | origin(number))
    for number in range(draw(st.integers(0, 6))):
        dated = draw(st.none() | moment)
        about: dict[str, Any] = {
            "subject": draw(subject),
            "trait": draw(st.sampled_from(("age", "tier"))),
            "value": draw(_TEXT),
        }
        times: dict[str, Any] = {"occurred_at": dated, "available_at": None if dated is None else dated + draw(_LATE)}
        history.traits.append(about | times | origin(number))
    for one in SUBJECTS:
        bounds = [None, *sorted(draw(st.lists(moment, max_size=2, unique=True))), None]
        for begin, end in pairwise(bounds):
            who: dict[str, Any] = {"subject": one, "person": draw(st.sampled_from((one, 1)))}
            history.person_of.append({**who, "valid_from": begin, "valid_until": end})
    return history
