"""People as estimators see them: any dataframe in, one order for all, segments numbered by what they are worth."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, ClusterMixin

from coterie.errors import (
    EmptyShopError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.features.frames import opened
from coterie.features.matrix import KEYS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SPEND = "spend"
_ROW = "row of the table of people"


def read(frame: Any) -> nw.DataFrame[Any]:
    """Return any eager dataframe, or a 2-D numpy array (columns ``x0``, ``x1`` …), as a narwhals one.

    Raises
    ------
    EmptyShopError
        There are no people or no columns.
    ParameterError
        It is no table.
    """
    if isinstance(frame, nw.DataFrame):
        data = frame
    elif isinstance(frame, np.ndarray):
        if frame.ndim != 2 or frame.dtype.kind not in "fiub":
            raise ParameterError.of(
                "The table of people",
                "an array",
                f"{frame.dtype} of shape {frame.shape}",
                "numbers of shape (people, columns)",
            )
        data = nw.from_native(pa.table({f"x{i}": np.ascontiguousarray(frame[:, i]) for i in range(frame.shape[1])}))
    else:
        try:
            data = opened(frame)
        except TypeError as error:
            raise ParameterError.of(
                "The table of people",
                "its type",
                type(frame).__name__,
                "a pandas, polars, pyarrow table or 2-D numpy array",
                hint="collect a lazy table first, and make a table of anything else.",
            ) from error
    if not len(data) or not [name for name in data.columns if name not in KEYS]:
        raise EmptyShopError(
            f"There is nobody to segment: the table has {len(data):,} people and {len(data.columns)} columns.",
            hint="give one row a person, and columns besides person and as_of.",
        )
    return data


def need(data: nw.DataFrame[Any], *names: str) -> None:
    """Raise MissingColumnError unless all the columns are there."""
    if lost := [name for name in names if name not in data.columns]:
        raise MissingColumnError.of("The table of people", lost, data.columns)


def numbers(data: nw.DataFrame[Any], name: str) -> Floats:
    """Return a column as finite floats; missing values are NaN.

    Raises
    ------
    MissingColumnError
        It is not there.
    ParameterError
        It holds something else than numbers.
    """
    need(data, name)
    kind = data.schema[name]
    if not (kind.is_numeric() or isinstance(kind, nw.Boolean)):
        raise ParameterError.of("The table of people", f"column {name}", str(kind), "numbers")
    values = np.asarray(data.get_column(name).cast(nw.Float64).to_numpy(), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def one_order(data: nw.DataFrame[Any], columns: tuple[str, ...]) -> tuple[nw.DataFrame[Any], Ints]:
    """Sort people by what is known of them, so that sums and starts do not depend on the order they came in.

    Returns the sorted people and the row that each of them had.
    """
    ordered = data.with_row_index(_ROW).sort(*columns, nulls_last=True)
    return ordered.drop(_ROW), ordered.get_column(_ROW).to_numpy().astype(np.int64)


def by_value(labels: Ints, worth: Floats, count: int) -> Ints:
    """Return the new id of each old one: 0 for the group of the highest mean worth; the larger one at a tie."""
    worth = np.nan_to_num(worth)
    size = np.bincount(labels, minlength=count)
    mean = np.bincount(labels, weights=worth, minlength=count) / np.maximum(size, 1)
    ids = np.empty(count, dtype=np.int64)
    ids[np.lexsort((np.arange(count), -size, -np.round(mean, 9)))] = np.arange(count)
    return ids


def nearest(matrix: npt.NDArray[Any], centres: npt.NDArray[Any]) -> Ints:
    """Return the position of each row's nearest centre (Euclidean), the first at a tie: shape (people,)."""
    middles = centres.astype(np.float64)
    own = (middles**2).sum(axis=1)
    parts = [
        np.argmin(own - 2 * (matrix[start : start + 100_000].astype(np.float64) @ middles.T), axis=1)
        for start in range(0, len(matrix), 100_000)
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, dtype=np.int64)


class Segmentation(ClusterMixin, BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """What all segmentations share: predict for anybody, one JSON form, a fingerprint.

    Attributes
    ----------
    labels_
        The segment of each person of ``fit``, in the order of its rows: int64 of shape (people,).
    k_
        The number of segments; ids are 0 … k_ - 1, the most valuable first.
    """

    labels_: Ints
    k_: int

    @abstractmethod
    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new, by what fit learnt: int64 of shape (people,)."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""

    @classmethod
    @abstractmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote."""

    def assign(self, frame: Any) -> pa.Table:
        """Return ``person, segment`` (int64 each; the row's number where there is no column ``person``)."""
        data = read(frame)
        person = data.get_column("person").to_numpy() if "person" in data.columns else np.arange(len(data))
        try:
            people = pa.array(person, pa.int64())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            people = pa.nulls(len(data), pa.int64())
        if people.null_count:
            got = str(data.schema["person"])
            raise ParameterError.of("The table of people", "column person", got, "whole numbers without gaps")
        return pa.table({"person": people, "segment": pa.array(self.predict(data), pa.int64())})

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the fitted segmentation in hexadecimal: the same number means the same segments for everybody."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def _fitted(self) -> None:
        if not hasattr(self, "k_"):
            raise NotFittedError.of(self)

    @classmethod
    def _checked(cls, body: Mapping[str, Any], *keys: str) -> None:
        """Refuse a body that this class did not write."""
        kind = body.get("kind") if isinstance(body, Mapping) else type(body).__name__
        if kind != cls.__name__ or (lost := [key for key in keys if key not in body]):
            wrong = f"is of kind {kind!r}" if kind != cls.__name__ else f"lacks {', '.join(lost)}"
            raise IntegrityError(f"This is no stored {cls.__name__}: it {wrong}.", hint="fit it anew.")


def check_count(owner: object, name: str, value: object, least: int) -> None:
    """Raise ParameterError unless a parameter is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError.of(type(owner).__name__, name, value, f"a whole number of at least {least}")


def check_distinct(what: str, matrix: npt.NDArray[Any], k: int) -> None:
    """Raise TooFewPeopleError unless there are k people, and k who differ."""
    if len(matrix) < k:
        raise TooFewPeopleError.of(f"{what} into {k} segments", k, len(matrix), hint="ask for fewer segments.")
    distinct = len(np.unique(matrix, axis=0))
    if distinct < k:
        raise TooFewPeopleError(
            f"{what} into {k} segments needs at least {k} people who differ, of {len(matrix):,} only {distinct} do.",
            hint="ask for fewer segments, or give more features.",
        )
