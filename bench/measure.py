"""Runs peers side by side and reports what each cost: CPU seconds, wall seconds, peak memory, and the ratios.

Each run is a process of its own. Peers take turns (a, b, a, b, …), so that what else the machine does falls on all of
them alike; the median of the repeats is reported. CPU is user + system time of the process and all that it waited for;
peak memory is the largest resident set. Only the standard library is imported here: the kernel hands a parent's peak
on to its children, so a heavy parent would be measured instead of its child.

``python bench/measure.py --repeats 3 --peer "ours=python a.py" --peer "theirs=python b.py" --json out.json``
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class CommandFailedError(RuntimeError):
    """A measured command did not succeed, so that its cost means nothing."""


@dataclass(frozen=True)
class Run:
    """What one run of one peer cost.

    ``cpu`` and ``wall`` are seconds, ``peak`` is MiB, ``said`` is the JSON object on its last line of output, if any.
    """

    cpu: float
    wall: float
    peak: float
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """All runs of all peers; the first peer is the one that the others are compared with."""

    runs: Mapping[str, tuple[Run, ...]]
    machine: str

    def median(self, peer: str, what: str) -> float:
        """Return the median of ``cpu``, ``wall`` or ``peak`` over a peer's runs."""
        return statistics.median(getattr(run, what) for run in self.runs[peer])

    def ratio(self, peer: str, what: str) -> float:
        """Return how many times as much a peer took as the first one (medians)."""
        return self.median(peer, what) / self.median(next(iter(self.runs)), what)

    def spread(self, peer: str, what: str) -> tuple[float, float]:
        """Return the least and the most over a peer's runs."""
        values = [getattr(run, what) for run in self.runs[peer]]
        return min(values), max(values)

    def table(self) -> str:
        """Return the comparison as Markdown."""
        first = next(iter(self.runs))
        rows = [
            f"| peer | CPU s | (min–max) | wall s | peak MiB | CPU ÷ {first} | peak ÷ {first} |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for peer in self.runs:
            low, high = self.spread(peer, "cpu")
            rows.append(
                f"| {peer} | {self.median(peer, 'cpu'):.2f} | {low:.2f}–{high:.2f} | {self.median(peer, 'wall'):.2f} "
                f"| {self.median(peer, 'peak'):.0f} | {self.ratio(peer, 'cpu'):.2f} | {self.ratio(peer, 'peak'):.2f} |"
            )
        return "\n".join([*rows, "", self.machine])

    def figures(self) -> dict[str, float]:
        """Return the medians and ratios that go on record."""
        found = {}
        for number, peer in enumerate(self.runs):
            found |= {f"{peer}_{what}": round(self.median(peer, what), 2) for what in ("cpu", "wall", "peak")}
            if number:
                found |= {f"{peer}_{what}_ratio": round(self.ratio(peer, what), 2) for what in ("cpu", "peak")}
        return found

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "machine": self.machine,
            "figures": self.figures(),
            "runs": {peer: [asdict(run) for run in runs] for peer, runs in self.runs.items()},
        }


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end and return what it cost; raises CommandFailedError with the end of its output."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(environment or {})})
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines = out.read().decode("utf-8", "replace").strip().splitlines()
        if process.returncode != 0:
            tail = "\n".join([*lines[-5:], *err.read().decode("utf-8", "replace").strip().splitlines()[-15:]])
            raise CommandFailedError(f"{shlex.join(command)} ended with {process.returncode}:\n{tail}")
    said: Mapping[str, Any] = {}
    if lines and lines[-1].startswith("{"):
        said = json.loads(lines[-1])
    unit = 1024.0**2 if sys.platform == "darwin" else 1024.0  # ru_maxrss is in bytes there, in KiB elsewhere
    return Run(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit, said)


def machine() -> str:
    """Say what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def compare(
    peers: Mapping[str, Sequence[str]], *, repeats: int = 3, environment: Mapping[str, str] | None = None
) -> Comparison:
    """Run every peer ``repeats`` times, in turns, and return what they cost."""
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    runs: dict[str, list[Run]] = {peer: [] for peer in peers}
    for turn in range(repeats):
        # Every other turn goes backwards, so that no peer always follows the same one.
        for peer in list(peers)[:: -1 if turn % 2 else 1]:
            runs[peer].append(run(peers[peer], environment=environment))
            print(f"  {peer}: {runs[peer][-1].cpu:.2f} CPU s, {runs[peer][-1].peak:.0f} MiB", file=sys.stderr)
    return Comparison({peer: tuple(found) for peer, found in runs.items()}, machine())


def main(arguments: list[str] | None = None) -> int:
    """Compare the commands that are given."""
    parser = argparse.ArgumentParser(description="Measure commands side by side.")
    parser.add_argument("--peer", action="append", required=True, help="name=command; the first one is the measure")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    asked = parser.parse_args(arguments)
    found = compare(
        {name: shlex.split(command) for name, _, command in (peer.partition("=") for peer in asked.peer)},
        repeats=asked.repeats,
    )
    print(found.table())
    if asked.json:
        asked.json.write_text(json.dumps(found.to_json(), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
