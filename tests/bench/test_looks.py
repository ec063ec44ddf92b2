"""Looks: on record with their commit, refused with uncommitted changes, kept also when they fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import looks


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "LOOKS.md").write_text("# Looks\n\n| date | commit | script | configuration | figures |\n")
    (tmp_path / "code.py").write_text("x = 1\n")
    git("add", ".")
    git("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "x")
    return tmp_path


def rows(repository: Path) -> list[str]:
    return (repository / "bench" / "LOOKS.md").read_text().splitlines()[3:]


def test_a_look_is_recorded_with_its_commit(repository: Path) -> None:
    with looks.look("a.py", {"window": "june", "k": 5}, root=repository) as taken:
        taken.figures["r2"] = 0.5
    (row,) = rows(repository)
    assert f"`{taken.commit}` | a.py | window=june, k=5 | r2=0.5 |" in row
    with looks.look("b|.py", {"words": "a | b\nc"}, root=repository):  # the record itself does not count as a change
        pass
    assert len(rows(repository)) == 2
    assert "words=a / b c" in rows(repository)[1]


def test_what_changes_while_a_look_is_taken_is_said_in_its_row(repository: Path) -> None:
    with looks.look("a.py", {}, root=repository) as taken:
        taken.figures["r2"] = 0.5
        (repository / "code.py").write_text("x = 2\n")
    (row,) = rows(repository)
    assert row.endswith("| files changed meanwhile; r2=0.5 |")


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_uncommitted_changes_refuse_a_look_before_anything_is_read(repository: Path, name: str) -> None:
    (repository / name).write_text("x = 2\n")
    with pytest.raises(looks.LookRefusedError, match=name), looks.look("a.py", {}, root=repository):
        pytest.fail("the look was taken")
    assert rows(repository) == []


def test_a_draft_is_taken_and_not_recorded(repository: Path) -> None:
    (repository / "code.py").write_text("x = 2\n")
    with looks.look("a.py", {}, draft=True, root=repository) as taken:
        taken.figures["r2"] = 0.5
    assert rows(repository) == []


def test_a_holdout_is_never_a_draft(repository: Path) -> None:
    with (
        pytest.raises(looks.LookRefusedError, match="commit first"),
        looks.look("a.py", {}, draft=True, holdout=True, root=repository),
    ):
        pytest.fail("the look was taken")


def test_a_look_that_fails_is_on_record(repository: Path) -> None:
    with pytest.raises(ZeroDivisionError), looks.look("a.py", {"k": 5}, root=repository) as taken:
        taken.figures["r2"] = 1 / len(taken.figures)
    (row,) = rows(repository)
    assert "ended with ZeroDivisionError;" in row


def test_without_a_record_there_is_no_look(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(looks.LookRefusedError, match="git"), looks.look("a.py", {}, root=tmp_path / "nowhere"):
        pytest.fail("the look was taken")


def test_every_script_has_its_line_on_the_page() -> None:
    bench = looks.ROOT / "bench"
    page = (bench / "README.md").read_text("utf-8")
    scripts = {path.name for path in bench.glob("*.py")}
    assert "first_light.py" in scripts
    assert {name for name in scripts if f"| `{name}` |" not in page} == set()
