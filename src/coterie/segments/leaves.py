"""The leaves of a tree of people: who is in them, how they join, what they are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import ward

from coterie.progress import Progress
from coterie.segments.linkage import topmost, weighted_ward
from coterie.segments.microclusters import drawn, means, microclusters
from coterie.segments.people import Floats, Ints, Scaled, fixed_order, nearest, numbers
from coterie.segments.words.description import effects, known
from coterie.segments.words.levels import Levels, counted

_NAMED = 100_000  # people that leaves are named by
_ASSIGNED = 100_000  # people between two reports of progress
_ROUNDS = 100


@dataclass(frozen=True, eq=False)
class Grown:
    """A tree and the people in its leaves.

    Parameters
    ----------
    centres
        The mean of each leaf, or the centre that its people are nearest to: float32 of shape (leaves, columns).
    of_person
        The leaf of each person: int32 of shape (people,).
    weights
        How many people are in each leaf: float64 of shape (leaves,).
    linkage
        How leaves join, as SciPy writes it: float64 of shape (leaves - 1, 4).
    order
        The rows of people in an order that depends on nothing but what they are: int64 of shape (people,).
    method
        How it was grown, in words.
    """

    centres: Scaled
    of_person: npt.NDArray[np.int32]
    weights: Floats
    linkage: Floats
    order: Ints
    method: str


def from_pairs(X: Scaled, worth: Floats, leaves: int) -> Grown:
    """Grow the tree on all pairs of people, and keep its top: at most so many leaves, people alike never parted."""
    order = fixed_order(X, worth)
    whole = ward(X[order].astype(np.float64))
    differ = 1 + int((whole[:, 2] > 0).sum())
    linkage, leaf = topmost(whole, min(leaves, differ))
    of_person = np.empty(len(X), dtype=np.int32)
    of_person[order] = leaf
    weights = np.bincount(leaf).astype(np.float64)
    centres = means(X, of_person, len(weights)).astype(np.float32)
    return Grown(centres, of_person, weights, linkage, order, f"Ward on all pairs of {len(X):,} people")


def from_groups(X: Scaled, count: int, seed: int, progress: Progress) -> Grown:
    """Grow the tree on small groups, each of the people who are nearest to its centre."""
    small = microclusters(X, count, seed=seed, progress=progress)
    found = np.empty(len(X), dtype=np.int32)
    for start in range(0, len(X), _ASSIGNED):
        progress.step("nearest groups", start, len(X))
        found[start : start + _ASSIGNED] = nearest(X[start : start + _ASSIGNED], small.centres)
    progress.step("nearest groups", len(X), len(X))
    size = np.bincount(found, minlength=len(small.centres))
    reached = size > 0  # a group that nobody is nearest to is none
    centres, weights = small.centres[reached], size[reached].astype(np.float64)
    of_person = (np.cumsum(reached) - 1).astype(np.int32)[found]
    method = f"Ward on {len(weights):,} small groups of {len(X):,} people"
    return Grown(centres, of_person, weights, weighted_ward(centres, weights), small.order, method)


def gathered(grown: Grown, X: Scaled, least: int) -> Grown:
    """Return the tree in which no leaf has fewer people: each such one joins the leaf that Ward would join it to first.

    What is kept of a model then describes no smaller group. The tree above is grown anew, over the leaves.
    """
    centres, weights = grown.centres.astype(np.float64), grown.weights.copy()
    into = np.arange(len(weights))
    while (weights > 0).sum() > 1 and weights[weights > 0].min() < least:
        small = int(np.where(weights > 0, weights, np.inf).argmin())
        cost = weights * weights[small] / (weights + weights[small])
        cost *= np.square(centres - centres[small]).sum(axis=1)
        cost[(weights == 0) | (np.arange(len(cost)) == small)] = np.inf
        other = int(cost.argmin())
        both = weights[other] + weights[small]
        centres[other] = (weights[other] * centres[other] + weights[small] * centres[small]) / both
        weights[other], weights[small] = both, 0.0
        into[into == small] = other
    if (into == np.arange(len(into))).all():
        return grown
    of_person = np.unique(into, return_inverse=True)[1].astype(np.int32)[grown.of_person]
    weights = np.bincount(of_person).astype(np.float64)
    middles = means(X, of_person, len(weights)).astype(np.float32)
    method = f"{grown.method}, gathered into leaves of {least:,} at least"
    return Grown(middles, of_person, weights, weighted_ward(middles, weights), grown.order, method)


def group_means(points: npt.NDArray[Any], weights: Floats, owners: Ints) -> Floats:
    """Return the mean of each group of weighted points: float64 of shape (groups, columns)."""
    sums = [np.bincount(owners, weights=weights * column) for column in points.T]
    total = np.bincount(owners, weights=weights)
    found: Floats = np.stack(sums, axis=1) / np.where(total > 0, total, 1.0)[:, None]
    return found


def apart(points: npt.NDArray[Any], weights: Floats, owners: Ints) -> float:
    """Return the sum of squared distances of weighted points to the mean of their group."""
    points = points.astype(np.float64)
    rest = points - group_means(points, weights, owners)[owners]
    return float(weights @ np.square(rest).sum(axis=1))


def polished(points: npt.NDArray[Any], weights: Floats, owners: Ints) -> Ints:
    """Return the groups that Lloyd's steps of k-means over weighted points lead to from these; none is lost."""
    k = int(owners.max()) + 1
    for _ in range(_ROUNDS):
        moved = nearest(points, group_means(points, weights, owners))
        if (moved == owners).all() or len(np.unique(moved)) < k:
            break
        owners = moved
    return owners


