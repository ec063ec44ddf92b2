from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import silhouette_score

from coterie.errors import MissingColumnError, ParameterError, TooFewPeopleError
from coterie.evaluation.comparison import difference
from coterie.evaluation.intervals import resamples
from coterie.evaluation.metrics import auc, out_of_fold_means, r2, r2_of_groups
from coterie.evaluation.splits import folds
from coterie.features.matrix import Matrix
from coterie.segments.clustering import KMeansSegments
from coterie.segments.evidence.judge import future_mix
from coterie.segments.evidence.judging import report_card
from coterie.segments.people import one_order, read
from coterie.segments.view import VALUE, VALUE_WEIGHTS

JUNE = datetime(2017, 6, 1)
CHEAP = ("recency_days", "spend")  # columns that cost little where the ceilings are not the point


def card_of(labels, frame, spend, **more):
    return report_card(labels, frame, spend=spend, churned=spend == 0, as_of=JUNE, horizon_days=91, count=60, **more)


@pytest.fixture(scope="module")
def model(households):
    return KMeansSegments(6, columns=VALUE, weights=VALUE_WEIGHTS).fit(households)


@pytest.fixture(scope="module")
def basket(complete_journey_folder):
    """What each household bought from June to August, by department."""
    with duckdb.connect() as warehouse:
        return warehouse.sql(f"""
            SELECT household_id AS person, department AS item, sum(sales_value) AS amount
            FROM '{complete_journey_folder}/transactions.parquet'
            JOIN '{complete_journey_folder}/products.parquet' USING (product_id)
            WHERE transaction_timestamp > TIMESTAMP '2017-06-01' AND transaction_timestamp < TIMESTAMP '2017-08-31'
            GROUP BY ALL
        """).to_arrow_table()


@pytest.fixture(scope="module")
def card(households, summer_spend, model, basket):
    stability = model.stability(households, resamples=10)
    rhythm = KMeansSegments(4, columns=("recency_days", "gap_mean_days")).fit(households).labels_
    return card_of(
        {"k-means": model.labels_},
        households,
        summer_spend,
        stability=stability,
        columns=VALUE,
        mix=basket,
        views={"rhythm": rhythm},
    )


def test_views_baselines_and_ceilings_stand_beside_the_model(card, households, summer_spend, model):
    rows = {row.method: row for row in card.rows}
    assert [row.role for row in card.rows] == ["model", "view", *["baseline"] * 5, *["ceiling"] * 2]
    assert list(rows) == [
        "k-means", "rhythm", "Chance", "Spend in 6 equal parts", "Spend quintiles", "RFM cells", "k-means, unscaled",
        "Each person alone", "Each person alone, boosted trees",
    ]  # fmt: skip
    assert rows["k-means"].r2.value < r2_of_groups(np.log1p(summer_spend / 100), model.labels_)  # out of fold
    assert rows["k-means"].smallest == np.bincount(model.labels_).min()
    assert rows["Spend in 6 equal parts"].k == 6
    assert rows["RFM cells"].k > 60
    assert abs(rows["Chance"].r2.value) < 0.01
    assert abs(rows["Chance"].mix.value) < 0.01
    assert rows["Chance"].auc.low < 0.55
    for better, worse in (("k-means", "k-means, unscaled"), ("Each person alone", "k-means")):
        assert rows[better].auc.value > rows[worse].auc.value
    assert rows["Each person alone"].k is None
    assert rows["Each person alone"].mix.low > rows["k-means"].mix.value
    assert rows["Each person alone, boosted trees"].r2.value > rows["k-means"].r2.value
    for row in card.rows:
        assert row.r2.low <= row.r2.value <= row.r2.high or row.method == "Chance"
        assert (row.silhouette is None) == (row.role == "ceiling")
    assert card.people == card.population == 2372
    assert len(card.stability) == 6
    assert "2,372 people, features as of 2017-06-01" in card.protocol
    mix, silhouette = card.notes
    assert "2,254 people who bought" in mix
    assert "Nothing is chosen by it" in silhouette


