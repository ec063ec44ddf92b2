"""Draws the README's picture, for light and for dark pages, from the shop that ``make demo`` leaves behind."""

from __future__ import annotations

import sys
from pathlib import Path

import coterie
from coterie.cli.demo import AS_OF, HORIZON_DAYS

IMAGES = Path(__file__).parent / "images"

if __name__ == "__main__":
    with coterie.open(sys.argv[1] if len(sys.argv) > 1 else "demo/shop") as shop:
        made = shop.segment(AS_OF, horizon_days=HORIZON_DAYS)
        made.picture(IMAGES / "segments.svg")
        made.picture(IMAGES / "segments-dark.svg", dark=True)
