"""k-means on scaled features, and how many segments the data can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.errors import NoVariationError, ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate
from coterie.features.matrix import Matrix
from coterie.progress import SILENT, Progress
from coterie.segments.people import (
    SPEND,
    Floats,
    Ints,
    Segmentation,
    by_value,
    check_count,
    check_distinct,
    nearest,
    need,
    numbers,
    one_order,
    read,
)
from coterie.segments.validity import STABLE, KEvidence, choose, judge, resampled_jaccards, stability

_FORMAT = 1
_NEAR, _CLOSER = 0.05, 4  # how near the line a candidate is looked at closer, and how many times closer


class KMeansSegments(Segmentation):
    """Group people by k-means on logged and robustly scaled features.

    Parameters
    ----------
    k
        How many segments; None takes the largest of ``candidates`` for which every segment comes back in resampled
        data (mean bootstrap Jaccard of at least .75) and has ``minimum_size`` people. All that was seen is in
        ``evidence_``.
    columns, scaling, weights
        As in ``features.matrix.Matrix``, which scales.
    value
        The column by whose mean segments are numbered, the highest first; None takes ``spend`` where there is such a
        column, else the mean of all scaled features.
    candidates
        The numbers of segments to weigh up when ``k`` is None.
    minimum_size
        Smallest segment to accept when ``k`` is None.
    resamples
        Bootstrap resamples for each candidate; a candidate whose weakest segment comes out near .75 gets four times as
        many, so that chance decides less often.
    n_init
        Random starts, the best of which is kept; resamples get as many.
    seed
        Of all random numbers; the same people and seed give the same segments, in whatever order people come.
    progress
        Where the search for k reports its steps.

    Attributes
    ----------
    k_
        The number of segments.
    labels_
        The segment of each person of ``fit``: int64 of shape (people,).
    centres_
        Float32 of shape (k_, columns of the matrix), on the scale of ``matrix_``.
    matrix_
        The fitted Matrix.
    inertia_
        Sum of squared distances to the centres.
    evidence_
        What was found for each candidate; empty when ``k`` was given.
    stability_
        For each segment the mean Jaccard over resamples and its interval; empty when ``k`` was given (see
        ``stability``).
    warning_
        What to beware of, in words; empty when all is well.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM; Arthur & Vassilvitskii (2007), k-means++; Hennig (2007),
    Cluster-wise assessment of cluster stability.

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"orders": [1, 2, 1, 30, 40, 33], "spend": [10, 20, 15, 900, 1200, 950]})
    >>> KMeansSegments(k=2).fit(people).labels_.tolist()
    [1, 1, 1, 0, 0, 0]
    """

    matrix_: Matrix
    centres_: npt.NDArray[np.float32]
    inertia_: float
    evidence_: tuple[KEvidence, ...]
    stability_: tuple[Estimate, ...]
    warning_: str

    def __init__(
        self,
        k: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        scaling: str = "log-robust",
        weights: Mapping[str, float] | None = None,
        value: str | None = None,
        candidates: Sequence[int] = tuple(range(2, 11)),
        minimum_size: int = 50,
        resamples: int = 30,
        n_init: int = 10,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.k = k
        self.columns = columns
        self.scaling = scaling
        self.weights = weights
        self.value = value
        self.candidates = candidates
        self.minimum_size = minimum_size
        self.resamples = resamples
        self.n_init = n_init
        self.seed = seed
        self.progress = progress

    def fit(self, frame: Any, y: object = None) -> Self:
        """Learn scaling, k and centres from people.

        Parameters
        ----------
        frame
            Any eager dataframe (pyarrow, polars, pandas …) or numpy array, one row a person, shape (people, columns).
            A column ``person`` names people and is not used. Missing values are filled as ``Matrix`` says.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError
            There is nobody, fewer people (who differ) than segments, or all people look the same.
        MissingColumnError, ParameterError
            A chosen column is not there or not numeric, or a parameter is not allowed.
        """
        for name, least in (("minimum_size", 1), ("resamples", 2), ("n_init", 1), ("seed", 0)):
            check_count(self, name, getattr(self, name), least)
        if self.k is not None:
            check_count(self, "k", self.k, 2)
        data = read(frame)
        if len(data) < 2:
            raise TooFewPeopleError.of("Segmenting", 2, len(data))
        if self.value is not None:
            need(data, self.value)
        self.matrix_, ordered, _, X = scaled(data, self.columns, self.scaling, self.weights)
        worth = worth_of(ordered, X, self.value)
        self.evidence_, self.stability_, self.warning_ = (), (), ""
        with threadpool_limits(1):  # sums over several threads differ in the last digits, and so would segments
            if self.k is None:
                self.k_, centres = self._search(X, worth)
            else:
                check_distinct("Segmenting", X, self.k)
                self.k_, centres = int(self.k), _centres(X, self.k, worth, self.n_init, self.seed)
        self.centres_ = centres
        self.inertia_ = inertia(X, centres)
        self.labels_ = self.predict(data)
        return self

    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new, by the nearest centre: int64 of shape (people,)."""
        self._fitted()
        return nearest(self.matrix_.transform(read(frame).to_native()), self.centres_)

    def stability(self, frame: Any, *, resamples: int = 30) -> tuple[Estimate, ...]:
        """Return, for each segment, the mean bootstrap Jaccard on these people and its interval, scaling held fixed."""
        self._fitted()
        ordered, _ = one_order(read(frame), _names(self.matrix_))
        X = self.matrix_.transform(ordered.to_native())
        with threadpool_limits(1):
            return stability(_jaccards(X, self.centres_, resamples, self.n_init, self.seed))

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._fitted()
        return {
            "kind": type(self).__name__,
            "format": _FORMAT,
            "matrix": self.matrix_.to_json(),
            "centres": self.centres_.astype(float).tolist(),
            "value": self.value,
            "inertia": self.inertia_,
            "seed": int(self.seed),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote; it predicts as the original does."""
        cls._checked(body, "matrix", "centres", "value", "inertia", "seed")
        matrix = Matrix.from_json(body["matrix"])
        model = cls(
            len(body["centres"]),
            columns=matrix.columns,
            scaling=matrix.scaling,
            weights=matrix.weights,
            value=body["value"],
            seed=body["seed"],
        )
        model.matrix_ = matrix
        model.centres_ = np.array(body["centres"], dtype=np.float32)
        model.k_, model.inertia_ = len(model.centres_), body["inertia"]
        model.evidence_, model.stability_, model.warning_ = (), (), ""
        return model

    def _search(self, X: npt.NDArray[np.float32], worth: Floats) -> tuple[int, npt.NDArray[np.float32]]:
        """Weigh up the candidates; return the number of segments taken and its centres."""
        candidates = sorted(set(self.candidates))
        if not candidates or min(candidates) < 2:
            raise ParameterError.of("KMeansSegments", "candidates", list(candidates), "whole numbers of at least 2")
        distinct = len(np.unique(X, axis=0))
        possible = [k for k in candidates if k * self.minimum_size <= len(X) and k <= distinct]
        if not possible:
            raise TooFewPeopleError.of(
                "Choosing the number of segments",
                max(candidates[0] * self.minimum_size, 2),
                len(X),
                hint="give k, or a smaller minimum_size; few people can hardly carry segments.",
            )
        found: dict[int, tuple[npt.NDArray[np.float32], Floats, KEvidence]] = {}
        for done, k in enumerate(possible):
            self.progress.step("segments", done, len(possible))
            centres = _centres(X, k, worth, self.n_init, self.seed)
            smallest = int(np.bincount(nearest(X, centres), minlength=k).min())
            jaccards = _jaccards(X, centres, self.resamples, self.n_init, self.seed)
            if abs(min(one.value for one in stability(jaccards)) - STABLE) < _NEAR:
                jaccards = _jaccards(X, centres, _CLOSER * self.resamples, self.n_init, self.seed)
            evidence = judge(k, jaccards, smallest, inertia(X, centres), minimum_size=self.minimum_size)
            found[k] = centres, jaccards, evidence
        self.progress.step("segments", len(possible), len(possible))
        self.evidence_ = tuple(evidence for _, _, evidence in found.values())
        k, self.warning_ = choose(self.evidence_, minimum_size=self.minimum_size)
        centres, jaccards, _ = found[k]
        self.stability_ = stability(jaccards)
        return k, centres


def scaled(
    data: nw.DataFrame[Any],
    columns: Sequence[str] | None,
    scaling: str,
    weights: Mapping[str, float] | None,
) -> tuple[Matrix, nw.DataFrame[Any], Ints, npt.NDArray[np.float32]]:
    """Return the fitted Matrix, the people in the one order, the row that each had, and their rows of the matrix."""
    if columns is not None:
        need(data, *columns)
    usable = tuple(
        name for name, kind in data.schema.items() if kind.is_numeric() or isinstance(kind, nw.Boolean | nw.String)
    )
    ordered, rows = one_order(data, tuple(columns or usable))
    matrix = Matrix(columns=columns, scaling=scaling, weights=weights)
    X = matrix.fit(ordered.to_native()).transform(ordered.to_native())
    if not len(matrix.columns_) or (X[0] == X).all():
        raise NoVariationError(f"All {len(X):,} people look the same.", hint="choose other columns, or a longer time.")
    return matrix, ordered, rows, X


def worth_of(data: nw.DataFrame[Any], X: npt.NDArray[np.float32], value: str | None) -> Floats:
    """Return what segments are numbered by: a column, ``spend`` by default, else the mean of all scaled features."""
    name = value or (SPEND if SPEND in data.columns else None)
    return X.mean(axis=1, dtype=np.float64) if name is None else numbers(data, name)


def inertia(X: npt.NDArray[np.float32], centres: npt.NDArray[np.float32]) -> float:
    """Return the sum of squared distances of people to their nearest centre."""
    return float(np.square(X.astype(np.float64) - centres[nearest(X, centres)]).sum())


def _names(matrix: Matrix) -> tuple[str, ...]:
    return tuple(part.name for part in matrix.parts_)


def _centres(X: npt.NDArray[np.float32], k: int, worth: Floats, n_init: int, seed: int) -> npt.NDArray[np.float32]:
    """Return the centres of the best of several starts, the most valuable first."""
    model = KMeans(k, n_init=n_init, random_state=seed, algorithm="lloyd").fit(X)
    centres = model.cluster_centers_
    ids = by_value(nearest(X, centres), worth, k)
    return np.asarray(centres[np.argsort(ids)], dtype=np.float32)


def _jaccards(
    X: npt.NDArray[np.float32], centres: npt.NDArray[np.float32], resamples: int, n_init: int, seed: int
) -> Floats:
    """Group resampled people anew, by the same number of random starts: a start from what is known would flatter."""
    k = len(centres)

    def regroup(rows: Ints, draw: int) -> Ints:
        drawn, place, times = np.unique(rows, return_inverse=True, return_counts=True)
        if len(drawn) <= k:
            return np.asarray(place, dtype=np.int64)
        model = KMeans(k, n_init=n_init, random_state=draw, algorithm="lloyd")
        found: Ints = model.fit(X[drawn], sample_weight=times.astype(np.float32)).labels_[place].astype(np.int64)
        return found

    return resampled_jaccards(nearest(X, centres), regroup, resamples=resamples, seed=seed)
