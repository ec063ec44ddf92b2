"""Taste segments: what people choose, not how much; long and wide, sparse, and what nothing can be told of."""

from __future__ import annotations

import json
import tracemalloc

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from coterie.errors import (
    EmptyShopError,
    MissingColumnError,
    NotFittedError,
    NoVariationError,
    ParameterError,
    TooFewPeopleError,
)
from coterie.evaluation.metrics import mix_means, pooled_r2
from coterie.evaluation.splits import folds
from coterie.segments.clustering import KMeansSegments
from coterie.segments.contract.checks import checks
from coterie.segments.taste import TasteSegments

ITEMS = ("beer", "bread", "fish", "fruit", "nappies", "soap", "tea", "wine")


def tasted(people: int = 240, seed: int = 0) -> tuple[pa.Table, np.ndarray]:
    """Return a long table of people who spend very differently, of three tastes, and each one's taste."""
    random = np.random.default_rng(seed)
    taste = np.arange(people) % 3
    likes = np.ones((3, len(ITEMS)))
    likes[[0, 0, 1, 1, 2, 2], [0, 7, 2, 3, 4, 5]] = 12
    amount = np.rint(likes[taste] * random.lognormal(0, 0.4, (people, 8)) * random.lognormal(5, 1.5, (people, 1)))
    person, item = np.nonzero(amount)
    return (
        pa.table({"person": person + 1000, "item": [ITEMS[one] for one in item], "amount": amount[person, item]}),
        taste,
    )


def wide(table: pa.Table) -> pa.Table:
    frame = pl.from_arrow(table).pivot("item", index="person", values="amount").sort("person")
    return frame.select("person", *ITEMS).to_arrow()


def alike(some: np.ndarray, others: np.ndarray) -> bool:
    return len(set(zip(some.tolist(), others.tolist(), strict=True))) == len(set(some.tolist()))


@pytest.fixture(scope="module")
def bought() -> tuple[pa.Table, np.ndarray]:
    return tasted()


@pytest.fixture(scope="module")
def model(bought) -> TasteSegments:
    return TasteSegments(3).fit(bought[0])


def test_tastes_are_found_whatever_people_spend(bought, model):
    assert alike(bought[1], model.labels_)
    assert {frozenset(name.split(", ")) for name in model.names_} == {
        frozenset(("fish", "fruit")), frozenset(("nappies", "soap")), frozenset(("wine", "beer")),
    }  # fmt: skip
    assert all("against" in sentence for sentence in model.sentences_)


def test_only_what_weighs_something_is_a_liking():
    """An item of half a per cent is no liking, however rare it is elsewhere; nor what is hardly more than usual."""
    rows = [
        (person, item, amount)
        for person in range(400)
        for item, amount in (
            ("bread", 520 if person % 2 else 500),
            ("wine", 400 if person % 2 else 20),
            ("tea", 20 if person % 2 else 400),
            ("caviar", 5 if person % 2 else 0.01),
        )
    ]
    people, items, amounts = zip(*rows, strict=True)
    model = TasteSegments(2).fit(pa.table({"person": people, "item": items, "amount": amounts}))
    assert sorted(tuple(one.item for one in likings) for likings in model.likings_) == [("tea",), ("wine",)]
    assert all(one.share >= 0.02 and one.lift >= 1.2 for likings in model.likings_ for one in likings)
    assert sorted(model.names_) == ["tea", "wine"]


@pytest.mark.parametrize("weighting", ["share", "root"])
@pytest.mark.parametrize("factor", [1e-300, 1e299])
def test_the_scale_of_amounts_changes_nothing(bought, weighting, factor):
    """Squares of the one vanish and sums of the other overflow, and neither is told otherwise."""
    scaled = bought[0].set_column(2, "amount", pa.array(bought[0]["amount"].to_numpy() * factor))
    told = [TasteSegments(3, weighting=weighting).fit(frame) for frame in (bought[0], scaled)]
    assert alike(told[0].labels_, told[1].labels_)
    shares = [sorted((one.item, round(one.share, 9)) for some in model.likings_ for one in some) for model in told]
    assert shares[0] == shares[1]


