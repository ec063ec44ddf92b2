"""What is kept ready of people, and who it may be used for: forgetting, saying no, what a request for access tells."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv

import coterie
from coterie import Mapping, Workspace
from coterie.errors import CoterieError, GateRefusedError
from coterie.ops.runs import RUNS
from oracles.traces import traces

PEOPLE = 12
MARKED = 3  # whose words nobody else has
WORDS = ["mark7341", "markhilde"]
BASIS = "legitimate interest: we show what fits"
MAPPING: dict[str, Any] = {
    "source": "till",
    "currency": "EUR",
    "lawful_basis": {"personalisation": BASIS, "segmentation": BASIS},
    "read": [
        {
            "file": "orders*.csv",
            "to": "order_line",
            "id": ["line"],
            "identify": {"customer_id": "customer", "email": "mail"},
            "fields": {
                "order_id": "order", "product_id": "sku", "amount": "total", "occurred_at": "at", "place": "place",
                "channel": "channel",
            },
        },
        {
            "file": "orders*.csv",
            "to": "event",
            "kind": "Product Viewed",
            "id": ["line"],
            "identify": {"customer_id": "customer", "email": "mail"},
            "fields": {"product_id": "sku", "occurred_at": "at", "campaign_id": "campaign"},
        },
        {"file": "orders*.csv", "to": "trait", "identify": {"customer_id": "customer"}, "traits": ["name"]},
        {"file": "products.csv", "to": "product", "fields": {"product_id": "sku", "category": "category"}},
        {
            "file": "choices*.csv",
            "to": "consent",
            "identify": {"email": "mail"},
            "fields": {"purpose": "purpose", "choice": "choice", "occurred_at": "at"},
        },
    ],
}  # fmt: skip
OWN = """
[features.usual_place]
on = "Order Completed"
aggregation = "most_frequent"
value = "place"

[features.last_channel_ever]
on = "Order Completed"
aggregation = "last"
value = "channel"

[features.last_order]
on = "Order Completed"
aggregation = "last"
value = "order_id"

[features.usual_campaign]
on = "Product Viewed"
aggregation = "most_frequent"
value = "campaign_id"
window = 3650

[features.usual_product]
on = "Order Line"
aggregation = "most_frequent"
value = "product_id"

[features.bought_of_it]
on = "Order Line"
aggregation = "count"
per = "person-product"

[features.sold]
on = "Order Line"
aggregation = "count"
per = "product"

[features.turnover]
on = "Order Line"
aggregation = "sum"
value = "amount"
per = "category"

