"""Scratch space: rows on their way in and results too large for memory, inside the shop and swept after a crash."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coterie.errors import StoreError
from coterie.store import disk

SCRATCH = "scratch"


class Scratch(tempfile.TemporaryDirectory[str]):
    """A folder that only this process uses, readable by its owner alone; those of dead processes are removed.

    It is locked as long as its process lives, so a folder that can be locked is nobody's any more, whatever process
    has the number of the dead one by now.

    Parameters
    ----------
    shop
        The shop's folder; None takes the system's place for temporary files.
    """

    def __init__(self, shop: Path | None) -> None:
        self._lock: int | None = None
        if shop is None:
            super().__init__(prefix="coterie-")
            return
        place = shop / SCRATCH
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            with _locked(place):  # nobody sweeps a folder that is made and not locked yet
                for left in place.iterdir():
                    _sweep(left)
                super().__init__(prefix=f"{os.getpid()}-", dir=place)
                self._lock = os.open(self.name, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_SH)
        except OSError as error:
            hint = disk.remedy(error)
            raise StoreError(f"Cannot make a folder in {place}: {error.strerror or error}.", hint=hint) from error

    def cleanup(self) -> None:
        """Remove the folder; doing so twice does nothing."""
        super().cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(left: Path) -> None:
    """Remove a folder unless a living process has it locked."""
    try:
        descriptor = os.open(left, os.O_RDONLY)
    except OSError:  # its process removed it meanwhile
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(descriptor)
