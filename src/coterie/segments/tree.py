"""The tree of segments as data: cut anywhere, named at every level, kept without the people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from coterie.errors import IntegrityError, ParameterError, TooFewPeopleError
from coterie.segments.people import Floats, Ints, by_mean, check_count
from coterie.segments.words.levels import Levels
from coterie.segments.words.wording import names_by

LEAVES = 24
_KEYS = ("centres", "weights", "worth", "linkage", "features", "effects", "typical", "base")


@dataclass(frozen=True)
class TreeNode:
    """A node of the tree of segments.

    Parameters
    ----------
    node
        Its number; 0 is the root, and parents have smaller numbers than their children. It is the same at every level
        of detail.
    parent
        The node it is part of; None for the root.
    height
        At what Ward distance its two parts join; 0 for a leaf.
    size
        How many people.
    name
        Its name for people, unlike that of any other node that is shown with it.
    segment
        The segment of the cut that it lies in; None above the cut.
    """

    node: int
    parent: int | None
    height: float
    size: int
    name: str
    segment: int | None


@dataclass(frozen=True, eq=False)
class SegmentTree:
    """Ward's tree over leaves, each a small group of people.

    It holds no person; but a leaf of one, or of a few who are much alike, says what they are like: ``fewest`` tells.

    Parameters
    ----------
    centres
        The mean of each leaf's people on the scale of a ``Matrix``: float32 of shape (leaves, columns).
    weights
        How many people are in each leaf: float64 of shape (leaves,).
    worth
        What they are worth on average: float64 of shape (leaves,).
    linkage
        How leaves join, as SciPy writes it, with people in the last column: float64 of shape (leaves - 1, 4).
    features
        The features that nodes are named by.
    effects
        Each leaf's mean of them minus everybody's, in standard deviations of everybody: float64 of shape (leaves,
        features).
    typical
        Each leaf's medians of them; NaN where unknown: float64 of shape (leaves, features).
    base
        Everybody's medians: float64 of shape (features,).
    seen
        The columns that people were told apart by; names speak of what is among them, as those of segments do.
    levels
        How many people of each leaf have which level of the columns of text among them.
    """

    centres: npt.NDArray[np.float32]
    weights: Floats
    worth: Floats
    linkage: Floats
    features: tuple[str, ...]
    effects: Floats
    typical: Floats
    base: Floats
    seen: tuple[str, ...] = ()
    levels: Levels | None = None

    @property
    def leaves(self) -> int:
        """How many leaves it has."""
        return len(self.weights)

    @property
    def people(self) -> int:
        """How many people are behind it."""
        return int(self.weights.sum())

    @property
    def fewest(self) -> int:
        """How many people are behind its smallest leaf."""
        return int(self.weights.min())

    @property
    def distinct(self) -> int:
        """How many groups it can be cut into: leaves who are all alike are never told apart."""
        return 1 + int((self.linkage[:, 2] > 0).sum())

    def children(self, node: int) -> tuple[int, ...]:
        """Return the two nodes that join in this one; none for a leaf."""
        self._check(node)
        return tuple(self._kids[node].tolist()) if node < self.leaves - 1 else ()

    def parent(self, node: int) -> int | None:
        """Return the node that this one is part of; None for the root."""
        self._check(node)
        return None if node == 0 else int(self._parents[node])

    def path(self, node: int) -> tuple[int, ...]:
        """Return the nodes from the root down to this one."""
        self._check(node)
        found = [node]
        while found[-1]:
            found.append(int(self._parents[found[-1]]))
        return tuple(reversed(found))

    def inside(self, node: int) -> Ints:
        """Return the leaves of a node."""
        self._check(node)
        start, count = self._places
        return self._order[start[node] : start[node] + count[node]]

    def cut(self, k: int | None = None, *, height: float | None = None, minimum_size: int = 1) -> Ints:
        """Cut the tree, from the top, at the highest joins.

        Parameters
        ----------
        k
            Into how many groups.
        height
            Only joins above this Ward distance are undone.
        minimum_size
            Only joins of two groups of at least so many people are. A smaller branch is no group, nor does it keep the
            rest together: it goes with the group whose mean is nearest.

        Returns
        -------
        ndarray of int64, shape (leaves,)
            The group of each leaf, 0 for the one of the highest mean worth.

        Raises
        ------
        ParameterError
            None of the three says where to cut, or one is not allowed.
        TooFewPeopleError
            There are not k such groups, or not ``minimum_size`` people.
        """
        if k is not None:
            check_count(self, "k", k, 1)
        check_count(self, "minimum_size", minimum_size, 1)
        if height is not None and not (np.isfinite(height) and height >= 0):
            raise ParameterError.of("SegmentTree.cut", "height", height, "a finite number of at least 0")
        if k is None and height is None and minimum_size == 1:
            raise ParameterError("A cut needs to know where.", hint="give k, height or minimum_size.")
        if minimum_size > self.people:
            raise TooFewPeopleError.of("A segment", minimum_size, self.people, hint="ask for smaller segments.")
        found, lone = [0], []
        for node in range(self.leaves - 1):  # joins, the highest first
            if len(found) == k or self._heights[node] <= (height or 0.0):
                break
            if node not in found:
                continue
            kids = self._kids[node].tolist()
            large = [kid for kid in kids if self._sizes[kid] >= minimum_size]
            if large:
                found.remove(node)
                found += large
                lone += [kid for kid in kids if kid not in large]
        if k is not None and len(found) < k:
            raise TooFewPeopleError(
                f"The tree cannot be cut into {k:,} segments: it tells {len(found):,} groups apart.",
                hint="ask for fewer segments.",
            )
        owners = np.empty(self.leaves, dtype=np.int64)
        for group, node in enumerate(found):
            owners[self.inside(node)] = group
        means = np.stack([self._mean(node) for node in found])
        for node in lone:
            owners[self.inside(node)] = np.square(means - self._mean(node)).sum(axis=1).argmin()
        return self.by_worth(owners)

    def by_worth(self, owners: Ints) -> Ints:
        """Renumber groups of leaves: 0 for the one of the highest mean worth; the larger one at a tie."""
        size = np.bincount(owners, weights=self.weights)
        mean = np.bincount(owners, weights=self.weights / size[owners] * self.worth)
        return by_mean(mean, size)[owners]

    def divide(self, leaves: Ints, parts: int = 2) -> Ints:
        """Part some leaves at the highest joins between them: the part of each, the most valuable first.

        They need not be all leaves of a node: what was merged by hand comes apart again where the tree parts it.

        Raises
        ------
        TooFewPeopleError
            The leaves do not fall into so many parts.
        """
        chosen = np.zeros(self.leaves, dtype=bool)
        chosen[leaves] = True
        count = np.concatenate([[0], np.cumsum(chosen[self._order])])
        start, size = self._places
        held = count[start + size] - count[start]  # of each node
        found = [0]
        for node in range(self.leaves - 1):
            if len(found) == parts or self._heights[node] <= 0:
                break
            kids = [kid for kid in self._kids[node].tolist() if held[kid]]
            if node in found:
                found.remove(node)
                found += kids
        if len(found) < parts:
            raise TooFewPeopleError.of(f"Splitting a segment into {parts} parts", parts, len(found))
        part = np.full(self.leaves, parts)
        for number, node in enumerate(found):
            part[self.inside(node)] = number
        part[~chosen] = parts
        ranked = self.by_worth(part)[leaves]
        return np.searchsorted(np.unique(ranked), ranked)

    def nodes(self, leaves: int = LEAVES, held: Floats | None = None, share: float = 1.0) -> tuple[TreeNode, ...]:
        """Return the top of the tree down to so many groups, root first, with names and sizes.

        Parameters
        ----------
        leaves
            How many groups the top ends in; those who are all alike are not told apart.
        held
            How many people of each leaf are in each segment: shape (leaves, segments). A node tells the segment that
            at least ``share`` of its people are in. None tells no segment.
        share
            The least share.
        """
        check_count(self, "leaves", leaves, 1)
        inner = min(leaves, self.distinct) - 1
        shown = sorted({0, *self._kids[:inner].ravel().tolist()})
        effects, typical, segments = [], [], []
        for node in shown:
            inside = self.inside(node)
            weights = self.weights[inside]
            effects.append(dict(zip(self.features, (weights @ self.effects[inside]) / weights.sum(), strict=True)))
            typical.append(dict(zip(self.features, _medians(self.typical[inside], weights), strict=True)))
            segments.append(None if held is None else _most(held[inside].sum(axis=0), share))
        base = dict(zip(self.features, self.base.tolist(), strict=True))
        levels = [()] * len(shown) if self.levels is None else self.levels.telling(nodes=[*map(self.inside, shown)])
        names = ["Everybody", *names_by(self.seen, effects[1:], typical[1:], base, levels[1:])]
        return tuple(
            TreeNode(node, self.parent(node), float(self._heights[node]), int(self._sizes[node]), name, segment)
            for node, name, segment in zip(shown, names, segments, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the tree as plain JSON values; ``from_json`` reads it back."""
        found: dict[str, Any] = {
            "centres": self.centres.astype(str).astype(float).tolist(),  # the shortest decimals that read back the same
            "weights": self.weights.tolist(),
            "worth": self.worth.tolist(),
            "linkage": self.linkage.tolist(),
            "features": list(self.features),
        }
        for name in ("effects", "typical", "base"):
            values: Floats = getattr(self, name)
            found[name] = np.where(np.isnan(values), np.array(None), values.astype(object)).tolist()
        levels = None if self.levels is None else self.levels.to_json()
        return found | {"seen": list(self.seen), "levels": levels}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the tree that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            It is none, or was changed so that its parts do not fit together.
        """
        if lost := [key for key in _KEYS if key not in body]:
            raise IntegrityError(f"This is no stored tree of segments: it lacks {', '.join(lost)}.", hint="fit anew.")
        leaves, features = len(body["weights"]), tuple(body["features"])
        return cls(
            centres=np.array(body["centres"], dtype=np.float32),
            weights=np.array(body["weights"], dtype=np.float64),
            worth=np.array(body["worth"], dtype=np.float64),
            linkage=np.array(body["linkage"], dtype=np.float64).reshape(leaves - 1, 4),
            features=features,
            effects=np.array(body["effects"], dtype=np.float64).reshape(leaves, len(features)),
            typical=np.array(body["typical"], dtype=np.float64).reshape(leaves, len(features)),
            base=np.array(body["base"], dtype=np.float64),
            seen=tuple(body.get("seen", ())),  # trees of before are named by purchases
            levels=Levels.from_json(body["levels"]) if body.get("levels") else None,
        )

    def _repr_html_(self) -> str:
        """Show the tree inside a notebook."""
        from coterie.segments import notebooks  # late: drawing is not needed to compute

        return notebooks.of_tree(self)

    def _check(self, node: int) -> None:
        if not 0 <= node < 2 * self.leaves - 1:
            raise ParameterError.of("SegmentTree", "node", node, f"a whole number from 0 to {2 * self.leaves - 2}")

    def _mean(self, node: int) -> Floats:
        inside = self.inside(node)
        mean: Floats = self.weights[inside] @ self.centres[inside].astype(np.float64) / self.weights[inside].sum()
        return mean

    @cached_property
    def _kids(self) -> Ints:
        """The two children of each join, the root's first: nodes count from the highest join down, then leaves."""
        ids = self.linkage[::-1, :2].astype(np.int64)
        return np.where(ids < self.leaves, self.leaves - 1 + ids, 2 * self.leaves - 2 - ids)

    @cached_property
    def _heights(self) -> Floats:
        return np.concatenate([self.linkage[::-1, 2], np.zeros(self.leaves)])

    @cached_property
    def _sizes(self) -> Floats:
        return np.concatenate([self.linkage[::-1, 3], self.weights])

    @cached_property
    def _parents(self) -> Ints:
        parents = np.zeros(2 * self.leaves - 1, dtype=np.int64)
        parents[self._kids.ravel()] = np.repeat(np.arange(self.leaves - 1), 2)
        return parents

    @cached_property
    def _places(self) -> tuple[Ints, Ints]:
        """Where each node's leaves begin in ``_order``, and how many they are."""
        joins = self.leaves - 1
        start, count = np.zeros(joins + self.leaves, dtype=np.int64), np.ones(joins + self.leaves, dtype=np.int64)
        for node in range(joins - 1, -1, -1):
            count[node] = count[self._kids[node]].sum()
        for node in range(joins):
            left, right = self._kids[node]
            start[left], start[right] = start[node], start[node] + count[left]
        return start, count

    @cached_property
    def _order(self) -> Ints:
        """The leaves as they lie in the dendrogram."""
        return np.argsort(self._places[0][self.leaves - 1 :])


def _medians(values: Floats, weights: Floats) -> list[float]:
    """Return the weighted median of each column's known values; NaN where less than half of the weight is known."""
    found = []
    for column in values.T:
        known = ~np.isnan(column)
        order = np.argsort(column[known], kind="stable")
        total = np.cumsum(weights[known][order])
        if not known.any() or 2 * total[-1] < weights.sum():
            found.append(float("nan"))
        else:
            found.append(float(column[known][order][np.searchsorted(total, total[-1] / 2)]))
    return found


def _most(counts: Floats, share: float) -> int | None:
    return int(counts.argmax()) if counts.max() >= share * counts.sum() else None
