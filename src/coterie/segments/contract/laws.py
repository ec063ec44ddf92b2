"""What the contract of segmenters demands of form, order, chance and storage: each law is a check."""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import clone
from sklearn.utils import check_random_state

from coterie.errors import IntegrityError, MissingColumnError, NotFittedError
from coterie.evaluation.contract import expect, refused
from coterie.segments.contract.trial import Trial, same, sound
from coterie.segments.people import SPEND, Floats, Segmentation


def check_constructor_only_stores(trial: Trial) -> None:
    """The constructor stores its parameters as they are and does nothing else; they can be read and set by name."""
    given = trial.estimator.get_params(deep=False)
    marks = {name: object() for name in given}
    made = type(trial.estimator)(**marks)
    for name, mark in marks.items():
        expect(vars(made).get(name) is mark, f"the parameter {name} is not stored as it was given")
    learnt = [name for name in vars(made) if name not in given]
    expect(not learnt, f"before fit it has {', '.join(learnt)}")
    expect(made.set_params(**given) is made, "set_params does not return self")
    expect(all(made.get_params(deep=False)[name] is value for name, value in given.items()), "set_params sets others")


def check_clone(trial: Trial) -> None:
    """A clone of a fitted segmenter has its parameters and nothing that it learnt."""
    model = trial.fit()
    again = clone(model)
    left = [name for name in vars(model) if name.endswith("_") and name in vars(again)]
    expect(not left, f"its clone has {', '.join(left)} before fit")
    given, got = trial.estimator.get_params(), again.get_params()
    other = [
        name
        for name, value in given.items()
        if type(got[name]) is not type(value) or _plain(value) != _plain(got[name])
    ]
    expect(not other, f"its clone has another {', '.join(other)}")
    same(model.labels_, trial.fit().labels_, "a clone is fitted")


def check_fit_returns_self(trial: Trial) -> None:
    """Fit returns self, keeps the parameters, and learns labels_ (int64, one a person) and k_ (int)."""
    model = clone(trial.estimator)
    before = {name: _plain(value) for name, value in model.get_params().items()}
    expect(model.fit(trial.people, trial.outcome) is model, "fit does not return self")
    changed = [name for name, value in model.get_params().items() if _plain(value) != before[name]]
    expect(not changed, f"fit changes the parameter {', '.join(changed)}")
    expect(type(model.k_) is int and model.k_ >= 1, f"k_ is {model.k_!r}, not a whole number of segments")
    sound(model, model.labels_, len(trial.people))
    together = clone(trial.estimator).fit_predict(trial.people, trial.outcome)
    same(model.labels_, together, "fit_predict is called in place of fit")


def check_not_fitted(trial: Trial) -> None:
    """Before fit, predict, assign, to_json and fingerprint raise NotFittedError with a hint."""
    fresh = clone(trial.estimator)
    asked: dict[str, Callable[[], object]] = {
        "predict": lambda: fresh.predict(trial.people),
        "assign": lambda: fresh.assign(trial.people),
        "to_json": fresh.to_json,
        "fingerprint": lambda: fresh.fingerprint,
    }
    for name, ask in asked.items():
        refused(ask, NotFittedError, f"{name} before fit")


def check_fitting_again_leaves_no_trace(trial: Trial) -> None:
    """A segmenter fitted to other people before is the same as a fresh one."""
    half = np.arange(0, len(trial.people), 2)
    used = trial.fit(trial.people.take(half), half)
    used.fit(trial.people, trial.outcome)
    expect(used.fingerprint == trial.fit().fingerprint, "what it learnt of others before is still in it")


def check_input_is_left_alone(trial: Trial) -> None:
    """Fit and predict change nothing in the table they are given."""
    for kind, frame in _kinds(trial.people):
        before = nw.from_native(frame, eager_only=True).clone().to_arrow()
        trial.fit(frame).predict(frame)
        after = nw.from_native(frame, eager_only=True).to_arrow()
        expect(after.equals(before), f"the {kind} table is another after fit and predict")


def check_any_dataframe(trial: Trial) -> None:
    """The same people give the same segments as a pyarrow, pandas or polars table, whatever its index."""
    expected = trial.fit()
    for kind, frame in _kinds(trial.people):
        model = trial.fit(frame)
        same(model.labels_, expected.labels_, f"they come in {kind}")
        expect(model.fingerprint == expected.fingerprint, f"it learns something else from {kind}")
        same(expected.predict(frame), expected.predict(trial.people), f"they are predicted in {kind}")


def check_row_order(trial: Trial) -> None:
    """The order of rows changes nothing: neither what is learnt nor anybody's segment."""
    model = trial.fit()
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(trial.people))
        shuffled = trial.fit(trial.people.take(order), order)
        same(shuffled.labels_, model.labels_[order], "rows come in another order")
        expect(shuffled.fingerprint == model.fingerprint, "it learns something else from rows in another order")
        same(model.predict(trial.people.take(order)), model.predict(trial.people)[order], "rows come in another order")


