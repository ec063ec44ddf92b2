"""Imports that are killed at any moment, again and again, and begun anew: no row is lost and none is doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from kills import killed


@pytest.mark.slow
def test_an_import_that_is_killed_twenty_times_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    found = killed(tmp_path, kills=20, lines=12_000, files=3, seed=17)
    assert found["kills"] == 20
    assert found["rows_in_each"] > 15_000
