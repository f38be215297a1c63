"""The store of compiled computations, and the Keras engine's batches."""

import threading

import numpy as np
import pytest

from sklearn_resnet import engines
from sklearn_resnet._weights import find_weights
from sklearn_resnet.engines import Computation, get_run
from sklearn_resnet.engines.keras import padded_size


def make(seed=0, layer=16, image_shape=(8, 8), **changes):
    weights = find_weights("ResNet50V2", None, seed)
    defaults = {"image_size": None, "dtype": "uint8", "value_range": (0.0, 255.0)}
    return Computation(weights, (layer,), ("avg",), image_shape, **(defaults | changes))


@pytest.mark.parametrize(
    ("n_images", "batch_size", "padded"),
    [(1, 64, 2), (2, 64, 2), (3, 64, 4), (33, 64, 64), (64, 64, 64), (7, 7, 7), (5, 7, 7), (1, 1, 2)],
)  # fmt: skip
def test_batches_are_padded_to_few_sizes(n_images, batch_size, padded):
    assert padded_size(n_images, batch_size) == padded


def test_equal_computations_are_compiled_once(monkeypatch):
    compiled = []
    real = engines._compile.__wrapped__
    monkeypatch.setattr(engines, "_compile", _cached(lambda c: compiled.append(c) or real(c)))
    runs = [get_run(make()) for _ in range(3)]
    assert runs[0] is runs[1] is runs[2]
    threads = [threading.Thread(target=get_run, args=(make(layer=12),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compiled == [make(), make(layer=12)]


def _cached(function):
    from functools import lru_cache

    return lru_cache(maxsize=8)(function)


def test_the_stores_are_bounded():
    assert engines._compile.cache_info().maxsize == 8
    assert engines.load_network.cache_info().maxsize == 2


def test_many_calls_trace_at_most_twice():
    run = get_run(make(layer=9))
    rng = np.random.default_rng(0)
    for n_images in (64, 1, 17, 64, 2, 33, 5) * 7:
        run(rng.integers(0, 256, (n_images, 8, 8), dtype=np.uint8), 64)
    model = run.args[0]
    # tensorflow traces the first shape, and then once more for any number of images
    assert model.predict_function.experimental_get_tracing_count() <= 2


def test_what_a_batch_is_padded_with_changes_nothing():
    run = get_run(make(layer=-1 % 190, image_shape=(16, 16)))
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16), dtype=np.uint8)
    full = run(images, 64)
    for n_images in (1, 2, 3, 40):
        np.testing.assert_array_equal(run(images[:n_images], 64), full[:n_images])
    others = images.copy()
    others[3:] = 255 - others[3:]
    np.testing.assert_array_equal(run(others, 64)[:3], full[:3])
