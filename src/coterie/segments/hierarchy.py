"""Segments within segments: Ward's tree, which can be cut anywhere."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import ward
from threadpoolctl import threadpool_limits

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate
from coterie.progress import SILENT, Progress
from coterie.segments.evidence.choice import Candidate, chosen
from coterie.segments.evidence.validity import KEvidence, resampled_jaccards, stability
from coterie.segments.leaves import apart, figures, from_groups, from_pairs, gathered, group_means, polished, spread
from coterie.segments.linkage import topmost
from coterie.segments.microclusters import COUNT, drawn, means
from coterie.segments.people import Floats, Ints, Scaled, check_count, check_distinct, check_told, need, read
from coterie.segments.prototypes import PrototypeSegments, fit_matrix, valued
from coterie.segments.tree import LEAVES, SegmentTree, TreeNode

__all__ = ["LEAVES", "LIMIT", "SegmentTree", "TreeNode", "WardSegments"]

LIMIT = 20_000  # exact Ward keeps all pairwise distances: 1.6 GB at 20,000 people
_PEOPLE_A_LEAF = 10
_RESAMPLED = 3_000
_MOST = 2 / 3  # of a node's people in one segment of another origin make it that segment's


class WardSegments(PrototypeSegments):
    """Join people, two groups at a time, where it costs the least variance (Ward), and cut the tree into segments.

    On all pairs of people up to 20,000; above, on some 2,000 small groups of people who are alike (``method_`` says
    so), where single cuts are a few per cent tighter or looser. The tree is kept down to its leaves, of about ten
    people each and at most 2,000, and can be cut again when saved. A person belongs to the nearest leaf's segment.

    Parameters
    ----------
    k
        How many segments; None takes the largest of ``candidates`` for which every segment comes back in resampled data
        (mean bootstrap Jaccard of at least .75) and has ``minimum_size`` people. All that was seen is in ``evidence_``.
    columns, scaling, weights, orders
        As in ``features.matrix.Matrix``, which scales.
    value
        The column by whose mean segments are numbered, the highest first; None takes ``spend`` where there is such a
        column, else the mean of all scaled features.
    polish
        Move the borders between segments by k-means, over leaves, from the cut: tighter segments that are no branches
        of the tree. A person then belongs to the nearest segment's centre.
    leaf_size
        People that a leaf of the tree has at least: what ``to_json`` tells then describes no smaller group of people.
    exact
        Up to so many people the tree is built on all pairs of them: memory and time grow with their square.
    candidates
        The numbers of segments to weigh up when ``k`` is None.
    minimum_size
        Smallest segment to accept when ``k`` is None.
    resamples
        Bootstrap resamples when ``k`` is None.
    seed
        Of all random numbers.
    progress
        Where work on more than ``exact`` people, and the search for k, report their steps.

    Attributes
    ----------
    labels_
        The segment of each person of ``fit``, by the leaf that the person is in: int64 of shape (people,). Up to 20,000
        people it may differ from ``predict`` at the borders, as the nearest leaf need not be the one that a person was
        joined to.
    tree_
        The SegmentTree.
    method_
        How the tree was built, in words.
    inertia_
        Sum of squared distances to the means of segments.
    evidence_, stability_, warning_
        As in ``KMeansSegments``.

    References
    ----------
    Ward (1963), Hierarchical grouping to optimize an objective function; Murtagh & Legendre (2014), Ward's hierarchical
    agglomerative clustering method: which algorithms implement Ward's criterion?

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"orders": [1, 2, 1, 30, 40, 33], "spend": [10, 20, 15, 900, 1200, 950]})
    >>> tree = WardSegments(k=2).fit(people)
    >>> tree.labels_.tolist(), tree.cut(4).k_, tree.cut(minimum_size=3).k_
    ([1, 1, 1, 0, 0, 0], 4, 2)
    """

    tree_: SegmentTree
    method_: str
    inertia_: float
    evidence_: tuple[KEvidence, ...]
    stability_: tuple[Estimate, ...]
    warning_: str
    _of_leaf: npt.NDArray[np.int32]
    _kept: Scaled | None
    _sample: Scaled
    _leaf_of_sample: Ints
    _within: float

    def __init__(
        self,
        k: int | None = 5,
        *,
        columns: Sequence[str] | None = None,
        scaling: str = "log-robust",
        weights: Mapping[str, float] | None = None,
        orders: Mapping[str, Sequence[str] | None] | None = None,
        value: str | None = None,
        polish: bool = False,
        leaf_size: int = 1,
        exact: int = LIMIT,
        candidates: Sequence[int] = tuple(range(2, 11)),
        minimum_size: int = 50,
        resamples: int = 30,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.k = k
        self.columns = columns
        self.scaling = scaling
        self.weights = weights
        self.orders = orders
        self.value = value
        self.polish = polish
        self.leaf_size = leaf_size
        self.exact = exact
        self.candidates = candidates
        self.minimum_size = minimum_size
        self.resamples = resamples
        self.seed = seed
        self.progress = progress

    def fit(self, frame: Any, y: object = None) -> Self:
        """Learn the scaling and the whole tree from people.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError
            There is nobody, fewer people (who differ) than segments, or all people look the same.
        ParameterError, MissingColumnError
            A parameter is not allowed, or a chosen column is not there.
        """
        for name, least in (("minimum_size", 1), ("resamples", 2), ("seed", 0), ("leaf_size", 1), ("exact", 0)):
            check_count(self, name, getattr(self, name), least)
        if self.k is not None:
            check_count(self, "k", self.k, 2)
        data = read(frame)
        if len(data) < 2:
            raise TooFewPeopleError.of("Segmenting", 2, len(data), hint="give more people.")
        if self.value is not None:
            need(data, self.value)
        matrix, X = fit_matrix(data, self.columns, self.scaling, self.weights, self.orders)
        check_distinct("Segmenting", X, self.k or 2)
        worth, by = valued(data, X, self.value)
        with threadpool_limits(1):  # sums over several threads differ in the last digits, and so would segments
            self._grow(data, X, np.nan_to_num(worth), tuple(part.name for part in matrix.parts_))
            self.evidence_, self.stability_, self.warning_ = (), (), ""
            owners = self.tree_.cut(self._choose() if self.k is None else int(self.k))
        self.matrix_, self.valued_ = matrix, by
        self._take(owners)
        self._tell(X)
        check_told(self.labels_, self.k_)
        self._kept = X if len(X) <= self.exact else None
        return self

    def cut(
        self, k: int | None = None, *, height: float | None = None, minimum_size: int = 1, frame: Any = None
    ) -> Self:
        """Return the segmentation that another cut of the same tree gives.

        Parameters
        ----------
        k, height, minimum_size
            Where; see ``SegmentTree.cut``.
        frame
            People whose segments ``labels_`` is to tell. None tells those of the people of ``fit``; of more than 20,000
            people it cannot tell them when ``polish`` has moved the borders.

        Examples
        --------
        >>> import pyarrow as pa
        >>> people = pa.table({"orders": [1, 2, 1, 30, 40, 33], "spend": [10, 20, 15, 900, 1200, 950]})
        >>> WardSegments(k=2).fit(people).cut(3).labels_.tolist()
        [2, 1, 2, 0, 0, 0]
        """
        self._fitted()
        made = copy.copy(self)
        made._take(self.tree_.cut(k, height=height, minimum_size=minimum_size))
        made.k = made.k_
        return made._retold(frame)

    def merge(self, *segments: int) -> Self:
        """Return a segmentation in which these segments are one; see ``PrototypeSegments.merge``."""
        return super().merge(*segments)._reweighed()

    def split(self, segment: int, frame: Any = None, parts: int = 2) -> Self:
        """Return a segmentation in which one segment is parted at its highest joins in the tree.

        Parts are numbered by the mean worth of their people; the other segments keep their order. ``frame`` is as in
        ``cut``.

        Raises
        ------
        ParameterError
            There is no such segment, or ``parts`` is less than 2.
        TooFewPeopleError
            The segment has fewer leaves that differ.
        """
        self._fitted()
        chosen = self._known(segment)
        check_count(self, "parts", parts, 2)
        owners = self._owners()
        leaves = np.flatnonzero(owners == chosen)
        part = self.tree_.divide(leaves, parts)
        weights = self.tree_.weights[leaves]
        size = np.bincount(part, weights=weights)
        worth = np.bincount(part, weights=weights * self.tree_.worth[leaves]) / size
        if self.polish:
            points = group_means(self.tree_.centres[leaves], weights, part).astype(np.float32)
            made = self._parted(chosen, points, size, worth)
        else:
            made, renumbered, ids = self._edited([chosen], worth)
            owners = renumbered[owners]
            owners[leaves] = ids[part]
            made._settle(owners)
        return made._retold(frame)

    def tree(self, leaves: int = LEAVES, *, labels: npt.ArrayLike | None = None) -> tuple[TreeNode, ...]:
        """Return the top of the tree down to so many groups, root first, with names and sizes.

        Parameters
        ----------
        leaves
            How many.
        labels
            Segments of another origin, one for each person of ``fit``: a node then tells the segment that at least two
            thirds of its people are in, else None. None tells those of the tree's own cut.
        """
        self._fitted()
        if labels is None:
            held = np.zeros((self.tree_.leaves, self.k_))
            held[np.arange(self.tree_.leaves), self._owners()] = self.tree_.weights
            return self.tree_.nodes(leaves, held)
        of_leaf, others = self._people(), np.asarray(labels)
        if others.shape != of_leaf.shape:
            raise ParameterError.of("tree", "labels", others.shape, f"of shape ({len(of_leaf)},), one a person")
        kinds = int(others.max()) + 1
        pairs = np.bincount(of_leaf.astype(np.int64) * kinds + others, minlength=kinds * self.tree_.leaves)
        return self.tree_.nodes(leaves, pairs.reshape(-1, kinds).astype(np.float64), _MOST)

    @property
    def comes_again(self) -> bool:
        """Whether the people of ``fit`` are there to be resampled: not in a tree that was read back."""
        self._fitted()
        return hasattr(self, "_of_leaf")

    def stability(self, *, resamples: int = 30, seed: int = 0) -> tuple[Estimate, ...]:
        """Return, for each segment, the mean bootstrap Jaccard on the people of ``fit`` and its interval.

        Each resample holds at most 3,000 people, on whom the tree is built anew; the scaling is held fixed.
        """
        self._people()
        with threadpool_limits(1):
            return stability(self._jaccards(self._owners(), self.k_, resamples, seed, {}))

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values: scaling and tree, but no people; ``from_json`` reads it back.

        With a ``leaf_size`` of 1, a leaf of one person, whom nobody is like, still says what that person is like.
        """
        body = super().to_json()
        if not self.polish:  # its prototypes are the leaves
            del body["prototypes"], body["weights"]
        return {
            **body,
            "tree": self.tree_.to_json(),
            "polish": self.polish,
            "leaf_size": int(self.leaf_size),
            "method": self.method_,
            "within": self._within,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote: it predicts, shows its tree and can be cut again."""
        cls._checked(body, "tree", "polish", "method", "within")
        tree = SegmentTree.from_json(body["tree"])
        model = cls._restored(
            {"prototypes": tree.centres, "weights": tree.weights, **body},
            polish=bool(body["polish"]),
            leaf_size=body.get("leaf_size", 1),
        )
        model.set_params(k=model.k_)
        model.tree_, model.method_, model._within = tree, body["method"], body["within"]
        return model._reweighed()

    def _grow(self, data: nw.DataFrame[Any], X: Scaled, worth: Floats, seen: Sequence[str]) -> None:
        """Build the tree, and learn which leaf each person is in."""
        if len(X) <= self.exact:
            wanted = max(self.k or max(self.candidates), LEAVES, min(len(X) // _PEOPLE_A_LEAF, COUNT))
            grown = from_pairs(X, worth, wanted)
        else:
            grown = from_groups(X, COUNT, self.seed, self.progress)
        self._of_leaf, self.method_, leaves = grown.of_person, grown.method, len(grown.weights)
        if self.leaf_size > 1:
            grown = gathered(grown, X, self.leaf_size)
            self._of_leaf, self.method_, leaves = grown.of_person, grown.method, len(grown.weights)
        scale = max(float(np.abs(worth).max()), 1.0)  # a sum might be too large for a float
        value = means(worth[:, None] / scale, self._of_leaf, leaves)[:, 0] * scale
        named = figures(data, grown.order, self._of_leaf, leaves, seen)
        self.tree_ = SegmentTree(grown.centres, grown.weights, value, grown.linkage, *named)
        self._within = spread(X, grown.centres, self._of_leaf)
        rows = drawn(grown.order, _RESAMPLED)
        self._sample, self._leaf_of_sample = X[rows].astype(np.float64), self._of_leaf[rows].astype(np.int64)

    def _take(self, owners: Ints) -> None:
        """Become the segmentation in which leaves belong to these segments."""
        tree = self.tree_
        if self.polish:
            owners = self._polished(owners)
        size = np.bincount(owners, weights=tree.weights).astype(np.float64)
        worth = np.bincount(owners, weights=tree.weights / size[owners] * tree.worth).astype(np.float64)
        if self.polish:
            centres = group_means(tree.centres, tree.weights, owners).astype(np.float32)
            self._learnt(self.matrix_, centres, np.arange(len(size)), size, worth, self.valued_)
        else:
            self._learnt(self.matrix_, tree.centres, owners, tree.weights, worth, self.valued_)
        self.inertia_ = self._within + apart(self.tree_.centres, self.tree_.weights, owners)

    def _polished(self, owners: Ints) -> Ints:
        tree = self.tree_
        return tree.by_worth(polished(tree.centres, tree.weights, owners))

    def _retold(self, frame: Any) -> Self:
        """Learn ``labels_`` after an edit, and forget what was known of the segments before it."""
        self._reweighed()
        if frame is not None:
            self.labels_ = self.predict(frame)
        elif hasattr(self, "_of_leaf"):
            self._tell(self._kept)
        return self

    def _tell(self, X: Scaled | None) -> None:
        """Learn the segments of the people of fit, from their rows of the matrix where borders were moved."""
        if not self.polish:
            self.labels_ = self.owners_[self._of_leaf]
        elif X is not None:
            self.labels_ = self.owners_[self._cells(X)]
        elif hasattr(self, "labels_"):
            del self.labels_

    def _reweighed(self) -> Self:
        self.evidence_, self.stability_, self.warning_ = (), (), ""
        self.inertia_ = self._within + apart(self.tree_.centres, self.tree_.weights, self._owners())
        return self

    def _owners(self) -> Ints:
        """Return the segment of each leaf."""
        return self.owners_[self._cells(self.tree_.centres)] if self.polish else self.owners_

    def _people(self) -> npt.NDArray[np.int32]:
        if not self.comes_again:
            raise ParameterError("This stored WardSegments does not hold the people of fit.", hint="fit it anew.")
        return self._of_leaf

    def _choose(self) -> int:
        """Weigh up the candidates; return the number of segments taken."""
        tree = self.tree_
        trees: dict[int, Floats] = {}

        def weigh(k: int) -> Candidate[None]:
            owners = self._polished(tree.cut(k)) if self.polish else tree.cut(k)
            jaccards = self._jaccards(owners, k, self.resamples, self.seed, trees)
            smallest = int(np.bincount(owners, weights=tree.weights).min())
            return Candidate(None, jaccards, smallest, self._within + apart(tree.centres, tree.weights, owners))

        choice = chosen(
            self, weigh, self.candidates, people=tree.people, distinct=lambda _: tree.distinct,
            minimum_size=self.minimum_size, progress=self.progress,
        )  # fmt: skip
        self.evidence_, self.stability_, self.warning_ = choice.evidence, choice.stability, choice.warning
        return choice.k

    def _jaccards(self, owners: Ints, k: int, resamples: int, seed: int, trees: dict[int, Floats]) -> Floats:
        """Build the tree of resampled people anew (``trees`` keeps those that are built already) and cut it."""
        X = self._sample

        def regroup(rows: Ints, draw: int) -> Ints:
            if draw not in trees:
                trees[draw] = ward(X[rows])
            groups = topmost(trees[draw], min(k, 1 + int((trees[draw][:, 2] > 0).sum())))[1]
            return polished(X[rows], np.ones(len(rows)), groups) if self.polish else groups

        return resampled_jaccards(owners[self._leaf_of_sample], regroup, resamples=resamples, seed=seed)
