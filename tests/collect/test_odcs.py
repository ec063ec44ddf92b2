"""A source's own contract: what it may demand, what it is refused, and that its rules judge rows."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard

from coterie.collect import contract
from coterie.collect.contract import Contract, Severity
from coterie.collect.facts import CONTRACTS
from coterie.collect.notation import Block
from coterie.collect.predicate import condition
from coterie.collect.targets import TARGETS
from coterie.errors import MappingError
from coterie.schema import ORDER_LINE
from coterie.store.ledger import MemoryLedger

NOW = datetime(2026, 3, 1)


def lines(*quality: dict[str, Any], **properties: dict[str, Any]) -> dict[str, Any]:
    """A contract about order lines."""
    named = [{"name": name, **body} for name, body in properties.items()]
    return {"apiVersion": "v3.1.0", "schema": [{"name": "order_line", "properties": named, "quality": list(quality)}]}


def of(*quality: dict[str, Any], **properties: dict[str, Any]) -> Contract:
    return Contract.of(lines(*quality, **properties))


def row(said: str) -> dict[str, Any]:
    return {"type": "custom", "engine": "coterie", "name": "mine", "implementation": said}


def judged(warehouse: Any, own: Contract, *rows: dict[str, Any]) -> list[list[str]]:
    """The names of the own rules that each order line breaks."""
    table = pa.Table.from_pylist([dict.fromkeys(ORDER_LINE.names) | each for each in rows], schema=ORDER_LINE)
    mask = contract.mask(TARGETS["order_line"], now=NOW, currency="EUR", rules=tuple(own.own))
    with warehouse.temporary("own_rows", table):
        masks = warehouse.query(f"SELECT {mask} AS mask FROM own_rows")["mask"].to_pylist()
    return [contract.names(each, own.own) for each in masks]


@pytest.mark.parametrize(
    ("properties", "good", "bad", "name", "wrong"),
    [
        ({"place": {"required": True}}, {"place": "x"}, {"place": None}, "place_missing", "has no place"),
        ({"amount": {"logicalTypeOptions": {"minimum": 5}}}, {"amount": 5}, {"amount": 4},
         "amount_range", "has an amount below 5"),
        ({"amount": {"logicalTypeOptions": {"exclusiveMinimum": 5}}}, {"amount": 6}, {"amount": 5},
         "amount_range", "has an amount not above 5"),
        ({"quantity": {"logicalTypeOptions": {"minimum": 1, "maximum": 9.5}}}, {"quantity": 9.5}, {"quantity": 9.6},
         "quantity_range", "has a quantity below 1 or above 9.5"),
        ({"quantity": {"logicalTypeOptions": {"exclusiveMaximum": 9}}}, {"quantity": None}, {"quantity": 9.0},
         "quantity_range", "has a quantity not below 9"),
        ({"place": {"logicalTypeOptions": {"minLength": 2, "maxLength": 3}}}, {"place": "abc"}, {"place": "a"},
         "place_length", "has a place of fewer than 2 or more than 3 characters"),
        ({"place": {"logicalTypeOptions": {"pattern": "^[A-Z]+$"}}}, {"place": "AB"}, {"place": "Ab"},
         "place_pattern", "has a place unlike the pattern ^[A-Z]+$"),
        ({"occurred_at": {"logicalTypeOptions": {"minimum": "2026-01-01"}}}, {"occurred_at": datetime(2026, 1, 1)},
         {"occurred_at": datetime(2025, 12, 31)}, "occurred_at_range", "has an occurred_at below 2026-01-01"),
        ({"channel": {"enum": [{"value": "web"}, {"value": "it's"}]}}, {"channel": "it's"}, {"channel": "app"},
         "channel_words", "has a channel other than web, it's"),
        ({"channel": {"quality": [{"type": "library", "metric": "invalidValues", "mustBe": 0,
                                   "arguments": {"validValues": ["web"]}}]}},
         {"channel": "web"}, {"channel": "app"}, "channel_invalid", "has a channel other than web"),
        ({"channel": {"quality": [{"metric": "missingValues", "mustBe": 0,
                                   "arguments": {"missingValues": [None, "", "N/A"]}}]}},
         {"channel": "web"}, {"channel": "N/A"}, "channel_missing", "has no channel"),
    ],
)  # fmt: skip
def test_a_property_demands_of_each_row(
    warehouse: Any, properties: dict[str, Any], good: dict[str, Any], bad: dict[str, Any], name: str, wrong: str
) -> None:
    own = of(**properties)
    [rule] = own.own
    assert (rule.name, rule.wrong, rule.severity) == (name, wrong, Severity.QUARANTINE)
    assert judged(warehouse, own, good, bad) == [[], [name]]


@pytest.mark.parametrize(
    ("said", "good", "bad"),
    [
        ("quantity > 100 AND amount = 0", {"quantity": 100.0, "amount": 0}, {"quantity": 101.0, "amount": 0}),
        ("NOT (place LIKE 'S%' OR place IS NULL)", {"place": None}, {"place": "T"}),
        ("CASE WHEN kind = 'Order Completed' THEN amount < 1 ELSE FALSE END", {"kind": "x", "amount": 0},
         {"kind": "Order Completed", "amount": 0}),
        ("CAST(order_id AS BIGINT) > 5", {"order_id": "a"}, {"order_id": "6"}),
        ("amount * 4000000000000000000 < 0", {"amount": 9}, {"amount": -1}),
        ("discount % amount = 1", {"amount": 0, "discount": 1}, {"amount": 2, "discount": 3}),
        ("LENGTH(TRIM(COALESCE(place, ''))) = 1 AND UPPER(place) <> place", {"place": "A"}, {"place": "a"}),
        ("REGEXP_FULL_MATCH(order_id, '[0-9]+')", {"order_id": "1x"}, {"order_id": "11"}),
        ("EXTRACT(year FROM occurred_at) < 2020", {"occurred_at": datetime(2020, 1, 1)},
         {"occurred_at": datetime(2019, 12, 31)}),
        ("occurred_at + INTERVAL 2 DAY < available_at", {"occurred_at": NOW, "available_at": NOW},
         {"occurred_at": datetime(2026, 2, 1), "available_at": NOW}),
        ("place IN ('a', 'b') AND quantity BETWEEN 1 AND 2", {"place": "a", "quantity": 3.0},
         {"place": "b", "quantity": 2.0}),
        ("STARTS_WITH(place, 'x') AND ENDS_WITH(place, 'y') AND CONTAINS(place, 'z')", {"place": "xy"},
         {"place": "xzy"}),
        ("ROUND(ABS(quantity)) = LEAST(3, GREATEST(1, FLOOR(quantity)))", {"quantity": 0.1}, {"quantity": 3.2}),
        ("NULLIF(LEFT(place, 1), RIGHT(place, 1)) = SUBSTRING(REPLACE(place, 'q', 'a'), 1, 1)", {"place": "aa"},
         {"place": "ab"}),
    ],
)  # fmt: skip
def test_a_condition_in_sql_judges_rows_and_never_fails_on_a_value(
    warehouse: Any, said: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    own = of(row(said))
    assert judged(warehouse, own, good, bad) == [[], ["mine"]]
    query = {"type": "sql", "name": "mine", "query": f"SELECT COUNT(*) FROM ${{object}} WHERE {said}", "mustBe": 0}
    assert of(query).own[0].conditions == own.own[0].conditions


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("quantiti > 1", "there is no column quantiti; a row has .*\nHint: did you mean 'quantity'"),
        ("subject = 1", "there is no column subject"),
        ("amount > (SELECT MAX(amount) FROM order_line)", "is not allowed in SQL about a row"),
        ("amount IN (SELECT 1)", "IN needs a list of values|is not allowed"),
        ("read_text('/etc/passwd') = 'x'", "is not allowed in SQL about a row"),
        ("getenv('HOME') = 'x'", "is not allowed in SQL about a row"),
        ("random() > 0.5", "is not allowed in SQL about a row"),
        ("occurred_at > now()", "is not allowed in SQL about a row"),
        ("SUM(amount) > 1", "is not allowed in SQL about a row"),
        ("amount > 1; DROP TABLE order_line", "one expression is needed"),
        ("amount >", "this is no SQL that can be read"),
        ("CAST(amount AS STRUCT(a INT)) IS NULL", "cast to .* is not allowed"),
        ("place > 5", "this cannot be judged: .*Cannot compare"),
        ("REGEXP_MATCHES(place, '(')", "this cannot be judged: .*missing"),
        ("x" * 5000, "longer than 4,000 characters"),
    ],
)
def test_a_condition_that_cannot_be_judged_is_refused(said: str, message: str) -> None:
    with pytest.raises(MappingError, match=message) as caught:
        of(row(said))
    assert "order_line, check 'mine'" in str(caught.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT COUNT(*) FROM events WHERE amount > 1", "without joins, groups or other tables"),
        ("SELECT COUNT(*) FROM order_line JOIN order_line AS b ON TRUE", "without joins, groups or other tables"),
        ("SELECT COUNT(*), 1 FROM order_line", "without joins, groups or other tables"),
        ("SELECT COUNT(*) FROM order_line GROUP BY place", "without joins, groups or other tables"),
        ("SELECT COUNT(*) FROM order_line LIMIT 1", "without joins, groups or other tables"),
        ("SELECT COUNT(*) FROM read_parquet('x')", "without joins, groups or other tables"),
        ("WITH a AS (SELECT 1) SELECT COUNT(*) FROM order_line", "without joins, groups or other tables"),
        ("DELETE FROM order_line", "the query must be SELECT one figure"),
        ("COPY order_line TO 'x'", "the query must be SELECT one figure|no SQL"),
        ("SELECT AVG(place) FROM order_line", "this cannot be judged"),
    ],
)
def test_a_query_over_anything_but_its_own_table_is_refused(query: str, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        of({"type": "sql", "query": query, "mustBeLessThan": 5})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"apiVersion": "v2.2.0"}, "must be a DataContract"),
        ({"apiVersion": "v3.1.0", "kind": "Model"}, "must be a DataContract"),
        ({"apiVersion": "v3.1.0", "schema": [{"name": "orders"}]}, "unknown target 'orders'; allowed are"),
        ({"apiVersion": "v3.1.0", "schema": {}}, None),
        ({"apiVersion": "v3.1.0", "schema": "x"}, "'schema' must be a list"),
        (lines(amonut={}), "unknown column of order_line 'amonut'.*\nHint: did you mean 'amount'"),
        (lines(amount={"logicalTypeOptions": {"minimum": "5"}}), "'minimum' must be a number, got '5'"),
        (lines(place={"logicalTypeOptions": {"minimum": 5}}), "'minimum' is for numbers and times"),
        (lines(amount={"logicalTypeOptions": {"pattern": "x"}}), "'pattern' is for texts"),
        (lines(amount={"logicalTypeOptions": {"minLength": 2}}), "minLength and maxLength are whole numbers"),
        (lines(amount={"logicalTypeOptions": {"multipleOf": 2}}), "unknown option that can be judged 'multipleOf'"),
        (lines(occurred_at={"logicalTypeOptions": {"minimum": 5}}), "must be a time in quotes"),
        (lines({"metric": "nullValues", "mustBe": 0}), "'nullValues' belongs to a column"),
        (lines({"metric": "freshness", "mustBe": 0}), "unknown metric 'freshness'"),
        (lines({"metric": "rowCount"}), "exactly one of mustBe, "),
        (lines({"metric": "rowCount", "mustBe": 1, "mustNotBe": 2}), "exactly one of mustBe, "),
        (lines({"metric": "rowCount", "mustBe": "many"}), "'mustBe' must be a number, got 'many'"),
        (lines({"metric": "rowCount", "mustBeBetween": [1]}), "'mustBeBetween' must be two numbers"),
        (lines({"metric": "duplicateValues", "mustBe": 0}), "'duplicateValues' needs columns"),
        (lines({"type": "soda"}), "unknown type of quality check 'soda'"),
        (lines({"type": "custom", "implementation": "x"}), "'engine' is missing"),
        (lines({"type": "custom", "engine": "coterie", "implementation": {"metric": "rowCount"}}),
         "unknown metric of coterie 'rowCount'; allowed are rowsPerDay"),
        (lines({"type": "custom", "engine": "coterie",
                "implementation": {"metric": "rowsPerDay", "days": 0, "mustBe": 1}}), "from 1 to 366, got 0"),
        (lines(row("amount > 1"), row("amount > 2")), "there is a rule 'mine' already"),
        (lines({**row("amount > 1"), "name": "future"}), "there is a rule 'future' already"),
        (lines({**row("amount > 1"), "severity": "fatal"}), "unknown severity 'fatal'; allowed are error, warning"),
        (lines(*({**row("amount > 1"), "name": f"r{n}"} for n in range(60))),
         "more than [0-9]+ rules of severity error.*\nHint: join conditions"),
        ({"apiVersion": "v3.1.0", "slaProperties": [{"property": "latency", "value": "soon"}]},
         "needs a value above 0 in days, hours or minutes"),
        ({"apiVersion": "v3.1.0", "slaProperties": [{"property": "latency", "value": 2, "element": "orders.at"}]},
         "unknown target 'orders'"),
        ({"apiVersion": "v3.1.0", "slaProperties": [{"property": "latency", "value": 2, "element": "event.kind"}]},
         "unknown time of event 'kind'"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_with_its_place(body: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert Contract.of(body).own == ()
        return
    with pytest.raises(MappingError, match=message):
        Contract.of(body)


def test_what_is_for_other_tools_is_left_to_them() -> None:
    own = of(
        {"type": "text", "description": "Prices include VAT."},
        {"type": "custom", "engine": "soda", "implementation": "checks for order_line: ..."},
    )
    assert (own.own, own.expectations) == ((), ())
    assert Contract.of({"apiVersion": "v3.1.0", "slaProperties": [{"property": "retention", "value": 3}]}) == Contract()


def test_a_trait_may_stand_in_a_column_of_its_own_or_in_rows(warehouse: Any) -> None:
    age = {"name": "age", "required": True, "logicalTypeOptions": {"minimum": 16, "maximum": 120}}
    own = Contract.of({"apiVersion": "v3.1.0", "schema": [{"name": "trait", "properties": [age]}]})

    def names(table: pa.Table, traits: tuple[str, ...]) -> list[list[str]]:
        mask = contract.mask(TARGETS["trait"], now=NOW, currency="EUR", rules=own.own, traits=traits)
        with warehouse.temporary("own_traits", table):
            masks = warehouse.query(f"SELECT {mask} AS mask FROM own_traits")["mask"].to_pylist()
        return [contract.names(each, own.own) for each in masks]

    wide = pa.table({"trait#age": ["15", "16", None, "old"], "trait#town": ["a"] * 4})
    assert names(wide, ("age", "town")) == [["age_range"], [], ["age_missing"], []]
    assert names(wide, ("town",)) == [["age_missing"]] * 4
    long = pa.table({"trait": ["age", "age", "town", "age"], "value": ["15", "16", "9", None]})
    assert names(long, ()) == [["age_range"], [], [], ["age_missing"]]


def test_a_contract_is_read_from_yaml_and_kept_as_json(tmp_path: Path) -> None:
    body = lines(
        {"type": "custom", "engine": "coterie", "implementation": {"metric": "quarantinedRows", "mustBeLessThan": 1}},
        {"metric": "rowCount", "mustBeGreaterOrEqualTo": 10},
        row("amount > 100"),
        amount={"logicalTypeOptions": {"maximum": 5}, "logicalType": "integer"},
        occurred_at={"logicalTypeOptions": {"minimum": "2015-01-01"}, "logicalType": "timestamp"},
    ) | {"kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(body).replace("'2015-01-01'", "2015-01-01"), "utf-8")  # YAML reads it as a date
    read = Contract.load(path)
    assert read == Contract.of(body)
    assert read == Contract.of(json.loads(json.dumps(read.to_json())))
    assert len(read.own) == 3
    assert len(read.expectations) == 2
    # What other tools make of the file is the same contract again.
    (tmp_path / "theirs.yaml").write_text(OpenDataContractStandard.from_file(str(path)).to_yaml(), "utf-8")
    assert Contract.load(tmp_path / "theirs.yaml") == read
    ledger = MemoryLedger()
    ledger.create(CONTRACTS)
    contract.keep(ledger, "shop", read, now=NOW)
    contract.keep(ledger, "shop", read, now=datetime(2026, 3, 2))
    assert len(ledger.read(CONTRACTS)) == 1
    assert contract.kept(ledger) == {"shop": read}
    contract.keep(ledger, "shop", Contract(), now=datetime(2026, 3, 3))
    assert contract.kept(ledger) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apiVersion: ]", "is not valid YAML in line 1"),
        ("- a\n- b", "is no contract"),
        (b"\xff\xfe\xff", "Cannot read the contract"),
        ("apiVersion: v3.1.0\nschema: [{name: orders}]", r"contract.yaml: the contract, schema 1: unknown target"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
    ],
)
def test_a_file_that_is_no_contract_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "contract.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(MappingError, match=message):
        Contract.load(path)


def test_a_contract_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"Cannot read the contract .*nothing\.yaml"):
        Contract.load(tmp_path / "nothing.yaml")


def test_only_rules_change_how_rows_are_judged() -> None:
    plain = of(amount={"required": True})
    expecting = of({"metric": "rowCount", "mustBe": 5}, amount={"required": True})
    assert plain.fingerprint == expecting.fingerprint != Contract().fingerprint == contract.FINGERPRINT


@settings(max_examples=60, deadline=None)
@given(words=st.text(max_size=40))
def test_no_text_is_taken_for_a_condition_that_it_is_not(words: str) -> None:
    """Whatever is written is refused with words, or means a condition that is written the same once more."""
    block, columns = Block("x", {}), TARGETS["order_line"].fields
    try:
        written = condition(words, block, columns)
    except MappingError:
        return
    assert condition(written, block, columns) == written
