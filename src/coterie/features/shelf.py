"""The shelf of a state: the versions of products, and which of them held when a fact happened."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from coterie.features.versions import BEGINNING, OF_PRODUCT
from coterie.schema import TIME

_PREFIX = b"\x03"
_EPOCH = datetime(1970, 1, 1)
_ORIGIN = ("import_id", "row")

Version = tuple[int, tuple[str | None, ...]]
Get = Callable[[list[bytes]], list[bytes | None]]


class Shelf:
    """The versions of products.

    Parameters
    ----------
    get
        Reads keys of the state.
    """

    def __init__(self, get: Get) -> None:
        self._get = get
        self._versions: dict[tuple[str, str], tuple[list[int], list[tuple[str | None, ...]]]] = {}

    def forget(self) -> None:
        """Drop what was read."""
        self._versions = {}

    def at(self, source: str | None, product: str | None, occurred: int) -> tuple[str | None, ...]:
        """Return department, category, subcategory and brand at a moment; before the first version, that one's."""
        if source is None or product is None:
            return _UNKNOWN
        key = (source, product)
        found = self._versions.get(key)
        if found is None:
            [packed] = self._get([_key(*key)])
            found = self._versions[key] = _read(packed)
        begins, values = found
        return values[max(bisect_right(begins, occurred) - 1, 0)]

    def change(self, products: pa.Table) -> tuple[dict[bytes, bytes | None], dict[tuple[str, str], datetime | None]]:
        """Return what to write for all products, and which read otherwise from which moment on.

        Parameters
        ----------
        products
            All versions of the products in it, in the columns of ``schema.PRODUCT``.
        """
        wanted = ["source", "product_id", *OF_PRODUCT, *_ORIGIN]
        begins = pc.fill_null(pc.cast(pc.cast(products["available_at"], TIME), pa.int64()), BEGINNING)
        rows = products.select(wanted).append_column("begins", begins)
        order = [(name, "ascending") for name in ("source", "product_id", "begins", *_ORIGIN)]
        columns = [rows.sort_by(order)[name].to_pylist() for name in ("source", "product_id", "begins", *OF_PRODUCT)]
        found: dict[tuple[str, str], dict[int, tuple[str | None, ...]]] = {}
        for source, product, begin, *values in zip(*columns, strict=True):
            if source is not None and product is not None:
                found.setdefault((source, product), {})[begin] = tuple(values)  # of several the last import's
        written: dict[bytes, bytes | None] = {}
        changed: dict[tuple[str, str], datetime | None] = {}
        keys = list(found)
        for key, old in zip(keys, self._get([_key(*key) for key in keys]), strict=True):
            new = msgspec.msgpack.encode(list(found[key].items()))
            if new != old:
                written[_key(*key)] = new
                changed[key] = _since(_read(old), _read(new))
        return written, changed


_UNKNOWN: tuple[str | None, ...] = (None,) * len(OF_PRODUCT)


def _read(packed: bytes | None) -> tuple[list[int], list[tuple[str | None, ...]]]:
    if packed is None:
        return [BEGINNING], [_UNKNOWN]
    versions = msgspec.msgpack.decode(packed, type=list[Version])
    return [begin for begin, _ in versions], [values for _, values in versions]


def _since(
    old: tuple[list[int], list[tuple[str | None, ...]]], new: tuple[list[int], list[tuple[str | None, ...]]]
) -> datetime | None:
    """Return from which moment on two lists of versions differ; None is from the beginning."""
    if old[1][0] != new[1][0]:
        return None
    moments = sorted({*old[0], *new[0]})
    for moment in moments:
        if moment > BEGINNING and _at(old, moment) != _at(new, moment):
            return _EPOCH + timedelta(microseconds=moment)
    return datetime.max


def _at(versions: tuple[list[int], list[tuple[str | None, ...]]], moment: int) -> tuple[str | None, ...]:
    return versions[1][max(bisect_right(versions[0], moment) - 1, 0)]


def _key(source: str, product: str) -> bytes:
    name = msgspec.msgpack.encode((source, product))
    return _PREFIX + (name if len(name) <= 400 else b"\0" + hashlib.sha256(name).digest())
