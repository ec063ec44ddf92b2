"""The command that predicts what customers will do."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from coterie.charts.numbers import MISSING, count, money, quantity, ratio, share
from coterie.cli.frame import HERE, AsJson, AsOf, Shop, app, open_shop
from coterie.cli.screen import Screen
from coterie.cli.segmenting import Picture
from coterie.errors import CoterieError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from coterie.evaluation.intervals import Estimate
    from coterie.workspace.prediction import Prediction
    from coterie.workspace.valuation import Valuation


_NOTHING_TOLD = "Nothing can be told of groups here without telling of single people (minimum_group in shop.toml)."


class Purpose(StrEnum):
    """What a file is for."""

    SEGMENTATION = "segmentation"
    PERSONALISATION = "personalisation"
    MARKETING = "marketing"
    ADVERTISING = "advertising"


@app.command()
def predict(
    what: Annotated[
        str,
        typer.Argument(
            help="value (orders to come, lifetime value, next order, whom to keep), or a target: churn, purchase, "
            "orders, spend, category, next_category, response, or event:KIND such as event:Product Viewed."
        ),
    ] = "value",
    shop: Shop = HERE,
    as_of: AsOf = None,
    horizon: Annotated[int, typer.Option(help="Days that are looked ahead.", min=1)] = 90,
    value_days: Annotated[int, typer.Option(help="Days that lifetime value is looked ahead.", min=1)] = 365,
    margin: Annotated[float, typer.Option(help="What remains of an amount, as a share: .3 is 30 %.")] = 1.0,
    discount_rate: Annotated[float, typer.Option(help="By which later money counts less, a year.")] = 0.1,
    model: Annotated[str | None, typer.Option(help="Ask this model (or `latest`), without learning anew.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a row a person to this Parquet file, by the gate.")] = None,
    only: Annotated[
        str | None, typer.Option("--list", help="Of value, write only this list: retain, upsell, win back …")
    ] = None,
    purpose: Annotated[
        Purpose, typer.Option(help="What the file is for: decides who may be in it.")
    ] = Purpose.MARKETING,
    report: Annotated[Path | None, typer.Option(help="Where to write the HTML report.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder to write every figure to, as a file of its own.")
    ] = None,
    picture: Annotated[Picture, typer.Option("--format", help="What kind of files figures are.")] = Picture.SVG,
    as_json: AsJson = False,
) -> None:
    """Predict what each customer will do: judged in the shop's past beside naive rules, and published."""
    screen = Screen(as_json=as_json)
    _check_list(what, only, out)
    _check_places(out, report, figures)
    told: dict[str, object] = {"report": None, "figures": [], "written": None, "unwritten": None}
    failed: CoterieError | None = None
    with open_shop(shop) as workspace, screen.progress() as progress:
        if out is not None:
            workspace.gate.sources(purpose.value)  # a purpose without a lawful basis is refused before the work
        made: Prediction | Valuation
        if what == "value":
            made = workspace.predict(
                "value", as_of, horizon_days=horizon, value_days=value_days, margin=margin,
                discount_rate=discount_rate, model=model, progress=progress,
            )  # fmt: skip
        else:
            made = workspace.predict(what, as_of, horizon_days=horizon, model=model, progress=progress)
        try:
            if report is not None:
                told["report"] = str(made.report(report))
            if figures is not None:
                told["figures"] = [str(one) for one in made.figures(figures, format=picture.value)]
            if out is not None:
                rows = made.people if only is None else made.people.filter(_on(made, only))
                if rows.num_rows:
                    told["written"] = str(workspace.write(rows, out, purpose=purpose.value))
                else:
                    told["unwritten"] = f"Nobody is on the list {only!r}: no file was written."
        except CoterieError as error:  # what was predicted is told all the same
            told["unwritten"], failed = error.message, error
    if as_json:
        screen.answer({**made.to_json(), **told})
    else:
        if what == "value":
            valuation_tables(screen, cast("Valuation", made))
        else:
            prediction_tables(screen, cast("Prediction", made))
        _say_files(screen, told, purpose, failed)
    if failed is not None:
        raise failed


def _say_files(screen: Screen, told: dict[str, Any], purpose: Purpose, failed: CoterieError | None) -> None:
    """Say which files there are now."""
    if told["report"]:
        screen.say(f"The report: {told['report']}")
    if drawn := [Path(one) for one in told["figures"]]:
        screen.say(f"Figures: {', '.join(one.name for one in drawn)} in {drawn[0].parent}")
    if told["written"]:
        screen.say(f"Written for {purpose}: {told['written']}")
    if told["unwritten"] and failed is None:
        screen.say(told["unwritten"], style="yellow")


def _check_list(what: str, name: str | None, out: Path | None) -> None:
    """Raise UsageError where a list is asked for that is none, before anything is learnt."""
    if name is None:
        return
    from coterie.predict.advice import ADVICE  # late: other commands do without

    if what != "value":
        raise UsageError("--list: only value has lists.", hint="coterie predict value --list retain --out FILE")
    if name not in ADVICE:
        raise UsageError(f"--list: there is no list {name!r}.", hint=f"there are: {', '.join(ADVICE)}.")
    if out is None:
        raise UsageError("--list: it is not said where to write the list.", hint=f'--list "{name}" --out FILE')


