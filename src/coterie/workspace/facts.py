"""The shop's facts as one purpose may see them: views over the lake, after the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from coterie.collect.facts import EVENTS, OFFERS, ORDER_LINES, PRODUCTS, TRAITS
from coterie.errors import EmptyShopError
from coterie.govern.gate import Gate
from coterie.profiles.graph import END
from coterie.profiles.identity import Identity
from coterie.profiles.resolution import members
from coterie.schema import KEY, TIME, Kind, Purpose, Table, utc_now
from coterie.store.ports import Lake, Ledger
from coterie.store.warehouse import Warehouse

PERSONAL = (EVENTS, ORDER_LINES, TRAITS)
SHARED = (PRODUCTS, OFFERS)


@dataclass(frozen=True)
class Facts:
    """What one purpose may see.

    Parameters
    ----------
    warehouse
        Has the views ``order_lines``, ``events``, ``traits`` (only sources with a lawful basis for the purpose),
        ``products``, ``offers`` and ``person_of`` (one row a subject and validity interval).
    permitted
        Persons that may be processed, int64.
    members
        ``person, subject``: of whom each person consists today, for every key that a person ever had.
    refused
        How many persons may not, by reason.
    verdict
        ``person, permitted, reason``: what the gate says of every key that a person ever had.
    data
        Which data the views show: versions of tables and of identity, sources; what is computed from equal data is
        equal.
    purpose
        What it is for.
    """

    warehouse: Warehouse
    permitted: pa.Array
    members: pa.Table
    refused: dict[str, int]
    verdict: pa.Table
    data: dict[str, int | str]
    purpose: str

    @property
    def sources(self) -> list[str]:
        """The sources with a lawful basis for the purpose, sorted."""
        return str(self.data["sources"]).split("\n")

    @cached_property
    def subjects(self) -> pa.Array:
        """The subject keys of whoever may be processed, int64, sorted: of whom facts about products may be counted."""
        kept = self.members.filter(pc.is_in(self.members["person"], self.permitted))
        return kept["subject"].unique().sort()

    def spine(self, as_of: datetime | Sequence[datetime]) -> pa.Table:
        """Return ``person, as_of`` for every permitted person known as a buyer at each moment, in order of person.

        Raises
        ------
        EmptyShopError
            When nobody who may be processed has bought anything by then.
        """
        moments = [as_of] if isinstance(as_of, datetime) else list(as_of)
        self.warehouse.temporary("permitted", pa.table({"person": self.permitted}))
        self.warehouse.temporary("moments", pa.table({"as_of": pa.array(moments, TIME)}))
        found = self.warehouse.query(
            f"""
            SELECT DISTINCT who.person, moment.as_of
            FROM order_lines AS line
            JOIN moments AS moment ON line.occurred_at <= moment.as_of AND line.available_at <= moment.as_of
            JOIN person_of AS who
              ON who.subject = line.subject AND who.valid_from <= moment.as_of AND moment.as_of < who.valid_until
            JOIN permitted ON permitted.person = who.person
            WHERE line.kind = '{Kind.ORDER_COMPLETED}'
            ORDER BY who.person, moment.as_of
            """
        )
        if found.num_rows == 0:
            self.check_orders()
            if self.refused and not len(self.permitted):
                raise EmptyShopError(
                    f"Of nobody may the data be used for {self.purpose}: {'; '.join(sorted(self.refused))}.",
                    hint="what people themselves choose counts; ingest their choices when they change.",
                )
            raise EmptyShopError(
                f"Nobody had bought anything by {max(moments):%Y-%m-%d %H:%M} UTC who may be processed.",
                hint="ingest orders first, or choose a later as_of; `coterie check` shows what is there.",
            )
        return found.cast(pa.schema([("person", KEY), ("as_of", TIME)]))

    def check_orders(self) -> None:
        """Raise EmptyShopError where no order was ever completed, saying what there is in its place."""
        kinds = set(self.warehouse.query("SELECT DISTINCT kind FROM order_lines")["kind"].to_pylist())
        if Kind.ORDER_COMPLETED in kinds:
            return
        words = {Kind.ORDER_REFUNDED: "refunds", Kind.ORDER_CANCELLED: "cancelled orders"}
        if told := " and ".join(word for kind, word in words.items() if kind in kinds):
            raise EmptyShopError(
                f"Of orders, the shop knows {told} only, and none that was completed: nobody is known to have bought.",
                hint="ingest the orders themselves, too; where these rows are orders, map their kind as such.",
            )
        raise EmptyShopError(
            "The shop knows no orders that it may use for this, so nobody is known to have bought.",
            hint="ingest orders, from a source with a lawful basis for it; `coterie check` shows what is there.",
        )

    def newest(self) -> datetime:
        """Return the moment by which all orders had happened and were known; all events, in a shop without orders.

        An order that became known later than it happened is seen by then, too. Orders of the future (a wrong clock, a
        wrong year) are left aside, unless there are no others.

        Raises
        ------
        EmptyShopError
            There are neither.
        """
        for table in ("order_lines", "events"):
            known = self.warehouse.query(
                "SELECT MAX(moment) FILTER (WHERE moment <= $now) AS by_now, MAX(moment) AS ever "
                f"FROM (SELECT GREATEST(occurred_at, available_at) AS moment FROM {table})",
                {"now": utc_now()},
            ).to_pylist()[0]
            moment: datetime | None = known["by_now"] or known["ever"]
            if moment is not None:
                return moment
        raise EmptyShopError("The shop has no orders yet.", hint="coterie ingest MAPPING FOLDER brings them.")


def attach(
    warehouse: Warehouse,
    lake: Lake,
    ledger: Ledger,
    tables: Sequence[Table],
    sources: list[str] | None,
    identity: Identity | None = None,
) -> pa.Table:
    """Make the views of the facts and of ``person_of``, and return the latter.

    Parameters
    ----------
    warehouse, lake, ledger
        The shop's stores.
    tables
        Which tables of facts.
    sources
        The sources whose rows are seen; None for all of them (looking after the data themselves: quality, rights).
    identity
        By what it is told who is who, where it was read before.
    """
    for table in tables:
        everything = f"every_{table.name}"
        warehouse.attach(everything, lake.source(table))
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in sources or [])
        keep = "" if sources is None else f" WHERE source IN ({names})" if sources else " WHERE FALSE"
        columns = ", ".join(f'"{name}"' for name in table.schema.names)
        warehouse.view(table.name, f"SELECT {columns} FROM {everything}{keep}")
    seen = " UNION ALL ".join(
        f"SELECT subject, available_at FROM {table.name}" for table in tables if table in PERSONAL
    )
    known = warehouse.query(
        f"SELECT subject, MIN(available_at) AS known_at FROM ({seen}) WHERE subject IS NOT NULL GROUP BY subject"
    )
    resolved = (identity or Identity.read(ledger)).resolve(known).persons
    warehouse.attach("person_of", resolved)
    return resolved


def facts(
    warehouse: Warehouse, lake: Lake, ledger: Ledger, gate: Gate, purpose: Purpose, *, at: datetime | None = None
) -> Facts:
    """Return the facts that may be used for a purpose at the moment of use.

    Parameters
    ----------
    warehouse, lake, ledger, gate
        The shop's stores and its gate.
    purpose
        What the facts are wanted for.
    at
        The moment of use, naive UTC; None is now. Never a training date: who has withdrawn since is not trained on.

    Raises
    ------
    EmptyShopError
        When nothing was ingested yet.
    GateRefusedError
        When no source declares a lawful basis for the purpose.
    """
    if not any(lake.count(table) for table in PERSONAL):
        raise EmptyShopError("The shop has no data about anybody yet.", hint="coterie ingest MAPPING FOLDER brings it.")
    sources = gate.sources(purpose)
    identity = Identity.read(ledger)
    resolved = attach(warehouse, lake, ledger, (*PERSONAL, *SHARED), sources, identity)
    belonging = members(resolved)
    verdict = gate.permitted(belonging, purpose, at=at)
    allowed = verdict.filter(verdict["permitted"])["person"].combine_chunks()
    today = resolved.filter(pc.equal(resolved["valid_until"], pa.scalar(END, TIME)))["person"]
    refused = verdict.filter(
        pc.and_(pc.invert(verdict["permitted"]), pc.is_in(verdict["person"], today.combine_chunks()))
    )
    # without the day on which each one said so: it would make groups of one
    why = pc.replace_substring_regex(refused["reason"].combine_chunks(), r" on \d{4}-.*$", "")
    counts = pc.value_counts(why).to_pylist()
    data: dict[str, int | str] = {table.name: lake.version(table) for table in (*PERSONAL, *SHARED)}
    data |= {"identity": identity.version, "sources": "\n".join(sources)}
    told = {row["values"]: row["counts"] for row in counts}
    return Facts(warehouse, allowed, belonging, told, verdict, data, str(purpose))
