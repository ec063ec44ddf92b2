"""People as estimators see them: any dataframe in, one order for all, segments numbered by what they are worth."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, ClusterMixin
from threadpoolctl import threadpool_limits

from coterie.errors import (
    EmptyShopError,
    IntegrityError,
    MissingColumnError,
    NotFittedError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.features import encodings
from coterie.features.frames import opened
from coterie.features.matrix import KEYS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scaled = npt.NDArray[np.float32]
"""People on the scale of a matrix: shape (people, columns of the matrix)."""
SPEND = "spend"
_ROW = "row of the table of people"
_SEED, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_KEYED = 1 << 15  # rows hashed at a time, to stay in the cache
_SCORES = 1 << 18  # distances at a time: 1 MiB


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
    values = encodings.numbers(data, name)
    return np.where(np.isfinite(values), values, np.nan)


def one_order(data: nw.DataFrame[Any], columns: tuple[str, ...]) -> tuple[nw.DataFrame[Any], Ints]:
    """Sort people by what is known of them, so that sums and starts do not depend on the order they came in.

    Returns the sorted people and the row that each of them had.
    """
    ordered = data.with_row_index(_ROW).sort(*columns, nulls_last=True)
    return ordered.drop(_ROW), ordered.get_column(_ROW).to_numpy().astype(np.int64)


def mean_worth(labels: Ints, worth: Floats, count: int) -> Floats:
    """Return the mean worth of each group, 0 where nobody is; a sum first might be too large for a float."""
    size = np.maximum(np.bincount(labels, minlength=count), 1)
    parts = np.nan_to_num(worth) / size[labels]
    mean: Floats = np.nan_to_num(np.bincount(labels, weights=parts, minlength=count))  # the largest, rounded up, is inf
    return mean


def by_value(labels: Ints, worth: Floats, count: int) -> Ints:
    """Return the new id of each old one: 0 for the group of the highest mean worth; the larger one at a tie."""
    return by_mean(mean_worth(labels, worth, count), np.bincount(labels, minlength=count))


def by_mean(mean: npt.NDArray[Any], size: npt.NDArray[Any]) -> Ints:
    """Return the new id of each group by the mean worth of its people: 0 for the highest; the larger one at a tie."""
    ids = np.empty(len(size), dtype=np.int64)
    with np.errstate(over="ignore"):  # what is too large to be rounded is first, or last, all the same
        ids[np.lexsort((np.arange(len(size)), -size, -np.round(mean, 9)))] = np.arange(len(size))
    return ids


def row_keys(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each row's values: equal for equal rows, and unlike for others but one pair in 10^19."""
    keys = np.full(len(matrix), _SEED)
    for start in range(0, len(matrix), _KEYED):
        block = matrix[start : start + _KEYED].astype(np.float32) + np.float32(0)  # -0 is 0
        for column in block.view(np.uint32).T:
            _stir(keys[start : start + _KEYED], column)
    return keys


def fixed_order(matrix: Scaled, worth: Floats | None = None) -> Ints:
    """Return the positions that put people into one order, whatever order they came in: by a hash of what they are.

    Those who are alike in all columns of the matrix follow each other by worth.
    """
    keys = row_keys(matrix)
    order = np.argsort(keys)
    alike = worth is not None and len(keys) > 1 and bool((np.diff(keys[order]) == 0).any())
    return np.lexsort((worth, keys)) if alike else order  # type: ignore[arg-type]


def _stir(keys: npt.NDArray[np.uint64], values: npt.NDArray[Any]) -> None:
    keys ^= values
    keys *= _FACTOR
    keys ^= keys >> np.uint64(29)


