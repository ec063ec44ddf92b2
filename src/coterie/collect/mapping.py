"""What the files of a source mean: a declarative mapping from their columns to the canonical schemas.

A mapping is a TOML file (reference: ``docs/reference/mapping.md``)::

    source = "webshop"
    currency = "EUR"
    timezone = "Europe/Berlin"

    [lawful_basis]
    segmentation = "legitimate interest: we group customers by what they bought, to send fewer and fitter offers"

    [[read]]
    file = "orders-*.csv"
    to = "order_line"
    id = ["order", "position"]
    identify = { customer_id = "customer", email = "mail" }
    fields = { order_id = "order", amount = "total", occurred_at = "paid_at" }
"""

from __future__ import annotations

import codecs
import hashlib
import json
import tomllib
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from coterie.collect.notation import Block
from coterie.collect.targets import ORDER_KINDS, TARGETS, Target
from coterie.errors import MappingError
from coterie.schema import IdentifierKind, Kind, Purpose


@dataclass(frozen=True)
class Field:
    """Where the value of one canonical field comes from.

    Parameters
    ----------
    how
        ``column``, ``value`` (a constant), ``sum`` or ``multiply`` (of several number columns).
    columns
        The columns of the file, in order.
    value
        The constant.
    format
        How a time is written, as for ``strptime``, or ``unix`` or ``unix_ms``; None is ISO 8601.
    unit
        Of money: ``major`` (12.50) or ``minor`` (1250).
    absolute
        Of numbers: take the magnitude, for sources that write discounts as negative numbers.
    days
        Of times: add so many days, for what is known only at the end of the day that a date names.
    values
        What the source's words mean here, as pairs; other words stay as they are.
    """

    how: str
    columns: tuple[str, ...] = ()
    value: str | None = None
    format: str | None = None
    unit: str = "major"
    absolute: bool = False
    days: int = 0
    values: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the field as it is written in a mapping."""
        body: dict[str, Any] = {self.how: self.value if self.how == "value" else list(self.columns)}
        if self.how == "column":
            body["column"] = self.columns[0]
        extra = {"format": self.format, "values": dict(self.values), "absolute": self.absolute, "days": self.days}
        body |= {key: value for key, value in extra.items() if value}
        return body if self.unit == "major" else {**body, "unit": self.unit}


@dataclass(frozen=True)
class Join:
    """A look-up: at most one row of another file gives further columns to each row.

    Parameters
    ----------
    file
        The other file, relative to the folder of the data.
    on
        Pairs of column names, of the read file and of the other one.
    """

    file: str
    on: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Read:
    """What the rows of one file, or of several alike, become.

    Parameters
    ----------
    file
        Path or glob, relative to the folder of the data.
    target
        What a row becomes.
    kind
        The kind of event or order line.
    id
        Columns that identify a row in this source; empty: the content does.
    identify
        Pairs of identifier kind and column, strongest first.
    fields
        Pairs of canonical field and where it comes from.
    traits, properties
        Pairs of name and column.
    join
        Look-ups.
    missing
        Texts that mean that there is no value.
    timezone
        IANA zone of times without an offset.
    encoding, delimiter, decimal
        How a CSV file is written.
    """

    file: str
    target: Target
    kind: Field | None = None
    id: tuple[str, ...] = ()
    identify: tuple[tuple[IdentifierKind, str], ...] = ()
    fields: tuple[tuple[str, Field], ...] = ()
    traits: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    join: tuple[Join, ...] = ()
    missing: tuple[str, ...] = ("",)
    timezone: str = "UTC"
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."

    @property
    def name(self) -> str:
        """What the books call this read: what its rows become, and of which files."""
        return f"{self.target.name} {self.file}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the file, with its look-ups, must have."""
        named = [*self.id, *(column for _, column in (*self.identify, *self.traits, *self.properties))]
        named += [left for join in self.join for left, _ in join.on]
        named += [column for field in (self.kind, *dict(self.fields).values()) if field for column in field.columns]
        return tuple(dict.fromkeys(named))

    def to_json(self) -> dict[str, Any]:
        """Return the read as it is written in a mapping, every default spelt out."""
        return {
            "file": self.file,
            "to": self.target.name,
            **({"kind": self.kind.to_json()} if self.kind else {}),
            "id": list(self.id),
            "identify": {str(kind): column for kind, column in self.identify},
            "fields": {name: field.to_json() for name, field in self.fields},
            "traits": dict(self.traits),
            "properties": dict(self.properties),
            "join": [{"file": join.file, "on": dict(join.on)} for join in self.join],
            "missing": list(self.missing),
            "timezone": self.timezone,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "decimal": self.decimal,
        }


