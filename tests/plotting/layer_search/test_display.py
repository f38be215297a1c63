"""LayerSearchDisplay: the best and the cheapest candidate, its table, and what it searches."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from layer_searches import X, Y, make
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from torch_weights import write_safetensors

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures, list_layers
from sklearn_resnet._network.layers import count_gflop, layer_table

BLOCK_ENDS = [layer.index for layer in layer_table("ResNet50V2") if layer.name.endswith("_out")]


def test_the_best_and_the_cheapest_within_one_standard_error():
    # of the best: standard deviation 0.02, so that the standard error is 0.01
    scores = [[0.5, 0.5, 0.5, 0.5], [0.891, 0.891, 0.891, 0.891], [0.9, 0.9, 0.9, 0.9]]
    best = 0.9 + 0.02 * np.sqrt(3 / 4) * np.array([1, -1, 1, -1])
    display = LayerSearchDisplay([16, 51, 82, 85], [*scores[:2], best, [0.8] * 4])
    assert (display.best_layer_, display.cheapest_layer_) == (82, 51)
    scores[1] = [0.889] * 4
    display = LayerSearchDisplay([16, 51, 82, 85], [*scores[:2], best, [0.8] * 4])
    assert (display.best_layer_, display.cheapest_layer_) == (82, 82)


def test_cheap_means_little_computing_not_a_low_index():
    """Layer 83 pools what block 3 gives, and needs nothing of block 4."""
    display = LayerSearchDisplay([82, 83], [[0.9], [0.9]])
    assert (display.best_layer_, display.cheapest_layer_) == (82, 83)


def test_layers_are_sorted():
    display = LayerSearchDisplay([51, 16, 82], [[1], [0], [2]])
    assert display.layers.tolist() == [16, 51, 82]
    assert display.scores.tolist() == [[0], [1], [2]]


@pytest.mark.long
def test_from_estimator_takes_the_ends_of_blocks():
    display = LayerSearchDisplay.from_estimator(make(), X[:20], Y[:20] % 2, cv=2)
    assert display.layers.tolist() == BLOCK_ENDS


def test_from_estimator_needs_one_resnet():
    with pytest.raises(ValueError, match="must contain one ResNetFeatures. Got 0 instead"):
        LayerSearchDisplay.from_estimator(RidgeClassifier(), X, Y)
    two = make_pipeline(ResNetFeatures(), ResNetFeatures(), RidgeClassifier())
    with pytest.raises(ValueError, match="Got 2 instead: resnetfeatures-1, resnetfeatures-2"):
        LayerSearchDisplay.from_estimator(two, X, Y)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ("imagenet", ConnectionError, "ImageNet's weights of ResNet50V2 cannot be downloaded"),
        ("procedural", ValueError, "'layers' parameter must be at most 153"),
        ("no.weights.h5", FileNotFoundError, "which does not exist"),
    ],
)
def test_from_estimator_finds_the_weights_before_the_search(weights, error, message):
    pipe = make().set_params(resnetfeatures__weights=weights)
    with pytest.raises(error, match=message) as raised:
        LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[16, 160])
    assert not [entry for entry in raised.traceback if "model_selection" in str(entry.path)]


def test_it_is_drawn_where_one_says():
    figure, ax = plt.subplots()
    display = LayerSearchDisplay([2, 4], [[0, 1], [1, 1]], score_name="accuracy").plot(ax=ax)
    assert (display.ax_, display.figure_) == (ax, figure)
    assert display.plot().ax_ is not ax


def test_from_estimator_takes_the_ends_of_blocks_that_the_weights_cover():
    resnet = ResNetFeatures(weights="procedural", cache=None)
    pipe = make_pipeline(resnet, DummyClassifier())
    display = LayerSearchDisplay.from_estimator(pipe, X[:4], Y[:4] % 2, cv=2)
    assert display.layers.tolist() == [layer for layer in BLOCK_ENDS if layer <= 153]


def test_from_estimator_takes_the_ends_of_whole_blocks_of_other_libraries(tmp_path):
    weights = write_safetensors(tmp_path / "w.safetensors", last="layer2.0.bn1")
    resnet = ResNetFeatures(architecture="ResNet18", weights=weights, cache=None)
    pipe = make_pipeline(resnet, DummyClassifier())
    display = LayerSearchDisplay.from_estimator(pipe, X[:4], Y[:4] % 2, cv=2)
    assert display.to_frame()["name"].tolist() == ["layer1.0.relu_1", "layer1.1.relu_1"]
    stages = [text.get_text() for text in display.ax_.texts if text.get_text().startswith("layer")]
    assert stages == ["layer1"]


def show(layers, means, image_sizes=None, **parameters):
    """A display of two folds, whose best has a standard error of 0.01."""
    scores = np.array(means)[:, None] + [0.01, -0.01]
    return LayerSearchDisplay(layers, scores, image_sizes=image_sizes, **parameters)


def test_candidates_are_sorted_by_depth_and_then_by_size():
    cuts = [(16, 8), (4, (16, 8)), (4, None), (16, (8, 4)), (4, [8, 8]), (4, np.int64(16))]
    display = show([layer for layer, _ in cuts], np.arange(6.0), [size for _, size in cuts])
    assert display.layers.tolist() == [4, 4, 4, 4, 16, 16]
    assert display.image_sizes == [None, 8, (16, 8), 16, (8, 4), 8]
    assert display.scores.mean(axis=1).tolist() == [2, 4, 1, 5, 3, 0]
    assert (display.best_layer_, display.best_image_size_) == (4, 16)


def test_the_best_is_that_of_the_mean():
    display = LayerSearchDisplay([4, 16, 82], [[0, 1], [0.6, 0.6], [0.5, 0.55]])
    assert display.best_layer_ == 16


def test_cheap_is_a_small_image_as_well_as_a_shallow_layer():
    cuts = list(product([4, 85], [8, 224]))
    layers, sizes = zip(*cuts, strict=True)
    display = show(layers, [0.5, 0.898, 0.895, 0.9], sizes)
    assert (display.best_layer_, display.best_image_size_) == (85, 224)
    assert (display.cheapest_layer_, display.cheapest_image_size_) == (85, 8)
    display = show(layers, [0.5, 0.898, 0.885, 0.9], sizes)
    assert (display.cheapest_layer_, display.cheapest_image_size_) == (4, 224)
    table = layer_table("ResNet50V2")
    gflop = [count_gflop(table, table[layer], (size, size)) for layer, size in cuts]
    assert display.to_frame()["gflop"].tolist() == gflop


def test_an_unknown_size_has_no_cost_among_known_ones():
    display = show([4, 4, 16], [0.9, 0.899, 0.898], [None, 8, 8])
    frame = display.to_frame()
    assert frame["gflop"].isna().tolist() == [True, False, False]
    assert frame["is_pareto"].tolist() == [False, True, False]
    assert (display.best_image_size_, display.cheapest_image_size_) == (None, 8)
    display = show([4, 4, 16], [0.9, 0.5, 0.5], [None, 8, 8])
    assert display.best_image_size_ is display.cheapest_image_size_ is None


def test_sizes_that_are_all_unknown_are_those_of_imagenet():
    frame = show([4, 85], [0.5, 0.9]).to_frame()
    np.testing.assert_array_equal(frame["gflop"], list_layers()["gflop"][[4, 85]])
    assert frame["image_size"].tolist() == [None, None]


def test_the_table_tells_layers_scores_and_marks():
    cuts = [(4, 8), (4, 16), (85, (8, 16)), (85, 16)]
    layers, sizes = zip(*cuts, strict=True)
    scores = np.array([[0.5, 0.7, 0.6], [0.8, 0.9, 0.85], [0.82, 0.91, 0.87], [0.2, 0.1, 0.3]])
    display = LayerSearchDisplay(layers, scores, image_sizes=sizes, test_size=0.25)
    frame, info = display.to_frame(), list_layers()
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert frame["layer"].tolist() == [4, 4, 85, 85]
    assert frame["name"].tolist() == info["name"][[4, 4, 85, 85]].tolist()
    assert frame["width"].tolist() == info["width"][[4, 4, 85, 85]].tolist()
    assert frame["image_size"].tolist() == [8, 16, (8, 16), 16]
    np.testing.assert_allclose(frame["mean_score"], scores.mean(axis=1))
    np.testing.assert_allclose(frame["std_score"], scores.std(axis=1))
    np.testing.assert_allclose(frame["difference"], scores.mean(axis=1) - scores[2].mean())
    assert frame["is_best"].tolist() == [False, False, True, False]
    assert frame["is_cheapest"].tolist() == [False, True, False, False]
    assert frame["is_pareto"].tolist() == [True, True, True, False]
    # 4.302653 is the quantile of t with two degrees of freedom
    margin = 4.302653 * (scores - scores[2]).std(axis=1, ddof=1) * np.sqrt(1 / 3 + 25 / 75)
    np.testing.assert_allclose(frame["difference_low"], frame["difference"] - margin, atol=1e-7)
    np.testing.assert_allclose(frame["difference_high"], frame["difference"] + margin, atol=1e-7)


def test_a_table_makes_the_display_again():
    display = show([4, 85, 85], [0.5, 0.9, 0.8], [8, (8, 16), None])
    frame = display.to_frame()
    again = LayerSearchDisplay(frame["layer"], display.scores, image_sizes=frame["image_size"])
    pd.testing.assert_frame_equal(again.to_frame(), frame)


@pytest.mark.parametrize("n_folds", [2, 5])
def test_folds_share_no_samples_unless_a_test_size_is_given(n_folds):
    scores = np.random.default_rng(0).random((3, n_folds))
    columns = ["difference_low", "difference_high"]
    bounds = LayerSearchDisplay([2, 4, 16], scores).to_frame()[columns]
    same = LayerSearchDisplay([2, 4, 16], scores, test_size=1 / n_folds).to_frame()[columns]
    pd.testing.assert_frame_equal(bounds, same)
    other = LayerSearchDisplay([2, 4, 16], scores, test_size=0.01).to_frame()[columns]
    assert not np.allclose(bounds, other)
    unknown = LayerSearchDisplay([2, 4, 16], scores, test_size=np.nan).to_frame()[columns]
    assert unknown.isna().all(axis=None)


def test_candidates_whose_score_is_not_finite_are_left_out():
    scores = [[0.5, 0.6], [np.nan, 0.9], [0.7, -np.inf], [0.5, 0.5]]
    display = LayerSearchDisplay([2, 4, 9, 16], scores, image_sizes=[8, 8, 16, 16])
    assert display.layers.tolist() == [2, 16]
    assert display.image_sizes == [8, 16]
    assert (display.best_layer_, display.cheapest_layer_) == (2, 2)
    with pytest.raises(ValueError, match="must be finite for one candidate at least"):
        LayerSearchDisplay([2, 4], [[np.nan, 0.5], [np.nan, np.nan]])


@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_layers_whose_score_is_nan_are_left_out_of_a_search_of_ones_own():
    def score(estimator, X, y):
        return np.nan if estimator[-1].n_features_in_ == 256 else estimator.score(X, y)

    display = LayerSearchDisplay.from_estimator(
        make(), X, Y % 2, layers=[2, 16, 4], cv=2, scoring=score, nested=True
    )
    assert display.layers.tolist() == [2, 4]
    assert np.isfinite(display.nested_scores).all()


@pytest.mark.parametrize(
    ("scores", "sizes"), [([[1], [2]], [8]), ([[1], [2]], [8, 9, 10]), ([[1]], None)]
)
def test_lengths_must_agree(scores, sizes):
    with pytest.raises(ValueError, match="a row for each of `layers` and `image_sizes`"):
        LayerSearchDisplay([4, 16], scores, image_sizes=sizes)


@pytest.mark.parametrize("size", [0, -1, 8.5, "8", (8,), (8, 8, 3), (8, 0)])
def test_a_size_must_be_one(size):
    with pytest.raises(ValueError, match="'image_sizes' parameter must be"):
        show([4, 16], [0, 1], [8, size])
    with pytest.raises(ValueError, match="'image_sizes' parameter must be"):
        LayerSearchDisplay.from_estimator(make(), X, Y, layers=[2], image_sizes=[8, size])


@pytest.mark.parametrize("sizes", [8, "8", [], [None], [8, None], {8, 16}, 8.5])
def test_sizes_must_be_a_list_of_some(sizes):
    with pytest.raises(ValueError, match="'image_sizes' parameter must be a list"):
        LayerSearchDisplay.from_estimator(make(), X, Y, layers=[2], image_sizes=sizes)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([12, 8], [8, 12]),
        ((12, 8), [8, 12]),
        (range(8, 16, 4), [8, 12]),
        (np.array([12, 8]), [8, 12]),
        ([8, (8, 8), [8, 8], np.int64(8)], [8]),
        ([(8, 12), 8, (12, 8)], [8, (8, 12), (12, 8)]),
    ],
)
def test_each_size_is_searched_once(sizes, expected):
    display = LayerSearchDisplay.from_estimator(
        make(), X, Y % 2, layers=[2], image_sizes=sizes, cv=2
    )
    assert display.image_sizes == expected


@pytest.mark.parametrize("layers", [[4, 4], ["conv1_conv", 2], [500], ["conv9"], []])
def test_wrong_layers_are_noticed_before_the_search(layers):
    with pytest.raises(ValueError, match="'layers' parameter must"):
        LayerSearchDisplay.from_estimator(make(), X[:3], [0, 1, 2], layers=layers)


def test_layers_may_be_named_or_counted_from_the_end():
    display = LayerSearchDisplay.from_estimator(
        make(), X, Y % 2, layers=["conv1", -186, "conv2_block1_out"], cv=2
    )
    assert display.layers.tolist() == [2, 4, 16]


def test_scores_of_the_whole_search_are_kept():
    display = LayerSearchDisplay.from_estimator(
        make(), X, Y % 2, layers=[2, 4], image_sizes=[8, 12], cv=3, nested=True
    )
    assert len(display.nested_scores) == len(display.nested_candidates) == 3
    assert set(display.nested_candidates) <= set(product([2, 4], [8, 12]))
    display = LayerSearchDisplay.from_estimator(make(), X, Y % 2, layers=[2, 4], cv=2)
    assert display.nested_scores is display.nested_candidates is None


def test_several_sizes_are_a_heat_map_and_one_is_a_curve():
    assert show([4, 16], [0.5, 0.6], [8, 12]).plot().ax_.get_ylabel() == "image size"
    for sizes in (None, [8, 8]):
        display = show([4, 16], [0.5, 0.6], sizes, score_name="accuracy").plot()
        assert display.ax_.get_ylabel() == "accuracy"
        assert display.ax_.get_xlabel() == "layer of ResNet50V2"


def test_a_kind_must_be_known():
    with pytest.raises(ValueError, match="one of 'curves', 'heatmap', 'cost'. Got 'bars' instead"):
        show([4, 16], [0.5, 0.6]).plot(kind="bars")


def test_the_best_of_equals_is_the_shallowest():
    display = show([16, 4, 4], [0.9, 0.9, 0.9], [8, 16, 8])
    assert (display.best_layer_, display.best_image_size_) == (4, 8)
    assert (display.cheapest_layer_, display.cheapest_image_size_) == (4, 8)


def test_keywords_are_for_the_figure():
    figure, ax = plt.subplots()
    display = LayerSearchDisplay.from_estimator(
        make(), X, Y % 2, layers=[2, 4], image_sizes=[8, 12], cv=2, ax=ax, kind="cost", title="A"
    )
    assert display.figure_ is figure
    assert ax.get_title() == "A"
    assert ax.get_xlabel() == "GFLOP for an image"
