"""Cost of a search over layers, with and without the cache of features."""

import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from benchmarks.accuracy import WEIGHTS, load_mnist
from benchmarks.measuring import divide, summarize_rounds, time_call
from sklearn_resnet import ResNetFeatures, clear_cache
from sklearn_resnet._features import forward_pass
from sklearn_resnet._features.forward_pass import ForwardPass
from sklearn_resnet._images.hashing import SECRET_BYTES
from sklearn_resnet._images.sources import as_source

_ROUNDS = 3
_LAYERS = [16, 51, 82, 85]
# after a product, OpenBLAS' threads spin for some 30 ms on the cores that the network then needs
_BLAS_THREADS = {"blas_default": None, "blas_1": 1}
_N_NEIGHBORS = [1, 3, 5, 9, 15]


class Clock:
    """Time of features, cached or computed, and time and number of images of the network alone."""

    def __init__(self):
        self.seconds, self.n_images, self.feature_seconds = 0.0, 0, 0.0

    @contextmanager
    def measure(self):
        """Measure the time of the block."""
        compile_computation, compute = forward_pass.compile_computation, ForwardPass.compute

        def timed_compute(*args, **kwargs):
            seconds, features = time_call(lambda: compute(*args, **kwargs))
            self.feature_seconds += seconds
            return features

        forward_pass.compile_computation = lambda computation: self._time_run(
            compile_computation(computation)
        )
        ForwardPass.compute = timed_compute
        try:
            yield
        finally:
            forward_pass.compile_computation, ForwardPass.compute = compile_computation, compute

    def _time_run(self, run):
        """Wrap a run of the network so that its time, less that of the batches, is added up."""
        elsewhere = 0.0

        def time_batches(batches):
            nonlocal elsewhere
            while True:
                seconds, batch = time_call(next, batches, None)
                elsewhere += seconds
                if batch is None:
                    return
                yield batch

        def timed_run(batches, batch_size):
            nonlocal elsewhere
            parts = run(time_batches(iter(batches)), batch_size)
            while True:
                elsewhere, start = 0.0, time.perf_counter()
                part = next(parts, None)
                self.seconds += time.perf_counter() - start - elsewhere
                if part is None:
                    return
                self.n_images += len(part)
                yield part

        return timed_run


def run_search(resnet, X, y):
    """Search from an empty cache; return the seconds, the clock and the scores."""
    clear_cache()
    # a cheap classifier, so that the cost of the features shows
    model = make_pipeline(clone(resnet), RidgeClassifier())
    grid = {
        "resnetfeatures__layers": _LAYERS,
        "ridgeclassifier__alpha": [0.01, 0.1, 1, 10, 100],
    }
    search = GridSearchCV(model, grid, cv=5)
    clock = Clock()
    with clock.measure():
        seconds, _ = time_call(search.fit, X, y)
    return seconds, clock, search.cv_results_["mean_test_score"]


def measure_neighbors(X, y, resnet):
    """Search with a classifier that multiplies no matrices of NumPy, whose threads stay as they are.

    Returns
    -------
    dict
        In passes through the deepest layer, with `transform` around them: the time that features
        add to a search, which is that of the search less that of the same searches of the classifier
        alone, over the features of each layer, computed beforehand; and the time of the network.
    """
    resnet = clone(resnet).set_params(tap_layers=_LAYERS)
    model = make_pipeline(resnet, KNeighborsClassifier())
    grid = {
        "resnetfeatures__layers": _LAYERS,
        "kneighborsclassifier__n_neighbors": _N_NEIGHBORS,
    }
    features = [clone(resnet).set_params(layers=layer).fit_transform(X) for layer in _LAYERS]
    plain = clone(resnet).set_params(layers=_LAYERS[-1], tap_layers=None, cache=None).fit(X)
    rounds = {"added": [], "network": []}
    for _ in range(_ROUNDS + 1):
        one_pass, _ = time_call(plain.transform, X)
        clear_cache()
        clock, search = Clock(), GridSearchCV(model, grid, cv=5, refit=False)
        with clock.measure():
            seconds, _ = time_call(search.fit, X, y)
        alone = [
            GridSearchCV(KNeighborsClassifier(), {"n_neighbors": _N_NEIGHBORS}, cv=5, refit=False)
            for _ in _LAYERS
        ]
        alone_seconds = sum(
            time_call(each.fit, values, y)[0] for each, values in zip(alone, features, strict=True)
        )
        np.testing.assert_array_equal(
            search.cv_results_["mean_test_score"].reshape(-1, len(_LAYERS)),
            np.transpose([each.cv_results_["mean_test_score"] for each in alone]),
        )
        rounds["added"].append((seconds - alone_seconds) / one_pass)
        rounds["network"].append(clock.seconds / one_pass)
    return {name: summarize_rounds(values[1:]) for name, values in rounds.items()}  # first: warm-up


