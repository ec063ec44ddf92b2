"""Tables on a terminal: nothing is lost, however narrow it is."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from coterie.cli.screen import Screen

HEADS = ("of everybody", "the chance of no order in the next 60 days")
ROWS = [("mean", "27.1%"), ("median of everybody", "1,234,567")]


@pytest.mark.parametrize("width", [8, 20, 40, 180])
def test_words_go_on_in_the_next_line_and_numbers_stay_whole(width: int) -> None:
    screen, said = Screen(), StringIO()
    screen.out = Console(file=said, width=width, highlight=False, soft_wrap=True)
    screen.table(HEADS, ROWS)
    text = said.getvalue()
    for number in ("27.1%", "1,234,567"):
        assert number in text
    cells = (*HEADS, *(name for name, _ in ROWS))
    assert sorted(filter(str.isalpha, text)) == sorted(filter(str.isalpha, "".join(cells)))


def test_amounts_of_billions_stand_on_the_right() -> None:
    screen, said = Screen(), StringIO()
    screen.out = Console(file=said, width=60, highlight=False, soft_wrap=True)
    screen.table(("list", "value"), [("retain", "$7,490 bn"), ("leave", "$4 k")])
    ends = [len(line.rstrip()) for line in said.getvalue().splitlines() if "$" in line]
    assert len(set(ends)) == 1
