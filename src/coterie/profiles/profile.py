"""What the shop knows of one person, summed up for people to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from coterie.errors import ParameterError
from coterie.schema import utc_now
from coterie.store.ports import Vault
from coterie.store.warehouse import Warehouse


@dataclass(frozen=True)
class OrderCount:
    """Orders of one kind in one currency.

    Parameters
    ----------
    kind
        Order Completed, Order Refunded or Order Cancelled.
    orders, lines
        How many.
    amount
        Sum of the lines' amounts as the source states them, minor units.
    currency
        ISO 4217.
    """

    kind: str
    orders: int
    lines: int
    amount: int
    currency: str


@dataclass(frozen=True)
class TraitValue:
    """The last known value of one trait.

    Parameters
    ----------
    trait, value
        As the source calls them.
    source
        Which source said so.
    occurred_at
        Since when it holds, naive UTC; None when the source does not date it.
    """

    trait: str
    value: str | None
    source: str
    occurred_at: datetime | None


@dataclass(frozen=True)
class Profile:
    """What the shop knew of one person at a moment. Identifiers are counted, never shown.

    Parameters
    ----------
    person
        The person's key.
    as_of
        The moment whose past it describes, naive UTC.
    subjects
        How many identifiers are this person.
    identifiers
        How many of each kind; empty when no vault was given.
    sources
        Where facts come from, sorted.
    first_seen, last_seen
        Of the first and last dated order or event, naive UTC; None when there is none.
    orders
        By kind and currency.
    events
        How many of each kind.
    traits
        By name, sorted.
    """

    person: int
    as_of: datetime
    subjects: int
    identifiers: dict[str, int]
    sources: tuple[str, ...]
    first_seen: datetime | None
    last_seen: datetime | None
    orders: tuple[OrderCount, ...]
    events: dict[str, int]
    traits: tuple[TraitValue, ...]

    @classmethod
    def of(
        cls, warehouse: Warehouse, person: int, *, vault: Vault | None = None, as_of: datetime | None = None
    ) -> Profile:
        """Read the profile of a person.

        Parameters
        ----------
        warehouse
            Has the views ``order_lines``, ``events``, ``traits`` and ``person_of``.
        person
            The person's key, or that of any subject of the person.
        vault
            Counts the kinds of identifiers.
        as_of
            Naive UTC; None is now.

        Raises
        ------
        ParameterError
            When nobody has that key at that moment.
        """
        moment = as_of or utc_now()
        subjects = _subjects(warehouse, person, moment)
        if not subjects:
            raise ParameterError(
                f"profile: nobody is known by this key at {moment:%Y-%m-%d %H:%M} UTC.",
                hint="use a person key of this shop; `coterie show` also takes an identifier such as customer_id=123.",
            )
        keys = [subject for subject, _ in subjects]
        among = ", ".join(str(int(key)) for key in keys)  # literals, so that files without these subjects are skipped
        past = f"subject IN ({among}) AND available_at <= $moment"

        def ask(sql: str) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = warehouse.query(sql, {"moment": moment}).to_pylist()
            return rows

        orders = ask(
            f"""
            SELECT kind, currency, COUNT(DISTINCT concat_ws(chr(31), source, order_id)) AS orders, COUNT(*) AS lines,
                   CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS amount
            FROM order_lines WHERE {past} AND occurred_at <= $moment
            GROUP BY kind, currency ORDER BY kind, currency
            """
        )
        events = ask(
            f"""
            SELECT kind, COUNT(*) AS events FROM events WHERE {past} AND occurred_at <= $moment
            GROUP BY kind ORDER BY kind
            """
        )
        traits = ask(
            f"""
            SELECT trait, value, source, occurred_at
            FROM traits WHERE {past} AND (occurred_at IS NULL OR occurred_at <= $moment)
            QUALIFY ROW_NUMBER() OVER (
              PARTITION BY trait ORDER BY occurred_at DESC NULLS LAST, available_at DESC, source, value) = 1
            ORDER BY trait
            """
        )
        seen = ask(
            f"""
            SELECT source, MIN(occurred_at) AS first_seen, MAX(occurred_at) AS last_seen
            FROM (
              SELECT source, occurred_at FROM order_lines WHERE {past} AND occurred_at <= $moment
              UNION ALL SELECT source, occurred_at FROM events WHERE {past} AND occurred_at <= $moment
              UNION ALL SELECT source, NULL FROM traits WHERE {past} AND (occurred_at IS NULL OR occurred_at <= $moment)
            )
            GROUP BY source ORDER BY source
            """
        )
        dated = [row for row in seen if row["first_seen"] is not None]
        kinds = Counter(vault.reveal(keys)["kind"].to_pylist()) if vault is not None else Counter()
        return cls(
            person=subjects[0][1],
            as_of=moment,
            subjects=len(keys),
            identifiers=dict(sorted(kinds.items())),
            sources=tuple(row["source"] for row in seen),
            first_seen=min((row["first_seen"] for row in dated), default=None),
            last_seen=max((row["last_seen"] for row in dated), default=None),
            orders=tuple(OrderCount(**row) for row in orders),
            events={row["kind"]: row["events"] for row in events},
            traits=tuple(TraitValue(**row) for row in traits),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the profile as plain JSON values; times end in Z."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _subjects(warehouse: Warehouse, key: int, moment: datetime) -> list[tuple[int, int]]:
    """Return the subjects of the person that a key means at a moment, each with the person's key."""
    found = warehouse.query(
        """
        SELECT here.subject, here.person
        FROM person_of AS here
        JOIN person_of AS asked ON asked.person = here.person
        WHERE asked.subject = ?
          AND asked.valid_from <= ? AND ? < asked.valid_until AND here.valid_from <= ? AND ? < here.valid_until
        ORDER BY here.subject
        """,
        [key, moment, moment, moment, moment],
    )
    return [(row["subject"], row["person"]) for row in found.to_pylist()]


def _plain(value: Any) -> Any:
    """Return a value with all times in it as text."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
