"""The report's figures of the segments as they are: how large, how unlike, where they stand, of what made."""

from __future__ import annotations

import math
import re
from calendar import month_abbr
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.bars import Difference, Tile, columns, diverging, mosaic
from coterie.charts.drawing import Figure
from coterie.charts.profile import Profile
from coterie.charts.profile import profile as profile_of
from coterie.charts.scatter import Cloud, scatter
from coterie.report.quality import QualityView
from coterie.report.summary import rows
from coterie.segments.disclosure import Disclosure
from coterie.segments.projection import Projection
from coterie.segments.words.description import SegmentDescription, Trait

FEATURES = 25  # rows of the profile at most
TRAITS, LEAST = 8, 4  # bars a segment: at most, and how many even when they are short
NOTABLE = 0.2  # standard deviations


def overview(segments: Sequence[SegmentDescription], currency: str, disclosure: Disclosure) -> Figure | None:
    """Draw people across and spend a head upwards, so that area is value."""
    if not segments:
        return None
    silent = {segment.segment for segment in segments if not disclosure.purse(segment)}
    tiles = [
        Tile(
            label=row.name,
            width=None if row.hidden else row.of_people,
            height=None if row.segment in silent else max(row.head_order, 0.0),
            above=row.size + " people" if row.segment in silent else f"{row.head} a head",
            inside="not told" if row.segment in silent else f"{row.value_share} of spend",
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


def profile(segments: Sequence[SegmentDescription], disclosure: Disclosure) -> Figure | None:
    """Draw how far every segment lies from everyone in every feature; the most telling features come first."""
    shown = [segment for segment in segments if segment.traits and not disclosure.hides(segment.size)]
    if len(shown) < 2:
        return None
    found: dict[str, dict[int, float]] = {}
    titles: dict[str, str] = {}
    for segment in shown:
        for trait in segment.traits:
            titles[trait.feature] = trait.title
            found.setdefault(trait.feature, {})[segment.segment] = trait.effect
    ranked = sorted(found, key=lambda name: (-max(map(abs, found[name].values())), name))[:FEATURES]
    profiles = [
        Profile(segment.name, segment.segment, tuple(found[name].get(segment.segment, math.nan) for name in ranked))
        for segment in shown
    ]
    described = "; ".join(
        f"{segment.segment + 1} {segment.name}: "
        + ", ".join(f"{trait.title} {numbers.deviations(trait.effect)}" for trait in telling(segment.traits)[:3])
        for segment in shown
    )

    def draw(width: int) -> Markup:
        return profile_of(
            profiles,
            [titles[name] for name in ranked],
            title="Profiles of the segments",
            description=f"How far each segment lies from everyone, in standard deviations; the strongest: {described}.",
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
