"""Stored contenders: read back they forecast for anybody what they would have, bit for bit, and hold no person."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from coterie.errors import IntegrityError, MissingColumnError, NotFittedError, ParameterError
from coterie.predict.contest.contender import Case, Contender, Forecast
from coterie.predict.contest.ensemble import Ensemble, Sized, Stacked
from coterie.predict.contest.learnt import Learnt
from coterie.predict.contest.levelled import Levelled
from coterie.predict.contest.naive import Everybody, LastPeriod, PastSpend, Rate, Recency
from coterie.predict.contest.probabilistic import Probabilistic
from coterie.predict.contest.stored import restored, stored
from coterie.predict.lifetime.bg_nbd import BGNBD, MBGNBD
from coterie.predict.lifetime.cnbd import BGCNBD, MBGCNBD
from coterie.predict.lifetime.gamma_gamma import GammaGamma
from coterie.predict.lifetime.pareto_nbd import ParetoNBD
from coterie.predict.propensity.learner import Learner

AMOUNTS = ("spend_per_order", "first_spend", "spend", "spend_30d")
MAKE: dict[str, Callable[[], Contender]] = {
    "ensemble": Ensemble,
    "stacked": Stacked,
    "sized": Sized,
    "total": lambda: Levelled(Stacked(), Sized(), "total"),
    "isotonic": lambda: Levelled(Probabilistic(BGNBD(), GammaGamma()), Rate()),
    "own name": lambda: Ensemble("mine"),
    "rate at a level": lambda: Levelled(Rate(), Sized()),
    "recency at a level": lambda: Levelled(Recency(), Sized()),
    "everybody at a level": lambda: Levelled(Everybody(), Sized()),
    "last period at a level": lambda: Levelled(LastPeriod(), Sized()),
    "past spend at a level": lambda: Levelled(PastSpend(), Sized()),
    "BG/NBD": lambda: Probabilistic(BGNBD(), GammaGamma(), name="BG/NBD"),
    "MBG/NBD": lambda: Probabilistic(MBGNBD(), GammaGamma()),
    "Pareto/NBD": lambda: Probabilistic(ParetoNBD(), GammaGamma()),
    "BG/CNBD-2": lambda: Probabilistic(BGCNBD(k=2), GammaGamma()),
    "MBG/CNBD-k": lambda: Probabilistic(MBGCNBD(), GammaGamma()),
    "orders alone": lambda: Probabilistic(BGNBD()),
    "with a trait": lambda: Probabilistic(BGNBD(), GammaGamma(), covariates=("orders_30d",)),
    "rate": Rate,
    "recency": Recency,
    "everybody": Everybody,
    "last period": LastPeriod,
    "past spend": PastSpend,
    "learners": lambda: Learnt(Learner("count"), Learner("binary"), Learner("amount")),
    "a learner": lambda: Learnt(active=Learner("binary"), name="churn"),
    "learner at a level": lambda: Levelled(Learnt(Learner("count")), Probabilistic(BGNBD())),
}


def people(count: int = 700, seed: int = 0) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """Return made-up people whose rates differ, and what they do in 60 days more."""
    random = np.random.default_rng(seed)
    rate, T = random.gamma(0.8, 0.03, count), random.integers(40, 200, count).astype(float)
    x = random.poisson(rate * T)
    recency = np.where(x > 0, np.maximum(np.floor(T * random.beta(np.maximum(x, 1), 1)), 1), 0)
    size = np.rint(random.gamma(6, 400, count))
    each = np.where(x > 0, np.rint(size * random.gamma(9, 1 / 9, count)), np.nan)
    now = pa.table({
        "person": [f"person-{one}" for one in range(count)], "frequency": x, "recency": recency, "T": T,
        "log_gaps": np.where(x > 0, x * np.log(np.maximum(recency, 1) / np.maximum(x, 1)), 0.0),
        "spend_per_order": pa.array(each, from_pandas=True), "first_spend": size,
        "spend": size + x * np.nan_to_num(each), "spend_30d": size * random.poisson(rate * 30),
        "orders_30d": random.poisson(rate * 30), "basket_units": random.poisson(3.0, count),
    })  # fmt: skip
    orders = random.poisson(rate * 60).astype(float)
    return now, {"orders": orders, "spend": orders * size}


@cache
def case(name: str) -> Case:
    now, _ = people()
    then, outcome = people(seed=1)
    if name == "no amounts":
        now, then, outcome = now.drop_columns(AMOUNTS), then.drop_columns(AMOUNTS), {"orders": outcome["orders"]}
    elif name == "all pay the same":
        for column in ("spend_per_order", "first_spend"):
            now = now.set_column(now.column_names.index(column), column, pa.array(np.full(len(now), 900.0)))
    elif name == "few orders after":
        outcome = {part: np.where(np.arange(len(then)) < 150, told, 0.0) for part, told in outcome.items()}
    elif name == "nothing spent after":
        outcome = {"orders": outcome["orders"]}
    elif name == "nobody ordered twice":
        once = np.zeros(len(now))
        for column in ("frequency", "recency", "log_gaps"):
            now = now.set_column(now.column_names.index(column), column, pa.array(once))
        now = now.set_column(now.column_names.index("spend_per_order"), "spend_per_order", pa.array(once * np.nan))
    if name == "no past":
        return Case(now=now, horizon_days=90)
    return Case(now=now, horizon_days=90, then=then, outcome=outcome, then_days=60)


@cache
def fitted(contender: str, of: str = "whole") -> Contender:
    with threadpool_limits(1):  # with few people, threads wait for each other
        return MAKE[contender]().fit(case(of))


@cache
def again(contender: str) -> Contender:
    return restored(json.loads(text(fitted(contender))))


def text(contender: Contender) -> str:
    return json.dumps(stored(contender), allow_nan=False)


def assert_alike(one: Contender, other: Contender, now: pa.Table) -> None:
    expected, found = one.forecast(now), other.forecast(now)
    assert found.level == expected.level
    for part in ("orders", "active", "spend"):
        mine, theirs = getattr(expected, part), getattr(found, part)
        assert (mine is None) == (theirs is None), part
        if mine is not None:
            assert np.array_equal(mine, theirs, equal_nan=True), part


DEGRADED = [
    *(("ensemble", of) for of in ("no amounts", "all pay the same", "few orders after", "nothing spent after")),
    *((kind, "no past") for kind in ("ensemble", "stacked", "sized", "everybody", "isotonic")),
    *((kind, "no amounts") for kind in ("sized", "BG/NBD", "rate", "recency", "everybody", "last period")),
    ("learner at a level", "no amounts"),
    *((kind, "all pay the same") for kind in ("sized", "BG/NBD", "rate at a level")),
    *((kind, "nobody ordered twice") for kind in ("rate", "recency", "everybody", "last period", "past spend")),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "of"), [*((kind, "whole") for kind in MAKE), *DEGRADED])
def test_read_back_it_forecasts_the_same_for_those_it_learnt_from_and_for_others(kind: str, of: str) -> None:
    known = fitted(kind, of)
    body = text(known)
    found = restored(json.loads(body))
    assert type(found) is type(known)
    assert (found.name, found.degraded_) == (known.name, known.degraded_)
    others, _ = people(300, seed=7)
    for now in (case(of).now, case(of).now.slice(3, 1), others.select(case(of).now.column_names)):
        assert_alike(known, found, now)
    assert text(found) == body
    assert "person-" not in body
    assert len(body) < (1_000_000 if "learner" in kind else 50_000)


PERSON = st.tuples(
    st.integers(0, 400), st.integers(1, 3000), st.floats(0.001, 1), st.one_of(st.none(), st.floats(0, 1e7)),
    st.one_of(st.none(), st.floats(0, 1e7)), st.one_of(st.none(), st.integers(0, 60)),
)  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in MAKE if kind not in ("with a trait", "MBG/CNBD-k", "BG/CNBD-2")])
@given(rows=st.lists(PERSON, min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_it_forecasts_the_same_for_anybody(kind: str, rows: list[tuple[Any, ...]]) -> None:
    x, T, share, told, first, orders = zip(*rows, strict=True)
    repeat = [one if count else None for count, one in zip(x, told, strict=True)]
    now = pa.table({
        "frequency": x, "T": [float(one) for one in T],
        "recency": [end * part if count else 0.0 for count, end, part in zip(x, T, share, strict=True)],
        "spend_per_order": pa.array(repeat, pa.float64()),
        "first_spend": pa.array(first, pa.float64()), "spend": pa.array(first, pa.float64()),
        "spend_30d": pa.array(repeat, pa.float64()), "orders_30d": pa.array(orders, pa.int64()),
        "basket_units": pa.array(orders, pa.int64()), "log_gaps": [0.0] * len(rows),
    })  # fmt: skip
    with threadpool_limits(1):
        assert_alike(fitted(kind), again(kind), now)


def inside(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each part of a JSON value with where it is."""
    for name, value in body.items() if isinstance(body, dict) else enumerate(body):
        yield (*path, name), value
        if isinstance(value, dict | list):
            yield from inside(value, (*path, name))


