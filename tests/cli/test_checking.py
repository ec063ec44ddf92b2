"""``coterie check``: exit code 5 for what needs a look and for what is not as agreed, told apart in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coterie.cli import run
from till import till

MAPPING = till('contract = "contract.yaml"')
CONTRACT = """
apiVersion: v3.1.0
schema:
  - name: order_line
    quality:
      - { name: enough orders, type: library, metric: rowCount, mustBeGreaterThan: %d }
"""


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[object, str, str]:
    monkeypatch.setattr("sys.argv", ["coterie", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run()
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err


@pytest.mark.parametrize(
    ("rows", "least", "code", "problems", "passed"),
    [
        ("1,ada,5,2026-01-01\n", 0, 0, 0, [True]),
        ("1,ada,5,2026-01-01\n", 1, 5, 0, [False]),
        ("1,ada,5,2026-01-01\n2,ada,x,2026-01-01\n", 0, 5, 1, [True]),
    ],
)
def test_what_is_not_as_it_should_be_ends_with_five(
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rows: str,
    least: int,
    code: int,
    problems: int,
    passed: list[bool],
) -> None:
    Path("mapping.toml").write_text(MAPPING, "utf-8")
    Path("contract.yaml").write_text(CONTRACT % least, "utf-8")
    Path("orders.csv").write_text(f"order,customer,total,at\n{rows}", "utf-8")
    assert call(capsys, monkeypatch, "init", "--shop", "shop")[0] == 0
    assert call(capsys, monkeypatch, "ingest", "mapping.toml", "--shop", "shop")[0] == 0
    ended, out, _ = call(capsys, monkeypatch, "check", "--shop", "shop", "--json")
    body = json.loads(out)
    assert ended == code
    assert len(body["problems"]) == problems
    assert [one["passed"] for one in body["expectations"]] == passed
    assert body["passed"] == (code == 0)
    ended, out, said = call(capsys, monkeypatch, "check", "--shop", "shop", "--report", "quality.html")
    assert ended == code
    assert "enough orders" in out
    assert ("Not as expected: enough orders (till): expected more than 1 row, got 1 row." in said) == (
        passed == [False]
    )
    assert Path("quality.html").stat().st_size > 10_000
