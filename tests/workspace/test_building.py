"""Training tables: any dataframe names the rows, the answer is of its kind, and only permitted people are in it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import coterie
from coterie import Mapping, Workspace
from coterie.cli import app
from coterie.cli.reading import read_spine
from coterie.errors import (
    DataError,
    EmptyShopError,
    GateRefusedError,
    MissingColumnError,
    ParameterError,
    UnreadableSourceError,
)
from coterie.features import published
from coterie.features.aggregation import Aggregation
from coterie.features.catalog import CATALOG, CATALOGS
from coterie.features.combination import Combination
from coterie.features.feature import ORDER_LINE, Feature, Window
from coterie.features.outcome import churned, future_spend
from coterie.features.published import SNAPSHOTS
from coterie.schema import Purpose
from coterie.workspace.spines import UNKNOWN

ASKED = ["orders", "spend", "recency_days", "top_category"]
SUMMER = "2025-08-01"


@pytest.fixture(scope="module")
def copied(taken_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a shop, taken in."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(taken_in, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        yield folder / "shop"


@pytest.fixture(scope="module")
def shop(copied: Path) -> Iterator[Workspace]:
    """The shop, open; nothing is ever taken in or out."""
    with coterie.open(copied) as opened:
        yield opened


def customers(*numbers: int) -> list[str]:
    return [f"c{number}" for number in numbers]


def everybody(shop: Workspace, as_of: str = SUMMER) -> pa.Table:
    return shop.build(as_of, features=ASKED).table


@pytest.mark.parametrize(
    "make", [pd.DataFrame, pl.DataFrame, pa.table, pl.LazyFrame], ids=["pandas", "polars", "arrow", "lazy"]
)
def test_the_answer_is_of_the_kind_order_and_columns_that_were_given(shop: Workspace, make: Any) -> None:
    rows = make({"note": [3, 1, 2], "customer_id": customers(9, 3, 9), "as_of": ["2025-09-01", SUMMER, SUMMER]})
    built = shop.build(spine=rows, features=ASKED, outcomes=["churned_90d"])
    told = built.frame()
    assert type(told) is {pl.LazyFrame: pl.DataFrame, pa.table: pa.Table}.get(make, make)
    names = told.column_names if isinstance(told, pa.Table) else list(told.columns)
    assert names == ["note", "customer_id", "as_of", "person", *ASKED, "churned_90d"]
    assert list(told["customer_id"].to_pylist() if isinstance(told, pa.Table) else told["customer_id"]) == customers(
        9, 3, 9
    )
    # each row says what the table of everybody at that moment says
    for row in built.table.to_pylist():
        local = row["as_of"].replace(tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin"))
        all_of_them = everybody(shop, f"{local:%Y-%m-%d}")
        same = all_of_them.filter(pc.equal(all_of_them["person"], row["person"])).to_pylist()
        assert same == [{name: row[name] for name in all_of_them.column_names}]


def test_in_pandas_the_index_stays_and_other_kinds_can_be_asked_for(shop: Workspace) -> None:
    rows = pd.DataFrame({"customer_id": customers(3, 7, 4)}, index=["x", "y", "z"])
    built = shop.build(SUMMER, spine=rows, features=["orders"])
    assert built.frame().index.tolist() == ["x", "z"]  # the seventh customer has objected
    assert built.frame("polars").columns == ["customer_id", "person", "as_of", "orders"]
    assert built.frame("pyarrow")["orders"].to_pylist() == built.frame()["orders"].tolist()
    assert shop.build(SUMMER, features=["orders"]).frame("pandas").columns.tolist() == ["person", "as_of", "orders"]
    with pytest.raises(ParameterError, match="one of pandas"):
        built.frame("excel")


MOMENTS: list[tuple[Any, datetime]] = [
    (date(2025, 8, 1), datetime(2025, 7, 31, 22)),  # the beginning of the day in Berlin
    ("2025-08-01", datetime(2025, 7, 31, 22)),
    ("2025-08-01T00:00:00+02:00", datetime(2025, 7, 31, 22)),
    (datetime(2025, 8, 1, 12), datetime(2025, 8, 1, 12)),  # naive times are UTC
    (datetime(2025, 8, 1, 12, tzinfo=UTC), datetime(2025, 8, 1, 12)),
    (datetime(2025, 8, 1, 12, tzinfo=timezone(timedelta(hours=5))), datetime(2025, 8, 1, 7)),
    (pd.Timestamp("2025-08-01T12:00:00.123456789"), datetime(2025, 8, 1, 12, 0, 0, 123456)),
]


@pytest.mark.parametrize(
    ("make", "given", "moment"),
    [(pd.DataFrame, *each) for each in MOMENTS] + [(pl.DataFrame, *each) for each in MOMENTS[::3]],
)
def test_moments_are_dates_times_or_text(shop: Workspace, make: Any, given: Any, moment: datetime) -> None:
    rows = make({"customer_id": customers(3), "as_of": [given]})
    assert shop.build(spine=rows, features=["orders"]).table["as_of"].to_pylist() == [moment]


def test_identifiers_are_looked_up_as_they_were_known(shop: Workspace) -> None:
    """The first customer has two cards and one address; the second card came into use on day 200."""
    cards = pa.table({"customer_id": ["c0", "c0-new", " c0 "], "as_of": [SUMMER] * 3})
    persons = shop.build(spine=cards, features=["orders"]).table["person"].to_pylist()
    assert len(set(persons)) == 1
    mail = pa.table({"email": [" P0@shop.example"], "as_of": [SUMMER]})
    assert shop.build(spine=mail, features=["orders"]).table["person"].to_pylist() == persons[:1]
    early = shop.build("2025-03-01", spine=cards.drop_columns("as_of"), features=["orders"]).table
    assert early["orders"][0].as_py() > 0
    assert early["orders"][1].as_py() == 0  # nothing was known of the new card yet


def test_who_may_not_be_processed_or_is_unknown_is_left_out_and_counted(shop: Workspace) -> None:
    rows = pl.DataFrame({"customer_id": ["c3", "c7", "stranger", None, "c7", "guest"], "n": range(6)})
    built = shop.build(SUMMER, spine=rows, features=["orders"])
    assert built.frame()["n"].to_list() == [0]
    assert built.refused == {"objected on 2025-03-01": 2, UNKNOWN: 3}
    with pytest.raises(EmptyShopError, match="None of the 1 rows") as refused:
        shop.build(SUMMER, spine=rows[2:3], features=["orders"])
    assert "stranger" not in str(refused.value)
    person = shop.build(SUMMER, spine=rows[:1], features=["orders"]).table["person"]
    by_key = pa.table({"person": [person[0].as_py(), 17]})
    built = shop.build(SUMMER, spine=by_key, features=["orders"])
    assert built.table["person"].to_pylist() == person.to_pylist()
    assert built.refused == {UNKNOWN: 1}


def test_several_moments_are_a_training_set(shop: Workspace) -> None:
    moments: list[date | str] = [date(2025, 9, 1), "2025-06-01", "2025-06-01"]
    built = shop.build(moments, features=ASKED, outcomes=["churned_30d", future_spend(30)])
    assert built.labels == ("churned_30d", "future_spend_30d")
    assert built.to_json()["moments"] == 2
    assert "and outcomes churned_30d, future_spend_30d" in repr(built)
    parts = [
        shop.build(each, features=[*ASKED, churned(30), future_spend(30)]).table
        for each in sorted(map(str, moments))[1:]
    ]
    together = pa.concat_tables(parts).sort_by([("person", "ascending"), ("as_of", "ascending")])
    assert built.table.equals(together.combine_chunks())


def test_labels_alone_are_a_table(shop: Workspace) -> None:
    built = shop.build(SUMMER, features=[], outcomes=["future_orders_30d"])
    assert built.table.column_names == ["person", "as_of", "future_orders_30d"]
    assert (built.columns, built.labels) == ((), ("future_orders_30d",))


def test_outcomes_that_are_not_decided_yet_are_refused(shop: Workspace) -> None:
    with pytest.raises(DataError, match="churned_90d at 2026-02-0") as refused:
        shop.build(outcomes=["churned_90d"])
    assert "ask for a moment up to" in (refused.value.hint or "")
    for name in ("churned", "churned_0d", "sold_90d", "churned_90"):
        with pytest.raises(ParameterError, match="an outcome must be"):
            shop.build(SUMMER, outcomes=[name])


def test_what_a_spine_must_be(shop: Workspace) -> None:
    rows = pd.DataFrame({"customer_id": ["c3"], "as_of": [SUMMER]})
    wrong: list[tuple[Any, type[Exception], str]] = [
        ({"customer_id": ["c3"]}, ParameterError, "spine must be a dataframe"),
        (rows[["as_of"]], MissingColumnError, "whom it is about"),
        (rows.assign(as_of=3.5), ParameterError, "as_of must be dates"),
        (rows.assign(as_of="soon"), ParameterError, "not a date"),
        (rows.assign(as_of=pd.NaT), DataError, "1 rows of the spine have no as_of"),
        (rows.assign(orders=1), ParameterError, "name of a feature"),
        (rows.assign(customer_id=1.5), ParameterError, "customer_id must be text or whole numbers"),
        (rows.assign(customer_id=[("c3", 3)]), ParameterError, "customer_id must be"),
        (rows.assign(person="Ada"), ParameterError, "person must be whole numbers"),
    ]
    for spine, error, words in wrong:
        with pytest.raises(error, match=words) as refused:
            shop.build(spine=spine, features=["orders"])
        assert "Ada" not in str(refused.value)
    with pytest.raises(ParameterError, match="both a column"):
        shop.build(SUMMER, spine=rows, features=["orders"])
    with pytest.raises(ParameterError, match="one as_of"):
        shop.build([SUMMER, "2025-09-01"], spine=rows[["customer_id"]], features=["orders"])
    with pytest.raises(ParameterError, match="at least one"):
        shop.build([], features=["orders"])


def test_features_of_products_and_of_pairs(shop: Workspace) -> None:
    def sold(name: str, per: str) -> Feature:
        return Feature(name, ORDER_LINE, Aggregation("count"), window=Window(30), unit="count", per=per)

    products = shop.build([SUMMER, "2025-09-01"], features=[sold("sold_30d", "product")])
    assert products.table.column_names == ["source", "product_id", "as_of", "sold_30d"]
    assert products.table.num_rows == 60
    assert not products.reused
    asked = pl.DataFrame({"product_id": ["s3", "gone"]})
    named = shop.build(SUMMER, spine=asked, features=[sold("sold_30d", "product")])
    of_all = [row["sold_30d"] for row in products.table.to_pylist() if row["product_id"] == "s3"]
    assert named.frame()["sold_30d"].to_list() == [of_all[0], 0]
    bought = [sold("bought_30d", "person-category")]
    pairs = shop.build(SUMMER, features=bought)
    assert pairs.table.column_names == ["person", "category", "as_of", "bought_30d"]
    categories = shop.build(SUMMER, features=[sold("sold_30d", "category")]).table
    # the objector's lines count nowhere
    assert pc.sum(pairs.table["bought_30d"]) == pc.sum(categories["sold_30d"])
    rows = pd.DataFrame({"customer_id": ["c3", "c7"], "category": "k1"})
    assert shop.build(SUMMER, spine=rows, features=bought).frame()["customer_id"].tolist() == ["c3"]
    again = shop.build(SUMMER, features=bought)
    assert again.reused
    assert again.table.equals(pairs.table)
    with pytest.raises(ParameterError):
        shop.build(SUMMER, features=["orders", sold("sold_30d", "product")])


def test_combinations_are_built_and_read_back(shop: Workspace) -> None:
    orders, days = CATALOG["orders"], CATALOG["active_days"]
    assert isinstance(orders, Feature)
    assert isinstance(days, Feature)
    made = Combination("orders_a_day", "ratio", orders, days, "number")
    first = shop.build(SUMMER, features=[made, "orders", "active_days"])
    again = shop.build(SUMMER, features=[made, "orders", "active_days"])
    assert again.reused
    assert again.table.equals(first.table)
    ratio = pc.divide(first.table["orders"].cast(pa.float64()), first.table["active_days"].cast(pa.float64()))
    np.testing.assert_array_equal(first.table["orders_a_day"].to_numpy(), ratio.to_numpy())


def test_now_is_when_every_order_was_known(shop: Workspace) -> None:
    """An order that arrives late is in the table of now; one with a year mistyped does not move now to the future."""
    seen = shop.facts(Purpose.SEGMENTATION)
    last = seen.newest()
    lines = seen.warehouse.query("SELECT * FROM order_lines")

    def shown(*times: tuple[datetime, datetime]) -> datetime:
        more = lines.slice(0, len(times)).to_pylist()
        for row, (occurred, available) in zip(more, times, strict=True):
            row |= {"occurred_at": occurred, "available_at": available}
        seen.warehouse.attach("order_lines", pa.concat_tables([lines, pa.Table.from_pylist(more, lines.schema)]))
        return seen.newest()

    minute = timedelta(minutes=1)
    try:
        assert shown() == last == pc.max(lines["occurred_at"]).as_py()
        assert shown((last, last + minute)) == last + minute
        assert shown((datetime(2205, 1, 1), datetime(2205, 1, 1))) == last
        assert shown((last, datetime(2205, 1, 1))) == last
    finally:
        shop.facts(Purpose.SEGMENTATION)  # the views as they were


def test_what_is_kept_of_tables_is_bounded(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "_ROWS", shop.lake.count(SNAPSHOTS) + 500)
    names = ["gap_mean_days"]  # what no other test asks for
    counts = []
    for month in range(5, 10):
        assert not shop.build(f"2025-{month:02d}-01", features=names).reused
        counts.append(shop.lake.count(SNAPSHOTS))
    assert counts[2] < counts[1]  # all were thrown away, and it begins anew
    assert shop.build("2025-09-01", features=names).reused
    assert not shop.build("2025-05-01", features=names).reused
    assert shop.build("2025-05-01", features=names).reused  # and is kept again
    monkeypatch.setattr(published, "_VALUES", 100)
    for _ in range(2):
        assert not shop.build("2025-10-01", features=names).reused


def test_the_command_builds_for_the_rows_of_a_file(copied: Path, tmp_path: Path) -> None:
    rows = "".join(f"c{number},2025-08-01,{number % 2}\n" for number in range(3, 33))
    (tmp_path / "rows.csv").write_text("customer_id,as_of,treated\n" + rows + "0042,2025-08-01,1\n", "utf-8")
    options = ["--shop", str(copied), "--features", "orders,spend", "--outcomes", "churned_90d", "--json"]
    out = tmp_path / "table.parquet"
    done = CliRunner().invoke(app, ["build", *options, "--spine", str(tmp_path / "rows.csv"), "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["features"] == ["orders", "spend"]
    assert answer["outcomes"] == ["churned_90d"]
    assert answer["rows"] == 29
    assert answer["refused"] == {"objected on 2025-03-01": 1, UNKNOWN: 1}
    table = pq.read_table(out)
    assert table.column_names == ["customer_id", "as_of", "treated", "person", "orders", "spend", "churned_90d"]
    assert table.num_rows == 29
    several = ["build", *options, "--as-of", "2025-06-01", "--as-of", "2025-07-01"]
    done = CliRunner().invoke(app, several)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["moments"] == 2
    done = CliRunner().invoke(app, [each for each in several if each != "--json"])
    assert "rows as of 2025-06-30 22:00 UTC and 1 earlier" in done.stdout
    for name, content in (("rows.txt", "x"), ("gone.csv", None), ("bad.parquet", "x")):
        if content is not None:
            (tmp_path / name).write_text(content, "utf-8")
        done = CliRunner().invoke(app, ["build", *options, "--spine", str(tmp_path / name)], catch_exceptions=True)
        assert done.exit_code != 0


def test_goods_are_built_by_name_and_leave_the_shop(shop: Workspace, tmp_path: Path) -> None:
    named = shop.build(SUMMER, per="product", features=["lines_sold_30d"])
    assert named.table.equals(shop.build(SUMMER, features=CATALOGS["product"].select(["lines_sold_30d"])).table)
    every = shop.build(SUMMER, per="category")
    assert {*every.columns, *every.missing} == set(CATALOGS["category"].names)
    with pytest.raises(ParameterError, match="no feature 'lines_sold_30d' of a person, but there is one of product"):
        shop.build(SUMMER, features=["lines_sold_30d"])
    with pytest.raises(ParameterError, match="per must be one of person, product"):
        shop.build(SUMMER, per="shelf")
    wrong: Any
    for wrong in ("orders", [42]):
        with pytest.raises(ParameterError, match="a list of names and definitions"):
            shop.build(SUMMER, features=wrong)
    with pytest.raises(ParameterError, match="outcomes must be a list"):
        shop.build(SUMMER, features=["orders"], outcomes="churned_30d")
    # of a spine's columns only those that name a product leave: nobody can say what the others tell of whom
    sold = named.table["product_id"].to_pylist()[:2]
    spine = pl.DataFrame({"product_id": sold, "buyer": ["a@shop.example", "b@shop.example"]})
    asked = shop.build(SUMMER, per="product", spine=spine, features=["lines_sold_30d"])
    out = shop.write(asked, tmp_path / "sold.parquet", purpose="segmentation")
    assert pq.read_table(out).column_names == ["source", "product_id", "as_of", "lines_sold_30d"]
    with pytest.raises(GateRefusedError, match="no column 'person'"):
        shop.write(named.table, tmp_path / "no.parquet", purpose="segmentation")
    with pytest.raises(GateRefusedError, match="built for personalisation"):
        shop.write(dataclasses.replace(named, purpose="personalisation"), out, purpose="segmentation")


def test_the_command_builds_features_of_goods_by_name(copied: Path, tmp_path: Path) -> None:
    out = tmp_path / "sold.parquet"
    options = ["build", "--shop", str(copied), "--as-of", SUMMER, "--per", "product"]
    done = CliRunner().invoke(app, [*options, "--features", "lines_sold", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["people"] is None
    assert pq.read_table(out).column_names == ["source", "product_id", "as_of", "lines_sold"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"customer_id,as_of\nc\xe9,2025-08-01\n", "not in UTF-8"),
        (b"customer_id,as_of,note\nc1,2025-08-01,\xe9\n", "not in UTF-8"),
        (b"customer_id,as_of\nc1,2025-08-01,7\n", "a row has 3 values, and the first line has 2"),
    ],
)
def test_a_file_of_rows_that_cannot_be_read_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(UnreadableSourceError, match=told):
        read_spine(tmp_path / "rows.csv")


def test_a_file_of_rows_may_have_semicolons_and_gaps(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("customer_id;category;as_of\n0042;NA;\n", "utf-8")
    row = {"customer_id": "0042", "category": "NA", "as_of": None}
    assert read_spine(tmp_path / "rows.csv").to_pylist() == [row]


def test_a_spine_without_rows_is_told(shop: Workspace) -> None:
    with pytest.raises(EmptyShopError, match="The spine has no rows"):
        shop.build(SUMMER, spine=pl.DataFrame({"customer_id": pl.Series([], dtype=pl.String)}), features=["orders"])


def test_a_shop_of_clicks_alone_has_a_newest_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "clicks.csv").write_text("id,visitor,item,at\n1,v,a,2026-01-01\n2,v,a,2026-01-02\n", "utf-8")
    mapping = Mapping.of(
        {
            "source": "site",
            "lawful_basis": {"segmentation": "legitimate interest: we group visitors by what they look at"},
            "read": [
                {
                    "file": "clicks.csv",
                    "to": "event",
                    "kind": "Product Viewed",
                    "id": ["id"],
                    "identify": {"anonymous_id": "visitor"},
                    "fields": {"product_id": "item", "occurred_at": "at"},
                }
            ],
        }
    )
    with coterie.open(tmp_path / "shop", create=True) as clicks:
        clicks.ingest(mapping, tmp_path)
        built = clicks.build(per="product", features=["views_7d"])
        assert built.as_of == datetime(2026, 1, 2)
        assert built.table["views_7d"].to_pylist() == [2]
        with pytest.raises(EmptyShopError, match="bought"):
            clicks.build(features=["product_views_7d"])
