"""Ward's criterion by definition, slowly: what any two groups of weighted points would cost to join."""

import numpy as np


def cheapest(points: np.ndarray, weights: np.ndarray, groups: list[list[int]]) -> float:
    """The least height at which two of the groups could join: the root of twice the growth of the sum of squares."""

    def spread(group: list[int]) -> float:
        mean = np.average(points[group], axis=0, weights=weights[group])
        return float(weights[group] @ np.square(points[group] - mean).sum(axis=1))

    growth = [
        spread([*one, *other]) - spread(one) - spread(other)
        for place, one in enumerate(groups)
        for other in groups[:place]
    ]
    return float(np.sqrt(2 * max(min(growth), 0.0)))


def joined(linkage: np.ndarray) -> list[list[list[int]]]:
    """The groups before each join of a linkage matrix."""
    members = {point: [point] for point in range(len(linkage) + 1)}
    found = []
    for row, (one, other) in enumerate(linkage[:, :2].astype(int)):
        found.append(list(members.values()))
        members[len(linkage) + 1 + row] = members.pop(one) + members.pop(other)
    return found
