"""What a notebook shows: our own box with its own colours, no script, any words escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from coterie.charts.intervals import Dot, dots
from coterie.charts.notebook import notebook

_HOSTILE = "<script>alert(1)</script>\"'&amp;\x00"


class _Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words += data


def _shown(words: str) -> str:
    drawn = dots([Dot(words, 0.5, 0.4, 0.6, words)], title=words, description=words)
    return notebook(words, [drawn], notes=(words,), head=(words,), rows=[(words,)])


def test_any_words_are_only_words() -> None:
    page = _Elements(_shown(_HOSTILE))
    assert "script" not in page.tags
    assert page.words.count("<script>alert(1)</script>") >= 8, "title, note, head, cell, and inside the figure"
    assert "\x00" not in page.words


def test_no_rule_reaches_beyond_our_own_box() -> None:
    (style,) = re.findall("<style>(.*?)</style>", _shown("Regulars"), re.DOTALL)
    flat = re.sub(r"@media [^{]+\{((?:[^{}]+\{[^{}]*\})+)\}", r"\1", style)
    for selectors in re.findall(r"([^{}]+)\{", flat):
        assert all(".coterie" in selector for selector in selectors.split(",")), selectors


@pytest.mark.parametrize("theme", ["[data-jp-theme-light=false]", ".vscode-dark", "prefers-color-scheme:dark"])
def test_it_is_dark_where_the_notebook_is(theme: str) -> None:
    assert theme in _shown("Regulars")


def test_nothing_is_fetched() -> None:
    page = _shown("Regulars").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"http|url\(|@import|src=", page)
