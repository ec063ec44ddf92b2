"""The quality report says what came in, what is missing and what was assumed, from what is stored."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from coterie.collect.quality import Quality, quality

LINES: dict[str, Any] = {
    "file": "lines.csv",
    "to": "order_line",
    "id": "line",
    "identify": {"customer_id": "who"},
    "fields": {"order_id": "order", "amount": "total", "occurred_at": "at", "product_id": "sku"},
}
PRODUCTS = {"file": "products.csv", "to": "product", "fields": {"product_id": "sku", "name": "name"}}
PEOPLE = {"file": "people.csv", "to": "trait", "identify": {"customer_id": "id"}, "traits": ["age"]}


def report(shop: Any) -> Quality:
    return quality(shop.warehouse, shop.lake, shop.ledger)


def test_an_empty_shop_has_nothing_to_report(shop: Any) -> None:
    found = report(shop)
    assert (found.files, found.tables, found.people, found.problems, found.received) == ((), (), 0, (), 0)


def test_a_report_by_hand(shop: Any) -> None:
    shop.write(
        "lines.csv",
        "line,who,order,total,at,sku\n1,ada,o1,5,2026-01-01,p1\n2,bob,o2,0,2026-01-31T23:59:59,p9\n"
        "3,ada,o3,5,2026-02-01,\n4,,o4,x,2026-02-01,p1\n1,ada,o1,5,2026-01-01,p1\n",
    )
    shop.write("products.csv", "sku,name\np1,Tea\np2,\n")
    shop.write("people.csv", "id,age\nada,30\ncyd,40\n")
    shop.ingest(LINES, PRODUCTS, PEOPLE)
    found = report(shop)
    assert [(file.file, file.received, file.accepted, file.quarantined, file.duplicates) for file in found.files] == [
        ("products.csv", 2, 2, 0, 0),
        ("people.csv", 2, 2, 0, 0),
        ("lines.csv", 5, 3, 1, 1),
    ]
    assert {(reason.rule, reason.severity): reason.rows for reason in found.reasons} == {
        ("unidentified", "quarantine"): 1,
        ("bad_amount", "quarantine"): 1,
        ("zero_price", "warn"): 1,
    }
    [lines] = [each for each in found.tables if each.table == "order_lines"]
    assert (lines.rows, lines.subjects) == (3, 2)
    assert (lines.first, lines.last) == (datetime(2026, 1, 1), datetime(2026, 2, 1))
    assert lines.months == {"2026-01": 2, "2026-02": 1}
    assert lines.completeness["product_id"] == pytest.approx(2 / 3)
    assert (lines.completeness["amount"], lines.completeness["place"]) == (1.0, 0.0)
    assert (found.people, found.unknown_products, found.currencies) == (3, 1, ("EUR",))
    assert found.identified == {"shop": pytest.approx(6 / 7)}
    assert set(found.assumed) == {
        "3 order lines count as known from the moment they occurred; the source does not say",
        "2 products count as known from the beginning; the source does not say since when",
        "2 rows of traits have no date; their values are used as if they had always held",
    }
    assert found.problems == (
        "1 of 5 rows of lines.csv are set aside: 1 × has an amount or a discount that is no finite number below a "
        "trillion; 1 × names nobody: no identifier, or one such as 'null' that stands for none.",
        "1 order lines (33%) name a product that no table of products has.",
    )
    assert found.received == 9
    body = json.loads(json.dumps(found.to_json()))
    assert body["tables"][0]["first"] == "2026-01-01T00:00:00"


HEAD = "line,who,order,total,at,sku\n"


def counts(found: Quality) -> list[tuple[int, ...]]:
    for file in found.files:
        assert file.received == file.accepted + file.quarantined + file.duplicates
    return [
        (file.imports, file.received, file.accepted, file.quarantined, file.duplicates, file.set_aside)
        for file in found.files
    ]


def rules(found: Quality) -> dict[str, int]:
    return {reason.rule: reason.rows for reason in found.reasons}


def test_what_was_mended_in_the_file_is_no_longer_a_problem(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada,o1,x,2026-01-01,p1\n")
    shop.ingest(LINES)
    shop.write("lines.csv", HEAD + "1,ada,o1,5,2026-01-01,p1\n")
    shop.ingest(LINES)
    found = report(shop)
    assert counts(found) == [(2, 2, 1, 1, 0, 0)]
    assert (found.reasons, found.problems) == ((), ())


def test_what_is_stored_stays_in_the_report_when_the_file_is_read_again(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada,o1,0,2026-01-01,p1\n2,bob,o2,5,02.01.2026,p1\n3,,o3,5,2026-01-01,p1\n")
    shop.ingest(LINES)
    assert rules(report(shop)) == {"zero_price": 1, "bad_time": 1, "unidentified": 1}
    # The second row is let in; the first is known, and what is odd about it still is.
    shop.write("lines.csv", HEAD + "1,ada,o1,0,2026-01-01,p1\n2,bob,o2,5,2026-01-02,p1\n3,,o3,5,2026-01-01,p1\n")
    shop.ingest(LINES)
    found = report(shop)
    assert counts(found) == [(2, 6, 2, 3, 1, 1)]
    assert rules(found) == {"zero_price": 1, "unidentified": 1}
    # Read a third time under another mapping, nothing is new.
    shop.ingest({**LINES, "missing": ["nothing"]})
    found = report(shop)
    assert counts(found) == [(3, 9, 2, 4, 3, 1)]
    assert rules(found) == {"zero_price": 1, "unidentified": 1}
    assert found.identified == {"shop": pytest.approx(2 / 3)}
    assert found.problems[0].startswith("1 of 3 rows of lines.csv are set aside: 1 × names nobody")


def test_bad_rows_of_a_file_that_was_written_over_are_still_set_aside(shop: Any) -> None:
    for week in range(3):
        good = "".join(f"{week}-{line},ada,o{line},5,2026-01-01,p1\n" for line in range(3))
        shop.write("lines.csv", HEAD + good + f"{week}-bad,ada,o4,x,2026-01-01,p1\n")
        shop.ingest(LINES)
    found = report(shop)
    assert counts(found) == [(3, 12, 9, 3, 0, 3)]
    assert rules(found) == {"bad_amount": 3}
    assert found.problems[0].startswith("3 of 12 rows of lines.csv are set aside: 3 × ")


def test_a_list_of_people_counts_as_it_was_read_last_however_much_has_changed(shop: Any) -> None:
    for day, bad in enumerate(["cyd", ""]):
        shop.write("people.csv", f"id,age\nada,{30 + day}\n{bad},50\n")
        shop.ingest(PEOPLE)
    found = report(shop)
    assert counts(found) == [(2, 4, 3, 1, 0, 1)]
    assert rules(found) == {"unidentified": 1}


def test_an_interrupted_import_is_a_problem(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise KeyboardInterrupt

    shop.write("lines.csv", "line,who,order,total,at,sku\n1,ada,o1,5,2026-01-01,p1\n")
    monkeypatch.setattr(shop.lake, "append", gone)
    with pytest.raises(KeyboardInterrupt):
        shop.ingest(LINES)
    assert report(shop).problems == (
        "The import of lines.csv has not ended: it is running, or was cut off; then ingest it again.",
    )


def test_people_are_counted_not_subjects_where_identities_are_known(shop: Any) -> None:
    shop.write("lines.csv", "line,who,order,total,at,sku\n1,ada,o1,5,2026-01-01,\n2,eda,o2,5,2026-01-01,\n")
    shop.ingest(LINES)
    ada, eda = (shop.subject("customer_id", name) for name in ("ada", "eda"))
    begin, merged, end = datetime(1, 1, 1), datetime(2026, 1, 5), datetime(9999, 12, 31)
    person_of = pa.table(
        {
            "subject": [ada, ada, eda, eda],
            "person": [ada, 7, eda, 7],
            "valid_from": [begin, merged] * 2,
            "valid_until": [merged, end] * 2,
        }
    )
    with shop.warehouse.temporary("person_of", person_of):
        assert report(shop).people == 1
    assert report(shop).people == 2
