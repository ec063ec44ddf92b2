"""One customer's features now: what `build` gives, after everything that can happen to a shop, and lawfully."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

import coterie
from coterie import Mapping, Workspace
from coterie.errors import ConfigError, GateRefusedError, ParameterError, ShopLockedError
from coterie.features.online import Plane
from coterie.features.shelf import Shelf
from coterie.govern.consent import CONSENTS
from coterie.govern.holders import unowned
from coterie.ops.runs import RUNS
from coterie.profiles.identity import Identity
from coterie.profiles.rules import IdentityRules
from coterie.schema import utc_now
from coterie.store.ledger import SqliteLedger
from coterie.workspace import answering
from coterie.workspace.tiles import Tiles
from oracles.traces import traces

BASES = {
    "segmentation": "legitimate interest: we group customers by what they bought",
    "personalisation": "legitimate interest: we show what fits",
}
MAPPING: dict[str, Any] = {
    "source": "till",
    "channel": "store",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "lawful_basis": BASES,
    "read": [
        {
            "file": "orders*.csv",
            "to": "order_line",
            "id": ["line"],
            "identify": {"customer_id": "customer", "email": "mail"},
            "fields": {
                "order_id": "order",
                "product_id": "sku",
                "quantity": "pieces",
                "amount": "total",
                "occurred_at": "at",
            },
        },
        {"file": "products*.csv", "to": "product", "fields": {"product_id": "sku", "category": "category"}},
        {"file": "people.csv", "to": "trait", "identify": {"customer_id": "customer"}, "traits": ["age"]},
        {
            "file": "choices*.csv",
            "to": "consent",
            "identify": {"email": "mail"},
            "fields": {"purpose": "purpose", "choice": "choice", "words": "words", "occurred_at": "at"},
        },
    ],
}
MENDED = {**MAPPING, "read": [{**MAPPING["read"][0], "decimal": ","}, *MAPPING["read"][1:]]}
PEOPLE = 30
LATE = datetime(2026, 11, 1)  # after every fact of the files
WEB: dict[str, Any] = {
    "type": "track",
    "event": "Product Viewed",
    "messageId": "view-0",
    "userId": "c1",
    "anonymousId": "a1",
}
WEB |= {"timestamp": "2026-02-01T10:00:00Z", "properties": {"product_id": "s1"}}


def orders(folder: Path, name: str, lines: Sequence[tuple[str, ...]]) -> None:
    """Write order lines: line, order, product, customer, e-mail, pieces, total, time."""
    names = ("line", "order", "sku", "customer", "mail", "pieces", "total", "at")
    columns = zip(*lines, strict=True)
    csv.write_csv(pa.table(dict(zip(names, map(list, columns), strict=True))), folder / name)


def write_files(folder: Path) -> None:
    """Write the exports of a small shop: two of its people have two identifiers each, and one line is odd."""
    random = np.random.default_rng(3)
    lines: list[tuple[str, ...]] = []
    for person in range(PEOPLE):
        for order in range(1 + (person + 4) % 5):
            day = int(random.integers(0, 400))
            at = f"{datetime(2025, 1, 1).date() + np.timedelta64(day, 'D')!s} {int(random.integers(0, 24)):02}:15:00"
            for sku in random.choice(12, size=int(random.integers(1, 4)), replace=False):
                total = f"{random.lognormal(3, 0.5):.2f}"
                customer = "c0-new" if person == 0 and day > 200 else f"c{person}"
                mail = f"p{person}@shop.example"
                lines.append((f"l{len(lines)}", f"o{person}-{order}", f"s{sku}", customer, mail, "2", total, at))
    lines[4] = (*lines[4][:6], "12,50", lines[4][7])
    orders(folder, "orders.csv", lines)
    skus = [f"s{sku}" for sku in range(12)]
    csv.write_csv(pa.table({"sku": skus, "category": [f"k{n % 4}" for n in range(12)]}), folder / "products.csv")
    people = [f"c{person}" for person in range(PEOPLE)]
    csv.write_csv(pa.table({"customer": people, "age": ["35-44", "55+"] * (PEOPLE // 2)}), folder / "people.csv")
    choice = {"mail": ["p7@shop.example"], "purpose": ["personalisation"], "choice": ["objected"]}
    csv.write_csv(pa.table(choice | {"words": ["letter"], "at": ["2025-03-01 10:00:00"]}), folder / "choices.csv")
    (folder / "web").mkdir()
    (folder / "web" / "old.jsonl").write_text(json.dumps(WEB) + "\n")


def begin(shop: Workspace, folder: Path) -> None:
    shop.ingest(Mapping.of(MAPPING), folder)
    shop.ingest("segment", folder / "web", source="web", lawful_basis=BASES)
    shop.resolve(IdentityRules(limit={"customer_id": 2}))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files, the shop that has taken them in, and its key; for copying."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "files").mkdir()
    write_files(folder / "files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop", create=True, currency="EUR", timezone="Europe/Berlin") as shop:
            begin(shop, folder / "files")
    return folder


@pytest.fixture
def shop(opened: Callable[[], Workspace]) -> Workspace:
    """The shop; the files lie in ``tmp_path / "files"``."""
    return opened()


@pytest.fixture(params=["folder", pytest.param("memory", marks=pytest.mark.slow)])
def any_shop(request: pytest.FixtureRequest, begun: Path, tmp_path: Path) -> Iterator[Workspace]:
    """The shop in a folder and in memory."""
    if request.param == "folder":
        yield request.getfixturevalue("opened")()
        return
    shutil.copytree(begun / "files", tmp_path / "files")
    with coterie.open(None, currency="EUR", timezone="Europe/Berlin") as made:
        begin(made, tmp_path / "files")
        yield made


EVERYBODY = [f"customer_id=c{person}" for person in range(PEOPLE) if person != 7] + ["customer_id=c0-new"]


SOME = ["orders", "orders_365d", "spend", "recency_days", "tenure_days", "basket_value", "gap_std_days", "active_days"]
SOME += ["products", "categories", "category_entropy", "top_category", "weekend_share", "product_views_30d", "age"]


def differences(
    shop: Workspace, as_of: datetime = LATE, online: bool | None = True, only: list[str] | None = None,
    features: list[str] | None = SOME,
) -> list[str]:  # fmt: skip
    """Name what `profile` says of anybody and `build` does not, or the other way round."""
    built = shop.build(as_of, purpose="personalisation", features=features)
    rows = {row["person"]: row for row in built.table.to_pylist()}
    found, met = [], set()
    for identifier in only or EVERYBODY:
        try:
            said = shop.profile(identifier, as_of=as_of, features=features)
        except ParameterError:
            continue  # forgotten
        if online is not None and said.online is not online:
            found.append(f"{identifier}: online {said.online}, {said.why}")
        if said.person not in rows:
            continue
        met.add(said.person)
        row = rows[said.person]
        found += [f"{identifier} {name}: not answered" for name in built.columns if name not in said.values]
        found += [f"{identifier} {name}: not built" for name in said.values if name not in built.columns]
        for name in {*built.columns} & {*said.values}:
            one, other = row[name], said[name]
            same = one == other
            if isinstance(one, float) and isinstance(other, float):
                same = math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
            if not same or type(one) is not type(other):
                found.append(f"{identifier} {name}: built {one!r}, answered {other!r}")
    return found + [f"person {person}: never met" for person in rows.keys() - met if only is None]


def caught_up(shop: Workspace) -> list[dict[str, int]]:
    """What each run of bringing the tiles up to date took in, the oldest first."""
    rows = [row for row in shop.ledger.read(RUNS).to_pylist() if row["verb"] == "profile"]
    return [json.loads(row["facts"]) for row in sorted(rows, key=lambda row: row["started_at"])]


def view(number: int, user: str = "c1", **more: Any) -> dict[str, Any]:
    at = utc_now().isoformat() + "Z"
    device = "a1" if user == "c1" else f"device of {user}"
    return {**WEB, "messageId": f"view-{number}", "userId": user, "anonymousId": device, "timestamp": at, **more}


def number(value: float | str | None) -> float:
    assert isinstance(value, int | float)
    return value


def test_a_profile_is_what_build_gives(any_shop: Workspace) -> None:
    shop = any_shop
    assert differences(shop, features=None) == []
    assert len(caught_up(shop)) == 1  # the first question made the tiles, and they stay
    assert shop.profile("email=p1@shop.example").person == shop.profile("customer_id=c1").person
    both = shop.profile("customer_id=c0-new", as_of=LATE)
    assert both.values == shop.profile("customer_id=c0", as_of=LATE).values
    assert both.features[0].title
    assert both.currency == "EUR"


def test_the_past_is_answered_from_the_facts(shop: Workspace) -> None:
    some = EVERYBODY[:5]
    middle = datetime(2025, 10, 1)
    assert differences(shop, middle, online=None, only=some) == []
    said = [shop.profile(identifier, as_of=middle, features=["orders", "spend_90d"]) for identifier in some]
    assert {one.online for one in said} == {True, False}  # of some people nothing happened since
    assert {one.why for one in said if not one.online} == {"the moment lies before the person's newest fact"}


def test_only_some_features_and_own_ones(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    (tmp_path / "shop" / "features.toml").write_text(
        '[features.dear_lines]\non = "Order Line"\naggregation = "count"\nwhere = { amount = "> 2000" }\n'
    )
    shop = opened()
    assert differences(shop) == []
    said = shop.profile("customer_id=c4", features=["orders", "dear_lines"], as_of=LATE)
    assert list(said.values) == ["orders", "dear_lines"]
    assert said.online
    other = said.features[1].__class__.from_json({**said.features[1].to_json(), "name": "lines_ever", "where": None})
    asked = shop.profile("customer_id=c4", features=[other], as_of=LATE)
    assert (asked.online, asked.why) == (False, "a feature that was asked for is not kept ready")
    assert number(asked["lines_ever"]) >= number(said["dear_lines"])
    with pytest.raises(ParameterError, match="no_such"):
        shop.profile("customer_id=c4", features=["no_such"])
    (tmp_path / "shop" / "features.toml").unlink()
    shop = opened()
    assert differences(shop) == []  # other definitions: the tiles were made anew
    assert len(caught_up(shop)) == 2


def test_what_was_recorded_is_in_the_next_answer(any_shop: Workspace) -> None:
    shop = any_shop
    before = shop.profile("customer_id=c1")
    products = [{"product_id": "s1", "price": 1.25, "quantity": 2}]
    order: dict[str, Any] = {"event": "Order Completed", "properties": {"order_id": "w1", "products": products}}
    shop.record("web", [view(1), view(2, "c2"), view(3, **order)])
    said = shop.profile("customer_id=c1")
    assert said.online
    assert (said["orders"], said["spend"]) == (number(before["orders"]) + 1, number(before["spend"]) + 250)
    assert len(caught_up(shop)) == 1  # it was brought up to date with the record
    assert differences(shop, utc_now(), features=None) == []
    shop.record("web", [view(1), view(3, **order)])  # known already
    assert shop.profile("customer_id=c1")["orders"] == said["orders"]
    shop.record("web", [view(4, "stranger")])
    new = shop.profile("customer_id=stranger")
    assert new["orders"] == 0
    assert len(caught_up(shop)) == 1


@pytest.mark.slow
def test_an_import_is_taken_in_by_the_next_question(any_shop: Workspace, tmp_path: Path) -> None:
    shop = any_shop
    files = tmp_path / "files"
    assert differences(shop) == []
    more = [(f"m{n}", f"m{n}", "s2", f"c{n}", f"p{n}@shop.example", "1", "9.90", "2026-02-02 10:00") for n in range(9)]
    orders(files, "orders-2.csv", more)
    shop.ingest(Mapping.of(MAPPING), files)
    assert differences(shop) == []
    assert caught_up(shop)[1:] == [{"order_lines": 9}]
    # one more line of an order that is known, and an order of the past
    late = [("l0-late", "o4-0", "s3", "c4", "p4@shop.example", "1", "5.00", "2025-01-01 08:00")]
    orders(files, "orders-3.csv", [*late, ("z1", "z1", "s5", "c5", "p5@shop.example", "1", "7.00", "2025-02-01 08:00")])
    receipt = shop.ingest(Mapping.of(MAPPING), files)
    assert differences(shop) == []
    assert len(caught_up(shop)) == 3
    shop.undo_import(next(file.import_id for file in receipt.files if file.file == "orders-3.csv"))
    assert differences(shop) == []
    assert len(caught_up(shop)) == 3  # the two of them were made anew by the verb itself
    shop.undo_import(1)
    assert differences(shop, features=None) == []  # the products went: what is made of them cannot be built any more


@pytest.mark.slow
def test_rows_that_are_replayed_count(shop: Workspace, tmp_path: Path) -> None:
    assert differences(shop) == []
    assert shop.replay(Mapping.of(MENDED), tmp_path / "files").accepted == 1
    assert differences(shop) == []
    assert caught_up(shop)[1:] == [{"order_lines": 1}]


@pytest.mark.slow
def test_changed_products_change_what_was_bought(shop: Workspace, tmp_path: Path) -> None:
    assert differences(shop) == []
    before = {one: shop.profile(one, as_of=LATE)["top_category"] for one in EVERYBODY}
    skus = {"sku": ["s1", "s2", "s99"], "category": ["toys", "toys", "new"], "since": ["2025-02-01"] * 3}
    csv.write_csv(pa.table(skus), tmp_path / "files" / "changed.csv")
    fields = {"product_id": "sku", "category": "category", "available_at": "since"}
    changed = {**MAPPING, "read": [{"file": "changed.csv", "to": "product", "fields": fields}]}
    shop.ingest(Mapping.of(changed), tmp_path / "files")
    assert differences(shop) == []
    assert {one: shop.profile(one, as_of=LATE)["top_category"] for one in EVERYBODY} != before
    assert caught_up(shop)[1:] == [{"products": 3}]


@pytest.mark.slow
def test_who_is_who_is_read_at_each_question(shop: Workspace) -> None:
    assert differences(shop) == []
    alone, then = shop.profile("customer_id=c2"), shop.profile("customer_id=c2", as_of=LATE)
    decided = shop.join("customer_id=c2", "customer_id=c3")
    joined = shop.profile("customer_id=c2")
    assert joined["orders"] == number(alone["orders"]) + number(shop.profile("customer_id=c3", as_of=LATE)["orders"])
    assert joined.online
    assert differences(shop, utc_now()) == []
    assert shop.profile("customer_id=c2", as_of=LATE) == then  # as it was known then
    shop.undo_decision(decided)
    assert shop.profile("customer_id=c2")["orders"] == alone["orders"]
    shop.separate("customer_id=c0", "email=p0@shop.example")
    assert differences(shop, utc_now()) == []
    shop.resolve(IdentityRules(limit={"customer_id": 1}))
    assert differences(shop, utc_now()) == []
    assert len(caught_up(shop)) == 1


@pytest.mark.slow
def test_identity_near_a_subject_is_the_whole_of_it(shop: Workspace) -> None:
    shop.join("customer_id=c2", "customer_id=c3")
    shop.separate("customer_id=c0", "email=p0@shop.example")
    everything = Identity.read(shop.ledger).resolve().persons
    for identifier in (*EVERYBODY, "customer_id=c0-new", "email=p0@shop.example", "anonymous_id=a1"):
        kind, _, value = identifier.partition("=")
        subject = shop.vault.find(kind, value)
        assert subject is not None
        near = Identity.near(shop.ledger, subject).resolve().persons
        whole = everything.filter(pc.is_in(everything["subject"], near["subject"].combine_chunks()))
        assert near.equals(whole)
        assert subject in whole["subject"].to_pylist()
        assert Identity.near(shop.ledger, subject, most=1).resolve().persons.equals(everything)


def test_who_said_no_is_refused(shop: Workspace, tmp_path: Path) -> None:
    with pytest.raises(GateRefusedError) as refused:
        shop.profile("customer_id=c7")
    assert refused.value.message == "This person may not be used for personalisation: objected."
    assert shop.profile("customer_id=c7", purpose="segmentation", as_of=LATE)["orders"] == 2
    with pytest.raises(GateRefusedError, match="lawful basis"):
        shop.profile("customer_id=c1", purpose="advertising")
    assert shop.profile("customer_id=c1").online
    said = {"mail": ["p1@shop.example"], "purpose": ["personalisation"], "choice": ["withdrawn"], "words": ["by phone"]}
    csv.write_csv(pa.table(said | {"at": ["2026-03-01 10:00:00"]}), tmp_path / "files" / "choices-2.csv")
    shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    with pytest.raises(GateRefusedError, match="withdrawn"):
        shop.profile("customer_id=c1")
    with pytest.raises(GateRefusedError, match="withdrawn"):
        shop.profile("customer_id=c1", as_of="2025-06-01")  # the moment of use is now
    with pytest.raises(ParameterError, match="Nobody in this shop has that customer_id"):
        shop.profile("customer_id=nobody")
    with pytest.raises(ParameterError, match="kind=value"):
        shop.profile("c1")
    assert shop.ledger.read(CONSENTS).num_rows == 2


@pytest.mark.slow
def test_other_sources_for_another_purpose_are_not_mixed(shop: Workspace, tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "old.jsonl").write_text(json.dumps(view(7, "c1", messageId="app-1")) + "\n")
    only = {"segmentation": BASES["segmentation"]}
    shop.ingest("segment", tmp_path / "late", source="app", lawful_basis=only)
    mine, theirs = (shop.profile("customer_id=c1", purpose=purpose) for purpose in ("personalisation", "segmentation"))
    views = [one.name for one in theirs.features if theirs[one.name] != mine.values.get(one.name)]
    assert any("view" in name for name in views)
    assert (mine.online, theirs.online) == (True, False)
    assert "other sources" in str(theirs.why)
    assert differences(shop, utc_now()) == []
    shop.ingest("segment", tmp_path / "late", source="app", lawful_basis=BASES)
    assert shop.profile("customer_id=c1", purpose="segmentation").online
    assert differences(shop, utc_now()) == []


def test_a_forgotten_person_leaves_the_tiles_down_to_the_bytes(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    assert differences(shop) == []
    kinds = {"customer_id": ("c0", "c0-new"), "email": ("p0@shop.example",)}
    subjects = [shop.vault.find(kind, value) for kind, values in kinds.items() for value in values]
    assert None not in subjects
    assert traces(tmp_path / "shop" / "state", [], [subject for subject in subjects if subject], shop.vault)
    assert shop.forget("customer_id=c0", dry_run=True).left["tiles"] == 2  # nothing is filed under the e-mail
    receipt = shop.forget("customer_id=c0")
    assert receipt.verified
    assert receipt.erased["state"] == 2
    with pytest.raises(ParameterError, match="Nobody"):
        shop.profile("customer_id=c0")
    assert shop.profile("customer_id=c1").online
    assert len(caught_up(shop)) == 1  # the rest of the tiles stayed
    assert differences(shop) == []
    assert traces(tmp_path / "shop", [], [subject for subject in subjects if subject], shop.vault) == []


def test_every_file_has_an_owner_and_the_cache_is_in_no_backup(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    assert not (tmp_path / "shop" / "state").exists()
    before = shop.profile("customer_id=c1", as_of=LATE)
    assert (tmp_path / "shop" / "state").is_dir()
    assert unowned([path.name for path in (tmp_path / "shop").iterdir()], shop.holders()) == []
    assert shop.check().problems == opened().check().problems
    shop = opened()
    made = shop.backup(tmp_path / "backup")
    assert not [path for path, _, _ in made.files if path.startswith("state")]
    with coterie.restore(tmp_path / "backup", tmp_path / "again") as restored:
        assert restored.profile("customer_id=c1", as_of=LATE) == before
        assert len(caught_up(restored)) == 2


def test_a_mistake_in_own_features_stops_nothing_else(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    before = opened().profile("customer_id=c1", features=["orders"])
    (tmp_path / "shop" / "features.toml").write_text("[features.broken]\non = 7\n")
    shop = opened()
    assert shop.record("web", [view(61)]).accepted == 1
    assert shop.forget("customer_id=c4").verified
    with pytest.raises(ConfigError, match="broken"):
        shop.profile("customer_id=c1")
    said = shop.profile("customer_id=c1", features=["orders"])
    assert (said.online, said.values) == (False, before.values)
    (tmp_path / "shop" / "features.toml").unlink()
    shop = opened()
    assert shop.profile("customer_id=c1", features=["orders"]).values == before.values
    assert differences(shop, utc_now()) == []


@pytest.mark.slow
def test_compaction_changes_nothing(any_shop: Workspace, tmp_path: Path) -> None:
    shop = any_shop
    assert differences(shop) == []
    shop.record("web", [view(number) for number in range(20, 23)])
    shop.compact()
    assert differences(shop, utc_now()) == []
    assert len(caught_up(shop)) == (1 if shop.folder else 2)


@pytest.mark.slow
def test_while_another_process_writes_the_facts_answer(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    with SqliteLedger(tmp_path / "shop" / "ledger.sqlite").lease("writer"):
        said = shop.profile("customer_id=c1", as_of=LATE)  # there are no tiles yet
    assert (said.online, said.why) == (False, "another process is writing to the shop")
    ready = shop.profile("customer_id=c1", as_of=LATE)
    assert ready.online
    assert ready.values == pytest.approx(said.values)
    other = coterie.open(tmp_path / "shop")
    with SqliteLedger(tmp_path / "shop" / "ledger.sqlite").lease("writer"):
        assert other.profile("customer_id=c1").online  # nothing has changed
    other.record("web", [view(31), view(32, "c3")])
    assert differences(shop, utc_now()) == []
    before = shop.profile("customer_id=c1")["product_views_30d"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(other.tiles), "follow", lambda self, **_: False)
        other.record("web", [view(33)])
    with SqliteLedger(tmp_path / "shop" / "ledger.sqlite").lease("writer"):
        behind = shop.profile("customer_id=c1")
    assert (behind.online, behind["product_views_30d"]) == (False, number(before) + 1)
    other.close()
    assert differences(shop, utc_now()) == []


KILL = """
import os, sys
import coterie
from coterie.features.online import Plane
from coterie.features.shelf import Shelf
shop = coterie.open({shop!r})
done = getattr(Plane, {method!r})
def dying(self, *arguments, **named):
    done(self, *arguments, **named)
    os._exit(9)
