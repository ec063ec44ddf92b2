"""Some two thousand small groups that stand for millions of people, so that a tree can be built over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from coterie.progress import SILENT, Progress
from coterie.segments.people import Floats, Ints

COUNT = 2_000
_DRAWN = 20  # people drawn for each small group, to learn from
_ROUNDS = 4
_BLOCK = 1 << 16  # people looked at together
_LANES = 256  # rows of a product come in full hundreds, so that a row's sums do not depend on its neighbours
_EXACT = 51  # bits that a sum of float64 holds without rounding, one and a sign spared

Matrix32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Microclusters:
    """Small groups of people who are alike.

    Parameters
    ----------
    centres
        The mean of each: float32 of shape (count, columns).
    of_person
        Which one each person is in: int32 of shape (people,).
    weights
        How many people are in each, 1 or more: float64 of shape (count,).
    order
        The rows of people in an order that depends on nothing but what they are: int64 of shape (people,).
    """

    centres: Matrix32
    of_person: npt.NDArray[np.int32]
    weights: Floats
    order: Ints


def microclusters(X: Matrix32, count: int = COUNT, *, seed: int = 0, progress: Progress = SILENT) -> Microclusters:
    """Put people into many small groups, in one pass over them.

    A sample of people is parted by k-means into some dozens of regions, and each region into small groups, in
    proportion to its sum of squares. Then everybody goes to the nearest region, there to the nearest small group, and
    the centres become the means of all who came. The nearest group of another region may be nearer still: that is the
    price of looking at a hundred centres instead of two thousand.

    The sample is drawn, and sums are taken, so that the order of people changes nothing.

    Parameters
    ----------
    X
        People on the scale of a ``Matrix``: float32 of shape (people, columns).
    count
        How many groups at most; those that nobody comes to are left out.
    seed
        Of the sample and the starts.
    progress
        Where steps are reported.
    """
    X = np.ascontiguousarray(X, dtype=np.float32)
    with threadpool_limits(1):
        order = np.argsort(hashed(X, seed))
        sample = X[drawn(order, count * _DRAWN)]
        random = np.random.default_rng(seed)
        regions = _parted(sample, max(round(count**0.5), 1), random)
        inner = _inner(sample, regions, count, random)
        return _gathered(X, order, regions, inner, progress)


def drawn(order: Ints, size: int) -> Ints:
    """Return each so many-th of people in a fixed order: a sample in which equal people have their share."""
    return order if size >= len(order) else order[(np.arange(size) * len(order)) // size]


def means(values: npt.NDArray[np.floating], groups: npt.NDArray[np.integer], count: int) -> Floats:
    """Return the mean of each group's rows, to the last digit the same in whatever order they come.

    Values are rounded so that their sums are exact in float64: to a part in 10^9 of the column's largest for a million
    people.
    """
    grid = _grid(values)
    sums = np.zeros((count, values.shape[1]))
    for start in range(0, len(values), _BLOCK):
        sums += _sums(np.rint(values[start : start + _BLOCK] * grid), groups[start : start + _BLOCK], count)
    found: Floats = sums / grid / np.bincount(groups, minlength=count)[:, None]
    return found


def hashed(X: Matrix32, seed: int = 0) -> npt.NDArray[np.uint64]:
    """Return a number for each row that depends on nothing but its content and the seed: uint64 of shape (people,)."""
    words = X.view(np.uint32) if X.shape[1] % 2 else X.view(np.uint64)
    random = np.random.default_rng(seed)
    factors = [np.uint64(2 * int(random.integers(0, 2**63)) + 1) for _ in range(words.shape[1])]
    keys = np.zeros(len(X), dtype=np.uint64)
    for start in range(0, len(X), 8192):
        block = words[start : start + 8192]
        part = keys[start : start + 8192]
        for column, factor in zip(block.T, factors, strict=True):
            part += column * factor
    keys ^= keys >> np.uint64(32)
    keys *= np.uint64(0x9E3779B97F4A7C15)
    keys ^= keys >> np.uint64(29)
    return keys


def _turned(centres: Matrix32) -> Matrix32:
    """Return what rows with a last column of 1 are multiplied by, to be the larger the nearer a centre is."""
    half = np.square(centres.astype(np.float64)).sum(axis=1) / 2
    return np.vstack([centres.T, -half]).astype(np.float32)


def _ones(rows: Matrix32) -> Matrix32:
    return np.column_stack([rows, np.ones(len(rows), dtype=np.float32)])


def _parted(sample: Matrix32, count: int, random: np.random.Generator) -> Matrix32:
    """Return the centres of k-means on a sample: starts drawn by squared distance, then a few rounds."""
    count = min(count, len(sample))
    near = np.full(len(sample), np.inf, dtype=np.float32)
    centres = np.empty((count, sample.shape[1]), dtype=np.float32)
    pick = int(random.integers(len(sample)))
    for place in range(count):
        centres[place] = sample[pick]
        away = sample - centres[place]
        np.minimum(near, np.einsum("ij,ij->i", away, away), out=near)
        total = np.cumsum(near, dtype=np.float64)
        if total[-1] <= 0:
            centres = centres[: place + 1]
            break
        pick = int(np.searchsorted(total, random.random() * total[-1], side="right"))
        pick = min(pick, len(sample) - 1)
    wide, long = sample.astype(np.float64), _ones(sample)
    for _ in range(_ROUNDS):
        where = (long @ _turned(centres)).argmax(axis=1)
        size = np.bincount(where, minlength=len(centres))
        sums = _sums(wide, where, len(centres))[size > 0]
        centres = (sums / size[size > 0, None]).astype(np.float32)
    return centres


def _inner(sample: Matrix32, regions: Matrix32, count: int, random: np.random.Generator) -> list[Matrix32]:
    """Return the centres of the small groups of each region."""
    where = (_ones(sample) @ _turned(regions)).argmax(axis=1)
    away = np.square(sample - regions[where]).sum(axis=1, dtype=np.float64)
    spread = np.bincount(where, weights=away, minlength=len(regions))
    size = np.bincount(where, minlength=len(regions))
    total = float(spread.sum()) or 1.0
    share = np.maximum(np.floor(count * spread / total), 1).astype(int)
    return [
        _parted(sample[where == region], int(share[region]), random) if size[region] else regions[region : region + 1]
        for region in range(len(regions))
    ]


def _gathered(X: Matrix32, order: Ints, regions: Matrix32, inner: list[Matrix32], progress: Progress) -> Microclusters:
    """Send everybody to their group; return the groups that somebody came to, with their means."""
    first = np.concatenate([[0], np.cumsum([len(centres) for centres in inner])])
    count, columns = int(first[-1]), X.shape[1]
    outward, inward = _turned(regions), [_turned(centres) for centres in inner]
    grid = _grid(X)
    of_person = np.empty(len(X), dtype=np.int32)
    sums = np.zeros((count, columns))
    buffer = np.ones((min(_BLOCK, -(-len(X) // _LANES) * _LANES), columns + 1), dtype=np.float32)
    for start in range(0, len(X), _BLOCK):
        progress.step("small groups", start, len(X))
        block = X[start : start + _BLOCK]
        buffer[: len(block), :-1] = block
        region = (buffer @ outward).argmax(axis=1)[: len(block)].astype(np.uint16)
        inside = np.argsort(region, kind="stable")
        ends = np.cumsum(np.bincount(region, minlength=len(regions)))
        found = of_person[start : start + _BLOCK]
        begin = 0
        for place in np.flatnonzero(np.diff(ends, prepend=0)):
            rows = inside[begin : ends[place]]
            full = buffer[: -(-len(rows) // _LANES) * _LANES]
            full[: len(rows), :-1] = block[rows]
            found[rows] = first[place] + (full @ inward[place]).argmax(axis=1)[: len(rows)]
            begin = ends[place]
        sums += _sums(np.rint(block * grid), found, count)
    progress.step("small groups", len(X), len(X))
    size = np.bincount(of_person, minlength=count)
    kept = size > 0
    centres = (sums[kept] / grid / size[kept, None]).astype(np.float32)
    if not kept.all():
        of_person = (np.cumsum(kept) - 1).astype(np.int32)[of_person]
    return Microclusters(centres, of_person, size[kept].astype(np.float64), order)


def _grid(values: npt.NDArray[np.floating]) -> Floats:
    """Return what to multiply each column by so that its values, as whole numbers, add up without rounding."""
    columns, rows = values.shape[1], len(values) - len(values) % 64
    long = values[:rows].reshape(-1, 64 * columns)  # long rows are looked through faster
    ends = [end.reshape(64, columns) for end in (long.max(axis=0), long.min(axis=0))] if rows else []
    reach = np.abs(np.concatenate([*ends, values[rows:]])).max(axis=0).astype(np.float64)
    bits = _EXACT - np.ceil(np.log2(len(values) + 1))
    grid: Floats = np.exp2(bits - np.ceil(np.log2(np.maximum(reach, 1e-30))))
    return grid


def _sums(rows: Floats, where: npt.NDArray[np.integer], count: int) -> Floats:
    """Return the sum of the rows of each group: float64 of shape (count, columns)."""
    people = len(rows)
    member = sparse.csc_matrix((np.ones(people), where, np.arange(people + 1)), shape=(count, people))
    total: Floats = member @ rows
    return total