def changed(body: dict[str, Any], path: tuple[Any, ...], value: Any = ...) -> dict[str, Any]:
    """Return a copy in which the part at a place is another one, or gone."""
    copy: dict[str, Any] = json.loads(json.dumps(body))
    at: Any = copy
    for name in path[:-1]:
        at = at[name]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


OWN = ("ensemble", "isotonic", "BG/NBD", "everybody", "last period", "a learner")


def refused(body: Any) -> None:
    with pytest.raises(IntegrityError) as caught:
        restored(body)
    assert caught.value.hint


@pytest.mark.parametrize("kind", OWN)
def test_a_body_that_lacks_a_part_or_has_another_one_is_refused(kind: str) -> None:
    body = stored(fitted(kind))
    for path, value in inside(body):
        if isinstance(path[-1], str) and not set(path[:-1]) & {"learners", "settings"}:
            refused(changed(body, path))
        if isinstance(value, dict) and not set(path) & {"learners", "model", "models", "spend", "settings"}:
            refused(changed(body, (*path, "people"), 9))
    refused({**body, "people": 9})


@pytest.mark.parametrize("kind", OWN)
def test_what_is_no_number_or_of_another_shape_is_refused(kind: str) -> None:
    body = stored(fitted(kind))
    nested = {"learners", "orders", "model", "models", "spend"} if kind != "last period" else set()
    for path, value in inside(body):
        if set(path) & nested and "curves" not in path and "weights" not in path:
            continue
        if isinstance(value, float) and path[-1] not in range(2, 10_000):
            wrongs: tuple[Any, ...] = (float("nan"), float("inf"), "1", None, True, [])
            for wrong in wrongs:
                if not (wrong is None and path[-1] == "spend"):
                    refused(changed(body, path, wrong))
        elif isinstance(value, list) and path[-1] != "steps" and value:
            refused(changed(body, path, value[:-1]))
            refused(changed(body, path, {}))
        elif isinstance(value, str):
            refused(changed(body, path, 7))


