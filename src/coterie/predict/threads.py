"""One thread for sums: over several threads they would differ in the last digits from run to run."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Sum in one thread; to look for the libraries anew each time takes a quarter as long as a fit."""
    limits: AbstractContextManager[Any] = _threads().limit(limits=1)
    return limits
