"""What a change of the rules would do, before it is made: who would split, who would merge."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.profiles.resolution import Resolution

MOST = 20
"""How many of the largest are told of."""


@dataclass(frozen=True)
class Regrouping:
    """One person that would split, or that would come out of a merger.

    Parameters
    ----------
    person
        The person's key: of today for a split, of then for a merger.
    subjects
        How many identifiers the person has.
    kinds
        How many of each kind.
    parts
        The keys of the persons it would be split into, or made of, the one with the most identifiers first.
    """

    person: int
    subjects: int
    kinds: dict[str, int]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Preview:
    """What would change if other rules were in force.

    Parameters
    ----------
    persons_before, persons_after
        How many persons the subjects are, subjects that were never seen with another left out.
    splits, merges
        How many persons of today would be split, and how many of then would be made of several.
    largest_splits, largest_merges
        The largest of them, by identifiers.
    refused_before, refused_after
        How many pairs were seen together and are two persons.
    hubs_before, hubs_after
        How many identifiers join nobody because they were seen with too many.
    """

    persons_before: int
    persons_after: int
    splits: int
    merges: int
    largest_splits: tuple[Regrouping, ...]
    largest_merges: tuple[Regrouping, ...]
    refused_before: int
    refused_after: int
    hubs_before: int
    hubs_after: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)


def preview(before: Resolution, after: Resolution, kinds: pa.Table) -> Preview:
    """Compare who is who by two sets of rules.

    Parameters
    ----------
    before, after
        Of the same subjects.
    kinds
        ``subject, kind``; subjects may be missing.
    """
    old, new = before.today, after.today
    subjects = np.union1d(old["subject"].to_numpy(), new["subject"].to_numpy())
    now, then = (_persons(each, subjects) for each in (old, new))
    kind = kinds["kind"].combine_chunks().take(pc.index_in(pa.array(subjects), kinds["subject"].combine_chunks()))
    splits, largest_splits = _regrouped(now, then, kind)
    merges, largest_merges = _regrouped(then, now, kind)
    return Preview(
        len(np.unique(now)),
        len(np.unique(then)),
        splits,
        merges,
        largest_splits,
        largest_merges,
        before.refused.num_rows,
        after.refused.num_rows,
        before.hubs.num_rows,
        after.hubs.num_rows,
    )


_Keys = npt.NDArray[np.int64]


def _persons(today: pa.Table, subjects: _Keys) -> _Keys:
    """Return the person of each subject; itself where it is not told."""
    persons = subjects.copy()
    persons[np.searchsorted(subjects, today["subject"].to_numpy())] = today["person"].to_numpy()
    return persons


def _regrouped(whole: _Keys, part: _Keys, kind: pa.Array) -> tuple[int, tuple[Regrouping, ...]]:
    """Return how many of the wholes consist of several parts, and the largest of them."""
    pairs, sizes = np.unique(np.stack([whole, part], axis=1), axis=0, return_counts=True)
    persons, first, many = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    several = np.flatnonzero(many > 1)
    total = np.add.reduceat(sizes, first) if len(first) else sizes
    largest = several[np.lexsort((persons[several], -total[several]))][:MOST]
    found = []
    for place in largest.tolist():
        mine = slice(first[place], first[place] + many[place])
        parts = pairs[mine, 1][np.lexsort((pairs[mine, 1], -sizes[mine]))]
        named = pc.value_counts(kind.filter(pa.array(whole == persons[place]))).to_pylist()
        kinds = {str(row["values"] or "unknown"): int(row["counts"]) for row in named}
        found.append(
            Regrouping(int(persons[place]), int(total[place]), dict(sorted(kinds.items())), tuple(map(int, parts)))
        )
    return len(several), tuple(found)
