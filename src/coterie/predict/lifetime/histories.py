"""Purchase histories: how often, how lately and how long each customer has bought, as models of purchases read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import DataError, EmptyShopError, MissingColumnError, ParameterError
from coterie.features import encodings
from coterie.features.frames import opened

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_OWNER = "The table of purchase histories"


@dataclass(frozen=True, slots=True)
class Tuples:
    """The distinct histories of many people, in ascending order: likelihoods are summed over these.

    Parameters
    ----------
    frequency, recency, T
        Repeat purchases, time from the first purchase to the last, time from the first to the moment: shape (m,).
    covariates
        Shape (m, covariates).
    count
        How many people have this history: float64 of shape (m,).
    inverse
        The history of each person: shape (people,), in [0, m).
    """

    frequency: Floats
    recency: Floats
    T: Floats
    covariates: Floats
    count: Floats
    inverse: Ints


@dataclass(frozen=True, slots=True)
class Histories:
    """What a group of people did up to one moment; all arrays have the shape (people,) unless said otherwise.

    Parameters
    ----------
    frequency
        x: repeat purchases, whole numbers of at least 0; the first purchase is not counted.
    recency
        t_x: time from a person's first purchase to the last; 0 without a repeat purchase.
    T
        Time from the first purchase to the moment. Times are in days unless the data say otherwise: models have no unit
        of their own, and horizons are in the unit of ``T``.
    spend
        Mean amount of a repeat purchase; NaN where there is none or it is not known.
    log_gaps
        Sum of the logarithms of the gaps between purchases; 0 without repeat purchases, NaN where it is not known.
    covariates
        Traits that do not change, shape (people, covariates).
    covariate_names
        Their names.
    """

    frequency: Floats
    recency: Floats
    T: Floats
    spend: Floats
    log_gaps: Floats
    covariates: Floats
    covariate_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many people there are."""
        return len(self.frequency)

    @classmethod
    def of(
        cls,
        frame: Any,
        *,
        frequency: str = "frequency",
        recency: str = "recency",
        T: str = "T",
        spend: str | None = "spend",
        log_gaps: str | None = "log_gaps",
        covariates: Sequence[str] = (),
    ) -> Histories:
        """Read histories from any eager dataframe, one row a person.

        Parameters
        ----------
        frame
            A dataframe, or Histories, which come back as they are.
        frequency, recency, T
            The columns of these.
        spend, log_gaps
            The columns of these; where there is no such column they are not known.
        covariates
            Columns of traits, which must be finite numbers.

        Raises
        ------
        MissingColumnError, ParameterError
            A column is not there or not numeric.
        EmptyShopError
            There is nobody.
        DataError
            A history cannot be: a negative number, a fraction of a purchase, a last purchase after the moment.

        Examples
        --------
        >>> import pyarrow as pa
        >>> Histories.of(pa.table({"frequency": [2, 0], "recency": [30.4, 0], "T": [38.9, 38.9]})).T.tolist()
        [38.9, 38.9]
        """
        if isinstance(frame, Histories):
            if tuple(covariates) not in ((), frame.covariate_names):
                raise MissingColumnError.of(_OWNER, covariates, frame.covariate_names)
            return frame
        try:
            data = opened(frame)
        except TypeError as error:
            raise ParameterError.of(
                _OWNER, "its type", type(frame).__name__, "Histories or a pandas, polars or pyarrow table"
            ) from error
        if lost := [name for name in (frequency, recency, T, *covariates) if name not in data.columns]:
            raise MissingColumnError.of(_OWNER, lost, data.columns)

        def column(name: str | None) -> Floats:
            if name is None or name not in data.columns:
                return np.broadcast_to(np.nan, len(data))
            return np.asarray(encodings.numbers(data, name), dtype=np.float64)

        traits = np.empty((len(data), len(covariates)))
        for place, name in enumerate(covariates):
            traits[:, place] = column(name)
        found = cls(
            column(frequency), column(recency), column(T), column(spend), column(log_gaps), traits, tuple(covariates)
        )
        return found.checked()

    @classmethod
    def of_orders(
        cls,
        orders: Any,
        *,
        until: Any,
        person: str = "person",
        time: str = "time",
        amount: str | None = None,
        unit: float = 1.0,
        collapse: bool = True,
    ) -> tuple[pa.Array, Histories]:
        """Read histories from a table of orders, one row an order, in any order.

        Parameters
        ----------
        orders
            Any eager dataframe.
        until
            The moment: a date, a datetime or its ISO text; a number where ``time`` is in numbers. Later orders are left
            out.
        person, time
            The columns of who and when: times are dates, datetimes (naive, in the time zone whose days count) or
            numbers of days.
        amount
            The column of what an order is worth.
        unit
            Days in a unit of time: 7 gives weeks.
        collapse
            Whether purchases of one day are one purchase and only days count, the convention of the literature.
            Otherwise only purchases of the same moment are one.

        Returns
        -------
        people
            Who the histories belong to, ascending.
        histories
            The histories of all who bought until then.

        Raises
        ------
        MissingColumnError, ParameterError
            A column is not there or has the wrong type.
        EmptyShopError
            Nobody bought until then.
        DataError
            A person, time or amount is missing.

        Examples
        --------
        >>> import pyarrow as pa
        >>> shop = pa.table({"person": ["b", "a", "a", "a"], "time": [3.0, 1.0, 8.0, 40.0]})
        >>> people, histories = Histories.of_orders(shop, until=10.0)
        >>> people.to_pylist(), histories.frequency.tolist(), histories.T.tolist()
        (['a', 'b'], [1.0, 0.0], [9.0, 7.0])
        """
        from coterie.predict.lifetime.orders import purchases

        people, first, at, worth, moment = purchases(orders, until, person, time, amount, collapse)
        start = np.flatnonzero(first)
        size = np.diff(np.append(start, len(at)))
        gaps = np.diff(at, prepend=at[0]) / unit
        gaps[start] = 1.0  # of logarithm 0
        x = (size - 1).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            spend = (np.add.reduceat(worth, start) - worth[start]) / np.where(x > 0, x, np.nan)
        found = cls(
            x,
            (at[start + size - 1] - at[start]) / unit,
            (moment - at[start]) / unit,
            spend,
            np.add.reduceat(np.log(gaps), start),
            np.empty((len(x), 0)),
        )
        return people, found.checked()

    def checked(self) -> Histories:
        """Return these histories if they can be.

        Raises
        ------
        EmptyShopError, DataError
            As :meth:`of`.
        """
        if not len(self):
            raise EmptyShopError("There is nobody with a purchase history.", hint="give one row a person.")
        x, recency, T = self.frequency, self.recency, self.T
        sound = (x >= 0) & (x == np.floor(x)) & (recency >= 0) & (recency <= T) & ((x > 0) == (recency > 0))
        sound &= np.maximum(x, T) < np.inf
        if not sound.all():
            slack = 1e-9 * np.abs(T) + 1e-12  # times that were divided by a unit differ in the last digits
            lost = ~np.isfinite(x) | ~np.isfinite(recency) | ~np.isfinite(T)
            _none(lost, "a frequency, recency or T that is no number")
            _none((x < 0) | (recency < 0) | (T < 0), "a negative frequency, recency or T")
            _none(x != np.floor(x), "a fraction of a repeat purchase")
            _none(recency > T + slack, "a recency above T: a last purchase after the moment")
            _none((x == 0) & (recency > 0), "a recency above 0 without a repeat purchase")
            _none((x > 0) & (recency == 0), "repeat purchases at the time of the first one (recency 0)")
        _none(np.asarray(~np.isfinite(self.covariates).all(axis=1)), "a covariate that is no number")
        return self

    def unique(self) -> Tuples:
        """Return the distinct (x, t_x, T) with how many people have each.

        >>> import pyarrow as pa
        >>> people = pa.table({"frequency": [0, 2, 0], "recency": [0, 3, 0], "T": [9, 9, 9]})
        >>> Histories.of(people).unique().count.tolist()
        [2.0, 1.0]
        """
        inverse, one = distinct(self.frequency, self.recency, self.T, *self.covariates.T)
        return Tuples(
            self.frequency[one],
            self.recency[one],
            self.T[one],
            self.covariates[one],
            np.bincount(inverse, minlength=len(one)).astype(np.float64),
            inverse,
        )

    def taken(self, rows: npt.NDArray[Any]) -> Histories:
        """Return the histories of some people: positions, or True for each who is wanted."""
        return Histories(
            self.frequency[rows],
            self.recency[rows],
            self.T[rows],
            self.spend[rows],
            self.log_gaps[rows],
            self.covariates[rows],
            self.covariate_names,
        )


