import json
from dataclasses import asdict
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import MissingColumnError, ParameterError
from coterie.features.matrix import Matrix
from coterie.segments.clustering import KMeansSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.rfm import RFMSegments
from coterie.segments.surrogate import surrogate
from coterie.segments.view import VALUE, VALUE_WEIGHTS
from coterie.segments.words.description import UNITS, describe
from coterie.segments.words.naming import distinct_names

ABOUT = {"recency_days": ("Days since last order", "days"), "orders": ("Orders", "count"), "spend": ("Spend", "money")}


@pytest.fixture(scope="module")
def labels(households):
    return KMeansSegments(6, columns=VALUE, weights=VALUE_WEIGHTS).fit(households).labels_


def test_figures_are_those_of_the_people(households, labels):
    described = describe(households, labels)
    spend = households["spend"].to_numpy()
    assert [one.segment for one in described] == list(range(6))
    assert sum(one.size for one in described) == 2372
    assert sum(one.share for one in described) == pytest.approx(1)
    assert sum(one.value_share for one in described) == pytest.approx(1)
    for one in described:
        here = labels == one.segment
        assert one.size == here.sum()
        assert one.value == spend[here].sum()
        assert {trait.feature for trait in one.traits} == set(VALUE)
        effects = [abs(trait.effect) for trait in one.traits]
        assert effects == sorted(effects, reverse=True)
        for trait in one.traits:
            values = households[trait.feature].to_numpy()
            meant = {"money": 0, "count": 0, "days": np.inf}.get(trait.unit, np.nan)  # nothing happened
            values = np.where(np.isnan(values), meant, values)
            assert trait.unit in UNITS
            for told, those in ((trait.typical, values[here]), (trait.base, values)):
                middle = np.nanmedian(those)
                assert told == pytest.approx(middle if np.isfinite(middle) else np.nan, nan_ok=True)


def test_effects_are_in_standard_deviations_of_everybody(households):
    # shares are neither logged nor (here) clipped away, so the effect can be had by hand
    share = households["weekend_share"].to_numpy()
    labels = (share <= 0.3).astype(int)
    low, high = np.quantile(share, [0.005, 0.995])
    scaled = np.clip(share, low, high)
    scaled = (scaled - scaled.mean()) / scaled.std()
    for one in describe(households, labels):
        trait = next(trait for trait in one.traits if trait.feature == "weekend_share")
        assert trait.effect == pytest.approx(scaled[labels == one.segment].mean(), abs=1e-3)


def test_medians_are_of_all_people_not_of_the_few_to_whom_it_happened():
    # A third bought lately, and of one segment a single person did: for £17.85, which is not typical of anybody.
    lately = [1785.0] + [None] * 5 + [None] * 3 + [33100.0] * 3
    gap = [40.0] * 6 + [158.0] + [None] * 5
    people = pa.table({"spend": [9000.0] * 6 + [100.0] * 6, "spend_30d": lately, "gap_mean_days": gap})
    first, second = describe(people, np.repeat([0, 1], 6))
    figures = {(one.segment, trait.feature): trait for one in (first, second) for trait in one.traits}
    assert [figures[segment, "spend_30d"].typical for segment in (0, 1)] == [0, 16550]
    assert figures[0, "spend_30d"].base == 0
    assert figures[0, "gap_mean_days"].typical == 40
    assert figures[0, "gap_mean_days"].base == 99  # between 40 and 158: who came once is further on than both
    assert np.isnan(figures[1, "gap_mean_days"].typical)  # one of six came back: nobody knows the rhythm of the rest
    assert "158" not in " ".join(second.sentences)


def test_the_same_people_and_segments_give_the_same_words_in_any_order(households, labels):
    order = np.random.default_rng(1).permutation(len(labels))
    ordered, shuffled = describe(households, labels), describe(households.take(order), labels[order])
    assert shuffled == ordered
    assert describe(households.to_pandas(), labels) == ordered