@pytest.mark.parametrize(
    "path", [("curves", "spend", 1, "scores"), ("curves", "spend", 1, "amounts"), ("level", "steps")]
)
def test_knots_that_do_not_rise_are_refused(path: tuple[Any, ...]) -> None:
    body = stored(fitted("ensemble"))
    value = dict(inside(body))[path]
    refused(changed(body, path, value[::-1]))


def test_parts_that_do_not_belong_together_are_refused() -> None:
    body = stored(fitted("ensemble"))
    other = stored(fitted("sized"))
    refused(changed(body, ("ranking",), other))
    refused(changed(body, ("shape",), "isotonic"))
    refused(changed(body, ("level", "model", "kind"), "MBGNBD"))
    refused(changed(body, ("ranking", "models", "orders", "kind"), "GammaGamma"))
    refused(changed(body, ("ranking", "weights", "active"), None))
    refused(changed(body, ("ranking", "terms", 0), "shoe size"))
    refused(changed(body, ("level", "model"), stored(fitted("with a trait"))["model"]))
    rate = stored(fitted("rate"))
    refused(rate | {"name": "Rate"})
    refused(rate | {"kind": "Bate"})
    refused(rate | {"version": 2})
    refused(rate | {"horizon": 0.0})
    few = stored(fitted("BG/NBD", "all pay the same"))
    refused(few | {"spend": stored(fitted("BG/NBD"))["spend"]})
    with pytest.raises(IntegrityError, match=r"This is no stored Rate: it is of kind 'PastSpend'\."):
        Rate.from_json(stored(fitted("past spend")))


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.sampled_from(["Ensemble", "Rate", "Learnt"])),
    lambda some: st.one_of(
        st.lists(some), st.dictionaries(st.sampled_from(["kind", "version", "name", "shape"]), some)
    ),
    max_leaves=8,
)


@given(anything)
def test_anything_else_is_refused(body: Any) -> None:
    refused(body)


@pytest.mark.parametrize("kind", MAKE)
def test_what_was_not_fitted_cannot_be_kept(kind: str) -> None:
    with pytest.raises(NotFittedError):
        stored(MAKE[kind]())


class Own(Rate):
    """A contender of one's own, which no registry knows."""


class Plain(Contender):
    name = "plain"

    def fit(self, case: Case) -> Plain:
        return self

    def forecast(self, now: pa.Table) -> Forecast:
        return Forecast(np.ones(len(now)))


def test_a_contender_of_ones_own_cannot_be_kept() -> None:
    for one in (Own(), Plain(), Levelled(Plain(), Plain())):
        with pytest.raises(ParameterError, match=r"its kind must be .*, got '(Own|Plain)'"):
            stored(one.fit(case("whole")))


def test_a_column_that_weights_take_must_be_there() -> None:
    with pytest.raises(MissingColumnError, match="basket_units"):
        again("ensemble").forecast(case("whole").now.drop_columns(["basket_units"]))
