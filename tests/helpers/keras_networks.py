"""Networks of `keras.applications`, the reference of the layer tables and engines."""

from functools import lru_cache

import numpy as np

from sklearn_resnet._network.engines.keras import import_keras
from sklearn_resnet._network.weights import load_arrays


def load_network(weights):
    """Build a network of Keras without its top, with the weights that `find_weights` found."""
    keras = import_keras()
    network = getattr(keras.applications, weights.architecture)(include_top=False, weights=None)
    table = weights.table[: weights.n_layers]
    arrays = load_arrays(weights, table)
    for layer in table:
        if layer.name in arrays:
            network.layers[layer.index].set_weights(arrays[layer.name])
    return network


@lru_cache(2)
def _build_whole(architecture, seed):
    import keras

    network = getattr(keras.applications, architecture)(include_top=False, weights=None)
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.1, 1, w.shape) for w in layer.get_weights()])
    return network


def build_network(architecture="ResNet50V2", last=None, seed=0):
    """Make a Keras network whose every weight is drawn, batch normalisation's too.

    The last networks are kept: do not change their weights.
    """
    import keras

    network = _build_whole(architecture, seed)
    return network if last is None else keras.Model(network.input, network.get_layer(last).output)
