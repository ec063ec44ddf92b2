"""The contract of predictors as named checks, for ours and for those that others write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import clone

from coterie.errors import CoterieError, MissingColumnError, NotFittedError
from coterie.evaluation.contract import Check, checks_of, expect, keyed, refused
from coterie.features.frames import opened


@dataclass(frozen=True)
class Trial:
    """A predictor on trial.

    Parameters
    ----------
    estimator
        The predictor; each check works on clones of it.
    people
        The people it is tried on, with a column ``person``.
    outcome
        What they did afterwards: shape (people,).
    """

    estimator: Any
    people: pa.Table
    outcome: npt.NDArray[Any]

    @cached_property
    def fitted(self) -> Any:
        """A clone fitted to all the people, which several checks ask and none changes."""
        return self.fit(self.people)

    def fit(self, frame: Any, outcome: Any = None) -> Any:
        """Return a fitted clone."""
        return clone(self.estimator).fit(frame, self.outcome if outcome is None else outcome)

    def take(self, rows: npt.NDArray[np.int64]) -> tuple[pa.Table, npt.NDArray[Any]]:
        """Return some of the people, and what they did."""
        return self.people.take(pa.array(rows)), self.outcome[rows]


Law = Callable[[Trial], None]


def check_constructor_only_stores(trial: Trial) -> None:
    """The constructor stores its parameters as they are and does nothing else."""
    given = trial.estimator.get_params(deep=False)
    marks = {name: object() for name in given}
    made = type(trial.estimator)(**marks)
    for name, mark in marks.items():
        expect(vars(made).get(name) is mark, f"the parameter {name} is not stored as it was given")
    learnt = [name for name in vars(made) if name not in given]
    expect(not learnt, f"before fit it has {', '.join(learnt)}")


def check_fit_returns_self(trial: Trial) -> None:
    """Fit returns self and keeps the parameters; a clone of a fitted predictor has learnt nothing."""
    model = clone(trial.estimator)
    before = {name: repr(value) for name, value in model.get_params().items()}
    expect(model.fit(trial.people, trial.outcome) is model, "fit does not return self")
    changed = [name for name, value in model.get_params().items() if repr(value) != before[name]]
    expect(not changed, f"fit changes the parameter {', '.join(changed)}")
    left = [name for name in vars(clone(model)) if name.endswith("_")]
    expect(not left, f"its clone has {', '.join(left)} before fit")


def check_predictions_are_sound(trial: Trial) -> None:
    """Each person gets a finite number (of a yes or no a probability, of counts 0 or more), or a class."""
    told = trial.fitted.predict(trial.people)
    expect(isinstance(told, np.ndarray) and told.shape == (len(trial.people),), "predictions are not one a person")
    kind = getattr(trial.estimator, "kind", "amount")
    if kind == "class":
        expect(all(isinstance(one, str) for one in told), "a class is no text")
        return
    expect(bool(np.isfinite(told).all()), "a prediction is not finite")
    if kind in ("binary", "count"):
        expect(bool((told >= 0).all()), "a prediction is below 0")
    if kind == "binary":
        expect(bool((told <= 1).all()), "a probability is above 1")


def check_row_order(trial: Trial) -> None:
    """The order in which people come changes nothing."""
    rows = np.random.default_rng(1).permutation(len(trial.people))
    shuffled, outcome = trial.take(rows)
    _same(trial.fitted.predict(trial.people), trial.fit(shuffled, outcome).predict(trial.people), "people are shuffled")


def check_column_order(trial: Trial) -> None:
    """The order of the columns changes nothing."""
    turned = trial.people.select(trial.people.column_names[::-1])
    _same(trial.fitted.predict(trial.people), trial.fit(turned).predict(turned), "columns are turned round")


def check_names_of_people(trial: Trial) -> None:
    """Who people are changes nothing, as long as they are as many."""
    other = pa.array(np.asarray(trial.people["person"]) * 3 + 5)
    place = trial.people.column_names.index("person")
    renamed = trial.people.set_column(place, "person", other)
    _same(trial.fitted.predict(trial.people), trial.fit(renamed).predict(renamed), "people have other keys")


def check_any_dataframe(trial: Trial) -> None:
    """Pandas, Polars and Arrow tables give the same."""
    import narwhals as nw

    want = trial.fitted.predict(trial.people)
    for kind in ("pandas", "polars"):
        try:
            frame = nw.from_arrow(trial.people, backend=kind).to_native()
        except ModuleNotFoundError:
            continue
        _same(want, trial.fit(frame).predict(frame), f"they come in {kind}")


def check_alone_as_among_others(trial: Trial) -> None:
    """A person's prediction does not depend on who else is asked about."""
    model = trial.fitted
    want = model.predict(trial.people)
    few = np.array([3, len(trial.people) - 1, 0])
    _same(want[few], model.predict(trial.take(few)[0]), "three are asked about")
    expect(len(model.predict(trial.people.slice(0, 0))) == 0, "of nobody there are predictions")


def check_gaps_and_news(trial: Trial) -> None:
    """People of whom nothing is known, and texts never seen before, get a prediction."""
    model = trial.fitted
    for name in [name for name in trial.people.column_names if name != "person"]:
        place, kind = trial.people.column_names.index(name), trial.people.schema.field(name).type
        gone = trial.people.set_column(place, name, pa.nulls(len(trial.people), kind))
        expect(len(model.predict(gone)) == len(gone), f"without {name} somebody has no prediction")
        if pa.types.is_string(kind):
            new = trial.people.set_column(place, name, pa.array(["never seen"] * len(trial.people)))
            expect(len(model.predict(new)) == len(new), f"with a new {name} somebody has no prediction")


