"""Contracts as data: documents of the Open Data Contract Standard (version 3), read into rules and expectations."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from coterie.collect import predicate
from coterie.collect.expectation import OPERATORS, Bound, Expectation
from coterie.collect.notation import Block
from coterie.collect.rules import Rule, Severity
from coterie.collect.targets import TARGETS, Target
from coterie.errors import MappingError
from coterie.store.sql import text
from coterie.store.warehouse import quoted

COUNTS = ("nullValues", "missingValues", "invalidValues")
OURS = {"rowsPerDay": "rows", "weeklyVolume": "percent", "quarantinedRows": "percent", "identifiedRows": "percent"}
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "w": 604_800, "s": 1}
_LIMITS = {
    "minimum": ("<", "below"),
    "exclusiveMinimum": ("<=", "not above"),
    "maximum": (">", "above"),
    "exclusiveMaximum": (">=", "not below"),
}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where it was built
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def read(path: Path | str) -> dict[str, Any]:
    """Return what a YAML file holds.

    Raises
    ------
    MappingError
        When it cannot be read or is no contract.
    """
    try:
        written = Path(path).read_text("utf-8")
        body = yaml.load(written, Loader=_LOADER)  # noqa: S506 (a safe one)
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"Cannot read the contract {path}: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise MappingError(
            f"{path} is not valid YAML{where}.", hint="look for indentation and quotes there."
        ) from error
    if not isinstance(body, dict):
        raise MappingError(f"{path} is no contract.", hint="it begins with apiVersion, kind: DataContract and schema.")
    return {str(key): _plain(value) for key, value in body.items()}


def _plain(value: Any) -> Any:
    """Write what JSON has no type for as text: YAML reads an unquoted date as one."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


