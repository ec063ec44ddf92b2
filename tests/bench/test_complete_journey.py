"""The reported looks: their judge tells good groupings from bad ones, and their holdouts are kept."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

import complete_journey
import looks
import marketing_campaign
import online_retail
import value_view
from complete_journey import Households

COLUMNS = ("recency_days", "orders", "spend", "spend_90d")


@pytest.fixture(scope="module")
def households() -> Households:
    rng = np.random.default_rng(0)
    n = 500
    level = rng.normal(size=n)
    table = pa.table(
        {
            "person": np.arange(n),
            **{name: np.exp(level + rng.normal(scale=0.5, size=n)) for name in COLUMNS},
        }
    )
    gone = rng.random(n) < 1 / (1 + np.exp(2 * level + 1))
    spend = np.where(gone, 0, np.rint(np.exp(8 + level))).astype(np.int64)
    return Households(table, pa.table({"future_spend_91d": spend, "churned_91d": gone.astype(np.int64)}))


def test_the_judge_ranks_a_telling_past_above_chance_and_below_the_ceiling(households: Households) -> None:
    rows = {row["method"]: row for row in complete_journey.report(households, COLUMNS, {}, 40, rule=False)}
    best, chance = rows["k-means, 8"], rows["random, 8"]
    single = rows["each household: ridge, logistic"]
    assert chance["r2"].value < 0.02 < 0.3 < best["r2"].value
    assert single["r2"].value > 0.4  # linear, so that groups can come near it where the future is not
    assert best["auc"].low > 0.6 > chance["auc"].low
    assert single["auc"].value > best["auc"].value - 0.02
    assert best["r2_in_sample"] > best["r2"].value  # out of fold is the stricter figure
    assert best["groups"] == 8
    assert chance["r2_gap"].high < 0 < best["r2_gap"].low  # one column of many alike tells less than all of them
    own = rows["past spend, 8 equal parts"]
    assert own["r2_gap"].low == own["r2_gap"].high == own["auc_gap"].value == 0.0
    text = complete_journey.markdown(list(rows.values()))
    assert len(text.splitlines()) == len(rows) + 2


def test_the_order_of_households_changes_nothing(households: Households) -> None:
    mixed = np.random.default_rng(1).permutation(households.table.num_rows)
    again = Households(households.table.take(mixed), households.future.take(mixed))
    first, second = (
        {row["method"]: row["r2"] for row in complete_journey.report(one, COLUMNS, {}, 20, rule=False)}
        for one in (households, again)
    )
    assert {name: value for name, value in first.items() if not name.startswith("random")} == {
        name: value for name, value in second.items() if not name.startswith("random")
    }


@pytest.mark.parametrize("script", [complete_journey, online_retail])
def test_the_reported_holdout_is_not_looked_at_in_a_draft(monkeypatch: pytest.MonkeyPatch, script: object) -> None:
    for name in ("everything", "customers"):
        monkeypatch.setattr(script, name, lambda moment: pytest.fail("the holdout was read"), raising=False)
    with pytest.raises(looks.LookRefusedError, match="commit first"):
        script.main(["--window", "september", "--draft"])  # type: ignore[attr-defined]


def test_choices_are_made_on_windows_whose_outcomes_end_before_the_reported_ones() -> None:
    for moments in value_view.SHOPS.values():
        reported = moments["september"]
        assert all((reported - moments[name]).days >= complete_journey.HORIZON for name in value_view.WINDOWS)
    assert complete_journey.MOMENTS["september"] == date(2017, 9, 1)


def test_equal_parts_of_spend() -> None:
    assert np.bincount(complete_journey.quantiles(np.arange(100.0), 5)).tolist() == [20] * 5


def test_campaign_segments_are_judged_on_people_who_did_not_make_them() -> None:
    rng = np.random.default_rng(2)
    n = 400
    columns = (*marketing_campaign.PURCHASES, *marketing_campaign.ENGAGEMENT, *marketing_campaign.DEMOGRAPHICS)
    keen = rng.random(n) < 0.3
    table = pa.table({name: rng.poisson(4, n) + 1.0 for name in columns if name not in ("education", "marital_status")})
    table = table.set_column(
        table.column_names.index("accepted"), "accepted", pa.array(rng.poisson(np.where(keen, 9, 1), n).astype(float))
    )
    for name in ("education", "marital_status"):
        table = table.append_column(name, pa.array(rng.choice(["a", "b", "c"], n)))
    answered = rng.random(n) < np.where(keen, 0.8, 0.05)
    rows = {row["method"]: row for row in marketing_campaign.report(table, answered, 40)}
    assert rows["engagement, 5"]["auc"].low > 0.65 > 0.6 > rows["purchases, 5"]["auc"].value
    assert rows["goal: who answers, 5"]["auc"].low > 0.7
    noise = rng.permutation(answered)  # what nobody can tell, no row tells
    blind = {row["method"]: row for row in marketing_campaign.report(table, noise, 40)}
    assert all(row["auc"].low < 0.55 for row in blind.values())
