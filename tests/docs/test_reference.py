"""The reference says what the code says: public names, verbs, commands."""

from __future__ import annotations

import importlib.util
import inspect
import re
from types import ModuleType

import pytest

import coterie
from coterie.workspace import Workspace
from pages import DOCS

# Public for those who build on a Workspace, and no verbs of the shop.
PARTS = {"close", "exported", "facts", "features", "holders", "settings", "write"}
PUBLIC = {name for name, _ in inspect.getmembers(Workspace, inspect.isfunction) if not name.startswith("_")}
VERBS = sorted(PUBLIC - PARTS)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["cli.md", "python.md"])
def test_a_generated_page_is_fresh(generate: ModuleType, page: str) -> None:
    written = (DOCS / "reference" / page).read_text("utf-8")
    assert written == generate.PAGES[page](), "run `make docs`"


def test_the_public_names_are_documented() -> None:
    page = (DOCS / "reference" / "python.md").read_text("utf-8")
    headings = set(re.findall(r"^## (\w+)$", page, flags=re.M))
    assert headings == {name for name in coterie.__all__ if not name.startswith("__")}


@pytest.mark.parametrize("name", [name for name in coterie.__all__ if not name.startswith("__")])
def test_a_public_name_can_be_had_and_says_what_it_is(name: str) -> None:
    assert len((getattr(coterie, name).__doc__ or "").split()) >= 4
    assert name in dir(coterie)


def test_an_unknown_name_is_refused_as_everywhere() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        coterie.no_such_name  # noqa: B018


def test_the_parts_are_there() -> None:
    assert PARTS <= PUBLIC, "a part that is gone must go from the list, too"


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_a_command_and_a_page(generate: ModuleType, verb: str) -> None:
    commands = {path[1] for path, _ in generate.commands(generate.typer.main.get_command(generate.app))}
    command = verb.replace("_", "-")
    assert command in commands
    assert f"\n## coterie {command}\n" in (DOCS / "reference" / "cli.md").read_text("utf-8")
