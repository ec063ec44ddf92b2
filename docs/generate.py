"""Writes the reference pages that are made from the code; ``tests/docs`` fails while they differ from what it says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import features_page
import shop_pages
import typer

import coterie
import coterie.cli
from coterie import errors
from coterie.cli import app

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py: change the code, then run `make docs`. -->"


def commands(command: Any, path: tuple[str, ...] = ("coterie",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command below a command, with the words that call it, in the order of the help."""
    for name, child in getattr(command, "commands", {}).items():
        if child.hidden:
            continue
        yield (*path, name), child
        yield from commands(child, (*path, name))


def cell(text: str) -> str:
    """Return text as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def default(parameter: Any) -> str:
    """Return the default of a parameter in words, or nothing where there is none."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    plain = getattr(parameter.default, "value", parameter.default)
    return "" if plain in (None, False, True, (), []) or callable(plain) or parameter.required else f"`{plain}`"


def options(command: Any) -> list[str]:
    """Return the arguments and options of a command as a Markdown table."""
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            shown = f"`{parameter.name.upper()}`" + ("" if parameter.required else " (optional)")
        else:
            shown = " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        rows.append(f"| {shown} | {cell(getattr(parameter, 'help', None) or '')} | {cell(default(parameter))} |")
    return ["| | meaning | default |", "|---|---|---|", *rows, ""] if rows else []


def cli_page() -> str:
    """Return the reference of the command line."""
    root = typer.main.get_command(app)
    lines = ["# The command line", "", NOTE, "", *prose(root.help or ""), "", *options(root)]
    for path, command in commands(root):
        lines += [f"## {' '.join(path)}", "", *prose(command.help or ""), "", *options(command)]
    return "\n".join(lines).rstrip() + "\n"


def prose(docstring: str) -> list[str]:
    """Return a numpydoc docstring as Markdown lines: sections become bold words, parameters a list."""
    lines = inspect.cleandoc(docstring).splitlines()
    out: list[str] = []
    section = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        if number + 1 < len(lines) and line and re.fullmatch(r"-{3,}", lines[number + 1]):
            section = line
            out += [f"**{section}**", ""]
            number += 2
            continue
        if line.startswith(">>>"):
            out += ["```pycon"]
            while number < len(lines) and lines[number]:
                out.append(lines[number])
                number += 1
            out += ["```"]
            continue
        if section in {"Parameters", "Attributes", "Returns", "Raises", "Yields"} and line:
            out.append(f"    {line.strip()}" if line.startswith("    ") else f"* `{line}`")
        elif line == "::" or line.endswith("::"):
            out.append(line[:-1] if line != "::" else "")
        else:
            out.append(line)
        number += 1
    return [re.sub(r"``([^`]+)``", r"`\1`", re.sub(r":\w+:`~?([^`]+)`", r"`\1`", line)) for line in out]


def member_lines(thing: type) -> list[str]:
    """Return the public methods and properties that a class defines or inherits from coterie, one line each."""
    rows = []
    for name, member in inspect.getmembers(thing):
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            shown, doc = name, member.fget.__doc__ if member.fget else None
        elif callable(member) and (getattr(member, "__module__", None) or "").startswith("coterie"):
            shown, doc = f"{name}{signature(member)}", member.__doc__
        else:
            continue
        first = inspect.cleandoc(doc or "").split("\n\n")[0]
        rows.append(f"* `{shown}`: {' '.join(prose(first))}")
    return ["", "**Methods and properties**", "", *rows] if rows else []


