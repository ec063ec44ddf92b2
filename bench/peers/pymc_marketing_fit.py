"""The fits of ``lifetime.py`` in PyMC-Marketing; run by an environment that has ``pymc-marketing``.

``bg`` and ``pareto`` are MAP estimates with the package's default priors, ``bg_flat`` and ``pareto_flat`` with flat
ones, which is maximum likelihood. The first call compiles; the later ones, whose CPU seconds are told, do not.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from pymc_extras.prior import Prior
from pymc_marketing import clv

NAMES = {"bg": ("r", "alpha", "a", "b"), "pareto": ("r", "alpha", "s", "beta")}


def main(path: str, what: str, calls: int) -> None:
    """Fit, and print parameters and CPU seconds as JSON."""
    warnings.filterwarnings("ignore")
    data = np.load(path)
    people = pd.DataFrame({
        "customer_id": np.arange(len(data["T"])),
        "frequency": data["frequency"].astype(int),
        "recency": data["recency"],
        "T": data["T"],
    })  # fmt: skip
    kind, _, flat = what.partition("_")
    names = NAMES[kind]
    priors: dict[str, Any] | None = {name: Prior("HalfFlat") for name in names} if flat else None
    make = {"bg": clv.BetaGeoModel, "pareto": clv.ParetoNBDModel}[kind]
    spent = []
    for _ in range(calls + 1):
        begun = time.process_time()
        model = make(data=people, model_config=priors)
        model.fit(method="map", progressbar=False)
        spent.append(time.process_time() - begun)
    found = model.idata.posterior
    parameters = {name: float(found[name].to_numpy().ravel()[0]) for name in names}
    print(json.dumps({"cpu": statistics.median(spent[1:]), "first": spent[0], "parameters": parameters}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
