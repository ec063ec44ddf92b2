"""No link of the documentation is dead, and every page can be found from the first one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from pages import DOCS, PAGES, anchors, links, name

ROOMS = ("tutorials", "how-to", "reference", "explanation")


def local(page: Path) -> list[tuple[Path, str]]:
    """The files that a page links to, each with the anchor it names."""
    found = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = unquote(link).partition("#")
        found.append(((page.parent / path).resolve() if path else page, anchor))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert [str(target) for target, _ in local(page) if not target.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_anchors_are_headings(page: Path) -> None:
    lost = [
        f"{target.name}#{anchor}"
        for target, anchor in local(page)
        if anchor and target.suffix == ".md" and target.exists() and anchor not in anchors(target)
    ]
    assert lost == []


def test_every_page_is_reached_from_the_first() -> None:
    seen: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        waiting += [target for target, _ in local(page)]
    assert sorted(name(page) for page in PAGES if DOCS in page.parents and page not in seen) == []


@pytest.mark.parametrize("room", ROOMS)
def test_each_index_names_every_page_of_its_room(room: str) -> None:
    index = DOCS / room / "index.md"
    named = {target for target, _ in local(index)}
    assert sorted(page.name for page in index.parent.glob("*.md") if page != index and page not in named) == []
