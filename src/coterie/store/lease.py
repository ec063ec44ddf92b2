"""Leases: which process may write to a shop, and whether that process still lives."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coterie.errors import ShopLockedError


@dataclass(frozen=True)
class Holder:
    """A process, told apart from all others that had or will have its number.

    Parameters
    ----------
    host
        The machine's name.
    pid
        The number of the process.
    started
        When the process began, in words that differ for any two processes of one number.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Holder:
        """Return this process."""
        return cls(socket.gethostname(), os.getpid(), _started(os.getpid()) or "")

    def lives(self) -> bool:
        """Say whether the process is still there; of another machine's we cannot know, and say yes."""
        return self.host != socket.gethostname() or _started(self.pid) == self.started

    def refusal(self, name: str) -> ShopLockedError:
        """Return the error for whoever else asks for the lease."""
        return ShopLockedError(
            f"Process {self.pid} on {self.host} holds the lease {name!r}: one process writes to a shop at a time.",
            hint="wait for it to end, or end it."
            if self.host == socket.gethostname()
            else "wait for it to end; if that machine is gone for good: coterie unlock.",
        )


class Turns:
    """Which thread of this process holds which lease."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[str, int] = {}

    def held(self, name: str) -> bool:
        """Tell whether any thread holds a name."""
        return name in self._threads

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Hold a name; the answer says whether this thread did not hold it before."""
        me = threading.get_ident()
        with self._lock:
            first = name not in self._threads
            if self._threads.setdefault(name, me) != me:
                raise Holder.here().refusal(name)
        try:
            yield first
        finally:
            if first:
                with self._lock:
                    del self._threads[name]


def _started(pid: int) -> str | None:
    """Return when a process began, or None when it is dead."""
    try:
        # The second field is the program's name in brackets, and may hold anything; the state follows it.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
        return shown.stdout.strip() or None
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"
