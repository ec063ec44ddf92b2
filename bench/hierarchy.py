"""Ward's tree of millions of people, beside one k-means fit of them; its cuts beside exact Ward's; seeds compared.

* ``speed``: the tree (small groups of the people and Ward over them) beside scikit-learn's KMeans on the same float32
  matrix of made-up people: k = 8, one start, scikit-learn's tolerance. k-means needs more or fewer rounds by its start,
  so each peer is run with three seeds and the medians are compared; the fastest k-means fit is told too. ``fit`` is all
  of ``WardSegments`` from the table: scaling, tree, the nearest small group of everybody, names.
* ``ward``: heights and joins over unit weights beside fastcluster and SciPy; over weights beside repeated points.
* ``cuts``: the inertia of cuts into 2 … 10 over small groups, in parts of that of cuts of the exact tree, for made-up
  people and for Complete Journey's households at 2017-06-01; and after polishing.
* ``seeds``: the adjusted Rand index of cuts under other seeds with that of seed 0, plain and polished, beside k-means.

Each peer of ``speed`` runs in a process of its own, on one thread, as idle threads that spin would count as CPU
seconds.

``python bench/hierarchy.py --people 1000000 5000000 [--draft]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
K, SEEDS, LEAVES = 8, 3, 2_000
CUTS = range(2, 11)
PARTS = ("speed", "ward", "cuts", "seeds")
SAME = 1e-12


class UnequalError(RuntimeError):
    """The tree is not the one that it should be, so that its speed means nothing."""


def generate(folder: Path, people: int) -> None:
    """Write made-up people as a table, and their matrix."""
    import numpy as np
    import pyarrow.parquet as pq

    from clustering import write_people
    from coterie.features.matrix import Matrix

    write_people(folder / "people.parquet", people, 0)
    table = pq.read_table(folder / "people.parquet").combine_chunks()
    np.save(folder / "matrix.npy", Matrix().fit_transform(table))


def run(peer: str, folder: Path) -> dict[str, Any]:
    """Run one peer with each seed; return the CPU seconds of each."""
    import numpy as np
    import pyarrow.parquet as pq
    from sklearn.cluster import KMeans

    from coterie.segments.hierarchy import WardSegments
    from coterie.segments.linkage import weighted_ward
    from coterie.segments.microclusters import microclusters

    if peer == "fit":
        table = pq.read_table(folder / "people.parquet").combine_chunks()
        begun = time.process_time()
        WardSegments(K).fit(table)
        return {"cpu": [time.process_time() - begun]}
    X = np.load(folder / "matrix.npy")
    spent, rounds = [], []
    for seed in range(SEEDS):
        begun = time.process_time()
        if peer == "kmeans":
            rounds.append(KMeans(K, n_init=1, random_state=seed, algorithm="lloyd").fit(X).n_iter_)
        else:
            small = microclusters(X, LEAVES, seed=seed)
            rounds.append(len(weighted_ward(small.centres, small.weights)) + 1)
        spent.append(time.process_time() - begun)
    return {"cpu": spent, "rounds" if peer == "kmeans" else "leaves": rounds}


def speed(sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """Measure all peers at each size."""
    found: dict[str, Any] = {}
    for people in sizes:
        with tempfile.TemporaryDirectory(prefix="hierarchy-") as scratch:
            step = [sys.executable, str(HERE / "hierarchy.py"), "--folder", scratch, "--run"]
            measure.run([*step, "generate", "--people", str(people)], environment=ONE_THREAD)
            peers = {peer: [*step, peer] for peer in ("kmeans", "tree", "fit")}
            told = measure.compare(peers, repeats=repeats, environment=ONE_THREAD)
        spent = {peer: [cpu for one in told.runs[peer] for cpu in one.said["cpu"]] for peer in peers}
        middle = {peer: statistics.median(seconds) for peer, seconds in spent.items()}
        found[f"{people:,}"] = {
            **{f"{peer}_cpu": round(seconds, 2) for peer, seconds in middle.items()},
            **{f"{peer}_peak_mib": round(told.median(peer, "peak")) for peer in peers},
            "kmeans_fastest_cpu": round(min(spent["kmeans"]), 2),
            "kmeans_rounds": told.runs["kmeans"][0].said["rounds"],
            "tree_over_kmeans": round(middle["tree"] / middle["kmeans"], 2),
            "tree_over_fastest_kmeans": round(middle["tree"] / min(spent["kmeans"]), 2),
            "fit_over_kmeans": round(middle["fit"] / middle["kmeans"], 2),
        }
    return found


def ward() -> dict[str, Any]:
    """Compare the tree over 2,000 points with those of fastcluster and SciPy; unlike trees end the benchmark."""
    import fastcluster  # type: ignore[import-untyped]
    import numpy as np
    from scipy.cluster import hierarchy

    from coterie.segments.linkage import topmost, weighted_ward

    random = np.random.default_rng(0)
    points = random.normal(size=(LEAVES, 20)) * random.uniform(0.2, 3, 20)
    found: dict[str, Any] = {}
    trees = {}
    for name, build in (
        ("ours", weighted_ward),
        ("fastcluster", lambda points: fastcluster.linkage(points, "ward")),
        ("scipy", lambda points: hierarchy.linkage(points, "ward")),
    ):
        begun = time.process_time()
        trees[name] = build(points)
        found[f"{name}_cpu"] = round(time.process_time() - begun, 3)
    times = random.integers(1, 5, 500)
    trees["weighted"] = weighted_ward(points[:500], times)
    trees["repeated"] = fastcluster.linkage(np.repeat(points[:500], times, axis=0), "ward")[-499:]
    for ours, theirs in (("ours", "fastcluster"), ("ours", "scipy"), ("weighted", "repeated")):
        apart = float(np.abs(trees[ours][:, 2] / trees[theirs][:, 2] - 1).max())
        found[f"{ours}_{theirs}_heights_apart"] = apart
        joined = np.array_equal(trees[ours][:, :2], np.sort(trees[theirs][:, :2])) or ours == "weighted"
        if apart > SAME or not joined:
            raise UnequalError(f"{ours} and {theirs}: heights differ by {apart:.1e}, joins alike: {joined}")
    if len(np.unique(topmost(trees["weighted"], 50)[1])) != 50:
        raise UnequalError("the top of the weighted tree has not the leaves that were asked for")
    return found


def tightness(X: Any, labels: Any) -> float:
    """Return the sum of squared distances of people to the means of their groups."""
    import numpy as np

    groups = (X[labels == label].astype(np.float64) for label in np.unique(labels))
    return float(sum(np.square(group - group.mean(axis=0)).sum() for group in groups))


def cuts(people: int, seeds: int) -> dict[str, Any]:
    """Compare the inertia of cuts with that of the exact tree's."""
    import numpy as np
    import pyarrow.parquet as pq
    from scipy.cluster import hierarchy

    from clustering import write_people
    from complete_journey import MOMENTS, households
    from coterie.features.matrix import Matrix
    from coterie.progress import SILENT
    from coterie.segments.leaves import from_groups, polished
    from coterie.segments.linkage import topmost

    with tempfile.TemporaryDirectory(prefix="hierarchy-") as scratch:
        write_people(Path(scratch) / "people.parquet", people, 0)
        made_up = pq.read_table(Path(scratch) / "people.parquet")
    found: dict[str, Any] = {}
    for name, table, leaves in (
        ("households", households(MOMENTS["june"])[0], 500),
        ("generated", made_up, LEAVES),
    ):
        X = Matrix().fit_transform(table)
        whole = hierarchy.ward(X.astype(np.float64))
        exact = np.array([tightness(X, topmost(whole, k)[1]) for k in CUTS])
        plain, smooth = [], []
        for seed in range(seeds):
            grown = from_groups(X, leaves, seed, SILENT)
            tops = [topmost(grown.linkage, k)[1] for k in CUTS]
            plain.append([tightness(X, top[grown.of_person]) for top in tops] / exact)
            moved = [polished(grown.centres, grown.weights, top) for top in tops]
            smooth.append([tightness(X, top[grown.of_person]) for top in moved] / exact)
        found[name] = {
            "people": len(X),
            "leaves": leaves,
            "mean_over_exact": round(float(np.mean(plain)), 4),
            "by_k": [round(float(ratio), 3) for ratio in np.mean(plain, axis=0)],
            "worst": round(float(np.max(plain)), 3),
            "polished_mean_over_exact": round(float(np.mean(smooth)), 4),
            "polished_worst": round(float(np.max(smooth)), 3),
        }
    return found


