"""Fairness notes: a segment that nearly is a protected group, or hardly holds any of it, says so in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from coterie.charts.numbers import count, share
from coterie.errors import ParameterError
from coterie.features.matrix import KEYS
from coterie.segments.people import Ints, numbers, read

NEARLY = 0.8  # each of the two is nearly the other when at least four fifths of it lie in the other
FACTOR = 2.0  # in a segment twice as often as others, or half as often
_LEVELS = 12  # numbers with more values than this are taken in quarters
GROUNDS: dict[str, str] = {
    "age": "age",
    "age_band": "age",
    "gender": "sex",
    "marital_status": "marital status",
    "household_comp": "family status",
    "kids_count": "family status",
    "ethnicity": "race, colour, ethnic or social origin",
    "nationality": "nationality",
    "language": "language",
    "religion": "religion or belief",
    "disability": "disability",
    "sexual_orientation": "sexual orientation",
}
"""Column → the protected ground that it stands for, of those that a shop may know.

Grounds are those of the Charter of Fundamental Rights of the European Union, article 21 (sex, race, colour, ethnic or
social origin, language, religion or belief, disability, age, sexual orientation, nationality), and of acts on trade and
credit that name more: marital status (Equality Act 2010, section 8; Equal Credit Opportunity Act, 15 U.S.C. 1691) and
having children (Fair Housing Act, 42 U.S.C. 3602 (k)). The Charter's *property* is not taken: prices and offers turn on
what people own and earn, so income and home ownership are left out; so is where people live.
"""
UNKNOWN = {"", "unknown", "none", "n/a", "na", "null"}

Kind = Literal["equals", "excludes", "gathers"]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Note:
    """What a segment has to do with a protected group. Figures are in whole per cent, and withheld where small.

    Parameters
    ----------
    segment
        The segment's id.
    column, group
        The protected column and its level, such as ``age`` and ``65+``.
    kind
        ``equals`` (the segment is nearly the group), ``excludes`` (its people are in the segment half as often as
        others, or less) or ``gathers`` (twice as often as others, or more).
    inside
        The group's share of the segment's people; None where that would tell of fewer people than the minimum.
    reached
        The share of the group's people who are in the segment; None likewise.
    usual
        The group's share of all people.
    words
        The note as one sentence, with figures.
    plain
        The same without any figure.
    """

    segment: int
    column: str
    group: str
    kind: Kind
    inside: float | None
    reached: float | None
    usual: float
    words: str
    plain: str


def fairness_notes(labels: Ints, protected: Any, *, minimum_group: int = 50, level: float = 0.95) -> tuple[Note, ...]:
    """Say where segments and protected groups nearly coincide, or strongly avoid each other.

    A note is made only where chance is no explanation: each of its claims holds at the worst end of exact intervals
    whose coverage is corrected for all pairs of a segment and a group that are looked at (Bonferroni). So with level
    .95 all notes together are right in 95 of 100 shops. Nothing is said of groups, or segments, smaller than the
    minimum, nor of people whose group is not known.

    * *equals*: at least four fifths of the segment are of the group, at least four fifths of the group are in the
      segment, and at most a fifth of everybody else is.
    * *excludes*: people of the group are in the segment at most half as often as other people.
    * *gathers*: at least twice as often, and they are most of it, or most of them are in it.

    The four fifths are those of the Uniform Guidelines on Employee Selection Procedures, under which a rate below four
    fifths of another group's counts as adverse. Segments of customers differ that much all the time; so here a rate
    has to be half of the others', a plain reason to look, and no judgement: a segment may have good reasons.

    Parameters
    ----------
    labels
        The segment of each person: shape (people,).
    protected
        The same people's protected traits, in the same order: any dataframe with columns of text or numbers. Columns
        of many numbers are taken in quarters; ``person`` and ``as_of`` are no traits.
    minimum_group
        No group of fewer people is told of, nor any figure that is about fewer.
    level
        How surely all notes together are right, in (0, 1).

    Returns
    -------
    tuple of Note
        By segment, then in the order of columns and groups; what another note of the segment says already is left out.

    References
    ----------
    Equal Employment Opportunity Commission (1978), Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4
    (D); Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial;
    Dunn (1961), Multiple comparisons among means.
    """
    data = read(protected)
    groups = np.asarray(labels)
    if groups.shape != (len(data),):
        raise ParameterError.of("fairness_notes", "labels", groups.shape, f"of shape ({len(data)},), as many as people")
    if not 0 < level < 1:
        raise ParameterError.of("fairness_notes", "level", level, "between 0 and 1")
    if minimum_group < 1:
        raise ParameterError.of("fairness_notes", "minimum_group", minimum_group, "a whole number of at least 1")
    columns = {name: list(_levels(data, name)) for name in data.columns if name not in KEYS}
    pairs = [
        pair
        for column, levels in columns.items()
        for name, known, those in levels
        for pair in _pairs(groups, column, name, known, those, minimum_group)
    ]
    miss = (1 - level) / max(4 * len(pairs), 1)  # at most four bounds are asked of a pair
    found = [note for pair in pairs if (note := pair.note(miss, minimum_group)) is not None]
    together: dict[tuple[int, str], list[Note]] = {}
    for note in found:
        together.setdefault((note.segment, note.column), []).append(note)
    told = [note for (_, column), notes in together.items() for note in _once(notes, len(columns[column]))]
    return tuple(sorted(told, key=lambda note: note.segment))


def _once(notes: list[Note], levels: int) -> list[Note]:
    """Leave out what another note of the same segment and column says already.

    A segment that nearly is a group leaves out the others; where there are two, a note on the smaller one is enough.
    """
    if same := [note for note in notes if note.kind == "equals"]:
        return same
    return [min(notes, key=lambda note: (note.usual, note.kind != "gathers"))] if levels == 2 else notes


@dataclass(frozen=True)
class _Pair:
    """A segment beside a group: how many are in both, in each, and known at all."""

    segment: int
    column: str
    group: str
    both: int
    here: int
    those: int
    known: int

    def note(self, miss: float, minimum: int) -> Note | None:
        """Return what there is to say, if it is not by chance; each bound is wrong with probability ``miss``."""
        others, outside = self.known - self.those, self.here - self.both
        reached, elsewhere = bounds(self.both, self.those, miss), bounds(outside, others, miss)
        inside = bounds(self.both, self.here, miss)
        if min(inside[0], reached[0]) >= NEARLY and elsewhere[1] <= 1 - NEARLY:
            kind: Kind = "equals"
        elif reached[1] * FACTOR <= elsewhere[0]:
            kind = "excludes"
        elif reached[0] >= FACTOR * elsewhere[1] and max(inside[0], reached[0]) >= 0.5:
            kind = "gathers"
        else:
            return None
        return self._told(kind, minimum)

    def _told(self, kind: Kind, minimum: int) -> Note:
        title = self.column.replace("_", " ")
        group = f"{title} {self.group}"
        within, reach = _part(self.both, self.here, minimum), _part(self.both, self.those, minimum)
        usual, everybody = round(self.those / self.known, 2), share(round(self.here / self.known, 2))
        if kind == "equals":
            plain = f"Nearly the same people as {group}."
            words = f"{plain[:-1]}: {within} of the segment are of that group, and {reach} of the group are in it."
        elif kind == "excludes":
            plain = f"Hardly anybody of {group}."
            told = f"{reach} of them, {everybody} of all"
            if self.both < minimum <= self.those and minimum / self.those >= self.here / self.known:
                told = f"{everybody} of all are in it"  # the bound that may be told would say nothing
            words = f"People of {group} are in it at most half as often as others: {told}."
        else:
            plain = f"Above all people of {group}."
            words = (
                f"People of {group} are in it at least twice as often as others: {within} of the segment are of that "
                f"group, {share(usual)} of everybody."
            )
        return Note(
            self.segment,
            self.column,
            self.group,
            kind,
            _figure(self.both, self.here, minimum),
            _figure(self.both, self.those, minimum),
            usual,
            words,
            plain,
        )


def bounds(part: int, whole: int, miss: float) -> tuple[float, float]:
    """Return the exact lower and upper bound of a share, each wrong with probability ``miss`` at most.

    >>> [round(bound, 3) for bound in bounds(0, 100, 0.025)]
    [0.0, 0.036]
    """
    low = 0.0 if part == 0 else float(beta.ppf(miss, part, whole - part + 1))
    high = 1.0 if part == whole else float(beta.ppf(1 - miss, part + 1, whole - part))
    return low, high


def _pairs(groups: Ints, column: str, name: str, known: Truths, those: Truths, minimum: int) -> Iterator[_Pair]:
    """Yield the segments beside one group, where both, and all others, are large enough to be told of."""
    sizes = int(those.sum()), int(known.sum())
    if min(sizes[0], sizes[1] - sizes[0]) < minimum:
        return
    for segment in np.unique(groups):
        here = known & (groups == segment)
        if minimum <= (size := int(here.sum())) < sizes[1]:
            yield _Pair(int(segment), column, name, int((here & those).sum()), size, *sizes)


def _levels(data: nw.DataFrame[Any], column: str) -> Iterator[tuple[str, Truths, Truths]]:
    """Yield the groups of a column: their name, of whom it is known, and who is of the group."""
    kind = data.schema[column]
    if kind.is_numeric():
        values = numbers(data, column)
        known = ~np.isnan(values)
        levels = np.unique(values[known])
        if len(levels) <= _LEVELS:
            for level in levels.tolist():
                yield f"{level:g}", known, values == level
        else:
            ends = np.unique(np.quantile(values[known], [0, 0.25, 0.5, 0.75, 1]))
            place = np.clip(np.searchsorted(ends, values, side="right") - 1, 0, len(ends) - 2)
            for number, (low, high) in enumerate(pairwise(ends.tolist())):
                last = number == len(ends) - 2
                name = f"{count(low)} {'to' if last else 'to below'} {count(high)}"
                yield name, known, known & (place == number)
        return
    if isinstance(kind, nw.Boolean | nw.String | nw.Categorical | nw.Enum):
        words = ["" if value is None else str(value) for value in data.get_column(column).to_list()]
        texts = np.array(words, dtype=object)
        known = np.array([word.strip().lower() not in UNKNOWN for word in words], dtype=bool)
        for word in sorted(set(texts[known])):
            yield str(word), known, texts == word
        return
    raise ParameterError.of("fairness_notes", f"column {column}", str(kind), "text or numbers")


def _figure(part: int, whole: int, minimum: int) -> float | None:
    """Return a share in whole per cent; None where it would tell of few people, in it or left out of it."""
    return None if part < minimum or whole - part < minimum else round(part / whole, 2)


def _part(part: int, whole: int, minimum: int) -> str:
    """Write a share; where it would tell of few people, only what it does not pass."""
    if part < minimum:
        return f"at most {share(min(math.ceil(100 * minimum / whole), 100) / 100)}"
    if whole - part < minimum:
        return f"at least {share(max(math.floor(100 * (whole - minimum) / whole), 0) / 100)}"
    return share(round(part / whole, 2))
