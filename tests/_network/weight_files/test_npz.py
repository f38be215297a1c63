"""NumPy's files: the bundled weights, and state dicts of arrays."""

import zipfile

import numpy as np
import pytest
from state_dicts import make_state_dict

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network import weights as _weights
from sklearn_resnet._network.weight_files import inspect_file, read_arrays
from sklearn_resnet._network.weights import find_weights


def test_arrays_are_in_the_order_of_their_numbers(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {f"conv1_conv/{i}": np.full(2, i, np.float16) for i in (1, 10, 0, 2)}
    np.savez(path, **arrays)
    found = read_arrays(str(path), "ResNet50V2", {"conv1_conv"})["conv1_conv"]
    assert [array[0] for array in found] == [0, 1, 2, 10]
    assert {array.dtype for array in found} == {np.dtype(np.float32)}


def test_int8_arrays_are_scaled_along_the_last_axis(tmp_path):
    path = tmp_path / "a.npz"
    kernel = np.random.default_rng(0).integers(-127, 128, (7, 7, 3, 64)).astype(np.int8)
    scale = np.linspace(0.001, 0.1, 64).astype(np.float16)
    bias = np.zeros(64, np.float32)
    np.savez(path, **{"conv1_conv/0": kernel, "conv1_conv/0_scale": scale, "conv1_conv/1": bias})
    contents = inspect_file(identify_file(path), "ResNet50V2")
    assert contents.n_layers == 5  # up to the first batch normalisation
    found = read_arrays(str(path), "ResNet50V2", {"conv1_conv"})["conv1_conv"]
    product = kernel * scale.astype(np.float32)
    np.testing.assert_array_equal(found[0], product)
    np.testing.assert_array_equal(found[1], bias)
    np.savez(tmp_path / "b.npz", **{"conv1_conv/0": product, "conv1_conv/1": bias})
    same = inspect_file(identify_file(tmp_path / "b.npz"), "ResNet50V2")
    assert same.fingerprint == contents.fingerprint


@pytest.mark.parametrize("shape", [(1,), (3, 64), ()])
def test_a_scale_of_another_shape_is_an_error(tmp_path, shape):
    path = tmp_path / "a.npz"
    kernel = np.ones((7, 7, 3, 64), np.int8)
    bias, scale = np.zeros(64, np.float32), np.ones(shape, np.float16)
    np.savez(path, **{"conv1_conv/0": kernel, "conv1_conv/0_scale": scale, "conv1_conv/1": bias})
    with pytest.raises(ValueError, match="a scale of the shape .* does not fit"):
        find_weights("ResNet50V2", path, None)


def test_int8_arrays_without_a_scale_are_as_they_are(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, **{"conv1_conv/0": np.full((7, 7, 3, 64), 3, np.int8)})
    found = read_arrays(str(path), "ResNet50V2", {"conv1_conv"})["conv1_conv"]
    assert found[0].dtype == np.float32
    assert (found[0] == 3).all()


@pytest.mark.parametrize("damage", ["text", "cut", "pickle", "npy", "stream"])
def test_a_damaged_npz_file_is_an_error(tmp_path, damage):
    path = tmp_path / "weights.npz"
    if damage == "text":
        path.write_text("no archive")
    elif damage == "cut":
        path.write_bytes(_weights._PROCEDURAL_FILE.read_bytes()[:100_000])
    elif damage == "stream":
        np.savez_compressed(path, **{"conv1_conv/0": np.random.default_rng(0).random(9000)})
        content = bytearray(path.read_bytes())
        content[100:30_000] = b"\xff" * 29_900
        path.write_bytes(content)
    elif damage == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        np.savez(path, **{"conv1_conv/0": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"is not an \.npz file of arrays named"):
        find_weights("ResNet50V2", str(path), None)


def test_a_state_dict_of_arrays_is_read_by_its_names(tmp_path):
    state = make_state_dict()
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **state)
    assert inspect_file(identify_file(path), "ResNet18").n_layers == 19
    kernel = read_arrays(str(path), "ResNet18", {"conv1"})["conv1"][0]
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), state["conv1.weight"])


def test_a_shape_without_data_takes_no_memory(tmp_path):
    path = tmp_path / "a.npz"
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2**20)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("conv1_conv/0.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(ValueError, match=r"'conv1_conv' must have the shapes .* not \[\(10995"):
        find_weights("ResNet50V2", path, None)
