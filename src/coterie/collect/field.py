"""A field of a mapping: where the value of one canonical column comes from, and how it is written there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from coterie.collect.notation import Block
from coterie.schema import Kind

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Field:
    """Where the value of one canonical field comes from.

    Parameters
    ----------
    how
        ``column``, ``first`` (the first of several columns that is not missing), ``value`` (a constant), ``sum`` or
        ``multiply`` (of several number columns).
    columns
        The columns of the file, in order.
    value
        The constant.
    formats
        How a time is written: directives of strptime, ``iso``, ``unix``, ``unix_ms``, ``unix_us``; none is ISO 8601.
        Of several, all that can read a time must agree.
    unit
        Of money: ``major`` (12.50) or ``minor`` (1250).
    absolute
        Of numbers: take the magnitude, for sources that write discounts as negative numbers.
    days
        Of times: add so many days, for what is known only at the end of the day that a date names.
    strip
        Characters that are cut off both ends.
    case
        Of texts: ``lower`` or ``upper``.
    values
        What the source's words mean here, as pairs; the empty word stands for a missing value.
    prefixes
        What words mean that begin in this way, as pairs; the longest that fits counts.
    otherwise
        What all other words mean; without it they stay as they are.
    less
        Of numbers: columns that are subtracted; a missing one counts 0.
    less_share, plus_share
        Of money: an amount that is stated once a unit, of which the line's share is taken off, or added.
    """

    how: str
    columns: tuple[str, ...] = ()
    value: str | None = None
    formats: tuple[str, ...] = ()
    unit: str = "major"
    absolute: bool = False
    days: int = 0
    strip: str = ""
    case: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    prefixes: tuple[tuple[str, str], ...] = ()
    otherwise: str | None = None
    less: tuple[str, ...] = ()
    less_share: str | None = None
    plus_share: str | None = None

    @property
    def share(self) -> str | None:
        """The column of the amount that is stated once a unit, if any."""
        return self.less_share or self.plus_share

    @property
    def every_column(self) -> tuple[str, ...]:
        """All columns that the field looks at."""
        return (*self.columns, *self.less, *((self.share,) if self.share else ()))

    @property
    def meanings(self) -> tuple[str, ...]:
        """Every constant text that the field can give."""
        listed = (meaning for _, meaning in (*self.values, *self.prefixes))
        return tuple(each for each in (self.value, *listed, self.otherwise) if each is not None)

    @property
    def bare(self) -> str | None:
        """The column, where nothing else is said; None otherwise."""
        return self.columns[0] if self.columns and self == Field("column", self.columns) else None

    def to_json(self) -> dict[str, Any]:
        """Return the field as it is written in a mapping."""
        body: dict[str, Any] = {self.how: self.value if self.how == "value" else list(self.columns)}
        if self.how == "column":
            body["column"] = self.columns[0]
        extra = {
            "format": self.formats[0] if len(self.formats) == 1 else list(self.formats),
            "unit": self.unit if self.unit != "major" else None,
            "absolute": self.absolute,
            "days": self.days,
            "strip": self.strip,
            "case": self.case,
            "values": dict(self.values),
            "prefixes": dict(self.prefixes),
            "otherwise": self.otherwise,
            "less": list(self.less),
            "less_share": self.less_share,
            "plus_share": self.plus_share,
        }
        return body | {key: value for key, value in extra.items() if value}

    @classmethod
    def of(cls, block: Block, kind: pa.DataType, *, name: str = "", bare: str = "column") -> Field:
        """Make a field of its block; a block whose body is ``{"": text}`` was written as a bare text.

        Parameters
        ----------
        block
            What the mapping says.
        kind
            The type of the canonical column.
        name
            The canonical column: amounts and discounts have a unit and shares.
        bare
            What a bare text is: a ``column`` or a ``value``.

        Raises
        ------
        MappingError
            When the field says what cannot be followed.
        """
        if "" in block.body:
            text = block.text("", needed=True)
            return cls("value", value=text) if bare == "value" else cls("column", (text,))
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        words = pa.types.is_string(kind)
        money = name in ("amount", "discount")
        ways = ("column", "first", "value", *(("sum", "multiply") if number else ()))
        block.only(
            *ways,
            *(("format", "days") if pa.types.is_timestamp(kind) else ()),
            *(("absolute", "less") if number else ()),
            *(("unit",) if money else ()),
            *(("less_share",) if name == "amount" else ("plus_share",) if name == "discount" else ()),
            *(("values", "prefixes", "otherwise", "case") if words else ()),
            "strip",
        )
        given = [way for way in ways if way in block.body]
        if len(given) != 1:
            raise block.fail(f"needs exactly one of {', '.join(ways)}; it has {', '.join(given) or 'none'}.")
        how = given[0]
        value, columns = _origin(block, how, number=number)
        found = cls(
            how,
            columns,
            value,
            formats=block.time_formats("format"),
            unit=block.one_of(block.text("unit", "major"), ("major", "minor"), "unit"),
            absolute=block.flag("absolute"),
            days=block.whole("days", 0, -366, 366),
            strip=block.text("strip"),
            case=block.one_of(block.text("case"), ("lower", "upper"), "case") if "case" in block.body else None,
            values=block.meanings("values"),
            prefixes=block.meanings("prefixes"),
            otherwise=block.text("otherwise", needed=True) if "otherwise" in block.body else None,
            less=block.texts("less"),
            less_share=block.text("less_share", needed="less_share" in block.body) or None,
            plus_share=block.text("plus_share", needed="plus_share" in block.body) or None,
        )
        found._check(block)
        return found

    def _check(self, block: Block) -> None:
        """Refuse what could never do anything."""
        if self.how == "value":
            idle = sorted(set(block.body) & {"strip", "case", "values", "prefixes", "otherwise"})
            if idle:
                raise block.fail(f"a constant needs no {' or '.join(map(repr, idle))}.", "write it as it shall be.")
        if "" in dict(self.prefixes):
            raise block.fail("every word begins with the prefix ''.", "'otherwise' says what all other words mean.")
        for word, _ in (*self.values, *self.prefixes):
            if self.case and word != (word.lower() if self.case == "lower" else word.upper()):
                raise block.fail(f"case = {self.case!r} comes first, so that the word {word!r} never occurs.")
            if word and word.strip(self.strip or " ") != word and self.strip and (word, _) in self.values:
                raise block.fail(f"strip = {self.strip!r} comes first, so that the word {word!r} never occurs.")


def _origin(block: Block, how: str, *, number: bool) -> tuple[str | None, tuple[str, ...]]:
    """Return the constant and the columns that a field is made of."""
    if how == "value":
        value = block.body["value"]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise block.fail(f"'value' must be text or a number, got {value!r}.")
        if number and not _NUMBER.fullmatch(str(value)):
            raise block.fail(f"'value' of a number must be one, got {value!r}.", "with a decimal point: 12.50.")
        return str(value), ()
    if how == "column":
        return None, (block.text("column", needed=True),)
    columns = block.texts(how)
    if len(columns) < 2:
        raise block.fail(f"{how!r} needs two columns or more.")
    return None, columns


def identifier(block: Block, kind: str) -> Field:
    """Return where an identifier comes from: a column, or a table with ``column`` or ``first``, ``strip``, ``case``."""
    inner = block.entry(kind)
    if "" not in inner.body:
        inner.only("column", "first", "strip", "case")
    return Field.of(inner, pa.string())


def kind_of(block: Block, allowed: tuple[Kind, ...], what: str) -> Field:
    """Return where the kind of a row comes from; a bare text is a kind and not a column."""
    field = Field.of(block.entry("kind"), pa.string(), bare="value")
    for word in field.meanings:
        block.one_of(word, allowed, f"kind of {what}")
    return field
