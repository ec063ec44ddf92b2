"""The verb ``predict`` for targets: a learner on what people did after earlier moments, judged, told and published."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coterie.errors import DataError, ParameterError
from coterie.features import batch, published
from coterie.features.availability import available
from coterie.predict.propensity.judgement import Judgement, judge
from coterie.predict.propensity.learner import Learner
from coterie.predict.propensity.reasons import explain
from coterie.predict.propensity.targets import Target, target
from coterie.progress import Progress
from coterie.schema import Purpose
from coterie.store.ports import Commit
from coterie.workspace.cases import Cases
from coterie.workspace.histories import COLUMNS as HISTORY
from coterie.workspace.prediction import Prediction

if TYPE_CHECKING:
    from coterie.workspace.results import FeatureTable
    from coterie.workspace.shop import Workspace

FORMAT = 1  # of what is kept of a learner: raised with its layout, so that older ones are learnt anew
MOMENTS = 3  # of the past that are learnt from: the latest ones
_COLUMNS = ("person", "as_of")


@dataclass
class Figures:
    """What was measured on a learner when it was made; kept beside it in the registry."""

    judgement: Judgement | None = None
    degraded: str | None = None
    moments: tuple[datetime, ...] = ()


def predict_target(
    shop: Workspace, what: str, as_of: str | date | datetime | None, *, horizon_days: int, model: str | None,
    progress: Progress,
) -> Prediction:  # fmt: skip
    """Carry out :meth:`Workspace.predict` for a target of a learner."""
    aim = target(what, horizon_days)
    seen = shop.facts(Purpose.SEGMENTATION)
    if missing := available(seen.warehouse, [aim.outcome]):
        raise ParameterError(
            f"predict: {aim.name} cannot be learnt: {missing[aim.outcome.name]}.",
            hint="ingest that, or ask for another.",
        )
    cases = Cases(shop, seen, horizon_days)
    built = cases.today(as_of, progress)
    inputs = _fingerprint(built, aim)
    name = f"predict-{slug(aim)}-{horizon_days}d"  # a learner of other days is another one
    found = shop.registry.get(name, model) if model else shop.registry.latest(name, inputs=inputs)
    if found is None:
        learner, figures = _learnt(cases, aim, built, progress)
        found = shop.registry.register(
            name, "Learner", learner.to_json(), inputs=inputs, as_of=built.as_of, figures=msgspec.to_builtins(figures)
        )
        reused = False
    else:
        learner, figures = Learner.from_json(shop.registry.load(found)), msgspec.convert(dict(found.figures), Figures)
        reused = True
    rule = _rule(aim, built.table, figures.judgement)
    told = learner.predict(built.table) if rule is None else rule
    column = "label" if aim.kind == "class" else "number"
    values = pa.array(list(told), pa.string()) if aim.kind == "class" else pa.array(np.asarray(told, np.float64))
    feature = f"predicted_{slug(aim)}_{horizon_days}d"
    person = built.table["person"].combine_chunks()
    rows = pa.table({"person": person, column: values})
    published.publish(
        shop.lake, feature, found.model_id, rows, as_of=built.as_of,
        commit=Commit(f"predict-{found.model_id}-{built.snapshot[:16]}", 1),
    )  # fmt: skip
    people = pa.table({"person": person, "prediction": values})
    if rule is None:
        titles = {one.name: (one.title, one.unit) for one in built.features}
        why = explain(learner, built.table, titles=titles, currency=shop.config.currency, progress=progress).table()
        for told_by in (one for one in why.column_names if one.startswith("reason_")):
            people = people.append_column(told_by, why[told_by])
    return Prediction(
        config=shop.config,
        target=aim,
        model_id=found.model_id,
        feature=feature,
        as_of=built.as_of,
        people=people,
        learner=learner,
        judgement=figures.judgement,
        by_rule=rule is not None,
        degraded=figures.degraded,
        moments=figures.moments,
        built=built,
        reused=reused,
        note=shop._note,
    )


def slug(aim: Target) -> str:
    """Return a target's name as it stands in the names of models and features."""
    return aim.name.lower().replace(":", "_").replace(" ", "_").replace("-", "_")


