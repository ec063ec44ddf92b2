"""The command that answers what one customer is like now: what it prints and returns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coterie.cli import app
from coterie.errors import GateRefusedError, ParameterError
from coterie.workspace import answering
from till import till

MAPPING = till(purpose="personalisation")


@pytest.fixture
def shop(workplace: Path) -> Path:
    """A working folder with a shop of three orders of two customers in it."""
    (workplace / "till.toml").write_text(MAPPING, "utf-8")
    rows = [f"o{n},c{n % 2},12.50,2026-01-0{1 + n}" for n in range(3)]
    (workplace / "orders.csv").write_text("order,customer,total,at\n" + "\n".join(rows) + "\n", "utf-8")
    typed("init", "--shop", "shop", "--currency", "EUR")
    typed("ingest", "till.toml", ".", "--shop", "shop")
    return workplace


def typed(*words: str) -> str:
    """Call the command line and return what it wrote to stdout."""
    done = CliRunner().invoke(app, list(words), standalone_mode=True, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_customer_in_words_and_as_json(shop: Path) -> None:
    said = typed("profile", "customer_id=c0", "--shop", "shop", "--features", "spend, orders")
    assert [line.split()[:2] for line in said.splitlines() if "€25" in line] == [["Spend", "€25.00"]]
    assert "c0" not in said
    told = json.loads(typed("profile", "customer_id=c0", "--shop", "shop", "--features", "spend,orders", "--json"))
    assert [(one["name"], one["value"], one["unit"]) for one in told["features"]] == [
        ("spend", 2500, "money"),
        ("orders", 2, "count"),
    ]
    assert told["currency"] == "EUR"
    assert told["online"]
    assert all(one["meaning"] for one in told["features"])
    every = json.loads(typed("profile", "customer_id=c1", "--shop", "shop", "--json"))
    assert len(every["features"]) > 10
    assert every["missing"]


def test_an_earlier_moment(shop: Path) -> None:
    words = ["profile", "customer_id=c0", "--shop", "shop", "--features", "orders", "--as-of", "2026-01-02"]
    told = json.loads(typed(*words, "--json"))
    assert (told["features"][0]["value"], told["online"], told["as_of"]) == (1, False, "2026-01-02T00:00:00Z")
    assert "newest fact" in told["why"]


def test_answers_are_made_ready(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_LONG", 1)
    done = CliRunner().invoke(app, ["profile", "customer_id=c0", "--shop", "shop"])
    assert "coterie keep-up" in done.stderr
    assert "order_lines: 3 rows taken in" in typed("keep-up", "--shop", "shop")
    assert json.loads(typed("profile", "customer_id=c0", "--shop", "shop", "--json"))["online"]
    assert typed("keep-up", "--shop", "shop").strip() == "Everything is ready already."
    assert json.loads(typed("keep-up", "--shop", "shop", "--json")) == {}


def test_refusals_and_mistakes(shop: Path) -> None:
    def wrong(*words: str) -> Exception:
        done = CliRunner().invoke(app, ["profile", *words, "--shop", "shop"])
        assert done.exit_code != 0
        assert done.exception is not None
        return done.exception  # type: ignore[return-value]

    refused = wrong("customer_id=c0", "--purpose", "segmentation")
    assert isinstance(refused, GateRefusedError)
    assert refused.exit_code == 4
    for words in (["customer_id=nobody"], ["c0"], ["customer_id=c0", "--features", "no_such"]):
        assert isinstance(wrong(*words), ParameterError)
