"""The judge: knows what people did afterwards, the folds and the resamples, so that all methods meet the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from sklearn.metrics import pairwise_distances, silhouette_score

from coterie.errors import MissingColumnError, ParameterError
from coterie.evaluation.intervals import Estimate, interval
from coterie.evaluation.metrics import auc, mix_means, out_of_fold_means, pooled_r2, r2
from coterie.evaluation.resampling import auc_repeats, multiplicities, r2_repeats
from coterie.evaluation.splits import folds
from coterie.segments.evidence.validity import CardRow, Question, Role
from coterie.segments.people import Floats, Ints, need, numbers, read

FOLDS = 5
_FEW = 30  # with fewer events on either side an AUC says nothing, nor does a mix of fewer people
_ITEMS = 100  # items of a mix that are told apart; the rest are pooled
_NEAR = 2_000  # people of the silhouette: it takes all their distances


@dataclass(frozen=True, eq=False)
class Judged:
    """A grouping's row, and by question its figure on each resample, to be paired with another's."""

    row: CardRow
    repeats: Mapping[Question, Floats]


class Judge:
    """Judges groupings of the same people.

    Parameters
    ----------
    logged
        Log of one plus what each person spent: shape (people,).
    gone
        Who did not order: truth values of shape (people,).
    mix
        Shares of what each person bought by item: shape (people, items), NaN for people who bought nothing; None when
        it is not asked.
    matrix
        Scaled features of the people: shape (people, columns).
    count
        Resamples.
    seed
        Of folds, resamples and the sample of the silhouette.
    """

    def __init__(
        self,
        logged: Floats,
        gone: npt.NDArray[np.bool_],
        mix: Floats | None,
        matrix: npt.NDArray[np.float32],
        count: int,
        seed: int,
    ) -> None:
        self.logged, self.gone, self.matrix = logged, gone, matrix
        self.folds = folds(len(logged), FOLDS, outcome=gone, seed=seed)
        self.counts = multiplicities(len(logged), count, seed=seed)
        self.ranks = bool(_FEW <= gone.sum() <= len(gone) - _FEW)
        self.asks_mix = mix is not None
        self.bought = np.flatnonzero(np.isfinite(mix).all(axis=1)) if mix is not None else np.arange(0)
        self.mix = mix[self.bought] if mix is not None and len(self.bought) >= _FEW else None
        self._of_bought = self.counts[:, self.bought]
        near = np.random.default_rng(seed).permutation(len(logged))[:_NEAR]
        self._near, self._distances = np.sort(near), pairwise_distances(matrix[np.sort(near)].astype(np.float64))

    def group(self, method: str, role: Role, groups: Ints, note: str = "") -> Judged:
        """Judge one grouping: what its groups mean is learnt from the people of the other folds."""
        size = np.unique(groups, return_counts=True)[1]
        told = self._answers(
            out_of_fold_means(self.logged, groups, self.folds),
            out_of_fold_means(self.gone, groups, self.folds),
            None if self.mix is None else mix_means(self.mix, groups[self.bought], self.folds[self.bought]),
        )
        return self._judged(method, role, told, len(size), int(size.min()), self._silhouette(groups), note)

    def alone(self, method: str, spend: Floats, churn: Floats, mix: Floats | None, note: str) -> CardRow:
        """Judge out-of-fold predictions for single people."""
        return self._judged(method, "ceiling", self._answers(spend, churn, mix), None, None, None, note).row

    def notes(self) -> tuple[str, ...]:
        """Return what the reader must know of the mix and the silhouette."""
        said = []
        if self.mix is not None:
            said.append(
                f"Mix: R² of what people buy afterwards: shares of {self.mix.shape[1]} kinds of goods in the spend of "
                f"each of the {len(self.mix):,} people who bought, squared errors pooled over kinds, out of fold."
            )
        elif self.asks_mix:
            said.append("Too few people bought anything afterwards to judge what they bought.")
        said.append(
            f"Silhouette ({len(self._near):,} people) says how far apart groups lie on scaled features, not whether "
            "they mean anything: it is highest for one heap with a few people far off. Nothing is chosen by it, and "
            "nothing should be."
        )
        return tuple(said)

    def _answers(self, spend: Floats, churn: Floats, mix: Floats | None) -> dict[Question, tuple[float, Floats]]:
        """Return by question the figure on all people and on each resample."""
        told: dict[Question, tuple[float, Floats]] = {
            "spend": (r2(self.logged, spend), r2_repeats(self.logged, spend, self.counts))
        }
        if self.ranks:
            told["churn"] = auc(self.gone, churn), auc_repeats(self.gone, churn, self.counts)
        if self.mix is not None and mix is not None:
            told["mix"] = pooled_r2(self.mix, mix), r2_repeats(self.mix, mix, self._of_bought)
        return told

    def _judged(
        self,
        method: str,
        role: Role,
        told: Mapping[Question, tuple[float, Floats]],
        k: int | None,
        smallest: int | None,
        silhouette: float | None,
        note: str,
    ) -> Judged:
        figures: dict[Question, Estimate] = {name: interval(value, repeats) for name, (value, repeats) in told.items()}
        row = CardRow(
            method,
            role,
            k,
            figures["spend"],
            figures.get("churn"),
            smallest,
            note,
            figures.get("mix"),
            silhouette,
        )
        return Judged(row, {name: repeats for name, (_, repeats) in told.items()})

    def _silhouette(self, groups: Ints) -> float | None:
        """Return the mean silhouette of the sampled people; None where it is not defined."""
        near = groups[self._near]
        if not 2 <= len(np.unique(near)) < len(near):
            return None
        return round(float(silhouette_score(self._distances, near, metric="precomputed")), 4)


def future_mix(mix: Any, people: nw.DataFrame[Any]) -> Floats:
    """Return the shares of items in what each person bought: shape (people, items), NaN for those who bought nothing.

    Parameters
    ----------
    mix
        A long table ``person, item, amount``; negative amounts count as none, people not asked for are left out.
    people
        The people, with ``person``; the rows of the result are theirs.
    """
    long = read(mix)
    need(long, "person", "item", "amount")
    if "person" not in people.columns:
        raise MissingColumnError.of("The table of people", ["person"], people.columns)
    person = people.get_column("person").to_numpy()
    order = np.argsort(person, kind="stable")
    if len(np.unique(person)) < len(person):
        raise ParameterError.of(
            "report_card", "person", "people more than once", "one row a person, where mix is given"
        )
    owner = long.get_column("person").to_numpy()
    place = np.minimum(np.searchsorted(person[order], owner), len(person) - 1)
    known = person[order][place] == owner
    amount = np.clip(np.nan_to_num(numbers(long, "amount")), 0, None)[known]
    names, item = np.unique(long.get_column("item").cast(nw.String).to_numpy().astype(str)[known], return_inverse=True)
    weight = np.bincount(item, weights=amount, minlength=len(names))
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((np.arange(len(names)), -weight))] = np.arange(len(names))
    column = np.minimum(rank, _ITEMS - 1)[item]
    width = min(len(names), _ITEMS)
    flat = np.bincount(order[place[known]] * width + column, weights=amount, minlength=len(person) * width)
    amounts = flat.reshape(len(person), width)
    total = amounts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(total > 0, amounts / total, np.nan), dtype=np.float64)
