"""The lint of the SQL dialect finds each planted violation, and its helpers mean the same as Python."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from coterie.errors import ParameterError
from coterie.store import sql
from coterie.store.sql import alias, column
from coterie.store.warehouse import Warehouse

VIOLATIONS = [
    ("decimal-literal", "SELECT a * 1.0 FROM t"),
    ("sum-cast", "SELECT SUM(a) FROM t"),
    ("sum-cast", "SELECT SUM(a) OVER (PARTITION BY b) FROM t"),
    ("division-cast", "SELECT a / b FROM t"),
    ("division-cast", "SELECT CAST(a AS BIGINT) / b FROM t"),
    ("rounding-cast", "SELECT CAST(CAST(a AS DOUBLE) / 2 AS BIGINT) FROM t"),
    ("rounding-cast", "SELECT CAST(CASE WHEN a > 1 THEN CAST(b AS DOUBLE) * 3 END AS TEXT) FROM t"),
    ("average", "SELECT AVG(a) FROM t"),
    ("logarithm", "SELECT LOG(a) FROM t"),
    ("estimate", "SELECT MEDIAN(a) FROM t"),
    ("estimate", "SELECT APPROX_COUNT_DISTINCT(a) FROM t"),
    ("text-function", "SELECT CONCAT(a, b) FROM t"),
    ("text-function", "SELECT UPPER(a) FROM t"),
    ("text-function", "SELECT a FROM t WHERE REGEXP_MATCHES(a, 'x')"),
    ("arbitrary", "SELECT DISTINCT ON (a) a, b FROM t"),
    ("arbitrary", "SELECT a FROM t USING SAMPLE 10%"),
    ("filter", "SELECT COUNT(*) FILTER (WHERE a > 1) FROM t"),
    ("filter", "SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a, b) = 1"),
    ("list", "SELECT LIST(a) FROM t"),
    ("list", "SELECT UNNEST(a) FROM t"),
    ("total-order", "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) FROM t"),
    ("total-order", "SELECT LAG(a) OVER (PARTITION BY b) FROM t"),
    ("total-order", "SELECT a FROM t LIMIT 3"),
    ("arbitrary", "SELECT ANY_VALUE(a) FROM t"),
    ("arbitrary", "SELECT FIRST(a) FROM t"),
    ("clock", "SELECT CURRENT_TIMESTAMP"),
    ("clock", "SELECT RANDOM()"),
    ("calendar", "SELECT EXTRACT(dow FROM a) FROM t"),
    ("calendar", "SELECT DATE_TRUNC('week', a) FROM t"),
    ("calendar", "SELECT a + INTERVAL 1 DAY FROM t"),
    ("type", "SELECT CAST(a AS HUGEINT) FROM t"),
    ("type", "SELECT CAST(a AS DECIMAL(18, 2)) FROM t"),
    ("type", "SELECT CAST(a AS TIMESTAMPTZ) FROM t"),
    ("unknown-function", "SELECT EPOCH_US(a) FROM t"),
    ("star", "SELECT * FROM t"),
]


@pytest.mark.parametrize(("rule", "statement"), VIOLATIONS)
def test_a_violation_is_named(rule: str, statement: str) -> None:
    with pytest.raises(ParameterError, match=f"rule {rule}:"):
        sql.lint(parse_one(statement, read="duckdb"))


def test_every_rule_has_a_violation() -> None:
    assert {rule for rule, _ in VIOLATIONS} == set(sql.RULES)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT CAST(SUM(a) AS BIGINT), CAST(a AS DOUBLE) / NULLIF(b, 0), a * 1e0, CAST(1.5 AS DOUBLE) FROM t",
        "SELECT COUNT(CASE WHEN a > 1 THEN 1 END), MAX(a) OVER (PARTITION BY b) FROM t",
        "SELECT CAST(SUM(a) OVER (PARTITION BY b) AS BIGINT), ROW_NUMBER() OVER (ORDER BY a, b) FROM t",
        "SELECT a FROM t ORDER BY a LIMIT 3",
        "SELECT CAST(ROUND(CAST(a AS DOUBLE) / NULLIF(b, 0)) AS BIGINT), CAST(a AS TEXT) FROM t",
    ],
)
def test_what_is_in_the_dialect_passes(statement: str) -> None:
    sql.lint(parse_one(statement, read="duckdb"))


def test_what_an_engine_cannot_do_is_refused() -> None:
    tree = parse_one("SELECT ARG_MAX(a, b, 3) FROM t", read="duckdb")
    assert sql.render(tree)
    with pytest.raises(ParameterError, match="cannot be written for spark"):
        sql.render(tree, "spark")
    with pytest.raises(ParameterError, match="duckdb, spark"):
        sql.render(tree, "postgres")


def value(warehouse: Warehouse, tree: sql.Expression) -> object:
    return warehouse.query(sql.render(exp.select(alias(tree, "x"))))["x"][0].as_py()


@settings(deadline=None)
@given(number=st.integers(-(2**52), 2**52), step=st.sampled_from((7, sql.HOUR, sql.DAY)))
def test_whole_numbers_are_floored_below_zero_too(warehouse: Warehouse, number: int, step: int) -> None:
    given_number = exp.cast(sql.whole(number), "BIGINT")  # as columns are; DuckDB reads a short literal as INTEGER
    assert value(warehouse, sql.floor_to(given_number, step)) == number // step * step
    assert value(warehouse, sql.floor_divide(given_number.copy(), step)) == number // step
    assert value(warehouse, sql.rest(given_number.copy(), step)) == number % step


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_floating_point_literals_are_exact(warehouse: Warehouse, number: float) -> None:
    assert value(warehouse, sql.real(number)) == number


@settings(deadline=None)
@given(st.datetimes(datetime(1600, 1, 1), datetime(2200, 1, 1)))
def test_epochs_are_microseconds(warehouse: Warehouse, moment: datetime) -> None:
    difference = moment - datetime(1970, 1, 1)
    microseconds = (difference.days * 86_400 + difference.seconds) * 1_000_000 + difference.microseconds
    assert value(warehouse, sql.epoch(sql.moment(moment))) == microseconds


def test_dividing_by_zero_is_missing(warehouse: Warehouse) -> None:
    assert value(warehouse, sql.ratio(sql.whole(1), sql.whole(0))) is None
    assert value(warehouse, sql.ratio(sql.whole(1), sql.whole(4))) == 0.25


def test_names_are_quoted() -> None:
    assert column('a"b', "t").sql("duckdb") == '"t"."a""b"'
    assert sql.both(None, None) is None


def test_nulls_come_last_on_every_engine() -> None:
    query = (
        exp.select(column("a")).from_(sql.named("t")).order_by(column("a"), exp.Ordered(this=column("b"), desc=True))
    )
    assert sql.render(query, "spark").endswith("ORDER BY `a` NULLS LAST, `b` DESC")
    assert sql.render(query).endswith('ORDER BY "a", "b" DESC')
