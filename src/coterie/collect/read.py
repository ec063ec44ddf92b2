"""One read of a mapping: what the rows of one file, or of several alike, become."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Any

from coterie.collect import condition, field
from coterie.collect.condition import Condition
from coterie.collect.element import Each
from coterie.collect.field import Field
from coterie.collect.lookup import Join
from coterie.collect.notation import Block
from coterie.collect.targets import NOTHING, ORDER_KINDS, TARGETS, Target
from coterie.schema import IdentifierKind, Kind

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Read:
    """What the rows of one file, or of several alike, become.

    Parameters
    ----------
    file
        Path or glob, relative to the folder of the data; empty for a database.
    target
        What a row becomes.
    kind
        The kind of event or order line.
    id
        Columns that identify a row in this source; empty: the content does.
    identify
        Pairs of identifier kind and where it comes from, strongest first.
    fields
        Pairs of canonical field and where it comes from.
    traits, properties
        Pairs of name and column.
    join
        Look-ups, each of which may use the columns of those before it.
    where
        Which rows are taken; all conditions must hold.
    each
        The list whose elements become facts.
    unit
        Columns of what belongs together, such as an invoice.
    fill
        Columns that a unit states once: each of its rows gets the first value that is not missing.
    optional
        Columns that the source may lack altogether: all of them is missing then.
    missing
        Texts that mean that there is no value.
    timezone
        IANA zone of times without an offset.
    encoding, delimiter, decimal, thousands
        How a file of texts is written.
    sheet
        Of an Excel file: the sheet; None is the first.
    database
        The name of the environment variable that holds the address of a database, instead of ``file``.
    table, query
        What is read of the database: one of them.
    cursor
        The column by which the next import takes only what is new.
    number
        Counts reads of the same target and file, from 1.
    """

    file: str
    target: Target
    kind: Field | None = None
    id: tuple[str, ...] = ()
    identify: tuple[tuple[IdentifierKind, Field], ...] = ()
    fields: tuple[tuple[str, Field], ...] = ()
    traits: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    join: tuple[Join, ...] = ()
    where: tuple[Condition, ...] = ()
    each: Each | None = None
    unit: tuple[str, ...] = ()
    fill: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("",)
    timezone: str = "UTC"
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    sheet: str | None = None
    database: str | None = None
    table: str | None = None
    query: str | None = None
    cursor: str | None = None
    number: int = 1

    @property
    def origin(self) -> str:
        """The file, or the table of the database, as people and books call it."""
        return self.file or self.table or f"{self.database} query"

    @property
    def name(self) -> str:
        """What the books call this read: what its rows become, and of which files."""
        return f"{self.target.name} {self.origin}" + (f" {self.number}" if self.number > 1 else "")

    @property
    def mapped(self) -> tuple[Field, ...]:
        """Every field of the read: of its identifiers, its kind and its canonical columns."""
        found = [*(origin for _, origin in self.identify), self.kind, *dict(self.fields).values()]
        return tuple(each for each in found if each)

    @property
    def cells(self) -> tuple[str, ...]:
        """Every column and path that is named, also those inside an element."""
        named = [*self.id, *(column for each in self.mapped for column in each.every_column)]
        named += [column for _, column in (*self.traits, *self.properties)]
        named += [*(each.column for each in self.where), *self.unit, *self.fill]
        return tuple(dict.fromkeys(named))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns and paths that the file, with its look-ups, must have."""
        named = [self.each.column if self.each and self.inside(each) else each for each in self.cells]
        named += [self.each.column] if self.each else []
        named += [left for join in self.join for left, _ in join.on]
        named += [self.cursor] if self.cursor else []
        return tuple(dict.fromkeys(named))

    def may_lack(self, column: str) -> bool:
        """Tell whether the source may have no such column: it, or what it is a path into, is optional."""
        return any(column == each or column.startswith((f"{each}.", f"{each}[")) for each in self.optional)

    def inside(self, column: str) -> bool:
        """Tell whether a column is one of an element and not of the row."""
        return self.each is not None and self.each.inner(column) is not None

    def to_json(self) -> dict[str, Any]:
        """Return the read as it is written in a mapping, every default spelt out."""
        optional = {
            "sheet": self.sheet,
            "database": self.database,
            "table": self.table,
            "query": self.query,
            "cursor": self.cursor,
            "kind": self.kind.to_json() if self.kind else None,
            "where": condition.to_json(self.where),
            "each": self.each.to_json() if self.each else None,
            "fill": list(self.fill),
            "optional": list(self.optional),
            "thousands": self.thousands,
        }
        return {
            **({"file": self.file} if self.file else {}),
            "to": self.target.name,
            **{key: value for key, value in optional.items() if value},
            **({"unit": list(self.unit)} if self.unit != _usual_unit(self.target, self.fields) else {}),
            "id": list(self.id),
            "identify": {str(kind): origin.bare or origin.to_json() for kind, origin in self.identify},
            "fields": {name: each.to_json() for name, each in self.fields},
            "traits": dict(self.traits),
            "properties": dict(self.properties),
            "join": [join.to_json() for join in self.join],
            "missing": list(self.missing),
            "timezone": self.timezone,
            **({"encoding": self.encoding, "delimiter": self.delimiter} if self.file else {}),
            "decimal": self.decimal,
        }

    @classmethod
    def of(cls, number: int, body: Dictionary[str, Any], zone: str) -> Read:
        """Make a read of one block ``[[read]]``.

        Parameters
        ----------
        number
            Which block of the mapping it is, from 1.
        body
            What TOML or JSON holds there.
        zone
            The time zone of the mapping.

        Raises
        ------
        MappingError
            When the block says what cannot be followed.
        """
        block = Block(f"read {number}", body)
        origin = _origin(block)
        block.where = f"read {number} ({origin['file'] or origin['table'] or origin['database']})"
        block.only(*KEYS)
        target = TARGETS[block.one_of(block.text("to", needed=True), TARGETS, "target")]
        _refuse(block, target)
        fields = _fields(block, target)
        read = cls(
            **origin,
            **_writing(block),
            target=target,
            kind=_kind(block, target),
            id=block.texts("id"),
            identify=_identify(block, target),
            fields=fields,
            traits=block.pairs("traits"),
            properties=block.pairs("properties"),
            join=Join.all_of(block),
            where=Condition.all_of(block.inner("where")),
            each=Each.of(block),
            unit=block.texts("unit", _usual_unit(target, fields)),
            fill=block.texts("fill"),
            optional=block.texts("optional"),
            timezone=block.zone("timezone", zone),
        )
        read._check(block)
        return read

    def _check(self, block: Block) -> None:
        """Refuse keys that do not go together."""
        if self.target is NOTHING and not self.where:
            raise block.fail("to = \"nothing\" needs 'where'.", "it says which rows are left out on purpose.")
        if self.target.name == "trait" and bool(self.traits) == ({"trait", "value"} <= set(dict(self.fields))):
            raise block.fail("a trait needs either 'traits' = { name = column } or the fields trait and value.")
        if self.fill and not self.unit:
            raise block.fail("'fill' needs 'unit'.", 'name the columns of what belongs together: unit = ["order"].')
        if both := set(self.fill) & set(self.unit):
            raise block.fail(f"{min(both)!r} tells units apart and cannot be filled by them.")
        if self.each:
            of_rows = {"where": [each.column for each in self.where], "fill": self.fill}
            of_rows["join"] = [left for join in self.join for left, _ in join.on]
            for key, columns in of_rows.items():
                for column in columns:
                    if self.inside(column):
                        raise block.fail(f"{key!r} is about rows; {column!r} belongs to an element of 'each'.")
            stated = "'fill'" if self.fill else "a share" if any(each.share for _, each in self.fields) else ""
            if stated and any(map(self.inside, self.unit)):
                raise block.fail(f"{stated} needs a 'unit' of columns of the row, not of an element of 'each'.")
        for name, each in self.fields:
            if each.share and self.inside(each.share):
                raise block.fail(f"field {name}: {each.share!r} is of one element; a share is of a whole unit.")
            if each.share and not self.unit and not self.each:
                raise block.fail(f"field {name}: a share needs 'unit'.", "say which rows the amount is stated for.")


