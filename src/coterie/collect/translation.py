"""From the columns of a staged source to canonical fields: one SELECT for each read of a mapping.

Beside the canonical fields, a translated row has columns that the contract and the intake look at; their names begin
with or contain ``#``: ``#row``, ``#element`` (which element of the row, from 0), ``#unit`` (the text of what the row
belongs to), ``#id`` and ``#no_id``, ``#longest``, ``#empty``, ``#ambiguous`` (a time with two meanings), ``#no_rate``
(an amount that cannot be converted), ``subject#<kind>`` for each kind of identifier, ``trait#<name>`` for each trait of
a wide table, and ``<field>#given``, which tells a value that cannot be understood from one that is not there.
"""

from __future__ import annotations

import json

import pyarrow as pa

from coterie.collect.amounts import OWN, SHARE, Numbers, shared
from coterie.collect.cells import ELEMENT, OF, Cells, composed, literal
from coterie.collect.conversion import converted
from coterie.collect.field import Field
from coterie.collect.mapping import Mapping
from coterie.collect.moments import moment
from coterie.collect.paths import words
from coterie.collect.read import Read
from coterie.collect.staged import ROW, Staged
from coterie.schema import Kind
from coterie.store.warehouse import quoted

__all__ = ["Translation", "composed", "literal"]


