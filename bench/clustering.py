"""k-means of a million people, millions assigned to thousands of prototypes, one person asked, and seeds compared.

* ``fit``: KMeansSegments from a table of made-up people (kinds that overlap, skewed amounts and counts) beside
  scikit-learn's KMeans on the ready float32 matrix, with the same k, random starts and tolerance, for one start and
  ten. Told apart: the matrix (fitting and scaling, which scikit-learn is given for free) and all that comes on top
  (one order of people, counting who differs, Lloyd's steps, numbering by value, labels).
* ``search``: the whole choice of k on the same people.
* ``assign``: the nearest of thousands of prototypes, beside scikit-learn's ``pairwise_distances_argmin``.
* ``one``: the segment of one household from its nineteen features, in microseconds of CPU, beside a table of one row.
* ``seeds``: the adjusted Rand index of k-means on Complete Journey's households at 2017-06-01 under other seeds and on
  bootstraps, beside scikit-learn's KMeans with its defaults (one start) on the same matrix. Features only.

Each peer runs in a process of its own, on one thread, as idle threads that spin would count as CPU seconds.

``python bench/clustering.py --people 1000000 --repeats 3 [--draft]``
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
K, SEED = 8, 0
STARTS = (1, 10)
PARTS = ("fit", "search", "assign", "one", "seeds")


def write_people(path: Path, people: int, seed: int) -> None:
    """Write twenty features of made-up people: amounts, counts, days and shares, of six kinds that overlap."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    loadings, middles = 0.7 * random.normal(size=(4, 20)), 0.8 * random.normal(size=(6, 20))
    scores = random.normal(size=(people, 4)) @ loadings + middles[random.integers(0, 6, people)]
    scores += 0.6 * random.normal(size=scores.shape)
    columns: dict[str, Any] = {"person": np.arange(people)}
    for number, score in enumerate(scores.T):
        if number < 4:
            columns["spend" if not number else f"amount_{number}"] = np.rint(100 * np.exp(3 + score)).astype(np.int64)
        elif number < 12:
            columns[f"count_{number}"] = np.floor(np.exp(1.5 + score)).astype(np.int64)
        elif number < 16:
            columns[f"since_{number}_days"] = np.exp(3 + score)
        else:
            columns[f"part_{number}_share"] = 1 / (1 + np.exp(-score))
    pq.write_table(pa.table(columns), path)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what work gives and the CPU seconds it took."""
    cpu = time.process_time()
    done = work()
    return done, time.process_time() - cpu


def fit(peer: str, path: Path, starts: int) -> dict[str, float]:
    """Run one peer once on the same people."""
    import pyarrow.parquet as pq
    from sklearn.cluster import KMeans

    from coterie.features.matrix import Matrix
    from coterie.segments.clustering import KMeansSegments

    table = pq.read_table(path).combine_chunks()
    matrix, scaling = timed(lambda: Matrix().fit_transform(table))
    if peer == "sklearn":
        theirs = KMeans(K, n_init=starts, random_state=SEED, algorithm="lloyd")
        _, cpu = timed(lambda: theirs.fit(matrix))
        return {"cpu": cpu, "inertia": float(theirs.inertia_)}
    ours, cpu = timed(lambda: KMeansSegments(K, n_init=starts, seed=SEED).fit(table))
    return {"cpu": cpu, "matrix": scaling, "beyond": cpu - scaling, "inertia": ours.inertia_}


def search(path: Path) -> dict[str, Any]:
    """Choose k once, and say how long it took."""
    import pyarrow.parquet as pq

    from coterie.segments.clustering import KMeansSegments

    model, cpu = timed(lambda: KMeansSegments(None, seed=SEED).fit(pq.read_table(path)))
    return {"cpu": cpu, "k": model.k_, "weakest": {one.k: round(min(one.jaccard), 2) for one in model.evidence_}}


def assign(peer: str, people: int, prototypes: int) -> dict[str, Any]:
    """Assign people to the nearest prototypes once."""
    import numpy as np
    from sklearn.metrics import pairwise_distances_argmin

    from coterie.segments.people import nearest

    random = np.random.default_rng(SEED)
    X = random.standard_normal((people, 20), dtype=np.float32)
    C = random.standard_normal((prototypes, 20), dtype=np.float32)
    labels, cpu = timed(lambda: nearest(X, C) if peer == "coterie" else pairwise_distances_argmin(X, C))
    return {"cpu": cpu, "sum": int(np.asarray(labels, dtype=np.int64).sum())}


def one(calls: int) -> dict[str, float]:
    """Ask for one household after the other; return microseconds of CPU a household."""
    import numpy as np
    import pyarrow as pa

    from complete_journey import MOMENTS, households
    from coterie.segments.clustering import KMeansSegments
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    value = households(MOMENTS["june"])[0].select(VALUE)
    mixed, random = value, np.random.default_rng(SEED)
    for number, levels in enumerate((3, 8, 15)):  # made-up text, with holes
        texts = pa.array([f"level {level}" for level in range(levels)] + [None])
        mixed = mixed.append_column(f"text_{number}", texts.take(pa.array(random.integers(0, levels + 1, len(value)))))
    found = {}
    for name, table in (("value", value), ("mixed", mixed)):
        model = KMeansSegments(6, weights=VALUE_WEIGHTS).fit(table)
        people = list(itertools.islice(itertools.cycle(table.to_pylist()), calls))
        segment_of = model.assigner()
        asked, cpu = timed(lambda: [segment_of(person) for person in people])  # noqa: B023
        if asked[: len(table)] != model.predict(table).tolist()[:calls]:
            raise RuntimeError("a household alone got another segment than in the table")
        rows = [table.slice(row % len(table), 1) for row in range(max(calls // 50, 1))]
        _, slow = timed(lambda: [model.predict(row) for row in rows])  # noqa: B023
        found |= {f"{name}_microseconds": round(cpu / calls * 1e6, 1)}
        found |= {f"{name}_table_of_one_microseconds": round(slow / len(rows) * 1e6, 1)}
    return found


def seeds(count: int) -> dict[str, Any]:
    """Compare segments under other seeds and on bootstraps with those of seed 0, by adjusted Rand indices."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    from complete_journey import MOMENTS, households
    from coterie.segments.clustering import KMeansSegments
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    table = households(MOMENTS["june"])[0]
    settings: dict[str, Any] = {"columns": VALUE, "weights": VALUE_WEIGHTS}
    chosen = KMeansSegments(None, **settings).fit(table).k_
    found: dict[str, Any] = {"k_of_the_rule": chosen}
    for k in sorted({5, 8, chosen}):
        ours = [KMeansSegments(k, **settings, seed=seed).fit(table).labels_ for seed in range(count)]
        matrix = KMeansSegments(k, **settings).fit(table).matrix_.transform(table)
        plain = [KMeans(k, random_state=seed).fit(matrix).labels_ for seed in range(count)]
        drawn = [np.random.default_rng(seed).integers(0, len(table), len(table)) for seed in range(count)]
        resampled = [KMeansSegments(k, **settings).fit(table.take(rows)).predict(table) for rows in drawn]
        for name, pairs in (
            ("seeds", itertools.combinations(ours, 2)),
            ("scikit-learn's_defaults_seeds", itertools.combinations(plain, 2)),
            ("bootstraps", ((ours[0], other) for other in resampled)),
        ):
            scores = [adjusted_rand_score(left, right) for left, right in pairs]
            found[f"k{k}_{name}"] = {"mean": round(statistics.mean(scores), 3), "least": round(min(scores), 3)}
    return found