class Document:
    """A source's own contract as it is written.

    Parameters
    ----------
    body
        The whole document.
    taken
        Names of rules that are taken already.
    tried
        Whether its SQL was tried before, and need not be again.
    """

    def __init__(self, body: Mapping[str, Any], taken: frozenset[str], *, tried: bool = False) -> None:
        self.rules: list[Rule] = []
        self.expectations: list[Expectation] = []
        self._taken = set(taken)
        self._statements: dict[str, list[tuple[Block, str]]] = {}
        top = Block("the contract", body)
        if top.text("kind", "DataContract") != "DataContract" or not top.text("apiVersion", needed=True).startswith(
            "v3"
        ):
            raise top.fail("it must be a DataContract of the Open Data Contract Standard, apiVersion v3.…")
        for schema in _blocks(top, "schema"):
            self._schema(schema)
        for agreement in _blocks(top, "slaProperties"):
            self._agreement(agreement, top.text("slaDefaultElement"))
        for name, statements in self._statements.items() if not tried else ():
            predicate.tried(statements, TARGETS[name].schema)

    def _schema(self, block: Block) -> None:
        target = TARGETS[block.one_of(block.text("name", needed=True), TARGETS, "target")]
        block.where = target.name
        for inner in _blocks(block, "properties"):
            self._property(target, inner)
        for quality in _blocks(block, "quality"):
            self._quality(target, "", quality)

    def _property(self, target: Target, block: Block) -> None:
        name = block.text("name", needed=True)
        block.where = f"{target.name}, {name}"
        trait = name if target.name == "trait" and name not in _columns(target) else ""
        if not trait:
            block.one_of(name, _columns(target), f"column of {target.name}")
        severity = _severity(block, _custom(block, "severity"))
        for kind, wrong, broken in _limits(block, name, _cell(name, trait), target, trait):
            called = f"{name}_{kind}" if f"{name}_{kind}" not in self._taken else f"{target.name}_{name}_{kind}"
            said = {"name": called, "description": wrong}
            self._rule(target, Block(block.where, said), broken, severity, trait)
        if block.body.get("unique") is True or block.body.get("primaryKey") is True:
            bound = Bound("mustBe", (0.0,))
            self._expect(
                block, f"{target.name} {name} duplicateValues", target.name, "duplicateValues", bound, columns=(name,)
            )
        for quality in _blocks(block, "quality"):
            self._quality(target, name, quality)

    def _quality(self, target: Target, name: str, block: Block) -> None:
        """Take one check: of a row where it forbids every row that breaks it, else of the data as a whole."""
        block.where = f"{target.name}, {name}" if name else target.name
        kind = block.one_of(
            block.text("type", "library"), ("library", "sql", "custom", "text"), "type of quality check"
        )
        if block.body.get("name"):
            block.where += f", check {block.text('name')!r}"
        if kind == "custom" and block.text("engine", needed=True) == "coterie":
            self._ours(target, block)
        elif kind == "sql":
            self._sql(target, block)
        elif kind == "library":
            self._library(target, name, block)

    def _ours(self, target: Target, block: Block) -> None:
        how = block.body.get("implementation")
        if isinstance(how, str):
            broken = predicate.condition(how, block, _columns(target))
            self._rule(target, block, broken, _severity(block, block.text("severity", "error")))
            return
        inner = block.inner("implementation")
        metric = inner.one_of(inner.text("metric", needed=True), OURS, "metric of coterie")
        inner.only("metric", "days", "weeks", *OPERATORS)
        days = inner.body.get("days", inner.body.get("weeks", 8 if metric == "weeklyVolume" else 1))
        if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 366:
            raise inner.fail(f"'days' and 'weeks' must be whole numbers from 1 to 366, got {days!r}.")
        _stored(target, inner, metric)
        self._expect(block, f"{target.name} {metric}", target.name, metric, _bound(inner), OURS[metric], days=days)

    def _sql(self, target: Target, block: Block) -> None:
        measure, where = predicate.query(block.text("query", needed=True), block, _columns(target), target.name)
        bound = _bound(block)
        if measure == "COUNT(*)" and where and bound == Bound("mustBe", (0.0,)):
            self._rule(target, block, where, _severity(block, block.text("severity", "error")))
            return
        _stored(target, block, "sql")
        self._try(target, block, f"CAST({measure} AS DOUBLE) FROM row WHERE TRY({where or 'TRUE'})")
        self._expect(block, f"{target.name} {measure}", target.name, "sql", bound, "", measure=measure, where=where)

    def _library(self, target: Target, name: str, block: Block) -> None:
        metric = block.text("metric") or block.text("rule", needed=True)
        block.one_of(metric, (*COUNTS, "duplicateValues", "rowCount"), "metric")
        unit = block.one_of(block.text("unit", "rows"), ("rows", "percent"), "unit")
        bound, arguments = _bound(block), block.inner("arguments")
        if metric in COUNTS:
            trait = name if target.name == "trait" and name not in _columns(target) else ""
            if not name:
                raise block.fail(f"{metric!r} belongs to a column.", "put it under the property that it is about.")
            counted, wrong = _counted(metric, arguments, name, _cell(name, trait), target)
            if bound == Bound("mustBe", (0.0,)):
                said = {"name": f"{name}_{metric.removesuffix('Values')}", "description": wrong, **block.body}
                self._rule(
                    target, Block(block.where, said), counted, _severity(block, block.text("severity", "error")), trait
                )
                return
            if trait:
                raise block.fail("a share of people with a trait cannot be expected yet; only mustBe: 0 can.")
            _stored(target, block, metric)
            self._expect(block, f"{target.name} {name} {metric}", target.name, metric, bound, unit, (name,), counted)
            return
        _stored(target, block, metric)
        columns: tuple[str, ...] = (name,) if name else ()
        if metric == "duplicateValues":
            columns = arguments.texts("properties", columns)
            if not columns:
                raise block.fail(
                    "'duplicateValues' needs columns.", "arguments: { properties: [order_id, product_id] }."
                )
            for column in columns:
                block.one_of(column, _columns(target), f"column of {target.name}")
        about = " ".join((target.name, *columns, metric))
        self._expect(block, about, target.name, metric, bound, unit, columns)

    def _agreement(self, block: Block, default: str) -> None:
        """Take a service level: how old the newest fact, or the newest import, may be."""
        kind = block.text("property", needed=True)
        if kind not in ("latency", "frequency"):  # retention, availability, …: nothing that can be seen in the data
            return
        value, unit = block.body.get("value"), block.text("unit", "d").lower()
        seconds = _SECONDS.get(unit[:1]) if not unit.startswith("mo") else None
        if isinstance(value, bool) or not isinstance(value, int | float) or seconds is None or value <= 0:
            raise block.fail(f"{kind!r} needs a value above 0 in days, hours or minutes, got {value!r} {unit!r}.")
        element = block.text("element", default)
        target, _, column = element.partition(".")
        if target:
            block.one_of(target, TARGETS, "target")
            times = [field.name for field in TARGETS[target].schema if pa.types.is_timestamp(field.type)]
            column = block.one_of(column or times[0], times, f"time of {target}")
        bound = Bound("mustBeLessOrEqualTo", (float(value * seconds),))
        name = block.text("description") or " ".join((kind, element)).strip()
        self._expect(
            Block(block.where, {"name": name}), name, target, kind, bound, "seconds", (column,) if column else ()
        )

    def _rule(self, target: Target, block: Block, broken: str, severity: Severity, trait: str = "") -> None:
        number = len(self.rules) + 1
        name = block.text("name") or f"{target.name}_{number}"
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        if not _NAME.fullmatch(slug):
            raise block.fail(f"a check's name must begin with a letter and have at most 63 characters, got {name!r}.")
        if slug in self._taken:
            raise block.fail(f"there is a rule {slug!r} already.", "give the check another 'name'.")
        self._taken.add(slug)
        wrong = block.text("description") or f"breaks the rule {name!r} of its source's contract"
        self._try(target, block, f"TRY({broken.replace(_cell(trait, trait), repr('x')) if trait else broken}) FROM row")
        hint = str(_custom(block, "hint") or "")
        self.rules.append(
            Rule(slug, wrong.rstrip("."), hint, severity, ((target.name, broken),), own=True, trait=trait)
        )

    def _try(self, target: Target, block: Block, statement: str) -> None:
        self._statements.setdefault(target.name, []).append((block, statement))

    def _expect(
        self,
        block: Block,
        default: str,
        target: str,
        metric: str,
        bound: Bound,
        unit: str = "rows",
        columns: tuple[str, ...] = (),
        measure: str = "",
        where: str = "",
        days: int = 1,
    ) -> None:
        name = block.text("name") or default
        if any(one.name == name for one in self.expectations):
            raise block.fail(f"there is an expectation {name!r} already.", "give the check another 'name'.")
        self.expectations.append(Expectation(name, target, metric, bound, unit, columns, measure, where, days))


