"""Boosted trees in LightGBM's text form: grown, checked line by line before they are read, and asked block by block."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from coterie.errors import IntegrityError, MissingExtraError
from coterie.predict.propensity.decisions import Decisions
from coterie.progress import Progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_END = "end of trees\n"
_LARGEST_TEXT = 64 << 20  # bytes of a stored forest
_MOST_TREES, _MOST_LEAVES = 100_000, 256
_BLOCK = 1 << 16  # people asked at a time
_MANY = 5_000  # people, from which on what trees say is looked up
_CELLS = 1 << 24  # contributions at a time: 128 MiB
_OBJECTIVES = r"binary sigmoid:1|poisson|tweedie|gamma|regression|multiclass num_class:\d+"
_HEADER = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
           "feature_names", "feature_infos", "tree_sizes")  # fmt: skip
_NODE = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
_INTERNAL = ("internal_value", "internal_weight", "internal_count")


class Forest:
    """Trees whose values add up to a score, in LightGBM's text form without what it tells of the data.

    Parameters
    ----------
    text
        The trees, as :meth:`grow` or :meth:`to_json` gave them.
    features
        How many columns they may read.
    outputs
        How many scores they give: 1, or one a class.

    Raises
    ------
    IntegrityError
        The text is not of that form. LightGBM's own reader believes what it reads and can crash on it.

    References
    ----------
    Ke et al. (2017), LightGBM: a highly efficient gradient boosting decision tree.
    """

    def __init__(self, text: str, features: int, outputs: int = 1) -> None:
        check(text, features, outputs)
        self.text, self.features, self.outputs = text, features, outputs

    @classmethod
    def grow(
        cls, X: Floats, y: Floats, settings: Mapping[str, Any], rounds: int, weight: Floats, categorical: Sequence[int]
    ) -> Forest:
        """Grow trees on people in the order given.

        Parameters
        ----------
        X, y, weight
            Of shape (people, columns), (people,) and (people,).
        settings
            LightGBM's parameters.
        rounds
            How many trees (of several outputs, of each).
        categorical
            The positions of columns whose numbers name levels.
        """
        lightgbm = library()
        data = lightgbm.Dataset(X, y, weight=weight, categorical_feature=list(categorical))
        grown = lightgbm.train({"num_threads": threads(), **settings}, data, num_boost_round=rounds)
        return cls(_bare(grown.model_to_string(num_iteration=rounds)), X.shape[1], int(settings.get("num_class", 1)))

    @cached_property
    def booster(self) -> Any:
        """The trees as LightGBM reads them."""
        return library().Booster(model_str=self.text)

    @cached_property
    def _decisions(self) -> Decisions:
        return Decisions(self.text)

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return self.text.count("\nTree=")

    def raw(self, X: Floats) -> Floats:
        """Return the score of each person: shape (people,), or (people, outputs) where there are several."""
        found = np.zeros((len(X), self.outputs))
        if len(X) >= _MANY and self._decisions.few:

            def said(tree: int, some: Floats) -> Floats:
                told = self.booster.predict(
                    some, raw_score=True, start_iteration=tree // self.outputs, num_iteration=1, num_threads=threads()
                )
                return np.asarray(told).reshape(len(some), self.outputs)[:, tree % self.outputs]

            def add(tree: int, here: slice, told: Floats) -> None:
                found[here, tree % self.outputs] += told

            self._decisions.each(X, said, add)
        else:
            for start in range(0, len(X), _BLOCK):
                told = self.booster.predict(X[start : start + _BLOCK], raw_score=True, num_threads=threads())
                found[start : start + _BLOCK] = np.asarray(told).reshape(-1, self.outputs)
        return found[:, 0] if self.outputs == 1 else found

    def contributions(self, X: Floats) -> Floats:
        """Return what each column adds to each score: shape (people, outputs, columns + 1), what all share last.

        They are SHAP values along the trees' paths and add up to ``raw``.

        References
        ----------
        Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees.
        """
        width = self.features + 1
        if len(X) >= _MANY and self._decisions.few:
            together = np.zeros((self.outputs, width, len(X)))  # a column at a time lies together
            read = [sorted({one.column for one in tree}) for tree in self._decisions.trees]

            def said(tree: int, some: Floats) -> Floats:
                told = self.booster.predict(
                    some, pred_contrib=True, start_iteration=tree // self.outputs, num_iteration=1,
                    num_threads=threads(),
                )  # fmt: skip
                own = np.asarray(told).reshape(-1, self.outputs, width)[:, tree % self.outputs]
                return own[:, [*read[tree], width - 1]]

            def add(tree: int, here: slice, told: Floats) -> None:
                for place, column in enumerate([*read[tree], width - 1]):
                    together[tree % self.outputs, column, here] += told[:, place]

            self._decisions.each(X, said, add)
            return np.ascontiguousarray(together.transpose(2, 0, 1))
        found = np.empty((len(X), self.outputs, width))
        step = max(min(_BLOCK, _CELLS // (width * self.outputs)), 1)
        for start in range(0, len(X), step):
            told = self.booster.predict(X[start : start + step], pred_contrib=True, num_threads=threads())
            found[start : start + step] = np.asarray(told).reshape(-1, self.outputs, width)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the trees as plain JSON values, with their size and SHA-256."""
        body = self.text.encode()
        return {"text": self.text, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}

    @classmethod
    def from_json(cls, body: Any, features: int, outputs: int = 1) -> Forest:
        """Return the trees that ``to_json`` wrote.

        Raises
        ------
        IntegrityError
            They were changed, are too large, or are no trees over so many columns.
        """
        if (
            not isinstance(body, Mapping)
            or set(body) != {"text", "size", "sha256"}
            or not isinstance(body["text"], str)
        ):
            raise _refusal("it has no trees")
        encoded = body["text"].encode("utf-8", "surrogatepass")
        if len(encoded) > _LARGEST_TEXT:
            raise _refusal(f"its trees are larger than {_LARGEST_TEXT >> 20} MiB")
        if len(encoded) != body["size"] or hashlib.sha256(encoded).hexdigest() != body["sha256"]:
            raise _refusal("its trees were changed after it was saved")
        return cls(body["text"], features, outputs)


