"""Columns become numbers whatever is in them: ordered text, missing values, huge values, any dataframe's types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from coterie.errors import IntegrityError, NotFittedError, ParameterError, StoreError
from coterie.features.encodings import ranges
from coterie.features.matrix import Matrix

AGES = ["19-24", "25-34", "35-44", "65+"]
KINDS: list[Any] = [lambda table: table, pl.from_arrow, lambda table: table.to_pandas()]
KINDS.append(lambda table: table.to_pandas(types_mapper=pd.ArrowDtype))

floats = st.one_of(
    st.none(), st.sampled_from([0.0, 1.0, -3.5, float("inf"), float("-inf"), float("nan"), 1e308, -1e308, 5e-324])
) | st.floats(allow_nan=True, allow_infinity=True)
columns = st.fixed_dictionaries(
    {
        "amount": st.lists(floats, min_size=12, max_size=12),
        "count": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=12, max_size=12),
        "flag": st.lists(st.none() | st.booleans(), min_size=12, max_size=12),
        "word": st.lists(st.none() | st.sampled_from(["tea", "other", "missing", "", "é"]), min_size=12, max_size=12),
        "age": st.lists(st.none() | st.sampled_from([*AGES, "unknown"]), min_size=12, max_size=12),
    }
)
TYPES = {"amount": pa.float64(), "count": pa.int64(), "flag": pa.bool_(), "word": pa.string(), "age": pa.string()}


def typed(drawn: dict[str, list[Any]]) -> pa.Table:
    anchor = {"anchor": pa.array(np.arange(12.0))}  # so that there is always something to tell people apart
    return pa.table({**anchor, **{name: pa.array(values, TYPES[name]) for name, values in drawn.items()}})


@given(columns, st.sampled_from(["log-robust", "standard"]), st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_whatever_is_in_a_table_its_matrix_is_finite_and_does_not_depend_on_order(
    drawn: dict[str, list[Any]], scaling: str, indicator: bool, random: Any
) -> None:
    table = typed(drawn)
    matrix = Matrix(scaling=scaling, orders={"age": AGES}, add_indicator=indicator).fit(table)
    values = matrix.transform(table)
    assert values.shape == (12, len(matrix.columns_))
    assert np.isfinite(values).all()
    assert len(set(matrix.columns_)) == len(matrix.columns_)
    order = random.sample(range(12), 12)
    again = Matrix(scaling=scaling, orders={"age": AGES}, add_indicator=indicator).fit(table.take(order))
    assert again.columns_ == matrix.columns_
    np.testing.assert_allclose(again.transform(table), values, rtol=1e-4, atol=1e-5)
    # one person alone gets the same row as among the others
    assert (matrix.transform(table.slice(3, 1)) == values[3:4]).all()
    saved = Matrix.from_json(json.loads(json.dumps(matrix.to_json())))
    assert saved.fingerprint == matrix.fingerprint
    assert (saved.transform(table) == values).all()


@given(columns)
@settings(max_examples=30, deadline=None)
def test_every_dataframe_gives_the_same_matrix(drawn: dict[str, list[Any]]) -> None:
    drawn["count"] = [None if value is None else value >> 12 for value in drawn["count"]]  # pandas makes floats of them
    table = typed(drawn)
    units = {"amount": "number", "count": "count", "flag": "count"}  # pandas makes floats of whole numbers with a gap
    matrix = Matrix(units=units, orders={"age": AGES}, add_indicator=True).fit(table)
    for convert in KINDS:
        other = Matrix(units=units, orders={"age": AGES}, add_indicator=True).fit(convert(table))
        assert other.columns_ == matrix.columns_
        assert other.dropped_ == matrix.dropped_
        np.testing.assert_array_equal(other.transform(convert(table)), matrix.transform(table))


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None, 3, 4], dtype="Int64"),
        pd.Series([1.5, None, 3, 4], dtype="Float32"),
        pd.Series([True, None, False, True], dtype="boolean"),
        pd.Series([True, None, False, True], dtype=object),
        pd.Series(["a", None, "b", "a"], dtype="category"),
        pd.Series(["a", None, "b", "a"], dtype="string"),
        pl.Series(["a", None, "b", "a"], dtype=pl.Categorical),
        pl.Series(["a", None, "b", "a"], dtype=pl.Enum(["b", "a"])),
        pl.Series([1, None, 3, 4], dtype=pl.UInt8),
        pl.Series(["1.5", None, "3", "4"]).cast(pl.Decimal(10, 2)),
        pa.array(["a", None, "b", "a"]).dictionary_encode(),
    ],
    ids=lambda column: f"{type(column).__module__.split('.')[0]}-{getattr(column, 'dtype', 'dictionary')}",
)
def test_types_of_other_libraries_are_read(column: Any) -> None:
    frame: Any = {"pandas": pd.DataFrame, "polars": pl.DataFrame}.get(type(column).__module__.split(".")[0], pa.table)(
        {"x": column}
    )
    plain = pa.table(
        {"x": pa.array(column.to_list() if hasattr(column, "to_list") else column.to_pylist(), None, from_pandas=True)}
    )
    if pa.types.is_decimal(plain["x"].type):
        plain = plain.cast(pa.schema([("x", pa.float64())]))
    matrix, other = Matrix(units={"x": "number"}).fit(plain), Matrix(units={"x": "number"}).fit(frame)
    assert other.columns_ == matrix.columns_
    np.testing.assert_allclose(other.transform(frame), matrix.transform(plain), rtol=1e-6)


@pytest.mark.parametrize("convert", KINDS)
def test_a_column_that_lost_all_its_values_is_filled(convert: Any) -> None:
    table = pa.table({"spend": [1, 2, 3, 4], "word": ["a", "b", "a", "b"]})
    matrix = Matrix(units={"spend": "money"}).fit(table)
    nobody = pa.table({"spend": pa.nulls(1), "word": pa.nulls(1)})  # of no type at all
    filled = matrix.transform(pa.table({"spend": [0], "word": pa.array([None], pa.string())}))
    assert (matrix.transform(convert(nobody)) == filled).all()
    gone = Matrix().fit(convert(table.append_column("gone", pa.nulls(4))))
    assert gone.dropped_ == {"gone": "nobody has a value"}


def test_two_hundred_columns_of_a_hundred_people() -> None:
    generator = np.random.default_rng(5)
    table = pa.table({f"x{number}": generator.lognormal(0, 2, 100) for number in range(200)})
    values = Matrix().fit_transform(table)
    assert values.shape == (100, 200)
    assert (values.std(axis=0) < 2.01).all()


def test_order_is_kept_as_distance() -> None:
    ages = ["19-24"] * 30 + ["25-34"] * 30 + ["35-44"] * 30 + ["65+"] * 9 + [None]
    matrix = Matrix(orders={"age": AGES}).fit(pa.table({"age": ages}))
    assert matrix.columns_ == ("age",)
    values = matrix.transform(pa.table({"age": [*AGES, None, "never seen"]}))[:, 0]
    steps = np.diff(values[:4])
    assert (steps > 0).all()
    np.testing.assert_allclose(steps, steps[0], rtol=1e-5)
    assert values[4] == values[5] == values[1]  # the median's place
    assert matrix.transform(pa.table({"age": ages})).std() == pytest.approx(1, rel=1e-5)
    assert Matrix(orders={"age": None}).fit(pa.table({"age": ages})).columns_ == ("age",)


@pytest.mark.parametrize(
    "ordered",
    [
        ["Under 15K", "15-24K", "25-34K", "50-74K", "100-124K", "250K+"],
        ["19-24", "25-34", "35-44", "65+"],
        ["1", "2", "3", "5+", "10+"],
        ["< 1", "1 to 2", "10 to 20", "1000 and more"],
        ["up to 1,500", "1,500 to 2,000", "10,000 or more"],
    ],
)
def test_ranges_are_sorted_by_where_they_begin(ordered: list[str]) -> None:
    assert ranges([*reversed(ordered), "Unknown"]) == tuple(ordered)


def test_missing_values_can_be_told_apart() -> None:
    table = pa.table({"spend": [0, None, 5, 7, None], "orders": [1, 2, 3, 4, 5]})
    matrix = Matrix(add_indicator=True, weights={"spend": 2}).fit(table)
    assert matrix.columns_ == ("spend", "spend=missing", "orders")
    values = matrix.transform(table)
    assert values[0, 0] == values[1, 0]  # nothing happened is 0 money
    assert values[:, 1].std() == pytest.approx(2, rel=1e-5)
    assert (values[:, 1] > 0).tolist() == [False, True, False, False, True]
    assert matrix.inverse_transform(values)["spend"].to_pylist() == [
        pytest.approx(0, abs=1e-6), None, pytest.approx(5, rel=0.01), pytest.approx(7, rel=0.01), None
    ]  # fmt: skip


def test_a_row_of_the_matrix_can_be_read_in_the_columns_own_units() -> None:
    generator = np.random.default_rng(3)
    table = pa.table(
        {
            "spend": generator.lognormal(8, 1, 500).round(),
            "share": generator.random(500),
            "age": generator.choice(AGES, 500),
            "word": generator.choice(["tea", "cake"], 500),
        }
    )
    matrix = Matrix(units={"spend": "money"}, orders={"age": AGES}, weights={"spend": 3, "word": 2}).fit(table)
    told = matrix.inverse_transform(matrix.transform(table))
    assert told.column_names == table.column_names
    for name in ("age", "word"):
        assert told[name].to_pylist() == table[name].to_pylist()
    for name in ("spend", "share"):
        low, high = np.quantile(table[name].to_numpy(), (0.005, 0.995))  # what lies outside was pulled in
        np.testing.assert_allclose(told[name].to_numpy(), table[name].to_numpy().clip(low, high), rtol=1e-3)
    with pytest.raises(ParameterError, match="shape"):
        matrix.inverse_transform(np.zeros((2, 3)))


def test_a_level_called_other_does_not_hide_the_rare_ones() -> None:
    words = ["tea"] * 50 + ["other"] * 48 + ["salt", "soap"]
    matrix = Matrix().fit(pa.table({"word": words}))
    assert matrix.columns_ == ("word=tea", "word=other")


@pytest.mark.parametrize("convert", KINDS)
def test_the_matrix_comes_in_the_kind_that_people_came_in(convert: Any) -> None:
    people = convert(pa.table({"orders": [1, 2, 3, 4], "channel": ["web", "web", "store", "store"]}))
    matrix = Matrix(scaling="standard").fit(people)
    told = matrix.transform_frame(people)
    assert type(told) is type(people)
    names = told.column_names if isinstance(told, pa.Table) else list(told.columns)
    assert names == list(matrix.columns_) == matrix.get_feature_names_out().tolist()
    columns = [np.asarray(told[name]) for name in names]
    np.testing.assert_array_equal(np.stack(columns, axis=1), matrix.transform(people))


def test_in_pandas_the_index_stays() -> None:
    people = pd.DataFrame({"orders": [1, 2, 3]}, index=pd.Index(["c", "a", "a"], name="customer"))
    assert Matrix().fit(people).transform_frame(people).index.equals(people.index)


def test_it_is_a_step_of_scikit_learns_pipelines() -> None:
    generator = np.random.default_rng(2)
    people = pd.DataFrame({"spend": generator.lognormal(5, 1, 200), "word": generator.choice(["tea", "cake"], 200)})
    labels = (people["spend"] > people["spend"].median()).astype(int)
    pipeline = make_pipeline(Matrix(), LogisticRegression()).fit(people, labels)
    assert pipeline.score(people, labels) > 0.9
    assert pipeline[:-1].get_feature_names_out().tolist() == ["spend", "word=cake", "word=tea"]


def test_a_saved_matrix_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    table = pa.table({"spend": [0, None, 5, 7], "age": ["19-24", "65+", None, "25-34"]})
    matrix = Matrix(orders={"age": None}, add_indicator=True).fit(table)
    path = matrix.save(tmp_path / "matrix.json")
    again = Matrix.load(path)
    assert again.get_params() == matrix.get_params()
    assert again.fingerprint == matrix.fingerprint
    assert (again.transform(table) == matrix.transform(table)).all()
    assert [each.name for each in tmp_path.iterdir()] == ["matrix.json"]


def test_a_file_that_is_not_what_was_saved_is_refused(tmp_path: Path) -> None:
    path = Matrix().fit(pa.table({"spend": [1, 2, 3]})).save(tmp_path / "matrix.json")
    body = json.loads(path.read_text("utf-8"))
    for changed, error, words in (
        ({**body, "format": 2}, StoreError, "newer coterie"),
        ({**body, "matrix": {**body["matrix"], "scaling": "standard"}}, IntegrityError, "changed"),
        ({**body, "coterie": "segments"}, IntegrityError, "not a saved matrix"),
        ([], IntegrityError, "not a saved matrix"),
    ):
        path.write_text(json.dumps(changed), "utf-8")
        with pytest.raises(error, match=words):
            Matrix.load(path)
    path.write_bytes(b"\xff{")
    with pytest.raises(IntegrityError, match="not a saved matrix"):
        Matrix.load(path)
    with pytest.raises(StoreError, match="Cannot read"):
        Matrix.load(tmp_path / "gone.json")
    with pytest.raises(StoreError, match="Cannot write"):
        Matrix().fit(pa.table({"spend": [1, 2, 3]})).save(tmp_path / "gone" / "matrix.json")


def test_a_matrix_of_an_earlier_version_is_read() -> None:
    """As the first release wrote it into the registry."""
    body = {
        "columns": ["spend", "word"], "scaling": "log-robust", "weights": {"spend": 2.0}, "units": None,
        "parts": [
            {"kind": "number", "name": "spend", "unit": "money", "fill": 0.0, "log": True, "per": 10.0, "low": 0.0,
             "high": 5.0, "centre": 1.0, "scale": 2.0, "weight": 2.0},
            {"kind": "text", "name": "word", "levels": ["cake", "tea"], "other": True, "scale": 0.5, "weight": 1.0},
        ],
        "dropped": {"shop": "all people are alike"},
    }  # fmt: skip
    matrix = Matrix.from_json(body)
    values = matrix.transform(pa.table({"spend": [0, 90], "word": ["tea", "jam"]}))
    np.testing.assert_allclose(values, [[-1, 0, 2, 0], [np.log(10) - 1, 0, 0, 2]], rtol=1e-6)
    assert matrix.to_json() == body


def test_what_cannot_have_an_order() -> None:
    table = pa.table({"age": ["19-24", "65+", "25-34"], "orders": [1, 2, 3]})
    for orders in ({"orders": ["1", "2"]}, {"gone": None}, {"age": ["19-24"]}, {"age": ["a", "a"]}, {"age": "19-24"}):
        with pytest.raises(ParameterError, match="order"):
            Matrix(orders=orders).fit(table)
    assert Matrix(orders={"age": ["a", "b"]}).fit(table).dropped_ == {"age": "nobody has a value"}
    for use in (Matrix().get_feature_names_out, lambda: Matrix().transform_frame(table)):
        with pytest.raises(NotFittedError):
            use()


def test_what_each_person_wrote_is_not_kept_as_an_order() -> None:
    """A free text with a digit in it looks like a range; a model would keep what single people wrote."""
    written = [f"Flat {number}, Mill Lane" for number in range(100)]
    mixed = ["18-24", "25-34"] * 200 + written
    people = pa.table({"orders": list(range(500)), "wrote": mixed})
    assert "Mill Lane" not in json.dumps(Matrix(orders={"wrote": None}).fit(people).to_json())
    alone = Matrix(orders={"wrote": None}).fit(people.slice(400))
    assert alone.dropped_["wrote"] == "its levels are no ranges, or all rarer than one person in 50"
    assert Matrix(orders={"wrote": None}).fit(people.slice(0, 400)).transform(people.slice(0, 2)).shape == (2, 2)
