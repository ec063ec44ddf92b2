"""Every Python example runs: those of the documentation, page by page, and those in docstrings."""

from __future__ import annotations

import doctest
import importlib
import json
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import coterie
from coterie.collect.contract import Contract
from coterie.collect.mapping import Mapping
from pages import DOCS, PAGES, Block, blocks, name

WITH_PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks(page))]
ON_SPARK = {"run-on-spark.md"}  # slow, and skipped where Spark or Java is not installed
SLOW = {  # more than three seconds each; the first page and the first tutorial run every time all the same
    *ON_SPARK, "training-table.md", "which-segments-hold-up.md", "cut-a-tree.md", "follow-segments.md",
    "segment-by-taste-or-goal.md", "export-figures.md", "assign-new-people.md",
    "who-is-worth-keeping.md", "value-customers.md", "win-back-lists.md", "read-the-predictions.md",
    "judge-forecasts.md", "predict-churn-and-other-targets.md",
}  # fmt: skip
MODULES = sorted(module.name for module in pkgutil.walk_packages(coterie.__path__, "coterie."))
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=name(page), marks=pytest.mark.slow if page.name in SLOW else ()) for page in WITH_PYTHON],
)
def test_the_examples_of_a_page_run(page: Path, desk: Path, request: pytest.FixtureRequest) -> None:
    """The blocks of a page are one program, run in a folder of its own with a shop's files (see ``desk``).

    A file that the page shows in whole lies in that folder under the name that stands before it, with a colon; a
    mapping or contract without a name is the one of the folder.
    """
    if page.name in ON_SPARK:
        request.getfixturevalue("spark")
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page):
        if (file := named(page, block)) is not None:
            (desk / file).parent.mkdir(parents=True, exist_ok=True)
            (desk / file).write_text(block.text, "utf-8")
        elif block.language == "toml" and {"source", "read"} <= set(tomllib.loads(block.text)):
            (desk / "mapping.toml").write_text(block.text, "utf-8")
        elif block.language == "yaml":  # a source's contract
            (desk / "data" / "contract.yaml").write_text(block.text, "utf-8")
        elif block.language == "python":
            source = "\n" * (block.line - 1) + block.text  # so that a traceback names the line of the page
            exec(compile(source, str(page), "exec"), namespace)


def named(page: Path, block: Block) -> str | None:
    """The file that a block of data is, if the line before it ends with its name and a colon."""
    before = [line for line in page.read_text("utf-8").splitlines()[: block.line - 2] if line]
    found = re.search(r"`([\w/-]+\.(?:csv|jsonl|toml|yaml))`:$", before[-1]) if before else None
    return found[1] if found and block.language in {"csv", "jsonl", "toml", "yaml"} else None


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module), optionflags=FLAGS)
    assert results.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_data_in_examples_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            body = tomllib.loads(block.text)
            if {"source", "read"} <= set(body):
                Mapping.of(body)
        elif block.language == "yaml":
            Contract.of(yaml.safe_load(block.text))
        elif block.language == "json":
            json.loads(block.text)


def test_examples_are_found() -> None:
    assert {page.name for page in WITH_PYTHON} >= {"README.md", "first-segments.md"}
    assert any(DOCS in page.parents for page in WITH_PYTHON)
    assert len(MODULES) > 20
