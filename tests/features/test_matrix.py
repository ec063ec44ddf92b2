"""The matrix fills, logs, clips, scales and names as it says, for any dataframe, in any order, and survives JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import MissingColumnError, NotFittedError, NoVariationError, ParameterError, TooFewPeopleError
from coterie.features.matrix import SCALINGS, Matrix, NumberColumn, TextColumn


def people(count: int = 400, seed: int = 7) -> pa.Table:
    generator = np.random.default_rng(seed)
    gone = generator.random(count) < 0.1
    columns: dict[str, Any] = {
        "person": np.arange(count),
        "spend": pa.array(generator.lognormal(8, 1.5, count).astype(int), mask=gone),
        "orders": generator.poisson(3, count),
        "recency_days": pa.array(generator.exponential(40, count), mask=gone),
        "discount_share": pa.array(generator.random(count), mask=gone),
        "top_category": pa.array(generator.choice(["tea", "cake", "jam"], count), mask=gone),
        "member": generator.random(count) < 0.5,
        "same": np.ones(count),
    }
    return pa.table(columns)


def part(matrix: Matrix, name: str) -> NumberColumn:
    found = next(part for part in matrix.parts_ if part.name == name)
    assert isinstance(found, NumberColumn)
    return found


@pytest.mark.parametrize(
    "convert", [lambda t: t, pl.from_arrow, lambda t: t.to_pandas(), lambda t: t.to_pandas(types_mapper=pd.ArrowDtype)]
)
def test_any_dataframe_gives_the_same_matrix(convert: Any) -> None:
    table = people()
    matrix = Matrix().fit(table)
    other = Matrix().fit(convert(table))
    assert other.columns_ == matrix.columns_
    np.testing.assert_allclose(other.transform(convert(table)), matrix.transform(table), rtol=1e-6)
    assert matrix.transform(table).dtype == np.float32


@pytest.mark.parametrize("scaling", SCALINGS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_row_order_does_not_matter_and_nothing_is_left_missing(scaling: str, seed: int) -> None:
    table = people(120, seed)
    order = np.random.default_rng(seed).permutation(120)
    matrix, shuffled = Matrix(scaling=scaling).fit(table), Matrix(scaling=scaling).fit(table.take(order))
    values = matrix.transform(table)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(shuffled.transform(table), values, rtol=1e-5, atol=1e-6)
    assert shuffled.fingerprint == matrix.fingerprint
    # no column weighs much more than another, whatever its shape
    assert (values.std(axis=0) < 2.01).all()


def test_missing_values_are_filled_by_unit() -> None:
    table = people()
    matrix = Matrix().fit(table)
    recency = [value for value in table["recency_days"].to_pylist() if value is not None]
    shares = [value for value in table["discount_share"].to_pylist() if value is not None]
    assert part(matrix, "spend").fill == 0
    assert part(matrix, "recency_days").fill == max(recency)
    assert part(matrix, "discount_share").fill == pytest.approx(np.median(shares))
    assert "top_category=missing" in matrix.columns_


def test_infinities_and_nans_count_as_missing() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    matrix = Matrix(units={"x": "number"}).fit({"x": values} and pa.table({"x": values}))
    odd = matrix.transform(pa.table({"x": [float("nan"), float("inf"), float("-inf"), None]}))
    assert (odd == matrix.transform(pa.table({"x": [2.5]}))).all()


def test_only_skewed_columns_that_are_never_negative_are_logged() -> None:
    skewed = np.random.default_rng(1).lognormal(3, 1.5, 500)
    table = pa.table(
        {"amount": skewed, "even": np.arange(500.0), "debt": skewed - 5, "part_share": skewed / skewed.max()}
    )
    matrix = Matrix().fit(table)
    assert [part(matrix, name).log for name in table.column_names] == [True, False, False, False]
    assert not any(part(Matrix(scaling="robust").fit(table), name).log for name in table.column_names)


def test_outliers_are_pulled_in_and_new_people_use_the_fitted_numbers() -> None:
    values = np.append(np.arange(1000.0), 1e9)
    matrix = Matrix(scaling="standard").fit(pa.table({"x": values}))
    limits = part(matrix, "x")
    assert limits.high < 1001
    one = matrix.transform(pa.table({"x": [1e12]}))
    assert one[0, 0] == pytest.approx((limits.high - limits.centre) / limits.scale)


def test_text_becomes_indicators_that_weigh_as_one_number() -> None:
    levels = ["tea"] * 60 + ["cake"] * 30 + ["jam"] * 9 + ["salt"]
    matrix = Matrix().fit(pa.table({"favourite": levels}))
    assert matrix.columns_ == ("favourite=cake", "favourite=jam", "favourite=tea", "favourite=other")
    values = matrix.transform(pa.table({"favourite": levels}))
    assert values.astype(float).var(axis=0).sum() == pytest.approx(1, rel=1e-5)
    unseen = matrix.transform(pa.table({"favourite": ["pepper", "salt"]}))
    assert (unseen[0] == unseen[1]).all()


def test_a_level_that_was_never_seen_is_none_of_the_levels() -> None:
    matrix = Matrix().fit(pa.table({"favourite": ["tea", "cake"] * 50}))
    assert (matrix.transform(pa.table({"favourite": ["jam", None]})) == 0).all()


def test_what_all_share_is_dropped_and_named() -> None:
    table = people().append_column("nothing", pa.nulls(400, pa.float64()))
    rare = np.zeros(400)
    rare[0] = 1
    matrix = Matrix().fit(table.append_column("rare", pa.array(rare)))
    assert matrix.dropped_ == {
        "same": "all people are alike",
        "nothing": "nobody has a value",
        "rare": "fewer than one person in 200 differs",
    }
    assert not set(matrix.dropped_) & set(matrix.columns_)


def test_weights_scale_columns() -> None:
    table = people()
    plain, heavy = Matrix(["spend", "orders"]).fit(table), Matrix(["spend", "orders"], weights={"spend": 2}).fit(table)
    np.testing.assert_allclose(heavy.transform(table), plain.transform(table) * [2, 1], rtol=1e-6)


def test_a_fitted_matrix_survives_json() -> None:
    table = people()
    matrix = Matrix(weights={"orders": 0.5}).fit(table)
    again = Matrix.from_json(json.loads(json.dumps(matrix.to_json())))
    assert again.fingerprint == matrix.fingerprint
    assert again.columns_ == matrix.columns_
    assert (again.transform(table) == matrix.transform(table)).all()
    assert Matrix().fit(table).fingerprint != matrix.fingerprint
    assert any(isinstance(part, TextColumn) for part in again.parts_)


def test_columns_are_found_by_name_whatever_else_is_there() -> None:
    table = people()
    matrix = Matrix(["orders", "spend"]).fit(table)
    assert matrix.columns_ == ("orders", "spend")
    turned = table.select(["same", "spend", "person", "orders"])
    assert (matrix.transform(turned) == matrix.transform(table)).all()


def test_failures_say_what_to_do() -> None:
    table = people()
    for bad in (
        {"scaling": "none"},
        {"columns": ["orders", "orders"]},
        {"weights": {"orders": 0}},
        {"units": {"orders": "pieces"}},
        {"weights": {"gone": 1}},
    ):
        with pytest.raises(ParameterError):
            Matrix(**bad).fit(table)  # type: ignore[arg-type]
    with pytest.raises(MissingColumnError, match="spent"):
        Matrix(["spent"]).fit(table)
    with pytest.raises(MissingColumnError, match="spend"):
        Matrix(["spend"]).fit(table).transform(table.select(["orders"]))
    with pytest.raises(TooFewPeopleError):
        Matrix().fit(table.slice(0, 1))
    with pytest.raises(NoVariationError):
        Matrix(["same"]).fit(table)
    for use in (Matrix().to_json, lambda: Matrix().transform(table)):
        with pytest.raises(NotFittedError):
            use()
    with pytest.raises(ParameterError):
        Matrix().set_params(scale="log")


def test_it_says_of_each_column_why_it_tells_nothing() -> None:
    people = pa.table({"one": [1] * 60, "two": [2] * 60, "name": [f"person {number}" for number in range(60)]})
    with pytest.raises(NoVariationError) as refused:
        Matrix().fit(people)
    assert refused.value.message == (
        "All 60 people look the same to it. one, two: all people are alike. "
        "name: its levels are all rarer than one person in 50."
    )
    with pytest.raises(ParameterError, match="columns must be a list of names, got 'one'"):
        Matrix(columns="one").fit(people)


def test_parameters_are_scikit_learns() -> None:
    from sklearn.base import clone

    matrix = Matrix(["orders"], scaling="robust", weights={"orders": 2.0}).fit(people())
    copy = clone(matrix)
    assert copy.get_params() == matrix.get_params()
    assert not hasattr(copy, "columns_")
