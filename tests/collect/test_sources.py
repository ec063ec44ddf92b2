"""Files are read exactly, what is broken in them is kept, and what cannot be read is said precisely."""

from __future__ import annotations

import csv
import gzip
import io
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect.records import RECORD_LINES
from coterie.collect.sources import digest, find, stage
from coterie.errors import MappingError, MissingColumnError, StoreError, UnreadableSourceError
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
        (b"\x1f\x8b......", "its gzip data is damaged or cut off"),
        (b"(\xb5/\xfd......", "its zstd data is damaged or cut off"),
        (b"\xd0\xcf\x11\xe0....", "the workbook is damaged or cut off"),
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


def test_numbers_in_names_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    names = ["orders-10.csv", "orders-2.csv", "orders-1.csv", "orders-02.csv", "Orders-3.csv", "._orders-1.csv"]
    for name in names:
        (tmp_path / name).write_text("x", "utf-8")
    found = [path.name for path in find(tmp_path, "*.csv")]
    assert found == ["Orders-3.csv", "orders-1.csv", "orders-02.csv", "orders-2.csv", "orders-10.csv"]
    assert [path.name for path in find(tmp_path, "._*.csv")] == ["._orders-1.csv"]


def test_folders_at_any_depth_are_searched_linked_ones_too(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for path in (data / "a.csv", data / "x" / "y" / "b.csv", elsewhere / "c.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", "utf-8")
    (data / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(data)  # a circle ends where it began
    assert [path.relative_to(data).as_posix() for path in find(data, "**/*.csv")] == [
        "a.csv",
        "linked/c.csv",
        "x/y/b.csv",
    ]
    assert [path.name for path in find(data, "x/**/*.csv")] == ["b.csv"]
    assert [path.name for path in find(data, "linked/c.csv")] == ["c.csv"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    with pytest.raises(UnreadableSourceError, match="it is a folder") as caught:
        find(tmp_path, "orders")
    assert '"orders/*"' in str(caught.value.hint)
    with pytest.raises(UnreadableSourceError, match="it is a folder"), stage(tmp_path / "orders", "orders"):
        pass
    with pytest.raises(UnreadableSourceError, match="not inside the folder"):
        find(tmp_path, "/etc/passwd")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Files are read as somebody without rights, also when the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_what_may_not_be_read_is_told() -> None:
    with TemporaryDirectory(prefix="coterie-") as scratch:  # nobody may enter pytest's own
        folder = Path(scratch)
        folder.chmod(0o755)
        secret, closed = folder / "secret.csv", folder / "closed"
        secret.write_text("id\n1\n", "utf-8")
        closed.mkdir()
        secret.chmod(0)
        closed.chmod(0)
        try:
            with as_nobody():
                why = r"secret\.csv: Permission denied"
                with pytest.raises(UnreadableSourceError, match=why), stage(secret, "x"):
                    pass
                with pytest.raises(UnreadableSourceError, match=why):
                    digest(secret)
                with pytest.raises(UnreadableSourceError, match="closed: Permission denied"):
                    find(folder, "**/*.csv")
        finally:
            closed.chmod(0o755)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "two": lambda data: gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :]),
    "zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
}


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_files_are_unpacked_on_the_way(warehouse: Warehouse, tmp_path: Path, packing: str) -> None:
    text = b"id,note\n" + b"".join(b"%d,note %d\n" % (number, number) for number in range(30_000)) + b"1,2,3\n"
    plain, packed = tmp_path / "plain.csv", tmp_path / "packed"
    plain.write_bytes(text)
    packed.write_bytes(PACKERS[packing](text))
    assert read(warehouse, packed) == read(warehouse, plain)
    pq.write_table(pa.table({"id": [1, 2]}), plain)
    packed.write_bytes(PACKERS[packing](plain.read_bytes()))
    assert read(warehouse, packed) == ([(1, 1), (2, 2)], [])


