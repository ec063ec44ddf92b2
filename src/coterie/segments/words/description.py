"""Segments in words: a name, a few sentences and the traits that set a segment apart, in the units of the shop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import narwhals as nw
import numpy as np

from coterie.charts.numbers import count, quantity
from coterie.charts.numbers import share as percent
from coterie.errors import NoVariationError, ParameterError
from coterie.features.matrix import KEYS, Matrix
from coterie.segments.people import SPEND, Floats, Ints, numbers, one_order, read
from coterie.segments.suppression import dominated
from coterie.segments.view import ENGAGEMENT
from coterie.segments.words.exemplars import Exemplar, exemplars
from coterie.segments.words.fairness import Note, fairness_notes
from coterie.segments.words.levels import in_words, levels_of
from coterie.segments.words.wording import names_by

if TYPE_CHECKING:
    from coterie.segments.surrogate import Surrogate

Unit = Literal["money", "count", "days", "share", "number"]
UNITS = ("money", "count", "days", "share", "number")

_FAMILIES = (
    ("orders", "often"),
    ("active_days", "often"),
    ("gap_mean", "often"),
    ("basket", "basket"),
    ("spend", "spend"),
    ("products", "breadth"),
    ("categor", "breadth"),
    ("top_", "breadth"),
    ("discount", "discount"),
)
_NOTABLE = 0.25  # effects below a quarter of a standard deviation are not spoken of
_VISIBLE = 0.15  # nor medians that differ by less than 15 %


@dataclass(frozen=True)
class Trait:
    """One feature of a segment beside everybody.

    Parameters
    ----------
    feature
        The feature's name in the catalogue.
    title
        Its name for people.
    unit
        What its figures are: money (minor units), count, days, share (0 to 1) or number.
    typical
        The segment's median, in that unit. As in ``Matrix``, missing money and counts are 0 (nothing happened) and
        missing days the longest (it did not happen yet). NaN where that, or the feature, is unknown of most.
    base
        The same of everybody.
    effect
        The segment's mean minus everybody's, in standard deviations of everybody, after ``Matrix`` has filled, logged
        and clipped the feature.
    """

    feature: str
    title: str
    unit: Unit
    typical: float
    base: float
    effect: float


@dataclass(frozen=True)
class Trend:
    """How a segment stood at an earlier moment, by the same model.

    Parameters
    ----------
    since
        That moment, ISO 8601, naive UTC.
    size, share, value, value_share
        As in SegmentDescription, at that moment.
    sentence
        What has changed since, in words.
    dominated
        As in SegmentDescription, at that moment.
    plain
        What has changed of its size alone, in words.
    """

    since: str
    size: int
    share: float
    value: int
    value_share: float
    sentence: str
    dominated: bool = False
    plain: str = ""


@dataclass(frozen=True)
class SegmentDescription:
    """A segment as a marketer reads it.

    Parameters
    ----------
    segment
        Its id, 0 for the most valuable.
    name
        A few words, unlike the name of any other segment of the same segmentation.
    size
        How many people.
    share
        Their share of all people.
    value
        What they spent together, in minor units.
    value_share
        Their share of what everybody spent.
    sentences
        Two or three sentences on who they are.
    traits
        What sets them apart, the strongest first.
    exemplars
        Its most typical people, as figures, without anything that says who they are.
    rule
        The rule on plain features that comes nearest to the segment, with how near; None where none was made.
    trend
        How it stood earlier; None where that is not known.
    notes
        Where it nearly is a protected group, or leaves one out.
    dominated
        Whether one or two of its people spent nearly all of ``value``, so that reports do not tell it: see
        :func:`coterie.segments.suppression.dominated`.
    """

    segment: int
    name: str
    size: int
    share: float
    value: int
    value_share: float
    sentences: tuple[str, ...]
    traits: tuple[Trait, ...]
    exemplars: tuple[Exemplar, ...] = ()
    rule: Surrogate | None = None
    trend: Trend | None = None
    notes: tuple[Note, ...] = ()
    dominated: bool = False


def describe(
    frame: Any,
    labels: Ints,
    features: Mapping[str, tuple[str, str]] | None = None,
    *,
    seen: Sequence[str] = (),
    currency: str = "USD",
    value: str = SPEND,
    matrix: Matrix | None = None,
    rules: Mapping[int, Surrogate] | None = None,
    before: Sequence[SegmentDescription] = (),
    since: datetime | None = None,
    protected: Any = None,
    minimum_group: int = 50,
) -> tuple[SegmentDescription, ...]:
    """Describe segments by what sets their people apart; the same people and segments give the same words.

    Parameters
    ----------
    frame
        The people, in any order, shape (people, columns): columns of numbers named in ``features``.
    labels
        The segment of each row, 0 … k - 1.
    features
        Column → (title, unit); None takes every column of numbers that the catalogue knows.
    seen
        The columns that the segments were made of. Of text and of engagement among them speak name and sentences;
        without any, the name speaks of purchases.
    currency
        ISO 4217 code of the money.
    value
        The column with what a person spent, in minor units.
    matrix
        The fitted scaling of the segmentation, to find exemplars by; None finds none.
    rules
        Segment → its rule, as ``surrogate`` makes them.
    before, since
        The descriptions by the same model at an earlier moment, and that moment (naive UTC), to tell the trend.
    protected
        The same people's protected traits (see ``fairness_notes``), in the same order; None makes no notes.
    minimum_group
        Groups of fewer people are not told of in notes.

    Returns
    -------
    tuple of SegmentDescription
        By segment id; empty segments are left out.
    """
    data = read(frame)
    groups = np.asarray(labels)
    if groups.shape != (len(data),) or groups.dtype.kind not in "iu" or groups.min() < 0:
        raise ParameterError.of("describe", "labels", groups.shape, f"{len(data)} segment ids from 0 up")
    meta = {name: about for name, about in (features or known(data)).items() if name not in KEYS}
    if bad := sorted({unit for _, unit in meta.values()} - set(UNITS)):
        raise ParameterError.of("describe", "unit", ", ".join(bad), f"one of {', '.join(UNITS)}")
    if before and since is None:
        raise ParameterError.of("describe", "since", since, "the moment of the descriptions before")
    data, rows = one_order(data, tuple(meta) or (value,))
    groups = groups[rows]
    raw = {name: _happened(numbers(data, name), unit) for name, (_, unit) in meta.items()}
    scaled = effects(data, groups, meta)
    ids = np.unique(groups)
    middles = {name: [median(column[groups == one]) for one in ids] for name, column in raw.items()}
    base = {name: median(column) for name, column in raw.items()}
    spent = np.nan_to_num(numbers(data, value))
    total = float(spent.sum())
    levels = levels_of(data, groups, seen, minimum_group)
    names = names_by(
        seen,
        [{name: column[place] for name, column in scaled.items()} for place in range(len(ids))],
        [{name: column[place] for name, column in middles.items()} for place in range(len(ids))],
        base,
        levels,
    )
    beside = [name for name in seen if name in ENGAGEMENT]
    typical = None
    if matrix is not None:
        words = {part.name: (part.name.replace("_", " "), "text") for part in matrix.parts_ if part.name not in meta}
        texts = {name: about for name, about in words.items() if not data.schema[name].is_numeric()}
        typical = exemplars(data, groups, matrix, {**meta, **texts})
    notes = () if protected is None else fairness_notes(np.asarray(labels), protected, minimum_group=minimum_group)
    earlier = {one.segment: one for one in before}
    described = []
    for place, one in enumerate(ids):
        here = groups == one
        traits = tuple(
            sorted(
                (
                    Trait(
                        name,
                        title,
                        cast(Unit, unit),
                        middles[name][place],
                        base[name],
                        round(float(scaled[name][place]), 4),
                    )
                    for name, (title, unit) in meta.items()
                    if name in scaled
                ),
                key=lambda trait: (-abs(trait.effect), trait.feature),
            )
        )
        size, worth = int(here.sum()), float(spent[here].sum())
        share, value_share = size / len(data), worth / total if total else 0.0
        item = SegmentDescription(
            int(one),
            names[place],
            size,
            share,
            round(worth),
            value_share,
            _sentences(
                size, share, worth, value_share, traits, currency, in_words(levels[place], minimum_group), beside
            ),
            traits,
            exemplars=typical.of(int(one)) if typical else (),
            rule=(rules or {}).get(int(one)),
            notes=tuple(note for note in notes if note.segment == one),
            dominated=dominated(spent[here]),
        )
        if since is not None and (then := earlier.get(item.segment)) is not None:
            item = replace(item, trend=trend(item, then, since))
        described.append(item)
    return tuple(described)


def trend(now: SegmentDescription, then: SegmentDescription, since: datetime) -> Trend:
    """Say how a segment changed since an earlier moment, both told by the same model.

    Sizes and shares that are told alike count as unchanged.
    """
    size = then.size
    if size == now.size:
        first = f"Since {since:%Y-%m-%d} it kept its {count(now.size)} people"
    else:
        grown = "grown" if now.size > size else "shrunk"
        sign = "+" if now.size > size else ""
        how = f" ({sign}{percent(now.size / size - 1)})" if size else ""
        first = f"Since {since:%Y-%m-%d} it has {grown} from {count(size)} to {count(now.size)} people{how}"
    part, was = percent(now.value_share), percent(then.value_share)
    second = (
        f"its part of all spend stayed at {part}" if part == was else f"its part of all spend went from {was} to {part}"
    )
    return Trend(
        since.isoformat(), size, then.share, then.value, then.value_share, f"{first}; {second}.", then.dominated,
        f"{first}.",
    )  # fmt: skip


def known(data: nw.DataFrame[Any]) -> dict[str, tuple[str, str]]:
    """Return title and unit of every column of numbers that the catalogue knows."""
    from coterie.features.catalog import CATALOG  # late: with features given, no catalogue is needed

    return {
        feature.name: (feature.title, feature.unit)
        for feature in CATALOG
        if feature.name in data.columns and data.schema[feature.name].is_numeric() and feature.unit in UNITS
    }


def effects(data: nw.DataFrame[Any], groups: Ints, meta: Mapping[str, tuple[str, str]]) -> dict[str, Floats]:
    """Return, by feature that varies, each group's mean minus everybody's, in standard deviations of everybody."""
    try:
        matrix = Matrix(
            columns=list(meta), scaling="log-standard", units={name: unit for name, (_, unit) in meta.items()}
        ).fit(data.to_native())
    except NoVariationError:
        return {}
    X = matrix.transform(data.to_native()).astype(np.float64)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    _, place = np.unique(groups, return_inverse=True)
    size = np.bincount(place)
    return {name: np.bincount(place, weights=X[:, column]) / size for column, name in enumerate(matrix.columns_)}


def median(values: Floats) -> float:
    """Return the median of the known values; NaN when fewer than half are known, or when it is infinite."""
    known_values = values[~np.isnan(values)]
    middle = float(np.median(known_values)) if 2 * len(known_values) >= max(len(values), 1) else math.nan
    return middle if math.isfinite(middle) else math.nan  # one and the same NaN, so that equal traits compare equal


def _happened(values: Floats, unit: str) -> Floats:
    """Return the values with what is meant where they are missing: no money, no pieces, longer ago than any."""
    meant = {"money": 0.0, "count": 0.0, "days": np.inf}.get(unit, np.nan)
    return np.where(np.isnan(values), meant, values)


def _sentences(
    size: int,
    share: float,
    worth: float,
    value_share: float,
    traits: tuple[Trait, ...],
    currency: str,
    levels: str,
    beside: Sequence[str],
) -> tuple[str, ...]:
    by_name = {trait.feature: trait for trait in traits}

    def told_as(amount: float, unit: str) -> str:
        return quantity(amount, unit, currency)

    people = "person" if size == 1 else "people"
    first = (
        f"{size:,} {people} ({told_as(share, 'share')} of all) brought {told_as(value_share, 'share')} of all spend: "
        f"{told_as(worth, 'money')}."
    )
    said: list[str] = []
    if trait := by_name.get("orders"):
        said.append(f"has ordered {_times(trait.typical)} (everyone: {told_as(trait.base, 'count')})")
    if trait := by_name.get("basket_value"):
        said.append(f"spends {told_as(trait.typical, 'money')} an order ({told_as(trait.base, 'money')})")
    if trait := by_name.get("recency_days"):
        said.append(f"was last here {told_as(trait.typical, 'days')} ago ({told_as(trait.base, 'days')})")
    usual = f"Typically, one of them {listed(said)}." if said else ""
    told = {_family(name) for name in ("orders", "basket_value", "recency_days") if name in by_name}

    def apart(chosen: Iterable[Trait]) -> list[str]:
        """Return what differs to the eye, the strongest first, one of each family."""
        parts: list[str] = []
        for trait in chosen:
            here, there = told_as(trait.typical, trait.unit), told_as(trait.base, trait.unit)
            gap = trait.typical - trait.base
            telling = (
                abs(trait.effect) >= _NOTABLE and abs(gap) >= _VISIBLE * abs(trait.base) and gap * trait.effect > 0
            )
            if telling and here != there and _family(trait.feature) not in told:
                told.add(_family(trait.feature))
                parts.append(f"{lower(trait.title)} ({here} against {there})")
        return parts[:3]

    own = apart(trait for trait in traits if trait.feature in beside)
    sentences = [first, levels, f"Beside buying: {listed(own)}." if own else "", usual]
    if not (levels or beside):
        if rest := apart(traits):
            sentences.append(f"What else sets them apart: {listed(rest)}.")
        elif told and not any(abs(trait.effect) >= _NOTABLE for trait in traits if _family(trait.feature) not in told):
            sentences.append("In everything else they are much like everybody.")
    return tuple(filter(None, sentences))


def _family(feature: str) -> str:
    """Return what a feature is about, so that a sentence does not say one thing three times."""
    return next((family for start, family in _FAMILIES if feature.startswith(start)), feature)


def _times(number: float) -> str:
    return {0.0: "never", 1.0: "once", 1.5: "once or twice", 2.0: "twice"}.get(number, f"{count(number)} times")


def listed(parts: list[str]) -> str:
    """Join words as a sentence does: commas, and an and before the last."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def lower(title: str) -> str:
    """Write a title as it stands inside a sentence; abbreviations keep their capitals."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