def distinct(*columns: Floats) -> tuple[Ints, Ints]:
    """Number the distinct rows of columns in ascending order.

    Returns
    -------
    place
        The number of each row: shape (rows,).
    one
        For each number a row that has it.

    Examples
    --------
    >>> place, one = distinct(np.array([2.0, 1.0, 2.0]), np.array([0.5, 0.5, 0.5]))
    >>> place.tolist(), len(one)
    ([1, 0, 1], 2)
    """
    key = keyed(*map(coded, columns))
    place, keys = coded(key)
    one = np.empty(len(keys), dtype=np.int64)
    one[place] = np.arange(len(place))
    return place, one


def keyed(*columns: tuple[Ints, npt.NDArray[Any]]) -> Ints:
    """Return a whole number for each row, in the order of rows, from what :func:`coded` told of each column.

    Examples
    --------
    >>> rows = keyed(coded(np.array([2.0, 1.0, 2.0])), coded(np.array([0.5, 0.7, 0.2])))
    >>> np.argsort(rows).tolist()
    [1, 2, 0]
    """
    key, found = columns[0]
    room = len(found)
    for code, found in columns[1:]:
        if room * len(found) >= 1 << 62:  # a key of all columns would not fit: number what there is so far
            key, keys = coded(key)
            room = len(keys)
        key = key * len(found)
        key += code
        room *= len(found)
    return key


