"""LayerSearchDisplay: which cut it names, what it takes from a search, and what can be read."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

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


@pytest.mark.parametrize("scores", [[0.5, 0.9], [0.9, 0.5]])
def test_the_best_candidate_of_a_depth_is_taken_wherever_it_stands(scores):
    grid = {"resnetfeatures__layers": [4], "ridgeclassifier__alpha": [1, 2]}
    search = GridSearchCV(make(), grid, cv=2).fit(X, Y)
    search.cv_results_["mean_test_score"] = np.array(scores)
    for i in range(2):
        search.cv_results_[f"split{i}_test_score"] = np.array(scores)
    assert LayerSearchDisplay.from_search(search).scores.tolist() == [[0.9, 0.9]]


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
    assert cache_info().n_features == cache_info().misses == len(X) * 3
    assert display.ax_.get_title() == "Digits"
    assert display.ax_.get_ylabel() == "accuracy"
    assert pipe[0].tap_layers is None


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


def test_from_estimator_takes_the_ends_of_blocks_that_the_weights_cover():
    resnet = ResNetFeatures(weights="procedural", cache=None)
    pipe = make_pipeline(resnet, DummyClassifier())
    display = LayerSearchDisplay.from_estimator(pipe, X[:4], Y[:4] % 2, cv=2)
    assert display.layers.tolist() == [layer for layer in BLOCK_ENDS if layer <= 85]


class FailsAtLayer16(RidgeClassifier):
    def fit(self, X, y):
        if X.shape[1] == 256:
            raise RuntimeError("256 features are too many")
        return super().fit(X, y)


def test_an_error_of_one_fit_is_raised_as_it_is():
    pipe = make_pipeline(ResNetFeatures(weights=None, random_state=0), FailsAtLayer16())
    with pytest.raises(RuntimeError, match="256 features are too many"):
        LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[4, 16], cv=2)


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_search_whose_fits_all_failed_is_an_error():
    def fail(estimator, X, y):
        raise RuntimeError("no score")

    search = search_layers([2, 4], scoring=fail, refit=False)
    with pytest.raises(ValueError, match="All of its fits failed"):
        LayerSearchDisplay.from_search(search)


def test_an_estimator_may_be_the_network_alone():
    def score(estimator, X, y=None):
        return estimator.transform(X).mean()

    resnet = ResNetFeatures(weights=None, random_state=0)
    display = LayerSearchDisplay.from_estimator(resnet, X[:6], layers=[2, 4], cv=2, scoring=score)
    assert display.layers.tolist() == [2, 4]
    assert display.ax_.get_ylabel() == "score"


def test_no_layers_without_a_refit_are_those_of_the_given_weights():
    resnet = ResNetFeatures(weights="procedural", tap_layers=[4, 85])
    pipe = make_pipeline(resnet, RidgeClassifier())
    search = search_layers([4, None], pipe, refit=False)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 85]


def test_a_search_over_the_layers_of_two_networks_is_an_error():
    networks = [(name, ResNetFeatures(weights=None, random_state=0)) for name in "ab"]
    pipe = make_pipeline(FeatureUnion(networks), RidgeClassifier())
    grid = {"featureunion__a__layers": [2, 4], "featureunion__b__layers": [2]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match="Got a search over 2 of them instead"):
        LayerSearchDisplay.from_search(search)


def test_layers_are_those_of_the_searched_architecture():
    resnet = ResNetFeatures(architecture="ResNet50", weights=None, random_state=0)
    search = search_layers(["conv2_block1_out"], make_pipeline(resnet, RidgeClassifier()))
    display = LayerSearchDisplay.from_search(search)
    assert display.ax_.get_xlabel() == "layer of ResNet50"
    assert display.layers.tolist() == [
        layer.index for layer in layer_table("ResNet50") if layer.name == "conv2_block1_out"
    ]


def test_means_are_drawn_with_their_standard_deviations():
    display = LayerSearchDisplay([2, 4], [[0, 0.5], [0.25, 1]]).plot()
    (bars,) = display.ax_.containers
    np.testing.assert_allclose(bars[0].get_xydata(), [[2, 0.25], [4, 0.625]])
    spreads = [np.ptp(segment[:, 1]) / 2 for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(spreads, [0.25, 0.375])
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert any(text.startswith("best: 4 ") and text.endswith(", 0.625") for text in legend)


@pytest.mark.parametrize(
    ("layers", "names"),
    [([84, 85, 86, 87], ["conv3", "conv4"]), ([16, 189], ["conv2", "conv3", "conv4", "conv5"])],
)
def test_stages_are_named_where_they_are_in_view(layers, names):
    display = LayerSearchDisplay(layers, np.zeros((len(layers), 1))).plot()
    low, high = display.ax_.get_xlim()
    assert [text.get_text() for text in display.ax_.texts] == names
    for text in display.ax_.texts:
        stage = [
            layer.index for layer in layer_table("ResNet50V2") if layer.stage == text.get_text()
        ]
        assert max(low, stage[0] - 1) < text.get_position()[0] < min(high, stage[-1] + 1)
    shaded = [
        patch.get_extents().transformed(display.ax_.transData.inverted())
        for patch in display.ax_.patches
    ]
    stages = list(dict.fromkeys(layer.stage for layer in layer_table("ResNet50V2")))
    stages = [stage for stage in stages if stage.startswith("conv")][1::2]
    ends = [
        [layer.index for layer in layer_table("ResNet50V2") if layer.stage == stage]
        for stage in stages
    ]
    np.testing.assert_allclose(
        [(box.x0, box.x1) for box in shaded], [(end[0] - 0.5, end[-1] + 0.5) for end in ends]
    )
