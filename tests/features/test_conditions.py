"""Rules as TOML writes them: each form against the rule that it stands for, and mistakes told with what is allowed."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import ParameterError
from coterie.features import rule
from coterie.features.conditions import read
from coterie.features.rule import And, Compare, In, Missing, Not, Or

COLUMNS: dict[str, type] = {"channel": str, "place": str, "amount": int, "hour": int, "quantity": float}
WEB = Compare("channel", "=", "web")


def toml(text: str) -> Any:
    return tomllib.loads(f"where = {text}")["where"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('{ channel = "web" }', WEB),
        ('{ channel = "<= web" }', Compare("channel", "=", "<= web")),  # a text is taken as it stands
        ('{ channel = ["web", "app"] }', In("channel", ("app", "web"))),
        ("{ hour = 5 }", Compare("hour", "=", 5)),
        ('{ amount = ">= 500" }', Compare("amount", ">=", 500)),
        ('{ amount = "<-3" }', Compare("amount", "<", -3)),
        ('{ quantity = "> 0.5" }', Compare("quantity", ">", 0.5)),
        ('{ amount = "!= 0" }', Compare("amount", "!=", 0)),
        ("{ hour = [6, 7] }", In("hour", (6, 7))),
        ("{ place = { missing = true } }", Missing("place")),
        ("{ place = { missing = false } }", Not(Missing("place"))),
        ('{ channel = { not = "web" } }', Not(WEB)),
        ('{ channel = { not = ["web", "app"] } }', Not(In("channel", ("app", "web")))),
        ('{ not = { channel = "web", hour = 5 } }', Not(And((WEB, Compare("hour", "=", 5))))),
        ('{ any = [{ channel = "web" }, { hour = 5 }] }', Or((WEB, Compare("hour", "=", 5)))),
        ('{ all = [{ channel = "web" }, { hour = 5 }] }', And((WEB, Compare("hour", "=", 5)))),
        (
            '{ channel = "web", hour = 5, amount = "> 1" }',
            And((WEB, Compare("hour", "=", 5), Compare("amount", ">", 1))),
        ),
        ("{ any = [{ not = { any = [{ hour = 1 }] } }] }", Or((Not(Or((Compare("hour", "=", 1),))),))),
    ],
)
def test_what_is_written_is_the_rule_that_it_says(written: str, meant: rule.Rule) -> None:
    made = read(toml(written), COLUMNS)
    assert made == meant
    assert rule.from_json(made.to_json()) == meant


@pytest.mark.parametrize(
    ("written", "told", "hint"),
    [
        ("{}", "at least one condition", "where ="),
        ('"channel = web"', "must be a table", "where ="),
        ('{ chanel = "web" }', "no column 'chanel'; allowed are channel, place", "did you mean channel"),
        ("{ channel = 5 }", "channel is a text and cannot be 5", 'channel = "5"'),
        ('{ amount = "500 or more" }', "amount is a number", '">= 500"'),
        ("{ amount = 5.5 }", "amount is a whole number", "minor units"),
        ('{ amount = ">= 5.50" }', "amount is a whole number", "minor units"),
        ("{ hour = 5.5 }", "hour is a whole number", None),
        ("{ hour = true }", "hour is a number", None),
        ('{ hour = ["5"] }', "hour is a number", None),
        ("{ hour = [] }", "at least one value", None),
        ("{ place = { missing = 1 } }", "{ missing = true }", None),
        ('{ place = { like = "x" } }', "{ missing = true }", None),
        ("{ any = [] }", "any must be a list", None),
        ('{ all = { channel = "web" } }', "all must be a list", None),
        ("{ not = [] }", "must be a table", "where ="),
    ],
)
def test_a_mistake_is_told_with_what_is_allowed(written: str, told: str, hint: str | None) -> None:
    with pytest.raises(ParameterError) as raised:
        read(toml(written), COLUMNS)
    assert told in raised.value.message
    assert hint is None or hint in (raised.value.hint or "")


ROWS = st.fixed_dictionaries(
    {
        "channel": st.sampled_from((None, "web", "app")),
        "place": st.sampled_from((None, "x")),
        "amount": st.one_of(st.none(), st.integers(-3, 3)),
        "hour": st.integers(0, 3),
        "quantity": st.none(),
    }
)
LEAVES = st.sampled_from(
    [
        ({"channel": "web"}, lambda row: row["channel"] == "web"),
        ({"channel": {"not": ["web"]}}, lambda row: row["channel"] != "web"),
        ({"place": {"missing": True}}, lambda row: row["place"] is None),
        ({"amount": "<= 0"}, lambda row: row["amount"] is not None and row["amount"] <= 0),
        ({"hour": [1, 2]}, lambda row: row["hour"] in (1, 2)),
    ]
)


def nested(inner: Any) -> Any:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        inner.map(lambda one: ({"not": one[0]}, lambda row: not one[1](row))),
        some.map(lambda many: ({"any": [one[0] for one in many]}, lambda row: any(one[1](row) for one in many))),
        some.map(lambda many: ({"all": [one[0] for one in many]}, lambda row: all(one[1](row) for one in many))),
    )


@given(st.recursive(LEAVES, nested, max_leaves=6), ROWS)
def test_nested_conditions_hold_where_a_naive_reading_says(written: Any, row: Any) -> None:
    body, holds = written
    assert read(body, COLUMNS).matches(row) == holds(row)
