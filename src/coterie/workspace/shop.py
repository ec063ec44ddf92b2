"""A shop, opened: the verbs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, overload

from coterie.errors import ParameterError
from coterie.govern.requests import Receipt as ErasureReceipt
from coterie.progress import SILENT, Progress
from coterie.workspace.answering import Answering

if TYPE_CHECKING:
    from coterie.workspace.assigning import Assignment
    from coterie.workspace.followed import Following
    from coterie.workspace.prediction import Prediction
    from coterie.workspace.segmentation import Segmentation
    from coterie.workspace.valuation import Valuation

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
        view: str = "value",
        k: int | None = None,
        horizon_days: int = 91,
        model: str | None = None,
        merge: Sequence[int] = (),
        split: int | None = None,
        progress: Progress = SILENT,
    ) -> Segmentation:
        """Make customer segments, judge them, put them into words and publish them to the lake.

        Parameters
        ----------
        as_of
            As in :meth:`build`.
        method
            ``kmeans``; ``ward``, a tree that can be cut anywhere; ``rfm``; ``goal``, a shallow tree grown for future
            spend; or ``taste``, by what people buy rather than how much.
        view
            What people are grouped by: ``value`` (purchases), ``engagement``, ``demographics``, or ``combined`` (all
            three, each counting as much as the others). RFM and taste have columns of their own.
        k
            How many segments, none of fewer than five people; None takes the largest number whose segments all come
            back in resampled data. With ``model``, of a tree: into how many it is cut anew, without refitting.
        horizon_days
            How many days of future the report card judges by. Where they are not in the data yet, the same is done one
            horizon earlier.
        model
            Assign people by this registered model, or ``"latest"``, without refitting.
        merge
            Segments of that model (numbers from 0) that become one; the model with it is registered as a new one.
        split
            A segment of that model (its number before ``merge``) that becomes two.
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
        from coterie.workspace.recipes import Recipe  # brings scikit-learn, which the other verbs do without
        from coterie.workspace.segmenting import Edits, segment

        asked = {
            "as_of": as_of, "method": method, "view": view, "k": k, "horizon_days": horizon_days, "model": model,
            "merge": list(merge), "split": split,
        }  # fmt: skip
        with self._writing("segment", asked) as run:
            made = segment(
                self, as_of, recipe=Recipe(method, view), k=k, horizon_days=horizon_days, model=model,
                edits=Edits(tuple(merge), split), progress=progress,
            )  # fmt: skip
            run.facts = {"model_id": made.model_id, "people": made.people, "segments": len(made.segments)}
        return made

    def assign(
        self,
        as_of: str | date | datetime | None = None,
        *,
        method: str = "kmeans",
        view: str = "value",
        model: str = "latest",
        progress: Progress = SILENT,
    ) -> Assignment:
        """Put everybody into the segments of a model that is there, however many people: part by part, into the lake.

        Nothing is fitted, judged or told in words: that is :meth:`segment`. Broken off, it goes on where it was when it
        is called again on the same data.

        Parameters
        ----------
        as_of
            As in :meth:`build`.
        method, view
            What made the model, as in :meth:`segment`; not ``taste``.
        model
            Its id, or ``"latest"``.
        progress
            Where people are counted.

        Returns
        -------
        Assignment
            How many people are in which segment, and under which name that was published.

        Raises
        ------
        EmptyShopError, ParameterError, GateRefusedError
            When there is nobody, no such model or a wrong parameter, or the gate says no.
        """
        from coterie.workspace.assigning import assign  # brings scikit-learn, which the other verbs do without

        asked = {"as_of": as_of, "method": method, "view": view, "model": model}
        with self._writing("assign", asked) as run:
            made = assign(self, as_of, method=method, view=view, model=model, progress=progress)
            run.facts = {"model_id": made.model_id, "people": made.people}
        return made

    def follow(
        self,
        model: str = "latest",
        *,
        method: str = "kmeans",
        view: str = "value",
        dates: Sequence[str | date | datetime] | None = None,
        every: str | int = "month",
        since: str | date | datetime | None = None,
        until: str | date | datetime | None = None,
        margin: float = 0.0,
        retrained: bool = False,
        publish: bool = False,
        progress: Progress = SILENT,
    ) -> Following:
        """Ask a registered model about several moments: who was where, who moved, whether the segments still fit.

        The model is not fitted again: scaling and segments stay what they were, so that a person moves only because of
        what the person did.

        Parameters
        ----------
        model
            Its id, or ``"latest"``.
        method, view
            What made it, as in :meth:`segment`.
        dates
            The moments, as in :meth:`build`; None takes steps.
        every
            The step: ``"week"``, ``"month"``, ``"quarter"`` or a number of days, from ``since`` on.
        since
            The first moment; that of the model, when not given.
        until
            The last moment at most; the newest data, when not given.
        margin
            Keep a person in a segment until another is nearer by this part of the distance (.1 for a tenth), but for
            three moments in a row at most; 0 always takes the nearest.
        retrained
            Make segments anew at each moment as well, and tell who moved by behaving differently from who would move
            only because the segments are new. They are not registered. For ``kmeans``, ``ward`` and ``rfm``.
        publish
            Keep who was where in the lake, as :meth:`segment` does; else nothing is published.
        progress
            Where steps are reported.

        Returns
        -------
        Following
            ``result.moments``, ``result.migrations``, ``result.review`` in words, ``result.members``.

        Raises
        ------
        EmptyShopError, ParameterError, GateRefusedError
            When there is nobody at a moment, no such model or a wrong parameter, or the gate says no.
        """
        from coterie.workspace.following import follow  # brings scikit-learn, which the other verbs do without
        from coterie.workspace.recipes import Recipe

        recipe = Recipe(method, view)
        asked = {
            "model": model, "method": method, "view": view, "dates": dates and [str(each) for each in dates],
            "every": every, "since": since, "until": until, "margin": margin, "retrained": retrained,
            "publish": publish,
        }  # fmt: skip
        with self._writing("follow", asked) as run:
            made = follow(
                self, recipe=recipe, model=model, dates=dates, every=every, since=since, until=until, margin=margin,
                retrained=retrained, publish=publish, progress=progress,
            )  # fmt: skip
            run.facts = {"model_id": made.model_id, "moments": len(made.moments), "verdict": made.review.verdict}
        return made

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        what: Literal["value"] = "value",
        as_of: str | date | datetime | None = None,
        *,
        horizon_days: int = 90,
        value_days: int = 365,
        margin: float = 1.0,
        discount_rate: float = 0.1,
        model: str | None = None,
        progress: Progress = SILENT,
    ) -> Valuation: ...

    @overload
    def predict(
        self,
        what: str,
        as_of: str | date | datetime | None = None,
        *,
        horizon_days: int = 90,
        model: str | None = None,
        progress: Progress = SILENT,
    ) -> Prediction: ...

    def predict(
        self,
        what: str = "value",
        as_of: str | date | datetime | None = None,
        *,
        horizon_days: int = 90,
        value_days: int = 365,
        margin: float = 1.0,
        discount_rate: float = 0.1,
        model: str | None = None,
        progress: Progress = SILENT,
    ) -> Prediction | Valuation:
        """Predict what each customer will do, judge that in the shop's past, and publish it to the lake.

        Parameters
        ----------
        what
            ``value``: orders, activity and spend to come, lifetime value with intervals, the next order, value tiers
            and lists of whom to retain, upsell or win back. Or a target: ``churn``, ``purchase``, ``orders``,
            ``spend``, ``category``, ``next_category``, ``response``, or ``event:KIND`` such as
            ``event:Product Viewed``.
        as_of
            As in :meth:`build`.
        horizon_days
            How far is looked ahead; forecasts are tried over as many days of the shop's past.
        value_days
            How far lifetime value is looked ahead, for ``value``.
        margin
            What remains of an amount, as a share, for ``value``; 1 values revenue.
        discount_rate
            A year, for ``value``: .1 is 10 %.
        model
            Ask this registered model, or ``"latest"``, without learning anew.
        progress
            Where steps are reported.

        Returns
        -------
        Valuation or Prediction
            ``result.people``, a row a person, and how far it can be trusted beside naive rules.

        Raises
        ------
        EmptyShopError, DataError, ParameterError, GateRefusedError
            When there is nobody, too little history, no such model or a wrong parameter, or the gate says no.
        """
        if isinstance(horizon_days, bool) or not isinstance(horizon_days, int) or not 1 <= horizon_days <= 36_525:
            raise ParameterError.of("predict", "horizon_days", horizon_days, "a whole number from 1 to 36525")
        asked: dict[str, object] = {"what": what, "as_of": as_of, "horizon_days": horizon_days, "model": model}
        if what == "value":
            asked |= {"value_days": value_days, "margin": margin, "discount_rate": discount_rate}
        with self._writing("predict", asked) as run:
            made: Prediction | Valuation
            if what == "value":
                from coterie.workspace.valuation import Terms  # brings scikit-learn and LightGBM
                from coterie.workspace.valuing import predict_value

                terms = Terms(value_days, margin, discount_rate)
                made = predict_value(
                    self, as_of, horizon_days=horizon_days, terms=terms, model=model, progress=progress
                )
            else:
                from coterie.workspace.learning import predict_target

                made = predict_target(self, what, as_of, horizon_days=horizon_days, model=model, progress=progress)
            run.facts = {"model_id": made.model_id, "people": made.people.num_rows}
        return made
