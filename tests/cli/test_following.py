"""The command ``follow``: what it prints, what it writes as JSON, how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

import coterie as library
from till import till

Said = tuple[int, str, str]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shop of 120 customers of two kinds, a model of them, and its key; for copying."""
    folder = tmp_path_factory.mktemp("begun")
    random = np.random.default_rng(4)
    rows = [
        (
            f"o{person}-{visit}",
            f"c{person}",
            f"{random.lognormal(3, 0.3):.2f}",
            f"{datetime(2025, 1, 1) + day:%Y-%m-%d}",
        )
        for person in range(120)
        for visit, day in enumerate(timedelta(days=float(one)) for one in random.uniform(0, 300, (40, 3)[person % 2]))
    ]
    names = ("order", "customer", "total", "at")
    csv.write_csv(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), folder / "orders.csv")
    (folder / "till.toml").write_text(till('currency = "EUR"'), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        made = library.open(folder / "shop", create=True, currency="EUR", timezone="Europe/Berlin", minimum_group=5)
        with made as shop:
            shop.ingest(folder / "till.toml")
            shop.segment("2025-08-01", k=2, horizon_days=30)
    return folder


@pytest.fixture
def command(begun: Path, workplace: Path, call: Callable[..., Said]) -> Callable[..., Said]:
    """The command line in a folder with a copy of that shop."""
    shutil.copytree(begun, workplace, dirs_exist_ok=True)
    return partial(call, "follow", "--shop", "shop")


def test_sizes_moves_and_the_verdict_in_words(command: Callable[..., Said]) -> None:
    code, out, err = command("--until", "2025-10-01", "--retrained", "--margin", "0.1")
    assert code == 0
    lines = out.splitlines()
    head = next(line for line in lines if line.split()[:1] == ["segment"])
    assert head.split()[1:] == ["2025-08-01", "2025-09-01", "2025-10-01"]  # days of the shop's clock
    assert any(line.strip().startswith("in the same segment as before") for line in lines)
    assert any("were segments made anew" in line for line in lines)
    assert any(line.startswith(("Keep these segments", "Time to review these segments")) for line in lines)
    assert "moments: done" in err
    assert "about as large" in err or "have grown and others shrunk" in err or "far from what they were" in err
    assert "c0" not in out


def test_json(command: Callable[..., Said]) -> None:
    code, out, _ = command("--date", "2025-08-01", "--date", "2025-09-01", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["moments"][0]["people"] > 50
    assert told["moments"][0]["as_of"] == "2025-07-31T22:00:00Z"
    assert len(told["migrations"]) == 1
    assert told["review"]["verdict"] in ("keep", "watch", "review")
    assert told["remade"] == []


def test_a_number_of_days_and_what_is_refused(command: Callable[..., Said]) -> None:
    code, out, _ = command("--every", "20", "--until", "2025-08-25", "--json")
    assert code == 0
    assert len(json.loads(out)["moments"]) == 2
    for words, message in (
        (("--every", "fortnight"), "every must be"),
        (("--model", "nothing"), "no model"),
        (("--method", "magic"), "magic"),
        (("--margin", "-1"), "--margin"),
    ):
        code, out, err = command(*words)
        assert code == 2
        assert message in err
        assert out == ""
