"""Any segmentation as rules: a shallow tree that tells its segments apart by a few features, and how well it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.splits import folds
from coterie.features.matrix import KEYS
from coterie.features.rule import Rule, from_json
from coterie.segments.decision_tree import Grown, grow, leaves_of, see
from coterie.segments.leaf import Leaf, Titles, rule_of, sentence_of
from coterie.segments.people import Floats, Ints, one_order, read
from coterie.segments.words.description import known

_SAMPLE = 100_000
_FOLDS = 5
_WITHIN = 0.01  # a tree that is right this much less often than the best, with fewer leaves, is taken


@dataclass(frozen=True)
class Surrogate:
    """A segment as a rule over features as they are, and how well people whom the tree did not see agree with it.

    Parameters
    ----------
    segment
        The segment's id.
    condition
        The rule as JSON (``Rule.to_json``); None where no leaf belongs mostly to the segment: so few features do not
        tell it from the others.
    sentence
        The rule in words, in the units of the shop; empty where there is none.
    precision
        Of the people for whom the rule holds, the share who are in the segment: out of fold; None without any.
    recall
        Of the people in the segment, the share for whom the rule holds: out of fold.
    fidelity
        Share of all people for whom the tree names their segment, the same for all segments: out of fold, where the
        number of leaves, too, was chosen anew by folds inside the others.
    leaves
        How many leaves the tree has, for all segments together.
    """

    segment: int
    condition: dict[str, Any] | None
    sentence: str
    precision: float | None
    recall: float
    fidelity: float
    leaves: int

    @property
    def rule(self) -> Rule | None:
        """The rule, for audiences: its ``sql`` and its ``predicate`` choose the same people."""
        return None if self.condition is None else from_json(self.condition)

    def _repr_html_(self) -> str:
        """Show the rule inside a notebook."""
        from coterie.segments import notebooks  # late: drawing is not needed to compute

        return notebooks.of_surrogate(self)


def surrogate(
    frame: Any,
    labels: npt.ArrayLike,
    *,
    depth: int = 5,
    leaves: int | None = None,
    columns: Sequence[str] | None = None,
    features: Titles | None = None,
    currency: str = "USD",
    minimum_size: int = 50,
    seed: int = 0,
) -> tuple[Surrogate, ...]:
    """Return each segment as a rule of a shallow decision tree.

    Parameters
    ----------
    frame
        The people, one row each: any eager dataframe.
    labels
        The segment of each row, 0 … k - 1: whole numbers.
    depth
        How many questions a rule may ask.
    leaves
        How many leaves the tree has at most, all segments together; None takes as few as are right nearly as often
        (by .01) as the best of up to three a segment, and of these as name the most segments.
    columns
        The columns to ask about; None takes every column of numbers, truth values or text.
    features
        Column → (title, unit) for the words; None reads the catalogue.
    currency
        ISO 4217 code of the money.
    minimum_size
        People in a leaf at least; with few people, a tenth of the smallest segment where that is less.
    seed
        Of folds, ties and the sample: the tree is grown of at most 100,000 people.

    Returns
    -------
    tuple of Surrogate
        One a segment that has people, by id.

    Raises
    ------
    ParameterError, MissingColumnError
        A parameter or a column is not allowed or not there.
    TooFewPeopleError
        There are fewer than 10 people, or only one segment.

    References
    ----------
    Craven & Shavlik (1996), Extracting tree-structured representations of trained networks.

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"orders": [1, 2, 3, 4, 5, 6] * 20, "spend": [9000] * 120})
    >>> told = surrogate(people, [1, 1, 1, 0, 0, 0] * 20)
    >>> [one.sentence for one in told], told[0].fidelity
    (['Orders: more than 3.', 'Orders: at most 3.'], 1.0)
    """
    data = read(frame)
    groups = np.asarray(labels)
    if groups.shape != (len(data),) or groups.dtype.kind not in "iu" or groups.min() < 0:
        raise ParameterError.of("surrogate", "labels", groups.shape, f"{len(data)} segment ids from 0 up")
    for name, value, least in (("depth", depth, 1), ("leaves", leaves or 2, 2), ("minimum_size", minimum_size, 1)):
        if value < least:
            raise ParameterError.of("surrogate", name, value, f"a whole number of at least {least}")
    if len(data) < 2 * _FOLDS:
        raise TooFewPeopleError.of("A surrogate tree", 2 * _FOLDS, len(data))
    asked = tuple(columns) if columns is not None else tuple(name for name in data.columns if name not in KEYS)
    last = "the segment, for people who are alike in all that is asked"
    data, rows = one_order(data.with_columns(nw.new_series(last, groups, backend=data.implementation)), (*asked, last))
    data, y = data.drop(last), groups[rows].astype(np.int64)
    if len(data) > _SAMPLE:
        drawn = np.sort(np.random.default_rng(seed).choice(len(data), _SAMPLE, replace=False))
        data, y = data[drawn], y[drawn]
    ids, place, sizes = np.unique(y, return_inverse=True, return_counts=True)
    if len(ids) < 2:
        raise TooFewPeopleError("A surrogate tree tells segments apart, and there is only one.", hint="ask for more.")
    least = max(1, min(minimum_size, int(sizes.min()) // 10))
    titles = features or known(data)
    seen = see(data, columns, least, {name: unit for name, (_, unit) in titles.items()})
    most = leaves or 3 * len(ids)

    def grown(here: Ints | slice) -> Grown:
        return grow(seen.codes[here], place[here], leaves=most, least=least, seed=seed, classes=True, depth=depth)

    part = folds(len(data), _FOLDS, outcome=place, seed=seed)
    told = np.empty((most, len(data)), dtype=np.int64)
    answer = np.empty(len(data), dtype=np.int64)
    with threadpool_limits(1):
        tree = grown(slice(None))
        within = _within(grown, seen.codes, place, part, most) if leaves is None else None
        for fold in range(_FOLDS):
            here = part == fold
            other = grown(np.flatnonzero(~here))
            told[:, here] = _answers(other, seen.codes[here], np.unique(place[~here]), most)
            size = leaves or _best(within[fold], _named(other, most))  # type: ignore[index]  # or leaves are given
            answer[here] = told[size - 1, here]
    if leaves is None:
        leaves = _best((told == place).mean(axis=1), _named(tree, most))
    count = min(leaves, tree.leaves)
    answers = tree.value.argmax(axis=1)
    owned: dict[int, list[Leaf]] = {}
    for node, leaf in leaves_of(tree, seen, count, answers).items():
        owned.setdefault(int(answers[node]), []).append(leaf)
    found = []
    for position, segment in enumerate(ids.tolist()):
        both = float(((answer == position) & (place == position)).sum())
        mine = [leaf for leaf in owned.get(position, []) if leaf]
        found.append(
            Surrogate(
                segment,
                rule_of(mine).to_json() if mine else None,
                sentence_of(mine, titles, currency) if mine else "",
                both / max(int((answer == position).sum()), 1) if (answer == position).any() else None,
                both / int(sizes[position]),
                float((answer == place).mean()),
                count,
            )
        )
    return tuple(found)


def _within(
    grown: Callable[[Ints], Grown], codes: npt.NDArray[np.float32], place: Ints, part: Ints, most: int
) -> Floats:
    """Return how often trees of each size are right inside the people of all folds but one: shape (folds, sizes).

    A tree that saw neither of two folds answers for either where the other one is left out.
    """
    right = np.zeros((_FOLDS, most))
    for one, other in combinations(range(_FOLDS), 2):
        seen = np.flatnonzero((part != one) & (part != other))
        tree, classes = grown(seen), np.unique(place[seen])
        for left_out, asked in ((one, part == other), (other, part == one)):
            hits = _answers(tree, codes[asked], classes, most) == place[asked]
            right[left_out] += hits.sum(axis=1) / (part != left_out).sum()
    return right


def _answers(tree: Grown, codes: npt.NDArray[np.float32], classes: Ints, most: int) -> Ints:
    """Return what trees of 1 … ``most`` leaves answer for people: shape (sizes, people)."""
    nodes = tree.nodes(codes)
    best = classes[tree.value.argmax(axis=1)]
    return np.array([best[tree.within(min(size, tree.leaves))[nodes]] for size in range(1, most + 1)])


def _named(tree: Grown, most: int) -> list[int]:
    """Return how many segments trees of 1 … ``most`` leaves name."""
    best = tree.value.argmax(axis=1)
    return [len(np.unique(best[tree.within(size)[tree.left < 0]])) for size in range(1, most + 1)]


def _best(right: Floats, named: Sequence[int]) -> int:
    """Return the size to take: of those that are right nearly as often as the best, the one that names the most."""
    good = [size for size, share in enumerate(right.tolist(), start=1) if share >= right.max() - _WITHIN]
    return min(good, key=lambda size: (-named[size - 1], size))
