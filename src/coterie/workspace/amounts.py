"""What each person paid for each department, category or product: what taste is made of, and what it is judged by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from coterie.errors import EmptyShopError, ParameterError
from coterie.features import batch, versions
from coterie.features.aggregation import Aggregation
from coterie.features.availability import available
from coterie.features.feature import LIFETIME, ORDER_LINE, OWNERS, Feature, Window
from coterie.features.outcome import Outcome
from coterie.progress import SILENT, Progress
from coterie.store.shape import quoted

if TYPE_CHECKING:
    from coterie.workspace.facts import Facts
    from coterie.workspace.shop import Workspace

ITEMS = ("department", "category", "subcategory", "brand", "product")
OF = ("spend", "lines")


def amounts(
    shop: Workspace,
    seen: Facts,
    as_of: str | date | datetime | None = None,
    *,
    by: str = "department",
    of: str = "spend",
    days: int | None = None,
    future: bool = False,
    progress: Progress = SILENT,
) -> pa.Table:
    """Return what each person paid for each item, or how many lines of it there were, as features of pairs.

    Parameters
    ----------
    shop
        The shop.
    seen
        What may be seen of it, from ``shop.facts``.
    as_of
        The moment; None is the one by which all orders were known.
    by
        What an item is: ``department``, ``category``, ``subcategory``, ``brand`` or ``product``.
    of
        ``"spend"`` (minor units of the shop's currency; refunds are not taken off) or ``"lines"`` (order lines).
    days
        How far back from the moment, or how far ahead of it; None is the whole past.
    future
        What was bought in the ``days`` after the moment, by those who were known as buyers by then; a person is who it
        was known to be at the moment. For judging only.
    progress
        Where steps are reported.

    Returns
    -------
    pa.Table
        ``person`` (int64), ``item`` (text), ``amount`` (int64, above 0), in order of person and item. Who bought
        nothing has no rows. A product is named by its id, in shops with several sources by ``SOURCE/ID``.

    Raises
    ------
    ParameterError
        A parameter is not allowed, or the shop does not know the departments (or categories …) of its products.
    EmptyShopError
        Nothing was bought.
    DataError
        The data end before the future that is asked for does.
    """
    if by not in ITEMS:
        raise ParameterError.of("amounts", "by", by, f"one of {', '.join(ITEMS)}")
    if of not in OF:
        raise ParameterError.of("amounts", "of", of, f"one of {', '.join(OF)}")
    if future and days is None:
        raise ParameterError.of("amounts", "days", days, "a number of days, for the future")
    moment = seen.newest() if as_of is None else shop.config.moment(as_of)
    feature = _feature(by, of, days, future)
    if isinstance(feature, Outcome):
        if missing := available(seen.warehouse, (feature,)):
            raise ParameterError(f"amounts: {missing[feature.name]}.", hint="ingest that, or choose another item.")
        table = batch.table(
            seen.warehouse, [feature], _pairs_ahead(seen, feature, moment),
            timezone=shop.config.timezone, currency=shop.config.currency, progress=progress,
        )  # fmt: skip
    else:
        table = shop.tabulate(seen, moment, [feature], progress, per=feature.per).table
    bought = table.filter(pc.greater(table[feature.name], 0))
    if not bought.num_rows:
        raise EmptyShopError(f"Nothing of any {by} was bought then.", hint="choose another moment, or more days.")
    items = _items(bought, by, seen.sources)
    told = pa.table({"person": bought["person"], "item": items, "amount": bought[feature.name].cast(pa.int64())})
    return told.sort_by([("person", "ascending"), ("item", "ascending")]).combine_chunks()


def told_apart(seen: Facts) -> tuple[str, ...]:
    """Return by what the shop can tell goods apart, the coarsest first; empty where it does not know its goods."""
    return tuple(by for by in ITEMS if not available(seen.warehouse, (_feature(by, "spend", None, False),)))


def _feature(by: str, of: str, days: int | None, future: bool) -> Feature:
    """Return what is asked for as a feature, or an outcome, of pairs."""
    how, value = (Aggregation("sum"), "amount") if of == "spend" else (Aggregation("count"), None)
    window = LIFETIME if days is None else Window(days)
    name = f"{'future_' if future else ''}{of}{'' if days is None else f'_{days}d'}"
    unit = "money" if of == "spend" else "count"
    kind = Outcome if future else Feature
    return kind(
        name, ORDER_LINE, how, value, window, unit=unit, title=of.capitalize(),
        meaning=f"{of.capitalize()} of one {by}.", per=f"person-{by}",
    )  # fmt: skip


def _pairs_ahead(seen: Facts, outcome: Outcome, moment: datetime) -> pa.Table:
    """Return ``person``, the item's columns and ``as_of`` of what people, as known at the moment, buy after it."""
    names = [name for name in OWNERS[outcome.per] if name != "person"]
    shelved = not {"source", "product_id"}.issuperset(names)
    columns = [f"{'p' if shelved else 'f'}.{quoted(name)}" for name in names]
    shelf = priced = ""
    if shelved:
        made = {"versions": versions.versions(), "shelf": versions.shelf()}
        shelf = "".join(f"{name} AS ({tree.sql(dialect='duckdb')}), " for name, tree in made.items())
        priced = f"JOIN shelf AS p ON {exp.and_(*versions.held('p', 'f')).sql(dialect='duckdb')}"
    try:
        buyers = seen.spine(moment)["person"]
    except EmptyShopError:
        raise EmptyShopError(
            f"Nobody had bought anything by {moment:%Y-%m-%d %H:%M} UTC.", hint="choose a later moment."
        ) from None
    with seen.warehouse.temporary("buyers", pa.table({"person": buyers})):
        found: pa.Table = seen.warehouse.query(
            f"WITH {shelf}facts AS (SELECT DISTINCT subject, source, product_id, EPOCH_US(occurred_at) AS occurred "
            "FROM order_lines WHERE product_id IS NOT NULL AND occurred_at > $begin AND occurred_at <= $end) "
            f"SELECT DISTINCT who.person, {', '.join(columns)}, $begin AS as_of FROM facts AS f "
            "JOIN person_of AS who "
            "ON who.subject = f.subject AND who.valid_from <= $begin AND $begin < who.valid_until "
            f"JOIN buyers ON buyers.person = who.person {priced} "
            f"WHERE {' AND '.join(f'{name} IS NOT NULL' for name in columns)} ORDER BY ALL",
            {"begin": moment, "end": moment + timedelta(days=outcome.window.days or 0)},
        )
    return found.cast(batch.spine_schema(outcome.per))


def _items(table: pa.Table, by: str, sources: list[str]) -> pa.ChunkedArray:
    """Return how each item is named."""
    if by != "product":
        return table[by]
    ids = table["product_id"]
    return ids if len(sources) == 1 else pc.binary_join_element_wise(table["source"], ids, "/")
