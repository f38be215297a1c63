"""Accuracy of classifiers on the features of each depth of ResNet50V2.

Digits are 6,000 of MNIST's training images against 2,000 of its test images, at 28 x 28 pixels.
Photos are cropped to a square of 112 pixels. Each depth is measured with ImageNet's weights and with
random ones, and compared with the pixels themselves.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures, list_layers
from sklearn_resnet.datasets import load_image_folder

WEIGHTS = "resnet50v2_imagenet_conv1-conv4_bnfolded.weights.h5"
# 5-NN and logistic accuracy, measured independently with the same weights and digits
EXPECTED = {
    16: (0.605, 0.829),
    51: (0.841, 0.938),
    73: (0.920, 0.960),
    82: (0.944, 0.951),
    85: (0.956, 0.973),
    130: (0.931, 0.965),
    153: (0.903, 0.954),
}
PHOTO_LAYERS = (51, 85, 153)


def load_mnist(folder, n_train=6_000, n_test=2_000):
    """Read the first digits of each part: (X_train, y_train, X_test, y_test)."""
    with np.load(folder / "mnist.npz") as file:
        train = file["x_train"][:n_train], file["y_train"][:n_train]
        return *train, file["x_test"][:n_test], file["y_test"][:n_test]


def score_neighbors(X_train, y_train, X_test, y_test):
    """Accuracy of five nearest neighbours on the features as they are."""
    return KNeighborsClassifier(5).fit(X_train, y_train).score(X_test, y_test)


def score_logistic(X_train, y_train, X_test, y_test, max_iter=300):
    """Accuracy of logistic regression on standardised features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=max_iter))
    return model.fit(X_train, y_train).score(X_test, y_test)


def embed(weights, layers, *parts, **parameters):
    """Compute the features of each layer in one pass: a tuple of parts for each layer."""
    resnet = ResNetFeatures(
        list(layers), weights=weights, random_state=0, cache=None, **parameters
    ).fit(parts[0])
    widths = list_layers().loc[resnet.layers_, "width"]
    ends = np.cumsum(widths)[:-1]
    return zip(*(np.split(resnet.transform(part), ends, axis=1) for part in parts), strict=True)


def measure_digits(folder):
    """Score digits: pixels, then each layer with both kinds of weights."""
    X_train, y_train, X_test, y_test = load_mnist(folder)

    def score(train, test):
        labelled = train, y_train, test, y_test
        return {"knn": score_neighbors(*labelled), "logistic": score_logistic(*labelled)}

    pixels = [X.reshape(len(X), -1) for X in (X_train, X_test)]
    found = {"pixels": {"width": pixels[0].shape[1], **score(*pixels)}}
    names = list_layers()["name"]
    imagenet = embed(folder / WEIGHTS, EXPECTED, X_train, X_test)
    random = embed(None, EXPECTED, X_train, X_test)
    for layer, trained, untrained in zip(EXPECTED, imagenet, random, strict=True):
        found[f"layer_{layer}"] = {
            "name": names[layer],
            "width": trained[0].shape[1],
            "imagenet": score(*trained),
            "expected": dict(zip(("knn", "logistic"), EXPECTED[layer], strict=True)),
            "random": score(*untrained),
        }
    return found


def measure_photos(folder):
    """Score photos: each layer with both kinds of weights."""
    loader = ImageLoader(size=112)
    parts, labels = [], []
    for part in ("train", "validation"):
        paths, y = load_image_folder(folder / "clothing" / part, return_X_y=True)
        parts.append(loader.fit_transform(paths))
        labels.append(y)

    def score(train, test):
        return score_logistic(train, labels[0], test, labels[1], max_iter=500)

    names = list_layers()["name"]
    imagenet = embed(folder / WEIGHTS, PHOTO_LAYERS, *parts)
    random = embed(None, PHOTO_LAYERS, *parts)
    return {
        f"layer_{layer}": {
            "name": names[layer],
            "imagenet": score(*trained),
            "random": score(*untrained),
        }
        for layer, trained, untrained in zip(PHOTO_LAYERS, imagenet, random, strict=True)
    }


def measure(folder):
    """Return the accuracy of digits and photos."""
    return {"digits": measure_digits(folder), "photos": measure_photos(folder)}
