"""The desk on which the documentation's examples run: a folder with a small shop's files and a mapping for them."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv

MAPPING = """\
source = "webshop"
currency = "EUR"
timezone = "Europe/Berlin"

[lawful_basis]
segmentation = "Legitimate interest in knowing our own customers; privacy notice, section 4."

[[read]]
file = "products.csv"
to = "product"
fields = { product_id = "sku", category = "category" }

[[read]]
file = "orders.csv"
to = "order_line"
id = ["order", "sku"]
identify = { customer_id = "customer", email = "mail" }
fields = { order_id = "order", product_id = "sku", quantity = "pieces", amount = "total", occurred_at = "paid_at" }
"""
CATEGORIES = ("bread", "fruit", "milk", "wine", "toys", "books")
BEGIN = datetime(2016, 9, 1)
DAYS = 480


def files(folder: Path) -> None:
    """Write the exports of a made-up shop: 500 customers of three kinds (weekly, monthly, once), 16 months."""
    random = np.random.default_rng(7)
    skus = [f"sku-{number:03d}" for number in range(60)]
    category = [CATEGORIES[number % len(CATEGORIES)] for number in range(60)]
    rows: dict[str, list[object]] = {
        name: [] for name in ("order", "sku", "customer", "mail", "pieces", "total", "paid_at")
    }
    order = 0
    for customer in range(500):
        kind = customer % 3
        orders = int(random.poisson((40, 12, 1.5)[kind])) + 1
        for day in random.uniform(0, DAYS, orders):
            order += 1
            for sku in random.choice(60, size=int(random.integers(1, (6, 4, 3)[kind])), replace=False):
                rows["order"].append(f"o-{order:06d}")
                rows["sku"].append(skus[sku])
                rows["customer"].append(f"c-{customer:04d}")
                rows["mail"].append(f"customer{customer}@shop.example")
                rows["pieces"].append(int(random.integers(1, 4)))
                rows["total"].append(f"{random.lognormal((2.5, 3.0, 2.0)[kind], 0.4):.2f}")
                rows["paid_at"].append((BEGIN + timedelta(days=float(day))).strftime("%Y-%m-%d %H:%M:%S"))
    csv.write_csv(pa.table(rows), folder / "orders.csv")
    csv.write_csv(pa.table({"sku": skus, "category": category}), folder / "products.csv")


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the shop's files."""
    folder = tmp_path_factory.mktemp("exports")
    files(folder)
    return folder


@pytest.fixture
def desk(exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``data/`` and ``mapping.toml``; vault keys stay in it, too."""
    folder = tmp_path / "desk"
    shutil.copytree(exports, folder / "data")
    (folder / "mapping.toml").write_text(MAPPING, "utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    return folder
