"""The wheel: what is in it, and that it works in an environment of its own, outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import coterie

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(*words: object, folder: Path, home: Path) -> str:
    """Run a command as a stranger would: another folder, another home, nothing of this environment."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COTERIE", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder,
        ROOT,
        folder=folder,
        home=Path.home(),
    )
    (built,) = folder.glob("coterie-*.whl")
    return built


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    source = ROOT / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in (source / "coterie").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"coterie-{coterie.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == wanted
    assert {f"{info}METADATA", f"{info}entry_points.txt", f"{info}licenses/LICENSE"} <= names
    assert "coterie/py.typed" in names


def test_the_wheel_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    away = tmp_path / "somewhere else"
    home.mkdir()
    away.mkdir()
    python = tmp_path / "environment" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "environment", folder=away, home=Path.home())
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[demo]", folder=away, home=Path.home())
    command = python.with_name("coterie")
    assert run(command, "--version", folder=away, home=home).split() == ["coterie", coterie.__version__]
    assert str(tmp_path) in run(python, "-c", "import coterie; print(coterie.__file__)", folder=away, home=home)
    run(command, "demo", "--folder", "demo", folder=away, home=home)
    assert (away / "demo" / "report.html").stat().st_size > 10_000
