"""The report in words: what a reader in a hurry takes away, computed from the figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from coterie.charts import numbers
from coterie.charts.drawing import clean
from coterie.segments.disclosure import Disclosure
from coterie.segments.evidence.validity import ReportCard
from coterie.segments.words.description import SegmentDescription

_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
_LONGER, _FAR = 0.5, 1.0  # standard deviations of days since the last order: with, without the usual gap beside it


def date(moment: datetime, timezone: str = "UTC", *, brief: bool = False) -> str:
    """Write the day that a moment (naive UTC) falls on in a time zone; ``brief`` shortens its month.

    >>> date(datetime(2017, 10, 1)), date(datetime(2017, 9, 30, 22), "Europe/Berlin")
    ('1 October 2017', '1 October 2017')
    """
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    return f"{local.day} {local:%b %Y}" if brief else f"{local.day} {local:%B %Y}"


def paragraph(words: str) -> str:
    """Begin with a capital and end with a full stop.

    >>> paragraph("k-means on 12 features")
    'K-means on 12 features.'
    """
    words = words.strip()
    if not words:
        return ""
    return words[0].upper() + words[1:] + ("" if re.search(r"[.!?…。]$", words) else ".")


def sentences(words: str) -> tuple[str, ...]:
    """Take a paragraph apart.

    >>> sentences("All 3 hold (Jaccard .81). They tell spend: R² +0.02. It is early.")
    ('All 3 hold (Jaccard .81).', 'They tell spend: R² +0.02.', 'It is early.')
    """
    return tuple(re.split(r"(?<=[.!?])\s+(?=[A-Z])", words.strip()))


def short(name: str, room: int = 60) -> str:
    """Shorten a name that would take over the page; its own heading still shows all of it.

    >>> short("Regulars"), len(short("Regulars " * 20))
    ('Regulars', 60)
    """
    name = clean(name)
    return name if len(name) <= room else name[: room - 1] + "…"


def title(segments: Sequence[SegmentDescription]) -> str:
    """Return the page's headline."""
    if not segments:
        return "No segments yet"
    if len(segments) == 1:
        return "One kind of customer"
    many = _NUMBERS[len(segments)] if len(segments) < len(_NUMBERS) else str(len(segments))
    return f"{many} kinds of customers"


def lede(people: int, segments: Sequence[SegmentDescription], currency: str, disclosure: Disclosure) -> Markup:
    """Return the paragraph under the headline: who brings the value, and what is at risk."""
    if not segments:
        return Markup("There are too few people, or too little that tells them apart, to form groups.")
    told = [segment for segment in segments if disclosure.purse(segment)]
    total = disclosure.value(told)
    spent = numbers.money(total, currency, compact=True)
    if disclosure.partial:
        said = [Markup("There are {} people.").format(disclosure.words(people).replace("≈", "about "))]
        if told:
            said.append(Markup("Those in groups whose spend may be told have spent {}.").format(spent))
    else:
        said = [Markup("{} people have spent {}.").format(disclosure.words(people), spent)]
    if len(told) > 1 and total > 0:
        said.append(_leaders(told, people, disclosure))
    if risk := _risk(told, currency, total):
        said.append(risk)
    return Markup(" ").join(said)


