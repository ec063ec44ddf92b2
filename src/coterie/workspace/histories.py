"""Purchase histories of a shop: when each person bought, as models of orders to come read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from coterie.errors import EmptyShopError
from coterie.schema import KEY, TIME, Kind
from coterie.store import sql
from coterie.store.offsets import offsets
from coterie.store.sql import DAY, column, render

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts

COLUMNS = ("frequency", "recency", "T", "spend_per_order", "log_gaps", "first_spend", "typical_gap", "last_gap")
TITLES = {
    "frequency": ("Repeat purchases", "count"),
    "recency": ("Days from the first purchase to the last", "days"),
    "T": ("Days since the first purchase", "days"),
    "spend_per_order": ("Spend of a repeat purchase", "money"),
    "log_gaps": ("Time between purchases, together", "number"),
    "first_spend": ("Spend of the first purchase", "money"),
    "typical_gap": ("Usual days between purchases", "days"),
    "last_gap": ("Days between the last two purchases", "days"),
}
"""Columns in words, and their units."""
_FIRST = date(1970, 1, 1)
_STEPS = 2**50  # of a logarithm: whole numbers add up to the same in whatever order


def histories(seen: Facts, moments: Sequence[datetime], *, timezone: str, people: pa.Array | None = None) -> pa.Table:
    """Return people's purchase histories as they were known at moments.

    Orders of one day of the shop's clock are one purchase, the field's convention: what is done twice a day is one
    visit to the shop. Who is who, and what was bought, are as they were known at the moment.

    Parameters
    ----------
    seen
        What may be seen, from ``shop.facts``.
    moments
        Naive UTC.
    timezone
        IANA name of the shop's zone, whose days count.
    people
        Of whom; everybody who may be processed, when not given.

    Returns
    -------
    pa.Table
        In order of person and moment: ``person``, ``as_of``; ``frequency``, the days with a repeat purchase;
        ``recency`` and ``T``, days from the first purchase to the last, and to the moment; ``spend_per_order``, mean
        minor units of a repeat purchase (missing without one); ``log_gaps``, the sum of logarithms of the days between
        purchases; ``first_spend``, minor units of the first; ``typical_gap`` and ``last_gap``, the median and the
        latest number of days between purchases (missing without a repeat purchase).

    Raises
    ------
    EmptyShopError
        Nobody who may be processed had bought anything by then.
    """
    found = _asked(
        seen, moments, timezone, people,
        f"""
        , gaps AS (
          SELECT *, day - LAG(day) OVER (PARTITION BY person, as_of ORDER BY day) AS gap FROM days
        )
        SELECT person, as_of,
               (COUNT(*) - 1)::DOUBLE AS frequency,
               (MAX(day) - MIN(day))::DOUBLE AS recency,
               (ANY_VALUE(today) - MIN(day))::DOUBLE AS "T",
               AVG(amount) FILTER (WHERE gap IS NOT NULL) AS spend_per_order,
               COALESCE(SUM((LN(gap) * {_STEPS})::BIGINT)::DOUBLE / {_STEPS}, 0.0) AS log_gaps,
               ARG_MIN(amount, day) AS first_spend,
               MEDIAN(gap)::DOUBLE AS typical_gap,
               ARG_MAX(gap, day)::DOUBLE AS last_gap
        FROM gaps GROUP BY person, as_of ORDER BY person, as_of
        """,
    )  # fmt: skip
    if not found.num_rows:
        raise EmptyShopError(
            f"Nobody had bought anything by {max(moments):%Y-%m-%d %H:%M} UTC who may be processed.",
            hint="ingest orders first, or choose a later as_of; `coterie check` shows what is there.",
        )
    fields = [("person", KEY), ("as_of", TIME), *((name, pa.float64()) for name in COLUMNS)]
    return found.cast(pa.schema(fields))


def days_of(seen: Facts, moment: datetime, *, timezone: str) -> pa.Table:
    """Return how many people bought for the first time, and again, on each day up to a moment: of nobody alone.

    Parameters
    ----------
    seen, timezone
        As for :func:`histories`.
    moment
        Naive UTC.

    Returns
    -------
    pa.Table
        In order of days: ``day``, counted back from that of the moment (so that it is 0 or less), ``first`` and
        ``repeats``.
    """
    return _asked(
        seen, [moment], timezone, None,
        """
        , ranked AS (SELECT *, MIN(day) OVER (PARTITION BY person) AS born FROM days)
        SELECT (day - today)::DOUBLE AS day, COUNT(*) FILTER (WHERE day = born)::DOUBLE AS first,
               COUNT(*) FILTER (WHERE day > born)::DOUBLE AS repeats
        FROM ranked GROUP BY day, today ORDER BY day
        """,
    )  # fmt: skip


def _asked(seen: Facts, moments: Sequence[datetime], timezone: str, people: pa.Array | None, question: str) -> pa.Table:
    """Ask of ``days``: a row for each person, moment and day with an order, with what was paid on it."""
    zone = ZoneInfo(timezone)
    today = [(moment.replace(tzinfo=UTC).astimezone(zone).date() - _FIRST).days for moment in moments]
    known = pa.table({"as_of": pa.array(moments, TIME), "today": pa.array(today, pa.int64())})
    ahead = [(1_000_000 * since, shift) for since, shift in offsets(timezone, max(moments).year)]
    since, shift = zip(*ahead, strict=True) if ahead else ((), ())
    clock = pa.table({"since": pa.array(since, TIME), "shift": pa.array(shift, pa.int64())})
    asked = render(sql.local(column("occurred"), timezone))  # of times whose offsets are not among those
    day = render(sql.floor_divide(column("clock"), DAY))
    with (
        seen.warehouse.temporary("permitted", pa.table({"person": seen.permitted if people is None else people})),
        seen.warehouse.temporary("moments", known),
        seen.warehouse.temporary("offsets", clock),
    ):
        return seen.warehouse.query(
            f"""
            WITH orders AS (
              SELECT who.person, moment.as_of, moment.today, MIN(line.occurred_at) AS occurred,
                     SUM(line.amount)::DOUBLE AS amount
              FROM order_lines AS line
              JOIN moments AS moment ON line.occurred_at <= moment.as_of AND line.available_at <= moment.as_of
              JOIN person_of AS who
                ON who.subject = line.subject AND who.valid_from <= moment.as_of AND moment.as_of < who.valid_until
              JOIN permitted ON permitted.person = who.person
              WHERE line.kind = '{Kind.ORDER_COMPLETED}'
              GROUP BY who.person, moment.as_of, moment.today, line.subject, line.source, line.order_id
            ), told AS (
              SELECT person, as_of, today, amount,
                     CASE WHEN shift IS NULL THEN {asked} ELSE EPOCH_US(occurred) + shift * {sql.SECOND} END AS clock
              FROM orders ASOF LEFT JOIN offsets ON occurred >= since
            ), days AS (
              SELECT person, as_of, today, {day} AS day, SUM(amount) AS amount
              FROM told GROUP BY ALL
            ) {question}
            """
        )
