"""When two engines say the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def assert_same(duckdb: pa.Table, spark: pa.Table) -> None:
    """Compare two answers; the tolerance is relative to the largest number of a column."""
    assert spark.schema == duckdb.schema
    assert spark.num_rows == duckdb.num_rows
    different = [name for name in duckdb.column_names if not _equal(duckdb[name], spark[name])]
    pairs = {name: list(zip(duckdb[name].to_pylist(), spark[name].to_pylist(), strict=True)) for name in different}
    assert not different, {name: [pair for pair in both if len(set(pair)) > 1][:3] for name, both in pairs.items()}


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(left.type):
        return bool(left.equals(right))
    if not left.is_null().equals(right.is_null()):
        return False
    mine, theirs = (np.asarray(side.drop_null(), dtype=float) for side in (left, right))
    special = ~np.isfinite(mine)
    finite = np.abs(mine[~special])
    near = np.abs(mine[~special] - theirs[~special]) <= 1e-12 * (finite.max() if len(finite) else 0.0)
    return bool(near.all()) and np.array_equal(mine[special], theirs[special], equal_nan=True)
