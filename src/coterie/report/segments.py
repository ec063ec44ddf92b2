"""The report on a shop's segments: one HTML page, without any fetch, that a marketer reads with pleasure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from coterie.charts import bars, drawing, numbers, palette
from coterie.errors import ParameterError
from coterie.report import figures, summary
from coterie.report.disclosure import Disclosure
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
    style, script = _style(), _asset("page.js")
    rows = summary.rows(report.segments, report.currency, disclosure)
    template = _environment().get_template("segments.html.j2")
    return template.render(
        report=report,
        disclosure=disclosure,
        style=Markup(style),  # noqa: S704 (our own files)
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
        icon=_ICON,
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


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("coterie.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters |= {
        "count": numbers.count,
        "share": numbers.share,
        "ratio": numbers.ratio,
        "date": summary.date,
        "short": summary.short,
        "paragraph": summary.paragraph,
    }
    environment.globals |= {"group": palette.group, "meter": bars.meter, "fate": bars.fate}
    return environment


def _clean(value: Any) -> Any:
    """Keep out of the page what no page may hold; markup was cleaned when it was made."""
    return drawing.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> str:
    return (files("coterie.report") / "templates" / name).read_text("utf-8")


@cache
def _style() -> str:
    return palette.page_css() + palette.FIGURE_CSS + _asset("page.css")


def _policy(style: str, script: str) -> str:
    """Return a policy that allows exactly this style, this script and the icon, and no connection at all."""

    def source(body: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; img-src data:; style-src {source(style)}; script-src {source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


_ICON = (
    "data:image/svg+xml;base64,"
    + base64.b64encode(
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="6" cy="6" r="4" fill="#0a4a9b"/>'
        b'<circle cx="11.5" cy="11" r="3" fill="#e5491d"/></svg>'
    ).decode()
)
