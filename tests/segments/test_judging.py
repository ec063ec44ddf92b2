from datetime import datetime

import numpy as np
import pytest

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation.metrics import r2_of_groups
from coterie.segments.clustering import KMeansSegments
from coterie.segments.judging import report_card
from coterie.segments.view import VALUE, VALUE_WEIGHTS

JUNE = datetime(2017, 6, 1)


def card_of(labels, frame, spend, **more):
    return report_card(labels, frame, spend=spend, churned=spend == 0, as_of=JUNE, horizon_days=91, count=60, **more)


@pytest.fixture(scope="module")
def model(households):
    return KMeansSegments(6, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)


@pytest.fixture(scope="module")
def card(households, summer_spend, model):
    stability = model.stability(households, resamples=10)
    return card_of({"k-means": model.labels_}, households, summer_spend, stability=stability, columns=VALUE)


def test_all_baselines_and_the_ceiling_stand_beside_the_model(card, households, summer_spend, model):
    rows = {row.method: row for row in card.rows}
    assert [row.role for row in card.rows] == ["model", *["baseline"] * 4, "ceiling"]
    assert list(rows) == [
        "k-means", "Chance", "Spend quintiles", "RFM cells", "k-means, unscaled", "Each person alone",
    ]  # fmt: skip
    assert rows["k-means"].r2.value == pytest.approx(r2_of_groups(np.log1p(summer_spend / 100), model.labels_))
    assert rows["k-means"].smallest == np.bincount(model.labels_).min()
    assert rows["Spend quintiles"].k == 5
    assert rows["RFM cells"].k > 60
    assert "out of fold" in rows["RFM cells"].note
    assert abs(rows["Chance"].r2.value) < 0.01
    assert rows["Chance"].auc.low < 0.55
    for better, worse in (("k-means", "k-means, unscaled"), ("Each person alone", "k-means")):
        assert rows[better].auc.value > rows[worse].auc.value
    assert rows["Each person alone"].k is None
    for row in card.rows:
        assert row.r2.low <= row.r2.value <= row.r2.high or row.method == "Chance"
    assert card.people == 2372
    assert len(card.stability) == 6
    assert "2,372 people, features as of 2017-06-01" in card.protocol


def test_the_verdict_names_the_strongest_baselines(card):
    assert "They tell who stays away better than" in card.verdict
    assert "RFM cells" in card.verdict
    assert "segments" in card.verdict


def test_a_model_worse_than_a_baseline_is_told_so(households, summer_spend):
    blind = (households["person"].to_numpy() % 4).astype(np.int64)
    card = card_of({"Household number": blind}, households, summer_spend)
    assert "These 4 segments tell future spend WORSE than" in card.verdict


def test_a_model_that_knows_the_future_is_better_than_all(households, summer_spend):
    oracle = np.digitize(summer_spend, np.quantile(summer_spend, [0.1, 0.5, 0.8]))
    card = card_of({"Oracle": oracle}, households, summer_spend)
    assert card.verdict.count("better than") == 2
    assert "WORSE" not in card.verdict
    assert "about as well" not in card.verdict


def test_people_in_another_order_get_the_same_card(card, households, summer_spend, model):
    order = np.random.default_rng(4).permutation(len(households))
    again = card_of(
        {"k-means": model.labels_[order]},
        households.take(order),
        summer_spend[order],
        stability=card.stability,
        columns=VALUE,
    )
    assert again.verdict == card.verdict
    for ours, theirs in zip(again.rows, card.rows, strict=True):
        assert ours.r2.value == pytest.approx(theirs.r2.value, abs=1e-3)


def test_the_currency_sets_what_one_means(households, summer_spend, model):
    yen = card_of({"k-means": model.labels_}, households, summer_spend, currency="JPY", columns=["spend", "orders"])
    assert yen.rows[0].r2.value == pytest.approx(r2_of_groups(np.log1p(summer_spend), model.labels_))


def test_without_churn_only_spend_is_judged(households):
    spend = households["spend"].to_numpy() + 1
    card = card_of({"Halves": (spend < np.median(spend)).astype(int)}, households, spend, columns=["spend", "orders"])
    assert all(row.auc is None for row in card.rows)
    assert "Too few stayed away" in card.protocol
    assert "stays away" not in card.verdict


def test_what_cannot_be_judged_says_so(three_kinds):
    kinds, spend = three_kinds["kind"].to_numpy(), np.ones(150)
    for labels, outcome in (({}, spend), ({"a": kinds[:3]}, spend), ({"a": kinds}, spend[:3]), ({"a": kinds}, -spend)):
        with pytest.raises(ParameterError):
            card_of(labels, three_kinds, outcome)
    with pytest.raises(TooFewPeopleError):
        card_of({"a": kinds[:4]}, three_kinds.slice(0, 4), spend[:4])
