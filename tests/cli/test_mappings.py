"""The command that lists ready mappings and copies one to be edited."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coterie.cli import mappings
from coterie.cli.frame import app
from coterie.collect import shops
from coterie.errors import MappingError, UsageError

assert mappings.mapping


def test_all_are_listed_with_what_they_read() -> None:
    listed = CliRunner().invoke(app, ["mapping"])
    assert listed.exit_code == 0
    assert all(name in listed.stdout for name in shops.names())
    assert json.loads(CliRunner().invoke(app, ["mapping", "--json"]).stdout) == shops.catalogue()


def test_one_is_printed_as_it_is_written() -> None:
    shown = CliRunner().invoke(app, ["mapping", "segment"])
    assert shown.stdout == shops.text("segment")
    assert json.loads(CliRunner().invoke(app, ["mapping", "segment", "--json"]).stdout)["toml"] == shops.text("segment")


def test_a_copy_is_written_and_never_over_another(tmp_path: Path) -> None:
    out = tmp_path / "till.toml"
    written = CliRunner().invoke(app, ["mapping", "store_till", "--out", str(out)])
    assert (written.exit_code, written.stdout) == (0, "")
    assert tomllib.loads(out.read_text("utf-8"))["source"] == "store_till"
    with pytest.raises(UsageError, match="there already"):
        CliRunner().invoke(app, ["mapping", "segment", "--out", str(out)], catch_exceptions=False)
    assert out.read_text("utf-8") == shops.text("store_till")


def test_what_there_is_not_is_an_error() -> None:
    with pytest.raises(MappingError, match="no ready mapping"):
        CliRunner().invoke(app, ["mapping", "magento"], catch_exceptions=False)
    with pytest.raises(UsageError, match="needs the name"):
        CliRunner().invoke(app, ["mapping", "--out", "x.toml"], catch_exceptions=False)
