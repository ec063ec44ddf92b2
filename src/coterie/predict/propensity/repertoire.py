"""Repertoires: what each person bought of each item, and how lately, as a nested column of any dataframe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import MissingColumnError, ParameterError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COLUMN = "repertoire"
"""The column of a table of people that has their repertoires."""
MEASURES = ("lines", "decayed_90d", "decayed_30d", "orders", "recency_days", "first_days")
TYPE = pa.list_(pa.struct([("item", pa.large_string()), *((name, pa.float32()) for name in MEASURES)]))
"""A repertoire: each item once, with its order lines (all of them; and each halved for every 90, 30 days that it is
old), the orders that it was in, and the days since it was bought last and first."""
_MODEST, _STRONG = 30.0, 3.0  # lines as many as which everybody's choice counts
PARTS = (
    *("own", "often_3", "often_30", "share", "often", "orders"),
    *("season_3", "season_30", "lately_3", "lately_30", "recency", "due", "due_squared"),
)
"""The columns of :meth:`Repertoires.design`."""


@dataclass(frozen=True)
class Repertoires:
    """The repertoires of people, as pairs of a person and an item that was bought.

    Parameters
    ----------
    rows
        How many people (at moments) there are.
    names
        The items, in the order of the alphabet.
    row, item
        Of each pair the row of the table and the place of the item in ``names``, in that order: shape (pairs,).
    measures
        ``MEASURES`` of each pair: shape (pairs, 6).
    """

    rows: int
    names: tuple[str, ...]
    row: Ints
    item: Ints
    measures: Floats

    @classmethod
    def read(cls, data: nw.DataFrame[Any]) -> Self:
        """Read the column of a table.

        Raises
        ------
        MissingColumnError, ParameterError
            It is not there, of another type, or names an item of a person twice.
        """
        if COLUMN not in data.columns:
            raise MissingColumnError.of("The table of people", [COLUMN], data.columns)
        try:
            found = data.get_column(COLUMN).to_arrow()
            lists = (pa.chunked_array([found]) if isinstance(found, pa.Array) else found).cast(TYPE).combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            allowed = f"lists of structs of item, {', '.join(MEASURES)}"
            raise ParameterError.of("The table of people", COLUMN, str(data.schema[COLUMN]), allowed) from None
        flat = pc.list_flatten(lists)
        row = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        coded = pc.dictionary_encode(flat.field("item"))
        names = np.array(coded.dictionary.to_pylist(), dtype=object)
        order = np.argsort(names)
        rank = np.empty(len(names) + 1, dtype=np.int64)
        rank[order], rank[-1] = np.arange(len(names)), -1
        item = rank[pc.fill_null(coded.indices, len(names)).to_numpy(zero_copy_only=False)]
        told = [pc.fill_null(flat.field(name), 0.0).to_numpy(zero_copy_only=False) for name in MEASURES]
        measures = np.maximum(np.nan_to_num(np.column_stack(told).astype(np.float64), posinf=1e30), 0.0)
        kept = np.flatnonzero((item >= 0) & (measures[:, 0] > 0))
        kept = kept[np.lexsort((item[kept], row[kept]))]
        row, item, measures = row[kept], item[kept], measures[kept]
        if ((np.diff(row) == 0) & (np.diff(item) == 0)).any():
            raise ParameterError.of("The table of people", COLUMN, "an item twice in a list", "each item once")
        return cls(len(data), tuple(str(name) for name in names[order]), row, item, measures)

    def take(self, rows: Ints) -> Repertoires:
        """Return the repertoires of these rows, in their order."""
        starts = np.searchsorted(self.row, np.arange(self.rows + 1))
        counts = np.diff(starts)[rows]
        ends = np.cumsum(counts)
        pairs = np.arange(int(counts.sum())) + np.repeat(starts[rows] - ends + counts, counts)
        where = np.repeat(np.arange(len(rows)), counts)
        return Repertoires(len(rows), self.names, where, self.item[pairs], self.measures[pairs])

    def among(self, names: tuple[str, ...]) -> Repertoires:
        """Return the repertoires as of these items alone, in their order (rising); others are left out."""
        place = {name: number for number, name in enumerate(names)}
        codes = np.array([place.get(name, -1) for name in self.names], dtype=np.int64)
        item = codes[self.item] if len(codes) else self.item
        kept = item >= 0
        return Repertoires(self.rows, names, self.row[kept], item[kept], self.measures[kept])

    def sums(self, values: Floats) -> Floats:
        """Return the sum over each row's pairs: shape (rows,)."""
        return np.asarray(np.bincount(self.row, weights=values, minlength=self.rows), dtype=np.float64)

    def design(self, popularity: Floats) -> Floats:
        """Return ``PARTS`` of each pair, each 0 of an item that was never bought but for ``own``: shape (pairs, 13).

        Parameters
        ----------
        popularity
            Everybody's share of lines of each item, above 0: shape (items,). How often somebody bought an item is
            measured by it: somebody's 3 lines say more of a rare item than of a common one.
        """
        lines, season, lately, orders, recency, first = self.measures.T
        usual = popularity[self.item]
        often = np.log1p(lines)
        gap = np.maximum(first - recency, 0.0) / np.maximum(orders - 1, 1)
        due = np.where(orders > 1, np.log((recency + 1) / (gap + 1)), 0.0)
        beside = [np.log1p(one / (prior * usual)) for one in (lines, season, lately) for prior in (_STRONG, _MODEST)]
        whole = self.sums(lines)[self.row]
        return np.column_stack(
            [
                *(np.ones(len(lines)), *beside[:2], lines / whole, often, np.log1p(orders)),
                *(*beside[2:], np.log1p(recency), due, due * due),
            ]
        )
