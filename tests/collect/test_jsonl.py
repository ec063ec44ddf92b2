"""JSON Lines: every line is a record or kept as broken, whatever stands in it, and nested values are found by paths."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.collect import jsonl
from coterie.collect.sources import first_of, looked_up, stage
from coterie.collect.staged import Staged
from coterie.errors import UnreadableSourceError
from coterie.store.warehouse import Warehouse


def values(warehouse: Warehouse, staged: Staged, *paths: str) -> list[tuple[Any, ...]]:
    """What paths lead to in each row."""
    cells = ", ".join(f"{staged.expression(path)[0]} AS c{at}" for at, path in enumerate(paths))
    found = warehouse.query(f'SELECT {cells} FROM {staged.relation} ORDER BY "#row"').to_pylist()
    return [tuple(row.values()) for row in found]


def numbers(warehouse: Warehouse, staged: Staged) -> list[int]:
    found: list[int] = warehouse.query(f'SELECT "#row" AS n FROM {staged.relation} ORDER BY n')["n"].to_pylist()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALAR = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False) | TEXT
OBJECT = st.dictionaries(st.sampled_from(["a", "b", "A", "#row", "x.y", 'q"', "é", "", "c~/d"]), SCALAR, max_size=5)


def said(value: Any) -> Any:
    """A scalar as text, except that a number with a fraction stays one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, float) else str(value)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OBJECT, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n \t\n"]), st.booleans())
def test_what_was_written_is_read(
    warehouse: Warehouse, path: Path, rows: list[dict[str, Any]], end: str, last: bool
) -> None:
    text = end.join(json.dumps(row, ensure_ascii=bool(len(rows) % 2)) for row in rows) + (end if last else "")
    path.write_text(text, "utf-8", newline="")
    with stage(path, "x") as staged:
        keys = list(dict.fromkeys(key for row in rows for key in row))
        assert set(staged.columns) == set(keys)
        assert set(staged.columns.values()) <= {pa.string()}
        assert numbers(warehouse, staged) == list(range(1, len(rows) + 1))
        assert len(staged.broken) == 0
        for key in keys:
            for [found], row in zip(values(warehouse, staged, key), rows, strict=True):
                expected = said(row.get(key))
                assert (float(found) if isinstance(expected, float) else found) == expected
        raws = warehouse.query(f'SELECT {staged.raw()} AS raw FROM {staged.relation} ORDER BY "#row"')["raw"]
        assert [json.loads(raw) for raw in raws.to_pylist()] == rows


LINE = st.sampled_from([b'{"a": 1}', b"", b"  ", b"[1]", b"{", b'{"a": "\xff"}', b'{"b": "\xc3\xa9"}', b"x"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=8), st.sampled_from([5, 20, 1 << 20]))
def test_any_line_is_a_record_or_broken_and_numbers_have_no_gaps(
    warehouse: Warehouse, path: Path, lines: list[bytes], block: int
) -> None:
    lines = [b'{"a": 0}', *lines]
    path.write_bytes(b"\n".join(lines))
    full = [line for line in lines if line.strip()]
    good = [at for at, line in enumerate(full, 1) if line in (b'{"a": 0}', b'{"a": 1}', b'{"b": "\xc3\xa9"}')]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "BLOCK", block)
        with stage(path, "x") as staged:
            assert numbers(warehouse, staged) == good
            broken = {row["row"]: row["raw"].strip() for row in staged.broken.to_pylist()}
    assert broken == {at: line.strip() for at, line in enumerate(full, 1) if at not in good}


def test_keys_may_come_late_and_types_may_change(
    warehouse: Warehouse, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "BLOCK", 1)
    path.write_text('{"a": 1}\n{"a": {"b": 2}}\n{"a": "x", "late": [1, 2]}\n{"Late": true}\n', "utf-8")
    with stage(path, "x") as staged:
        assert list(staged.columns) == ["a", "late", "Late"]
        assert values(warehouse, staged, "a", "late", "Late", "a.b") == [
            ("1", None, None, None),
            ('{"b":2}', None, None, "2"),
            ("x", "[1,2]", None, None),
            (None, None, "true", None),
        ]


def test_numbers_keep_their_digits(warehouse: Warehouse, path: Path) -> None:
    path.write_text('{"id": 123456789012345678901234567890, "price": 1.005, "nan": NaN, "no": null}\n', "utf-8")
    with stage(path, "x") as staged:
        assert values(warehouse, staged, "id", "price", "nan", "no") == [
            ("123456789012345678901234567890", "1.005", "NaN", None)
        ]


def test_nested_values_are_found_by_paths(warehouse: Warehouse, path: Path) -> None:
    row = {
        "context": {"traits": {"email": "a@x.example"}, "utm.source": "mail"},
        "products": [{"sku": "s1", "price": 9.5}, {"sku": "s2"}],
        "single": {"sku": "s3"},
        "event_params": [
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": "17"}},
            {"key": "flat", "value": "as is"},
            {"name": "note", "value": 5},
        ],
    }
    path.write_text(json.dumps(row) + "\n" + '{"context": "just words", "products": []}\n{"products": null}\n', "utf-8")
    with stage(path, "x") as staged:
        assert values(
            warehouse,
            staged,
            "context.traits.email",
            "context[utm.source]",
            "products[0].sku",
            "products[7].sku",
            "event_params[ga_session_id]",
            "event_params[flat]",
            "event_params[note]",
            "event_params[nothing]",
        ) == [("a@x.example", "mail", "s1", None, "17", "as is", "5", None), (None,) * 8, (None,) * 8]
        lengths = ", ".join(f"LEN({staged.elements(path)}) AS {path[:3]}" for path in ("products", "single", "context"))
        counted = warehouse.query(f'SELECT {lengths} FROM {staged.relation} ORDER BY "#row"').to_pylist()
        assert counted[0] == {"pro": 2, "sin": 1, "con": 1}
        assert [row["pro"] for row in counted[1:]] == [0, None]


