"""Cases of a shop's past: nothing that happened, or became known, after a moment is in what was known at it."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import coterie
from coterie import Mapping, Workspace
from coterie.features import published
from coterie.predict.propensity.targets import target
from coterie.schema import Purpose
from coterie.workspace.cases import FEATURES, Cases
from coterie.workspace.learning import _unseen
from till import CHOICES, till

HORIZON = 40
ORIGIN = datetime(2024, 10, 1, 12)
Order = tuple[str, int, datetime]  # customer, cents, when


def orders_of(people: int = 120, days: int = 420, seed: int = 3) -> list[Order]:
    random, begin = np.random.default_rng(seed), datetime(2024, 1, 1, 9)
    made = []
    for person in range(people):
        at = float(random.uniform(0, 330))
        while at < days:
            made.append((f"c{person}", int(random.lognormal(8, 0.6)), begin + timedelta(days=round(at, 3))))
            at += float(random.exponential(15 + 3 * (person % 40)))
    # on the edges: at the origin, just after it, at the end of the horizon, just after that
    moment = timedelta(seconds=1)
    for name, at in (
        ("c0", ORIGIN), ("c1", ORIGIN + moment), ("c2", ORIGIN + timedelta(days=HORIZON)),
        ("c3", ORIGIN + timedelta(days=HORIZON) + moment),
    ):  # fmt: skip
        made.append((name, 777, at))
    return sorted(made, key=lambda one: one[2])


def shop_of(folder: Path, orders: Sequence[Order]) -> Workspace:
    folder.mkdir()
    lines = [f"{n},{who},{cents / 100:.2f},{at:%Y-%m-%d %H:%M:%S}" for n, (who, cents, at) in enumerate(orders)]
    (folder / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    shop = coterie.open(None)
    shop.ingest(Mapping.of(tomllib.loads(till('currency = "USD"'))), folder)
    return shop


def cases_of(shop: Workspace) -> Cases:
    return Cases(shop, shop.facts(Purpose.SEGMENTATION), HORIZON)


def rows(table: pa.Table) -> list[tuple[object, ...]]:
    """Return the rows without keys, which are each shop's own, in an order that does not depend on them."""
    return sorted((tuple(row.values()) for row in table.drop_columns(["person"]).to_pylist()), key=repr)


def test_what_happened_after_an_origin_is_not_in_its_case(tmp_path: Path) -> None:
    orders = orders_of()
    with shop_of(tmp_path / "all", orders) as shop:
        cases = cases_of(shop)
        case = cases.case(cases.at([ORIGIN]))
        labels = sorted(zip(case.outcome["orders"], case.outcome["spend"], strict=True))
    with shop_of(tmp_path / "past", [one for one in orders if one[2] <= ORIGIN]) as shop:
        cases = cases_of(shop)
        alone = cases.case(cases.at([ORIGIN]))
        labels_alone = sorted(zip(alone.outcome["orders"], alone.outcome["spend"], strict=True))
    assert rows(case.now) == rows(alone.now)
    assert rows(case.then) == rows(alone.then)
    assert labels == labels_alone
    assert max(case.then["as_of"].to_pylist()) + timedelta(days=case.then_days or HORIZON) <= ORIGIN
    assert len(case.now) < len({who for who, _, _ in orders}), "some came later"


def test_outcomes_are_of_the_horizon_after_the_origin_alone(tmp_path: Path) -> None:
    orders = orders_of()
    with shop_of(tmp_path / "all", orders) as shop:
        cases = cases_of(shop)
        table = cases.at([ORIGIN])
        found = cases.outcome(table)
    days, spend = defaultdict(set), defaultdict(int)
    for who, cents, at in orders:
        if ORIGIN < at <= ORIGIN + timedelta(days=HORIZON):
            days[who].add(at.date())
            spend[who] += cents
    known = {who for who, _, at in orders if at <= ORIGIN}
    expected = sorted((float(len(days[who])), float(spend[who])) for who in known)
    assert sorted(zip(found["orders"], found["spend"], strict=True)) == expected


