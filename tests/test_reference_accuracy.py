"""Accuracies on real digits with ImageNet's weights, where these files are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ResNetFeatures

DATA = Path(
    os.environ.get("SKLEARN_RESNET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
WEIGHTS = DATA / "resnet50v2_imagenet_conv1-conv4_bnfolded.weights.h5"
# 5-nearest-neighbour and logistic accuracy, measured by Keras alone
REFERENCE = {
    16: (0.605, 0.829),
    51: (0.841, 0.938),
    82: (0.944, 0.951),
    85: (0.956, 0.973),
    130: (0.931, 0.965),
    153: (0.903, 0.954),
}
pytestmark = pytest.mark.skipif(
    not (WEIGHTS.is_file() and (DATA / "mnist.npz").is_file()),
    reason=f"needs mnist.npz and {WEIGHTS.name} in the folder SKLEARN_RESNET_DATA",
)


def test_the_file_covers_the_layers_up_to_153():
    X = np.zeros((1, 8, 8), np.uint8)
    assert ResNetFeatures("conv4", weights=WEIGHTS).fit(X).layers_ == [153]
    with pytest.raises(ValueError, match=r"must be at most 153 \('conv4_block6_out'\)"):
        ResNetFeatures(154, weights=WEIGHTS).fit(X)
    with pytest.raises(ValueError, match=r"Got 189 \('post_relu'\) instead"):
        ResNetFeatures(weights=WEIGHTS).fit(X)


@pytest.fixture(scope="module")
def digits():
    with np.load(DATA / "mnist.npz") as file:
        return (
            file["x_train"][:6_000],
            file["y_train"][:6_000],
            file["x_test"][:2_000],
            file["y_test"][:2_000],
        )


@pytest.mark.long
@pytest.mark.parametrize("layer", REFERENCE)
def test_accuracy_at_each_depth(layer, digits):
    X_train, y_train, X_test, y_test = digits
    resnet = ResNetFeatures(layer, weights=WEIGHTS)
    train, test = resnet.fit_transform(X_train), resnet.transform(X_test)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    scores = [
        model.fit(train, y_train).score(test, y_test)
        for model in (KNeighborsClassifier(5), logistic)
    ]
    np.testing.assert_allclose(scores, REFERENCE[layer], atol=0.005)
