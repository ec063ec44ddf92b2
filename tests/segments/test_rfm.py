import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import NotFittedError, ParameterError
from coterie.segments.rfm import NAMES, RFMSegments

PEOPLE = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 30), st.integers(0, 9_999)), min_size=5, max_size=40
).filter(lambda rows: len(set(rows)) > 1)


def frame(rows):
    recency, orders, spend = zip(*rows, strict=True)
    return pa.table({"recency_days": recency, "orders": orders, "spend": spend})


@given(PEOPLE)
def test_scores_rise_with_what_is_good_and_are_equal_where_values_are(rows):
    scores = RFMSegments().fit(frame(rows)).scores(frame(rows))
    assert scores.min() >= 1
    assert scores.max() <= 5
    for column, sign in enumerate((-1, 1, 1)):
        values = sign * np.array([row[column] for row in rows])
        order = np.argsort(values, kind="stable")
        assert (np.diff(scores[order, column]) >= 0).all()
        for value in set(values):
            assert len(set(scores[values == value, column])) == 1


@given(PEOPLE, st.data())
def test_who_does_better_never_scores_lower(rows, data):
    """By what was learnt of some, anybody who came later, more often or for more scores at least as high."""
    rfm = RFMSegments().fit(frame(rows))
    worse = data.draw(st.tuples(st.integers(0, 500), st.integers(0, 50), st.integers(0, 20_000)))
    better = (
        data.draw(st.integers(0, worse[0])),
        worse[1] + data.draw(st.integers(0, 50)),
        worse[2] + data.draw(st.integers(0, 20_000)),
    )
    low, high = rfm.scores(frame([worse, better]))
    assert (low <= high).all()
    for column in range(3):  # each score looks at its own column and no other
        mixed = list(worse)
        mixed[column] = better[column]
        (score,) = rfm.scores(frame([tuple(mixed)]))
        assert score[column] == high[column]
        assert np.delete(score, column).tolist() == np.delete(low, column).tolist()


@given(PEOPLE)
def test_the_best_of_a_column_score_highest_and_the_worst_lowest(rows):
    people = frame(rows)
    rfm = RFMSegments().fit(people)
    scores = rfm.scores(people)
    for column, (name, sign) in enumerate({"recency_days": -1, "orders": 1, "spend": 1}.items()):
        values = sign * people[name].to_numpy()
        if values.min() < values.max():
            assert set(scores[values == values.max(), column]) == {5}
            assert set(scores[values == values.min(), column]) == {1}
        else:
            assert set(scores[:, column]) == {1}
            assert rfm.cuts_[name] == ()


@pytest.mark.parametrize(
    ("column", "best", "worst"), [("recency_days", 1, 300), ("orders", 30, 1), ("spend", 90_000, 100)]
)
def test_each_score_points_the_right_way(column, best, worst):
    """Two people who differ in one column only, among others who differ in all."""
    others = {
        "recency_days": [1, 20, 60, 120, 300],
        "orders": [30, 12, 6, 3, 1],
        "spend": [90_000, 30_000, 9_000, 900, 100],
    }
    rfm = RFMSegments().fit(pa.table(others))
    pair = {**{name: [values[2]] * 2 for name, values in others.items()}, column: [best, worst]}
    scores = rfm.scores(pa.table(pair))
    place = list(others).index(column)
    assert scores[:, place].tolist() == [5, 1]
    assert np.delete(scores, place, axis=1).tolist() == [[3, 3], [3, 3]]


# The trade's names for the grid: rows by recency score from 5 (just now), columns by the mean of the other two from 1.
GRID = {
    5: ("New customers", "Potential loyalists", "Potential loyalists", "Champions", "Champions"),
    4: ("Promising", "Potential loyalists", "Potential loyalists", "Loyal customers", "Loyal customers"),
    3: ("About to sleep", "About to sleep", "Need attention", "Loyal customers", "Loyal customers"),
    2: ("Hibernating", "Hibernating", "At risk", "At risk", "Cannot lose them"),
    1: ("Lost", "Lost", "At risk", "At risk", "Cannot lose them"),
}


