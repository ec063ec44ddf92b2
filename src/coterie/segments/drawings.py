"""Results drawn: cards, trees and migrations handed to the drawing functions, for reports and for notebooks alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.dendrogram import Branch, dendrogram
from coterie.charts.drawing import Figure
from coterie.charts.flow import Band, Block, flow
from coterie.charts.heat import Cell, heat
from coterie.charts.intervals import Dot, dots
from coterie.evaluation.intervals import Estimate
from coterie.segments.disclosure import Disclosure

if TYPE_CHECKING:
    from coterie.segments.evidence.validity import ReportCard
    from coterie.segments.time.migration import Migration
    from coterie.segments.tree import TreeNode

LEVELS = 10  # groups of the finest level of a tree that is told in words
SHOWN = 6  # moments of a flow at most: more cannot be followed; the newest are taken


def worth(card: ReportCard | None) -> tuple[tuple[str, Markup], ...]:
    """Draw how well groups tell the future apart, beside naive groups and the ceiling: spend, churn, the mix."""
    if card is None:
        return ()
    found = []
    for key, title, marks, places in (
        ("r2", "Future spend explained (R² of log spend)", ((0.0, "nothing"),), 2),
        ("auc", "Who stays away, ranked (AUC)", ((0.5, "coin toss"),), 2),
        ("mix", "What is bought next (R² of category shares)", ((0.0, "nothing"),), 3),
    ):
        judged = [(row, estimate) for row in card.rows if (estimate := getattr(row, key)) is not None]
        points = [
            Dot(
                row.method,
                estimate.value,
                estimate.low,
                estimate.high,
                numbers.ratio(estimate.value, places=places),
                row.role,
            )
            for row, estimate in judged
        ]
        if points:
            described = "; ".join(f"{row.method} {_interval(estimate, places)}" for row, estimate in judged)
            found.append((title, dots(points, title=title, description=described, marks=marks)))
    return tuple(found)


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


def levels(nodes: Sequence[TreeNode], disclosure: Disclosure) -> tuple[tuple[int, tuple[tuple[str, str], ...]], ...]:
    """Return the groups, with their sizes in words, that the tree falls into when it is cut higher up or lower down.

    From two groups up to ten, as far as all groups of a level may be told.
    """
    kept = {node.node: node for node in disclosure.tree(nodes)}
    below: dict[int, list[TreeNode]] = {}
    for node in kept.values():
        if node.parent is not None:
            below.setdefault(node.parent, []).append(node)
    groups = [node for node in kept.values() if node.parent is None]
    found: list[tuple[int, tuple[tuple[str, str], ...]]] = []
    while len(groups) < LEVELS:
        split = max((node for node in groups if node.node in below), key=lambda node: node.height, default=None)
        if split is None or any(disclosure.hides(node.size) for node in below[split.node]):
            break
        place = groups.index(split)
        groups = [*groups[:place], *below[split.node], *groups[place + 1 :]]
        found.append((len(groups), tuple((node.name, disclosure.words(node.size)) for node in groups)))
    return tuple(found)


def _numbered(node: TreeNode) -> str:
    """Put the segment's number before the name, so that colour is not needed to find it."""
    return node.name if node.segment is None else f"{node.segment + 1} {node.name}"


def migrations(steps: Sequence[Migration], moments: Sequence[str], minimum: int) -> Figure | None:
    """Draw who went from which segment to which, from moment to moment; flows that may not be told are left out."""
    if not steps:
        return None
    steps, moments = steps[1 - SHOWN :], moments[-min(len(steps) + 1, SHOWN) :]
    disclosure = Disclosure([size for step in steps for size in (*step.before, *step.after)], minimum)
    drawn = [(moment, _blocks(steps, place, disclosure)) for place, moment in enumerate(moments)]
    bands = [_bands(step, minimum) for step in steps]
    last = steps[-1]
    described = "; ".join(
        f"{number + 1} {name} {disclosure.words(before)} → {disclosure.words(after)} people"
        for number, (name, before, after) in enumerate(zip(last.names, last.before, last.after, strict=True))
    )

    def draw(width: int) -> Markup:
        return flow(
            drawn,
            bands,
            title="Who went where",
            description=f"{stayed(last, minimum)} Between the last two moments: {described}.",
            width=width,
        )

    return Figure(draw(860), draw(360))


