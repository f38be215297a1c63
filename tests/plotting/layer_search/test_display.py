"""LayerSearchDisplay: the best and the cheapest candidate, its table, and what it searches."""

from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from layer_searches import X, Y, make, make_resnet
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline

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
        ("procedural", ValueError, "'layers' parameter must be at most 85"),
        ("no.weights.h5", FileNotFoundError, "which does not exist"),
    ],
)
def test_from_estimator_finds_the_weights_before_the_search(weights, error, message):
    pipe = make().set_params(resnetfeatures__weights=weights)
    with pytest.raises(error, match=message) as raised:
        LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[16, 153])
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
    assert display.layers.tolist() == [layer for layer in BLOCK_ENDS if layer <= 85]