def test_every_cell_of_the_grid_has_its_name():
    steps = {"recency_days": (1, 2, 3, 4), "orders": (1, 2, 3, 4), "spend": (1, 2, 3, 4)}
    cells = [(5 - r, f, m) for r in range(5) for f in range(1, 6) for m in range(1, 6)]
    people = frame([(6 - r, f, m) for r, f, m in cells])
    rfm = RFMSegments(cuts=steps).fit(people)
    assert rfm.scores(people).tolist() == [list(cell) for cell in cells]
    names = [rfm.names_[segment] for segment in rfm.labels_]
    assert names == [GRID[r][(f + m + 1) // 2 - 1] for r, f, m in cells]
    assert set(names) == set(NAMES)
    assert names[cells.index((5, 5, 5))] == "Champions"
    assert names[cells.index((1, 1, 1))] == "Lost"


def test_scores_are_a_table_for_people(households):
    rfm = RFMSegments().fit(households)
    moments = pa.array([np.datetime64("2017-06-01", "us")] * len(households))
    told = rfm.table(households.append_column("as_of", moments))
    assert told.column_names == [
        "person", "as_of", "recency_score", "frequency_score", "monetary_score", "cell", "segment", "name",
    ]  # fmt: skip
    assert told["person"].equals(households["person"])
    assert told["as_of"].to_pylist() == moments.to_pylist()
    scores = np.column_stack([told[f"{name}_score"] for name in ("recency", "frequency", "monetary")])
    np.testing.assert_array_equal(scores, rfm.scores(households))
    np.testing.assert_array_equal(told["segment"], rfm.labels_)
    assert told["name"].to_pylist() == [rfm.names_[segment] for segment in rfm.labels_]
    assert told["cell"].to_pylist() == ["-".join(str(score) for score in row) for row in scores]
    assert rfm.table(households.drop(["person"])).column_names[0] == "recency_score"


def test_many_who_are_alike_neither_rise_nor_sink_together():
    """Most came last on the day of the sale: those who came since stand above them, whatever the quantiles are."""
    people = frame([(100, 1 + n % 3, 10 + n) for n in range(85)] + [(5 + n, 2, 20) for n in range(15)])
    scores = RFMSegments().fit(people).scores(people)[:, 0]
    assert set(scores[:85]) == {1}
    assert set(scores[85:]) == {5}


def test_what_is_alike_for_all_counts_as_the_middle():
    people = frame([(7, n, n) for n in range(1, 21)])
    rfm = RFMSegments().fit(people)
    names = [rfm.names_[segment] for segment in rfm.labels_]
    assert set(names) == {"About to sleep", "Need attention", "Loyal customers"}  # the row of recency score 3
    np.testing.assert_array_equal(RFMSegments.from_json(rfm.to_json()).predict(people), rfm.labels_)


def test_scores_hold_for_a_later_moment(households):
    """Frozen cuts: nobody bought for a month, so recency sinks and nothing else moves."""
    rfm = RFMSegments().fit(households)
    later = households.set_column(
        households.column_names.index("recency_days"),
        "recency_days",
        pa.array(households["recency_days"].to_numpy() + 30),
    )
    before, after = rfm.scores(households), rfm.scores(later)
    assert (after[:, 0] <= before[:, 0]).all()
    assert after[:, 0].mean() < before[:, 0].mean() - 1
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])
    with pytest.raises(ParameterError, match="recency_days must be days gone by") as refused:
        rfm.scores(later.set_column(1, "recency_days", pa.array([-0.5] * len(later))))
    assert "later moment" in refused.value.hint


def test_distinct_values_make_even_fifths():
    random = np.random.default_rng(1)
    people = frame(list(zip(*(random.permutation(100) for _ in range(3)), strict=True)))
    scores = RFMSegments().fit(people).scores(people)
    for column in range(3):
        assert np.bincount(scores[:, column])[1:].tolist() == [20] * 5


def test_the_best_are_champions_and_the_worst_lost(households):
    rfm = RFMSegments().fit(households)
    scores = rfm.scores(households)
    names = np.array(rfm.names_)[rfm.labels_]
    assert set(names[(scores == 5).all(axis=1)]) == {"Champions"}
    assert set(names[(scores == 1).all(axis=1)]) == {"Lost"}
    assert set(names[(scores[:, 0] == 5) & (scores[:, 1:] == 1).all(axis=1)]) == {"New customers"}
    assert set(names[(scores[:, 0] == 1) & (scores[:, 1:] == 5).all(axis=1)]) <= {"Cannot lose them"}
    assert sorted(rfm.names_) == sorted(NAMES)
    assert rfm.names_[0] == "Champions"


