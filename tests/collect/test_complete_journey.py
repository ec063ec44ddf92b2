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
            COUNT(DISTINCT order_id) AS orders, COUNT(DISTINCT subject) AS people, MIN(discount) AS least FROM lines
        """
    ).to_pylist()
    assert sums == {"amount": 459_603_958, "lines": 1_469_307, "orders": 155_848, "people": 2_469, "least": 0}

    found = quality(shop.warehouse, shop.lake, shop.ledger)
    assert (found.people, found.unknown_products, found.currencies, found.problems) == (2_469, 4_836, ("USD",), ())
    assert shop.intake.ingest(mapping, folder).reused
