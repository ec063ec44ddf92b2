"""One person alone: the facts of a shop that are about one person, read without those of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import pyarrow as pa

from coterie.collect.facts import EVENTS, ORDER_LINES, PRODUCTS, TRAITS
from coterie.errors import EmptyShopError
from coterie.profiles.graph import BEGINNING, END
from coterie.profiles.resolution import PERSON_OF
from coterie.schema import KEY, TIME, Table
from coterie.store.warehouse import Warehouse
from coterie.workspace.keeping import Keeping
from coterie.workspace.supply import listing

_PERSONAL = (EVENTS, ORDER_LINES, TRAITS)
_MANY = 1_000  # subjects; of more, everybody's rows are looked through


class Alone:
    """Reads what a shop knows of one person. Tables are sorted by subject, so few of their pages are read.

    Parameters
    ----------
    shop
        The shop.
    sources
        Whose facts may be used.

    Raises
    ------
    EmptyShopError
        When nothing was ingested yet.
    """

    def __init__(self, shop: Keeping, sources: Sequence[str]) -> None:
        if not any(shop.inbox.count(table) for table in _PERSONAL):
            raise EmptyShopError(
                "The shop has no data about anybody yet.", hint="coterie ingest MAPPING FOLDER brings it."
            )
        self._warehouse = shop.warehouse
        self._lawful = f"source IN ({listing(sources)})"
        for table in (*_PERSONAL, PRODUCTS):
            self._warehouse.attach(_name(table), shop.inbox.source(table))

    def known(self, subjects: Sequence[int]) -> pa.Table:
        """Return ``subject, known_at``: from when on the shop knows of each, those of whom there is a fact."""
        parts = " UNION ALL ".join(
            f"SELECT subject, available_at FROM {_name(table)} WHERE {self._lawful} AND {_among(subjects)}"
            for table in _PERSONAL
        )
        found = self._warehouse.query(f"SELECT subject, MIN(available_at) AS known_at FROM ({parts}) GROUP BY subject")
        return found.cast(pa.schema([("subject", KEY), ("known_at", TIME)]))

    @contextmanager
    def facts(self, person: int, subjects: Sequence[int]) -> Iterator[Warehouse]:
        """Show what subjects did, as the facts of one person, and the products that they have to do with."""
        who = {"subject": list(subjects), "person": [person] * len(subjects)}
        always = {"valid_from": [BEGINNING] * len(subjects), "valid_until": [END] * len(subjects)}
        mine = {table: self._mine(table, subjects) for table in _PERSONAL}
        bought = pa.concat_tables([mine[table].select(["source", "product_id"]) for table in (EVENTS, ORDER_LINES)])
        with Warehouse(threads=1) as engine:
            for table, rows in mine.items():
                engine.attach(table.name, rows)
            engine.attach("products", self._products(bought))
            engine.attach("person_of", pa.table(who | always, schema=PERSON_OF))
            yield engine

    def _mine(self, table: Table, subjects: Sequence[int]) -> pa.Table:
        columns = ", ".join(f'"{name}"' for name in table.schema.names)
        sql = f"SELECT {columns} FROM {_name(table)} WHERE {self._lawful} AND {_among(subjects)}"
        return self._warehouse.query(sql).cast(table.schema)

    def _products(self, bought: pa.Table) -> pa.Table:
        columns = ", ".join(f'good."{name}"' for name in PRODUCTS.schema.names)
        same = "good.source = mine.source AND good.product_id = mine.product_id"
        name = f"one_{uuid4().hex}"  # its own, for a shop may be asked from several threads
        with self._warehouse.temporary(name, bought):
            sql = f"SELECT {columns} FROM {_name(PRODUCTS)} AS good SEMI JOIN {name} AS mine ON {same}"
            return self._warehouse.query(f"{sql} WHERE good.{self._lawful}").cast(PRODUCTS.schema)


def _name(table: Table) -> str:
    return f"one_{table.name}"


def _among(subjects: Sequence[int]) -> str:
    if len(subjects) > _MANY:
        return "subject IS NOT NULL"
    return f"subject IN ({', '.join(map(str, subjects))})"
