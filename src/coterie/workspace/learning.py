"""The verb ``predict`` for targets: a learner on what people did after earlier moments, judged, told and published."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.errors import DataError, ParameterError
from coterie.features import batch, published
from coterie.features.availability import available
from coterie.predict.propensity.choice import ChoiceLearner
from coterie.predict.propensity.judgement import Judgement, judge
from coterie.predict.propensity.learner import Learner
from coterie.predict.propensity.reasons import explain
from coterie.predict.propensity.repertoire import COLUMN
from coterie.predict.propensity.targets import NAMES, Target, target
from coterie.progress import Progress
from coterie.schema import Kind, Purpose
from coterie.store.ports import Commit
from coterie.workspace.cases import Cases
from coterie.workspace.histories import COLUMNS as HISTORY
from coterie.workspace.prediction import Prediction
from coterie.workspace.repertoires import with_repertoires

if TYPE_CHECKING:
    from coterie.ops.registry import Model
    from coterie.workspace.results import FeatureTable
    from coterie.workspace.shop import Workspace

FORMAT = 2  # of what is kept of a learner: raised with its layout, so that older ones are learnt anew
MOMENTS = 3  # of the past that are learnt from: the latest ones
_COLUMNS = ("person", "as_of")


@dataclass
class Figures:
    """What was measured on a learner when it was made; kept beside it in the registry."""

    judgement: Judgement | None = None
    degraded: str | None = None
    moments: tuple[datetime, ...] = ()
    unjudged: str | None = None


def predict_target(
    shop: Workspace, what: str, as_of: str | date | datetime | None, *, horizon_days: int, model: str | None,
    progress: Progress,
) -> Prediction:  # fmt: skip
    """Carry out :meth:`Workspace.predict` for a target of a learner."""
    aim = _asked(what, horizon_days)
    seen = shop.facts(Purpose.SEGMENTATION)
    if missing := available(seen.warehouse, [aim.outcome]):
        raise ParameterError(
            f"predict: {aim.name} cannot be learnt: {missing[aim.outcome.name]}.",
            hint="ingest that, or ask for another.",
        )
    name = f"predict-{slug(aim)}-{horizon_days}d"  # a learner of other days is another one
    given = None if model is None else _given(shop, name, model)
    cases = Cases(shop, seen, horizon_days)
    built = cases.today(as_of, progress)
    if aim.kind == "class":
        built = replace(built, table=with_repertoires(seen, built.table))
    inputs = _fingerprint(built, aim)
    found = given or shop.registry.latest(name, inputs=inputs)
    if found is None:
        learner, figures = _learnt(cases, aim, built, progress)
        found = shop.registry.register(
            name, type(learner).__name__, learner.to_json(), inputs=inputs, as_of=built.as_of,
            figures=msgspec.to_builtins(figures),
        )  # fmt: skip
        reused = False
    else:
        kind = ChoiceLearner if aim.kind == "class" else Learner
        learner, figures = kind.from_json(shop.registry.load(found)), msgspec.convert(dict(found.figures), Figures)
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
        if isinstance(learner, ChoiceLearner):
            why = learner.choices(built.table).table()
        else:
            titles = {one.name: (one.title, one.unit) for one in built.features}
            why = explain(learner, built.table, titles=titles, currency=shop.config.currency, progress=progress).table()
            why = why.drop(["prediction"])
        for told_by in why.column_names:
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
        warnings=(*cases.silence(built.as_of), *([figures.unjudged] if figures.unjudged else [])),
        built=built,
        reused=reused,
        note=shop._note,
    )


def slug(aim: Target) -> str:
    """Return a target's name as it stands in the names of models and features."""
    return aim.name.lower().replace(":", "_").replace(" ", "_").replace("-", "_")


def _asked(what: str, days: int) -> Target:
    """Return the target that is asked for, or say which one may have been meant."""
    try:
        return target(what, days)
    except ParameterError as error:
        if error.hint or not isinstance(what, str) or what in NAMES:
            raise
        kinds = {kind.lower(): f"event:{kind.value}" for kind in Kind}
        plain = re.sub(r"[\s_-]+", " ", what).strip().lower()
        words = re.sub(r"^event ?: ?|( \d+ ?d?)$", "", plain)
        event = plain.startswith("event")
        among = kinds if event else {one.replace("_", " "): one for one in ("value", *NAMES)} | kinds
        if near := get_close_matches(words, list(among), 1):
            meant = f"did you mean {among[near[0]]!r}?"
        else:
            meant = "such as 'event:Product Viewed'." if event else "or value, which is more than a target."
        raise ParameterError(error.message, hint=meant) from None


def _given(shop: Workspace, name: str, model: str) -> Model:
    """Return the learner of that id, before anything is read: of another target, horizon or shop it is none."""
    try:
        return shop.registry.get(name, model)
    except ParameterError as error:
        hint = "a learner answers what it was made for, in its own shop; leave out model to have one made."
        raise ParameterError(error.message, hint=hint) from None


def _rule(aim: Target, table: pa.Table, judgement: Judgement | None) -> npt.NDArray[Any] | None:
    """Return what the naive rule says of everybody, where it was shown to be better and says what was asked."""
    if judgement is None or judgement.gap is None or judgement.gap.high >= 0:
        return None
    return aim.naive.scores(table) if aim.kind == "class" or aim.naive.level else None


def _learnt(
    cases: Cases, aim: Target, built: FeatureTable, progress: Progress
) -> tuple[Learner | ChoiceLearner, Figures]:
    """Judge a learner at the latest moment whose horizon is over, then learn from that moment, too."""
    moments = cases.origins(built.table)[:MOMENTS]
    if not moments:
        age = cases.age(built.table)
        most = int(age / 1.5)
        past = "a day" if age == 1 else f"{age:,} days"
        raise DataError(
            f"Nothing can be learnt of {aim.days:,} days ahead: as far as its data tell, the shop had been selling for "
            f"{past} by {built.as_of:%Y-%m-%d}, and {math.ceil(aim.days * 1.5):,} are needed.",
            hint=f"ask for fewer days, at most {most:,}, or bring more history." if most else "bring more history.",
        )
    table = cases.at(moments)
    if aim.kind == "class":
        table = with_repertoires(cases.seen, table)
    outcome = _outcome(cases, aim, table)
    when = table["as_of"].to_numpy()
    latest = when == np.datetime64(moments[0], "us")
    test, protocol = _unseen(table, latest, moments, aim)
    judgement, why = None, f"There is nobody at {moments[0]:%Y-%m-%d} to judge by and to learn from."
    if test.any() and not test.all():
        judged = table.filter(pa.array(test))
        try:
            tried = _fit(aim, table, outcome, ~test, progress)
            judgement = judge(aim, tried.predict(judged), outcome[test], aim.naive.scores(judged), protocol=protocol)
        except DataError as error:  # too few people, or the same happened to all of them
            why = error.message
    learner = _fit(aim, table, outcome, np.ones(len(outcome), dtype=np.bool_), progress)
    unjudged = None if judgement else f"Nothing shows how well this tells people apart. {why}"
    return learner, Figures(judgement, learner.degraded_, tuple(moments), unjudged)


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
) -> Learner | ChoiceLearner:
    if aim.kind == "class":
        chosen = table.select([*_COLUMNS, COLUMN]).filter(pa.array(rows))
        return ChoiceLearner(progress=progress).fit(chosen, outcome[rows])
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