def step(name: str, *values: str) -> dict[str, Any]:
    """Take one step of the measurement."""
    match name, values:
        case "write", (path, people):
            write_people(Path(path), int(people), SEED)
            return {}
        case "fit", (peer, path, starts):
            return fit(peer, Path(path), int(starts))
        case "search", (path,):
            return search(Path(path))
        case "assign", (peer, people, prototypes):
            return assign(peer, int(people), int(prototypes))
        case "one", (calls,):
            return one(int(calls))
        case "seeds", (count,):
            return seeds(int(count))
    raise ValueError(f"there is no step {name} with {len(values)} values")


def report(asked: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Measure the parts that were asked for, in turns; return the figures."""
    path = scratch / "people.parquet"
    me = [sys.executable, str(HERE / "clustering.py")]
    if {"fit", "search"} & set(asked.parts):
        measure.run([*me, "--step", "write", str(path), str(asked.people)])
    figures: dict[str, Any] = {}
    if "fit" in asked.parts:
        for starts in STARTS:
            peers = {peer: [*me, "--step", "fit", peer, str(path), str(starts)] for peer in ("sklearn", "coterie")}
            found = measure.compare(peers, repeats=asked.repeats, environment=ONE_THREAD)
            theirs, ours = (
                {
                    what: statistics.median(run.said[what] for run in found.runs[peer])
                    for what in found.runs[peer][0].said
                }
                for peer in ("sklearn", "coterie")
            )
            figures[f"starts_{starts}"] = {
                "sklearn_cpu": round(theirs["cpu"], 2),
                "coterie_cpu": round(ours["cpu"], 2),
                "of_it_matrix_cpu": round(ours["matrix"], 2),
                "ratio_beyond_the_matrix": round(ours["beyond"] / theirs["cpu"], 2),
                "ratio_with_the_matrix": round(ours["cpu"] / theirs["cpu"], 2),
                "inertia_ratio": round(ours["inertia"] / theirs["inertia"], 5),
                "peak_ratio": round(found.ratio("coterie", "peak"), 2),
            }
    if "search" in asked.parts:
        figures["search"] = dict(measure.run([*me, "--step", "search", str(path)], environment=ONE_THREAD).said)
    if "assign" in asked.parts:
        sizes = [str(asked.assigned), str(asked.prototypes)]
        peers = {peer: [*me, "--step", "assign", peer, *sizes] for peer in ("sklearn", "coterie")}
        found = measure.compare(peers, repeats=1, environment=ONE_THREAD)
        runs = {peer: found.runs[peer][0] for peer in peers}
        figures["assign"] = {
            **{f"{peer}_cpu": round(run.said["cpu"], 2) for peer, run in runs.items()},
            **{f"{peer}_peak": round(run.peak) for peer, run in runs.items()},
            "ratio": round(runs["coterie"].said["cpu"] / runs["sklearn"].said["cpu"], 2),
            "equal": runs["coterie"].said["sum"] == runs["sklearn"].said["sum"],
        }
    for part, size in (("one", asked.calls), ("seeds", asked.seeds)):
        if part in asked.parts:
            figures[part] = dict(measure.run([*me, "--step", part, str(size)], environment=ONE_THREAD).said)
    return figures


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description="k-means beside scikit-learn's; assignment; one person; seeds.")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--assigned", type=int, default=5_000_000)
    parser.add_argument("--prototypes", type=int, default=2_000)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    parser.add_argument("--step", nargs="+", help="one step, in a process of its own")
    asked = parser.parse_args(arguments)
    if asked.step:
        print(json.dumps(step(*asked.step)))
        return 0
    names = ("people", "assigned", "prototypes", "calls", "seeds", "repeats", "parts")
    configuration = {name: getattr(asked, name) for name in names}
    with (
        looks.look("clustering.py", configuration, draft=asked.draft) as taken,
        tempfile.TemporaryDirectory(prefix="clustering-") as scratch,
    ):
        taken.figures.update(report(asked, Path(scratch)))
    print(json.dumps(taken.figures, indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
