"""Keras networks with weights drawn at random."""

import numpy as np


def build_network(architecture="ResNet50V2", last=None, seed=0):
    """Make a Keras network whose every weight is drawn, batch normalisation's too."""
    import keras

    network = getattr(keras.applications, architecture)(include_top=False, weights=None)
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        layer.set_weights([rng.uniform(0.1, 1, w.shape) for w in layer.get_weights()])
    return network if last is None else keras.Model(network.input, network.get_layer(last).output)
