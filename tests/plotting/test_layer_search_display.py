"""LayerSearchDisplay: which cut it names, what it takes from a search, and what can be read."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures, cache_info, clear_cache, list_layers
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet.datasets import load_digits

X, Y = (array[:60] for array in load_digits(return_X_y=True))
BLOCK_ENDS = [layer.index for layer in layer_table("ResNet50V2") if layer.name.endswith("_out")]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make(layers=4, **parameters):
    resnet = ResNetFeatures(layers, weights=None, random_state=0, **parameters)
    return make_pipeline(resnet, RidgeClassifier())


def search_layers(layers, estimator=None, **parameters):
    search = GridSearchCV(estimator or make(), {"resnetfeatures__layers": layers}, cv=3)
    return search.set_params(**parameters).fit(X, Y)


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


def test_no_layers_are_those_of_the_weights_that_the_search_took(monkeypatch):
    grid = {"resnetfeatures__layers": [4, None]}
    estimator = make().set_params(resnetfeatures__weights="procedural")
    search = GridSearchCV(estimator, grid, cv=3).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 85]
    search.best_estimator_[0].weights_ = "imagenet"  # as if "auto" had found them
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 189]


def test_layers_are_sorted():
    display = LayerSearchDisplay([51, 16, 82], [[1], [0], [2]])
    assert display.layers.tolist() == [16, 51, 82]
    assert display.scores.tolist() == [[0], [1], [2]]


def test_from_search_takes_the_best_of_other_parameters_at_each_depth():
    grid = {
        "resnetfeatures__layers": [4, "conv2_block1_out", 9],
        "ridgeclassifier__alpha": [1, 1e9],
    }
    search = GridSearchCV(make(), grid, cv=3).fit(X, Y)
    display = LayerSearchDisplay.from_search(search)
    assert display.layers.tolist() == [4, 9, 16]
    means = search.cv_results_["mean_test_score"].reshape(2, 3, order="F")
    parameters = search.cv_results_["params"]
    for layer, name in zip(display.layers, [4, 9, "conv2_block1_out"], strict=True):
        of_layer = [p["resnetfeatures__layers"] == name for p in parameters]
        best = search.cv_results_["mean_test_score"][of_layer].max()
        assert display.scores[list(display.layers).index(layer)].mean() == pytest.approx(best)
    assert means.size == len(parameters)


def test_from_a_randomized_search():
    grid = {"resnetfeatures__layers": [2, 4, 9]}
    search = RandomizedSearchCV(make(), grid, n_iter=2, cv=2, random_state=0).fit(X, Y)
    assert len(LayerSearchDisplay.from_search(search).layers) == 2


def test_a_part_of_a_grid_need_not_name_the_layers():
    grid = [{"resnetfeatures__layers": [2, 9]}, {"ridgeclassifier__alpha": [1, 10]}]
    search = GridSearchCV(make(4), grid, cv=2).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [2, 4, 9]


def test_a_search_over_architectures_is_an_error():
    grid = {
        "resnetfeatures__layers": ["conv2_block1_out"],
        "resnetfeatures__architecture": ["ResNet50", "ResNet50V2"],
    }
    search = GridSearchCV(make(), grid, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match="the layers of one architecture"):
        LayerSearchDisplay.from_search(search)


def test_from_a_search_over_a_nested_pipeline():
    outer = Pipeline([("inner", make())])
    search = GridSearchCV(outer, {"inner__resnetfeatures__layers": [2, 4]}, cv=2).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [2, 4]


def test_from_a_search_with_several_scores():
    scoring = ["accuracy", "balanced_accuracy"]
    search = search_layers([2, 4], scoring=scoring, refit="balanced_accuracy")
    display = LayerSearchDisplay.from_search(search)
    np.testing.assert_array_equal(
        display.scores[:, 1], search.cv_results_["split1_test_balanced_accuracy"]
    )
    assert display.ax_.get_ylabel() == "balanced_accuracy"
    search = search_layers([2, 4], scoring=scoring, refit=False)
    with pytest.raises(ValueError, match=r"must name one of them in 'refit'\. Got refit=False"):
        LayerSearchDisplay.from_search(search)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_depths_that_failed_are_left_out():
    search = search_layers([2, 500])
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [2]


def test_what_is_no_search_over_layers():
    with pytest.raises(NotFittedError):
        LayerSearchDisplay.from_search(GridSearchCV(make(), {"resnetfeatures__layers": [2]}))
    search = GridSearchCV(make(), {"ridgeclassifier__alpha": [1, 2]}, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"over the parameter 'layers' .*resnetfeatures__layers"):
        LayerSearchDisplay.from_search(search)
    with pytest.raises(ValueError, match=r"single layers. Got the several layers \[2, 4\]"):
        LayerSearchDisplay.from_search(search_layers([2, [2, 4]]))


@pytest.mark.cache
def test_from_estimator_is_one_pass_with_the_scores_of_a_search():
    layers = [2, 4, "conv2_block1_out"]
    pipe = make()
    search = search_layers(layers, make(cache=None), scoring="accuracy")
    clear_cache()
    display = LayerSearchDisplay.from_estimator(
        pipe, X, Y, layers=layers, cv=3, scoring="accuracy", title="Digits"
    )
    np.testing.assert_array_equal(
        display.scores.mean(axis=1), search.cv_results_["mean_test_score"]
    )
    assert cache_info().n_features == cache_info().misses * 3 == len(X) * 3
    assert display.ax_.get_title() == "Digits"
    assert display.ax_.get_ylabel() == "accuracy"
    assert pipe[0].tap_layers is None


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
        ("procedural", ValueError, "'layers' parameter must be at most 85"),
        ("no.weights.h5", FileNotFoundError, "which does not exist"),
    ],
)
def test_from_estimator_finds_the_weights_before_the_search(weights, error, message):
    pipe = make().set_params(resnetfeatures__weights=weights)
    with pytest.raises(error, match=message) as raised:
        LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[16, 153])
    assert not [entry for entry in raised.traceback if "model_selection" in str(entry.path)]


def read_labels(display):
    display.figure_.canvas.draw()
    above = display.ax_.child_axes[0]
    return [label for label in above.get_xticklabels() if label.get_text()]


@pytest.mark.parametrize("layers", [[82], [16, 51, 82, 85], [84, 85, 86, 87], BLOCK_ENDS])
def test_what_is_drawn_can_be_read(layers):
    rng = np.random.default_rng(0)
    display = LayerSearchDisplay(layers, rng.random((len(layers), 3))).plot()
    labels = read_labels(display)
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    assert len(labels) >= min(len(layers), 2)
    legend = " ".join(text.get_text() for text in display.ax_.get_legend().get_texts())
    name = layer_table("ResNet50V2")[display.best_layer_].name
    assert f"best: {display.best_layer_} {name}, " in legend
    assert "cheapest within one standard error: " in legend
    assert "standard deviation over 3 folds" in legend


def test_costs_and_widths_are_told():
    labels = read_labels(LayerSearchDisplay([16, 153], [[0], [1]]).plot())
    assert sorted(label.get_text() for label in labels) == ["1,024 · 5.5", "256 · 0.7"]
    assert list_layers()["gflop"][153] == pytest.approx(5.5, abs=0.05)


def test_it_is_drawn_where_one_says():
    figure, ax = plt.subplots()
    display = LayerSearchDisplay([2, 4], [[0, 1], [1, 1]], score_name="accuracy").plot(ax=ax)
    assert (display.ax_, display.figure_) == (ax, figure)
    assert display.plot().ax_ is not ax


def test_none_is_the_last_layer_that_weights_reach():
    resnet = ResNetFeatures(weights="procedural", tap_layers=[4, 85])
    search = search_layers([4, None], make_pipeline(resnet, RidgeClassifier()))
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 85]
