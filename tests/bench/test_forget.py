"""The benchmark of erasure: both forget the same people, and both leave nothing of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import coterie
import forget
from shop_generator.__main__ import main as generate


@pytest.mark.slow
def test_both_forget_the_same_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    data, shop = tmp_path / "data", tmp_path / "shop"
    generate(["--out", str(data), "--people", "300", "--lines", "1500"])
    made = forget.prepare(data, shop)
    assert made["events"] > 1000
    before = {name: pq.read_table(data / f"{name}.parquet") for name in ("orders", "clicks", "customers")}
    ours, theirs = forget.forgotten(data, shop), forget.rewritten(data)
    assert ours["identifiers"] >= 2
    assert theirs["seconds"] >= 0
    after = {name: pq.read_table(data / f"{name}.parquet") for name in before}
    (gone,) = set(before["customers"]["customer_id"].to_pylist()) - set(after["customers"]["customer_id"].to_pylist())
    assert gone in before["clicks"]["customer_id"].to_pylist()
    for table in after.values():
        assert gone not in table["customer_id"].to_pylist()
    with coterie.open(shop) as opened:
        assert opened.vault.find("customer_id", gone) is None
    assert forget.turn(data, "coterie") == forget.turn(data, "rewriting")