@pytest.mark.parametrize("k", [2, 5, 8, 12])
def test_no_two_segments_share_a_name_and_names_are_short(households, k):
    for model in (KMeansSegments(k, columns=VALUE, weights=VALUE_WEIGHTS), WardSegments(k, columns=VALUE)):
        names = [one.name for one in describe(households, model.fit(households).labels_)]
        assert len(set(names)) == k
        assert all(2 <= len(name.split()) <= 4 for name in names)
        assert not any(letter.isdigit() for name in names for letter in name)


SAYS = {  # word of a name → the feature that it is about, and which way
    "big-basket": ("basket_value", 1),
    "small-basket": ("basket_value", -1),
    "lapsing": ("recency_days", 1),
    "lapsed": ("recency_days", 1),
    "active": ("recency_days", -1),
    "new": ("tenure_days", -1),
    "devoted": ("orders", 1),
    "loyal": ("spend", 1),
    "top": ("spend", 1),
    "regulars": ("active_days", 1),
    "occasional": ("orders", -1),
    "light": ("orders", -1),
    "weekend": ("weekend_share", 1),
    "weekday": ("weekend_share", -1),
    "one-aisle": ("top_category_share", 1),
    "many-aisle": ("top_category_share", -1),
    "few-aisle": ("categories", -1),
    "all-round": ("categories", 1),
    "bargain-minded": ("discount_share", 1),
    "full-price": ("discount_share", -1),
}


@pytest.mark.parametrize("k", [3, 6, 9, 11])
def test_each_word_of_a_name_is_true_of_real_people(households, k):
    told = set()
    for one in describe(households, KMeansSegments(k, columns=VALUE, weights=VALUE_WEIGHTS).fit(households).labels_):
        effects = {trait.feature: trait.effect for trait in one.traits}
        for word in one.name.lower().split():
            if word in SAYS:
                feature, sign = SAYS[word]
                assert effects[feature] * sign >= 0.2, (one.name, word, effects[feature])
                told.add(word)
    assert len(told) >= 3


def test_names_of_a_whole_tree_are_distinct_short_and_say_nothing_twice(households):
    nodes = WardSegments(6, columns=VALUE, weights=VALUE_WEIGHTS).fit(households).tree(40)
    names = [node.name for node in nodes]
    assert len(nodes) == 79
    assert len(set(names)) == len(names)
    assert all(len(name.split()) <= 5 for name in names)
    twice = (
        "light small-basket",
        "light low-spend",
        "frequent regulars",
        "infrequent shoppers light",
        "seldom-seen one-time",
    )
    assert not [name for name in names if any(words in name.lower() for words in twice)]


@pytest.mark.parametrize(
    ("effect", "orders", "name"),
    [
        ({"orders": 1.2, "spend": 1.0, "recency_days": -0.8}, 40, "Devoted regulars"),
        ({"orders": 1.2, "spend": 1.4, "recency_days": -0.8}, 40, "Top regulars"),
        ({"orders": 0.7, "spend": 0.6, "basket_value": 0.8}, 20, "Loyal big-basket regulars"),
        ({"orders": 0.8, "spend": 0.3, "basket_value": -0.5}, 20, "Busy small-basket regulars"),
        ({"orders": -1.4, "spend": -1.5, "basket_value": -0.6, "recency_days": 1.2}, 3, "Lapsing light shoppers"),
        ({"orders": -1.1, "spend": -0.4, "basket_value": 1.1, "recency_days": 1.7}, 3, "Lapsed big-basket shoppers"),
        ({"orders": -0.7, "spend": 0.1, "basket_value": 1.0}, 5, "Occasional big-basket shoppers"),
        ({"orders": -2.0, "spend": -2.3, "basket_value": -1.2, "recency_days": 1.4}, 1, "Lapsing one-time buyers"),
        ({"orders": -0.9, "basket_value": -0.8, "tenure_days": -1.6}, 2, "New small-basket shoppers"),
        ({"orders": 0.1, "spend": 0.2, "recency_days": 0.1}, 9, "Steady shoppers"),
        ({"email_open_rate": 1.0}, 0, "People"),
    ],
)
def test_names_are_what_a_marketer_would_say(effect, orders, name):
    assert distinct_names([effect], [{"orders": float(orders), "recency_days": 30.0}], {"recency_days": 10.0}) == [name]


