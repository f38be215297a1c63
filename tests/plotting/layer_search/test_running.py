"""from_estimator: the scores of a search, from features that are computed once."""

import numpy as np
import pytest
from layer_searches import X, Y, make, make_resnet, search_layers
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline

from sklearn_resnet import LayerSearchDisplay, ResNetFeatures, cache_info, clear_cache


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


class FailsAtLayer16(RidgeClassifier):
    def fit(self, X, y):
        if X.shape[1] == 256:
            raise RuntimeError("256 features are too many")
        return super().fit(X, y)


def test_an_error_of_one_fit_is_raised_as_it_is():
    pipe = make_pipeline(ResNetFeatures(weights=None, random_state=0), FailsAtLayer16())
    with pytest.raises(RuntimeError, match="256 features are too many"):
        LayerSearchDisplay.from_estimator(pipe, X, Y, layers=[4, 16], cv=2)


def test_an_estimator_may_be_the_network_alone():
    def score(estimator, X, y=None):
        return estimator.transform(X).mean()

    resnet = ResNetFeatures(weights=None, random_state=0)
    display = LayerSearchDisplay.from_estimator(resnet, X[:6], layers=[2, 4], cv=2, scoring=score)
    assert display.layers.tolist() == [2, 4]
    assert display.ax_.get_ylabel() == "score"
