"""The orders of a statement: the sums of their lines, each order beside the row of the spine that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlglot import exp

from coterie.features.facts import CLOCK, Facts
from coterie.features.feature import ORDER, Feature
from coterie.store import sql
from coterie.store.sql import Expression, alias, column, named, whole

_KEY = ("subject", "source", "order_id")


@dataclass
class Orders(Facts):
    """The completed orders before the moments, or after them up to one horizon, and the features made of them.

    An order's moment is its earliest line that was known at ``as_of``, its amounts are the sums of the lines that
    were; after the moments, of those up to the horizon.
    """

    @property
    def name(self) -> str:
        """The name of the relation."""
        return f"future_orders_{self.windows[-1].length}" if self.future else "past_orders"

    @property
    def pruned(self) -> bool:
        """False: an early line may date an order with lines in the window."""
        return False

    def relations(self) -> dict[str, Expression]:
        """Return the relation under its name."""
        return {self.name: self._rows()}

    def _sums(self) -> dict[str, Expression]:
        """Return what an order's columns are of its rows."""
        sums: dict[str, Expression] = {}
        for name in ("amount", "discount"):
            if name in self.read or "gross" in self.read:
                sums[name] = sql.total(column(name, "f"))
        if "quantity" in self.read:
            sums["quantity"] = sql.total(column("quantity", "f"), "DOUBLE")
        if "lines" in self.read:
            sums["lines"] = sql.count()
        return {**sums, **{name: exp.Min(this=column(name, "f")) for name in sorted(self.read & {"channel", "place"})}}

    @property
    def _until(self) -> datetime:
        """The latest moment that the spine can reach."""
        return self.spine.last + timedelta(microseconds=(self.windows[-1].length or 0) if self.future else 0)

    def _raw(self) -> exp.Select:
        """Return the rows that the spine can reach."""
        names = [name for name in self._sums() if name != "lines"]
        occurred, available = column("occurred_at"), column("available_at")
        until = sql.moment(self._until)
        conditions: list[Expression] = [exp.LTE(this=occurred, expression=until)]
        chosen = [*(column(name) for name in _KEY), *(column(name) for name in names), occurred]
        if not self.future:
            conditions.append(exp.LTE(this=available, expression=until))
            chosen += [] if self.spine.single else [available]
        conditions.append(exp.EQ(this=column("kind"), expression=sql.text(ORDER)))
        return exp.select(*chosen).from_(named("order_lines")).where(*conditions, *self.spine.counts())

    def _grouped(self) -> exp.Select:
        """Return the orders of each row of the spine, times as they are in the table."""
        as_of = self.spine.as_of("u")
        on = self.spine.belongs("f", "p", "u")
        if not self.spine.single:
            occurred = sql.epoch(column("occurred_at", "f"))
            if self.future:
                horizon = exp.Add(this=as_of, expression=whole(self.windows[-1].length or 0))
                on.append(exp.LTE(this=occurred, expression=horizon))
            else:
                on.append(exp.LTE(this=occurred, expression=as_of))
                on.append(exp.LTE(this=sql.epoch(column("available_at", "f")), expression=as_of))
        keys = [*(column(name, "u") for name in self.spine.keys), *(column(name, "f") for name in _KEY)]
        first = alias(exp.Min(this=column("occurred_at", "f")), "occurred_at")
        sums = [alias(value, name) for name, value in self._sums().items()]
        query = exp.select(*keys, first, *sums).from_(self._raw().subquery("f"))
        return query.join(named(self.spine.rows, "u"), on=exp.and_(*on)).group_by(*keys)

    def _rows(self) -> Expression:
        names = [*self.spine.keys, *_KEY, *self._sums()]
        timed = [*(column(name) for name in names), alias(sql.epoch(column("occurred_at")), "occurred")]
        if self.read & set(CLOCK):
            timed.append(alias(sql.local(column("occurred_at"), self.spine.timezone, self._until), "clock"))
        query = exp.select(*timed).from_(self._grouped().subquery("g"))
        wanted = [*self.spine.keys, *(name for name in self.columns if name != "gross")]
        chosen: list[Expression] = [column(name) for name in wanted]
        if "gross" in self.read:
            gross = exp.Add(this=column("amount"), expression=column("discount"))
            chosen.append(alias(gross, "gross"))
        return exp.select(*chosen, *self.timed(column("occurred"), column("clock"))).from_(query.subquery("t"))


def by_horizon(features: Sequence[Feature]) -> list[list[Feature]]:
    """Return features of orders in the groups that share the orders: those of the past, and each horizon's.

    The sums of a future order are those up to the horizon, so that they do not depend on what else is asked.
    """
    groups: dict[object, list[Feature]] = {}
    for feature in features:
        groups.setdefault(feature.window if feature.future else None, []).append(feature)
    return list(groups.values())
