"""Ward's tree over weighted points: which two groups join, one after another, and at what height."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist, squareform

from coterie.errors import ParameterError
from coterie.segments.people import Floats, Ints


def weighted_ward(points: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Join weighted points, two groups at a time, where it costs the least variance.

    By the chain of nearest neighbours (Benzécri, Murtagh): from any group to its nearest, to that one's nearest, until
    two are each other's nearest; those join. In time of the square of the number of points, and in 8 bytes for each
    pair and each order of it: 32 MB for 2,000 points, 800 MB for 10,000.

    Parameters
    ----------
    points
        Shape (points, columns).
    weights
        How many people each point stands for, above 0: shape (points,). None: one each.

    Returns
    -------
    ndarray of shape (points - 1, 4)
        A linkage matrix as SciPy's: the two groups that join (points are 0 … points - 1, the group of row i is points +
        i), the height, and the weight of both together. Heights are SciPy's too: the root of twice the growth of the
        sum of squares. With weights it is the tree of the points repeated that often, without the joins at height 0.

    Raises
    ------
    ParameterError
        Points or weights have another shape, or are not finite.

    References
    ----------
    Ward (1963), Hierarchical grouping to optimize an objective function; Murtagh (1983), A survey of recent advances
    in hierarchical clustering algorithms; Murtagh & Legendre (2014), Ward's hierarchical agglomerative clustering
    method: which algorithms implement Ward's criterion?

    Examples
    --------
    >>> weighted_ward([[0.0], [1.0], [5.0]], [1, 1, 2]).round(3).tolist()
    [[0.0, 1.0, 1.0, 2.0], [2.0, 3.0, 6.364, 4.0]]
    """
    where = np.asarray(points, dtype=np.float64)
    if where.ndim != 2 or not len(where) or not np.isfinite(where).all():
        raise ParameterError.of("weighted_ward", "points", where.shape, "finite numbers of shape (points, columns)")
    weight = np.ones(len(where)) if weights is None else np.array(weights, dtype=np.float64)
    if weight.shape != (len(where),) or not (np.isfinite(weight) & (weight > 0)).all():
        raise ParameterError.of("weighted_ward", "weights", weight.shape, f"{len(where)} finite numbers above 0")
    return _ordered(*_joins(_costs(where, weight), weight.copy()), weight)


def _costs(where: Floats, weight: Floats) -> Floats:
    """Return the squared height at which any two points would join: symmetric, infinite on the diagonal."""
    costs: Floats = squareform(pdist(where, "sqeuclidean"))  # by differences: a product would lose small distances
    for place, own in enumerate(weight):
        costs[place] *= 2 * own * weight / (own + weight)
    np.fill_diagonal(costs, np.inf)
    return costs


def _joins(costs: Floats, weight: Floats) -> tuple[Ints, Floats]:
    """Return the joins in the order that the chain finds them: pairs of places, and squared heights.

    A group keeps the place of the later of its two; the other place is closed by an infinite cost. ``costs`` and
    ``weight`` are used up.
    """
    count = len(weight)
    pairs, squares = np.empty((count - 1, 2), dtype=np.int64), np.empty(count - 1)
    places = np.arange(count)  # of the rows that are left
    chain: list[int] = []
    for done in range(count - 1):
        if 2 * (count - done) <= len(places):  # half of the rows are closed: leave them out
            kept = np.flatnonzero(weight)
            chain = np.searchsorted(kept, chain).tolist()
            costs, weight, places = costs[np.ix_(kept, kept)], weight[kept], places[kept]
        if not chain:
            chain = [int(np.flatnonzero(weight)[0])]
        while True:
            row = costs[chain[-1]]
            near = int(row.argmin())
            if len(chain) > 1 and row[chain[-2]] <= row[near]:
                break  # at a tie back to where the chain came from, or it would never end
            chain.append(near)
        one, other = chain.pop(), chain.pop()
        square, together = costs[one, other], weight[one] + weight[other]
        pairs[done], squares[done] = (places[one], places[other]), square
        grown = (weight[one] + weight) * costs[one]
        grown += (weight[other] + weight) * costs[other]
        grown -= weight * square
        grown /= together + weight  # Lance & Williams
        grown[other] = np.inf
        costs[other] = costs[:, other] = grown
        costs[one] = costs[:, one] = np.inf
        weight[one], weight[other] = 0.0, together
    return pairs, squares


def _ordered(pairs: Ints, squares: Floats, weight: Floats) -> Floats:
    """Return the linkage matrix of joins sorted by height."""
    count = len(weight)
    order = np.argsort(squares, kind="stable")
    made = np.empty((count - 1, 4))
    above = list(range(count))  # of each place: one further up in the same group, in the end the group's own
    group, held = list(range(count)), weight.tolist()
    for row, (one, other) in enumerate(pairs[order].tolist()):
        ends = []
        for place in (one, other):
            end = place
            while above[end] != end:
                above[end] = end = above[above[end]]
            ends.append(end)
        left, right = ends
        low, high = sorted((group[left], group[right]))
        above[left] = right
        group[right], held[right] = count + row, held[left] + held[right]
        made[row] = low, high, 0.0, held[right]
    made[:, 2] = np.sqrt(squares[order])
    return made


def topmost(linkage: Floats, leaves: int) -> tuple[Floats, Ints]:
    """Return the top of a tree, down to so many leaves, as a linkage matrix, and the leaf of each of its points.

    Leaves are numbered in the order of the groups that they are in the whole tree.
    """
    points = len(linkage) + 1
    lowest = 2 * points - leaves  # groups from here on lie above the leaves
    top = linkage[points - leaves :].copy()
    ends = np.setdiff1d(top[:, :2], np.arange(lowest, 2 * points)) if leaves > 1 else np.array([2.0 * points - 2])
    joined = top[:, :2] >= lowest
    top[:, :2] = np.where(joined, top[:, :2] - lowest + leaves, np.searchsorted(ends, top[:, :2]))
    top[:, :2].sort(axis=1)
    leaf = np.empty(2 * points - 1, dtype=np.int64)
    leaf[ends.astype(np.int64)] = np.arange(leaves)
    for row in range(points - leaves - 1, -1, -1):
        leaf[linkage[row, :2].astype(np.int64)] = leaf[points + row]
    return top, leaf[:points]
