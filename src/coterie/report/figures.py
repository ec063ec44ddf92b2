"""The report's figures: results of segmentation handed to the drawing functions, each wide and narrow."""

from __future__ import annotations

import math
import re
from calendar import month_abbr
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.bars import Difference, Tile, columns, diverging, mosaic
from coterie.charts.dendrogram import Branch, dendrogram
from coterie.charts.intervals import Dot, Strip, dots, strips
from coterie.charts.palette import group
from coterie.charts.scatter import Cloud, scatter
from coterie.evaluation.intervals import Estimate
from coterie.report.disclosure import Disclosure
from coterie.report.quality import QualityView
from coterie.report.summary import rows
from coterie.segments.description import SegmentDescription, Trait
from coterie.segments.hierarchy import TreeNode
from coterie.segments.projection import Projection
from coterie.segments.validity import KEvidence, ReportCard

HOLDS, DOUBTFUL = 0.75, 0.6  # mean bootstrap Jaccard (Hennig 2007): at least, a segment holds; below, it does not
TRAITS, LEAST = 8, 4  # bars a segment: at most, and how many even when they are short
NOTABLE = 0.2  # standard deviations


class Figure(NamedTuple):
    """One figure, drawn for a desk and for a phone; the page shows one of the two."""

    wide: Markup
    narrow: Markup


def overview(segments: Sequence[SegmentDescription], currency: str, disclosure: Disclosure) -> Figure | None:
    """Draw people across and spend a head upwards, so that area is value."""
    if not segments:
        return None
    tiles = [
        Tile(
            label=row.name,
            width=None if row.hidden else row.of_people,
            height=None if row.hidden else max(row.head_order, 0.0),
            above=row.size + " people" if row.hidden else f"{row.head} a head",
            inside="not told" if row.hidden else f"{row.value_share} of spend",
            segment=row.segment,
        )
        for row in rows(segments, currency, disclosure)
    ]
    description = "; ".join(f"{tile.segment + 1} {tile.label}: {tile.above}, {tile.inside}" for tile in tiles)

    def draw(width: int) -> Markup:
        return mosaic(
            tiles,
            title="Segments by people, spend a head and value",
            description=description,
            across="Width: share of people. Height: spent a head. Area: what they spent together.",
            width=width,
        )

    return Figure(draw(860), draw(360))


def apart(segments: Sequence[SegmentDescription], currency: str, disclosure: Disclosure) -> dict[int, Figure]:
    """Draw for each segment what sets it apart from everyone, all on one scale."""
    shown = [segment for segment in segments if segment.traits and not disclosure.hides(segment.size)]
    reach = max((abs(trait.effect) for segment in shown for trait in segment.traits), default=1.0)
    reach = min(max(reach, 1.0), 2.5)
    found = {}
    for segment in shown:
        differences = [
            Difference(
                label=trait.title,
                effect=trait.effect,
                words=(
                    numbers.quantity(trait.typical, trait.unit, currency),
                    numbers.quantity(trait.base, trait.unit, currency),
                ),
                tip=f"{trait.title}: {numbers.deviations(trait.effect)} from everyone's mean",
            )
            for trait in telling(segment.traits)
        ]
        description = "; ".join(f"{row.label} {row.words[0]} vs {row.words[1]}" for row in differences)

        def draw(
            width: int,
            segment: SegmentDescription = segment,
            differences: list[Difference] = differences,
            description: str = description,
        ) -> Markup:
            return diverging(
                differences,
                title=f"What sets {segment.name} apart",
                description=f"Medians of the segment and of everyone: {description}.",
                ends=("lower", "higher"),
                segment=segment.segment,
                reach=reach,
                width=width,
            )

        found[segment.segment] = Figure(draw(520), draw(360))
    return found


def telling(traits: Sequence[Trait]) -> tuple[Trait, ...]:
    """Return the traits worth a bar, the strongest first: of one thing over several windows of time only one."""
    kept: list[Trait] = []
    told: set[str] = set()
    for trait in sorted(traits, key=lambda trait: -abs(trait.effect)):
        thing = re.sub(r"_\d+d$", "", trait.feature)
        weak = abs(trait.effect) < NOTABLE and len(kept) >= LEAST
        if thing not in told and not weak and len(kept) < TRAITS:
            told.add(thing)
            kept.append(trait)
    return tuple(kept)