def seeds(people: int, count: int) -> dict[str, Any]:
    """Compare cuts under other seeds with those of seed 0."""
    import numpy as np
    import pyarrow.parquet as pq
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    from clustering import write_people
    from coterie.segments.hierarchy import WardSegments

    with tempfile.TemporaryDirectory(prefix="hierarchy-") as scratch:
        write_people(Path(scratch) / "people.parquet", people, 0)
        table = pq.read_table(Path(scratch) / "people.parquet")
    plain = [WardSegments(5, seed=seed).fit(table) for seed in range(count + 1)]
    smooth = [WardSegments(5, seed=seed, polish=True).fit(table) for seed in range(count + 1)]
    X = plain[0].matrix_.transform(table)
    found: dict[str, Any] = {"people": people, "seeds": count}
    for k in (5, 8):
        labels = {
            "plain": [model.cut(k).labels_ for model in plain],
            "polished": [model.cut(k, frame=table).labels_ for model in smooth],
            "kmeans": [KMeans(k, n_init=1, random_state=seed).fit(X).labels_ for seed in range(count + 1)],
        }
        for name, (first, *others) in labels.items():
            apart = [adjusted_rand_score(first, other) for other in others]
            found[f"{name}_{k}"] = {
                "mean": round(float(np.mean(apart)), 3),
                "least": round(float(np.min(apart)), 3),
                "inertia": round(float(np.mean([tightness(X, each) for each in (first, *others)]))),
            }
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description="Ward's tree beside k-means, exact Ward, and itself.")
    parser.add_argument("--people", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--repeats", type=int, default=1, help="of all three seeds of speed")
    parser.add_argument("--pairs", type=int, default=20_000, help="people of the exact tree")
    parser.add_argument("--compared", type=int, default=200_000, help="people whose cuts are compared over seeds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--run", choices=("generate", "tree", "kmeans", "fit"))
    own.add_argument("--folder", type=Path)
    asked = parser.parse_args(arguments)
    if asked.run == "generate":
        generate(asked.folder, asked.people[0])
        return 0
    if asked.run:
        print(json.dumps(run(asked.run, asked.folder)))
        return 0
    configuration = {
        "people": asked.people,
        "repeats": asked.repeats,
        "pairs": asked.pairs,
        "compared": asked.compared,
        "seeds": asked.seeds,
        "parts": list(asked.parts),
    }
    with looks.look("hierarchy.py", configuration, draft=asked.draft) as taken:
        if "ward" in asked.parts:
            taken.figures["ward"] = ward()
        if "speed" in asked.parts:
            taken.figures["speed"] = speed(asked.people, asked.repeats)
        if "cuts" in asked.parts:
            taken.figures["cuts"] = cuts(asked.pairs, asked.seeds)
        if "seeds" in asked.parts:
            taken.figures["seeds"] = seeds(asked.compared, asked.seeds)
        print(measure.machine())
        print(json.dumps(taken.figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
