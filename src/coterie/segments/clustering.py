"""k-means on scaled features, and how many segments the data can carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate
from coterie.progress import SILENT, Progress
from coterie.segments.evidence.choice import Candidate, chosen
from coterie.segments.evidence.validity import STABLE, KEvidence, resampled_jaccards, stability
from coterie.segments.lloyd import settled, started
from coterie.segments.people import (
    Floats,
    Ints,
    Scaled,
    by_value,
    check_count,
    check_distinct,
    check_told,
    distinct,
    fixed_order,
    mean_worth,
    nearest,
    need,
    read,
    row_keys,
)
from coterie.segments.prototypes import PrototypeSegments, fit_matrix, valued

_SUMMED = 1 << 15
_RESTARTED = 10  # starts in a resample, at most
_NEAR, _CLOSER = 0.05, 4  # how near the line a candidate is looked at closer, and how many times closer


class KMeansSegments(PrototypeSegments):
    """Group people by k-means on logged and robustly scaled features.

    Parameters
    ----------
    k
        How many segments; None takes the largest of ``candidates`` for which every segment comes back in resampled
        data (mean bootstrap Jaccard of at least .75) and has ``minimum_size`` people. All that was seen is in
        ``evidence_``.
    columns, scaling, weights, orders
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
        Random starts, the best of which is kept; resamples get at most ten. Of more than 20,000 people, starts see
        20,000, and the best goes on with all of them until it comes to rest.
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
        Sum of squared distances of the people of ``fit`` to their nearest centres, before any ``merge`` or ``split``.
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
        orders: Mapping[str, Sequence[str] | None] | None = None,
        value: str | None = None,
        candidates: Sequence[int] = tuple(range(2, 11)),
        minimum_size: int = 50,
        resamples: int = 30,
        n_init: int = 30,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.k = k
        self.columns = columns
        self.scaling = scaling
        self.weights = weights
        self.orders = orders
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
            raise TooFewPeopleError.of("Segmenting", 2, len(data), hint="give more people.")
        if self.value is not None:
            need(data, self.value)
        matrix, X = fit_matrix(data, self.columns, self.scaling, self.weights, self.orders)
        worth, by = valued(data, X, self.value)
        order = fixed_order(X, worth)  # sums and starts do not depend on the order that people come in
        people, worth, count = X[order], worth[order], len(X)
        del X  # of millions it takes as much memory as the rest
        self.evidence_, self.stability_, self.warning_ = (), (), ""
        with threadpool_limits(1):  # sums over several threads differ in the last digits, and so would segments
            if self.k is None:
                centres = self._search(people, worth)
            else:
                check_distinct("Segmenting", people, self.k)
                centres = settled(people, started(people, self.k, n_init=self.n_init, seed=self.seed))
            first, labels = _ranked(people, centres, worth)
        centres = centres[first]
        check_told(labels, len(centres))
        size, mean = np.bincount(labels), mean_worth(labels, worth, len(centres))
        self._learnt(matrix, centres, np.arange(len(centres)), size.astype(float), mean, by)
        self.inertia_ = inertia(people, centres, labels)
        self.labels_ = np.empty(count, dtype=np.int64)
        self.labels_[order] = labels
        return self

    @property
    def comes_again(self) -> bool:
        """Whether k-means can find these segments anew: not those that were merged or split by hand."""
        self._fitted()
        return len(self.prototypes_) == self.k_

    def stability(self, frame: Any, *, resamples: int = 30) -> tuple[Estimate, ...]:
        """Return, for each segment, the mean bootstrap Jaccard on these people and its interval, scaling held fixed.

        Raises
        ------
        ParameterError
            Segments were merged or split by hand: no k-means would find them anew.
        """
        if not self.comes_again:
            raise ParameterError(
                "These segments were merged or split by hand, and k-means cannot find them anew in resampled people.",
                hint="ask the segmentation before the change.",
            )
        X = self.matrix_.transform(read(frame).to_native())
        X = X[fixed_order(X)]
        with threadpool_limits(1):
            return stability(_jaccards(X, self.owners_[self._cells(X)], self.k_, resamples, self.n_init, self.seed))

    def _edited(self, chosen: Sequence[int], worth: Floats) -> tuple[Self, Ints, Ints]:
        made, renumbered, ids = super()._edited(chosen, worth)
        made.evidence_, made.stability_, made.warning_ = (), (), ""  # they tell of other segments
        return made, renumbered, ids

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        return {**super().to_json(), "inertia": self.inertia_, "seed": int(self.seed)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote; it predicts as the original does."""
        model = cls._restored(body, "inertia", "seed")
        model.set_params(k=model.k_, seed=body["seed"])
        model.inertia_, model.evidence_, model.stability_, model.warning_ = body["inertia"], (), (), ""
        return model

    def _search(self, X: Scaled, worth: Floats) -> Scaled:
        """Weigh up the candidates; return the centres of the number of segments taken."""

        def weigh(k: int) -> Candidate[Scaled]:
            centres = settled(X, started(X, k, n_init=self.n_init, seed=self.seed))
            first, labels = _ranked(X, centres, worth)
            centres = centres[first]
            smallest = int(np.bincount(labels, minlength=k).min())
            jaccards = _jaccards(X, labels, k, self.resamples, self.n_init, self.seed)
            if abs(min(one.value for one in stability(jaccards)) - STABLE) < _NEAR:
                jaccards = _jaccards(X, labels, k, _CLOSER * self.resamples, self.n_init, self.seed)
            return Candidate(centres, jaccards, smallest, inertia(X, centres, labels))

        choice = chosen(
            self, weigh, self.candidates, people=len(X), distinct=lambda enough: distinct(X, enough),
            minimum_size=self.minimum_size, progress=self.progress,
        )  # fmt: skip
        self.evidence_, self.stability_, self.warning_ = choice.evidence, choice.stability, choice.warning
        return choice.made


def inertia(X: Scaled, centres: Scaled, labels: Ints) -> float:
    """Return the sum of squared distances of people to the centres of their segments."""
    blocks = range(0, len(X), _SUMMED)
    rest = (X[each : each + _SUMMED] - centres[labels[each : each + _SUMMED]] for each in blocks)
    return float(sum(np.einsum("ij,ij->", each, each, dtype=np.float64) for each in rest))


def _ranked(X: Scaled, centres: Scaled, worth: Floats) -> tuple[Ints, Ints]:
    """Return the positions of centres, the most valuable first, and the segment of each person by that order."""
    labels = nearest(X, centres)
    ids = by_value(labels, worth, len(centres))
    return np.argsort(ids), ids[labels]


def _jaccards(X: Scaled, labels: Ints, k: int, resamples: int, n_init: int, seed: int) -> Floats:
    """Group resampled people anew, by random starts: one from what is known would flatter, and fewer never do."""
    n_init = min(n_init, _RESTARTED)

    def regroup(rows: Ints, draw: int) -> Ints:
        drawn, place, times = np.unique(rows, return_inverse=True, return_counts=True)
        if distinct(X[drawn], k + 1) <= k:  # as many groups as kinds of people
            return np.unique(row_keys(X[drawn]), return_inverse=True)[1][place].astype(np.int64)
        model = KMeans(k, n_init=n_init, random_state=draw, algorithm="lloyd")
        found: Ints = model.fit(X[drawn], sample_weight=times.astype(np.float32)).labels_[place].astype(np.int64)
        return found

    return resampled_jaccards(labels, regroup, resamples=resamples, seed=seed)
