"""Drift: the indices are what their definitions say, and chance is told from change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from coterie.errors import ParameterError, TooFewPeopleError
from coterie.evaluation import drift
from oracles.drift import index

# Few different values, so that many people share one; and some without any.
VALUES = st.lists(st.sampled_from([None, 0.0, 0.0, 1.0, 2.0, 2.5, 7.0, -3.0, float("inf")]), min_size=1, max_size=40)
COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=8).filter(
    lambda cells: sum(a for a, _ in cells) > 0 and sum(b for _, b in cells) > 0
)


def as_floats(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


@given(VALUES, VALUES, st.integers(2, 6))
def test_numbers_drift_as_the_naive_twin_says(before: list[float | None], after: list[float | None], bins: int) -> None:
    found = drift.of_values("x", as_floats(before), as_floats(after), bins=bins)
    assert found.psi == pytest.approx(index(before, after, bins), abs=1e-12)


def test_a_worked_example_by_hand() -> None:
    # (.3 - .2) ln(.3 / .2) + (.3 - .4) ln(.3 / .4) + 0
    by_hand = 0.1 * np.log(1.5) - 0.1 * np.log(0.75)
    assert drift.psi([20, 40, 40], [30, 30, 40]) == pytest.approx(by_hand, abs=1e-15)
    assert by_hand == pytest.approx(0.0693147, abs=1e-7)  # = .1 ln 2


@given(COUNTS)
def test_divergence_equals_scipys(cells: list[tuple[int, int]]) -> None:
    before, after = (np.array(side) for side in zip(*cells, strict=True))
    assert drift.js(before, after) == pytest.approx(jensenshannon(before, after, base=2) ** 2, abs=1e-12)


@given(COUNTS)
def test_both_indices_are_symmetric_and_zero_for_equal_shares(cells: list[tuple[int, int]]) -> None:
    before, after = (np.array(side) for side in zip(*cells, strict=True))
    for measure in (drift.psi, drift.js):
        assert measure(before, after) == pytest.approx(measure(after, before), abs=1e-12)
        assert measure(before, 3 * before) == pytest.approx(0, abs=1e-12)
        assert measure(before, after) >= 0
    assert drift.js(before, after) <= 1


def test_a_cell_that_nobody_was_in_counts_half_a_person() -> None:
    assert drift.psi([10, 0], [5, 5]) == pytest.approx(-0.5 * np.log(0.5) + (0.5 - 0.05) * np.log(10))


def test_a_shop_whose_people_were_all_alike_is_told_from_one_whose_people_moved() -> None:
    same = np.full(500, 5.0)
    assert drift.of_values("x", same, same).psi == 0
    for other in (4.0, 6.0):
        assert drift.of_values("x", same, np.full(500, other)).psi > 5
        assert drift.of_values("x", same, np.full(500, other)).js == 1


def test_zeros_in_most_people_have_a_cell_of_their_own() -> None:
    before = np.array([0.0] * 80 + list(range(1, 21)))
    after = np.array([0.0] * 60 + [1.0] * 20 + list(range(1, 21)))
    found = drift.of_values("x", before, after)
    assert found.psi == pytest.approx(index(list(before), list(after), 10))
    assert found.psi > 0.25


@pytest.mark.parametrize("cells", [2, 10, 20])
def test_without_drift_the_index_stays_below_what_chance_brings_in_95_of_100_cases(cells: int) -> None:
    random = np.random.default_rng(cells)
    shares = random.dirichlet(np.full(cells, 8.0))
    before, after = random.multinomial(900, shares, size=2000), random.multinomial(1600, shares, size=2000)
    below = np.mean([drift.psi(a, b) <= drift.chance(cells, 900, 1600) for a, b in zip(before, after, strict=True)])
    assert 0.93 <= below <= 0.97


def test_few_people_may_show_a_large_index_by_chance() -> None:
    found = drift.of_values("x", np.arange(40.0), np.arange(40.0) + 3)
    assert found.chance > drift.MAJOR


def test_text_is_compared_level_by_level_and_a_new_level_shows() -> None:
    before = np.array(["web"] * 50 + ["store"] * 50, dtype=object)
    after = np.array(["web"] * 50 + ["app"] * 50, dtype=object)
    assert drift.of_values("channel", before, before).psi == 0
    found = drift.of_values("channel", before, after)
    assert (found.kind, found.js) == ("levels", 0.5)
    assert found.psi > drift.MAJOR


def test_rare_levels_count_together() -> None:
    before = np.array([f"sku {number}" for number in range(500)], dtype=object)
    after = np.array([f"sku {number}" for number in range(250, 750)], dtype=object)
    assert drift.of_values("sku", before, after).psi < drift.MAJOR  # 20 of 500 are gone, the rest is one cell


def test_more_missing_values_are_a_drift() -> None:
    before = np.where(np.arange(1000) < 100, np.nan, np.arange(1000.0))
    after = np.where(np.arange(1000) < 600, np.nan, np.arange(1000.0))
    found = drift.of_values("x", before, after)
    assert found.missing == (0.1, 0.6)
    assert found.psi > drift.MAJOR
    text = np.array([None, "a", "a", "a"], dtype=object)
    assert drift.of_values("x", text, text).missing == (0.25, 0.25)


def test_nobody_has_a_value() -> None:
    nothing = np.full(60, np.nan)
    assert drift.of_values("x", nothing, nothing).psi == 0
    assert drift.of_values("x", nothing, np.arange(60.0)).psi > drift.MAJOR


@given(VALUES, VALUES)
def test_the_order_of_people_changes_nothing(before: list[float | None], after: list[float | None]) -> None:
    one = drift.of_values("x", as_floats(before), as_floats(after))
    other = drift.of_values("x", as_floats(before[::-1]), as_floats(after[::-1]))
    assert one == other


def test_what_is_no_drift_is_refused() -> None:
    with pytest.raises(TooFewPeopleError):
        drift.of_values("x", np.array([]), np.arange(3.0))
    with pytest.raises(TooFewPeopleError):
        drift.psi([0, 0], [1, 2])
    with pytest.raises(ParameterError, match="both sides"):
        drift.of_values("x", np.arange(3.0), np.array(["a"]))
    with pytest.raises(ParameterError, match="bins"):
        drift.of_values("x", np.arange(3.0), np.arange(3.0), bins=1)
    with pytest.raises(ParameterError, match="same cells"):
        drift.psi([1, 2], [1, 2, 3])
    with pytest.raises(ParameterError, match="below 0"):
        drift.psi([1, -2], [1, 2])
