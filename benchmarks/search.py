"""What a search over layers costs, with and without the cache of features."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from layer_accuracy import WEIGHTS, load_mnist
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_resnet import ResNetFeatures, clear_cache
from sklearn_resnet._features import forward_pass as _forward_pass
from sklearn_resnet._features.forward_pass import ForwardPass, make_image_keys

_ROUNDS = 3
_LAYERS = [16, 51, 82, 85]
# after a product OpenBLAS' threads spin for some 30 ms, on the cores that the network then needs
_BLAS_THREADS = {"as they come": None, "1": 1}


class Clock:
    """Seconds that features take, found or computed, and seconds and images of networks alone."""

    def __enter__(self):
        self.seconds, self.n_images, self.feature_seconds = 0.0, 0, 0.0
        self._get_run, self._compute = _forward_pass.compile_computation, ForwardPass.compute
        _forward_pass.compile_computation = self._get_counted

        def compute(*args, **kwargs):
            seconds, features = _time(lambda: self._compute(*args, **kwargs))
            self.feature_seconds += seconds
            return features

        ForwardPass.compute = compute
        return self

    def __exit__(self, *error):
        _forward_pass.compile_computation, ForwardPass.compute = self._get_run, self._compute

    def _get_counted(self, computation):
        run = self._get_run(computation)
        elsewhere = 0.0

        def made(batches):
            nonlocal elsewhere
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                elsewhere += time.perf_counter() - start
                if batch is None:
                    return
                yield batch

        def counted(batches, batch_size):
            nonlocal elsewhere
            parts = run(made(iter(batches)), batch_size)
            while True:
                elsewhere, start = 0.0, time.perf_counter()
                part = next(parts, None)
                self.seconds += time.perf_counter() - start - elsewhere
                if part is None:
                    return
                self.n_images += len(part)
                yield part

        return counted


def _spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def _time(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def _search(resnet, X, y):
    clear_cache()
    # a classifier that costs little: what is to be seen is what the features cost
    model = make_pipeline(clone(resnet), RidgeClassifier())
    grid = {
        "resnetfeatures__layers": _LAYERS,
        "ridgeclassifier__alpha": [0.01, 0.1, 1, 10, 100],
    }
    search = GridSearchCV(model, grid, cv=5)
    with Clock() as clock:
        seconds, _ = _time(lambda: search.fit(X, y))
    return seconds, clock, search.cv_results_["mean_test_score"]


def _pass(resnet, layers, X):
    with Clock() as clock:
        clone(resnet).set_params(layers=layers, cache=None, tap_layers=None).fit(X).transform(X)
    return clock.seconds


def _measure_grid(X, y, resnet):
    tapped_resnet = clone(resnet).set_params(tap_layers=_LAYERS)
    rows = []
    tapped_exact = _search(clone(tapped_resnet).set_params(cache=None), X, y)
    for _ in range(_ROUNDS):
        exact = _search(clone(resnet).set_params(cache=None), X, y)
        tapped = _search(tapped_resnet, X, y)
        untapped = _search(resnet, X, y)
        np.testing.assert_array_equal(untapped[2], exact[2])
        np.testing.assert_array_equal(tapped[2], tapped_exact[2])
        assert tapped[1].n_images == len(X)
        assert untapped[1].n_images == len(_LAYERS) * len(X)
        each = [_pass(resnet, layers, X) for layers in _LAYERS]
        rows.append(
            (
                tapped[1].seconds / each[-1],
                untapped[1].seconds / statistics.mean(each),
                exact[1].feature_seconds / tapped[1].feature_seconds,
                exact[0] / tapped[0],
                1 - tapped[1].feature_seconds / tapped[0],
            )
        )
    return zip(*rows, strict=True)


def _report_grid(X, y, resnet):
    _pass(resnet, _LAYERS, X)
    for layers in _LAYERS:
        _pass(resnet, layers, X)
    yield f"`GridSearchCV` over layers {_LAYERS} and 5 values of RidgeClassifier's alpha, cv=5, {len(X):,} digits of MNIST."
    yield "Passes: time of the network, by that of one pass through the deepest cut, or, without"
    yield "`tap_layers`, by the mean of one pass through each of the four. Scores are equal with and without a cache."
    yield ""
    yield "| threads of BLAS | passes | passes without `tap_layers` | times as fast as without a cache: features | times as fast: whole search | the classifiers' part of it |"
    yield "|---|---|---|---|---|---|"
    for name, n_threads in _BLAS_THREADS.items():
        with threadpool_limits(n_threads, "blas"):
            columns = _measure_grid(X, y, resnet)
        yield f"| {name} | {' | '.join(map(_spread, columns))} |"
    yield ""


def _report_warm(X, resnet):
    yield f"A warm transform of {len(X):,} digits at layer 82, against computing:"
    yield ""
    times = {"computed": [], "memory": [], "folder": []}
    with tempfile.TemporaryDirectory() as folder:
        caches = {"computed": None, "memory": "memory", "folder": folder}
        fitted = {
            name: clone(resnet).set_params(layers=82, cache=cache).fit(X[:100])
            for name, cache in caches.items()
        }
        expected = fitted["computed"].transform(X)
        cold = {name: _time(lambda r=r: r.transform(X))[0] for name, r in fitted.items()}
        for _ in range(_ROUNDS):
            for name, r in fitted.items():
                seconds, features = _time(lambda r=r: r.transform(X))
                np.testing.assert_array_equal(features, expected)
                times[name].append(seconds)
        keys = [_time(lambda: make_image_keys(X))[0] for _ in range(_ROUNDS)]
    for name in ("memory", "folder"):
        ratios = [a / b for a, b in zip(times["computed"], times[name], strict=True)]
        yield (
            f"- {name}: {_spread(ratios)} times as fast; the first time, filling it took "
            f"{cold[name] / cold['computed']:.2f} of the time without a cache;"
        )
    shares = [100 * a / b for a, b in zip(keys, times["computed"], strict=True)]
    yield f"- keys of 28 x 28 pixels: {_spread(shares)} % of the network's time;"
    photos = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), np.uint8)
    r = fitted["computed"].fit(photos)
    r.transform(photos)
    shares = [
        100 * _time(lambda: make_image_keys(photos))[0] / _time(lambda: r.transform(photos))[0]
        for _ in range(_ROUNDS)
    ]
    yield f"- keys of 224 x 224 pixels in colour: {_spread(shares)} %."


def report(data):
    """Measure, and yield the lines of the report."""
    X, y = load_mnist(data, 60_000)[:2]
    resnet = ResNetFeatures(weights=Path(data) / WEIGHTS, cache_size=1024)
    yield "## A search over layers"
    yield ""
    yield from _report_grid(X[:2000], y[:2000], resnet)
    yield from _report_warm(X, resnet)
