"""Segments as JSON values, as far as they may be told: nothing of a group below the minimum, nor of a single person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from coterie.govern.privacy import small
from coterie.report.portrait import typical
from coterie.segments.disclosure import Disclosure
from coterie.segments.evidence.validity import KEvidence, ReportCard
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription

if TYPE_CHECKING:
    from coterie.report.segments import Goal
    from coterie.segments.relations import Relations


class Withheld:
    """Writes what belongs to segments as JSON values; what may not be told is None.

    Sizes are exact, so that a larger segment is withheld too where it would tell a small one. Once one is small, no
    size of the tree is told, as most could be added to and subtracted from those of segments, nor which part of all
    spend a segment brought: it tells what the others brought, of whom one person may have paid nearly everything. The
    same holds where one or two people paid nearly all of what a larger segment brought, which is not told then.

    Parameters
    ----------
    segments
        The segments.
    minimum
        No number of people from 1 to below this is told.
    """

    def __init__(self, segments: Sequence[SegmentDescription], minimum: int) -> None:
        self.minimum = minimum
        self.sizes = {one.segment: one.size for one in segments}
        hidden = small(list(self.sizes.values()), minimum)
        self.hidden = {segment for segment, hide in zip(self.sizes, hidden, strict=True) if hide}
        self.disclosure = Disclosure.of(segments, minimum)
        then = [one for one in segments if one.trend is not None]
        early = small([one.trend.size for one in then if one.trend is not None], minimum)
        self.unknown = {one.segment for one, hide in zip(then, early, strict=True) if hide}

    def segment(self, segment: SegmentDescription) -> dict[str, Any]:
        """Return a segment; its typical people in rounded figures of what tells it apart, as on the page."""
        body = asdict(replace(segment, exemplars=()))
        if segment.segment in self.hidden:
            return dict.fromkeys(body) | {"segment": segment.segment, "name": segment.name}
        if self.disclosure.partial:
            body |= {"value_share": None, "sentences": self.disclosure.sentences(segment)}
        if not self.disclosure.purse(segment):
            body["value"] = None
        body["exemplars"] = [
            {"feature": trait.feature, "title": trait.title, "unit": trait.unit, "values": values}
            for trait, values in typical(segment)
        ]
        if segment.trend is not None:
            money = (
                {} if self.disclosure.trends else {"value": None, "value_share": None, "sentence": segment.trend.plain}
            )
            body["trend"] = None if segment.segment in self.unknown else body["trend"] | money
        return body

    def goal(self, goal: Goal | None) -> dict[str, Any] | None:
        """Return what segments were made for."""
        if goal is None:
            return None
        told = {
            part: [None if number in self.hidden | more else one for number, one in enumerate(getattr(goal, part))]
            for part, more in (("sentences", set()), ("means", {*goal.dominated}))
        }
        return asdict(goal) | told

    def relations(self, found: Relations | None) -> dict[str, Any] | None:
        """Return who is next to whom; where a cell of a row is small, so many others that it does not follow."""
        if found is None:
            return None
        body = asdict(found)
        for segment in range(len(found.next_to)):
            size = self.sizes.get(segment, 0)
            if segment in self.hidden:
                for part in ("distance", "next_to", "borders"):
                    body[part] = [None if place == segment else one for place, one in enumerate(body[part])]
                continue
            # how far off the middle of a few people lies, from enough sides, says where it lies
            away = [None if place in self.hidden else one for place, one in enumerate(found.distance[segment])]
            body["distance"] = [away if place == segment else one for place, one in enumerate(body["distance"])]
            counts = [round(part * size) for part in found.next_to[segment]]
            hide = self.disclosure.cells(counts)
            row = [None if out else one for one, out in zip(found.next_to[segment], hide, strict=True)]
            near = round(found.borders[segment] * size)
            body["next_to"] = [row if place == segment else one for place, one in enumerate(body["next_to"])]
            if any(self.disclosure.hides(count) for count in (near, size - near)):
                body["borders"] = [None if place == segment else one for place, one in enumerate(body["borders"])]
        if self.hidden:
            body["between"] = None  # less those of the segments that are told, it is of those that are not
        return body

    def tree(self, nodes: Sequence[TreeNode]) -> list[dict[str, Any]]:
        """Return the tree without the splits that would single out a small group."""
        coarse = {"size": None} if self.disclosure.coarse else {}
        return [asdict(node) | coarse for node in self.disclosure.tree(nodes)]

    def card(self, card: ReportCard | None) -> dict[str, Any] | None:
        """Return the card; the size of a method's smallest group where it may be told."""
        if card is None:
            return None
        rows = tuple(replace(row, smallest=self._size(row.smallest)) for row in card.rows)
        body = asdict(replace(card, rows=rows))
        body["stability"] = [None if place in self.hidden else one for place, one in enumerate(body["stability"])]
        return body

    def evidence(self, found: Sequence[KEvidence]) -> list[dict[str, Any]]:
        """Return what was found for each number of segments."""
        return [asdict(one) | {"smallest": self._size(one.smallest)} for one in found]

    def _size(self, size: int | None) -> int | None:
        return None if size is None or self.disclosure.hides(size) else size