def _leaders(segments: Sequence[SegmentDescription], people: int, disclosure: Disclosure) -> Markup:
    """Name the segments, at most half of them, that bring most of the value; else only the first."""
    ranked = sorted(segments, key=lambda segment: -segment.value)
    total = disclosure.value(segments)
    for several in range(1, len(ranked) // 2 + 1):
        if sum(segment.value for segment in ranked[:several]) >= 0.6 * total:
            break
    else:
        several = 1
    chosen = ranked[:several]
    of_people = numbers.share(_part(sum(disclosure.size(segment.size) or 0 for segment in chosen), people, disclosure))
    of_value = numbers.share(sum(segment.value for segment in chosen) / total)
    names = _together([_name(segment) for segment in chosen])
    both = Markup("{} {} {} of people and {} {} of it.")
    return both.format(names, "are" if several > 1 else "is", of_people, "bring" if several > 1 else "brings", of_value)


def _risk(segments: Sequence[SegmentDescription], currency: str, total: int) -> Markup | None:
    """Say which segments have gone quiet, measured by their own rhythm, and what they brought of a total."""
    quiet = [segment for segment in segments if _is_quiet(segment)]
    if not quiet or len(quiet) == len(segments):
        return None
    names = _together([_name(each) for each in quiet])
    worst = max(quiet, key=lambda segment: _typical(segment, "recency_days") or 0.0)
    since = numbers.days(_typical(worst, "recency_days") or 0.0)
    if len(quiet) == 1:
        said = Markup("{} has gone quiet: half of them have not ordered for {} or more.").format(names, since)
    else:
        said = Markup("{} have gone quiet: half of the {} have not ordered for {} or more.").format(
            names, _name(worst), since
        )
    value = sum(each.value for each in quiet)
    part = value / total if total else 0.0
    stake = Markup(" At stake is {} of what was spent, {}.")
    return said + stake.format(numbers.share(part), numbers.money(value, currency, compact=True))


def _is_quiet(segment: SegmentDescription) -> bool:
    """Return whether its people are away longer than others, and (where it is known) than twice their usual gap."""
    recency = next((trait for trait in segment.traits if trait.feature == "recency_days"), None)
    if recency is None:
        return False
    gap = _typical(segment, "gap_mean_days")
    if gap is None or not gap > 0:
        return recency.effect >= _FAR
    return recency.effect >= _LONGER and recency.typical >= 2 * gap


def _typical(segment: SegmentDescription, feature: str) -> float | None:
    return next((trait.typical for trait in segment.traits if trait.feature == feature), None)


def _name(segment: SegmentDescription) -> Markup:
    return Markup("<strong><bdi>{}</bdi></strong>").format(short(segment.name))


def _together(names: Sequence[Markup]) -> Markup:
    """Join names as in speech."""
    if len(names) == 1:
        return names[0]
    return Markup(", ").join(names[:-1]) + Markup(" and ") + names[-1]


def _part(size: int, people: int, disclosure: Disclosure) -> float:
    """Return a share of people made of sizes as they may be told."""
    return size / (disclosure.size(people) or size or 1)


def facts(
    people: int,
    segments: Sequence[SegmentDescription],
    card: ReportCard | None,
    currency: str,
    disclosure: Disclosure,
) -> tuple[tuple[str, str, str], ...]:
    """Return the few figures beside the headline: what, how much, of what kind."""
    shown = [segment for segment in segments if disclosure.purse(segment)]
    total = disclosure.value(shown)
    told = sum(disclosure.size(segment.size) or 0 for segment in shown) if disclosure.partial else people
    found = [("People", disclosure.words(people), "in segments")]
    if shown:
        whom = "by those told of" if disclosure.partial else "by all of them"
        found.append(("Spent", numbers.money(total, currency, compact=True), whom))
    if told and shown:
        found.append(("Spent a head", numbers.money(total / told, currency), "mean"))
    hidden = {segment.segment for segment in segments if disclosure.hides(segment.size)}
    if card and (seen := [one for number, one in enumerate(card.stability) if number not in hidden]):
        least = min(seen, key=lambda estimate: estimate.value)
        found.append(("Least stable segment", numbers.ratio(least.value), "Jaccard; 1.00 is perfect"))
    return tuple(found)


@dataclass(frozen=True)
class Row:
    """A segment in the overview table, and above its own part of the page.

    Parameters
    ----------
    segment
        Its id.
    name
        Its name.
    hidden
        Whether it is too small to be told of.
    size, share, value, value_share, head
        As words; an en dash where it may not be told.
    size_order, of_people, of_value, value_order, head_order
        For bars and sorting; 0 where it may not be told.
    sentences
        What may be said of it beyond these figures.
    """

    segment: int
    name: str
    hidden: bool
    size: str
    share: str
    value: str
    value_share: str
    head: str
    size_order: int
    of_people: float
    of_value: float
    value_order: int
    head_order: float
    sentences: tuple[str, ...]


def rows(segments: Sequence[SegmentDescription], currency: str, disclosure: Disclosure) -> tuple[Row, ...]:
    """Return what the page says of each segment in figures."""
    everyone = sum(disclosure.size(segment.size) or 0 for segment in segments) if disclosure.coarse else None
    total = disclosure.value(segments)
    return tuple(_row(segment, everyone, total, currency, disclosure) for segment in segments)


def _row(segment: SegmentDescription, everyone: int | None, total: int, currency: str, disclosure: Disclosure) -> Row:
    size = disclosure.size(segment.size)
    words = disclosure.words(segment.size)
    if size is None:
        none = numbers.MISSING
        return Row(segment.segment, segment.name, True, words, none, none, none, none, 0, 0.0, 0.0, 0, 0.0, ())
    part = segment.share if everyone is None else size / (everyone or 1)
    head = segment.value / size if size else 0.0
    of_value = segment.value / total if total and disclosure.partial else segment.value_share
    sentences = tuple(words for words in disclosure.sentences(segment) if not words.startswith(f"{size:,} p"))
    if not disclosure.purse(segment):
        none, of_people = numbers.MISSING, numbers.share(part)
        return Row(
            segment.segment, segment.name, False, words, of_people, none, none, none, size, part, 0.0, 0, 0.0, sentences
        )
    return Row(
        segment=segment.segment,
        name=segment.name,
        hidden=False,
        size=words,
        share=numbers.share(part),
        value=numbers.money(segment.value, currency, compact=True),
        value_share=numbers.share(of_value),
        head=numbers.money(head, currency),
        size_order=size,
        of_people=part,
        of_value=of_value,
        value_order=segment.value,
        head_order=head,
        sentences=sentences,
    )
