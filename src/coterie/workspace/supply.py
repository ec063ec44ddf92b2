"""What a shop's tiles are made of: rows of the lake, of the sources that may be used, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow as pa

from coterie.collect.facts import EVENTS, ORDER_LINES, PRODUCTS, TRAITS
from coterie.errors import GateRefusedError
from coterie.features.availability import available
from coterie.features.combination import Declared
from coterie.features.layout import VOCABULARY
from coterie.profiles.graph import BEGINNING
from coterie.schema import TIME, Purpose, Table
from coterie.store.shape import quoted
from coterie.workspace.keeping import Keeping

FACTS = (EVENTS, ORDER_LINES, TRAITS)
TABLES = (*FACTS, PRODUCTS)

Source: TypeAlias = list[str] | pa.Table
Rows: TypeAlias = list[dict[str, Any]]
Changed: TypeAlias = Mapping[tuple[str, str], datetime | None]
"""Source and product → from which moment on it reads otherwise; None: from the beginning."""

_ROWS = 20_000  # that are in memory at a time
_UNREAD = ("properties", "original_amount", "original_currency", "refund_of", "ingested_at")  # no feature reads them
_NEW = "tiles_new"


class Supply:
    """Reads a shop's lake for its tiles.

    Parameters
    ----------
    shop
        The shop.
    """

    def __init__(self, shop: Keeping) -> None:
        self.shop = shop
        self.warehouse = shop.warehouse

    def sources(self) -> list[str]:
        """Return the sources whose facts may be kept ready: those that may be used for personalisation, sorted."""
        try:
            return self.shop.gate.sources(Purpose.PERSONALISATION)
        except GateRefusedError:
            return []

    def versions(self) -> dict[str, int]:
        """Return the version of each table that tiles are made of."""
        return {table.name: self.shop.lake.version(table) for table in TABLES}

    def everything(self) -> dict[Table, Source]:
        """Return each table as the lake has it."""
        return {table: self.shop.lake.source(table) for table in TABLES}

    def show(self, given: Mapping[Table, Source], sources: Sequence[str] | None = None) -> None:
        """Take these rows for the tables: all that is asked below is asked of what was shown last."""
        listed = listing(self.sources() if sources is None else sources)
        for table, source in given.items():
            self.warehouse.attach(f"all_{_view(table)}", source)
            columns = ", ".join(quoted(name) for name in table.schema.names if table is PRODUCTS or name not in _UNREAD)
            self.warehouse.view(_view(table), f"SELECT {columns} FROM all_{_view(table)} WHERE source IN ({listed})")

    def batches(self, table: Table, condition: str = "TRUE", order: str = "subject") -> Iterator[pa.RecordBatch]:
        """Return rows that belong to somebody, some at a time, in order."""
        sql = f"FROM {_view(table)} WHERE subject IS NOT NULL AND {condition} ORDER BY {order}"
        yield from self.warehouse.stream(sql, rows=_ROWS)

    def count(self, table: Table) -> int:
        """Return how many rows there are."""
        found: int = self.warehouse.query(f"SELECT count(*) AS n FROM {_view(table)}")["n"][0].as_py()
        return found

    def products(self) -> pa.Table:
        """Return all versions of all products."""
        return self.warehouse.query(f"FROM {_view(PRODUCTS)}")

    def versions_of(self, products: Source) -> pa.Table:
        """Return all versions of the products that these rows name."""
        self.warehouse.attach(_NEW, products)
        sql = f"SELECT fact.* FROM {_view(PRODUCTS)} AS fact SEMI JOIN {_NEW} AS new ON {_SAME}"
        found = self.warehouse.query(sql)
        self.warehouse.drop(_NEW)
        return found

    def touched(self, changed: Changed, most: int) -> set[int]:
        """Return the subjects with facts about changed products, ``most`` + 1 of them where there are more."""
        rows = [
            {"source": source, "product_id": product, "since": since or BEGINNING}
            for (source, product), since in changed.items()
        ]
        schema = pa.schema([("source", pa.string()), ("product_id", pa.string()), ("since", TIME)])
        self.warehouse.attach(_NEW, pa.Table.from_pylist(rows, schema=schema))
        parts = " UNION ".join(
            f"SELECT fact.subject FROM {_view(table)} AS fact SEMI JOIN {_NEW} AS new "
            f"ON {_SAME} AND fact.occurred_at >= new.since WHERE fact.subject IS NOT NULL"
            for table in (EVENTS, ORDER_LINES)
        )
        found = self.warehouse.query(f"FROM ({parts}) LIMIT {most + 1}")["subject"].to_pylist()
        self.warehouse.drop(_NEW)
        return {*found}

    def brought(self, imports: Sequence[int], most: int) -> list[int] | None:
        """Return the subjects of facts that imports have brought; None for more than ``most``, or for products."""
        mine = f"import_id IN ({', '.join(str(int(each)) for each in imports)})"
        if self.warehouse.query(f"SELECT 1 FROM {_view(PRODUCTS)} WHERE {mine} LIMIT 1").num_rows:
            return None
        parts = " UNION ".join(
            f"SELECT subject FROM {_view(table)} WHERE {mine} AND subject IS NOT NULL" for table in FACTS
        )
        found: list[int] = self.warehouse.query(f"FROM ({parts}) LIMIT {most + 1}")["subject"].to_pylist()
        return found if len(found) <= most else None

    def words(self, without: Sequence[int]) -> set[str]:
        """Return the words that tiles keep apart from their subject, of everything but the facts of some subjects."""
        theirs = f"subject NOT IN ({', '.join(map(str, without))})"
        parts = [
            f"SELECT {quoted(name)} AS word FROM {_view(table)} WHERE {'TRUE' if table is PRODUCTS else theirs}"
            for table in TABLES
            for name in sorted(VOCABULARY & {*table.schema.names})
        ]
        return {*self.warehouse.query(f"SELECT DISTINCT word FROM ({' UNION ALL '.join(parts)})")["word"].to_pylist()}

    def known(self, tables: Sequence[Table]) -> Iterator[dict[int, int]]:
        """Return subject → from when on it is known by these tables (microseconds since 1970), some at a time."""
        if not tables:
            return
        parts = " UNION ALL ".join(f"SELECT subject, available_at FROM {_view(table)}" for table in tables)
        known = "subject IS NOT NULL AND available_at IS NOT NULL"
        sql = f"SELECT subject, epoch_us(MIN(available_at)) AS at FROM ({parts}) WHERE {known} GROUP BY subject"
        for batch in self.warehouse.stream(sql, rows=_ROWS):
            yield dict(zip(batch["subject"].to_pylist(), batch["at"].to_pylist(), strict=True))

    def lacking(self, features: Sequence[Declared]) -> dict[str, str]:
        """Return which features there are no facts for, with what would bring them."""
        for table in TABLES:
            self.warehouse.view(table.name, f"FROM {_view(table)}")
        return available(self.warehouse, features)

    def lacking_now(self, features: Sequence[Declared], sources: Sequence[str]) -> dict[str, str]:
        """Return the same of all facts of some sources, what waits in the inbox among them."""
        self.show({table: self.shop.inbox.source(table) for table in TABLES}, sources)
        return self.lacking(features)


def listing(names: Sequence[str]) -> str:
    """Return names as SQL has them in a list."""
    return ", ".join("'" + name.replace("'", "''") + "'" for name in names) or "NULL"


_SAME = "fact.source = new.source AND fact.product_id = new.product_id"


def _view(table: Table) -> str:
    return f"tiles_{table.name}"
