"""The online plane by itself: the edges of windows, what time does alone, late facts, taking back, erasing, damage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import CoterieError, DataError, ParameterError, StoreError
from coterie.features.aggregation import KINDS, Aggregation
from coterie.features.catalog import CATALOG
from coterie.features.combination import Combination
from coterie.features.feature import EVENT, ORDER, ORDER_LINE, TRAIT, Feature, Window, relation
from coterie.features.online import Plane
from coterie.features.outcome import future_orders
from coterie.features.rule import Compare
from coterie.schema import EVENT as EVENT_ROWS
from coterie.schema import ORDER_LINE as LINE_ROWS
from coterie.schema import PRODUCT
from coterie.schema import TRAIT as TRAIT_ROWS
from coterie.store.state import LmdbState, MemoryState
from oracles import features as twin
from oracles.features import History
from oracles.histories import AS_OF, MICROSECOND, SUBJECTS, event, histories, order_line

ZONE = "America/New_York"
VIEWED = "Product Viewed"
TABLES = ("order_lines", "events", "traits")
SCHEMAS = {"order_lines": LINE_ROWS, "events": EVENT_ROWS, "traits": TRAIT_ROWS}
WINDOWS = (Window(None), Window(1 / 24), Window(1), Window(7), Window(30), Window(365))


def plane_of(*features: Any, state: Any = None, zone: str = ZONE) -> Plane:
    return Plane(MemoryState() if state is None else state, features, timezone=zone, currency="EUR")


def counts(*days: float | None, on: str = VIEWED) -> list[Feature]:
    named = [(f"n_{number}", Window(length)) for number, length in enumerate(days)]
    return [Feature(name, on, Aggregation("count"), window=window, unit="count") for name, window in named]


def view(number: int, at: datetime, subject: int = 1, **more: Any) -> dict[str, Any]:
    return event(number, subject, VIEWED, at, **more)


def put_in(plane: Plane, history: History) -> None:
    """Put in a history row by row, replaying whom the plane asks for."""
    plane.shelve(pa.Table.from_pylist(history.products, schema=PRODUCT))
    for table in TABLES:
        for row in getattr(history, table):
            plane.update(table, [row])
    for subject in plane.waiting():
        plane.replay(subject, of_subject(history, subject))


def of_subject(history: History, subject: int) -> dict[str, list[dict[str, Any]]]:
    return {table: [row for row in getattr(history, table) if row["subject"] == subject] for table in TABLES}


def newest(history: History) -> datetime:
    rows = [row for table in TABLES for row in getattr(history, table) if row["occurred_at"] is not None]
    return max([AS_OF, *(max(row["occurred_at"], row["available_at"]) for row in rows)])


def every_kind() -> list[Feature]:
    """Every aggregation over facts of every kind, in every window."""
    made: list[Feature] = []
    of = Compare("channel", "=", "a")
    for on in (ORDER, ORDER_LINE, VIEWED, EVENT, TRAIT):
        known = relation(on).columns
        for kind in KINDS:
            more: dict[str, Any] = {"half_life": 30} if kind == "decayed" else {}
            if kind == "share":
                if "channel" not in known:
                    continue
                more["of"] = of
            aggregation = Aggregation(kind, **more)
            values = {"none": [None], "optional": [None, "amount"], "number": ["amount", "quantity"]}
            for value in values.get(aggregation.value, ["channel", "category", "amount", "local_day", "value"]):
                if value is not None and value not in known:
                    continue
                text = kind in ("first", "last", "most_frequent") and known[value or ""] is str
                fits = [unit for unit in aggregation.units if (unit == "text") == text or kind not in ("first", "last")]
                unit = "text" if text else next(unit for unit in reversed(fits) if unit != "text")
                for window in WINDOWS:
                    made.append(Feature(f"x{len(made)}", on, aggregation, value, window, unit=unit))
    return made


EVERY = every_kind()


def same(got: Any, wanted: Any, scale: float = 1e5) -> bool:
    if isinstance(got, float) and isinstance(wanted, int | float):
        return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9 * scale)
    return type(got) is type(wanted) and got == wanted


@settings(max_examples=8, deadline=None)
@given(histories(), st.data())
def test_every_aggregation_in_every_window_is_the_twins(history: History, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(EVERY), min_size=40, max_size=120, unique_by=lambda f: f.name))
    plane = plane_of(*chosen)
    put_in(plane, history)
    as_of = newest(history) + data.draw(st.sampled_from((timedelta(0), timedelta(hours=1), timedelta(days=40))))
    for person in (1, 2, 9):
        who = [row for row in history.person_of if row["person"] == person]
        subjects = [
            row["subject"]
            for row in who
            if (row["valid_from"] or as_of) <= as_of and (row["valid_until"] is None or as_of < row["valid_until"])
        ]
        found = plane.values(subjects, as_of)
        for feature in chosen:
            wanted = twin.value(feature, history, person, as_of, ZONE)
            assert same(found[feature.name], wanted), (feature, found[feature.name], wanted)


@settings(max_examples=8, deadline=None)
@given(histories(), st.data())
def test_what_is_taken_back_leaves_nothing(history: History, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(EVERY), min_size=20, max_size=60, unique_by=lambda f: f.name))
    plane, other = plane_of(*chosen), plane_of(*chosen)
    put_in(plane, history)
    left = History(products=history.products)
    for table in TABLES:
        rows = getattr(history, table)
        gone = data.draw(st.sets(st.sampled_from(range(len(rows))) if rows else st.nothing()))
        setattr(left, table, [row for number, row in enumerate(rows) if number not in gone])
        plane.undo(table, [row for number, row in enumerate(rows) if number in gone])
    for subject in plane.waiting():
        plane.replay(subject, of_subject(left, subject))
    assert plane.waiting() == []
    put_in(other, left)
    as_of = newest(history)
    for subject in SUBJECTS:
        found, wanted = plane.values([subject], as_of), other.values([subject], as_of)
        assert [n for n in found if not same(found[n], wanted[n])] == []


@settings(max_examples=6, deadline=None)
@given(histories())
def test_a_rebuilt_state_answers_as_one_that_was_kept_up(history: History) -> None:
    chosen = EVERY[::7]
    plane, other = plane_of(*chosen), plane_of(*chosen)
    put_in(plane, history)
    rebuild(other, history, mark=b"7")
    assert (other.mark, other.stale) == (b"7", False)
    for subject in SUBJECTS:
        found, wanted = plane.values([subject], newest(history)), other.values([subject], newest(history))
        assert [n for n in found if not same(found[n], wanted[n])] == []


def rebuild(plane: Plane, history: History, **more: Any) -> None:
    def batches(table: str) -> Iterator[pa.RecordBatch]:
        rows = sorted(getattr(history, table), key=lambda row: row["subject"])
        yield from pa.Table.from_pylist(rows, schema=SCHEMAS[table]).to_batches(max_chunksize=3)

    facts = {table: batches(table) for table in TABLES}
    plane.rebuild(facts, products=pa.Table.from_pylist(history.products, schema=PRODUCT), **more)


# windows and time


@pytest.mark.parametrize(("days", "hop"), [(1 / 24, 300), (0.5, 3600), (7, 3600), (12, 86_400), (30, 86_400)])
def test_a_fact_leaves_its_window_at_the_hop_and_not_a_microsecond_before(days: float, hop: int) -> None:
    at = datetime(2026, 3, 1, 10, 17, 3, 7)
    plane = plane_of(*counts(days, None))
    plane.update("events", [view(1, at)])
    leaves = datetime(1970, 1, 1) + timedelta(seconds=((at - datetime(1970, 1, 1)) // timedelta(seconds=hop) + 1) * hop)
    leaves += timedelta(days=days)
    assert plane.values([1], at) == {"n_0": 1, "n_1": 1}
    assert plane.values([1], leaves - MICROSECOND) == {"n_0": 1, "n_1": 1}
    assert plane.values([1], leaves) == {"n_0": 0, "n_1": 1}


def test_tiles_stay_few_and_right_however_many_facts_there_are() -> None:
    state = MemoryState()
    features = counts(1 / 24, 1, 7, 30, None)
    plane = plane_of(*features, state=state)
    history = History(events=[view(n, datetime(2026, 1, 1) + timedelta(minutes=7 * n)) for n in range(8_000)])
    for begin in range(0, 8_000, 400):
        plane.update("events", history.events[begin : begin + 400])
    as_of = history.events[-1]["occurred_at"]
    lengths = [1 / 24, 1, 7, 30]
    wanted = [sum(row["occurred_at"] >= twin.tail(days, as_of) for row in history.events) for days in lengths]
    assert list(plane.values([1], as_of).values()) == [*wanted, 8_000]
    assert state.size() < 4_000  # a month of days, a week of hours, an hour of five minutes


def test_a_fact_that_comes_late_counts_where_it_happened() -> None:
    plane, day = plane_of(*counts(1, 30, None)), timedelta(days=1)
    plane.update("events", [view(1, AS_OF)])
    plane.update("events", [view(2, AS_OF - 3 * day, available_at=AS_OF)])
    plane.update("events", [view(3, AS_OF - 300 * day, available_at=AS_OF)])
    assert plane.values([1], AS_OF) == {"n_0": 1, "n_1": 2, "n_2": 3}


@pytest.mark.parametrize("more", [{}, {"available_at": AS_OF + timedelta(days=1)}])
def test_a_moment_before_the_newest_fact_is_refused_with_the_way_out(more: dict[str, Any]) -> None:
    plane = plane_of(*counts(None))
    happened = AS_OF - timedelta(days=1) if more else AS_OF + timedelta(days=1)
    plane.update("events", [view(1, happened, **{"available_at": happened, **more})])
    with pytest.raises(ParameterError, match=r"2026-04-01T15:20:30(.|\n)*Hint: ask the batch"):
        plane.values([1], AS_OF)
    assert plane.values([2], AS_OF) == {"n_0": 0}
    assert plane.values([1], AS_OF + timedelta(days=1)) == {"n_0": 1}


def test_a_person_is_the_merge_of_its_subjects() -> None:
    plane = plane_of(*(CATALOG[name] for name in ("orders", "spend", "active_days", "gap_mean_days", "top_channel")))
    for number in range(6):
        line = order_line(number, number % 3, AS_OF - timedelta(days=number), channel="ab"[number % 2])
        plane.update("order_lines", [line])
    assert plane.values([2, 0, 1, 1, 77], AS_OF) == {
        "orders": 6, "spend": 600, "active_days": 6, "gap_mean_days": 1.0, "top_channel": "a",
    }  # fmt: skip
    assert plane.values([], AS_OF)["orders"] == 0


# orders


def test_a_further_line_of_an_order_puts_its_subject_off_until_it_is_replayed() -> None:
    plane = plane_of(CATALOG["orders"], CATALOG["spend"], CATALOG["basket_lines"])
    lines = [order_line(number, 1, AS_OF, order_id="one") for number in range(3)]
    assert plane.update("order_lines", lines[:2]) == []
    assert plane.values([1], AS_OF) == {"orders": 1, "spend": 200, "basket_lines": 2.0}
    assert plane.update("order_lines", [*lines[2:], order_line(9, 2, AS_OF)], mark=b"3") == [1]
    assert (plane.waiting(), plane.mark) == ([1], b"3")
    with pytest.raises(StoreError, match="replay"):
        plane.values([1, 2], AS_OF)
    assert plane.values([2], AS_OF)["orders"] == 1
    assert plane.update("order_lines", [order_line(10, 1, AS_OF)]) == [1]
    plane.replay(1, {"order_lines": [*lines, order_line(10, 1, AS_OF)]})
    assert plane.waiting() == []
    assert plane.values([1], AS_OF) == {"orders": 2, "spend": 400, "basket_lines": 2.0}


def test_a_whole_order_is_taken_back_exactly_and_a_part_of_it_is_not() -> None:
    plane = plane_of(CATALOG["orders"], CATALOG["spend_30d"], CATALOG["active_days"])
    before = AS_OF - timedelta(days=1)
    lines = [order_line(number, 1, before, order_id="one") for number in range(2)]
    plane.update("order_lines", [*lines, order_line(5, 1, AS_OF)])
    assert plane.undo("order_lines", lines) == []
    assert plane.values([1], AS_OF) == {"orders": 1, "spend_30d": 100, "active_days": 1}
    assert plane.update("order_lines", lines) == []
    assert plane.undo("order_lines", lines[:1]) == [1]
    assert plane.undo("order_lines", [order_line(6, 3, AS_OF)]) == [3]


# other owners


def test_products_and_pairs_have_features_of_their_own() -> None:
    bought = Feature("bought", ORDER_LINE, Aggregation("sum"), "quantity", per="product")
    buyers = Feature("spent", ORDER_LINE, Aggregation("sum"), "amount", Window(30), unit="money", per="person-category")
    plane = plane_of(bought, buyers, CATALOG["orders"])
    rows = [
        {"source": "shop", "product_id": f"p{n}", "category": "ab"[n % 2], "import_id": 1, "row": n} for n in (1, 2)
    ]
    changed = plane.shelve(pa.Table.from_pylist(rows, schema=PRODUCT))
    assert changed == {("shop", "p1"): None, ("shop", "p2"): None}
    for number in range(6):
        plane.update("order_lines", [order_line(number, number % 2, AS_OF, product_id=f"p{number % 3}")])
    assert plane.owned("product", ("shop", "p1"), AS_OF) == {"bought": 2.0}
    assert plane.owned("product", ("shop", "p9"), AS_OF) == {"bought": None}
    assert plane.pair("person-category", [0], ("a",), AS_OF) == {"spent": 100}
    assert plane.pair("person-category", [0, 1], ("a",), AS_OF) == {"spent": 200}
    assert plane.values([0], AS_OF) == {"orders": 3}
    plane.erase([0])
    assert plane.pair("person-category", [0, 1], ("a",), AS_OF) == {"spent": 100}
    with pytest.raises(ParameterError, match="pair"):
        plane.pair("product", [0], ("shop", "p1"), AS_OF)
    with pytest.raises(ParameterError, match="person"):
        plane.owned("person-category", ("a",), AS_OF)


def test_a_product_that_changes_says_from_when_on() -> None:
    plane = plane_of(CATALOG["categories"])

    def versions(*begins: tuple[datetime | None, str]) -> pa.Table:
        usual = {"source": "shop", "product_id": "p1", "import_id": 1}
        rows = [{**usual, "available_at": at, "category": name, "row": n} for n, (at, name) in enumerate(begins)]
        return pa.Table.from_pylist(rows, schema=PRODUCT)

    march, april = datetime(2026, 3, 1), datetime(2026, 4, 1)
    assert plane.shelve(versions((march, "a"))) == {("shop", "p1"): None}
    assert plane.shelve(versions((march, "a"))) == {}
    assert plane.shelve(versions((march, "a"), (april, "b"))) == {("shop", "p1"): april}
    assert plane.shelve(versions((None, "c"), (april, "b"))) == {("shop", "p1"): None}


def test_combinations_are_made_of_finished_values() -> None:
    spend, orders = CATALOG["spend"], CATALOG["orders"]
    made = [
        Combination("a", "ratio", spend, orders, "money"),
        Combination("b", "difference", spend, CATALOG["spend_7d"], "money"),
        Combination("c", "remainder", CATALOG["orders_7d"], orders),
        Combination("d", "ratio", orders, CATALOG["orders_7d"], "number"),
    ]
    plane = plane_of(*made)
    old = AS_OF - timedelta(days=60)
    plane.update("order_lines", [order_line(n, 1, old, amount) for n, amount in enumerate((100, 101, 100))])
    assert plane.values([1], AS_OF) == {"a": 100, "b": 301, "c": 1.0, "d": None}
    assert plane.values([2], AS_OF) == {"a": None, "b": None, "c": None, "d": None}


# what is kept, and what is not any more


@pytest.fixture(params=["lmdb", "memory"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    one: Any = LmdbState(tmp_path / "state") if request.param == "lmdb" else MemoryState()
    yield one
    one.close()


def test_state_of_other_definitions_zone_or_currency_is_not_read(state: Any) -> None:
    plane = plane_of(*counts(30, None), state=state)
    plane.update("events", [view(1, AS_OF)], mark=b"1")
    same_again = [*reversed(counts(30, None))]
    again = plane_of(*same_again, state=state)
    assert (again.stale, again.mark, again.fingerprint) == (False, b"1", plane.fingerprint)
    assert again.values([1], AS_OF) == {"n_1": 1, "n_0": 1}
    others = [plane_of(*counts(31, None), state=state), plane_of(*counts(30, None), state=state, zone="UTC")]
    others.append(Plane(state, counts(30, None), timezone=ZONE, currency="JPY"))
    for other in others:
        assert (other.stale, other.mark) == (True, None)
        uses: list[Callable[[], object]] = [
            lambda other=other: other.values([1], AS_OF),
            lambda other=other: other.update("events", []),
            lambda other=other: other.undo("events", [view(1, AS_OF)]),
        ]
        for use in uses:
            with pytest.raises(StoreError, match=r"Hint: make it anew"):
                use()
    rebuild(others[0], History(events=[view(1, AS_OF)]))
    assert others[0].values([1], AS_OF) == {"n_0": 1, "n_1": 1}
    assert plane.stale


def test_a_reader_follows_a_state_that_is_made_anew_with_other_words(state: Any) -> None:
    writer, reader = (plane_of(CATALOG["top_channel"], state=state) for _ in range(2))
    writer.update("order_lines", [order_line(1, 1, AS_OF, channel="web")])
    assert reader.values([1], AS_OF) == {"top_channel": "web"}
    rebuild(writer, History(order_lines=[order_line(1, 1, AS_OF, channel="store")]))
    assert reader.values([1], AS_OF) == {"top_channel": "store"}


def test_a_rebuild_that_is_broken_off_leaves_nothing_to_read(state: Any) -> None:
    plane = plane_of(*counts(None), state=state)
    plane.update("events", [view(1, AS_OF)], mark=b"1")

    def broken() -> Iterator[pa.RecordBatch]:
        yield from pa.Table.from_pylist([view(1, AS_OF)], schema=EVENT_ROWS).to_batches()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plane.rebuild({"events": broken()}, mark=b"2")
    for one in (plane, plane_of(*counts(None), state=state)):
        assert (one.stale, one.mark) == (True, None)
        with pytest.raises(StoreError):
            one.values([1], AS_OF)
    rebuild(plane, History(events=[view(1, AS_OF)]))
    assert plane.values([1], AS_OF) == {"n_0": 1}


def test_rows_that_are_not_sorted_are_refused() -> None:
    rows = [view(1, AS_OF, subject=2), view(2, AS_OF, subject=1)]
    with pytest.raises(DataError, match="sorted"):
        plane_of(*counts(None)).rebuild({"events": pa.Table.from_pylist(rows, schema=EVENT_ROWS).to_batches()})


def test_no_byte_of_an_erased_subject_is_left(tmp_path: Path) -> None:
    state = LmdbState(tmp_path)
    age = Feature("age", TRAIT, Aggregation("last"), "value", unit="text")
    commonest = Feature("often", TRAIT, Aggregation("most_frequent"), "value", unit="text")
    plane = plane_of(age, commonest, CATALOG["orders"], state=state)
    trait = {"source": "shop", "trait": "name", "occurred_at": None, "available_at": None, "import_id": 1}
    plane.update("traits", [{**trait, "subject": 1, "value": "Ada Twelvetrees", "row": 1}])
    plane.update("traits", [{**trait, "subject": 2, "value": "Bob", "row": 2}])
    plane.update("order_lines", [order_line(1, 1, AS_OF)])

    def kept() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"Twelvetrees" in kept()
    plane_of(*counts(3), state=state).erase([1, 99])  # whatever the definitions are by now
    state.compact()
    assert b"Twelvetrees" not in kept()
    assert (1 + 2**63).to_bytes(8, "big") not in kept()
    assert plane.values([1, 2], AS_OF) == {"age": "Bob", "often": "Bob", "orders": 0}
    state.close()


def test_words_that_nobody_has_any_more_go_with_who_had_them(state: Any) -> None:
    band = Feature("band", ORDER_LINE, Aggregation("most_frequent"), "price_band", unit="text")
    one, other = (plane_of(CATALOG["top_channel"], band, state=state) for _ in range(2))
    for subject, channel in ((1, "only mine"), (2, "web")):
        one.update("order_lines", [order_line(subject, subject, AS_OF, channel=channel)])
    assert other.values([1], AS_OF) == {"top_channel": "only mine", "band": "1 to 2"}
    one.erase([1], {"web"})
    assert not [value for _, value in state.items() if b"only mine" in value]
    assert not [key for key, _ in state.items() if b"only mine" in key]
    assert one.values([1, 2], AS_OF) == {"top_channel": "web", "band": "1 to 2"}
    other.update("order_lines", [order_line(3, 3, AS_OF, channel="only mine")])  # whatever it knew of the word
    for plane in (one, other):
        assert plane.values([3], AS_OF) == {"top_channel": "only mine", "band": "1 to 2"}


def test_features_of_products_follow_undos_replays_and_rebuilds() -> None:
    lines = [order_line(n, n % 3, AS_OF - timedelta(days=n), 100 + n, product_id=f"p{n % 2}") for n in range(12)]
    features = [
        Feature("sold", ORDER_LINE, Aggregation("count"), unit="count", per="product"),
        Feature("turnover", ORDER_LINE, Aggregation("sum"), "amount", Window(7), unit="money", per="product"),
        Feature("often", ORDER_LINE, Aggregation("most_frequent"), "line_id", unit="text", per="product"),
    ]
    plane = plane_of(*features)
    plane.update("order_lines", lines)

    def judge(left: list[dict[str, Any]], planes: list[Plane]) -> None:
        history = History(order_lines=left)
        for product in ("p0", "p1"):
            wanted = {f.name: twin.value(f, history, ("shop", product), AS_OF, ZONE) for f in features}
            assert [one.owned("product", ("shop", product), AS_OF) for one in planes] == [wanted] * len(planes)

    judge(lines, [plane])
    gone, left = ([line for line in lines if (line["subject"] == 2) is theirs] for theirs in (True, False))
    assert plane.undo("order_lines", gone) == []  # who is to be forgotten is taken out of products like this
    plane.erase([2])
    anew = plane_of(*features)
    rebuild(anew, History(order_lines=left))
    judge(left, [plane, anew])
    plane.replay(0, {"order_lines": [line for line in left if line["subject"] == 0]})  # leaves products as they are
    judge(left, [plane])
    plane.update("order_lines", gone)
    judge(lines, [plane])


def test_a_product_that_cannot_be_told_any_more_is_not_answered_until_it_is_made_anew() -> None:
    plane = plane_of(Feature("sold", ORDER_LINE, Aggregation("count"), unit="count", per="product"))
    lines = [order_line(n, n, AS_OF - timedelta(days=n), product_id=f"p{n % 2}") for n in range(4)]
    plane.update("order_lines", lines)
    plane.undo("order_lines", lines[:1])  # the newest of its product: which is it now?
    assert plane.owned("product", ("shop", "p1"), AS_OF) == {"sold": 2}
    with pytest.raises(StoreError, match=r"product(.|\n)*Hint: make it anew"):
        plane.owned("product", ("shop", "p0"), AS_OF)
    rebuild(plane, History(order_lines=lines[1:]))
    assert plane.owned("product", ("shop", "p0"), AS_OF) == {"sold": 1}


def test_what_was_damaged_is_told_and_never_guessed() -> None:
    state = MemoryState()
    plane = plane_of(*counts(7, None), state=state)
    plane.update("events", [view(n, AS_OF - timedelta(hours=n)) for n in range(5)])
    right = plane.values([1], AS_OF)
    [(key, packed)] = state.items(b"\x10")
    for end in range(1, len(packed)):
        state.put({key: packed[:end]})
        with pytest.raises(CoterieError):
            plane.values([1], AS_OF)
        with pytest.raises(CoterieError):
            plane.update("events", [view(9, AS_OF)])
    state.put({key: packed})
    assert plane.values([1], AS_OF) == right


# what nobody should send


def test_amounts_beyond_64_bits_are_added_up_all_the_same() -> None:
    plane = plane_of(CATALOG["spend"], Feature("v", ORDER, Aggregation("variance"), "amount"))
    plane.update("order_lines", [order_line(n, 1, AS_OF, 2**63 - 1 - n) for n in range(3)])
    assert plane.values([1], AS_OF) == {"spend": 3 * (2**63 - 1) - 3, "v": 1.0}


def test_numbers_that_are_none_and_words_of_any_length_are_kept() -> None:
    features = [
        Feature("q", ORDER_LINE, Aggregation("distinct"), "quantity", unit="count"),
        Feature("m", ORDER_LINE, Aggregation("max"), "quantity"),
        Feature("c", ORDER_LINE, Aggregation("last"), "channel", unit="text"),
    ]
    plane = plane_of(*features)
    word = "långt " * 300
    for number, quantity in enumerate((math.nan, math.nan, 0.0, -0.0, math.inf, None)):
        plane.update("order_lines", [order_line(number, 1, AS_OF, quantity=quantity, channel=word + str(number))])
    found = plane.values([1], AS_OF)
    assert (found["q"], found["c"]) == (3, word + "5")
    assert math.isnan(found["m"])


def test_facts_of_no_subject_no_time_and_no_feature_are_passed_over() -> None:
    plane = plane_of(*counts(None))
    rows = [view(1, AS_OF, subject=None), {**view(2, AS_OF), "occurred_at": None}, event(3, 1, "Email Opened", AS_OF)]
    assert plane.update("events", rows) == []
    assert plane.values([1], AS_OF) == {"n_0": 0}
    with pytest.raises(ParameterError, match="order_lines, events, traits"):
        plane.update("products", [])


def test_what_no_plane_can_be_made_of_is_refused() -> None:
    with pytest.raises(ParameterError, match="different"):
        plane_of(*counts(1), *counts(2))
    with pytest.raises(ParameterError, match="outcomes"):
        plane_of(future_orders(30))
    with pytest.raises(ParameterError, match="IANA"):
        plane_of(*counts(1), zone="Mars/Olympus")
    with pytest.raises(ParameterError, match="naive"):
        plane_of(*counts(1)).values([1], AS_OF.astimezone())
