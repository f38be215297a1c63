"""HDF5 files of Keras' versions, and damaged ones."""

import zipfile

import h5py
import numpy as np
import pytest

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.weight_files import inspect_file, read_arrays
from sklearn_resnet._network.weights import find_weights


def test_names_of_layers_may_be_text_in_the_old_format(tmp_path):
    path = tmp_path / "old.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["conv1_conv"]
        group = file.create_group("conv1_conv")
        group.attrs["weight_names"] = ["kernel:0", "bias:0"]
        group["kernel:0"], group["bias:0"] = np.zeros((7, 7, 3, 64)), np.ones(64)
    assert (
        read_arrays(str(path), "ResNet50V2", {"conv1_conv"})["conv1_conv"][1].tolist() == [1] * 64
    )
    assert read_arrays(str(path), "ResNet50V2", {"conv2_block1_1_conv"}) == {}


def test_a_file_that_is_no_weights_file_is_an_error(files, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(ValueError, match=r"text\.h5' is damaged, or is not an HDF5 file"):
        find_weights("ResNet50V2", text, None)
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes((files / "conv3.weights.h5").read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"cut\.weights\.h5' is damaged, or is not an HDF5 file"):
        find_weights("ResNet50V2", cut, None)


def test_a_whole_model_in_the_old_format_is_read(files, tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(files / "old.h5") as old, h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        for name in old:
            old.copy(name, group)
        group.attrs.update(old.attrs)
    assert inspect_file(identify_file(path), "ResNet50V2").n_layers == 40


@pytest.fixture
def archive(files, tmp_path):
    """A .keras file of the weights in v1.weights.h5."""

    def write(compression):
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w", compression) as file:
            file.writestr("config.json", "{}")
            file.write(files / "v1.weights.h5", "model.weights.h5")
        return path

    return write


def test_the_archive_of_a_keras_model_is_read(files, archive):
    path = archive(zipfile.ZIP_STORED)
    assert inspect_file(identify_file(path), "ResNet50").n_layers == 39
    names = {"conv1_conv", "conv2_block1_1_bn"}
    found = read_arrays(str(path), "ResNet50", names)
    expected = read_arrays(str(files / "v1.weights.h5"), "ResNet50", names)
    assert found.keys() == expected.keys() == names
    for name in names:
        for a, b in zip(found[name], expected[name], strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_compressed_archive_is_an_error(archive):
    path = archive(zipfile.ZIP_DEFLATED)
    with pytest.raises(
        ValueError, match=r"model\.keras' .*'model.weights.h5' is compressed: unpack"
    ):
        inspect_file(identify_file(path), "ResNet50")


@pytest.mark.parametrize("kind", ["link", "storage"])
def test_numbers_in_other_files_are_an_error(tmp_path, kind):
    other, path = tmp_path / "other", tmp_path / "a.h5"
    kernel = np.ones((7, 7, 3, 64), np.float32)
    if kind == "link":
        with h5py.File(other, "w") as file:
            file["kernel"] = kernel
    else:
        other.write_bytes(kernel.tobytes())
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["conv1_conv"]
        group = file.create_group("conv1_conv")
        group.attrs["weight_names"] = ["kernel", "bias"]
        group["bias"] = np.ones(64, np.float32)
        if kind == "link":
            group["kernel"] = h5py.ExternalLink(other, "kernel")
        else:
            external = [(str(other), 0, kernel.nbytes)]
            group.create_dataset("kernel", kernel.shape, np.float32, external=external)
    with pytest.raises(ValueError, match=r"a\.h5' is damaged.*kernel' from another file"):
        inspect_file(identify_file(path), "ResNet50V2")
