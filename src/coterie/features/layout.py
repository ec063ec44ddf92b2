"""Layouts: which partials a set of features needs, kind by kind, and how values are finished from their totals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from coterie.features import partial
from coterie.features.aggregation import GROUPED
from coterie.features.combination import Declared, parts_of
from coterie.features.feature import Feature, Window, relation
from coterie.features.partial import Cell, Partial
from coterie.features.rule import And, Rule
from coterie.features.tiles import Column, Stream, Tiles
from coterie.store.sql import DAY

Value = int | float | str | None
_Finish = Callable[[list[Cell], int], Value]

VOCABULARY = frozenset(
    ("product_id", "department", "category", "subcategory", "brand", "price_band", "channel", "place", "source",
     "campaign_id", "kind", "trait")
)  # fmt: skip
"""Columns of words that many people share; all other text is kept with its subject and goes with it."""


class Layout:
    """How the facts of one owner are kept for some features, and how these are read.

    Equal sets of features give equal layouts, in whatever order and under whatever names.

    Parameters
    ----------
    features
        Features of one ``per``, with different names.
    word
        Returns the number of a word, making one where there is none yet.
    text
        Returns the word of a number.
    """

    def __init__(self, features: Sequence[Declared], word: Callable[[str], int], text: Callable[[int], str]) -> None:
        self._word, self._text = word, text
        self._slots = 0
        parts = parts_of(list(features))
        drafts: dict[str, _Draft] = {}
        finishes: dict[str, _Finish] = {}
        for fingerprint in sorted(parts):
            feature = parts[fingerprint]
            draft = drafts.setdefault(feature.on, _Draft(feature.on, self))
            finishes[fingerprint] = _finish(feature, draft, text)
        self.kinds = tuple(sorted(drafts))
        self.streams: list[Stream] = [drafts[on].stream() for on in self.kinds]
        self.numbers = {on: number for number, on in enumerate(self.kinds)}
        self.reads = {on: drafts[on].reads for on in self.kinds}
        self._nothing: list[Cell] = [None] * self._slots
        for stream in self.streams:
            stream.nothing(self._nothing)
        self._finishes = list(finishes.values())
        places = {fingerprint: place for place, fingerprint in enumerate(finishes)}
        self._answers = [(feature.name, _answer(feature, places)) for feature in features]
        self.fingerprints = tuple(sorted(parts))

    def values(self, units: Sequence[Mapping[int, Tiles]], as_of: int) -> dict[str, Value]:
        """Return every feature at a moment (microseconds since 1970) from the tiles of one owner's subjects."""
        slots = self._nothing.copy()
        for number, stream in enumerate(self.streams):
            found = [unit[number] for unit in units if number in unit]
            if found:
                stream.totals(found, as_of, slots)
        finished = [finish(slots, as_of) for finish in self._finishes]
        return {name: answer(finished) for name, answer in self._answers}

    def slot(self) -> int:
        """Return the number of a new slot."""
        self._slots += 1
        return self._slots - 1

    def reader(self, name: str | None) -> Callable[[dict[str, Any]], Any]:
        """Return what reads a column of a fact, words as their numbers."""
        if name is None:
            return lambda row: None
        if name not in VOCABULARY:
            return lambda row: row.get(name)
        word = self._word
        return lambda row: word(row[name])


class _Draft:
    """The columns of one kind of facts, while features ask for them."""

    def __init__(self, on: str, layout: Layout) -> None:
        self.kinds = relation(on).columns
        self.reads: set[str] = set()
        self._layout = layout
        self._tests: dict[str, tuple[int, Callable[[dict[str, Any]], bool]]] = {}
        self._conditions: dict[frozenset[int], int] = {}
        self._columns: dict[tuple[Any, ...], Column] = {}

    def stream(self) -> Stream:
        return Stream([test for _, test in self._tests.values()], list(self._conditions), list(self._columns.values()))

    def slot(self, feature: Feature, kind: str, value: str | None = None, of: Rule | None = None) -> int:
        """Return where the total of a partial over a feature's window will be."""
        known = tuple(sorted({name for name in (feature.value, feature.aggregation.over) if name}))
        rules = [rule for rule in (feature.where, of) if rule is not None]
        half_life = feature.aggregation.half_life if kind == "decayed" else None
        key = (kind, self._condition(rules, known), value, half_life)
        column = self._columns.get(key)
        if column is None:
            reader = self._layout.reader(value)
            column = self._columns[key] = Column(_partial(kind, half_life), key[1], reader)
        window: Window | None = None if feature.window.length is None else feature.window
        self.reads |= set(known) | set().union(*(rule.columns for rule in rules))
        if window not in column.slots:
            column.slots[window] = self._layout.slot()
        return column.slots[window]

    def _condition(self, rules: list[Rule], known: tuple[str, ...]) -> int:
        """Return the number of the condition that all of these hold, each of which is asked once a fact."""
        tests = [self._test(json.dumps(["known", name]), _known(name)) for name in known]
        tests += [self._test(json.dumps(rule.to_json()), rule.predicate()) for rule in _all(rules)]
        return self._conditions.setdefault(frozenset(tests), len(self._conditions))

    def _test(self, key: str, test: Callable[[dict[str, Any]], bool]) -> int:
        return self._tests.setdefault(key, (len(self._tests), test))[0]

    def is_real(self, name: str | None) -> bool:
        """Tell whether a column has floating-point numbers."""
        return name is not None and self.kinds[name] is float


