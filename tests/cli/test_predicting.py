"""The command ``predict``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

import coterie as library
from till import till

Said = tuple[int, str, str]
NEW_YEAR = datetime(2025, 1, 1)
ASKED = ("--as-of", "2025-09-01", "--horizon", "60", "--value-days", "180")


@pytest.fixture
def command(workplace: Path, call: Callable[..., Said]) -> Callable[..., Said]:
    """The command line in a folder with a shop of 160 customers, who may be told of in groups of ten."""
    random = np.random.default_rng(4)
    rows = [
        (f"o{person}-{visit}", f"c{person}", f"{random.lognormal(3, 0.4):.2f}", f"{NEW_YEAR + day:%Y-%m-%d}")
        for person in range(160)
        for visit, day in enumerate(
            timedelta(days=float(one)) for one in random.uniform(random.integers(0, 60), 300, random.integers(1, 30))
        )
    ]  # fmt: skip
    names = ("order", "customer", "total", "at")
    csv.write_csv(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), "orders.csv")
    Path("till.toml").write_text(till('currency = "EUR"'), "utf-8")
    with library.open("shop", create=True, currency="EUR", timezone="Europe/Berlin", minimum_group=10) as shop:
        shop.ingest("till.toml", ".")
    return partial(call, "predict", "--shop", "shop")


@pytest.mark.slow
def test_value_in_words_with_its_page_its_figures_and_a_list(command: Callable[..., Said]) -> None:
    code, out, err = command("value", *ASKED, "--report", "value.html", "--figures", "drawn", "--format", "png")
    assert code == 0, err
    assert "first rule that fits" in out
    page = Path("value.html")
    assert page.read_text("utf-8").count("<h1>") == 1
    assert str(page.resolve()) in (out + err).replace("\n", "")
    drawn = {one.name for one in Path("drawn").iterdir()}
    assert {"lists.png", "concentration.png", "tracking.png"} <= drawn
    assert all(one.endswith(".png") for one in drawn)
    code, _, err = command("value", *ASKED, "--list", "upsell", "--out", "upsell.parquet", "--purpose", "segmentation")
    assert code == 0, err
    assert set(pq.read_table("upsell.parquet")["advice"].to_pylist()) == {"upsell"}


def test_a_target_as_json_with_its_page(command: Callable[..., Said]) -> None:
    code, out, err = command("churn", *ASKED[:4], "--report", "pages/churn.html", "--figures", "drawn", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["report"] == str(Path("pages/churn.html").resolve())
    assert Path(told["report"]).exists()
    assert [Path(one).suffix for one in told["figures"]] == [".svg"] * len(told["figures"])
    assert told["written"] is None


@pytest.mark.parametrize(
    ("wrong", "there"),
    [
        (("happiness",), "churn, purchase"),
        (("churn", "--list", "retain", "--out", "x.parquet"), "only value has lists"),
        (("value", "--list", "nobody", "--out", "x.parquet"), "win back"),
        (("value", "--list", "retain"), "--out FILE"),
        (("value", "--model", "latest"), "none yet"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(
    command: Callable[..., Said], wrong: tuple[str, ...], there: str
) -> None:
    code, _, err = command(*wrong, *ASKED[:4])
    assert code > 0
    assert there in err
    assert not Path("x.parquet").exists()
