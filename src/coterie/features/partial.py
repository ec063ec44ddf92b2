"""Partials: what is kept of facts so that any number of them can be put together, and of which single ones taken out.

Each kind is a monoid over small cells of plain values, which go into the state as they are: ``of`` makes the cell of
one fact, ``merge`` puts two together, ``total`` puts any number together, ``unmerge`` takes one out again or raises
``Inexact`` where that cannot be done without the facts. Features share cells: a mean is a sum and a count, and how many
different values, the commonest and their entropy are all read from one count by value.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from coterie.store.sql import DAY, SECOND

Cell = Any
"""A number, text, bytes, list or dictionary; each kind says which, and which one stands for no fact."""

_NAN = "nan"  # as a value that is counted: numbers are never text, and no two NaN are equal


class Inexact(Exception):  # noqa: N818 (no error: it asks for the facts)
    """The fact cannot be taken out of the cell: the facts are needed again."""


class Partial(ABC):
    """A kind of cell; see the module. ``empty`` is the cell of no fact."""

    empty: Cell = None

    @abstractmethod
    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the cell of one fact that counts, with its moment (microseconds since 1970) and what orders ties."""

    @abstractmethod
    def merge(self, left: Cell, right: Cell) -> Cell:
        """Return the cell of the facts of both; ``left`` may be changed and must not be used any more."""

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Return the cell without the facts of ``part``; ``cell`` may be changed. Raises Inexact."""
        raise Inexact

    def total(self, cells: Sequence[Cell]) -> Cell:
        """Return the cell of the facts of all; none of them is changed."""
        found = self.empty
        for cell in cells:
            if cell is not None:
                found = cell if found is None else self.merge(found, cell)
        return found


class Count(Partial):
    """How many facts: a whole number."""

    empty = 0

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return 1."""
        return 1

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Add."""
        return left + right

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Subtract, which is always exact."""
        if cell < part:
            raise Inexact
        return cell - part

    def total(self, cells: Sequence[Cell]) -> Cell:
        """Add up."""
        return sum(cells)


class Sum(Partial):
    """The sum of whole numbers of any size."""

    empty = 0

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the number."""
        return value

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Add."""
        return left + right

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Subtract, which is always exact."""
        return cell - part

    def total(self, cells: Sequence[Cell]) -> Cell:
        """Add up."""
        return sum(cells)


class Squares(Sum):
    """The sum of the squares of whole numbers."""

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the square."""
        return value * value


class RealSum(Sum):
    """The sum of floating-point numbers, out of which none can be taken exactly."""

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the number."""
        return float(value)

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Raise Inexact, but for zeros."""
        if part == 0:
            return cell
        raise Inexact


class Moments(Partial):
    """Number, mean and sum of squared differences from it: Chan, Golub, LeVeque (1979), "Updating formulae"."""

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return those of one number."""
        return [1, float(value), 0.0]

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Put both together."""
        (n, mean, spread), (m, other, more) = left, right
        number, step = n + m, other - mean
        return [number, mean + step * m / number, spread + more + step * step * n * m / number]


class Extreme(Partial):
    """The least or the greatest number."""

    def __init__(self, choose: Callable[[Iterable[Any]], Any]) -> None:
        self._choose = choose

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the number."""
        return value

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Choose."""
        return self._choose((left, right))

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Leave it as it is, unless the extreme itself goes."""
        if self._choose((cell, part)) == cell != part:
            return cell
        raise Inexact

    def total(self, cells: Sequence[Cell]) -> Cell:
        """Choose of all."""
        known = [cell for cell in cells if cell is not None]
        return self._choose(known) if known else None


class Moment(Extreme):
    """The first or the last moment, in microseconds since 1970."""

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the moment."""
        return occurred


