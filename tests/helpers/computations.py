"""Small computations for the tests of engines."""

import numpy as np

from sklearn_resnet._network.engines.computation import Computation
from sklearn_resnet._network.engines.store import compile_computation
from sklearn_resnet._network.weights import find_weights


def make_computation(engine="openvino", seed=0, taps=(16,), image_shape=(8, 8), **changes):
    architecture = changes.pop("architecture", "ResNet50V2")
    defaults = {"pooling": ("avg",), "dtype": "uint8", "value_range": (0.0, 255.0)}
    weights = find_weights(architecture, None, seed)
    return Computation(engine, weights, taps, image_shape=image_shape, **(defaults | changes))


def compute(computation, *batches, batch_size=64):
    return np.concatenate(list(compile_computation(computation)(batches, batch_size)))
