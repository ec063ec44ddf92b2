"""The benchmark of Ward's tree at a small size: each peer runs, and the tree is the one that it should be."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


def test_peers_run_on_the_same_people(tmp_path: Path) -> None:
    sys.path.insert(0, str(BENCH))
    bench = importlib.import_module("hierarchy")
    bench.generate(tmp_path, 3_000)
    assert np.load(tmp_path / "matrix.npy").shape == (3_000, 20)
    assert len(bench.run("kmeans", tmp_path)["rounds"]) == bench.SEEDS
    assert min(bench.run("tree", tmp_path)["leaves"]) > 1_000
    assert len(bench.run("fit", tmp_path)["cpu"]) == 1


def test_another_tree_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(BENCH))
    bench = importlib.import_module("hierarchy")
    monkeypatch.setattr(bench, "LEAVES", 600)
    assert bench.ward()["ours_fastcluster_heights_apart"] < 1e-12
    monkeypatch.setattr(bench, "SAME", -1.0)
    with pytest.raises(bench.UnequalError, match="fastcluster"):
        bench.ward()
