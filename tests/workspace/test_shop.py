"""The verbs, from files to segments, on real stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import coterie
from coterie import KMeansSegments, Workspace
from coterie.errors import (
    ConfigError,
    EmptyShopError,
    GateRefusedError,
    ParameterError,
    ShopLockedError,
    ShopNotFoundError,
    StoreError,
    TooFewPeopleError,
)
from coterie.features import published
from coterie.govern.audit import AUDIT
from coterie.govern.holders import unowned
from coterie.ops.runs import RUNS
from coterie.store.ledger import SqliteLedger

AS_OF = "2025-11-01"

# In memory everything is taken in anew: only what passes the stores, once each, is tried there as well.
in_a_folder = pytest.mark.parametrize("shop", ["folder"], indirect=True)


def test_every_row_has_one_fate(shop: Workspace) -> None:
    quality = shop.check()
    for file in quality.files:
        assert file.received == file.accepted + file.quarantined + file.duplicates
    orders = next(file for file in quality.files if file.file == "orders.csv")
    assert orders.quarantined == 1
    assert quality.problems == () or "orders.csv" in quality.problems[0]


def test_a_second_import_brings_nothing_twice(shop: Workspace, exports: Path) -> None:
    before = shop.check().tables
    assert shop.ingest(exports / "till.toml").reused
    assert shop.check().tables == before


@in_a_folder
def test_two_cards_and_one_address_are_one_person(shop: Workspace) -> None:
    assert shop.check().people == 240
    by_card, by_other, by_mail = (
        shop.show(name).profile for name in ("customer_id=c0", "customer_id=c0-new", "email=P0@shop.EXAMPLE")
    )
    assert by_card.person == by_other.person == by_mail.person
    assert by_card.identifiers == {"customer_id": 2, "email": 1}


@in_a_folder
def test_who_objected_is_in_no_table(shop: Workspace) -> None:
    built = shop.build(AS_OF)
    objector = shop.show("email=p7@shop.example").profile.person
    assert objector not in built.table["person"].to_pylist()
    assert list(built.refused.values()) == [1]
    assert "objected" in next(iter(built.refused))
    # purchases before the objection do not bring the person back: consent is looked at when data are used
    assert objector not in shop.build("2025-02-15").table["person"].to_pylist()


@in_a_folder
def test_features_know_nothing_of_the_future(shop: Workspace) -> None:
    early = shop.build("2025-04-01", features=["orders", "recency_days"])
    assert early.as_of == datetime(2025, 3, 31, 22)  # midnight in Berlin
    orders = shop.warehouse.query(
        """
        SELECT person, COUNT(DISTINCT order_id) AS n FROM order_lines JOIN person_of USING (subject)
        WHERE occurred_at <= TIMESTAMP '2025-03-31 22:00:00' AND valid_until > TIMESTAMP '2025-03-31 22:00:00'
          AND valid_from <= TIMESTAMP '2025-03-31 22:00:00'
        GROUP BY person ORDER BY person
        """
    )
    found = orders.filter(pc.is_in(orders["person"], early.table["person"].combine_chunks()))
    assert found["n"].to_pylist() == early.table["orders"].to_pylist()


def test_a_second_build_is_read_back_and_equal(shop: Workspace) -> None:
    first, second = shop.build(AS_OF), shop.build(AS_OF)
    assert (first.reused, second.reused) == (False, True)
    assert first.table.equals(second.table)


def test_segments_are_judged_named_published_and_reused(shop: Workspace, tmp_path: Path) -> None:
    made = shop.segment(AS_OF, k=3, horizon_days=60)
    assert sorted(set(made.members["segment"].to_pylist())) == [0, 1, 2]
    assert sum(segment.size for segment in made.segments) == made.people == 239
    assert len({segment.name for segment in made.segments}) == 3
    assert made.card is not None
    assert {row.role for row in made.card.rows} == {"model", "view", "baseline", "ceiling"}
    published_now = published.read(shop.warehouse, "segment_kmeans", at=datetime(2100, 1, 1))
    assert published_now["person"].to_pylist() == made.members["person"].to_pylist()
    assert published_now["number"].cast(pa.int64()).to_pylist() == made.members["segment"].to_pylist()
    someone = shop.show("customer_id=c1")
    assert someone.memberships[0].segment in [segment.name for segment in made.segments]
    again = shop.segment(AS_OF, k=3, horizon_days=60)
    assert again.model_id == made.model_id
    assert len(again.reused) == 2
    assert again.members.equals(made.members)
    assert again.card == made.card
    assert again.evidence == made.evidence
    assert again.tree == made.tree
    page = made.report(tmp_path / "out" / "report.html").read_text("utf-8")
    assert all(segment.name in page for segment in made.segments)
    assert made.picture(tmp_path / "out" / "picture.svg").read_text("utf-8").startswith("<svg")
    assert json.dumps(made.to_json())


def test_a_registered_model_assigns_people_without_refitting(shop: Workspace) -> None:
    made = shop.segment("2025-09-01", k=3, horizon_days=60)
    later = shop.segment(AS_OF, model=made.model_id, horizon_days=60)
    assert later.model_id == made.model_id
    content = shop.registry.load(shop.registry.get("segments-kmeans", made.model_id))
    expected = KMeansSegments.from_json(content).predict(later.built.table)
    assert later.members["segment"].to_pylist() == expected.tolist()
    with pytest.raises(ParameterError, match="there are: segments-kmeans-"):
        shop.segment(AS_OF, model="segments-kmeans-nothing")


@in_a_folder
def test_before_the_future_is_known_segments_are_judged_one_horizon_earlier(shop: Workspace) -> None:
    made = shop.segment("2026-01-30", k=3, horizon_days=60)
    assert made.card is not None
    assert made.card.as_of < made.as_of
    assert (made.as_of - made.card.as_of).days == 60
    # how well segments come back is said of those that are shown, not of those that stood in for them
    model = KMeansSegments.from_json(shop.registry.load(shop.registry.get("segments-kmeans", made.model_id)))
    assert [one.value for one in made.card.stability] == [one.value for one in model.stability(made.built.table)]


def test_forgetting_erases_a_person_from_every_holder(shop: Workspace) -> None:
    shop.segment(AS_OF, k=3, horizon_days=60)
    planned = shop.forget("customer_id=c0", dry_run=True)
    assert planned.left["order_lines"] > 0
    assert planned.left["published"] == 2  # the segment, and how far it is
    assert shop.export("email=p0@shop.example")["order_lines"].num_rows == planned.left["order_lines"]
    receipt = shop.forget("customer_id=c0")
    assert receipt.verified
    with pytest.raises(ParameterError, match="Nobody"):
        shop.show("email=p0@shop.example")
    assert shop.check().people == 239
    shop.gate.audit.verify()


def test_every_table_and_file_of_the_shop_has_an_owner(shop: Workspace) -> None:
    shop.segment(AS_OF, k=3, horizon_days=60)
    existing = [*shop.ledger.tables(), *shop.lake.tables()]
    if shop.folder is not None:
        existing += [path.name for path in shop.folder.iterdir()]
    assert unowned(existing, shop.holders()) == []
    assert unowned(["diary"], shop.holders()) == ["diary"]


@in_a_folder
def test_small_groups_do_not_leave_the_shop(shop: Workspace, tmp_path: Path) -> None:
    built = shop.build(AS_OF)
    target = shop.write(built.table, tmp_path / "all.parquet", purpose="segmentation")
    assert target.exists()
    with pytest.raises(GateRefusedError, match="Fewer than 10"):
        shop.write(built.table.slice(0, 5), tmp_path / "five.parquet", purpose="segmentation")
    with pytest.raises(GateRefusedError, match="lawful basis"):
        shop.write(built.table, tmp_path / "ads.parquet", purpose="advertising")
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["all.parquet"]


@in_a_folder
def test_runs_are_recorded_with_their_outcome(shop: Workspace) -> None:
    with pytest.raises(ParameterError):
        shop.segment(AS_OF, method="magic")
    rows = shop.ledger.read(RUNS).to_pylist()
    assert [(row["verb"], row["outcome"]) for row in rows] == [
        ("ingest", "done"),
        ("resolve", "done"),
        ("segment", "failed:parameter"),
    ]


@in_a_folder
def test_wrong_calls_are_refused_with_a_hint(shop: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="method must be one of"):
        shop.segment(AS_OF, method="magic")
    with pytest.raises(ParameterError, match="takes no k"):
        shop.segment(AS_OF, method="rfm", k=3)
    with pytest.raises(ParameterError, match="horizon_days"):
        shop.segment(AS_OF, horizon_days=0)
    with pytest.raises((ParameterError, TooFewPeopleError)):
        shop.segment(AS_OF, k=5_000)
    with pytest.raises(ParameterError, match="is not a date"):
        shop.build("yesterday")
    with pytest.raises(EmptyShopError, match="Nobody had bought anything"):
        shop.build("1999-01-01")
    with pytest.raises(ParameterError, match="cannot be built"):
        shop.build(AS_OF, features=["product_views_30d"])
    with pytest.raises(ParameterError, match="kind=value"):
        shop.show("c0")
    with pytest.raises(ParameterError, match="Nobody"):
        shop.show("customer_id=stranger")


def test_an_empty_shop_says_what_is_missing(keys: Path) -> None:
    with coterie.open(None) as empty:
        assert empty.check().files == ()
        for verb in (empty.build, empty.segment):
            with pytest.raises(EmptyShopError, match="no data about anybody"):
                verb()


def test_a_shop_is_found_made_and_kept(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShopNotFoundError, match="coterie init"):
        coterie.open(tmp_path / "shop")
    with coterie.open(tmp_path / "shop", create=True, currency="EUR") as made:
        assert made.settings()["currency"] == "EUR"
    with coterie.open(tmp_path / "shop", create=True) as opened:
        assert opened.config == made.config
    with pytest.raises(ConfigError, match="has currency 'EUR'"):
        coterie.open(tmp_path / "shop", currency="USD")
    with pytest.raises(ConfigError, match="ISO 4217"):
        coterie.open(None, currency="euros")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="holds other things"):
        coterie.open(tmp_path / "full", create=True)
    assert len(list((keys / "coterie" / "keys").iterdir())) == 1
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="COTERIE_KEY"):
        coterie.open(tmp_path / "shop")


def test_a_shop_that_lost_a_part_is_refused(exports: Path, tmp_path: Path, keys: Path) -> None:
    with coterie.open(tmp_path / "shop", create=True, currency="EUR") as made:
        made.ingest(exports / "till.toml")
    (tmp_path / "shop" / "vault.sqlite").rename(tmp_path / "vault.sqlite")
    with pytest.raises(StoreError, match=r"has lost vault\.sqlite"):
        coterie.open(tmp_path / "shop")
    assert not (tmp_path / "shop" / "vault.sqlite").exists()
    (tmp_path / "vault.sqlite").rename(tmp_path / "shop" / "vault.sqlite")
    with coterie.open(tmp_path / "shop") as whole:
        assert whole.show("customer_id=c1").profile.orders


def test_one_process_writes_at_a_time(exports: Path, tmp_path: Path, keys: Path) -> None:
    with coterie.open(tmp_path / "shop", create=True, currency="EUR") as one:
        other = SqliteLedger(tmp_path / "shop" / "ledger.sqlite")
        with other.lease("writer"), pytest.raises(ShopLockedError, match="one process writes"):
            one.ingest(exports / "till.toml")
        other.close()


def test_nothing_personal_is_readable_in_the_folder(exports: Path, tmp_path: Path, keys: Path) -> None:
    with coterie.open(tmp_path / "shop", create=True, currency="EUR", minimum_group=10) as made:
        made.ingest(exports / "till.toml")
        made.segment(AS_OF, k=3, horizon_days=60)
    for path in (tmp_path / "shop").rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            assert b"@shop.example" not in content, path
            assert b"c0-new" not in content, path


def test_check_finds_what_nobody_owns_and_a_broken_audit(exports: Path, tmp_path: Path, keys: Path) -> None:
    with coterie.open(tmp_path / "shop", create=True, currency="EUR") as made:
        made.ingest(exports / "till.toml")
        sound = made.check().problems
        (tmp_path / "shop" / "customers_backup.csv").write_text("c1,ann@shop.example")
        entry = made.ledger.read(AUDIT).to_pylist()[0]
        made.ledger.put(AUDIT, [{**entry, "details": "{}"}])
        found = made.check().problems[len(sound) :]
    assert len(found) == 2
    assert "audit" in found[0]
    assert "customers_backup.csv" in found[1]


def test_many_small_files_are_compacted(exports: Path, tmp_path: Path, keys: Path) -> None:
    with coterie.open(tmp_path / "shop", create=True, currency="EUR") as made:
        made.ingest(exports / "till.toml")
        for version in range(55):
            rows = pa.table({"person": [version], "number": [1.0]})
            published.publish(made.lake, "score", str(version), rows, as_of=datetime(2025, 1, 1))
        assert len(made.lake.source(published.PUBLISHED)) == 55
        made.build(AS_OF)
        assert len(made.lake.source(published.PUBLISHED)) < 5
        assert made.lake.count(published.PUBLISHED) == 55


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("", "lacks name and shop_id"),
        ('name = "Shop"', "lacks shop_id"),
        ('name = 5\nshop_id = "ab"', "name must be text, got 5"),
        ('name = "Shop"\nshop_id = "ab"\ncurrency = 3', "currency must be text, got 3"),
        ('name = "Shop"\nshop_id = "ab"\ncolour = "red"', "unknown settings colour"),
    ],
)
def test_damaged_settings_are_refused_by_name(tmp_path: Path, settings: str, told: str) -> None:
    (tmp_path / "shop.toml").write_text(settings, "utf-8")
    with pytest.raises(ConfigError, match=told):
        coterie.open(tmp_path)


KILLED = """
import os
import coterie
from coterie.store.vault import SqliteVault
SqliteVault.subjects = lambda *_: os._exit(9)
coterie.open({shop!r}, create=True, currency="EUR", timezone="Europe/Berlin").ingest({mapping!r})
"""


def test_a_killed_import_leaves_nothing_readable_behind(exports: Path, tmp_path: Path, keys: Path) -> None:
    temporary, scratch = tmp_path / "temporary", tmp_path / "shop" / "scratch"
    temporary.mkdir()
    mapping = exports / "till.toml"
    script = KILLED.format(shop=str(tmp_path / "shop"), mapping=str(mapping))
    told = os.environ | {"TMPDIR": str(temporary)}
    assert subprocess.run([sys.executable, "-c", script], env=told, check=False).returncode == 9
    [left] = scratch.iterdir()
    assert [path for path in left.rglob("*.parquet") if b"shop.example" in path.read_bytes()]
    assert list(temporary.rglob("*.parquet")) == []
    assert {path.stat().st_mode & 0o077 for path in (scratch, left)} == {0}
    # Another process has the number of the dead one by now: this one.
    left = left.rename(scratch / f"{os.getpid()}-left")
    with coterie.open(tmp_path / "shop") as shop:
        assert not left.exists()
        [mine] = scratch.iterdir()
        with coterie.open(tmp_path / "shop"):
            assert mine.exists()
        assert unowned([path.name for path in (tmp_path / "shop").iterdir()], shop.holders()) == []


def test_an_export_shows_set_aside_rows_in_the_clear(shop: Workspace) -> None:
    rows = shop.check().reasons
    assert rows
    exported = shop.export("customer_id=c0")["quarantine"]
    assert "twelve" in exported["raw"][0].as_py()


@in_a_folder
def test_a_model_keeps_the_names_of_its_segments(shop: Workspace) -> None:
    made = shop.segment("2025-09-01", k=3, horizon_days=60)
    later = shop.segment(AS_OF, model="latest")
    assert [segment.name for segment in later.segments] == [segment.name for segment in made.segments]
    with pytest.raises(ParameterError, match="its own k"):
        shop.segment(AS_OF, model="latest", k=4)
