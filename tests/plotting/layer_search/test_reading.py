"""from_search: the layers, image sizes and scores of a fitted search."""

import numpy as np
import pytest
from layer_searches import X, Y, make, make_resnet, search_layers
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures
from sklearn_resnet._network.layers import layer_table


def test_no_layers_are_those_of_the_weights_that_the_search_took(monkeypatch):
    grid = {"resnetfeatures__layers": [4, None]}
    estimator = make().set_params(resnetfeatures__weights="procedural")
    search = GridSearchCV(estimator, grid, cv=3).fit(X, Y)
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 85]
    search.best_estimator_[0].weights_ = "imagenet"  # as if "auto" had found them
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 189]


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


def test_none_is_the_last_layer_that_weights_reach():
    resnet = ResNetFeatures(weights="procedural", tap_layers=[4, 85])
    search = search_layers([4, None], make_pipeline(resnet, RidgeClassifier()))
    assert LayerSearchDisplay.from_search(search).layers.tolist() == [4, 85]


@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
def test_a_search_whose_fits_all_failed_is_an_error():
    def fail(estimator, X, y):
        raise RuntimeError("no score")

    search = search_layers([2, 4], scoring=fail, refit=False)
    with pytest.raises(ValueError, match="All of its fits failed"):
        LayerSearchDisplay.from_search(search)


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
