"""Weights files for the tests of this folder."""

import h5py
import pytest
from keras_networks import build_network


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Weights files: whole, up to a stage, up to the middle of a block, and in the old format."""
    folder = tmp_path_factory.mktemp("weights")
    build_network().save_weights(folder / "whole.weights.h5")
    build_network(last="conv3_block4_out").save_weights(folder / "conv3.weights.h5")
    build_network(last="conv3_block4_2_relu").save_weights(folder / "block.weights.h5")
    network = build_network(last="conv2_block3_out")
    # the format of Keras 1 and 2, in which ImageNet's weights are kept
    with h5py.File(folder / "old.h5", "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0".encode() for w in layer.weights]
            group.attrs["weight_names"] = names
            for name, array in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name.decode(), data=array)
    build_network("ResNet101V2", last="conv4_block7_out").save_weights(folder / "101.weights.h5")
    build_network("ResNet50", last="conv2_block3_out").save_weights(folder / "v1.weights.h5")
    return folder
