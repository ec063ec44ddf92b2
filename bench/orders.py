"""Complete Journey and UCI Online Retail: forecasts of the next 91 days, from the shop's own ingest on.

The contenders of ``cdnow.py`` with the same configuration, judged in the same way: the ensemble, Pareto/NBD, BG/NBD and
MBG/NBD with Gamma-Gamma, boosted trees on the catalogue's features, and the naive rules, with paired intervals over
people. Orders of the outcome are days with an order.

``--window june`` (the default) is for choosing: Complete Journey at 2017-06-01, Online Retail at 2011-06-09; ``april``
and ``may`` are earlier still. ``--window september`` is the reported holdout of either shop: it is looked at once for a
commit that is to be published, never while choosing, and goes on record in ``LOOKS.md``.

``python bench/orders.py --shop complete_journey|online_retail [--window june] [--draft]``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import complete_journey
import forecasts
import looks
import online_retail

HORIZON = 91
REPORTED = "september"
WINDOWS = ("april", "may", "june", REPORTED)
MOMENTS = {"complete_journey": complete_journey.MOMENTS, "online_retail": online_retail.MOMENTS}


@contextmanager
def opened(name: str) -> Iterator[Any]:
    """Open a shop in memory with its data in it."""
    import coterie

    if name == "complete_journey":
        with coterie.open(None, name="Complete Journey", currency="USD", timezone="America/New_York") as shop:
            shop.ingest("complete_journey")
            yield shop
    else:
        with coterie.open(None, name="Online Retail", currency="GBP", timezone="Europe/London") as shop:
            shop.ingest("uci_online_retail", online_retail.DATA / "online_retail")
            yield shop


def origin(shop: Any, moment: datetime) -> Any:
    """Return a moment as an origin of forecasts: what was known, what had come true before, and what followed."""
    from coterie.predict.contest.contender import Case
    from coterie.predict.contest.ensemble import label_days
    from coterie.predict.contest.holdout import Origin
    from coterie.schema import Purpose
    from coterie.workspace.cases import Cases

    seen = shop.facts(Purpose.SEGMENTATION)
    cases = Cases(shop, seen, HORIZON)
    now = cases.at([moment])
    days = int(label_days(max(now["T"].to_pylist()), HORIZON))
    earlier = Cases(shop, seen, days)
    then = earlier.at([moment - timedelta(days=days)])
    case = Case(now=now, horizon_days=HORIZON, then=then, outcome=earlier.outcome(then), then_days=days)
    return Origin(name=f"{moment:%Y-%m-%d}", case=case, **cases.outcome(now))


def main(arguments: list[str] | None = None) -> int:
    """Look once, print the tables, record them."""
    parser = argparse.ArgumentParser(description="Forecasts of orders, activity and spend of two real shops.")
    parser.add_argument("--shop", choices=list(MOMENTS), default="complete_journey")
    parser.add_argument("--window", choices=WINDOWS, default="june", help="september is the reported holdout")
    parser.add_argument("--resamples", type=int, default=forecasts.RESAMPLES)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    day = MOMENTS[asked.shop][asked.window]
    configuration = {
        "shop": asked.shop, "window": asked.window, "as_of": f"{day:%Y-%m-%d}", "horizon_days": HORIZON,
        "resamples": asked.resamples,
    }  # fmt: skip
    with looks.look("orders.py", configuration, draft=asked.draft, holdout=asked.window == REPORTED) as taken:
        with opened(asked.shop) as shop:
            known = origin(shop, datetime(day.year, day.month, day.day))
        found = forecasts.judged([known], resamples=asked.resamples)
        shown = forecasts.claims(found)
        taken.figures.update(forecasts.figures(found, shown))
    print(forecasts.markdown(found), end="\n\n")
    print("\n".join(str(claim) for claim in shown))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
