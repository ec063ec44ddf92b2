"""Axes: from values to pixels, and the round values that are written beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0)
_ROUND = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Axis:
    """Where values lie on a line of pixels.

    Parameters
    ----------
    low, high
        The values at its ends; where they are alike, room is made around them.
    start, end
        Their pixels; ``end`` may lie before ``start``, as it does where values grow upwards.
    root
        Whether roots of values are drawn instead of values, so that small ones can be told apart beside large ones;
        ``low`` then is 0.

    Examples
    --------
    >>> axis = Axis(0, 10, 0, 200)
    >>> axis.at(5), axis.ticks(60)
    (100.0, [0.0, 5.0, 10.0])
    """

    low: float
    high: float
    start: float
    end: float
    root: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value; values outside lie at the ends."""
        if self.high <= self.low:
            return (self.start + self.end) / 2
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + (math.sqrt(share) if self.root else share) * (self.end - self.start)

    def ticks(self, apart: float) -> list[float]:
        """Return round values on the axis that lie at least ``apart`` pixels from each other."""
        if self.high <= self.low:
            return [self.low]
        length = abs(self.end - self.start)
        if not self.root:
            step = _round((self.high - self.low) * apart / max(length, 1.0))
            first = math.ceil(self.low / step - 1e-9)
            count = math.floor(self.high / step + 1e-9) - first
            return [round((first + place) * step, 12) for place in range(count + 1)]
        smallest = math.floor(math.log10(self.high)) - 4
        series = [one * 10.0**power for power in range(smallest, smallest + 6) for one in _ROUND]
        kept = [0.0]
        for value in sorted((one for one in series if one <= self.high), reverse=True):
            if all(abs(self.at(value) - self.at(other)) >= apart for other in kept):
                kept.append(value)
        return sorted(kept)


def _round(step: float) -> float:
    """Return the smallest round number that is not below ``step``.

    >>> _round(0.3), _round(7)
    (0.5, 10.0)
    """
    scale = 10.0 ** math.floor(math.log10(step))
    return next((one * scale for one in _STEPS if one * scale >= step * (1 - 1e-9)), 10 * scale)
