"""The quality report says what came in, what is missing and what was assumed, from what is stored."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from coterie.collect import contract
from coterie.collect.contract import Contract
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


CHECKED = datetime(2026, 3, 2)


def report(shop: Any, **asked: Any) -> Quality:
    return quality(shop.warehouse, shop.lake, shop.ledger, shop.vault, now=CHECKED, **asked)


def test_an_empty_shop_has_nothing_to_report(shop: Any) -> None:
    found = report(shop)
    assert (found.files, found.tables, found.people, found.problems, found.received) == ((), (), 0, (), 0)


def test_a_file_of_which_one_read_takes_nothing_has_rows_all_the_same(shop: Any) -> None:
    shop.write("lines.csv", "line,who,order,total,at,sku\n1,ada,o1,5,2026-01-01,p1\n")
    shop.write("products.csv", "sku,name\n")
    shop.ingest({**LINES, "where": {"sku": "p1"}}, {**LINES, "kind": "Order Refunded", "where": {"sku": "r"}}, PRODUCTS)
    assert report(shop).problems == ("products.csv has a header and no rows.",)


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
        "The import of lines.csv was cut off; ingest it again, it goes on where it stopped.",
    )
    # While somebody writes, it is running.
    found = report(shop, busy=lambda: True)
    assert (found.problems, found.running, found.passed) == ((), ("lines.csv",), True)


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


def test_days_and_months_are_those_of_the_shops_time_zone(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada,o1,5,2026-01-31T23:30:00,\n2,ada,o2,5,2026-01-31T22:00:00,\n")
    shop.ingest(LINES)
    [lines] = report(shop, timezone="Europe/Berlin").tables
    assert lines.days == {date(2026, 1, 31): 1, date(2026, 2, 1): 1}
    assert lines.months == {"2026-01": 1, "2026-02": 1}
    [lines] = report(shop, timezone="Asia/Kathmandu").tables
    assert lines.days == {date(2026, 2, 1): 2}
    body = report(shop).to_json()["tables"][0]
    assert (body["days"], body["age_days"]) == ({"2026-01-31": 2}, pytest.approx(29 + 1 / 48))


def test_completeness_is_told_month_by_month_and_a_column_that_dries_up_is_a_problem(shop: Any) -> None:
    rows = "".join(
        f"{line},ada,o{line},5,2026-0{month}-01,{'p1' if month == 1 else ''}\n"
        for month in (1, 2)
        for line in range(month * 1000, month * 1000 + 100)
    )
    shop.write("lines.csv", HEAD + rows)
    shop.ingest(LINES)
    found = report(shop)
    [lines] = found.tables
    assert lines.completeness["product_id"] == 0.5
    assert [shares["product_id"] for shares in lines.completeness_by_month.values()] == [1.0, 0.0]
    assert found.problems == ("Since 2026-02 most order lines of shop lack product_id.",)


CLICKS: dict[str, Any] = {
    "file": "clicks.csv",
    "to": "event",
    "kind": "Page Viewed",
    "id": "id",
    "identify": {"email": "mail", "anonymous_id": "cookie"},
    "fields": {"occurred_at": "at", "available_at": "known"},
}


def test_a_person_is_known_by_any_of_their_identifiers(shop: Any) -> None:
    shop.write(
        "clicks.csv",
        "id,mail,cookie,at,known\n1,,c1,2026-01-01,\n2,,c2,2026-01-01,\n3,,c2,2026-01-01,\n"
        "4,a@shop.example,,2026-01-01,\n",
    )
    shop.ingest(CLICKS)
    [events] = report(shop).tables
    assert events.known == 0.25
    subject = {name: shop.subject(*name) for name in (("anonymous_id", "c2"), ("email", "a@shop.example"))}
    person_of = pa.table(
        {
            "subject": list(subject.values()),
            "person": [5, 5],
            "valid_from": [datetime(1, 1, 1)] * 2,
            "valid_until": [datetime(9999, 12, 31)] * 2,
        }
    )
    with shop.warehouse.temporary("person_of", person_of):
        [events] = report(shop).tables
    assert events.known == 0.75
    assert quality(shop.warehouse, shop.lake, shop.ledger).tables[0].known is None


def test_lateness_is_told_where_the_source_says_when_facts_became_available(shop: Any) -> None:
    shop.write(
        "clicks.csv",
        "id,mail,cookie,at,known\n" + "".join(f"{n},,c1,2026-01-01,2026-01-0{1 + n}\n" for n in range(1, 4)),
    )
    shop.ingest(CLICKS)
    [events] = report(shop).tables
    assert events.lateness is not None
    late = events.lateness
    assert (late.rows, late.median, late.longest, late.early) == (3, 2 * 86_400, 3 * 86_400, 0)
    shop.write("clicks.csv", "id,mail,cookie,at,known\n9,,c1,2026-01-05,2026-01-04\n")
    shop.ingest(CLICKS)
    found = report(shop)
    [events] = found.tables
    assert events.lateness is not None
    assert events.lateness.early == 1
    words = "1 events of shop (25%) were available before they happened: two clocks disagree."
    assert found.problems == (words,)
    # Where nobody says it, there is nothing to tell.
    shop.write("lines.csv", HEAD + "1,ada,o1,5,2026-01-01,\n")
    shop.ingest(LINES)
    assert [table.lateness is None for table in report(shop).tables] == [True, False]


def test_an_order_of_which_a_line_is_set_aside_is_incomplete_until_it_is_mended(shop: Any) -> None:
    shop.write("lines.csv", HEAD + "1,ada,o1,5,2026-01-01,\n2,ada,o1,x,2026-01-01,\n3,ada,o2,x,2026-01-01,\n")
    shop.ingest(LINES)
    found = report(shop)
    assert found.incomplete == {"shop": 1}
    assert "1 orders of shop are incomplete: a line of theirs is set aside." in found.problems
    shop.write("lines.csv", HEAD + "1,ada,o1,5,2026-01-01,\n2,ada,o1,5,2026-01-01,\n3,ada,o2,5,2026-01-01,\n")
    shop.ingest(LINES)
    assert report(shop).incomplete == {}


def test_refunds_are_counted_by_what_was_found_of_them(shop: Any) -> None:
    read = {**LINES, "kind": {"column": "kind"}}
    read["fields"] = {**LINES["fields"], "quantity": "n"}
    head = "line,who,order,total,at,sku,kind,n\n"
    shop.write(
        "lines.csv",
        head + "1,ada,o1,10,2026-01-01,p1,Order Completed,2\n2,ada,r1,5,2026-01-02,p1,Order Refunded,1\n"
        "3,ada,r2,9,2026-01-02,p9,Order Refunded,1\n",
    )
    shop.ingest(read)
    refunds = report(shop).refunds
    assert refunds is not None
    assert (refunds.matched, refunds.partly, refunds.unmatched, refunds.linked) == (1, 0, 1, 0)


def expecting(*checks: dict[str, Any], **properties: dict[str, Any]) -> dict[str, Any]:
    named = [{"name": name, **body} for name, body in properties.items()]
    return {"apiVersion": "v3.1.0", "schema": [{"name": "order_line", "properties": named, "quality": list(checks)}]}


def ours(metric: str, **said: Any) -> dict[str, Any]:
    return {"type": "custom", "engine": "coterie", "implementation": {"metric": metric, **said}}


EXPECTED: list[tuple[dict[str, Any], str, str, bool]] = [
    (expecting({"metric": "rowCount", "mustBeGreaterThan": 20}), "more than 20 rows", "21 rows", True),
    (expecting({"metric": "rowCount", "mustBe": 20}), "exactly 20 rows", "21 rows", False),
    (expecting({"metric": "rowCount", "mustBeBetween": [1, 20]}), "between 1 and 20 rows", "21 rows", False),
    (expecting(product_id={"quality": [{"metric": "nullValues", "unit": "percent", "mustBeLessThan": 5}]}),
     "less than 5%", "4.76%", True),
    (expecting(product_id={"quality": [{"metric": "nullValues", "mustBeLessThan": 1}]}),
     "less than 1 row", "1 row", False),
    (expecting(product_id={"quality": [{"metric": "invalidValues", "mustBeLessOrEqualTo": 1,
                                        "arguments": {"validValues": ["p1"]}}]}),
     "at most 1 row", "0 rows", True),
    (expecting(order_id={"unique": True}), "exactly 0 rows", "10 rows", False),
    (expecting({"metric": "duplicateValues", "arguments": {"properties": ["order_id", "occurred_at"]},
                "mustBeLessThan": 10, "unit": "percent"}), "less than 10%", "0%", True),
    (expecting({"type": "sql", "query": "SELECT AVG(amount) FROM order_line WHERE product_id = 'p1'",
                "mustBeBetween": [400, 600]}), "between 400 and 600", "500", True),
    (expecting({"type": "sql", "query": "SELECT MAX(amount) FROM order_line WHERE product_id = 'p7'",
                "mustBeLessThan": 600}), "less than 600", "nothing to judge yet", True),
    (expecting(ours("rowsPerDay", mustBeGreaterOrEqualTo=1, days=5)), "at least 1 row", "1 row", True),
    (expecting(ours("rowsPerDay", mustBe=1, days=366)), "exactly 1 row", "nothing to judge yet", True),
    (expecting(ours("weeklyVolume", mustBeGreaterThan=50)), "more than 50%", "100%", True),
    (expecting(ours("quarantinedRows", mustBeLessThan=1)), "less than 1%", "4.55%", False),
    (expecting(ours("identifiedRows", mustBeGreaterThan=90)), "more than 90%", "100%", True),
    ({"apiVersion": "v3.1.0",
      "slaProperties": [{"property": "latency", "value": 1, "element": "order_line.occurred_at"}]},
     "at most 1 day", "40 days", False),
    ({"apiVersion": "v3.1.0", "slaDefaultElement": "order_line.available_at",
      "slaProperties": [{"property": "latency", "value": 6, "unit": "w"}]}, "at most 42 days", "40 days", True),
    ({"apiVersion": "v3.1.0", "slaProperties": [{"property": "frequency", "value": 36, "unit": "hours"}]},
     "at most 36 hours", "12 hours", True),
    ({"apiVersion": "v3.1.0", "slaProperties": [{"property": "frequency", "value": 1, "element": "event"}]},
     "at most 1 day", "nothing to judge yet", True),
]  # fmt: skip


def test_expectations_are_met_or_told(shop: Any) -> None:
    """21 lines, one a day until 21 January, of eleven orders; one more is set aside; checked on 2 March."""
    rows = "".join(
        f"{day},ada,o{day // 2},5,{datetime(2026, 1, 1) + timedelta(days=day - 1)},{'p1' if day > 1 else ''}\n"
        for day in range(1, 22)
    )
    shop.write("lines.csv", HEAD + rows + "99,ada,o99,x,2026-01-01,p1\n")
    shop.ingest(LINES)
    for number, (body, expected, got, passed) in enumerate(EXPECTED):
        contract.keep(shop.ledger, "shop", Contract.of(body, tried=True), now=CHECKED + timedelta(seconds=number))
        found = report(shop)
        [outcome] = found.expectations
        assert (outcome.expected, outcome.got, outcome.passed) == (expected, got, passed), body
        assert (found.failed == ()) == passed
        assert found.to_json()["expectations"][0]["passed"] == passed


def test_a_source_that_sent_nothing_does_not_fail_what_needs_rows(shop: Any) -> None:
    body = expecting(ours("weeklyVolume", mustBeGreaterThan=50), {"metric": "rowCount", "mustBeGreaterThan": 0})
    contract.keep(shop.ledger, "shop", Contract.of(body), now=CHECKED)
    assert [(one.got, one.passed) for one in report(shop).expectations] == [
        ("nothing to judge yet", True),
        ("0 rows", False),
    ]


def test_rules_of_a_sources_own_contract_set_rows_aside_and_are_told_in_its_words(shop: Any) -> None:
    path = shop.folder / "contract.yaml"
    path.write_text(
        """
apiVersion: v3.1.0
schema:
  - name: order_line
    properties:
      - name: amount
        logicalTypeOptions: { maximum: 1000 }
    quality:
      - name: Nothing sold
        description: is of no product
        type: custom
        engine: coterie
        severity: warning
        implementation: product_id IS NULL
""",
        "utf-8",
    )
    shop.write("lines.csv", HEAD + "1,ada,o1,5,2026-01-01,p1\n2,ada,o2,11,2026-01-01,p1\n3,ada,o3,5,2026-01-01,\n")
    shop.ingest(LINES, contract="contract.yaml")
    assert shop.quarantined() == [(2, ["amount_range"])]
    assert {(one.rule, one.wrong, one.severity, one.rows) for one in report(shop).reasons} == {
        ("amount_range", "has an amount above 1000", "quarantine", 1),
        ("nothing_sold", "is of no product", "warn", 1),
    }