def check_column_order(trial: Trial) -> None:
    """New people may have their columns in another order, and more of them."""
    model = trial.fit()
    turned = trial.people.select(trial.people.column_names[::-1])
    more = turned.append_column("something else", pa.array(np.arange(len(turned)) % 7))
    same(model.predict(more), model.predict(trial.people), "columns come in another order, with one more")


def check_reads(trial: Trial) -> None:
    """What reads names is all that predict needs, and each of it is needed; empty reads promise nothing."""
    model = trial.fit()
    if not model.reads:
        return
    expect(isinstance(model.reads, tuple), f"reads is a {type(model.reads).__name__}, not a tuple of names")
    strange = [name for name in model.reads if name not in trial.columns]
    expect(not strange, f"reads names {', '.join(map(str, strange))}, which is no column of the people of fit")
    frame = trial.people.select([*model.reads, "person"]).append_column("beside", trial.people["person"])
    same(model.predict(frame), model.predict(trial.people), "only the columns of reads are there")
    for name in model.reads:
        refused(partial(model.predict, frame.drop([name])), MissingColumnError, f"predict without {name}")


def check_keys_are_no_features(trial: Trial) -> None:
    """Who a person is has no influence: other keys in the column person, or none, give the same segments."""
    model = trial.fit()
    without = trial.people.drop(["person"])
    turned = without.append_column("person", pa.array(trial.people["person"].to_numpy()[::-1].copy()))
    for frame, when in ((without, "there is no column person"), (turned, "persons have other keys")):
        same(trial.fit(frame).labels_, model.labels_, when)
        same(model.predict(frame), model.predict(trial.people), when)


def check_seed(trial: Trial) -> None:
    """Two fits are the same whatever numpy's global random numbers are, and leave those as they were."""
    chance = check_random_state(None)  # numpy's global one
    kept = chance.get_state()
    try:
        chance.seed(1)
        first = trial.fit()
        drawn = chance.random_sample()
        chance.seed(1)
        expect(drawn == chance.random_sample(), "fit draws from numpy's global random numbers, or seeds them")
        chance.seed(2)
        second = trial.fit()
    finally:
        chance.set_state(kept)
    same(first.labels_, second.labels_, "it is fitted a second time")
    expect(first.fingerprint == second.fingerprint, "it learns something else in a second fit")


def check_ids_by_value(trial: Trial) -> None:
    """Ids are 0 … k_ - 1, none left out, and the mean value (worth_, spend or outcome) falls from each to the next."""
    model = trial.fit()
    found = np.unique(model.labels_).tolist()
    expect(found == list(range(model.k_)), f"there are {model.k_} segments, and people in {found}")
    ways = _worth(trial, model)
    falling = [np.all(np.diff(worth) <= 1e-9 * np.abs(worth[1:])) for worth in ways]
    expect(not ways or any(falling), "a segment is worth more than the one before it")


def check_json_round_trip(trial: Trial) -> None:
    """What to_json writes is strict JSON, and from_json makes of it a segmenter that predicts alike."""
    model = trial.fit()
    text = json.dumps(model.to_json(), allow_nan=False)
    again = type(model).from_json(json.loads(text))
    expect(again.k_ == model.k_, f"it comes back with {again.k_} segments of {model.k_}")
    expect(again.fingerprint == model.fingerprint, "it comes back with another fingerprint")
    for frame in (trial.people, _newcomers(trial)):
        same(again.predict(frame), model.predict(frame), "it was stored and read back")


def check_foreign_json_is_refused(trial: Trial) -> None:
    """What another class wrote, or what lacks something, raises IntegrityError."""
    body = trial.fit().to_json()
    kind = type(trial.estimator)
    refused(lambda: kind.from_json({**body, "kind": "Another"}), IntegrityError, "from_json of another's JSON")
    refused(lambda: kind.from_json({"kind": kind.__name__}), IntegrityError, "from_json of half a JSON")


def check_no_person_in_json(trial: Trial) -> None:
    """No key of a person is in what is stored."""
    keys = set(trial.people["person"].to_pylist())
    words = {str(key) for key in keys}
    for value in _values(trial.fit().to_json()):
        if isinstance(value, str):
            told = value in words or any(word in value for word in words)
        else:
            told = not isinstance(value, bool) and value is not None and value in keys
        expect(not told, "the key of a person is in its JSON")


def check_no_pickle(trial: Trial) -> None:
    """What is stored is plain JSON values, with no pickle in a text."""
    for value in _values(trial.fit().to_json()):
        expect(value is None or type(value) in (str, int, float, bool), f"its JSON holds a {type(value).__name__}")
        expect(not (isinstance(value, str) and _is_pickle(value)), "a text in its JSON is a pickle")


