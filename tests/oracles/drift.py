"""The population stability index of two lists of numbers, by loops over one value at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence


def bin_of(value: float | None, ends: Sequence[float]) -> int:
    """The number of the first end that a value does not exceed; the last bin is for whoever has no value."""
    if value is None or not math.isfinite(value):
        return len(ends) + 1
    for number, end in enumerate(ends):
        if value <= end:
            return number
    return len(ends)


def ends_of(values: Sequence[float], bins: int) -> list[float]:
    """The value of the last person of each of so many equal parts; a value that ends two parts also begins one."""
    ordered = sorted(values)
    # the smallest value that at least number/bins of the people do not exceed
    quantiles = [ordered[max(math.ceil(len(ordered) * number / bins - 1e-12) - 1, 0)] for number in range(bins + 1)]
    ends = set(quantiles[1:-1])
    for value in quantiles:
        if quantiles.count(value) > 1:
            ends.add(math.nextafter(value, -math.inf))
    return sorted(ends)


def index(reference: Sequence[float | None], current: Sequence[float | None], bins: int) -> float:
    """The population stability index."""
    known = [value for value in reference if value is not None and math.isfinite(value)]
    ends = ends_of(known, bins) if known else []
    total = 0.0
    for cell in range(len(ends) + 2):
        before = sum(bin_of(value, ends) == cell for value in reference)
        after = sum(bin_of(value, ends) == cell for value in current)
        if before or after:
            p = (before or 0.5) / len(reference)
            q = (after or 0.5) / len(current)
            total += (q - p) * math.log(q / p)
    return total
