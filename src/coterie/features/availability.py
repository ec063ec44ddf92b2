"""Which features a shop has the facts for, and what would bring the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from coterie.features.combination import Combination, Declared
from coterie.features.feature import ORDER, Feature, relation
from coterie.features.rule import And, Compare, In, Rule, Scalar
from coterie.features.versions import OF_PRODUCT
from coterie.schema import EVENT, ORDER_LINE, TRAIT
from coterie.store.ports import Engine
from coterie.store.sql import alias, column, count, text

_STORED = {
    "order_lines": frozenset(ORDER_LINE.names),
    "events": frozenset(EVENT.names),
    "traits": frozenset(TRAIT.names),
    "products": frozenset(OF_PRODUCT),
}
_MADE = {"gross": ("amount", "discount"), "price_band": ("amount", "quantity")}  # of what a column is worked out


def available(engine: Engine, features: Sequence[Declared]) -> dict[str, str]:
    """Name the features that the shop has no facts for, and what would bring them.

    A feature can be built when there is a fact of its kind, at least one with a value in every column that it reads,
    and when every text that its rules ask for (a channel, a brand, a trait) occurs at all: were every customer's share
    of a channel 0 because no source tells of that channel, the number would be no news. A combination needs both parts.
    Each table is read once.

    Parameters
    ----------
    engine
        Shows the views ``order_lines``, ``events``, ``traits`` and ``products``.
    features
        The definitions asked about; of equal names the last one counts.

    Returns
    -------
    dict
        Name of a feature that cannot be built → what is missing. Features that are not named can be.
    """
    plain = [part for feature in features for part in _parts(feature)]
    needs = {part.fingerprint: _Needs.of(part) for part in plain}
    shop = _Shop.read(engine, needs.values())
    missing: dict[str, str] = {}
    for feature in features:
        reasons = [shop.lacks(needs[part.fingerprint]) for part in _parts(feature)]
        if told := [*dict.fromkeys(reason for reason in reasons if reason)]:
            missing[feature.name] = "; ".join(told)
    return missing


def _parts(feature: Declared) -> tuple[Feature, ...]:
    return feature.parts if isinstance(feature, Combination) else (feature,)


@dataclass(frozen=True)
class _Needs:
    """What a plain feature reads: a table, the kinds of its rows, columns with values, and texts that must occur."""

    table: str
    kind: str | None
    row: str
    columns: tuple[str, ...]
    of_product: tuple[str, ...]
    texts: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, feature: Feature) -> _Needs:
        facts = relation(feature.on)
        read = {name for made in (*feature.columns, *feature.owner) for name in _MADE.get(made, (made,))}
        texts = [*_texts(feature.where), *_texts(feature.aggregation.of)]
        of_product = tuple(sorted(read & set(OF_PRODUCT)))
        own = tuple(sorted((read & _STORED[facts.table]) | ({"product_id"} if of_product else set())))
        row = "order" if feature.on == ORDER else facts.row
        return cls(facts.table, facts.kind, row, own, of_product, tuple(texts))


def _texts(rule: Rule | None) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Yield columns of text with the values of which one must occur for the rule to hold at all."""
    match rule:
        case And():
            for part in rule.rules:
                yield from _texts(part)
        case Compare(name, "=", str(value)):
            yield name, (value,)
        case In():
            if wanted := tuple(value for value in rule.values if isinstance(value, str)):
                yield rule.column, wanted


