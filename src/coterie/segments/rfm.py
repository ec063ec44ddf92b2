"""RFM: recency, frequency and monetary value, five steps each, and the eleven names the trade gives to the grid."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa

from coterie.errors import NoVariationError, ParameterError, TooFewPeopleError
from coterie.features.matrix import KEYS
from coterie.segments.people import Floats, Ints, Segmentation, by_value, check_count, mean_worth, numbers, read

NAMES = (
    "Champions",
    "Loyal customers",
    "Potential loyalists",
    "New customers",
    "Promising",
    "Need attention",
    "About to sleep",
    "Cannot lose them",
    "At risk",
    "Hibernating",
    "Lost",
)
# Rows: recency 1 (long ago) … 5 (just now); columns: the mean of frequency and monetary score, 1 (low) … 5 (high).
_GRID = np.array(
    [
        [10, 10, 8, 8, 7],
        [9, 9, 8, 8, 7],
        [6, 6, 5, 1, 1],
        [4, 2, 2, 1, 1],
        [3, 2, 2, 0, 0],
    ]
)


class RFMSegments(Segmentation):
    """Score people by how lately, how often and for how much they buy, and name the cells of the grid.

    A score is one more than the number of cuts that a value lies above, so that equal values always score alike; 5 is
    best in all three (recency is turned round). Cuts are the quantiles of the people of ``fit``, kept below the largest
    value: so the best always score 5 and the worst 1, however many are alike. A column in which all are alike tells
    nothing: it gets no cuts, and counts as the middle. The name follows from the recency score and the mean of the
    other two.

    Recency is counted to a moment, the ``as_of`` of the features, never to today: people scored later by the same cuts
    must come with features of that moment, and are then compared with the people of ``fit`` at theirs.

    Parameters
    ----------
    recency, frequency, monetary
        The columns: days since the last order (less is better), orders, and spend (more is better).
    steps
        How many steps each score has when cuts are quantiles; the grid of names is stretched to it.
    cuts
        Own cuts by column name, rising, in the column's unit: ``{"recency_days": (30, 90, 365)}`` are four steps, the
        best of them up to and with 30 days. The others are quantiles at fit.

    Attributes
    ----------
    cuts_
        Column → the cuts used.
    names_
        The name of each segment, by id. Names that nobody had at fit come last, so that new people can get them.
    worth_
        The mean monetary value of each segment at fit: float64 of shape (k_,), falling.
    k_
        How many segments had people at fit.
    labels_
        The segment of each person of ``fit``.

    References
    ----------
    Hughes (1994), Strategic Database Marketing.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> worth = {"orders": [9, 5, 4, 2, 1], "spend": [90, 50, 40, 20, 5]}
    >>> people = pa.table({"recency_days": [1, 9, 30, 90, 200], **worth})
    >>> rfm = RFMSegments().fit(people)
    >>> rfm.scores(people).tolist()
    [[5, 5, 5], [4, 4, 4], [3, 3, 3], [2, 2, 2], [1, 1, 1]]
    >>> [rfm.names_[segment] for segment in rfm.labels_]
    ['Champions', 'Loyal customers', 'Need attention', 'Hibernating', 'Lost']
    """

    cuts_: dict[str, tuple[float, ...]]
    names_: tuple[str, ...]
    worth_: Floats

    def __init__(
        self,
        recency: str = "recency_days",
        frequency: str = "orders",
        monetary: str = "spend",
        *,
        steps: int = 5,
        cuts: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.recency = recency
        self.frequency = frequency
        self.monetary = monetary
        self.steps = steps
        self.cuts = cuts

    def fit(self, frame: Any, y: object = None) -> Self:
        """Learn the cuts and the order of the segments from people.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError
            There is nobody, fewer people than steps, or all people look the same.
        MissingColumnError, ParameterError
            A column is not there, holds no numbers or misses values; or a cut is not allowed.
        """
        check_count(self, "steps", self.steps, 2)
        data = read(frame)
        columns = [self._values(data, name) for name in self._columns]
        if len(data) < self.steps:
            fewer = "take fewer steps, or own cuts." if len(data) > 1 else "give the people to compare them with."
            raise TooFewPeopleError.of(f"RFM in {self.steps} steps", self.steps, len(data), hint=fewer)
        if all(np.ptp(values) == 0 for values in columns):
            raise NoVariationError(
                f"All {len(data):,} people look the same in {', '.join(self._columns)}.", hint="take a longer time."
            )
        own = dict(self.cuts or {})
        if unknown := sorted(set(own) - set(self._columns)):
            raise ParameterError.of("RFMSegments", "cuts", unknown, f"for {', '.join(self._columns)}")
        self.cuts_ = {}
        for name, values in zip(self._columns, columns, strict=True):
            cuts = own[name] if name in own else _quantiles(values, self.steps)
            if name in own and not (len(cuts) and all(np.isfinite(cuts)) and list(cuts) == sorted(set(cuts))):
                raise ParameterError.of("RFMSegments", f"cuts of {name}", list(cuts), "finite numbers that rise")
            self.cuts_[name] = tuple(float(cut) for cut in cuts)
        cells = self._cells(self.scores(data))
        present = np.bincount(cells, minlength=len(NAMES)) > 0
        self._ids = by_value(cells, columns[2], len(NAMES))
        empty_last = np.lexsort((self._ids, ~present))  # a name without people has no worth to be ordered by
        self._ids[empty_last] = np.arange(len(NAMES))
        self.names_ = tuple(NAMES[cell] for cell in np.argsort(self._ids))
        self.k_ = int(present.sum())
        self.labels_ = self._ids[cells]
        rising = np.argsort(columns[2], kind="stable")  # so that sums do not depend on the order of rows
        self.worth_ = mean_worth(self.labels_[rising], columns[2][rising], self.k_)
        return self

    def scores(self, frame: Any) -> Ints:
        """Return the recency, frequency and monetary score of each person: int64 of shape (people, 3), from 1 up.

        The best score of a column is one more than the number of its cuts.
        """
        if not hasattr(self, "cuts_"):
            self._fitted()
        data = read(frame)
        scored = []
        for name in self._columns:
            values, cuts = self._values(data, name), np.array(self.cuts_[name])
            if name == self.recency:
                scored.append(1 + len(cuts) - np.searchsorted(cuts, values, side="left"))
            else:
                scored.append(1 + np.searchsorted(cuts, values, side="left"))
        return np.column_stack(scored).astype(np.int64)

    def table(self, frame: Any) -> pa.Table:
        """Return each person's scores and segment, for people to read.

        Returns
        -------
        pa.Table
            ``person`` and ``as_of``, where the frame has them; ``recency_score, frequency_score, monetary_score``
            (int64); ``cell``, such as ``"5-4-5"``; ``segment`` (int64) and its ``name``.

        Examples
        --------
        >>> worth = {"orders": [9, 5, 4, 2, 1], "spend": [90, 50, 40, 20, 5]}
        >>> people = pa.table({"recency_days": [1, 9, 30, 90, 200], **worth})
        >>> told = RFMSegments().fit(people).table(people)
        >>> told["cell"].to_pylist()[:2], told["name"].to_pylist()[:2]
        (['5-5-5', '4-4-4'], ['Champions', 'Loyal customers'])
        """
        self._fitted()
        data = read(frame)
        scores = self.scores(data)
        segments = self._ids[self._cells(scores)]
        keys = data.select([name for name in KEYS if name in data.columns]).to_arrow()
        scored = {f"{name}_score": scores[:, place] for place, name in enumerate(("recency", "frequency", "monetary"))}
        cells = ["-".join(map(str, row)) for row in scores.tolist()]
        names = [self.names_[segment] for segment in segments.tolist()]
        known = {name: keys[name] for name in keys.column_names}
        return pa.table({**known, **scored, "cell": cells, "segment": segments, "name": names})

    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new: int64 of shape (people,)."""
        self._fitted()
        return self._ids[self._cells(self.scores(frame))]

    def assigner(self) -> Callable[[Mapping[str, object]], int | None]:
        """Return a function from one person's features, by name, to the segment that ``predict`` tells.

        It takes microseconds where ``predict`` has a whole table to read; it tells None of a person whom ``predict``
        refuses, because one of the three is not known.

        Examples
        --------
        >>> worth = {"orders": [9, 5, 4, 2, 1], "spend": [90, 50, 40, 20, 5]}
        >>> people = pa.table({"recency_days": [1, 9, 30, 90, 200], **worth})
        >>> rfm = RFMSegments().fit(people)
        >>> segment_of = rfm.assigner()
        >>> rfm.names_[segment_of({"recency_days": 2.0, "orders": 8, "spend": 70})]
        'Champions'
        >>> segment_of({"recency_days": None, "orders": 0, "spend": 0}) is None
        True
        """
        self._fitted()
        cuts = [self.cuts_[name] for name in self._columns]
        shape = tuple(len(one) + 1 for one in cuts)
        every = np.argwhere(np.ones(shape)) + 1
        segments = self._ids[self._cells(every)].reshape(shape).tolist()  # of each score, each with each

        def assign(values: Mapping[str, object]) -> int | None:
            found = [_figure(values.get(name)) for name in self._columns]
            if any(map(math.isnan, found)) or found[0] < 0:
                return None
            recency, frequency, monetary = (bisect_left(one, value) for one, value in zip(cuts, found, strict=True))
            return int(segments[len(cuts[0]) - recency][frequency][monetary])

        return assign

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of people that ``predict`` needs."""
        return self._columns

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._fitted()
        return {
            "kind": type(self).__name__,
            "columns": list(self._columns),
            "steps": int(self.steps),
            "cuts": {name: list(cuts) for name, cuts in self.cuts_.items()},
            "ids": self._ids.tolist(),
            "k": self.k_,
            "worth": self.worth_.tolist(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote."""
        cls._checked(body, "columns", "steps", "cuts", "ids", "k")
        rfm = cls(*body["columns"], steps=body["steps"], cuts=body["cuts"])
        rfm.cuts_ = {name: tuple(cuts) for name, cuts in body["cuts"].items()}
        rfm._ids = np.array(body["ids"], dtype=np.int64)
        rfm.names_ = tuple(NAMES[cell] for cell in np.argsort(rfm._ids))
        rfm.k_ = body["k"]
        rfm.worth_ = np.array(body.get("worth", ()), dtype=np.float64)  # absent in what an earlier version stored
        return rfm

    @property
    def _columns(self) -> tuple[str, str, str]:
        return self.recency, self.frequency, self.monetary

    def _values(self, data: Any, name: str) -> Floats:
        values = numbers(data, name)
        if np.isnan(values).any():
            raise ParameterError.of(
                "RFMSegments",
                f"column {name}",
                "missing values, NaN or infinity",
                "known for every person",
                hint="leave out people without orders: a score without a figure would be invented.",
            )
        if name == self.recency and (values < 0).any():
            raise ParameterError.of(
                "RFMSegments",
                f"column {name}",
                "days below 0",
                "days gone by",
                hint="an order lies after the moment of the features: build them as of a later moment.",
            )
        return values

    def _cells(self, scores: Ints) -> Ints:
        """Return the position in NAMES of each person: the grid of five by five, stretched to the scores' steps."""
        steps = np.array([len(self.cuts_[name]) for name in self._columns])
        place = np.where(steps > 0, (scores - 1) / np.maximum(steps, 1), 0.5) * 4  # 0 … 4 in the grid
        value = np.floor((place[:, 1] + place[:, 2]) / 2 + 0.5).astype(np.int64)
        cells: Ints = _GRID[np.floor(place[:, 0] + 0.5).astype(np.int64), value]
        return cells


def _figure(value: Any) -> float:
    """Return a figure of one person; NaN where it is not known."""
    found = math.nan if value is None else float(value)
    return found if math.isfinite(found) else math.nan


def _quantiles(values: Floats, steps: int) -> list[float]:
    """Return the cuts into equal parts, all below the largest value; none where all values are alike."""
    smaller = values[values < values.max()]
    if not len(smaller):
        return []
    cuts: list[float] = np.minimum(np.quantile(values, np.arange(1, steps) / steps), smaller.max()).tolist()
    return cuts
