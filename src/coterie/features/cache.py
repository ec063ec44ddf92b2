"""The cache under the online plane: a state under one meaning, of which others are told apart."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from coterie.errors import StoreError
from coterie.store.ports import State

_HEADER = b"\x00"
_TOKEN = 8  # random bytes behind the fingerprint: a state that was made anew is another one

_Answer = TypeVar("_Answer")


class Cache:
    """A state whose content was made under one fingerprint, or that is empty.

    Parameters
    ----------
    state
        Where it lies.
    fingerprint
        32 bytes: of all that changes what is kept.
    """

    def __init__(self, state: State, fingerprint: bytes) -> None:
        self.state = state
        self.fingerprint = fingerprint
        self.forget: list[Callable[[], None]] = []
        """Called when what was read is no longer what is kept."""
        self._header: bytes | None = None
        self._turn = threading.RLock()

    @property
    def stale(self) -> bool:
        """Whether the state was made under another fingerprint, or not to its end."""
        return not self._fits(self.state.get([_HEADER])[0])

    @property
    def made(self) -> bytes | None:
        """The header of the state: another one once it was cleared, lost or made anew; None of an empty one."""
        return self.state.get([_HEADER])[0]

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """Read keys; only inside of ``done``, which notices when the state was made anew since the last time."""
        header, *found = self.state.get([_HEADER, *keys])
        if header != self._header:
            raise _MadeAnewError
        return found

    def put(self, values: dict[bytes, bytes | None], mark: bytes | None = None) -> None:
        """Write values and the mark; an empty state gets the fingerprint with them."""
        header = self._header
        if header is None:
            header = values[_HEADER] = self.fingerprint + os.urandom(_TOKEN)
        if values or mark is not None:
            self.state.put(values, mark)
        self._header = header

    def done(self, work: Callable[[], _Answer]) -> _Answer:
        """Do something, again when another process has made the state anew meanwhile; raises StoreError when stale."""
        with self._turn:
            while True:
                try:
                    return work()
                except _MadeAnewError:
                    self._adopt()
                except BaseException:
                    self._forget()
                    raise

    def made_anew(self, make: Callable[[], None], mark: bytes | None) -> None:
        """Clear the state and fill it; it is stale until that is done, and when it is broken off."""
        with self._turn:
            try:
                self.state.clear()
                self._forget()
                self._header = bytes(len(self.fingerprint)) + os.urandom(_TOKEN)
                self.state.put({_HEADER: self._header})
                make()
                self.get([])
                header = self.fingerprint + os.urandom(_TOKEN)
                self.state.put({_HEADER: header}, mark)
                self._header = header
            except BaseException as error:
                self._forget()
                self._header = None  # what is there is not to be read
                if isinstance(error, _MadeAnewError):
                    raise StoreError("The state was removed while it was made.", hint="make it anew.") from None
                raise

    def remove(self, keys: list[bytes]) -> None:
        """Remove keys, whatever made them; whoever has read them, in whichever process, reads anew."""
        with self._turn:
            values: dict[bytes, bytes | None] = dict.fromkeys(keys)
            header = self.state.get([_HEADER])[0]
            if header is not None:
                values[_HEADER] = header[: len(self.fingerprint)] + os.urandom(_TOKEN)
            self.state.put(values)

    def _fits(self, header: bytes | None) -> bool:
        return header is None or header[: len(self.fingerprint)] == self.fingerprint

    def _adopt(self) -> None:
        self._forget()
        header = self.state.get([_HEADER])[0]
        if not self._fits(header):
            raise StoreError(
                "The state was made by other definitions, or is being made.",
                hint="make it anew from the facts: rebuild.",
            )
        self._header = header

    def _forget(self) -> None:
        for forget in self.forget:
            forget()


class _MadeAnewError(Exception):
    """The state is not the one that its user knows."""
