"""The report on a shop's segments: one HTML page, without any fetch, that a marketer reads with pleasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from coterie.charts import drawing, numbers
from coterie.errors import ParameterError
from coterie.evaluation.intervals import Estimate
from coterie.report import figures, judgement, neighbours, summary
from coterie.report.page import page
from coterie.report.portrait import fidelity, portraits
from coterie.report.quality import QualityView
from coterie.segments import drawings
from coterie.segments.disclosure import Disclosure
from coterie.segments.evidence.validity import Comparison, KEvidence, ReportCard
from coterie.segments.projection import Projection
from coterie.segments.time.migration import Migration
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription

if TYPE_CHECKING:
    from coterie.segments.relations import Relations
    from coterie.segments.taste import Liking

STANDINGS = {
    "equal parts": "as many, by past spend",
    "strongest": "strongest of similar size",
    "finer": "strongest of finer ones",
    "view": "the same people seen otherwise",
}
LIKED = 6  # goods that a segment is told by
ASKED = {"spend": "Future spend", "churn": "Who stays away", "mix": "What people buy"}


@dataclass(frozen=True)
class Goal:
    """What goal-driven segments were made for, and how well they tell it.

    Parameters
    ----------
    title
        The outcome, for people.
    measure
        ``r2``, or ``auc`` where the outcome is a yes or no.
    score
        Of people whom the trees did not see.
    sentences
        The rule of each segment in words, by id.
    means
        The mean outcome of each segment, in ``unit``.
    unit
        money (minor units), count, days, share (0 to 1; of a yes or no the rate) or number.
    dominated
        The segments one or two of whose people made nearly all of the outcome: their mean is not told.
    """

    title: str
    measure: str
    score: Estimate
    sentences: tuple[str, ...]
    means: tuple[float, ...]
    unit: str
    dominated: tuple[int, ...] = ()


@dataclass(frozen=True)
class SegmentReport:
    """Everything that the page shows; it computes nothing but words and pictures from it.

    Parameters
    ----------
    shop
        The shop's name.
    currency
        ISO 4217 code of all amounts.
    as_of
        The moment up to which the data was looked at (naive UTC).
    created
        When the report was made (naive UTC).
    method
        How the segments were made, in a sentence.
    people
        How many people were segmented.
    segments
        The segments, the most valuable first.
    card
        How the segments hold up; None where this was not judged.
    evidence
        What was found for each number of segments that was tried.
    projection
        The map; None where there is none.
    tree
        The tree of segments, root first; empty where there is none.
    quality
        What became of the data; None where nothing was imported.
    features
        Name, title and meaning of each feature that the segments were made of.
    refused
        How many people were left out because it was not permitted to segment them, and why; None for nobody.
    minimum_group
        No size from 1 to below this is shown.
    timezone
        IANA name; days are told as they are in the shop.
    provenance
        What the page was made by: model id, feature fingerprint, version.
    relations
        Who is next to whom; None where this was not looked at.
    migrations
        Who went where from each moment to the next, by one model; empty where it was not followed.
    moments
        The moments of the migrations (naive UTC): one more than these.
    goal
        What the segments were made for; None where they were made for nothing in particular.
    likings
        Of each segment, by id, what its people choose more than others; empty where segments are not of taste.
    """

    shop: str
    currency: str
    as_of: datetime
    created: datetime
    method: str
    people: int
    segments: tuple[SegmentDescription, ...]
    card: ReportCard | None = None
    evidence: tuple[KEvidence, ...] = ()
    projection: Projection | None = None
    tree: tuple[TreeNode, ...] = ()
    quality: QualityView | None = None
    features: tuple[tuple[str, str, str], ...] = ()
    refused: str | None = None
    minimum_group: int = 50
    timezone: str = "UTC"
    provenance: Mapping[str, str] = field(default_factory=dict)
    relations: Relations | None = None
    migrations: tuple[Migration, ...] = ()
    moments: tuple[datetime, ...] = ()
    goal: Goal | None = None
    likings: tuple[tuple[Liking, ...], ...] = ()

    @property
    def days(self) -> tuple[str, ...]:
        """The moments as days in the shop's time zone."""
        return tuple(summary.date(moment, self.timezone, brief=True) for moment in self.moments)


