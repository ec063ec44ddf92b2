"""The demo shop: a year of a real grocer, every row accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from coterie.collect import shops
from coterie.collect.facts import ORDER_LINES
from coterie.collect.quality import quality
from coterie.collect.shops import COMPLETE_JOURNEY_CURRENCY, COMPLETE_JOURNEY_TIMEZONE, complete_journey
from coterie.errors import MissingExtraError


def test_without_the_package_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shops, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        complete_journey()
    assert "coterie[demo]" in str(caught.value.hint)


@pytest.mark.slow
def test_every_row_is_accounted_for(make_shop: Any, complete_journey_folder: Path) -> None:
    shop = make_shop(currency=COMPLETE_JOURNEY_CURRENCY, timezone=COMPLETE_JOURNEY_TIMEZONE)
    mapping, folder = complete_journey()
    receipt = shop.intake.ingest(mapping, folder)
    files = {file.file: file for file in receipt.files}
    for name, file in files.items():
        assert file.received == pq.ParquetFile(complete_journey_folder / name).metadata.num_rows
        assert file.received == file.accepted + file.quarantined + file.duplicates
        assert file.quarantined == 0
    assert files["transactions.parquet"].accepted == 1_469_307
    assert files["transactions.parquet"].reasons["zero_quantity"] == 8_869
    assert (files["coupons.parquet"].accepted, files["coupons.parquet"].duplicates) == (111_332, 4_872)
    assert files["demographics.parquet"].facts == 7 * 801 - 233 - 137
    assert shop.vault.count() == 2_469

    shop.warehouse.attach("lines", shop.lake.source(ORDER_LINES))
    [sums] = shop.warehouse.query(
        """
        SELECT CAST(SUM(amount) AS BIGINT) AS amount, COUNT(DISTINCT line_id) AS lines,
            COUNT(DISTINCT order_id) AS orders, COUNT(DISTINCT subject) AS people, MIN(discount) AS least,
            CAST(SUM(discount) AS BIGINT) AS discount FROM lines
        """
    ).to_pylist()
    assert sums == {
        "amount": 459_603_958,
        "lines": 1_469_307,
        "orders": 155_848,
        "people": 2_469,
        "least": 0,
        "discount": 79_619_329,
    }
    # Amount and discount make the shelf price, which is one in a store and week, with a maker's coupon or without.
    [shelf] = shop.warehouse.query(
        f"""
        SELECT COUNT(*) AS "groups", AVG(CAST(spread < 0.51 AS INTEGER)) AS constant FROM (
            SELECT MAX((amount + discount) / line.quantity) - MIN((amount + discount) / line.quantity) AS spread
            FROM lines AS line
            JOIN read_parquet('{complete_journey_folder}/transactions.parquet', file_row_number = true) AS origin
                ON origin.file_row_number + 1 = line."row"
            WHERE line.quantity > 0
            GROUP BY line.product_id, line.place, origin.week
            HAVING MAX(coupon_disc) > 0 AND MIN(coupon_disc) = 0)
        """
    ).to_pylist()
    assert (shelf["groups"], shelf["constant"] > 0.99) == (904, True)

    found = quality(shop.warehouse, shop.lake, shop.ledger)
    assert (found.people, found.unknown_products, found.currencies, found.problems) == (2_469, 4_836, ("USD",), ())
    assert shop.intake.ingest(mapping, folder).reused
