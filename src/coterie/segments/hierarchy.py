"""Segments within segments: Ward's tree, which can be cut anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import leaves_list, ward
from threadpoolctl import threadpool_limits

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate
from coterie.features.matrix import Matrix
from coterie.segments.clustering import scaled, worth_of
from coterie.segments.description import effects, known, median
from coterie.segments.naming import distinct_names
from coterie.segments.people import (
    Floats,
    Ints,
    Segmentation,
    by_value,
    check_count,
    check_distinct,
    nearest,
    need,
    numbers,
    read,
)
from coterie.segments.validity import resampled_jaccards, stability

LIMIT = 20_000  # exact Ward keeps all pairwise distances: 1.6 GB at 20,000 people
LEAVES = 24
_RESAMPLED = 3_000
_MOST = 2 / 3  # of a node's people in one segment of another origin make it that segment's


@dataclass(frozen=True)
class TreeNode:
    """A node of the tree of segments.

    Parameters
    ----------
    node
        Its number; 0 is the root, and parents come before their children.
    parent
        The node it is part of; None for the root.
    height
        At what Ward distance its two parts join; 0 for a single person.
    size
        How many people.
    name
        Its name for people, unlike that of any other node.
    segment
        The segment of the cut that it lies in; None above the cut.
    """

    node: int
    parent: int | None
    height: float
    size: int
    name: str
    segment: int | None


class WardSegments(Segmentation):
    """Join people, two groups at a time, where it costs the least variance (Ward), and cut the tree into k segments.

    Exact, on all pairs; for up to 20,000 people.

    Parameters
    ----------
    k
        How many segments ``labels_`` and ``predict`` tell; ``cut`` gives any other number.
    columns, scaling, weights
        As in ``features.matrix.Matrix``, which scales.
    value
        The column by whose mean segments are numbered, the highest first; None takes ``spend`` where there is such a
        column, else the mean of all scaled features.

    Attributes
    ----------
    labels_
        The segment of each person of ``fit``, by the cut of the tree: int64 of shape (people,). ``predict`` goes by the
        nearest centre instead, and puts people at the borders elsewhere (about a fifth of a real shop's).
    centres_
        The mean of each segment: float32 of shape (k_, columns of the matrix).
    linkage_
        SciPy's linkage matrix over people in their one order: float64 of shape (people - 1, 4).
    matrix_
        The fitted Matrix.

    References
    ----------
    Ward (1963), Hierarchical grouping to optimize an objective function; Murtagh & Legendre (2014).

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"orders": [1, 2, 1, 30, 40, 33], "spend": [10, 20, 15, 900, 1200, 950]})
    >>> tree = WardSegments(k=2).fit(people)
    >>> tree.labels_.tolist(), len(set(tree.cut(4).tolist()))
    ([1, 1, 1, 0, 0, 0], 4)
    """

    matrix_: Matrix
    centres_: npt.NDArray[np.float32]
    linkage_: Floats
    _nodes: tuple[TreeNode, ...]

    def __init__(
        self,
        k: int = 5,
        *,
        columns: Sequence[str] | None = None,
        scaling: str = "log-robust",
        weights: Mapping[str, float] | None = None,
        value: str | None = None,
    ) -> None:
        self.k = k
        self.columns = columns
        self.scaling = scaling
        self.weights = weights
        self.value = value

    def fit(self, frame: Any, y: object = None) -> Self:
        """Learn the scaling and the whole tree from people.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError
            There is nobody, fewer people (who differ) than segments, or all people look the same.
        ParameterError
            There are more people than exact Ward can hold, or a parameter is not allowed.
        MissingColumnError
            A chosen column is not there.
        """
        check_count(self, "k", self.k, 2)
        data = read(frame)
        if len(data) > LIMIT:
            raise ParameterError.of(
                "WardSegments",
                "the number of people",
                len(data),
                f"at most {LIMIT:,}",
                hint="fit a sample of people and predict the others, or use KMeansSegments.",
            )
        if self.value is not None:
            need(data, self.value)
        self.matrix_, ordered, rows, X = scaled(data, self.columns, self.scaling, self.weights)
        check_distinct("Segmenting", X, self.k)
        self._ordered, self._rows = ordered, rows
        self._worth = worth_of(ordered, X, self.value)
        self.linkage_ = ward(X.astype(np.float64))
        self.k_ = int(self.k)
        segments = self._cut(self.k_)
        means = [X[segments == segment].mean(axis=0, dtype=np.float64) for segment in range(self.k_)]
        self.centres_ = np.vstack(means).astype(np.float32)
        self.labels_ = self.cut(self.k_)
        self._nodes = self._tree(LEAVES)
        return self

    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new, by the nearest centre of the cut: int64, shape (people,)."""
        self._fitted()
        return nearest(self.matrix_.transform(read(frame).to_native()), self.centres_)

    def cut(self, k: int) -> Ints:
        """Return the segment of each person of ``fit`` when the tree is cut into k: int64 of shape (people,)."""
        self._whole()
        check_count(self, "k", k, 1)
        distinct = 1 + int((self.linkage_[:, 2] > 0).sum())
        if k > distinct:
            raise TooFewPeopleError.of(
                f"Cutting the tree into {k} segments", k, distinct, hint="ask for fewer segments."
            )
        labels = np.empty(len(self._rows), dtype=np.int64)
        labels[self._rows] = self._cut(k)
        return labels

    def tree(self, leaves: int = LEAVES, *, labels: npt.ArrayLike | None = None) -> tuple[TreeNode, ...]:
        """Return the top of the tree down to so many leaves, root first, with names and sizes.

        Parameters
        ----------
        leaves
            How many.
        labels
            Segments of another origin, one for each person of ``fit``: a node then tells the segment that at least two
            thirds of its people are in, else None. None tells those of the tree's own cut.
        """
        self._fitted()
        check_count(self, "leaves", leaves, 1)
        if leaves == LEAVES and labels is None:
            return self._nodes
        self._whole()
        if labels is None:
            return self._tree(leaves)
        others = np.asarray(labels)
        if others.shape != self._rows.shape:
            raise ParameterError.of("tree", "labels", others.shape, f"of shape ({len(self._rows)},), one a person")
        return self._tree(leaves, others[self._rows])

    def stability(self, *, resamples: int = 30, seed: int = 0) -> tuple[Estimate, ...]:
        """Return, for each segment, the mean bootstrap Jaccard on the people of ``fit`` and its interval.

        Each resample holds at most 3,000 people, on whom the tree is built anew; the scaling is held fixed.
        """
        self._whole()
        X = self.matrix_.transform(self._ordered.to_native())
        labels = self._cut(self.k_)
        if len(X) > _RESAMPLED:
            kept = np.sort(np.random.default_rng(seed).permutation(len(X))[:_RESAMPLED])
            X, labels = X[kept], labels[kept]
        with threadpool_limits(1):
            found = resampled_jaccards(
                labels, lambda rows, _: _flat(ward(X[rows].astype(np.float64)), self.k_), resamples=resamples, seed=seed
            )
        return stability(found)

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values: scaling, centres and the top of the tree, but no people."""
        self._fitted()
        return {
            "kind": type(self).__name__,
            "format": 1,
            "matrix": self.matrix_.to_json(),
            "centres": self.centres_.astype(float).tolist(),
            "value": self.value,
            "nodes": [asdict(node) for node in self._nodes],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote: it predicts and shows its tree, uncut."""
        cls._checked(body, "matrix", "centres", "value", "nodes")
        matrix = Matrix.from_json(body["matrix"])
        model = cls(
            len(body["centres"]),
            columns=matrix.columns,
            scaling=matrix.scaling,
            weights=matrix.weights,
            value=body["value"],
        )
        model.matrix_, model.k_ = matrix, len(body["centres"])
        model.centres_ = np.array(body["centres"], dtype=np.float32)
        model._nodes = tuple(TreeNode(**node) for node in body["nodes"])
        return model

    def _whole(self) -> None:
        self._fitted()
        if not hasattr(self, "linkage_"):
            raise ParameterError(
                "This stored WardSegments keeps the top of its tree only.", hint="fit it anew to cut it elsewhere."
            )

    def _cut(self, k: int) -> Ints:
        """Return the segments, by value, of people in their one order."""
        flat = _flat(self.linkage_, k)
        return by_value(flat, self._worth, k)[flat]

    def _tree(self, leaves: int, others: Ints | None = None) -> tuple[TreeNode, ...]:
        """Return the named nodes of the tree's top; leaves of people who are all alike are not divided."""
        leaves = min(leaves, 1 + int((self.linkage_[:, 2] > 0).sum()))
        order, top = leaves_list(self.linkage_), _top(self.linkage_, leaves)
        segments = self._cut(self.k_) if others is None else others
        needed = 1.0 if others is None else _MOST
        flat = _flat(self.linkage_, leaves)
        meta = known(self._ordered)
        of_leaf = effects(self._ordered, flat, meta)
        raw = {name: numbers(self._ordered, name) for name in meta}
        distances, typical, held = [], [], []
        for part in top:
            here = order[part.start : part.start + part.size]
            weight = np.bincount(flat[here], minlength=leaves) / part.size
            distances.append({name: float(weight @ column) for name, column in of_leaf.items()})
            typical.append({name: median(column[here]) for name, column in raw.items()})
            inside = np.bincount(segments[here]) / part.size
            held.append(int(inside.argmax()) if inside.max() >= needed else None)
        names = ["Everybody", *distinct_names(distances[1:], typical[1:], typical[0])]
        return tuple(
            TreeNode(number, part.parent, part.height, part.size, name, segment)
            for number, (part, name, segment) in enumerate(zip(top, names, held, strict=True))
        )