def nearest(matrix: npt.NDArray[Any], centres: npt.NDArray[Any]) -> Ints:
    """Return the position of each row's nearest centre (Euclidean), the first at a tie: shape (people,).

    Distances are taken as products in float32, block by block; where that cannot tell two centres apart, by differences
    in float64. So a person's answer depends on nobody else, on no block and on no number of threads.
    """
    matrix, centres = np.asarray(matrix, dtype=np.float32), np.asarray(centres, dtype=np.float32)
    found = np.empty(len(matrix), dtype=np.int64)
    if len(centres) < 2:
        found[:] = 0
        return found
    turned, squares, reach = _turned(centres)
    size = max(_SCORES // len(centres), 16)
    scores = np.empty((min(size, len(matrix)), len(centres)), dtype=np.float32)
    with _alone(len(matrix) > size):
        for start in range(0, len(matrix), size):
            block = matrix[start : start + size]
            score, rows = scores[: len(block)], np.arange(len(block))
            np.matmul(block, turned, out=score)
            score += squares
            best = score.argmin(axis=1)
            least = score[rows, best]
            score[rows, best] = np.inf
            doubt = doubtful(np.sqrt(np.einsum("ij,ij->i", block, block)), reach, block.shape[1])
            open_ = np.flatnonzero(~(score.min(axis=1) - least > doubt))
            if len(open_):
                score[open_, best[open_]] = least[open_]
                near = ~(score[open_] > (least + doubt)[open_, None])
                best[open_] = _settled(block[open_], centres, near)
            found[start : start + size] = best
    return found


def teller(centres: npt.NDArray[np.float32]) -> Callable[[npt.NDArray[np.float32]], int]:
    """Return a function that tells of one row what ``nearest`` tells of many, in microseconds."""
    turned, squares, reach = _turned(centres)
    turned, columns = np.ascontiguousarray(turned.T), centres.shape[1]

    def tell(row: npt.NDArray[np.float32]) -> int:
        scores = turned @ row
        scores += squares
        best = int(scores.argmin())
        least = float(scores[best])
        scores[best] = np.inf
        if float(scores.min()) - least > doubtful(float(row @ row) ** 0.5, reach, columns):
            return best
        return int(nearest(row[None], centres)[0])

    return tell


def _alone(many: bool) -> AbstractContextManager[object]:
    """Keep products of many blocks to one thread: several wait for each other longer than so small a product takes."""
    return threadpool_limits(1, "blas") if many else nullcontext()


def doubtful(length: Any, reach: float, columns: int) -> Any:
    """Return how much two scores ``|c|² - 2 x·c`` must differ in float32 to be told apart for sure.

    The bound on rounding in a sum of products (Higham 2002, section 3.1), of people as long as ``length`` and centres
    up to ``reach``.
    """
    return (columns + 4) * 2.0**-23 * (2 * length + reach) * reach


def _turned(centres: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], float]:
    """Return -2 c of each centre as columns, its |c|², and the length of the longest."""
    squares = np.square(centres.astype(np.float64)).sum(axis=1)
    return np.ascontiguousarray(-2 * centres.T), squares.astype(np.float32), float(np.sqrt(squares.max()))


def _settled(block: npt.NDArray[np.float32], centres: npt.NDArray[np.float32], near: npt.NDArray[np.bool_]) -> Ints:
    """Return the nearest of the near centres of each row, by differences, column after column."""
    row, centre = np.nonzero(near)
    distance = np.zeros(len(row))
    for column, middle in zip(block.T.astype(np.float64), centres.T.astype(np.float64), strict=True):
        distance += (column[row] - middle[centre]) ** 2
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    least = np.minimum.reduceat(distance, starts)
    hits = np.flatnonzero(distance == least[row])
    first = np.flatnonzero(np.diff(row[hits], prepend=-1))
    return centre[hits[first]]


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

    def fit_predict(self, frame: Any, y: object = None) -> Ints:
        """Fit to people (and, where the method takes one, their outcome) and return their segments, ``labels_``."""
        found: Ints = self.fit(frame, y).labels_
        return found

    @abstractmethod
    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new, by what fit learnt: int64 of shape (people,)."""

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """The columns of people that ``predict`` needs; empty where it reads what they bought instead."""

    @property
    def comes_again(self) -> bool:
        """Whether ``stability`` can look for these segments in resampled people; rules and fixed cuts always hold."""
        return False

    def assigner(self) -> Callable[[Mapping[str, object]], int | None] | None:
        """Return a function from one person's features, by name, to the segment that ``predict`` tells.

        None where features do not tell it; the function returns None where ``predict`` refuses the person.
        """
        return None

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
    differ = distinct(matrix, k)
    if differ < k:
        raise TooFewPeopleError(
            f"{what} into {k} segments needs at least {k} people who differ, of {len(matrix):,} only {differ} do.",
            hint="ask for fewer segments, or give more features.",
        )


def check_told(labels: Ints, k: int) -> None:
    """Raise TooFewPeopleError when a segment came out empty: people differ by less than distances can tell apart."""
    if (found := len(np.unique(labels))) < k:
        raise TooFewPeopleError(
            f"Segmenting into {k} segments: these {len(labels):,} people make only {found} that can be told apart.",
            hint="ask for fewer segments, or give more features.",
        )


def distinct(matrix: npt.NDArray[Any], enough: int) -> int:
    """Return how many people differ; counting stops once there are enough, which the first few nearly always are."""
    size = 64 * enough
    while (found := len(np.unique(row_keys(matrix[:size])))) < enough and size < len(matrix):
        size *= 2
    return found
