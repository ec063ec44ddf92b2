"""The Makefile: says what there is, says clearly what is missing, and sets itself up from nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD = '#!/bin/sh\ncase "$*" in *version_info*) exit 1;; esac\necho Python 3.9.2\n'
BARE = f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n'


def environment(**changes: str) -> dict[str, str]:
    """This environment without what a surrounding make, venv or interpreter put into it."""
    ours = ("MAKE", "MFLAGS", "PYTHON", "VIRTUAL_ENV", "UV_")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **changes}


def make(*words: str, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *words]
    return subprocess.run(command, cwd=folder, env=environment(**changes), capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what is needed to set up, in a folder whose path has spaces."""
    folder = tmp_path / "a shop's checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "uv.lock", "README.md", "LICENSE", ".importlinter"):
        shutil.copy2(ROOT / name, folder)
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    return folder


def test_help_is_the_default_and_names_every_target() -> None:
    told = make(folder=ROOT)
    assert told.returncode == 0
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.M))
    assert set(re.findall(r"^  ([a-z]+)  ", told.stdout, flags=re.M)) == targets
    assert {"demo", "test", "check"} <= targets


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        (OLD, "Python 3.9.2, and coterie needs Python 3.11", "make PYTHON="),
        (BARE, "lacks the modules venv and ensurepip", "apt-get install python3"),
    ],
    ids=["too old", "no venv"],
)
def test_a_python_that_will_not_do_is_named_with_the_remedy(
    checkout: Path, tmp_path: Path, script: str, message: str, hint: str
) -> None:
    python = tmp_path / "my python"
    python.write_text(script, "utf-8")
    python.chmod(0o755)
    told = make("lint", folder=checkout, PYTHON=str(python))
    assert told.returncode != 0
    assert message in told.stderr
    assert hint in told.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_not_there_is_named(checkout: Path) -> None:
    told = make("lint", folder=checkout, PYTHON="python-of-my-dreams")
    assert told.returncode != 0
    assert "there is no Python called python-of-my-dreams" in told.stderr


@pytest.mark.slow
def test_a_checkout_sets_itself_up_from_nothing_and_only_once(checkout: Path) -> None:
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    first = make("architecture", folder=checkout)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "making .venv" in first.stderr
    again = make("architecture", folder=checkout)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "==>" not in again.stderr

    elsewhere = checkout.with_name("moved")
    checkout.rename(elsewhere)
    moved = make("--question", ".venv/ready", folder=elsewhere)
    assert moved.returncode == 1, "an environment that was moved is made anew"
