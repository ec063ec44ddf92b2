"""Models of purchases: CPU seconds of fits and forecasts beside lifetimes and PyMC-Marketing, at the same likelihood.

* ``fit``: BG/NBD and Pareto/NBD of the 23,570 people of CDNOW, from their first 39 weeks (weeks as unit), beside
  lifetimes (row by row, and for BG/NBD its form weighted by distinct histories, the grouping by pandas counted) and
  PyMC-Marketing's MAP estimates, with its default priors and with flat ones. Ours counts everything from the columns
  on: checks, distinct histories, standard errors. All log-likelihoods are computed by one formula written here; where
  one is more than a millionth above or below ours, the look stops (below, default priors may be).
* ``million``: made-up customers with the parameters found, on the day grid of two years: fit, fit with intervals of
  expected orders, and forecasts beside lifetimes's with the same parameters, whose totals are compared.

Everything runs on one thread; each measurement is a process of its own and tells the median of calls after a first one
that is not counted. The peers live in environments of their own, made when they are not there (``--peers`` says where).

``python bench/lifetime.py [--people 1000000] [--repeats 3] [--draft]``; ``COTERIE_DATA`` names the folder of the data.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cdnow
import looks
import measure

HERE = Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
PEERS = Path.home() / ".cache" / "coterie-bench"
NEEDED = {"lifetimes": ["lifetimes==0.11.3", "setuptools<81"], "pymc": ["pymc-marketing==0.19.2"]}
PARTS = ("fit", "million")
TOLERANCE = 1e-6  # of the log-likelihood
HORIZON = 39.0
MODELS = {"bg": ("r", "alpha", "a", "b"), "pareto": ("r", "alpha", "s", "beta")}


def environment(name: str, folder: Path) -> str:
    """Return the Python of a peer's environment; make it where it is not there."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *NEEDED[name]], check=True)
    return str(python)


def log_likelihood(kind: str, parameters: Mapping[str, float], path: Path) -> float:
    """Return the log-likelihood of all people by the closed forms of the papers, whatever package found the parameters.

    Fader, Hardie & Lee (2005), equation 6, and Fader & Hardie (2005), A note on deriving the Pareto/NBD model.
    """
    import numpy as np
    from scipy.special import betaln, gammaln, hyp2f1

    data = np.load(path)
    x, t, age = data["frequency"], data["recency"], data["T"]
    r, alpha = parameters["r"], parameters["alpha"]
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    if kind == "bg":
        a, b = parameters["a"], parameters["b"]
        stays = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + age)
        left = betaln(a + 1, b + np.maximum(x, 1) - 1) - betaln(a, b) - (r + x) * np.log(alpha + t)
        return float((common + np.logaddexp(stays, np.where(x > 0, left, -np.inf))).sum())
    s, beta = parameters["s"], parameters["beta"]
    n, high = r + s + x, max(alpha, beta)
    second = s + 1 if alpha >= beta else r + x

    def term(at: Any) -> Any:
        return np.log(hyp2f1(n, second, n + 1, abs(alpha - beta) / (high + at))) - n * np.log(high + at)

    from_t, from_age = term(t), term(age)
    with np.errstate(divide="ignore", invalid="ignore"):
        gone = from_t + np.log1p(-np.exp(np.minimum(from_age - from_t, 0.0)))
    stays = -(r + x) * np.log(alpha + age) - s * np.log(beta + age)
    gone = np.where(t < age, np.log(s / n) + gone, -np.inf)
    return float((common + s * np.log(beta) + np.logaddexp(stays, gone)).sum())


def write_cdnow(path: Path) -> None:
    """Write the histories of CDNOW's people after their first 39 weeks, in weeks."""
    import numpy as np

    from coterie.predict.lifetime.histories import Histories

    _, found = Histories.of_orders(cdnow.purchases(cdnow.CALIBRATION), until=cdnow.CALIBRATION, time="day", unit=7.0)
    np.savez(path, frequency=found.frequency, recency=found.recency, T=found.T)


def write_million(path: Path, source: Path, people: int) -> None:
    """Write made-up customers with the parameters of BG/NBD of a file, first seen on any day of two years."""
    import numpy as np
    import pyarrow as pa

    from coterie.predict.lifetime.bg_nbd import BGNBD

    data = np.load(source)
    model = BGNBD().fit(pa.table({name: data[name] for name in ("frequency", "recency", "T")}))
    random = np.random.default_rng(0)
    age = random.integers(1, 729, people) / 7
    made = model.sample(age, random).histories
    recency = np.minimum(np.ceil(made.recency * 7) / 7, age)
    parameters = np.array([model.parameters_[name] for name in MODELS["bg"]])
    np.savez(path, frequency=made.frequency, recency=recency, T=age, parameters=parameters, horizon=HORIZON)


