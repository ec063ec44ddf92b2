"""What the taste segments were chosen by: kinds of items, weightings and directions beside each other, earlier windows.

Each row: R² of what households buy in the 91 days after (shares of spend by department of those who bought, squared
errors pooled over departments, means learnt out of fold) for k = 5 and 8, and the Jaccard of the weakest segment over
resamples of people. Below: k-means on purchase behaviour (the value view), and k-means and ridge regression on the past
shares themselves, which no grouping into tastes need reach. Never the reported window.
"""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import looks
from complete_journey import HORIZON

MOMENTS = (date(2017, 4, 1), date(2017, 5, 1), date(2017, 6, 1))
SIZES = (5, 8)
CHOICES = [
    (by, of, weighting, directions)
    for by, of, weighting, several in (
        ("department", "spend", "share", (5, 8)),
        ("department", "spend", "root", (5, 8)),
        ("department", "lines", "root", (5, 8)),
        ("category", "spend", "share", (3, 4, 5, 6, 8, 16)),
        ("category", "spend", "root", (5, 8)),
        ("category", "spend", "log", (5, 8)),
        ("category", "lines", "root", (5, 8)),
        ("subcategory", "spend", "share", (5, 8)),
    )
    for directions in several
]
RESAMPLES = 10


class Future:
    """What each household buys after a moment: ``shares`` of shape (households, departments)."""

    def __init__(self, amounts: pa.Table) -> None:
        from coterie.evaluation.splits import folds

        self.people, row = np.unique(amounts["person"].to_numpy(), return_inverse=True)
        _, column = np.unique(np.array(amounts["item"].to_pylist()), return_inverse=True)
        spent = np.zeros((len(self.people), column.max() + 1))
        spent[row, column] = amounts["amount"].to_numpy()
        self.shares = spent / spent.sum(axis=1, keepdims=True)
        self.folds = folds(len(self.people), 5, seed=0)

    def of(self, people: npt.NDArray[Any], told: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what is told of the households that buy; of those of whom nothing is, group -1, or shares of 0."""
        place = np.minimum(np.searchsorted(people, self.people), len(people) - 1)
        found = told[place]
        found[people[place] != self.people] = -1 if told.ndim == 1 else 0
        return found

    def r2(self, people: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
        """Return R² of the mix by groups; people are in rising order."""
        from coterie.evaluation.metrics import mix_means, pooled_r2

        return pooled_r2(self.shares, mix_means(self.shares, self.of(people, labels), self.folds))


def shop_at(moments: tuple[date, ...]) -> dict[date, dict[str, Any]]:
    """Return, for each moment, the amounts of every kind, the value view and the future."""
    import coterie
    from coterie.schema import Purpose
    from coterie.segments.view import VALUE
    from coterie.workspace.amounts import amounts

    with coterie.open(None, name="Complete Journey", currency="USD", timezone="America/New_York") as shop:
        shop.ingest("complete_journey")
        seen = shop.facts(Purpose.SEGMENTATION)
        kinds = sorted({(by, of) for by, of, _, _ in CHOICES})
        return {
            moment: {
                **{f"{by} {of}": amounts(shop, seen, moment, by=by, of=of) for by, of in kinds},
                "behaviour": shop.build(moment, features=VALUE).table,
                "future": Future(amounts(shop, seen, moment, by="department", days=HORIZON, future=True)),
            }
            for moment in moments
        }


def alone(at: dict[str, Any]) -> dict[str, float]:
    """Return R² of what is no taste segmentation: behaviour, and the past shares by department as they are."""
    from sklearn.cluster import KMeans
    from sklearn.linear_model import RidgeCV

    import coterie
    from coterie.evaluation.metrics import pooled_r2
    from coterie.segments.purchases import purchases
    from coterie.segments.view import VALUE, VALUE_WEIGHTS

    future, table = at["future"], at["behaviour"]
    people = table["person"].to_numpy()
    bought = purchases(at["department spend"], None)
    past = bought.amounts.toarray()
    past /= past.sum(axis=1, keepdims=True)
    found = {}
    for k in SIZES:
        labels = coterie.KMeansSegments(k, columns=VALUE, weights=VALUE_WEIGHTS).fit(table).labels_
        found[f"k-means on behaviour, {k}"] = future.r2(people, labels)
        labels = KMeans(k, n_init=10, random_state=0).fit_predict(past)
        found[f"k-means on past shares by department, {k}"] = future.r2(bought.persons, labels)
    known = future.of(bought.persons, past)
    told = np.empty_like(future.shares)
    for fold in range(5):
        here = future.folds == fold
        told[here] = RidgeCV(np.logspace(-2, 4, 13)).fit(known[~here], future.shares[~here]).predict(known[here])
    found["each household: ridge on past shares by department"] = pooled_r2(future.shares, told)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print the table and record it."""
    parser = argparse.ArgumentParser(description="How the taste segments were chosen.")
    parser.add_argument("--draft", action="store_true", help="with uncommitted changes; nothing is recorded")
    parser.add_argument("--moments", type=int, default=len(MOMENTS), help="how many windows, the latest first")
    asked = parser.parse_args(arguments)
    from coterie.segments.taste import TasteSegments

    moments = MOMENTS[-asked.moments :]
    configuration = {"as_of": [f"{moment:%Y-%m-%d}" for moment in moments], "horizon_days": HORIZON, "folds": 5}
    with looks.look("taste.py", configuration, draft=asked.draft, holdout=False) as taken:
        shown = shop_at(moments)
        columns = [f"{moment:%B}, {k}" for moment in moments for k in SIZES]
        print(f"| items, amounts, weighting, directions | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
        for by, of, weighting, directions in CHOICES:
            cells = []
            for moment in moments:
                bought = shown[moment][f"{by} {of}"]
                for k in SIZES:
                    model = TasteSegments(k, components=directions, weighting=weighting).fit(bought)
                    weakest = min(one.value for one in model.stability(bought, resamples=RESAMPLES))
                    figure = shown[moment]["future"].r2(model.people(bought), model.labels_)
                    cells.append(f"{figure:.3f} / {weakest:.2f}")
            name = f"{by}, {of}, {weighting}, {directions}"
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
            taken.figures[name] = "; ".join(cells)
        others = [alone(shown[moment]) for moment in moments]
        for name in others[0]:
            told = " / ".join(f"{other[name]:.3f}" for other in others)
            print(f"{name}: {told}")
            taken.figures[name] = told
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
