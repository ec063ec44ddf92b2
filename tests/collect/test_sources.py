"""Files are read exactly, what is broken in them is kept, and what cannot be read is said precisely."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect.records import RECORD_LINES
from coterie.collect.sources import digest, find, stage
from coterie.errors import MissingColumnError, UnreadableSourceError
from coterie.store.warehouse import Warehouse


def read(warehouse: Warehouse, path: Path, **how: Any) -> tuple[list[tuple[Any, ...]], list[tuple[int, bytes]]]:
    """The rows of a file, each with its number first, and its broken records."""
    with stage(path, path.name, **how) as staged:
        names = ", ".join(f'"{name}"' for name in ("#row", *staged.columns))
        rows = warehouse.query(f'SELECT {names} FROM {staged.relation} ORDER BY "#row"').to_pylist()
        assert len(rows) == staged.rows
        assert staged.received == staged.rows + len(staged.broken)
        return [tuple(row.values()) for row in rows], [tuple(row.values()) for row in staged.broken.to_pylist()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


# Lines without any text are no rows, and a quote may span only so many lines.
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(CELL, CELL, CELL), max_size=12),
    st.sampled_from([",", ";", "\t"]),
    # Of what is not quoted, the writer of Python 3.11 leaves a lone carriage return bare unless lines end in one.
    st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
)
def test_what_was_written_is_read(
    warehouse: Warehouse, path: Path, rows: list[tuple[str, str, str]], delimiter: str, style: tuple[str, int]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=style[0], quoting=style[1])  # type: ignore[arg-type]
    writer.writerows([("a", "b", "c"), *rows])
    path.write_bytes(text.getvalue().encode())
    found, broken = read(warehouse, path, delimiter=delimiter)
    assert found == [(number, *row) for number, row in enumerate(rows, 1)]
    assert broken == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('ab,"\n\r;é'), max_size=60))
def test_no_text_is_lost_and_numbers_have_no_gaps(warehouse: Warehouse, path: Path, text: str) -> None:
    path.write_bytes(b"a,b\n" + text.encode())
    found, broken = read(warehouse, path)
    assert sorted([row[0] for row in found] + [row[0] for row in broken]) == list(
        range(1, len(found) + len(broken) + 1)
    )
    kept = "".join("".join(row[1:]) for row in found) + b"".join(raw for _, raw in broken).decode()
    assert {letter: kept.count(letter) for letter in "abé;"} == {letter: text.count(letter) for letter in "abé;"}


def test_newlines_in_quotes_belong_to_the_value(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes(b'id,note\r\n1,"two\r\nlines, and a ""quote"""\r\n2,plain\r\n')
    assert read(warehouse, path) == ([(1, "1", 'two\r\nlines, and a "quote"'), (2, "2", "plain")], [])


def test_lines_that_do_not_fit_are_kept_as_they_are(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes(b'id,note\n1,a\n2,b,c\n\n3\n4,"x"y\n5,5" pipe\n')
    found, broken = read(warehouse, path)
    assert found == [(1, "1", "a"), (5, "5", '5" pipe')]
    assert broken == [(2, b"2,b,c\n"), (3, b"3\n"), (4, b'4,"x"y\n')]


def test_one_stray_quote_costs_one_row(warehouse: Warehouse, path: Path) -> None:
    lines = [f"{number},note" for number in range(3 * RECORD_LINES)]
    lines[7] = '7,"never closed'
    path.write_text("\n".join(["id,note", *lines]), "utf-8")
    found, broken = read(warehouse, path)
    assert broken == [(8, b'7,"never closed\n')]
    assert len(found) == len(lines) - 1


def test_a_byte_order_mark_is_no_part_of_a_name(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes("\ufeffid,note\n1,ü\n".encode())
    with stage(path, "x") as staged:
        assert list(staged.columns) == ["id", "note"]


def test_another_encoding_is_read_when_it_is_named(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes("id;town\n1;Köln\n2;a;ü\n".encode("latin-1"))
    found, broken = read(warehouse, path, encoding="latin-1", delimiter=";")
    assert found == [(1, "1", "Köln")]
    assert broken == [(2, "2;a;ü\n".encode("latin-1"))]


@pytest.mark.parametrize("before", [0, 10, 200_000])
def test_the_first_byte_that_is_not_utf_8_is_named(path: Path, before: int) -> None:
    head = b"id,town\n" + "1,Zürich\n".encode() * before
    path.write_bytes(head + b"2,K\xf6ln\n")
    line, place = before + 2, len(head) + 3
    where = f"byte {place:,} in line {line:,} .0xf6. is not utf-8"
    with pytest.raises(UnreadableSourceError, match=where) as caught, stage(path, "x"):
        pass
    assert 'encoding = "latin-1"' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "it has no header"),
        (b"PK\x03\x04....", "it is a zip archive"),
        (b"\x1f\x8b......", "compressed with gzip"),
        (b"id,ID\n1,2\n", "its header names 'ID', 'id' more than once"),
        (b"PAR1 and then nothing", "damaged or cut off"),
        (b"id\n\xc3", "byte 3 in line 2|in the middle of a character"),
    ],
)
def test_what_cannot_be_read_is_said(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    with pytest.raises(UnreadableSourceError, match=why) as caught, stage(path, "x"):
        pass
    assert str(path) in caught.value.message


def test_a_header_alone_is_a_file_without_rows(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes(b"id,note\n")
    assert read(warehouse, path) == ([], [])


def test_parquet_is_read_with_its_types_and_numbers(warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "a[b]*.parquet"
    pq.write_table(pa.table({"id": [1, 2], "x": [0.5, None]}), path)
    assert read(warehouse, path) == ([(1, 1, 0.5), (2, 2, None)], [])


def test_a_parquet_file_that_was_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableSourceError, match="cut off"), stage(path, "x"):
        pass


def test_a_missing_column_is_named_with_its_neighbour(path: Path) -> None:
    path.write_bytes(b"order_id,total\n")
    with stage(path, "orders.csv") as staged, pytest.raises(MissingColumnError) as caught:
        staged.require(["order_id", "totl"])
    assert "orders.csv has no column 'totl'" in caught.value.message
    assert "'total'" in str(caught.value.hint)


def test_files_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text("x", "utf-8")
    assert [path.name for path in find(tmp_path, "*.csv")] == ["a.csv", "b.csv"]
    with pytest.raises(UnreadableSourceError, match="no such file") as caught:
        find(tmp_path, "d.csv")
    assert "a.csv" in str(caught.value.hint)
    with pytest.raises(UnreadableSourceError, match="no such folder"):
        find(tmp_path / "nowhere", "*.csv")
    assert digest(tmp_path / "a.csv") == digest(tmp_path / "b.csv")
