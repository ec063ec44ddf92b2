"""The fits and forecasts of ``lifetime.py`` in lifetimes; run by an environment that has ``lifetimes==0.11.3``."""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, ParetoNBDFitter


def timed(work: Callable[[], Any], calls: int) -> tuple[Any, float]:
    """Return what work gives and the median CPU seconds of its calls after the first one."""
    work()
    spent = []
    for _ in range(calls):
        begun = time.process_time()
        done = work()
        spent.append(time.process_time() - begun)
    return done, statistics.median(spent)


def main(path: str, what: str, calls: int) -> None:
    """Fit or forecast, and print parameters and CPU seconds as JSON."""
    warnings.filterwarnings("ignore")
    data = np.load(path)
    x, recency, age = data["frequency"], data["recency"], data["T"]

    def by_tuples() -> Any:
        tuples = (
            pd.DataFrame({"x": x, "t": recency, "T": age}).groupby(["x", "t", "T"]).size().reset_index(name="count")
        )
        return BetaGeoFitter().fit(tuples["x"], tuples["t"], tuples["T"], weights=tuples["count"])

    if what == "predict":
        model = BetaGeoFitter()
        model.params_ = pd.Series(dict(zip(("r", "alpha", "a", "b"), data["parameters"].tolist(), strict=True)))
        horizon = float(data["horizon"])
        told, cpu = timed(
            lambda: model.conditional_expected_number_of_purchases_up_to_time(horizon, x, recency, age), calls
        )
        print(json.dumps({"cpu": cpu, "total": float(np.nansum(told)), "lost": int(np.isnan(told).sum())}))
        return
    fits: dict[str, Callable[[], Any]] = {
        "bg": lambda: BetaGeoFitter().fit(x, recency, age),
        "bg_tuples": by_tuples,
        "pareto": lambda: ParetoNBDFitter().fit(x, recency, age),
    }
    model, cpu = timed(fits[what], calls)
    print(json.dumps({"cpu": cpu, "parameters": {name: float(value) for name, value in model.params_.items()}}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
