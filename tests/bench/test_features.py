"""The peers of the features benchmark do the same work, and unequal work is told."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import features
import measure
from coterie.features import buckets

PEERS = Path(features.__file__).parent / "peers"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("features")
    features.generate(made, 6_000, of=(10, 3), seed=1)
    return made


def test_coterie_in_buckets_pandas_and_polars_have_equal_features(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "FACTS", 1_500)
    people = features.coterie_run(folder, folder / "coterie.parquet", 1, "200MB")
    assert people > 500
    for peer in ("pandas", "polars"):
        command = [sys.executable, str(PEERS / f"{peer}_features.py"), str(folder), "--write", str(folder / peer)]
        said = measure.run([*command, "--as-of", features.AS_OF.isoformat(), "--timezone", features.ZONE]).said
        assert said == {"people": people}
        assert features.unequal(folder / "coterie.parquet", folder / peer) == []


def test_every_line_is_made_and_scanned(folder: Path) -> None:
    assert features.scan_run(folder) == 6_000


def test_unequal_features_are_told(tmp_path: Path) -> None:
    def written(name: str, **changed: object) -> Path:
        columns = {"person": range(9), **{one: np.linspace(1, 2, 9) for one in features.NAMES}}
        texts = {one: list("abcdefghi") for one in ("top_category", "top_department", "top_channel")}
        pq.write_table(pa.table({**columns, **texts, **changed}), tmp_path / name)
        return tmp_path / name

    same = written("a")
    assert features.unequal(same, written("b")) == []
    assert features.unequal(same, written("c", spend=np.full(9, np.nan)))[0].startswith("spend: 9 of 9 differ")
    assert features.unequal(same, written("d", top_channel=list("abcdefghj")))[0].startswith("top_channel: 1 of 9")
    assert features.unequal(same, written("e", person=range(1, 10))) == ["people: 9 and 9"]
