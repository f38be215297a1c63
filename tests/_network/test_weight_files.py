"""Weights files: the formats of Keras and of the package, and damaged files."""

import numpy as np
import pytest
from keras_networks import build_network

from sklearn_resnet._network import weights as _weights
from sklearn_resnet._network.engines.keras import load_network
from sklearn_resnet._network.weights import find_weights


@pytest.mark.parametrize(
    ("name", "architecture", "n_layers"),
    [
        ("whole.weights.h5", "ResNet50V2", 190),
        ("conv3.weights.h5", "ResNet50V2", 86),
        ("block.weights.h5", "ResNet50V2", 84),  # the pooling after layer 82 has no weights
        ("old.h5", "ResNet50V2", 40),
        ("101.weights.h5", "ResNet101V2", 164),
        ("v1.weights.h5", "ResNet50", 39),
    ],
)
def test_a_file_serves_every_cut_that_it_covers(files, name, architecture, n_layers):
    weights = find_weights(architecture, files / name, None)
    assert weights.n_layers == n_layers
    network = load_network(weights)
    expected = build_network(architecture)
    for index in range(weights.n_layers):
        ours, theirs = network.layers[index].get_weights(), expected.layers[index].get_weights()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "architecture", "message"),
    [
        ("101.weights.h5", "ResNet50V2", r"'conv4_block7.* They fit ResNet101V2 or"),
        ("v1.weights.h5", "ResNet50V2", r"They fit ResNet50 or"),
        ("whole.weights.h5", "ResNet50", r"They fit ResNet50V2 or"),
    ],
)
def test_a_file_of_another_architecture_is_an_error(files, name, architecture, message):
    with pytest.raises(ValueError, match=message):
        find_weights(architecture, files / name, None)


def test_a_file_of_a_network_that_begins_alike_is_an_error(tmp_path):
    """ResNet101V2 has all layers of ResNet50V2's conv4, but halves the image 17 blocks later."""
    path = tmp_path / "conv4.weights.h5"
    build_network(last="conv4_block6_out").save_weights(path)
    assert find_weights("ResNet50V2", path, None).n_layers == 154
    message = r"'conv4_block6_3_conv' it must have 2 poolings, not 3\. They fit ResNet50V2\."
    with pytest.raises(ValueError, match=message):
        find_weights("ResNet101V2", path, None)


def test_a_file_of_another_network_is_an_error(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = tmp_path / "dense.weights.h5"
    model.save_weights(path)
    with pytest.raises(ValueError, match="lacks weights of 'conv1_conv'"):
        find_weights("ResNet50V2", path, None)


def test_a_file_that_is_no_weights_file_is_an_error(files, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(ValueError, match=r"text\.h5' is damaged, or is not an HDF5 file"):
        find_weights("ResNet50V2", text, None)
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes((files / "conv3.weights.h5").read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"cut\.weights\.h5' is damaged, or is not an HDF5 file"):
        find_weights("ResNet50V2", cut, None)


@pytest.mark.parametrize("damage", ["text", "cut", "pickle", "npy"])
def test_a_damaged_npz_file_is_an_error(tmp_path, damage):
    path = tmp_path / "weights.npz"
    if damage == "text":
        path.write_text("no archive")
    elif damage == "cut":
        path.write_bytes(_weights._PROCEDURAL_FILE.read_bytes()[:100_000])
    elif damage == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        np.savez(path, **{"conv1_conv/0": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"is not an \.npz file of arrays named"):
        find_weights("ResNet50V2", str(path), None)
