"""The reference says what the code says: public names, verbs, commands."""

from __future__ import annotations

import importlib
import inspect
import re
import sys

import pytest

import coterie
from coterie import errors
from coterie.store import keys
from coterie.workspace import Workspace
from pages import DOCS, ROOT

# Public for those who build on a Workspace, and no verbs of the shop.
PARTS = {
    "close", "content_hash", "declared", "everybody", "exported", "facts",
    "holders", "settings", "tabulate", "write",
}  # fmt: skip
PUBLIC = {name for name, _ in inspect.getmembers(Workspace, inspect.isfunction) if not name.startswith("_")}
VERBS = sorted(PUBLIC - PARTS)


sys.path.insert(0, str(DOCS))
generate = importlib.import_module("generate")


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_generated_page_is_fresh(page: str) -> None:
    written = (DOCS / "reference" / page).read_text("utf-8")
    assert written == generate.PAGES[page](), "run `make docs`"


def test_every_page_that_says_it_is_generated_is() -> None:
    told = {page.name for page in (DOCS / "reference").glob("*.md") if "<!-- Written by" in page.read_text("utf-8")}
    assert told == set(generate.PAGES)


def test_every_variable_of_the_environment_is_documented() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get\(|\[)(\w+|\"\w+\")|envvar=(\"\w+\")", source))
    names = {name.strip('"') for pair in read for name in pair if name}
    names = {keys.VARIABLE if name == "VARIABLE" else name for name in names}
    names -= {"variable"}  # of a database: its name is the mapping's choice
    page = (DOCS / "reference" / "configuration.md").read_text("utf-8")
    assert names
    assert names <= set(re.findall(r"^\| `(\w+)` \|", page, flags=re.M))


def test_every_table_of_a_shop_and_every_error_is_documented() -> None:
    folder, errors_page = ((DOCS / "reference" / page).read_text("utf-8") for page in ("shop-folder.md", "errors.md"))
    with coterie.open(None) as shop:
        tables = {*shop.lake.tables(), *shop.ledger.tables()}
    assert tables == set(re.findall(r"^\| `(\w+)` \|", folder, flags=re.M))
    raised = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)}
    assert raised == set(re.findall(r"`(\w+Error)` \| `", errors_page))


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
def test_a_verb_has_a_command_and_a_page(verb: str) -> None:
    commands = {path[1] for path, _ in generate.commands(generate.typer.main.get_command(generate.app))}
    command = verb.replace("_", "-")
    assert command in commands
    assert f"\n## coterie {command}\n" in (DOCS / "reference" / "cli.md").read_text("utf-8")
