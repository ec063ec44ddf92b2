"""Forecasts of shops in which there is little to learn, or too much of one thing."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import coterie
from coterie import Mapping, Workspace
from coterie.errors import DataError, EmptyShopError, ParameterError
from coterie.predict.propensity.targets import target
from till import CHOICES, till

Orders = list[tuple[str, str, int]]  # customer, total, day


def shop_of(folder: Path, orders: Orders, currency: str = "USD") -> Workspace:
    lines = [
        f"{number},{who},{total},{date(2024, 1, 1) + timedelta(days=day)}"
        for number, (who, total, day) in enumerate(orders)
    ]
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    shop = coterie.open(None, create=True, currency=currency)
    shop.ingest(Mapping.of(tomllib.loads(till(f'currency = "{currency}"'))), folder)
    return shop


def usual(people: int = 120, days: int = 300, price: Callable[[int], str] = lambda n: f"{10 + n % 40}.50") -> Orders:
    random, orders = np.random.default_rng(2), []
    for person in range(people):
        at = float(random.uniform(0, days / 2))
        while at < days:
            orders.append((f"c{person}", price(len(orders)), int(at)))
            at += float(random.exponential(10 + 2 * (person % 60)))
    return orders


def sound(made: object) -> dict:
    """Return what is told as JSON, which holds no number that is none."""
    return json.loads(json.dumps(made.to_json(), allow_nan=False))


@pytest.mark.parametrize(
    "orders",
    [
        pytest.param([(f"c{n}", "10.00", n % 200) for n in range(120)], id="everyone bought once"),
        pytest.param([(f"c{n % 90}", "10.00", 7) for n in range(180)], id="all on one day"),
        pytest.param([("c1", "10.00", 0), ("c1", "12.00", 60), ("c1", "9.00", 200)], id="one customer"),
        pytest.param([(f"c{n}", "10.00", n + day) for n in range(3) for day in (0, 90, 200)], id="three customers"),
        pytest.param([(who, "0.00", day) for who, _, day in usual(60)], id="nobody pays"),
    ],
)
def test_too_little_for_a_model_falls_back_on_the_naive_rule_and_says_so(tmp_path: Path, orders: Orders) -> None:
    with shop_of(tmp_path, orders) as shop:
        made = shop.predict("value", horizon_days=150)
        told = sound(made)
        page = made.report(tmp_path / "value.html").read_text("utf-8")
    assert told["models"] is None
    assert made.warnings
    if not any(total == "0.00" for _, total, _ in orders):
        assert made.forecast == "x/T·H"
        assert any("naive rule x/T·H" in one for one in made.warnings)
        assert len(set(made.warnings)) == len(made.warnings), "nothing is told twice"
    else:  # when the next order comes is known all the same
        assert made.people["next_order_days"].null_count < made.people.num_rows
    for name in ("expected_orders", "active", "expected_spend", "value", "at_risk"):
        assert np.isfinite(made.people[name].to_numpy()).all(), name
    assert 'width="nan"' not in page


def test_a_shop_of_one_price_is_valued_at_it(tmp_path: Path) -> None:
    orders = [(who, "9.99", day) for who, _, day in dict.fromkeys((who, "", day) for who, _, day in usual())]
    with shop_of(tmp_path, orders) as shop:
        made = shop.predict("value", horizon_days=150)
    assert made.value is not None
    assert any("Each order counts the mean" in one for one in made.warnings)
    assert made.people["next_order_days"].null_count < made.people.num_rows
    assert set(made.people["advice"].to_pylist()) != {"too early to say"}
    each = made.value.predict(made.history, first="first_spend")["expected_spend"].to_numpy()
    np.testing.assert_allclose(each, 999, rtol=1e-6)
    sound(made)


@pytest.mark.slow
def test_nobody_buys_after_the_origins(tmp_path: Path) -> None:
    orders = [(who, total, day) for who, total, day in usual(100, 120)] + [("late", "5.00", 290)]
    with shop_of(tmp_path, orders) as shop:
        made = shop.predict("value", horizon_days=80)
        assert made.forecast == "ensemble"
        assert any("Nobody ordered in the 80 days" in one for one in made.warnings)
        sound(made)
        for what in ("churn", "spend"):
            target = shop.predict(what, horizon_days=80)
            assert target.judgement is None, "nothing tells who was ranked well"
            assert "The same happened to all" in target.warnings[0]
            assert sound(target)["warnings"]
            assert shop.predict(what, horizon_days=80).reused


def test_amounts_so_heavy_that_new_customers_have_no_mean(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    orders = usual(120, 300, lambda _: f"{min(1e7, 1 + random.pareto(0.35)):.2f}")
    with shop_of(tmp_path, orders) as shop:
        made = shop.predict("value", horizon_days=250)
    assert np.isfinite(made.people["value"].to_numpy()).all()
    assert any("does not exist" in one for one in made.warnings)


@pytest.mark.parametrize("horizon_days", [1, 3000])
def test_a_horizon_of_a_day_and_one_longer_than_the_history(tmp_path: Path, horizon_days: int) -> None:
    with shop_of(tmp_path, usual(60, 4 if horizon_days == 1 else 300)) as shop:
        made = shop.predict("value", horizon_days=horizon_days, value_days=horizon_days)
        told = sound(made)
    assert made.people["active"].to_numpy().max() <= 1
    assert told["horizon_days"] == horizon_days


def test_a_currency_without_minor_units(tmp_path: Path) -> None:
    with shop_of(tmp_path, usual(80, 300, lambda n: str(900 + n % 70)), "JPY") as shop:
        made = shop.predict("value", horizon_days=250)
        assert made.value.predict(made.history, first="first_spend")["expected_spend"].to_numpy().max() < 5000
        assert "¥" in made.report(tmp_path / "value.html").read_text("utf-8")


def test_a_bot_that_orders_every_day_breaks_nothing(tmp_path: Path) -> None:
    bot = [("bot", "5.00", day) for day in range(900)]
    with shop_of(tmp_path, [*usual(80, 300), *bot]) as shop:
        made = shop.predict("value", horizon_days=700, value_days=365)
    orders = made.value.predict(made.history, first="first_spend")["expected_orders"].to_numpy()
    assert np.isfinite(orders).all()
    assert 100 < orders.max() < 370


@pytest.mark.slow
def test_a_model_is_not_asked_on_other_terms_than_its_own(tmp_path: Path) -> None:
    with shop_of(tmp_path, usual(60)) as shop:
        with pytest.raises(ParameterError, match="none yet"):
            shop.predict("value", model="latest")
        made = shop.predict("value", horizon_days=250, margin=0.5)
        for other in (
            {"horizon_days": 240, "margin": 0.5},
            {"horizon_days": 250},
            {"horizon_days": 250, "margin": 0.4},
        ):
            with pytest.raises(ParameterError, match="was made with") as refused:
                shop.predict("value", model=made.model_id, **other)
            assert "leave out model" in refused.value.hint
        assert shop.predict("value", horizon_days=250, margin=0.5, model="latest").model_id == made.model_id
        other = shop.predict("value", horizon_days=240, margin=0.5)
        assert other.model_id != made.model_id, "terms are part of a model, even where all that was learnt is equal"
        learner = shop.predict("spend", horizon_days=60)
        with pytest.raises(ParameterError, match="There is no model"):
            shop.predict("spend", horizon_days=61, model=learner.model_id)


def test_a_moment_beyond_the_data_is_refused_or_warned_of(tmp_path: Path) -> None:
    with shop_of(tmp_path, usual(60)) as shop:
        with pytest.raises(DataError, match="the data end on 2024-10-2"):
            shop.predict("value", "2035-01-01", horizon_days=60)
        with pytest.raises(DataError, match="the data end on 2024-10-2"):
            shop.predict("churn", "2035-01-01", horizon_days=60)
        made = shop.predict("value", "2024-11-10", horizon_days=250)
    assert "The data end on 2024-10-2" in made.warnings[0]


def test_one_customer_is_not_told_of_and_nothing_is_shown_to_be_known(tmp_path: Path) -> None:
    with shop_of(tmp_path, [("c1", "10.00", 0), ("c1", "12.00", 60), ("c1", "9.00", 200)]) as shop:
        made = shop.predict("churn", horizon_days=60)
        told = sound(made)
        page = made.report(tmp_path / "churn.html").read_text("utf-8")
    assert made.degraded == "at least 50 people are needed, and there is 1"
    assert told["degraded"] == "at least 50 people are needed, and there are <50"
    assert told["predictions"] == {}
    assert told["warnings"][0].endswith("A judgement needs at least 2 people, there are <50.")
    assert "there is 1" not in page


def test_a_shop_of_one_day_is_not_asked_for_fewer_days_than_one(tmp_path: Path) -> None:
    orders, said = [(f"c{n}", "10.00", 7) for n in range(80)], "selling for 0 days by 2024-01-08, and 90 are needed"
    with shop_of(tmp_path, orders) as shop, pytest.raises(DataError, match=said) as refused:
        shop.predict("churn", horizon_days=60)
    assert refused.value.hint == "bring more history."


def test_amounts_in_several_currencies_are_forecast_in_the_shops_own(tmp_path: Path) -> None:
    orders, rates = usual(70, 200), {"USD": 1.0, "EUR": 1.25, "JPY": 0.008}
    lines, begin = [], date(2024, 1, 1)
    for number, (who, total, day) in enumerate(orders):
        code = list(rates)[number % 3]
        paid = str(round(float(total) / rates[code], 0 if code == "JPY" else 2)).removesuffix(".0")
        lines.append(f"{number},{who},{paid},{begin + timedelta(days=day)},{code}")
    days = [f"{begin + timedelta(days=day)},{code},{rates[code]}" for day in range(201) for code in ("EUR", "JPY")]
    told = till('conversion = { file = "rates.csv" }').replace('"at" }', '"at", currency = "code" }')
    one, several = tmp_path / "one", tmp_path / "several"
    one.mkdir()
    several.mkdir()
    (several / "orders.csv").write_text("\n".join(["order,customer,total,at,code", *lines]), "utf-8")
    (several / "rates.csv").write_text("\n".join(["date,currency,rate", *days]), "utf-8")
    with shop_of(one, orders) as shop:
        alone = shop.predict("spend", horizon_days=50)
    with coterie.open(None, create=True, currency="USD") as shop:
        shop.ingest(Mapping.of(tomllib.loads(told)), several)
        made = shop.predict("spend", horizon_days=50)
        value = sound(shop.predict("value", horizon_days=120, value_days=120))
    assert made.judgement is not None
    assert made.summary["mean"] == pytest.approx(alone.summary["mean"], rel=0.2), "but for rounding, the same amounts"
    assert value["currency"] == "USD"


def test_a_shop_of_events_without_orders_says_that_nobody_has_bought(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "\n".join(["n,customer,at", *[f"{n},c{n % 60},2024-01-{n % 28 + 1:02d}" for n in range(600)]]), "utf-8"
    )
    told = """
