"""The one statement of a table of features, as a SQLGlot tree.

The statement is a chain of named relations, each made once and read by all features that need it::

    spine ── subjects (who was whom at as_of) ─┬─ order_lines (+ products) ─┬─ orders ─┬─ aggregates a person ─┐
                                               ├─ events                    └──────────┤                       ├─ answer
                                               └─ traits                               └─ counts a value ── …  ┘

Facts are read once a table and joined to the spine's rows by ``occurred_at <= as_of AND available_at <= as_of``; there
they get a ``span``, the index of the shortest window that reaches them, so that every window is the comparison of two
small numbers inside a conditional aggregate. Outcomes take the same way through ``as_of < occurred_at``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from sqlglot import exp

from coterie.features.aggregation import GROUPED, Gap
from coterie.features.feature import LIFETIME, ORDER, Feature, Window, relation
from coterie.features.versions import BEGINNING, OF_PRODUCT, moments, named, shelf, subjects, versions
from coterie.store import sql
from coterie.store.sql import DAY, HOUR, Expression, alias, both, column, when, whole

_CLOCK = ("local_day", "weekday", "hour")
_TYPES = {"money": "BIGINT", "count": "BIGINT", "days": "DOUBLE", "share": "DOUBLE", "number": "DOUBLE", "text": "TEXT"}
# what orders a person's facts that happened at the same moment
_IDS = {
    "order": ("source", "order_id"),
    "line": ("source", "line_id"),
    "event": ("source", "event_id"),
    "trait": ("import_id", "row"),
}


def statement(
    features: Sequence[Feature], *, timezone: str, first: datetime, last: datetime, spine: str = "spine"
) -> Expression:
    """Return the statement over the views and the spine, as a tree.

    Parameters
    ----------
    features
        Definitions with different names, at least one.
    timezone
        IANA name of the shop's zone.
    first, last
        The earliest and the latest ``as_of`` of the spine: facts outside of what these can reach are not read.
    spine
        Name of the relation with ``position`` (its order), ``person`` and ``as_of``.
    """
    relations: dict[str, Expression] = {"moments": moments(spine), "subjects": subjects()}
    sources: dict[str, str] = {}  # feature → the relation that holds its value
    for future in (False, True):
        for name in ("order_lines", "events", "traits"):
            chosen = [f for f in features if f.future is future and relation(f.on).table == name]
            if chosen:
                _Facts(name, future, chosen, timezone, first, last).add(relations, sources)
    return _answer(features, relations, sources)


@dataclass
class _Facts:
    """The facts of one table, before or after the moments, and all features that are made of them."""

    table: str
    future: bool
    features: Sequence[Feature]
    timezone: str
    first: datetime
    last: datetime
    windows: list[Window] = field(init=False)

    def __post_init__(self) -> None:
        finite = {feature.window for feature in self.features} - {LIFETIME}
        self.windows = sorted(finite, key=lambda window: window.length or 0)

    @property
    def name(self) -> str:
        return f"future_{self.table}" if self.future else f"past_{self.table}"

    @cached_property
    def of_orders(self) -> list[Feature]:
        return [feature for feature in self.features if feature.on == ORDER]

    @cached_property
    def of_rows(self) -> list[Feature]:
        return [feature for feature in self.features if feature.on != ORDER]

    @cached_property
    def kinds(self) -> list[str]:
        return sorted({kind for feature in self.features if (kind := relation(feature.on).kind)})

    def add(self, relations: dict[str, Expression], sources: dict[str, str]) -> None:
        """Add the relations that end in one row a spine row, and say which holds which feature."""
        if self._products:
            relations.setdefault("versions", versions())
            relations.setdefault("shelf", shelf())
        relations[self.name] = self._rows()
        if self.of_orders:
            orders = f"{'future' if self.future else 'past'}_orders"
            relations[orders] = self._orders()
            self._aggregates(orders, "order", self.of_orders, relations, sources)
        if self.of_rows:
            row = relation(self.of_rows[0].on).row
            self._aggregates(self.name, row, self.of_rows, relations, sources)

    @cached_property
    def _products(self) -> list[str]:
        return [name for name in OF_PRODUCT if any(name in feature.columns for feature in self.of_rows)]

    @cached_property
    def _columns(self) -> list[str]:
        """The table's own columns that features read, directly or through orders."""
        read = set().union(*(feature.columns for feature in self.features)) - set(OF_PRODUCT) - set(_CLOCK) - {"lines"}
        if "gross" in read:
            read = (read - {"gross"}) | {"amount", "discount"}
        if self.of_orders:
            read |= {"source", "order_id"}
        if self._products:
            read |= {"source", "product_id"}
        if any(_ranked(feature) for feature in self.of_rows):
            read |= set(_IDS[relation(self.of_rows[0].on).row])
        if len(self.kinds) > 1:
            read.add("kind")
        return sorted(read)

    @cached_property
    def _prunes(self) -> bool:
        """Whether facts beyond the windows may be left out; not for orders, which are dated by their first line."""
        return not self.of_orders and (self.future or all(feature.window != LIFETIME for feature in self.features))

    def _raw(self) -> exp.Select:
        """Return the table's rows that the spine can reach, times as epoch numbers."""
        occurred, available = sql.epoch(column("occurred_at")), sql.epoch(column("available_at"))
        reach = timedelta(days=self.windows[-1].days or 0) if self.windows else timedelta(0)
        until = self.last + reach if self.future else self.last
        inside: Expression = exp.LTE(this=column("occurred_at"), expression=sql.moment(until))
        if self.table == "traits":
            undated = exp.Is(this=column("occurred_at"), expression=exp.null())
            inside = exp.paren(exp.or_(inside, undated))
            occurred = exp.Coalesce(this=occurred, expressions=[whole(BEGINNING)])
            available = when(undated.copy(), whole(BEGINNING), available)
        conditions: list[Expression] = [inside]
        if self._prunes and self.future:
            conditions.append(exp.GT(this=column("occurred_at"), expression=sql.moment(self.first)))
        elif self._prunes and (tail := self.windows[-1].tail(self.first)) is not None:
            conditions.append(exp.GTE(this=column("occurred_at"), expression=sql.moment(tail)))
        if self.kinds:
            conditions.append(column("kind").isin(*(sql.text(kind) for kind in self.kinds)))
        chosen: list[Expression] = [column("subject"), *(column(name) for name in self._columns)]
        chosen += [alias(occurred, "occurred"), alias(available, "available")]
        if self.of_orders and _local(self.of_orders):
            chosen.append(column("occurred_at"))
        if _local(self.of_rows):
            chosen.append(alias(sql.local(column("occurred_at"), self.timezone), "clock"))
        return exp.select(*chosen).from_(named(self.table)).where(*conditions)

    def _rows(self) -> Expression:
        """Return the facts of each row of the spine."""
        occurred, as_of = column("occurred", "f"), column("as_of", "u")
        on: list[Expression] = [exp.EQ(this=column("subject", "f"), expression=column("subject", "u"))]
        if not self.future:
            on.append(exp.LTE(this=occurred, expression=as_of))
            on.append(exp.LTE(this=column("available", "f"), expression=as_of))
            if self._prunes and (tail := self.windows[-1].tail_sql(as_of)) is not None:
                on.append(exp.GTE(this=occurred, expression=tail))
        elif self._prunes:
            on.append(exp.GT(this=occurred, expression=as_of))
        chosen: list[Expression] = [column("position", "u"), as_of, occurred]
        chosen += [column(name, "f") for name in self._columns]
        chosen += [column(name, "p") for name in self._products]
        if self.of_orders and _local(self.of_orders):
            chosen.append(column("occurred_at", "f"))
        if self.of_rows:
            chosen.append(alias(self._span(as_of, occurred), "span"))
            if any("gross" in feature.columns for feature in self.of_rows):
                chosen.append(alias(_sum_of(column("amount", "f"), column("discount", "f")), "gross"))
            chosen += _clock(column("clock", "f"), _local(self.of_rows))
        query = exp.select(*chosen).from_(self._raw().subquery("f")).join(named("subjects", "u"), on=exp.and_(*on))
        if self._products:
            began = exp.or_(
                exp.Is(this=column("earlier", "p"), expression=exp.null()),
                exp.LTE(this=column("begins", "p"), expression=occurred),
            )
            ends = exp.or_(
                exp.Is(this=column("ends", "p"), expression=exp.null()),
                exp.LT(this=occurred, expression=column("ends", "p")),
            )
            same = [exp.EQ(this=column(k, "f"), expression=column(k, "p")) for k in ("source", "product_id")]
            query = query.join(
                named("shelf", "p"), on=exp.and_(*same, exp.paren(began), exp.paren(ends)), join_type="left"
            )
        return query

    def _orders(self) -> Expression:
        """Return the orders of each row of the spine: the sums of their lines."""
        read = set().union(*(feature.columns for feature in self.of_orders))
        of_lines: dict[str, Expression] = {"as_of": exp.Min(this=column("as_of"))}
        of_lines["occurred"] = exp.Min(this=column("occurred"))
        if _local(self.of_orders):
            of_lines["occurred_at"] = exp.Min(this=column("occurred_at"))
        for name in ("amount", "discount"):
            if name in read or "gross" in read:
                of_lines[name] = sql.total(column(name))
        if "quantity" in read:
            of_lines["quantity"] = sql.total(column("quantity"), "DOUBLE")
        if "lines" in read:
            of_lines["lines"] = sql.count()
        for name in sorted(read & {"channel", "place"}):
            of_lines[name] = exp.Min(this=column(name))
        keys = [column(name) for name in ("position", "source", "order_id")]
        grouped = exp.select(*keys, *(alias(value, name) for name, value in of_lines.items())).from_(named(self.name))
        if len(self.kinds) > 1:
            grouped = grouped.where(exp.EQ(this=column("kind"), expression=sql.text(ORDER)))
        grouped = grouped.group_by(*keys)
        local = _local(self.of_orders)
        chosen: list[Expression] = [*keys, *(column(name) for name in of_lines if name != "occurred_at")]
        if local:
            clock = alias(sql.local(column("occurred_at"), self.timezone), "clock")
            grouped = exp.select(*chosen, clock).from_(grouped.subquery("timed"))
        chosen = [*chosen, alias(self._span(column("as_of"), column("occurred")), "span")]
        if "gross" in read:
            chosen.append(alias(_sum_of(column("amount"), column("discount")), "gross"))
        return exp.select(*chosen, *_clock(column("clock"), local)).from_(grouped.subquery("grouped"))

    def _span(self, as_of: Expression, occurred: Expression) -> Expression:
        """Return the index of the shortest window that reaches a fact; the number of windows when none does."""
        case = exp.Case()
        none = whole(len(self.windows))
        if self.future:
            case = case.when(exp.LTE(this=occurred, expression=as_of), none)
        for index, window in enumerate(self.windows):
            if self.future:
                end = exp.Add(this=as_of, expression=whole(window.length or 0))
                case = case.when(exp.LTE(this=occurred, expression=end), whole(index))
            else:
                tail = window.tail_sql(as_of)
                case = case.when(exp.GTE(this=occurred, expression=tail), whole(index))
        return case.else_(none) if case.args.get("ifs") else none

    def _counts(self, feature: Feature, row: str) -> Expression | None:
        """Return the condition, apart from the window, under which a fact counts; None when all do."""
        kind = None
        if row != "order" and len(self.kinds) > 1:
            kind = exp.EQ(this=column("kind"), expression=sql.text(relation(feature.on).kind or ""))
        known = [name for name in (feature.value, feature.aggregation.over) if name]
        there = [exp.not_(exp.Is(this=column(name), expression=exp.null())) for name in known]
        return both(kind, feature.where.sql() if feature.where else None, *there)

    def _within(self, feature: Feature, span: str) -> Expression | None:
        if feature.window == LIFETIME:
            return None
        return exp.LTE(this=column(span), expression=whole(self.windows.index(feature.window)))

    def _aggregates(
        self,
        facts: str,
        row: str,
        features: Sequence[Feature],
        relations: dict[str, Expression],
        sources: dict[str, str],
    ) -> None:
        plain = [feature for feature in features if feature.aggregation.kind not in GROUPED]
        if plain:
            before: dict[str, tuple[Expression | None, int]] = {}  # what counts → which column has the fact before
            for feature in plain:
                if feature.aggregation.kind == "gap_std":
                    condition = self._counts(feature, row)
                    before.setdefault(_key(condition), (condition, len(before)))
            source = facts
            if before or any(_ranked(feature) for feature in plain):
                source = f"{facts}_ranked"
                read = set().union({"position", "as_of", "occurred", "span"}, *(feature.columns for feature in plain))
                if row != "order" and len(self.kinds) > 1:
                    read.add("kind")
                ranks = any(feature.aggregation.kind in ("first", "last") for feature in plain)
                relations[source] = _ranked_rows(facts, row, read, ranks, before)
            chosen = []
            for feature in plain:
                counts, gap = self._counts(feature, row), None
                if feature.aggregation.kind == "gap_std":
                    index = before[_key(counts)][1]
                    length = exp.Sub(this=column("occurred"), expression=column(f"before_{index}"))
                    earlier = exp.not_(exp.Is(this=column(f"before_{index}"), expression=exp.null()))
                    gap = Gap(
                        exp.paren(length), both(earlier, self._within(feature, f"before_span_{index}")) or earlier
                    )
                hit = both(self._within(feature, "span"), counts)
                value = feature.aggregation.sql(feature.value, hit, gap, _kind_of(feature))
                chosen.append(alias(value, feature.name))
                sources[feature.name] = f"{facts}_all"
            query = exp.select(column("position"), *chosen).from_(named(source)).group_by(column("position"))
            relations[f"{facts}_all"] = query
        for name in sorted({feature.value or "" for feature in features if feature.aggregation.kind in GROUPED}):
            grouped = [f for f in features if f.aggregation.kind in GROUPED and f.value == name]
            self._counted(facts, row, name, grouped, relations, sources)

    def _counted(
        self, facts: str, row: str, name: str, features: Sequence[Feature], relations: dict[str, Expression],
        sources: dict[str, str],
    ) -> None:  # fmt: skip
        """Add the relations that count facts by the values of one column first."""
        conditions: dict[str, tuple[Expression | None, int]] = {}
        for feature in features:
            hit = both(self._within(feature, "span"), self._counts(feature, row))
            conditions.setdefault(_key(hit), (hit, len(conditions)))
        numbers = [alias(sql.count(hit), f"number_{index}") for hit, index in conditions.values()]
        keys = [column("position"), column(name)]
        known = exp.not_(exp.Is(this=column(name), expression=exp.null()))
        counted = exp.select(*keys, *numbers).from_(named(facts)).where(known).group_by(*keys)
        relations[f"{facts}_by_{name}"] = counted
        tops, chosen = [], []
        for feature in features:
            hit = both(self._within(feature, "span"), self._counts(feature, row))
            index = conditions[_key(hit)][1]
            number, top = column(f"number_{index}"), column(f"top_{index}")
            if feature.aggregation.kind == "most_frequent":
                over = exp.Window(this=exp.Max(this=number.copy()), partition_by=[column("position")])
                tops.append(alias(over, f"top_{index}"))
            chosen.append(alias(feature.aggregation.sql_of_groups(column(name), number, top), feature.name))
            sources[feature.name] = f"{facts}_{name}"
        source: exp.Table | exp.Subquery = named(f"{facts}_by_{name}")
        if tops:
            unique = {top.alias: top for top in tops}.values()
            needed = [column(f"number_{index}") for _, index in conditions.values()]
            source = exp.select(*keys, *needed, *unique).from_(source).subquery("topped")
        relations[f"{facts}_{name}"] = (
            exp.select(column("position"), *chosen).from_(source).group_by(column("position"))
        )


