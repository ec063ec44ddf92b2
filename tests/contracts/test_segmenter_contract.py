"""The contract of segmenters: ours keep it, and for each of its checks there is one that fails that very check."""

import base64
import copy
import pickle

import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest

from coterie.errors import NotFittedError, TooFewPeopleError
from coterie.segments.clustering import KMeansSegments
from coterie.segments.contract.checks import LAWS, check_segmenter, checks
from coterie.segments.contract.trial import made_up_people
from coterie.segments.goal import GoalSegments
from coterie.segments.hierarchy import WardSegments
from coterie.segments.people import Segmentation, numbers, read
from coterie.segments.rfm import RFMSegments
from coterie.segments.taste import TasteSegments


class Parts(Segmentation):
    """A segmenter as others might write it: equal parts by one column."""

    def __init__(self, column="spend", parts=3):
        self.column = column
        self.parts = parts

    def fit(self, frame, y=None):
        values = self._values(read(frame))
        if len(values) < self.parts:
            raise TooFewPeopleError.of(f"{self.parts} parts", self.parts, len(values), hint="take fewer.")
        cuts = np.unique(np.quantile(values, np.arange(1, self.parts) / self.parts))
        self.cuts_ = cuts[cuts < values.max()]
        self.k_ = len(self.cuts_) + 1
        self.labels_ = self.predict(frame)
        return self

    def predict(self, frame):
        self._fitted()
        return (len(self.cuts_) - np.searchsorted(self.cuts_, self._values(read(frame)))).astype(np.int64)

    @property
    def reads(self):
        self._fitted()
        return (self.column,)

    def to_json(self):
        self._fitted()
        return {"kind": type(self).__name__, "column": self.column, "cuts": self.cuts_.tolist()}

    @classmethod
    def from_json(cls, body):
        cls._checked(body, "column", "cuts")
        model = cls(body["column"], len(body["cuts"]) + 1)
        model.cuts_ = np.array(body["cuts"])
        model.k_ = len(model.cuts_) + 1
        return model

    def _values(self, data):
        return np.nan_to_num(numbers(data, self.column))


def baskets():
    """What 240 people of three tastes bought of seven items, wide: a row a person."""
    random = np.random.default_rng(0)
    taste = random.integers(0, 3, 240)
    liked = [np.where(taste == item % 3, 4, 1) for item in range(7)]
    return pa.table({f"item {item}": np.rint(random.gamma(2, 300, 240) * more) for item, more in enumerate(liked)})


SEGMENTERS = [
    pytest.param(KMeansSegments(3, n_init=3), None, id="k-means"),
    pytest.param(
        KMeansSegments(candidates=(2, 3), minimum_size=20, resamples=3, n_init=1),
        None,
        id="k-means, own k",
        marks=pytest.mark.slow,
    ),
    pytest.param(WardSegments(3), None, id="ward"),
    pytest.param(WardSegments(4, polish=True, scaling="robust"), None, id="ward, polished"),
    pytest.param(
        WardSegments(None, candidates=(2, 3), minimum_size=20, resamples=3),
        None,
        id="ward, own k",
        marks=pytest.mark.slow,
    ),
    pytest.param(RFMSegments(), None, id="rfm"),
    pytest.param(RFMSegments(cuts={"recency_days": (7, 30, 90)}, steps=3), None, id="rfm, own cuts"),
    pytest.param(GoalSegments(3, minimum_size=20), None, id="goal"),
    pytest.param(TasteSegments(3, n_init=3), baskets(), id="taste"),
    pytest.param(Parts(), None, id="of another's make"),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("segmenter", "people"), SEGMENTERS)
def test_segmenters_keep_their_contract(segmenter, people, law):
    (check,) = (check for check in checks(segmenter, people) if check.law is law)
    check()


