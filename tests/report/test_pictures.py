"""Figures as files: stable names, one for each that there is data for, whole files in both formats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from coterie.errors import ParameterError, StoreError
from coterie.report.pictures import FORMATS, figures_of, write_figures
from coterie.report.segments import SegmentReport
from coterie.segments.words.description import SegmentDescription

Report = Callable[..., SegmentReport]
Described = Callable[..., SegmentDescription]

NAMES = ["sizes", "profile", "map", "tree", "choice", "stability", "worth", "relations", "migration"]


def test_every_figure_has_its_name(full: Report, tmp_path: Path) -> None:
    written = write_figures(full(), tmp_path / "new" / "folder")
    assert [path.name for path in written] == [f"{name}.svg" for name in NAMES]
    assert sorted(tmp_path.glob("new/folder/*")) == sorted(written), "and nothing else is left there"
    for path in written:
        assert ElementTree.fromstring(path.read_text("utf-8")).tag == "{http://www.w3.org/2000/svg}svg"


def test_pictures_are_as_large_as_their_figures_twice(full: Report, tmp_path: Path) -> None:
    gone = {"segments": (), "projection": None, "tree": (), "relations": None, "migrations": (), "evidence": ()}
    report = full(**gone, goal=None, likings=())
    ((vector,), (raster,)) = (write_figures(report, tmp_path, format=format) for format in FORMATS)
    size = ElementTree.fromstring(vector.read_text("utf-8"))
    sides = struct.unpack(">II", raster.read_bytes()[16:24])
    assert list(sides) == [round(2 * float(size.get(side, "nan"))) for side in ("width", "height")]


def test_dark_figures_are_dark(full: Report, tmp_path: Path) -> None:
    light, dark = (
        write_figures(full(), tmp_path / str(dark), dark=dark)[0].read_text("utf-8") for dark in (False, True)
    )
    assert "#fdfcf9" in light
    assert "#fdfcf9" not in dark


@pytest.mark.parametrize(
    ("missing", "gone"),
    [
        ({"projection": None}, {"map"}),
        ({"tree": ()}, {"tree"}),
        ({"evidence": ()}, {"choice"}),
        ({"card": None}, {"stability", "worth"}),
        ({"relations": None}, {"relations"}),
        ({"migrations": (), "moments": ()}, {"migration"}),
    ],
)
def test_what_the_report_has_no_data_for_is_not_written(
    full: Report, missing: dict[str, object], gone: set[str]
) -> None:
    assert set(NAMES) - set(figures_of(full(**missing))) == gone


def test_a_report_without_segments_has_no_figures(full: Report, tmp_path: Path) -> None:
    bare = {"card": None, "evidence": (), "projection": None, "tree": (), "relations": None, "migrations": ()}
    assert write_figures(full(segments=(), people=0, goal=None, likings=(), **bare), tmp_path) == ()


def test_small_groups_are_in_no_figure(full: Report, complete: Described) -> None:
    segments = (*(complete(index) for index in range(5)), complete(5, size=12))
    drawn = figures_of(full(segments=segments))
    assert "Drifted away" not in drawn["profile"]
    assert 'data-segment="5"' not in drawn["map"]
    assert "&lt;50" in drawn["sizes"]


def test_files_are_replaced_whole(full: Report, tmp_path: Path) -> None:
    (tmp_path / "sizes.svg").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_figures(full(), tmp_path)
    assert (tmp_path / "sizes.svg").read_text("utf-8").endswith("</svg>")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_cannot_be_written_is_said(full: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="Cannot write"):
        write_figures(full(), tmp_path / "taken")
    with pytest.raises(ParameterError, match=", ".join(FORMATS)):
        write_figures(full(), tmp_path, format="pdf")  # type: ignore[arg-type]