@dataclass
class _Shop:
    """What occurs in the shop: rows by table, kind and source, and how many have a value, or one of certain values."""

    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    names: dict[tuple[str, str, tuple[str, ...]], str] = field(default_factory=dict)

    @classmethod
    def read(cls, engine: Engine, needs: Iterable[_Needs]) -> _Shop:
        """Count, in one scan a table, what the features need."""
        shop = cls()
        asked: dict[str, dict[tuple[str, tuple[str, ...]], None]] = {}
        for need in needs:
            asked.setdefault(need.table, {}).update({(name, ()): None for name in need.columns})
            if need.of_product:
                asked.setdefault("products", {}).update({(name, ()): None for name in need.of_product})
            for name, values in need.texts:
                table = "products" if name in OF_PRODUCT else need.table
                if name in _STORED[table]:
                    asked.setdefault(table, {})[name, values] = None
        for table, wanted in asked.items():
            keys = [column(name) for name in _KEYS[table]]
            chosen = []
            for number, (name, values) in enumerate(wanted):
                shop.names[table, name, values] = f"n{number}"
                chosen.append(alias(_counted(name, values), f"n{number}"))
            query = exp.select(*keys, *chosen).from_(exp.table_(table, quoted=True)).group_by(*keys)
            shop.rows[table] = engine.query(query).to_pylist()
        return shop

    def lacks(self, need: _Needs) -> str | None:
        """Return what is missing for a feature; None when nothing is."""
        rows = [row for row in self.rows[need.table] if need.kind is None or row["kind"] == need.kind]
        what = need.kind or need.row
        if need.table == "traits":
            return self._trait(need, rows)
        if not rows:
            return f"no {what} in {need.table}: map a source that has them"
        if empty := [name for name in need.columns if not self._any(need.table, rows, name)]:
            subject = what
            if need.table == "order_lines":
                subject = "order line" if need.kind == ORDER else f"line of {need.kind}"
            return f"no {subject} has {' or '.join(empty)}: map it, if the source has it"
        for name, values in need.texts:
            if name in OF_PRODUCT or name not in _STORED[need.table]:
                continue
            if not self._any(need.table, rows, name, values):
                return _unheard(need.table if name == "kind" else need.row, name, values)
        return self._products(need, rows)

    def _trait(self, need: _Needs, rows: Sequence[Mapping[str, object]]) -> str | None:
        names = [values for name, values in need.texts if name == "trait"]
        for values in names:
            if not self._any("traits", rows, "trait", values):
                return f"no trait {', '.join(values)}: map it as a trait of the source"
        if not rows:
            return "no trait at all: map it as a trait of the source"
        return None

    def _products(self, need: _Needs, rows: Sequence[Mapping[str, object]]) -> str | None:
        """Return what products lack; facts find the products of their own source only."""
        if not need.of_product:
            return None
        products = self.rows["products"]
        if empty := [name for name in need.of_product if not self._any("products", products, name)]:
            return f"no product has {' or '.join(empty)}: map it from the product catalogue"
        for name, values in need.texts:
            if name in OF_PRODUCT and not self._any("products", products, name, values):
                return _unheard("product", name, values)
        sources = {row["source"] for row in rows if row[self.names[need.table, "product_id", ()]]}
        own = [row for row in products if row["source"] in sources]
        if any(not self._any("products", own, name) for name in need.of_product):
            told = ", ".join(sorted(map(str, sources)))
            return f"no product of the source {told} has {' or '.join(need.of_product)}: map products under that source"
        return None

    def _any(self, table: str, rows: Sequence[Mapping[str, object]], name: str, values: tuple[str, ...] = ()) -> bool:
        return any(row[self.names[table, name, values]] for row in rows)


_KEYS = {
    "order_lines": ("kind", "source"),
    "events": ("kind", "source"),
    "traits": ("trait",),
    "products": ("source",),
}


def _counted(name: str, values: tuple[Scalar, ...]) -> exp.Expr:
    if not values:
        return exp.Count(this=column(name))
    return count(exp.In(this=column(name), expressions=[text(str(value)) for value in values]))


def _unheard(where: str, name: str, values: tuple[str, ...]) -> str:
    shown = [value if name == "kind" else f"“{value}”" for value in values[:3]]
    told = f"{', '.join(shown)} or {len(values) - 3} others" if len(values) > 3 else " or ".join(shown)
    if name == "kind":
        return f"no {told} in {where}: map a source that has them"
    return f"no {where} has the {name} {told}: map it, if the source has it"