def moved(step: Migration, minimum: int) -> Figure:
    """Draw of each segment (rows) which share of its people is in which one after."""
    shares = step.probabilities_told(minimum)
    rows: list[tuple[str, int | None, list[Cell]]] = []
    for before, name in enumerate(step.names):
        cells = []
        for after, told in enumerate(shares[before]):
            part = None if told is None or math.isnan(told.value) else told.value
            words = numbers.MISSING if part is None else numbers.share(part)
            cells.append(Cell(part, words, framed=before == after))
        rows.append((name, before, cells))

    def draw(width: int) -> Markup:
        return heat(
            rows,
            [(name, number) for number, name in enumerate(step.names)],
            title="Where each segment's people are now",
            description=stayed(step, minimum),
            corner="From (rows) to (columns): share of the row's people who are still customers",
            width=width,
        )

    return Figure(draw(860), draw(360))


def stayed(step: Migration, minimum: int) -> str:
    """Say how many kept their segment, as far as that may be told."""
    told = step.stayed_told(minimum)
    if math.isnan(told.value):
        return "How many people kept their segment is not told: they are too few."
    if math.isnan(told.low):
        return f"{'Fewer' if told.value else 'All but fewer'} than {minimum} people changed their segment."
    low, high = numbers.share(told.low), numbers.share(told.high)
    about = "" if told is step.stayed else "About "
    return f"{about}{numbers.share(told.value)} of people kept their segment (95% interval {low} to {high})."


def _blocks(steps: Sequence[Migration], place: int, disclosure: Disclosure) -> list[Block]:
    """Return the segments at a moment, and under them who comes after it and who left before it."""
    sizes = steps[place].before if place < len(steps) else steps[-1].after
    names = steps[min(place, len(steps) - 1)].names
    blocks = [
        Block(str(segment), names[segment], _size(size, disclosure), f"{disclosure.words(size)} people", segment)
        for segment, size in enumerate(sizes)
    ]
    if place < len(steps) and (new := _told(steps[place], disclosure, new=True)):
        blocks.append(Block("new", "new", new, f"≈{numbers.count(new)} people", None))
    if place > 0 and (gone := _told(steps[place - 1], disclosure, new=False)):
        blocks.append(Block("gone", "gone", gone, f"≈{numbers.count(gone)} people", None))
    return blocks


def _bands(step: Migration, minimum: int) -> list[Band]:
    """Return the flows of a step, without small ones; where there are some, all others are rounded, as sizes are."""
    table = [*((*row, gone) for row, gone in zip(step.counts, step.left, strict=True)), (*step.entered, 0)]
    disclosure, bands = Disclosure([people for row in table for people in row], minimum), []
    for before, row in enumerate(table):
        for after, people in enumerate(row):
            if told := disclosure.size(people):
                start = str(before) if before < len(step.names) else "new"
                end = str(after) if after < len(step.names) else "gone"
                way = f"{_called(step, before, 'new')} → {_called(step, after, 'gone')}"
                bands.append(Band(start, end, float(told), f"{way}: {disclosure.words(people)} people"))
    return bands


def _called(step: Migration, number: int, otherwise: str) -> str:
    return f"{number + 1} {step.names[number]}" if number < len(step.names) else otherwise


def _told(step: Migration, disclosure: Disclosure, *, new: bool) -> float:
    """Return how many came, or went, in flows that may be told."""
    key = "new" if new else "gone"
    return sum(band.size for band in _bands(step, disclosure.minimum) if key in (band.start, band.end))


def _size(people: int, disclosure: Disclosure) -> float:
    """Return a size as it may be drawn: what may not be told has the same one, whatever it is."""
    told = disclosure.size(people)
    return disclosure.minimum / 2 if told is None else float(told)


def _interval(estimate: Estimate, places: int) -> str:
    value, low, high = (numbers.ratio(one, places=places) for one in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"