def timed(work: Callable[[], Any], calls: int) -> tuple[Any, float]:
    """Return what work gives and the median CPU seconds of its calls after the first one."""
    work()
    spent = []
    for _ in range(calls):
        begun = time.process_time()
        done = work()
        spent.append(time.process_time() - begun)
    return done, statistics.median(spent)


def ours(path: Path, what: str, calls: int) -> dict[str, Any]:
    """Fit or forecast with coterie, from the columns on."""
    import numpy as np
    import pyarrow as pa

    from coterie.predict.lifetime.bg_nbd import BGNBD
    from coterie.predict.lifetime.pareto_nbd import ParetoNBD

    data = np.load(path)
    people = pa.table({name: data[name] for name in ("frequency", "recency", "T")})
    if what in MODELS:
        make = {"bg": BGNBD, "pareto": ParetoNBD}[what]
        model, cpu = timed(lambda: make().fit(people), calls)
        return {"cpu": cpu, "parameters": model.parameters_, "evaluations": model.evaluations_}
    model = BGNBD().fit(people)
    if what == "predict":
        theirs = model.to_json()  # the parameters that lifetimes is given as well
        theirs["theta"] = np.log(data["parameters"]).tolist()
        model = BGNBD.from_json(theirs)
        told, cpu = timed(lambda: model.expected_orders(people, float(data["horizon"])), calls)
        return {"cpu": cpu, "total": float(told.sum())}
    if what == "intervals":
        (low, high), cpu = timed(lambda: BGNBD().fit(people).orders_interval(people, HORIZON), calls)
        return {"cpu": cpu, "mean_width": float((high - low).mean())}
    (low, high), cpu = timed(lambda: BGNBD().fit(people).orders_interval(people, HORIZON, kind="count"), calls)
    return {"cpu": cpu, "mean_width": float((high - low).mean())}


def fits(path: Path, peers: Mapping[str, str], repeats: int) -> dict[str, Any]:
    """Measure the fits of CDNOW; return CPU seconds, ratios and log-likelihoods."""
    me = [sys.executable, str(HERE / "lifetime.py"), "--step", "ours"]
    theirs = str(HERE / "peers" / "lifetimes_fit.py")
    bayes = str(HERE / "peers" / "pymc_marketing_fit.py")
    figures: dict[str, Any] = {}
    for kind in MODELS:
        commands = {
            "coterie": [*me, str(path), kind, "21"],
            "lifetimes": [peers["lifetimes"], theirs, str(path), kind, "5" if kind == "bg" else "2"],
        }
        if kind == "bg":
            commands["lifetimes, by tuples"] = [peers["lifetimes"], theirs, str(path), "bg_tuples", "5"]
        commands["PyMC-Marketing MAP"] = [peers["pymc"], bayes, str(path), kind, "1"]
        commands["PyMC-Marketing MAP, flat priors"] = [peers["pymc"], bayes, str(path), f"{kind}_flat", "1"]
        found = measure.compare(commands, repeats=repeats, environment=ONE_THREAD)
        said = {
            name: {
                "cpu": statistics.median(run.said["cpu"] for run in runs),
                "log_likelihood": log_likelihood(kind, runs[0].said["parameters"], path),
            }
            for name, runs in found.runs.items()
        }
        best = said["coterie"]["log_likelihood"]
        for name, one in said.items():
            one["ratio"] = one["cpu"] / said["coterie"]["cpu"]
            if (first := found.runs[name][0].said.get("first")) is not None:
                figures.setdefault("first_call_cpu", {})[f"{kind}, {name}"] = round(first, 3)
            if name != "PyMC-Marketing MAP" and one["log_likelihood"] < best * (1 + TOLERANCE):
                raise RuntimeError(
                    f"{name} ended at a log-likelihood of {one['log_likelihood']:.4f}, ours at {best:.4f}"
                )
            if one["log_likelihood"] > best * (1 - TOLERANCE):
                raise RuntimeError(f"ours ended at a log-likelihood of {best:.4f}, {name} higher, at {one}")
        figures[kind] = {
            name: {
                "cpu": round(one["cpu"], 5),
                "ratio": round(one["ratio"], 1),
                "log_likelihood": round(one["log_likelihood"], 4),
            }
            for name, one in said.items()
        }
        figures[kind]["parameters"] = {
            name: round(value, 4) for name, value in found.runs["coterie"][0].said["parameters"].items()
        }
    return figures