def test_rfm_segments_are_described_too(households):
    rfm = RFMSegments().fit(households)
    described = describe(households, rfm.labels_)
    assert len({one.name for one in described}) == rfm.k_


def test_words_say_what_the_figures_say(three_kinds):
    described = describe(three_kinds, three_kinds["kind"].to_numpy(), ABOUT)
    best, _, gone = described
    assert "regulars" in best.name
    assert "laps" in gone.name.lower()
    assert "occasional" in gone.name.lower() or "one-time" in gone.name.lower()
    assert best.exemplars == best.notes == ()
    assert best.rule is None
    assert best.trend is None
    assert best.sentences[0].startswith("60 people (40% of all) brought 83% of all spend: $53.1\u202fk.")
    assert "has ordered 41 times (everyone: 11)" in best.sentences[1]
    assert "twice" in gone.sentences[1]
    assert "145\u00a0days ago (19\u00a0days)" in gone.sentences[1]
    assert all(2 <= len(one.sentences) <= 3 for one in described)
    assert "€" in describe(three_kinds, three_kinds["kind"].to_numpy(), ABOUT, currency="EUR")[0].sentences[0]


@settings(max_examples=60)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(VALUE), st.integers(-30, 30).map(lambda n: n / 10)), min_size=1, max_size=12
    )
)
def test_names_are_always_distinct(effects):
    typical = [{"orders": 1.0 if one.get("orders", 0) < -2 else 9.0, "recency_days": 30.0} for one in effects]
    names = distinct_names(effects, typical, {"recency_days": 10.0})
    assert len(set(names)) == len(effects)
    assert all(name and name[0].isupper() for name in names)
    assert names == distinct_names(effects, typical, {"recency_days": 10.0})


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(VALUE), st.integers(-30, 30).map(lambda n: n / 10), min_size=1))
def test_no_name_says_more_than_the_figures(effect):
    (name,) = distinct_names([effect], [{"orders": 9.0, "recency_days": 30.0}], {"recency_days": 10.0})
    words = name.lower().split()
    if "lapsing" in words or "lapsed" in words:
        assert effect["recency_days"] > 0
    if "big-basket" in words:
        assert effect["basket_value"] > 0
    if "new" in words:
        assert effect["tenure_days"] < 0
    if "light" in words:
        assert effect["basket_value"] < 0
        assert min(effect.get(one, 0) for one in ("orders", "orders_90d", "active_days")) < 0
    if "occasional" in words:
        assert min(effect.get(one, 0) for one in ("orders", "orders_90d", "active_days")) < 0
    if "small-basket" in words:
        assert effect["basket_value"] < 0
    if "regulars" in words:
        assert max(effect.get(one, 0) for one in ("orders", "orders_90d", "active_days")) > 0
    if {"loyal", "top", "devoted"} & set(words):
        assert max(effect.get(one, 0) for one in ("spend", "spend_90d")) > 0


def test_one_segment_of_everybody_claims_nothing(households):
    (everybody,) = describe(households, np.zeros(len(households), dtype=int))
    assert everybody.share == everybody.value_share == 1
    assert everybody.sentences[-1] == "In everything else they are much like everybody."
    assert all(abs(trait.effect) < 1e-6 for trait in everybody.traits)


def test_features_that_do_not_vary_or_are_unknown_are_not_spoken_of():
    people = pa.table(
        {"spend": [100, 200, 300, 400], "orders": [2, 2, 2, 2], "recency_days": pa.array([None] * 4, pa.float64())}
    )
    described = describe(people, np.array([1, 1, 0, 0]), ABOUT)
    assert {trait.feature for one in described for trait in one.traits} == {"spend"}
    assert all("ordered" not in " ".join(one.sentences) for one in described)


