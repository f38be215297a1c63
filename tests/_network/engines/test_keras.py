"""The Keras engine's batches."""

import logging

import numpy as np
import pytest
from computations import compute, make_computation

from sklearn_resnet._network.engines.keras import (
    _is_not_about_retracing,
    compile_network,
    load_layers,
    padded_size,
)
from sklearn_resnet._network.engines.store import compile_computation
from sklearn_resnet._network.weights import find_weights


@pytest.mark.parametrize(
    ("n_images", "batch_size", "padded"),
    [(1, 64, 2), (2, 64, 2), (3, 64, 4), (33, 64, 64), (64, 64, 64), (7, 7, 7), (5, 7, 7), (1, 1, 2)],
)  # fmt: skip
def test_batches_are_padded_to_few_sizes(n_images, batch_size, padded):
    assert padded_size(n_images, batch_size) == padded


def test_many_calls_trace_at_most_twice():
    computation = make_computation("keras", taps=(9,))
    rng = np.random.default_rng(0)
    for n_images in (64, 1, 17, 64, 2, 33, 5) * 7:
        compute(computation, rng.integers(0, 256, (n_images, 8, 8), dtype=np.uint8))
    model = compile_computation(computation).args[0]
    # tensorflow traces the first shape, and then once more for any number of images
    assert model.predict_function.experimental_get_tracing_count() <= 2


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_less_precision_gives_nearly_the_same_in_float32(precision):
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    exact = compute(make_computation("keras", image_shape=(16, 16)), images)
    rough = compute(make_computation("keras", image_shape=(16, 16), precision=precision), images)
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.03 * np.abs(exact).max()


def test_the_precision_of_a_network_is_its_own():
    import keras

    load_layers.cache_clear()
    weights = find_weights("ResNet50V2", None, 0)
    layers = load_layers(weights, "bfloat16")
    assert layers[2].compute_dtype == "bfloat16"
    assert {v.dtype for i in (2, 5) for v in layers[i].weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert keras.layers.Dense(1).compute_dtype == "float32"


def test_only_the_warning_of_retracing_is_suppressed_and_only_during_a_pass():
    logger = logging.getLogger("tensorflow")
    filters = list(logger.filters)
    compute(make_computation("keras"), np.zeros((2, 8, 8), np.uint8))
    assert logger.filters == filters
    retracing = (
        "5 out of the last 5 calls to <function> triggered tf.function retracing. Tracing is"
    )
    for message, is_shown in [(retracing, False), ("The GPU is out of memory", True)]:
        record = logging.makeLogRecord({"msg": "%s", "args": (message,)})
        assert _is_not_about_retracing(record) == is_shown


@pytest.mark.parametrize("architecture", ["ResNet50V2", "ResNet18"])
def test_the_data_format_of_the_user_does_not_matter(architecture):
    import keras

    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype=np.uint8)
    computation = make_computation("keras", image_shape=(16, 16), architecture=architecture)
    expected = compute(computation, images)
    load_layers.cache_clear()
    keras.config.set_image_data_format("channels_first")
    try:
        (found,) = compile_network(computation)([images], 64)
    finally:
        keras.config.set_image_data_format("channels_last")
        load_layers.cache_clear()
    np.testing.assert_array_equal(found, expected)