def million(path: Path, peers: Mapping[str, str], repeats: int) -> dict[str, Any]:
    """Measure fits and forecasts of made-up customers."""
    me = [sys.executable, str(HERE / "lifetime.py"), "--step", "ours", str(path)]
    figures: dict[str, Any] = {}
    for name, what in (("fit", "bg"), ("fit with intervals", "intervals"), ("fit with intervals of counts", "counts")):
        runs = [measure.run([*me, what, "1"], environment=ONE_THREAD) for _ in range(repeats)]
        figures[name] = {
            "cpu": round(statistics.median(run.said["cpu"] for run in runs), 3),
            "peak_mib": round(statistics.median(run.peak for run in runs)),
        }
    commands = {
        "coterie": [*me, "predict", "3"],
        "lifetimes": [peers["lifetimes"], str(HERE / "peers" / "lifetimes_fit.py"), str(path), "predict", "3"],
    }
    found = measure.compare(commands, repeats=repeats, environment=ONE_THREAD)
    cpu = {name: statistics.median(run.said["cpu"] for run in runs) for name, runs in found.runs.items()}
    total = {name: runs[0].said["total"] for name, runs in found.runs.items()}
    lost = found.runs["lifetimes"][0].said["lost"]
    if abs(total["coterie"] - total["lifetimes"]) > 1e-6 * total["coterie"] and not lost:
        raise RuntimeError(f"the forecasts differ in total: {total}")
    figures["predict"] = {
        **{f"{name}_cpu": round(value, 4) for name, value in cpu.items()},
        "ratio": round(cpu["lifetimes"] / cpu["coterie"], 2),
        "lost_by_lifetimes": lost,
    }
    return figures


def promises(figures: Mapping[str, Any]) -> list[str]:
    """Say of each promise whether it was kept."""
    asked = []
    if "bg" in figures:
        asked += [
            ("BG/NBD at least 40 times as fast as lifetimes", figures["bg"]["lifetimes"]["ratio"], 40, True),
            ("BG/NBD at least 400 times as fast as PyMC-Marketing's MAP",
             figures["bg"]["PyMC-Marketing MAP"]["ratio"], 400, True),
            ("Pareto/NBD at least 30 times as fast as lifetimes", figures["pareto"]["lifetimes"]["ratio"], 30, True),
        ]  # fmt: skip
    if "million" in figures:
        made = figures["million"]
        asked += [
            ("BG/NBD of all made-up customers below 1 CPU second", made["fit"]["cpu"], 1, False),
            ("with intervals below 10", made["fit with intervals of counts"]["cpu"], 10, False),
            ("forecasts at least 4 times as fast as lifetimes", made["predict"]["ratio"], 4, True),
        ]
    return [
        f"{'shown' if (found >= limit if most else found < limit) else 'NOT SHOWN'}: {words}: {found}"
        for words, found, limit, most in asked
    ]


def step(name: str, *values: str) -> dict[str, Any]:
    """Take one step of the measurement."""
    match name, values:
        case "cdnow", (path,):
            write_cdnow(Path(path))
        case "write", (path, source, people):
            write_million(Path(path), Path(source), int(people))
        case "ours", (path, what, calls):
            return ours(Path(path), what, int(calls))
        case _:
            raise ValueError(f"there is no step {name} with {len(values)} values")
    return {}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description="Models of purchases beside lifetimes and PyMC-Marketing.")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--peers", type=Path, default=PEERS, help="the folder of the peers' environments")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    parser.add_argument("--step", nargs="+", help="one step, in a process of its own")
    asked = parser.parse_args(arguments)
    if asked.step:
        print(json.dumps(step(*asked.step)))
        return 0
    peers = {name: environment(name, asked.peers) for name in NEEDED}
    configuration = {name: getattr(asked, name) for name in ("people", "repeats", "parts")}
    with (
        looks.look("lifetime.py", configuration, draft=asked.draft) as taken,
        tempfile.TemporaryDirectory(prefix="lifetime-") as scratch,
    ):
        os.environ.update(ONE_THREAD)
        me = [sys.executable, str(HERE / "lifetime.py"), "--step"]
        source, made = Path(scratch) / "cdnow.npz", Path(scratch) / "million.npz"
        measure.run([*me, "cdnow", str(source)])
        if "fit" in asked.parts:
            taken.figures.update(fits(source, peers, asked.repeats))
        if "million" in asked.parts:
            measure.run([*me, "write", str(made), str(source), str(asked.people)])
            taken.figures["million"] = million(made, peers, asked.repeats)
    print(json.dumps(taken.figures, indent=1, ensure_ascii=False))
    print("\n".join(promises(taken.figures)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