def render(report: SegmentReport) -> str:
    """Return the report as one HTML page.

    The page is complete in itself (styles, script and figures are inside; its content security policy allows nothing
    else), follows the reader's light or dark colours, prints, and works without its script.
    """
    disclosure = Disclosure.of(report.segments, report.minimum_group)
    rows = summary.rows(report.segments, report.currency, disclosure)
    return page(
        "segments.html.j2",
        report=report,
        disclosure=disclosure,
        title=summary.title(report.segments),
        lede=summary.lede(report.people, report.segments, report.currency, disclosure),
        facts=summary.facts(report.people, report.segments, report.card, report.currency, disclosure),
        rows=rows,
        scale=max((part for row in rows for part in (row.of_people, row.of_value)), default=1.0),
        overview=figures.overview(report.segments, report.currency, disclosure),
        apart=figures.apart(report.segments, report.currency, disclosure),
        plane=figures.plane(report.projection, report.segments, disclosure),
        kept=numbers.share(sum(report.projection.shares))
        if report.projection and any(report.projection.shares)
        else "",
        tree=drawings.tree(report.tree, disclosure),
        profile=figures.profile(report.segments, disclosure),
        choice=judgement.choice(report.evidence, len(report.segments), disclosure),
        worth=drawings.worth(report.card),
        stability=judgement.stability(report.card, report.segments, disclosure),
        relations=neighbours.relations(report.relations, report.segments, disclosure),
        portraits=portraits(report.segments, report.currency, disclosure),
        fidelity=fidelity(report.segments),
        bordering="" if disclosure.coarse else neighbours.bordering(report.relations),
        levels=drawings.levels(report.tree, disclosure),
        flow=drawings.migrations(report.migrations, report.days, report.minimum_group),
        moved=drawings.moved(report.migrations[-1], report.minimum_group) if report.migrations else None,
        stayed=drawings.stayed(report.migrations[-1], report.minimum_group) if report.migrations else "",
        rounded=any(map(any, report.migrations[-1].withheld(report.minimum_group))) if report.migrations else False,
        steady=_steady(report),
        asked=ASKED,
        standings=STANDINGS,
        comparisons=_comparisons(report.card),
        verdict=summary.sentences(report.card.verdict) if report.card else (),
        aims=_aims(report),
        likings=_likings(report, disclosure),
        volume=figures.volume(report.quality),
    )


def _steady(report: SegmentReport) -> tuple[tuple[str, str, Estimate], ...]:
    """Return the share of each segment now and in the long run; nothing where one may not be told."""
    last = report.migrations[-1] if report.migrations else None
    if last is None or last.steady is None or any(map(any, last.withheld(report.minimum_group))):
        return ()
    people = sum(last.after) or 1
    shares = [numbers.share(size / people) for size in last.after]
    return tuple(zip(last.names, shares, last.steady, strict=True))


def _comparisons(card: ReportCard | None) -> tuple[Comparison, ...]:
    """Return what the segments were compared with; a method that stands there twice is told once."""
    found: dict[tuple[str, str], Comparison] = {}
    for one in card.comparisons if card else ():
        found.setdefault((one.question, one.other), one)
    return tuple(found.values())


def _aims(report: SegmentReport) -> dict[int, tuple[str, str]]:
    """Return rule and mean outcome, in words, of each segment."""
    if report.goal is None:
        return {}
    means = [
        numbers.MISSING
        if number in report.goal.dominated
        else numbers.quantity(mean, report.goal.unit, report.currency)
        for number, mean in enumerate(report.goal.means)
    ]
    return dict(enumerate(zip(report.goal.sentences, means, strict=True)))


def _likings(report: SegmentReport, disclosure: Disclosure) -> dict[int, tuple[tuple[str, ...], ...]]:
    """Return, of each segment that may be told of, what it chooses: item, its share, everybody's, how many times."""
    return {
        segment.segment: tuple(
            (one.item, numbers.share(one.share), numbers.share(one.base), f"{numbers.count(one.lift)}x")
            for one in report.likings[segment.segment][:LIKED]
        )
        for segment in report.segments
        if segment.segment < len(report.likings) and not disclosure.hides(segment.size)
    }


def picture(report: SegmentReport, *, dark: bool = False) -> str:
    """Return the overview figure (people, spend a head, value) as an SVG file of its own, for example for a README."""
    disclosure = Disclosure.of(report.segments, report.minimum_group)
    drawn = figures.overview(report.segments, report.currency, disclosure)
    if drawn is None:
        raise ParameterError.of("picture", "report", "one without segments", "a report on at least one segment")
    return drawing.standalone(drawn.wide, dark=dark)
