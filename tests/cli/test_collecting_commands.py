"""The commands that bring data in: what they print, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from coterie.cli import app

MAPPING = """
source = "till"
{basis}
[[read]]
file = "orders*.csv"
to = "order_line"
id = ["order"]
identify = {{ customer_id = "customer" }}
fields = {{ order_id = "order", amount = "total", occurred_at = {at} }}
"""
BASIS = '[lawful_basis]\nsegmentation = "contract: a test"\n'


@pytest.fixture
def folder(workplace: Path) -> Path:
    """A working folder with a shop and a file of orders, of which none has a time that is understood."""
    run("init", "--shop", "shop")
    (workplace / "data").mkdir()
    (workplace / "data" / "orders.csv").write_text("order,customer,total,at\no1,ada,5,01.02.2026\no2,,5,02.02.2026\n")
    mapping(workplace)
    return workplace


def mapping(folder: Path, basis: str = BASIS, at: str = '"at"') -> None:
    (folder / "mapping.toml").write_text(MAPPING.format(basis=basis, at=at), "utf-8")


def run(*words: str, code: int = 0) -> str:
    """Call the command line and return what it wrote to stdout."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def told(*words: str, code: int = 0) -> Any:
    return json.loads(run(*words, "--shop", "shop", "--json", code=code))


def test_an_import_of_which_nothing_is_let_in_ends_with_3_and_a_replay_lets_in_what_is_mended(folder: Path) -> None:
    receipt = told("ingest", "mapping.toml", "data", code=3)
    assert (receipt["received"], receipt["quarantined"]) == (2, 2)
    mapping(folder, at='{ column = "at", format = "%d.%m.%Y" }')
    receipt = told("replay", "mapping.toml", "data")
    assert (receipt["received"], receipt["accepted"], receipt["quarantined"]) == (2, 1, 1)
    [fate] = told("trace", "orders.csv", "1")
    assert fate["fate"] == "accepted"
    assert [fact["table"] for fact in fate["facts"]] == ["order_lines"]
    [fate] = told("trace", "orders.csv", "2", "--import", "1")
    assert (fate["fate"], fate["reasons"]) == ("quarantined", ["unidentified"])
    words = run("trace", "orders.csv", "2", "--shop", "shop")
    assert "quarantined: unidentified" in words
    assert run("ingest", "mapping.toml", "data", "--shop", "shop").count("orders.csv") == 1


def test_an_import_is_undone(folder: Path) -> None:
    mapping(folder, at='{ column = "at", format = "%d.%m.%Y" }')
    run("ingest", "mapping.toml", "data", "--shop", "shop")
    assert "Undid import 1, orders.csv: removed 1 fact." in run("undo-import", "1", "--shop", "shop")
    assert told("ingest", "mapping.toml", "data")["accepted"] == 1


def test_imports_that_went_together_are_named(folder: Path) -> None:
    (folder / "data" / "orders.csv").write_text("order,customer,total,at\no1,ada,5,2026-02-01\no2,bob,5,02.02.2026\n")
    mapping(folder, at='{ column = "at", format = "%Y/%m/%d" }')
    told("ingest", "mapping.toml", "data", code=3)
    mapping(folder)
    told("ingest", "mapping.toml", "data")
    mapping(folder, at='{ column = "at", format = ["iso", "%d.%m.%Y"] }')
    told("replay", "mapping.toml", "data")
    words = run("undo-import", "1", "--shop", "shop")
    assert "Undid import 1, orders.csv: removed 1 fact." in words
    assert "Import 2 went with it" in words
    assert told("ingest", "mapping.toml", "data")["accepted"] == 2


def test_what_sets_rows_aside_is_told_apart_from_what_is_merely_odd(folder: Path) -> None:
    (folder / "data" / "orders.csv").write_text("order,customer,total,at\no1,ada,0,2026-02-01\no2,,5,2026-02-02\n")
    mapping(folder)
    done = CliRunner().invoke(app, ["ingest", "mapping.toml", "data", "--shop", "shop"])
    assert "Set aside, in rows: unidentified 1." in done.stderr
    assert "Let in, though odd, in rows: zero_price 1." in done.stderr
    checked = CliRunner().invoke(app, ["check", "--shop", "shop"])
    assert "till" in next(line for line in checked.stdout.splitlines() if "cost nothing" in line)


def test_an_interrupt_is_told_and_ends_with_130(folder: Path) -> None:
    told("ingest", "mapping.toml", "data", code=3)
    # The interrupt comes while the command waits for input.
    script = """
import os, signal, sys
from coterie.cli.app import run
class Input:
    def __iter__(self):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
sys.stdin = Input()
sys.argv = ["coterie", "record", "till", "--shop", "shop"]
run()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stderr.strip().endswith("Interrupted; what was done so far is kept.")


def test_a_guess_of_which_nothing_is_recognised_does_not_ask_to_ingest_it(folder: Path) -> None:
    (folder / "data" / "orders.csv").write_text("station,rain\nx,1\ny,2\n")
    done = CliRunner().invoke(app, ["ingest", "--guess", "data", "--out", "new.toml"])
    assert done.exit_code == 0
    assert "Wrote new.toml, which reads nothing yet" in done.stderr


def test_what_only_the_shop_knows_is_said_on_the_command_line(folder: Path) -> None:
    mapping(folder, basis="", at='{ column = "at", format = "%d.%m.%Y" }')
    other = folder / "more"
    other.mkdir()
    (other / "orders.csv").write_text("order,customer,total,at\no3,bob,5,03.02.2026\n", "utf-8")
    said = ("--source", "kiosk", "--basis", "segmentation=contract: a test", "--timezone", "Europe/Berlin")
    receipt = told("ingest", "mapping.toml", "data", "more", *said)
    assert receipt["source"] == "kiosk"
    assert [file["file"] for file in receipt["files"]] == ["data/orders.csv", "more/orders.csv"]
    assert (receipt["accepted"], receipt["quarantined"]) == (2, 1)


def test_a_reason_that_is_not_given_is_asked_for(folder: Path) -> None:
    done = CliRunner().invoke(app, ["ingest", "mapping.toml", "data", "--shop", "shop", "--basis", "segmentation="])
    assert "gives no reason" in str(done.exception)
