"""What a person at the terminal sees: data on stdout, words and progress bars on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from coterie.errors import CoterieError


class Screen:
    """Prints answers and progress.

    Parameters
    ----------
    as_json
        Print each answer as one JSON value on stdout instead of words and tables.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # A file or a pipe has no width; a table cut to a guessed one would lose data.
        self.out = Console(file=sys.stdout, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 180)
        self.err = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def answer(self, value: dict[str, Any] | list[Any]) -> None:
        """Print one JSON value on stdout."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")

    def say(self, text: str, *, style: str | None = None) -> None:
        """Print words on stderr."""
        self.err.print(escape(_tame(text)), style=style)

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of data on stdout."""
        sys.stdout.write("".join(f"{_tame(line)}\n" for line in lines))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
        """Print a table on stdout; numbers stand on the right."""
        table = Table(
            *[escape(name) for name in columns],
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            title=title,
            title_justify="left",
        )
        for number, column in enumerate(table.columns):
            column.overflow = "fold"  # nothing is cut off: text goes on in the next line, numbers stay whole
            if rows and all(isinstance(row[number], int | float) or _numeric(str(row[number])) for row in rows):
                column.justify, column.min_width = "right", max(len(_shown(row[number])) for row in rows)
        for row in rows:
            table.add_row(*[escape(_shown(cell)) for cell in row])
        needed = Measurement.get(self.out, self.out.options, table).minimum  # a terminal may be narrower than words are
        self.out.print(table, width=max(needed, self.out.width))

    def error(self, error: CoterieError) -> None:
        """Print an error on stderr: in words, or as the one JSON shape."""
        if self.as_json:
            sys.stderr.write(json.dumps(error.to_json(), ensure_ascii=False) + "\n")
            return
        self.err.print(f"[bold red]Error:[/] {escape(_tame(error.message))}")
        if error.hint:
            self.err.print(f"[bold]Hint:[/] {escape(error.hint)}")

    @contextmanager
    def progress(self) -> Iterator[Steps]:
        """Show bars while long work runs; plain lines where stderr is not a terminal."""
        if not self.err.is_terminal:
            yield Steps(None, self)
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.err, transient=True) as bars:
            yield Steps(bars, self)


class Steps:
    """Draws the steps that rooms report (see :class:`coterie.progress.Progress`).

    Parameters
    ----------
    bars
        The live display, or None to print a line when a step ends.
    screen
        Where the lines go.
    """

    def __init__(self, bars: Progress | None, screen: Screen) -> None:
        self.bars = bars
        self.screen = screen
        self.tasks: dict[str, TaskID] = {}
        self.ended: set[str] = set()

    def step(self, name: str, done: int, total: int | None = None) -> None:
        """Move the bar of a step."""
        if self.bars is None:
            if total is not None and done >= total and name not in self.ended:
                self.ended.add(name)
                self.screen.say(f"  {name}: done")
            return
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(escape(name), total=total)
        self.bars.update(self.tasks[name], completed=done, total=total)


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else _tame(str(cell))


def _numeric(text: str) -> bool:
    """Say whether a cell reads as a number, an amount or a share."""
    return text in {"", "–"} or (
        any(char.isdigit() for char in text) and text.strip("<$€£%−-+.,0123456789kMBbn \u00a0\u202f") == ""
    )


def _tame(text: str) -> str:
    """Show control characters that data may hold as such: a terminal would obey them."""
    return "".join(
        char if char in "\n\t" or ord(char) >= 0xA0 or 0x20 <= ord(char) < 0x7F else "\ufffd" for char in text
    )