@dataclass(frozen=True)
class Mapping:
    """What a source's files mean, and why they may be used.

    Parameters
    ----------
    source
        The name that every fact carries; the same data imported under another name is another source.
    channel
        Where things happen unless a column says so: ``web``, ``store``, ``app``; None leaves it open.
    currency
        ISO 4217 code of amounts whose row names none; None is the shop's.
    lawful_basis
        Pairs of purpose and, in words, why the data may be used for it; empty: the gate refuses the source.
    reads
        The files.
    """

    source: str
    reads: tuple[Read, ...]
    channel: str | None = None
    currency: str | None = None
    lawful_basis: tuple[tuple[Purpose, str], ...] = ()

    @classmethod
    def load(cls, path: Path | str) -> Mapping:
        """Read a mapping from a TOML file.

        Raises
        ------
        MappingError
            When the file cannot be read or says something that cannot be followed; names the block and the key.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(f"Cannot read the mapping {path}: {error}.") from error
        try:
            return cls.of(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise MappingError(f"{path} is not valid TOML: {error}.") from error
        except MappingError as error:
            raise MappingError(f"{path}: {error.message}", hint=error.hint) from error

    @classmethod
    def of(cls, body: Dictionary[str, Any]) -> Mapping:
        """Make a mapping of what TOML or JSON holds; see ``load``."""
        top = Block("the mapping", body)
        top.only("source", "channel", "currency", "timezone", "lawful_basis", "read")
        basis = top.inner("lawful_basis")
        purposes = tuple((Purpose(basis.one_of(key, Purpose)), basis.text(key, needed=True)) for key in basis.body)
        reads = top.body.get("read", [])
        if not isinstance(reads, list) or not reads or not all(isinstance(read, dict) for read in reads):
            raise MappingError("the mapping reads no file.", hint='add a block [[read]] with file = … and to = "…".')
        zone = top.zone("timezone", "UTC")
        return cls(
            source=top.text("source", needed=True),
            channel=top.text("channel") or None,
            currency=top.text("currency") or None,
            lawful_basis=purposes,
            reads=tuple(_read(number, read, zone) for number, read in enumerate(reads, 1)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the mapping as it is written, every default spelt out."""
        body = {"source": self.source, "channel": self.channel, "currency": self.currency}
        return {
            **{key: value for key, value in body.items() if value},
            "lawful_basis": {str(purpose): words for purpose, words in self.lawful_basis},
            "read": [read.to_json() for read in self.reads],
        }

    @classmethod
    def from_json(cls, body: Dictionary[str, Any]) -> Mapping:
        """Make a mapping of what ``to_json`` returned."""
        return cls.of(body)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that the mapping says."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def meaning(self, read: Read) -> str:
        """Return what decides the facts of one read, as text: another text makes other facts of the same file."""
        body = [self.source, self.channel, self.currency, {**read.to_json(), "file": ""}]
        return json.dumps(body, sort_keys=True, ensure_ascii=False)


def _field(block: Block, kind: pa.DataType, *, money: bool, bare: str = "column") -> Field:
    """Make a field of its block; a block whose body is ``{"": text}`` was written as a bare text."""
    if "" in block.body:
        return Field("value", value=block.body[""]) if bare == "value" else Field("column", (block.body[""],))
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    ways = ("column", "value", *(("sum", "multiply") if number else ()))
    block.only(
        *ways,
        *(("format", "days") if pa.types.is_timestamp(kind) else ()),
        *(("unit",) if money else ()),
        *(("absolute",) if number else ("values",) if pa.types.is_string(kind) else ()),
    )
    given = [way for way in ways if way in block.body]
    if len(given) != 1:
        raise block.fail(f"needs exactly one of {', '.join(ways)}; it has {', '.join(given) or 'none'}.")
    how = given[0]
    unit = block.text("unit", "major")
    block.one_of(unit, ("major", "minor"), "unit")
    value = block.body.get("value")
    if how == "value":
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise block.fail(f"'value' must be text or a number, got {value!r}.")
        value = str(value)
    absolute = block.body.get("absolute", False)
    if not isinstance(absolute, bool):
        raise block.fail(f"'absolute' must be true or false, got {absolute!r}.")
    days = block.body.get("days", 0)
    if isinstance(days, bool) or not isinstance(days, int) or abs(days) > 366:
        raise block.fail(f"'days' must be a whole number of at most 366, got {days!r}.")
    columns = () if how == "value" else (block.text("column", needed=True),) if how == "column" else block.texts(how)
    if (len(columns) < 2 and how == "sum") or (len(columns) != 2 and how == "multiply"):
        raise block.fail(f"{how!r} needs {'two columns' if how == 'multiply' else 'two columns or more'}.")
    meanings = block.inner("values")
    values = tuple((word, meanings.text(word, needed=True)) for word in meanings.body)
    return Field(how, columns, value, block.time_format("format"), unit, absolute, days, values)