class Translation:
    """The SELECT of one read over one staged source.

    Parameters
    ----------
    mapping, read
        What the source means.
    staged
        The source, with its look-ups joined.
    currency
        The shop's, ISO 4217: tells how many decimals an amount has, and stands where no other is named.
    rates
        The table that ``Conversion.prepare`` made; None converts nothing.
    """

    def __init__(self, mapping: Mapping, read: Read, staged: Staged, currency: str, rates: str | None = None) -> None:
        staged.require(name for name in read.columns if not read.may_lack(name))
        self.mapping = mapping
        self.read = read
        self.staged = staged
        self.currency = currency
        self.rates = rates if "amount" in read.target.fields else None
        self._cells = Cells(read, staged)
        stated = dict(read.fields).get("currency")
        usual = literal(mapping.currency or currency)
        self._own = f"COALESCE(UPPER({self._cells.words(stated)}), {usual})" if stated else usual
        self._numbers = Numbers(self._cells, currency, self._own if self.rates else None)

    def identifiers(self) -> list[tuple[str, str]]:
        """Return kind and query of the distinct raw identifiers of each kind: one column, ``raw``, without nulls."""
        return [(kind, self._cells.distinct(origin)) for kind, origin in self.read.identify]

    def taken(self) -> str | None:
        """Return SQL over the staged relation that tells whether this read takes a row; None when it takes all."""
        return self._cells.taken()

    def select(self, who: str) -> str:
        """Return the query of the translated rows, one for each element of each row that is taken, in any order.

        Parameters
        ----------
        who
            Name of the relation ``kind, raw, subject`` with the subject of each raw identifier.
        """
        read, target = self.read, self.read.target
        fields = dict(read.fields)
        columns = [quoted(ROW), quoted(ELEMENT), f'{self._cells.unit(self._people())} AS "#unit"']
        columns += [*self._subjects(), *self._identity()]
        doubts: list[str] = []
        for name in target.fields:
            if name == "kind":
                columns.append(f"{self._cells.words(read.kind)} AS kind")
                continue
            columns += self._canonical(name, target.schema.field(name).type, fields.get(name), doubts)
        columns.append(f'({" OR ".join(doubts) or "FALSE"}) AS "#ambiguous"')
        if target.properties:
            columns.append(f"{self._properties()} AS properties")
        columns += [f"{self._cells.text(name)} AS {quoted('trait#' + trait)}" for trait, name in read.traits]
        columns += [quoted(OF)] if self._cells.stated else []
        joins = "".join(
            f" LEFT JOIN {who} AS who{position} ON who{position}.kind = {literal(kind)} "
            f"AND who{position}.raw = {self._cells.words(origin)}"
            for position, (kind, origin) in enumerate(read.identify)
        )
        rows = f"SELECT {', '.join(columns)} FROM ({self._cells.relation()}) AS cells{joins}"
        mine = f" WHERE {self._cells.own}" if self.staged.around else ""
        return f"SELECT *{self._replaced()}, {self._judged()} FROM ({self._settled(shared(read, rows))}){mine}"

    @property
    def passing(self) -> list[str]:
        """The columns that ``select`` gives for the contract alone."""
        target = self.read.target
        given = [f"{name}#given" for name in target.fields if not pa.types.is_string(target.schema.field(name).type)]
        passing = ["#longest", "#empty", "#ambiguous", "#no_rate", *(["#id", "#no_id"] if target.key else []), *given]
        return [name for name in passing if name != "available_at#given"]

    def _canonical(self, name: str, kind: pa.DataType, field: Field | None, doubts: list[str]) -> list[str]:
        """Return the columns of one canonical field: its value and, unless it is text, whether the source gave one."""
        if pa.types.is_string(kind):
            if name == "currency":
                return [f"{self._own} AS currency"]
            value = self._cells.words(field)
            if name == "channel" and self.mapping.channel:
                value = f"COALESCE({value}, {literal(self.mapping.channel)})"
            return [f"{value} AS {quoted(name)}"]
        further: list[str] = []
        if field is None:
            types = ("TIMESTAMP", pa.types.is_timestamp), ("DOUBLE", pa.types.is_floating), ("BIGINT", lambda _: True)
            given, value = "FALSE", f"CAST(NULL AS {next(sql for sql, fits in types if fits(kind))})"
        else:
            given = self._numbers.given(field)
            if pa.types.is_timestamp(kind):
                value, doubt = moment(self._cells, field)
                doubts += [doubt] if doubt else []
            elif pa.types.is_floating(kind):
                value = self._numbers.number(field)
            else:
                value = self._numbers.money(field)
            if field.share:
                stated = f"{self._numbers.stated(field)} AS {quoted(SHARE + name)}"
                further = [stated, f"({self._numbers.says(field)}) AS {quoted(OWN + name)}"]
        return [f"{value} AS {quoted(name)}", f"({given}) AS {quoted(name + '#given')}", *further]

    def _people(self) -> dict[str, str]:
        """Return what stands, in texts that are kept, for a column that identifies a person: the subject's key."""
        found: dict[str, str] = {}
        for position, (_, origin) in enumerate(self.read.identify):
            subject = f"CAST(who{position}.subject AS VARCHAR)"
            for name in origin.columns:
                only = len(origin.columns) == 1
                found[name] = subject if only else f"CASE WHEN {self._cells[name]} IS NOT NULL THEN {subject} END"
        return found

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
        people = self._people()
        parts = [people.get(name, self._cells.text(name)) for name in self.read.id]
        if not parts:
            return ['CAST(NULL AS VARCHAR) AS "#id"', 'FALSE AS "#no_id"']
        absent = " OR ".join(f"{part} IS NULL" for part in parts)
        return [f'{composed(parts)} AS "#id"', f'({absent}) AS "#no_id"']

    def _properties(self) -> str:
        cells = self._cells
        parts = [
            f"CASE WHEN {cells[name]} IS NOT NULL THEN "
            f"CONCAT({literal(_json_key(key))}, CAST(TO_JSON({cells[name]}) AS VARCHAR)) END"
            for key, name in self.read.properties
        ]
        kind = self.read.kind
        if kind and kind.otherwise == Kind.CUSTOM and "name" not in dict(self.read.properties):
            found = words(*cells.value(kind))
            said = f"CONCAT({literal(_json_key('name'))}, CAST(TO_JSON({found}) AS VARCHAR))"
            parts.append(
                f"CASE WHEN {cells.words(kind)} = {literal(Kind.CUSTOM)} AND {found} IS NOT NULL THEN {said} END"
            )
        return f"CONCAT('{{', CONCAT_WS(', ', {', '.join(parts)}), '}}')" if parts else "CAST(NULL AS VARCHAR)"

    def _settled(self, relation: str) -> str:
        """Return the query of the rows in the shop's currency, with what they were before."""
        target = self.read.target
        if self.rates:
            money = tuple(name for name in ("amount", "discount") if name in target.fields)
            return converted(money, relation, self.rates, self.currency, self.read.timezone)
        nothing = "CAST(NULL AS BIGINT) AS original_amount, CAST(NULL AS VARCHAR) AS original_currency, "
        return f'SELECT *, {nothing if "amount" in target.fields else ""}FALSE AS "#no_rate" FROM ({relation})'

    def _replaced(self) -> str:
        """Return what depends on other fields: a refund's amount is what was paid back, whatever its sign."""
        name = self.read.target.name
        if name == "order_line":
            back = f"kind <> {literal(Kind.ORDER_COMPLETED)}"
            positive = (f"CASE WHEN {back} THEN ABS({each}) ELSE {each} END AS {each}" for each in _SIGNED)
            return f" REPLACE ({', '.join(positive)})"
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


_SIGNED = ("amount", "quantity", "original_amount")


def _json_key(key: str) -> str:
    return json.dumps(key, ensure_ascii=False) + ": "
