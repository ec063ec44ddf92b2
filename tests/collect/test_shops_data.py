"""Ready mappings on published data: every row accounted for, and the figures that others have found.

The files are found through the environment variable COTERIE_DATA, or beside the project; without them, all is skipped.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import coterie
from coterie.collect.facts import EVENTS, ORDER_LINES, TRAITS
from coterie.collect.mapping import Mapping
from coterie.collect.shops import ready
from coterie.errors import MappingError
from exports.expected import lawful

Data = Callable[[str], Path]


@pytest.fixture
def shop() -> Iterator[Any]:
    with coterie.open(None, currency="USD", timezone="UTC") as made:
        yield made


def count(shop: Any, table: Any, query: str) -> dict[str, Any]:
    shop.warehouse.attach("facts", shop.lake.source(table))
    [row] = shop.warehouse.query(query).to_pylist()
    return row


@pytest.mark.slow
def test_online_retail_is_accounted_for_and_gives_the_published_figures(published: Data) -> None:
    folder = published("online_retail")
    raw = (
        duckdb.sql(
            f"""
        SELECT COUNT(*) AS lines, COUNT(CustomerID) AS identified,
            COUNT(CASE WHEN CustomerID IS NULL AND StockCode <> 'B' THEN 1 END) AS nobody,
            COUNT(CASE WHEN StockCode = 'B' THEN 1 END) AS debts,
            COUNT(CASE WHEN InvoiceNo LIKE 'C%' AND CustomerID IS NOT NULL THEN 1 END) AS cancelled,
            COUNT(CASE WHEN UnitPrice = 0 AND CustomerID IS NOT NULL THEN 1 END) AS free
        FROM read_parquet('{folder}/online_retail.parquet')
        """
        )
        .to_arrow_table()
        .to_pylist()[0]
    )
    with coterie.open(None, currency="GBP", timezone="Europe/London") as shop:
        receipt = shop.ingest(ready("uci_online_retail"), folder)
        lawful(receipt)
        lines, debts = (
            next(file for file in receipt.files if file.target == name) for name in ("order_line", "nothing")
        )
        assert lines.received + debts.received == raw["lines"] == 541_909
        assert debts.accepted == raw["debts"] == 3
        assert lines.duplicates == 0
        assert lines.quarantined == lines.reasons["unidentified"] == raw["nobody"] == 135_077
        assert lines.accepted == raw["identified"] == 406_829
        # The usual cleaning: identified, not cancelled, quantity and price above 0. Four lines of a price of 0.001 cost
        # less than half a penny, so that their amount is 0 and their price is not.
        usual = count(
            shop,
            ORDER_LINES,
            f"""
            SELECT COUNT(*) AS lines, COUNT(DISTINCT subject) AS people
            FROM facts JOIN (
                SELECT UnitPrice, file_row_number + 1 AS number
                FROM read_parquet('{folder}/online_retail.parquet', file_row_number = true)
            ) AS origin ON origin.number = facts."row"
            WHERE kind = 'Order Completed' AND quantity > 0 AND UnitPrice > 0
            """,
        )
        assert usual == {"lines": 397_884, "people": 4_338}
        kinds = count(
            shop,
            ORDER_LINES,
            "SELECT COUNT(CASE WHEN kind = 'Order Cancelled' THEN 1 END) AS cancelled, MIN(amount) AS least, "
            "COUNT(CASE WHEN amount = 0 THEN 1 END) AS free, COUNT(DISTINCT line_id) AS ids, "
            "COUNT(refund_of) AS linked FROM facts",
        )
        assert kinds["cancelled"] == raw["cancelled"] == 8_905
        assert (kinds["least"], kinds["ids"], kinds["linked"]) == (0, raw["identified"], 0)
        assert kinds["free"] >= raw["free"] == 40
        countries = count(
            shop, TRAITS, "SELECT COUNT(DISTINCT subject) AS people, COUNT(DISTINCT value) AS countries FROM facts"
        )
        assert countries["people"] == 4_372
        assert shop.ingest(ready("uci_online_retail"), folder).reused


def test_marketing_campaign_is_a_dated_snapshot(shop: Any, published: Data) -> None:
    receipt = shop.ingest(ready("marketing_campaign"), published("marketing_campaign"))
    lawful(receipt)
    # The customer with the ID 0 is set aside: elsewhere 0 stands for nobody, and would make one person of many.
    assert [(file.received, file.accepted, file.quarantined) for file in receipt.files] == [(2_240, 2_239, 1)] * 2
    traits = count(
        shop,
        TRAITS,
        "SELECT COUNT(DISTINCT subject) AS people, COUNT(DISTINCT trait) AS traits, MIN(occurred_at) AS first, "
        "MAX(occurred_at) AS last, COUNT(CASE WHEN trait = 'income' THEN 1 END) AS incomes FROM facts",
    )
    snapshot = datetime(2014, 6, 30)
    assert traits == {"people": 2_239, "traits": 25, "first": snapshot, "last": snapshot, "incomes": 2_215}
    enrolled = count(shop, EVENTS, "SELECT MIN(occurred_at) AS first, MAX(available_at) AS last FROM facts")
    assert enrolled == {"first": datetime(2012, 7, 30), "last": snapshot}


def test_leads_are_channel_touches(shop: Any, published: Data) -> None:
    receipt = shop.ingest(ready("olist_marketing_funnel"), published("olist_marketing_funnel"))
    lawful(receipt)
    assert (receipt.received, receipt.accepted) == (8_000, 8_000)
    touches = count(
        shop,
        EVENTS,
        "SELECT COUNT(DISTINCT channel) AS channels, COUNT(CASE WHEN channel = 'paid_search' THEN 1 END) AS paid, "
        "COUNT(CASE WHEN channel IS NULL THEN 1 END) AS none, MIN(occurred_at) AS first FROM facts",
    )
    assert touches == {"channels": 9, "paid": 1_586, "none": 1_159, "first": datetime(2017, 6, 14, 3)}


def test_clicks_are_a_shop_of_anonymous_sessions(shop: Any, published: Data) -> None:
    receipt = shop.ingest(ready("yoochoose"), published("yoochoose_100k"))
    lawful(receipt)
    assert (receipt.received, receipt.accepted) == (70_278 + 13_568, 70_278 + 13_568)
    clicks = count(shop, EVENTS, "SELECT COUNT(DISTINCT subject) AS sessions, COUNT(DISTINCT kind) AS kinds FROM facts")
    sessions = {
        line.split("\t")[0]
        for name in ("train_full", "test")
        for line in (published("yoochoose_100k") / f"yoochoose-clicks-100k_{name}.txt").read_text().splitlines()[1:]
    }
    assert clicks == {"sessions": len(sessions), "kinds": 1}


def test_cdnow_has_the_published_people_and_purchases(shop: Any, tmp_path: Path, published: Data) -> None:
    text = (published("cdnow") / "CDNOW_master.txt").read_text("ascii")
    (tmp_path / "cdnow.csv").write_text(
        "".join(re.sub(" +", ",", line.strip()) + "\n" for line in text.splitlines()), "ascii"
    )
    receipt = shop.ingest(ready("cdnow"), tmp_path)
    lawful(receipt)
    assert (receipt.received, receipt.accepted) == (69_659, 69_659)
    bought = count(
        shop,
        ORDER_LINES,
        "SELECT COUNT(DISTINCT subject) AS people, CAST(SUM(amount) AS BIGINT) AS cents, MAX(occurred_at) AS last "
        "FROM facts",
    )
    assert bought == {"people": 23_570, "cents": 250_031_563, "last": datetime(1998, 6, 30, 4)}


def test_retailrocket_has_no_times_and_is_refused_with_a_hint(shop: Any, tmp_path: Path, published: Data) -> None:
    with zipfile.ZipFile(published("retailrocket") / "Retailrocket_Ecommerce.zip") as packed:
        (tmp_path / "views.csv").write_bytes(packed.read("RetailRocket_Ecommerce/view_ecommerce.dat"))
    read = {
        "file": "views.csv",
        "to": "event",
        "kind": "Product Viewed",
        "delimiter": "\t",
        "identify": {"anonymous_id": "visitorid"},
        "fields": {"product_id": "itemid"},
    }
    with pytest.raises(MappingError) as caught:
        shop.ingest(
            Mapping.of({"source": "retailrocket", "lawful_basis": {"segmentation": "contract: x"}, "read": [read]}),
            tmp_path,
        )
    assert "needs 'occurred_at'" in caught.value.message
    assert caught.value.hint
