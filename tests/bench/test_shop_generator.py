"""The generated shop: the same for the same seed, near the real marginals, and true to its own truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy.special import hyp2f1

from shop_generator import GROCERY, ONLINE, Made, generate, marginals
from shop_generator.__main__ import main
from shop_generator.purchases import Rhythm, draw_buying, draw_weeks, expected_orders

SHOP = replace(ONLINE.sized(people=2_500), block=1_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return generate(SHOP, tmp_path_factory.mktemp("shop"), seed=7)


def table(made: Made, name: str) -> pa.Table:
    return pq.read_table(made.folder / f"{name}.parquet")


def test_the_same_seed_gives_the_same_files_and_another_seed_others(made: Made, tmp_path: Path) -> None:
    again, other = generate(SHOP, tmp_path / "again", seed=7), generate(SHOP, tmp_path / "other", seed=8)
    assert again.rows == made.rows
    for name in made.rows:
        assert table(again, name).equals(table(made, name)), name
        assert not table(other, name).equals(table(made, name)), name


def test_people_of_full_blocks_are_the_same_in_a_larger_shop(made: Made, tmp_path: Path) -> None:
    larger = generate(replace(SHOP, people=4_000), tmp_path, seed=7)
    for name in ("orders", "clicks", "emails", "customers"):
        small, large = table(made, name), table(larger, name)
        of_first = table(made, "customers")["customer_id"].slice(0, 10)
        if "customer_id" in small.column_names:
            kept = [t.filter(pc.is_in(t["customer_id"], of_first.combine_chunks())) for t in (small, large)]
            assert kept[0].num_rows > 0
            assert kept[0].equals(kept[1]), name


def test_leaving_out_clicks_and_emails_changes_no_order(made: Made, tmp_path: Path) -> None:
    less = generate(SHOP, tmp_path, seed=7, clicks=False, mails=False)
    assert table(less, "orders").equals(table(made, "orders"))
    assert set(made.rows) - set(less.rows) == {"clicks", "emails"}


def test_csv_holds_the_same_rows_as_parquet(made: Made, tmp_path: Path) -> None:
    text = generate(SHOP, tmp_path, seed=7, form="csv")
    assert text.rows == made.rows
    assert text.dirt == made.dirt
    read = pyarrow.csv.read_csv(
        text.folder / "orders.csv",
        convert_options=pyarrow.csv.ConvertOptions(
            null_values=["n/a", "", "31.02. 25:61"], strings_can_be_null=True, column_types=table(made, "orders").schema
        ),
    )
    assert read.equals(table(made, "orders"))


def test_orders_of_newcomers_follow_bg_nbd() -> None:
    # Fader, Hardie & Lee (2005), equation 9: the expected number of repeat purchases of a random customer in time t.
    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    t = (np.arange(2_000) + 0.5) / 2_000 * ONLINE.weeks  # newcomers come uniformly over the period
    power = (alpha / (alpha + t)) ** r * hyp2f1(r, b, a + b - 1, t / (alpha + t))
    expected = float(np.mean((a + b - 1) / (a - 1) * (1 - power)))
    assert expected_orders(ONLINE) - 1 == pytest.approx(expected, rel=0.02)


def test_an_established_shop_has_people_without_orders_and_nobody_buys_after_leaving() -> None:
    rng = np.random.default_rng(3)
    rate, _ = draw_buying(GROCERY, 5_000, rng)
    person, weeks = draw_weeks(GROCERY, rate, np.ones(5_000), rng)
    assert np.bincount(person).max() == 1  # who leaves after each order makes one
    assert 0 < len(np.unique(person)) < 5_000
    assert weeks.min() >= 0
    assert weeks.max() <= GROCERY.weeks


def test_rhythm_keeps_local_hours_in_summer_and_winter() -> None:
    rhythm = Rhythm.of(ONLINE)
    assert len(rhythm.moments) == ONLINE.weeks * 168 + 1
    first = rhythm.moment(np.array([0.0]))[0]
    assert first == 1_672_549_200_000_000  # midnight of 2023-01-01 in New York is 05:00 UTC
    assert (np.diff(rhythm.elapsed) > 0).all()


@pytest.mark.slow
def test_grocery_marginals_are_those_of_complete_journey(tmp_path: Path) -> None:
    real = marginals.measured(marginals.complete_journey())
    ours = marginals.measured(marginals.generated(GROCERY, tmp_path))
    stated = dict.fromkeys(marginals.MEASURES, 0.12)
    # The tails of baskets and of orders a household are heavier in reality than in the two distributions used.
    stated |= {"orders a customer: 99 %": 0.25, "lines an order: 90 %": 0.20, "order value: median": 0.22}
    stated |= {"discount, share of full price": 0.15, "share of customers with one order": 0.45}
    wrong = {
        name: (real[name], ours[name])
        for name, tolerance in stated.items()
        if real[name] is None or ours[name] != pytest.approx(real[name], rel=tolerance)
    }
    assert wrong == {}


def test_sized_meets_people_and_lines(tmp_path: Path) -> None:
    shop = ONLINE.sized(people=4_000, lines=40_000).clean()
    made = generate(shop, tmp_path, clicks=False, mails=False)
    assert made.rows["customers"] == 4_000
    assert made.rows["orders"] == pytest.approx(40_000 * 1.0196, rel=0.10)
    assert ONLINE.sized(lines=1_000_000).people == pytest.approx(1_000_000 / (2.37 * 2.4), rel=0.03)


def test_impossible_sizes_are_refused_with_what_to_change() -> None:
    with pytest.raises(ValueError, match=r"allowed are 1 to 100.*change people or lines"):
        GROCERY.sized(people=100_000, lines=1_000_000)


def test_dirt_is_counted_exactly(made: Made) -> None:
    orders = table(made, "orders")
    nobody = pc.and_(pc.is_null(orders["customer_id"]), pc.is_null(orders["email"]))
    no_amount, no_time = pc.is_null(orders["amount"]), pc.is_null(orders["ordered_at"])
    counts = json.loads((made.folder / "truth" / "dirt.json").read_text())["dirt"]
    assert pc.sum(nobody).as_py() == counts["nobody"] > 0
    assert pc.sum(no_amount).as_py() == counts["bad_amount"] > 0
    assert pc.sum(pc.or_(pc.or_(nobody, no_amount), no_time)).as_py() == counts["spoiled"]
    assert orders.num_rows - pc.count_distinct(orders["line_id"]).as_py() == counts["duplicates"] > 0
    late = pc.greater(orders["recorded_at"], orders["ordered_at"])
    assert counts["bad_time"] >= counts["late"] - pc.sum(late).as_py() >= 0  # a late row may have lost its time
    tidy = pc.match_substring_regex(orders["email"].drop_null(), r"^person\d+@example\.org$")
    assert pc.sum(pc.invert(tidy)).as_py() == counts["untidy"] > 0


def test_shares_of_dirt_are_as_stated(made: Made) -> None:
    rows = made.rows["orders"] - made.dirt["duplicates"]
    for name, share in (("nobody", SHOP.missing), ("late", SHOP.late), ("duplicates", SHOP.duplicates)):
        assert made.dirt[name] / rows == pytest.approx(share, rel=0.45), name


def test_refunds_take_back_what_was_bought_later(made: Made) -> None:
    orders = table(made, "orders")
    back = orders.filter(pc.equal(orders["kind"], "Order Refunded"))
    bought = orders.filter(pc.equal(orders["kind"], "Order Completed"))
    assert back.num_rows / bought.num_rows == pytest.approx(SHOP.refunded, rel=0.2)
    lines = dict(zip(bought["line_id"].to_pylist(), bought["ordered_at"].to_pylist(), strict=True))
    for line, moment in zip(back["line_id"].to_pylist(), back["ordered_at"].to_pylist(), strict=True):
        before = lines[line.removesuffix("-R")]
        assert before is None or moment is None or before <= moment


def test_truth_of_identifiers_is_what_the_files_show(made: Made) -> None:
    truth = pq.read_table(made.folder / "truth" / "identifiers.parquet")
    clicks = table(made, "clicks")
    devices = truth.filter(pc.equal(truth["kind"], "anonymous_id"))
    assert set(clicks["anonymous_id"].unique().to_pylist()) == set(devices["value"].to_pylist())
    number = dict(zip(*table_of(made, "people", "customer_id", "person"), strict=True))
    seen = {
        (number[row["customer_id"]], row["anonymous_id"])
        for row in clicks.select(["customer_id", "anonymous_id"]).filter(pc.is_valid(clicks["customer_id"])).to_pylist()
    }
    linked = devices.filter(devices["linked"])
    assert seen == set(zip(linked["person"].to_pylist(), linked["value"].to_pylist(), strict=True))
    assert 0 < devices.num_rows - linked.num_rows < devices.num_rows  # some devices are never logged in


def table_of(made: Made, name: str, *columns: str) -> list[list[object]]:
    found = pq.read_table(made.folder / "truth" / f"{name}.parquet", columns=list(columns))
    return [found[column].to_pylist() for column in columns]


def test_a_device_is_one_persons_unless_it_is_shared_with_the_neighbour(made: Made) -> None:
    person, kind, value, owner = table_of(made, "identifiers", "person", "kind", "value", "owner")
    users: dict[object, set[int]] = {}
    for p, k, v, o in zip(person, kind, value, owner, strict=True):
        if k == "anonymous_id":
            users.setdefault(v, set()).add(p)  # type: ignore[arg-type]
            assert o in (p, p ^ 1)  # type: ignore[operator]
    shared = [sorted(group) for group in users.values() if len(group) > 1]
    assert shared
    assert all(len(group) == 2 and group[0] ^ 1 == group[1] for group in shared)
    assert len(shared) < 0.02 * len(users)


def test_truth_of_people_adds_up_to_the_clean_orders(tmp_path: Path) -> None:
    made = generate(SHOP.clean(), tmp_path, seed=7, clicks=False, mails=False)
    orders, people = table(made, "orders"), pq.read_table(tmp_path / "truth" / "people.parquet")
    orders = orders.filter(pc.equal(orders["kind"], "Order Completed"))
    cents = pc.cast(pc.round(pc.multiply(orders["amount"], 100)), pa.int64())
    assert pc.sum(people["spend"]).as_py() == pc.sum(cents).as_py()
    assert pc.sum(people["orders"]).as_py() == pc.count_distinct(orders["order_id"]).as_py()
    assert made.dirt == {**made.dirt, "spoiled": 0, "duplicates": 0, "late": 0, "untidy": 0}


def test_visits_lead_to_orders_at_the_stated_rates(made: Made) -> None:
    clicks = table(made, "clicks")
    sessions = pc.count_distinct(clicks["session_id"]).as_py()
    kinds = clicks.group_by("event").aggregate([("session_id", "count_distinct")]).to_pylist()
    of = {row["event"]: row["session_id_count_distinct"] for row in kinds}
    assert of["Checkout Started"] / sessions == pytest.approx(SHOP.conversion, rel=0.1)
    assert 1 - of["Checkout Started"] / of["Product Added"] == pytest.approx(SHOP.abandonment, rel=0.1)
    assert of["Product Viewed"] == sessions


def test_emails_have_the_stated_rates_and_stop_when_unsubscribed(made: Made) -> None:
    emails = table(made, "emails")
    counts = {row["values"]: row["counts"] for row in pc.value_counts(emails["event"]).to_pylist()}
    assert counts["Email Opened"] / counts["Email Delivered"] == pytest.approx(SHOP.opened, rel=0.15)
    assert counts["Email Link Clicked"] / counts["Email Delivered"] == pytest.approx(SHOP.clicked, rel=0.3)
    out = emails.filter(pc.equal(emails["event"], "Unsubscribed")).select(["email", "occurred_at"])
    sent = emails.filter(pc.equal(emails["event"], "Email Delivered")).select(["email", "occurred_at"])
    both = sent.join(out, "email", right_suffix="_out", join_type="inner")
    assert both.num_rows > 0
    assert pc.all(pc.less(both["occurred_at"], both["occurred_at_out"])).as_py()
    consents = table(made, "consents")
    assert pc.sum(pc.equal(consents["choice"], "withdrawn")).as_py() > out.num_rows  # and those who never opted in


def test_command_line_writes_a_shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--people", "300", "--form", "csv", "--no-clicks", "--clean", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "orders.csv" in out
    assert "clicks" not in out
    assert (tmp_path / "mapping.toml").is_file()
    with pytest.raises(SystemExit) as refused:
        main(["--regime", "grocery", "--people", "100000", "--lines", "1000", "--out", str(tmp_path)])
    assert refused.value.code == 2
