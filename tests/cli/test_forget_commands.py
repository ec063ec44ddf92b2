"""The commands that forget and readmit: what they ask, print and return."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coterie.cli import app
from coterie.errors import ParameterError
from till import till

MAPPING = till()


@pytest.fixture
def shop(workplace: Path) -> Path:
    """A working folder with a shop of three customers in it."""
    write(workplace, 3)
    run("init", "--shop", "shop")
    run("ingest", "mapping.toml", ".", "--shop", "shop")
    return workplace


def write(folder: Path, orders: int) -> None:
    (folder / "mapping.toml").write_text(MAPPING, "utf-8")
    rows = [f"o{n},c{n % 3},12.50,2026-01-0{1 + n}" for n in range(orders)]
    (folder / "orders.csv").write_text("order,customer,total,at\n" + "\n".join(rows) + "\n", "utf-8")


def run(*words: str, code: int = 0) -> str:
    """Call the command line and return what it wrote to stdout."""
    done = CliRunner().invoke(app, list(words), standalone_mode=True, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_person_is_forgotten_left_out_and_let_back_in(shop: Path) -> None:
    said = run("forget", "customer_id=c1", "--shop", "shop", "--yes")
    assert "a second search found nothing" in said
    assert "Later imports leave this person out" in said
    write(shop, 6)
    receipt = json.loads(run("ingest", "mapping.toml", ".", "--shop", "shop", "--json"))
    assert receipt["quarantined"] == 2
    with pytest.raises(ParameterError, match="Nobody"):
        run("show", "customer_id=c1", "--shop", "shop")
    assert json.loads(run("readmit", "customer_id=c1", "--shop", "shop", "--json")) == {"readmitted": 1}
    write(shop, 7)
    run("ingest", "mapping.toml", ".", "--shop", "shop")
    assert "3 orders" not in run("show", "customer_id=c1", "--shop", "shop")
    with pytest.raises(ParameterError, match="kept out"):
        run("readmit", "customer_id=c1", "--shop", "shop")


def test_a_receipt_that_was_kept_names_files_and_forgets_again(shop: Path) -> None:
    run("export", "customer_id=c2", "--shop", "shop", "--out", "copy.json")
    (shop / "receipt.json").write_text(run("forget", "customer_id=c2", "--shop", "shop", "--yes", "--json"))
    receipt = json.loads((shop / "receipt.json").read_text())
    assert receipt["outside"] == [str(shop / "copy.json")]
    assert len(receipt["kept_out"]) == 1
    again = json.loads(run("forget", "--again", "receipt.json", "--shop", "shop", "--yes", "--json"))
    assert (again["verified"], again["subjects"]) == (True, 0)
    (shop / "copy.json").unlink()
    assert "copy.json" not in run("forget", "customer_id=c0", "--shop", "shop", "--yes")
    for wrong in (["--yes"], ["customer_id=c1", "--again", "receipt.json", "--yes"], ["--again", "r", "--dry-run"]):
        with pytest.raises(ParameterError, match="receipts of earlier requests"):
            run("forget", *wrong, "--shop", "shop")
