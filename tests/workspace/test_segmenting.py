"""Segments of a shop by every recipe: views, goals, taste, edits; everybody assigned; one person told."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import csv
from sklearn.metrics import adjusted_rand_score

import coterie
from coterie import Workspace
from coterie.errors import ParameterError
from coterie.features import published
from coterie.govern.requests import erasure_debt
from coterie.profiles.rules import IdentityRules
from coterie.schema import utc_now
from coterie.segments.rfm import NAMES
from coterie.workspace import assigning, fitting
from coterie.workspace.recipes import METHODS, Recipe

MIDDLE = "2025-11-01"
WITH_A_TREE = {"kmeans", "ward"}

# what a shop in memory does otherwise is tested with the shop; taking everything in anew takes as long as segments do
pytestmark = pytest.mark.parametrize("shop", ["folder"], indirect=True)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_makes_segments_that_are_told_and_kept(shop: Workspace, method: str, tmp_path: Path) -> None:
    made = shop.segment(MIDDLE, method=method, k=None if method == "rfm" else 2, horizon_days=60)
    assert made.people == sum(one.size for one in made.segments) == made.members.num_rows
    assert len({one.name for one in made.segments}) == len(made.segments)
    assert all(one.sentences for one in made.segments)
    assert bool(made.tree) == (method in WITH_A_TREE)
    if method == "rfm":
        assert {one.name for one in made.segments} <= set(NAMES)
    again = shop.segment(MIDDLE, method=method, k=None if method == "rfm" else 2, horizon_days=60)
    assert again.model_id == made.model_id
    assert again.members.equals(made.members)
    kept = published.read(shop.warehouse, Recipe(method).feature, at=utc_now())
    assert dict(zip(kept["person"].to_pylist(), kept["number"].to_pylist(), strict=True)) == dict(
        zip(made.members["person"].to_pylist(), made.members["segment"].to_pylist(), strict=True)
    )
    later = shop.segment(method=method, model="latest")
    assert later.model_id == made.model_id
    page = made.report(tmp_path / "page.html").read_text("utf-8")
    assert all(one.name in page for one in made.segments)


def test_a_goal_learns_from_the_past_alone(shop: Workspace, exports: Path, tmp_path: Path) -> None:
    """What was spent after the moment may not make the segments: a shop that ends there makes the same."""
    made = shop.segment(MIDDLE, method="goal", k=2, horizon_days=60)
    assert made.card is not None
    assert made.card.as_of == made.as_of  # judged by days that its training did not see
    shutil.copytree(exports, tmp_path / "until then")
    orders = csv.read_csv(exports / "orders.csv", convert_options=csv.ConvertOptions(column_types={"at": pa.string()}))
    past = orders.filter(pc.less(orders["at"], MIDDLE))
    assert 0 < past.num_rows < orders.num_rows
    csv.write_csv(past, tmp_path / "until then" / "orders.csv")
    with coterie.open(None, create=True, currency="EUR", timezone="Europe/Berlin", minimum_group=10) as ended:
        ended.ingest(tmp_path / "until then" / "till.toml")
        ended.resolve(IdentityRules(limit={"customer_id": 2}))
        then = ended.segment(MIDDLE, method="goal", k=2, horizon_days=60)
    assert [one.rule.sentence for one in then.segments if one.rule]
    assert [(one.rule, one.size) for one in then.segments] == [(one.rule, one.size) for one in made.segments]


def test_each_view_is_beside_the_others_on_the_card(shop: Workspace) -> None:
    made = shop.segment(MIDDLE, k=2, view="combined", horizon_days=60)
    assert made.card is not None
    roles = {row.method: row.role for row in made.card.rows}
    assert {"Purchases", "Demographics"} == {name for name, role in roles.items() if role == "view"}
    assert "age" in made.used
    assert "spend" in made.used
    demographic = shop.segment(MIDDLE, k=2, view="demographics", horizon_days=60)
    assert demographic.used == ("age",)
    assert demographic.model_id.startswith("segments-kmeans-demographics-")
    words = " ".join(one.name for one in demographic.segments)
    assert "regulars" not in words
    assert "shoppers" not in words


def test_segments_are_merged_and_split_by_hand(shop: Workspace) -> None:
    made = shop.segment(MIDDLE, k=3, horizon_days=60)
    merged = shop.segment(MIDDLE, model="latest", merge=(1, 2))
    assert merged.model_id != made.model_id
    assert len(merged.segments) == 2
    assert "segments 1, 2 merged" in merged.edited
    both = made.members.join(merged.members, "person", right_suffix="_then")
    moved = np.column_stack([both["segment"].to_numpy(), both["segment_then"].to_numpy()])
    assert len(np.unique(moved, axis=0)) == 3  # nobody else moved
    split = shop.segment(MIDDLE, model="latest", split=0)
    assert len(split.segments) == 3
    assert split.edited == "segments 1, 2 merged; segment 0 split"
    once_more = shop.segment(MIDDLE, model=split.model_id)
    assert once_more.members.equals(split.members)
    with pytest.raises(ParameterError, match="only a model that is there"):
        shop.segment(MIDDLE, merge=(0, 1))
    with pytest.raises(ParameterError, match="merged and split at once"):
        shop.segment(MIDDLE, model="latest", merge=(0, 1), split=1)
    with pytest.raises(ParameterError, match="rfm cannot be merged"):
        shop.segment(MIDDLE, method="rfm", model="latest", merge=(0, 1))


class BrokenOff:
    """Stops as Ctrl-C does, once the first part is done."""

    def step(self, name: str, done: int, total: int | None = None) -> None:
        if name == "people" and done:
            raise KeyboardInterrupt


def test_everybody_is_assigned_part_by_part(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off and called again, it goes on where it was; what comes of it is what all at once would."""
    made = shop.segment(MIDDLE, k=3, horizon_days=60)
    later = shop.segment("2026-01-01", model="latest")
    monkeypatch.setattr(assigning, "PART", 100)
    with pytest.raises(KeyboardInterrupt):
        shop.assign("2026-01-01", progress=BrokenOff())
    told = shop.assign("2026-01-01")
    assert told.model_id == made.model_id
    assert told.people == later.people > 200  # three parts, the last one smaller
    sizes = np.bincount(later.members["segment"].to_numpy(), minlength=3)
    assert told.sizes == tuple(sizes)
    kept = published.read(shop.warehouse, told.feature, at=utc_now())
    assert kept["person"].equals(later.members["person"])
    assert kept["number"].cast("int64").equals(later.members["segment"])
    away = published.read(shop.warehouse, f"{told.feature}_distance", at=utc_now())
    assert pc.min(away["number"]).as_py() >= 0
    assert shop.assign("2026-01-01") == told


