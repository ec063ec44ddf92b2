"""Keeps ``LOOKS.md``: every figure that is published, and every look at a reported holdout, with its date and commit.

A holdout is only worth something while nobody chooses by it. So a look is on record whether it pleased or not: the row
is written when the look ends, also when it ends with an error. A figure belongs to one commit; with uncommitted changes
a look is refused, or, told ``draft``, is taken without being a figure and without being recorded. A draft may not read
a reported holdout.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOOKS = ROOT / "bench" / "LOOKS.md"


class LookRefusedError(RuntimeError):
    """A look that could not be recorded is not taken."""


@dataclass
class Look:
    """One look while it is taken; put what was found into ``figures``."""

    script: str
    configuration: Mapping[str, Any]
    draft: bool
    commit: str
    figures: dict[str, Any] = field(default_factory=dict)

    def row(self, note: str = "") -> str:
        """Return the row of the table."""
        cells = (
            f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
            f"`{self.commit}`",
            self.script,
            _cell(self.configuration),
            note + _cell(self.figures),
        )
        return "| " + " | ".join(cells) + " |"


def _cell(values: Mapping[str, Any]) -> str:
    text = ", ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in values.items()
    )
    return " ".join(text.replace("|", "/").split())


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LookRefusedError(f"git {' '.join(arguments)} failed in {root}: {done.stderr.strip()}")
    return done.stdout


def _commit(root: Path) -> str:
    return _git(root, "rev-parse", "--short=12", "HEAD").strip()


def changes(root: Path, looks: Path) -> list[str]:
    """Return the files that differ from the commit, except the record of looks itself."""
    lines = _git(root, "status", "--porcelain", "--untracked-files=all").splitlines()
    return [line[3:] for line in lines if (root / line[3:].strip('"')).resolve() != looks.resolve()]


@contextmanager
def look(
    script: str,
    configuration: Mapping[str, Any],
    *,
    draft: bool = False,
    holdout: bool = False,
    root: Path = ROOT,
    looks: Path | None = None,
) -> Iterator[Look]:
    """Take a look and put it on record.

    Parameters
    ----------
    script
        Which script looks.
    configuration
        Everything that decides the figures: data, window, method, sizes, seeds.
    draft
        Take it with uncommitted changes and record nothing.
    holdout
        The look reads a reported holdout; such a look is never a draft.

    Raises
    ------
    LookRefusedError
        Before anything is read: with uncommitted changes and no ``draft``, or with ``draft`` on a holdout.
    """
    looks = root / "bench" / "LOOKS.md" if looks is None else looks
    if draft and holdout:
        raise LookRefusedError("A reported holdout is not looked at in a draft: commit first, then look once.")
    dirty = changes(root, looks)
    if dirty and not draft:
        shown = ", ".join(dirty[:5]) + (", …" if len(dirty) > 5 else "")
        raise LookRefusedError(f"{len(dirty)} files differ from the commit ({shown}): commit first, or say --draft.")
    taken = Look(script, dict(configuration), draft, _commit(root))
    try:
        yield taken
    except BaseException as error:
        if not draft:
            _append(looks, taken.row(f"ended with {type(error).__name__}; "))
        raise
    if not draft:
        stays = taken.commit == _commit(root) and not changes(root, looks)
        _append(looks, taken.row("" if stays else "files changed meanwhile; "))


def asked(
    arguments: list[str] | None, description: str, windows: Iterable[str], usual: str, reported: str
) -> argparse.Namespace:
    """Read what a script is asked on the command line: which ``window``, whether a ``draft``, a file for ``json``.

    Parameters
    ----------
    arguments
        As ``main`` got them; None are those of the process.
    description
        What the script does.
    windows, usual
        The windows that there are, and which is taken.
    reported
        What is said of the one that is published.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--window", choices=list(windows), default=usual, help=reported)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    return parser.parse_args(arguments)


def windowed(window: str, as_of: date, horizon_days: int, resamples: int) -> dict[str, Any]:
    """Return the configuration of a look at a window of people and what they did after it, in five folds."""
    return {
        "window": window,
        "as_of": f"{as_of:%Y-%m-%d}",
        "horizon_days": horizon_days,
        "folds": 5,
        "resamples": resamples,
    }


def _append(looks: Path, row: str) -> None:
    if not looks.is_file():
        raise LookRefusedError(f"There is no {looks}: looks go on record there.")
    with looks.open("a", encoding="utf-8") as file:
        file.write(row + "\n")