def test_what_cannot_be_described_says_so(three_kinds):
    kinds = three_kinds["kind"].to_numpy()
    with pytest.raises(ParameterError, match="labels"):
        describe(three_kinds, kinds[:-1], ABOUT)
    with pytest.raises(ParameterError, match="labels"):
        describe(three_kinds, kinds - 1, ABOUT)
    with pytest.raises(ParameterError, match="furlongs"):
        describe(three_kinds, kinds, {"orders": ("Orders", "furlongs")})
    with pytest.raises(MissingColumnError, match="spend"):
        describe(three_kinds.drop(["spend"]), kinds, {"orders": ABOUT["orders"]})


def test_exemplars_rules_trend_and_notes_are_told_with_the_segment(three_kinds):
    kinds = three_kinds["kind"].to_numpy()
    keys = pa.array(three_kinds["person"].to_numpy() + 10**12)
    frame = three_kinds.set_column(0, "person", keys).append_column(
        "channel", pa.array(np.array(["web", "web", "till"])[kinds].tolist())
    )
    columns = ["recency_days", "orders", "spend", "channel"]
    matrix = Matrix(columns=columns).fit(frame)
    rules = {one.segment: one for one in surrogate(frame, kinds, columns=columns[:3])}
    gender = pa.table({"gender": np.array(["f", "m", "m"])[kinds].tolist()})
    told = describe(frame, kinds, ABOUT, matrix=matrix, rules=rules, protected=gender, minimum_group=20)
    plain = describe(frame, kinds, ABOUT)
    assert [one.sentences for one in told] == [one.sentences for one in plain]
    for one in told:
        assert [figure.feature for figure in one.exemplars[0].figures] == [*ABOUT, "channel"]
        assert len(one.exemplars) == 3
        assert {exemplar.segment for exemplar in one.exemplars} == {one.segment}
        assert one.rule == rules[one.segment]
    assert told[0].exemplars[0].figures[3].value == "web"
    assert [(note.group, note.kind) for note in told[0].notes] == [("f", "equals")]
    assert all(note.segment == one.segment for one in told for note in one.notes)
    text = json.dumps([asdict(one) for one in told])
    assert not [person for person in keys.to_pylist() if str(person) in text]


def test_a_trend_compares_with_the_same_segment_earlier(three_kinds):
    kinds = three_kinds["kind"].to_numpy()
    since = datetime(2017, 3, 1)
    earlier = describe(three_kinds.slice(20, 100), kinds[20:120], ABOUT)  # 40, 50 and 10 of the 60, 50 and 40
    best, middle, gone = describe(three_kinds, kinds, ABOUT, before=earlier, since=since)
    assert (best.trend.size, best.trend.share, best.trend.value) == (40, 0.4, earlier[0].value)
    assert best.trend.since == "2017-03-01T00:00:00"
    was, now = earlier[0].value_share, best.value_share
    assert best.trend.sentence == (
        "Since 2017-03-01 it has grown from 40 to 60 people (+50%); "
        f"its part of all spend went from {was:.0%} to {now:.0%}."
    )
    assert middle.trend.sentence.startswith("Since 2017-03-01 it kept its 50 people; its part of all spend went from ")
    assert "grown from 10 to 40 people (+300%)" in gone.trend.sentence
    (then, *_) = describe(
        three_kinds.slice(20, 100), kinds[20:120], ABOUT, before=describe(three_kinds, kinds, ABOUT), since=since
    )
    assert "shrunk from 60 to 40 people (−33%)" in then.trend.sentence
    assert describe(three_kinds, kinds, ABOUT, before=earlier[:1], since=since)[1].trend is None  # it was not there yet
    (alike, *_) = describe(three_kinds, kinds, ABOUT, before=describe(three_kinds, kinds, ABOUT), since=since)
    assert alike.trend.sentence == "Since 2017-03-01 it kept its 60 people; its part of all spend stayed at 83%."


def test_protected_traits_must_be_of_the_same_people(three_kinds):
    with pytest.raises(ParameterError, match="as many as people"):
        describe(three_kinds, three_kinds["kind"].to_numpy(), ABOUT, protected=pa.table({"gender": ["f"]}))
    with pytest.raises(ParameterError, match="since"):
        describe(
            three_kinds,
            three_kinds["kind"].to_numpy(),
            ABOUT,
            before=describe(three_kinds, three_kinds["kind"].to_numpy(), ABOUT),
        )
