"""A definition in words: for the reference, and for whoever asks what exactly a number says."""

from __future__ import annotations

from datetime import datetime

from coterie.config import minor_units
from coterie.features.combination import Combination, Declared
from coterie.features.feature import Feature, Window, relation
from coterie.features.spine import Spine
from coterie.features.statement import statement

_COMBINED = {"ratio": "{} / {}", "remainder": "1 - {} / {}", "difference": "{} - {}"}
_HOPS = {86_400_000_000: "day", 3_600_000_000: "hour", 300_000_000: "5 minutes"}


def formula(feature: Declared) -> str:
    """Return what is done with which facts, in one line.

    >>> from coterie.features.catalog import CATALOG
    >>> formula(CATALOG["spend_90d"]), formula(CATALOG["overdue_ratio"])
    ('sum amount, Order Completed', 'recency_days / gap_mean_days')
    """
    if isinstance(feature, Combination):
        return _COMBINED[feature.operation].format(feature.left.name, feature.right.name)
    how = feature.aggregation
    parts = [how.kind, feature.value or "", f"over {how.over}" if how.over else ""]
    parts.append(f"where {how.of.sentence()}" if how.of else "")
    parts.append(f"half-life {how.half_life:g} days" if how.half_life else "")
    counted = f" where {feature.where.sentence()}" if feature.where else ""
    return f"{' '.join(part for part in parts if part)}, {feature.on}{counted}"


def window(feature: Declared) -> str:
    """Return the window in words; of a combination the windows of its parts.

    >>> from coterie.features.catalog import CATALOG
    >>> window(CATALOG["recent_orders_share"])
    '90 days, 365 days'
    """
    parts = feature.parts if isinstance(feature, Combination) else (feature,)
    return ", ".join(dict.fromkeys(str(part.window) for part in parts))


def beginning(length: Window) -> str:
    """Return where a window begins, its hop included, in words.

    >>> beginning(Window(30)), beginning(Window())
    ('30 days before the moment, back to the beginning of that day (UTC)', 'the first fact')
    """
    if length.hop is None:
        return "the first fact"
    hop = _HOPS[length.hop]
    back = f"the beginning of that {hop}" if hop != "5 minutes" else "a multiple of five minutes"
    return f"{length} before the moment, back to {back} (UTC)"


def definition(feature: Declared) -> list[tuple[str, str]]:
    """Return everything that a value depends on, as pairs of a word and what it is.

    >>> from coterie.features.catalog import CATALOG
    >>> dict(definition(CATALOG["web_share"]))["counts"]
    'those for which not (channel is missing)'
    """
    about = feature.per.replace("-", " and ")
    told = [("name", feature.name), ("title", feature.title), ("meaning", feature.meaning), ("about", about)]
    if isinstance(feature, Combination):
        told += [("value", f"{_COMBINED[feature.operation].format('left', 'right')}"), ("unit", feature.unit)]
        told.append(("no fact", _NONE[feature.operation]))
        if feature.otherwise is not None:
            told.append(("a missing left", f"counts as {feature.otherwise}"))
        for side, part in zip(("left", "right"), feature.parts, strict=True):
            told += [(f"{side}: {word}", said) for word, said in definition(part) if word not in ("title", "about")]
        return [*told, ("fingerprint", feature.fingerprint)]
    return [*told, *_plain(feature), ("fingerprint", feature.fingerprint)]


_NONE = {
    "ratio": "missing when either is missing, or right is 0",
    "remainder": "missing when either is missing, or right is 0",
    "difference": "missing when left is missing; a missing right counts as 0",
}


def sql(feature: Declared, *, timezone: str, currency: str) -> str:
    """Return the statement that works the feature out, as text for DuckDB.

    It reads the relation ``spine`` with ``position`` (the order of the rows), the columns of the owner, and ``as_of``.
    """
    any_time = (datetime(1970, 1, 1), datetime(2200, 1, 1))
    rows = Spine(*any_time, timezone, per=feature.per, exponent=minor_units(currency))
    return statement([feature], rows).sql(dialect="duckdb", pretty=True)


def _plain(feature: Feature) -> list[tuple[str, str]]:
    how = feature.aggregation
    facts = relation(feature.on)
    told = [("facts", f"{feature.on}, one {facts.row} each")]
    told.append(("counts", f"those for which {feature.where.sentence()}" if feature.where else "all"))
    told.append(("aggregation", how.kind))
    if feature.value:
        told.append(("of", feature.value))
    if how.over:
        told.append(("over", how.over))
    if how.of:
        told.append(("share where", how.of.sentence()))
    if how.half_life:
        told.append(("half-life", f"{how.half_life:g} days"))
    told.append(("window", str(feature.window)))
    if feature.future:
        told.append(("from", "the moment, itself not included"))
    else:
        told.append(("from", beginning(feature.window)))
    return [*told, ("unit", feature.unit), ("no fact", "missing" if feature.empty is None else str(feature.empty))]
