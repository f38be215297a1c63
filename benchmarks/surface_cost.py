"""Cost of a search over layers and image sizes, against one pass for each size.

A pass decodes the photos at its size and computes the features of all layers. The search is that of
`LayerSearchDisplay.from_estimator`, from an empty cache, with a classifier in five folds.
"""

from functools import partial

import matplotlib.pyplot as plt
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.accuracy import WEIGHTS
from benchmarks.measuring import divide, summarize_rounds, time_call
from benchmarks.surface import LAYERS, SIZES, list_photos
from sklearn_resnet import ImageLoader, LayerSearchDisplay, ResNetFeatures, clear_cache

_ROUNDS = 3
CLASSIFIERS = {
    "none": DummyClassifier(),  # the features alone
    "ridge": RidgeClassifier(),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
}


def search(classifier, weights, layers, sizes, paths, y):
    """Search over layers and sizes, from an empty cache."""
    clear_cache()
    model = make_pipeline(ImageLoader(), ResNetFeatures(weights=weights), classifier)
    display = LayerSearchDisplay.from_estimator(
        model, paths, y, layers=list(layers), image_sizes=list(sizes), cv=5
    )
    plt.close(display.figure_)
    return display.scores


def search_each(classifier, weights, layers, sizes, paths, y):
    """Search over layers at one size after another."""
    for size in sizes:
        search(classifier, weights, layers, [size], paths, y)


def pass_each(weights, layers, sizes, paths, y):
    """Decode the photos and compute the features of all layers, at one size after another."""
    for size in sizes:
        resnet = ResNetFeatures(list(layers), weights=weights, cache=None)
        make_pipeline(ImageLoader(size=size), resnet).fit_transform(paths)


def measure_cost(weights, layers, sizes, paths, y, n_rounds=_ROUNDS):
    """Return the time of the search, relative to the passes and to a search for each size."""
    arguments = weights, layers, sizes, paths, y
    pass_each(*arguments)  # compiles
    found = {"n_images": len(paths)}
    for name, classifier in CLASSIFIERS.items():
        works = {
            "passes": pass_each,
            "search": partial(search, classifier),
            "searches": partial(search_each, classifier),
        }
        rounds = [
            {key: time_call(work, *arguments)[0] for key, work in works.items()}
            for _ in range(n_rounds)
        ]
        seconds = {key: [each[key] for each in rounds] for key in works}
        found[name] = {
            f"times_{key}": summarize_rounds(divide(seconds["search"], seconds[key]))
            for key in ("passes", "searches")
        }
    return found


def measure(folder):
    """Return the cost of searching the photos."""
    paths, y = list_photos(folder)
    return measure_cost(folder / WEIGHTS, LAYERS["imagenet"], SIZES, paths, y)
