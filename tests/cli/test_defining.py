"""The command ``features``: what there is, what it means, what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import coterie as library
from coterie.features.catalog import CATALOG
from coterie.features.standard import THEMES
from till import till

Said = tuple[int, str, str]
MAPPING = till('currency = "USD"')


@pytest.fixture
def command(workplace: Path, call: Callable[..., Said]) -> Callable[..., Said]:
    """The command line in a folder with a shop of two orders, which has a feature of its own."""
    Path("orders.csv").write_text("order,customer,total,at\n1,a,5.00,2026-01-01\n2,b,7.00,2026-01-02\n", "utf-8")
    Path("till.toml").write_text(MAPPING, "utf-8")
    with library.open("shop", create=True) as shop:
        shop.ingest("till.toml", ".")
    Path("shop/features.toml").write_text(
        '[features.dear_orders]\non = "Order Completed"\naggregation = "count"\nwhere = { amount = ">= 600" }\n',
        "utf-8",
    )
    return partial(call, "features", "--shop", "shop")


def test_all_are_listed_with_what_they_mean_and_whether_they_can_be_built(command: Callable[..., Said]) -> None:
    code, out, _ = command()
    assert code == 0
    assert all(name in out for name in (*CATALOG.names, "dear_orders"))
    assert "no Order Refunded in order_lines" in " ".join(out.split())
    themes = [line.strip() for line in out.splitlines() if line.isupper()]
    assert themes == [*(theme.upper() for theme in THEMES), "YOUR OWN"]
    listed = json.loads(command("--json")[1])
    assert [entry["name"] for entry in listed] == [*CATALOG.names, "dear_orders"]
    by_name = {entry["name"]: entry for entry in listed}
    assert by_name["dear_orders"]["own"]
    assert by_name["dear_orders"]["missing"] is None
    assert by_name["spend_90d"]["window"] == "90 days"
    assert f"{len(listed)} features, of which {sum(e['missing'] is None for e in listed)} can be built." in out


def test_only_what_is_missing_is_listed_on_wish(command: Callable[..., Said]) -> None:
    listed = json.loads(command("--missing", "--json")[1])
    assert listed
    assert all(entry["missing"] for entry in listed)
    assert f"{len(listed)} features cannot be built." in command("--missing")[1]


def test_one_is_shown_in_full(command: Callable[..., Said]) -> None:
    code, out, _ = command("dear_orders")
    words = " ".join(out.split())
    assert code == 0
    for told in ("those for which amount is at least 600", "from the first fact", "no fact 0", "in features.toml"):
        assert told in words
    words = " ".join(command("spend_90d")[1].split())
    assert "90 days before the moment, back to the beginning of that day (UTC)" in words
    assert "declared in the catalogue" in words
    assert "recency_days" in command("overdue_ratio")[1]


def test_its_statement_can_be_printed_and_runs(command: Callable[..., Said]) -> None:
    text = command("dear_orders", "--sql")[1]
    [entry] = json.loads(command("dear_orders", "--sql", "--json")[1])
    assert entry["sql"] == text.rstrip("\n")
    with library.open("shop") as shop:
        seen = shop.facts("segmentation")
        spine = seen.spine(seen.newest())
        numbered = spine.append_column("position", [list(range(spine.num_rows))])
        with shop.warehouse.temporary("spine", numbered):
            answer = shop.warehouse.query(text)
    # whose key comes first is chance
    assert sorted(answer["dear_orders"].to_pylist()) == [0, 1]


def test_wrong_calls_say_what_is_allowed(command: Callable[..., Said]) -> None:
    code, _, err = command("dear_order")
    assert code == 2
    assert "Hint: did you mean dear_orders" in err
    code, _, err = command("--sql")
    assert code == 2
    assert "--sql needs the name" in err
    code, _, err = command("--per", "people")
    assert code == 2
    assert "one of person, product" in err
    Path("shop/features.toml").write_text("[feature.x]\n", "utf-8")
    code, _, err = command()
    assert code == 2
    assert "features.toml: unknown table 'feature'" in err
    assert "did you mean features?" in err
