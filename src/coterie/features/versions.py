"""What held when: who was whom, and which version of a product was on the shelf, as relations of a statement."""

from __future__ import annotations

from sqlglot import exp

from coterie.store import sql
from coterie.store.sql import Expression, alias, column, whole

OF_PRODUCT = ("department", "category", "subcategory", "brand")
BEGINNING = -62_135_596_800_000_000  # microseconds of the year 1: what has no date held from the start


def named(name: str, short: str | None = None) -> exp.Table:
    """Return a relation by its quoted name, under a short name where one is given."""
    return exp.table_(name, quoted=True, alias=exp.to_identifier(short, quoted=True) if short else None)


def moments(spine: str) -> Expression:
    """Return the spine, a relation of that name, with its moments as epoch numbers."""
    chosen = [column("position"), column("person"), alias(column("as_of"), "moment")]
    return exp.select(*chosen, alias(sql.epoch(column("as_of")), "as_of")).from_(named(spine))


def subjects() -> Expression:
    """Return the subjects that each row's person was known to be at its moment."""
    begins, ends = column("valid_from", "w"), column("valid_until", "w")
    began = exp.or_(exp.Is(this=begins, expression=exp.null()), exp.LTE(this=begins, expression=column("moment", "m")))
    lasts = exp.or_(exp.Is(this=ends, expression=exp.null()), exp.LT(this=column("moment", "m"), expression=ends))
    same = exp.EQ(this=column("person", "w"), expression=column("person", "m"))
    chosen = [column("position", "m"), column("as_of", "m"), column("subject", "w")]
    on = exp.and_(same, exp.paren(began), exp.paren(lasts))
    return exp.select(*chosen).from_(named("moments", "m")).join(named("person_of", "w"), on=on)


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
    first = exp.EQ(this=column("newest"), expression=whole(1))
    return exp.select(*chosen).from_(named("versions")).where(first)