setattr(Plane, {method!r}, dying)
shop.{call}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("shelve", "profile('customer_id=c1')"),
        ("update", "profile('customer_id=c1')"),
        ("update", "record('web', [{'type': 'track', 'event': 'Product Viewed', 'userId': 'c1'}])"),
        ("replay", "undo_import(NUMBER)"),
        ("erase", "forget('customer_id=c1')"),
    ],
)
def test_a_process_killed_while_it_changes_the_tiles(
    opened: Callable[[], Workspace], tmp_path: Path, method: str, call: str
) -> None:
    shop = opened()
    assert differences(shop) == []
    more = [(f"m{n}", f"m{n}", "s2", f"c{n}", f"p{n}@shop.example", "1", "9.90", "2026-02-02 10:00") for n in range(3)]
    orders(tmp_path / "files", "orders-2.csv", more)
    csv.write_csv(pa.table({"sku": ["s1"], "category": ["toys"]}), tmp_path / "files" / "products-2.csv")
    receipt = shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    [number] = [file.import_id for file in receipt.files if file.file == "orders-2.csv"]
    if "profile" not in call:
        assert differences(shop) == []
    shop.close()
    script = KILL.format(shop=str(tmp_path / "shop"), method=method, call=call.replace("NUMBER", str(number)))
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert differences(opened(), utc_now(), features=None) == []


