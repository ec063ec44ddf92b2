"""One person's row is what the table's transform makes of the same person, bit for bit, whatever is known of them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import MissingColumnError, NotFittedError, ParameterError
from coterie.features.matrix import SCALINGS, Matrix

AGES = ["19-24", "25-34", "35-44", "65+"]
TYPES = {
    "spend": pa.int64(),
    "recency_days": pa.float64(),
    "part_share": pa.float64(),
    "ratio": pa.float32(),
    "member": pa.bool_(),
    "channel": pa.string(),
    "age": pa.string(),
}


def people(count: int = 300) -> pa.Table:
    random = np.random.default_rng(2)
    gone = random.random((6, count)) < 0.1
    return pa.table(
        {
            "channel": pa.array(random.choice(["web", "store", "app", "phone"], count), mask=gone[0]),
            "spend": pa.array(random.lognormal(8, 2, count).astype(int), mask=gone[1]),
            "recency_days": pa.array(random.exponential(30, count), mask=gone[2]),
            "age": pa.array(random.choice([*AGES, "unknown"], count), mask=gone[3]),
            "part_share": random.random(count),
            "ratio": pa.array(random.normal(size=count).astype(np.float32), mask=gone[4]),
            "member": pa.array(random.random(count) < 0.3, mask=gone[5]),
            "same": np.ones(count),
        }
    )


MATRICES = {
    (scaling, told): Matrix(scaling=scaling, orders={"age": AGES}, weights={"spend": 0.3}, add_indicator=told).fit(
        people()
    )
    for scaling in SCALINGS
    for told in (False, True)
}
floats = st.none() | st.floats() | st.sampled_from([-0.0, 1e308, -1e308, 1e150, 5e-324]) | st.floats(-1, 1e5)
persons = st.fixed_dictionaries(
    {
        "spend": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 10**6),
        "recency_days": floats,
        "part_share": floats,
        "ratio": st.none() | st.floats(width=32),
        "member": st.none() | st.booleans(),
        "channel": st.none() | st.sampled_from(["web", "app", "other", "missing", "letter", ""]) | st.text(max_size=4),
        "age": st.none() | st.sampled_from([*AGES, "unknown", "missing", "other"]),
    }
)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("scaling", SCALINGS)
@settings(max_examples=60, deadline=None)
@given(person=persons)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_row_is_that_of_the_table(scaling: str, told: bool, person: dict[str, Any]) -> None:
    matrix = MATRICES[scaling, told]
    table = pa.table({name: pa.array([value], TYPES[name]) for name, value in person.items()})
    row = matrix.row(person)
    assert row.dtype == np.float32
    assert row.tobytes() == matrix.transform(table)[0].tobytes()
    again = Matrix.from_json(json.loads(json.dumps(matrix.to_json())))
    assert again.row(person).tobytes() == row.tobytes()


@pytest.mark.parametrize("told", [False, True])
def test_everybody_of_the_table_has_their_row(told: bool) -> None:
    matrix = MATRICES["log-robust", told]
    rows = np.stack([matrix.row(person) for person in people().to_pylist()])
    assert rows.tobytes() == matrix.transform(people()).tobytes()


def test_values_of_other_kinds_count_as_in_a_table() -> None:
    matrix = MATRICES["log-robust", True]
    plain: dict[str, Any] = {**people().slice(5, 1).to_pylist()[0], "spend": 70, "member": True, "channel": "web"}
    expected = matrix.row(plain)
    for name, values in {
        "spend": [70.0, np.int64(70), np.uint8(70), np.float64(70), Decimal(70)],
        "member": [1, 1.0, np.bool_(True)],
        "channel": [np.str_("web")],
    }.items():
        for value in values:
            np.testing.assert_array_equal(matrix.row({**plain, name: value}), expected)
    missing = matrix.row({**plain, "spend": None, "channel": None})
    for nothing in (pd.NA, float("nan"), np.nan):
        np.testing.assert_array_equal(matrix.row({**plain, "spend": nothing, "channel": nothing}), missing)
    assert not np.array_equal(missing, expected)


def test_what_else_is_known_does_not_matter() -> None:
    matrix = Matrix(["spend"]).fit(people())
    assert matrix.row({"spend": 9, "same": 3, "name": "Ada"}) == matrix.row({"spend": 9})


def test_what_is_no_row_is_refused_without_telling_its_values() -> None:
    matrix = MATRICES["log-robust", False]
    person = people().slice(0, 1).to_pylist()[0]
    with pytest.raises(MissingColumnError, match="channel"):
        matrix.row({name: value for name, value in person.items() if name != "channel"})
    for wrong in ("31415", date(2027, 3, 14), 10**400, object(), [3, 1]):
        with pytest.raises(ParameterError, match="spend") as refused:
            matrix.row({**person, "spend": wrong})
        assert not {"31415", "14", "000"} & set(str(refused.value).replace("-", " ").split())
    with pytest.raises(NotFittedError):
        Matrix().row(person)