def _rule(aim: Target, table: pa.Table, judgement: Judgement | None) -> npt.NDArray[Any] | None:
    """Return what the naive rule says of everybody, where it was shown to be better and says what was asked."""
    if judgement is None or judgement.gap is None or judgement.gap.high >= 0:
        return None
    return aim.naive.scores(table) if aim.kind == "class" or aim.naive.level else None


def _learnt(cases: Cases, aim: Target, built: FeatureTable, progress: Progress) -> tuple[Learner, Figures]:
    """Judge a learner at the latest moment whose horizon is over, then learn from that moment, too."""
    moments = cases.origins(built.table)[:MOMENTS]
    if not moments:
        oldest = int(pc.max(built.table["T"]).as_py())
        raise DataError(
            f"Nothing can be learnt of {aim.days} days ahead: the shop has been selling for {oldest:,} days, and "
            f"{int(aim.days * 1.5)} are needed.",
            hint=f"ask for fewer days, at most {int(oldest / 1.5)}, or bring more history.",
        )
    table = cases.at(moments)
    outcome = _outcome(cases, aim, table)
    when = table["as_of"].to_numpy()
    latest = when == np.datetime64(moments[0], "us")
    test, protocol = _unseen(table, latest, moments, aim)
    judgement = None
    if test.any() and not test.all():
        tried = _fit(aim, table, outcome, ~test, progress)
        judged = table.filter(pa.array(test))
        with suppress(DataError):  # too few people, or the same happened to all of them
            judgement = judge(aim, tried.predict(judged), outcome[test], aim.naive.scores(judged), protocol=protocol)
    learner = _fit(aim, table, outcome, np.ones(len(outcome), dtype=np.bool_), progress)
    return learner, Figures(judgement, learner.degraded_, tuple(moments))


def _unseen(
    table: pa.Table, latest: npt.NDArray[np.bool_], moments: list[datetime], aim: Target
) -> tuple[npt.NDArray[np.bool_], str]:
    """Return which rows are judged: those of the latest moment, or of every second person where there is one only."""
    day = f"{moments[0]:%Y-%m-%d}"
    if len(moments) > 1:
        return latest, f"everybody at {day}, after learning from {_many(len(moments) - 1)}"
    people = np.unique(table["person"].to_numpy())
    half = np.random.default_rng(0).permutation(len(people)) % 2 == 0
    return half[np.searchsorted(people, table["person"].to_numpy())], (
        f"half of the people at {day}, after learning from the other half: the shop is too young to be judged at a "
        f"later moment than it learnt from ({aim.days * 3} days of history are needed)"
    )


def _many(moments: int) -> str:
    return "an earlier moment" if moments == 1 else f"{moments} earlier moments"


def _fit(
    aim: Target, table: pa.Table, outcome: npt.NDArray[Any], rows: npt.NDArray[np.bool_], progress: Progress
) -> Learner:
    told = [name for name in table.column_names if name not in HISTORY]  # what has a title for people
    return Learner(aim.kind, progress=progress).fit(table.filter(pa.array(rows)).select(told), outcome[rows])


def _outcome(cases: Cases, aim: Target, table: pa.Table) -> npt.NDArray[Any]:
    """Return what happened to each person of a table after its moment."""
    config = cases.shop.config
    found = batch.table(
        cases.seen.warehouse, [aim.outcome], table.select(list(_COLUMNS)),
        timezone=config.timezone, currency=config.currency,
    )  # fmt: skip
    return aim.labels(found)


def _fingerprint(built: FeatureTable, aim: Target) -> str:
    told = json.dumps([FORMAT, built.snapshot, aim.name, aim.outcome.fingerprint, aim.days])
    return hashlib.sha256(told.encode()).hexdigest()