def time_pass(resnet, layers, X):
    """Return the seconds of the network for one pass."""
    clock = Clock()
    with clock.measure():
        clone(resnet).set_params(layers=layers, cache=None, tap_layers=None).fit(X).transform(X)
    return clock.seconds


def measure_round(X, y, resnet, tapped_resnet, tapped_scores):
    """Search without a cache, with one, and with one but without tapped layers."""
    exact_seconds, exact, exact_scores = run_search(clone(resnet).set_params(cache=None), X, y)
    tapped_seconds, tapped, scores = run_search(tapped_resnet, X, y)
    np.testing.assert_array_equal(scores, tapped_scores)
    assert tapped.n_images == len(X)
    _, untapped, scores = run_search(resnet, X, y)
    np.testing.assert_array_equal(scores, exact_scores)
    assert untapped.n_images == len(_LAYERS) * len(X)
    passes = [time_pass(resnet, layers, X) for layers in _LAYERS]
    return {
        "passes": tapped.seconds / passes[-1],
        "passes_without_tap_layers": untapped.seconds / statistics.mean(passes),
        "times_features": exact.feature_seconds / tapped.feature_seconds,
        "times_search": exact_seconds / tapped_seconds,
        "classifier_share": 1 - tapped.feature_seconds / tapped_seconds,
    }


def measure_grid(X, y, resnet):
    """Measure the search with each number of BLAS threads."""
    for layers in (_LAYERS, *_LAYERS):
        time_pass(resnet, layers, X)  # compiles
    tapped = clone(resnet).set_params(tap_layers=_LAYERS)
    results = {}
    for name, n_threads in _BLAS_THREADS.items():
        with threadpool_limits(n_threads, "blas"):
            _, _, scores = run_search(clone(tapped).set_params(cache=None), X, y)
            rounds = [measure_round(X, y, resnet, tapped, scores) for _ in range(_ROUNDS)]
        results[name] = {
            column: summarize_rounds([each[column] for each in rounds]) for column in rounds[0]
        }
    return results


def measure_warm(X, resnet):
    """Measure a transform of cached images, and the keys of the cache."""
    times = {"computed": [], "memory": [], "folder": []}
    shuffled_times = {"memory": [], "folder": []}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        caches = {"computed": None, "memory": "memory", "folder": folder}
        fitted = {
            name: clone(resnet).set_params(layers=82, cache=cache).fit(X[:100])
            for name, cache in caches.items()
        }
        expected = fitted["computed"].transform(X)
        cold = {name: time_call(each.transform, X)[0] for name, each in fitted.items()}
        for _ in range(_ROUNDS):
            for name, each in fitted.items():
                seconds, features = time_call(each.transform, X)
                np.testing.assert_array_equal(features, expected)
                times[name].append(seconds)
            order = rng.permutation(len(X))  # a selection that was not seen before
            shuffled = X[order]
            for name, seconds_of_all in shuffled_times.items():
                seconds, features = time_call(fitted[name].transform, shuffled)
                np.testing.assert_array_equal(features, expected[order])
                seconds_of_all.append(seconds)
        keys = [time_keys(X) for _ in range(_ROUNDS)]
    warm = {
        name: {
            "times_uncached": summarize_rounds(divide(times["computed"], times[name])),
            "shuffled_times_uncached": summarize_rounds(
                divide(times["computed"], shuffled_times[name])
            ),
            "relative_filling_time": cold[name] / cold["computed"],
        }
        for name in ("memory", "folder")
    }
    shares = [100 * share for share in divide(keys, times["computed"])]
    return {"n_images": len(X), **warm}, {
        "digits": summarize_rounds(shares),
        "photos": measure_photo_keys(fitted["computed"]),
    }


def time_keys(X):
    """Return the seconds of the keys of images that were not seen before."""
    images, secret = as_source(X), bytes(SECRET_BYTES)
    return time_call(lambda: (images.digest_of_all(), images.keyed_digests(secret)))[0]


def measure_photo_keys(resnet):
    """Measure the keys of colour images of 224 x 224, in percent of the network's time."""
    photos = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), np.uint8)
    resnet.fit(photos).transform(photos)
    return summarize_rounds(
        [100 * time_keys(photos) / time_call(resnet.transform, photos)[0] for _ in range(_ROUNDS)]
    )


def measure(data):
    """Return the cost of the search, of cached transforms and of keys."""
    X, y = load_mnist(data, 60_000)[:2]
    resnet = ResNetFeatures(weights=Path(data) / WEIGHTS, cache_size=1024)
    neighbors = measure_neighbors(X[:2000], y[:2000], resnet)
    grid = measure_grid(X[:2000], y[:2000], resnet)
    warm, keys = measure_warm(X, resnet)
    figures = {"neighbors": neighbors, **grid, "warm": warm, "keys_percent": keys}
    return {"layers": _LAYERS, "n_images": 2000, **figures}
