"""The tables of ``search``."""

from benchmarks.tables.formatting import spread, table


def render(result):
    """A grid search over layers, and a transform of cached images."""
    columns = ("passes", "passes_without_tap_layers", "times_features", "times_search")
    rows = [
        (title, *(spread(result[key][name], ".3g") for name in (*columns, "classifier_share")))
        for key, title in (("blas_default", "default"), ("blas_1", "1"))
    ]
    warm, keys, neighbors = result["warm"], result["keys_percent"], result["neighbors"]
    warm_rows = [
        (
            name,
            spread(warm[name]["times_uncached"], ".3g"),
            spread(warm[name]["shuffled_times_uncached"], ".3g"),
            f"{warm[name]['relative_filling_time']:.2f}",
        )
        for name in ("memory", "folder")
    ]
    return [
        f"`GridSearchCV` over layers {result['layers']} and 5 values of `RidgeClassifier`'s alpha, "
        f"cv=5, {result['n_images']:,} digits of MNIST. One pass is the network's time for one pass "
        "through the deepest of these layers, or, without `tap_layers`, the mean over passes through "
        "each of the four. Scores are equal with and without a cache.",
        table(
            "BLAS threads; passes; passes without `tap_layers`; features, times as fast as without "
            "a cache; whole search, times as fast; share of the classifiers",
            rows,
        ),
        "With `KNeighborsClassifier` and 5 numbers of neighbours instead, in passes of `transform` "
        f"without a cache: {spread(neighbors['network'], '.3g')} for the network, "
        f"{spread(neighbors['added'], '.3g')} for all that is added to the searches of the classifier "
        "alone, over the features of each layer, computed beforehand.",
        f"A transform of {warm['n_images']:,} digits at layer 82:",
        table(
            "cache; once cached, times as fast as computing; in an order not seen before; computing "
            "and caching, relative to computing",
            warm_rows,
        ),
        f"Computing the cache keys takes {spread(keys['digits'], '.3g')} % of the network's time for "
        f"grey images of 28 x 28, and {spread(keys['photos'], '.3g')} % for colour images of "
        "224 x 224.",
    ]
