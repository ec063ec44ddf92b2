"""Trees in LightGBM's text form: what they say, and that no other text is read."""

from __future__ import annotations

import re

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import IntegrityError
from coterie.predict.propensity import forest as module
from coterie.predict.propensity.forest import Forest, check, threads

SETTINGS = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 5, "min_data_per_group": 5, "verbose": -1,
            "deterministic": True, "force_col_wise": True, "seed": 3}  # fmt: skip


def people(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four columns: plain numbers, numbers with gaps, whole numbers, and the numbers of levels."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(count, 4))
    X[random.random(count) < 0.2, 1] = np.nan
    X[:, 2] = random.integers(0, 5, count)
    X[:, 3] = random.integers(0, 9, count)
    X[random.random(count) < 0.1, 3] = np.nan
    score = X[:, 0] + np.nan_to_num(X[:, 1], nan=1.0) + np.isin(X[:, 3], (2, 5)) * 2 + random.normal(size=count)
    return X, (score > 0.5).astype(float)


@pytest.fixture(scope="module")
def grown() -> Forest:
    X, y = people(600)
    return Forest.grow(X, y, SETTINGS, 12, np.ones(600), [3])


def test_it_says_what_lightgbm_says(grown: Forest) -> None:
    X, y = people(600)
    plain = lightgbm.train(SETTINGS, lightgbm.Dataset(X, y, weight=np.ones(600), categorical_feature=[3]), 12)
    others = people(300, seed=1)[0]
    assert np.array_equal(grown.raw(others), plain.predict(others, raw_score=True))
    assert np.array_equal(grown.contributions(others)[:, 0], plain.predict(others, pred_contrib=True))
    assert grown.trees == 12


def test_the_text_tells_no_value_of_anybody(grown: Forest) -> None:
    assert "feature_infos=none none none none\n" in grown.text
    assert "parameters" not in grown.text


@pytest.mark.parametrize("outputs", [1, 3])
def test_what_is_looked_up_for_many_is_what_lightgbm_says(outputs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = people(800, seed=2)
    own = SETTINGS if outputs == 1 else {**SETTINGS, "objective": "multiclass", "num_class": 3}
    found = Forest.grow(X, y if outputs == 1 else X[:, 2] % 3, own, 10, np.ones(800), [3])
    asked = people(3_000, seed=3)[0]
    asked[:7] = [[np.nan] * 4, [0.0] * 4, [-0.0] * 4, [1e300] * 4, [-1e300] * 4, [9, 9, 9, 60], [1, 1, 1, 8]]
    cuts = [float(cut) for cut in re.findall(r"threshold=(\S+)", found.text)]
    asked[7 : 7 + len(cuts), 0] = cuts  # exactly on a cut
    plain, parts = found.raw(asked), found.contributions(asked)
    monkeypatch.setattr(module, "_MANY", 1)
    assert np.array_equal(found.raw(asked), plain)
    np.testing.assert_allclose(found.contributions(asked), parts, rtol=0, atol=1e-12)
    np.testing.assert_allclose(parts.sum(axis=2).squeeze(), plain, rtol=0, atol=1e-12)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = people(3_000)
    texts = set()
    for count in (1, 2, 3):
        texts.add(Forest.grow(X, y, {**SETTINGS, "num_threads": count}, 8, np.ones(3_000), [3]).text)
    assert len(texts) == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads() == 2


def test_it_goes_to_json_and_back(grown: Forest) -> None:
    again = Forest.from_json(grown.to_json(), 4)
    X = people(50, seed=4)[0]
    assert np.array_equal(again.raw(X), grown.raw(X))


@pytest.mark.parametrize(
    "change",
    [
        {"text": "tree"}, {"size": 1}, {"sha256": "0" * 64}, {"text": None}, {"more": 1}, {"text": "\ud800"},
    ],
    ids=str,
)  # fmt: skip
def test_changed_json_is_refused(grown: Forest, change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="no stored learner"):
        Forest.from_json({**grown.to_json(), **change}, 4)
    with pytest.raises(IntegrityError):
        Forest.from_json(None, 4)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (r"version=v4", "version=v3"),
        (r"num_class=1", "num_class=2"),
        (r"max_feature_idx=3", "max_feature_idx=300"),
        (r"objective=binary sigmoid:1", "objective=lambdarank"),
        (r"feature_infos=none", "feature_infos=[0:1]"),
        (r"tree_sizes=\d+", "tree_sizes=1"),
        (r"num_leaves=7", "num_leaves=8"),
        (r"num_leaves=7", "num_leaves=-1"),
        (r"split_feature=\d", "split_feature=9"),
        (r"left_child=-?\d+", "left_child=0"),
        (r"left_child=-?\d+", "left_child=77"),
        (r"right_child=-?\d+", "right_child=-99"),
        (r"leaf_value=\S+", "leaf_value=nan"),
        (r"leaf_value=\S+", "leaf_value=1e999"),
        (r"leaf_value=\S+ ", "leaf_value="),
        (r"leaf_count=\d+", "leaf_count=0"),
        (r"decision_type=\d+", "decision_type=15"),
        (r"is_linear=0", "is_linear=1"),
        (r"shrinkage=", "shrink="),
        (r"end of trees", "end"),
        (r"num_cat=1", "num_cat=9"),
        (r"cat_boundaries=0 ", "cat_boundaries=5 "),
        (r"cat_threshold=\d+", "cat_threshold=99999999999"),
    ],
)
def test_a_text_that_could_harm_is_refused(grown: Forest, line: str, instead: str) -> None:
    changed = re.sub(line, instead, grown.text, count=1)
    assert changed != grown.text
    delta = len(changed) - len(grown.text)  # sizes that fit, so that the line itself is judged
    if "tree_sizes" not in line and delta:
        number = changed[: re.search(line, grown.text).start()].count("Tree=") - 1  # type: ignore[union-attr]
        sizes = re.search(r"tree_sizes=(.*)", changed)[1].split()  # type: ignore[index]
        if number >= 0:
            sizes[number] = str(int(sizes[number]) + delta)
        changed = re.sub(r"tree_sizes=.*", "tree_sizes=" + " ".join(sizes), changed)
    with pytest.raises(IntegrityError, match="its trees are no trees"):
        check(changed, 4, 1)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_text_with_a_changed_word_is_refused_or_read(grown: Forest, data: st.DataObject) -> None:
    """Whatever one character becomes, the text is refused, or LightGBM reads it and says numbers."""
    place = data.draw(st.integers(0, len(grown.text) - 1))
    letter = data.draw(st.sampled_from("0123456789-.eE =\nx\x00é"))
    changed = grown.text[:place] + letter + grown.text[place + 1 :]
    try:
        read = Forest(changed, 4)
    except IntegrityError:
        return
    assert np.isfinite(read.raw(people(20)[0])).all()
    assert np.isfinite(read.contributions(people(20)[0])).all()


def test_what_is_too_large_is_refused(grown: Forest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_TEXT", 1 << 10)
    with pytest.raises(IntegrityError, match="larger than"):
        Forest.from_json(grown.to_json(), 4)
