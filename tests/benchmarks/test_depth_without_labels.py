"""The study of depth without labels: its criteria and its bookkeeping, on features made here."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "benchmarks" / "results").is_dir():
    pytest.skip("the benchmarks are not beside these tests", allow_module_level=True)
sys.path.append(str(ROOT))

from benchmarks import depth_data, depth_views  # noqa: E402
from benchmarks.depth_criteria import match_views, overlap, rank_neighbors, score_layers  # noqa: E402
from benchmarks.depth_without_labels import (  # noqa: E402
    add_combinations,
    add_fixed_depth,
    choose,
    list_scopes,
    lose_at_fixed_depths,
    reaches_goal,
    summarize,
    tabulate,
)

VIEWS = ("image", *depth_views.ALTERATIONS)


def make_layer(noise, n=120, width=16, seed=0):
    """Features of images, and of views that differ from them by noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, width))
    return {name: X + (name != "image") * noise * rng.normal(size=X.shape) for name in VIEWS}


def make_case(name="digits", scores=(0, 2, 1), knn=(0.5, 0.8, 0.9), weights="imagenet", **changes):
    case = {
        "set": name,
        "size": 32,
        "weights": weights,
        "accuracies": {"label": np.stack([knn, knn], axis=1)},
        "scores": {"deepest": np.arange(3.0), "other": np.array(scores, float)},
    }
    return case | changes


@pytest.mark.parametrize("name", [*depth_data.CHOOSING, *depth_data.REPORTING])
def test_a_set_belongs_to_one_half(name):
    family = depth_data.FAMILIES.get(name, name)
    half = depth_data.CHOOSING if name in depth_data.CHOOSING else depth_data.REPORTING
    assert family in half
    assert (name in depth_data.CHOOSING) != (name in depth_data.REPORTING)


@pytest.mark.parametrize(
    "name",
    sorted(
        (depth_data.CHOOSING | depth_data.REPORTING).keys() - {"mnist", "mnist_noisy", "clothing"}
    ),
)
def test_a_set_without_data_files_has_a_label_for_each_image(name, tmp_path, monkeypatch):
    monkeypatch.setattr(depth_data, "N_IMAGES", 40)
    found = depth_data.load_set(name, tmp_path)
    assert found.images.dtype == np.uint8
    assert all(len(y) == len(found.images) >= 20 for y in found.labels.values())
    again = depth_data.load_set(name, tmp_path)
    np.testing.assert_array_equal(found.images, again.images)


def test_patches_of_one_half_of_a_picture_are_one_group(tmp_path):
    picture = np.hstack([np.zeros((60, 60), np.uint8), np.ones((60, 60), np.uint8)])
    found = depth_data.cut_patches([picture], 20, np.random.default_rng(0))
    np.testing.assert_array_equal(found.images[:, 0, 0], found.groups)


def test_views_differ_from_the_image_and_are_the_same_each_time():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (3, 24, 24, 3), dtype=np.uint8)
    views, again = (depth_views.make_views(images, 32) for _ in range(2))
    assert list(views) == list(VIEWS)
    for name, view in views.items():
        assert view.shape == (3, 32, 32, 3)
        np.testing.assert_array_equal(view, again[name])
        assert name == "image" or (view != views["image"]).any()


def test_neighbors_are_in_order_and_not_the_row_itself():
    X = np.arange(30.0)[:, None]
    neighbors = rank_neighbors(X)
    assert neighbors[0, :3].tolist() == [1, 2, 3]
    assert overlap(neighbors, neighbors, 5) == 1


def test_equal_views_match_and_unrelated_ones_do_not():
    A, B = np.random.default_rng(0).normal(size=(2, 200, 8))
    assert match_views(A, A)["top1"] == 1
    assert match_views(A, A)["margin"] == pytest.approx(1, abs=1e-3)
    assert match_views(A, B)["top1"] < 0.05


def test_the_layer_whose_views_agree_scores_best():
    layers = {1: make_layer(2.0), 2: make_layer(0.1), 3: make_layer(1.0)}
    scores = score_layers(layers)
    for name in (
        "raw_top1_mild",
        "cosine_neighbors10_colour",
        "raw_margin_light",
        "raw_signal_to_noise",
    ):
        assert scores[name].argmax() == 1
    assert scores["deepest"].argmax() == 2
    assert all(each.shape == (3,) and np.isfinite(each).all() for each in scores.values())


def test_a_loss_is_the_difference_to_the_best_layer():
    rows, losses = tabulate([make_case(), make_case(scores=(0, 1, 2))])
    keep = np.ones(2, bool)
    row = summarize(losses, keep, "other")
    assert row["knn_mean"] == pytest.approx(0.05)
    assert row["knn_max"] == pytest.approx(0.1)
    assert (row["n_different"], row["n_better"], row["n_worse"]) == (1, 0, 1)
    assert choose(losses, keep) == ["deepest", "other"]
    assert list_scopes(rows)["imagenet_32"].all()


def test_the_goal_is_reached_only_if_all_its_parts_are():
    row = {"knn_mean": 0.007, "knn_max": 0.03, "n_different": 3, "n_better": 2}
    assert reaches_goal(row)
    for change in ({"knn_mean": 0.008}, {"knn_max": 0.04}, {"n_better": 1}):
        assert not reaches_goal(row | change)


def test_the_fixed_depth_knows_choosing_sets_only():
    cases = [make_case("digits", knn=(0.5, 0.9, 0.8)), make_case("mnist", knn=(0.9, 0.5, 0.6))]
    add_fixed_depth(cases)
    assert [case["scores"]["fixed_depth"].argmax() for case in cases] == [1, 1]
    rows, _ = tabulate(cases)
    assert lose_at_fixed_depths(rows, rows["set"] == "digits", rows["set"] == "mnist") == (
        pytest.approx(0.4)
    )


def test_a_criterion_leans_to_deep_layers():
    case = make_case(scores=(0, 1, 0.999))
    add_combinations([case])
    assert case["scores"]["other"].argmax() == 1
    assert case["scores"]["other_and_depth"].argmax() == 2
