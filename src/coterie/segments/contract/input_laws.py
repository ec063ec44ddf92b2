"""What the contract of segmenters demands of odd input: a sound result or a clear refusal; each law is a check."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from coterie.errors import EmptyShopError, MissingColumnError
from coterie.evaluation.contract import expect, refused
from coterie.segments.contract.trial import Trial, same


def check_missing_values(trial: Trial) -> None:
    """Missing values (null and NaN mean the same) give a sound segment or a clear refusal, in fit and in predict."""
    model = trial.fit()
    for name in trial.columns:
        holes = [
            _holed(trial.people, name, value) for value in ([None, float("nan")] if _real(trial, name) else [None])
        ]
        predicted = [trial.predict_or_refusal(model, frame) for frame in holes]
        fitted = [trial.fit_or_refusal(frame) for frame in holes]
        if len(holes) == 2:
            agree = [(one is None) == (other is None) for one, other in (predicted, fitted)]
            expect(all(agree), f"in {name} it refuses only one of null and NaN")
            if predicted[0] is not None and predicted[1] is not None:
                same(predicted[0], predicted[1], f"null in {name} is NaN")
            if fitted[0] is not None and fitted[1] is not None:
                same(fitted[0].labels_, fitted[1].labels_, f"null in {name} is NaN")


def check_infinite_values(trial: Trial) -> None:
    """Infinities give a sound segment or a clear refusal, in fit and in predict."""
    model = trial.fit()
    for name in filter(lambda name: _real(trial, name), trial.columns):
        for value in (float("inf"), float("-inf")):
            frame = _holed(trial.people, name, value)
            trial.predict_or_refusal(model, frame)
            trial.fit_or_refusal(frame)


def check_huge_values(trial: Trial) -> None:
    """One figure of 1e300 gives a sound segment or a clear refusal; in predict nobody else moves."""
    model = trial.fit()
    usual = model.predict(trial.people)
    for name in filter(lambda name: _real(trial, name), trial.columns):
        for value in (1e300, -1e300):
            frame = _holed(trial.people, name, value, count=1)
            if (labels := trial.predict_or_refusal(model, frame)) is not None:
                same(labels[1:], usual[1:], f"somebody else has {value} in {name}")
            trial.fit_or_refusal(frame)


def check_unknown_levels(trial: Trial) -> None:
    """A level of text that nobody had at fit gives a sound segment or a clear refusal."""
    model = trial.fit()
    for name in trial.columns:
        if pa.types.is_string(trial.people.schema.field(name).type):
            for word in ("never seen before", ""):
                trial.predict_or_refusal(model, _holed(trial.people, name, word))


def check_nobody_is_refused(trial: Trial) -> None:
    """A table without rows raises EmptyShopError with a hint, in fit and in predict."""
    nobody = trial.people.slice(0, 0)
    refused(lambda: trial.fit(nobody, np.arange(0)), EmptyShopError, "fit to nobody")
    model = trial.fit()
    refused(lambda: model.predict(nobody), EmptyShopError, "predict of nobody")


def check_few_people(trial: Trial) -> None:
    """One, two or three people give sound segments or a clear refusal: a CoterieError with a hint."""
    for count in (1, 2, 3):
        trial.fit_or_refusal(trial.people.slice(0, count), np.arange(count))


def check_people_all_alike(trial: Trial) -> None:
    """One person many times over, or columns without any variation, give one segment or a clear refusal."""
    rows = np.zeros(30, dtype=np.int64)
    model = trial.fit_or_refusal(trial.people.take(rows), rows)
    if model is not None:
        expect(len(np.unique(model.labels_)) == 1, "people who are all alike are in several segments")


def check_missing_columns(trial: Trial) -> None:
    """A column that matters and is not there raises MissingColumnError with a hint; one that does not, nothing."""
    model = trial.fit()
    usual = model.predict(trial.people)
    for name in trial.columns:
        frame = trial.people.drop([name])
        try:
            labels = model.predict(frame)
        except MissingColumnError as error:
            expect(bool(error.hint), f"its refusal must have a hint: {error.message}")
        else:
            same(labels, usual, f"the column {name} is not there")


def check_wrong_columns(trial: Trial) -> None:
    """A column of the wrong kind gives what it gave, or a CoterieError."""
    model = trial.fit()
    usual = model.predict(trial.people)
    moments = pa.array([0] * len(trial.people), pa.timestamp("us"))
    for name in trial.columns:
        frame = trial.people.set_column(trial.people.column_names.index(name), name, moments)
        labels = trial.predict_or_refusal(model, frame)
        if labels is not None:
            same(labels, usual, f"the column {name} holds moments")


def _real(trial: Trial, name: str) -> bool:
    return bool(pa.types.is_floating(trial.people.schema.field(name).type))


def _holed(people: pa.Table, name: str, value: object, count: int = 5) -> pa.Table:
    """Return the people with a value in place of the first few ones' own."""
    values = people[name].to_pylist()
    values[:count] = [value] * count
    place = people.column_names.index(name)
    return people.set_column(place, name, pa.array(values, people.schema.field(name).type))
