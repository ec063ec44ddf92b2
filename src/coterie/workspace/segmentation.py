"""What the verb ``segment`` returns: the segments, the evidence for them, and the report on them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from markupsafe import escape

from coterie.charts.numbers import MISSING
from coterie.collect.quality import Quality
from coterie.config import Config
from coterie.govern.privacy import shown, small
from coterie.report.pictures import Format, write_figures
from coterie.report.quality import FileFate, QualityView, Reason
from coterie.report.segments import Goal, SegmentReport, picture, render
from coterie.schema import utc_now
from coterie.segments.evidence.validity import KEvidence, ReportCard
from coterie.segments.projection import Projection
from coterie.segments.relations import Relations
from coterie.segments.taste import Liking
from coterie.segments.tree import TreeNode
from coterie.segments.words.description import SegmentDescription
from coterie.workspace.results import FeatureTable, write_whole
from coterie.workspace.withheld import Withheld


@dataclass(frozen=True)
class Segmentation:
    """Customer segments at a moment, with the evidence for them.

    Parameters
    ----------
    config
        The shop's settings: name, currency, time zone, minimum group.
    method
        What made them, in words.
    model_id
        The registered model; ``shop.segment(as_of, model=model_id)`` assigns people at another date without refitting.
    as_of
        The moment whose past they describe, naive UTC.
    segments
        The segments in words, the most valuable first.
    members
        ``person`` and ``segment``, in order of person.
    card
        How well they tell the future apart beside naive baselines; None when too few data lie around ``as_of``.
    evidence
        What was found for each candidate number of segments; empty when the number was given.
    warning
        What to beware of, in words, when no number of segments was found stable; else empty.
    tree
        Ward's tree of the same people, root first; empty where there are too many for it.
    projection
        People on a plane.
    relations
        Who is next to whom; None for methods without distances.
    edited
        What was merged and split since the model was fitted, in words.
    goal
        What goal-driven segments were grown for, and how well they tell it; None for other methods.
    likings
        What each taste segment chooses more than others do; empty for other methods.
    built
        The features of the people.
    used
        Names of those that the segments were made of.
    reused
        What was read back rather than computed, in words.
    quality
        Reports on the shop's data when the page is made.
    note
        Told each file that is written: a request to be forgotten names it.
    """

    config: Config
    method: str
    model_id: str
    as_of: datetime
    segments: tuple[SegmentDescription, ...]
    members: pa.Table
    card: ReportCard | None
    evidence: tuple[KEvidence, ...]
    warning: str
    tree: tuple[TreeNode, ...]
    projection: Projection
    relations: Relations | None
    edited: str
    goal: Goal | None
    likings: tuple[tuple[Liking, ...], ...]
    built: FeatureTable
    used: tuple[str, ...]
    reused: tuple[str, ...]
    quality: Callable[[], Quality] = field(repr=False, compare=False)
    note: Callable[[str, Path], None] = field(repr=False, compare=False)

    @property
    def people(self) -> int:
        """How many people are in a segment."""
        return int(self.members.num_rows)

    @property
    def hidden(self) -> tuple[bool, ...]:
        """Of each segment, whether its figures are withheld: it is too small, or would tell another that is."""
        return tuple(small([segment.size for segment in self.segments], self.config.minimum_group))

    @property
    def left_out(self) -> tuple[str, ...]:
        """How many people were left out because they may not be processed, and why, in words."""
        return tuple(
            f"{shown(count, self.config.minimum_group)} people: {why}" for why, count in self.built.refused.items()
        )

    def report(self, path: str | Path) -> Path:
        """Write the report, one self-contained HTML page, and return where it lies."""
        return self._noted("report", write_whole(path, render(self.page())))

    def picture(self, path: str | Path, *, dark: bool = False) -> Path:
        """Write the overview figure as an SVG file with its own colours, and return where it lies."""
        return self._noted("picture", write_whole(path, picture(self.page(), dark=dark)))

    def figures(self, folder: str | Path, *, format: Format = "svg", dark: bool = False) -> tuple[Path, ...]:
        """Write every figure of the report as a file of its own, SVG or PNG, and return where they lie."""
        return tuple(
            self._noted("figures", path) for path in write_figures(self.page(), folder, format=format, dark=dark)
        )

    def _noted(self, verb: str, path: Path) -> Path:
        self.note(verb, path)
        return path

    def page(self) -> SegmentReport:
        """Return what the report shows."""
        from coterie import __version__

        return SegmentReport(
            shop=self.config.name,
            currency=self.config.currency,
            as_of=self.as_of,
            created=utc_now(),
            method=". ".join(filter(None, [self.method, self.edited, self.warning])).removesuffix("."),
            people=self.people,
            segments=self.segments,
            card=self.card,
            evidence=self.evidence,
            projection=self.projection,
            tree=self.tree,
            quality=quality_view(self.quality()),
            features=tuple(
                (feature.name, feature.title, feature.meaning)
                for feature in self.built.features
                if feature.name in self.used
            ),
            relations=self.relations,
            goal=self.goal,
            likings=self.likings,
            refused="; ".join(self.left_out) or None,
            minimum_group=self.config.minimum_group,
            timezone=self.config.timezone,
            provenance={
                "model": self.model_id,
                "features": self.built.snapshot[:16],
                "coterie": __version__,
            },
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the members, as JSON values; what may not be told of a small group is None."""
        small_groups = Withheld(self.segments, self.config.minimum_group)
        body = {
            "shop": self.config.name,
            "method": self.method,
            "warning": self.warning,
            "model_id": self.model_id,
            "as_of": self.as_of.isoformat() + "Z",
            "people": None if self.people < self.config.minimum_group else self.people,
            "currency": self.config.currency,
            "edited": self.edited,
            "segments": [small_groups.segment(one) for one in self.segments],
            "goal": small_groups.goal(self.goal),
            "relations": small_groups.relations(self.relations),
            "tree": small_groups.tree(self.tree),
            "card": small_groups.card(self.card),
            "evidence": small_groups.evidence(self.evidence),
            "features": self.built.to_json() | {"refused": list(self.left_out)},
            "reused": list(self.reused),
        }
        # NaN is no JSON: a figure that is not known is null
        plain: dict[str, Any] = json.loads(json.dumps(body, default=str), parse_constant=lambda _: None)
        return plain

    def __repr__(self) -> str:
        lines = [f"Segmentation of {self.people:,} people as of {self.as_of:%Y-%m-%d %H:%M} UTC, {self.method}"]
        for segment, hide in zip(self.segments, self.hidden, strict=True):
            few = segment.size < self.config.minimum_group
            size = MISSING if hide and not few else shown(segment.size, self.config.minimum_group)
            lines.append(f"  {segment.segment}  {segment.name:<40} {size:>9} people")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show the report inside a notebook."""
        return f'<iframe srcdoc="{escape(render(self.page()))}" style="width:100%;height:720px;border:0"></iframe>'


def quality_view(quality: Quality) -> QualityView:
    """Return a quality report as the page shows it."""
    months: Counter[str] = Counter()
    for table in quality.tables:
        months.update(table.months)
    told = [table for table in quality.tables if table.known is not None]
    known, among = sum(table.rows * (table.known or 0.0) for table in told), sum(table.rows for table in told)
    return QualityView(
        files=tuple(
            FileFate(file.file, file.received, file.accepted, file.quarantined, file.duplicates)
            for file in quality.files
        ),
        reasons=tuple(
            Reason(reason.wrong, reason.rows, "error" if reason.severity == "quarantine" else "warning")
            for reason in quality.reasons
        ),
        volume=tuple(sorted(months.items())),
        assumptions=quality.assumed,
        people=quality.people,
        identity_rate=known / among if among else None,
    )