def _known(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda row: row.get(name) is not None


def _all(rules: Iterable[Rule]) -> Iterator[Rule]:
    """Return the rules without the conjunctions around them."""
    for rule in rules:
        if isinstance(rule, And):
            yield from _all(rule.rules)
        else:
            yield rule


def _partial(kind: str, half_life: float | None) -> Partial:
    if kind == "decayed":
        return partial.Decayed(half_life or 1.0)
    return _KINDS[kind]


_KINDS: dict[str, Partial] = {
    "count": partial.Count(),
    "sum": partial.Sum(),
    "real_sum": partial.RealSum(),
    "squares": partial.Squares(),
    "moments": partial.Moments(),
    "least": partial.Extreme(partial.least),
    "greatest": partial.Extreme(partial.greatest),
    "earliest": partial.Moment(min),
    "latest": partial.Moment(max),
    "values": partial.Values(),
    "times": partial.Times(),
    "first": partial.Ranked(last=False),
    "last": partial.Ranked(last=True),
}


def _finish(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    kind = feature.aggregation.kind
    if kind in GROUPED:
        return _of_values(feature, draft, text)
    return _FINISHES[kind](feature, draft, text)


def _converted(feature: Feature) -> Callable[[Any], Value]:
    if feature.unit == "money":
        return half_away
    return int if feature.unit == "count" else float


def half_away(value: float) -> int:
    """Return the nearest whole number, halves away from zero; whole numbers as they are.

    >>> half_away(2.5), half_away(-2.5), half_away(0.49999999999999994)
    (3, -3, 0)
    """
    if isinstance(value, int):
        return value
    below = int(abs(value))
    rounded = below + (abs(value) - below >= 0.5)
    return rounded if value >= 0 else -rounded


def _count(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    number = draft.slot(feature, "count")
    return lambda slots, as_of: slots[number]


def _none(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    number = draft.slot(feature, "count")
    return lambda slots, as_of: 0 if slots[number] else 1


def _sum_of(feature: Feature, draft: _Draft, name: str | None, of: Rule | None = None) -> int:
    if name is None:
        return draft.slot(feature, "count", None, of)
    return draft.slot(feature, "real_sum" if draft.is_real(name) else "sum", name, of)


def _sum(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    number, total, convert = draft.slot(feature, "count"), _sum_of(feature, draft, feature.value), _converted(feature)
    return lambda slots, as_of: convert(slots[total]) if slots[number] else None


def _mean(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    number, total, convert = draft.slot(feature, "count"), _sum_of(feature, draft, feature.value), _converted(feature)
    return lambda slots, as_of: convert(float(slots[total]) / float(slots[number])) if slots[number] else None


def _spread(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    convert, root = _converted(feature), math.sqrt if feature.aggregation.kind == "std" else float
    if draft.is_real(feature.value):
        moments = draft.slot(feature, "moments", feature.value)

        def of_reals(slots: list[Cell], as_of: int) -> Value:
            cell = slots[moments]
            return None if cell is None or cell[0] < 2 else convert(root(cell[2] / (cell[0] - 1)))

        return of_reals
    number, total = draft.slot(feature, "count"), draft.slot(feature, "sum", feature.value)
    squares = draft.slot(feature, "squares", feature.value)

    def of_wholes(slots: list[Cell], as_of: int) -> Value:
        n = slots[number]
        return None if n < 2 else convert(root((n * slots[squares] - slots[total] ** 2) / (n * (n - 1))))

    return of_wholes


def _extreme(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    slot = draft.slot(feature, "least" if feature.aggregation.kind == "min" else "greatest", feature.value)
    convert = _converted(feature)
    return lambda slots, as_of: None if slots[slot] is None else convert(slots[slot])


def _ranked(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    slot = draft.slot(feature, feature.aggregation.kind, feature.value)
    shown = _shown(feature, text)
    return lambda slots, as_of: None if slots[slot] is None else shown(slots[slot][-1])


def _share(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    share = feature.aggregation
    part = _sum_of(feature, draft, feature.value, share.of)
    whole = _sum_of(feature, draft, share.over or feature.value)
    return lambda slots, as_of: float(slots[part]) / float(slots[whole]) if slots[whole] else None


def _decayed(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    slot = draft.slot(feature, "decayed", feature.value)
    decay = partial.Decayed(feature.aggregation.half_life or 1.0).at
    return lambda slots, as_of: None if slots[slot] is None else decay(slots[slot], as_of)


def _since(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    slot = draft.slot(feature, "latest" if feature.aggregation.kind == "days_since_last" else "earliest")
    return lambda slots, as_of: None if slots[slot] is None else (as_of - slots[slot]) / DAY


def _gap_mean(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    number, earliest, latest = (draft.slot(feature, kind) for kind in ("count", "earliest", "latest"))

    def finish(slots: list[Cell], as_of: int) -> Value:
        gaps = slots[number] - 1
        return float(slots[latest] - slots[earliest]) / gaps / DAY if gaps > 0 else None

    return finish


def _gap_std(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    slot = draft.slot(feature, "times")

    def finish(slots: list[Cell], as_of: int) -> Value:
        times = partial.Times.moments(slots[slot])
        gaps = [(after - before) / DAY for before, after in pairwise(times)]
        if len(gaps) < 2:
            return None
        mean = math.fsum(gaps) / len(gaps)
        return math.sqrt(math.fsum([(gap - mean) ** 2 for gap in gaps]) / (len(gaps) - 1))

    return finish


_FINISHES: dict[str, Callable[[Feature, _Draft, Callable[[int], str]], _Finish]] = {
    "count": _count,
    "none": _none,
    "sum": _sum,
    "mean": _mean,
    "variance": _spread,
    "std": _spread,
    "min": _extreme,
    "max": _extreme,
    "first": _ranked,
    "last": _ranked,
    "share": _share,
    "decayed": _decayed,
    "days_since_last": _since,
    "days_since_first": _since,
    "gap_mean": _gap_mean,
    "gap_std": _gap_std,
}


def _shown(feature: Feature, text: Callable[[int], str]) -> Callable[[Any], Value]:
    """Return what makes a kept value the one of the facts."""
    if feature.value in VOCABULARY:
        return text
    if feature.unit == "text":
        return str
    convert = _converted(feature)
    return lambda value: convert(partial.counted(value))


def _of_values(feature: Feature, draft: _Draft, text: Callable[[int], str]) -> _Finish:
    slot = draft.slot(feature, "values", feature.value)
    match feature.aggregation.kind:
        case "distinct":
            return lambda slots, as_of: len(slots[slot])
        case "top_share":
            return lambda slots, as_of: max(slots[slot].values()) / sum(slots[slot].values()) if slots[slot] else None
        case "entropy":
            return lambda slots, as_of: _entropy(slots[slot]) if slots[slot] else None
    shown = _shown(feature, text)

    def commonest(slots: list[Cell], as_of: int) -> Value:
        counts = slots[slot]
        if not counts:
            return None
        top = max(counts.values())
        found = [shown(value) for value, number in counts.items() if number == top]
        return found[0] if len(found) == 1 else partial.least(found)

    return commonest


def _entropy(counts: Mapping[Any, int]) -> float:
    total = sum(counts.values())
    return max(0.0, math.log(total) - math.fsum([n * math.log(n) for n in counts.values()]) / total)


def _answer(feature: Declared, places: Mapping[str, int]) -> Callable[[list[Value]], Value]:
    if isinstance(feature, Feature):
        place = places[feature.fingerprint]
        return lambda finished: finished[place]
    left, right = (places[part.fingerprint] for part in feature.parts)
    combine = _COMBINED[feature.operation]
    rounds = feature.operation == "ratio" and feature.unit == "money"
    otherwise = feature.otherwise

    def combined(finished: list[Value]) -> Value:
        part = finished[left]
        value = combine(otherwise if part is None else part, finished[right])
        return half_away(value) if rounds and value is not None else value

    return combined


def _ratio(left: Any, right: Any) -> Any:
    return None if left is None or right is None or right == 0 else float(left) / float(right)


def _remainder(left: Any, right: Any) -> Any:
    share = _ratio(left, right)
    return None if share is None else 1.0 - share


def _difference(left: Any, right: Any) -> Any:
    return None if left is None else left if right is None else left - right


_COMBINED: dict[str, Callable[[Any, Any], Any]] = {
    "ratio": _ratio, "remainder": _remainder, "difference": _difference,
}  # fmt: skip