def _columns(target: Target) -> tuple[str, ...]:
    """Return the columns of a row that a contract may speak of."""
    further = ("original_amount", "original_currency", *(("properties",) if target.properties else ()))
    return tuple(name for name in target.schema.names if name in target.fields or name in further)


def _cell(name: str, trait: str) -> str:
    return quoted(f"trait#{trait}" if trait else name)


def _stored(target: Target, block: Block, metric: str) -> None:
    if target.table is None and metric != "quarantinedRows":
        raise block.fail(f"{metric!r} cannot be expected of {target.name}, which is kept by the gate.")


def _blocks(block: Block, key: str) -> list[Block]:
    value = block.body.get(key) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise block.fail(f"{key!r} must be a list of tables, got {str(value)[:100]!r}.")
    return [Block(f"{block.where}, {key} {number}", each) for number, each in enumerate(value, 1)]


def _custom(block: Block, name: str) -> Any:
    """Return one of the custom properties."""
    return next(
        (one.body.get("value") for one in _blocks(block, "customProperties") if one.body.get("property") == name), None
    )


def _severity(block: Block, word: Any) -> Severity:
    word = block.one_of(str(word or "error"), ("error", "warning"), "severity")
    return Severity.QUARANTINE if word == "error" else Severity.WARN


def _bound(block: Block) -> Bound:
    given = [name for name in OPERATORS if name in block.body]
    if len(given) != 1:
        raise block.fail(f"exactly one of {', '.join(OPERATORS)} is needed; it has {', '.join(given) or 'none'}.")
    value = block.body[given[0]]
    values = value if given[0].endswith("Between") else [value]
    right = isinstance(values, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in values
    )
    if not right or len(values) != (2 if given[0].endswith("Between") else 1):
        raise block.fail(
            f"{given[0]!r} must be {'two numbers' if given[0].endswith('Between') else 'a number'}, got {value!r}."
        )
    return Bound(given[0], tuple(float(one) for one in values))


