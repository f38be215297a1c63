"""How well images are told apart by the features of each depth of ResNet50V2.

Digits are 6,000 of MNIST's training images against 2,000 of its test images, at 28 x 28 pixels.
Photos are cut to a square of 112 pixels. Each depth is measured with ImageNet's weights and with
random ones, and beside it the pixels themselves.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_resnet import ImageLoader, ResNetFeatures, list_layers
from sklearn_resnet.datasets import load_image_folder

WEIGHTS = "resnet50v2_imagenet_conv1-conv4_bnfolded.weights.h5"
# 5-nearest-neighbour and logistic accuracy measured elsewhere with the same weights and digits
REFERENCE = {
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


def score_neighbours(X_train, y_train, X_test, y_test):
    """Accuracy of five nearest neighbours on the features as they are."""
    return KNeighborsClassifier(5).fit(X_train, y_train).score(X_test, y_test)


def score_logistic(X_train, y_train, X_test, y_test, max_iter=300):
    """Accuracy of logistic regression on standardised features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=max_iter))
    return model.fit(X_train, y_train).score(X_test, y_test)


def embed(weights, layers, *parts, **parameters):
    """Features of each layer in turn, from one pass: one tuple of parts for each layer."""
    resnet = ResNetFeatures(
        list(layers), weights=weights, random_state=0, cache=None, **parameters
    ).fit(parts[0])
    widths = list_layers().loc[resnet.layers_, "width"]
    ends = np.cumsum(widths)[:-1]
    return zip(*(np.split(resnet.transform(part), ends, axis=1) for part in parts), strict=True)


def digits_rows(folder):
    """Rows of the table of digits."""
    X_train, y_train, X_test, y_test = load_mnist(folder)
    pixels = [X.reshape(len(X), -1) for X in (X_train, X_test)]
    neighbours = score_neighbours(pixels[0], y_train, pixels[1], y_test)
    logistic = score_logistic(pixels[0], y_train, pixels[1], y_test)
    yield f"| pixels | 784 | {neighbours:.3f} / {logistic:.3f} | | |"
    names = list_layers()["name"]
    both = zip(
        embed(folder / WEIGHTS, REFERENCE, X_train, X_test),
        embed(None, REFERENCE, X_train, X_test),
        strict=True,
    )
    for (layer, reference), trained_and_random in zip(REFERENCE.items(), both, strict=True):
        cells = []
        for train, test in trained_and_random:
            neighbours = score_neighbours(train, y_train, test, y_test)
            logistic = score_logistic(train, y_train, test, y_test)
            cells.append(f"{neighbours:.3f} / {logistic:.3f}")
        width = trained_and_random[0][0].shape[1]
        yield (
            f"| {layer} `{names[layer]}` | {width} | {cells[0]} | {reference[0]:.3f} / "
            f"{reference[1]:.3f} | {cells[1]} |"
        )


def photo_rows(folder):
    """Rows of the table of photos."""
    loader = ImageLoader(size=112)
    parts, labels = [], []
    for part in ("train", "validation"):
        paths, y = load_image_folder(folder / "clothing" / part, return_X_y=True)
        parts.append(loader.fit_transform(paths))
        labels.append(y)
    names = list_layers()["name"]
    both = zip(
        embed(folder / WEIGHTS, PHOTO_LAYERS, *parts),
        embed(None, PHOTO_LAYERS, *parts),
        strict=True,
    )
    for layer, trained_and_random in zip(PHOTO_LAYERS, both, strict=True):
        scores = [
            f"{score_logistic(train, labels[0], test, labels[1], max_iter=500):.3f}"
            for train, test in trained_and_random
        ]
        yield f"| {layer} `{names[layer]}` | {scores[0]} | {scores[1]} |"


def report(folder):
    """Measure, and yield the lines of the report."""
    yield from [
        "## Accuracy by depth: MNIST, 6,000 digits to learn, 2,000 to test, 28 x 28",
        "",
        '5-nearest-neighbour / logistic accuracy. "Expected" was measured elsewhere with the same',
        "weights and digits, by Keras alone.",
        "",
        "| features | width | ImageNet's weights | expected | random weights |",
        "|---|---|---|---|---|",
        *digits_rows(folder),
        "",
        "## Accuracy by depth: photos of clothing, 300 to learn, 341 to test, 112 x 112",
        "",
        "Logistic accuracy; ten classes.",
        "",
        "| features | ImageNet's weights | random weights |",
        "|---|---|---|",
        *photo_rows(folder),
        "",
    ]
