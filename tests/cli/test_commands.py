"""The command line as a person and a program use it: output, exit codes, nothing but data on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from coterie.cli import run
from coterie.store.ledger import SqliteLedger
from till import till

MAPPING = till('currency = "USD"')


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.out)  # type: ignore[no-any-return]


@pytest.fixture
def coterie(desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """The command line, called in the working folder."""
    return lambda *words: call(capsys, monkeypatch, *words)


@pytest.fixture
def desk(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a mapping and the orders of 150 customers."""
    random = np.random.default_rng(5)
    counts = random.integers(1, 20, 150)
    customer = np.repeat(np.arange(150), counts)
    day = random.integers(0, 300, len(customer))
    orders = {
        "order": [f"o{number}" for number in range(len(customer))],
        "customer": [f"c{number}" for number in customer],
        "total": [f"{amount:.2f}" for amount in random.lognormal(3, 0.5, len(customer))],
        "at": [str(np.datetime64("2025-01-01") + offset) for offset in day],
    }
    csv.write_csv(pa.table(orders), workplace / "orders.csv")
    (workplace / "till.toml").write_text(MAPPING, "utf-8")
    monkeypatch.setenv("COTERIE_SHOP", "shop")
    return workplace


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> Said:
    """Run a command in this process."""
    monkeypatch.setattr(sys, "argv", ["coterie", *words])
    with pytest.raises(SystemExit) as left:
        run()
    said = capsys.readouterr()
    return Said(int(left.value.code or 0), said.out, said.err)


