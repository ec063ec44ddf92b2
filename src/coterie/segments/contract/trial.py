"""A segmenter on trial: the people it is tried on, and the questions that several checks ask."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import clone

from coterie.errors import CoterieError
from coterie.evaluation.contract import expect
from coterie.segments.people import Floats, Ints, Segmentation


class Trial:
    """A segmenter on trial: the people it is tried on, and the questions that several checks ask.

    Parameters
    ----------
    estimator
        The segmenter; each check works on clones of it.
    people
        The people it is tried on, with a column ``person``.
    outcome
        What ``fit`` takes as ``y``; None for segmenters that take none.
    """

    def __init__(self, estimator: Segmentation, people: pa.Table, outcome: npt.NDArray[Any] | None) -> None:
        self.estimator = estimator
        self.people = people
        self.outcome = outcome

    @property
    def columns(self) -> list[str]:
        """The columns that are no keys."""
        return [name for name in self.people.column_names if name not in ("person", "as_of")]

    def fit(self, frame: Any = None, rows: Ints | None = None) -> Segmentation:
        """Return a fitted clone; ``rows`` says whose outcomes belong to the frame's rows."""
        y = self.outcome if self.outcome is None or rows is None else self.outcome[rows]
        model: Segmentation = clone(self.estimator).fit(self.people if frame is None else frame, y)
        return model

    def fit_or_refusal(self, frame: Any, rows: Ints | None = None) -> Segmentation | None:
        """Return a soundly fitted clone, or None where it refused as it should: a CoterieError that has a hint."""
        try:
            model = self.fit(frame, rows)
        except CoterieError as error:
            expect(bool(error.hint), f"its refusal must have a hint: {error.message}")
            return None
        sound(model, model.labels_, len(frame))
        return model

    def predict_or_refusal(self, model: Segmentation, frame: Any) -> Ints | None:
        """Return sound predictions, or None where it refused with a CoterieError."""
        try:
            labels = model.predict(frame)
        except CoterieError:
            return None
        sound(model, labels, len(frame))
        return labels


def made_up_people(count: int = 240, seed: int = 0) -> tuple[pa.Table, Floats]:
    """Return made-up people of three kinds that overlap, and what each will spend (minor units)."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, count)
    orders = np.maximum(np.rint(np.array([40, 10, 2])[kind] * random.lognormal(0, 0.4, count)), 1).astype(np.int64)
    basket = np.array([2_500, 2_000, 1_500])[kind] * random.lognormal(0, 0.3, count)
    people = pa.table(
        {
            "recency_days": np.array([3.0, 20.0, 120.0])[kind] * random.lognormal(0, 0.4, count),
            "gap_mean_days": np.array([7.0, 30.0, 90.0])[kind] * random.lognormal(0, 0.3, count),
            "orders": orders,
            "spend": np.rint(orders * basket).astype(np.int64),
            "basket_value": basket,
            "discount_share": random.beta(2, 6, count),
            "age": np.array(["19-34", "35-54", "55+"])[(kind + random.integers(0, 2, count)) % 3].tolist(),
        }
    )
    return people, np.rint(orders * basket / 4 * random.lognormal(0, 0.5, count))


def sound(model: Segmentation, labels: Any, people: int) -> None:
    """Expect one segment for each person: int64, from 0 to below k_ (or below the number of ``names_``)."""
    expect(isinstance(labels, np.ndarray), f"segments are {type(labels).__name__}, not a numpy array")
    expect(labels.dtype == np.int64, f"segments are {labels.dtype}, not int64")
    expect(labels.shape == (people,), f"segments are of shape {labels.shape} for {people} people")
    top = max(int(model.k_), len(getattr(model, "names_", ())))
    expect(labels.min() >= 0, f"a segment has the id {labels.min()}")
    expect(labels.max() < top, f"a segment has the id {labels.max()}, and there are {top}")


def same(one: Ints, other: Ints, when: str) -> None:
    """Expect the same segment for everybody."""
    moved = int((np.asarray(one) != np.asarray(other)).sum())
    expect(moved == 0, f"{moved} of {len(one)} people change their segment when {when}")
