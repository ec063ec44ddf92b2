"""The report's figures of stability: does each segment come back, and how many segments are too many."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import Figure
from coterie.charts.intervals import Dot, Strip, dots, strips
from coterie.charts.palette import group
from coterie.segments.disclosure import Disclosure
from coterie.segments.evidence.validity import DOUBTFUL, STABLE, KEvidence, ReportCard
from coterie.segments.words.description import SegmentDescription


def choice(evidence: Sequence[KEvidence], chosen: int, disclosure: Disclosure) -> Figure | None:
    """Draw how stable the segments were for every number of segments that was tried."""
    if not evidence:
        return None
    candidates = [
        Strip(str(one.k), one.jaccard, f"{disclosure.words(one.smallest)} people", one.k == chosen) for one in evidence
    ]
    least = min((value for one in evidence for value in one.jaccard), default=0.5)
    described = "; ".join(
        f"{one.k} segments: least stable {numbers.ratio(min(one.jaccard, default=float('nan')))}" for one in evidence
    )

    def draw(width: int) -> Markup:
        return strips(
            candidates,
            title="Stability of each segment, by the number of segments",
            description=f"{described}. Chosen: {chosen}.",
            heads=("Segments", "Stability of each (Jaccard)", "Smallest"),
            marks=((DOUBTFUL, numbers.ratio(DOUBTFUL)), (STABLE, numbers.ratio(STABLE))),
            span=(min(0.5, math.floor(least * 10) / 10), 1.0),
            width=width,
        )

    return Figure(draw(860), draw(360))


def stability(card: ReportCard | None, segments: Sequence[SegmentDescription], disclosure: Disclosure) -> Markup | None:
    """Draw for each segment that may be told of whether it comes back in resampled data."""
    if card is None or not card.stability:
        return None
    points = [
        Dot(
            f"{segment.segment + 1} {segment.name}",
            estimate.value,
            estimate.low,
            estimate.high,
            numbers.ratio(estimate.value),
            group(segment.segment),
        )
        for segment in segments
        if not disclosure.hides(segment.size)
        and segment.segment < len(card.stability)
        and (estimate := card.stability[segment.segment])
    ]
    if not points:
        return None
    described = "; ".join(f"{dot.label} {dot.words}" for dot in points)
    marks = ((DOUBTFUL, numbers.ratio(DOUBTFUL)), (STABLE, f"{numbers.ratio(STABLE)} holds"))
    return dots(points, title="Stability of each segment", description=described, span=(0.0, 1.0), marks=marks)