def test_its_comparisons_are_the_paired_ones_by_hand(card, households, summer_spend, model):
    data, rows = one_order(read(households), VALUE)
    spend = summer_spend[rows]
    y, gone = np.log1p(spend / 100), (spend == 0).astype(float)
    split, draws = folds(len(y), 5, outcome=gone, seed=0), resamples(len(y), 60, seed=0)
    money = data["spend"].to_numpy()
    parts = np.searchsorted(np.quantile(money, np.arange(1, 6) / 6), money)
    ours = model.labels_[rows]
    for question, truth, figure in (("spend", y, r2), ("churn", gone, auc)):
        told = [out_of_fold_means(truth, groups, split) for groups in (ours, parts)]
        gap = difference(*(lambda drawn, t=t, y=truth, of=figure: of(y[drawn], t[drawn]) for t in told), draws)
        (found,) = [one for one in card.comparisons if one.question == question and one.standing == "equal parts"]
        assert (found.k, found.other_k, found.other) == (6, 6, "Spend in 6 equal parts")
        assert [found.gap.value, found.gap.low, found.gap.high] == pytest.approx([gap.value, gap.low, gap.high])
        assert found.margin == (0.02 if question == "spend" else 0)
    assert {one.other for one in card.comparisons if one.standing == "view"} == {"rhythm"}
    assert {one.question for one in card.comparisons} == {"spend", "churn", "mix"}


def test_the_silhouette_is_sklearns_on_the_scaled_features(three_kinds):
    kinds, spend = three_kinds["kind"].to_numpy(), three_kinds["spend"].to_numpy()
    columns = ["recency_days", "orders", "spend"]
    card = card_of({"kinds": kinds}, three_kinds, spend, columns=columns)
    X = Matrix(columns=columns).fit_transform(three_kinds)
    assert card.rows[0].silhouette == pytest.approx(silhouette_score(X, kinds), abs=1e-3)


def test_the_verdict_names_the_strongest_baselines(card):
    assert card.verdict.startswith("These 6 segments tell future spend ")
    assert "They tell who stays away better than 6 equal parts by past spend (AUC +" in card.verdict
    assert "RFM cells (" in card.verdict


def test_equal_parts_that_are_clearly_better_or_within_the_margin_are_told_so(households, summer_spend):
    money = households["spend"].to_numpy() * np.random.default_rng(0).lognormal(0, 0.05, len(households))
    nearly = np.searchsorted(np.quantile(money, [0.25, 0.5, 0.75]), money)
    wide = card_of({"nearly spend": nearly}, households, summer_spend, columns=CHEAP, margin=0.5)
    assert "4 equal parts by past spend, not more than 0.5 behind (R²" in wide.verdict
    tight = card_of({"nearly spend": nearly}, households, summer_spend, columns=CHEAP, margin=0.0001)
    assert "about as well as 4 equal parts by past spend, perhaps more than 0.0001 behind (R²" in tight.verdict
    blind = (households["person"].to_numpy() % 4).astype(np.int64)
    card = card_of({"Household number": blind}, households, summer_spend, columns=CHEAP)
    assert "future spend WORSE than 4 equal parts by past spend (R²" in card.verdict
    assert "who stays away WORSE than 4 equal parts by past spend (AUC" in card.verdict


def test_a_view_that_is_better_is_said_to_be(households, summer_spend):
    blind = (households["person"].to_numpy() % 4).astype(np.int64)
    oracle = np.digitize(summer_spend, np.quantile(summer_spend, [0.1, 0.5, 0.8]))
    card = card_of({"blind": blind}, households, summer_spend, views={"what will be": oracle}, columns=CHEAP)
    assert "Groups by what will be tell future spend BETTER (R² -" in card.verdict


def test_a_large_shop_is_judged_by_a_sample_that_is_stated(households, summer_spend, model):
    steps = []

    class Steps:
        def step(self, name, done, total=None):
            steps.append((name, done, total))

    card = card_of({"k-means": model.labels_}, households, summer_spend, columns=CHEAP, sample=900, progress=Steps())
    assert (card.people, card.population) == (900, 2372)
    assert card.protocol.startswith("900 people, sampled from 2,372, ")
    assert sum(np.bincount(model.labels_)) > 900 > card.rows[0].smallest
    assert steps[0][1] == 0
    assert steps[-1][1] == steps[-1][2]
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    order = np.random.default_rng(4).permutation(len(households))
    again = card_of(
        {"k-means": model.labels_[order]}, households.take(order), summer_spend[order], columns=CHEAP, sample=900
    )
    assert again.verdict == card.verdict


def test_a_mix_is_shares_by_item_of_those_who_bought():
    people = pa.table({"person": [7, 3, 5], "spend": [1, 2, 3]})
    mix = pa.table(
        {
            "person": [3, 3, 7, 9, 7, 5],
            "item": ["a", "b", "b", "a", "b", "a"],
            "amount": [1.0, 3.0, 2.0, 9.0, 2.0, -4.0],
        }
    )
    shares = future_mix(mix, read(people))
    np.testing.assert_allclose(shares, [[1, 0], [0.75, 0.25], [np.nan, np.nan]])  # "b" sells most: it comes first


