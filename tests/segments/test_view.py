import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import MissingColumnError, NoVariationError
from coterie.features.catalog import CATALOG
from coterie.features.matrix import Matrix
from coterie.segments import view
from coterie.segments.view import VIEWS, View


def variance(chosen, frame):
    """Total variance of each block of a view, in the matrix that estimators make of it."""
    matrix = Matrix(columns=chosen.columns, weights=chosen.weights, orders=chosen.orders)
    X = matrix.fit_transform(frame).astype(float)
    of = [part.name for part in matrix.parts_ for _ in part.outputs]
    return [sum(X[:, at].var() for at, name in enumerate(of) if name in block) for block in chosen.blocks]


@pytest.fixture
def people():
    random = np.random.default_rng(0)
    n, level = 500, np.random.default_rng(1).normal(size=500)
    return pa.table(
        {
            "person": np.arange(n),
            "recency_days": random.exponential(30, n),
            "orders": np.rint(np.exp(1 + level)),
            "spend": np.rint(np.exp(8 + level)),
            "site_days_30d": random.poisson(3, n),
            "email_opens_90d": random.poisson(1, n),
            "searches_30d": np.zeros(n),
            "age": random.choice(["19-24", "25-34", "35-44", "65+"], n),
            "gender": random.choice(["f", "m", None], n),
        }
    )


def test_every_column_is_of_the_catalogue_and_of_one_block_only():
    assert set(VIEWS["combined"].columns) <= set(CATALOG.names)
    blocks = (view.VALUE, view.ENGAGEMENT, view.DEMOGRAPHICS)
    assert len(set().union(*blocks)) == sum(map(len, blocks)) == len(VIEWS["combined"].columns)
    assert all(CATALOG[name].unit == "text" for name in view.DEMOGRAPHICS)
    assert set(view.ORDERED) < set(view.DEMOGRAPHICS)
    assert list(VIEWS) == ["value", "engagement", "demographics", "combined"]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_blocks_weigh_alike_whatever_their_width(widths, seed):
    random = np.random.default_rng(seed)
    blocks = tuple(tuple(f"b{block}_{at}" for at in range(width)) for block, width in enumerate(widths))
    frame = pa.table(
        {name: random.gamma(1, 10.0**at, 200) for block in blocks for at, name in enumerate(block)}
        | {f"b{at}_text": random.choice(["x", "y", "z"], 200) for at in range(len(blocks))}
    )
    blocks = tuple((*block, f"b{at}_text") for at, block in enumerate(blocks))
    inner = {blocks[0][0]: 0.5}
    chosen = View("", tuple(name for block in blocks for name in block), inner, "", blocks).on(frame)
    found = variance(chosen, frame)
    np.testing.assert_allclose(found, found[0], rtol=1e-3)
    assert np.mean(list(chosen.weights.values())) == pytest.approx(1, abs=1e-4)
    if widths[0] > 1:  # inside a block, a weight of one half stays one half beside the others
        assert chosen.weights[blocks[0][0]] == pytest.approx(chosen.weights[blocks[0][1]] / 2, rel=1e-4)


def test_wide_blocks_do_not_drown_narrow_ones(people):
    """Unbalanced, a narrow block has next to no say in distances; balanced, an equal one."""
    combined = VIEWS["combined"].on(people)
    assert [len(block) for block in combined.blocks] == [3, 2, 2]
    np.testing.assert_allclose(variance(combined, people), variance(combined, people)[0], rtol=1e-4)


def test_a_view_has_only_what_the_people_have_and_differ_in(people):
    assert VIEWS["value"].on(people).columns == ("recency_days", "orders", "spend")
    assert VIEWS["engagement"].on(people).columns == ("site_days_30d", "email_opens_90d")  # nobody searched
    assert set(VIEWS["value"].on(people).weights) <= {"recency_days", "orders", "spend"}
    who = VIEWS["demographics"].on(people)
    assert (who.columns, who.orders) == (("age", "gender"), {"age": None})
    assert VIEWS["demographics"].on(people.drop_columns("age")).orders == {}
    words = people.set_column(people.column_names.index("age"), "age", pa.array(["young", "old"] * 250))
    assert VIEWS["demographics"].on(words).orders == {}  # no order can be read off these levels
    alone = VIEWS["combined"].on(people.select(["spend", "orders"]))
    assert alone.blocks == (("orders", "spend"),)
    assert alone.weights == {
        name: view.VALUE_WEIGHTS[name] for name in ("orders", "spend") if name in view.VALUE_WEIGHTS
    }


def test_its_choice_is_the_same_in_another_order_of_people(people):
    mixed = people.take(np.random.default_rng(3).permutation(len(people)))
    ours, theirs = VIEWS["combined"].on(people), VIEWS["combined"].on(mixed)
    assert (ours.columns, ours.blocks, ours.orders) == (theirs.columns, theirs.blocks, theirs.orders)
    assert dict(ours.weights) == pytest.approx(dict(theirs.weights), rel=1e-4)


def test_a_view_of_nothing_says_so(people):
    with pytest.raises(MissingColumnError, match="Engagement"):
        VIEWS["engagement"].on(people.select(["person", "spend"]))
    with pytest.raises(NoVariationError):
        VIEWS["engagement"].on(people.select(["person", "searches_30d"]))