def _fields(block: Block, target: Target) -> tuple[tuple[str, Field], ...]:
    body = block.inner("fields")
    body.only(*(name for name in target.fields if name != "kind"), what=f"canonical field of {target.name}")
    found = []
    for name in body.body:
        value = body.body[name]
        inner = Block(f"{block.where}, field {name}", {"": value} if isinstance(value, str) else body.inner(name).body)
        found.append((name, _field(inner, target.schema.field(name).type, money=name in ("amount", "discount"))))
    return tuple(found)


def _kind(block: Block, target: Target) -> Field | None:
    if "kind" not in target.schema.names:
        if "kind" in block.body:
            raise block.fail(f"to = {target.name!r} has no kind.")
        return None
    allowed = ORDER_KINDS if target.name == "order_line" else tuple(Kind)
    if "kind" not in block.body:
        if target.name == "order_line":
            return Field("value", value=Kind.ORDER_COMPLETED)
        raise block.fail("'kind' is missing.", 'for example kind = "Product Viewed".')
    value = block.body["kind"]
    body = {"": value} if isinstance(value, str) else block.inner("kind").body
    field = _field(Block(f"{block.where}, kind", body), pa.string(), money=False, bare="value")
    for word in (field.value, *(meaning for _, meaning in field.values)):
        if word is not None:
            block.one_of(word, allowed, f"kind of {target.name}")
    return field


_KEYS = [
    "file",
    "to",
    "kind",
    "id",
    "identify",
    "fields",
    "traits",
    "properties",
    "join",
    "missing",
    "timezone",
    "encoding",
    "delimiter",
    "decimal",
]


def _read(number: int, body: Dictionary[str, Any], zone: str) -> Read:
    block = Block(f"read {number}", body)
    file = _inside(block, block.text("file", needed=True))
    block.where = f"read {number} ({file})"
    block.only(*_KEYS)
    target = TARGETS[block.one_of(block.text("to", needed=True), TARGETS, "target")]
    fields = _fields(block, target)
    identify = block.inner("identify")
    identify.only(*IdentifierKind, what="kind of identifier")
    if target.personal != bool(identify.body):
        if target.personal:
            raise block.fail("'identify' is missing.", 'say whose row it is: identify = { customer_id = "column" }.')
        raise block.fail(f"{target.name} rows belong to nobody; 'identify' is not allowed.")
    for name in target.required:
        if name not in dict(fields):
            raise block.fail(f"to = {target.name!r} needs {name!r}.", f'add it to fields: {name} = "column".')
    if body.get("traits") and target.name != "trait":
        raise block.fail("'traits' is only for to = \"trait\".")
    if target.name == "trait" and bool(block.pairs("traits")) == ({"trait", "value"} <= set(dict(fields))):
        raise block.fail("a trait needs either 'traits' = { name = column } or the fields trait and value.")
    if body.get("properties") and not target.properties:
        raise block.fail(f"to = {target.name!r} keeps no properties.")
    if body.get("id") and target.key is None:
        raise block.fail(f"{target.name} rows are identified by their content; 'id' is not allowed.")
    encoding, delimiter = block.text("encoding", "utf-8"), block.text("delimiter", ",")
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise block.fail(f"unknown encoding {encoding!r}.", 'such as "utf-8" or "latin-1".') from error
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise block.fail(f"'delimiter' must be one character, got {delimiter!r}.")
    return Read(
        file=file,
        target=target,
        kind=_kind(block, target),
        id=block.texts("id"),
        identify=tuple((kind, identify.text(kind, needed=True)) for kind in IdentifierKind if kind in identify.body),
        fields=fields,
        traits=block.pairs("traits"),
        properties=block.pairs("properties"),
        join=_joins(block),
        missing=tuple(dict.fromkeys(("", *block.texts("missing")))),
        timezone=block.zone("timezone", zone),
        encoding=encoding,
        delimiter=delimiter,
        decimal=block.one_of(block.text("decimal", "."), (".", ","), "decimal mark"),
    )


def _joins(block: Block) -> tuple[Join, ...]:
    value = block.body.get("join", [])
    found = []
    for body in [value] if isinstance(value, dict) else value:
        if not isinstance(body, dict):
            raise block.fail(f"'join' must be a table or a list of tables, got {value!r}.")
        inner = Block(f"{block.where}, join", body)
        inner.only("file", "on")
        if not inner.pairs("on"):
            raise inner.fail("'on' is missing.", 'for example on = "campaign_id", or on = { here = "there" }.')
        found.append(Join(_inside(inner, inner.text("file", needed=True)), inner.pairs("on")))
    return tuple(found)


def _inside(block: Block, file: str) -> str:
    """Return a path that stays in the folder of the data; a mapping from elsewhere must not read other files."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise block.fail(f"{file!r} must be a path inside the folder of the data.")
    return file
