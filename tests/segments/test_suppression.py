"""What may not be told cannot be computed from what is told, as linear programs confirm."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from coterie.segments.suppression import P, dominated, dominated_groups, told_share, withheld

TABLES = st.integers(2, 4).flatmap(
    lambda k: st.lists(
        st.lists(st.sampled_from([0, 1, 3, 7, 12, 20, 90]), min_size=k + 1, max_size=k + 1),
        min_size=k + 1,
        max_size=k + 1,
    )
)


def prepared(table: list[list[int]]) -> np.ndarray:
    cells = np.array(table)
    cells[-1, -1] = 0
    return cells


def follows(cells: np.ndarray, hidden: np.ndarray, place: tuple[int, int]) -> bool:
    """Whether a withheld cell can be computed from the other cells, all totals and the number of those who stayed.

    It can if no amount can be moved between withheld cells that changes it, and no total.
    """
    size = len(cells)
    out = [tuple(one) for one in np.argwhere(hidden)]
    lines = [[(i, j) for j in range(size)] for i in range(size)] + [[(i, j) for i in range(size)] for j in range(size)]
    lines.append([(i, i) for i in range(size - 1)])
    totals = np.array([[one in line for one in out] for line in lines], dtype=float)
    goal = np.array([one == place for one in out], dtype=float)
    moved = linprog(-goal, A_eq=totals, b_eq=np.zeros(len(lines)), bounds=(-1, 1))
    return bool(-moved.fun < 1e-6)


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_no_small_cell_can_be_computed_from_all_that_is_told(table: list[list[int]]) -> None:
    cells, minimum = prepared(table), 10
    hidden = np.array(withheld(cells, minimum))
    small = cells < minimum
    small[-1, -1] = False
    assert not hidden[-1, -1]
    assert hidden[small].all()
    for line, out in [*zip(cells, hidden, strict=True), *zip(cells.T, hidden.T, strict=True)]:
        assert not out.any() or (out.sum() > 1 and line[out].sum() >= minimum) or line.sum() < minimum
    assert not any(follows(cells, hidden, place) for place in map(tuple, np.argwhere(small)))


def test_large_cells_are_all_told() -> None:
    table = [[90, 60, 70], [80, 500, 60], [70, 90, 0]]
    assert not np.array(withheld(table, 50)).any()


def test_a_small_cell_takes_others_of_its_row_column_and_diagonal_along() -> None:
    table = [[400, 60, 70, 90], [80, 500, 20, 55], [90, 70, 600, 80], [75, 85, 95, 0]]
    hidden = np.array(withheld(table, 50))
    assert hidden[1, 2]
    assert hidden[1].sum() >= 2
    assert hidden[:, 2].sum() >= 2
    assert not hidden.diagonal().any()


@given(st.lists(st.floats(0, 1e15), min_size=1, max_size=40))
def test_the_second_largest_comes_not_near_to_the_largest(amounts: list[float]) -> None:
    """Whoever knows the sum and their own part guesses the largest one as what is left."""
    ordered = sorted(amounts, reverse=True)
    others = [*ordered[2:]]
    if ordered[0] and not dominated(amounts):
        assert sum(others) >= (P - 1e-9) * ordered[0]
    if ordered[0] and dominated(amounts):
        assert sum(others) <= (P + 1e-9) * ordered[0]
    assert dominated(amounts) == dominated([-one for one in reversed(amounts)])


def test_sums_of_one_and_of_nothing() -> None:
    assert dominated([5.0])
    assert dominated([5.0, np.nan, 4.0])
    assert not dominated([0.0, 0.0])
    assert not dominated([])
    assert not dominated([1.0] * 50)
    assert dominated_groups(np.array([0, 0, 2, 2, 2]), [1, 9, 3, 3, 3], 3) == (0,)


@given(st.integers(1, 100_000), st.integers(2, 100), st.data())
def test_a_share_does_not_tell_a_small_group(people: int, minimum: int, data: st.DataObject) -> None:
    there = data.draw(st.integers(0, people))
    told = told_share(there / people, people, minimum)
    if people < 2 * minimum:
        assert math.isnan(told)
    elif there < minimum:
        assert told == 0
    elif people - there < minimum:
        assert told == 1
    else:
        assert abs(told - there / people) <= 1.26 * minimum / people  # a step is at most 2.5 times what it must be …
        near = [one for one in range(max(there - minimum, 0), min(there + minimum, people) + 1)
                if told_share(one / people, people, minimum) == told]  # fmt: skip
        assert len(near) >= min(minimum // 2, people - 2 * minimum + 1)  # … and others have the same