def test_every_horizon_is_over_by_the_moment_and_none_overlap(tmp_path: Path) -> None:
    with shop_of(tmp_path / "all", orders_of()) as shop:
        cases = cases_of(shop)
        now = cases.today(ORIGIN).table
        moments = cases.origins(now)
    assert moments == sorted(moments, reverse=True)
    step = timedelta(days=HORIZON)
    assert all(later - earlier == step for later, earlier in zip([ORIGIN, *moments], moments, strict=False))


def test_scores_that_were_published_are_not_read_again(tmp_path: Path) -> None:
    assert not any(name.startswith(("predicted_", "expected_", "lifetime_", "value_tier")) for name in FEATURES)
    with shop_of(tmp_path / "all", orders_of()) as shop:
        before = rows(cases_of(shop).today(ORIGIN).table)
        shop.predict("orders", ORIGIN, horizon_days=HORIZON)
        assert rows(cases_of(shop).today(ORIGIN).table) == before


def test_who_is_judged_was_not_learnt_from_at_a_later_moment() -> None:
    moments = [datetime(2024, 9, 1), datetime(2024, 8, 1), datetime(2024, 7, 1)]
    table = pa.table({"person": [1, 1, 1, 2, 2], "as_of": pa.array([*moments, *moments[:2]], pa.timestamp("us"))})
    when = table["as_of"].to_numpy()
    judged, _ = _unseen(table, when == np.datetime64(moments[0], "us"), moments, target("churn", 31))
    assert when[~judged].max() + np.timedelta64(31, "D") <= when[judged].min()
    young = pa.table({"person": list(range(40)), "as_of": pa.array([moments[0]] * 40, pa.timestamp("us"))})
    judged, _ = _unseen(young, np.ones(40, dtype=bool), moments[:1], target("churn", 31))
    people = young["person"].to_numpy()
    assert not set(people[judged]) & set(people[~judged])
    assert judged.sum() == 20


def test_who_objects_is_in_no_forecast_and_no_score_is_shown(tmp_path: Path) -> None:
    orders = orders_of(60)
    (tmp_path / "source").mkdir()
    lines = [f"{n},{who},{cents / 100:.2f},{at:%Y-%m-%d %H:%M:%S}" for n, (who, cents, at) in enumerate(orders)]
    (tmp_path / "source" / "orders.csv").write_text("\n".join(["order,customer,total,at", *lines]), "utf-8")
    (tmp_path / "source" / "choices.csv").write_text("customer,purpose,choice,words,at\n", "utf-8")
    told = Mapping.of(tomllib.loads(till('currency = "USD"') + CHOICES))
    with coterie.open(None, create=True, currency="USD", minimum_group=10) as shop:
        shop.ingest(told, tmp_path / "source")
        made = shop.predict("value", ORIGIN, horizon_days=300)
        read = published.read(shop.warehouse, "advice", at=datetime(2100, 1, 1))
        assert read.num_rows == made.people.num_rows
        later = "customer,purpose,choice,words,at\nc0,segmentation,objected,letter,2024-02-01 10:00:00\n"
        (tmp_path / "source" / "choices.csv").write_text(later, "utf-8")
        shop.ingest(told, tmp_path / "source")
        again = shop.predict("value", ORIGIN, horizon_days=300)
        gone = set(made.people["person"].to_pylist()) - set(again.people["person"].to_pylist())
        assert len(gone) == 1
        assert not again.reused
        assert sum(again.built.refused.values()) == 1
        written = shop.write(made.people, tmp_path / "list.parquet", purpose="segmentation")
        assert not gone & set(parquet.read_table(written)["person"].to_pylist()), "not even of forecasts made before"


@pytest.mark.parametrize("what", [pytest.param("value", marks=pytest.mark.slow), "spend"])
def test_forecasts_of_a_shop_are_the_same_every_time(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one shop: keys of people are drawn for each, and decide who is in which fold."""
    with shop_of(tmp_path / "shop", orders_of(80)) as shop:
        first = shop.predict(what, ORIGIN, horizon_days=HORIZON)
        monkeypatch.setattr(shop.registry, "latest", lambda *_, **__: None)  # nothing that could be used again
        second = shop.predict(what, ORIGIN, horizon_days=HORIZON)
    assert not second.reused
    assert second.people.equals(first.people)
    assert second.model_id == first.model_id
