"""Live events: durable when acknowledged, once each, and read at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import coterie
from coterie import Workspace
from coterie.collect.facts import EVENTS, IMPORTS, ORDER_LINES
from coterie.collect.inbox import INBOX
from coterie.errors import GateRefusedError
from coterie.profiles.edges import EDGES
from oracles.crashes import dies
from oracles.traces import traces

BASES = {"segmentation": "legitimate interest: we group visitors by what they look at"}
NOW = datetime(2026, 3, 1, 12)


def view(number: int, user: str | None = "u1", **more: Any) -> dict[str, Any]:
    said = {"product_id": f"p{number}"}
    call = {"type": "track", "event": "Product Viewed", "messageId": f"view-{number}", "properties": said}
    return call | {"userId": user, "anonymousId": "a1", "timestamp": "2026-03-01T11:59:00+00:00"} | more


def order(number: int) -> dict[str, Any]:
    products = [{"product_id": "p1", "price": 1.25, "quantity": 2}, {"product_id": "p2", "price": 3, "quantity": 1}]
    said = {"order_id": f"o{number}", "products": products}
    return view(number, event="Order Completed", messageId=f"order-{number}", properties=said)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shop of one imported event and its key; for copying."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "data").mkdir()
    (folder / "data" / "old.jsonl").write_text(json.dumps(view(0)) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        with coterie.open(folder / "shop", create=True, currency="EUR") as shop:
            shop.ingest("segment", folder / "data", source="web", lawful_basis=BASES)
    return folder


def ids(shop: Workspace) -> list[str]:
    """The messages that the shop knows, now."""
    shop.warehouse.attach_tables(EVENTS, ORDER_LINES)
    sql = "SELECT event_id AS id FROM events UNION ALL SELECT line_id FROM order_lines ORDER BY id"
    found: list[str] = shop.warehouse.query(sql)["id"].to_pylist()
    return found


def test_events_are_taken_in_once_and_read_at_once(opened: Callable[[], Workspace]) -> None:
    shop = opened()
    calls = [view(0), view(1), view(1), order(1), "no JSON", view(2, timestamp="yesterday")]
    receipt = shop.record("web", calls, now=NOW)
    counts = (receipt.received, receipt.accepted, receipt.quarantined, receipt.duplicates)
    assert counts == (6, 2, 2, 2)
    assert ids(shop) == ["order-1/0", "order-1/1", "view-0", "view-1"]
    shown = shop.show("customer_id=u1").profile
    assert shown.orders[0].amount == 550
    assert shown.subjects == 2
    again = shop.record("web", calls, now=NOW)
    assert (again.accepted, again.duplicates) == (0, 4)
    assert ids(shop) == ["order-1/0", "order-1/1", "view-0", "view-1"]
    assert shop.ledger.read(INBOX).num_rows == 0
    kept = {row["available_at"] for row in shop.export("customer_id=u1")["order_lines"].to_pylist()}
    assert kept == {NOW}  # the shop knew of it when it was received
    shop.gate.audit.verify()


def test_what_was_acknowledged_is_read_before_it_has_moved(opened: Callable[[], Workspace]) -> None:
    shop = opened()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(shop.inbox), "move", lambda self: 0)
        shop.record("web", [view(1), order(1)], now=NOW)
    assert shop.ledger.read(INBOX).num_rows > 0
    assert shop.lake.count(ORDER_LINES) == 0
    assert shop.show("customer_id=u1").profile.orders[0].orders == 1
    book = shop.ledger.read(IMPORTS).to_pylist()[-1]
    assert [fate.fate for fate in shop.trace(book["file"], 2)] == ["accepted"]
    assert not [each for each in shop.check().problems if "order_line" in each or "live-" in each]
    built = shop.build("2026-03-02", features=["orders"])  # a verb that writes moves first
    assert built.table["orders"].to_pylist() == [1]
    assert shop.ledger.read(INBOX).num_rows == 0
    assert shop.lake.count(ORDER_LINES) == 2


def test_a_source_that_declared_nothing_is_refused(opened: Callable[[], Workspace]) -> None:
    shop = opened()
    with pytest.raises(GateRefusedError, match="lawful basis"):
        shop.record("unheard-of", [view(1)])
    assert ids(shop) == ["view-0"]


def test_a_forgotten_visitor_stays_out_of_what_is_recorded(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    shop = opened()
    shop.record("web", [view(1), view(2, "marked-user-7341", anonymousId="marked-device-7341")])
    subject = shop.vault.find("customer_id", "marked-user-7341")
    assert subject is not None
    assert shop.forget("customer_id=marked-user-7341").verified
    receipt = shop.record("web", [view(3, "other", anonymousId="marked-device-7341"), view(4)])
    assert (receipt.accepted, receipt.quarantined) == (1, 1)
    shop = opened()
    assert traces(tmp_path / "shop", ["marked-user", "marked-device"], [subject], shop.vault) == []
    assert shop.vault.find("customer_id", "other") is None


def test_events_come_from_stdin(opened: Callable[[], Workspace], tmp_path: Path) -> None:
    opened().close()
    command = [sys.executable, "-m", "coterie", "record", "web", "--shop", str(tmp_path / "shop"), "--json"]
    lines = "\n".join([json.dumps(view(1)), "", json.dumps(order(1)), "{broken"])
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert (said["received"], said["accepted"], said["quarantined"]) == (3, 2, 1)


class Killed(BaseException):
    """Nothing in the program knows this."""


def killed() -> None:
    raise Killed


STEPS = [f"{when} {step}" for step in ("subjects", "insert", "put", "append", "delete") for when in ("before", "after")]


@pytest.mark.slow
@pytest.mark.parametrize("at", [*STEPS, 25, 30])
def test_a_message_that_was_cut_off_and_sent_again_is_there_once(
    opened: Callable[[], Workspace], at: int | str
) -> None:
    shop = opened()
    with pytest.MonkeyPatch.context() as patch:
        dies(patch.setattr, killed, at)
        with pytest.raises(Killed):
            shop.record("web", [view(1), order(1)])
    shop = opened()
    assert ids(shop) in (["view-0"], ["order-1/0", "order-1/1", "view-0", "view-1"])  # all of it or nothing
    shop.record("web", [view(1), order(1), view(2)])
    assert ids(shop) == ["order-1/0", "order-1/1", "view-0", "view-1", "view-2"]
    assert shop.lake.count(EVENTS) == 3
    assert len({(row["subject_a"], row["subject_b"]) for row in shop.ledger.read(EDGES).to_pylist()}) == 1


KILL = """
import os, sys
import coterie
sys.path.insert(0, {tests!r})
from oracles.crashes import dies
shop = coterie.open({shop!r})
dies(setattr, lambda: os._exit(9), "after append")
shop.record("web", {calls!r})
"""


def test_a_process_killed_while_moving_loses_nothing_that_was_acknowledged(
    opened: Callable[[], Workspace], tmp_path: Path
) -> None:
    opened().close()
    calls = [view(1), order(1)]
    script = KILL.format(tests=str(Path(__file__).parents[1]), shop=str(tmp_path / "shop"), calls=calls)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    shop = opened()
    assert shop.ledger.read(INBOX).num_rows > 0
    assert ids(shop) == ["order-1/0", "order-1/1", "view-0", "view-1"]
    shop.record("web", [])
    assert shop.ledger.read(INBOX).num_rows == 0
    assert ids(shop) == ["order-1/0", "order-1/1", "view-0", "view-1"]
