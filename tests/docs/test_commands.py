"""Every `$ coterie …` and `$ make …` in the documentation is a command that exists, with options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from coterie.cli import app
from pages import PAGES, ROOT, blocks, name

SHELLS = {"console", "bash", "sh", "shell"}


def lines(page: Path) -> list[tuple[int, list[str]]]:
    """The commands of a page's shell blocks with their line numbers, continued lines joined, comments dropped."""
    found = []
    for block in blocks(page):
        if block.language not in SHELLS:
            continue
        text = re.sub(r"\\\n\s*", " ", block.text)
        for offset, line in enumerate(text.splitlines()):
            if block.language == "console" and not line.startswith("$ "):
                continue
            for part in re.split(r"\s(?:&&|\|\||\||;)\s", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words = words[1:]
                if words:
                    found.append((block.line + offset, words))
    return found


def complaint(words: list[str]) -> str | None:
    """What is wrong with a call of coterie, if anything is."""
    command = typer.main.get_command(app)
    context = command.make_context("coterie", [], resilient_parsing=True)
    rest = words
    while True:
        context.resilient_parsing = False  # it let the context be made without arguments; from here on errors count
        try:
            _, rest, _ = command.make_parser(context).parse_args(args=list(rest))
        except Exception as error:  # whatever the parser raises, it is about this line of the page
            return str(error)
        if not hasattr(command, "commands") or not rest:
            return None
        if rest[0] not in command.commands:
            return f"there is no command {rest[0]}"
        command = command.commands[rest[0]]
        context = command.make_context(rest[0], [], parent=context, resilient_parsing=True)
        rest = rest[1:]


def test_a_wrong_call_would_be_found() -> None:
    assert complaint(["no-such-command"]) is not None
    assert complaint(["--no-such-option"]) is not None
    assert complaint(["--version"]) is None


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.M))
    wrong = []
    for line, words in lines(page):
        program = Path(words[0]).name
        if program == "coterie":
            problem = complaint(words[1:])
        elif program == "make":
            asked = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
            problem = next((f"there is no target {word}" for word in asked if word not in targets), None)
        else:
            problem = None
        if problem:
            wrong.append(f"{name(page)}:{line}: {' '.join(words)}: {problem}")
    assert wrong == []
