"""What may not be told cannot be computed from what is told, as linear programs confirm."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from coterie.segments.suppression import withheld

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
