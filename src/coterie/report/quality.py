"""What became of the data, as the report shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileFate:
    """The fate of every row of one file: received = accepted + quarantined + duplicates.

    Parameters
    ----------
    name
        The file, or the source.
    received, accepted, quarantined, duplicates
        Rows.
    """

    name: str
    received: int
    accepted: int
    quarantined: int
    duplicates: int

    @property
    def unaccounted(self) -> int:
        """Rows without a known fate: 0, or something is wrong.

        >>> FileFate("orders.csv", 10, 7, 2, 1).unaccounted
        0
        """
        return self.received - self.accepted - self.quarantined - self.duplicates


@dataclass(frozen=True)
class Reason:
    """Why rows were marked.

    Parameters
    ----------
    reason
        In words.
    count
        Rows.
    severity
        ``error`` (the row was quarantined) or ``warning`` (it was accepted and marked).
    """

    reason: str
    count: int
    severity: str


@dataclass(frozen=True)
class QualityView:
    """What a reader should know about the data before believing the rest.

    Parameters
    ----------
    files
        The fate of every row.
    reasons
        Why rows were quarantined or marked, the most frequent first.
    volume
        Rows by month, in order: ("2017-01", 120000).
    assumptions
        What had to be assumed, in sentences.
    people
        How many people the data speak of; None when it was not counted.
    identity_rate
        Share of accepted rows, in [0, 1], that belong to a known person; None when it was not counted.
    """

    files: tuple[FileFate, ...] = ()
    reasons: tuple[Reason, ...] = ()
    volume: tuple[tuple[str, int], ...] = ()
    assumptions: tuple[str, ...] = ()
    people: int | None = None
    identity_rate: float | None = None
