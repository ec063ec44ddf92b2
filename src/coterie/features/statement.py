"""The one statement of a table of features, as a SQLGlot tree.

The statement is a chain of named relations, each made once and read by all features that need it::

    spine ── moments ── subjects (who was whom) ─┬─ past_order_lines (+ shelf) ─┐
                                                 ├─ past_orders                 ├─ …_all, …_by_<column> ── finished
                                                 ├─ past_events (+ shelf)       │
                                                 └─ past_traits ────────────────┘

Facts are read once a relation and joined to the spine's rows by ``occurred_at <= as_of AND available_at <= as_of``;
there they get a ``span``, the index of the shortest window that reaches them, so that every window is the comparison of
two small numbers inside a conditional aggregate. Outcomes take the same way through ``as_of < occurred_at``. Where all
rows have one moment, it is a constant, and facts need not be compared with it again after they were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from coterie.features.aggregates import Aggregates
from coterie.features.combination import Combination, Declared, parts_of
from coterie.features.facts import Facts
from coterie.features.feature import ORDER, Feature, relation
from coterie.features.orders import Orders, by_horizon
from coterie.features.spine import Spine
from coterie.store import sql
from coterie.store.sql import Expression, alias, column, named, whole

_TYPES = {"money": "BIGINT", "count": "BIGINT", "days": "DOUBLE", "share": "DOUBLE", "number": "DOUBLE", "text": "TEXT"}


def statement(features: Sequence[Declared], spine: Spine) -> Expression:
    """Return the statement over the views and the spine, as a tree.

    Parameters
    ----------
    features
        Definitions with different names and one owner, that of the spine; at least one.
    spine
        What rows are asked for, and how.
    """
    parts = parts_of(tuple(features))
    relations = spine.relations()
    sources: dict[str, str] = {}  # part → the relation that holds its value
    for facts in _facts(list(parts.values()), spine):
        relations.update(facts.relations())
        made, holding = Aggregates(facts).relations()
        relations.update(made)
        sources.update(holding)
    relations["finished"] = _finished(list(parts.values()), spine, sources)
    chosen: list[Expression] = [column(name) for name in spine.owner]
    chosen.append(alias(column("moment"), "as_of"))
    chosen += [alias(_value(feature, parts), feature.name) for feature in features]
    query = exp.select(*chosen).from_(named("finished")).order_by(column("position"))
    for name, tree in relations.items():
        query = query.with_(exp.to_identifier(name, quoted=True), as_=tree, copy=False)
    return query


def _facts(features: Sequence[Feature], spine: Spine) -> list[Facts]:
    """Return the relations of facts that are needed."""
    of_orders = [feature for feature in features if feature.on == ORDER]
    groups: list[Facts] = [Orders(spine, group) for group in by_horizon(of_orders)]
    for future in (False, True):
        for table in ("order_lines", "events", "traits"):
            chosen = [f for f in features if f.future is future and f.on != ORDER and relation(f.on).table == table]
            groups += [Facts(spine, chosen)] if chosen else []
    return groups


def _finished(features: Sequence[Feature], spine: Spine, sources: Mapping[str, str]) -> Expression:
    """Return every row of the spine beside the values of the parts, in the types and units that they have."""
    shorts = {name: f"a{index}" for index, name in enumerate(dict.fromkeys(sources[f.name] for f in features))}
    chosen: list[Expression] = [column(name, "m") for name in ("position", *spine.owner, "moment")]
    for feature in features:
        value: Expression = column(feature.name, shorts[sources[feature.name]])
        if feature.unit == "money" and feature.aggregation.kind in ("mean", "std"):
            value = exp.Round(this=value)
        value = exp.cast(value, _TYPES[feature.unit])
        if feature.empty is not None:
            value = exp.Coalesce(this=value, expressions=[whole(feature.empty)])
        chosen.append(alias(value, feature.name))
    query = exp.select(*chosen).from_(named("moments", "m"))
    for name, short in shorts.items():
        on = exp.EQ(this=column("position", short), expression=column("position", "m"))
        query = query.join(named(name, short), on=on, join_type="left", copy=False)
    return query


def _part(part: Feature, parts: Mapping[str, Feature]) -> Expression:
    return column(parts[part.fingerprint].name)


def _value(feature: Declared, parts: Mapping[str, Feature]) -> Expression:
    """Return a feature's value out of the finished ones of its parts."""
    if not isinstance(feature, Combination):
        return column(parts[feature.fingerprint].name)
    left, right = (_part(part, parts) for part in feature.parts)
    if feature.otherwise is not None:
        nothing = exp.cast(whole(feature.otherwise), _TYPES[feature.left.unit])
        left = exp.Coalesce(this=left, expressions=[nothing])
    if feature.operation == "difference":
        kind = _TYPES[feature.unit]
        none = exp.cast(whole(0), kind)
        return exp.cast(exp.Sub(this=left, expression=exp.Coalesce(this=right, expressions=[none])), kind)
    value: Expression = sql.ratio(left, right)
    if feature.operation == "remainder":
        value = exp.Sub(this=sql.real(1.0), expression=value)
    return exp.cast(exp.Round(this=value), "BIGINT") if feature.unit == "money" else value
