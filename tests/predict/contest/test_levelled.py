import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import IsotonicRegression

from coterie.errors import NotFittedError, ParameterError
from coterie.predict.contest.contender import Case, Contender, Forecast
from coterie.predict.contest.levelled import FEWEST, KNOTS, Levelled
from coterie.predict.contest.naive import Recency


class Column(Contender):
    """Forecasts what a column says."""

    def __init__(self, name):
        self.name = name

    def fit(self, case):
        return self

    def forecast(self, now):
        told = now[self.name].to_numpy().astype(float)
        return Forecast(told, np.clip(told, 0, 1))


def table(score, level):
    return pa.table({"score": score, "level": level})


scores = st.integers(2, 40).flatmap(
    lambda people: st.tuples(
        hnp.arrays(np.float64, people, elements=st.integers(0, 12).map(lambda one: one / 4)),
        hnp.arrays(np.float64, people, elements=st.integers(1, 30).map(lambda one: one / 10)),
    )
)


@given(scores, st.sampled_from(["total", "isotonic", "halfway"]))
def test_it_ranks_as_the_one_and_totals_as_the_other(case, shape):
    now = table(*case)
    told = Levelled(Column("score"), Column("level"), shape).fit(Case(now=now, horizon_days=9)).forecast(now)
    score, level = case
    assert told.orders.sum() == pytest.approx(level.sum())
    order = np.lexsort((told.orders, score))
    assert (np.diff(told.orders[order]) >= -1e-12).all()
    if shape != "isotonic":
        assert len(np.unique(told.orders.round(12))) == (len(np.unique(score)) if score.any() else 1)
    assert told.active.min() >= 0
    assert told.active.max() <= 1
    assert told.spend is None


def test_isotonic_mends_a_spread_that_is_too_wide():
    random = np.random.default_rng(0)
    level = random.gamma(0.5, 2.0, 4000)
    now = table(np.square(level) + 0.01, level)
    told = {
        shape: Levelled(Column("score"), Column("level"), shape).fit(Case(now=now, horizon_days=9)).forecast(now).orders
        for shape in ("total", "isotonic", "halfway")
    }
    assert np.abs(told["isotonic"] - level).mean() < 0.01 * np.abs(told["total"] - level).mean()
    np.testing.assert_allclose(told["halfway"], (told["total"] + told["isotonic"]) / 2)


def naively_joined(people):
    """Go from block to block; begin a new knot once one has 5 people; what is left over joins the last one."""
    knots, held = [[]], 0
    for block, count in enumerate(people):
        if held >= FEWEST:
            knots.append([])
            held = 0
        knots[-1].append(block)
        held += count
    return [*knots[:-2], knots[-2] + knots[-1]] if held < FEWEST and len(knots) > 1 else knots


@pytest.mark.parametrize("count", [3, 9, 10, 500])
def test_the_curve_is_that_of_scikit_learn_in_blocks_of_five_people_or_more(count):
    random = np.random.default_rng(1)
    score = random.random(count)
    level = np.maximum(np.exp(score) + random.normal(0, 0.5, count), 0.1)
    told = Levelled(Column("score"), Column("level")).fit(Case(now=table(score, level), horizon_days=9))
    twin = IsotonicRegression().fit_transform(score, level)
    at, values = told.curves_["orders"][0]
    _, place, people = np.unique(twin, return_inverse=True, return_counts=True)
    knots = naively_joined(people)
    rows = [np.isin(place, knot) for knot in knots]
    np.testing.assert_allclose(at, [score[row].mean() for row in rows])
    amounts = np.array([twin[row].mean() for row in rows])
    np.testing.assert_allclose(values / values[0], amounts / amounts[0], rtol=1e-9)
    assert min(row.sum() for row in rows) >= min(FEWEST, count)


@given(scores)
def test_no_knot_stands_for_a_few_people(case):
    now = table(*case)
    people = len(now)
    at, values = Levelled(Column("score"), Column("level")).fit(Case(now=now, horizon_days=9)).curves_["orders"][0]
    assert len(at) <= max(people // FEWEST, 1)
    assert (np.diff(at) >= 0).all()
    assert (np.diff(values) >= 0).all()


def test_a_curve_has_no_more_knots_than_it_may():
    score = np.arange(60_000.0) + 1
    at, _ = (
        Levelled(Column("score"), Column("level"))
        .fit(Case(now=table(score, score**2), horizon_days=9))
        .curves_["orders"][0]
    )
    assert len(at) == KNOTS


def test_what_lies_beyond_what_was_seen_keeps_its_rank_and_nothing_stays_nothing():
    case = Case(now=table([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), horizon_days=9)
    told = Levelled(Column("score"), Column("level")).fit(case).forecast(table([0.0, 0.5, 9.0], [0.0, 0.0, 0.0]))
    assert told.orders.tolist() == pytest.approx([0.0, 1.0, 18.0])
    nobody = Case(now=table([0.0, 0.0], [0.5, 1.5]), horizon_days=9)
    for shape in ("total", "isotonic", "halfway"):
        assert Levelled(Column("score"), Column("level"), shape).fit(nobody).forecast(nobody.now).orders.tolist() == [
            1,
            1,
        ]


def test_what_cannot_be_says_so():
    case = Case(now=pa.table({"recency": [1.0], "T": [2.0], "score": [-1.0]}), horizon_days=9)
    with pytest.raises(ParameterError, match="shape"):
        Levelled(Column("score"), Column("score"), "linear").fit(case)
    with pytest.raises(ParameterError, match="a contender that forecasts amounts"):
        Levelled(Column("score"), Recency()).fit(case)
    with pytest.raises(ParameterError, match="scores below 0"):
        Levelled(Column("score"), Column("T"), "total").fit(case)
    with pytest.raises(NotFittedError):
        Levelled(Column("score"), Column("T")).forecast(case.now)
    assert Levelled(Recency(), Column("T")).name == "recency at the level of T"
