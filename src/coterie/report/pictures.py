"""The report's figures as files of their own, for slides and documents: SVG, or PNG where that is all that is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from coterie.charts.drawing import stack, standalone
from coterie.charts.raster import png
from coterie.errors import ParameterError, StoreError
from coterie.report import figures, judgement, neighbours
from coterie.report.segments import SegmentReport
from coterie.segments import drawings
from coterie.segments.disclosure import Disclosure

Format = Literal["svg", "png"]
FORMATS: tuple[Format, ...] = ("svg", "png")


def write_figures(
    report: SegmentReport, folder: str | Path, *, format: Format = "svg", dark: bool = False
) -> tuple[Path, ...]:
    """Write every figure that a report has into a folder, and return where they lie.

    Figures keep the report's rules for small groups. Each is a file that needs nothing else; PNG files are twice as
    large in pixels as the figure.

    Parameters
    ----------
    report
        What the figures are of.
    folder
        Is made where it is not there yet; files of the same names are replaced, others are left alone.
    format
        ``svg`` or ``png``.
    dark
        Whether to take the colours for dark pages.

    Returns
    -------
    tuple of Path
        ``sizes``, ``profile``, ``map``, ``tree``, ``choice`` (stability by number of segments), ``stability`` (of each
        segment), ``worth``, ``relations``, ``migration``, in this order; without those that the report has no data for.

    Raises
    ------
    ParameterError
        The format is not known.
    StoreError
        A file cannot be written.
    """
    return write_all(figures_of(report), folder, format=format, dark=dark)


def write_all(
    named: Mapping[str, Markup], folder: str | Path, *, format: Format = "svg", dark: bool = False
) -> tuple[Path, ...]:
    """Write figures by name into a folder, and return where they lie; as :func:`write_figures`."""
    if format not in FORMATS:
        raise ParameterError.of("write_figures", "format", format, f"one of {', '.join(FORMATS)}")
    into = Path(folder).expanduser().resolve()
    written = []
    for name, drawn in named.items():
        body = png(drawn, dark=dark) if format == "png" else standalone(drawn, dark=dark).encode()
        target = into / f"{name}.{format}"
        try:
            into.mkdir(parents=True, exist_ok=True)
            half = target.with_name(f".{target.name}.new")
            half.write_bytes(body)
            half.replace(target)
        except OSError as error:
            raise StoreError(f"Cannot write {target}: {error.strerror or error}.") from error
        written.append(target)
    return tuple(written)


def figures_of(report: SegmentReport) -> Mapping[str, Markup]:
    """Return every figure that a report has, by name, as wide as a desk allows."""
    disclosure = Disclosure.of(report.segments, report.minimum_group)
    wide = {
        "sizes": figures.overview(report.segments, report.currency, disclosure),
        "profile": figures.profile(report.segments, disclosure),
        "map": figures.plane(report.projection, report.segments, disclosure),
        "tree": drawings.tree(report.tree, disclosure),
        "choice": judgement.choice(report.evidence, len(report.segments), disclosure),
        "relations": neighbours.relations(report.relations, report.segments, disclosure),
        "migration": drawings.migrations(report.migrations, report.days, report.minimum_group),
    }
    found = {name: drawn.wide for name, drawn in wide.items() if drawn is not None}
    if (stability := judgement.stability(report.card, report.segments, disclosure)) is not None:
        found["stability"] = stability
    if panels := drawings.worth(report.card):
        found["worth"] = stack(panels, title="What the segments tell of the future")
    order = ("sizes", "profile", "map", "tree", "choice", "stability", "worth", "relations", "migration")
    return {name: found[name] for name in order if name in found}