def check_one_row_as_in_company(trial: Trial) -> None:
    """A person alone gets the same segment as among others."""
    model = trial.fit()
    together = model.predict(trial.people)
    rows = np.linspace(0, len(trial.people) - 1, 25).astype(int)
    alone = np.concatenate([model.predict(trial.people.slice(int(row), 1)) for row in rows])
    same(alone, together[rows], "they come alone")
    half = len(together) // 2
    parts = np.concatenate([model.predict(trial.people.slice(0, half)), model.predict(trial.people.slice(half))])
    same(parts, together, "they come in two parts")


def check_assigner(trial: Trial) -> None:
    """One person's features, by name, tell the same segment; what cannot be told so has no assigner."""
    model = trial.fit()
    together, segment_of = model.predict(trial.people), model.assigner()
    if segment_of is None:
        return
    rows = np.linspace(0, len(trial.people) - 1, 25).astype(int)
    people = [trial.people.slice(int(row), 1).to_pylist()[0] for row in rows]
    alone = [segment_of({name: person[name] for name in model.reads}) for person in people]
    expect(None not in alone, "the assigner does not know people whom predict knows")
    same(np.array(alone, dtype=np.int64), together[rows], "the assigner is asked")


def check_predict_learns_nothing(trial: Trial) -> None:
    """Predict leaves the segmenter as it was."""
    model = trial.fit()
    before = model.fingerprint
    first = model.predict(trial.people)
    model.predict(_newcomers(trial))
    expect(model.fingerprint == before, "its fingerprint is another after predict")
    same(model.predict(trial.people), first, "others were predicted in between")


def check_people_alike_share_a_segment(trial: Trial) -> None:
    """People of whom the same is known are in the same segment, in fit and in predict."""
    count = len(trial.people)
    rows = np.concatenate([np.arange(count), np.arange(count)])
    doubled = trial.people.take(rows)
    model = trial.fit(doubled, rows)
    same(model.labels_[:count], model.labels_[count:], "they have a twin")
    labels = model.predict(doubled)
    same(labels[:count], labels[count:], "they have a twin")


def check_assign(trial: Trial) -> None:
    """Assign returns person and segment (int64), in the order of rows."""
    model = trial.fit()
    table = model.assign(trial.people)
    expect(table.column_names == ["person", "segment"], f"its columns are {table.column_names}")
    expect(table.schema.types == [pa.int64(), pa.int64()], f"its columns are of {table.schema.types}")
    expect(table["person"].to_pylist() == trial.people["person"].to_pylist(), "persons come in another order")
    same(table["segment"].to_numpy(), model.predict(trial.people), "they are assigned")


def _worth(trial: Trial, model: Segmentation) -> list[Floats]:
    """Return the mean value of each segment in each way there is: as the model says, by value column, by outcome."""
    if hasattr(model, "worth_"):
        return [np.asarray(model.worth_, dtype=np.float64)]
    name = getattr(model, "value", None) or SPEND
    values = [trial.people[name].to_numpy()] if name in trial.people.column_names else []
    if trial.outcome is not None:
        values.append(np.asarray(trial.outcome, dtype=np.float64))
    return [np.bincount(model.labels_, weights=each) / np.bincount(model.labels_) for each in values]


def _kinds(people: pa.Table) -> Iterator[tuple[str, Any]]:
    """Yield the people in each kind of dataframe that is installed."""
    yield "pyarrow", people
    if find_spec("polars"):
        import polars

        yield "polars", polars.from_arrow(people)
    if find_spec("pandas"):
        frame = people.to_pandas()
        yield "pandas", frame
        yield "pandas with an index of its own", frame.set_axis(frame.index[::-1] + 5)


def _newcomers(trial: Trial) -> pa.Table:
    """Return people who are a little unlike those of fit: each number up by a third."""
    changed = trial.people.drop(["person"])
    for place, name in enumerate(changed.column_names):
        if _real(trial, name) or pa.types.is_integer(changed.schema.field(name).type):
            kind = changed.schema.field(name).type
            moved = pc.multiply(changed[name].cast(pa.float64()), 4 / 3)
            moved = pc.round(moved).cast(kind) if pa.types.is_integer(kind) else moved.cast(kind)
            changed = changed.set_column(place, name, moved)
    return changed


def _plain(value: object) -> str | None:
    """Return a parameter as text, if its text says what it is: an object's may only say where it lies in memory."""
    return None if " at 0x" in repr(value) else repr(value)


def _real(trial: Trial, name: str) -> bool:
    return bool(pa.types.is_floating(trial.people.schema.field(name).type))


def _values(body: Any) -> Iterator[Any]:
    """Yield every key and every value in JSON."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield key
            yield from _values(value)
    elif isinstance(body, list | tuple):
        for value in body:
            yield from _values(value)
    else:
        yield body


def _is_pickle(text: str) -> bool:
    """Say whether a text is a pickle, as it is or in base 64 or 16."""
    for decode in (base64.b64decode, binascii.unhexlify, lambda word: word.encode("latin-1")):
        try:
            raw = decode(text)
            if raw[:1] == b"\x80" and list(pickletools.genops(raw))[-1][0].name == "STOP":
                return True
        except ValueError:  # no such encoding, or no pickle
            continue
    return False
