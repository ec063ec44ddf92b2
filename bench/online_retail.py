"""How well segments of UCI Online Retail tell the next three months, from the shop's own ingest on.

The file is read by its ready mapping, with its cancellations, lines without a customer and postage; features are those
of the value view that the data allow (there are no categories and no discounts). Judged as in ``complete_journey.py``:
out of fold, 95 % bootstraps over customers, gaps to as many equal parts by past spend. Spend is what was ordered;
cancellations are not taken off. Many customers of this shop buy once or twice a year, so that far less can be known of
them than of a grocer's households.

``--window june`` (the default) is for choosing: features at 2011-06-09, outcomes until 2011-09-08; ``march``, ``april``
and ``may`` are earlier still. ``--window september`` (features at 2011-09-09) is the reported holdout: it is looked at
once, never while choosing, and goes on record in ``LOOKS.md``. ``COTERIE_DATA`` names the folder that holds the data.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import complete_journey
import looks
from complete_journey import HORIZON, RESAMPLES, Households

MOMENTS = {
    "march": date(2011, 3, 9),
    "april": date(2011, 4, 9),
    "may": date(2011, 5, 9),
    "june": date(2011, 6, 9),
    "september": date(2011, 9, 9),
}
REPORTED = "september"
DATA = Path(os.environ.get("COTERIE_DATA") or Path(__file__).parents[2] / "shared" / "data")


def customers(moment: date, folder: Path = DATA / "online_retail") -> Households:
    """Return features of the value view, as far as the data go, and outcomes, one row a customer."""
    import coterie
    from coterie.features.outcome import churned, future_spend
    from coterie.segments.view import VALUE

    with coterie.open(None, name="Online Retail", currency="GBP", timezone="Europe/London") as shop:
        shop.ingest("uci_online_retail", folder)
        named = [name for name in VALUE if not shop.features(name)[0].missing]
        after = future_spend(HORIZON), churned(HORIZON)
        return Households(shop.build(moment, features=named).table, shop.build(moment, features=after).table)


def main(arguments: list[str] | None = None) -> int:
    """Look once, print the table, record it."""
    purpose = "Segments of UCI Online Retail judged by the future."
    asked = looks.asked(arguments, purpose, MOMENTS, "june", "september is the reported holdout")
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    moment = MOMENTS[asked.window]
    configuration = looks.windowed(asked.window, moment, HORIZON, RESAMPLES)
    with looks.look("online_retail.py", configuration, draft=asked.draft, holdout=asked.window == REPORTED) as taken:
        known = customers(moment)
        columns = tuple(name for name in VALUE if name in known.table.column_names)
        weights = {name: weight for name, weight in VALUE_WEIGHTS.items() if name in columns}
        rows = complete_journey.report(known, columns, weights, rule=True)
        taken.figures["customers"] = known.table.num_rows
        taken.figures.update(complete_journey.figures(rows))
    gone = complete_journey.outcomes(known.future)[1].mean()
    print(f"{known.table.num_rows:,} customers at {moment:%Y-%m-%d}, {HORIZON} days ahead; {gone:.1%} buy nothing; "
          f"{len(columns)} features\n")  # fmt: skip
    print(complete_journey.markdown(rows))
    if asked.json:
        asked.json.write_text(complete_journey.as_json(rows), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