@pytest.mark.parametrize("method", ["kmeans", pytest.param("ward", marks=pytest.mark.slow), "rfm"])
def test_one_person_is_told_the_segments_of_now(shop: Workspace, method: str) -> None:
    """The same model, the same moment: the profile says what the table of everybody says."""
    made = shop.segment(MIDDLE, method=method, k=None if method == "rfm" else 3, horizon_days=60)
    now = shop.segment("2026-03-01", method=method, model="latest")
    segments = dict(zip(now.members["person"].to_pylist(), now.members["segment"].to_pylist(), strict=True))
    names = {one.segment: one.name for one in now.segments}
    for customer in ("c3", "c4", "c5"):
        found = shop.profile(f"customer_id={customer}", purpose="segmentation", as_of="2026-03-01")
        [told] = found.segments
        assert (told.model_id, told.segment) == (made.model_id, segments[found.person])
        assert told.name == names[told.segment]


@pytest.mark.slow
def test_a_segment_that_no_feature_tells_is_in_no_profile(shop: Workspace) -> None:
    taste = shop.segment(MIDDLE, k=2, method="taste", horizon_days=60)  # what people bought tells it
    cells = shop.segment(MIDDLE, method="rfm", horizon_days=60)
    found = shop.profile("customer_id=c3", purpose="segmentation", as_of="2026-03-01")
    assert found.person in taste.members["person"].to_pylist()
    assert [one.model_id for one in found.segments] == [cells.model_id]


def test_what_does_not_go_together_is_refused(shop: Workspace) -> None:
    for wrong, words in (
        ({"method": "magic"}, "one of kmeans"),
        ({"view": "aura"}, "one of value"),
        ({"method": "rfm", "k": 3}, "takes no k"),
        ({"method": "taste", "view": "combined"}, "takes no view"),
        ({"model": "latest", "k": 3}, "its own k"),
        ({"horizon_days": 0}, "at least 1"),
        ({"view": "engagement", "k": 2}, "view engagement: it looks at days since last visit"),
    ):
        with pytest.raises(Exception, match=words):
            shop.segment(MIDDLE, **wrong)
    with pytest.raises(ParameterError, match="what people bought"):
        shop.assign(method="taste")