def _usual_unit(target: Target, fields: tuple[tuple[str, Field], ...]) -> tuple[str, ...]:
    """Return the columns of the unit where a read names none: lines belong to their order."""
    order = dict(fields).get("order_id") if target.name == "order_line" else None
    return order.columns if order else ()


KEYS = (
    *("file", "sheet", "database", "table", "query", "cursor", "to", "kind", "where", "each", "unit", "fill", "id"),
    *("identify", "fields", "traits", "properties", "join", "optional", "missing", "timezone"),
    *("encoding", "delimiter", "decimal", "thousands"),
)
"""The keys of a read."""


def _origin(block: Block) -> dict[str, Any]:
    """Return where the rows come from: a file or a database."""
    if "database" not in block.body:
        for key in ("table", "query", "cursor"):
            if key in block.body:
                raise block.fail(f"{key!r} is for a 'database'; this read has a file.")
        return {"file": block.path("file"), "sheet": block.text("sheet") or None, "database": None, "table": None}
    for key in ("file", "sheet", "encoding", "delimiter"):
        if key in block.body:
            raise block.fail(f"a 'database' has no {key!r}.")
    variable = block.text("database", needed=True)
    if not _VARIABLE.fullmatch(variable):
        raise block.fail(
            "'database' must be the name of an environment variable that holds the address.",
            'such as database = "SHOP_DATABASE"; addresses hold passwords and stay out of mappings.',
        )
    if ("table" in block.body) == ("query" in block.body):
        raise block.fail("a 'database' needs either 'table' or 'query'.")
    how = "table" if "table" in block.body else "query"
    found = {"file": "", "database": variable, "table": None, "cursor": block.text("cursor") or None}
    return {**found, how: block.text(how, needed=True)}


