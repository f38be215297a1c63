"""Files with Keras' names of layers: the layers that they cover, and other architectures."""

import h5py
import numpy as np
import pytest
from keras_networks import build_network, load_network

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.weight_files import inspect_file
from sklearn_resnet._network.weights import find_weights


@pytest.mark.parametrize(
    ("name", "architecture", "n_layers"),
    [
        ("whole.weights.h5", "ResNet50V2", 190),
        ("conv3.weights.h5", "ResNet50V2", 86),
        ("block.weights.h5", "ResNet50V2", 84),  # the pooling after layer 82 has no weights
        ("old.h5", "ResNet50V2", 40),
        pytest.param("101.weights.h5", "ResNet101V2", 164, marks=pytest.mark.long),
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


def write_blank(path, architecture, *ends, renames=()):
    """A file in the old format of a network with one output or more, all of whose weights are 0."""
    renames = dict(renames)
    table = layer_table(architecture)
    used = set().union(*(layer.ancestors for layer in table if layer.name in ends))
    with h5py.File(path, "w") as file:
        names = [layer.name for layer in table if layer.index in used]
        file.attrs["layer_names"] = [renames.get(name, name) for name in names]
        for layer in (layer for layer in table if layer.name in names):
            group = file.create_group(renames.get(layer.name, layer.name))
            group.attrs["weight_names"] = [str(i) for i in range(len(layer.weight_shapes))]
            for i, shape in enumerate(layer.weight_shapes):
                group.create_dataset(str(i), shape, "float32")
    return path


def test_a_file_without_the_pooling_of_its_stage_is_of_the_longer_network(tmp_path):
    path = write_blank(tmp_path / "conv4.h5", "ResNet101V2", "conv4_block6_out")
    assert find_weights("ResNet101V2", path, None).n_layers == 153
    message = r"'conv4_block6_3_conv' it must have 3 poolings, not 2\. They fit ResNet101V2"
    with pytest.raises(ValueError, match=message):
        find_weights("ResNet50V2", path, None)


def test_a_cut_before_the_pooling_beside_it_is_whole(tmp_path):
    """The last convolution of a stage does not depend on the pooling of its shortcut."""
    path = write_blank(tmp_path / "cut.h5", "ResNet50V2", "conv3_block4_3_conv")
    # up to the sum, which has no weights
    assert find_weights("ResNet50V2", path, None).n_layers == 86


def test_a_pooling_after_the_last_weights_is_of_the_network(tmp_path):
    ends = "conv3_block4_2_relu", "max_pooling2d_1"
    path = write_blank(tmp_path / "cut.h5", "ResNet50V2", *ends)
    assert find_weights("ResNet50V2", path, None).n_layers == 84


@pytest.mark.parametrize("number", [1, 2, 30])
def test_the_poolings_of_a_second_network_in_a_process_have_other_numbers(tmp_path, number):
    """Keras counts the layers without a name through all networks of a process."""
    renames = {"max_pooling2d": f"max_pooling2d_{number}"}
    path = write_blank(tmp_path / "cut.h5", "ResNet50V2", "conv2_block3_out", renames=renames)
    assert find_weights("ResNet50V2", path, None).n_layers == 40


def write_npz(path, **changes):
    """All arrays of conv1 and of the first layers of conv2, blank; None leaves one out."""
    arrays = {
        f"{layer.name}/{i}": np.zeros(shape, np.float32)
        for layer in layer_table("ResNet50V2")[:12]
        for i, shape in enumerate(layer.weight_shapes)
    }
    arrays |= {key.replace("__", "/"): array for key, array in changes.items()}
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def test_a_classifier_on_top_is_ignored(tmp_path):
    path = write_npz(tmp_path / "a.npz", classes__0=np.zeros((256, 3)), classes__1=np.zeros(3))
    assert find_weights("ResNet50V2", path, None).n_layers == 12


def test_a_file_covers_the_layers_before_the_first_that_it_lacks(tmp_path):
    path = write_npz(tmp_path / "a.npz")
    assert find_weights("ResNet50V2", path, None).n_layers == 12
    lacks = {f"conv2_block1_1_bn__{i}": None for i in range(4)}
    path = write_npz(tmp_path / "b.npz", **lacks)
    missing = next(la for la in layer_table("ResNet50V2") if la.name == "conv2_block1_1_bn")
    assert find_weights("ResNet50V2", path, None).n_layers == missing.index


def test_a_layer_of_another_shape_is_named(tmp_path):
    kernel = np.zeros((1, 1, 64, 65), np.float32)
    path = write_npz(tmp_path / "a.npz", conv2_block1_1_conv__0=kernel)
    message = (
        r"'conv2_block1_1_conv' must have the shapes \[\(1, 1, 64, 64\)\], not \[\(1, 1, 64, 65\)\]"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("ResNet50V2", path, None)


def test_a_file_of_another_network_is_an_error(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    path = tmp_path / "dense.weights.h5"
    model.save_weights(path)
    with pytest.raises(ValueError, match="lacks weights of 'conv1_conv'"):
        find_weights("ResNet50V2", path, None)


def test_any_number_of_channels_is_accepted(tmp_path):
    path = write_npz(tmp_path / "a.npz", conv1_conv__0=np.zeros((7, 7, 13, 64), np.float32))
    contents = inspect_file(identify_file(path), "ResNet50V2")
    assert (contents.n_layers, contents.n_channels) == (12, 13)


@pytest.mark.parametrize("n_channels", [0, 10_001])
def test_a_number_of_channels_that_cannot_be_is_an_error(tmp_path, n_channels):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["conv1_conv"]
        group = file.create_group("conv1_conv")
        group.attrs["weight_names"] = ["kernel", "bias"]
        group.create_dataset("kernel", (7, 7, n_channels, 64), "float32", chunks=True)
        group.create_dataset("bias", (64,), "float32")
    with pytest.raises(ValueError, match=r"\(7, 7, 3, 64\), \(64,\)\], not \[\(7, 7, "):
        inspect_file(identify_file(path), "ResNet50V2")


def test_an_architecture_of_pytorch_is_an_error(files):
    message = (
        r"names, such as 'conv1_conv'. They fit ResNet50 or .* Pass architecture='ResNet50' or"
    )
    with pytest.raises(ValueError, match=message):
        find_weights("ResNet50V1.5", files / "v1.weights.h5", None)
