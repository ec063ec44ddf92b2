"""Paths into nested values, as SQL: ``context.traits.email``, ``products[0].sku``, ``event_params[ga_session_id]``.

A step after a point is a member of an object. A number in brackets is an element of a list, from 0; a word in brackets
is, of a list of entries ``{key, value}``, the value of that key, and of an object its member (so that a name may hold
points). The value of an entry may be an object of typed alternatives, of which one is filled in; that one is meant.

What a path does not lead to is missing; it is never an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from coterie.store.sql import text
from coterie.store.warehouse import quoted

_STEP = re.compile(r"\.([^.\[\]]+)|\[([^\[\]]+)\]")
_KEYS = ("key", "name")
_ENTRIES = '[{"key": "VARCHAR", "name": "VARCHAR", "value": "JSON"}]'
NOTHING = "CAST(NULL AS VARCHAR)"


@dataclass(frozen=True)
class Step:
    """One step of a path: a ``name``, in brackets or after a point."""

    name: str
    bracket: bool = False

    @property
    def index(self) -> int | None:
        """The element of a list that is meant, from 0; None when a name is."""
        return int(self.name) if self.bracket and self.name.isascii() and self.name.isdigit() else None


def steps(path: str) -> tuple[Step, ...] | None:
    """Return the steps of what follows a column's name; None when it is not a path.

    >>> [step.name for step in steps(".traits.email")]
    ['traits', 'email']
    >>> steps("[0].sku")[0].index
    0
    >>> steps(" and more") is None
    True
    """
    found, at = [], 0
    while at < len(path):
        if not (match := _STEP.match(path, at)):
            return None
        found.append(Step(match[1]) if match[1] else Step(match[2], bracket=True))
        at = match.end()
    return tuple(found)


def within(value: str, path: str) -> str:
    """Return SQL for the text of what a path leads to inside a JSON value, for example an element of a list.

    Parameters
    ----------
    value
        SQL for one JSON value.
    path
        As in a mapping, relative to the value: ``item_id``, ``params[color]``.
    """
    inner = steps("." + path if path and path[0] != "[" else path)
    return NOTHING if inner is None else json_text(value, inner)


def words(expression: str, kind: pa.DataType) -> str:
    """Return SQL that gives a source value as text, whole floating-point numbers without a decimal point.

    pandas turns whole numbers with gaps into floating-point ones; the customer 7.0 is still the customer 7. A nested
    value is JSON, bytes are hexadecimal digits.
    """
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return expression
    if pa.types.is_floating(kind):
        return (
            f"CASE WHEN {expression} = TRUNC({expression}) AND ABS({expression}) < 9007199254740992 "
            f"THEN CAST(CAST({expression} AS BIGINT) AS VARCHAR) ELSE CAST({expression} AS VARCHAR) END"
        )
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return f"LOWER(HEX({expression}))"
    if pa.types.is_nested(kind):
        return f"CAST(TO_JSON({expression}) AS VARCHAR)"
    return f"CAST({expression} AS VARCHAR)"


def text_of(value: str, kind: pa.DataType, inner: Sequence[Step]) -> str:
    """Return SQL for the text of what steps lead to inside a column of any type; a text is read as JSON."""
    if not inner:
        return words(value, kind)
    if _is_text(kind):
        return json_text(_valid(value), inner)
    found, there = _native(value, kind, inner)
    return found if there is None else words(found, there)


def elements_of(value: str, kind: pa.DataType, inner: Sequence[Step]) -> str:
    """Return SQL for the list of JSON values that steps lead to; a single object is a list of one."""
    if not _is_text(kind):
        found, there = _native(value, kind, inner)
        if there is None:
            return _listed(_valid(found))
        if _is_list(there):
            return f"LIST_TRANSFORM({found}, lambda each: TO_JSON(each))"
        return _listed(_valid(found)) if _is_text(there) else f"[TO_JSON({found})]"
    return _listed(_json(_valid(value), inner) if inner else _valid(value))


def json_text(value: str, inner: Sequence[Step]) -> str:
    """Return SQL for the text of what steps lead to inside a JSON value."""
    if not inner:
        return f"JSON_EXTRACT_STRING({value}, '$')"
    last = inner[-1]
    if last.bracket and last.index is None:
        filled = "LIST_FILTER(JSON_EXTRACT_STRING(found, '$.*'), lambda each: each IS NOT NULL)[1]"
        word = f"CASE WHEN STARTS_WITH(found, '{{') THEN {filled} ELSE JSON_EXTRACT_STRING(found, '$') END"
        return f"LIST_TRANSFORM([{_json(value, inner)}], lambda found: {word})[1]"
    return _extracted("JSON_EXTRACT_STRING", value, inner)


def _valid(value: str) -> str:
    """Return SQL for a text where it is JSON; one that is not leads nowhere."""
    return f"CASE WHEN JSON_VALID({value}) THEN {value} END"


def _json(value: str, inner: Sequence[Step]) -> str:
    """Return SQL for the JSON value that steps lead to."""
    return _extracted("JSON_EXTRACT", value, inner)


def _extracted(function: str, value: str, inner: Sequence[Step]) -> str:
    for at, step in enumerate(inner):
        if step.bracket and step.index is None:
            before = _json(value, inner[:at]) if at else value
            found, rest = _entry(before, step.name), inner[at + 1 :]
            return _extracted(function, found, rest) if rest else found
    return f"{function}({value}, {_text(_pointer(inner))})"


def _entry(value: str, key: str) -> str:
    """Return SQL for the value of a key: of a list of entries, or of an object.

    The list is parsed as a whole, outside of any condition, so that DuckDB does it once for all paths into it.
    """
    entries = f"JSON_TRANSFORM({value}, '{_ENTRIES}')"
    named = f"LIST_FILTER({entries}, lambda each: COALESCE(each.key, each.name) = {_text(key)})[1]"
    member = f"JSON_EXTRACT({value}, {_text(_pointer((Step(key),)))})"
    return (
        f"LIST_TRANSFORM([STRUCT_EXTRACT({named}, 'value')], lambda entry: CASE "
        f"WHEN entry IS NULL AND STARTS_WITH(LTRIM({value}), '{{') THEN {member} ELSE entry END)[1]"
    )


def _listed(value: str) -> str:
    return (
        f"CASE JSON_TYPE({value}) WHEN 'ARRAY' THEN JSON_EXTRACT({value}, '$[*]') "
        f"WHEN 'OBJECT' THEN [JSON_EXTRACT({value}, '$')] END"
    )


def _native(value: str, kind: pa.DataType, inner: Sequence[Step]) -> tuple[str, pa.DataType | None]:
    """Return SQL and type of what steps lead to inside a nested column; no type where it is text already."""
    for at, step in enumerate(inner):
        if _is_text(kind):
            return json_text(_valid(value), inner[at:]), pa.string()
        if _is_list(kind):
            value, found = _of_list(value, kind.value_type, step, last=at == len(inner) - 1)
        elif pa.types.is_map(kind):
            value, found = f"MAP_EXTRACT_VALUE({value}, {_text(step.name)})", kind.item_type
        else:
            value, found = _member(value, kind, step.name)
        if found is None:
            return value, None
        kind = found
    return value, kind


def _of_list(value: str, kind: pa.DataType, step: Step, *, last: bool) -> tuple[str, pa.DataType | None]:
    if step.index is not None:
        return f"LIST_EXTRACT({value}, {step.index + 1})", kind
    key = next((name for name in _KEYS if pa.types.is_struct(kind) and kind.get_field_index(name) >= 0), None)
    if key is None or not step.bracket or kind.get_field_index("value") < 0:
        return NOTHING, None
    entry = f"LIST_FILTER({value}, lambda each: CAST(each.{quoted(key)} AS VARCHAR) = {_text(step.name)})[1]"
    found, there = f"STRUCT_EXTRACT({entry}, 'value')", kind.field("value").type
    if last and pa.types.is_struct(there):
        members = [
            words(f"STRUCT_EXTRACT({found}, {_text(field.name)})", field.type)
            for field in there
            if not pa.types.is_nested(field.type)
        ]
        return f"COALESCE({', '.join([*members, NOTHING])})", None
    return found, there


def _member(value: str, kind: pa.DataType, name: str) -> tuple[str, pa.DataType | None]:
    if not pa.types.is_struct(kind) or kind.get_field_index(name) < 0:
        return NOTHING, None
    return f"STRUCT_EXTRACT({value}, {_text(name)})", kind.field(name).type


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _pointer(inner: Sequence[Step]) -> str:
    return "".join("/" + step.name.replace("~", "~0").replace("/", "~1") for step in inner)


def _text(value: str) -> str:
    return text(value).sql("duckdb")