@pytest.mark.parametrize("packing", ["gz", "zst"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 1.0])
def test_a_packed_file_that_was_cut_off_is_told(tmp_path: Path, packing: str, share: float) -> None:
    packed = PACKERS[packing](b"id,note\n" + os.urandom(100_000).hex().encode())
    path = tmp_path / f"orders.csv.{packing}"
    path.write_bytes(packed[: max(12, int((len(packed) - 1) * share))])
    with pytest.raises(UnreadableSourceError, match="data is damaged or cut off") as caught, stage(path, "x"):
        pass
    assert str(path) in caught.value.message
    assert caught.value.hint == "copy it again."


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(warehouse: Warehouse, path: Path, encoding: str) -> None:
    path.write_bytes("id;town\n1;Köln\n2;a;ü\n".encode(encoding))
    raw = "2;a;ü\n".encode({"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding])
    for said in ("utf-8", "latin-1"):
        assert read(warehouse, path, delimiter=";", encoding=said) == ([(1, "1", "Köln")], [(2, raw)])


def test_an_unknown_encoding_is_told(path: Path) -> None:
    path.write_bytes(b"id\n")
    with pytest.raises(MappingError, match="There is no encoding 'utf-9'"), stage(path, "x", encoding="utf-9"):
        pass


@pytest.mark.parametrize(
    ("header", "given", "hint"),
    [
        (b"order;total;town", ",", 'delimiter = ";"'),
        (b"order\ttotal", ",", 'delimiter = "\\t"'),
        (b"order|total", ";", 'delimiter = "|"'),
        (b"order,total", ";", 'delimiter = ","'),
    ],
)
def test_an_evidently_wrong_delimiter_is_told(path: Path, header: bytes, given: str, hint: str) -> None:
    path.write_bytes(header + b"\n1;2;3\n")
    with pytest.raises(UnreadableSourceError, match="has one column") as caught, stage(path, "x", delimiter=given):
        pass
    assert hint in str(caught.value.hint)


def test_zeros_and_newlines_inside_values_are_kept(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes(b'id,note\n1,a\x00b\n2,"one\n\ntwo\x00"\n')
    assert read(warehouse, path) == ([(1, "1", "a\x00b"), (2, "2", "one\n\ntwo\x00")], [])


def test_a_column_may_change_its_type_at_any_line(warehouse: Warehouse, path: Path) -> None:
    path.write_bytes(b"id,x\n1,1\n2,1.5\n3,one\n4,\n5,2024-01-01\n")
    assert [row[2] for row in read(warehouse, path)[0]] == ["1", "1.5", "one", "", "2024-01-01"]


def test_ten_thousand_columns_are_read(warehouse: Warehouse, path: Path) -> None:
    names = [f"c{number}" for number in range(10_000)]
    lines = [",".join(f"{line}{number}" for number in range(10_000)) for line in range(30)]
    path.write_text("\n".join([",".join(names), *lines]), "utf-8")
    with stage(path, "x") as staged:
        assert list(staged.columns) == names
        found = warehouse.query(f'SELECT "#row", c0, c9999 FROM {staged.relation} ORDER BY "#row"').to_pylist()
    assert found == [{"#row": line + 1, "c0": f"{line}0", "c9999": f"{line}9999"} for line in range(30)]


def test_columns_of_parquet_with_names_alike_are_refused(path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "ID": [2]}), path)
    with pytest.raises(UnreadableSourceError, match="its header names 'ID', 'id' more than once"), stage(path, "x"):
        pass


def test_nested_parquet_is_read_by_paths(warehouse: Warehouse, path: Path) -> None:
    value = pa.struct({"string_value": pa.string(), "int_value": pa.int64(), "double_value": pa.float64()})
    schema = pa.schema(
        {
            "event_params": pa.list_(pa.struct({"key": pa.string(), "value": value})),
            "ecommerce": pa.struct({"transaction_id": pa.string(), "tax": pa.float64()}),
            "items": pa.list_(pa.struct({"item_id": pa.string(), "price": pa.float64(), "at": pa.timestamp("us")})),
            "payload": pa.string(),
        }
    )
    rows = [
        {
            "event_params": [
                {"key": "ga_session_id", "value": {"int_value": 9_007_199_254_740_993}},
                {"key": "page", "value": {"string_value": "it's"}},
                {"key": "score", "value": {"double_value": 7.0}},
            ],
            "ecommerce": {"transaction_id": "T1", "tax": 2.0},
            "items": [{"item_id": "a", "price": 9.5}, {"item_id": None}],
            "payload": '{"a": {"b": [1, 2.5]}}',
        },
        {"event_params": [], "ecommerce": None, "items": [], "payload": "no JSON"},
        {"event_params": None, "ecommerce": {"transaction_id": None}, "items": None, "payload": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), path)

    def values(staged: Any, sql: str) -> list[Any]:
        answer = warehouse.query(f'SELECT {sql} AS v FROM {staged.relation} AS here ORDER BY "#row"')
        found: list[Any] = answer["v"].to_pylist()
        return found

    with stage(path, "x") as staged:

        def of(name: str) -> list[Any]:
            sql, kind = staged.expression(name, "here.")
            assert kind == pa.string()
            return values(staged, sql)

        assert of("event_params[ga_session_id]") == ["9007199254740993", None, None]
        assert of("event_params[page]") == ["it's", None, None]
        assert of("event_params[page].string_value") == ["it's", None, None]
        assert of("event_params[score]") == ["7", None, None]
        assert of("event_params[nothing]") == of("ecommerce.nothing") == of("items.item_id") == [None] * 3
        assert of("ecommerce.transaction_id") == ["T1", None, None]
        assert of("ecommerce.tax") == ["2", None, None]
        assert of("items[0].price") == ["9.5", None, None]
        assert of("payload.a.b[1]") == ["2.5", None, None]
        assert of("payload.a") == ['{"b":[1,2.5]}', None, None]
        assert of("ecommerce")[0] == '{"transaction_id":"T1","tax":2.0}'
        assert values(staged, f"LEN({staged.elements('items')})") == [2, 0, None]
        assert values(staged, f"LEN({staged.elements('payload.a.b', 'here.')})") == [2, None, None]
        assert staged.has("items[0].price")
        assert not staged.has("nothing.at.all")
        with pytest.raises(MissingColumnError, match=r"no column 'item\.id'"):
            staged.expression("item.id")


def test_a_full_disk_is_told(path: Path) -> None:
    path.write_text("id,note\n" + "".join(f"{number},{number * 7919}\n" for number in range(100_000)), "utf-8")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(StoreError, match="Cannot write temporary files") as caught, stage(path, "x"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "TMPDIR" in str(caught.value.hint)
