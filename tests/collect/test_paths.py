"""Paths lead where the naive twin finds them, in JSON as in nested Parquet, and to nothing where there is nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect.paths import elements_of, steps, text_of, within
from coterie.collect.sources import stage
from coterie.store.warehouse import Warehouse
from oracles import paths as naive

NAME = st.sampled_from(["a", "b", "key", "x y", "q'\"", "é/~", "*", "$"])
SCALAR = st.none() | st.booleans() | st.integers(-5, 2**70) | st.sampled_from(["", "it's", '{"a": 1}', "[", "é"])
ENTRY = st.fixed_dictionaries({"key": NAME, "value": SCALAR | st.dictionaries(NAME, SCALAR, max_size=2)})
NAMED = st.fixed_dictionaries({"name": NAME, "value": SCALAR})
TREE = st.recursive(
    SCALAR | st.lists(ENTRY | NAMED, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=8,
)
STEPS = st.lists(st.tuples(NAME | st.sampled_from(["0", "1"]), st.booleans()), min_size=1, max_size=4)


def written(path: list[tuple[str, bool]]) -> str:
    return "".join(f"[{name}]" if bracket else f".{name}" for name, bracket in path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TREE.filter(lambda tree: not isinstance(tree, str)), STEPS), min_size=1, max_size=6))
def test_a_path_leads_where_the_naive_twin_finds_it(
    warehouse: Warehouse, asked: list[tuple[Any, list[tuple[str, bool]]]]
) -> None:
    trees = pa.table({f"t{at}": [json.dumps(tree)] for at, (tree, _) in enumerate(asked)})
    cells, expected = [], []
    for at, (tree, path) in enumerate(asked):
        inner = steps(written(path))
        assert inner is not None
        cells.append(text_of(f"t{at}", pa.string(), inner))
        expected.append(naive.follow(tree, path))
    with warehouse.temporary("trees", trees):
        [found] = warehouse.query(f"SELECT [{', '.join(cells)}] AS v FROM trees")["v"].to_pylist()
    assert found == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREE.filter(lambda tree: not isinstance(tree, str)), st.lists(st.tuples(NAME, st.just(False)), max_size=2))
def test_elements_are_what_the_naive_twin_finds(warehouse: Warehouse, tree: Any, path: list[tuple[str, bool]]) -> None:
    listed = elements_of("t", pa.string(), steps(written(path)) or ())
    with warehouse.temporary("trees", pa.table({"t": [json.dumps(tree)]})):
        sql = f"SELECT LIST_TRANSFORM({listed}, lambda each: {within('each', 'a')}) AS v FROM trees"
        [found] = warehouse.query(sql)["v"].to_pylist()
    expected = naive.elements(tree, path)
    assert found == (None if expected is None else [naive.follow(each, [("a", False)]) for each in expected])


@pytest.mark.parametrize("path", ["", ".", "..a", ".a[", ".a[]", ".a]", "a", ".a b[c]x", ".[a]"])
def test_what_is_no_path_is_none(path: str) -> None:
    assert (steps(path) is None) == (path != "")


def test_many_paths_into_one_list_are_answered_alike_and_together(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [[{"key": f"k{key}", "value": {"s": None, "i": key * row}} for key in range(5)] for row in range(300)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps({"p": row}) + "\n" for row in rows), "utf-8")
    pq.write_table(pa.table({"p": rows}), tmp_path / "x.parquet")
    for name in ("x.jsonl", "x.parquet"):
        with stage(tmp_path / name, "x") as staged:
            cells = ", ".join(f"{staged.expression(f'p[k{key}]')[0]} AS k{key}" for key in range(6))
            found = warehouse.query(f'SELECT {cells} FROM {staged.relation} ORDER BY "#row"').to_pylist()
        assert found == [{f"k{key}": str(key * row) if key < 5 else None for key in range(6)} for row in range(300)]
