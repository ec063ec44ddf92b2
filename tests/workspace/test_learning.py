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


@pytest.mark.parametrize("name", ["category", "next_category"])
def test_classes_and_what_is_told_of_them(shop, name):
    made = shop.predict(name, MOMENT, horizon_days=60)
    assert made.judgement.metric == "accuracy"
    assert made.judgement.rule == "The category that the person has bought most."
    assert set(made.people["prediction"].to_pylist()) <= {f"k{number}" for number in range(5)}
    told = made.to_json()
    assert told["kind"] == "class"
    assert "person" not in str(told["predictions"])
    if not made.by_rule:
        chances = np.column_stack([made.people[one].to_numpy() for one in ("chance", "chance_2", "chance_3")])
        assert (np.diff(chances, axis=1) <= 0).all()
        assert (chances.sum(axis=1) <= 1).all()
        for row in made.people.slice(0, 20).to_pylist():
            assert len({row["prediction"], row["choice_2"], row["choice_3"]}) == 3
            assert f"bought {row['prediction']}" in row["reason_1"]
    assert "How often it was bought" in {one.title for one in made.page().reasons}
    assert "a conditional logit over all categories" in made._repr_html_()
    again = shop.predict(name, MOMENT, horizon_days=60)
    assert again.reused
    assert again.people.equals(made.people)
    read = published.read(shop.warehouse, made.feature, at=datetime(2100, 1, 1))
    assert read["label"].to_pylist() == made.people["prediction"].to_pylist()


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("happiness", "or value"),
        ("chrun", "did you mean 'churn'?"),
        ("VALUE", "did you mean 'value'?"),
        ("next-category", "did you mean 'next_category'?"),
        ("spend 30d", "did you mean 'spend'?"),
        ("churn_30d", "name churn, and the days beside it: 30"),
        ("product viewd", "did you mean 'event:Product Viewed'?"),
        ("event:Email clicked", "did you mean 'event:Email Link Clicked'?"),
        ("event", "such as 'event:Product Viewed'"),
    ],
)
def test_unknown_targets_are_refused_with_the_one_that_may_be_meant(shop, asked, meant):
    with pytest.raises(ParameterError) as refused:
        shop.predict(asked, MOMENT)
    assert meant in refused.value.hint


def test_a_learner_of_something_else_is_refused_before_anything_is_read(shop):
    made = shop.predict("churn", MOMENT, horizon_days=60)
    for what, days in (("purchase", 60), ("churn", 61)):
        with pytest.raises(ParameterError, match=f"There is no model '{made.model_id}'") as refused:
            shop.predict(what, "1999-01-01", horizon_days=days, model=made.model_id)
        assert "leave out model" in refused.value.hint


def test_that_the_data_end_before_the_moment_is_told_everywhere(shop, tmp_path):
    assert shop.predict("churn", MOMENT, horizon_days=60).warnings == ()
    late = shop.predict("churn", datetime(2026, 2, 20), horizon_days=60)
    (told,) = late.warnings
    assert told.startswith("The data end on 2026-02-0")
    assert told in repr(late)
    assert late.to_json()["warnings"] == [told]
    assert told in late.report(tmp_path / "late.html").read_text("utf-8")
    with pytest.raises(DataError, match="as far as its data tell") as refused:
        shop.predict("churn", datetime(2026, 2, 20), horizon_days=300)
    assert "at most 26" in refused.value.hint, "days after the data end are not counted"


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
