"""What this process may use of the machine it runs on."""

from __future__ import annotations

import os
from pathlib import Path


def memory() -> int:
    """Return the bytes of memory this process may use: the machine's, or less where its control group says so."""
    amount = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            amount = min(amount, int(Path(path).read_text("ascii")))
        except (OSError, ValueError):  # no such control group, or "max"
            continue
    return amount


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