source = "web"
lawful_basis = { segmentation = "legitimate interest: we group customers by what they look at" }
[[read]]
file = "events.csv"
to = "event"
id = ["n"]
kind = "Product Viewed"
identify = { customer_id = "customer" }
fields = { occurred_at = "at" }
"""
    with coterie.open(None) as shop:
        shop.ingest(Mapping.of(tomllib.loads(told)), tmp_path)
        for what in ("value", "event:Product Viewed"):
            with pytest.raises(EmptyShopError, match="knows no orders") as refused:
                shop.predict(what, horizon_days=5)
            assert "ingest orders" in str(refused.value.hint)
        with pytest.raises(ParameterError, match="churn cannot be learnt: no Order Completed"):
            shop.predict("churn", horizon_days=5)


def test_where_everybody_objected_that_is_said(tmp_path: Path) -> None:
    orders = usual(20, 100)
    said = [f"{who},segmentation,objected,letter,2024-05-02 10:00:00" for who in sorted({who for who, _, _ in orders})]
    (tmp_path / "choices.csv").write_text("\n".join(["customer,purpose,choice,words,at", *said]), "utf-8")
    with shop_of(tmp_path, orders) as shop:
        shop.ingest(Mapping.of(tomllib.loads(till('currency = "USD"') + CHOICES)), tmp_path)
        for what in ("value", "churn"):
            with pytest.raises(EmptyShopError, match="Of nobody may the data be used for segmentation: objected"):
                shop.predict(what, horizon_days=30)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"horizon_days": 1_000_000_000}, "horizon_days"),
        ({"value_days": 0}, "value_days"),
        ({"margin": math.nan}, "margin"),
        ({"discount_rate": -0.1}, "discount_rate"),
        ({"horizon_days": 60.5}, "horizon_days"),
    ],
)
def test_wrong_terms_are_named_before_anything_is_read(wrong: dict, name: str) -> None:
    with coterie.open(None) as shop, pytest.raises(ParameterError, match=f"predict: {name}"):
        shop.predict("value", **wrong)


def test_json_tells_no_sum_that_one_person_makes_up(tmp_path: Path) -> None:
    orders = [*usual(150), *[("whale", "90000.00", day) for day in range(0, 300, 5)]]
    with shop_of(tmp_path, orders) as shop:
        made = shop.predict("value", horizon_days=250)
        told = sound(made)
    assert told["people"] == "151"
    assert told["value"] is None
    assert all(row["value"] is None or row["value"] < 1e6 for row in (*told["tiers"], *told["advice"]))


def test_classes_told_of_do_not_give_away_a_small_one(tmp_path: Path) -> None:
    with shop_of(tmp_path, usual(130)) as shop:
        made = shop.predict("churn", horizon_days=100)
    labels = ["a"] * 110 + ["b"] * 20
    classes = replace(
        made, target=target("category", 100), people=pa.table({"person": list(range(130)), "prediction": labels})
    )
    assert classes.summary == {}, "20 would be 130 less 110"
    whale = pa.table({"person": list(range(130)), "prediction": [1.0] * 129 + [1e6]})
    assert replace(made, target=target("spend", 100), people=whale).summary == {}, "a mean that is one person's"
    assert all(one.people >= 50 for one in made.judged.bins)
