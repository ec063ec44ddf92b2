"""Segments made for one goal: the leaves of a shallow decision tree on what people did afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from coterie.errors import NoVariationError, ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate, bootstrap, resamples
from coterie.evaluation.metrics import auc, r2
from coterie.evaluation.splits import folds
from coterie.features.matrix import KEYS
from coterie.features.rule import Rule, from_json
from coterie.progress import SILENT, Progress
from coterie.segments.decision_tree import Grown, grow, leaves_of, see
from coterie.segments.leaf import Titles, holds, rule_of, sentence_of
from coterie.segments.people import Floats, Ints, Segmentation, by_value, check_count, one_order, read
from coterie.segments.words.description import known

_FORMAT = 1
_FOLDS = 5
_SAMPLE = 50_000
_OUTCOME = "outcome of the goal"


@dataclass(frozen=True)
class GoalEvidence:
    """What was found for one number of segments.

    Parameters
    ----------
    k
        How many.
    error
        Mean squared error of people whom the tree did not see; of a yes or no their mean log loss, which heeds rare
        events.
    deviation
        Standard error, over people, of how much more that is than with the best number of segments.
    """

    k: int
    error: float
    deviation: float


class GoalSegments(Segmentation):
    """Group people by what tells one future outcome best: each segment is a rule, its people's mean outcome its rank.

    The segments are the leaves of a regression tree, grown best first. Where the outcome is a yes or no (only 0 and 1
    occur), means are rates. People are told apart by features as they are: no scaling, no logs.

    Parameters
    ----------
    k
        How many segments; None takes the number, up to ``most``, with which the outcome of unseen people is predicted
        best. Fewer come out where the data cannot be cut that often.
    columns
        The columns to ask about; None takes every column of numbers, truth values or text.
    log
        Learn, and judge, log(1 + outcome): for money, given in whole units of the currency.
    title
        What the outcome is, for people: ``"Spend in the next 91 days"``.
    features
        Column → (title, unit) for the words; None reads the catalogue.
    currency
        ISO 4217 code of the money.
    minimum_size
        People in a segment at least.
    most
        The largest number of segments to weigh up when ``k`` is None.
    seed
        Of folds, ties and the sample: trees are grown of, and judged on, at most 50,000 people.
    progress
        Where folds are reported.

    Attributes
    ----------
    k_
        The number of segments; ids are 0 … k_ - 1, the highest mean outcome first.
    labels_
        The segment of each person of ``fit``: int64 of shape (people,).
    rules_
        The rule of each segment; every person, known or new, is in exactly one, missing values included.
    sentences_
        The rules in words, in the units of the shop.
    means_
        Mean outcome of each segment at fit: float64 of shape (k_,); a rate where the outcome is a yes or no.
    measure_
        ``"r2"``, or ``"auc"`` where the outcome is a yes or no.
    score_
        R² (of log(1 + outcome) with ``log``) or AUC of people whom the trees did not see, with its interval: five
        folds; where k was chosen, it was chosen anew inside each.
    evidence_
        What was found for each number of segments.

    References
    ----------
    Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, chapters 3 and 8.

    Examples
    --------
    >>> import pyarrow as pa
    >>> people = pa.table({"orders": [1, 2, 3, 10, 11, 12] * 50})
    >>> model = GoalSegments(2).fit(people, [0, 0, 3, 90, 95, 100] * 50)
    >>> model.sentences_, model.means_.tolist()
    (('Orders: more than 6.', 'Orders: at most 6.'), [95.0, 1.0])
    """

    rules_: tuple[Rule, ...]
    sentences_: tuple[str, ...]
    means_: Floats
    measure_: str
    score_: Estimate
    evidence_: tuple[GoalEvidence, ...]

    def __init__(
        self,
        k: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        log: bool = False,
        title: str = "Outcome",
        features: Titles | None = None,
        currency: str = "USD",
        minimum_size: int = 50,
        most: int = 8,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.k = k
        self.columns = columns
        self.log = log
        self.title = title
        self.features = features
        self.currency = currency
        self.minimum_size = minimum_size
        self.most = most
        self.seed = seed
        self.progress = progress

    def fit(self, frame: Any, y: npt.ArrayLike | None = None) -> Self:
        """Grow the tree.

        Parameters
        ----------
        frame
            Any eager dataframe or numpy array, one row a person, shape (people, columns): features up to a moment.
        y
            The outcome of each person after it, finite numbers (or truth values): shape (people,).

        Raises
        ------
        EmptyShopError, TooFewPeopleError
            There is nobody, or fewer than twice ``minimum_size`` people (or 10).
        NoVariationError
            The outcome is the same for all, or no feature tells it.
        MissingColumnError, ParameterError
            A column is not there, or a parameter or the outcome is not allowed.
        """
        for name, least in (("minimum_size", 1), ("most", 2), ("seed", 0)):
            check_count(self, name, getattr(self, name), least)
        if self.k is not None:
            check_count(self, "k", self.k, 2)
        data = read(frame)
        outcome = _outcome(y, len(data), self.log)
        if len(data) < (least := max(2 * self.minimum_size, 2 * _FOLDS)):
            hint = "give more people, or allow smaller segments: minimum_size, or in a shop its minimum_group."
            raise TooFewPeopleError.of("Goal-driven segments", least, len(data), hint=hint)
        known_data, y_ = _ordered(data, outcome, self.columns)
        if len(known_data) > _SAMPLE:
            drawn = np.sort(np.random.default_rng(self.seed).choice(len(known_data), _SAMPLE, replace=False))
            known_data, y_ = known_data[drawn], y_[drawn]
        if (y_ == y_[0]).all():
            raise NoVariationError(f"{self.title}: the same for all {len(y_):,} people.", hint="choose another one.")
        titles = self.features or known(known_data)
        units = {name: unit for name, (_, unit) in titles.items()}
        seen = see(known_data, self.columns, self.minimum_size, units)
        learnt = np.log1p(y_) if self.log else y_
        yes_or_no = set(np.unique(y_)) <= {0.0, 1.0}
        self.measure_ = "auc" if yes_or_no else "r2"
        with threadpool_limits(1):
            tree = self._grown(seen.codes, learnt)
            if tree.leaves < 2:
                raise NoVariationError(
                    f"{self.title}: no feature tells it, with {self.minimum_size:,} people a segment.",
                    hint="give more features or people.",
                )
            told = self._out_of_fold(seen.codes, learnt, yes_or_no)
        k = min(self.k or _best(self.evidence_), tree.leaves)
        draws = resamples(len(learnt), seed=self.seed)
        figure = auc if yes_or_no else r2
        self.score_ = bootstrap(lambda rows: figure(learnt[rows], told[rows]), draws)
        leaves = list(leaves_of(tree, seen, k).values())
        rules = [rule_of([leaf]) for leaf in leaves]
        ids = by_value(_place(rules, data), outcome, k)
        order = np.argsort(ids)
        self.k_ = k
        self.rules_ = tuple(rules[one] for one in order)
        self.sentences_ = tuple(sentence_of([leaves[one]], titles, self.currency) for one in order)
        self.labels_ = self.predict(data)
        size = np.bincount(self.labels_, minlength=k)
        self.means_ = np.bincount(self.labels_, weights=outcome, minlength=k) / np.maximum(size, 1)
        return self

    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person, known or new, by the rule that holds: int64 of shape (people,)."""
        self._fitted()
        return _place(self.rules_, read(frame))

    def assigner(self) -> Callable[[Mapping[str, object]], int]:
        """Return a function from one person's features, by name, to the segment that ``predict`` tells.

        What is absent is missing. It takes microseconds where ``predict`` has a whole table to read.
        """
        self._fitted()
        predicates = [rule.predicate() for rule in self.rules_]
        return lambda values: next(number for number, holds_for in enumerate(predicates) if holds_for(values))

    def expected(self, frame: Any) -> Floats:
        """Return the mean outcome of the segment that each person is in: float64 of shape (people,)."""
        return self.means_[self.predict(frame)]

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of people that ``predict`` needs: those that the rules ask about."""
        self._fitted()
        return tuple(dict.fromkeys(name for rule in self.rules_ for name in sorted(rule.columns)))

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._fitted()
        return {
            "kind": type(self).__name__,
            "format": _FORMAT,
            "title": self.title,
            "log": self.log,
            "currency": self.currency,
            "rules": [rule.to_json() for rule in self.rules_],
            "sentences": list(self.sentences_),
            "means": self.means_.tolist(),
            "measure": self.measure_,
            "score": [self.score_.value, self.score_.low, self.score_.high],
            "evidence": [[one.k, one.error, one.deviation] for one in self.evidence_],
            "seed": int(self.seed),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote; it predicts as the original does."""
        cls._checked(body, "title", "log", "currency", "rules", "sentences", "means", "measure", "score", "evidence")
        model = cls(
            len(body["rules"]), log=body["log"], title=body["title"], currency=body["currency"], seed=body["seed"]
        )
        model.rules_ = tuple(from_json(rule) for rule in body["rules"])
        model.sentences_ = tuple(body["sentences"])
        model.means_ = np.array(body["means"], dtype=np.float64)
        model.measure_, model.score_, model.k_ = body["measure"], Estimate(*body["score"]), len(model.rules_)
        model.evidence_ = tuple(GoalEvidence(*one) for one in body["evidence"])
        return model

    def _grown(self, codes: npt.NDArray[np.float32], y: Floats) -> Grown:
        most = max(self.k or 0, self.most)
        return grow(codes, y, leaves=most, least=self.minimum_size, seed=self.seed, classes=False)

    def _out_of_fold(self, codes: npt.NDArray[np.float32], y: Floats, stratified: bool) -> Floats:
        """Return each person's expectation by a tree that did not see the person; keep what each size came to."""
        most, least = max(self.k or 0, self.most), self.minimum_size if stratified else None
        part = folds(len(y), _FOLDS, outcome=y if stratified else None, seed=self.seed)
        by_size, told = np.empty((most - 1, len(y))), np.empty(len(y))
        for fold in range(_FOLDS):
            self.progress.step("folds", fold, _FOLDS)
            here = part == fold
            by_size[:, here] = self._by_size(codes[~here], y[~here], codes[here], most)
            if self.k is None:  # the size is chosen inside the other folds, so that the score is of people not seen
                within, inner = part[~here], np.empty((most - 1, int((~here).sum())))
                for other in np.unique(within):
                    held = within == other
                    inner[:, held] = self._by_size(codes[~here][~held], y[~here][~held], codes[~here][held], most)
                chosen = _best(_evidence(inner, y[~here], least))
                told[here] = by_size[chosen - 2, here]
        self.progress.step("folds", _FOLDS, _FOLDS)
        self.evidence_ = _evidence(by_size, y, least)
        return told if self.k is None else by_size[self.k - 2]

    def _by_size(self, codes: npt.NDArray[np.float32], y: Floats, others: npt.NDArray[np.float32], most: int) -> Floats:
        """Return what trees of 2 … ``most`` leaves expect of others: shape (sizes, others)."""
        tree = self._grown(codes, y)
        nodes = tree.nodes(others)
        return np.array([tree.value[tree.within(min(k, tree.leaves))[nodes], 0] for k in range(2, most + 1)])


