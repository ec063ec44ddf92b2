"""Shallow decision trees over features as they are, and their leaves as rules that anybody can read.

Trees are grown by scikit-learn on the ranks of numbers among round thresholds, and on one indicator a level of text. So
a rule asks for round numbers only, and chooses the very people that the tree chose; the rule is what is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from coterie.errors import ParameterError
from coterie.features.matrix import KEYS
from coterie.segments.leaf import Bools, Leaf, Span, column_of
from coterie.segments.people import Floats, Ints, need

_DIGITS = 2  # of a threshold; as many more as it takes until
_CELL = 0.05  # no more of all people, of more than one value, lie between two thresholds
_LAST = 20  # more digits than any number has
_STEPS = {"share": 1e-3, "days": 0.1}  # a tenth of a per cent and of a day: finer ones only where that is too coarse


@dataclass(frozen=True)
class Input:
    """One column of what a tree sees: the ranks of a column of numbers, or whether a column has a certain level.

    Parameters
    ----------
    column
        The column of people.
    cuts
        The thresholds that may be asked for, rising: a person's rank is how many of them the value lies above; empty
        for a level.
    level
        The text, or the truth value, that is asked for.
    whole
        Whether all values are whole numbers.
    gaps
        Whether the column is missing for somebody.
    """

    column: str
    cuts: Floats
    level: str | bool | None = None
    whole: bool = False
    gaps: bool = False


@dataclass(frozen=True)
class Seen:
    """People as a tree sees them: ``codes`` is float32 of shape (people, inputs), NaN where a number is missing."""

    codes: npt.NDArray[np.float32]
    inputs: tuple[Input, ...]


def see(
    data: nw.DataFrame[Any], columns: Sequence[str] | None, least: int, units: Mapping[str, str] | None = None
) -> Seen:
    """Return people as a tree sees them.

    Parameters
    ----------
    data
        The people.
    columns
        The columns to use; None takes every column of numbers, truth values or text but ``person`` and ``as_of``.
    least
        Levels of text that fewer people have are not asked for.
    units
        Column → unit, where known: thresholds of shares and days are not finer than people read them.

    Raises
    ------
    MissingColumnError, ParameterError
        A column is not there, or of another type.
    """
    if columns is not None:
        need(data, *columns)
    kinds = data.schema
    names = [name for name in data.columns if name not in KEYS and _usable(kinds[name])] if columns is None else columns
    if bad := [name for name in names if not _usable(kinds[name])]:
        raise ParameterError.of("A tree", "columns", bad, "columns of numbers, truth values or text")
    inputs: list[Input] = []
    codes: list[npt.NDArray[np.float32]] = []
    for name in names:
        if kinds[name].is_numeric():
            values = column_of(data, name)
            known = values[~np.isnan(values)]
            distinct, times = np.unique(known, return_counts=True)
            if not len(distinct) or (len(distinct) == 1 and len(known) == len(values)):
                continue
            cuts = thresholds(distinct, times, _STEPS.get((units or {}).get(name, ""), 0.0))
            ranks = np.where(np.isnan(values), np.nan, np.searchsorted(cuts, values)).astype(np.float32)
            inputs.append(Input(name, cuts, None, bool(kinds[name].is_integer()), len(known) < len(values)))
            codes.append(ranks)
            continue
        column = data.get_column(name)
        gaps = bool(column.is_null().any())
        for level, people in _levels(column, isinstance(kinds[name], nw.Boolean)):
            if least <= people <= len(data) - least:
                inputs.append(Input(name, np.empty(0), level, gaps=gaps))
                codes.append((column == level).fill_null(False).to_numpy().astype(np.float32))
    return Seen(np.column_stack(codes) if codes else np.empty((len(data), 0), np.float32), tuple(inputs))


@dataclass(frozen=True)
class Grown:
    """A tree as arrays, grown best first: its first 2k - 1 nodes are the tree of k leaves.

    Parameters
    ----------
    left, right
        Children of each node; -1 where there are none.
    parent
        Of each node; -1 of the root.
    feature, threshold, missing_left
        What a node asks: which input, up to which code, and whether the missing go left.
    value
        Mean outcome of a node's people (share of each class): shape (nodes, outcomes).
    """

    left: Ints
    right: Ints
    parent: Ints
    feature: Ints
    threshold: Floats
    missing_left: Bools
    value: Floats
    model: Any = field(repr=False, compare=False)

    @property
    def leaves(self) -> int:
        """How many leaves the full tree has."""
        return (len(self.left) + 1) // 2

    def nodes(self, codes: npt.NDArray[np.float32]) -> Ints:
        """Return the leaf of the full tree that each person falls into."""
        return np.asarray(self.model.apply(codes), dtype=np.int64)

    def within(self, leaves: int) -> Ints:
        """Return, for each node, the leaf of the tree of so many leaves that it lies in; inner nodes stay."""
        last = 2 * leaves - 1
        place = np.arange(len(self.left))
        while (deep := place >= last).any():
            place[deep] = self.parent[place[deep]]
        return place


def grow(
    codes: npt.NDArray[np.float32], y: npt.NDArray[Any], *, leaves: int, least: int, seed: int, classes: bool,
    depth: int | None = None,
) -> Grown:  # fmt: skip
    """Grow a tree best first: of mean squares, or of Gini impurity where the outcome is classes.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees.
    """
    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    usable = codes if codes.shape[1] else np.zeros((len(codes), 1), np.float32)
    least = min(least, max(1, len(codes) // 2))
    model = kind(max_leaf_nodes=max(leaves, 2), max_depth=depth, min_samples_leaf=least, random_state=seed)
    tree = model.fit(usable, y).tree_
    left = np.asarray(tree.children_left, dtype=np.int64)
    right = np.asarray(tree.children_right, dtype=np.int64)
    parent = np.full(len(left), -1, dtype=np.int64)
    inner = left >= 0
    parent[left[inner]] = parent[right[inner]] = np.flatnonzero(inner)
    return Grown(
        left, right, parent, np.asarray(tree.feature, dtype=np.int64), np.asarray(tree.threshold, dtype=np.float64),
        np.asarray(tree.missing_go_to_left, dtype=bool), np.asarray(tree.value[:, 0, :], dtype=np.float64), model,
    )  # fmt: skip


def leaves_of(grown: Grown, seen: Seen, leaves: int, answers: Ints | None = None) -> dict[int, Leaf]:
    """Return what each leaf of the tree of so many leaves asks, by the leaf's node, from left to right.

    Where ``answers`` are given, one a node, leaves beside each other with one answer are one leaf.
    """
    last = 2 * leaves - 1
    found: dict[int, Leaf] = {}

    def told(node: int) -> set[int]:
        if grown.left[node] < 0 or grown.left[node] >= last:
            return {node if answers is None else int(answers[node])}
        return told(int(grown.left[node])) | told(int(grown.right[node]))

    def walk(node: int, asked: dict[str, Span]) -> None:
        if len(told(node)) == 1:
            found[node] = tuple(asked.values())
            return
        one = seen.inputs[grown.feature[node]]
        threshold = float(grown.threshold[node])
        for child, down in ((grown.left[node], True), (grown.right[node], False)):
            before = asked.get(one.column) or Span(one.column, whole=one.whole, gaps=one.gaps)
            to_side = bool(grown.missing_left[node]) == down
            walk(int(child), asked | {one.column: _narrowed(before, one, threshold, down, to_side)})

    walk(0, {})
    return found


def _narrowed(span: Span, one: Input, threshold: float, down: bool, missing: bool) -> Span:
    """Return what one more question leaves of what was asked of a column."""
    if one.level is not None:
        if down:  # the level is not that one
            return replace(span, without=span.without | {one.level})
        return replace(span, levels=frozenset((one.level,)), missing=False)
    cut = math.inf if math.isinf(threshold) else float(one.cuts[math.floor(threshold)])
    missing = missing and span.missing
    if down:
        return replace(span, high=min(span.high, cut), missing=missing)
    return replace(span, low=max(span.low, cut), missing=missing)


def thresholds(values: Floats, people: Ints, step: float = 0.0) -> Floats:
    """Return round numbers that part people by a column: of no more digits than it takes.

    Parameters
    ----------
    values
        The column's values, rising, each once.
    people
        How many people have each.
    step
        A power of ten; finer numbers are taken only where all others are too coarse.

    Examples
    --------
    >>> thresholds(np.array([3.0, 12.0, 1000.0]), np.array([1, 1, 1]))
    array([ 10., 500.])
    >>> minutes = thresholds(np.arange(144_000) / 1440, np.ones(144_000, dtype=int), 0.1)
    >>> len(minutes), minutes[-2:]
    (190, array([98., 99.]))
    """
    cuts, digits = _roundest(values[:-1], values[1:], step)
    groups = np.arange(len(values))
    for most in range(_DIGITS, int(digits.max(initial=0)) + 1):
        kept = digits <= most
        groups = np.concatenate([[0], np.cumsum(kept)])
        several = np.bincount(groups) > 1
        if (np.bincount(groups, weights=people)[several] <= _CELL * people.sum()).all():
            return cuts[kept]
    return cuts


def _roundest(low: Floats, high: Floats, step: float) -> tuple[Floats, Ints]:
    """Return ``roundest`` of each gap and how many digits it has, ``_LAST`` more where it is finer than ``step``."""
    found, digits = np.full(len(low), np.nan), np.full(len(low), 2 * _LAST)
    usual = np.isfinite(low) & np.isfinite(high)
    largest = np.maximum(np.maximum(np.abs(low), np.abs(high)), high - low, where=usual, out=np.ones(len(low)))
    usual &= (largest < 1e15) & (high - low > 1e-12)
    top = math.floor(math.log10(largest[usual].max())) + 1 if usual.any() else 0
    for power in range(top, -14, -1):
        rest = np.flatnonzero(usual & np.isnan(found))
        if not len(rest):
            break
        unit = 10.0 ** abs(power)
        below, above = (low[rest] / unit, high[rest] / unit) if power >= 0 else (low[rest] * unit, high[rest] * unit)
        first, last = np.ceil(below), np.ceil(above) - 1
        nearest = np.clip(np.rint((below + above) / 2), first, last)
        number = nearest * unit if power >= 0 else nearest / unit
        good = (first <= last) & (low[rest] <= number) & (number < high[rest])
        found[rest[good]] = number[good]
        size = np.abs(nearest[good])
        digits[rest[good]] = np.where(size > 0, np.floor(np.log10(np.maximum(size, 1))) + 1, 1)
        if power < 0 and 1 / unit < step * 0.999:
            digits[rest[good]] += _LAST
    for place in np.flatnonzero(np.isnan(found)).tolist():
        found[place] = roundest(float(low[place]), float(high[place]))
    return found, digits


def roundest(low: float, high: float) -> float:
    """Return the number in [low, high) with the fewest digits; of several the one nearest to the middle."""
    if math.isinf(low):
        low = -1e308 if high == math.inf else high - max(abs(high), 1.0)
    if math.isinf(high):
        high = low + max(abs(low), 1.0)
    width = high - low
    if not 0 < width < math.inf:
        return low
    start = math.floor(math.log10(max(abs(low), abs(high), width))) + 1
    for power in range(min(start, 307), max(start - 18, -300), -1):
        first, last = math.ceil(low / 10.0**power), math.ceil(high / 10.0**power) - 1
        if first <= last:
            nearest = min(max(round((low / 2 + high / 2) / 10.0**power), first), last)
            found = float(f"{nearest}e{power}")
            if low <= found < high:
                return found
    return low


def _usable(kind: nw.dtypes.DType) -> bool:
    return kind.is_numeric() or isinstance(kind, nw.Boolean | nw.String | nw.Categorical)


def _levels(column: nw.Series[Any], truth: bool) -> list[tuple[str | bool, int]]:
    """Return each level with how many people have it, in the order of the alphabet; of truth values only true."""
    known = column.drop_nulls()
    if truth:
        return [(True, int(known.to_numpy().sum()))]
    names, sizes = np.unique(known.cast(nw.String).to_numpy().astype(str), return_counts=True)
    return [(str(name), int(size)) for name, size in zip(names, sizes, strict=True)]