@dataclass(frozen=True)
class _Part:
    """A join or a person: where its people lie in the order of the dendrogram's leaves."""

    join: int
    parent: int | None
    start: int
    size: int
    height: float


def _top(linkage: Floats, leaves: int) -> list[_Part]:
    """Return the nodes of the tree's top that has so many leaves, root first, parents before children."""
    people = len(linkage) + 1
    lowest = 2 * people - leaves  # joins from here on lie above the leaves
    top = [_Part(2 * people - 2, None, 0, people, float(linkage[-1, 2]))]
    for number, part in enumerate(top):  # grows while it is walked
        if part.join < lowest:
            continue
        start = part.start
        for join in linkage[part.join - people, :2].astype(int):
            inner = join >= people
            size = int(linkage[join - people, 3]) if inner else 1
            top.append(_Part(int(join), number, start, size, float(linkage[join - people, 2]) if inner else 0.0))
            start += size
    return top


def _flat(linkage: Floats, k: int) -> Ints:
    """Return the cut into k groups, numbered as they lie in the dendrogram: int64 of shape (people,)."""
    top = _top(linkage, k)
    split = {part.parent for part in top}
    parts = sorted((part.start, part.size) for number, part in enumerate(top) if number not in split)
    flat = np.empty(len(linkage) + 1, dtype=np.int64)
    flat[leaves_list(linkage)] = np.repeat(np.arange(len(parts)), [size for _, size in parts])
    return flat
