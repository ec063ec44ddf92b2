"""The commands that build features and make segments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, AsOf, Per, Shop, app, open_shop
from coterie.cli.reading import read_spine
from coterie.cli.screen import Screen
from coterie.errors import UsageError


class Method(StrEnum):
    """Ways to make segments."""

    KMEANS = "kmeans"
    WARD = "ward"
    RFM = "rfm"
    GOAL = "goal"
    TASTE = "taste"


class View(StrEnum):
    """What people are grouped by."""

    VALUE = "value"
    ENGAGEMENT = "engagement"
    DEMOGRAPHICS = "demographics"
    COMBINED = "combined"


class Picture(StrEnum):
    """Kinds of files for figures."""

    SVG = "svg"
    PNG = "png"


class Engine(StrEnum):
    """What computes features."""

    DUCKDB = "duckdb"
    SPARK = "spark"


@app.command()
def build(
    shop: Shop = HERE,
    as_of: Annotated[
        list[str] | None,
        typer.Option(
            help="The moment whose past is read: a date (start of that day in the shop's time zone) or a time. Give it "
            "several times for a table of several moments."
        ),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Names with commas between, such as orders,spend_90d.", show_default="all that can be built"),
    ] = None,
    outcomes: Annotated[
        str | None, typer.Option(help="Labels of the days after, such as churned_90d,future_spend_30d.")
    ] = None,
    per: Per = "person",
    spine: Annotated[
        Path | None,
        typer.Option(
            help="A CSV or Parquet file with the rows that are wanted: a column person or an identifier such as "
            "customer_id (or what names a product, a category …), and as_of unless that is an option."
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="What computes them; the answer is the same. Spark needs the extra spark and a Java.")
    ] = Engine.DUCKDB,
    out: Annotated[Path | None, typer.Option(help="Write the table to this Parquet file as well.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build features: of everybody who may be processed, of products, categories …, or of the rows of a file."""
    screen = Screen(as_json=as_json)
    rows = read_spine(spine) if spine is not None else None
    with open_shop(shop) as workspace, screen.progress() as progress:
        built = workspace.build(
            as_of or None,
            features=_names(features) or None,
            outcomes=_names(outcomes),
            per=per,
            spine=rows,
            engine=engine.value,
            progress=progress,
        )
        if out is not None:
            workspace.write(built, out, purpose="segmentation")
    if as_json:
        screen.answer(built.to_json())
    else:
        from coterie.cli.words import feature_table

        feature_table(screen, built)


def _names(text: str | None) -> list[str]:
    """Return the names in a text with commas between."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


By = Annotated[Method, typer.Option(help="How segments are made.")]
Seen = Annotated[
    View, typer.Option(help="What people are grouped by: purchases (value), engagement, demographics, or all three.")
]


@app.command()
def segment(
    shop: Shop = HERE,
    as_of: AsOf = None,
    method: By = Method.KMEANS,
    view: Seen = View.VALUE,
    k: Annotated[int | None, typer.Option(help="How many; chosen by stability when left out.", min=2)] = None,
    horizon: Annotated[
        int, typer.Option(help="Days of future that the report card judges by, and goal segments are grown for.", min=1)
    ] = 91,
    model: Annotated[str | None, typer.Option(help="Assign by this model (or `latest`), without refitting.")] = None,
    merge: Annotated[
        str | None, typer.Option(help="Segments of --model that become one, by id with commas between: 2,3.")
    ] = None,
    split: Annotated[int | None, typer.Option(help="A segment of --model that becomes two, by id.", min=0)] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the HTML report.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder to write every figure to, as a file of its own.")
    ] = None,
    picture: Annotated[Picture, typer.Option("--format", help="What kind of files figures are.")] = Picture.SVG,
    as_json: AsJson = False,
) -> None:
    """Make customer segments, judge them beside naive baselines, name them and publish them."""
    screen = Screen(as_json=as_json)
    merged = [_id(part) for part in _names(merge)]
    with open_shop(shop) as workspace, screen.progress() as progress:
        made = workspace.segment(
            as_of, method=method.value, view=view.value, k=k, horizon_days=horizon, model=model, merge=merged,
            split=split, progress=progress,
        )  # fmt: skip
        path = made.report(report) if report is not None else None
        drawn = made.figures(figures, format=picture.value) if figures is not None else ()
    if as_json:
        told = {"report": str(path) if path else None, "figures": [str(one) for one in drawn]}
        screen.answer({**made.to_json(), **told})
    else:
        from coterie.cli.words import segment_table

        segment_table(screen, made)
        if path:
            screen.say(f"The report: {path}")
        if drawn:
            screen.say(f"Figures: {', '.join(one.name for one in drawn)} in {drawn[0].parent}")


def _id(text: str) -> int:
    """Return the number of a segment."""
    if not text.isdecimal():
        raise UsageError(
            f"--merge: {text!r} is no id of a segment.", hint="ids are whole numbers, as the table has them."
        )
    return int(text)


@app.command()
def assign(
    shop: Shop = HERE,
    as_of: AsOf = None,
    method: By = Method.KMEANS,
    view: Seen = View.VALUE,
    model: Annotated[str, typer.Option(help="The model's id, or the newest.")] = "latest",
    as_json: AsJson = False,
) -> None:
    """Put everybody into the segments of a model that is there, part by part; nothing is fitted. Ctrl-C is safe."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        made = workspace.assign(as_of, method=method.value, view=view.value, model=model, progress=progress)
    if as_json:
        screen.answer(made.to_json())
    else:
        rows = [(number, name, size) for number, (name, size) in enumerate(zip(made.names, made.told, strict=True))]
        screen.table(("id", "segment", "people"), rows)
        screen.say(f"Published as {made.feature} by {made.model_id}, as of {made.as_of:%Y-%m-%d %H:%M} UTC.")
