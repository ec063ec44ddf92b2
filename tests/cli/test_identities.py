"""The commands about who is who, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MAPPING = """
source = "till"
[lawful_basis]
segmentation = "legitimate interest: we group customers by what they bought"
[[read]]
file = "orders.csv"
to = "order_line"
id = ["line"]
identify = { customer_id = "customer", email = "mail" }
fields = { order_id = "line", amount = "total", occurred_at = "at" }
"""
ORDERS = """line,customer,mail,total,at
1,c1,anna@x.example,5.00,2026-01-01 10:00:00
2,c2,anna@x.example,6.00,2026-01-02 10:00:00
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("COTERIE_KEY", raising=False)
    (tmp_path / "till.toml").write_text(MAPPING, "utf-8")
    (tmp_path / "orders.csv").write_text(ORDERS, "utf-8")
    (tmp_path / "identity.toml").write_text("[limit]\ncustomer_id = 2\n", "utf-8")
    typed(tmp_path, "init", "--currency", "EUR", "--timezone", "UTC")
    typed(tmp_path, "ingest", "till.toml")
    return tmp_path


def typed(desk: Path, *words: str, code: int = 0) -> str:
    """Type a command; return what it printed on stdout, and on stderr when it should fail."""
    done = subprocess.run(
        [sys.executable, "-m", "coterie", *words, *([] if "-s" in words else ["-s", str(desk / "shop")])],
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.slow
def test_from_a_split_person_to_a_joined_one_and_back(desk: Path) -> None:
    assert "2 persons have 3 identifiers" in typed(desk, "resolve")
    tried = json.loads(typed(desk, "resolve", "--rules", "identity.toml", "--dry-run", "--json"))
    assert tried["preview"]["merges"] == 1
    words = typed(desk, "resolve", "--rules", "identity.toml", "--dry-run", "--reveal")
    assert "customer_id=c2" in words
    assert "1 would be made of several" in words
    assert "not one person" in typed(desk, "why", "customer_id=c1", "customer_id=c2")
    assert "Decision 1" in typed(desk, "join", "customer_id=c1", "customer_id=c2")
    why = json.loads(typed(desk, "why", "customer_id=c1", "--json"))
    assert sorted(why["subjects"].values()) == ["customer_id", "customer_id", "email"]
    assert "Decision 2" in typed(desk, "undo-decision", "1")
    assert json.loads(typed(desk, "separate", "customer_id=c1", "customer_id=c2", "--json")) == {"decision": 3}
    assert "separate" in typed(desk, "resolve")
    assert "cannot be one person" not in typed(desk, "join", "customer_id=c1", "customer_id=c2")
    assert "there is no decision 9" in typed(desk, "undo-decision", "9", code=2)
    assert "1 person has 3 identifiers" in typed(desk, "resolve", "--rules", "identity.toml")
