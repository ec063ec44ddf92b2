"""What is told of one segment beside its figures: how it changed, by which rule it can be had, who is typical of it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from coterie.charts import numbers
from coterie.report.figures import telling
from coterie.segments.disclosure import Disclosure
from coterie.segments.words.description import SegmentDescription, Trait

_SHOWN = 6  # figures of an exemplar: more would single people out rather than show what is typical
_DIGITS = 2  # of an exemplar's figures: who knows a customer's exact figures shall not find them here


@dataclass(frozen=True)
class Portrait:
    """A segment's own part of the page, beside its figures and sentences.

    Parameters
    ----------
    trend
        How it stood earlier, in words; empty where that is not known or may not be told.
    notes
        What it has to do with protected groups, in words.
    exemplars
        Of each thing told, its name and the rounded figure of each typical person.
    rule
        The rule on plain features that comes nearest to it: any of these conditions; empty where there is none.
    precision, recall
        How near: of those for whom the rule holds, how many are in it, and of those in it, for how many it holds.
    """

    trend: str
    notes: tuple[str, ...]
    exemplars: tuple[tuple[str, tuple[str, ...]], ...]
    rule: tuple[str, ...]
    precision: str
    recall: str


def portraits(segments: Sequence[SegmentDescription], currency: str, disclosure: Disclosure) -> dict[int, Portrait]:
    """Return the portrait of every segment that may be told of; once sizes are rounded, without exact figures."""
    return {
        segment.segment: Portrait(
            _trend(segment, disclosure),
            tuple(note.plain if disclosure.coarse else note.words for note in segment.notes),
            _exemplars(segment, currency),
            tuple(segment.rule.sentence.split(" Or: ")) if segment.rule and segment.rule.sentence else (),
            _share(segment.rule.precision) if segment.rule else "",
            numbers.share(segment.rule.recall) if segment.rule else "",
        )
        for segment in segments
        if not disclosure.hides(segment.size)
    }


def fidelity(segments: Sequence[SegmentDescription]) -> str:
    """Say how well the rules of all segments together do; empty where there are none."""
    rule = next((segment.rule for segment in segments if segment.rule), None)
    if rule is None:
        return ""
    return (
        f"{rule.leaves} plain rules together name the segment of {numbers.share(rule.fidelity)} of people, "
        "counted on people whom they were not made of."
    )


def _trend(segment: SegmentDescription, disclosure: Disclosure) -> str:
    if segment.trend is None or disclosure.coarse or disclosure.hides(segment.trend.size):
        return ""
    return segment.trend.sentence if disclosure.trends else segment.trend.plain


def typical(segment: SegmentDescription) -> tuple[tuple[Trait, tuple[float | None, ...]], ...]:
    """Return typical people in rounded figures, of what tells the segment apart; no text, which may say who it is."""
    found = []
    for trait in telling(segment.traits):
        known = [figure.value for one in segment.exemplars for figure in one.figures if figure.feature == trait.feature]
        values = tuple(value if value is None else _rounded(value) for value in known if not isinstance(value, str))
        if values and len(values) == len(segment.exemplars):
            found.append((trait, values))
    return tuple(found[:_SHOWN])


def _exemplars(segment: SegmentDescription, currency: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the figures of typical people in words."""
    return tuple(
        (trait.title, tuple(_about(math.nan if value is None else value, trait.unit, currency) for value in values))
        for trait, values in typical(segment)
    )


def _share(part: float | None) -> str:
    return numbers.MISSING if part is None else numbers.share(part)


def _rounded(value: float) -> float:
    if not math.isfinite(value) or not value:
        return value
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))


def _about(value: float, unit: str, currency: str) -> str:
    """Write a rounded figure without the zeros that would make it look exact."""
    return re.sub(r"\.0+$", "", numbers.quantity(value, unit, currency))
