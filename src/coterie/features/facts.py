"""The facts of a statement: the rows of one table, each beside the row of the spine that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from sqlglot import exp

from coterie.features.aggregation import GROUPED
from coterie.features.feature import BANDS, LIFETIME, Feature, Window, relation
from coterie.features.spine import Spine
from coterie.features.versions import BEGINNING, CODES, OF_PRODUCT, held, shelf, versions
from coterie.store import sql
from coterie.store.sql import DAY, HOUR, Expression, alias, column, named, when, whole

CLOCK = ("local_day", "weekday", "hour")
# what orders facts that happened at the same moment
IDS = {
    "order": ("source", "order_id", "subject"),
    "line": ("source", "line_id"),
    "event": ("source", "event_id"),
    "trait": ("import_id", "row"),
}
_MADE = {"gross": ("amount", "discount"), "price_band": ("amount", "quantity")}


@dataclass
class Facts:
    """The lines, events or traits before or after the moments, and all features that are made of them.

    Parameters
    ----------
    spine
        What is asked.
    features
        Features of one table, all of the past or all of the future.
    """

    spine: Spine
    features: Sequence[Feature]
    windows: list[Window] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the windows."""
        finite = {feature.window for feature in self.features} - {LIFETIME}
        self.windows = sorted(finite, key=lambda window: window.length or 0)

    @cached_property
    def future(self) -> bool:
        """Whether the facts are those after the moments."""
        return self.features[0].future

    @cached_property
    def table(self) -> str:
        """The table that the facts are in."""
        return relation(self.features[0].on).table

    @cached_property
    def row(self) -> str:
        """What one of the facts is."""
        return relation(self.features[0].on).row

    @property
    def name(self) -> str:
        """The name of the relation."""
        return f"{'future' if self.future else 'past'}_{self.table}"

    @cached_property
    def kinds(self) -> set[str | None]:
        """The kinds of facts that features are made of; None is any."""
        return {relation(feature.on).kind for feature in self.features}

    @property
    def mixed(self) -> bool:
        """Whether the relation has facts of several kinds, so that features have to choose theirs."""
        return len(self.kinds) > 1

    @property
    def pruned(self) -> bool:
        """Whether facts beyond the longest window are left out."""
        return self.future or all(feature.window != LIFETIME for feature in self.features)

    @cached_property
    def read(self) -> set[str]:
        """The columns that features read."""
        return set().union(*(feature.columns for feature in self.features))

    @cached_property
    def ranked(self) -> bool:
        """Whether a feature asks for the order of facts that happened at the same moment."""
        return any(feature.aggregation.kind in ("first", "last") for feature in self.features)

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the relation that are not about time."""
        own = self.read - set(CLOCK)
        if self.ranked:
            own |= set(IDS[self.row])
        return sorted(own | ({"kind"} if self.mixed else set()))

    @cached_property
    def coded(self) -> frozenset[str]:
        """The columns of products that are numbers here, since features only count by their values."""
        readers = {name: [feature for feature in self.features if name in feature.columns] for name in OF_PRODUCT}
        return frozenset(name for name, found in readers.items() if found and all(_counts_by(name, f) for f in found))

    @property
    def shelf(self) -> str:
        """The name of the relation of products."""
        return self.spine.shelf or "shelf"

    def relations(self) -> dict[str, Expression]:
        """Return the relation under its name, after those that it is made of."""
        made = self._shelved and self.spine.shelf is None
        shelved = {"versions": versions(), "shelf": shelf()} if made else {}
        return {**shelved, self.name: self._rows()}

    def within(self, window: Window, span: str = "span") -> Expression | None:
        """Return the condition that a fact lies in a window; None when all do."""
        if window == LIFETIME or (self.pruned and not self.future and window == self.windows[-1]):
            return None
        return exp.LTE(this=column(span), expression=whole(self.windows.index(window)))

    def timed(self, occurred: Expression, clock: Expression, row: str | None = None) -> list[Expression]:
        """Return the columns about time: ``occurred``, ``span`` where there are windows, and the clock's parts."""
        chosen = [occurred]
        if self.windows:
            chosen.append(alias(self._span(self.spine.as_of(row), occurred), "span"))
        return [*chosen, *_parts(clock, [name for name in CLOCK if name in self.read])]

    def _span(self, as_of: Expression, occurred: Expression) -> Expression:
        """Return the index of the shortest window that reaches a fact; the number of windows when none does."""
        case, none = exp.Case(), whole(len(self.windows))
        if self.future:
            case = case.when(exp.LTE(this=occurred, expression=as_of), none)
        for index, window in enumerate(self.windows):
            if self.future:
                end = exp.Add(this=as_of, expression=whole(window.length or 0))
                reaches: Expression = exp.LTE(this=occurred, expression=end)
            else:
                reaches = exp.GTE(this=occurred, expression=window.tail_sql(as_of))
            case = case.when(reaches, whole(index))
        return case.else_(none)

    @cached_property
    def _shelved(self) -> list[str]:
        """The columns that facts have from their product."""
        return [name for name in OF_PRODUCT if name in self.read or name in self.spine.of_product]

    @cached_property
    def _own(self) -> list[str]:
        """The columns of the table that are read."""
        own = set(self.columns) - set(OF_PRODUCT) | set(self.spine.of_facts)
        for made in own & _MADE.keys():
            own = own - {made} | set(_MADE[made])
        return sorted(own | ({"source", "product_id"} if self._shelved else set()))

    def _raw(self) -> exp.Select:
        """Return the table's rows that the spine can reach, times as epoch numbers."""
        occurred, available = sql.epoch(column("occurred_at")), sql.epoch(column("available_at"))
        longest = self.windows[-1] if self.windows else LIFETIME
        until = self.spine.last + timedelta(microseconds=(longest.length or 0) if self.future else 0)
        conditions: list[Expression] = [exp.LTE(this=column("occurred_at"), expression=sql.moment(until))]
        if not self.future:
            conditions.append(exp.LTE(this=column("available_at"), expression=sql.moment(until)))
        if self.table == "traits":
            undated = exp.Is(this=column("occurred_at"), expression=exp.null())
            conditions = [exp.paren(exp.or_(undated, exp.and_(*conditions)))]
            occurred = exp.Coalesce(this=occurred, expressions=[whole(BEGINNING)])
            available = when(undated.copy(), whole(BEGINNING), available)
        if self.future:
            conditions.append(exp.GT(this=column("occurred_at"), expression=sql.moment(self.spine.first)))
        elif self.pruned and (tail := longest.tail(self.spine.first)) is not None:
            conditions.append(exp.GTE(this=column("occurred_at"), expression=sql.moment(tail)))
        if None not in self.kinds:
            conditions.append(column("kind").isin(*(sql.text(kind) for kind in sorted(filter(None, self.kinds)))))
        chosen: list[Expression] = [column(name) for name in self._own if name != "subject"]
        if self.spine.about_persons:
            chosen.append(column("subject"))
        chosen.append(alias(occurred, "occurred"))
        if not self.future and not self.spine.single:
            chosen.append(alias(available, "available"))
        if self.read & set(CLOCK):
            chosen.append(alias(sql.local(column("occurred_at"), self.spine.timezone, until), "clock"))
        return exp.select(*chosen).from_(named(self.table)).where(*conditions, *self.spine.counts())

    def _rows(self) -> Expression:
        """Return the facts of each row of the spine."""
        occurred, as_of = column("occurred", "f"), self.spine.as_of("u")
        on = self.spine.belongs("f", "p", "u")
        if not self.spine.single and self.future:
            on.append(exp.GT(this=occurred, expression=as_of))
        elif not self.spine.single:
            on.append(exp.LTE(this=occurred, expression=as_of))
            on.append(exp.LTE(this=column("available", "f"), expression=as_of))
            if self.pruned and (tail := self.windows[-1].tail_sql(as_of)) is not None:
                on.append(exp.GTE(this=occurred, expression=tail))
        chosen: list[Expression] = [column(name, "u") for name in self.spine.keys]
        chosen += [self._column(name) for name in self.columns]
        query = exp.select(*chosen, *self.timed(occurred, column("clock", "f"), "u")).from_(self._raw().subquery("f"))
        if self._shelved:
            query = query.join(named(self.shelf, "p"), on=exp.and_(*held("p", "f")), join_type="left")
        return query.join(named(self.spine.rows, "u"), on=exp.and_(*on))

    def _column(self, name: str) -> Expression:
        if name == "gross":
            return alias(exp.Add(this=column("amount", "f"), expression=column("discount", "f")), name)
        if name == "price_band":
            return alias(_band(column("amount", "f"), column("quantity", "f"), self.spine.exponent), name)
        if name in self.coded:
            return alias(column(CODES[name], "p"), name)
        return column(name, "p" if name in OF_PRODUCT else "f")


