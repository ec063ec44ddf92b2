"""Measuring: what a process costs is what the kernel says it cost."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

import measure

HEAVY = "x = bytearray(200 * 1024 * 1024); x[::4096] = b'1' * len(x[::4096])"
BUSY = "import time\nwhile time.process_time() < 0.6: pass"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_cpu_is_the_processs_own() -> None:
    idle, busy = measure.run(python("import time; time.sleep(0.5)")), measure.run(python(BUSY))
    assert busy.cpu >= 0.6 > idle.cpu
    assert idle.wall >= 0.5


def test_memory_is_the_processs_own_when_the_one_that_measures_is_small(tmp_path: Path) -> None:
    # This process is not small: what it has imported would count as its children's, so the command line measures.
    file = tmp_path / "found.json"
    peers = [f"--peer={name}={shlex.join(python(code))}" for name, code in (("idle", "pass"), ("heavy", HEAVY))]
    done = measure.run([sys.executable, measure.__file__, "--repeats", "1", "--json", str(file), *peers])
    assert done.wall > 0
    figures = json.loads(file.read_text())["figures"]
    assert figures["heavy_peak"] - figures["idle_peak"] == pytest.approx(200, abs=10)
    assert figures["idle_peak"] < 60


def test_the_work_of_child_processes_counts() -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    assert measure.run(python(parent)).cpu >= 0.6


def test_the_last_line_of_output_is_read_when_it_is_json() -> None:
    assert measure.run(python("print('words'); print('{\"people\": 3}')")).said == {"people": 3}
    assert measure.run(python("print('words')")).said == {}


def test_a_failing_command_is_no_measurement() -> None:
    with pytest.raises(measure.CommandFailedError, match=r"ended with 3:\n(.*\n)*what went wrong"):
        measure.run(python("import sys; print('what went wrong', file=sys.stderr); sys.exit(3)"))


def test_peers_take_turns_and_ratios_are_of_medians(tmp_path: Path) -> None:
    record = tmp_path / "order"
    write = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    found = measure.compare({name: [*python(write), str(record), name] for name in "ab"}, repeats=3)
    assert record.read_text() == "abbaab"
    runs = {"a": [measure.Run(2, 1, 10), measure.Run(9, 1, 10), measure.Run(1, 1, 10)], "b": [measure.Run(6, 1, 5)] * 3}
    found = measure.Comparison({name: tuple(values) for name, values in runs.items()}, "a machine")
    assert found.ratio("b", "cpu") == 3.0
    assert found.figures()["b_peak_ratio"] == 0.5
    assert found.spread("a", "cpu") == (1, 9)
    assert "| b | 6.00 | 6.00–6.00 | 1.00 | 5 | 3.00 | 0.50 |" in found.table()


def test_at_least_one_repeat() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        measure.compare({"a": python("")}, repeats=0)