@pytest.mark.slow
def test_ward_over_small_groups_keeps_it_too():
    assert "groups" in WardSegments(3, exact=100).fit(made_up_people()[0]).method_
    check_segmenter(WardSegments(3, exact=100))


BAD: list[type[Parts]] = []


def fails(check):
    """Plant a segmenter that fails this check."""

    def plant(kind):
        kind.fails = check
        BAD.append(kind)
        return kind

    return plant


@fails("check_constructor_only_stores")
class LearnsInTheConstructor(Parts):
    def __init__(self, column="spend", parts=3):
        super().__init__(column, parts)
        self.cuts_ = ()


@fails("check_constructor_only_stores")
class TidiesItsParameters(Parts):
    def __init__(self, column="spend", parts=3):
        super().__init__(column, float(parts))


@fails("check_clone")
class IsItsOwnClone(Parts):
    def __sklearn_clone__(self):
        return copy.copy(self)


@fails("check_clone")
class ForgetsAParameterInItsClone(Parts):
    def __sklearn_clone__(self):
        return type(self)(parts=2)


@fails("check_fit_returns_self")
class ReturnsNothing(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)


@fails("check_fit_returns_self")
class ChangesAParameter(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        self.parts = self.k_ + 1
        return self


@fails("check_fit_returns_self")
class TellsShortNumbers(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        self.labels_ = self.labels_.astype(np.int32)
        return self


@fails("check_fit_returns_self")
class TellsMoreThanThereAre(Parts):
    def predict(self, frame):
        return super().predict(frame) + 1


@fails("check_not_fitted")
class StumblesBeforeFit(Parts):
    def _fitted(self):
        pass


@fails("check_not_fitted")
class RefusesWithoutAHint(Parts):
    def _fitted(self):
        if not hasattr(self, "k_"):
            raise NotFittedError("No.")


@fails("check_fitting_again_leaves_no_trace")
class RemembersOthers(Parts):
    def fit(self, frame, y=None):
        before = getattr(self, "cuts_", None)
        super().fit(frame)
        self.cuts_ = self.cuts_ if before is None else (self.cuts_ + before) / 2
        return self


@fails("check_input_is_left_alone")
class WritesIntoTheTable(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        if hasattr(frame, "iloc"):
            frame["spend"] = 0
        return self


@fails("check_any_dataframe")
class KnowsArrowOnly(Parts):
    def predict(self, frame):
        return super().predict(frame if isinstance(frame, pa.Table | nw.DataFrame) else frame[::-1])


@fails("check_row_order")
class LooksAtTheFirstRow(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        self.cuts_ = self.cuts_ + self._values(read(frame))[0] / 1e9
        return self


@fails("check_column_order")
class GoesByPlace(Parts):
    def _values(self, data):
        return np.nan_to_num(numbers(data, data.columns[3]))


@fails("check_reads")
class NeedsMoreThanItReads(Parts):
    def _values(self, data):
        return super()._values(data) + numbers(data, "orders") / 1e6


@fails("check_reads")
class ReadsMoreThanItNeeds(Parts):
    @property
    def reads(self):
        self._fitted()
        return (self.column, "orders")


@fails("check_keys_are_no_features")
class LikesEvenKeys(Parts):
    def _values(self, data):
        return super()._values(data) + (numbers(data, "person") % 2 if "person" in data.columns else 0) * 1e6


@fails("check_seed")
class RollsDice(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        self.cuts_ = self.cuts_ * (1 + np.random.random() / 100)  # noqa: NPY002 - the fault that is planted
        return self


@fails("check_seed")
class SeedsTheWorld(Parts):
    def fit(self, frame, y=None):
        np.random.seed(0)  # noqa: NPY002 - the fault that is planted
        return super().fit(frame)


@fails("check_ids_by_value")
class CountsFromBelow(Parts):
    def predict(self, frame):
        return self.k_ - 1 - super().predict(frame)


@fails("check_ids_by_value")
class LeavesAnIdOut(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        self.k_ += 1
        return self


@fails("check_json_round_trip")
class RoundsWhatItStores(Parts):
    def to_json(self):
        return {**super().to_json(), "cuts": np.round(self.cuts_, -5).tolist()}


@fails("check_json_round_trip")
class StoresNaN(Parts):
    def to_json(self):
        return {**super().to_json(), "quality": float("nan")}


@fails("check_foreign_json_is_refused")
class TakesAnyJson(Parts):
    @classmethod
    def from_json(cls, body):
        return super().from_json({"column": "spend", "cuts": [1], **body, "kind": cls.__name__})


@fails("check_no_person_in_json")
class StoresPersons(Parts):
    def fit(self, frame, y=None):
        self.persons_ = read(frame).to_arrow().to_pydict().get("person", [])
        return super().fit(frame)

    def to_json(self):
        return {**super().to_json(), "persons": getattr(self, "persons_", [])}


@fails("check_no_person_in_json")
class StoresPersonsInWords(StoresPersons):
    def to_json(self):
        return {**super().to_json(), "persons": " ".join(map(str, getattr(self, "persons_", [])))}


@fails("check_no_pickle")
class StoresAPickle(Parts):
    def to_json(self):
        return {**super().to_json(), "model": base64.b64encode(pickle.dumps(self.cuts_)).decode()}


@fails("check_no_pickle")
class StoresArrays(Parts):
    def to_json(self):
        return {**super().to_json(), "cuts": self.cuts_}


@fails("check_one_row_as_in_company")
class ComparesWithCompany(Parts):
    def predict(self, frame):
        values = self._values(read(frame))
        return np.where(values == values.max(), 0, super().predict(frame))


@fails("check_assigner")
class AssignsTheBestToAll(Parts):
    def assigner(self):
        return lambda values: 0


@fails("check_assigner")
class AssignsNobody(Parts):
    def assigner(self):
        return lambda values: None


@fails("check_predict_learns_nothing")
class LearnsWhenAsked(Parts):
    def predict(self, frame):
        labels = super().predict(frame)
        self.cuts_ = self.cuts_ + 1e-9 * len(labels)
        return labels


@fails("check_people_alike_share_a_segment")
class DealsInTurn(Parts):
    def predict(self, frame):
        labels = super().predict(frame)
        labels[len(labels) // 2 :] = np.minimum(labels[len(labels) // 2 :] + 1, self.k_ - 1)
        return labels


@fails("check_assign")
class AssignsInItsOwnOrder(Parts):
    def assign(self, frame):
        return super().assign(frame).sort_by("segment")


@fails("check_assign")
class AssignsShortNumbers(Parts):
    def assign(self, frame):
        return super().assign(frame).cast(pa.schema([("person", pa.int64()), ("segment", pa.int32())]))


@fails("check_missing_values")
class StumblesOverHoles(Parts):
    def _values(self, data):
        if np.isnan(values := numbers(data, self.column)).any():
            raise ValueError("a hole")
        return values


@fails("check_missing_values")
class RefusesHolesWithoutAHint(Parts):
    def _values(self, data):
        if np.isnan(values := numbers(data, self.column)).any():
            raise TooFewPeopleError("A hole.")
        return values


@fails("check_missing_values")
class TellsNullFromNaN(Parts):
    def _values(self, data):
        values = super()._values(data)
        for name in ("recency_days",):
            if name in data.columns:
                values = values + 1e6 * data.get_column(name).is_null().to_numpy()
        return values


@fails("check_infinite_values")
class StumblesOverInfinity(Parts):
    def _values(self, data):
        [int(value) for value in data.get_column("recency_days").fill_null(0).fill_nan(0).to_list()]
        return super()._values(data)


@fails("check_huge_values")
class ScalesByTheLargest(Parts):
    def predict(self, frame):
        labels, data = super().predict(frame), read(frame)
        largest = np.nanmax(np.abs(numbers(data, "recency_days"))) if "recency_days" in data.columns else 0
        return labels if largest < 1e200 else np.zeros_like(labels)


@fails("check_unknown_levels")
class KnowsItsLevelsOnly(Parts):
    def fit(self, frame, y=None):
        data = read(frame)
        self.levels_ = set(data.get_column("age").to_list()) if "age" in data.columns else set()
        return super().fit(frame)

    def predict(self, frame):
        data = read(frame)
        if "age" in data.columns:
            [dict.fromkeys(getattr(self, "levels_", ()))[level] for level in data.get_column("age").to_list()]
        return super().predict(frame)


@fails("check_nobody_is_refused")
class TakesNobody(Parts):
    def predict(self, frame):
        return super().predict(frame) if len(frame) else np.zeros(0, dtype=np.int64)


@fails("check_few_people")
class StumblesOverFew(Parts):
    def fit(self, frame, y=None):
        if len(frame) < 3:
            raise IndexError("too few")
        return super().fit(frame)


@fails("check_few_people")
class RefusesFewWithoutAHint(Parts):
    def fit(self, frame, y=None):
        if len(frame) < 3:
            raise TooFewPeopleError("Too few.")
        return super().fit(frame)


@fails("check_people_all_alike")
class CutsTheUncuttable(Parts):
    def fit(self, frame, y=None):
        super().fit(frame)
        if self.k_ == 1:
            self.k_ = 2
            self.labels_ = np.arange(len(self.labels_)) % 2
        return self


@fails("check_missing_columns")
class MakesUpColumns(Parts):
    def _values(self, data):
        return super()._values(data) if self.column in data.columns else np.zeros(len(data))


@fails("check_missing_columns")
class StumblesOverAMissingColumn(Parts):
    def _values(self, data):
        return np.nan_to_num(numbers(data, self.column)) if self.column in data.columns else {}[self.column]


@fails("check_wrong_columns")
class TakesMomentsForMoney(Parts):
    def _values(self, data):
        column = data.get_column(self.column)
        return super()._values(data) if column.dtype.is_numeric() else np.zeros(len(data))


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.__name__)
def test_a_bad_segmenter_fails_the_very_check(kind):
    (check,) = (check for check in checks(kind()) if check.name == kind.fails)
    with pytest.raises(
        AssertionError, match=rf"(?s)^{kind.fails}: {kind.__name__} (fails:|raises) .*\. Expected: [A-Z]"
    ):
        check()
    with pytest.raises(AssertionError, match=f"^check_.*: {kind.__name__} "):
        check_segmenter(kind())


def test_every_check_has_a_segmenter_that_fails_it():
    assert {kind.fails for kind in BAD} == {law.__name__ for law in LAWS}
    assert len(LAWS) == len({law.__name__ for law in LAWS}) == 31


def test_own_people_can_be_given_under_any_keys(three_kinds_of_people):
    check_segmenter(KMeansSegments(3, n_init=3, columns=("recency_days", "orders", "spend")), three_kinds_of_people)
    check_segmenter(Parts("orders"), three_kinds_of_people.to_pandas())
    names = [check.name for check in checks(Parts(), three_kinds_of_people)]
    assert names == [str(check) for check in checks(Parts())]


@pytest.fixture
def three_kinds_of_people():
    random = np.random.default_rng(3)
    kind = np.repeat([0, 1, 2], [30, 25, 20])
    return pa.table(
        {
            "person": np.arange(75),
            "recency_days": np.array([2.0, 20.0, 150.0])[kind] * random.uniform(0.8, 1.2, 75),
            "orders": np.rint(np.array([40, 10, 2])[kind] * random.uniform(0.8, 1.2, 75)).astype(int),
            "spend": (np.array([90_000, 20_000, 3_000])[kind] * random.uniform(0.8, 1.2, 75)).astype(int),
        }
    )
