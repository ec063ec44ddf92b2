"""One rule, four readings: JSON, sentence, SQL and Python agree."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.errors import ParameterError
from coterie.features.rule import And, Compare, In, Missing, Not, Or, Rule, from_json
from coterie.store import sql
from coterie.store.sql import alias, column, exp, whole
from coterie.store.warehouse import Warehouse

TEXTS = (
    "",
    " ",
    "a",
    "A",
    "B",
    "b",
    "ä",
    "a\u0308",
    "ß",
    "it's",
    '"',
    "\\",
    "%",
    "_",
    "ab",
    "nan",
    "NULL",
    "🛒",
    "\uffff",
)
INTEGERS = (-(2**63) + 1, -(2**62), -1, 0, 1, 2, 2**31, 2**53, 2**53 + 1, 2**62, 2**63 - 1)
FLOATS = (-1e300, -0.5, 0.0, -0.0, 0.1, 1.0, 1e-300, 2.5e10, 1 / 3, 2.0**53, 2.0**63, 1.7976931348623157e308)
TRUTHS = (True, False)
VALUES: dict[str, Any] = {"t": TEXTS, "i": INTEGERS, "f": FLOATS, "b": TRUTHS}
ASKED = {**VALUES, "i": INTEGERS + FLOATS, "f": INTEGERS + FLOATS}  # whole numbers and floats meet on both sides
SCHEMA = pa.schema([("t", pa.string()), ("i", pa.int64()), ("f", pa.float64()), ("b", pa.bool_())])
OPERATORS = ("=", "!=", "<", "<=", ">", ">=")

HELD = {**VALUES, "i": (-(2**63), *INTEGERS), "f": (*FLOATS, math.inf, -math.inf, math.nan)}  # what facts have besides

rows = st.lists(
    st.fixed_dictionaries({name: st.sampled_from((None, *values)) for name, values in HELD.items()}), max_size=20
)


def comparisons() -> st.SearchStrategy[Rule]:
    ordered = st.sampled_from("tif").flatmap(
        lambda name: st.builds(Compare, st.just(name), st.sampled_from(OPERATORS), st.sampled_from(ASKED[name]))
    )
    truths = st.builds(Compare, st.just("b"), st.sampled_from(OPERATORS[:2]), st.sampled_from(TRUTHS))
    members = st.sampled_from("tif").flatmap(
        lambda name: st.builds(In, st.just(name), st.lists(st.sampled_from(ASKED[name]), min_size=1).map(tuple))
    )
    return st.one_of(ordered, truths, members, st.builds(Missing, st.sampled_from("tifb")))


def rules() -> st.SearchStrategy[Rule]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda some: And(tuple(some))),
            st.lists(inner, min_size=1, max_size=3).map(lambda some: Or(tuple(some))),
            inner.map(Not),
        ),
        max_leaves=6,
    )


def answers(warehouse: Warehouse, chosen: list[Rule], data: list[dict[str, Any]]) -> list[dict[str, bool]]:
    # what is no number is missing: it is collected as null, so that no table has NaN
    data = [{name: None if value != value else value for name, value in row.items()} for row in data]
    numbered = pa.Table.from_pylist(data, schema=SCHEMA).append_column("n", pa.array(range(len(data)), pa.int64()))
    with warehouse.temporary("rows", numbered):
        asked = [alias(rule.sql(), f"r{index}") for index, rule in enumerate(chosen)]
        tree = exp.select(*asked).from_("rows").order_by(column("n"))
        sql.render(tree, "spark")
        return warehouse.query(sql.render(tree)).to_pylist()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.lists(rules(), min_size=1, max_size=5), data=rows)
def test_sql_python_and_json_agree(warehouse: Warehouse, chosen: list[Rule], data: list[dict[str, Any]]) -> None:
    got = answers(warehouse, chosen, data)
    for index, rule in enumerate(chosen):
        again = from_json(json.loads(json.dumps(rule.to_json())))
        assert again == rule
        holds = again.predicate()
        for row, answer in zip(data, got, strict=True):
            assert answer[f"r{index}"] is holds(row) is rule.matches(row) is (not Not(rule).matches(row))


@given(rule=rules())
def test_rules_name_their_columns_and_read_as_words(rule: Rule) -> None:
    assert rule.columns <= {"t", "i", "f", "b"}
    assert {name for name, _ in rule.comparisons} <= rule.columns
    assert rule.sentence()


def test_missing_never_matches_and_not_is_the_complement() -> None:
    nothing: dict[str, Any] = {"channel": None}
    for operator in OPERATORS:
        assert not Compare("channel", operator, "web").matches(nothing)
        assert Not(Compare("channel", operator, "web")).matches(nothing)
    assert not In("channel", ("web",)).matches(nothing)
    assert Missing("channel").matches(nothing)
    assert Missing("channel").matches({})


def test_not_a_number_is_missing() -> None:
    nothing = {"quantity": float("nan")}
    assert Missing("quantity").matches(nothing)
    for rule in (*(Compare("quantity", operator, 1) for operator in OPERATORS), In("quantity", (1, 2.5))):
        assert not rule.matches(nothing)
        assert Not(rule).matches(nothing)


def test_a_rule_that_has_no_end_is_refused() -> None:
    body: dict[str, Any] = {"rule": "missing", "column": "a"}
    for _ in range(100_000):
        body = {"rule": "not", "of": body}
    with pytest.raises(ParameterError, match="nested too deeply"):
        from_json(body)


def test_sentences() -> None:
    rule = (Compare("amount", ">=", 500) | In("channel", ("web", "app"))) & ~Missing("brand")
    assert rule.sentence() == "(amount is at least 500 or channel is one of “app”, “web”) and not (brand is missing)"


@pytest.mark.parametrize(
    "body",
    [
        {"rule": "compare", "column": "a", "operator": "~", "value": 1},
        {"rule": "compare", "column": "a", "operator": "=", "value": None},
        {"rule": "compare", "column": "a", "operator": "=", "value": float("nan")},
        {"rule": "compare", "column": "a", "operator": "<", "value": True},
        {"rule": "compare", "column": "a", "operator": "=", "value": 2**63},
        {"rule": "compare", "column": "a", "operator": "=", "value": "x\0y"},
        {"rule": "compare", "column": "", "operator": "=", "value": 1},
        {"rule": "compare", "column": "a", "operator": "="},
        {"rule": "compare", "column": "a", "operator": "=", "value": "\ud800"},
        {"rule": "compare", "column": "a", "operator": ["="], "value": 1},
        {"rule": "in", "column": "a", "values": []},
        {"rule": "in", "column": "a", "values": ["b", 1]},
        {"rule": "in", "column": "a", "values": [True, 1]},
        {"rule": "in", "column": "a", "values": [["b"]]},
        {"rule": "in", "column": "a", "values": "ab"},
        {"rule": "and", "rules": []},
        {"rule": "xor", "rules": []},
        {"rule": "not"},
        {},
        [],
    ],
)
def test_what_is_not_a_rule_is_refused(body: Any) -> None:
    with pytest.raises(ParameterError):
        from_json(body)


def test_a_value_cannot_break_out_of_its_quotes(warehouse: Warehouse) -> None:
    trick = "' OR 1 = 1 --"
    assert answers(warehouse, [Compare("t", "=", trick)], [{"t": "a"}, {"t": trick}]) == [{"r0": False}, {"r0": True}]
    assert whole(1).sql() == "1"
