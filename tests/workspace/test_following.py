"""The verb follow: a registered model at several moments, as it was made, told without small groups."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest

import coterie
from coterie import Workspace
from coterie.errors import EmptyShopError, GateRefusedError, ParameterError
from coterie.features.published import PUBLISHED
from coterie.segments.suppression import withheld
from coterie.workspace.followed import Following

FIRST = datetime(2025, 7, 31, 22)  # the start of 1 August in Berlin


@pytest.fixture(scope="module")
def shop(taken_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The shop with a model of three segments, made as of 1 August."""
    folder = tmp_path_factory.mktemp("followed")
    shutil.copytree(taken_in, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop") as opened:
            opened.segment("2025-08-01", k=3, horizon_days=60)
            yield opened


@pytest.fixture(scope="module")
def months(shop: Workspace) -> Following:
    """The model's segments from August to November, and those made anew each month."""
    return shop.follow(until="2025-11-01", retrained=True)


class Steps:
    """Notes the steps that are reported."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int | None]] = []

    def step(self, name: str, done: int, total: int | None = None) -> None:
        self.seen.append((name, done, total))


def members(found: Following, as_of: datetime) -> dict[int, int]:
    rows = found.members.filter(pc.equal(found.members["as_of"], as_of))
    return dict(zip(rows["person"].to_pylist(), rows["segment"].to_pylist(), strict=True))


def days(found: Following) -> list[str]:
    return [f"{moment.as_of:%m-%d %H}" for moment in found.moments]


def test_every_month_from_the_model_on_by_the_clock_of_the_shop(months: Following) -> None:
    # Berlin leaves summer time on 26 October
    assert days(months) == ["07-31 22", "08-31 22", "09-30 22", "10-31 23"]
    assert months.made == FIRST
    assert len(months.migrations) == 3
    assert months.method == "k-means on log-scaled purchase behaviour"


def test_the_model_is_read_and_not_fitted(shop: Workspace) -> None:
    models = shop.registry.models("segments-kmeans")
    found = shop.follow(dates=["2025-08-01", "2025-11-01"])
    assert shop.registry.models("segments-kmeans") == models
    assert found.model_id == models[-1].model_id
    for moment in found.moments:
        assigned = shop.segment(moment.as_of, model=found.model_id, horizon_days=60)
        there = dict(zip(assigned.members["person"].to_pylist(), assigned.members["segment"].to_pylist(), strict=True))
        assert members(found, moment.as_of) == there
        assert moment.sizes == tuple(sum(one == each for one in there.values()) for each in range(3))
        assert sum(moment.values) == sum(segment.value for segment in assigned.segments)


def test_migration_is_that_of_the_members(months: Following) -> None:
    for start, end, moved in zip(months.moments, months.moments[1:], months.migrations, strict=False):
        before, after = members(months, start.as_of), members(months, end.as_of)
        assert (moved.before, moved.after) == (start.sizes, end.sizes)
        both = set(before) & set(after)
        assert sum(map(sum, moved.counts)) == len(both)
        assert moved.stayed.value == pytest.approx(sum(before[one] == after[one] for one in both) / len(both))
        assert moved.names == months.names


def test_moments_come_in_order_and_once(shop: Workspace) -> None:
    steps = Steps()
    found = shop.follow(dates=["2025-11-01", "2025-08-01", "2025-11-01"], progress=steps)
    assert days(found) == ["07-31 22", "10-31 23"]
    assert steps.seen[:2] == [("moments", 0, 2), ("moments", 1, 2)]
    assert steps.seen[-1] == ("stability", 1, 1)
    alone = shop.follow(dates=["2025-08-01"])
    assert alone.migrations == ()
    assert alone.moments[0].shares.psi == 0
    assert {one.psi for one in alone.moments[0].features} == {0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("every", "since", "until", "expected"),
    [
        ("week", "2025-09-01", "2025-09-08", ["08-31 22", "09-07 22"]),
        ("quarter", "2025-09-01", "2025-12-01", ["08-31 22", "11-30 23"]),
        (30, "2025-09-01", "2025-10-15", ["08-31 22", "09-30 22"]),
        ("month", "2025-08-31", "2025-10-30", ["08-30 22", "09-29 22"]),  # September has no 31st
    ],
)
def test_steps(shop: Workspace, every: str | int, since: str, until: str, expected: list[str]) -> None:
    assert days(shop.follow(every=every, since=since, until=until)) == expected


def test_drift_is_measured_from_the_moment_that_the_model_was_made(months: Following) -> None:
    later = {one.name: one for one in months.moments[-1].features}
    assert later["tenure_days"].psi > 0.25
    assert later["tenure_days"].psi > later["orders_90d"].psi
    history = next(one for one in months.review.reasons if one.about == "history")
    assert "grows with time by itself" in history.words


def test_a_margin_keeps_people_and_only_near_borders(shop: Workspace, months: Following) -> None:
    plain, kept = months, shop.follow(until="2025-11-01", margin=0.2)
    assert members(plain, FIRST) == members(kept, FIRST)  # nobody is held at the moment of the model itself
    for one, other in zip(plain.migrations, kept.migrations, strict=True):
        assert other.stayed.value >= one.stayed.value
    assert sum(one.stayed.value for one in kept.migrations) > sum(one.stayed.value for one in plain.migrations)


def test_made_anew_what_moved_people_adds_up(months: Following) -> None:
    found = months
    assert len(found.remade) == 4
    assert found.remade[0].change is None
    assert found.remade[0].alignment.agreement > 0.95  # at the same moment the same segments come out
    for made, moved in zip(found.remade[1:], found.migrations, strict=True):
        change = made.change
        assert change is not None
        assert made.stayed is not None
        assert change.people == sum(map(sum, moved.counts))
        assert change.unmoved + change.returned == round(made.stayed.value * change.people)
        assert [one.after for one in change.segments] == list(made.sizes)
    assert any(one.about == "retrained" for one in found.review.reasons)


@pytest.mark.slow
def test_nothing_is_published_unless_asked(shop: Workspace) -> None:
    before = shop.lake.count(PUBLISHED)
    shop.follow(dates=["2025-10-01", "2025-10-15"])
    assert shop.lake.count(PUBLISHED) == before
    found = shop.follow(dates=["2025-10-01", "2025-10-15"], publish=True)
    written = shop.lake.count(PUBLISHED)
    assert written == before + 2 * found.members.num_rows  # the segment, and how far it is
    shop.follow(dates=["2025-10-01", "2025-10-15"], publish=True)
    shop.segment("2025-10-15", model="latest", horizon_days=60)
    assert shop.lake.count(PUBLISHED) == written  # the same again is kept once


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ward", "rfm"])
def test_other_methods_are_followed_too(shop: Workspace, method: str) -> None:
    shop.segment("2025-03-01", method=method, horizon_days=60)
    found = shop.follow(method=method, dates=["2025-03-01", "2025-12-01"], retrained=True)
    assert found.model_id.startswith(f"segments-{method}-")
    assert len(found.names) >= len([one for one in found.moments[0].sizes if one])
    assert [sum(moment.sizes) for moment in found.moments] == [len(members(found, one.as_of)) for one in found.moments]
    assert len(found.moments[1].sizes) == len(found.names)
    assert found.remade[0].alignment.agreement == 1
    if method == "rfm":
        assert len(found.names) == 11  # those of the grid that nobody had then are there for later
        with pytest.raises(ParameterError, match="distances"):
            shop.follow(method=method, margin=0.1)


@pytest.mark.slow
def test_a_margin_holds_taste_too(shop: Workspace) -> None:
    """The distances are those in the space of tastes, and people are paired with their own."""
    shop.segment("2025-08-01", k=3, method="taste", horizon_days=60)
    plain = shop.follow(method="taste", until="2025-11-01")
    kept = shop.follow(method="taste", until="2025-11-01", margin=0.3)
    assert members(plain, FIRST) == members(kept, FIRST)
    assert sum(one.stayed.value for one in kept.migrations) > sum(one.stayed.value for one in plain.migrations)
    firm = shop.follow(method="taste", until="2025-11-01", margin=1e-9)
    assert firm.members.equals(plain.members)


def test_who_objected_is_not_followed_and_is_counted(months: Following) -> None:
    found = months
    assert list(found.refused.values()) == [1]
    assert found.left_out[0].startswith("<10 people")


def test_small_groups_are_told_nowhere(months: Following) -> None:
    found = months
    told = json.loads(json.dumps(found.to_json()))
    hidden = 0
    for body, moved in zip(told["migrations"], found.migrations, strict=True):
        table = [[*row, gone] for row, gone in zip(moved.counts, moved.left, strict=True)]
        for i, row in enumerate(withheld([*table, [*moved.entered, 0]], 10)):
            for j, hide in enumerate(row[:3]):
                said = body["counts"][i][j] if i < 3 else body["new"][j]
                truth = moved.counts[i][j] if i < 3 else moved.entered[j]
                assert said == (None if hide else truth)
                assert truth >= 10 or said is None
                if i < 3:
                    assert (body["probabilities"][i][j] is None) == hide
                hidden += hide
    assert hidden
    assert {body["steady"] is None for body in told["migrations"]} == {True}
    for body, made in zip(told["remade"][1:], found.remade[1:], strict=True):
        assert body["people"].keys() == {"unmoved", "behaved", "redefined", "both", "returned"}
        for kind, people in body["people"].items():
            assert people in (None, getattr(made.change, kind))
            assert people is None or people >= 10
    assert json.dumps(told).count("NaN") == 0


def test_in_words(months: Following) -> None:
    found = months
    assert repr(found).splitlines()[0] == f"Following of {found.model_id} at 4 moments, {found.method}"
    assert "stayed" in repr(found)
    assert found.review.words in repr(found)
    assert found.names[0] in found._repr_html_()


def test_what_cannot_be_followed_is_refused(shop: Workspace) -> None:
    for wrong, message in (
        ({"method": "magic"}, "method must be one of"),
        ({"model": "segments-kmeans-nothing"}, "There is no model"),
        ({"view": "combined"}, "none yet"),
        ({"every": "fortnight"}, "every must be"),
        ({"every": 0}, "every must be"),
        ({"every": 1, "since": "2025-03-01", "until": "2025-12-01"}, "at most 120 moments"),
        ({"dates": []}, "at least one"),
        ({"dates": "2025-08-01"}, "a list"),
        ({"dates": ["2025-08-01"], "since": "2025-08-01"}, "all moments"),
        ({"since": "2025-09-01", "until": "2025-08-01"}, "nothing between"),
        ({"margin": -0.1}, "margin"),
    ):
        with pytest.raises(ParameterError, match=message):
            shop.follow(**wrong)  # type: ignore[arg-type]
    with pytest.raises(EmptyShopError):
        shop.follow(dates=["2019-01-01"])


def test_without_a_lawful_basis_nobody_is_followed(exports: Path, tmp_path: Path, keys: Path) -> None:
    for name in ("orders.csv", "products.csv", "people.csv", "choices.csv"):
        shutil.copy(exports / name, tmp_path)
    mapping = (exports / "till.toml").read_text("utf-8").replace("segmentation =", "personalisation =")
    (tmp_path / "till.toml").write_text(mapping, "utf-8")
    with coterie.open(None, currency="EUR", timezone="Europe/Berlin") as shop:
        shop.ingest(tmp_path / "till.toml")
        shop.registry.register("segments-kmeans", "kmeans", {"kind": "KMeansSegments"}, inputs="", as_of=FIRST)
        with pytest.raises(GateRefusedError):
            shop.follow()