def coded(values: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[Any]]:
    """Return the place of each value among the distinct ones, and those in ascending order."""
    if values.dtype.kind in "iu" or np.array_equal(np.floor(values), values):  # days, mostly: look places up
        room = max(1 << 20, 8 * len(values))
        if values.min() >= 0 and values.max() < room:
            whole = values.astype(np.int64, copy=False)
            seen = np.zeros(int(whole.max()) + 1, dtype=bool)
            seen[whole] = True
            found = np.flatnonzero(seen)
            places = np.empty(len(seen), dtype=np.int64)
            places[found] = np.arange(len(found))
            return places.take(whole), found.astype(values.dtype)
    hashed = pa.array(values).dictionary_encode()  # hashing: several times as fast as sorting where many are alike
    levels = hashed.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(levels, kind="stable")
    place = np.empty(len(levels), dtype=np.int64)
    place[order] = np.arange(len(levels))
    return place.take(hashed.indices.to_numpy(zero_copy_only=False)), levels[order]


def counted(values: Floats) -> tuple[Floats, Floats]:
    """Return the distinct values in ascending order, and how often each is there.

    >>> [part.tolist() for part in counted(np.array([3.0, 1.0, 3.0]))]
    [[1.0, 3.0], [1.0, 2.0]]
    """
    found = pa.array(values).value_counts()
    levels, count = (found.field(place).to_numpy() for place in range(2))
    order = np.argsort(levels)
    return levels[order], count[order].astype(np.float64)


def _none(wrong: npt.NDArray[np.bool_], what: str) -> None:
    if wrong.any():
        count = int(wrong.sum())
        raise DataError(
            f"{_OWNER} has {what} in {count:,} of {len(wrong):,} rows, the first of them row {int(wrong.argmax()):,}.",
            hint="frequency counts repeat purchases; recency and T run from the first purchase, in one unit of time.",
        )
