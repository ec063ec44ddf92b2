"""The online plane: the same features as the batch plane's, kept up to the moment fact by fact.

Each subject has tiles (``coterie.features.tiles``) in the state; the value of a person is the merge of its subjects'
tiles, finished at the moment of asking, so that who is whom may change without a tile being touched. Facts may come in
any order and late; windows run out by time alone.

What cannot be taken out of a tile exactly (the largest amount, a sum of floating-point numbers), or is a further line
of an order that is there already, puts the subject off: it is answered again once its facts have been replayed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pyarrow as pa

from coterie.config import minor_units
from coterie.errors import ParameterError, StoreError
from coterie.features.cache import Cache
from coterie.features.combination import Declared, parts_of
from coterie.features.entry import Entries, Entry, Row, micros
from coterie.features.feature import BANDS, DEFINITION, OWNERS
from coterie.features.layout import Layout, Value
from coterie.features.packing import applied, removed, unpacked
from coterie.features.partial import Inexact
from coterie.features.remaking import remade
from coterie.features.shelf import Shelf
from coterie.features.vocabulary import WORDS, Vocabulary, others
from coterie.progress import SILENT, Progress
from coterie.store.ports import State

LAYOUT = 2
"""Rises when what is written in the state changes."""

_PUT_OFF = b"\x04"
_PERSON = b"\x10"
_OWNER = b"\x20"
_EPOCH, _SIGN = datetime(1970, 1, 1), 1 << 63
_PERS = tuple(OWNERS)
_BANDS = frozenset(words for _, words in BANDS)


class Plane:
    """Features of people, products and pairs, kept in a state.

    Parameters
    ----------
    state
        Where the tiles lie. One plane in one process writes to it; planes of other processes may read.
    features
        Definitions with different names; outcomes have no place here.
    timezone
        IANA name of the shop's zone.
    currency
        ISO 4217 code, which says what a price band is; two decimal places when None.

    Raises
    ------
    ParameterError
        Features with the same name, an outcome, or an unknown zone.

    Examples
    --------
    >>> from coterie.features.catalog import CATALOG
    >>> from coterie.store.state import MemoryState
    >>> plane = Plane(MemoryState(), [CATALOG["searches_30d"]], timezone="Europe/Berlin")
    >>> moment = datetime(2026, 3, 1, 12)
    >>> search = {"source": "web", "event_id": "1", "kind": "Products Searched", "subject": 7,
    ...           "occurred_at": moment, "available_at": moment}
    >>> plane.update("events", [search])
    []
    >>> plane.values([7], datetime(2026, 3, 31, 12)), plane.values([7], datetime(2026, 4, 1))
    ({'searches_30d': 1}, {'searches_30d': 0})
    """

    def __init__(
        self, state: State, features: Sequence[Declared], *, timezone: str, currency: str | None = None
    ) -> None:
        names = [feature.name for feature in features]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ParameterError.of("The online plane", "names", ", ".join(repeated), "different from each other")
        for future in [feature.name for feature in features if feature.future]:
            raise ParameterError.of("The online plane", "features", future, "of the past, not outcomes")
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ParameterError.of("The online plane", "timezone", timezone, "an IANA name") from error
        exponent = 2 if currency is None else minor_units(currency)
        chosen = {per: [feature for feature in features if feature.per == per] for per in OWNERS}
        meaning = [LAYOUT, DEFINITION, timezone, exponent, {per: sorted(parts_of(of)) for per, of in chosen.items()}]
        self._cache = Cache(state, hashlib.sha256(json.dumps(meaning).encode()).digest())
        self._words, self._shelf = Vocabulary(self._cache.get), Shelf(self._cache.get)
        self._cache.forget += [self._words.forget, self._shelf.forget]
        self._layouts = {per: Layout(of, self._words.number, self._words.text) for per, of in chosen.items() if of}
        reads: dict[str, set[str]] = {}
        self._owners: dict[str, list[tuple[str, bool, tuple[str, ...]]]] = {}  # kind → whose its facts are, by what
        for per, layout in self._layouts.items():
            owner = tuple(name for name in OWNERS[per] if name != "person")
            for on, columns in layout.reads.items():
                reads.setdefault(on, set()).update(columns, owner)
                self._owners.setdefault(on, []).append((per, owner != OWNERS[per], owner))
        self._entries = Entries({on: frozenset(names) for on, names in reads.items()}, self._shelf, zone, exponent)

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of all that changes what is kept: definitions, zone, currency, layout."""
        return self._cache.fingerprint.hex()

    @property
    def stale(self) -> bool:
        """Whether the state was made by other definitions, or not to its end: ``rebuild`` makes it anew."""
        return self._cache.stale

    @property
    def made(self) -> bytes | None:
        """Which making of the state this is: another once it was lost or made anew; None while it is empty."""
        return self._cache.made

    @property
    def mark(self) -> bytes | None:
        """Up to where the state is complete, as the last write said; None when it is stale or nothing was said."""
        return None if self.stale else self._cache.state.mark()

    def update(self, table: str, rows: Iterable[Row], mark: bytes | None = None) -> list[int]:
        """Put in facts.

        Parameters
        ----------
        table, rows
            ``order_lines``, ``events`` or ``traits``, and rows in its canonical shape, each given once, in any order.
            All lines of an order come best in one call.
        mark
            Up to where the state is complete with these; written with them in one step.

        Returns
        -------
        list of int
            The subjects that have to be replayed before they are answered again: one of these rows is a further line of
            an order that was there already. ``waiting`` names them until that is done.

        Raises
        ------
        StoreError
            The state is stale.
        """
        given = list(rows)
        return self._cache.done(lambda: self._change(table, given, mark, applied))

    def undo(self, table: str, rows: Iterable[Row], mark: bytes | None = None) -> list[int]:
        """Take out facts that were put in, where that is exact; parameters and answer as for ``update``.

        The subjects that are returned have to be replayed with the facts that are left. A product or another owner
        that is no person, of which it is not exact, is not answered any more until ``rebuild``.
        """
        given = list(rows)
        return self._cache.done(lambda: self._change(table, given, mark, removed))

    def replay(self, subject: int, facts: Mapping[str, Iterable[Row]]) -> None:
        """Forget the tiles of a subject and take its facts anew.

        Parameters
        ----------
        facts
            Table → all rows of the subject. Features of products and other owners are left as they are.
        """
        rows = {table: list(given) for table, given in facts.items()}

        def take() -> None:
            self._cache.get([])
            entries = [entry for table, given in rows.items() for entry in self._entries.of(table, given)]
            if any(entry.subject != subject for entry in entries):
                raise ParameterError.of("A replay", "facts", "those of another subject", "those of the subject alone")
            values: dict[bytes, bytes | None] = dict.fromkeys(self._keys_of(subject))
            for (per, key), chosen in self._gathered(entries).items():
                if key.startswith(_PERSON):
                    values[key] = applied(self._layouts[per], None, chosen)
            self._cache.put(values | self._words.written())

        self._cache.done(take)

    def rebuild(
        self,
        facts: Mapping[str, Iterable[pa.RecordBatch]],
        *,
        products: pa.Table | None = None,
        mark: bytes | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Make the state anew from all facts. Until that is done, and when it is broken off, the state is stale.

        Parameters
        ----------
        facts
            Table → batches of its rows in the canonical shape, sorted by ``subject``. They are read once.
        products
            All versions of the products; None when no feature reads them.
        mark
            Up to where the state is complete then.
        progress
            Sees how many facts are done.

        Raises
        ------
        DataError
            The rows are not sorted.
        """
        state = self._cache.state

        def put_in(per: str, packed: bytes | None, entries: list[Entry]) -> bytes:
            return applied(self._layouts[per], packed, entries)

        def make() -> None:
            if products is not None:
                state.put(self._shelf.change(products)[0])
            for values in remade(facts, self._entries, self._gathered, put_in, _is_personal, progress):
                state.put(values | self._words.written())

        self._cache.made_anew(make, mark)

    def waiting(self) -> list[int]:
        """Return the subjects that have to be replayed before they are answered again, ascending."""
        found = {key[2:10] for key, _ in self._cache.state.items(_PUT_OFF + _PERSON)}
        return sorted(int.from_bytes(packed, "big") - _SIGN for packed in found)

    def shelve(self, products: pa.Table) -> dict[tuple[str, str], datetime | None]:
        """Take the versions of products, for the features of lines and events that read them.

        Parameters
        ----------
        products
            All versions of the products in it (``schema.PRODUCT``); other products stay as they are.

        Returns
        -------
        dict
            Source and product → from which moment on it reads otherwise than before (None: from the beginning). Facts
            of that product from then on that were put in already have to be replayed.
        """

        def take() -> dict[tuple[str, str], datetime | None]:
            self._cache.get([])
            values, changed = self._shelf.change(products)
            self._shelf.forget()
            self._cache.put(values | self._words.written())
            return changed

        return self._cache.done(take)

    def values(self, subjects: Sequence[int], as_of: datetime) -> dict[str, Value]:
        """Return all features of a person at a moment.

        Parameters
        ----------
        subjects
            Of whom the person consists; keys without facts, and none at all, are allowed.
        as_of
            Naive UTC, not before any fact of these subjects happened or became known.

        Returns
        -------
        dict
            Name → money and counts as int, text as str, other numbers as float, None for what is missing.

        Raises
        ------
        ParameterError
            The moment is before a fact that was put in.
        StoreError
            The state is stale, or a subject waits for its replay.
        """
        return self._answered("person", [_person(subject) for subject in sorted(set(subjects))], as_of)

    def pair(self, per: str, subjects: Sequence[int], owner: tuple[str, ...], as_of: datetime) -> dict[str, Value]:
        """Return all features of a person with something, such as a category.

        Parameters
        ----------
        per
            A pair of ``OWNERS``, such as ``person-category``.
        subjects, as_of
            As for ``values``.
        owner
            What it is, in its columns of ``OWNERS``: ``("shoes",)``, ``("shop", "p1")``.
        """
        if not per.startswith("person-"):
            raise ParameterError.of("The online plane", "per", per, "a pair with a person")
        suffix = _owner(per, owner)
        return self._answered(per, [_person(subject) + suffix for subject in sorted(set(subjects))], as_of)

    def owned(self, per: str, owner: tuple[str, ...], as_of: datetime) -> dict[str, Value]:
        """Return all features of a product, department, category, subcategory or brand, over everybody's facts.

        Parameters
        ----------
        per, owner
            ``product``, ``category`` … and which, in the columns of ``OWNERS``.
        as_of
            Naive UTC, not before any of its facts.
        """
        if per.startswith("person"):
            raise ParameterError.of("The online plane", "per", per, "something that is not about a person")
        return self._answered(per, [_OWNER + _owner(per, owner)], as_of)

    def erase(self, subjects: Iterable[int], words: Iterable[str] | None = None) -> None:
        """Forget all tiles of subjects, stale ones too. Their bytes are gone when the state has been compacted.

        What they did stays counted in features of products and other owners, until ``undo`` takes their facts out of
        these before, or ``rebuild``.

        Parameters
        ----------
        words
            All channels, products, campaigns … that are left in the facts: other words, which perhaps only these
            subjects had, go with them, too. None leaves the words as they are.
        """
        keys = [key for subject in subjects for key in self._keys_of(subject)]
        if words is not None:
            keys += others(self._cache.state.items(WORDS), _BANDS | frozenset(words))
        self._cache.remove(keys)

    def _change(self, table: str, rows: Iterable[Row], mark: bytes | None, change: Callable[..., bytes]) -> list[int]:
        entries = self._entries.of(table, rows)
        units = self._gathered(entries)
        kept = self._cache.get([key for _, key in units])
        values: dict[bytes, bytes | None] = {}
        again: set[int] = set()
        for ((per, key), chosen), packed in zip(units.items(), kept, strict=True):
            if packed != b"":
                try:
                    values[key] = change(self._layouts[per], packed, chosen)
                    continue
                except Inexact:
                    values[key] = values[_PUT_OFF + key] = b""
            if key.startswith(_PERSON):
                again.add(chosen[0].subject)
        self._cache.put(values | self._words.written(), mark)
        return sorted(again)

    def _gathered(self, entries: Iterable[Entry]) -> dict[tuple[str, bytes], list[Entry]]:
        """Return the facts of each owner, under its key."""
        units: dict[tuple[str, bytes], list[Entry]] = {}
        for entry in entries:
            for per, personal, columns in self._owners.get(entry.on, ()):
                key = _person(entry.subject) if personal else _OWNER
                if columns:
                    owner = tuple([entry.row.get(name) for name in columns])
                    if None in owner:
                        continue
                    key += _owner(per, owner)
                units.setdefault((per, key), []).append(entry)
        return units

    def _answered(self, per: str, keys: list[bytes], as_of: datetime) -> dict[str, Value]:
        layout, moment = self._layouts.get(per), micros(as_of)
        if layout is None:
            return {}

        def answer() -> dict[str, Value]:
            units = []
            for key, packed in zip(keys, self._cache.get(keys), strict=True):
                if packed is None:
                    continue
                if not packed:
                    hint = (
                        "replay what is waiting."
                        if key.startswith(_PERSON)
                        else "make it anew from the facts: rebuild."
                    )
                    raise StoreError(f"A {per} waits for its facts to be put in again.", hint=hint)
                units.append(unpacked(layout, packed))
            newest = max((tiles.newest for unit in units for tiles in unit.values()), default=moment)
            if newest > moment:
                raise ParameterError.of(
                    "The online plane", "as_of", as_of.isoformat(),
                    f"at or after the newest fact, {(_EPOCH + timedelta(microseconds=newest)).isoformat()}",
                    hint="ask the batch plane for moments in the past.",
                )  # fmt: skip
            return layout.values(units, moment)

        return self._cache.done(answer)

    def _keys_of(self, subject: int) -> list[bytes]:
        """Return all keys that are about a subject."""
        keys = [key for key, _ in self._cache.state.items(_person(subject))]
        return [*keys, *(_PUT_OFF + key for key in keys)]


def _is_personal(key: bytes) -> bool:
    return key.startswith(_PERSON)


def _person(subject: int) -> bytes:
    return _PERSON + (subject + _SIGN).to_bytes(8, "big")


def _owner(per: str, owner: tuple[Any, ...]) -> bytes:
    name = msgspec.msgpack.encode(owner)
    if len(name) > 400:
        name = hashlib.sha256(name).digest()
    return bytes((_PERS.index(per),)) + name
