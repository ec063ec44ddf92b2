"""Shops that earlier versions wrote: opened, migrated, complete, and usable as ever."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import coterie
from coterie.collect.facts import ORDER_LINES
from coterie.config import FILE, LAYOUT, Config
from coterie.errors import ConfigError, ShopLockedError, StoreError
from coterie.profiles.edges import EDGES
from coterie.store.ledger import SqliteLedger
from coterie.workspace.keeping import LAKE
from coterie.workspace.migrations import STEPS

PLACE = Path(__file__).parent / "layouts"
OLD = sorted(int(path.name.partition(".")[0]) for path in PLACE.glob("*.tar.gz"))


def module() -> ModuleType:
    """The script that packs shops, which is no package's."""
    spec = importlib.util.spec_from_file_location("pack", PLACE / "pack.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


pack = module()


@pytest.fixture(params=OLD)
def layout(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def shop(layout: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packed shop of a layout, with its key."""
    with tarfile.open(PLACE / f"{layout}.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    return tmp_path / "shop"


@pytest.fixture
def held(layout: int) -> dict:
    """What the packed shop held, as the version that made it said."""
    found: dict = json.loads((PLACE / f"{layout}.json").read_text("utf-8"))
    return found


def compare(opened: coterie.Workspace, held: dict) -> None:
    columns = {name: table["columns"] for name, table in held["tables"].items()}
    found = pack.held(opened, columns)
    assert {name: table["rows"] for name, table in found.items()} == {
        name: table["rows"] for name, table in held["tables"].items()
    }
    assert found == held["tables"]
    assert pack.people(opened) == held["identifiers"]


def test_every_layout_up_to_this_one_has_a_packed_shop() -> None:
    """A new layout needs the shop of the one before, and a step or none from there."""
    assert list(range(1, LAYOUT)) == OLD
    assert set(STEPS) <= set(OLD)


def test_a_shop_of_an_older_layout_is_migrated_and_holds_what_it_held(shop: Path, held: dict, layout: int) -> None:
    assert Config.load(shop).layout == layout
    with coterie.open(shop) as opened:
        compare(opened, held)
        assert opened.config.layout == LAYOUT
        # The one person with two customer ids: by the rules that came later these are two people.
        assert opened.check().people in (held["people"], held["people"] + 1)
        assert opened.show("email=p0@shop.example").profile.person == held["person"]
        assert opened.show("customer_id=c1").memberships[0].segment == held["segment"]
        opened.gate.audit.verify()
    assert Config.load(shop).layout == LAYOUT
    before = {path: path.stat().st_mtime_ns for path in (shop / "lake").rglob("*") if path.is_file()}
    with coterie.open(shop):
        pass
    assert {path: path.stat().st_mtime_ns for path in (shop / "lake").rglob("*") if path.is_file()} == before


def test_every_edge_is_told_its_kinds(shop: Path) -> None:
    with coterie.open(shop) as opened:
        edges = opened.ledger.read(EDGES)
        for end in ("a", "b"):
            known = opened.vault.kinds(edges[f"subject_{end}"].to_pylist()).to_pylist()
            kinds = {row["subject"]: row["kind"] for row in known}
            assert [kinds[subject] for subject in edges[f"subject_{end}"].to_pylist()] == edges[
                f"kind_{end}"
            ].to_pylist()
        assert {"customer_id", "email"} <= {*edges["kind_a"].to_pylist(), *edges["kind_b"].to_pylist()}


def test_the_log_of_the_lake_tells_no_subject_any_more(shop: Path) -> None:
    def told() -> set[str]:
        entries = [path.read_bytes() for path in shop.glob("lake/*/_delta_log/*") if path.is_file()]
        return {str(subject) for subject in subjects if any(str(subject).encode() in entry for entry in entries)}

    subjects: list[int] = []
    ledger = SqliteLedger(shop / "ledger.sqlite")
    for one, other in ledger._database.rows("SELECT subject_a, subject_b FROM edges"):
        subjects += [one, other]
    ledger.close()
    before = told()
    with coterie.open(shop) as opened:
        for table in LAKE:
            assert opened.lake.count(table) >= 0
    assert before
    assert told() == set()


def test_a_migrated_shop_takes_in_more_and_nothing_twice(shop: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    pack.write_files(data, more=True)
    with coterie.open(shop) as opened:
        before = {table.name: opened.lake.count(table) for table in LAKE}
        identifiers = opened.vault.count()
        opened.ingest(data / "till.toml")
        after = {table.name: opened.lake.count(table) for table in LAKE}
        files = opened.lake.source(ORDER_LINES)
        lines = opened.warehouse.query(
            "SELECT count(DISTINCT (source, line_id)) AS n, count(*) AS m FROM read_parquet(?, union_by_name = true)",
            [files],
        ).to_pylist()[0]
        assert lines["n"] == lines["m"] == after["order_lines"]
        assert after["order_lines"] >= before["order_lines"] + 6
        assert after["events"] >= before["events"]
        assert opened.vault.count() > identifiers
        assert opened.show("customer_id=stranger").profile.identifiers["customer_id"] == 1
        again = opened.ingest(data / "till.toml")
        assert again.reused
        opened.compact()
        assert {table.name: opened.lake.count(table) for table in LAKE} == after
        assert opened.segment("2025-11-01", k=3, horizon_days=60).people > 100


@pytest.mark.slow
def test_a_migration_that_was_killed_is_finished_at_the_next_opening(
    shop: Path, held: dict, tmp_path: Path, run: Callable
) -> None:
    """One process counts the calls of a migration, then forks one child for each of ten places to be killed at."""
    for n in range(11):
        shutil.copytree(shop, tmp_path / f"shop-{n}")
    helper = run(
        """
    import os, signal, sys
    import coterie, coterie.workspace.segmenting, coterie.workspace.migrations

    def migrated(folder, at):
        calls = 0

        def count(frame, event, _):
            nonlocal calls
            if event == "call" and ("/store/" in frame.f_code.co_filename or "migrations" in frame.f_code.co_filename):
                calls += 1
                if calls == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        from coterie.config import Config
        from pathlib import Path
        from coterie.workspace import opening
        opened = coterie.open(folder)
        sys.setprofile(None)
        opened.close()
        return calls

    def child(work):
        read, write = os.pipe()
        if pid := os.fork():
            os.close(write)
            with os.fdopen(read) as answer:
                said = answer.read()
            _, status = os.waitpid(pid, 0)
            return os.waitstatus_to_exitcode(status), said
        os.close(read)
        os.write(write, str(work()).encode())
        os._exit(0)

    code, calls = child(lambda: migrated("shop-0", 0))
    print(code, calls)
    for n in range(1, 11):
        print(*child(lambda: migrated(f"shop-{n}", int(calls) * n // 11)))
    """
    )
    said, trouble = helper.communicate(timeout=120)
    assert trouble == ""
    assert [line.split()[0] for line in said.splitlines()] == ["0", *["-9"] * 10]
    layouts = []
    for n in range(1, 11):
        folder = tmp_path / f"shop-{n}"
        layouts.append(Config.load(folder).layout)
        with coterie.open(folder) as opened:
            compare(opened, held)
            opened.gate.audit.verify()
        assert Config.load(folder).layout == LAYOUT
    assert min(layouts) < LAYOUT  # or else nothing was killed in the middle


def test_while_another_process_writes_an_older_shop_is_not_migrated(shop: Path, layout: int) -> None:
    other = SqliteLedger(shop / "ledger.sqlite")
    with other.lease("writer"), pytest.raises(ShopLockedError, match="holds the lease"):
        coterie.open(shop)
    other.close()
    assert Config.load(shop).layout == layout
    coterie.open(shop).close()


def test_a_shop_of_a_newer_coterie_is_refused_and_left_alone(shop: Path) -> None:
    text = (shop / FILE).read_text("utf-8")
    for line, error, said in (
        (f"layout = {LAYOUT + 1}\nfuture = 1\n", StoreError, "written by a newer coterie"),
        ('layout = "two"\n', ConfigError, "layout must be a whole number"),
    ):
        (shop / FILE).write_text(text + line, "utf-8")
        before = (shop / "ledger.sqlite").read_bytes()
        with pytest.raises(error, match=said):
            coterie.open(shop)
        assert (shop / "ledger.sqlite").read_bytes() == before