def test_the_tree_beside_k_means_is_made_of_small_groups_where_people_are_many(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = shop.segment(MIDDLE, k=2, horizon_days=60)
    monkeypatch.setattr(fitting, "BESIDE", 50)
    made = shop.segment(MIDDLE, k=3, horizon_days=60)
    assert made.tree[0].size == exact.tree[0].size == made.people
    assert {node.segment for node in made.tree} >= {0, 1, 2}


def test_one_recipe_differs_from_another_in_more_than_its_name(shop: Workspace) -> None:
    purchases = shop.segment(MIDDLE, k=2, horizon_days=60).members["segment"].to_numpy()
    ages = shop.segment(MIDDLE, k=2, view="demographics", horizon_days=60).members["segment"].to_numpy()
    assert adjusted_rand_score(purchases, ages) < 0.5


def _choose(shop: Workspace, exports: Path, folder: Path, mail: str, choice: str) -> None:
    """Somebody says something about being segmented, today."""
    shutil.copytree(exports, folder)
    said = {"mail": ["p7@shop.example", mail], "purpose": ["segmentation"] * 2, "choice": ["objected", choice]}
    said |= {"words": ["letter"] * 2, "at": ["2025-03-01 10:00:00", "2026-03-01 10:00:00"]}
    csv.write_csv(pa.table(said), folder / "choices.csv")
    shop.ingest(folder / "till.toml")


def test_who_says_no_is_in_no_segment_from_then_on(shop: Workspace, exports: Path, tmp_path: Path) -> None:
    made = shop.segment(MIDDLE, k=2, horizon_days=60)
    shop.segment(MIDDLE, method="rfm", horizon_days=60)
    who = "email=p3@shop.example"
    before = shop.show(who)
    assert {one.segmentation for one in before.memberships} == {"segment_kmeans", "segment_rfm"}
    key = before.profile.person
    assert key in made.members["person"].to_pylist()
    _choose(shop, exports, tmp_path / "later", "p3@shop.example", "withdrawn")
    assert shop.show(who).memberships == ()
    assert shop.show("email=p4@shop.example").memberships
    path = shop.write(made.members, tmp_path / "segments.parquet", purpose="segmentation", group="segment")
    assert key not in pq.read_table(path)["person"].to_pylist()
    # who asks for a copy of what is held gets it: it is held until the segments are made anew
    assert "published" in shop.export(who)


def test_a_profile_for_another_purpose_tells_no_segment_of_who_said_no(
    shop: Workspace, exports: Path, tmp_path: Path
) -> None:
    shop.segment(MIDDLE, k=2, horizon_days=60)
    _choose(shop, exports, tmp_path / "later", "p3@shop.example", "objected")
    shop.gate.admit("till", dict.fromkeys(("segmentation", "personalisation"), "legitimate interest: we do"))
    for moment in (None, "2026-03-05"):  # from what is kept ready, and from the facts
        said = shop.profile("customer_id=c3", as_of=moment)
        assert said.values
        assert said.segments == ()
        assert shop.profile("customer_id=c4", as_of=moment).segments


def test_a_receipt_names_the_models_that_the_person_was_in(shop: Workspace) -> None:
    early = shop.segment("2025-02-01", method="rfm", horizon_days=30)
    later = shop.segment(MIDDLE, method="rfm", horizon_days=60)
    first = {one["person"]: one["at"] for one in shop.warehouse.query(
        "SELECT who.person, MIN(line.occurred_at) AS at FROM order_lines AS line JOIN person_of AS who USING (subject) "
        "GROUP BY who.person").to_pylist()}  # fmt: skip

    def begun(number: int) -> datetime:
        return first[shop.show(f"email=p{number}@shop.example").profile.person]

    new = next(number for number in range(20) if early.as_of < begun(number) < later.as_of)
    old = next(number for number in range(20) if begun(number) < early.as_of and number != 7)
    rehearsed = shop.forget(f"email=p{old}@shop.example", dry_run=True)
    assert [one["model_id"] for one in rehearsed.models] == [early.model_id, later.model_id]
    assert erasure_debt(shop.gate.audit) == {}
    receipt = shop.forget(f"email=p{old}@shop.example")
    assert receipt.to_json()["models"][0] == {
        "model_id": early.model_id,
        "kind": "rfm",
        "as_of": "2025-01-31T23:00:00Z",
    }
    assert [one["model_id"] for one in shop.forget(f"email=p{new}@shop.example").models] == [later.model_id]
    assert shop.forget("email=p7@shop.example").models == ()  # had objected before they were trained
    assert erasure_debt(shop.gate.audit) == {early.model_id: 1, later.model_id: 2}
