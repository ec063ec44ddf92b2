"""The commands that build features and make segments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from coterie.cli.frame import HERE, AsJson, AsOf, Shop, app, open_shop
from coterie.cli.screen import Screen


class Method(StrEnum):
    """Ways to make segments."""

    KMEANS = "kmeans"
    WARD = "ward"
    RFM = "rfm"


@app.command()
def build(
    shop: Shop = HERE,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Write the table to this Parquet file as well.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build every feature that the shop's data allow, for everybody who may be processed."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        built = workspace.build(as_of, progress=progress)
        if out is not None:
            workspace.write(built.table, out, purpose="segmentation")
    if as_json:
        screen.answer(built.to_json())
    else:
        from coterie.cli.words import feature_table

        feature_table(screen, built)


@app.command()
def segment(
    shop: Shop = HERE,
    as_of: AsOf = None,
    method: Annotated[Method, typer.Option(help="How segments are made.")] = Method.KMEANS,
    k: Annotated[int | None, typer.Option(help="How many; chosen by stability when left out.", min=2)] = None,
    horizon: Annotated[int, typer.Option(help="Days of future that the report card judges by.", min=1)] = 91,
    model: Annotated[str | None, typer.Option(help="Assign by this model (or `latest`), without refitting.")] = None,
    report: Annotated[Path | None, typer.Option(help="Where to write the HTML report.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make customer segments, judge them beside naive baselines, name them and publish them."""
    screen = Screen(as_json=as_json)
    with open_shop(shop) as workspace, screen.progress() as progress:
        made = workspace.segment(as_of, method=method.value, k=k, horizon_days=horizon, model=model, progress=progress)
        path = made.report(report) if report is not None else None
    if as_json:
        screen.answer({**made.to_json(), "report": str(path) if path else None})
    else:
        from coterie.cli.words import segment_table

        segment_table(screen, made)
        if path:
            screen.say(f"The report: {path}")