[traits]
name = "Name"
"""


def write_orders(folder: Path) -> None:
    lines = []
    for person in range(PEOPLE):
        mine = person == MARKED
        for order in range(2 + person % 3):
            number = f"{'ORD-mark7341' if mine else 'o'}-{person}-{order}"
            lines.append(
                {
                    "line": number, "order": number, "sku": "engraved-mark7341" if mine and order else "s1",
                    "customer": "CUST-mark7341" if mine else f"c{person}",
                    "mail": "markhilde@mark.example" if mine else f"p{person}@shop.example",
                    "total": "9.90", "at": f"2026-0{1 + order}-1{person % 9} 10:00:00",
                    "place": "at Markhilde's" if mine else "Main Street", "channel": "web",
                    "campaign": "for mark7341 alone" if mine else "spring",
                    "name": "Markhilde" if mine else f"Name {person}",
                }
            )  # fmt: skip
    csv.write_csv(pa.Table.from_pylist(lines), folder / "orders.csv")
    csv.write_csv(pa.table({"sku": ["s1"], "category": ["rings"]}), folder / "products.csv")
    choose(folder, 5, "granted")


def choose(folder: Path, person: int, choice: str, name: str = "choices.csv", at: str = "2026-05-01 10:00:00") -> None:
    said = {"mail": f"p{person}@shop.example", "purpose": "personalisation", "choice": choice, "at": at}
    csv.write_csv(pa.Table.from_pylist([said]), folder / name)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files, the shop that has taken them in, and its key; for copying."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "files").mkdir()
    write_orders(folder / "files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop", create=True, currency="EUR", timezone="UTC", minimum_group=5) as shop:
            shop.ingest(Mapping.of(MAPPING), folder / "files")
    (folder / "shop" / "features.toml").write_text(OWN)
    return folder


def subjects_of(shop: Workspace) -> list[int]:
    found = [shop.vault.find("customer_id", "CUST-mark7341"), shop.vault.find("email", "markhilde@mark.example")]
    return [subject for subject in found if subject is not None]


def left_of(shop: Workspace, folder: Path, subjects: list[int]) -> list[str]:
    """Where anything of the marked person is found."""
    return traces(folder / "shop", WORDS, subjects, shop.vault)


def test_whoever_is_forgotten_leaves_no_byte_in_what_is_kept_ready(
    opened: Callable[[], Workspace], tmp_path: Path
) -> None:
    shop = opened()
    subjects = subjects_of(shop)
    said = shop.profile("customer_id=CUST-mark7341")
    assert said["usual_place"] == "at Markhilde's"
    assert said.online
    assert shop.build("2026-06-01", purpose="personalisation", per="product").table.num_rows == 2
    before = traces(tmp_path / "shop" / "state", WORDS, subjects, shop.vault)
    assert {trace.split(" in ")[0] for trace in before} >= {*WORDS, str(subjects[0])}
    receipt = shop.forget("customer_id=CUST-mark7341")
    assert receipt.verified
    assert left_of(shop, tmp_path, subjects) == []
    shop = opened()
    assert left_of(shop, tmp_path, subjects) == []
    other = shop.profile("customer_id=c1")
    assert (other.online, other["usual_place"], other["usual_product"]) == (True, "Main Street", "s1")


def test_what_is_forgotten_is_gone_from_features_of_products(opened: Callable[[], Workspace]) -> None:
    shop = opened()

    def sold(per: str, name: str) -> dict[str, Any]:
        made = shop.build("2026-06-01", purpose="personalisation", per=per, features=[name])
        column = "product_id" if per == "product" else per
        return {row[column]: row[name] for row in made.table.to_pylist()}

    lines = sum(2 + person % 3 for person in range(PEOPLE))
    assert sold("product", "sold") == {"s1": lines - 1, "engraved-mark7341": 1}
    assert sold("category", "turnover") == {"rings": 990 * (lines - 1)}
    shop.forget("customer_id=CUST-mark7341")
    assert sold("product", "sold") == {"s1": lines - 2}
    assert sold("category", "turnover") == {"rings": 990 * (lines - 2)}


KILL = """
import os, sys
import coterie
from coterie.features import online
from coterie.features.online import Plane
from coterie.store import state
from coterie.store.state import LmdbState
shop = coterie.open({shop!r})
owner, method, when = {owner}, {method!r}, {when!r}
done = getattr(owner, method)
def dying(*arguments, **named):
    if when == "after":
        done(*arguments, **named)
    if when == "amid":  # its writes are half done
        import itertools
        LmdbState.put, count = (lambda put: lambda self, *a: (put(self, *a), next(count) and os._exit(9)))(
            LmdbState.put), itertools.count()
        done(*arguments, **named)
    os._exit(9)