def test_own_cuts_are_kept_and_others_are_learnt(households):
    rfm = RFMSegments(cuts={"recency_days": [7, 30, 60, 90]}).fit(households)
    recency = households["recency_days"].to_numpy()
    expected = 5 - (recency[:, None] > [7, 30, 60, 90]).sum(axis=1)
    np.testing.assert_array_equal(rfm.scores(households)[:, 0], expected)
    assert rfm.cuts_["recency_days"] == (7, 30, 60, 90)


def test_other_numbers_of_steps_fill_the_same_grid(households):
    for steps in (2, 3, 10):
        rfm = RFMSegments(steps=steps).fit(households)
        scores = rfm.scores(households)
        assert scores.max() == steps
        names = np.array(rfm.names_)[rfm.labels_]
        assert set(names[(scores == steps).all(axis=1)]) == {"Champions"}
        assert set(names[(scores == 1).all(axis=1)]) == {"Lost"}


def test_a_name_that_nobody_had_can_be_given_later():
    people = frame([(1, 9, 900), (2, 8, 800), (1, 7, 700), (200, 1, 100), (201, 1, 90), (202, 2, 95)])
    rfm = RFMSegments().fit(people)
    newcomer = frame([(1, 1, 1)])
    assert rfm.predict(newcomer)[0] >= rfm.k_
    assert rfm.names_[rfm.predict(newcomer)[0]] == "New customers"


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"steps": 1}, "steps"),
        ({"steps": 2.5}, "steps"),
        ({"cuts": {"orders": [3, 2]}}, "rise"),
        ({"cuts": {"orders": [1, float("nan")]}}, "finite"),
        ({"cuts": {"orders": [1, 1]}}, "rise"),
        ({"cuts": {"orders": []}}, "rise"),
        ({"cuts": {"visits": [1]}}, "visits"),
    ],
)
def test_wrong_parameters_are_refused(parameters, match, three_kinds):
    with pytest.raises(ParameterError, match=match):
        RFMSegments(**parameters).fit(three_kinds)


def test_unknown_values_are_refused(three_kinds):
    holed = three_kinds.set_column(2, "orders", pa.array([None, *three_kinds["orders"].to_pylist()[1:]]))
    with pytest.raises(ParameterError, match="known for every person"):
        RFMSegments().fit(holed)


def test_the_order_of_rows_changes_no_digit(households):
    spend = households["spend"].to_numpy() / 7
    people = households.set_column(households.column_names.index("spend"), "spend", pa.array(spend))
    rfm = RFMSegments().fit(people)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(people))
        assert RFMSegments().fit(people.take(order)).fingerprint == rfm.fingerprint
    assert rfm.worth_.tolist() == sorted(rfm.worth_, reverse=True)
    for segment in range(rfm.k_):
        assert rfm.worth_[segment] == pytest.approx(spend[rfm.labels_ == segment].mean())
    assert RFMSegments.from_json(rfm.to_json()).worth_.tolist() == rfm.worth_.tolist()


def test_one_person_is_told_what_a_table_tells(households):
    """Every score, own cuts and a column without any: as predict tells; None of whom predict refuses."""
    steady = households.set_column(households.column_names.index("orders"), "orders", pa.array([3] * len(households)))
    for table, model in (
        (households, RFMSegments()),
        (households, RFMSegments(steps=3, cuts={"recency_days": (7.0, 30.0, 90.0)})),
        (steady, RFMSegments()),
    ):
        segment_of = model.fit(table).assigner()
        people = table.select(model.reads).slice(0, 400).to_pylist()
        assert [segment_of(person) for person in people] == model.labels_[:400].tolist()
        again = RFMSegments.from_json(model.to_json()).assigner()
        assert [again(person) for person in people[:50]] == model.labels_[:50].tolist()
    person = {"recency_days": 3.0, "orders": 5, "spend": 900}
    assert segment_of(person) is not None
    for wrong in (None, float("nan"), float("inf")):
        assert segment_of({**person, "recency_days": wrong}) is None
    assert segment_of({**person, "recency_days": -1.0}) is None
    assert segment_of({"orders": 5}) is None
    with pytest.raises(NotFittedError):
        RFMSegments().assigner()
