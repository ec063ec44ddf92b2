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
from coterie.predict.advice import ADVICE
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


@pytest.mark.slow
def test_a_list_that_nobody_is_on_is_said_and_is_no_error(command: Callable[..., Said]) -> None:
    code, out, _ = command("value", *ASKED, "--json")
    assert code == 0
    there = {row["advice"] for row in json.loads(out)["advice"]}
    nobody = next(one for one in ADVICE if one not in there)
    asked = (*ASKED, "--list", nobody, "--out", "x.parquet", "--purpose", "segmentation")
    code, out, err = command("value", *asked)
    assert code == 0
    assert f"Nobody is on the list '{nobody}': no file was written." in err
    assert "first rule that fits" in out
    code, out, _ = command("value", *asked, "--json")
    assert code == 0
    assert json.loads(out)["written"] is None
    assert nobody in json.loads(out)["unwritten"]
    assert not Path("x.parquet").exists()


@pytest.mark.parametrize(
    ("wrong", "code", "there"),
    [
        (("--out", "x.parquet"), 4, "No source declares a lawful basis for 'marketing'"),
        (("--out", "."), 2, "is a folder"),
        (("--out", "orders.csv/x.parquet"), 2, "orders.csv is a file"),
        (("--report", "orders.csv/x.html"), 2, "--report"),
        (("--figures", "orders.csv"), 2, "name a folder"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_anything_is_learnt(
    command: Callable[..., Said], wrong: tuple[str, ...], code: int, there: str
) -> None:
    left, out, err = command("churn", *ASKED[:4], *wrong)
    assert left == code
    assert there in err.replace("\n", " ")
    assert not out
    with library.open("shop") as shop:
        assert not shop.registry.models("predict-churn-60d")


def test_a_file_that_is_refused_after_the_work_takes_nothing_of_the_answer_away(command: Callable[..., Said]) -> None:
    config = Path("shop/shop.toml")
    config.write_text(config.read_text("utf-8").replace("minimum_group = 10", "minimum_group = 500"), "utf-8")
    code, out, err = command("churn", *ASKED[:4], "--out", "x.parquet", "--purpose", "segmentation", "--json")
    assert code == 4
    told = json.loads(out)
    assert told["model_id"].startswith("predict-churn-60d-")
    assert told["written"] is None
    assert "Fewer than 500 persons may leave" in told["unwritten"]
    assert json.loads(err.strip().splitlines()[-1])["code"] == "refused"
    assert told["people"] == "<500"
    code, out, err = command("churn", *ASKED[:4])
    assert code == 0
    assert not out.strip(), "no table with nothing in it"
    assert "Nothing can be told of groups here" in err
    assert not Path("x.parquet").exists()


def test_that_the_data_end_before_the_moment_is_said(command: Callable[..., Said]) -> None:
    code, _, err = command("churn", "--as-of", "2025-11-20", "--horizon", "60")
    assert code == 0
    assert "Beware: The data end on 2025-10-2" in err
