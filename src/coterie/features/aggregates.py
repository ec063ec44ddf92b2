"""The aggregates of a statement: of the facts beside each row of the spine, one row with the features made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from coterie.features.aggregation import GROUPED, PASSING, Gap, commonest
from coterie.features.facts import IDS, Facts
from coterie.features.feature import Feature, relation
from coterie.features.versions import CODES, words
from coterie.store import sql
from coterie.store.sql import Expression, alias, both, column, known, named, when, whole


@dataclass(frozen=True)
class Aggregates:
    """What is made of one relation of facts.

    Parameters
    ----------
    facts
        The facts, under ``facts.name``, and the features that are made of them.
    """

    facts: Facts

    def relations(self) -> tuple[dict[str, Expression], dict[str, str]]:
        """Return the relations, in order, and for each feature the one that holds its value beside ``position``."""
        relations: dict[str, Expression] = {}
        sources: dict[str, str] = {}
        features = self.facts.features
        if plain := [feature for feature in features if feature.aggregation.kind not in GROUPED]:
            self._plain(plain, relations, sources)
        for name in sorted({feature.value or "" for feature in features if feature.aggregation.kind in GROUPED}):
            grouped = [f for f in features if f.aggregation.kind in GROUPED and f.value == name]
            self._counted(name, grouped, relations, sources)
        return relations, sources

    def _counts(self, feature: Feature, there: str | None = None) -> Expression | None:
        """Return the condition, apart from the window, under which a fact counts; None when all do.

        ``there`` is a column whose missing values count for nothing anyway.
        """
        kind = relation(feature.on).kind if self.facts.mixed and self.facts.row != "order" else None
        of_kind = None if kind is None else exp.EQ(this=column("kind"), expression=sql.text(kind))
        asked = {feature.value: None, feature.aggregation.over: None}
        values = [known(column(name)) for name in asked if name not in (None, there)]
        return both(of_kind, feature.where.sql() if feature.where else None, *values)

    def _plain(self, features: Sequence[Feature], relations: dict[str, Expression], sources: dict[str, str]) -> None:
        """Add the relation of the aggregates that are made in one pass."""
        before: dict[str, tuple[Expression | None, int]] = {}  # what counts → which column has the fact before
        for feature in features:
            if feature.aggregation.kind == "gap_std":
                condition = self._counts(feature)
                before.setdefault(_key(condition), (condition, len(before)))
        source = self.facts.name
        if before or any(_ranked(feature) for feature in features):
            source = f"{self.facts.name}_ranked"
            relations[source] = self._in_order(features, before)
        chosen = []
        for feature in features:
            counts, gap = self._counts(feature, feature.value if feature.aggregation.kind in PASSING else None), None
            if feature.aggregation.kind == "gap_std":
                index = before[_key(counts)][1]
                length = exp.Sub(this=column("occurred"), expression=column(f"before_{index}"))
                inside = self.facts.within(feature.window, f"before_span_{index}")
                earlier = known(column(f"before_{index}"))
                gap = Gap(exp.paren(length), both(earlier, inside) or earlier)
            hit = both(self.facts.within(feature.window), counts)
            value = feature.aggregation.sql(feature.value, hit, gap, _kind_of(feature), self.facts.spine.as_of())
            chosen.append(alias(value, feature.name))
            sources[feature.name] = f"{self.facts.name}_all"
        query = exp.select(column("position"), *chosen).from_(named(source)).group_by(column("position"))
        relations[f"{self.facts.name}_all"] = query

    def _in_order(self, features: Sequence[Feature], before: dict[str, tuple[Expression | None, int]]) -> Expression:
        """Return the facts with their rank in time, and the time and span of the fact before among those that count."""
        own = set().union(*(feature.columns for feature in features)) | ({"kind"} if self.facts.mixed else set())
        names = [*self.facts.spine.keys, *sorted(own), "occurred", *(["span"] if self.facts.windows else [])]
        chosen: list[Expression] = [column(name) for name in names]
        if any(_ranked(feature) for feature in features):
            order = exp.Order(expressions=[exp.Ordered(this=column(n)) for n in ("occurred", *IDS[self.facts.row])])
            ranking = exp.Window(this=exp.RowNumber(), partition_by=[column("position")], order=order)
            chosen.append(alias(ranking, "rank"))
        for condition, index in before.values():
            parts = [column("position"), *([when(condition, whole(1), whole(0))] if condition is not None else [])]
            # facts of the same moment need no order of their own: whichever comes first, the gaps are the same
            order = exp.Order(expressions=[exp.Ordered(this=column(name)) for name in ("occurred", "position")])
            for name, wanted in ((f"before_{index}", "occurred"), (f"before_span_{index}", "span")):
                if wanted == "occurred" or self.facts.windows:
                    lag = exp.Window(this=exp.Lag(this=column(wanted)), partition_by=parts, order=order.copy())
                    chosen.append(alias(lag, name))
        return exp.select(*chosen).from_(named(self.facts.name))

    def _counted(
        self, name: str, features: Sequence[Feature], relations: dict[str, Expression], sources: dict[str, str]
    ) -> None:  # fmt: skip
        """Add the relations that count facts by the values of one column first."""
        conditions: dict[str, tuple[Expression | None, int]] = {}
        for feature in features:
            hit = both(self.facts.within(feature.window), self._counts(feature, name))
            conditions.setdefault(_key(hit), (hit, len(conditions)))
        numbers = [alias(sql.count(hit), f"number_{index}") for hit, index in conditions.values()]
        keys = [column("position"), column(name)]
        hits = [hit for hit, _ in conditions.values() if hit is not None]
        counts = [exp.or_(*hits)] if len(hits) == len(conditions) else []  # what counts for nothing makes no group
        counted = exp.select(*keys, *numbers).from_(named(self.facts.name)).where(known(column(name)), *counts)
        counted = counted.group_by(*keys)
        relations[f"{self.facts.name}_by_{name}"] = counted
        chosen, texts = [], []
        for feature in features:
            hit = both(self.facts.within(feature.window), self._counts(feature, name))
            number = column(f"number_{conditions[_key(hit)][1]}")
            if name in self.facts.coded and feature.aggregation.kind == "most_frequent":
                value = commonest(column(name), number)
                texts.append(feature.name)
            else:
                value = feature.aggregation.sql_of_groups(column(name), number)
            chosen.append(alias(value, feature.name))
            sources[feature.name] = f"{self.facts.name}_{name}"
        source = named(f"{self.facts.name}_by_{name}")
        query = exp.select(column("position"), *chosen).from_(source).group_by(column("position"))
        relations[f"{self.facts.name}_{name}"] = self._worded(name, query, [f.name for f in features], texts)

    def _worded(self, name: str, query: exp.Select, features: Sequence[str], texts: Sequence[str]) -> Expression:
        """Return a relation in which the numbers of some features are the texts again that they stand for."""
        if not texts:
            return query
        shorts = {feature: f"w{index}" for index, feature in enumerate(texts)}
        values = [alias(column(name, shorts[one]), one) if one in shorts else column(one, "n") for one in features]
        worded = exp.select(column("position", "n"), *values).from_(query.subquery("n"))
        for one, short in shorts.items():
            on = exp.EQ(this=column(CODES[name], short), expression=column(one, "n"))
            worded = worded.join(words(name, self.facts.shelf).subquery(short), on=on, join_type="left", copy=False)
        return worded


def _ranked(feature: Feature) -> bool:
    return feature.aggregation.kind in ("first", "last")


def _kind_of(feature: Feature) -> str:
    name = feature.value or feature.aggregation.over
    return "DOUBLE" if name and relation(feature.on).columns[name] is float else "BIGINT"


def _key(condition: Expression | None) -> str:
    return "" if condition is None else condition.sql("duckdb")
