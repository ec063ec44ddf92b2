"""The rows that a statement answers: whom or what, at which moments; and which facts belong to each of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sqlglot import exp

from coterie.features.feature import OWNERS
from coterie.features.versions import OF_PRODUCT
from coterie.store import sql
from coterie.store.sql import Expression, alias, column, named, whole

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Spine:
    """What a statement is asked, beside the features.

    Parameters
    ----------
    first, last
        The earliest and the latest ``as_of``. Where they are the same, the moment is a constant of the statement.
    timezone
        IANA name of the shop's zone.
    relation
        Name of the relation with ``position`` (the order of the rows), the owner's columns and ``as_of``.
    per
        Whom or what the rows are about, one of ``OWNERS``.
    among
        Name of a relation whose column ``subject`` says whose facts count for owners other than persons; None is all.
    exponent
        Decimal places of the currency, for price bands.
    shelf
        Name of a relation that shows ``versions.shelved``; the statement makes its own where it is None.
    subjects
        The lowest and the highest subject key of the rows' persons, where it is known: facts of others are not read.
    """

    first: datetime
    last: datetime
    timezone: str = "UTC"
    relation: str = "spine"
    per: str = "person"
    among: str | None = None
    exponent: int = 2
    shelf: str | None = None
    subjects: tuple[int, int] | None = None

    @cached_property
    def owner(self) -> tuple[str, ...]:
        """The columns that name the owner of a row."""
        return OWNERS[self.per]

    @cached_property
    def of_facts(self) -> tuple[str, ...]:
        """The owner's columns that the facts' own table has."""
        return tuple(name for name in self.owner if name != "person" and name not in OF_PRODUCT)

    @cached_property
    def of_product(self) -> tuple[str, ...]:
        """The owner's columns that the facts have from their product."""
        return tuple(name for name in self.owner if name in OF_PRODUCT)

    @property
    def about_persons(self) -> bool:
        """Whether facts belong to a row by their subject, through the identity known at its moment."""
        return "person" in self.owner

    @property
    def single(self) -> bool:
        """Whether all rows have the same moment."""
        return self.first == self.last

    @property
    def rows(self) -> str:
        """The relation of ``position``, ``as_of`` and what facts are joined by."""
        return "subjects" if self.about_persons else "moments"

    @property
    def keys(self) -> list[str]:
        """The columns that every relation of facts has: the row's position, and its moment where there are several."""
        return ["position"] if self.single else ["position", "as_of"]

    def as_of(self, table: str | None = None) -> Expression:
        """Return the moment of a row in microseconds since 1970: a constant where there is only one."""
        if self.single:
            return whole((self.first - _EPOCH) // timedelta(microseconds=1))
        return column("as_of", table)

    def relations(self) -> dict[str, Expression]:
        """Return the relations of the rows: ``moments``, and for persons ``subjects``."""
        chosen = [column("position"), *(column(name) for name in self.owner), alias(column("as_of"), "moment")]
        moments = exp.select(*chosen, alias(sql.epoch(column("as_of")), "as_of")).from_(named(self.relation))
        return {"moments": moments, **({"subjects": self._subjects()} if self.about_persons else {})}

    def _subjects(self) -> Expression:
        """Return the subjects that each row's person was known to be at its moment."""
        begins, ends = column("valid_from", "w"), column("valid_until", "w")
        began = exp.or_(
            exp.Is(this=begins, expression=exp.null()), exp.LTE(this=begins, expression=column("moment", "m"))
        )
        lasts = exp.or_(exp.Is(this=ends, expression=exp.null()), exp.LT(this=column("moment", "m"), expression=ends))
        same = exp.EQ(this=column("person", "w"), expression=column("person", "m"))
        chosen = [column("position", "m"), column("as_of", "m"), column("subject", "w")]
        chosen += [column(name, "m") for name in self.owner if name != "person"]
        on = exp.and_(same, exp.paren(began), exp.paren(lasts))
        query = exp.select(*chosen).from_(named("moments", "m")).join(named("person_of", "w"), on=on)
        return query.where(*self._within("w"))

    def belongs(self, facts: str, product: str, row: str) -> list[Expression]:
        """Return the conditions, apart from time, under which a fact belongs to a row, by their short names."""
        pairs = [("subject", facts)] if self.about_persons else []
        pairs += [*((name, facts) for name in self.of_facts), *((name, product) for name in self.of_product)]
        return [exp.EQ(this=column(name, table), expression=column(name, row)) for name, table in pairs]

    def counts(self) -> Iterable[Expression]:
        """Return the condition on the subjects of facts, where there is one besides belonging."""
        if self.about_persons:
            yield from self._within()
        elif self.among is not None:
            yield column("subject").isin(query=exp.select(column("subject")).from_(named(self.among)))

    def _within(self, table: str | None = None) -> Iterable[Expression]:
        if self.subjects is not None:
            low, high = self.subjects
            yield exp.Between(this=column("subject", table), low=whole(low), high=whole(high))


def among_subjects(tree: Expression, subjects: tuple[int, int]) -> None:
    """Turn a statement of a spine with ``subjects`` into that of others, in place, which is faster than a new one."""
    for between in list(tree.find_all(exp.Between)):
        if isinstance(between.this, exp.Column) and between.this.name == "subject":
            between.set("low", whole(subjects[0]))
            between.set("high", whole(subjects[1]))
