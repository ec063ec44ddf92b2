"""Results inside a notebook: figures of them with the same in words below; groups of fewer than 50 are not told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coterie.charts import numbers
from coterie.charts.drawing import Figure, stack
from coterie.charts.notebook import notebook
from coterie.evaluation.intervals import Estimate
from coterie.segments import drawings
from coterie.segments.disclosure import Disclosure

if TYPE_CHECKING:
    from coterie.segments.evidence.validity import ReportCard
    from coterie.segments.surrogate import Surrogate
    from coterie.segments.time.migration import Migration
    from coterie.segments.time.review import Review
    from coterie.segments.tree import SegmentTree

MINIMUM = 50  # a result by itself does not know its shop's minimum group; this is the default of all shops
_LEAVES = 12


def of_card(card: ReportCard) -> str:
    """Show how well segments tell the future apart, beside naive groups and the ceiling."""
    panels = drawings.worth(card)
    return notebook(
        f"Report card of {card.people:,} people as of {card.as_of:%Y-%m-%d}",
        [stack(panels, title="What the segments tell of the future")] if panels else [],
        notes=(card.verdict, card.protocol, *card.notes),
        head=("Method", "Kind", "Groups", "R²", "AUC", "R² of the mix", "Note"),
        rows=[
            (
                row.method,
                row.role,
                numbers.MISSING if row.k is None else numbers.count(row.k),
                *(_estimate(one, places) for one, places in ((row.r2, 2), (row.auc, 2), (row.mix, 3))),
                row.note,
            )
            for row in card.rows
        ],
    )


def of_tree(tree: SegmentTree) -> str:
    """Show the top of a tree, and the groups that it falls into at several levels."""
    nodes = tree.nodes(_LEAVES)
    disclosure = Disclosure([node.size for node in nodes], MINIMUM)
    drawn = drawings.tree(nodes, disclosure)
    return notebook(
        f"Tree of {disclosure.words(tree.people)} people",
        [drawn.wide] if drawn else [],
        head=("Groups", "Their names, and people in each"),
        rows=[
            (numbers.count(k), "; ".join(f"{name} ({size})" for name, size in groups))
            for k, groups in drawings.levels(nodes, disclosure)
        ],
    )


def of_migration(step: Migration) -> str:
    """Show who went from which segment to which."""
    flow: Figure | None = drawings.migrations([step], ("before", "after"), MINIMUM)
    return notebook(
        "Who went where",
        [drawn.wide for drawn in (flow, drawings.moved(step, MINIMUM)) if drawn is not None],
        notes=(drawings.stayed(step, MINIMUM), f"What is told nowhere are groups of fewer than {MINIMUM} people."),
    )


def of_following(
    title: str,
    names: Sequence[str],
    moments: Sequence[str],
    sizes: Sequence[Sequence[int | None]],
    steps: Sequence[Migration],
    review: Review,
    minimum: int,
) -> str:
    """Show one model's segments at several moments, who went where between them, and whether to look at them again.

    Parameters
    ----------
    title
        What is followed.
    names
        The segments, by id.
    moments
        The moments in words.
    sizes
        Of each moment the people in each segment; None where that may not be told.
    steps
        Between each moment and the next.
    review
        Its verdict is told.
    minimum
        The shop's minimum group.
    """
    drawn = drawings.migrations(steps, moments, minimum)
    said = [f"From {before} to {after}: {drawings.stayed(step, minimum)}"
            for before, after, step in zip(moments, moments[1:], steps, strict=False)]  # fmt: skip
    return notebook(
        title,
        [drawn.wide] if drawn else [],
        notes=(review.words, *said[-3:]),
        head=("Segment", *moments),
        rows=[(f"{number + 1} {name}", *(_told(at[number]) for at in sizes)) for number, name in enumerate(names)],
    )


def of_surrogate(told: Surrogate) -> str:
    """Show a segment's rule, and how near it comes."""
    if not told.sentence:
        return notebook(f"Segment {told.segment + 1}", notes=("No rule this short tells it from the others.",))
    return notebook(
        f"Segment {told.segment + 1} as a rule",
        notes=(told.sentence,),
        head=("Right of those it names", "Of the segment found", "People whose segment all rules together name"),
        rows=[
            [
                numbers.MISSING if one is None else numbers.share(one)
                for one in (told.precision, told.recall, told.fidelity)
            ]
        ],
    )


def _told(size: int | None) -> str:
    return "not told" if size is None else numbers.count(size)


def _estimate(one: Estimate | None, places: int) -> str:
    if one is None:
        return numbers.MISSING
    value, low, high = (numbers.ratio(each, places=places) for each in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"
