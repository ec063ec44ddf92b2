"""What a read makes of rows, one after another, in plain Python: the judge of the SQL of ``collect.translation``.

Rows are dictionaries of column to text (or to what JSON holds). Identifiers are left out: they are the vault's.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from coterie.collect.field import Field
from coterie.collect.mapping import Mapping
from coterie.collect.read import Read

SPACES = " \t\r\n\u00a0"
DECIMALS = {"EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KWD": 3}
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
Row = dict[str, Any]
Rates = dict[tuple[str, date], Fraction]


def translate(
    mapping: Mapping, read: Read, rows: list[Row], currency: str, rates: Rates | None, people: dict[str, dict[str, str]]
) -> list[Row]:
    """Return the translated rows that the read takes, in order of row and element.

    ``people`` has, for each column that identifies, the subject of each text.
    """
    cells = [{name: clean(said(row, name), read) for name in _row_columns(read)} for row in rows]
    keys = [unit_of(read, row) if not _unit_inside(read) else None for row in cells]
    stated = [dict(row) for row in cells]
    for column in {*read.fill, *(field.share for _, field in read.fields if field.share)}:
        first: dict[str, str] = {}
        for key, row in zip(keys, cells, strict=True):
            value = row[column]
            if key is not None and value is not None:
                first.setdefault(key, value)
        for at, key in enumerate(keys):
            if key is not None:
                stated[at][column] = first.get(key)
                if column in read.fill:
                    cells[at] = {**cells[at], column: first.get(key)}
    found = []
    for at, row in enumerate(rows):
        if not all(holds(each.words, cells[at][each.column], each.negated) for each in read.where):
            continue
        for number, element in enumerate(elements(read, row)):
            every = dict(cells[at])
            for name in read.cells:
                if read.each is not None and (path := read.each.inner(name)) is not None:
                    every[name] = clean(inner(read, element, path), read)
            made = one(mapping, read, every, stated[at], currency)
            hidden = {name: keys.get(every[name] or "") for name, keys in people.items()}
            made["unit"] = unit_of(read, {**every, **hidden})
            found.append({"row": at + 1, "element": number, "of": keys[at], **made})
    share(read, found)
    for made in found:
        settle(made, currency, rates, read)
    return found


def _row_columns(read: Read) -> list[str]:
    return [name for name in read.cells if not read.inside(name)]


def _unit_inside(read: Read) -> bool:
    return any(read.inside(name) for name in read.unit)


def said(row: Row, path: str) -> str | None:
    """Return the text under a path of objects."""
    if path in row:
        return _text(row[path])
    value: Any = row
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return _text(value)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def clean(value: str | None, read: Read) -> str | None:
    value = (value or "").strip(SPACES)
    return None if not value or value.lower() in {each.strip().lower() for each in read.missing} else value


def holds(allowed: tuple[str, ...], value: str | None, negated: bool) -> bool:
    return ((value or "") in allowed) != negated


def elements(read: Read, row: Row) -> list[Any]:
    if read.each is None:
        return [None]
    if read.each.between is None:
        value: Any = row
        for step in read.each.column.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return (value if isinstance(value, list) else [value]) or [None]
    packed = clean(row[read.each.column], read) or ""
    return [piece for piece in packed.split(read.each.between) if piece.strip(SPACES)] or [None]


def inner(read: Read, element: Any, path: str) -> str | None:
    each = read.each
    if element is None or each is None:
        return None
    if each.between is None:
        return said(element, path)
    if each.inside is None or each.named is None:
        return str(element)
    for part in str(element).split(each.inside):
        name, mark, value = part.partition(each.named)
        if mark and name.strip(SPACES) == path:
            return value
    return None


def unit_of(read: Read, cells: dict[str, str | None]) -> str | None:
    if not read.unit:
        return None
    order = dict(read.fields).get("order_id")
    if order and order.columns == read.unit:
        return words(order, cells)
    parts = [cells[name] for name in read.unit]
    if None in parts:
        return None
    return "/".join(str(part).replace("\\", "\\\\").replace("/", "\\/") for part in parts) if parts[1:] else parts[0]


def origin(field: Field, cells: dict[str, str | None]) -> str | None:
    if field.how == "value":
        return field.value
    for name in field.columns:
        value = cells[name]
        if value is not None and field.strip:
            value = value.strip(field.strip + SPACES) or None
        if value is not None:
            return value
    return None


def words(field: Field | None, cells: dict[str, str | None]) -> str | None:
    value = origin(field, cells) if field else None
    if field is None or field.how == "value":
        return value
    meanings = dict(field.values)
    if value is None:
        return meanings.get("")
    value = value.lower() if field.case == "lower" else value.upper() if field.case == "upper" else value
    if value in meanings:
        return meanings[value]
    fitting = [(prefix, meaning) for prefix, meaning in field.prefixes if value.startswith(prefix)]
    if fitting:
        return max(fitting, key=lambda pair: len(pair[0]))[1]
    return field.otherwise if field.otherwise is not None else value


def number(text: str, read: Read) -> Decimal | None:
    """Return a number as it is written, exact to six decimals."""
    marks = read.thousands or (".' \u00a0\u202f" if read.decimal == "," else "")
    marks = " \u00a0\u202f" if marks == " " else marks
    if any(mark in text for mark in marks):
        whole, *rest = text.split(read.decimal)
        first, *groups = re.split("[" + re.escape(marks) + "]", whole.lstrip("+-"))
        sound = whole.lstrip("+-") == whole[-len(whole.lstrip("+-")) :] and len(whole) - len(whole.lstrip("+-")) <= 1
        sound = sound and bool(re.fullmatch("[0-9]{1,3}", first)) and bool(groups) and len(rest) <= 1
        sound = sound and all(re.fullmatch("[0-9]{2,3}", group) for group in groups) and len(groups[-1]) == 3
        if not sound or not all(re.fullmatch("[0-9]*", part) for part in rest):
            return None
        text = "".join(each for each in text if each not in marks)
    if read.decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    if not NUMBER.fullmatch(text):
        return None
    value = Decimal(text).quantize(Decimal("0.000001"), ROUND_HALF_UP)
    return value if abs(value) < 10**12 else None


class BadError(Exception):
    """A value that is there and cannot be understood."""


def part(field: Field, name: str, cells: dict[str, str | None], read: Read) -> Decimal | None:
    text = cells[name]
    if text is not None and field.strip:
        text = text.strip(field.strip + SPACES) or None
    if text is None:
        return None
    value = number(text, read)
    if value is None:
        raise BadError
    return value


def amount(field: Field, cells: dict[str, str | None], read: Read) -> Decimal | None:
    if field.how == "value":
        value: Decimal | None = Decimal(field.value or "")
    elif field.how in ("column", "first"):
        text = origin(field, cells)
        value = None if text is None else number(text, read)
        if text is not None and value is None:
            raise BadError
    elif field.how == "sum":
        parts = [part(field, name, cells, read) for name in field.columns]
        value = (
            sum((each for each in parts if each is not None), Decimal(0)) if any(p is not None for p in parts) else None
        )
    else:
        value = Decimal(1)
        for name in field.columns:
            factor = part(field, name, cells, read)
            value = None if factor is None or value is None else value * factor
    less = [part(field, name, cells, read) or Decimal(0) for name in field.less]
    if value is None:
        return None
    value -= sum(less, Decimal(0))
    return abs(value) if field.absolute else value


def minor(value: Decimal, field: Field, decimals: int) -> int:
    scaled = value * 10 ** (decimals if field.unit == "major" else 0)
    return int(scaled.quantize(Decimal(1), ROUND_HALF_UP))


def moment(field: Field, cells: dict[str, str | None]) -> tuple[datetime | None, bool]:
    text = origin(field, cells)
    parsed = [] if text is None else [found for form in field.formats or ("iso",) if (found := _moment(text, form))]
    later = timedelta(days=field.days)
    return (parsed[0] + later if parsed else None), len(set(parsed)) > 1


def _moment(text: str, form: str) -> datetime | None:
    try:
        if form == "unix_us":
            return datetime(1970, 1, 1) + timedelta(microseconds=int(text))
        return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
    except (ValueError, OverflowError):
        return None


def one(mapping: Mapping, read: Read, cells: dict[str, str | None], stated: dict[str, str | None], shop: str) -> Row:
    """Return one fact, before its share of anything and before conversion."""
    fields = dict(read.fields)
    currency = (words(fields.get("currency"), cells) or "").upper() or mapping.currency or shop
    decimals = DECIMALS.get(currency, 2) if mapping.conversion else DECIMALS[shop]
    row: Row = {"order_id": words(fields.get("order_id"), cells), "product_id": words(fields.get("product_id"), cells)}
    row |= {"kind": words(read.kind, cells), "currency": currency}
    row["ambiguous"] = False
    for name in ("amount", "discount"):
        field = fields.get(name)
        row[name] = row[f"{name}#share"] = None
        row[f"{name}#given"] = row[f"{name}#own"] = False
        if field is None:
            continue
        row[f"{name}#own"] = field.how == "value" or any(
            (cells[each] or "").strip(field.strip + SPACES) for each in field.columns
        )
        row[f"{name}#given"] = row[f"{name}#own"] or bool(field.plus_share and stated[field.plus_share] is not None)
        try:
            value = amount(field, cells, read)
            row[name] = None if value is None else minor(value, field, decimals)
        except BadError:
            pass
        if field.share:
            text = stated[field.share]
            value = Decimal(0) if text is None else number(text, read)
            row[f"{name}#share"] = None if value is None else minor(value, field, decimals)
    field = fields["occurred_at"]
    row["occurred_at"], row["ambiguous"] = moment(field, cells)
    return row


def share(read: Read, rows: list[Row]) -> None:
    """Let the lines of each unit bear what it states: running totals, rounded, so that they end at the whole."""
    units: dict[Any, list[Row]] = {}
    for row in rows:
        units.setdefault(row["of"] if row["of"] is not None else ("alone", row["row"]), []).append(row)
    fields = [(name, field) for name, field in read.fields if field.share]
    for lines in units.values():
        sizes = [abs(row["amount"]) for row in lines if row["amount"] is not None]
        weights = sizes if sum(sizes) else [1] * len(sizes)
        so_far, at = 0, 0
        for row in lines:
            sound = row["amount"] is not None
            before, so_far = so_far, so_far + (weights[at] if sound else 0)
            at += sound
            row["#borne"] = {}
            for name, _ in fields:
                whole = row[f"{name}#share"]
                if whole == 0:
                    row["#borne"][name] = 0
                elif sound and whole is not None:
                    row["#borne"][name] = _part(whole, so_far, sum(weights)) - _part(whole, before, sum(weights))
        for row in lines:
            for name, field in fields:
                borne = row["#borne"].get(name)
                own = row[name]
                if field.less_share:
                    row[name] = None if own is None or borne is None else own - borne
                elif row[f"{name}#own"]:
                    row[name] = None if own is None or borne is None else own + borne
                else:
                    row[name] = borne if row[f"{name}#given"] else None


def _part(whole: int, so_far: int, total: int) -> int:
    exact = Fraction(abs(whole) * so_far, total)
    return (1 if whole >= 0 else -1) * int(exact + Fraction(1, 2))


def settle(row: Row, shop: str, rates: Rates | None, read: Read) -> None:
    """Convert into the shop's currency; make a refund's amount positive."""
    row["original_amount"], row["original_currency"], row["no_rate"] = None, None, False
    if rates is not None and row["currency"] != shop:
        rate = None
        if row["occurred_at"] is not None:
            rate = rates.get((row["currency"], row["occurred_at"].date()))
        if rate is None:
            sound = bool(re.fullmatch("[A-Z]{3}", row["currency"]))
            row["no_rate"] = sound and row["amount"] is not None and row["occurred_at"] is not None
        else:
            factor = rate * Fraction(10) ** (DECIMALS[shop] - DECIMALS.get(row["currency"], 2))
            row["original_amount"] = row["amount"]
            row["original_currency"] = row["currency"] if row["amount"] is not None else None
            row["currency"] = shop
            for name in ("amount", "discount"):
                if row[name] is not None:
                    exact = abs(row[name]) * factor
                    row[name] = (1 if row[name] >= 0 else -1) * int(exact + Fraction(1, 2))
    if read.target.name == "order_line" and row["kind"] != "Order Completed" and row["kind"] is not None:
        for name in ("amount", "original_amount"):
            row[name] = None if row[name] is None else abs(row[name])


def known_rates(rows: list[tuple[date, str, str]], days: int) -> Rates:
    """Return the rate that counts on each day: the newest at or before it, at most ``days`` old."""
    found: Rates = {}
    for day, currency, rate in sorted(rows):
        for later in range(days + 1):
            found[currency, day + timedelta(days=later)] = Fraction(rate)
    return found