def plane(
    projection: Projection | None, segments: Sequence[SegmentDescription], disclosure: Disclosure
) -> Figure | None:
    """Draw the map; segments that may not be told of are not on it."""
    if projection is None or not len(projection.x):
        return None
    clouds = []
    for segment in segments:
        found = np.flatnonzero(projection.segment == segment.segment)
        found = found[: disclosure.points(len(found))]
        if len(found) and not disclosure.hides(segment.size):
            clouds.append(Cloud(segment.name, segment.segment, projection.x[found], projection.y[found]))
    if not clouds:
        return None

    def draw(width: int, height: int) -> Markup:
        return scatter(
            clouds,
            axes=projection.axes,
            title="Map of people, coloured by segment",
            description=f"To the right: {projection.axes[0]}. Upwards: {projection.axes[1]}. "
            "Each dot is a person; the table of segments says the same in figures.",
            width=width,
            height=height,
        )

    return Figure(draw(860, 540), draw(360, 380))


def tree(nodes: Sequence[TreeNode], disclosure: Disclosure) -> Figure | None:
    """Draw segments within segments, with the cut that made them."""
    kept = disclosure.tree(nodes)
    if len(kept) < 3:
        return None
    branches = [
        Branch(node.node, node.parent, node.height, _numbered(node), disclosure.words(node.size), node.segment)
        for node in kept
    ]
    above = [node.height for node in kept if node.segment is None]
    parents = {node.node for node in kept}
    below = [node.height for node in kept if node.segment is not None and node.node in parents]
    cut = None
    if above and below and min(above) > max(below):
        cut = (min(above) + max(below)) / 2
    leaves = len(kept) - len({node.parent for node in kept if node.parent is not None})

    def draw(width: int) -> Markup:
        return dendrogram(
            branches,
            title="Tree of segments",
            description=f"{leaves} groups, joined step by step until all are one; likeness decides who joins first.",
            scale="the further left branches meet, the less alike",
            cut=cut,
            width=width,
        )

    return Figure(draw(860), draw(360))


def _numbered(node: TreeNode) -> str:
    """Put the segment's number before the name, so that colour is not needed to find it."""
    return node.name if node.segment is None else f"{node.segment + 1} {node.name}"


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
            marks=((DOUBTFUL, numbers.ratio(DOUBTFUL)), (HOLDS, numbers.ratio(HOLDS))),
            span=(min(0.5, math.floor(least * 10) / 10), 1.0),
            width=width,
        )

    return Figure(draw(860), draw(360))


def worth(card: ReportCard | None) -> tuple[tuple[str, Markup], ...]:
    """Draw how well groups tell the future apart, beside naive groups and the ceiling: spend, then churn."""
    if card is None:
        return ()
    found = []
    for key, title, marks in (
        ("r2", "Future spend explained (R² of log spend)", ((0.0, "nothing"),)),
        ("auc", "Who stays away, ranked (AUC)", ((0.5, "coin toss"),)),
    ):
        judged = [(row, estimate) for row in card.rows if (estimate := getattr(row, key)) is not None]
        points = [
            Dot(row.method, estimate.value, estimate.low, estimate.high, numbers.ratio(estimate.value), row.role)
            for row, estimate in judged
        ]
        if points:
            described = "; ".join(f"{row.method} {_interval(estimate)}" for row, estimate in judged)
            found.append((title, dots(points, title=title, description=described, marks=marks)))
    return tuple(found)


def stability(card: ReportCard | None, segments: Sequence[SegmentDescription]) -> Markup | None:
    """Draw for each segment whether it comes back in resampled data."""
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
        if segment.segment < len(card.stability) and (estimate := card.stability[segment.segment])
    ]
    described = "; ".join(f"{dot.label} {dot.words}" for dot in points)
    marks = ((DOUBTFUL, numbers.ratio(DOUBTFUL)), (HOLDS, f"{numbers.ratio(HOLDS)} holds"))
    return dots(points, title="Stability of each segment", description=described, span=(0.0, 1.0), marks=marks)


def volume(quality: QualityView | None) -> Figure | None:
    """Draw rows by month."""
    if quality is None or not quality.volume:
        return None
    described = "; ".join(f"{month} {numbers.count(count)}" for month, count in quality.volume)
    values = [
        (_month(month, first=index == 0), float(count), f"{numbers.count(count)} rows")
        for index, (month, count) in enumerate(quality.volume)
    ]

    def draw(width: int) -> Markup:
        return columns(values, title="Rows by month", description=described, width=width)

    return Figure(draw(860), draw(360))


def _month(month: str, *, first: bool) -> str:
    """Write "2017-02" as "Feb", with its year at the first month and in January."""
    year, _, number = month.partition("-")
    if not (number.isdecimal() and 1 <= int(number) <= 12):
        return month
    name = month_abbr[int(number)]
    return f"{name} {year}" if first or number == "01" else name


def _interval(estimate: Estimate) -> str:
    return f"{numbers.ratio(estimate.value)} ({numbers.ratio(estimate.low)} to {numbers.ratio(estimate.high)})"