setattr(owner, method, dying)
shop.{call}
"""
FORGET = "forget('customer_id=CUST-mark7341')"


def killed(folder: Path, owner: str, method: str, when: str, call: str) -> None:
    """A process dies before, amid or after a step."""
    script = KILL.format(shop=str(folder / "shop"), owner=owner, method=method, when=when, call=call)
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    told = (done.stdout + done.stderr).lower()
    assert not [word for word in WORDS if word in told]


@pytest.mark.parametrize(
    ("owner", "method", "when", "call"),
    [
        ("LmdbState", "compact", "before", FORGET),
        *(
            pytest.param(*step, marks=pytest.mark.slow)
            for step in (
                ("Plane", "erase", "before", FORGET),
                ("Plane", "erase", "after", FORGET),
                ("LmdbState", "compact", "after", FORGET),
                ("state", "_remove", "before", FORGET),  # the new file is there, and the old one still is
                ("LmdbState", "clear", "after", "profile('customer_id=c1')"),
                ("state", "_remove", "before", "profile('customer_id=c1')"),
                ("Plane", "rebuild", "amid", "profile('customer_id=c1')"),
                ("Plane", "rebuild", "after", "profile('customer_id=c1')"),
                ("Plane", "update", "after", "profile('customer_id=c1')"),
            )
        ),
    ],
)
def test_whoever_is_forgotten_is_gone_whatever_was_killed_before(
    opened: Callable[[], Workspace], tmp_path: Path, owner: str, method: str, when: str, call: str
) -> None:
    shop = opened()
    subjects = subjects_of(shop)
    assert shop.profile("customer_id=CUST-mark7341").online
    if call != FORGET:
        more = {"line": "o-9", "order": "o-9", "sku": "s1", "customer": "CUST-mark7341"}
        more |= {"mail": "markhilde@mark.example", "total": "1.00", "at": "2026-04-01 10:00:00", "place": "mark7341"}
        more |= {"channel": "web", "campaign": "later, for Markhilde", "name": "Markhilde"}
        csv.write_csv(pa.Table.from_pylist([more]), tmp_path / "files" / "orders-2.csv")
        shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
        if method in ("clear", "_remove", "rebuild"):  # other definitions: everything is made anew
            own = OWN + '\n[features.more]\non = "Order Line"\naggregation = "last"\nvalue = "place"\n'
            (tmp_path / "shop" / "features.toml").write_text(own)
    shop.close()
    killed(tmp_path, owner, method, when, call)
    assert traces(tmp_path / "shop", WORDS, subjects, opened().vault)
    shop = opened()
    assert shop.forget("customer_id=CUST-mark7341").verified
    assert left_of(shop, tmp_path, subjects) == []
    other = shop.profile("customer_id=c1")
    assert (other.online, other["usual_place"], other["last_order"]) == (True, "Main Street", "o-1-2")


@pytest.mark.slow
def test_words_of_an_import_that_was_taken_back_go_with_its_person(
    opened: Callable[[], Workspace], tmp_path: Path
) -> None:
    line = {"line": "x", "order": "x", "sku": "s1", "customer": "c2", "mail": "p2@shop.example", "total": "1.00"}
    line |= {"at": "2026-04-01 10:00:00", "place": "home of mark7341", "channel": "web", "campaign": "", "name": "N"}
    csv.write_csv(pa.Table.from_pylist([line]), tmp_path / "files" / "orders-2.csv")
    shop = opened()
    shop.profile("customer_id=c1")
    receipt = shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    shop.profile("customer_id=c1")
    assert traces(tmp_path / "shop" / "state", ["home of mark7341"], [], shop.vault)
    shop.undo_import(next(file.import_id for file in receipt.files if file.file == "orders-2.csv"))
    shop.forget("customer_id=c2")
    assert traces(tmp_path / "shop" / "state", ["home of mark7341"], [], shop.vault) == []


def test_who_says_no_is_neither_answered_nor_built(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    said = shop.profile("customer_id=c5")
    assert said.online
    choose(tmp_path / "files", 5, "withdrawn", "choices-2.csv", at="2026-05-02 10:00:00")
    shop.ingest(Mapping.of(MAPPING), tmp_path / "files")
    asks: tuple[Callable[[], object], ...] = (
        lambda: shop.profile("customer_id=c5"),
        lambda: opened().profile("email=p5@shop.example"),
        lambda: opened().profile("customer_id=c5", as_of="2026-04-01"),
    )
    for ask in asks:
        with pytest.raises(GateRefusedError) as error:
            ask()
        assert not [word for word in ("c5", "p5", "Name 5", "2026") if word in f"{error.value} {error.value.hint}"]
    shop = opened()
    built = shop.build("2026-06-01", purpose="personalisation").table
    assert said.person not in built["person"].to_pylist()
    assert built.num_rows == PEOPLE - 1


def test_errors_and_runs_name_nobody(opened: Callable[[], Workspace]) -> None:
    shop = opened()
    asks: tuple[Callable[[], object], ...] = (
        lambda: shop.profile("customer_id=nobody-mark7341"),
        lambda: shop.profile("nobody@mark7341.example"),  # without its kind
        lambda: shop.forget("email=nobody-mark7341@mark.example"),
        lambda: shop.profile("customer_id=CUST-mark7341", features=["no_such"]),
        lambda: shop.build("2026-06-01", features=["no_such"]),
    )
    for ask in asks:
        with pytest.raises(CoterieError) as error:
            ask()
        assert "mark7341" not in f"{error.value} {error.value.hint}"
    shop.profile("customer_id=CUST-mark7341")
    shop.build("2026-06-01", purpose="personalisation")
    told = json.dumps([shop.ledger.read(RUNS).to_pylist(), shop.gate.audit.entries().to_pylist()], default=str).lower()
    assert not [word for word in (*WORDS, *map(str, subjects_of(shop))) if word in told]
    assert [row["verb"] for row in shop.ledger.read(RUNS).to_pylist()].count("build") >= 1


def test_a_request_for_access_has_the_facts_that_features_are_made_of(opened: Callable[[], Workspace]) -> None:
    shop = opened()
    said = shop.profile("customer_id=CUST-mark7341")
    found = shop.export("customer_id=CUST-mark7341")
    lines = found["order_lines"].to_pylist()
    assert said["orders"] == len({line["order_id"] for line in lines})
    assert {row["place"] for row in lines} == {"at Markhilde's"}
    assert {row["campaign_id"] for row in found["events"].to_pylist()} == {"for mark7341 alone"}
    assert {row["value"] for row in found["traits"].to_pylist()} == {"Markhilde"}
    [known] = found["tiles"].to_pylist()
    assert known["known_at"] <= min(line["available_at"] for line in lines)
    other = json.dumps({name: rows.to_pylist() for name, rows in shop.export("customer_id=c1").items()}, default=str)
    assert not [word for word in WORDS if word in other.lower()]


def test_what_is_kept_ready_is_for_its_owner_alone(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        shop = opened()
        shop.profile("customer_id=c1")
        shop.forget("customer_id=c2")
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shop" / "state").rglob("*")}
    finally:
        os.umask(before)
    assert found
    assert {oct(mode) for path, mode in found.items() if path.is_file()} == {"0o600"}
    assert oct(stat.S_IMODE((tmp_path / "shop" / "state").stat().st_mode)) == "0o700"