def check_json(trial: Trial) -> None:
    """What was learnt goes to plain JSON and back, predicts the same, and names nobody."""
    model = trial.fitted
    text = json.dumps(model.to_json(), allow_nan=False)
    again = type(model).from_json(json.loads(text))
    _same(model.predict(trial.people), again.predict(trial.people), "it is read back")
    expect(json.dumps(again.to_json()) == json.dumps(model.to_json()), "read back, it is written otherwise")
    named = [key for key in map(str, trial.people["person"].to_pylist()) if key in text]
    expect(not named, "its JSON names a person")
    refused(lambda: type(model).from_json({**model.to_json(), "kind": "other"}), CoterieError, "another kind")


def check_refusals(trial: Trial) -> None:
    """It refuses, with a hint, to predict before fit or without a column that it needs, and to learn from nobody."""
    refused(lambda: clone(trial.estimator).predict(trial.people), NotFittedError, "predicting before fit")
    model = trial.fitted
    reads = [name for name in getattr(model, "reads", ()) if name in trial.people.column_names]
    if reads:
        refused(lambda: model.predict(trial.people.drop([reads[0]])), MissingColumnError, f"leaving out {reads[0]}")
    refused(lambda: trial.fit(trial.people.slice(0, 0), trial.outcome[:0]), CoterieError, "learning from nobody")


def check_too_little(trial: Trial) -> None:
    """From three people, and from an outcome that is the same for all, it learns the mean or refuses with a hint."""
    for rows in (np.arange(3), np.flatnonzero(trial.outcome == trial.outcome[0])):
        people, outcome = trial.take(rows)
        try:
            told = trial.fit(people, outcome).predict(trial.people)
        except CoterieError as error:
            expect(bool(error.hint), f"its refusal must have a hint: {error.message}")
            continue
        expect(len(set(told.tolist())) == 1, "it tells people apart by too little")


LAWS: tuple[Law, ...] = tuple(law for name, law in list(vars().items()) if name.startswith("check_"))
"""All checks, in the order in which they run."""


def check_predictor(estimator: Any, frame: Any = None, y: npt.ArrayLike | None = None) -> None:
    """Run every check of the contract of predictors; the first that fails raises.

    Parameters
    ----------
    estimator
        The predictor, not fitted; it is cloned, never changed.
    frame
        The people to try it on: any dataframe, with the columns that it needs. None takes 300 made-up people with the
        columns ``recency_days, orders, spend, discount_share`` and ``channel`` (text).
    y
        What they did afterwards, one a person; None takes made-up outcomes of the predictor's ``kind``.

    Raises
    ------
    AssertionError
        A check fails; the message has its name and what was expected.
    """
    for check in checks(estimator, frame, y):
        check()


def checks(estimator: Any, frame: Any = None, y: npt.ArrayLike | None = None) -> Iterator[Check[Trial]]:
    """Yield the checks one by one, for ``pytest.mark.parametrize("check", checks(...), ids=str)``.

    Parameters are those of ``check_predictor``.
    """
    people, made = made_up_people(kind=getattr(estimator, "kind", "amount"))
    if frame is not None:
        data = opened(frame)
        people = pa.table({name: data.get_column(name).to_arrow() for name in data.columns if name != "person"})
    outcome = made if y is None else np.asarray(y)
    yield from checks_of(LAWS, Trial(estimator, keyed(people), outcome))


def made_up_people(count: int = 300, seed: int = 0, *, kind: str = "amount") -> tuple[pa.Table, npt.NDArray[Any]]:
    """Return made-up people, and what they will do: orders, spend, whether any orders, or their channel."""
    random = np.random.default_rng(seed)
    pace = random.gamma(1.5, 1.0, count)
    recency = random.exponential(20 / (pace + 0.1))
    orders = 1 + random.poisson(4 * pace)
    basket = 2_000 * random.lognormal(0, 0.5, count)
    channel = random.choice(["app", "store", "web"], count)
    shares = random.beta(2, 6, count)
    shares[random.random(count) < 0.1] = np.nan
    people = pa.table(
        {
            "recency_days": recency, "orders": orders, "spend": np.rint(orders * basket).astype(np.int64),
            "discount_share": pa.array(shares, from_pandas=True), "channel": channel.tolist(),
        }
    )  # fmt: skip
    later = random.poisson(pace * np.exp(-recency / 60) * np.where(channel == "app", 2.0, 1.0))
    match kind:
        case "binary":
            return people, (later > 0).astype(np.float64)
        case "count":
            return people, later.astype(np.float64)
        case "class":
            moved = random.random(count) < 0.2
            return people, np.where(moved, random.choice(["app", "store", "web"], count), channel).astype(object)
    return people, np.rint(later * basket * random.lognormal(0, 0.3, count))


def _same(one: npt.NDArray[Any], other: npt.NDArray[Any], when: str) -> None:
    moved = int((np.asarray(one) != np.asarray(other)).sum())
    expect(moved == 0, f"{moved} of {len(one)} predictions change when {when}")