def test_who_spends_more_than_a_float_can_hold_is_worth_most(bought):
    table, taste = bought
    rich = taste[table["person"].to_numpy() - 1000] == 1
    amount = table["amount"].to_numpy().copy()
    amount[rich] *= 1.7e308 / amount[rich].max()
    twice = table.set_column(2, "amount", pa.array(amount))
    found = TasteSegments(3).fit(pa.concat_tables([twice, twice]))
    assert set(found.labels_[taste == 1].tolist()) == {0}


def test_features_of_a_person_tell_no_taste(model):
    assert model.assigner() is None
    assert model.comes_again


def test_a_thousandfold_spender_keeps_the_segment(bought, model):
    richer = bought[0].set_column(2, "amount", pa.array(bought[0]["amount"].to_numpy() * 1000))
    assert (model.predict(richer) == model.labels_).all()


def test_long_and_wide_are_one(bought, model):
    table = wide(bought[0])
    assert (model.predict(table) == model.labels_).all()
    again = TasteSegments(3).fit(table)
    assert (again.labels_ == model.labels_).all()
    assert again.fingerprint == model.fingerprint


@pytest.mark.parametrize("kind", ["pyarrow", "pandas", "polars"])
def test_any_order_and_any_dataframe(bought, model, kind):
    order = np.random.default_rng(4).permutation(len(bought[0]))
    shuffled = bought[0].take(order)
    frame = {"pyarrow": shuffled, "pandas": shuffled.to_pandas(), "polars": pl.from_arrow(shuffled)}[kind]
    again = TasteSegments(3).fit(frame)
    assert again.fingerprint == model.fingerprint
    assert (again.labels_ == model.labels_).all()
    assert (again.people(frame) == np.arange(1000, 1240)).all()


def test_rows_of_one_person_and_item_add_up_in_any_order(bought):
    thirds = bought[0].set_column(2, "amount", pa.array(bought[0]["amount"].to_numpy() / 3))
    tenths = bought[0].set_column(2, "amount", pa.array(bought[0]["amount"].to_numpy() / 10))
    one, other = pa.concat_tables([thirds, tenths, thirds]), pa.concat_tables([tenths, thirds, thirds])
    assert TasteSegments(3).fit(one).fingerprint == TasteSegments(3).fit(other).fingerprint


def test_parts_of_an_amount_are_the_amount(bought, model):
    halves = bought[0].set_column(2, "amount", pa.array(bought[0]["amount"].to_numpy() / 2))
    assert (model.predict(pa.concat_tables([halves, halves])) == model.labels_).all()


def test_whose_taste_is_unknown_is_in_no_answer(model):
    new = pa.table({"person": [1, 2, 3], "item": ["wine", "caviar", "bread"], "amount": [5.0, 9.0, -2.0]})
    told = model.assign(new)
    assert told.schema.names == ["person", "segment"]
    assert told["person"].to_pylist() == [1]
    with pytest.raises(ParameterError, match="1 of 2 people"):
        model.predict(pa.table({name: [1.0, 0.0] for name in ITEMS}))
    with pytest.raises(MissingColumnError):
        model.predict(pa.table({"wine": [1.0]}))


def test_it_is_read_back_from_json(bought, model):
    again = TasteSegments.from_json(json.loads(json.dumps(model.to_json(), allow_nan=False)))
    assert (again.predict(bought[0]) == model.labels_).all()
    assert (again.names_, again.sentences_) == (model.names_, model.sentences_)
    assert again.fingerprint == model.fingerprint
    assert (again.distances(bought[0]).argmin(axis=1) == model.labels_).all()


@pytest.mark.parametrize("weighting", ["share", "root", "log"])
def test_the_house_rule_finds_three(bought, weighting):
    found = TasteSegments(weighting=weighting, resamples=5, n_init=3).fit(bought[0])
    assert found.k_ == 3
    assert {one.k for one in found.evidence_} == {2, 3, 4}
    assert min(one.value for one in found.stability_) > 0.9
    assert found.warning_ == ""


def test_a_hundred_thousand_products_stay_sparse():
    random = np.random.default_rng(5)
    people, products, lines = 2_000, 100_000, 100
    popular = random.integers(0, 10, people * lines) + np.repeat(np.arange(people) % 2, lines) * 7  # two tastes
    item = np.where(random.uniform(size=people * lines) < 0.5, popular, random.integers(0, products, people * lines))
    table = pa.table(
        {"person": np.repeat(np.arange(people), lines), "item": item.astype(str), "amount": np.ones(people * lines)}
    )
    tracemalloc.start()
    found = TasteSegments(2, n_init=1).fit(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(item)) > 50_000
    assert len(found.items_) < len(set(item))
    assert peak < 200e6 < people * len(set(item)) * 4


