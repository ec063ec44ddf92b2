"""Segments by taste: which goods people choose, whatever they spend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from coterie.charts.numbers import share as percent
from coterie.errors import EmptyShopError, NoVariationError, ParameterError, TooFewPeopleError
from coterie.evaluation.intervals import Estimate
from coterie.progress import SILENT, Progress
from coterie.segments.clustering import KMeansSegments
from coterie.segments.evidence.validity import KEvidence
from coterie.segments.people import Floats, Ints, Segmentation, check_count
from coterie.segments.purchases import Purchases, purchases

_FORMAT = 1
_WEIGHTINGS = ("share", "root", "log")
_WORTH = "amount of all items"
_ENOUGH = 20  # people who have an item, for it to be used
_TOLD, _NAMED = 3, 2  # items that a sentence tells, and a name
SHARE, LIFT = 0.02, 1.2  # an item is a liking from that share of what people spend, that many times everybody's


@dataclass(frozen=True)
class Liking:
    """What people of a segment choose more than others do.

    Parameters
    ----------
    item
        The item.
    share
        Its share in what one of them spends on all items, on average over people.
    base
        The same of everybody.
    lift
        How many times as much: ``share / base``.
    """

    item: str
    share: float
    base: float
    lift: float


class TasteSegments(Segmentation):
    """Group people by what they buy rather than how much: TF-IDF of items, truncated SVD, k-means on directions.

    Each person is a bundle of items. An item counts by its share in the bundle, and the more the fewer people have it;
    bundles get unit length, are projected on their main directions, get unit length again, and are grouped by k-means.
    How much somebody spends does not matter. Whoever bought little is told by that little.

    People without any amount of a known item have no taste to tell. A long table has no rows of them, and they are in
    no answer; in a wide table they are refused.

    Parameters
    ----------
    k
        How many segments; None is the house rule, as in ``KMeansSegments``.
    components
        Main directions to keep; with fewer items all directions are kept.
    weighting
        What an item counts before it is weighed by rarity: its ``"share"`` of what the person spends, the ``"root"`` of
        that (large shares count less), or the ``"log"`` of 1 + amount (numbers of lines, rather than money).
    items
        The items to use, or the columns of a wide table; None takes all that at least 1 % of people have (20 people are
        enough, in any case).
    minimum_size, resamples, n_init, seed, progress
        As in ``KMeansSegments``.

    Attributes
    ----------
    k_
        The number of segments; ids are 0 … k_ - 1, those who spend most on average first.
    labels_
        The segment of each person of ``fit``: int64; of a wide table in the order of its rows, of a long one in the
        rising order of persons (``people``).
    items_
        The items used, in order.
    rarity_
        The weight of each item: log((1 + people) / (1 + people who have it)) + 1.
    components_
        Float32 of shape (directions, items).
    clusters_
        The k-means in the space of directions, with ``evidence_``, ``stability_`` and ``warning_``.
    likings_
        For each segment what it chooses more than others do, the most telling first, by share · log(lift): items of at
        least 2 % of what its people spend and 1.2 times everybody's share, at most ten. The two figures were chosen by
        what names and sentences said of Complete Journey's categories as of April and June 2017.
    names_, sentences_
        Each segment in a few words, and in a sentence.

    References
    ----------
    Salton & Buckley (1988), Term-weighting approaches in automatic text retrieval; Deerwester and others (1990),
    Indexing by latent semantic analysis; Halko, Martinsson & Tropp (2011), Finding structure with randomness;
    Dhillon & Modha (2001), Concept decompositions.

    Examples
    --------
    >>> import pyarrow as pa
    >>> likes = [(person, item, 9 if person % 2 == place else 1) for person in range(40)
    ...          for place, item in enumerate(["bread", "wine"])]
    >>> people, items, amounts = zip(*likes)
    >>> bought = pa.table({"person": people, "item": items, "amount": amounts})
    >>> model = TasteSegments(2).fit(bought)
    >>> model.labels_[:4].tolist() in ([0, 1, 0, 1], [1, 0, 1, 0]), sorted(model.names_)
    (True, ['bread', 'wine'])
    """

    items_: tuple[str, ...]
    rarity_: Floats
    components_: npt.NDArray[np.float32]
    clusters_: KMeansSegments
    likings_: tuple[tuple[Liking, ...], ...]

    def __init__(
        self,
        k: int | None = None,
        *,
        components: int = 5,
        weighting: str = "share",
        items: Sequence[str] | None = None,
        minimum_size: int = 50,
        resamples: int = 30,
        n_init: int = 10,
        seed: int = 0,
        progress: Progress = SILENT,
    ) -> None:
        self.k = k
        self.components = components
        self.weighting = weighting
        self.items = items
        self.minimum_size = minimum_size
        self.resamples = resamples
        self.n_init = n_init
        self.seed = seed
        self.progress = progress

    def fit(self, frame: Any, y: object = None) -> Self:
        """Learn items, directions and segments.

        Parameters
        ----------
        frame
            A long table ``person, item, amount`` (rows of the same person and item add up), or a wide one: one row a
            person, one column of numbers an item (``person`` and ``as_of`` aside). Missing amounts, and those below 0
            (more taken back than bought), are nothing bought.

        Raises
        ------
        EmptyShopError, TooFewPeopleError, NoVariationError
            Nobody bought anything, fewer people (who differ) than segments, or all bought alike.
        ParameterError, MissingColumnError
            A parameter is not allowed, a row of a wide table has no amount, or ``items`` are not there.
        """
        check_count(self, "components", self.components, 1)
        if self.weighting not in _WEIGHTINGS:
            raise ParameterError.of("TasteSegments", "weighting", self.weighting, f"one of {', '.join(_WEIGHTINGS)}")
        bought = purchases(frame, self.items)
        if self.items is not None:
            bought = bought.of(self.items)
        if not bought.amounts.nnz:
            raise EmptyShopError("Nobody bought anything of these items.", hint="give amounts above 0.")
        if bought.people < 2:
            raise TooFewPeopleError.of("Segmenting", 2, bought.people, hint="wait for more people, or a longer time.")
        order = bought.order()
        amounts = bought.amounts[order]
        people = np.bincount(amounts.indices, minlength=len(bought.items))
        least = 1 if self.items is not None else min(_ENOUGH, max(1, len(order) // 100))
        kept = np.flatnonzero(people >= least)
        self.items_ = tuple(bought.items[one] for one in kept)
        self.rarity_ = np.log((1 + len(order)) / (1 + people[kept])) + 1
        amounts = amounts[:, kept]
        amounts = amounts[np.diff(amounts.indptr) > 0]
        with threadpool_limits(1):
            self._directions(amounts)
            space = self._space(amounts)
            with np.errstate(over="ignore"):  # a sum might be too large for a float: then it is the largest one
                worth = np.minimum(amounts.sum(axis=1), np.finfo(np.float64).max)
            self.clusters_ = self._clustered(space, np.asarray(worth).ravel())
        self.k_ = self.clusters_.k_
        self.likings_ = _likings(amounts, self.clusters_.labels_, self.k_, self.items_)
        self.labels_ = self.predict(bought)
        return self

    def predict(self, frame: Any) -> Ints:
        """Return the segment of each person with a known taste, as ``labels_`` are ordered: int64 of shape (people,).

        Raises
        ------
        ParameterError
            A row of a wide table has no amount of any item that fit used.
        """
        places = self.coordinates(frame)
        return self.clusters_.predict(places)

    def coordinates(self, frame: Any) -> pa.Table:
        """Return where people lie: a column of float32 a direction, one row a person, as ``labels_`` are ordered."""
        self._fitted()
        return _table(self._space(self._known(frame).amounts))

    def distances(self, frame: Any) -> npt.NDArray[np.float32]:
        """Return how far each person is from each segment, in the space of directions: shape (people, k_)."""
        places = self.coordinates(frame)
        return self.clusters_.distances(places)

    def people(self, frame: Any) -> npt.NDArray[Any]:
        """Return whose segments ``predict`` tells, in its order: keys of persons, or of a wide table without, rows."""
        self._fitted()
        return self._known(frame).persons

    def assign(self, frame: Any) -> pa.Table:
        """Return ``person, segment`` (int64 each) of people whose taste is known."""
        self._fitted()
        bought = self._known(frame)
        try:
            people = pa.array(bought.persons, pa.int64())
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            kind = bought.persons.dtype
            raise ParameterError.of("The table of people", "column person", str(kind), "whole numbers") from None
        return pa.table({"person": people, "segment": pa.array(self.predict(bought), pa.int64())})

    @property
    def evidence_(self) -> tuple[KEvidence, ...]:
        """What was found for each candidate number of segments; empty when ``k`` was given."""
        return self.clusters_.evidence_

    @property
    def stability_(self) -> tuple[Estimate, ...]:
        """For each segment the mean Jaccard over resamples and its interval; empty when ``k`` was given."""
        return self.clusters_.stability_

    @property
    def warning_(self) -> str:
        """What to beware of, in words; empty when all is well."""
        return self.clusters_.warning_

    @property
    def comes_again(self) -> bool:
        """Whether the k-means in the space of directions can find these segments anew: yes."""
        self._fitted()
        return self.clusters_.comes_again

    def stability(self, frame: Any, *, resamples: int = 30) -> tuple[Estimate, ...]:
        """Return, for each segment, the mean bootstrap Jaccard on these people, items and directions held fixed."""
        places = self.coordinates(frame)
        return self.clusters_.stability(places, resamples=resamples)

    @property
    def names_(self) -> tuple[str, ...]:
        """Each segment in a few words: the items that tell it apart, each given to the segment that it tells most."""
        worth = [{one.item: one.share * math.log(one.lift) for one in likings} for likings in self.likings_]
        told = []
        for number, mine in enumerate(worth):
            own = [item for item, much in mine.items() if much >= max(other.get(item, 0) for other in worth)]
            name = ", ".join((own or list(mine))[:_NAMED]) or "bit of everything"
            told.append(f"{name} ({number + 1})" if name in told else name)
        return tuple(told)

    @property
    def sentences_(self) -> tuple[str, ...]:
        """Each segment in a sentence."""
        told = []
        for likings in self.likings_:
            parts = [f"{one.item} ({percent(one.share)} against {percent(one.base)})" for one in likings[:_TOLD]]
            more = f"More of what they spend goes to {'; '.join(parts)}." if parts else "They buy what everybody buys."
            told.append(more)
        return tuple(told)

    @property
    def reads(self) -> tuple[str, ...]:
        """No columns of people: it reads what they bought. So it has no ``assigner`` either: features tell no taste."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return what fit learnt as plain JSON values, without people; ``from_json`` reads it back."""
        self._fitted()
        return {
            "kind": type(self).__name__,
            "format": _FORMAT,
            "weighting": self.weighting,
            "items": list(self.items_),
            "rarity": self.rarity_.tolist(),
            "components": self.components_.astype(float).tolist(),
            "clusters": self.clusters_.to_json(),
            "likings": [[[one.item, one.share, one.base, one.lift] for one in likings] for likings in self.likings_],
            "seed": int(self.seed),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Return the fitted segmentation that ``to_json`` wrote; it predicts as the original does."""
        cls._checked(body, "weighting", "items", "rarity", "components", "clusters", "likings", "seed")
        components = np.array(body["components"], dtype=np.float32)
        clusters = KMeansSegments.from_json(body["clusters"])
        model = cls(int(clusters.k_), components=len(components), weighting=body["weighting"], seed=body["seed"])
        model.items_, model.rarity_ = tuple(body["items"]), np.array(body["rarity"], dtype=np.float64)
        model.components_, model.clusters_, model.k_ = components, clusters, clusters.k_
        model.likings_ = tuple(tuple(Liking(*one) for one in likings) for likings in body["likings"])
        return model

    def _known(self, frame: Any) -> Purchases:
        """Return the amounts of the items that fit used, of people who have any."""
        return (frame if isinstance(frame, Purchases) else purchases(frame, self.items_)).of(self.items_)

    def _weighed(self, amounts: sp.csr_matrix) -> sp.csr_matrix:
        """Return bundles of unit length, each item counted by weighting and rarity."""
        amounts = amounts.astype(np.float64)
        if self.weighting == "log":
            amounts.data = np.log1p(amounts.data)
        elif self.weighting == "root":
            amounts.data = np.sqrt(amounts.data)
        weighed = (_levelled(amounts) @ sp.diags(self.rarity_)).tocsr()
        length = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
        return (sp.diags(1 / length) @ weighed).tocsr().astype(np.float32)

    def _directions(self, amounts: sp.csr_matrix) -> None:
        items = amounts.shape[1]
        if items <= self.components or amounts.shape[0] <= self.components:
            self.components_ = np.eye(items, dtype=np.float32)
            return
        found = randomized_svd(self._weighed(amounts), self.components, n_iter=7, random_state=self.seed)
        self.components_ = np.asarray(found[2], dtype=np.float32)

    def _space(self, amounts: sp.csr_matrix) -> npt.NDArray[np.float32]:
        """Return the directions of bundles, of unit length: shape (people, directions)."""
        space = np.asarray(self._weighed(amounts) @ self.components_.T, dtype=np.float64)
        length = np.sqrt(np.square(space).sum(axis=1, keepdims=True))
        return (space / np.where(length > 0, length, 1)).astype(np.float32)

    def _clustered(self, space: npt.NDArray[np.float32], worth: Floats) -> KMeansSegments:
        spread = space.std(axis=0, dtype=np.float64)
        if not (spread > 1e-6).any():
            raise NoVariationError(
                f"All {len(space):,} people buy alike.", hint="choose finer items, or a longer time."
            )
        names = [name for name, wide in zip(_names(space.shape[1]), spread, strict=True) if wide > 1e-6]
        weights = {name: float(wide) for name, wide in zip(_names(space.shape[1]), spread, strict=True) if wide > 1e-6}
        model = KMeansSegments(
            self.k, columns=names, scaling="standard", weights=weights, value=_WORTH, minimum_size=self.minimum_size,
            resamples=self.resamples, n_init=self.n_init, seed=self.seed, progress=self.progress,
        )  # fmt: skip
        return model.fit(_table(space).append_column(_WORTH, pa.array(worth)))


def _names(count: int) -> list[str]:
    return [f"taste_{number}" for number in range(1, count + 1)]


def _table(space: npt.NDArray[np.float32]) -> pa.Table:
    return pa.table(dict(zip(_names(space.shape[1]), np.ascontiguousarray(space.T), strict=True)))


def _levelled(amounts: sp.csr_matrix) -> sp.csr_matrix:
    """Return bundles whose largest amount is from a half to 1, so that sums and squares neither overflow nor vanish.

    Each is divided by a power of two, which rounds nothing but what is nothing beside the largest.
    """
    _, exponents = np.frexp(amounts.max(axis=1).toarray().ravel())
    scaled = np.ldexp(amounts.data, -np.repeat(exponents, np.diff(amounts.indptr)))
    return sp.csr_matrix((scaled, amounts.indices, amounts.indptr), shape=amounts.shape)


def _likings(amounts: sp.csr_matrix, labels: Ints, k: int, items: Sequence[str]) -> tuple[tuple[Liking, ...], ...]:
    """Return, for each segment, the items of some weight whose mean share is above everybody's, most telling first.

    Where shelves are many, most have shares of a few in a thousand, and lifts of them say little.
    """
    amounts = _levelled(amounts)
    total = np.asarray(amounts.sum(axis=1)).ravel()
    size = np.bincount(labels, minlength=k)
    member = sp.csr_matrix((1 / total, (labels, np.arange(len(labels)))), shape=(k, len(labels)))
    sums = np.asarray((member @ amounts).todense())
    means, base = sums / np.maximum(size, 1)[:, None], sums.sum(axis=0) / len(labels)
    told = []
    for shares in means:
        lift = np.divide(shares, base, out=np.zeros_like(base), where=base > 0)
        worth = np.where(shares > 0, shares * np.log(np.where(lift > 0, lift, 1)), 0)
        told_of = (shares >= SHARE) & (lift >= LIFT)
        chosen = [one for one in np.argsort(-worth, kind="stable") if told_of[one]][:10]
        told.append(tuple(Liking(items[one], float(shares[one]), float(base[one]), float(lift[one])) for one in chosen))
    return tuple(told)
