"""The reported look: its judge tells good groupings from bad ones, and its holdout is kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import complete_journey
import looks
from first_light import FEATURES


def test_the_judge_ranks_a_telling_past_above_chance_and_below_the_ceiling() -> None:
    rng = np.random.default_rng(0)
    n = 600
    level = rng.normal(size=n)
    table = pa.table(
        {
            "person": np.arange(n),
            **{name: np.exp(level + rng.normal(scale=0.5, size=n)) for name in FEATURES},
        }
    )
    gone = rng.random(n) < 1 / (1 + np.exp(2 * level + 1))
    spend = np.where(gone, 0, np.rint(np.exp(8 + level))).astype(np.int64)
    future = pa.table({"future_spend_91d": spend, "churned_91d": gone.astype(np.int64)})
    rows = {row["method"]: row for row in complete_journey.report(table, future, FEATURES, {}, 40)}
    best, chance = rows["k-means, log-scaled, 8"], rows["random, 8"]
    single = rows["each household: ridge, logistic"]
    assert chance["r2"].value < 0.02 < 0.3 < best["r2"].value
    assert single["r2"].value > 0.4  # linear, so that groups can come near it where the future is not
    assert best["auc"].low > 0.6 > chance["auc"].low
    assert single["auc"].value > best["auc"].value - 0.02
    assert best["r2_in_sample"] > best["r2"].value  # out of fold is the stricter figure
    assert best["groups"] == 8
    mixed = rng.permutation(n)
    again = complete_journey.report(table.take(mixed), future.take(mixed), FEATURES, {}, 40)
    assert {row["method"]: row["r2"] for row in again if not row["method"].startswith("random")} == {
        name: row["r2"] for name, row in rows.items() if not name.startswith("random")
    }
    naive = [row for row in rows.values() if row["role"] == "baseline"]
    strongest = max(naive, key=lambda row: row["r2"].value)
    assert strongest["r2_gap"].low == strongest["r2_gap"].high == 0.0
    text = complete_journey.markdown(list(rows.values()), strongest["method"])
    assert len(text.splitlines()) == len(rows) + 2


def test_the_reported_holdout_is_not_looked_at_in_a_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete_journey, "households", lambda moment: pytest.fail("the holdout was read"))
    with pytest.raises(looks.LookRefusedError, match="commit first"):
        complete_journey.main(["--window", "september", "--draft"])


def test_equal_parts_of_spend() -> None:
    assert np.bincount(complete_journey.quantiles(np.arange(100.0), 5)).tolist() == [20] * 5