def cross_fit(
    X: Floats, y: Floats, settings: Mapping[str, Any], weight: Floats, categorical: Sequence[int],
    parts: Sequence[tuple[Ints, Ints]], *, most: int, patience: int, progress: Progress, step: str,
) -> tuple[int, list[Any]]:  # fmt: skip
    """Grow trees on each part's people and watch the loss of its others; stop when their mean has long not fallen.

    Parameters
    ----------
    parts
        Rows to learn from and rows to watch, of each part.
    most, patience
        Rounds at most, and how many may pass without a lower mean loss.
    progress, step
        Where rounds are reported, and as what.

    Returns
    -------
    tuple
        The best number of rounds, and LightGBM's trees of each part.
    """
    lightgbm = library()

    def report(state: Any) -> None:
        if state.iteration % 10 == 0:
            progress.step(step, state.iteration, most)

    found = lightgbm.cv(
        {"num_threads": threads(), **settings},
        lightgbm.Dataset(X, y, weight=weight, categorical_feature=list(categorical)),
        num_boost_round=most, folds=[(learn, watch) for learn, watch in parts], return_cvbooster=True,
        callbacks=[lightgbm.early_stopping(patience, verbose=False), report],
    )  # fmt: skip
    together = found["cvbooster"]
    return max(int(together.best_iteration), 1), list(together.boosters)


def library() -> Any:
    """Return LightGBM, which takes a second to import and needs the system's OpenMP.

    Raises
    ------
    MissingExtraError
        It is not installed, or cannot be loaded.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise MissingExtraError(
            f"LightGBM cannot be loaded: {error}.",
            hint="pip install lightgbm; on Debian also apt-get install libgomp1.",
        ) from error
    return lightgbm


def threads() -> int:
    """Return how many threads LightGBM may take; with ``force_col_wise`` and ``deterministic`` trees do not differ."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else os.cpu_count() or 1


def _bare(text: str) -> str:
    """Return LightGBM's text up to the last tree, without the smallest and largest value of each column."""
    kept = text[: text.index(_END) + len(_END)]
    return re.sub(r"(?m)^feature_infos=(.*)$", lambda line: "feature_infos=" + _none(line[1].count(" ") + 1), kept)


def _none(features: int) -> str:
    return " ".join(["none"] * features)


def check(text: str, features: int, outputs: int) -> None:
    """Raise IntegrityError unless a text is a forest that LightGBM reads without harm.

    Each line has to be the one that is expected there, each list as long as it must be; each node is the child of one
    node before it, each leaf of one node; columns, levels and sizes lie inside their bounds; values are finite.
    """
    if len(text) > _LARGEST_TEXT:
        raise _refusal(f"its trees are larger than {_LARGEST_TEXT >> 20} MiB")
    try:
        _check(text, features, outputs)
    except (ValueError, IndexError, KeyError) as error:
        raise _refusal(f"its trees are no trees ({error})") from None


