"""Records are read the same wherever blocks end and whichever parser reads them, and what is plain is read fast."""

from __future__ import annotations

import csv
import io
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.collect import records
from coterie.collect.records import Records
from oracles import csv_records

Found = tuple[list[str], list[tuple[int, list[str]]], list[tuple[int, str]]]


def read(text: str, delimiter: str = ",") -> Found:
    """The header, the records and the broken lines of a text."""
    reader = Records(io.StringIO(text, newline=""), delimiter)
    header = reader.header()
    good: list[tuple[int, list[str]]] = []
    broken: list[tuple[int, str]] = []
    for table, numbers, bad in reader.parts([f"c{number}" for number in range(len(header))]):
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        good += [(number, list(row)) for number, row in zip(numbers.to_pylist(), rows, strict=True)]
        broken += bad
    return header, good, broken


def slowly(monkeypatch: pytest.MonkeyPatch, text: str, delimiter: str = ",") -> Found:
    """The same by Python's parser alone."""
    with monkeypatch.context() as patch:
        patch.setattr(records, "_plain", lambda *_, **__: 0)
        return read(text, delimiter)


# Cells as shops write them and as they should not: bare quotes, words after a closing quote, quotes never closed.
PLAIN = st.sampled_from(["", " ", "7", "a b", "é", "\ufeff", "\x0b", "\x85", "\u2028", "'"])
QUOTED = st.sampled_from(['""', '"a"', '"a,b;c"', '"""a"""', '""""', '"a\nb"', '"a\r\nb"', '"\n\n"', '"é"'])
BROKEN = st.sampled_from(['5" pipe', '"', '"a', 'a"', '"a"b', '"a""', '"a\rb"', '"a\r\r\rb"', "\x00", '"\n', "a\rb"])
LINE = st.lists(st.one_of(PLAIN, PLAIN, QUOTED), min_size=3, max_size=3)
ODD = st.lists(st.one_of(PLAIN, QUOTED, BROKEN), min_size=0, max_size=4)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, str]:
    """A text whose header has three columns, and its delimiter."""
    delimiter = draw(st.sampled_from([",", ",", ";", "\t", "§"]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    lines = draw(st.lists(st.one_of(LINE, LINE, LINE, ODD), max_size=14))
    last = draw(st.sampled_from(["", end]))
    return delimiter.join("abc") + end + end.join(map(delimiter.join, lines)) + last, delimiter


@settings(max_examples=200, deadline=None)
@given(texts(), st.sampled_from([1, 5, 16, 64, 1 << 20]), st.sampled_from([2, 3, 500]))
def test_both_parsers_read_any_text_as_the_naive_twin_does(written: tuple[str, str], block: int, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK", block)
        patch.setattr(records, "RECORD_LINES", longest)
        expected = csv_records.records(*written, longest)
        assert read(*written) == expected
        assert slowly(patch, *written) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from('ab,"\n\r\ufeff\x00'), max_size=50), st.integers(1, 20), st.sampled_from(["a\n", "a,b\n"])
)
def test_so_do_they_with_any_letters_at_all(rest: str, block: int, head: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK", block)
        patch.setattr(records, "RECORD_LINES", 4)
        assert read(head + rest) == csv_records.records(head + rest, ",", 4)


@pytest.mark.parametrize(
    "body",
    [
        'x,"a ""b"", c"\n' * 3,
        '"x","two\nlines"\r\n\r\n"","y"\r\n',
        'x,5" pipe\n6" bolt,y\n',
        "x,é\ny,\ufeff",
        'x," a "\n' * 150_000,
    ],
    ids=["doubled", "lines", "inches", "letters", "long"],
)
def test_what_is_plain_is_read_fast(monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    expected = slowly(monkeypatch, "a,b\n" + body)
    judged: list[str] = []
    monkeypatch.setattr(records, "_judged", lambda text, *_, **__: judged.append(text) or ([], [], [], ""))
    assert read("a,b\n" + body) == expected
    assert "".join(judged) == ""


@pytest.mark.parametrize("bad", ["7", "7,8,9,10", '7,"8,9', '7,"8"9,10', "7,\x008,9"])
def test_a_line_that_is_broken_late_in_a_long_file_costs_its_block_alone(
    monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    lines = [f'{number},"say ""{number}""","two\nlines"' for number in range(30_000)]
    lines[25_000] = bad
    text = "a,b,c\n" + "\n".join(lines)
    monkeypatch.setattr(records, "BLOCK", 1 << 16)
    judged: list[int] = []
    judge = records._judged

    def watched(text: str, *how: Any, **more: Any) -> Any:
        judged.append(len(text))
        return judge(text, *how, **more)

    monkeypatch.setattr(records, "_judged", watched)
    found = read(text)
    assert 0 < sum(judged) < 3 * records.BLOCK < len(text)
    assert found == csv_records.records(text, ",", records.RECORD_LINES)
    assert [number for number, _ in found[2]] == ([] if "\x00" in bad else [25_001])


def test_a_value_too_long_for_one_parser_is_broken_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (csv.field_size_limit(), csv.field_size_limit() + 1, 3 * records.BLOCK):
        text = f"a,b\n1,x\n2,{'y' * size}\n3,z\n"
        assert read(text) == slowly(monkeypatch, text) == csv_records.records(text, ",", records.RECORD_LINES)


def test_no_text_is_looked_at_again_and_again() -> None:
    """A line without end is read in ever longer pieces."""

    class Watched(io.StringIO):
        reads = 0

        def read(self, size: int | None = -1) -> str:
            self.reads += 1
            return super().read(size)

    file = Watched("a,b\n" + "x" * (40 * records.BLOCK), newline="")
    reader = Records(file, ",")
    assert len([bad for *_, found in reader.parts(reader.header()) for bad in found]) == 1
    assert file.reads <= 9


def test_many_random_lines_are_read_as_the_naive_twin_does() -> None:
    chance = random.Random(5)
    cells = ["", "7", '"a"', '"a,b"', '"a\nb"', '5" pipe', '"a', 'a"', '"a"b']
    lines = (",".join(chance.choices(cells, [9, 9, 9, 9, 9, 1, 1, 1, 1], k=3)) for _ in range(20_000))
    text = "a,b,c\n" + "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK", 300)
        assert read(text) == csv_records.records(text, ",", records.RECORD_LINES)
