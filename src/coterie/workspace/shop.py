"""A shop, opened: the verbs."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from coterie.govern.requests import Receipt as ErasureReceipt
from coterie.progress import SILENT, Progress
from coterie.workspace.answering import Answering

if TYPE_CHECKING:
    from coterie.workspace.segmentation import Segmentation

__all__ = ["ErasureReceipt", "Workspace"]


class Workspace(Answering):
    """A shop and what can be done with it; made by :func:`coterie.open`.

    Parameters
    ----------
    folder
        Where the shop lives; None for a shop in memory.
    config
        The shop's settings.
    ledger, vault, lake, archive
        Its stores.
    """

    def segment(
        self,
        as_of: str | date | datetime | None = None,
        *,
        method: str = "kmeans",
        k: int | None = None,
        horizon_days: int = 91,
        model: str | None = None,
        progress: Progress = SILENT,
    ) -> Segmentation:
        """Make customer segments, judge them, put them into words and publish them to the lake.

        Parameters
        ----------
        as_of
            As in :meth:`build`.
        method
            ``kmeans``, ``ward`` (with its whole tree; up to 20,000 people) or ``rfm``.
        k
            How many segments; None takes the largest number whose segments all come back in resampled data.
        horizon_days
            How many days of future the report card judges by. Where they are not in the data yet, the same is done one
            horizon earlier.
        model
            Assign people by this registered model, or ``"latest"``, without refitting.
        progress
            Where steps are reported.

        Returns
        -------
        Segmentation
            ``result.segments`` in words, ``result.members``, ``result.card``; ``result.report(path)`` writes the page.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError, ParameterError, GateRefusedError
            When there is nobody, too few people, nothing to tell apart, a wrong parameter, or the gate says no.
        """
        from coterie.workspace.segmenting import segment  # brings scikit-learn, which the other verbs do without

        asked = {"as_of": as_of, "method": method, "k": k, "horizon_days": horizon_days, "model": model}
        with self._writing("segment", asked) as run:
            made = segment(self, as_of, method=method, k=k, horizon_days=horizon_days, model=model, progress=progress)
            run.facts = {"model_id": made.model_id, "people": made.people, "segments": len(made.segments)}
        return made
