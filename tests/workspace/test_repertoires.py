"""Repertoires of a shop: as the features of pairs of a person and a category say, at each moment."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie import Workspace
from coterie.features.aggregation import Aggregation
from coterie.features.feature import LIFETIME, ORDER_LINE, Feature
from coterie.predict.propensity.repertoire import TYPE
from coterie.schema import TIME, Purpose
from coterie.workspace.repertoires import with_repertoires

MOMENTS = (datetime(2025, 3, 1), datetime(2025, 9, 1))
_HOW = {
    "lines": (Aggregation("count"), None, "count"),
    "decayed_90d": (Aggregation("decayed", half_life=90), None, "number"),
    "decayed_30d": (Aggregation("decayed", half_life=30), None, "number"),
    "orders": (Aggregation("distinct"), "order_id", "count"),
    "recency_days": (Aggregation("days_since_last"), None, "days"),
    "first_days": (Aggregation("days_since_first"), None, "days"),
}
FEATURES = [
    Feature(name, ORDER_LINE, how, value, LIFETIME, unit=unit, title=name, meaning=name, per="person-category")
    for name, (how, value, unit) in _HOW.items()
]


def test_they_are_what_features_of_pairs_say(shop: Workspace) -> None:
    seen = shop.facts(Purpose.SEGMENTATION)
    spine = seen.spine(list(MOMENTS))
    told = with_repertoires(seen, spine)
    assert told.select(["person", "as_of"]).equals(spine)
    found = {
        (row["person"], row["as_of"], one["item"]): [one[name] for name in _HOW]
        for row in told.to_pylist()
        for one in row["repertoire"]
    }
    want = {}
    for moment in MOMENTS:
        table = shop.build(moment, features=FEATURES, per="person-category").table
        for row in table.filter(pc.greater(table["lines"], 0)).to_pylist():
            want[row["person"], row["as_of"], row["category"]] = [row[name] for name in _HOW]
    assert found.keys() == want.keys()
    assert len({item for _, _, item in found}) == 5
    for key, values in found.items():
        # features count days in whole ones
        np.testing.assert_allclose(values[:4], want[key][:4], rtol=1e-6)
        np.testing.assert_allclose(np.floor(values[4:]), np.floor(np.array(want[key][4:], dtype=float)), atol=0)


def test_rows_come_back_in_their_order_whoever_is_asked_about(shop: Workspace) -> None:
    seen = shop.facts(Purpose.SEGMENTATION)
    spine = seen.spine(list(MOMENTS))
    told = with_repertoires(seen, spine)
    mixed = np.random.default_rng(0).permutation(spine.num_rows)[:50]
    again = with_repertoires(seen, spine.take(pa.array(mixed)))
    assert again.equals(told.take(pa.array(mixed)).combine_chunks())


def test_of_somebody_unknown_nothing_is_known(shop: Workspace) -> None:
    seen = shop.facts(Purpose.SEGMENTATION)
    nobody = pa.table({"person": pa.array([-1], pa.int64()), "as_of": pa.array([MOMENTS[0]], TIME)})
    assert with_repertoires(seen, nobody)["repertoire"].to_pylist() == [[]]
    before = seen.spine(MOMENTS[0]).set_column(
        1, "as_of", pa.repeat(pa.scalar(datetime(2020, 1, 1), TIME), seen.spine(MOMENTS[0]).num_rows)
    )
    assert with_repertoires(seen, before)["repertoire"].type == TYPE
    assert pc.sum(pc.list_value_length(with_repertoires(seen, before)["repertoire"])).as_py() == 0
