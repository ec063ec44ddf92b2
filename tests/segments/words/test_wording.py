"""Names by what a view sees: true, distinct, short, of no single person."""

import numpy as np
import pyarrow as pa
import pytest

from coterie.segments.clustering import KMeansSegments
from coterie.segments.view import VALUE, VIEWS
from coterie.segments.words.description import describe
from coterie.segments.words.levels import Level
from coterie.segments.words.naming import distinct_names
from coterie.segments.words.wording import names_by


def level(column, place, words, effect=1.0):
    return Level(column, place, words, 80, 100, 0.3, effect)


KIDS = level("kids_count", "after", "with kids", 1.2)
OWN = level("home_ownership", "noun", "Homeowners", 1.1)
AGE = level("age", "comma", "45-54", 1.0)
MARRIED = level("marital_status", "before", "Married", 0.9)
NOTHING = level("", "noun", "unknown", 2.0)
TRAITS = ("age", "kids_count", "home_ownership", "marital_status")


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        ((KIDS, OWN, AGE), "Homeowners with kids, 45-54"),
        ((KIDS, MARRIED), "Married people with kids"),
        ((AGE,), "People, 45-54"),
        ((NOTHING, AGE), "Demographics unknown"),
        ((), "Mixed demographics"),
        ((level("age", "comma", "45-54", 0.1),), "Mixed demographics"),
    ],
)
def test_levels_make_a_name(levels, name):
    assert names_by(TRAITS, [{}], [{}], {}, [levels]) == [name]


def test_two_with_the_same_levels_are_told_apart():
    names = names_by(TRAITS, [{}, {}, {}], [{}, {}, {}], {}, [(KIDS, AGE), (KIDS, AGE), (KIDS,)])
    assert len(set(names)) == 3
    assert all("with kids" in name or "45-54" in name for name in names)


def engaged(coupons, campaign, median=1.0, lately=1.0):
    effects = {"coupons_90d": coupons, "coupons_365d": coupons, "campaign_response": campaign}
    typical = {"coupons_90d": lately, "coupons_365d": median, "campaign_response": float(campaign > 0)}
    return effects, typical


def test_engagement_is_named_by_what_most_of_them_do():
    people = [engaged(4.0, 1.0), engaged(2.0, 1.0), engaged(2.0, 0.0, lately=0.0), engaged(-0.1, -0.1, 0.0, 0.0)]
    people += [engaged(1.0, 5.0)]
    seen = ("coupons_90d", "coupons_365d", "campaign_response")
    names = names_by(seen, *zip(*people, strict=True), dict.fromkeys(seen, 0.0), [()] * 5)
    assert names == [
        "Keen coupon users", "Campaign-answering coupon users", "Past coupon users", "Little engaged",
        "Campaign responders",
    ]  # fmt: skip


def test_a_combined_view_is_named_by_what_sets_apart_most():
    regular = {"orders": 1.2, "spend": 1.0}
    coupons = {**regular, **engaged(3.0, 0.0)[0]}
    seen = (*VALUE, "coupons_90d", "coupons_365d", "kids_count")
    typical = [{"orders": 30.0}, {"orders": 30.0, **engaged(3.0, 0.0)[1]}, {"orders": 9.0}]
    names = names_by(seen, [regular, coupons, {"orders": 0.0}], typical, {"recency_days": 1.0}, [(KIDS,), (), ()])
    assert names == ["Devoted regulars with kids", "Devoted coupon-using regulars", "Steady shoppers"]


def test_purchases_alone_are_named_as_ever():
    effects, typical = [{"orders": 1.2, "spend": 1.0}, {"orders": -1.2}], [{"orders": 9.0}, {"orders": 1.0}]
    assert names_by(VALUE, effects, typical, {}, [(), ()]) == distinct_names(effects, typical, {})


def test_traits_told_in_numbers_are_named_too():
    people = pa.table({"age": [70, 71, 72, 20, 21, 22] * 20, "spend": [100, 200, 300] * 40})
    labels = np.array([0, 0, 0, 1, 1, 1] * 20)
    names = [one.name for one in describe(people, labels, {"age": ("Age", "number")}, seen=("age",))]
    assert names == ["Older people", "Younger people"]


@pytest.fixture(scope="module")
def told(households):
    """The households with ages, kids and homes that go with what they spend, unknown of a third, and coupons."""
    random = np.random.default_rng(5)
    rank = np.argsort(np.argsort(households["spend"].to_numpy())) / len(households)
    blur = np.clip(rank + random.normal(0, 0.2, len(rank)), 0, 0.999)
    hidden = random.random(len(rank)) < 0.33

    def column(levels):
        return pa.array(np.array(levels)[(blur * len(levels)).astype(int)].tolist(), pa.string(), mask=hidden)

    table = households.append_column("age", column(["19-24", "25-34", "35-44", "45-54", "65+"]))
    table = table.append_column("kids_count", column(["0", "1", "2"]))
    table = table.append_column("home_ownership", column(["Renter", "Homeowner"]))
    coupons = np.where(random.random(len(rank)) < 0.1, random.integers(1, 5, len(rank)), 0)
    return table.append_column("coupons_90d", pa.array(coupons)).append_column("coupons_365d", pa.array(coupons))


@pytest.mark.parametrize(
    ("view", "k"), [("demographics", 3), ("demographics", 8), ("combined", 3), ("combined", 8), ("engagement", 4)]
)
def test_names_of_real_people_are_distinct_short_and_in_any_order_the_same(told, view, k):
    on = VIEWS[view].on(told)
    model = KMeansSegments(k, columns=on.columns, weights=on.weights, orders=on.orders, n_init=2).fit(told)
    described = describe(told, model.labels_, seen=model.reads)
    names = [one.name for one in described]
    assert len(set(names)) == k
    assert all(len(name.split()) <= 6 for name in names)  # five, and a number where all else is alike
    assert all(2 <= len(one.sentences) <= 4 for one in described)
    order = np.random.default_rng(k).permutation(len(told))
    assert describe(told.take(order), model.labels_[order], seen=model.reads) == described
    if view != "combined":
        assert not [name for name in names if "regulars" in name or "shoppers" in name]


def test_two_alike_in_all_that_is_striking_are_told_apart_by_what_they_buy():
    effects = [{"orders": 0.1, "spend": 0.1, "discount_share": one} for one in (0.4, -0.4)]
    typical = [dict.fromkeys(effects[0], 1.0)] * 2
    names = names_by(("orders", "spend", "email_opens_90d"), effects, typical, dict.fromkeys(effects[0], 1.0), [(), ()])
    assert len(set(names)) == 2
    assert not any("(" in name for name in names)
