"""The verb ``predict`` for targets: learnt from the past, judged at a later moment, published, asked again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import coterie
from coterie import Workspace
from coterie.errors import DataError, ParameterError
from coterie.features import published

MOMENT = datetime(2025, 11, 1)


@pytest.fixture
def shop(taken_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    shutil.copytree(taken_in, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with coterie.open(tmp_path / "shop") as opened:
        yield opened


def test_churn_is_learnt_judged_and_published(shop):
    made = shop.predict("churn", MOMENT, horizon_days=60)
    told = made.people["prediction"].to_numpy()
    assert ((told >= 0) & (told <= 1)).all()
    assert made.people["person"].to_pylist() == sorted(made.people["person"].to_pylist())
    assert made.judgement.metric == "AUC"
    assert made.judgement.protocol.startswith("everybody at 2025-09-02, after learning from 2 earlier moments")
    read = published.read(shop.warehouse, made.feature, at=datetime(2100, 1, 1))
    assert made.feature == "predicted_churn_60d"
    assert set(read["version"].to_pylist()) == {made.model_id}
    assert read["number"].to_pylist() == told.tolist()


def test_asked_twice_it_is_learnt_once(shop):
    now = shop.predict("orders", MOMENT, horizon_days=60)
    again = shop.predict("orders", MOMENT, horizon_days=60)
    assert again.reused
    assert not now.reused
    assert again.model_id == now.model_id
    np.testing.assert_array_equal(again.people["prediction"], now.people["prediction"])
    assert all(moment < MOMENT for moment in now.moments)


@pytest.mark.slow
def test_a_registered_learner_is_asked_at_another_moment(shop):
    first = shop.predict("spend", datetime(2025, 9, 1), horizon_days=60)
    later = shop.predict("spend", MOMENT, horizon_days=60, model=first.model_id)
    assert later.model_id == first.model_id
    assert later.people.num_rows >= first.people.num_rows
    with pytest.raises(ParameterError, match="There is no model 'nothing'"):
        shop.predict("spend", MOMENT, horizon_days=60, model="nothing")


def test_a_shop_that_is_too_young_is_told_how_many_days_are_needed(shop):
    with pytest.raises(DataError, match=r"Nothing can be learnt of 60 days ahead.*90 are needed") as refused:
        shop.predict("churn", datetime(2025, 2, 15), horizon_days=60)
    assert "at most" in refused.value.hint


def test_one_earlier_moment_is_judged_on_people_not_learnt_from(shop):
    made = shop.predict("purchase", datetime(2025, 5, 1), horizon_days=60)
    assert made.judgement.protocol.startswith("half of the people at 2025-03-02")
    assert made.judgement.people < made.people.num_rows


def test_classes_and_what_is_told_of_them(shop):
    made = shop.predict("category", MOMENT, horizon_days=60)
    assert made.judgement.metric == "accuracy"
    assert set(made.people["prediction"].to_pylist())
    told = made.to_json()
    assert told["kind"] == "class"
    assert "person" not in str(told["predictions"])


def test_unknown_targets_are_refused(shop):
    with pytest.raises(ParameterError, match="churn"):
        shop.predict("happiness", MOMENT)


def test_the_report_is_one_page_about_groups_that_erasure_knows_of(shop, tmp_path):
    made = shop.predict("churn", MOMENT, horizon_days=60)
    path = made.report(tmp_path / "churn.html")
    html = path.read_text("utf-8")
    for words in ("Churn in the next 60 days", "Can you trust this?", "What moves it", made.judgement.rule):
        assert words in html
    assert "log_gaps" not in html, "columns have names for people"
    figures = made.figures(tmp_path / "figures", format="png")
    assert {"people.png", "judgement.png"} <= {one.name for one in figures}
    assert {str(path), *map(str, figures)} <= set(shop._outside())
    assert made._repr_html_().startswith("<iframe srcdoc=")