def _limits(block: Block, name: str, cell: str, target: Target, trait: str) -> list[tuple[str, str, str]]:
    """Return what a property demands of each row: a word for the rule's name, what is wrong, and the condition."""
    found = []
    if block.body.get("required") is True:
        found.append(("missing", f"has no {name}", f"{cell} IS NULL"))
    options, kind = block.inner("logicalTypeOptions"), _type(target, name, trait)
    texts, times = pa.types.is_string(kind), pa.types.is_timestamp(kind)
    further = ("format", "timezone", "defaultTimezone") if times else ()  # all times are naive UTC by now
    options.only(*_LIMITS, "pattern", "minLength", "maxLength", *further, what="option that can be judged")
    parts, words = [], []
    for option, (sign, said) in _LIMITS.items():
        if option not in options.body:
            continue
        value = options.body[option]
        if texts and not trait:
            raise options.fail(f"{option!r} is for numbers and times; {name} is text.")
        if isinstance(value, bool) or not isinstance(value, str if times else (int, float)):
            raise options.fail(f"{option!r} must be {'a time in quotes' if times else 'a number'}, got {value!r}.")
        figure = f"TRY_CAST({cell} AS DOUBLE)" if trait else cell
        shown = f"TRY_CAST({text(value).sql('duckdb')} AS TIMESTAMP)" if isinstance(value, str) else repr(value)
        parts.append(f"{figure} {sign} {shown}")
        words.append(f"{said} {value}")
    if parts:
        found.append(("range", f"has {_a(name)} {' or '.join(words)}", " OR ".join(parts)))
    lengths = {key: options.body[key] for key in ("minLength", "maxLength") if key in options.body}
    if lengths:
        if not texts or any(isinstance(value, bool) or not isinstance(value, int) for value in lengths.values()):
            raise options.fail(
                f"minLength and maxLength are whole numbers, and for texts; {name} is {kind}, got {lengths}."
            )
        signs = {"minLength": "<", "maxLength": ">"}
        broken = " OR ".join(f"LENGTH({cell}) {signs[key]} {value}" for key, value in lengths.items())
        said = " or ".join(
            f"{'fewer' if key == 'minLength' else 'more'} than {value}" for key, value in lengths.items()
        )
        found.append(("length", f"has {_a(name)} of {said} characters", broken))
    if "pattern" in options.body:
        found.append(("pattern", *_unlike(options, options.text("pattern", needed=True), name, cell, texts)))
    if "enum" in block.body:
        values = [str(one.body.get("value")) for one in _blocks(block, "enum")]
        found.append(("words", *_other(values, name, cell)))
    return found


def _counted(metric: str, arguments: Block, name: str, cell: str, target: Target) -> tuple[str, str]:
    """Return SQL that is true for the rows that a metric counts, and what is wrong with these."""
    if metric == "nullValues":
        return f"{cell} IS NULL", f"has no {name}"
    if metric == "missingValues":
        absent = arguments.body.get("missingValues", [None, ""])
        if not isinstance(absent, list):
            raise arguments.fail(f"'missingValues' must be a list, got {absent!r}.")
        listed = ", ".join(text(str(value)).sql("duckdb") for value in absent if value is not None)
        same = f" OR CAST({cell} AS VARCHAR) IN ({listed})" if listed else ""
        return f"{cell} IS NULL{same}", f"has no {name}"
    if "pattern" in arguments.body:
        texts = pa.types.is_string(_type(target, name, ""))
        wrong, broken = _unlike(arguments, arguments.text("pattern", needed=True), name, cell, texts)
    else:
        values = arguments.body.get("validValues")
        if not isinstance(values, list) or not values:
            raise arguments.fail("'invalidValues' needs arguments: { validValues: […] } or { pattern: … }.")
        wrong, broken = _other([str(value) for value in values], name, cell)
    return broken, wrong


def _type(target: Target, name: str, trait: str) -> pa.DataType:
    known = name in target.schema.names and not trait
    return target.schema.field(name).type if known else pa.string()


def _unlike(block: Block, pattern: str, name: str, cell: str, texts: bool) -> tuple[str, str]:
    if not texts:
        raise block.fail(f"'pattern' is for texts; {name} is none.")
    return f"has {_a(name)} unlike the pattern {pattern}", f"NOT REGEXP_MATCHES({cell}, {text(pattern).sql('duckdb')})"


def _other(values: list[str], name: str, cell: str) -> tuple[str, str]:
    shown = ", ".join(values[:8]) + (", …" if len(values) > 8 else "")
    listed = ", ".join(text(value).sql("duckdb") for value in values)
    return f"has {_a(name)} other than {shown}", f"CAST({cell} AS VARCHAR) NOT IN ({listed})"


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