def test_a_list_of_objects_and_objects_over_many_lines_are_read_too(warehouse: Warehouse, tmp_path: Path) -> None:
    rows = [{"a": 1, "b": [{"c": "é"}]}, {"a": 2}]
    for name, text in {
        "list.json": json.dumps(rows),
        "pretty.json": json.dumps(rows, indent=2, ensure_ascii=False),
        "marked.json": "\ufeff" + json.dumps(rows, indent=1),
        "list": " \n" + json.dumps(rows),
        "spread.json": "\n".join(json.dumps(row, indent=2) for row in rows),
        "packed.json.gz": json.dumps(rows, indent=2),
    }.items():
        data = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        with stage(tmp_path / name, "x") as staged:
            assert values(warehouse, staged, "a", "b[0].c") == [("1", "é"), ("2", None)], name
    (tmp_path / "wide.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-16")
    with stage(tmp_path / "wide.json", "x") as staged:
        assert values(warehouse, staged, "b[0].c") == [("é",), (None,)]


def test_what_is_no_object_in_a_list_is_broken(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[{"a": 1}, 5, {"a": 2}]', "utf-8")
    with stage(tmp_path / "x.json", "x") as staged:
        assert numbers(warehouse, staged) == [1, 3]
        assert staged.broken.to_pylist() == [{"row": 2, "raw": b"5"}]


@pytest.mark.parametrize("text", ['[{"a": 1}, {"a": 2}', '[{"a": 1}, {"a": ', '[{"a": 1} {"a": 2}]', '{\n "a": 1'])
def test_a_damaged_list_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, "utf-8")
    why = "its JSON is damaged or cut off in record"
    with pytest.raises(UnreadableSourceError, match=why) as caught, stage(path, "x"):
        pass
    assert "one object a line" in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(warehouse: Warehouse, path: Path, encoding: str) -> None:
    path.write_bytes('{"a": "é"}\n{"a": 2}'.encode(encoding))
    with stage(path, "x") as staged:
        assert values(warehouse, staged, "a") == [("é",), ("2",)]


def test_a_long_line_is_a_record_and_one_without_end_is_told(
    warehouse: Warehouse, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text('{"a": 1}\n{"a": "' + "x" * 3_000_000 + '"}\n{"a": 3}', "utf-8")
    monkeypatch.setattr(jsonl, "BLOCK", 1 << 16)
    with stage(path, "x") as staged:
        [(length,)] = (warehouse.query(f"SELECT MAX(LENGTH(a)) AS n FROM {staged.relation}").to_pylist()[0].items(),)
        assert length == ("n", 3_000_000)
    monkeypatch.setattr(jsonl, "LONGEST", 1 << 20)
    with pytest.raises(UnreadableSourceError, match="a line is longer than 1 MiB"), stage(path, "x"):
        pass


def test_many_keys_are_read_and_endlessly_many_are_told(
    warehouse: Warehouse, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "WIDEST", 3)
    path.write_text(json.dumps({f"key {at}": at for at in range(9)}) + "\n", "utf-8")
    with stage(path, "x") as staged:
        assert values(warehouse, staged, *(f"key {at}" for at in range(9))) == [tuple(map(str, range(9)))]
    monkeypatch.setattr(jsonl, "KEYS", 5)
    with pytest.raises(UnreadableSourceError, match="more than 5 different keys"), stage(path, "x"):
        pass


def test_a_packed_file_that_was_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 10_000)[:-9])
    with pytest.raises(UnreadableSourceError, match="its gzip data is damaged or cut off"), stage(path, "x"):
        pass


def test_look_ups_may_chain_and_repeat(warehouse: Warehouse, tmp_path: Path) -> None:
    files = {
        "lines.jsonl": '{"order": 1, "sku": {"id": "p1"}}\n{"order": 2, "sku": {"id": "p9"}}\n',
        "products.csv": "sku,brand,order\np1,b1,never\n",
        "brands.jsonl": '{"brand": "b1", "Name": "Best"}\n{"brand": "b1", "Name": "Second"}\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    with (
        stage(tmp_path / "lines.jsonl", "lines") as lines,
        stage(tmp_path / "products.csv", "products") as products,
        stage(tmp_path / "brands.jsonl", "brands") as brands,
    ):
        others = [(products, (("sku.id", "sku"),)), (first_of(brands, ["brand"]), (("brand", "brand"),))]
        found = looked_up(lines, others)
        assert list(found.columns) == ["order", "sku", "brand", "Name"]
        assert values(warehouse, found, "order", "brand", "Name", "sku.id") == [
            ("1", "b1", "Best", "p1"),
            ("2", None, None, "p9"),
        ]
