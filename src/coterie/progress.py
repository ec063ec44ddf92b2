"""How long work says how far it is: rooms report steps, faces draw them."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of long work; an implementation may draw a bar, log, or do nothing."""

    def step(self, name: str, done: int, total: int | None = None) -> None:
        """Report that ``done`` of ``total`` units of the step ``name`` are finished; the same name moves one bar."""


class Silent:
    """A progress that nobody watches; the default everywhere."""

    def step(self, name: str, done: int, total: int | None = None) -> None:
        """Do nothing."""


SILENT = Silent()
