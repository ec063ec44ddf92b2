"""The tree of errors: drawn as it is, each with a code and an exit code that mean one thing."""

from __future__ import annotations

import inspect
import re
from collections import Counter

import pytest

from coterie import errors
from coterie.errors import CoterieError

ALL = sorted(
    (thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, CoterieError)),
    key=lambda thing: thing.__name__,
)


def drawn() -> dict[str, tuple[str | None, int | None]]:
    """Read the drawing at the top of errors.py: error → (parent, exit code where one is drawn)."""
    tree: dict[str, tuple[str | None, int | None]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (found := re.match(r" {4}([│├└─ ]*)([A-Z]\w+Error)\b(?:\s+exit (\d+))?", line)):
            continue
        depth = len(found[1]) // 4
        path[depth:] = [found[2]]
        tree[found[2]] = (path[depth - 1] if depth else None, int(found[3]) if found[3] else None)
    return tree


def parent(error: type[CoterieError]) -> str | None:
    above = [base.__name__ for base in error.__bases__ if issubclass(base, CoterieError)]
    return above[0] if above else None


def test_the_drawing_is_the_tree() -> None:
    assert {name: above for name, (above, _) in drawn().items()} == {error.__name__: parent(error) for error in ALL}


def test_the_drawn_exit_codes_are_the_real_ones() -> None:
    codes = {error.__name__: error.exit_code for error in ALL}
    tree = drawn()
    for name, (above, code) in tree.items():
        expected = code if code is not None else codes[above or ""]
        assert codes[name] == expected, name


def test_every_error_has_a_code_of_its_own() -> None:
    assert all("code" in vars(error) for error in ALL)
    assert [code for code, count in Counter(error.code for error in ALL).items() if count > 1] == []


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_every_error_speaks_the_one_json_shape(error: type[CoterieError]) -> None:
    assert error("It broke.").to_json() == {"code": error.code, "message": "It broke."}
    told = error("It broke.", hint="mend it.")
    assert told.to_json() == {"code": error.code, "message": "It broke.", "hint": "mend it."}
    assert str(told) == "It broke.\nHint: mend it."