def _outcome(y: npt.ArrayLike | None, people: int, log: bool) -> Floats:
    """Return the outcome as finite floats."""
    try:
        outcome = np.asarray(y, dtype=np.float64) if y is not None else np.empty(0)
    except (TypeError, ValueError):
        raise ParameterError.of("GoalSegments.fit", "y", type(y).__name__, "numbers, one a person") from None
    if outcome.shape != (people,):
        got = "nothing" if y is None else f"shape {outcome.shape}"
        raise ParameterError.of("GoalSegments.fit", "y", got, f"the outcome of each of {people:,} people")
    if not np.isfinite(outcome).all():
        lost = int((~np.isfinite(outcome)).sum())
        raise ParameterError.of("GoalSegments.fit", "y", f"{lost:,} values missing or infinite", "finite numbers")
    if log and outcome.min() <= -1:
        raise ParameterError.of("GoalSegments.fit", "y", "values of -1 or less", "above -1 with log=True")
    return outcome


def _ordered(data: nw.DataFrame[Any], y: Floats, columns: Sequence[str] | None) -> tuple[nw.DataFrame[Any], Floats]:
    """Return people and outcomes in an order that does not depend on the one they came in."""
    asked = [name for name in data.columns if name not in KEYS] if columns is None else list(columns)
    with_outcome = data.with_columns(nw.new_series(_OUTCOME, y, nw.Float64, backend=data.implementation))
    ordered, _ = one_order(with_outcome, (*(name for name in asked if name in data.columns), _OUTCOME))
    return ordered.drop(_OUTCOME), np.asarray(ordered.get_column(_OUTCOME).to_numpy(), dtype=np.float64)


def _place(rules: Sequence[Rule], data: nw.DataFrame[Any]) -> Ints:
    """Return the position of the one rule that holds for each person."""
    return np.asarray(np.argmax(np.array([holds(rule, data) for rule in rules]), axis=0), dtype=np.int64)


def _evidence(told: Floats, y: Floats, least: int | None) -> tuple[GoalEvidence, ...]:
    """Compare each size with the best on the same people, so that the chance of who they are cancels out.

    ``least`` is the size of the smallest leaf where the outcome is a yes or no, else None.
    """
    if least is None:
        losses = np.square(told - y)
    else:
        likely = np.clip(np.where(y > 0, told, 1 - told), 0.5 / (least + 1), None)  # nothing is quite impossible
        losses = -np.log(likely)
    means = losses.mean(axis=1)
    deviations = (losses - losses[means.argmin()]).std(axis=1) / np.sqrt(len(y))
    return tuple(
        GoalEvidence(place + 2, float(mean), float(deviation))
        for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True))
    )


def _best(evidence: Sequence[GoalEvidence]) -> int:
    """Return the size with the least error; the smaller one at a tie."""
    return min(evidence, key=lambda one: (round(one.error, 12), one.k)).k
