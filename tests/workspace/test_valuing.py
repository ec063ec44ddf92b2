"""The verb ``predict`` for value: every customer valued, on one list, judged in the past, published, asked again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

import coterie
from coterie import Workspace
from coterie.errors import IntegrityError, ParameterError
from coterie.features import published
from coterie.predict.advice import ADVICE
from coterie.predict.contest.stored import restored
from coterie.progress import SILENT
from coterie.schema import Purpose
from coterie.workspace.cases import Cases
from coterie.workspace.valuing import Models

MOMENT = datetime(2025, 11, 1)


@pytest.fixture(scope="module")
def shop(taken_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One shop for all tests here; what they publish stays in it."""
    folder = tmp_path_factory.mktemp("valuing")
    shutil.copytree(taken_in, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop") as opened:
            yield opened


@pytest.fixture(scope="module")
def made(shop: Workspace):
    return shop.predict("value", MOMENT, horizon_days=60, value_days=180, margin=0.5)


def test_everybody_is_valued_and_on_one_list(shop, made):
    people = made.people
    everybody = shop.build(MOMENT, features=["orders"]).table["person"]
    assert people["person"].to_pylist() == everybody.to_pylist()
    for name in ("expected_orders", "active", "expected_spend", "value", "at_risk"):
        values = people[name].to_numpy()
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
    assert (people["active"].to_numpy() <= 1).all()
    assert pc.all(pc.less_equal(people["value_low"], people["value_high"])).as_py()
    assert set(people["advice"].to_pylist()) <= set(ADVICE)
    assert set(people["tier"].to_pylist()) == set(made.tiers.names)
    assert made.tier_table()["people"].to_numpy().sum() == people.num_rows
    assert pc.sum(made.lists()["people"]).as_py() == people.num_rows


def test_models_that_an_earlier_version_kept_are_refused_in_words(made):
    body = {"value": made.value.to_json(), "tiers": made.tiers.to_json(), "adviser": made.adviser.to_json()}
    with pytest.raises(IntegrityError, match="another version") as refused:
        Models.from_json(body)
    assert "leave out model" in refused.value.hint


def test_value_begins_with_the_forecast(made):
    people, near = made.people, made.near
    for name, part in (("expected_orders", near.orders), ("active", near.active), ("expected_spend", near.spend)):
        np.testing.assert_array_equal(people[name], part)
    value, risk = people["value"].to_numpy(), people["at_risk"].to_numpy()
    # nobody is worth less in half a year than in its first two months, nor less likely to order
    discount = 1.1 ** (-180 / 365)
    assert (value >= 0.5 * discount * near.spend * (1 - 1e-9)).all()
    assert (risk <= value * (1 - near.active) * (1 + 1e-9) + 1e-9).all()
    # all together bring what the forecast says, and after it what the models do
    whole, soon = (
        made.value.predict(made.history, first="first_spend", horizon_days=days, intervals=False)["value"].to_numpy()
        for days in (180, 60)
    )
    assert value.sum() <= 0.5 * near.spend.sum() + (whole - soon).sum() <= value.sum() / discount
    again = made.value.predict(made.history, first="first_spend", near=near)
    for name in ("value", "value_low", "value_high", "at_risk"):
        np.testing.assert_array_equal(again[name], people[name])
    assert made.total.value == pytest.approx(value.sum())


@pytest.mark.slow
def test_value_shorter_than_the_forecast_is_the_models_alone(shop):
    short = shop.predict("value", "2025-06-01", horizon_days=60, value_days=30)
    assert short.near is None
    alone = short.value.predict(short.history, first="first_spend", intervals=False)
    np.testing.assert_array_equal(short.people["value"], alone["value"])


@pytest.mark.slow
def test_value_is_worth_its_margin(shop, made):
    whole = shop.predict("value", MOMENT, horizon_days=60, value_days=180)
    assert whole.model_id != made.model_id
    np.testing.assert_allclose(made.people["value"], np.asarray(whole.people["value"]) / 2, rtol=1e-9)


def test_forecasts_were_judged_in_the_past_beside_naive_rules(made):
    names = [row["contender"] for row in made.standings()]
    assert {"x/T·H", "ensemble", "Pareto/NBD", "BG/NBD"} <= set(names)
    assert all(name < f"{MOMENT:%Y-%m-%d}" for name in made.backtest["origins"])
    assert made.forecast in names
    assert made.chosen


def test_it_is_published_by_name_and_dated(shop, made):
    read = published.read(shop.warehouse, "lifetime_value_180d", at=datetime(2100, 1, 1), version=made.model_id)
    assert read["number"].to_pylist() == made.people["value"].to_pylist()
    read = published.read(shop.warehouse, "advice", at=datetime(2100, 1, 1), version=made.model_id)
    assert read["label"].to_pylist() == made.people["advice"].to_pylist()
    assert set(read["as_of"].to_pylist()) == {MOMENT}


@pytest.mark.slow
def test_asked_again_nothing_is_learnt_anew(shop, made):
    again = shop.predict("value", MOMENT, horizon_days=60, value_days=180, margin=0.5)
    assert again.reused
    assert again.model_id == made.model_id
    for name in ("value", "active", "expected_orders", "next_order_days"):
        np.testing.assert_allclose(
            again.people[name].to_numpy(zero_copy_only=False), made.people[name].to_numpy(zero_copy_only=False)
        )
    later = shop.predict("value", "2025-12-01", horizon_days=60, value_days=180, margin=0.5, model=made.model_id)
    assert later.model_id == made.model_id
    assert later.tiers == made.tiers
    # named, a model forecasts as it was learnt, whatever was bought since
    learnt = restored(shop.registry.load(shop.registry.get("predict-value", made.model_id))["forecast"])
    cases = Cases(shop, shop.facts(Purpose.SEGMENTATION), 60)
    told = learnt.forecast(cases.today("2025-12-01", SILENT).table)
    np.testing.assert_array_equal(later.people["expected_orders"], told.orders)
    np.testing.assert_array_equal(later.people["active"], told.active)


def test_no_small_group_is_told(made):
    told = made.to_json()
    least = made.config.minimum_group
    for row in (*told["tiers"], *told["advice"]):
        assert row["people"] is None or row["people"] >= least
        assert row["people"] is not None or row["value"] is None
    assert "person" not in told["advice"][0]


def test_a_young_shop_is_valued_without_a_backtest(shop):
    made = shop.predict("value", "2025-02-15", horizon_days=60, value_days=180)
    assert made.backtest is None
    assert "too young" in made.chosen[0]
    assert np.isfinite(made.people["value"].to_numpy()).all()


def test_lists_leave_the_shop_through_the_gate(shop, made, tmp_path):
    path = shop.write(made.people, tmp_path / "people.parquet", purpose="segmentation")
    assert path.exists()
    with pytest.raises(coterie.errors.GateRefusedError):
        shop.write(made.people, tmp_path / "mail.parquet", purpose="marketing")


def test_wrong_terms_are_refused(shop):
    with pytest.raises(ParameterError, match="margin"):
        shop.predict("value", MOMENT, horizon_days=60, margin=-1.0)
    with pytest.raises(ParameterError, match="horizon_days"):
        shop.predict("value", MOMENT, horizon_days=0)


def test_the_report_is_one_page_about_groups_that_erasure_knows_of(shop, made, tmp_path):
    path = made.report(tmp_path / "value.html")
    html = path.read_text("utf-8")
    for words in ("What to do", "Who to believe", "The models", "Repeat orders, happened and expected"):
        assert words in html
    for option in ("as-of 2025-11-01", "horizon 60", "value-days 180", "margin 0.5"):
        assert f"--{option}" in html
    for person in made.people["person"].to_pylist()[:50]:
        assert str(person) not in html
    figures = made.figures(tmp_path / "figures")
    assert {"lists.svg", "concentration.svg", "gini-orders.svg", "matrix-orders.svg"} <= {one.name for one in figures}
    assert {str(path), *map(str, figures)} <= set(shop._outside())


def test_the_report_tells_the_total_with_its_interval(made):
    total = made.total
    assert total.low < total.value < total.high
    assert total.value == pytest.approx(float(pc.sum(made.people["value"]).as_py()), rel=1e-9)
    page = made.page()
    assert len(page.people) == made.people.num_rows
    assert page.people.value.sum() == pytest.approx(total.value)
    assert page.tracking.happened[-1] == sum(made.history["frequency"].to_pylist())


def test_a_young_shop_has_a_page_that_says_so(shop):
    html = shop.predict("value", "2025-02-15", horizon_days=60, value_days=180)._repr_html_()
    assert "These predictions were not judged." in html
    assert html.startswith("<iframe srcdoc=")
