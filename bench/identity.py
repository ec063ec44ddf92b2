"""Who is who on millions of edges of which a few are bad: coterie beside connected components and plain union-find.

A million customers have an e-mail address, a telephone number, a loyalty card, devices or cookies: some three edges
each, seen at random times over three years. A small share of edges is bad: half of them join a customer to an
identifier of somebody else, the other half to one of a few shared ones (a till's e-mail, a tablet in the store).

Peers, each in a process of its own that reads the same Parquet file: coterie's ``resolve`` (limits, hubs, intervals of
validity, lists of what was refused), SciPy's ``connected_components`` (the graph as it is today, without times or
guards; from the same 64-bit keys, and of the call alone), and plain union-find in Python, which shows the damage.

``python bench/identity.py --edges 3000000 --bad 0.003 --repeats 3 [--draft]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import looks
import measure

HERE = Path(__file__).resolve().parent
KINDS = ("customer_id", "loyalty_id", "email", "phone", "device_id", "anonymous_id")
SHARES = (0.0, 0.10, 0.30, 0.20, 0.10, 0.30)  # of the kinds among the identifiers that customers are seen with
SHARED = 30  # identifiers that half of the bad edges go through


def write_edges(path: Path, edges: int, bad: float, seed: int) -> None:
    """Write the log of edges, in the order of its key, as a ledger gives it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    people, wrong = edges // 3, round(edges * bad)
    right = edges - wrong
    keys = np.unique(random.integers(1, 2**63, people + right + SHARED + 1000, dtype=np.int64))
    keys = random.permutation(keys)[: people + right + SHARED]
    kind = np.zeros(len(keys), dtype=np.int8)
    kind[people : people + right] = random.choice(len(KINDS), size=right, p=SHARES)
    kind[people + right :] = random.choice([2, 4], size=SHARED)
    # A customer has one to many identifiers, never more than a limit allows by himself.
    owner = np.sort(np.concatenate([np.arange(people), random.integers(0, people, right - people)]))
    one = np.concatenate([owner, random.integers(0, people, wrong)])
    other = np.concatenate(
        [
            np.arange(people, people + right),
            random.integers(people, people + right, wrong // 2),
            random.integers(people + right, len(keys), wrong - wrong // 2),
        ]
    )
    at = np.int64(1_700_000_000_000_000) + random.integers(0, 3 * 365 * 86_400_000_000, edges)
    names = pa.array(KINDS)
    ends = [keys[one], keys[other]]
    kinds = [names.take(pa.array(kind[one])), names.take(pa.array(kind[other]))]
    first = ends[0] < ends[1]
    import pyarrow.compute as pc

    table = pa.table(
        {
            "subject_a": np.where(first, *ends),
            "subject_b": np.where(first, *ends[::-1]),
            "kind_a": pc.if_else(pa.array(first), *kinds),
            "kind_b": pc.if_else(pa.array(first), *kinds[::-1]),
            "available_at": pa.array(at, pa.int64()).cast(pa.timestamp("us")),
        }
    )
    pq.write_table(table.sort_by([("subject_a", "ascending"), ("subject_b", "ascending")]), path)


def damage(subjects: Any, persons: Any, customers: Any) -> dict[str, int]:
    """Return how large the largest person is, and how many have two customer ids."""
    import numpy as np

    _, sizes = np.unique(persons, return_counts=True)
    mine = np.isin(subjects, customers)
    _, ids = np.unique(persons[mine], return_counts=True)
    return {"persons": len(sizes), "largest": int(sizes.max()), "two_customer_ids": int((ids > 1).sum())}


def run(peer: str, path: Path) -> dict[str, Any]:
    """Do the work of one peer; return its seconds and what came of it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = pq.read_table(path)
    a, b = (edges[name].to_numpy() for name in ("subject_a", "subject_b"))
    parts = [edges.filter(pc.equal(edges[f"kind_{end}"], "customer_id"))[f"subject_{end}"].to_numpy() for end in "ab"]
    customers = np.unique(np.concatenate(parts))
    said: dict[str, Any] = {"edges": len(a)}
    if peer == "coterie":
        from coterie.profiles.resolution import resolve

        wall, cpu = time.perf_counter(), time.process_time()
        found = resolve(edges)
        said |= {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        said |= {"refused": found.refused.num_rows, "hubs": found.hubs.num_rows, "rows": found.persons.num_rows}
        subjects, persons = (column.to_numpy() for column in found.today.columns)
    elif peer == "components":
        wall, cpu = time.perf_counter(), time.process_time()
        subjects, place = np.unique(np.concatenate([a, b]), return_inverse=True)
        alone, alone_cpu = time.perf_counter(), time.process_time()
        place = place.astype(np.int32)
        graph = coo_array((np.ones(len(a), np.int8), (place[: len(a)], place[len(a) :])), shape=(len(subjects),) * 2)
        _, persons = connected_components(graph, directed=False)
        said |= {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        said |= {"alone_cpu": time.process_time() - alone_cpu, "alone_wall": time.perf_counter() - alone}
    else:
        wall, cpu = time.perf_counter(), time.process_time()
        parent: dict[int, int] = {}

        def top(node: int) -> int:
            parent.setdefault(node, node)
            while parent[node] != node:
                parent[node] = node = parent[parent[node]]
            return node

        for one, other in zip(a.tolist(), b.tolist(), strict=True):
            parent[top(one)] = top(other)
        subjects = np.fromiter(parent, np.int64, len(parent))
        persons = np.fromiter(map(top, parent), np.int64, len(parent))
        said |= {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    assert isinstance(edges, pa.Table)
    return {**said, **damage(subjects, persons, customers)}


def main(arguments: list[str] | None = None) -> int:
    """Generate, measure, print, record."""
    parser = argparse.ArgumentParser(description="Identity: coterie beside connected components and union-find.")
    parser.add_argument("--edges", type=int, default=3_000_000)
    parser.add_argument("--bad", type=float, default=0.003)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    own = parser.add_argument_group("steps in processes of their own")
    own.add_argument("--write", type=Path, help="write the edges to this file")
    own.add_argument("--run", nargs=2, metavar=("PEER", "FILE"), help="run one peer once")
    asked = parser.parse_args(arguments)
    if asked.write:
        write_edges(asked.write, asked.edges, asked.bad, asked.seed)
        return 0
    if asked.run:
        print(json.dumps(run(asked.run[0], Path(asked.run[1]))))
        return 0
    configuration = {name: getattr(asked, name) for name in ("edges", "bad", "repeats", "seed")}
    with looks.look("identity.py", configuration, draft=asked.draft) as taken:
        with tempfile.TemporaryDirectory(prefix="identity-") as scratch:
            file = str(Path(scratch) / "edges.parquet")
            me = [sys.executable, str(HERE / "identity.py")]
            sizes = ["--edges", str(asked.edges), "--bad", str(asked.bad), "--seed", str(asked.seed)]
            measure.run([*me, "--write", file, *sizes])
            peers = {peer: [*me, "--run", peer, file] for peer in ("components", "coterie", "union_find")}
            found = measure.compare(peers, repeats=asked.repeats)
        taken.figures.update(figures(found))
    for peer, runs in found.runs.items():
        print(f"{peer}: {json.dumps(dict(runs[-1].said))}")
    print(json.dumps(taken.figures, indent=1))
    return 0


def figures(found: measure.Comparison) -> dict[str, Any]:
    """Return medians, ratios and the damage."""
    middle = {
        (peer, what): statistics.median(run.said[what] for run in runs)
        for peer, runs in found.runs.items()
        for what in ("cpu", "wall", "alone_cpu", "alone_wall")
        if what in runs[0].said
    }
    seconds = {f"{peer}_{what}": round(value, 2) for (peer, what), value in middle.items()}
    ours = middle["coterie", "wall"]
    seconds["wall_by_components"] = round(ours / middle["components", "wall"], 2)
    seconds["wall_by_components_alone"] = round(ours / middle["components", "alone_wall"], 2)
    told = {
        f"{peer}_{what}": runs[-1].said[what]
        for peer, runs in found.runs.items()
        if peer != "components"
        for what in ("persons", "largest", "two_customer_ids")
    }
    peaks = {f"{peer}_peak": round(found.median(peer, "peak")) for peer in found.runs}
    last = found.runs["coterie"][-1].said
    return {**seconds, **peaks, **told, "refused": last["refused"], "hubs": last["hubs"]}


if __name__ == "__main__":
    raise SystemExit(main())