def test_a_mix_of_many_items_pools_the_rest():
    items = np.arange(300)
    mix = pa.table({"person": items % 2, "item": items.astype(str), "amount": (300.0 - items)})
    shares = future_mix(mix, read(pa.table({"person": [0, 1], "spend": [1, 2]})))
    assert shares.shape == (2, 100)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[0, 99] > shares[0, 0]


def test_taste_explains_the_mix_that_money_does_not(households, summer_spend, basket, card):
    """People grouped by what they will buy: the figure moves when, and only when, groups know tastes."""
    shares = np.nan_to_num(future_mix(basket, read(households)))
    tastes = np.argmax(shares / np.maximum(shares.mean(axis=0), 1e-3), axis=1).astype(np.int64)
    knowing = card_of({"tastes": tastes}, households, summer_spend, columns=CHEAP, mix=basket).rows[0]
    assert knowing.mix.low > 0.1 > card.rows[0].mix.high


def test_without_lightgbm_the_card_says_why_there_is_no_such_ceiling(households, summer_spend, model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    row = card_of({"k-means": model.labels_}, households, summer_spend, columns=CHEAP).rows[-1]
    assert row.r2 is row.auc is None
    assert "pip install lightgbm" in row.note


def test_a_model_worse_than_a_baseline_is_told_so(households, summer_spend):
    blind = (households["person"].to_numpy() % 4).astype(np.int64)
    card = card_of({"Household number": blind}, households, summer_spend, columns=CHEAP)
    assert "These 4 segments tell future spend WORSE than" in card.verdict
    assert all(one.finding == "worse" for one in card.comparisons if one.standing == "equal parts")


def test_a_model_that_knows_the_future_is_better_than_all(households, summer_spend):
    oracle = np.digitize(summer_spend, np.quantile(summer_spend, [0.1, 0.5, 0.8]))
    card = card_of({"Oracle": oracle}, households, summer_spend, columns=CHEAP)
    assert card.verdict.count("better than 4 equal parts by past spend") == 2
    assert "WORSE" not in card.verdict
    assert "about as well" not in card.verdict


def test_people_in_another_order_get_the_same_card(card, households, summer_spend, model, basket):
    order = np.random.default_rng(4).permutation(len(households))
    rhythm = KMeansSegments(4, columns=("recency_days", "gap_mean_days")).fit(households).labels_
    again = card_of(
        {"k-means": model.labels_[order]},
        households.take(order),
        summer_spend[order],
        stability=card.stability,
        columns=VALUE,
        mix=basket.take(np.random.default_rng(5).permutation(len(basket))),
        views={"rhythm": rhythm[order]},
    )
    assert again.verdict == card.verdict
    for ours, theirs in zip(again.rows, card.rows, strict=True):
        assert ours.r2.value == pytest.approx(theirs.r2.value, abs=1e-3)


def test_the_currency_sets_what_one_means(households, summer_spend, model):
    yen = card_of({"k-means": model.labels_}, households, summer_spend, currency="JPY", columns=["spend", "orders"])
    assert yen.rows[0].r2.value == pytest.approx(r2_of_groups(np.log1p(summer_spend), model.labels_), abs=0.01)
    assert abs(yen.rows[0].r2.value - r2_of_groups(np.log1p(summer_spend / 100), model.labels_)) > 0.03


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
    for more in ({"views": {"a": kinds}}, {"sample": 3}):
        with pytest.raises(ParameterError):
            card_of({"a": kinds}, three_kinds, spend, **more)
    with pytest.raises(TooFewPeopleError):
        card_of({"a": kinds[:4]}, three_kinds.slice(0, 4), spend[:4])
    mix = pa.table({"person": [1000], "item": ["a"], "amount": [1]})
    with pytest.raises(MissingColumnError):
        card_of({"a": kinds}, three_kinds.drop_columns("person"), spend, mix=mix)
    with pytest.raises(ParameterError, match="one row a person"):
        card_of({"a": np.tile(kinds, 2)}, pa.concat_tables([three_kinds] * 2), np.tile(spend, 2), mix=mix)
    few = card_of({"a": kinds}, three_kinds, spend, mix=mix)
    assert few.rows[0].mix is None
    assert "Too few people bought anything" in few.notes[0]