def _check_places(out: Path | None, report: Path | None, figures: Path | None) -> None:
    """Raise UsageError where a file cannot be written, before anything is learnt."""
    for option, path in (("--out", out), ("--report", report), ("--figures", figures)):
        if path is None:
            continue
        place, folder = path.expanduser().resolve(), option == "--figures"
        if place.is_dir() and not folder:
            raise UsageError(f"{option}: {place} is a folder.", hint=f"name a file in it, such as {path / 'FILE'}.")
        if place.exists() and not place.is_dir() and folder:
            raise UsageError(f"{option}: {place} is a file.", hint="name a folder; it is made where there is none.")
        there = next(one for one in (place, *place.parents) if one.exists())
        if there != place and not there.is_dir():
            raise UsageError(f"{option}: {place} cannot be written: {there} is a file.", hint="choose another folder.")
        if not os.access(there, os.W_OK):
            raise UsageError(f"{option}: {there} may not be written to.", hint="choose another place.")


def _on(made: Prediction | Valuation, name: str) -> pa.ChunkedArray:
    """Return who is on a list of advice."""
    import pyarrow.compute as pc  # late: other commands do without

    return pc.equal(made.people["advice"], name)


def valuation_tables(screen: Screen, made: Valuation) -> None:
    """Print tiers, lists and their rules, and how forecasts did in the shop's past."""
    from coterie.report.worth import veiled  # late: other commands do without

    told, currency, least = made.to_json(), made.config.currency, made.config.minimum_group

    def paid(value: float | None) -> str:
        return MISSING if value is None else money(value, currency, compact=True)

    def part(value: float | None) -> str:
        return MISSING if value is None else share(value)

    year = f"value in {made.terms.days} days"
    tiers = [
        (row["tier"], MISSING if row["people"] is None else count(row["people"]), paid(row["value"]),
         part(row["value_share"]), paid(row["value_mean"]), paid(row["at_risk"]))
        for row in told["tiers"]
    ]  # fmt: skip
    if tiers:
        screen.table(("tier", "people", year, "of value", "each", "at risk"), tiers)
    lists = [
        (
            row["advice"],
            MISSING if row["people"] is None else count(row["people"]),
            paid(row["value"]),
            paid(row["at_risk"]),
        )
        for row in told["advice"]
    ]
    if tiers:
        screen.table(("advice", "people", year, "at risk"), lists)
    else:
        screen.say(_NOTHING_TOLD, style="yellow")
    if rules := [(one.name, one.advice, one.when) for one in made.rules]:
        screen.table(("first rule that fits", "advice", "when"), rules)
    names = {
        "orders_gini": "Gini of orders", "active_auc": "AUC of activity", "orders_bias": "bias of orders",
        "spend_gini": "Gini of spend", "spend_bias": "bias of spend",
    }  # fmt: skip
    rows = [
        (row["contender"], *(ratio(row[name][0], places=3) if name in row else MISSING for name in names))
        for row in made.standings()
    ]
    if told["backtest"] is not None:  # of enough people
        screen.table((f"forecast {made.horizon_days} days ahead in the past", *names.values()), rows)
        screen.say(str(told["backtest"]["protocol"]))
    screen.lines([veiled(words, least) for words in made.chosen])
    for words in told["warnings"]:
        screen.say(f"Beware: {words}", style="yellow")
    screen.say(f"Published by {made.model_id}, as of {made.as_of:%Y-%m-%d %H:%M} UTC.")


def prediction_tables(screen: Screen, made: Prediction) -> None:
    """Print what is predicted, how well that went in the shop's past, and under which name it is kept."""
    from coterie.report.worth import veiled  # late: other commands do without

    unit, currency, least = made.target.unit, made.config.currency, made.config.minimum_group

    def told(value: object) -> str:
        return quantity(float(value), unit, currency) if isinstance(value, float) else str(value)

    heads = ("class", "people") if made.target.kind == "class" else ("of everybody", made.target.title)
    if made.summary:
        screen.table(heads, [(name, told(value)) for name, value in made.summary.items()])
    else:
        screen.say(_NOTHING_TOLD, style="yellow")
    if (judged := made.judged) is not None:
        rows = [("learner", _figure(judged.learner)), ("naive rule", _figure(judged.naive))]
        screen.table(("judged by the past", judged.metric), [*rows, ("difference", _figure(judged.gap))])
        if judged.bins:
            bins = [
                (count(one.people), told(one.predicted), told(one.happened.value),
                 f"{told(one.happened.low)} to {told(one.happened.high)}", "yes" if one.holds else "no")
                for one in judged.bins
            ]  # fmt: skip
            screen.table(("people", "predicted", "happened", "interval", "predicted in it"), bins)
        screen.lines([judged.words])
        screen.say(f"Judged: {judged.protocol}. Naive rule: {judged.rule}")
        if judged.bias is not None:
            off = "much" if judged.bias > 0 else "little"
            screen.say(f"Of all together, {share(abs(judged.bias))} too {off} was predicted.")
    if made.by_rule:
        screen.say("The predictions are those of the naive rule.", style="yellow")
    if made.degraded:
        screen.say(f"Everybody gets the mean: {veiled(made.degraded, least)}.", style="yellow")
    for words in made.warnings:
        screen.say(f"Beware: {veiled(words, least)}", style="yellow")
    screen.say(f"Published as {made.feature} by {made.model_id}, as of {made.as_of:%Y-%m-%d %H:%M} UTC.")


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return MISSING
    return f"{ratio(estimate.value, places=3)} [{ratio(estimate.low, places=3)}, {ratio(estimate.high, places=3)}]"