def test_damaged_tiles_are_made_anew(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    assert differences(opened()) == []
    opened().close()
    for path in (tmp_path / "shop" / "state").glob("*.lmdb"):
        path.write_bytes(b"not what was there" * 1000)
    shop = opened()
    assert differences(shop) == []
    assert len(caught_up(shop)) == 2
    assert shop.forget("customer_id=c1").verified


@pytest.mark.slow
def test_after_a_large_import_the_facts_answer_until_it_is_kept_up(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_LONG", 20)
    said = shop.profile("customer_id=c1", as_of=LATE)
    assert (said.online, said.hint) == (False, "`coterie keep-up` makes everybody's answer ready.")
    assert differences(shop, online=False, only=EVERYBODY[:4], features=None) == []

    class Impatient:
        def step(self, name: str, done: int, total: int | None = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shop.keep_up(progress=Impatient())
    assert shop.profile("customer_id=c1", as_of=LATE) == said  # broken off, it has changed nothing
    assert {*shop.keep_up()} == {"events", "order_lines", "traits"}
    assert shop.keep_up() == {}
    ready = shop.profile("customer_id=c1", as_of=LATE)
    assert (ready.online, ready.hint, ready.missing) == (True, None, said.missing)
    assert ready.values == pytest.approx(said.values)
    assert differences(shop) == []
    shop.record("web", [view(number) for number in range(70, 73)])
    assert shop.profile("customer_id=c1").online
    assert caught_up(shop) == []


def test_a_small_import_beside_many_facts_is_taken_in_at_once(
    shop: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_LONG", 20)
    shop.keep_up()
    more = [(f"m{n}", f"m{n}", "s2", f"c{n}", f"p{n}@shop.example", "1", "9.90", "2026-02-02 10:00") for n in range(9)]
    orders(tmp_path / "files", "orders-2.csv", more)
    shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    assert shop.profile("customer_id=c1", as_of=LATE).online
    csv.write_csv(pa.table({"sku": ["s1"], "category": ["toys"]}), tmp_path / "files" / "products-2.csv")
    shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    assert not shop.profile("customer_id=c1", as_of=LATE).online  # whom may a product not touch?
    shop.keep_up()
    assert differences(shop) == []


def test_a_place_that_cannot_be_used_stops_nothing(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    place = tmp_path / "shop" / "state"
    place.write_text("in the way")
    said = shop.profile("customer_id=c1", as_of=LATE)
    assert not said.online
    assert "cannot be used" in str(said.why)
    assert shop.record("web", [view(81)]).accepted == 1
    place.unlink()
    assert differences(opened(), utc_now()) == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["update", "replay", "erase", "change", "_know"])
def test_a_place_that_vanishes_while_it_is_written(
    opened: Callable[[], Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    shop = opened()
    assert differences(shop) == []
    more = [(f"m{n}", f"m{n}", "s2", f"c{n}", f"p{n}@shop.example", "1", "9.90", "2026-02-02 10:00") for n in range(3)]
    orders(tmp_path / "files", "orders-2.csv", more)
    receipt = shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    if method in ("replay", "erase"):
        assert differences(shop) == []
    elif method != "update":
        shutil.rmtree(tmp_path / "shop" / "state")
    owner = {"change": Shelf, "_know": Tiles}.get(method, Plane)
    done = getattr(owner, method)

    def losing(self: Any, *arguments: Any, **named: Any) -> Any:
        shutil.rmtree(tmp_path / "shop" / "state", ignore_errors=True)
        return done(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, losing)
        match method:
            case "update" | "change" | "_know":
                shop.profile("customer_id=c1", as_of=LATE)
            case "replay":
                shop.undo_import(next(file.import_id for file in receipt.files if file.file == "orders-2.csv"))
            case "erase":
                shop.forget("customer_id=c5")
    assert differences(shop) == []


def test_a_clock_that_is_set_back(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.record("web", [view(91, "c2")])
    earlier = datetime(2025, 10, 1)
    monkeypatch.setattr(answering, "utc_now", lambda: earlier)
    back = shop.profile("customer_id=c2", features=SOME)
    assert (back.online, back["product_views_30d"]) == (False, 0)
    assert back == shop.profile("customer_id=c2", as_of=earlier, features=SOME)
    assert differences(shop, earlier, online=None, only=["customer_id=c2", "customer_id=c3"]) == []


@pytest.mark.slow
def test_what_another_process_has_learnt_counts_at_once(
    opened: Callable[[], Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = opened()
    assert shop.profile("customer_id=c1").online
    with coterie.open(tmp_path / "shop") as other:
        said = {"mail": ["p1@shop.example"], "purpose": ["personalisation"], "choice": ["withdrawn"], "words": ["call"]}
        csv.write_csv(pa.table(said | {"at": ["2026-03-01 10:00:00"]}), tmp_path / "files" / "choices-2.csv")
        other.ingest(Mapping.of(MAPPING), tmp_path / "files")
        with pytest.raises(GateRefusedError, match="withdrawn"):
            shop.profile("customer_id=c1")
        other.record("web", [view(95, "c2")])
        assert number(shop.profile("customer_id=c2", features=["product_views_30d"])["product_views_30d"]) == 1
        only = {"segmentation": BASES["segmentation"]}
        other.ingest("segment", tmp_path / "files" / "web", source="web", lawful_basis=only)
        assert shop.profile("customer_id=c2").values.get("product_views_30d", 0) == 0  # its basis is gone
    assert differences(shop, utc_now(), only=EVERYBODY[2:], features=SOME[:-2]) == []


READ = """
import sys
import coterie
from datetime import datetime
with coterie.open({shop!r}) as shop:
    seen = [shop.profile("customer_id=c2", features=["product_views_30d"])["product_views_30d"] for _ in range(25)]
print(seen == sorted(seen), seen[-1] > 0)
"""


@pytest.mark.slow
def test_two_processes_ask_while_a_third_records(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    shop.record("web", [view(100, "c2")])
    script = READ.format(shop=str(tmp_path / "shop"))
    command = [sys.executable, "-c", script]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    recorded = 1
    while any(reader.poll() is None for reader in readers) and recorded < 60:
        try:
            shop.record("web", [view(100 + recorded, "c2")])
        except ShopLockedError:
            continue  # a reader brings the tiles up to date
        recorded += 1
        found = shop.profile("customer_id=c2", features=["product_views_30d"])
        assert found["product_views_30d"] == recorded
    for reader in readers:
        out, errors = reader.communicate(timeout=120)
        assert (out.strip(), reader.returncode) == ("True True", 0), errors
    assert differences(shop, utc_now()) == []


@pytest.mark.slow
def test_complete_journey_is_answered_as_it_is_built(complete_journey_folder: Path, tmp_path: Path, keys: Path) -> None:
    with coterie.open(tmp_path / "shop", create=True, currency="USD", timezone="America/New_York") as shop:
        bases = BASES | {"marketing": "consent: a test"}
        shop.ingest("complete_journey", complete_journey_folder, lawful_basis=bases)
        as_of = datetime(2018, 1, 5)
        at_once = [shop.profile(f"customer_id={household}", as_of=as_of) for household in (1, 8)]
        assert not any(said.online for said in at_once)
        assert shop.keep_up()["order_lines"] > 1_000_000
        for household, said in zip((1, 8), at_once, strict=True):
            kept = shop.profile(f"customer_id={household}", as_of=as_of)
            for name, value in said.values.items():
                expected = pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value
                assert kept.values[name] == expected, name
        built = shop.build(as_of, purpose="personalisation").table.to_pylist()
        by_person = {row["person"]: row for row in built}
        wrong, met = [], 0
        for household in range(1, 2500, 7):
            try:
                said = shop.profile(f"customer_id={household}", as_of=as_of)
            except ParameterError:
                continue
            row = by_person.get(said.person)
            if row is None:
                continue
            met += 1
            assert said.online
            assert {*said.values} == {*row} - {"person", "as_of"}
            for name, value in said.values.items():
                same = value == row[name]
                if isinstance(value, float) and isinstance(row[name], float):
                    same = math.isclose(value, row[name], rel_tol=1e-9, abs_tol=1e-12)
                if not same:
                    wrong.append((household, name, value, row[name]))
        assert wrong == []
        assert met > 300
