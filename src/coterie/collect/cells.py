"""The cells of a source that a read names: cleaned, filled within their unit, of the rows and elements that it takes.

A cell is a column ``c0``, ``c1`` … of the relation that ``Cells.relation`` gives; an expression over cells that is
needed more than once becomes a column of its own (``once``): DuckDB works out an expression as often as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from coterie.collect import paths
from coterie.collect.condition import Condition
from coterie.collect.element import Each
from coterie.collect.field import Field
from coterie.collect.paths import words
from coterie.collect.read import Read
from coterie.collect.staged import ROW, Staged
from coterie.store.sql import text
from coterie.store.warehouse import quoted

ELEMENT = "#element"
OF = "#of"
"""The unit of a row, as the source writes it; inside this relation only."""

_ITEM, _ITEMS = "#item", "#items"
_SPACES = " \t\r\n\u00a0"  # all but the last sort before "!"


def literal(value: str) -> str:
    """Return a text as SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return text(value).sql("duckdb")


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


class Cells:
    """The cells of one read over one staged source.

    Parameters
    ----------
    read
        What the source means.
    staged
        The source, with its look-ups joined.
    """

    def __init__(self, read: Read, staged: Staged) -> None:
        self.read = read
        self.staged = staged
        self._alias = {name: f"c{position}" for position, name in enumerate(read.cells)}
        # What is stated once a unit and shared among its rows is a cell beside that of the row itself.
        self.stated = {each.share: f"s{at}" for at, (_, each) in enumerate(read.fields) if each.share}
        self._kind = {
            name: pa.string() if read.inside(name) else self._source(name)[1] for name in (*read.cells, *self.stated)
        }
        self._parsed: dict[str, str] = {}
        self._filled = [self._alias[name] for name in read.fill]

    def __getitem__(self, name: str) -> str:
        """Return the column of a cell."""
        return self._alias[name]

    def kind(self, name: str) -> pa.DataType:
        """Return the type of a cell."""
        return self._kind[name]

    def text(self, name: str) -> str:
        """Return SQL for a cell as text."""
        return words(self._alias[name], self._kind[name])

    def once(self, expression: str) -> str:
        """Return a column for an expression over cells."""
        return self._parsed.setdefault(expression, f"p{len(self._parsed)}")

    def value(self, field: Field) -> tuple[str, pa.DataType]:
        """Return SQL and type of a field that is a constant, a column, or the first of several."""
        if field.how == "value":
            return literal(field.value or ""), pa.string()
        kinds = {self._kind[name] for name in field.columns}
        if len(kinds) == 1 and not field.strip:
            found, kind = [self._alias[name] for name in field.columns], kinds.pop()
        else:
            found, kind = [self.stripped(self.text(name), field) for name in field.columns], pa.string()
        return (found[0] if len(found) == 1 else f"COALESCE({', '.join(found)})"), kind

    def stripped(self, value: str, field: Field) -> str:
        """Return SQL for a text without the characters that a field cuts off."""
        return f"NULLIF(TRIM({value}, {literal(field.strip + _SPACES)}), '')" if field.strip else value

    def words(self, field: Field | None) -> str:
        """Return SQL for a field that is text, in the words of the canonical column."""
        if field is None:
            return "CAST(NULL AS VARCHAR)"
        found, kind = self.value(field)
        value = words(found, kind)
        if field.case:
            value = f"{field.case.upper()}({value})"
        said = dict(field.values)
        if said and "" not in said and not field.prefixes and field.otherwise is None:
            plain = " ".join(f"WHEN {literal(word)} THEN {literal(meaning)}" for word, meaning in field.values)
            return f"CASE {value} {plain} ELSE {value} END"
        missing = literal(said.pop("")) if "" in said else None
        cases = [f"WHEN {value} = {literal(word)} THEN {literal(meaning)}" for word, meaning in said.items()]
        for word, meaning in sorted(field.prefixes, key=lambda pair: -len(pair[0])):
            cases.append(f"WHEN STARTS_WITH({value}, {literal(word)}) THEN {literal(meaning)}")
        if missing or cases or field.otherwise is not None:
            last = value if field.otherwise is None else literal(field.otherwise)
            return f"CASE WHEN {value} IS NULL THEN {missing or 'NULL'} {' '.join(cases)} ELSE {last} END"
        return value

    def unit(self, people: dict[str, str] | None = None) -> str:
        """Return SQL for the text of a row's unit.

        Parameters
        ----------
        people
            What stands for the columns that identify people; None leaves them as they are.
        """
        order = dict(self.read.fields).get("order_id")
        if not self.read.unit:
            return "CAST(NULL AS VARCHAR)"
        if order and order.columns == self.read.unit and not set(self.read.unit) & set(people or ()):
            return self.words(order)
        return composed([(people or {}).get(name, self.text(name)) for name in self.read.unit])

    def relation(self) -> str:
        """Return the query of all cells, one row an element: ``#row``, ``#element``, cells, and what ``once`` named."""
        parsed = "".join(f", {expression} AS {alias}" for expression, alias in self._parsed.items())
        return f"SELECT *{parsed} FROM ({self._elements(self.read.cells, shares=True)})"

    def distinct(self, field: Field) -> str:
        """Return the query of the distinct texts of a field, in one column ``raw``, without nulls."""
        plain = not (self.read.where or self.read.each or self._filled)
        if plain and all(name in self.staged.columns.keys() - self.staged.apart for name in field.columns):
            # Cleaning every cell would take longer than finding the few that differ.
            listed = ", ".join(quoted(name) for name in field.columns)
            cells = [(name, self._alias[name]) for name in field.columns]
            rows = self._cleaned(cells, f"(SELECT DISTINCT {listed} FROM {self.staged.relation})")
        else:
            rows = self._elements(field.columns)
        return f"SELECT DISTINCT raw FROM (SELECT {self.words(field)} AS raw FROM ({rows})) WHERE raw IS NOT NULL"

    def taken(self) -> str | None:
        """Return SQL over the staged relation that tells whether the read takes a row; None when it takes all."""
        own = [self.own] if self.staged.around else []
        names = [each.column for each in self.read.where]
        if {self._alias[name] for name in names} & set(self._filled):
            own.append(f"{quoted(ROW)} IN (SELECT {quoted(ROW)} FROM ({self._rows(names)}))")
        else:
            own += [self._holds(each, *self._clean(each.column)) for each in self.read.where]
        return " AND ".join(own) or None

    @property
    def own(self) -> str:
        """SQL that tells whether a row is one of this file, and not of a neighbour."""
        return f"{quoted(ROW)} BETWEEN 1 AND {self.staged.received}"

    def _elements(self, names: Iterable[str], *, shares: bool = False) -> str:
        """Return the query of cells, one row an element."""
        named = list(names)
        each = self.read.each
        if each is None:
            return self._rows(named, f"CAST(0 AS BIGINT) AS {quoted(ELEMENT)}", shares=shares)
        outer = [name for name in named if not self.read.inside(name)]
        inner = [name for name in named if self.read.inside(name)]
        rows = self._rows(outer, f"{self._list(each)} AS {quoted(_ITEMS)}", shares=shares)
        # A row without elements is one fact, too.
        items = (
            f"SELECT * EXCLUDE ({quoted(_ITEMS)}), UNNEST({quoted(_ITEMS)}) AS {quoted(_ITEM)}, "
            f"UNNEST(RANGE(LEN({quoted(_ITEMS)}))) AS {quoted(ELEMENT)} FROM (SELECT * REPLACE (CASE WHEN "
            f"LEN({quoted(_ITEMS)}) > 0 THEN {quoted(_ITEMS)} ELSE [NULL] END AS {quoted(_ITEMS)}) FROM ({rows}))"
        )
        deep, cells = self._found((name, self._alias[name]) for name in inner)
        spent = ", ".join([quoted(_ITEM), *(quoted("#" + self._alias[name]) for name in inner if deep)])
        return f"SELECT {', '.join([f'* EXCLUDE ({spent})', *cells])} FROM (SELECT *{deep} FROM ({items}))"

    def _rows(self, names: Iterable[str], *extra: str, shares: bool = False) -> str:
        """Return the query of the cells of the rows that are taken, with further columns over the staged relation."""
        asked = {name: self._alias[name] for name in (*names, *(each.column for each in self.read.where))}
        filling = {name: alias for name, alias in asked.items() if alias in self._filled}
        stated = self.stated if shares else {}
        columns = [(name, alias) for wanted in (asked, stated) for name, alias in wanted.items()]
        unit = [(name, self._alias[name]) for name in self.read.unit]
        if self.read.unit and (filling or stated):
            filled = [(name, alias) for wanted in (filling, stated) for name, alias in wanted.items()]
            key = f"{self.unit()} AS {quoted(OF)}"
            firsts = ", ".join(f"ARG_MIN({alias}, {quoted(ROW)}) AS {alias}" for _, alias in filled)
            said = self._cleaned([*unit, *filled], self.staged.relation, quoted(ROW))
            units = (
                f"SELECT {quoted(OF)}, {firsts} FROM (SELECT *, {key} FROM ({said})) "
                f"WHERE {quoted(OF)} IS NOT NULL GROUP BY {quoted(OF)}"
            )
            rows = self._cleaned([*unit, *columns], self.staged.relation, quoted(ROW), *extra)
            put = ", ".join(f"COALESCE(units.{alias}, mine.{alias}) AS {alias}" for _, alias in filled)
            cells = (
                f"SELECT mine.* REPLACE ({put}) FROM (SELECT *, {key} FROM ({rows})) AS mine "
                f"LEFT JOIN ({units}) AS units ON units.{quoted(OF)} = mine.{quoted(OF)}"
            )
        else:
            alone = [f"CAST(NULL AS VARCHAR) AS {quoted(OF)}"] if stated else []
            cells = self._cleaned(columns, self.staged.relation, quoted(ROW), *extra, *alone)
        conditions = [self._holds(each, self._alias[each.column], self._kind[each.column]) for each in self.read.where]
        return f"SELECT * FROM ({cells}) WHERE {' AND '.join(conditions)}" if conditions else cells

    def _cleaned(self, cells: Iterable[tuple[str, str]], relation: str, *further: str) -> str:
        """Return the query of cleaned cells, given as pairs of name and column, over a relation."""
        deep, columns = self._found(dict.fromkeys(cells))
        source = f"(SELECT *{deep} FROM {relation})" if deep else relation
        return f"SELECT {', '.join([*further, *columns])} FROM {source}"

    def _found(self, cells: Iterable[tuple[str, str]]) -> tuple[str, list[str]]:
        """Return columns for what is nested, found once, each after a comma, and the cleaned cells made of them.

        Cleaning looks at a value many times, and what leads to a nested one is long.
        """
        deep, columns = "", []
        for name, alias in cells:
            raw, kind = self._raw(name)
            if raw != quoted(name):
                deep += f", {raw} AS {quoted('#' + alias)}"
                raw = quoted("#" + alias)
            columns.append(f"{self._tidied(raw, kind)[0]} AS {alias}")
        return deep, columns

    def _source(self, name: str) -> tuple[str, pa.DataType]:
        """Return SQL and type of a column or path of the source."""
        if self.read.may_lack(name) and not self.staged.has(name):
            return "CAST(NULL AS VARCHAR)", pa.string()
        return self.staged.expression(name)

    def _list(self, each: Each) -> str:
        """Return SQL for the list of a row's elements: JSON values, or the pieces of packed text."""
        if each.between is None:
            lacking = self.read.may_lack(each.column) and not self.staged.has(each.column)
            return "CAST(NULL AS JSON[])" if lacking else self.staged.elements(each.column)
        value = words(*self._clean(each.column, whole=True))
        pieces = f"STRING_SPLIT({value}, {literal(each.between)})"
        return f"LIST_FILTER({pieces}, lambda piece: TRIM(piece, {literal(_SPACES)}) <> '')"

    def _inner(self, each: Each, path: str) -> str:
        """Return SQL for what a path leads to inside an element."""
        item = quoted(_ITEM)
        if each.between is None:
            return paths.within(item, path)
        if each.inside is None or each.named is None:
            return item
        # The first value of that name; a name may have white space around it, and a value may hold the mark again.
        mark = literal(each.named)
        name = f"TRIM(SPLIT_PART(part, {mark}, 1), {literal(_SPACES)})"
        named = f"lambda part: CONTAINS(part, {mark}) AND {name} = {literal(path)}"
        part = f"LIST_FILTER(STRING_SPLIT({item}, {literal(each.inside)}), {named})[1]"
        return f"SUBSTRING({part}, STRPOS({part}, {mark}) + {len(each.named)})"

    def _clean(self, name: str, *, whole: bool = False) -> tuple[str, pa.DataType]:
        """Return a source column with everything that means "nothing" as null, and its type."""
        return self._tidied(*self._raw(name, whole=whole))

    def _raw(self, name: str, *, whole: bool = False) -> tuple[str, pa.DataType]:
        """Return a source column as it is, and its type; ``whole`` looks at the column of a list itself."""
        each = None if whole else self.read.each
        path = each.inner(name) if each else None
        if each is None or path is None:
            return self._source(name)
        return self._inner(each, path), pa.string()

    def _tidied(self, raw: str, kind: pa.DataType) -> tuple[str, pa.DataType]:
        """Return SQL for a value with everything that means "nothing" as null, and its type."""
        nothing = sorted({said.strip().lower() for said in self.read.missing} - {""})
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            # TRIM with characters of one's own takes four times as long as looking whether there is anything to trim.
            spaces = ", ".join(map(literal, _SPACES))
            raw = (
                f"CASE WHEN {raw} < '!' OR ASCII({raw}) = {ord(_SPACES[-1])} OR {raw}[-1] IN ({spaces}) "
                f"THEN NULLIF(TRIM({raw}, {literal(_SPACES)}), '') ELSE {raw} END"
            )
        if not nothing:
            return raw, kind
        listed = ", ".join(map(literal, nothing))
        return f"CASE WHEN LOWER(CAST({raw} AS VARCHAR)) IN ({listed}) THEN NULL ELSE {raw} END", kind

    def _holds(self, condition: Condition, cell: str, kind: pa.DataType) -> str:
        """Return SQL, never null, that tells whether a condition holds."""
        listed = ", ".join(literal(word) for word in condition.words if word)
        ways = [f"COALESCE({words(cell, kind)} IN ({listed}), FALSE)"] if listed else []
        ways += [f"{cell} IS NULL"] if "" in condition.words else []
        return f"{'NOT ' if condition.negated else ''}({' OR '.join(ways)})"
