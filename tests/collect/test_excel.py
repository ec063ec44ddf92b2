"""Workbooks are read as a person reads them, and what is no workbook is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from coterie.collect.sources import stage
from coterie.errors import UnreadableSourceError
from coterie.store.warehouse import Warehouse

Cell = tuple[int, int, Any] | tuple[int, int, Any, str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.xlsx"


@pytest.fixture
def write(path: Path) -> Callable[..., None]:
    def make(**sheets: list[Cell]) -> None:
        with xlsxwriter.Workbook(path) as book:
            for name, cells in sheets.items():
                sheet = book.add_worksheet(name)
                for row, column, value, *form in cells:
                    style = [book.add_format({"num_format": each}) for each in form]
                    sheet.write(row, column, value, *style)

    return make


def read(warehouse: Warehouse, path: Path, **how: Any) -> list[dict[str, Any]]:
    with stage(path, "x", **how) as staged:
        found = warehouse.query(f'SELECT * FROM {staged.relation} ORDER BY "#row"').to_pylist()
        assert staged.rows == staged.received == len(found)
        return found


def test_cells_are_read_as_a_person_reads_them(warehouse: Warehouse, path: Path, write: Callable[..., None]) -> None:
    seconds = "yyyy-mm-dd hh:mm:ss"
    cells: list[tuple[Any, ...]] = [
        (17850,),
        (1.005,),
        (0.1 + 0.2,),
        (True,),
        ("00123",),
        (date(2024, 2, 29), "dd/mm/yyyy"),
        (datetime(2024, 2, 29, 10, 30, 15), seconds),
        (time(10, 30), "hh:mm:ss"),
        (timedelta(hours=30, minutes=5), "[h]:mm:ss"),
        ("=1/0",),
        (0.125, "0.0%"),
        ("two\nlines",),
        (123456789012345,),
    ]
    header = [(2, column, f"c{column}") for column in range(1, len(cells) + 1)]
    write(One=[*header, *((4, column, *cell) for column, cell in enumerate(cells, 1)), (7, 1, "last")])
    first, last = read(warehouse, path)
    assert list(first.values()) == [
        *("17850", "1.005", "0.3", "true", "00123", "2024-02-29", "2024-02-29 10:30:15", "10:30:00", "30:05:00"),
        *("0", "0.125", "two\nlines", "123456789012345", 1),  # what Excel has not worked out yet is 0 in the file
    ]
    assert (last["c1"], last["c2"], last["#row"]) == ("last", "", 2)


def test_columns_without_a_name_are_columns_when_they_have_values(
    warehouse: Warehouse, path: Path, write: Callable[..., None]
) -> None:
    write(One=[(0, 0, "a"), (0, 2, "b"), (0, 4, " "), (1, 0, 1), (1, 2, 2), (2, 1, "x")])
    assert read(warehouse, path) == [
        {"a": "1", "column_2": "", "b": "2", "#row": 1},
        {"a": "", "column_2": "x", "b": "", "#row": 2},
    ]


def test_a_sheet_is_chosen_by_name(warehouse: Warehouse, path: Path, write: Callable[..., None]) -> None:
    write(**{"Read me": [(0, 0, "words")], "Orders 2024": [(0, 0, "id"), (1, 0, 7)]})
    assert read(warehouse, path) == []
    assert read(warehouse, path, sheet="Orders 2024") == [{"id": "7", "#row": 1}]
    with (
        pytest.raises(UnreadableSourceError, match="it has no sheet 'orders'") as caught,
        stage(path, "x", sheet="orders"),
    ):
        pass
    assert "'Read me', 'Orders 2024'" in str(caught.value.hint)


def test_packed_workbooks_are_unpacked(warehouse: Warehouse, path: Path, write: Callable[..., None]) -> None:
    write(One=[(0, 0, "id"), (1, 0, 7)])
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read(warehouse, path) == [{"id": "7", "#row": 1}]


def test_what_cannot_be_read_is_said(path: Path, write: Callable[..., None]) -> None:
    write(Empty=[], Twice=[(0, 0, "id"), (0, 1, "Id")])
    with pytest.raises(UnreadableSourceError, match="its sheet 'Empty' is empty"), stage(path, "x"):
        pass
    twice = stage(path, "x", sheet="Twice")
    with pytest.raises(UnreadableSourceError, match="its header names 'Id', 'id' more than once"), twice:
        pass
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnreadableSourceError, match="zip archive and no workbook, or damaged"), stage(path, "x"):
        pass


def test_a_real_workbook_is_read(warehouse: Warehouse, published: Callable[[str], Path]) -> None:
    path = published("ecommerce_churn/E Commerce Dataset.xlsx")
    with stage(path, "x", sheet="E Comm") as staged:
        assert (staged.rows, len(staged.columns)) == (5630, 20)
        found = warehouse.query(f"SELECT * FROM {staged.relation} LIMIT 1").to_pylist()[0]
    assert (found["CustomerID"], found["CashbackAmount"], found["Tenure"]) == ("50001", "159.93", "4")
