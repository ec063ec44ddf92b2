"""The decisions that trees take about many people at once: which of a tree's questions each answers with yes.

All who answer a tree's questions alike get the same value from it, and the same contributions. A tree of 15 leaves asks
14 questions; so what it says of a million people is worked out for some hundreds and looked up for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint16]

MOST_QUESTIONS = 14
_BLOCK = 1 << 17  # people at a time
_CATEGORICAL, _DEFAULT_LEFT, _MISSING = 1, 2, 12  # bits of LightGBM's decision_type
_NAN = 8


@dataclass(frozen=True)
class _Question:
    """One node: a number up to ``cut``, or a level among ``levels``; and what is answered where it is missing."""

    column: int
    cut: float
    levels: tuple[int, ...] | None
    missing: bool


class Decisions:
    """The questions of all trees of a forest.

    Parameters
    ----------
    text
        The forest in LightGBM's text form, checked.
    """

    def __init__(self, text: str) -> None:
        self.trees = [_questions(part) for part in text.split("\nTree=")[1:]]
        self.few = all(len(tree) <= MOST_QUESTIONS for tree in self.trees)
        found = {(one.column, one.cut) for tree in self.trees for one in tree if one.levels is None}
        columns = {column for column, _ in found}
        self._cuts = {column: np.array(sorted(cut for one, cut in found if one == column)) for column in columns}

    def each(self, X: Floats, said: Callable[[int, Floats], Floats], add: Callable[[int, slice, Floats], None]) -> None:
        """Ask each tree about all people, but have it work out only what differs.

        Parameters
        ----------
        X
            Shape (people, columns).
        said
            Takes the number of a tree and some people's columns; returns what the tree says of each: shape (people,) or
            (people, things).
        add
            Takes the number of a tree, which people, and what it says of each of them.
        """
        for start in range(0, len(X), _BLOCK):
            here = slice(start, min(start + _BLOCK, len(X)))
            block = X[here]
            low, high = self._coded(block)
            for number, tree in enumerate(self.trees):
                answers = np.zeros(len(block), dtype=np.uint16)
                for place, one in enumerate(tree):
                    answers |= self._answered(one, block, low, high).astype(np.uint16) << np.uint16(place)
                some = np.full(1 << len(tree), -1, dtype=np.int64)
                some[answers] = np.arange(len(block))  # one of those who answer so
                asked = np.flatnonzero(some >= 0)
                told = said(number, block[some[asked]])
                some[asked] = np.arange(len(asked))
                add(number, here, told[some[answers]])

    def _coded(self, X: Floats) -> tuple[dict[int, Codes], dict[int, Codes]]:
        """Return between which cuts each number lies, with missing ones below all others, and above all others."""
        low, high = {}, {}
        for column, cuts in self._cuts.items():
            values = X[:, column]
            place = np.searchsorted(cuts, values, side="left") + 1
            place[np.isnan(values)] = 0
            low[column] = place.astype(np.uint16)
            high[column] = low[column] - np.uint16(1)  # 0 becomes the largest
        return low, high

    def _answered(
        self, one: _Question, X: Floats, low: dict[int, Codes], high: dict[int, Codes]
    ) -> npt.NDArray[np.bool_]:
        if one.levels is not None:
            return np.isin(X[:, one.column], one.levels)
        place = int(np.searchsorted(self._cuts[one.column], one.cut))
        return low[one.column] <= place + 1 if one.missing else high[one.column] <= place


def _questions(text: str) -> list[_Question]:
    """Return the questions of one tree."""
    values = dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
    words = {key: values.get(key, "").split() for key in ("split_feature", "threshold", "decision_type")}
    bounds, sets = ([int(word) for word in values.get(key, "").split()] for key in ("cat_boundaries", "cat_threshold"))
    questions = []
    for feature, threshold, told in zip(*words.values(), strict=True):
        kind, cut = int(told), float(threshold)
        levels = None
        if kind & _CATEGORICAL:
            parts = sets[bounds[int(cut)] : bounds[int(cut) + 1]]
            levels = tuple(32 * word + bit for word, part in enumerate(parts) for bit in range(32) if part >> bit & 1)
        # where nothing was missing when it was grown, a missing number counts as 0
        missing = bool(kind & _DEFAULT_LEFT) if kind & _MISSING == _NAN else cut >= 0
        questions.append(_Question(int(feature), cut, levels, missing and levels is None))
    return questions
