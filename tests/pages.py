"""Reads the project's Markdown pages: their code blocks, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


@dataclass(frozen=True)
class Block:
    """A fenced code block: its language, its text and the number of its first line of text."""

    language: str
    text: str
    line: int


def name(path: Path) -> str:
    """A page's name from the project's root."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path) -> Iterator[Block]:
    """The fenced code blocks of a page, in order."""
    language: str | None = None
    fence = indent = ""
    lines: list[str] = []
    first = 0
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if language is None:
            if opening := re.match(r"( *)(`{3,}|~{3,})\s*(\S*)", line):
                indent, fence, language = opening[1], opening[2], opening[3]
                lines, first = [], number + 1
        elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            yield Block(language, "\n".join(lines) + "\n", first)
            language = None
        else:
            lines.append(line.removeprefix(indent))
    assert language is None, f"{name(path)}: a code block is not closed"


def prose(path: Path) -> str:
    """A page without its code."""
    text = path.read_text("utf-8")
    text = re.sub(r"^( *)(`{3,}|~{3,}).*?^ *\2`*\s*$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def links(path: Path) -> list[str]:
    """The targets of a page's links and images."""
    text = prose(path)
    return [
        *re.findall(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)", text),
        *re.findall(r"<(?:img|source|a)\b[^>]*?(?:src|srcset|href)=\"([^\"]+)\"", text),
    ]


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    found: set[str] = set()
    text = re.sub(r"^( *)(`{3,}|~{3,}).*?^ *\2`*\s*$", "", path.read_text("utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", text, flags=re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = sum(1 for other in found if other == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", other))
        found.add(f"{slug}-{count}" if count else slug)
    return found
