"""Entries: facts as the online plane takes them, made of rows in the canonical shapes (``coterie.schema``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from coterie.errors import ParameterError
from coterie.features.feature import BANDS, EVENT, ORDER, ORDER_LINE, TRAIT, relation
from coterie.features.shelf import Shelf
from coterie.features.versions import BEGINNING, OF_PRODUCT
from coterie.store.sql import DAY, HOUR, SECOND

TABLES = ("order_lines", "events", "traits")
_ALWAYS = {
    "order_lines": ("source", "kind", "order_id", "line_id"),
    "events": ("source", "kind", "event_id"),
    "traits": ("import_id", "row"),
}
_EPOCH = datetime(1970, 1, 1)
_CLOCK = frozenset(("local_day", "weekday", "hour"))
_OF_ORDER = frozenset(("discount", "quantity", "channel", "place"))
_MOST = 255  # lines of an order that are counted; an order of more is always read again

Row = Mapping[str, Any]


class Entry(NamedTuple):
    """One fact.

    ``occurred`` and ``moment`` (the first at which it counts: occurred and known) are microseconds since 1970; ``ids``
    orders facts of equal time; ``row`` has what the features read; ``order`` tells an order and how many lines it has.
    """

    on: str
    subject: int
    occurred: int
    moment: int
    ids: tuple[Any, ...]
    row: dict[str, Any]
    order: bytes = b""


class Entries:
    """Makes entries of the rows that some features read.

    Parameters
    ----------
    reads
        Kind of facts → the columns that are read of it; facts of other kinds are passed over.
    shelf
        The products.
    timezone
        The shop's zone.
    exponent
        Decimal places of the currency.
    """

    def __init__(self, reads: Mapping[str, frozenset[str]], shelf: Shelf, timezone: ZoneInfo, exponent: int) -> None:
        self._reads, self._shelf, self._zone = reads, shelf, timezone
        self._bands = [(float(bound * 10**exponent), words) for bound, words in reversed(BANDS)]
        self._offsets: dict[int, int] = {}  # UTC day → offset of the local clock
        self._prepare = {on: self._prepared(on) for on in reads}

    def columns(self, table: str) -> frozenset[str]:
        """Return the columns of a table that are read at all."""
        found = {"subject", "occurred_at", "available_at", *_ALWAYS[table]}
        for on, reads in self._reads.items():
            if relation(on).table == table:
                found |= reads | {"amount", "discount", "quantity"}
                if reads & set(OF_PRODUCT):
                    found |= {"product_id"}
        return frozenset(found)

    def of(self, table: str, rows: Iterable[Row]) -> list[Entry]:
        """Return the facts of rows of a table, orders made of their lines."""
        if table not in TABLES:
            raise ParameterError.of("The online plane", "table", table, f"one of {', '.join(TABLES)}")
        found: list[Entry] = []
        orders: dict[tuple[int, str, str], list[tuple[int, int, Row]]] = {}
        for row in rows:
            subject, occurred, moment = row["subject"], _micros(row["occurred_at"]), _micros(row["available_at"])
            if table == "traits":
                if TRAIT not in self._reads or subject is None:
                    continue
                if occurred is None:
                    occurred = moment = BEGINNING
                self._add(found, TRAIT, row, occurred, moment, (row["import_id"], row["row"]))
                continue
            if subject is None or occurred is None:
                continue
            kind = row["kind"]
            if table == "events":
                for on in (kind, EVENT):
                    if on in self._reads and on not in _OF_LINES:
                        self._add(found, on, row, occurred, moment, (row["source"], row["event_id"]))
                continue
            if kind == ORDER and ORDER in self._reads:
                lines = orders.setdefault((subject, row["source"], row["order_id"]), [])
                lines.append((occurred, occurred if moment is None else max(occurred, moment), row))
            on = ORDER_LINE if kind == ORDER else kind
            if on in self._reads:
                self._add(found, on, row, occurred, moment, (row["source"], row["line_id"]))
        for key, lines in orders.items():
            found.append(self._order(*key, lines))
        return found

    def _add(
        self, found: list[Entry], on: str, row: Row, occurred: int, available: int | None, ids: tuple[Any, ...]
    ) -> None:
        made = dict(row)
        for prepare in self._prepare[on]:
            prepare(made, occurred)
        moment = occurred if available is None or available < occurred else available
        found.append(Entry(on, row["subject"], occurred, moment, ids, made))

    def _order(self, subject: int, source: str, order: str, lines: list[tuple[int, int, Row]]) -> Entry:
        occurred = min(line[0] for line in lines)
        row: dict[str, Any] = {"source": source, "order_id": order, "lines": len(lines)}
        reads = self._reads[ORDER]
        for name in ("amount", "discount"):
            row[name] = _total([line[2].get(name) for line in lines])
        if reads & _OF_ORDER:
            row["quantity"] = _total([line[2].get("quantity") for line in lines])
            for name in ("channel", "place"):
                row[name] = min((v for line in lines if (v := line[2].get(name)) is not None), default=None)
        for prepare in self._prepare[ORDER]:
            prepare(row, occurred)
        moment = max(line[1] for line in lines)
        return Entry(ORDER, subject, occurred, moment, (source, order), row, order_key(source, order, len(lines)))

    def _prepared(self, on: str) -> list[Any]:
        """Return what adds the columns that rows do not have themselves."""
        reads, found = self._reads[on], []
        if reads & _CLOCK:
            found.append(self._clock)
        if relation(on).row != "trait" and reads & set(OF_PRODUCT):
            found.append(self._shelved)
        if "gross" in reads:
            found.append(_gross)
        if "price_band" in reads:
            found.append(self._banded)
        return found

    def _clock(self, row: dict[str, Any], occurred: int) -> None:
        date = occurred // DAY
        offset = self._offsets.get(date)
        if offset is None:  # one for the whole day, unless clocks are changed on it
            offset = self._offset(date * DAY)
            if offset != self._offset(date * DAY + DAY - 1):
                offset = self._offset(occurred)
            else:
                if len(self._offsets) >= _DAYS:
                    self._offsets.clear()
                self._offsets[date] = offset
        day, rest = divmod(occurred + offset, DAY)
        row["local_day"], row["weekday"], row["hour"] = day, (day + 3) % 7, rest // HOUR

    def _offset(self, moment: int) -> int:

        utc = _EPOCH + timedelta(microseconds=min(max(moment, _FIRST), _LAST))
        ahead = utc.replace(tzinfo=UTC).astimezone(self._zone).utcoffset() or timedelta()
        return (ahead.days * 86_400 + ahead.seconds) * SECOND + ahead.microseconds

    def _shelved(self, row: dict[str, Any], occurred: int) -> None:
        values = self._shelf.at(row["source"], row.get("product_id"), occurred)
        row["department"], row["category"], row["subcategory"], row["brand"] = values

    def _banded(self, row: dict[str, Any], occurred: int) -> None:
        amount, quantity, band = row.get("amount"), row.get("quantity"), None
        if amount is not None and quantity is not None and amount >= 0 and quantity > 0:
            paid = float(amount)
            band = next((words for bound, words in self._bands if paid >= bound * quantity), None)
        row["price_band"] = band


_OF_LINES = {ORDER_LINE, ORDER, "Order Refunded", "Order Cancelled"}
_DAYS = 20_000  # days whose offset is remembered
_MARGIN = 2 * DAY  # no zone is further away from UTC
_FIRST = (datetime.min - _EPOCH) // timedelta(microseconds=1) + _MARGIN
_LAST = (datetime.max - _EPOCH) // timedelta(microseconds=1) - _MARGIN


def order_key(source: str, order: str, lines: int) -> bytes:
    """Return five bytes that tell an order among those of one subject, almost always, and how many lines it has.

    Where two orders have the same first four bytes, the second is taken for a further line of the first, and the
    subject's facts are read again.
    """
    return crc32(f"{source}\0{order}".encode()).to_bytes(4, "big") + bytes((min(lines, _MOST),))


def place_of(orders: bytes, order: bytes) -> int | None:
    """Return where the key of the same order begins among the keys of a subject's orders; None when it is not there."""
    place = orders.find(order[:4])
    while place >= 0:
        if place % 5 == 0:
            return place
        place = orders.find(order[:4], place + 1)
    return None


def is_whole(order: bytes, kept: bytes) -> bool:
    """Tell whether the lines of ``order`` are all those that were kept."""
    return order == kept and order[4] < _MOST


def _gross(row: dict[str, Any], occurred: int) -> None:
    amount, discount = row.get("amount"), row.get("discount")
    row["gross"] = None if amount is None or discount is None else amount + discount


def _total(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _micros(moment: Any) -> int | None:
    if moment is None or isinstance(moment, int):
        return moment
    passed: timedelta = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds


def micros(moment: datetime) -> int:
    """Return a naive UTC moment in microseconds since 1970."""
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        raise ParameterError.of("The online plane", "as_of", moment, "a naive UTC moment")
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds
