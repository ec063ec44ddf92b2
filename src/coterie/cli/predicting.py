"""The command that predicts what customers will do."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from coterie.charts.numbers import MISSING, count, money, quantity, ratio, share
from coterie.cli.frame import HERE, AsJson, AsOf, Shop, app, open_shop
from coterie.cli.screen import Screen
from coterie.cli.segmenting import Picture
from coterie.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from coterie.evaluation.intervals import Estimate
    from coterie.workspace.prediction import Prediction
    from coterie.workspace.valuation import Valuation


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
    with open_shop(shop) as workspace, screen.progress() as progress:
        made: Prediction | Valuation
        if what == "value":
            made = workspace.predict(
                "value", as_of, horizon_days=horizon, value_days=value_days, margin=margin,
                discount_rate=discount_rate, model=model, progress=progress,
            )  # fmt: skip
        else:
            made = workspace.predict(what, as_of, horizon_days=horizon, model=model, progress=progress)
        rows = made.people if only is None else _only(made, only)
        path = made.report(report) if report is not None else None
        drawn = made.figures(figures, format=picture.value) if figures is not None else ()
        written = workspace.write(rows, out, purpose=purpose.value) if out is not None else None
    if as_json:
        told = {"report": str(path) if path else None, "figures": [str(one) for one in drawn]}
        screen.answer({**made.to_json(), **told, "written": str(written) if written else None})
    else:
        if what == "value":
            valuation_tables(screen, cast("Valuation", made))
        else:
            prediction_tables(screen, cast("Prediction", made))
        if path:
            screen.say(f"The report: {path}")
        if drawn:
            screen.say(f"Figures: {', '.join(one.name for one in drawn)} in {drawn[0].parent}")
        if written:
            screen.say(f"Written for {purpose}: {written}")


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


def _only(made: Prediction | Valuation, name: str) -> pa.Table:
    """Return the people of one list of advice."""
    import pyarrow.compute as pc  # late: other commands do without

    rows = made.people.filter(pc.equal(made.people["advice"], name))
    if not rows.num_rows:
        there = ", ".join(sorted(set(made.people["advice"].to_pylist())))
        raise UsageError(f"--list: nobody is on a list {name!r}.", hint=f"there are: {there}.")
    return rows


def valuation_tables(screen: Screen, made: Valuation) -> None:
    """Print tiers, lists and their rules, and how forecasts did in the shop's past."""
    told, currency = made.to_json(), made.config.currency

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
    screen.table(("advice", "people", year, "at risk"), lists)
    screen.table(("first rule that fits", "advice", "when"), [(one.name, one.advice, one.when) for one in made.rules])
    names = {
        "orders_gini": "Gini of orders", "active_auc": "AUC of activity", "orders_bias": "bias of orders",
        "spend_gini": "Gini of spend", "spend_bias": "bias of spend",
    }  # fmt: skip
    rows = [
        (row["contender"], *(ratio(row[name][0], places=3) if name in row else MISSING for name in names))
        for row in made.standings()
    ]
    if rows:
        screen.table((f"forecast {made.horizon_days} days ahead in the past", *names.values()), rows)
        screen.say(str(made.backtest and made.backtest["protocol"]))
    screen.lines(list(made.chosen))
    for words in told["warnings"]:
        screen.say(f"Beware: {words}", style="yellow")
    screen.say(f"Published by {made.model_id}, as of {made.as_of:%Y-%m-%d %H:%M} UTC.")


def prediction_tables(screen: Screen, made: Prediction) -> None:
    """Print what is predicted, how well that went in the shop's past, and under which name it is kept."""
    unit, currency = made.target.unit, made.config.currency

    def told(value: object) -> str:
        return quantity(float(value), unit, currency) if isinstance(value, float) else str(value)

    heads = ("class", "people") if made.target.kind == "class" else ("of everybody", made.target.title)
    screen.table(heads, [(name, told(value)) for name, value in made.summary.items()])
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
        screen.say(f"Everybody gets the mean: {made.degraded}", style="yellow")
    screen.say(f"Published as {made.feature} by {made.model_id}, as of {made.as_of:%Y-%m-%d %H:%M} UTC.")


def _figure(estimate: Estimate | None) -> str:
    if estimate is None:
        return MISSING
    return f"{ratio(estimate.value, places=3)} [{ratio(estimate.low, places=3)}, {ratio(estimate.high, places=3)}]"