def _ranked(feature: Feature) -> bool:
    return feature.aggregation.kind in ("first", "last", "gap_std")


def _kind_of(feature: Feature) -> str:
    name = feature.value or feature.aggregation.over
    return "DOUBLE" if name and relation(feature.on).columns[name] is float else "BIGINT"


def _local(features: Iterable[Feature]) -> list[str]:
    return [name for name in _CLOCK if any(name in feature.columns for feature in features)]


def _key(condition: Expression | None) -> str:
    return "" if condition is None else condition.sql("duckdb")


def _sum_of(left: Expression, right: Expression) -> Expression:
    return exp.Add(this=left, expression=right)


def _clock(clock: Expression, names: Iterable[str]) -> list[Expression]:
    """Return local day, weekday and hour of the wall clock in microseconds; 1 January 1970 was a Thursday."""
    day = sql.floor_divide(clock, DAY)
    parts = {
        "local_day": day,
        "weekday": sql.rest(exp.Add(this=day.copy(), expression=whole(3)), 7),
        "hour": sql.floor_divide(exp.paren(sql.rest(clock.copy(), DAY)), HOUR),
    }
    return [alias(parts[name], name) for name in names]


def _ranked_rows(
    facts: str, row: str, read: set[str], ranks: bool, before: dict[str, tuple[Expression | None, int]]
) -> Expression:
    """Return the facts with their rank in time, and the time and span of the fact before among those that count."""
    order = exp.Order(expressions=[exp.Ordered(this=column(name)) for name in ("occurred", *_IDS[row])])
    chosen: list[Expression] = [column(name) for name in sorted(read)]
    if ranks:
        ranking = exp.Window(this=exp.RowNumber(), partition_by=[column("position")], order=order)
        chosen.append(alias(ranking, "rank"))
    for condition, index in before.values():
        parts = [column("position"), *([when(condition, whole(1), whole(0))] if condition is not None else [])]
        for name, wanted in ((f"before_{index}", "occurred"), (f"before_span_{index}", "span")):
            lag = exp.Window(this=exp.Lag(this=column(wanted)), partition_by=parts, order=order.copy())
            chosen.append(alias(lag, name))
    return exp.select(*chosen).from_(named(facts))


def _answer(features: Sequence[Feature], relations: dict[str, Expression], sources: dict[str, str]) -> Expression:
    """Return the whole statement: every row of the spine beside its features, in the spine's order."""
    parts = {name: f"a{index}" for index, name in enumerate(dict.fromkeys(sources[f.name] for f in features))}
    chosen: list[Expression] = [column("person", "m"), alias(column("moment", "m"), "as_of")]
    for feature in features:
        value: Expression = column(feature.name, parts[sources[feature.name]])
        if feature.unit == "money" and feature.aggregation.kind == "mean":
            value = exp.Round(this=value)
        value = exp.cast(value, _TYPES[feature.unit])
        if feature.empty is not None:
            value = exp.Coalesce(this=value, expressions=[whole(feature.empty)])
        chosen.append(alias(value, feature.name))
    query = exp.select(*chosen).from_(named("moments", "m"))
    for name, short in parts.items():
        on = exp.EQ(this=column("position", short), expression=column("position", "m"))
        query = query.join(named(name, short), on=on, join_type="left", copy=False)
    query = query.order_by(column("position", "m"))
    for name, tree in relations.items():
        query = query.with_(exp.to_identifier(name, quoted=True), as_=tree, copy=False)
    return query
