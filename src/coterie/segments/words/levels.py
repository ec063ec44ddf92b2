"""Levels of text that set a segment apart: which, how much of it they cover, and how people say them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.charts.numbers import share
from coterie.features.encodings import is_text, ranges
from coterie.segments.people import Ints
from coterie.segments.view import ORDERED
from coterie.segments.words.fairness import UNKNOWN

CLEAR = 0.3  # standard deviations from which a level is told
COVERS, LIFT = 0.6, 1.2  # a level is named that most of a segment have, a fifth more often than everybody
_MOST = 12  # ordered levels of which runs are looked at
_PLACES = {
    "marital_status": "before",
    "gender": "before",
    "home_ownership": "noun",
    "kids_count": "after",
    "household_size": "after",
    "country": "after",
    "region": "after",
}
_FAMILY = {"kids_count": 1.25, "household_size": 1.0, "household_comp": 0.9}  # they say much the same: which is said
_SAID = {
    "age": "{}",
    "age_band": "{}",
    "income": "income {}",
    "household_size": "in households of {}",
    "country": "from {}",
    "region": "from {}",
    "education": "{}",
    "household_comp": "{}",
    "marital_status": "{}",
    "gender": "{}",
}


@dataclass(frozen=True)
class Level:
    """A level, or a run of ordered ones, that sets a segment apart.

    Parameters
    ----------
    column
        The column of text; empty for *nothing is known*.
    place
        Where it stands in a name: ``before`` the noun, as the ``noun``, ``after`` it, or behind a ``comma``.
    words
        As people say it, such as ``with kids``.
    part, known
        How many people of the segment have it, and of how many of the segment the column is known.
    base
        Its share of everybody of whom the column is known.
    effect
        Its share of the segment's known people minus ``base``, in standard deviations of everybody.
    """

    column: str
    place: str
    words: str
    part: int
    known: int
    base: float
    effect: float

    @property
    def topic(self) -> str:
        """What it is about: columns of one topic say much the same."""
        return "family" if self.column in _FAMILY else self.column


@dataclass(frozen=True, eq=False)
class Levels:
    """How many people of each group have each level of some columns of text.

    Parameters
    ----------
    columns
        Column → its levels in the order of the alphabet.
    counts
        For each column how many people of each group have each level: int64 of shape (groups, levels).
    sizes
        How many people are in each group: int64 of shape (groups,).
    nothing
        Of how many people of each group none of the columns is known: int64 of shape (groups,).
    """

    columns: Mapping[str, tuple[str, ...]]
    counts: tuple[Ints, ...]
    sizes: Ints
    nothing: Ints

    def telling(self, minimum: int = 50, nodes: Sequence[Ints] | None = None) -> tuple[tuple[Level, ...], ...]:
        """Return, for each group, or each of some unions of groups, what sets it apart: see ``levels_of``."""
        groups = [np.array([number]) for number in range(len(self.sizes))] if nodes is None else nodes
        sizes = [int(self.sizes[inside].sum()) for inside in groups]
        found: list[list[Level]] = [[] for _ in groups]
        for (column, levels), counts in zip(self.columns.items(), self.counts, strict=True):
            whole = counts.sum(axis=0)
            candidates = tuple(_candidates(column, levels))
            for place, inside in enumerate(groups):
                here, best = counts[inside].sum(axis=0), None
                for run, words, where in candidates:
                    one = _judged(here, whole, sizes[place], run, minimum)
                    if one is not None and (best is None or one[-1] > best.effect + 1e-9):
                        best = Level(column, where, words, *one)
                if best is not None:
                    found[place].append(best)
        if self.columns:
            both = np.stack([self.nothing, self.sizes - self.nothing], axis=1)
            for place, inside in enumerate(groups):
                one = _judged(both[inside].sum(axis=0), both.sum(axis=0), sizes[place], (0,), minimum)
                if one is not None:
                    found[place].insert(0, Level("", "noun", "unknown", *one))
        return tuple(_one_a_topic(one) for one in found)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values; ``from_json`` reads it back."""
        return {
            "columns": {column: list(levels) for column, levels in self.columns.items()},
            "counts": [counts.tolist() for counts in self.counts],
            "sizes": self.sizes.tolist(),
            "nothing": self.nothing.tolist(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return what ``to_json`` wrote."""
        sizes, nothing = (np.array(body[name], dtype=np.int64) for name in ("sizes", "nothing"))
        columns = {column: tuple(levels) for column, levels in body["columns"].items()}
        counts = zip(body["counts"], columns.values(), strict=True)
        return cls(
            columns,
            tuple(np.array(one, dtype=np.int64).reshape(len(sizes), len(levels)) for one, levels in counts),
            sizes,
            nothing,
        )


def counted(data: nw.DataFrame[Any], groups: Ints, columns: Sequence[str]) -> Levels:
    """Count the levels of columns of text in each group, in rising order of groups; other columns are passed over."""
    ids, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    found: dict[str, tuple[str, ...]] = {}
    counts = []
    nothing = np.ones(len(groups), dtype=bool)
    for column in columns:
        if column not in data.columns or not is_text(data.schema[column]):
            continue
        codes, found[column] = _codes(data, column)
        nothing &= codes < 0
        cells = place[codes >= 0] * len(found[column]) + codes[codes >= 0]
        table = np.bincount(cells, minlength=len(ids) * len(found[column]))
        counts.append(table.reshape(len(ids), len(found[column])).astype(np.int64))
    unknown = np.bincount(place, weights=nothing, minlength=len(ids)).astype(np.int64)
    return Levels(found, tuple(counts), sizes.astype(np.int64), unknown)


def levels_of(
    data: nw.DataFrame[Any], groups: Ints, columns: Sequence[str], minimum: int = 50
) -> tuple[tuple[Level, ...], ...]:
    """Return, for each segment, what of its columns of text sets it apart, the strongest first, one a topic.

    Named are levels that at least six tenths of the segment's people have, and ``minimum`` people of it, at least a
    fifth more often (of those known) than everybody. Where a column has an order, neighbouring levels may be one.

    Parameters
    ----------
    data
        The people.
    groups
        The segment of each: shape (people,).
    columns
        Those that the segments were made of; those of numbers are passed over.
    minimum
        No level of fewer people in the segment is told.
    """
    return counted(data, groups, columns).telling(minimum)


def in_words(levels: Sequence[Level], minimum: int = 50) -> str:
    """Say in a sentence which levels set a segment apart; empty where there are none.

    Where fewer than ``minimum`` people of the segment are otherwise, it is said of *most*, without the share.
    """
    if levels and not levels[0].column:
        return f"It is not known what most of them are like (everyone: {share(round(levels[0].base, 2))})."
    parts = []
    for one in levels[:3]:
        here = share(round(one.part / one.known, 2)) if one.known - one.part >= minimum else "most"
        if one.effect >= CLEAR:
            parts.append(f"{one.words} ({here}; everyone: {share(round(one.base, 2))})")
    return f"What they have in common, where it is known: {', '.join(parts)}." if parts else ""


def _one_a_topic(levels: Sequence[Level]) -> tuple[Level, ...]:
    best: dict[str, Level] = {}
    for one in sorted(levels, key=lambda one: -one.effect * _FAMILY.get(one.column, 1.0)):
        best.setdefault(one.topic, one)
    return tuple(sorted(best.values(), key=lambda one: (bool(one.column), -round(one.effect, 6), one.column)))


def _judged(
    here: Ints, whole: Ints, size: int, run: Sequence[int], minimum: int
) -> tuple[int, int, float, float] | None:
    """Return people with a level, known ones, its share of everybody and its effect; None where it is not telling."""
    chosen = list(run)
    part, known = int(here[chosen].sum()), int(here.sum())
    base = float(whole[chosen].sum() / max(int(whole.sum()), 1))
    if part < minimum or part < COVERS * size or not 0 < base < 1 or part / known < LIFT * base:
        return None
    return part, known, base, (part / known - base) / float(np.sqrt(base * (1 - base)))


def _codes(data: nw.DataFrame[Any], column: str) -> tuple[Ints, tuple[str, ...]]:
    """Return each person's level as its position in the alphabet, -1 where it is unknown, and the levels."""
    texts = pc.cast(data.get_column(column).cast(nw.String).to_arrow(), pa.string())
    told = pc.dictionary_encode(texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts)
    words = [str(word) for word in told.dictionary.to_pylist()]
    levels = tuple(sorted(word for word in words if word.strip().lower() not in UNKNOWN))
    position = {word: number for number, word in enumerate(levels)}
    lookup = np.array([*(position.get(word, -1) for word in words), -1], dtype=np.int64)
    codes = told.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    return lookup[codes], levels


def _candidates(column: str, levels: Sequence[str]) -> Iterator[tuple[tuple[int, ...], str, str]]:
    """Yield positions of levels that can be said together, the words, and where these stand in a name."""
    place = _PLACES.get(column, "comma")
    ordered = ranges(levels) if column in ORDERED else ()
    if not 2 < len(ordered) <= _MOST:
        ordered = ()
    position = {level: number for number, level in enumerate(levels)}
    for level in levels:
        if level not in ordered:
            yield (position[level],), _said(column, level), place
    for length in range(1, len(ordered)):
        for start in range(len(ordered) - length + 1):
            run = ordered[start : start + length]
            words = _kids(run, ordered) if column == "kids_count" else _said(column, _span(run, ordered))
            yield tuple(position[level] for level in run), words, place


def _said(column: str, level: str) -> str:
    if column == "home_ownership":
        return level if level.endswith("s") or not level[-1:].isalpha() else f"{level}s"
    if column == "kids_count":
        return f"with {level} kids"
    if column == "household_size" and level == "1":
        return "living alone"
    return _SAID.get(column, f"{column.replace('_', ' ')} {{}}").format(level)


def _kids(run: Sequence[str], ordered: Sequence[str]) -> str:
    if ordered[0] != "0":
        return f"with {_span(run, ordered)} kids"
    if run[0] == "0":
        return "without kids" if len(run) == 1 else f"with at most {_ends(run[-1])[1]} kids"
    return "with kids" if len(run) == len(ordered) - 1 else f"with {_span(run, ordered)} kids"


def _span(run: Sequence[str], ordered: Sequence[str]) -> str:
    """Write a run of ordered levels.

    >>> ages = ("19-24", "25-34", "35-44", "65+")
    >>> _span(ages[:2], ages), _span(ages[1:3], ages), _span(ages[2:], ages), _span(ages[:1], ages)
    ('up to 34', '25-44', '35+', '19-24')
    """
    if len(run) == 1:
        return run[0]
    if run[-1] == ordered[-1]:
        return f"{_ends(run[0])[0]}+"
    if run[0] == ordered[0]:
        return f"up to {_ends(run[-1])[1]}"
    return f"{_ends(run[0])[0].rstrip('KM')}-{_ends(run[-1])[1]}"


def _ends(level: str) -> tuple[str, str]:
    """Return the numbers that a level begins and ends with, each with the unit that is written once."""
    numbers = re.findall(r"\d[\d.,]*", level) or [level]
    unit = match.group(1) if (match := re.search(r"\d([A-Za-z]+)\+?$", level)) else ""
    return numbers[0] + unit, numbers[-1] + unit
