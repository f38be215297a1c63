"""The surface of depth and size, and what derives from it; one layer against several."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "benchmarks" / "results").is_dir():
    pytest.skip("the benchmarks are not beside these tests", allow_module_level=True)
sys.path.append(str(ROOT))

from benchmarks.derived import compare_layers, make_display, summarize_surface  # noqa: E402
from benchmarks.several_layers import compare, score_seed, split_halves, summarize  # noqa: E402
from benchmarks.surface import (  # noqa: E402
    N_FOLDS,
    PATCH_SIZE,
    cut_textures,
    measure_surface,
    split_folds,
)
from benchmarks.surface_cost import CLASSIFIERS, measure_cost, search  # noqa: E402

pytestmark = pytest.mark.long


def make_squares(n=40):
    """Make images of two classes: a dark and a bright square."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.integers(0, 60, (n, 32, 32), np.uint8)
    X[:, 8:24, 8:24] += (120 * y).astype(np.uint8)[:, None, None]
    return X, y


def test_the_patches_of_a_fold_come_from_other_strips():
    X, y, strips = cut_textures()
    assert X.shape[1:] == (PATCH_SIZE, PATCH_SIZE)
    folds = split_folds(y, strips)
    assert len(folds) == N_FOLDS
    for train, test in folds:
        assert set(strips[train]).isdisjoint(strips[test])
        assert set(y[train]) == set(y[test])


def test_folds_without_groups_hold_all_classes():
    y = np.repeat([0, 1], [30, 10])
    for train, test in split_folds(y):
        assert np.bincount(y[test]).tolist() == [6, 2]
        assert not set(train) & set(test)


def test_the_surface_has_each_layer_at_each_size():
    X, y = make_squares()
    surface = measure_surface(None, (4, 16), (16, 32), X, y, split_folds(y))
    assert list(surface) == ["logistic", "knn"]
    for scores in surface.values():
        assert {size: list(row) for size, row in scores.items()} == {
            "size_16": ["layer_4", "layer_16"],
            "size_32": ["layer_4", "layer_16"],
        }
        cell = scores["size_32"]["layer_16"]
        assert cell["mean"] == pytest.approx(np.mean(cell["folds"])) == 1
    display = make_display(surface["logistic"])
    assert display.scores.shape == (4, N_FOLDS)


def test_a_surface_is_summarized_by_its_best_its_cheapest_and_its_usual_cell():
    noise = np.array([-0.02, -0.01, 0, 0.01, 0.02])
    means = {(16, 32): 0.5, (85, 32): 0.795, (16, 224): 0.6, (85, 224): 0.7, (85, 64): 0.8}
    surface = {}
    for (layer, size), mean in means.items():
        cell = {"folds": (mean + noise).tolist()}
        surface.setdefault(f"size_{size}", {})[f"layer_{layer}"] = cell
    found = summarize_surface(surface)
    places = {
        name: (cell["layer"], cell["image_size"])
        for name, cell in found.items()
        if name not in ("n_cells", "n_as_good", "best_layer")
    }
    assert places == {"best": (85, 64), "cheapest": (85, 32), "usual": (85, 224)}
    assert found["usual"]["accuracy"] == pytest.approx(0.7)
    assert found["usual"]["difference"] == pytest.approx(-0.1)
    assert found["best"]["times_cheapest"] == pytest.approx(4)
    assert found["best_layer"] == {"size_32": 85, "size_64": 85, "size_224": 85}
    assert found["n_cells"] == 5
    # each fold differs by the same, so that there is no doubt
    assert found["n_as_good"] == 1


def test_halves_share_no_group():
    y, groups = np.tile([0, 1], 50), np.repeat(np.arange(5), 20)
    train, test, folds = split_halves(y, groups, seed=0)
    assert len(train) + len(test) == len(y)
    assert set(groups[train]).isdisjoint(groups[test])
    for a, b in folds:
        assert set(groups[train][a]).isdisjoint(groups[train][b])


def test_scores_of_layers_side_by_side():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 60)
    # each layer knows half of the images, and both together all
    embedded = {
        16: np.c_[np.where(np.arange(120) % 2, 4 * y - 2, 0), rng.normal(0, 0.1, 120)],
        39: np.c_[np.where(np.arange(120) % 2, 0, 4 * y - 2), rng.normal(0, 0.1, 120)],
        85: rng.normal(size=(120, 2)),
    }
    rounds = [score_seed(embedded, [16, 39], y, None, seed) for seed in range(3)]
    found = summarize(rounds)
    assert found["ridge"]["stages"]["accuracy"]["mean"] == 1
    assert found["ridge"]["single"]["accuracy"]["mean"] < 0.9
    assert found["ridge"]["stages"]["difference"]["low"] > 0
    assert found["ridge"]["deepest"]["accuracy"]["mean"] < 0.7
    assert sum(found["ridge"]["chosen"].values()) == 3
    assert "selected" in found["ridge"]
    assert "selected" not in found["knn"]


def test_differences_are_paired():
    scores = np.array([0.8, 0.7, 0.9])
    found = compare((scores + 0.1).tolist(), scores.tolist())
    assert found["difference"]["mean"] == pytest.approx(0.1)
    assert found["difference"]["low"] == pytest.approx(found["difference"]["high"])
    wide = compare([0.9, 0.7, 0.9], scores.tolist())["difference"]
    assert wide["low"] < 0 < wide["mean"] < wide["high"]


def test_differences_are_summarized_over_images_and_weights():
    intervals = [(-0.2, -0.1), (-0.1, 0.1), (0.1, 0.2), (0.2, 0.3), (-0.1, 0.2), (-0.3, -0.1)]
    result = {"digits": {}, "photos": {}, "textures": {}}
    places = [(data_set, weights) for data_set in result for weights in ("imagenet", "procedural")]
    for (data_set, weights), (low, high) in zip(places, intervals, strict=True):
        difference = {"mean": (low + high) / 2, "low": low, "high": high}
        result[data_set][weights] = {
            "ridge": {"single": {}, "chosen": {}, "all": {"difference": difference}}
        }
    found = compare_layers(result)["ridge"]["all"]
    assert found == pytest.approx({"min": -0.2, "max": 0.25, "n_better": 2, "n_worse": 2})


@pytest.mark.long
def test_a_search_is_timed_against_passes(tmp_path):
    X, y = make_squares(20)
    paths = [tmp_path / f"{i}.png" for i in range(len(X))]
    for path, image in zip(paths, X, strict=True):
        Image.fromarray(image).save(path)
    found = measure_cost(None, (4, 16), (16, 32), paths, y, n_rounds=2)
    assert found["n_images"] == 20
    scores = search(CLASSIFIERS["ridge"], None, (4, 16), (16, 32), paths, y)
    assert scores.shape == (4, 5)
    for name in CLASSIFIERS:
        for key in ("times_passes", "times_searches"):
            ratios = found[name][key]
            assert 0 < ratios["min"] <= ratios["median"] <= ratios["max"]
