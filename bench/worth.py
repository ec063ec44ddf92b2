"""Value with the forecast as its first days: is that better than value by the models of purchases alone?

Three shops, near terms of a month to a quarter inside horizons of a quarter to nine months. Judged are what people
brought in the whole horizon, undiscounted, and whether they ordered at all: by Pareto/NBD × Gamma-Gamma alone, by the
ensemble's forecast joined to it (``NearTerm``, as ``predict value`` does), by the forecast and after it the models, by
the forecast stretched to the models' total, and by the naive rules, with paired intervals over people.

Windows that are for choosing end before the reported holdouts begin; ``--window reported`` is looked at once for a
commit that is to be published, never while choosing, and goes on record in ``LOOKS.md``.

``python bench/worth.py [--shop cdnow|complete_journey|online_retail] [--window earlier|reported] [--draft]``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import cdnow
import forecasts
import looks
import orders

SHOPS = ("cdnow", "complete_journey", "online_retail")
WEEKS = {"earlier": ((18, 6, 21), (20, 6, 19), (22, 5, 17)), "reported": ((39, 13, 39),)}
"""Of CDNOW: the origin, the near term and the horizon, in weeks."""
NEAR, HORIZON = 30, 91
"""Of the other two, in days."""
MONTHS = {"earlier": ("april", "may", "june"), "reported": (orders.REPORTED,)}
ALONE, JOINED, FOLLOWED, STRETCHED = (
    "models alone", "joined", "forecast, then models", "forecast stretched to the models' total",
)  # fmt: skip


@dataclass(frozen=True)
class Window:
    """An origin whose outcome is of the whole horizon, and the case from which its near term is forecast."""

    origin: Any
    near: Any


def cdnow_windows(window: str) -> Iterator[Window]:
    """Return those of the music shop."""
    from dataclasses import replace

    reported = window == "reported"
    shop = cdnow.Shop.of(cdnow.purchases(cdnow.HOLDOUT if reported else cdnow.CALIBRATION))
    for week, near, whole in WEEKS[window]:
        soon = shop.origin(7 * week - 1, 7 * near)
        happened = shop.outcome(soon.case.now["person"].to_numpy(), 7 * week - 1, 7 * whole)
        yield Window(replace(soon, case=replace(soon.case, horizon_days=7 * whole), **happened), soon.case)


def shop_windows(name: str, window: str) -> Iterator[Window]:
    """Return those of a shop, from its ingest on."""
    from coterie.predict.contest.contender import Case
    from coterie.predict.contest.ensemble import label_days
    from coterie.predict.contest.holdout import Origin
    from coterie.schema import Purpose
    from coterie.workspace.cases import Cases

    with orders.opened(name) as shop:
        seen = shop.facts(Purpose.SEGMENTATION)
        for month in MONTHS[window]:
            day = orders.MOMENTS[name][month]
            moment = datetime(day.year, day.month, day.day)
            now = Cases(shop, seen, NEAR).at([moment])
            days = int(label_days(max(now["T"].to_pylist()), NEAR))
            earlier = Cases(shop, seen, days)
            then = earlier.at([moment - timedelta(days=days)])
            soon = Case(now=now, horizon_days=NEAR, then=then, outcome=earlier.outcome(then), then_days=days)
            whole = Case(now=now, horizon_days=HORIZON)
            happened = Cases(shop, seen, HORIZON).outcome(now)
            yield Window(Origin(name=f"{moment:%Y-%m-%d}", case=whole, **happened), soon)


def judged(window: Window, *, resamples: int) -> Any:
    """Return the backtest of one window: models alone, joined to the forecast in three ways, and the naive rules."""
    import numpy as np

    from coterie.predict.contest.backtest import backtest
    from coterie.predict.contest.contender import Case, Contender, Forecast
    from coterie.predict.contest.ensemble import Ensemble
    from coterie.predict.contest.naive import naive_rules
    from coterie.predict.lifetime.gamma_gamma import GammaGamma
    from coterie.predict.lifetime.near_term import NearTerm
    from coterie.predict.lifetime.pareto_nbd import ParetoNBD
    from coterie.predict.lifetime.value import CustomerValue

    ensemble, days = Ensemble().fit(window.near), window.near.horizon_days

    class Valued(Contender):
        """Value as the shop tells it, with the forecast of the near term in one of four parts."""

        def __init__(self, name: str) -> None:
            self.name = name

        def fit(self, case: Case) -> Valued:
            self.value = CustomerValue(ParetoNBD(), GammaGamma(), discount_rate=0.0, horizon_days=case.horizon_days)
            self.value.fit(self._histories(case.now))
            return self

        def forecast(self, now: Any) -> Forecast:
            soon = ensemble.forecast(now)
            if self.name == JOINED:
                return self._told(now, near=NearTerm(days, soon.orders, soon.active, np.maximum(soon.spend, 0.0)))
            found = self._told(now)
            if self.name == ALONE:
                return found
            if self.name == FOLLOWED:
                first = self._told(now, horizon_days=days)
                none = np.divide(1 - found.active, 1 - first.active, out=np.ones(len(now)), where=first.active < 1)
                return Forecast(
                    soon.orders + found.orders - first.orders,
                    1 - (1 - soon.active) * none,
                    soon.spend + found.spend - first.spend,
                )
            return Forecast(
                soon.orders * found.orders.sum() / soon.orders.sum(),
                1 - (1 - soon.active) ** (self.value.horizon_days / days),
                soon.spend * found.spend.sum() / soon.spend.sum(),
            )

        def _told(self, now: Any, **options: Any) -> Forecast:
            told = self.value.predict(self._histories(now), intervals=False, first="first_spend", **options)
            return Forecast(*(told[name].to_numpy() for name in ("expected_orders", "active", "value")))

        def _histories(self, table: Any) -> Any:
            kept = table.select(["person", "frequency", "recency", "T", "first_spend"])
            return kept.append_column("spend", table["spend_per_order"])

    rules = naive_rules(window.origin.case)
    contenders = [*(Valued(name) for name in (ALONE, JOINED, FOLLOWED, STRETCHED)), *rules]
    return backtest([window.origin], contenders, baseline=ALONE, count=resamples)


def main(arguments: list[str] | None = None) -> int:
    """Look, print the tables, record them."""
    parser = argparse.ArgumentParser(description="Value joined to a forecast of its first days, on three real shops.")
    parser.add_argument("--shop", choices=SHOPS, default="cdnow")
    parser.add_argument("--window", choices=list(WEEKS), default="earlier", help="reported is the holdout")
    parser.add_argument("--resamples", type=int, default=forecasts.RESAMPLES)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    configuration = {"shop": asked.shop, "window": asked.window, "resamples": asked.resamples}
    with looks.look("worth.py", configuration, draft=asked.draft, holdout=asked.window == "reported") as taken:
        every = cdnow_windows(asked.window) if asked.shop == "cdnow" else shop_windows(asked.shop, asked.window)
        for window in every:
            found = judged(window, resamples=asked.resamples)
            name, days = window.origin.name, window.near.horizon_days
            print(f"\n{name}: {days} days by the ensemble in {window.origin.case.horizon_days:g}\n")
            print(forecasts.markdown(found, JOINED))
            taken.figures[name] = forecasts.figures(found, champion=JOINED)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