def signature(thing: Any, *, wrap: int | None = None) -> str:
    """Return the signature without ``self``, the same in every run; over several lines where it is wider than wrap."""
    try:
        shape = inspect.signature(thing)
    except (TypeError, ValueError):
        return "()"
    parts = []
    star = False
    for parameter in shape.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            star = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            parts.append("*")
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        typed = "" if parameter.annotation is parameter.empty else f": {annotation(parameter.annotation)}"
        given = "" if parameter.default is parameter.empty else f" = {value(parameter.default)}"
        parts.append(f"{mark}{parameter.name}{typed}{given}")
    returned = shape.return_annotation
    end = "" if inspect.isclass(thing) or returned is shape.empty else f" -> {annotation(returned)}"
    line = f"({', '.join(parts)}){end}"
    if wrap is None or len(line) <= wrap:
        return line
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f"){end}"


def annotation(kind: Any) -> str:
    """Return an annotation as it stands in the source."""
    return kind if isinstance(kind, str) else inspect.formatannotation(kind)


def value(thing: Any) -> str:
    """Return a default as one would write it."""
    if isinstance(thing, Enum):
        return f"{type(thing).__name__}.{thing.name}"
    return f"{type(thing).__name__}()" if " object at 0x" in repr(thing) else repr(thing)


def api_page() -> str:
    """Return the reference of the public names of ``coterie``."""
    intro = (
        "What `import coterie` gives. Everything else lives in a room of its own, for example `coterie.errors`; "
        "these names are the ones we keep stable."
    )
    lines = ["# The Python API", "", NOTE, "", intro, ""]
    for name in sorted(coterie.__all__, key=str.lower):
        thing = getattr(coterie, name)
        if not (inspect.isclass(thing) or inspect.isroutine(thing)):
            continue
        called = signature(thing, wrap=100)
        lines += [f"## {name}", "", "```text", f"coterie.{name}{called}", "```", "", *prose(thing.__doc__ or "")]
        lines += [*(member_lines(thing) if inspect.isclass(thing) else []), ""]
    return "\n".join(lines).rstrip() + "\n"


ERRORS = """# Errors and exit codes

{note}

Every failure that coterie raises on purpose says what happened, to which thing, what was allowed, and, where there is
something to do, a hint. Nothing personal is in it. At the command line it goes to stderr; with `--json`, and from
`CoterieError.to_json()`, it has one shape:

```json
{{"code": "shop_not_found", "message": "There is no shop in /srv/shop.", "hint": "create one: coterie init --shop /srv/shop"}}
```

## Exit codes

| code | meaning |
|---|---|
{exits}

## Errors

All are in `coterie.errors`; catching a class catches those below it. `code` and exit code stay as they are; messages may
change.

| class | `code` | exit | meaning |
|---|---|---|---|
{errors}
"""  # noqa: E501


def family(kind: type[errors.CoterieError], depth: int = 0) -> Iterator[tuple[int, type[errors.CoterieError]]]:
    """Yield an error and those below it, with their depth."""
    yield depth, kind
    for child in kind.__subclasses__():
        yield from family(child, depth + 1)


def errors_page() -> str:
    """Return the reference of errors and exit codes."""
    exits = re.findall(r"(\d+)\s+([^,.]+)", (coterie.cli.__doc__ or "").split("codes:")[1])
    rows = []
    for depth, kind in family(errors.CoterieError):
        also = [base.__name__ for base in kind.__bases__ if base.__module__ == "builtins" and base is not Exception]
        words = cell(" ".join(prose(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0])))
        words += f" Caught as `{also[0]}`, too." if also else ""
        rows.append(f"| {'· ' * depth}`{kind.__name__}` | `{kind.code}` | {kind.exit_code} | {words} |")
    shown = "\n".join(f"| {code} | {cell(words)} |" for code, words in exits)
    return ERRORS.format(note=NOTE, exits=shown, errors="\n".join(rows)).rstrip() + "\n"


PAGES = {
    "cli.md": cli_page,
    "python.md": api_page,
    "errors.md": errors_page,
    "configuration.md": shop_pages.configuration_page,
    "shop-folder.md": shop_pages.folder_page,
    "features.md": features_page.page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), "utf-8")
        print(f"docs/reference/{name}")
