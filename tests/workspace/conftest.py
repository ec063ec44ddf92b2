"""A small shop: 240 customers in two files, one of whom shops under two cards, one of whom objected."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

import coterie
from coterie import Workspace
from coterie.profiles.rules import IdentityRules

MAPPING = """
source = "till"
channel = "store"
currency = "EUR"
timezone = "Europe/Berlin"

[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought, see our privacy notice"

[[read]]
file = "orders.csv"
to = "order_line"
id = ["line"]
identify = { customer_id = "customer", email = "mail" }
fields = { order_id = "order", product_id = "sku", quantity = "pieces", amount = "total", occurred_at = "at" }

[[read]]
file = "products.csv"
to = "product"
fields = { product_id = "sku", category = "category" }

[[read]]
file = "people.csv"
to = "trait"
identify = { customer_id = "customer" }
traits = ["age"]

[[read]]
file = "choices.csv"
to = "consent"
identify = { email = "mail" }
fields = { purpose = "purpose", choice = "choice", words = "words", occurred_at = "at" }
"""
BEGIN = datetime(2025, 1, 1)
DAYS = 400


def write_files(folder: Path, people: int = 240) -> None:
    """Write the shop's exports."""
    random = np.random.default_rng(11)
    lines: dict[str, list[object]] = {
        name: [] for name in ("line", "order", "sku", "customer", "mail", "pieces", "total", "at")
    }
    order = 0
    for person in range(people):
        kind = person % 3
        days = np.sort(random.uniform(0, DAYS if kind < 2 else 150, int(random.poisson((40, 12, 4)[kind])) + 1))
        for day in days:
            order += 1
            for sku in random.choice(30, size=int(random.integers(1, (6, 4, 2)[kind] + 1)), replace=False):
                lines["line"].append(f"l{len(lines['line'])}")
                lines["order"].append(f"o{order}")
                lines["sku"].append(f"s{sku}")
                # the first customer has two cards and one e-mail address
                lines["customer"].append("c0-new" if person == 0 and day > 200 else f"c{person}")
                lines["mail"].append(f"P{person}@Shop.example ")
                lines["pieces"].append(int(random.integers(1, 4)))
                lines["total"].append(f"{random.lognormal((3.0, 3.2, 2.0)[kind], 0.4):.2f}")
                lines["at"].append((BEGIN + timedelta(days=float(day))).strftime("%Y-%m-%d %H:%M:%S"))
    lines["total"][3] = "twelve"  # breaks the contract
    csv.write_csv(pa.table(lines), folder / "orders.csv")
    skus = [f"s{sku}" for sku in range(30)]
    csv.write_csv(pa.table({"sku": skus, "category": [f"k{n % 5}" for n in range(30)]}), folder / "products.csv")
    names = [f"c{person}" for person in range(people)]
    csv.write_csv(pa.table({"customer": names, "age": ["35-44", "55+"] * (people // 2)}), folder / "people.csv")
    csv.write_csv(
        pa.table(
            {
                "mail": ["p7@shop.example"],
                "purpose": ["segmentation"],
                "choice": ["objected"],
                "words": ["letter"],
                "at": ["2025-03-01 10:00:00"],
            }
        ),
        folder / "choices.csv",
    )
    (folder / "till.toml").write_text(MAPPING, "utf-8")


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the shop's files and its mapping."""
    folder = tmp_path_factory.mktemp("exports")
    write_files(folder)
    return folder


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Vault keys of a test stay with the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    return tmp_path / "config"


def open_shop(folder: Path | None) -> Workspace:
    return coterie.open(folder, create=True, currency="EUR", timezone="Europe/Berlin", minimum_group=10)


def take_in(shop: Workspace, exports: Path) -> None:
    shop.ingest(exports / "till.toml")
    shop.resolve(IdentityRules(limit={"customer_id": 2}))  # two cards may be one person's


@pytest.fixture(scope="session")
def taken_in(exports: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shop, everything ingested, and its key; for copying."""
    folder = tmp_path_factory.mktemp("taken-in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with open_shop(folder / "shop") as opened:
            take_in(opened, exports)
    return folder


@pytest.fixture(params=["folder", "memory"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, keys: Path) -> Iterator[Workspace]:
    """The shop with everything ingested, in a folder and in memory."""
    if request.param == "folder":
        shutil.copytree(request.getfixturevalue("taken_in"), tmp_path, dirs_exist_ok=True)
        with open_shop(tmp_path / "shop") as opened:
            yield opened
    else:
        with open_shop(None) as opened:
            take_in(opened, request.getfixturevalue("exports"))
            yield opened


@pytest.fixture
def opened(begun: Path, tmp_path: Path, keys: Path) -> Iterator[Callable[[], Workspace]]:
    """Opens a copy of the shop that the tests' module has begun, each time as a process after those before it."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    made: list[Workspace] = []

    def again() -> Workspace:
        for shop in made:
            shop.close()
        made.append(coterie.open(tmp_path / "shop"))
        return made[-1]

    yield again
    for shop in made:
        shop.close()
