"""From the columns of a staged file to canonical fields: one SELECT for each read of a mapping.

Beside the canonical fields, a translated row has columns that the contract and the intake look at; their names begin
with or contain ``#``: ``#row``, ``#id`` and ``#no_id``, ``#longest``, ``#empty``, ``subject#<kind>`` for each kind of
identifier, ``trait#<name>`` for each trait of a wide table, and ``<field>#given``, which tells a value that cannot be
understood from one that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from coterie.collect.mapping import Field, Mapping, Read
from coterie.collect.sources import ROW, Staged, words
from coterie.config import minor_units
from coterie.schema import Kind
from coterie.store.sql import text
from coterie.store.warehouse import quoted

_SPACES = " \t\r\n\u00a0"  # all but the last sort before "!"
_ISO = (
    r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$",
    r"^\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d{2}(:\d{2}(\.\d{1,9})?)? ?(Z|UTC|[+-]\d{2}(:?\d{2})?)$",
)


def literal(value: str) -> str:
    """Return a text as SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return text(value).sql("duckdb")


class Translation:
    """The SELECT of one read over one staged file.

    Parameters
    ----------
    mapping, read
        What the file means.
    staged
        The file, with its look-ups joined.
    currency
        The shop's, ISO 4217: tells how many decimals an amount has, and stands where no other is named.
    """

    def __init__(self, mapping: Mapping, read: Read, staged: Staged, currency: str) -> None:
        staged.require(read.columns)
        self.mapping = mapping
        self.read = read
        self.staged = staged
        self.currency = currency
        self._decimals = minor_units(currency)
        self._cells = {name: f"c{position}" for position, name in enumerate(read.columns)}
        self._parsed: dict[str, str] = {}

    def identifiers(self) -> list[tuple[str, str]]:
        """Return kind and query of the distinct raw identifiers of each kind: one column, ``raw``, without nulls."""
        found: list[tuple[str, str]] = []
        for kind, name in self.read.identify:
            cells = f"SELECT DISTINCT {quoted(name)} FROM {self.staged.relation}"
            texts = f"SELECT {self._text(name)} AS raw FROM ({self._source([name], f'({cells})')})"
            found.append((kind, f"SELECT DISTINCT raw FROM ({texts}) WHERE raw IS NOT NULL"))
        return found

    def select(self, who: str) -> str:
        """Return the query of the translated rows, in any order.

        Parameters
        ----------
        who
            Name of the relation ``kind, raw, subject`` with the subject of each raw identifier.
        """
        read, target = self.read, self.read.target
        fields = dict(read.fields)
        columns = [f"{quoted(ROW)}", *self._subjects(), *self._identity()]
        for name in target.fields:
            if name == "kind":
                columns.append(f"{self._words(read.kind)} AS kind")
                continue
            columns += self._canonical(name, target.schema.field(name).type, fields.get(name))
        if target.properties:
            columns.append(f"{self._properties()} AS properties")
        columns += [f"{self._text(name)} AS {quoted('trait#' + trait)}" for trait, name in read.traits]
        joins = "".join(
            f" LEFT JOIN {who} AS who{position} ON who{position}.kind = {literal(kind)} "
            f"AND who{position}.raw = {self._text(name)}"
            for position, (kind, name) in enumerate(read.identify)
        )
        parsed = "".join(f", {expression} AS {alias}" for expression, alias in self._parsed.items())
        cells = f"SELECT *{parsed} FROM ({self._source([ROW, *self._cells], self.staged.relation)})"
        inner = f"SELECT {', '.join(columns)} FROM ({cells}) AS cells{joins}"
        return f"SELECT *{self._replaced()}, {self._judged()} FROM ({inner})"

    @property
    def passing(self) -> list[str]:
        """The columns that ``select`` gives for the contract alone."""
        target = self.read.target
        given = [f"{name}#given" for name in target.fields if not pa.types.is_string(target.schema.field(name).type)]
        passing = ["#longest", "#empty", *(["#id", "#no_id"] if target.key else []), *given]
        return [name for name in passing if name != "available_at#given"]

    def _once(self, expression: str) -> str:
        """Return a column for an expression over cells: DuckDB works out an expression as often as it is written."""
        return self._parsed.setdefault(expression, f"p{len(self._parsed)}")

    def _source(self, names: list[str], relation: str) -> str:
        cells = (
            f"{self._cell(name)} AS {self._cells[name]}" if name in self._cells else quoted(name) for name in names
        )
        return f"SELECT {', '.join(cells)} FROM {relation}"

    def _cell(self, name: str) -> str:
        """Return a source column with everything that means "nothing" as null."""
        raw, kind = quoted(name), self.staged.columns[name]
        nothing = sorted({each.strip().lower() for each in self.read.missing} - {""})
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            # TRIM with characters of one's own takes four times as long as looking whether there is anything to trim.
            spaces = ", ".join(map(literal, _SPACES))
            raw = (
                f"CASE WHEN {raw} < '!' OR ASCII({raw}) = {ord(_SPACES[-1])} OR {raw}[-1] IN ({spaces}) "
                f"THEN NULLIF(TRIM({raw}, {literal(_SPACES)}), '') ELSE {raw} END"
            )
        if not nothing:
            return raw
        listed = ", ".join(map(literal, nothing))
        return f"CASE WHEN LOWER(CAST({raw} AS VARCHAR)) IN ({listed}) THEN NULL ELSE {raw} END"

    def _text(self, name: str) -> str:
        return words(self._cells[name], self.staged.columns[name])

    def _words(self, field: Field | None) -> str:
        """Return a text field."""
        if field is None:
            return "CAST(NULL AS VARCHAR)"
        if field.how == "value":
            return literal(field.value or "")
        value = self._text(field.columns[0])
        if not field.values:
            return value
        cases = " ".join(f"WHEN {literal(word)} THEN {literal(meaning)}" for word, meaning in field.values)
        return f"CASE {value} {cases} ELSE {value} END"

    def _canonical(self, name: str, kind: pa.DataType, field: Field | None) -> list[str]:
        """Return the columns of one canonical field: its value and, unless it is text, whether the source gave one."""
        if pa.types.is_string(kind):
            if name == "currency":
                return [f"COALESCE(UPPER({self._words(field)}), {literal(self.currency)}) AS currency"]
            default = literal(self.mapping.channel) if name == "channel" and self.mapping.channel else None
            value = f"COALESCE({self._words(field)}, {default})" if default else self._words(field)
            return [f"{value} AS {quoted(name)}"]
        if field is None:
            given, value = "FALSE", "NULL"
            kind_of = (
                "TIMESTAMP" if pa.types.is_timestamp(kind) else "DOUBLE" if pa.types.is_floating(kind) else "BIGINT"
            )
            value = f"CAST(NULL AS {kind_of})"
        else:
            given = " OR ".join(f"{self._cells[each]} IS NOT NULL" for each in field.columns) or "TRUE"
            if pa.types.is_timestamp(kind):
                value = self._time(field)
            else:
                value = self._number(field, money=pa.types.is_integer(kind))
                value = f"ABS({value})" if field.absolute else value
        return [f"{value} AS {quoted(name)}", f"({given}) AS {quoted(name + '#given')}"]

    def _number(self, field: Field, *, money: bool) -> str:
        exact = "DECIMAL(18, 6)" if money else "DOUBLE"
        if field.how == "value":
            value = f"TRY_CAST({literal(field.value or '')} AS {exact})"
        else:
            value = self._combined(field, exact)
        if not money:
            return f"CASE WHEN ISFINITE({value}) THEN {value} END"
        decimals = self._decimals if field.unit == "major" else 0
        return f"TRY_CAST(ROUND({value}, {decimals}) * {10**decimals} AS BIGINT)"

    def _combined(self, field: Field, exact: str) -> str:
        """Return the sum or product of columns: null where one cannot be understood; gaps count as 0 in a sum."""
        parts, bad = [], []
        for name in field.columns:
            cell = self._cells[name]
            value = cell
            if self.read.decimal == "," and pa.types.is_string(self.staged.columns[name]):
                value = f"REPLACE(TRANSLATE({cell}, '. \u00a0\u202f''', ''), ',', '.')"
            parts.append(self._once(f"TRY_CAST({value} AS {exact})"))
            bad.append(f"({cell} IS NOT NULL AND {parts[-1]} IS NULL)")
        if len(parts) == 1:
            return parts[0]
        if field.how == "multiply":
            return " * ".join(parts)
        nothing = " AND ".join(f"{self._cells[name]} IS NULL" for name in field.columns)
        return f"CASE WHEN {' OR '.join(bad)} OR ({nothing}) THEN NULL ELSE {_total(parts)} END"

    def _time(self, field: Field) -> str:
        if field.how == "value":
            cell, kind = literal(field.value or ""), pa.string()
        else:
            cell, kind = self._cells[field.columns[0]], self.staged.columns[field.columns[0]]
        if field.format in ("unix", "unix_ms"):
            scale = 1_000_000 if field.format == "unix" else 1_000
            seconds = f"TRY_CAST({cell} AS DECIMAL(24, 6)) * {scale}"
            seconds = self._once(seconds)
            return f"CASE WHEN ABS({seconds}) < 9000000000000000 THEN MAKE_TIMESTAMP(CAST({seconds} AS BIGINT)) END"
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            value = f"TIMEZONE('UTC', {cell})"
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            value = self._local(f"CAST({cell} AS TIMESTAMP)")
        elif field.format and ("%z" in field.format or "%Z" in field.format):
            value = f"TIMEZONE('UTC', TRY_STRPTIME({words(cell, kind)}, {literal(field.format)}))"
        elif field.format:
            value = self._local(f"TRY_STRPTIME({words(cell, kind)}, {literal(field.format)})")
        else:
            # DuckDB reads an offset and then forgets it, and takes words such as 'epoch': so only these two are read.
            naive, aware = (f"REGEXP_MATCHES({words(cell, kind)}, {literal(pattern)})" for pattern in _ISO)
            close = f"REGEXP_REPLACE({words(cell, kind)}, ' ?(Z|UTC)$', 'Z')"
            close = f"REGEXP_REPLACE({close}, ' ([+-][0-9:]+)$', '\\1')"
            value = (
                f"CASE WHEN {naive} THEN {self._local(f'TRY_CAST({cell} AS TIMESTAMP)')} "
                f"WHEN {aware} THEN TIMEZONE('UTC', TRY_CAST({close} AS TIMESTAMPTZ)) END"
            )
        value = self._once(value)
        later = f" + INTERVAL {field.days} DAY" if field.days else ""
        return f"CASE WHEN ISFINITE({value}) THEN {value}{later} END"

    def _local(self, naive: str) -> str:
        """Return UTC for a wall-clock time in the zone of the read."""
        zone = self.read.timezone
        return naive if zone == "UTC" else f"TIMEZONE('UTC', TIMEZONE({literal(zone)}, {naive}))"

    def _subjects(self) -> list[str]:
        if not self.read.target.personal:
            return []
        found = [f"who{position}.subject" for position in range(len(self.read.identify))]
        named = [
            f"{subject} AS {quoted('subject#' + kind)}"
            for subject, (kind, _) in zip(found, self.read.identify, strict=True)
        ]
        return [f"COALESCE({', '.join(found)}) AS subject", *(named if len(found) > 1 else [])]

    def _identity(self) -> list[str]:
        """Return the declared id; a column that identifies a person gives the subject's key, not the clear text."""
        if self.read.target.key is None:
            return []
        people = {
            name: f"CAST(who{position}.subject AS VARCHAR)" for position, (_, name) in enumerate(self.read.identify)
        }
        parts = [people.get(name, self._text(name)) for name in self.read.id]
        if not parts:
            return ['CAST(NULL AS VARCHAR) AS "#id"', 'FALSE AS "#no_id"']
        absent = " OR ".join(f"{part} IS NULL" for part in parts)
        return [f'{composed(parts)} AS "#id"', f'({absent}) AS "#no_id"']

    def _properties(self) -> str:
        parts = [
            f"CASE WHEN {self._cells[name]} IS NOT NULL THEN "
            f"CONCAT({literal(_json_key(key))}, CAST(TO_JSON({self._cells[name]}) AS VARCHAR)) END"
            for key, name in self.read.properties
        ]
        return f"CONCAT('{{', CONCAT_WS(', ', {', '.join(parts)}), '}}')" if parts else "CAST(NULL AS VARCHAR)"

    def _replaced(self) -> str:
        """Return what depends on other fields: a refund's amount is what was paid back, whatever its sign."""
        name = self.read.target.name
        if name == "order_line":
            back = f"kind <> {literal(Kind.ORDER_COMPLETED)}"
            return (
                f" REPLACE (CASE WHEN {back} THEN ABS(amount) ELSE amount END AS amount, "
                f"CASE WHEN {back} THEN ABS(quantity) ELSE quantity END AS quantity)"
            )
        return " REPLACE (CASE WHEN amount IS NOT NULL THEN currency END AS currency)" if name == "event" else ""

    def _judged(self) -> str:
        """Return the columns that only the contract looks at."""
        name = self.read.target.name
        ids = [each for each in (*self.read.target.fields, "#id") if each.endswith("_id") or each == "#id"]
        if name not in ("order_line", "event"):
            ids.remove("#id")
        longest = f"GREATEST({', '.join(f'COALESCE(LENGTH({quoted(each)}), 0)' for each in ids)}, 0)" if ids else "0"
        traits = [f"{quoted('trait#' + trait)} IS NULL" for trait, _ in self.read.traits] or [
            "trait IS NULL OR value IS NULL"
        ]
        empty = " AND ".join(traits) if name == "trait" else "FALSE"
        return f'{longest} AS "#longest", ({empty}) AS "#empty"'


def composed(parts: Sequence[str]) -> str:
    """Return SQL for one text of several, from which the parts could be told again; null when one of them is."""
    if len(parts) == 1:
        return f"CAST({parts[0]} AS VARCHAR)"
    texts = [f"CAST({part} AS VARCHAR)" for part in parts]
    escaped = [
        f"CASE WHEN CONTAINS({each}, '\\') OR CONTAINS({each}, '/') "
        f"THEN REPLACE(REPLACE({each}, '\\', '\\\\'), '/', '\\/') ELSE {each} END"
        for each in texts
    ]
    return " || '/' || ".join(escaped)


def _total(parts: Sequence[str]) -> str:
    return " + ".join(f"COALESCE({part}, 0)" for part in parts)


def _json_key(key: str) -> str:
    return json.dumps(key, ensure_ascii=False) + ": "
