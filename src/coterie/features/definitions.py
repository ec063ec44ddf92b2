"""A shop's own features: ``features.toml`` in its folder, read into the same definitions as the catalogue's.

::

    [features.beauty_spend_90d]           # a plain feature
    on = "Order Line"
    aggregation = "sum"
    value = "amount"
    window = 90
    where = { department = ["Skin care", "Make-up"], quantity = "> 0" }

    [combinations.beauty_share_90d]       # of two others, by name
    ratio = ["beauty_spend_90d", "spend_90d"]

    [outcomes.buys_beauty_30d]            # of the future
    on = "Order Line"
    aggregation = "count"
    window = 30
    where = { department = "Skin care" }

    [traits]                              # the last known value of a trait
    skin_type = "Skin type"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from coterie.errors import ConfigError, CoterieError, ParameterError
from coterie.features import conditions
from coterie.features.aggregation import KINDS, Aggregation
from coterie.features.catalog import CATALOGS, OUTCOMES, Catalog, trait
from coterie.features.combination import OPERATIONS, Combination, Declared
from coterie.features.feature import EVENT, LIFETIME, ORDER_LINE, TRAIT, Feature, Window, relation
from coterie.features.outcome import Outcome
from coterie.features.unit import natural_unit
from coterie.schema import Kind

FILE = "features.toml"
_TABLES = ("features", "combinations", "outcomes", "traits")
_FEATURE = (
    "on", "aggregation", "value", "window", "where", "of", "over", "half_life", "unit", "title", "meaning", "per",
)  # fmt: skip
_OUTCOME = (*_FEATURE, "otherwise")
_COMBINATION = (*OPERATIONS, "unit", "title", "meaning", "per", "otherwise")
_FACTS = (ORDER_LINE, EVENT, TRAIT, *(kind.value for kind in Kind))


@dataclass(frozen=True)
class Definitions:
    """What a shop has declared itself.

    Parameters
    ----------
    features
        Features and combinations, in the order of the file, of any owner.
    outcomes
        Features of the future.
    """

    features: Catalog = field(default_factory=Catalog)
    outcomes: tuple[Outcome, ...] = ()

    def of(self, per: str) -> Catalog:
        """Return the features about one kind of owner."""
        return Catalog(feature for feature in self.features if feature.per == per)

    def to_json(self) -> dict[str, Any]:
        """Return the definitions as plain JSON values; ``from_json`` reads them back."""
        return {
            "features": [feature.to_json() for feature in self.features],
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Definitions:
        """Return the definitions that ``to_json`` wrote."""
        features = [Combination if "operation" in each else Feature for each in body["features"]]
        made = (kind.from_json(each) for kind, each in zip(features, body["features"], strict=True))
        outcomes = [Outcome.from_json(each) for each in body["outcomes"]]
        return cls(Catalog(made), tuple(one for one in outcomes if isinstance(one, Outcome)))


def load(path: Path) -> Definitions:
    """Return what a file declares; a file that is not there declares nothing.

    Raises
    ------
    ConfigError
        The file cannot be read or says something that is not allowed: which table, which key, what is.
    """
    if not path.is_file():
        return Definitions()
    try:
        body = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read {path}: {error}.", hint="it has to be TOML in UTF-8.") from error
    return parse(body, str(path))


def parse(body: Mapping[str, Any], file: str = FILE) -> Definitions:
    """Return what the content of ``features.toml`` declares.

    Parameters
    ----------
    body
        The TOML, parsed.
    file
        What errors call it.

    Examples
    --------
    >>> own = parse({"features": {"web_orders": {
    ...     "on": "Order Completed", "aggregation": "count", "where": {"channel": "web"}}}})
    >>> own.features["web_orders"].unit
    'count'
    """
    for table, content in body.items():
        if table not in _TABLES:
            raise ConfigError(
                f"{file}: unknown table {table!r}; allowed are {', '.join(_TABLES)}.", hint=_near(table, _TABLES)
            )
        if not isinstance(content, Mapping):
            raise ConfigError(f"{file}: {table} must be a table, got {content!r}.")
    features: dict[tuple[str, str], Declared] = {}
    for name, words in body.get("traits", {}).items():
        _add(features, file, f"traits.{name}", _trait, name, words)
    for name, written in body.get("features", {}).items():
        _add(features, file, f"features.{name}", _feature, name, written)
    for name, written in body.get("combinations", {}).items():
        _add(features, file, f"combinations.{name}", _combination, name, written, features)
    outcomes: dict[tuple[str, str], Declared] = {}
    for name, written in body.get("outcomes", {}).items():
        _add(outcomes, file, f"outcomes.{name}", _outcome, name, written)
        if ("person", name) in features:
            raise ConfigError(f"{file}: [outcomes.{name}] has the name of a feature.", hint="choose another name.")
    own = tuple(one for one in outcomes.values() if isinstance(one, Outcome))
    return Definitions(Catalog(features.values()), own)


def _add(
    made: dict[tuple[str, str], Declared], file: str, table: str, make: Callable[..., Declared], *arguments: Any
) -> None:
    """Make one definition; what is wrong with it is told with the file and the table that it stands in."""
    try:
        feature = make(*arguments)
    except CoterieError as error:
        told = error.message.removeprefix(f"Feature {arguments[0]}: ")
        raise ConfigError(f"{file}: [{table}]: {told}", hint=error.hint) from error
    key = (feature.per, feature.name)
    known = feature.name in CATALOGS[feature.per].names or any(
        feature.name.startswith(f"{o.__name__}_") for o in OUTCOMES
    )
    if known or key in made:
        whose = "of the catalogue" if known else "that stands in this file twice"
        raise ConfigError(
            f"{file}: [{table}] has the name of a feature {whose}.",
            hint=f"choose another name, such as own_{feature.name}.",
        )
    made[key] = feature


def _keys(name: str, written: Any, allowed: Iterable[str], needed: Iterable[str]) -> Mapping[str, Any]:
    names = tuple(allowed)
    if not isinstance(written, Mapping):
        raise ParameterError(f"it must be a table, got {written!r}.")
    for key in written:
        if key not in names:
            raise ParameterError(f"unknown key {key!r}; allowed are {', '.join(names)}.", hint=_near(key, names))
    for key in needed:
        if key not in written:
            raise ParameterError(f"{key} is missing.", hint=_EXAMPLES.get(key))
    for key in _TEXTS:
        if not isinstance(written.get(key, ""), str):
            raise ParameterError(f"{key} must be text, got {written[key]!r}.")
    return written


_TEXTS = ("on", "aggregation", "value", "over", "unit", "title", "meaning", "per")
_EXAMPLES = {
    "on": 'say which facts: on = "Order Completed".',
    "aggregation": 'say what is done with them: aggregation = "count".',
    "window": "an outcome is decided after a number of days: window = 90.",
}


def _near(word: str, allowed: Iterable[str]) -> str | None:
    found = get_close_matches(word, list(allowed), 1)
    return f"did you mean {found[0]}?" if found else None


def _title(name: str, written: Mapping[str, Any]) -> str:
    return written.get("title") or name.replace("_", " ").capitalize()


def _trait(name: str, words: Any) -> Feature:
    if not isinstance(words, str):
        raise ParameterError(f"it must be the trait's title, as text, got {words!r}.")
    return trait(name, words)


def _feature(name: str, written: Any) -> Feature:
    return Feature(**_arguments(name, _keys(name, written, _FEATURE, ("on", "aggregation"))))


def _outcome(name: str, written: Any) -> Outcome:
    keys = _keys(name, written, _OUTCOME, ("on", "aggregation", "window"))
    return Outcome(**_arguments(name, keys), otherwise=_otherwise(keys))


def _otherwise(keys: Mapping[str, Any]) -> int | None:
    otherwise = keys.get("otherwise")
    if otherwise is not None and (isinstance(otherwise, bool) or not isinstance(otherwise, int)):
        raise ParameterError(f"otherwise must be a whole number, got {otherwise!r}.")
    return otherwise


def _arguments(name: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a feature is made of, with its natural unit, a title and a sentence where none is written."""
    on, kind = written["on"], written["aggregation"]
    if on not in _FACTS:
        raise ParameterError(f"on must be one of {', '.join(_FACTS)}, got {on!r}.", hint=_near(str(on), _FACTS))
    if kind not in KINDS:
        raise ParameterError(
            f"aggregation must be one of {', '.join(KINDS)}, got {kind!r}.", hint=_near(str(kind), KINDS)
        )
    columns = relation(on).columns
    for key in ("value", "over"):
        if (column := written.get(key)) is not None and column not in columns:
            raise ParameterError(
                f"{key} must be one of {', '.join(columns)}, got {column!r}.",
                hint=conditions.instead(str(column), columns),
            )
    rules = {key: conditions.read(written[key], columns) for key in ("where", "of") if key in written}
    aggregation = Aggregation(kind, rules.get("of"), written.get("over"), written.get("half_life"))
    where, value = rules.get("where"), written.get("value")
    window = Window(written["window"]) if "window" in written else LIFETIME
    meaning = written.get("meaning") or _sentence(on, aggregation, value, window, where)
    return {
        "name": name, "on": on, "aggregation": aggregation, "value": value, "window": window, "where": where,
        "unit": written.get("unit") or natural_unit(on, aggregation, value), "title": _title(name, written),
        "meaning": meaning, "per": written.get("per", "person"),
    }  # fmt: skip


