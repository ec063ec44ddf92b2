"""The rules of the house that no linter knows: names, sizes, docstrings, and nothing unsafe to load."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "coterie"
FILES = sorted(PACKAGE.rglob("*.py"))
LINES = 420
VAGUE = {"base", "common", "core", "helper", "helpers", "lib", "manager", "misc", "shared", "stuff", "util", "utils"}
UNSAFE = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def undocumented(path: Path) -> list[str]:
    """Public modules, classes, functions and methods of a file that say nothing about themselves."""
    missing: list[str] = []

    def visit(node: ast.Module | ast.ClassDef, owner: str) -> None:
        for child in node.body:
            if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if child.name.startswith("_") or any(
                ast.unparse(mark).endswith((".setter", "overload")) for mark in child.decorator_list
            ):
                continue
            if not ast.get_docstring(child):
                missing.append(f"{owner}{child.name}")
            if isinstance(child, ast.ClassDef):
                visit(child, f"{child.name}.")

    if not ast.get_docstring(tree(path)):
        missing.append("the module itself")
    visit(tree(path), "")
    return missing


def test_there_is_source_to_look_at() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_is_one_noun(path: Path) -> None:
    parts = {path.stem, *path.relative_to(PACKAGE).parts[:-1]}
    assert not {part.strip("_") for part in parts} & VAGUE, "a thing without a room means that a concept is missing"
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LINES, f"{lines} lines: is a second noun hiding here?"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_everything_public_says_what_it_is(path: Path) -> None:
    assert undocumented(path) == []


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=name)
def test_a_room_says_what_lives_there(path: Path) -> None:
    words = (ast.get_docstring(tree(path)) or "").split()
    assert len(words) >= 20, "a room's docstring is a paragraph on what lives there"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_loaded_that_could_run_code(path: Path) -> None:
    assert not imported(path) & UNSAFE


@pytest.mark.parametrize("path", FILES, ids=name)
def test_pandas_stays_outside(path: Path) -> None:
    assert "pandas" not in imported(path), "any dataframe comes in through narwhals"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_left_unfinished(path: Path) -> None:
    marks = [line for line in path.read_text("utf-8").splitlines() if any(mark in line for mark in ("TODO", "FIXME"))]
    assert marks == []
