"""Accuracy on photos by their size, with the bundled weights and with ImageNet's.

The photos are those of `accuracy`, and so is the classifier, but its C is chosen from three values by
cross-validation on the training photos.
"""

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.accuracy import WEIGHTS, embed
from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import load_image_folder

SIZES = (48, 64, 80, 96, 112, 160, 224)
LAYERS = {"procedural": (85,), "imagenet": (85, 153)}
CS = (0.001, 0.01, 0.1)


def score(X_train, y_train, X_test, y_test):
    """Accuracy of logistic regression on standardised features, with the best C."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    search = GridSearchCV(model, {"logisticregression__C": CS}, cv=5)
    return search.fit(X_train, y_train).score(X_test, y_test)


def measure_size(folder, size):
    """Score each layer of both kinds of weights at one size."""
    loader = ImageLoader(size=size)
    parts, labels = [], []
    for part in ("train", "validation"):
        paths, y = load_image_folder(folder / "clothing" / part, return_X_y=True)
        parts.append(loader.fit_transform(paths))
        labels.append(y)
    found = {}
    for name, layers in LAYERS.items():
        weights = folder / WEIGHTS if name == "imagenet" else name
        features = embed(weights, layers, *parts)
        found[name] = {
            f"layer_{layer}": score(train, labels[0], test, labels[1])
            for layer, (train, test) in zip(layers, features, strict=True)
        }
    return found


def measure(folder):
    """Return the accuracy by size, weights and layer."""
    return {f"size_{size}": measure_size(folder, size) for size in SIZES}
