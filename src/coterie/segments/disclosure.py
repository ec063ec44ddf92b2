"""How much may be shown of groups: no size below the minimum, no sum of few, nor what these could be computed from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Self

from coterie.charts import numbers
from coterie.segments.suppression import cells
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription


class Disclosure:
    """What a page may say of sizes.

    As long as every group is large enough, everything is exact. Once one is too small, its figures are withheld, and
    all other sizes are rounded to the minimum: else the small one would be the total less the others. Shares and means
    are then made of the rounded sizes, and what everybody spent is not told, but only what those spent who are told of.

    Of a segment most of whose spend was one or two people's, the spend is withheld and the size is told. What everybody
    spent is then not told either, nor any part of it, which would tell it less the others.

    Parameters
    ----------
    sizes
        How many people each group of the page has.
    minimum
        No size from 1 to below this is told.
    dominated
        The segments whose spend one or two people made nearly all of, by id.
    """

    def __init__(self, sizes: Iterable[int], minimum: int, dominated: Collection[int] = ()) -> None:
        self.minimum = minimum
        self.coarse = any(0 < size < minimum for size in sizes)
        self.dominated = frozenset(dominated)
        self.partial = self.coarse or bool(self.dominated)
        self.trends = not self.partial

    @classmethod
    def of(cls, segments: Sequence[SegmentDescription], minimum: int) -> Self:
        """Return what may be said of segments that are described.

        ``partial`` says that of some the spend is withheld, ``trends`` that of all it may be told, now and as it was.
        """
        found = cls([one.size for one in segments], minimum, [one.segment for one in segments if one.dominated])
        before = [one.trend for one in segments if one.trend is not None]
        found.trends = not found.partial and not any(one.dominated or found.hides(one.size) for one in before)
        return found

    def purse(self, segment: SegmentDescription) -> bool:
        """Return whether it may be told what a segment spent."""
        return not self.hides(segment.size) and segment.segment not in self.dominated

    def hides(self, size: int) -> bool:
        """Return whether a group of this size may not be told."""
        return 0 < size < self.minimum

    def size(self, size: int) -> int | None:
        """Return the size as it may be told; None where it may not.

        >>> Disclosure([533, 149], 50).size(149), Disclosure([533, 12], 50).size(533), Disclosure([12], 50).size(12)
        (149, 550, None)
        """
        if self.hides(size):
            return None
        return round(size / self.minimum) * self.minimum if self.coarse else size

    def words(self, size: int) -> str:
        """Return the size in words.

        >>> Disclosure([533, 12], 50).words(533), Disclosure([533, 12], 50).words(12)
        ('≈550', '<50')
        """
        told = self.size(size)
        if told is None:
            return f"<{self.minimum}"
        return ("≈" if self.coarse else "") + numbers.count(told)

    def sentences(self, segment: SegmentDescription) -> tuple[str, ...]:
        """Return a segment's sentences; once sizes are rounded, only those without a figure that could undo it.

        Once the spend of one is withheld, without the first one, which says what part of all spend it brought.
        """
        if self.hides(segment.size):
            return ()
        if not self.coarse:
            first = (f"{segment.size:,} people ", f"{segment.size:,} person ")
            return tuple(words for words in segment.sentences if not (self.partial and words.startswith(first)))
        return tuple(words for words in segment.sentences if not any(letter.isnumeric() for letter in words))

    def value(self, segments: Iterable[SegmentDescription]) -> int:
        """Return what the groups spent that may be told of, in minor units: everybody, unless one may not."""
        return sum(segment.value for segment in segments if self.purse(segment))

    def cells(self, counts: Sequence[int]) -> tuple[bool, ...]:
        """Say which parts of a group are withheld, so that none follows from the others; that nobody is in one is told.

        >>> Disclosure([533], 50).cells([0, 500, 33]), Disclosure([533], 50).cells([0, 433, 100])
        ((False, True, True), (False, False, False))
        """
        return cells(counts, self.minimum)

    def points(self, count: int) -> int:
        """Return how many points of a segment may be drawn, so that counting them tells no more than ``words``."""
        if not self.coarse:
            return count
        return count // self.minimum * self.minimum

    def tree(self, nodes: Sequence[TreeNode]) -> tuple[TreeNode, ...]:
        """Return the tree without the splits that would single out a group below the minimum.

        Where a segment itself is that small, splits above segments stay: all sizes are rounded then.
        """
        children: dict[int | None, list[TreeNode]] = {}
        for node in nodes:
            children.setdefault(node.parent, []).append(node)
        kept: list[TreeNode] = []
        waiting = children.get(None, [])[:1]
        while waiting:
            node = waiting.pop()
            kept.append(node)
            below = children.get(node.node, [])
            above = self.coarse and node.segment is None
            if above or not any(self.hides(child.size) for child in below):
                waiting.extend(reversed(below))
        return tuple(kept)
