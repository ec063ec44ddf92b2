"""The report on a shop's segments: one HTML page, without any fetch, that a marketer reads with pleasure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coterie.charts import drawing, numbers
from coterie.errors import ParameterError
from coterie.report import figures, summary
from coterie.report.disclosure import Disclosure
from coterie.report.page import page
from coterie.report.quality import QualityView
from coterie.segments.description import SegmentDescription
from coterie.segments.hierarchy import TreeNode
from coterie.segments.projection import Projection
from coterie.segments.validity import KEvidence, ReportCard


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


def render(report: SegmentReport) -> str:
    """Return the report as one HTML page.

    The page is complete in itself (styles, script and figures are inside; its content security policy allows nothing
    else), follows the reader's light or dark colours, prints, and works without its script.
    """
    disclosure = Disclosure([segment.size for segment in report.segments], report.minimum_group)
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
        tree=figures.tree(report.tree, disclosure),
        choice=figures.choice(report.evidence, len(report.segments), disclosure),
        worth=figures.worth(report.card),
        stability=figures.stability(report.card, report.segments),
        volume=figures.volume(report.quality),
    )


def picture(report: SegmentReport, *, dark: bool = False) -> str:
    """Return the overview figure (people, spend a head, value) as an SVG file of its own, for example for a README."""
    disclosure = Disclosure([segment.size for segment in report.segments], report.minimum_group)
    drawn = figures.overview(report.segments, report.currency, disclosure)
    if drawn is None:
        raise ParameterError.of("picture", "report", "one without segments", "a report on at least one segment")
    return drawing.standalone(drawn.wide, dark=dark)