def _sentence(on: str, aggregation: Aggregation, value: str | None, window: Window, where: Any) -> str:
    what = f"{aggregation.kind.replace('_', ' ')}{f' of {value}' if value else ''}".capitalize()
    of = f", share where {aggregation.of.sentence()}" if aggregation.of else ""
    counted = f" where {where.sentence()}" if where else ""
    return f"{what}{of}: {on}{counted}, {window}."


def _combination(name: str, written: Any, own: Mapping[tuple[str, str], Declared]) -> Combination:
    keys = _keys(name, written, _COMBINATION, ())
    per = keys.get("per", "person")
    if per not in CATALOGS:
        raise ParameterError(f"per must be one of {', '.join(CATALOGS)}, got {per!r}.", hint=_near(str(per), CATALOGS))
    operations = [each for each in OPERATIONS if each in keys]
    if len(operations) != 1:
        raise ParameterError(
            f"it must have exactly one of {', '.join(OPERATIONS)}.", hint='for example ratio = ["spend_90d", "spend"].'
        )
    [operation] = operations
    names = keys[operation]
    if not isinstance(names, list) or len(names) != 2 or not all(isinstance(each, str) for each in names):
        raise ParameterError(f"{operation} must be a list of the names of two features, got {names!r}.")
    left, right = (_part(each, per, own) for each in names)
    unit = keys.get("unit") or _unit(operation, left, right)
    words = {"ratio": "{} over {}", "remainder": "1 - {} over {}", "difference": "{} less {}"}[operation]
    meaning = keys.get("meaning") or f"{words.format(left.name, right.name)}.".capitalize()
    return Combination(name, operation, left, right, unit, _title(name, keys), meaning, _otherwise(keys))


def _unit(operation: str, left: Feature, right: Feature) -> str:
    """Return the natural unit of a combination: money over a count is money, like over like is a share."""
    if operation == "difference":
        return left.unit
    if operation == "ratio" and left.unit == "money" and right.unit in ("count", "number"):
        return "money"
    return "share" if left.unit == right.unit or operation == "remainder" else "number"


def _part(name: str, per: str, own: Mapping[tuple[str, str], Declared]) -> Feature:
    """Return a plain feature by name: of the file, of the catalogue, or a part of a combination of the catalogue."""
    plain = {feature.name: feature for feature in CATALOGS[per] if isinstance(feature, Feature)}
    plain |= {key[1]: feature for key, feature in own.items() if key[0] == per and isinstance(feature, Feature)}
    if name not in plain:
        combined = name in CATALOGS[per].names or (per, name) in own
        why = "is itself made of two features" if combined else "is no feature"
        raise ParameterError(f"{name!r} {why} of {per}: both parts must be plain features.", hint=_near(name, plain))
    return plain[name]
