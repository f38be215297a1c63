"""Cost of a search over layers and image sizes, against one pass for each size.

A pass decodes the photos at its size and computes the features of all layers. The search is that of
`LayerSearchDisplay.from_estimator`, from an empty cache, with a cheap classifier in five folds.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline

from benchmarks.accuracy import WEIGHTS
from benchmarks.measuring import divide, summarize_rounds, time_call
from benchmarks.surface import LAYERS, SIZES, list_photos
from sklearn_resnet import ImageLoader, LayerSearchDisplay, ResNetFeatures, clear_cache

_LAYERS = list(LAYERS["imagenet"])
_ROUNDS = 3


def search(weights, paths, y, sizes):
    """Search over all layers and some sizes, from an empty cache."""
    clear_cache()
    model = make_pipeline(ImageLoader(), ResNetFeatures(weights=weights), RidgeClassifier())
    display = LayerSearchDisplay.from_estimator(
        model, paths, y, layers=_LAYERS, image_sizes=list(sizes), cv=5
    )
    plt.close(display.figure_)


def search_each(weights, paths, y):
    """Search over all layers at one size after another."""
    for size in SIZES:
        search(weights, paths, y, [size])


def pass_each(weights, paths):
    """Decode the photos and compute the features of all layers, at one size after another."""
    for size in SIZES:
        resnet = ResNetFeatures(_LAYERS, weights=weights, cache=None)
        make_pipeline(ImageLoader(size=size), resnet).fit_transform(paths)


def measure_costs(weights, paths, y):
    """Return the times of both kinds of search, relative to the passes."""
    works = {
        "passes": lambda: pass_each(weights, paths),
        "one_search": lambda: search(weights, paths, y, SIZES),
        "searches": lambda: search_each(weights, paths, y),
    }
    for work in works.values():
        work()  # compiles
    seconds = {name: [] for name in works}
    for _ in range(_ROUNDS):
        for name, work in works.items():
            seconds[name].append(time_call(work)[0])
    return {
        "n_images": len(paths),
        "one_search_times_passes": summarize_rounds(
            divide(seconds["one_search"], seconds["passes"])
        ),
        "one_search_times_searches": summarize_rounds(
            divide(seconds["one_search"], seconds["searches"])
        ),
        "seconds": {name: summarize_rounds(rounds) for name, rounds in seconds.items()},
    }


def measure(folder):
    """Return the cost of searching the photos."""
    return measure_costs(folder / WEIGHTS, *list_photos(folder))
