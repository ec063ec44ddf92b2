"""What the verb ``predict`` returns of a target: a prediction a person, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import escape

from coterie.config import Config
from coterie.govern.privacy import shown, small
from coterie.predict.propensity.choice import ChoiceLearner
from coterie.predict.propensity.judgement import Judgement
from coterie.predict.propensity.learner import Learner
from coterie.predict.propensity.reasons import Importance, importances
from coterie.predict.propensity.targets import Target
from coterie.report.forecasts import bins_told
from coterie.report.pictures import Format, write_all
from coterie.report.targets import TargetReport, render_target, target_figures
from coterie.report.worth import veiled
from coterie.schema import utc_now
from coterie.segments.suppression import dominated
from coterie.workspace.histories import TITLES
from coterie.workspace.results import FeatureTable, local_day, write_whole


@dataclass(frozen=True)
class Prediction:
    """What people will do by a learner.

    Parameters
    ----------
    config
        The shop's settings.
    target
        What was asked.
    model_id
        The registered learner; ``shop.predict(..., model=model_id)`` asks it again at another moment.
    feature
        Under which name the predictions are in the lake.
    as_of
        The moment whose past they are made from, naive UTC.
    people
        ``person`` and ``prediction``: a probability, an expected number, minor units, or a text; ``reason_1`` … say in
        words what moves it most. Of a text also its ``chance``, the next likeliest (``choice_2``, ``chance_2`` …), and
        a reason for each.
    learner
        The learner.
    judgement
        How well it told people at a moment that it had not learnt from, beside the naive rule; None where there were
        too few.
    by_rule
        Whether predictions are those of the naive rule, which was shown to be better than the learner.
    degraded
        Why everybody gets the mean; None where they do not.
    moments
        What it learnt from, naive UTC.
    warnings
        What to beware of, in words.
    built
        The features of the people.
    reused
        Whether the learner was there already.
    note
        Told each file that is written: a request to be forgotten names it.
    """

    config: Config
    target: Target
    model_id: str
    feature: str
    as_of: datetime
    people: pa.Table
    learner: Learner | ChoiceLearner = field(repr=False)
    judgement: Judgement | None
    by_rule: bool
    degraded: str | None
    moments: tuple[datetime, ...]
    warnings: tuple[str, ...]
    built: FeatureTable = field(repr=False)
    reused: bool
    note: Callable[[str, Path], None] = field(repr=False, compare=False)

    @property
    def summary(self) -> dict[str, Any]:
        """Mean and quantiles of the predictions, or how many people get each class; of small groups nothing."""
        values, least = self.people["prediction"], self.config.minimum_group
        if self.target.kind == "class":
            counts = sorted(pc.value_counts(values).to_pylist(), key=lambda row: (-row["counts"], row["values"]))
            hidden = small([row["counts"] for row in counts], least)  # nor what follows from the total
            told = zip(counts, hidden, strict=True)
            return {str(row["values"]): row["counts"] for row, hide in told if not hide}
        told = values.to_numpy()
        if len(told) < least or dominated(told):
            return {}
        cuts = np.quantile(told, [0.1, 0.25, 0.5, 0.75, 0.9])
        named = zip(("p10", "p25", "median", "p75", "p90"), cuts.tolist(), strict=True)
        return {"mean": float(told.mean()), **dict(named)}

    @property
    def judged(self) -> Judgement | None:
        """The judgement as it may be told: without bins of too few people; None where too few were judged."""
        one, least = self.judgement, self.config.minimum_group
        return None if one is None or one.people < least else replace(one, bins=bins_told(one.bins, least))

    def report(self, path: str | Path) -> Path:
        """Write the report, one self-contained HTML page about groups, and return where it lies."""
        return self._noted("report", write_whole(path, render_target(self.page())))

    def figures(self, folder: str | Path, *, format: Format = "svg", dark: bool = False) -> tuple[Path, ...]:
        """Write every figure of the report as a file of its own, SVG or PNG, and return where they lie."""
        drawn = target_figures(self.page())
        return tuple(self._noted("figures", path) for path in write_all(drawn, folder, format=format, dark=dark))

    def page(self) -> TargetReport:
        """Return what the report shows."""
        from coterie import __version__

        told = self.people["prediction"]
        least = self.config.minimum_group
        refused = "; ".join(f"{shown(count, least)} people: {why}" for why, count in self.built.refused.items())
        days = "" if self.target.days == 90 else f" --horizon {self.target.days}"
        named = f'"{self.target.name}"' if " " in self.target.name else self.target.name
        return TargetReport(
            shop=self.config.name,
            currency=self.config.currency,
            as_of=self.as_of,
            created=utc_now(),
            target=self.target,
            predictions=np.array(told.to_pylist(), dtype=object) if self.target.kind == "class" else told.to_numpy(),
            judgement=self.judgement,
            reasons=self._importances(),
            by_rule=self.by_rule,
            degraded=self.degraded,
            moments=self.moments,
            warnings=self.warnings,
            command=f"coterie predict {named} --as-of {local_day(self.as_of, self.config.timezone)}{days}",
            refused=refused or None,
            minimum_group=least,
            timezone=self.config.timezone,
            provenance={
                "model": self.model_id, "feature": self.feature, "features": self.built.snapshot[:16],
                "coterie": __version__,
            },
        )  # fmt: skip

    def _importances(self) -> tuple[Importance, ...]:
        if isinstance(self.learner, ChoiceLearner):
            return self.learner.importances(self.built.table)
        titles = TITLES | {one.name: (one.title, one.unit) for one in self.built.features}
        return importances(self.learner, self.built.table, titles=titles, currency=self.config.currency)

    def _noted(self, verb: str, path: Path) -> Path:
        self.note(verb, path)
        return path

    def to_json(self) -> dict[str, Any]:
        """Return everything but the people, as JSON values."""
        return {
            "shop": self.config.name,
            "target": self.target.name,
            "horizon_days": self.target.days,
            "kind": self.target.kind,
            "unit": self.target.unit,
            "currency": self.config.currency,
            "model_id": self.model_id,
            "feature": self.feature,
            "as_of": self.as_of.isoformat() + "Z",
            "people": shown(self.people.num_rows, self.config.minimum_group),
            "predictions": self.summary,
            "judgement": None if self.judged is None else {**asdict(self.judged), "words": self.judged.words},
            "by_rule": self.by_rule,
            "degraded": self.degraded and veiled(self.degraded, self.config.minimum_group),
            "warnings": [veiled(words, self.config.minimum_group) for words in self.warnings],
            "learnt_from": [moment.isoformat() + "Z" for moment in self.moments],
            "reused": self.reused,
        }

    def __repr__(self) -> str:
        lines = [f"{self.target.title} of {self.people.num_rows:,} people as of {self.as_of:%Y-%m-%d %H:%M} UTC"]
        lines += [self.judgement.words] if self.judgement else []
        lines += [f"Everybody gets the mean: {self.degraded}."] if self.degraded else []
        return "\n".join([*lines, *self.warnings])

    def _repr_html_(self) -> str:
        """Show the report inside a notebook."""
        page = escape(render_target(self.page()))
        return f'<iframe srcdoc="{page}" style="width:100%;height:720px;border:0"></iframe>'