def test_a_shop_from_nothing_to_a_report(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def coterie(*words: str) -> Said:
        return call(capsys, monkeypatch, *words)

    assert coterie("init", "--name", "Corner shop").code == 0
    brought = coterie("ingest", "till.toml", "--json")
    assert brought.code == 0
    assert brought.json["accepted"] == brought.json["received"] != 0
    again = coterie("ingest", "till.toml")
    assert "reused" in again.out
    assert coterie("check", "--json").json["people"] == 150
    built = coterie("build", "--out", "features.parquet", "--json")
    assert built.json["people"] == pq.read_metadata("features.parquet").num_rows == 150
    made = coterie("segment", "--as-of", "2025-09-01", "--k", "2", "--horizon", "30", "--report", "r.html", "--json")
    assert made.code == 0
    assert len(made.json["segments"]) == 2  # type: ignore[arg-type]
    assert (desk / "r.html").read_text("utf-8").startswith("<!doctype html>")
    shown = coterie("show", "customer_id=c3")
    assert "Segment: " in shown.out
    assert "c3" not in shown.out
    exported = coterie("export", "customer_id=c3")
    assert exported.json.keys() >= {"order_lines", "identifiers", "published"}
    planned = coterie("forget", "customer_id=c3", "--dry-run")
    assert "Nothing was erased" in planned.out
    assert coterie("forget", "customer_id=c3", "--yes", "--json").json["verified"] is True
    assert coterie("show", "customer_id=c3").code == 2


def test_exit_codes_say_what_went_wrong(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def coterie(*words: str) -> Said:
        return call(capsys, monkeypatch, *words)

    assert coterie("check").code == 1  # no shop yet
    assert coterie("segment", "--k", "one").code == 2
    assert coterie("nonsense").code == 2
    assert coterie("init").code == 0
    assert coterie("build").code == 3  # nothing to build from
    (desk / "orders.csv").rename(desk / "elsewhere.csv")
    missing = coterie("ingest", "till.toml", "--json")
    assert missing.code == 3
    assert missing.out == ""
    assert json.loads(missing.err)["code"] == "unreadable_source"
    (desk / "elsewhere.csv").rename(desk / "orders.csv")
    (desk / "till.toml").write_text(MAPPING.replace('"total"', '"totl"'), "utf-8")
    wrong = coterie("ingest", "till.toml")
    assert wrong.code == 3
    assert "totl" in wrong.err
    assert "did you mean 'totl' → 'total'?" in wrong.err
    (desk / "till.toml").write_text(MAPPING.replace("segmentation =", "marketing ="), "utf-8")
    assert coterie("ingest", "till.toml").code == 0
    assert coterie("build").code == 4  # no lawful basis for segments
    bad = (desk / "orders.csv").read_text("utf-8").replace("2025-01-0", "yesterday-")
    (desk / "orders.csv").write_text(bad, "utf-8")
    (desk / "till.toml").write_text(MAPPING, "utf-8")
    assert coterie("ingest", "till.toml").code == 0
    assert coterie("check").code == 5  # rows are set aside
    with SqliteLedger(desk / "shop" / "ledger.sqlite").lease("writer"):
        locked = coterie("build", "--json")
    assert locked.code == 1
    assert json.loads(locked.err)["code"] == "shop_locked"


def test_a_shop_left_locked_by_another_machine_can_be_unlocked(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def coterie(*words: str) -> Said:
        return call(capsys, monkeypatch, *words)

    assert coterie("init").code == 0
    held = SqliteLedger(desk / "shop" / "ledger.sqlite")
    with held.lease("writer"):
        assert coterie("unlock").code == 1  # its process lives: it is this one
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "container-1")
        lease = held.lease("writer")
        lease.__enter__()
    refused = coterie("ingest", "till.toml")
    assert refused.code == 1
    assert "coterie unlock" in refused.err
    assert coterie("unlock", "--json").json == {"released": True}
    assert coterie("ingest", "till.toml").code == 0
    assert "Nobody" in coterie("unlock").out
    lease.__exit__(None, None, None)
    held.close()


def test_usage_errors_have_the_one_json_shape(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call(capsys, monkeypatch, "segment", "--k", "one", "--json")
    assert (said.code, said.out) == (2, "")
    assert set(json.loads(said.err)) == {"code", "message", "hint"}


def test_no_command_is_quiet_about_what_it_does() -> None:
    told = subprocess.run([sys.executable, "-m", "coterie", "--help"], capture_output=True, text=True, check=True)
    for command in ("init", "ingest", "check", "build", "segment", "show", "export", "forget", "demo"):
        assert f"\n  {command} " in told.stdout
    assert told.stderr == ""
    version = subprocess.run([sys.executable, "-m", "coterie", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("coterie ")


def test_without_a_command_it_helps(coterie: Callable[..., Said]) -> None:
    said = coterie()
    assert said.code == 0
    assert said.out.startswith("Usage: ")
    assert said.err == ""


def test_nobody_to_ask_is_no_yes(coterie: Callable[..., Said]) -> None:
    coterie("init")
    coterie("ingest", "till.toml")
    for words in (("forget", "customer_id=c3"), ("forget", "customer_id=c3", "--json")):
        said = coterie(*words)
        assert said.code == 2
        assert said.out == ""
        assert "--yes" in said.err
    assert coterie("show", "customer_id=c3").code == 0


def test_json_has_no_figures_that_json_has_not(coterie: Callable[..., Said], desk: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    rows = [f"o{customer},c{customer},5.00,2025-03-01" for customer in range(100)]  # one order: no gap between orders
    rows += [
        f"p{customer}-{day},d{customer},90.00,2025-04-{1 + day * (1 + customer % 3):02}"
        for customer in range(60)
        for day in range(8)
    ]
    (desk / "orders.csv").write_text("\n".join(["order,customer,total,at", *rows]), "utf-8")
    coterie("init")
    coterie("ingest", "till.toml")
    said = coterie("segment", "--k", "2", "--json")
    body = json.loads(said.out, parse_constant=refuse)
    typical = [{trait["feature"]: trait["typical"] for trait in one["traits"]} for one in body["segments"]]
    assert [one["gap_mean_days"] for one in typical] == [2, None]


def test_a_place_that_cannot_be_written_is_said_in_words(coterie: Callable[..., Said], desk: Path) -> None:
    coterie("init")
    coterie("ingest", "till.toml")
    (desk / "file").write_text("")
    said = coterie("build", "--out", "file/table.parquet")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("Error: Cannot write ")


def test_a_terminal_does_not_obey_what_data_say(coterie: Callable[..., Said], desk: Path) -> None:
    (desk / "people.csv").write_text("customer,town\nc3,\x1b[31mRome\x9b2J\n", "utf-8")
    traits = '[[read]]\nfile = "people.csv"\nto = "trait"\nidentify = { customer_id = "customer" }\ntraits = ["town"]\n'
    (desk / "till.toml").write_text(MAPPING + traits, "utf-8")
    coterie("init")
    coterie("ingest", "till.toml")
    shown = coterie("show", "customer_id=c3").out
    assert "town: \ufffd[31mRome\ufffd2J" in shown
    assert coterie("show", "customer_id=c3", "--json").json["traits"][0]["value"] == "\x1b[31mRome\x9b2J"  # type: ignore[index]
