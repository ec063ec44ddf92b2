"""Tiles: the partials of a subject's facts of one kind, by the hop in which they happened, and for its whole life.

A window begins at ``tail(as_of)``, a multiple of its hop. So the facts between two such multiples count together or not
at all, and one cell stands for them. As time goes on, the short windows with their fine hops leave a tile behind: with
``newest`` the latest moment applied, no window can begin before ``tail(newest)`` any more, and tiles that no later
moment can tell apart are put together; those that no window reaches are dropped. Lifetime features read a cell that has
all facts from the beginning, so nothing is lost with them.

What is written for a kind is ``[newest, orders, base, starts, column, column, …]``: the latest moment, what tells which
orders there are, the lifetime cells, where the tiles begin (as steps), and of each tiled partial the cells.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import sub
from typing import Any, TypeAlias

from coterie.features.feature import Window
from coterie.features.partial import Cell, Count, Inexact, Partial
from coterie.store.sql import SECOND


@dataclass
class Column:
    """One partial of a kind of facts, and who reads it.

    Parameters
    ----------
    partial
        What is kept.
    condition
        The number of the condition under which facts count.
    read
        Returns the aggregated value of a fact.
    slots
        Window (None is the whole life) → where its total is handed over.
    """

    partial: Partial
    condition: int
    read: Callable[[dict[str, Any]], Any]
    slots: dict[Window | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Touched:
    """What facts touch of which the same tests hold.

    ``columns`` says how their cells are made; ``life`` and ``tiled`` say which of these goes where: the number of the
    cell, of the place, and what merges and unmerges cells there.
    """

    columns: list[tuple[Callable[..., Cell] | None, Callable[[dict[str, Any]], Any]]]
    life: list[tuple[int, int, Callable[[Cell, Cell], Cell], Callable[[Cell, Cell], Cell]]]
    tiled: list[tuple[int, int, Callable[[Cell, Cell], Cell], Callable[[Cell, Cell], Cell]]]


Cells: TypeAlias = tuple[_Touched, list[Cell]]
"""What one fact touches, and the cell of each column that it counts in."""

_PLANS = 4_096  # so many are remembered


class Tiles:
    """The tiles of one kind of facts of one subject, taken apart for reading and changing."""

    __slots__ = ("base", "columns", "newest", "orders", "starts")

    def __init__(
        self, newest: int, orders: bytes, base: list[Cell], starts: list[int], columns: list[list[Cell]]
    ) -> None:
        self.newest, self.orders, self.base, self.starts, self.columns = newest, orders, base, starts, columns

    @classmethod
    def read(cls, body: list[Any]) -> Tiles:
        """Take apart what ``written`` wrote."""
        packed, orders, base, starts, *columns = body
        newest = packed >> 1 if packed & 1 else (packed >> 1) * SECOND
        return cls(newest, orders or b"", base, list(accumulate(starts)), columns)

    def written(self) -> list[Any]:
        """Return what is kept; ``starts`` as steps, and whole seconds as such: both take fewer bytes."""
        newest, starts = self.newest, self.starts
        packed = newest << 1 | 1 if newest % SECOND else newest // SECOND << 1
        steps = starts[:1] + list(map(sub, starts[1:], starts))
        return [packed, self.orders or None, self.base, steps, *self.columns]


class Stream:
    """How the facts of one kind are kept: which conditions, which columns, which windows.

    Parameters
    ----------
    tests
        What conditions are made of; each is asked once a fact.
    conditions
        Which tests have to hold for a fact to count.
    columns
        The partials.
    """

    def __init__(
        self,
        tests: Sequence[Callable[[dict[str, Any]], bool]],
        conditions: Sequence[frozenset[int]],
        columns: Sequence[Column],
    ) -> None:
        self._tests = [(1 << number, test) for number, test in enumerate(tests)]
        self._conditions = [sum(1 << number for number in condition) for condition in conditions]
        self._columns = [
            (None if type(column.partial) is Count else column.partial.of, column.condition, column.read)
            for column in columns
        ]
        self._touched: dict[int, _Touched] = {}  # which tests hold → what a fact touches
        self._life = [number for number, column in enumerate(columns) if None in column.slots]
        self._tiled = [number for number, column in enumerate(columns) if set(column.slots) - {None}]
        self._partials = [column.partial for column in columns]
        self._empty = [self._partials[number].empty for number in self._tiled]
        self._merges = [self._partials[number].merge for number in self._tiled]
        windows = sorted({w for c in columns for w in c.slots if w is not None}, key=lambda w: w.length or 0)
        longest = {window.hop or 1: window.length or 0 for window in windows}
        self._levels = sorted(longest.items())  # (hop, the longest window that has it), finest first
        self._at: int | None = None  # of when the bounds were worked out last
        self._bounds_then: list[int] = []
        self._unit = self._levels[0][0] if self._levels else 1
        self._windows = [(window.length or 0, window.hop or 1) for window in windows]
        self._life_slots = [
            (columns[number].slots[None], place, columns[number].partial.total)
            for place, number in enumerate(self._life)
        ]
        self._tile_slots = [
            (slot, place, windows.index(window), columns[number].partial.total)
            for place, number in enumerate(self._tiled)
            for window, slot in columns[number].slots.items()
            if window is not None
        ]

    def cells(self, row: dict[str, Any], occurred: int, ids: tuple[Any, ...]) -> Cells:
        """Return the cells of one fact, of the columns in which it counts."""
        holding = 0
        for bit, test in self._tests:
            if test(row):
                holding |= bit
        touched = self._touched.get(holding)
        if touched is None:
            touched = self._plan(holding)
        cells = [1 if of is None else of(read(row), occurred, ids) for of, read in touched.columns]
        return touched, cells

    def _plan(self, holding: int) -> _Touched:
        """Work out what facts touch of which these tests hold."""
        if len(self._touched) >= _PLANS:
            self._touched.clear()
        hits = [condition & holding == condition for condition in self._conditions]
        numbers = [number for number, (_, condition, _) in enumerate(self._columns) if hits[condition]]
        made = _Touched(
            columns=[(self._columns[number][0], self._columns[number][2]) for number in numbers],
            life=[
                (where, self._life.index(number), self._partials[number].merge, self._partials[number].unmerge)
                for where, number in enumerate(numbers)
                if number in self._life
            ],
            tiled=[
                (where, self._tiled.index(number), self._partials[number].merge, self._partials[number].unmerge)
                for where, number in enumerate(numbers)
                if number in self._tiled
            ],
        )
        self._touched[holding] = made
        return made

    def empty(self, newest: int) -> Tiles:
        """Return tiles without a fact."""
        base = [self._partials[number].empty for number in self._life]
        return Tiles(newest, b"", base, [], [[] for _ in self._tiled])

    def advance(self, tiles: Tiles, newest: int) -> None:
        """Make a later moment the newest, and put together what no window can tell apart any more."""
        if newest <= tiles.newest:
            return
        before, tiles.newest = self._bounds(tiles.newest), newest
        bounds = self._bounds(newest)
        if not tiles.starts or bounds == before:
            return
        unit = self._unit
        if gone := bisect_left(tiles.starts, bounds[-1] // unit):  # what the longest window has left
            del tiles.starts[:gone]
            for column in tiles.columns:
                del column[:gone]
        if all(
            bisect_left(tiles.starts, then // unit) == bisect_left(tiles.starts, now // unit)
            for then, now in zip(before[:-1], bounds[:-1], strict=True)
        ):  # no tile passes from one hop to the next
            return
        kept: list[int] = []
        columns: list[list[Cell]] = [[] for _ in self._tiled]
        for place, start in enumerate(tiles.starts):
            begin = self._start(start * self._unit, bounds)
            if begin is None:
                continue
            if kept and kept[-1] == begin:
                for old, new, merge in zip(tiles.columns, columns, self._merges, strict=True):
                    left, right = new[-1], old[place]
                    if right is not None:
                        new[-1] = right if left is None else merge(left, right)
            else:
                kept.append(begin)
                for old, new in zip(tiles.columns, columns, strict=True):
                    new.append(old[place])
        tiles.starts, tiles.columns = kept, columns

    def add(self, tiles: Tiles, occurred: int, found: Cells) -> None:
        """Put in one fact, which is not after the newest moment."""
        touched, cells = found
        base = tiles.base
        for where, place, merge, _ in touched.life:
            before = base[place]
            base[place] = cells[where] if before is None else merge(before, cells[where])
        begin = self._start(occurred, self._bounds(tiles.newest))
        if begin is None:
            return
        starts, columns = tiles.starts, tiles.columns
        tile = bisect_left(starts, begin)
        if tile == len(starts) or starts[tile] != begin:
            starts.insert(tile, begin)
            for column, empty in zip(columns, self._empty, strict=True):
                column.insert(tile, empty)
        for where, place, merge, _ in touched.tiled:
            column = columns[place]
            before = column[tile]
            column[tile] = cells[where] if before is None else merge(before, cells[where])

    def remove(self, tiles: Tiles, occurred: int, found: Cells) -> None:
        """Take out one fact; raises Inexact, and then the tiles are of no use any more."""
        touched, cells = found
        begin = self._start(occurred, self._bounds(tiles.newest))
        tile = 0 if begin is None else bisect_left(tiles.starts, begin)
        if begin is not None and (tile == len(tiles.starts) or tiles.starts[tile] != begin):
            raise Inexact
        targets = [(tiles.base, place, unmerge, cells[where]) for where, place, _, unmerge in touched.life]
        if begin is not None:
            targets += [
                (tiles.columns[place], tile, unmerge, cells[where]) for where, place, _, unmerge in touched.tiled
            ]
        for column, place, unmerge, part in targets:
            if column[place] is None:
                raise Inexact
            column[place] = unmerge(column[place], part)

    def totals(self, found: list[Tiles], as_of: int, slots: list[Cell]) -> None:
        """Write the totals at a moment that is not before any newest one into their slots.

        Parameters
        ----------
        found
            The tiles of the subjects of a person, in the order of the subjects.
        as_of
            The moment, in microseconds since 1970.
        slots
            Where the totals go.
        """
        unit = self._unit
        tails = [(as_of - length) // hop * hop // unit for length, hop in self._windows]
        if len(found) == 1:
            [tiles] = found
            base, starts, columns = tiles.base, tiles.starts, tiles.columns
            for slot, place, total in self._life_slots:
                slots[slot] = total((base[place],))
            if not starts:
                return
            offsets = [bisect_left(starts, tail) for tail in tails]
            for slot, place, window, total in self._tile_slots:
                slots[slot] = total(columns[place][offsets[window] :])
            return
        for slot, place, total in self._life_slots:
            slots[slot] = total([tiles.base[place] for tiles in found])
        several = [[bisect_left(tiles.starts, tail) for tail in tails] for tiles in found]
        for slot, place, window, total in self._tile_slots:
            cells: list[Cell] = []
            for tiles, offsets in zip(found, several, strict=True):
                cells += tiles.columns[place][offsets[window] :]
            slots[slot] = total(cells)

    def nothing(self, slots: list[Cell]) -> None:
        """Write the totals of no fact into their slots."""
        for slot, _, total in self._life_slots:
            slots[slot] = total(())
        for slot, _, _, total in self._tile_slots:
            slots[slot] = total(())

    def fits(self, tiles: Tiles) -> bool:
        """Tell whether tiles have the shape that this stream gives them."""
        length = len(tiles.starts)
        return (
            len(tiles.base) == len(self._life)
            and len(tiles.columns) == len(self._tiled)
            and all(len(column) == length for column in tiles.columns)
        )

    def _bounds(self, newest: int) -> list[int]:
        """Return for each hop, finest first, the first moment from which on a window of that hop can begin."""
        if newest != self._at:
            self._at, self._bounds_then = newest, [(newest - longest) // hop * hop for hop, longest in self._levels]
        return self._bounds_then

    def _start(self, moment: int, bounds: list[int]) -> int | None:
        """Return where the tile of a moment begins, in units; None when no window reaches it."""
        for (hop, _), bound in zip(self._levels, bounds, strict=True):
            if moment >= bound:
                return moment // hop * hop // self._unit
        return None
