"""Products as they were: the relation that says which version of a product was on the shelf when."""

from __future__ import annotations

from sqlglot import exp

from coterie.store import sql
from coterie.store.sql import Expression, alias, column, known, named, when, whole

OF_PRODUCT = ("department", "category", "subcategory", "brand")
CODES = {name: f"{name}_code" for name in OF_PRODUCT}
"""The columns of the shelf that number the texts of each column in their order: numbers are faster to group."""
BEGINNING = -62_135_596_800_000_000  # microseconds of the year 1: what has no date held from the start


def versions() -> Expression:
    """Return the versions of products; of several from the same moment, that of the last import is number 1."""
    keys = [column("source"), column("product_id")]
    begins = exp.Coalesce(this=sql.epoch(column("available_at")), expressions=[whole(BEGINNING)])
    order = exp.Order(expressions=[exp.Ordered(this=column(name), desc=True) for name in ("import_id", "row")])
    newest = exp.Window(this=exp.RowNumber(), partition_by=[*keys, column("available_at")], order=order)
    chosen = [*keys, *(column(name) for name in OF_PRODUCT), alias(begins, "begins"), alias(newest, "newest")]
    return exp.select(*chosen).from_(named("products"))


def shelf() -> Expression:
    """Return the products with the time in which each version held; a first version (``earlier`` null) held before."""
    keys = [column("source"), column("product_id")]
    order = exp.Order(expressions=[exp.Ordered(this=column("begins")), exp.Ordered(this=column("newest"))])
    chosen: list[Expression] = [*keys, *(column(name) for name in OF_PRODUCT), column("begins")]
    for function, name in ((exp.Lag, "earlier"), (exp.Lead, "ends")):
        neighbour = exp.Window(this=function(this=column("begins")), partition_by=keys, order=order.copy())
        chosen.append(alias(neighbour, name))
    for name, code in CODES.items():
        rank = exp.Window(this=exp.DenseRank(), order=exp.Order(expressions=[exp.Ordered(this=column(name))]))
        chosen.append(alias(when(known(column(name)), rank), code))
    first = exp.EQ(this=column("newest"), expression=whole(1))
    return exp.select(*chosen).from_(named("versions")).where(first)


def shelved() -> Expression:
    """Return ``shelf`` as a statement of its own, for an engine to show its answer."""
    names = ("source", "product_id", *OF_PRODUCT, *CODES.values(), "begins", "earlier", "ends")
    chosen = [column(name) for name in names]
    query = exp.select(*chosen).from_(named("shelf"))
    for name, tree in (("versions", versions()), ("shelf", shelf())):
        query = query.with_(exp.to_identifier(name, quoted=True), as_=tree, copy=False)
    return query


def words(name: str, shelf: str) -> exp.Select:
    """Return the texts of a column of the shelf, each with its number."""
    chosen = [column(name), column(CODES[name])]
    return exp.select(*chosen).distinct().from_(named(shelf)).where(known(column(name)))


def held(product: str, facts: str) -> list[Expression]:
    """Return the conditions under which a version is that of a fact: its product, on the shelf when it occurred.

    Parameters
    ----------
    product, facts
        The short names under which the shelf and the facts (``source, product_id, occurred``) are joined.
    """
    occurred = column("occurred", facts)
    began = exp.or_(
        exp.Is(this=column("earlier", product), expression=exp.null()),
        exp.LTE(this=column("begins", product), expression=occurred),
    )
    lasts = exp.or_(
        exp.Is(this=column("ends", product), expression=exp.null()),
        exp.LT(this=occurred.copy(), expression=column("ends", product)),
    )
    same = [exp.EQ(this=column(key, facts), expression=column(key, product)) for key in ("source", "product_id")]
    return [*same, exp.paren(began), exp.paren(lasts)]