def spread(X: Scaled, centres: Scaled, of_leaf: npt.NDArray[np.int32]) -> float:
    """Return the sum of squared distances of people to the mean of their leaf."""
    square = np.empty(len(X))
    for start in range(0, len(X), 1 << 16):
        rest = (X[start : start + (1 << 16)] - centres[of_leaf[start : start + (1 << 16)]]).astype(np.float64)
        np.einsum("ij,ij->i", rest, rest, out=square[start : start + (1 << 16)])
    everybody = np.zeros(len(X), dtype=np.int32)
    return float(means(square[:, None], everybody, 1)[0, 0] * len(X))


def figures(
    data: nw.DataFrame[Any], order: Ints, of_leaf: npt.NDArray[np.int32], leaves: int, columns: Sequence[str]
) -> tuple[tuple[str, ...], Floats, Floats, Floats, tuple[str, ...], Levels]:
    """Return what leaves are named by, as ``SegmentTree`` takes it; from 100,000 people at most."""
    meta = known(data)
    rows = drawn(order, _NAMED)
    if len(rows) < len(order):
        one = np.empty(leaves, dtype=np.int64)
        one[of_leaf[order]] = order
        rows = np.concatenate([rows, one])  # somebody of every leaf
    seen, groups = data[rows], of_leaf[rows]
    of_leaves = effects(seen, groups.astype(np.int64), meta)
    features = tuple(of_leaves)
    medians = [_medians(numbers(seen, name), groups, leaves) for name in features]
    base = [_medians(numbers(seen, name), np.zeros_like(groups), 1)[0] for name in features]
    effect = np.round([of_leaves[name] for name in features], 6).T.reshape(leaves, len(features))
    middles = np.array(medians).T.reshape(leaves, len(features))
    return features, effect, middles, np.array(base), tuple(columns), counted(seen, groups.astype(np.int64), columns)


def _medians(values: Floats, groups: npt.NDArray[np.int32], count: int) -> Floats:
    """Return the median of each group's known values; NaN where fewer than half are known."""
    size = np.bincount(groups, minlength=count)
    there = np.bincount(groups[~np.isnan(values)], minlength=count)
    ordered = np.append(values[np.lexsort((values, groups))], np.nan)  # unknown ones come last in their group
    start = np.cumsum(size) - size
    middle = ordered[start + np.maximum(there - 1, 0) // 2] / 2 + ordered[start + there // 2] / 2
    return np.where(2 * there >= np.maximum(size, 1), middle, np.nan)