def test_what_has_no_taste_is_refused():
    def long(*rows: tuple[object, str | None, float]) -> pa.Table:
        return pa.table(dict(zip(("person", "item", "amount"), map(list, zip(*rows, strict=True)), strict=True)))

    one_item = long(*((person, "tea", 3.0 + person) for person in range(60)))
    same = long(*((person, item, 2.0) for person in range(60) for item in ITEMS))
    for frame, kind in (
        (long((1, "tea", 0.0), (2, "tea", -4.0)), EmptyShopError),
        (pa.table({"tea": [0.0, 0.0], "wine": [None, 0.0]}), (EmptyShopError, ParameterError)),
        (pa.table({"tea": pa.array([], pa.float64())}), EmptyShopError),
        (long((1, "tea", 5.0), (1, "wine", 9.0)), TooFewPeopleError),
        (one_item, NoVariationError),
        (same, NoVariationError),
        (long((1, None, 5.0), (2, "tea", 5.0)), ParameterError),
        (long((None, "tea", 5.0), (2, "tea", 5.0)), ParameterError),
        (pa.table({"tea": ["much", "little"]}), ParameterError),
        (pa.table({"person": [1, 2], "item": ["tea", "tea"], "amount": ["much", "little"]}), ParameterError),
    ):
        with pytest.raises(kind):
            TasteSegments(2).fit(frame)
    for wrong in ({"weighting": "bm25"}, {"components": 0}, {"k": 1}):
        with pytest.raises(ParameterError):
            TasteSegments(**wrong).fit(tasted(60)[0])
    with pytest.raises(MissingColumnError):
        TasteSegments(2, items=["tea", "caviar"]).fit(wide(tasted(60)[0]))
    with pytest.raises(NotFittedError):
        TasteSegments(2).predict(same)


def test_one_person_with_everything_does_not_make_a_segment(bought):
    whale = pa.table({"person": [1] * 8, "item": list(ITEMS), "amount": [1e12] * 8})
    found = TasteSegments(3).fit(pa.concat_tables([bought[0], whale]))
    assert alike(bought[1], found.labels_[1:])


@pytest.mark.parametrize(
    "check",
    list(checks(TasteSegments(3, items=["orders", "spend", "basket_value", "recency_days"], minimum_size=5))),
    ids=str,
)
def test_contract(check):
    check()


MIX = """
    SELECT household_id AS person, {item} AS item, round(sum(sales_value) * 100)::BIGINT AS amount
    FROM '{folder}/transactions.parquet' JOIN '{folder}/products.parquet' USING (product_id)
    WHERE {item} IS NOT NULL AND transaction_timestamp {when} GROUP BY ALL HAVING amount > 0
"""
PAST = "<= TIMESTAMP '2017-06-01'"
AHEAD = "> TIMESTAMP '2017-06-01' AND transaction_timestamp < TIMESTAMP '2017-08-31'"


def test_taste_tells_what_real_households_buy_next(complete_journey_folder, households):
    with duckdb.connect() as warehouse:
        past, ahead = (
            warehouse.sql(MIX.format(folder=complete_journey_folder, item=item, when=when)).to_arrow_table()
            for item, when in (("product_category", PAST), ("department", AHEAD))
        )
    mix = pl.from_arrow(ahead).pivot("item", index="person", values="amount").fill_null(0).sort("person")
    shares = mix.drop("person").to_numpy().astype(float)
    shares /= shares.sum(axis=1, keepdims=True)
    model = TasteSegments(8).fit(past)

    def figure(people: np.ndarray, labels: np.ndarray) -> float:
        segment = dict(zip(people.tolist(), labels.tolist(), strict=True))
        known = [place for place, person in enumerate(mix["person"].to_list()) if person in segment]
        groups = np.array([segment[mix["person"][place]] for place in known])
        part = folds(len(known), 5, seed=0)
        return pooled_r2(shares[known], mix_means(shares[known], groups, part))

    behaviour = KMeansSegments(8).fit(households).labels_
    assert figure(households["person"].to_numpy(), behaviour) < 0.02
    assert figure(model.people(past), model.labels_) > 0.06
    assert len(set(model.names_)) == 8