class Values(Partial):
    """How many facts have which value: the value itself for one fact, a dictionary for several."""

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the value."""
        if isinstance(value, float):
            return _NAN if value != value else value + 0.0  # -0.0 is 0.0
        return value

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Add up by value."""
        counts = left if type(left) is dict else {left: 1}
        if type(right) is dict:
            for value, number in right.items():
                counts[value] = counts.get(value, 0) + number
        else:
            counts[right] = counts.get(right, 0) + 1
        return counts

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Subtract by value, which is always exact."""
        counts = cell if type(cell) is dict else {cell: 1}
        for value, number in part.items() if type(part) is dict else ((part, 1),):
            left = counts.get(value, 0) - number
            if left < 0:
                raise Inexact
            if left:
                counts[value] = left
            else:
                del counts[value]
        if len(counts) == 1:
            [(value, number)] = counts.items()
            if number == 1:
                return value
        return counts or None

    def total(self, cells: Sequence[Cell]) -> Cell:
        """Return a dictionary of all."""
        counts: dict[Any, int] = {}
        for cell in cells:
            if type(cell) is dict:
                if not counts:
                    counts = cell.copy()
                    continue
                for value, number in cell.items():
                    counts[value] = counts.get(value, 0) + number
            elif cell is not None:
                counts[cell] = counts.get(cell, 0) + 1
        return counts


class Times(Partial):
    """The moments of all facts, as bytes: ``s`` and seconds of 4 bytes, or ``u`` and microseconds of 8."""

    empty = b""

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the moment."""
        seconds, rest = divmod(occurred, SECOND)
        if not rest and 0 <= seconds < 1 << 32:
            return b"s" + seconds.to_bytes(4, "little")
        return b"u" + occurred.to_bytes(8, "little", signed=True)

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Put one behind the other."""
        if not left or not right:
            return left or right
        if left[0] == right[0]:
            return left + right[1:]
        return self._fine(left) + self._fine(right)[1:]

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Take the moments out, which is always exact."""
        if not part:
            return cell
        if not cell:
            raise Inexact
        if cell[0] != part[0]:
            cell, part = self._fine(cell), self._fine(part)
        kept = array("I" if cell[:1] == b"s" else "q", cell[1:])
        for moment in array(kept.typecode, part[1:]):
            try:
                kept.remove(moment)
            except ValueError:
                raise Inexact from None
        return cell[:1] + kept.tobytes() if kept else b""

    def total(self, cells: Sequence[Cell]) -> Cell:
        """Put all behind one another."""
        known = [cell for cell in cells if cell]
        if len(known) < 2:
            return known[0] if known else b""
        if len({cell[0] for cell in known}) > 1:
            known = [self._fine(cell) for cell in known]
        return known[0][:1] + b"".join(cell[1:] for cell in known)

    @staticmethod
    def moments(cell: Cell) -> list[int]:
        """Return the moments in order, in microseconds since 1970."""
        if cell[:1] == b"s":
            return sorted(second * SECOND for second in array("I", cell[1:]))
        return sorted(array("q", cell[1:]))

    def _fine(self, cell: Cell) -> bytes:
        return b"u" + array("q", self.moments(cell)).tobytes() if cell[:1] == b"s" else bytes(cell)


class Ranked(Partial):
    """The fact that comes first or last: its moment, what orders ties, and its value.

    Of facts that are equal in all of these the one of the right cell comes later.
    """

    def __init__(self, *, last: bool) -> None:
        self._last = last

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the fact."""
        return [occurred, *ids, value]

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Choose."""
        later = right[:-1] >= left[:-1]
        return right if later is self._last else left

    def unmerge(self, cell: Cell, part: Cell) -> Cell:
        """Leave it as it is, unless the chosen fact itself goes."""
        if cell is not None and part[:-1] != cell[:-1] and self.merge(part, cell) is cell:
            return cell
        raise Inexact


class Decayed(Partial):
    """A sum in which each fact halves with its age, as it stood at the latest moment: that moment and the sum."""

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life * DAY

    def of(self, value: Any, occurred: int, ids: tuple[Any, ...]) -> Cell:
        """Return the fact at its moment."""
        return [occurred, 1.0 if value is None else float(value)]

    def merge(self, left: Cell, right: Cell) -> Cell:
        """Let the older one decay up to the newer one."""
        if left[0] > right[0]:
            left, right = right, left
        return [right[0], right[1] + self.at(left, right[0])]

    def at(self, cell: Cell, moment: int) -> float:
        """Return the sum at a moment that is not before the latest fact."""
        return float(cell[1] * 2.0 ** (-(moment - cell[0]) / self._half_life))


def least(values: Iterable[Any]) -> Any:
    """Return the least number; NaN is greater than all others."""
    return min(values, key=_rank)


def greatest(values: Iterable[Any]) -> Any:
    """Return the greatest number; NaN is greater than all others."""
    return max(values, key=_rank)


def _rank(value: Any) -> tuple[bool, Any]:
    return (True, 0.0) if value != value else (False, value)


def counted(value: Any) -> Any:
    """Return a value that was counted as the facts have it."""
    return math.nan if value == _NAN else value
