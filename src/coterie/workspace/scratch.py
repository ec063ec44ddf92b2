"""Scratch space: rows on their way in and results too large for memory, inside the shop and swept after a crash."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from coterie.errors import StoreError

SCRATCH = "scratch"


def scratch(shop: Path | None) -> tempfile.TemporaryDirectory[str]:
    """Return a folder that only this process uses, readable by its owner alone, and remove those of dead processes.

    Parameters
    ----------
    shop
        The shop's folder; None takes the system's place for temporary files.
    """
    if shop is None:
        return tempfile.TemporaryDirectory(prefix="coterie-")
    place = shop / SCRATCH
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        for left in place.iterdir():
            if not _lives(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        return tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=place)
    except OSError as error:
        raise StoreError(f"Cannot make a folder in {place}: {error.strerror or error}.") from error


def _lives(number: str) -> bool:
    """Say whether a process of that number is there; another one with its number keeps a folder for a while longer."""
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        return True
    return True
