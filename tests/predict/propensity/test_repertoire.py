"""Repertoires: read of any dataframe, taken row by row, and told as figures."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import ParameterError
from coterie.predict.propensity.repertoire import MEASURES, PARTS, TYPE, Repertoires

NAMES = ("bread", "milk", "wine")
amount = st.floats(0, 1e6, width=32)
pair = st.fixed_dictionaries(dict.fromkeys(MEASURES, amount)).filter(lambda one: one["lines"] > 0)
lists = st.lists(st.dictionaries(st.sampled_from(NAMES), pair), max_size=6)


def table(rows: list[dict[str, dict[str, float]]]) -> pa.Table:
    told = [[{"item": name, **one} for name, one in row.items()] for row in rows]
    return pa.table({"repertoire": pa.array(told, TYPE)})


def plain(seen: Repertoires) -> list[dict[str, list[float]]]:
    """Return what is bought of each item, row by row."""
    rows: list[dict[str, list[float]]] = [{} for _ in range(seen.rows)]
    for row, item, told in zip(seen.row, seen.item, seen.measures, strict=True):
        rows[row][seen.names[item]] = told.tolist()
    return rows


@given(lists, st.data())
def test_what_is_read_taken_and_kept_is_what_was_there(
    rows: list[dict[str, dict[str, float]]], data: st.DataObject
) -> None:
    seen = Repertoires.read(nw.from_native(table(rows)))
    want = [{name: [one[part] for part in MEASURES] for name, one in row.items()} for row in rows]
    assert plain(seen) == want
    assert (np.diff(seen.row * len(NAMES) + seen.item) > 0).all()
    if rows:
        taken = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
        assert plain(seen.take(np.array(taken, dtype=np.int64))) == [want[one] for one in taken]
    among = ("apples", "bread", "wine")
    assert plain(seen.among(among)) == [{name: row[name] for name in among if name in row} for row in want]


@given(lists)
def test_figures_are_finite(rows: list[dict[str, dict[str, float]]]) -> None:
    seen = Repertoires.read(nw.from_native(table(rows))).among(NAMES)
    X = seen.design(np.array([0.5, 0.3, 0.2]))
    assert X.shape == (len(seen.row), len(PARTS))
    assert np.isfinite(X).all()
    assert (X[:, 0] == 1).all()


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_any_dataframe_is_read_alike(kind: str) -> None:
    one = dict.fromkeys(MEASURES, 2.0)
    data = table([{"milk": one, "bread": one}, {}, {"wine": one}])
    frame = nw.from_arrow(data, backend=kind)
    assert plain(Repertoires.read(frame)) == plain(Repertoires.read(nw.from_native(data)))


def test_missing_and_impossible_amounts_are_nothing_bought() -> None:
    odd = [{"item": "milk", "lines": 0.0}, {"item": None, "lines": 3.0}, {"item": "wine", "lines": float("nan")}]
    seen = Repertoires.read(nw.from_native(pa.table({"repertoire": pa.array([odd, None], TYPE)})))
    assert plain(seen) == [{}, {}]


def test_an_item_twice_is_refused() -> None:
    twice = [[{"item": "milk", **dict.fromkeys(MEASURES, 1.0)}] * 2]
    with pytest.raises(ParameterError, match="each item once"):
        Repertoires.read(nw.from_native(pa.table({"repertoire": pa.array(twice, TYPE)})))
