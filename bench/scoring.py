"""A generated shop scored end to end: features and histories, backtest, models, and scores published to the lake.

* ``learn``: ``shop.predict`` the first time: everybody's features and histories, contenders tried in the shop's past
  (on a sample of people), models fitted, each person's forecasts, value with interval, next order, tier and advice.
* ``score``: the same a day later with the models that are there: what has to be done every night.
* ``churn``: a learner on the catalogue's features, judged in the past, and everybody's probability.

Each is a process of its own, on one thread, in the shop that a process before has filled; the import is told apart.

``python bench/scoring.py --people 1000000 --lines 10000000 [--draft]``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
ZONE = "America/New_York"
AS_OF = datetime(2024, 12, 28)
PARTS = ("learn", "score", "churn")


def fill(data: Path, folder: Path) -> dict[str, Any]:
    """Import the generated orders into a new shop."""
    from dataclasses import replace

    import coterie

    meant = coterie.Mapping.load(data / "mapping.toml")
    same = tuple(read for read in meant.reads if read.target.name in ("order_line", "product"))
    with coterie.open(folder, create=True, name="Scoring", currency="USD", timezone=ZONE) as shop:
        receipt = shop.ingest(replace(meant, reads=same), data)
    return {"received": receipt.received, "accepted": receipt.accepted}


def predict(part: str, folder: Path) -> dict[str, Any]:
    """Take one part of the measurement; return how many people were scored and the CPU seconds of the verb alone."""
    import coterie

    with coterie.open(folder) as shop:
        begun = time.process_time()
        if part == "learn":
            made = shop.predict("value", AS_OF)
        elif part == "score":
            made = shop.predict("value", AS_OF + timedelta(days=1), model="latest")
        else:
            made = shop.predict("churn", AS_OF)
        cpu = time.process_time() - begun
    said: dict[str, Any] = {"people": made.people.num_rows, "verb_cpu": round(cpu, 1)}
    return said | ({"forecast": made.forecast} if part != "churn" else {})


def main(arguments: list[str] | None = None) -> int:
    """Generate, import, score, print, record."""
    parser = argparse.ArgumentParser(description="A generated shop scored end to end: time and peak memory.")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    parser.add_argument("--step", nargs=3, metavar=("STEP", "DATA", "SHOP"), help="one step, in a process of its own")
    asked = parser.parse_args(arguments)
    if asked.step:
        step, data, folder = asked.step[0], Path(asked.step[1]), Path(asked.step[2])
        print(json.dumps(fill(data, folder) if step == "fill" else predict(step, folder)))
        return 0
    configuration = {name: getattr(asked, name) for name in ("people", "lines", "parts", "seed")}
    with (
        looks.look("scoring.py", configuration, draft=asked.draft) as taken,
        tempfile.TemporaryDirectory(prefix="scoring-") as scratch,
    ):
        data, folder = Path(scratch) / "data", Path(scratch) / "shop"
        environment = {
            "PYTHONPATH": str(HERE), "XDG_CONFIG_HOME": str(Path(scratch) / "config"), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        sizes = ["--people", str(asked.people), "--lines", str(asked.lines), "--seed", str(asked.seed)]
        generate = [sys.executable, "-m", "shop_generator", "--out", str(data), *sizes, "--guests", "0"]
        measure.run([*generate, "--no-clicks", "--no-emails"], environment=environment)
        for step in ("fill", *asked.parts):
            command = [sys.executable, str(HERE / "scoring.py"), "--step", step, str(data), str(folder)]
            found = measure.run(command, environment=environment)
            taken.figures[step] = {
                "cpu": round(found.cpu, 1), "wall": round(found.wall, 1), "peak_mib": round(found.peak), **found.said,
            }  # fmt: skip
            print(f"{step}: {json.dumps(taken.figures[step])}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
