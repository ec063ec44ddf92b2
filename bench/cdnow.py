"""CDNOW in full: 23,570 people who joined an online music shop in a quarter, 39 weeks to learn from, 39 to forecast.

Judged are the ensemble, which is what a shop forecasts by unless told otherwise, Pareto/NBD, BG/NBD and MBG/NBD with
Gamma-Gamma, boosted trees, and the naive rules, with paired intervals over people. Purchases of one day are one; orders
of the outcome are days with a purchase, spend is what was paid.

``--window inside`` (the default) is for choosing: origins and horizons that end within the first 39 weeks; nothing
later is read. ``--window holdout`` is the published split of 1997-09-30, the reported holdout: it is looked at once for
a commit that is to be published, never while choosing, and goes on record in ``LOOKS.md``. Earlier moments with a
whole horizon after them do not exist there; rankings are learnt from a third of the past (``label_days``).

``python bench/cdnow.py [--origins 20 23 26 --weeks 13] [--draft]``; ``COTERIE_DATA`` names the folder of the data.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import forecasts
import looks

DATA = Path(os.environ.get("COTERIE_DATA") or Path(__file__).parents[2] / "shared" / "data")
CALIBRATION = 272  # days after 1997-01-01: 1997-09-30
HOLDOUT = 545  # 1998-06-30
KNOWN_BIAS = 0.14  # of BG/NBD on this split
BEST_KNOWN = {
    "gini of orders": 0.685, "rmse of orders": 1.706, "bias of orders": 0.009, "auc of active": 0.773,
    "gini of spend": 0.719,
}  # fmt: skip
"""Each the best that is known of any method, not all of one."""
RECENT = (30, 91)


def purchases(until: int, folder: Path = DATA / "cdnow") -> Any:
    """Return purchases up to a day: ``person``, ``day`` (days after 1997-01-01), ``amount`` (cents), ``units``.

    Later rows are dropped where they are read.
    """
    import pyarrow as pa

    rows = []
    for line in (folder / "CDNOW_master.txt").read_text("ascii").splitlines()[1:]:
        person, date, units, amount = line.split()
        day = _day(date)
        if day <= until:
            rows.append((int(person), day, round(100 * float(amount)), int(units)))
    names = ("person", "day", "amount", "units")
    return pa.table({name: pa.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


def _day(date: str) -> int:
    return (datetime.strptime(date, "%Y%m%d") - datetime(1997, 1, 1)).days


@dataclass(frozen=True)
class Shop:
    """Purchases up to a day, those of one person and day put together."""

    bought: Any

    @classmethod
    def of(cls, bought: Any) -> Shop:
        """Put purchases of one person and day together."""
        days = bought.group_by(["person", "day"]).aggregate([("amount", "sum"), ("units", "sum")])
        days = days.rename_columns(["person", "day", "amount", "units"])
        return cls(days.sort_by([("person", "ascending"), ("day", "ascending")]))

    def table(self, day: int, horizon: int) -> Any:
        """Return what is known of each person at the end of a day, in the columns that contenders read."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        past = self.bought.filter(pc.less_equal(self.bought["day"], day))
        who, start, count = np.unique(past["person"].to_numpy(), return_index=True, return_counts=True)
        at, amount, units = (past[name].to_numpy().astype(np.float64) for name in ("day", "amount", "units"))

        def summed(values: Any) -> Any:
            return np.add.reduceat(values, start)

        x, first = count - 1.0, amount[start]
        with np.errstate(invalid="ignore", divide="ignore"):
            repeat = (summed(amount) - first) / np.where(x > 0, x, np.nan)
        columns = {
            "person": who,
            "frequency": x,
            "recency": at[start + count - 1] - at[start],
            "T": day - at[start],
            "spend_per_order": pa.array(repeat, from_pandas=True),
            "first_spend": first,
            "last_order_value": amount[start + count - 1],
            "spend": summed(amount),
            "basket_value": summed(amount) / count,
            "basket_units": summed(units) / count,
            "recency_days": day - at[start + count - 1],
        }
        for days in sorted({*RECENT, horizon}):
            late = at > day - days
            columns |= {f"orders_{days}d": summed(late * 1.0), f"spend_{days}d": summed(late * amount)}
        return pa.table(columns)

    def outcome(self, people: Any, day: int, horizon: int) -> dict[str, Any]:
        """Return on how many days people buy in the horizon after a day, and what they pay in cents."""
        import numpy as np

        who, at = self.bought["person"].to_numpy(), self.bought["day"].to_numpy()
        late = (at > day) & (at <= day + horizon)
        place = np.searchsorted(people, who[late])
        ours = (place < len(people)) & (people[np.minimum(place, len(people) - 1)] == who[late])
        amount = self.bought["amount"].to_numpy().astype(np.float64)[late][ours]
        return {
            "orders": np.bincount(place[ours], minlength=len(people)).astype(np.float64),
            "spend": np.bincount(place[ours], weights=amount, minlength=len(people)),
        }

    def origin(self, day: int, horizon: int) -> Any:
        """Return the end of a day as an origin: what was known, what had come true before, and what followed."""
        from coterie.predict.contest.contender import Case
        from coterie.predict.contest.ensemble import label_days
        from coterie.predict.contest.holdout import Origin

        now = self.table(day, horizon)
        days = int(label_days(day + 1, horizon))
        then = self.table(day - days, horizon)
        case = Case(
            now=now,
            horizon_days=horizon,
            then=then,
            outcome=self.outcome(then["person"].to_numpy(), day - days, days),
            then_days=days,
        )
        return Origin(name=f"day {day + 1}", case=case, **self.outcome(now["person"].to_numpy(), day, horizon))


def main(arguments: list[str] | None = None) -> int:
    """Look once, print the tables, record them."""
    parser = argparse.ArgumentParser(description="CDNOW: forecasts of orders, activity and spend.")
    parser.add_argument("--window", choices=["inside", "holdout"], default="inside")
    parser.add_argument("--origins", type=int, nargs="+", default=[20, 23, 26], help="weeks; of the window inside")
    parser.add_argument("--weeks", type=int, default=13, help="the horizon inside, in weeks")
    parser.add_argument("--resamples", type=int, default=forecasts.RESAMPLES)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    asked = parser.parse_args(arguments)
    reported = asked.window == "holdout"
    if not reported and max(asked.origins) + asked.weeks > 39:
        parser.error("inside, origin and horizon end within the first 39 weeks")
    weeks, horizon = ([39], 273) if reported else (asked.origins, 7 * asked.weeks)
    configuration = {"window": asked.window, "weeks": weeks, "horizon_days": horizon, "resamples": asked.resamples}
    with looks.look("cdnow.py", configuration, draft=asked.draft, holdout=reported) as taken:
        shop = Shop.of(purchases(HOLDOUT if reported else CALIBRATION))
        found = forecasts.judged([shop.origin(7 * week - 1, horizon) for week in weeks], resamples=asked.resamples)
        shown = forecasts.claims(found, bias=KNOWN_BIAS if reported else None)
        taken.figures.update(forecasts.figures(found, shown))
    print(forecasts.markdown(found), end="\n\n")
    print("\n".join(str(claim) for claim in shown))
    if reported:
        print("the best singly known:", ", ".join(f"{name} {value}" for name, value in BEST_KNOWN.items()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
