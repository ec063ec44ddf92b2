"""Who bought how much of what, as a sparse table: of a long table of amounts, or of a wide one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from coterie.errors import ParameterError
from coterie.features import encodings
from coterie.features.matrix import KEYS
from coterie.segments.people import Ints, need, read

_LONG = ("person", "item", "amount")


@dataclass(frozen=True)
class Purchases:
    """Amounts of items by person.

    Parameters
    ----------
    persons
        Keys of persons; of a wide table without a column ``person``, the number of each row.
    items
        Names of items, in the order of the alphabet.
    amounts
        Sparse, float64, above 0 where it is not empty, of shape (persons, items).
    wide
        Whether it was a wide table, so that each row must get an answer.
    """

    persons: npt.NDArray[Any]
    items: tuple[str, ...]
    amounts: sp.csr_matrix
    wide: bool

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.persons)

    def order(self) -> Ints:
        """Return the positions that put people into one order by what they bought, whatever order they came in."""
        keys = np.zeros(self.people, dtype=np.uint64)
        amounts = self.amounts
        filled = np.diff(amounts.indptr) > 0
        with np.errstate(over="ignore"):
            mixed = _stirred(amounts.indices.astype(np.uint64) + np.uint64(1)) ^ _stirred(amounts.data.view(np.uint64))
            keys[filled] = np.add.reduceat(_stirred(mixed), amounts.indptr[:-1][filled])
        return np.argsort(keys, kind="stable")

    def of(self, items: Sequence[str]) -> Purchases:
        """Return the amounts of these items, in their order, of people who have any.

        Raises
        ------
        ParameterError
            Somebody in a wide table has none.
        """
        if tuple(items) == self.items:
            amounts = self.amounts
        else:
            place = {item: column for column, item in enumerate(self.items)}
            columns = [place[item] for item in items if item in place]
            into = [number for number, item in enumerate(items) if item in place]
            chosen = self.amounts[:, columns].tocoo()
            amounts = sp.csr_matrix(
                (chosen.data, (chosen.row, np.array(into, dtype=np.int64)[chosen.col])),
                shape=(self.people, len(items)),
            )
        known = np.diff(amounts.indptr) > 0
        if known.all():
            return Purchases(self.persons, tuple(items), amounts, self.wide)
        if self.wide:
            raise ParameterError(
                f"{int((~known).sum()):,} of {self.people:,} people have no amount of any item that is used: "
                "nothing tells their taste.",
                hint="leave them out.",
            )
        return Purchases(self.persons[known], tuple(items), amounts[known], self.wide)


def purchases(frame: Any, items: Sequence[str] | None) -> Purchases:
    """Read a table of amounts.

    Parameters
    ----------
    frame
        Long (``person, item, amount``) or wide (one row a person, one column of numbers an item).
    items
        The columns of a wide table to read; None is all but ``person`` and ``as_of``.

    Raises
    ------
    EmptyShopError
        There is nobody.
    MissingColumnError, ParameterError
        Columns are not there or of another type, or a row of a long table lacks its person or item.
    """
    data = read(frame)
    if set(_LONG) <= set(data.columns):
        return _long(data)
    if items is not None:
        need(data, *items)
    return _wide(data, sorted(items or (name for name in data.columns if name not in KEYS)))


def _long(data: nw.DataFrame[Any]) -> Purchases:
    if data.get_column("person").is_null().any() or data.get_column("item").is_null().any():
        raise ParameterError.of("The table of amounts", "person or item", "missing values", "one of each in every row")
    amount = _amounts(data, "amount")
    bought = np.flatnonzero(amount > 0)
    persons, row = np.unique(data.get_column("person").to_numpy()[bought], return_inverse=True)
    coded = pc.dictionary_encode(pc.cast(_arrow(data.get_column("item")), pa.string()))
    names = np.array(coded.dictionary.to_pylist(), dtype=object)
    alphabet = np.argsort(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[alphabet] = np.arange(len(names))
    column = rank[coded.indices.to_numpy(zero_copy_only=False)[bought]]
    with np.errstate(over="ignore"):  # a sum might be too large for a float: then it is the largest one
        table = sp.csr_matrix((amount[bought], (row, column)), shape=(len(persons), len(names)))
        if table.nnz < len(bought):  # rows of one person and item add up in one order, whatever order they came in
            order = np.lexsort((amount[bought], column, row))
            table = sp.csr_matrix((amount[bought][order], (row[order], column[order])), shape=table.shape)
            np.minimum(table.data, np.finfo(np.float64).max, out=table.data)
    return Purchases(persons, tuple(str(name) for name in names[alphabet]), table, wide=False)


def _wide(data: nw.DataFrame[Any], names: list[str]) -> Purchases:
    if bad := [name for name in names if not data.schema[name].is_numeric()]:
        raise ParameterError.of(
            "The table of amounts", "columns", bad[:5], "columns of numbers, one an item",
            hint="or a long table: person, item, amount.",
        )  # fmt: skip
    columns, rows, values = [], [], []
    for number, name in enumerate(names):
        amount = _amounts(data, name)
        here = np.flatnonzero(amount > 0)
        rows.append(here)
        columns.append(np.full(len(here), number))
        values.append(amount[here])
    table = sp.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(len(data), len(names))
    )
    persons = data.get_column("person").to_numpy() if "person" in data.columns else np.arange(len(data))
    return Purchases(persons, tuple(names), table, wide=True)


def _amounts(data: nw.DataFrame[Any], name: str) -> npt.NDArray[np.float64]:
    if not data.schema[name].is_numeric():
        raise ParameterError.of("The table of amounts", f"column {name}", str(data.schema[name]), "numbers")
    values = encodings.numbers(data, name)
    return np.where(np.isfinite(values), values, 0.0)


def _arrow(column: nw.Series[Any]) -> pa.Array:
    values = column.to_arrow()
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _stirred(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return each number's hash (the finaliser of SplitMix64)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
