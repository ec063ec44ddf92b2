"""Packing: how the tiles of one owner lie in the state as bytes (MessagePack), and how facts go in and out of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from coterie.errors import StoreError
from coterie.features.entry import Entry, is_whole, place_of
from coterie.features.layout import Layout
from coterie.features.partial import Inexact
from coterie.features.tiles import Tiles

_BIG = 1  # the extension that holds whole numbers of more than 64 bits
_64_BITS = range(-(1 << 63), 1 << 64)


def _big(code: int, data: memoryview) -> Any:
    if code != _BIG:
        raise ValueError(code)
    return int.from_bytes(data, "little", signed=True)


_encode = msgspec.msgpack.Encoder().encode
_decode_kinds = msgspec.msgpack.Decoder(dict[int, msgspec.Raw]).decode
_decode_kind = msgspec.msgpack.Decoder(list[Any], ext_hook=_big).decode
_decode = msgspec.msgpack.Decoder(dict[int, list[Any]], ext_hook=_big).decode
_UNREADABLE = (msgspec.DecodeError, msgspec.ValidationError, ValueError, TypeError, IndexError, KeyError)


def unpacked(layout: Layout, packed: bytes) -> dict[int, Tiles]:
    """Return the tiles of all kinds."""
    try:
        found = {number: Tiles.read(body) for number, body in _decode(packed).items()}
        if not all(layout.streams[number].fits(tiles) for number, tiles in found.items()):
            raise ValueError
    except _UNREADABLE as error:
        raise _damaged() from error
    return found


def applied(layout: Layout, packed: bytes | None, entries: Sequence[Entry]) -> bytes:
    """Return what is kept of an owner with more facts; raises Inexact when one is a further line of an order.

    Parameters
    ----------
    layout
        How the facts are kept.
    packed
        What was kept; None is nothing.
    entries
        Facts of one owner that are not in it yet.
    """
    return _changed(layout, packed, entries, _add)


def removed(layout: Layout, packed: bytes | None, entries: Sequence[Entry]) -> bytes:
    """Return what is kept of an owner without some of its facts; raises Inexact when it cannot be told."""
    return _changed(layout, packed, entries, _remove)


def _changed(layout: Layout, packed: bytes | None, entries: Sequence[Entry], change: Any) -> bytes:
    by_kind: dict[int, list[Entry]] = {}
    for entry in entries:
        by_kind.setdefault(layout.numbers[entry.on], []).append(entry)
    try:
        kinds: dict[int, Any] = dict(_decode_kinds(packed)) if packed else {}
        for number in by_kind:
            tiles = Tiles.read(_decode_kind(kinds[number])) if number in kinds else None
            if tiles is not None and not layout.streams[number].fits(tiles):
                raise ValueError
            kinds[number] = tiles
    except _UNREADABLE as error:
        raise _damaged() from error
    for number, chosen in by_kind.items():
        kinds[number] = change(layout, number, kinds[number], chosen).written()
    try:
        return _encode(kinds)
    except OverflowError:
        return _encode(_wide(kinds))


def _add(layout: Layout, number: int, tiles: Tiles | None, entries: Sequence[Entry]) -> Tiles:
    stream, newest = layout.streams[number], max([entry.moment for entry in entries])
    if tiles is None:
        tiles = stream.empty(newest)
    else:
        for entry in entries:
            if entry.order and place_of(tiles.orders, entry.order) is not None:
                raise Inexact
        stream.advance(tiles, newest)
    for entry in entries:
        stream.add(tiles, entry.occurred, stream.cells(entry.row, entry.occurred, entry.ids))
    if entries[0].order:
        tiles.orders += b"".join([entry.order for entry in entries])
    return tiles


def _remove(layout: Layout, number: int, tiles: Tiles | None, entries: Sequence[Entry]) -> Tiles:
    if tiles is None:
        raise Inexact
    for entry in entries:
        if entry.moment >= tiles.newest:  # what is the newest moment then?
            raise Inexact
        if entry.order:
            place = place_of(tiles.orders, entry.order)
            if place is None or not is_whole(entry.order, tiles.orders[place : place + 5]):
                raise Inexact
            tiles.orders = tiles.orders[:place] + tiles.orders[place + 5 :]
        stream = layout.streams[number]
        stream.remove(tiles, entry.occurred, stream.cells(entry.row, entry.occurred, entry.ids))
    return tiles


def _wide(value: Any) -> Any:
    """Return the value with the whole numbers that MessagePack has no room for as bytes of their own kind."""
    if type(value) is int and value not in _64_BITS:
        return msgspec.msgpack.Ext(_BIG, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
    if type(value) is list:
        return [_wide(one) for one in value]
    if type(value) is dict:
        return {key: _wide(one) for key, one in value.items()}
    return value


def _damaged() -> StoreError:
    return StoreError("What is kept of a person cannot be read.", hint="make the state anew from the facts.")