def _writing(block: Block) -> dict[str, Any]:
    """Return how texts are written."""
    encoding, delimiter = block.text("encoding", "utf-8"), block.text("delimiter", ",")
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise block.fail(f"unknown encoding {encoding!r}.", 'such as "utf-8" or "latin-1".') from error
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise block.fail(f"'delimiter' must be one character, got {delimiter!r}.")
    decimal, thousands = block.text("decimal", "."), block.text("thousands")
    block.one_of(decimal, (".", ","), "decimal mark")
    if thousands and (len(thousands) != 1 or thousands in "+-eE_" or thousands.isalnum() or thousands == decimal):
        raise block.fail(
            f"'thousands' must be one character that is no digit, sign or decimal mark, got {thousands!r}.",
            'such as thousands = "," where decimal = ".".',
        )
    return {
        "encoding": encoding,
        "delimiter": delimiter,
        "decimal": decimal,
        "thousands": thousands,
        "missing": tuple(dict.fromkeys(("", *block.texts("missing")))),
    }


def _refuse(block: Block, target: Target) -> None:
    """Refuse keys that the target has no use for."""
    has = block.body
    if target is NOTHING:
        block.only(
            *(
                "file",
                "sheet",
                "database",
                "table",
                "query",
                "cursor",
                "to",
                "where",
                "join",
                "unit",
                "fill",
                "optional",
                "missing",
            ),
            *("timezone", "encoding", "delimiter", "decimal"),
            *(key for key in has if not has[key]),
            what='key of to = "nothing"',
        )
    if has.get("traits") and target.name != "trait":
        raise block.fail("'traits' is only for to = \"trait\".")
    if has.get("properties") and not target.properties:
        raise block.fail(f"to = {target.name!r} keeps no properties.")
    if has.get("id") and target.key is None:
        raise block.fail(f"{target.name} rows are identified by their content; 'id' is not allowed.")


def _identify(block: Block, target: Target) -> tuple[tuple[IdentifierKind, Field], ...]:
    inner = block.inner("identify")
    inner.only(*IdentifierKind, what="kind of identifier")
    if target.personal and not inner.body:
        raise block.fail("'identify' is missing.", 'say whose row it is: identify = { customer_id = "column" }.')
    if inner.body and not target.personal:
        raise block.fail(f"{target.name} rows belong to nobody; 'identify' is not allowed.")
    return tuple((kind, field.identifier(inner, kind)) for kind in IdentifierKind if kind in inner.body)


def _fields(block: Block, target: Target) -> tuple[tuple[str, Field], ...]:
    body = block.inner("fields")
    body.only(*(name for name in target.fields if name != "kind"), what=f"canonical field of {target.name}")
    for name in target.required:
        if name not in body.body:
            raise block.fail(f"to = {target.name!r} needs {name!r}.", f'add it to fields: {name} = "column".')
    said = Block(block.where, body.body)
    return tuple(
        (name, Field.of(said.entry(name, "field "), target.schema.field(name).type, name=name)) for name in body.body
    )


def _kind(block: Block, target: Target) -> Field | None:
    if "kind" not in target.schema.names:
        if "kind" in block.body:
            raise block.fail(f"to = {target.name!r} has no kind.")
        return None
    if "kind" not in block.body:
        if target.name == "order_line":
            return Field("value", value=Kind.ORDER_COMPLETED)
        raise block.fail("'kind' is missing.", 'for example kind = "Product Viewed".')
    return field.kind_of(block, ORDER_KINDS if target.name == "order_line" else tuple(Kind), target.name)