def _counts_by(name: str, feature: Feature) -> bool:
    """Say whether a feature reads a column to count facts by its values, and for nothing else."""
    ruled = (feature.where.columns if feature.where else frozenset()) | feature.aggregation.columns
    return feature.value == name and feature.aggregation.kind in GROUPED and name not in ruled


def _parts(clock: Expression, names: Iterable[str]) -> list[Expression]:
    """Return local day, weekday and hour of the wall clock in microseconds; 1 January 1970 was a Thursday."""
    day = sql.floor_divide(clock, DAY)
    parts = {
        "local_day": day,
        "weekday": sql.rest(exp.Add(this=day.copy(), expression=whole(3)), 7),
        "hour": sql.floor_divide(exp.paren(sql.rest(clock.copy(), DAY)), HOUR),
    }
    return [alias(parts[name], name) for name in names]


def _band(amount: Expression, quantity: Expression, exponent: int) -> Expression:
    """Return between which prices of one piece, in whole units of the currency, a line lies."""
    sold = [exp.GTE(this=amount, expression=whole(0)), exp.GT(this=quantity, expression=sql.real(0.0))]
    case = exp.Case()
    for bound, words in reversed(BANDS):
        price = exp.Mul(this=sql.real(float(bound * 10**exponent)), expression=quantity)
        case = case.when(exp.GTE(this=sql.real(amount), expression=price), sql.text(words))
    return when(exp.and_(*sold), case)
