"""``python -m shop_generator --people 100000 --lines 1000000 --out folder``."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

from shop_generator import REGIMES, generate


def main(arguments: list[str] | None = None) -> int:
    """Write a shop and say what was written."""
    parser = argparse.ArgumentParser(
        prog="shop_generator", description="Write the files of a shop that does not exist."
    )
    parser.add_argument("--out", required=True, help="the folder to write into")
    parser.add_argument("--regime", choices=sorted(REGIMES), default="online")
    parser.add_argument("--people", type=int, help="number of people")
    parser.add_argument("--lines", type=int, help="number of order lines to expect")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--form", choices=("parquet", "csv"), default="parquet")
    parser.add_argument("--conversion", type=float, help="share of sessions with an order: lower means more clicks")
    parser.add_argument("--guests", type=float, help="share of orders with an e-mail address only")
    parser.add_argument("--no-clicks", action="store_true")
    parser.add_argument("--no-emails", action="store_true")
    parser.add_argument("--clean", action="store_true", help="no dirt and no guests")
    asked = parser.parse_args(arguments)
    try:
        shop = REGIMES[asked.regime].sized(people=asked.people, lines=asked.lines)
        shop = shop.clean() if asked.clean else shop
        given = {name: value for name in ("conversion", "guests") if (value := getattr(asked, name)) is not None}
        shop = replace(shop, **given)
    except ValueError as error:
        parser.error(str(error))
    started = time.perf_counter()
    made = generate(
        shop, asked.out, seed=asked.seed, form=asked.form, clicks=not asked.no_clicks, mails=not asked.no_emails
    )
    for name, rows in made.rows.items():
        print(f"{rows:>12,}  {name}.{asked.form}")
    print(", ".join(f"{count:,} {name}" for name, count in made.dirt.items()))
    print(f"{shop.people:,} people, {time.perf_counter() - started:.1f} s, mapping {made.mapping}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
