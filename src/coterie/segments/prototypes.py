"""Segments as the people nearest to their prototypes: told, measured, merged, split, kept and asked for one person."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from coterie.errors import NoVariationError, ParameterError
from coterie.features.matrix import Matrix
from coterie.segments.lloyd import settled, started
from coterie.segments.people import (
    SPEND,
    Floats,
    Ints,
    Scaled,
    Segmentation,
    check_count,
    check_distinct,
    fixed_order,
    nearest,
    need,
    numbers,
    read,
    teller,
)

_STARTS = 30  # what is left in one segment has no clear parts, and many starts that end apart
_DISTANCES = 1 << 20  # distances at a time: 8 MiB


class PrototypeSegments(Segmentation):
    """What segmentations share in which everybody belongs to the segment of the nearest prototype.

    A prototype is a point on the scale of ``matrix_``: the centre of a segment (k-means), or of a small group of people
    who are much alike (Ward's tree). Subclasses store ``columns, scaling, weights, orders, value`` in their
    constructor, and tell ``_learnt`` what they learnt.

    Attributes
    ----------
    matrix_
        The fitted Matrix.
    prototypes_
        Float32 of shape (prototypes, columns of the matrix).
    owners_
        The segment of each prototype: int64 of shape (prototypes,). A prototype that was split is -1, and the segment
        is that of the nearest of its parts.
    weights_
        How many people of ``fit`` each stands for: float64 of shape (prototypes,).
    centres_
        The weighted mean of each segment's prototypes: float32 of shape (k_, columns of the matrix).
    worth_
        The mean value of each segment's people at fit, which segments are numbered by: float64 of shape (k_,).
    valued_
        The column of which ``worth_`` is the mean; None for the mean of all scaled features.
    renumbered_
        After ``merge`` or ``split``, the new id of each segment before; of a split one that of its most valuable part.
        Empty otherwise.
    """

    columns: Sequence[str] | None
    scaling: str
    weights: Mapping[str, float] | None
    orders: Mapping[str, Sequence[str] | None] | None
    value: str | None

    matrix_: Matrix
    prototypes_: Scaled
    owners_: Ints
    weights_: Floats
    centres_: Scaled
    worth_: Floats
    valued_: str | None
    renumbered_: tuple[int, ...]
    # The first prototypes are of split 0; the parts of a split have its number, and what was split leads to it.
    _split: Ints
    _leads: Ints

    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new, by the nearest prototype: int64 of shape (people,)."""
        self._fitted()
        return self.owners_[self._cells(self.matrix_.transform(read(frame).to_native()))]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of people that ``predict`` needs."""
        self._fitted()
        return tuple(part.name for part in self.matrix_.parts_)

    def distances(self, frame: Any) -> npt.NDArray[np.float32]:
        """Return how far each person is from each segment: float32 of shape (people, k_).

        Euclidean, on the scale of ``matrix_``, to the segment's nearest prototype. The nearest part of a split segment
        is as far as the whole was, and its other parts by so much farther as they are than that one; so the least
        distance is that of the segment which ``predict`` tells, but where float32 cannot tell two apart.
        """
        self._fitted()
        X = self.matrix_.transform(read(frame).to_native())
        found = np.empty((len(X), self.k_), dtype=np.float32)
        size = max(_DISTANCES // len(self.prototypes_), 16)
        with threadpool_limits(1, "blas"):
            for start in range(0, len(X), size):
                found[start : start + size] = self._far(X[start : start + size])
        return found

    def assigner(self) -> Callable[[Mapping[str, object]], int]:
        """Return a function from one person's features, by name, to the segment that ``predict`` tells.

        Made once and asked often: it takes microseconds where ``predict`` has a whole table to read.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from coterie.segments.clustering import KMeansSegments
        >>> people = pa.table({"orders": [1, 2, 1, 30, 40, 33], "spend": [10, 20, 15, 900, 1200, 950]})
        >>> segment_of = KMeansSegments(k=2).fit(people).assigner()
        >>> segment_of({"orders": 28, "spend": 800})
        0
        """
        self._fitted()
        row, owners, leads = self.matrix_.row, self.owners_.tolist(), self._leads.tolist()
        stages = [np.flatnonzero(self._split == number) for number in range(int(self._split.max()) + 1)]
        tellers = [(teller(self.prototypes_[stage]), stage.tolist()) for stage in stages]

        def assign(values: Mapping[str, object]) -> int:
            person, lead, cell = row(values), 0, -1
            while cell < 0 or lead:
                tell, stage = tellers[lead]
                cell = stage[tell(person)]
                lead = leads[cell]
            return int(owners[cell])

        return assign

    def merge(self, *segments: int) -> Self:
        """Return a segmentation in which these segments are one; all people of other segments stay where they are.

        It is numbered by the mean worth of its people; the others keep their order (``renumbered_`` tells).

        Raises
        ------
        ParameterError
            There are not two segments or more to merge, or one is not there, or nothing else would be left.
        """
        self._fitted()
        chosen = sorted({self._known(segment) for segment in segments})
        if len(chosen) < 2 or len(chosen) == self.k_:
            raise ParameterError.of(
                "merge", "segments", segments, f"two different ones or more, fewer than all {self.k_}"
            )
        size = self._sizes()[chosen]
        worth = np.average(self.worth_[chosen], weights=size if size.any() else None)
        made, renumbered, _ = self._edited(chosen, np.array([worth]))
        made._settle(np.where(self.owners_ < 0, -1, renumbered[self.owners_]))
        return made

    def split(self, segment: int, frame: Any, parts: int = 2) -> Self:
        """Return a segmentation in which one segment is parted by k-means; all other people stay where they are.

        Parts are numbered by the mean worth of their people; the other segments keep their order.

        Parameters
        ----------
        segment
            Which.
        frame
            People to learn the parts from, with the columns of ``fit``; only those in the segment count.
        parts
            How many.

        Raises
        ------
        ParameterError
            There is no such segment, or ``parts`` is less than 2.
        TooFewPeopleError
            The frame has fewer people of the segment who differ than parts.
        MissingColumnError
            The frame lacks a column, or the one that tells what people are worth.
        """
        self._fitted()
        chosen = self._known(segment)
        check_count(self, "parts", parts, 2)
        data = read(frame)
        X = self.matrix_.transform(data.to_native())
        cells = self._cells(X)
        inside = np.flatnonzero(self.owners_[cells] == chosen)
        worth = self._worth(data, X)[inside]
        X = X[inside]
        check_distinct(f"Splitting segment {chosen}", X, parts)
        order = fixed_order(X, worth)
        X, worth = X[order], np.nan_to_num(worth[order])
        with threadpool_limits(1):
            points = settled(X, started(X, parts, n_init=_STARTS, seed=0))
        part = nearest(X, points)
        size = np.bincount(part, minlength=parts)
        mean = np.bincount(part, weights=worth, minlength=parts) / np.maximum(size, 1)
        best = np.argsort(-mean, kind="stable")
        points, size = points[best], size[best]

        made = self._parted(chosen, points, size, mean[best])
        made.labels_ = made.predict(data)
        return made

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._fitted()
        edits = {"split": self._split.tolist(), "leads": self._leads.tolist()} if self._leads.any() else {}
        return {
            "kind": type(self).__name__,
            "format": 2,
            "matrix": self.matrix_.to_json(),
            "value": self.value,
            "prototypes": self.prototypes_.astype(float).tolist(),
            "owners": self.owners_.tolist(),
            "weights": self.weights_.tolist(),
            "worth": self.worth_.tolist(),
            "valued": self.valued_,
            **edits,
        }

    @classmethod
    @abstractmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote; it predicts as the original does."""

    @classmethod
    def _restored(cls, body: Mapping[str, Any], *keys: str, **parameters: Any) -> Self:
        """Return what ``to_json`` wrote, with further parameters for the constructor, before what a subclass adds."""
        cls._checked(body, "matrix", "value", "prototypes", "owners", "weights", "worth", "valued", *keys)
        matrix = Matrix.from_json(body["matrix"])
        given = {name: getattr(matrix, name) for name in ("columns", "scaling", "weights", "orders")}
        model = cls(**given, value=body["value"], **parameters)
        owners, leads = (np.array(body.get(name, []), dtype=np.int64) for name in ("owners", "leads"))
        model._learnt(
            matrix,
            np.array(body["prototypes"], dtype=np.float32),
            owners,
            np.array(body["weights"], dtype=np.float64),
            np.array(body["worth"], dtype=np.float64),
            body["valued"],
        )
        if len(leads):
            model._split, model._leads = np.array(body["split"], dtype=np.int64), leads
        return model

    def _learnt(
        self, matrix: Matrix, prototypes: Scaled, owners: Ints, weights: Floats, worth: Floats, valued: str | None
    ) -> None:
        """Take what was learnt; segments are numbered already. One worth a segment."""
        self.matrix_, self.prototypes_, self.weights_ = matrix, prototypes, weights
        self.worth_, self.valued_, self.renumbered_, self.k_ = worth, valued, (), len(worth)
        self._split, self._leads = np.zeros(len(owners), dtype=np.int64), np.zeros(len(owners), dtype=np.int64)
        self._settle(owners)

    def _settle(self, owners: Ints) -> None:
        """Take the segments of prototypes, and find the segments' centres."""
        self.owners_ = owners.astype(np.int64)
        self.k_ = int(owners.max()) + 1
        told = owners >= 0
        points, weights, owner = self.prototypes_[told].astype(np.float64), self.weights_[told], owners[told]
        total = np.bincount(owner, weights=weights, minlength=self.k_)
        weights = np.where(total[owner] > 0, weights, 1.0)  # nobody behind a segment: its prototypes count alike
        total = np.bincount(owner, weights=weights, minlength=self.k_)
        sums = np.stack(
            [np.bincount(owner, weights=weights * column, minlength=self.k_) for column in points.T], axis=1
        )
        self.centres_ = (sums / total[:, None]).astype(np.float32)

    def _parted(self, chosen: int, points: Scaled, size: Floats | Ints, worth: Floats) -> Self:
        """Return a copy in which people of a segment go to the nearest of these points, of falling worth."""
        made, renumbered, ids = self._edited([chosen], worth)
        old = (self.owners_ == chosen) & (self._leads == 0)
        number = int(self._leads.max(initial=0)) + 1
        whole = self.weights_[old].sum()
        made.prototypes_ = np.concatenate([self.prototypes_, points])
        made.weights_ = np.concatenate([self.weights_, whole * size / size.sum()])
        made._split = np.concatenate([self._split, np.full(len(points), number)])
        made._leads = np.concatenate([np.where(old, number, self._leads), np.zeros(len(points), dtype=np.int64)])
        owners = np.where((self.owners_ < 0) | old, -1, renumbered[self.owners_])
        made._settle(np.concatenate([owners, ids]))
        return made

    def _edited(self, chosen: Sequence[int], worth: Floats) -> tuple[Self, Ints, Ints]:
        """Return a copy in which new segments, of falling worth, are to take the place of the chosen ones.

        With it come the new id of each segment before, and the ids of the new ones. Owners are left to the caller.
        """
        rest = np.setdiff1d(np.arange(self.k_), chosen)
        ranked = np.insert(rest, (self.worth_[rest][:, None] >= worth).sum(axis=0), -1)  # the others keep their order
        ids = np.flatnonzero(ranked < 0)
        renumbered = np.full(self.k_, ids[0])
        renumbered[rest] = np.flatnonzero(ranked >= 0)
        made = copy.copy(self)
        made.worth_ = np.empty(len(ranked))
        made.worth_[renumbered[rest]], made.worth_[ids] = self.worth_[rest], worth
        made.renumbered_ = tuple(renumbered.tolist())
        if hasattr(self, "labels_"):
            made.labels_ = renumbered[self.labels_]
        return made, renumbered, ids

    def _known(self, segment: int) -> int:
        if isinstance(segment, bool) or not isinstance(segment, int | np.integer) or not 0 <= segment < self.k_:
            raise ParameterError.of(type(self).__name__, "segment", segment, f"a whole number from 0 to {self.k_ - 1}")
        return int(segment)

    def _sizes(self) -> Floats:
        """Return how many people of fit each segment has, by its prototypes."""
        told = self.owners_ >= 0
        return np.bincount(self.owners_[told], weights=self.weights_[told], minlength=self.k_).astype(np.float64)

    def _worth(self, data: nw.DataFrame[Any], X: Scaled) -> Floats:
        return X.mean(axis=1, dtype=np.float64) if self.valued_ is None else numbers(data, self.valued_)

    def _cells(self, X: Scaled) -> Ints:
        """Return the prototype that each person belongs to, which is one that was not split."""
        first = np.flatnonzero(self._split == 0)
        cells = first[nearest(X, self.prototypes_[first])]
        for number in range(1, int(self._leads.max(initial=0)) + 1):
            inside = np.flatnonzero(self._leads[cells] == number)
            parts = np.flatnonzero(self._split == number)
            cells[inside] = parts[nearest(X[inside], self.prototypes_[parts])]
        return cells

    def _far(self, X: Scaled) -> Floats:
        """Return how far each person is from each segment: shape (people, k_)."""
        order = np.argsort(self.owners_, kind="stable")  # what was split, -1, comes first
        points, wide = self.prototypes_[order].astype(np.float64), X.astype(np.float64)
        lengths, squares = (points**2).sum(axis=1), (wide**2).sum(axis=1)
        # |x|² + |p|² - 2 x·p as one product
        far = np.c_[wide, squares, np.ones(len(X))] @ np.c_[-2 * points, np.ones(len(points)), lengths].T
        if self._leads.any():
            np.sqrt(np.maximum(far, 0.0, out=far), out=far)
            split, leads = self._split[order], self._leads[order]
            for number in range(1, int(leads.max()) + 1):
                parts, whole = far[:, split == number], far[:, leads == number].min(axis=1)
                far[:, split == number] = parts + (whole - parts.min(axis=1))[:, None]
            far *= far
        starts = np.searchsorted(self.owners_[order], np.arange(self.k_))
        return np.sqrt(np.maximum(np.minimum.reduceat(far, starts, axis=1), 0.0))


def fit_matrix(
    data: nw.DataFrame[Any],
    columns: Sequence[str] | None,
    scaling: str,
    weights: Mapping[str, float] | None,
    orders: Mapping[str, Sequence[str] | None] | None = None,
) -> tuple[Matrix, Scaled]:
    """Return the Matrix fitted to people and their rows of it, in the order they came in."""
    if columns is not None:
        need(data, *columns)
    matrix = Matrix(columns=columns, scaling=scaling, weights=weights, orders=orders)
    X = matrix.fit(data.to_native()).transform(data.to_native())
    if not len(matrix.columns_) or (X[0] == X).all():
        raise NoVariationError(f"All {len(X):,} people look the same.", hint="choose other columns, or a longer time.")
    return matrix, X


def valued(data: nw.DataFrame[Any], X: Scaled, value: str | None) -> tuple[Floats, str | None]:
    """Return what segments are numbered by, one a person, and the column it is.

    That is ``value``, or ``spend`` where there is such a column, else the mean of all scaled features (None).
    """
    name = value or (SPEND if SPEND in data.columns else None)
    return (X.mean(axis=1, dtype=np.float64) if name is None else numbers(data, name)), name
