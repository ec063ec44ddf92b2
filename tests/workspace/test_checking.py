"""The verb ``check``: an import that runs elsewhere is no problem, one that was cut off is; the page is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import coterie

MAPPING: dict[str, Any] = {
    "source": "webshop",
    "lawful_basis": {"segmentation": "contract: a test"},
    "read": [
        {
            "file": "lines.csv",
            "to": "order_line",
            "id": "line",
            "identify": {"customer_id": "who"},
            "fields": {"order_id": "line", "amount": "total", "occurred_at": "at"},
        }
    ],
}
# Holds the lease to write, as an import does, until its standard input ends.
WRITER = """
import sys
from coterie.store.ledger import SqliteLedger
ledger = SqliteLedger(sys.argv[1])
with ledger.lease("writer"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    (tmp_path / "lines.csv").write_text("line,who,total,at\n1,ada,5,2026-01-01\n2,bob,7,2026-01-02\n")
    with coterie.open(tmp_path / "shop", create=True, currency="EUR") as made:
        yield made


def test_an_import_is_running_while_its_process_lives_and_cut_off_after_it(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(shop.lake, "append", gone)
        with pytest.raises(KeyboardInterrupt):
            shop.ingest(coterie.Mapping.of(MAPPING), tmp_path)
    writer = [sys.executable, "-c", WRITER, str(tmp_path / "shop" / "ledger.sqlite")]
    with subprocess.Popen(writer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert shop.ledger.held("writer")
        found = shop.check()
        assert (found.running, found.problems) == (("lines.csv",), ())
        process.communicate()
    assert not shop.ledger.held("writer")
    found = shop.check()
    assert found.running == ()
    assert found.problems == ("The import of lines.csv was cut off; ingest it again, it goes on where it stopped.",)
    shop.ingest(coterie.Mapping.of(MAPPING), tmp_path)
    assert shop.check().passed


def test_a_check_changes_nothing_and_writes_its_page_where_it_is_told(shop: Any, tmp_path: Path) -> None:
    shop.ingest(coterie.Mapping.of(MAPPING), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shop").rglob("*.parquet")}
    found = shop.check(report=tmp_path / "pages" / "quality.html")
    assert found.tables[0].known == 1.0
    page = (tmp_path / "pages" / "quality.html").read_text("utf-8")
    assert "The data is in order" in page
    assert "ada" not in page
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shop").rglob("*.parquet")} == before
