"""The report's figure of segments beside each other: who is next to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import Figure
from coterie.charts.heat import Cell, heat
from coterie.segments.disclosure import Disclosure
from coterie.segments.words.description import SegmentDescription

if TYPE_CHECKING:
    from coterie.segments.relations import Relations


def relations(found: Relations | None, segments: Sequence[SegmentDescription], disclosure: Disclosure) -> Figure | None:
    """Draw of each segment (rows) which other ones its people would be in next."""
    shown = [segment for segment in segments if not disclosure.hides(segment.size)]
    if found is None or len(shown) < 3:
        return None
    told = [(segment.name, segment.segment) for segment in shown]
    rows = []
    for segment in shown:
        cells = []
        counts = [round(part * segment.size) for part in found.next_to[segment.segment]]
        hidden = disclosure.cells(counts)
        for other in shown:
            if other.segment == segment.segment:
                cells.append(Cell(None, ""))
                continue
            part = found.next_to[segment.segment][other.segment]
            words = f"<{disclosure.minimum}" if disclosure.hides(counts[other.segment]) else numbers.MISSING
            hide = hidden[other.segment]
            cells.append(Cell(None if hide else part, words if hide else numbers.share(part)))
        rows.append((segment.name, segment.segment, cells))
    described = "; ".join(
        f"{one.segment + 1} {one.name}: {next_to.segment + 1} {next_to.name}"
        for one in shown
        if (next_to := neighbour(found, one, shown)) is not None
    )

    def draw(width: int) -> Markup:
        return heat(
            rows,
            told,
            title="Which segment is next to which",
            description=f"The nearest other segment of most people of each: {described}.",
            corner="Share of the row's people whose next nearest segment is the column's",
            width=width,
        )

    return Figure(draw(860), draw(360))


def neighbour(
    found: Relations, segment: SegmentDescription, others: Sequence[SegmentDescription]
) -> SegmentDescription | None:
    """Return the segment that most of a segment's people would be in next."""
    row = found.next_to[segment.segment]
    return max(
        (one for one in others if one.segment != segment.segment), key=lambda one: row[one.segment], default=None
    )


def bordering(found: Relations | None) -> str:
    """Say how many people stand near a border; empty where this was not looked at."""
    return "" if found is None else f"{numbers.share(found.between)} of people stand nearly on a border between two."
