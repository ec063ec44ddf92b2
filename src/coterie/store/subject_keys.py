"""Subject keys: random numbers that nobody had before."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]


def drawing(generator: np.random.Generator | None) -> Callable[[int], Keys]:
    """Return what draws so many numbers from 1 to 2**63 - 1."""
    if generator is not None:
        return lambda count: generator.integers(1, 2**63, count, dtype=np.int64)

    def draw(count: int) -> Keys:
        drawn = (np.frombuffer(secrets.token_bytes(8 * count), np.uint64) >> np.uint64(1)).astype(np.int64)
        return drawn[drawn > 0]

    return draw


def unused(count: int, draw: Callable[[int], Keys], taken: Callable[[Keys], Iterable[int]]) -> Keys:
    """Return so many distinct keys that nobody has; a draw that was had before is drawn again."""
    keys = np.empty(0, np.int64)
    while len(keys) < count:
        drawn = draw(count - len(keys))
        drawn = drawn[~np.isin(drawn, np.array(list(taken(drawn)), np.int64))]
        both = np.concatenate([keys, drawn])
        keys = both[np.sort(np.unique(both, return_index=True)[1])]
    return keys