def _check(text: str, features: int, outputs: int) -> None:
    head, blank, body = text.partition("\n\n")
    lines = head.split("\n")
    _expect(bool(blank) and text.isascii() and lines[0] == "tree", "the beginning")
    header = _pairs(lines[1:], _HEADER)
    names = " ".join(f"Column_{place}" for place in range(features))
    wanted = {
        "version": "v4", "num_class": str(outputs), "num_tree_per_iteration": str(outputs), "label_index": "0",
        "max_feature_idx": str(features - 1), "feature_names": names, "feature_infos": _none(features),
    }  # fmt: skip
    for key, value in wanted.items():
        _expect(header[key] == value, key)
    _expect(bool(re.fullmatch(_OBJECTIVES, header["objective"])), "objective")
    several = header["objective"].partition(":")
    _expect(several[2] == str(outputs) if "multi" in several[0] else outputs == 1, "objective")
    sizes = _whole(header["tree_sizes"], 0, _LARGEST_TEXT)
    _expect(0 < len(sizes) <= _MOST_TREES and len(sizes) % outputs == 0, "tree_sizes")
    _expect(sum(sizes) + len(_END) == len(body) and body.endswith(_END), "tree_sizes")
    start = 0
    for number, size in enumerate(sizes):
        _check_tree(body[start : start + size], number, features)
        start += size


def _check_tree(text: str, number: int, features: int) -> None:
    _expect(text.endswith("\n\n\n") and "\n\n" not in text[:-3], f"the end of tree {number}")
    lines = text[:-3].split("\n")
    _expect(lines[0] == f"Tree={number}", f"the beginning of tree {number}")
    _expect(len(lines) > 2, f"tree {number}")
    leaves, levels = _one(lines[1], "num_leaves", 1, _MOST_LEAVES), _one(lines[2], "num_cat", 0, _MOST_LEAVES)
    cats = ("cat_boundaries", "cat_threshold") if levels else ()
    values = _pairs(lines[3:], (*_NODE, *_LEAF, *_INTERNAL, *cats, "is_linear", "shrinkage"))
    nodes = leaves - 1
    _expect(values["is_linear"] == "0", "is_linear")
    _finite(values["shrinkage"], 1)
    _finite(values["leaf_value"], leaves)
    for key in ("split_gain", "internal_value", "internal_weight", "threshold"):
        _finite(values[key], nodes, infinite=key in ("split_gain", "threshold"))
    _finite(values["leaf_weight"], leaves if nodes else 0)
    for key, length in (("leaf_count", leaves), ("internal_count", nodes)):
        _expect(len(_whole(values[key], 1, 2**31 - 1)) == length, key)
    _expect(len(_whole(values["split_feature"], 0, features - 1)) == nodes, "split_feature")
    left, right = (_whole(values[side], -leaves, nodes - 1) for side in ("left_child", "right_child"))
    _expect(len(left) == len(right) == nodes, "children")
    _expect(sorted([*left, *right]) == [*range(-leaves, 0), *range(1, nodes)] if nodes else True, "children")
    _expect(all(child < 0 or child > node for node, pair in enumerate(zip(left, right, strict=True)) for child in pair),
            "children")  # fmt: skip
    kinds = _whole(values["decision_type"], 0, 11)
    _expect(len(kinds) == nodes, "decision_type")
    thresholds = values["threshold"].split()
    asked = [_whole(thresholds[node], 0, levels - 1) for node in range(nodes) if kinds[node] & 1]
    _expect(len(asked) == levels, "num_cat")
    if levels:
        bounds, sets = _whole(values["cat_boundaries"], 0, 2**16), _whole(values["cat_threshold"], 0, 2**32 - 1)
        _expect(len(bounds) == levels + 1 and bounds[0] == 0 and bounds[-1] == len(sets), "cat_boundaries")
        _expect(all(one < other for one, other in pairwise(bounds)), "cat_boundaries")


def _pairs(lines: Sequence[str], keys: Sequence[str]) -> dict[str, str]:
    """Return the values of lines ``key=value``, which have to be these keys in this order."""
    found = [line.partition("=") for line in lines]
    _expect([key for key, _, _ in found] == list(keys) and all(sign for _, sign, _ in found), "the lines")
    return {key: value for key, _, value in found}


def _one(line: str, key: str, least: int, most: int) -> int:
    [value] = _whole(_pairs([line], [key])[key], least, most)
    return value


def _whole(text: str, least: int, most: int) -> list[int]:
    words = text.split(" ") if text else []
    _expect(all(re.fullmatch(r"-?\d{1,10}", word) for word in words), "a whole number")
    numbers = [int(word) for word in words]
    _expect(all(least <= number <= most for number in numbers), "a number outside its bounds")
    return numbers


def _finite(text: str, length: int, *, infinite: bool = False) -> None:
    words = text.split(" ") if text else []
    _expect(len(words) == length, "the length of a list")
    form = r"-?(\d+(\.\d*)?(e[+-]?\d{1,3})?" + (r"|inf)" if infinite else ")")
    _expect(all(re.fullmatch(form, word) for word in words), "a number")
    _expect(infinite or all(math.isfinite(float(word)) for word in words), "a number that is not finite")


def _expect(kept: bool, what: str) -> None:
    if not kept:
        raise ValueError(what)


def _refusal(why: str) -> IntegrityError:
    return IntegrityError(f"This is no stored learner: {why}.", hint="fit it anew.")
