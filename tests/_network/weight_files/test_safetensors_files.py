"""safetensors: all types of floating-point numbers, and files that are damaged or hostile."""

import json
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file
from state_dicts import make_state_dict, write_header, write_typed

from sklearn_resnet._io.hashing import identify_file
from sklearn_resnet._network.weight_files import inspect_file, read_arrays
from sklearn_resnet._network.weight_files.formats import list_tensors, read_tensors

ITEM_SIZES = {
    "F32": 4,
    "F64": 8,
    "F16": 2,
    "BF16": 2,
    "I8": 1,
    "I64": 8,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}


def test_numbers_are_read_in_each_type(tmp_path):
    values = np.array([[0, -0.0, 1.5], [-2.25, 2**-14, 65504]], np.float32)
    path = str(tmp_path / "a.safetensors")
    for dtype in (np.float16, np.float32, np.float64):
        save_file({"first": np.zeros(5), "a": values.astype(dtype)}, path)
        [(key, found)] = read_tensors(path, ["a"])
        assert (key, found.dtype) == ("a", np.float32)
        np.testing.assert_array_equal(found, values)
        assert list_tensors(path)[0]["a"].dtype == np.dtype(dtype).name


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    patterns = np.arange(2**16, dtype="<u2")  # every number, infinity and NaN
    content = {"pad": (b"\0\0", [1]), "a": (patterns.tobytes(), [2**8, 2**8])}
    path = write_typed(tmp_path / "a.safetensors", content, "BF16")
    [(_, found)] = read_tensors(path, ["a"])
    assert (found.dtype, found.shape) == (np.float32, (256, 256))
    bits = found.view(np.uint32).ravel()
    np.testing.assert_array_equal(bits, patterns.astype(np.uint32) << 16)
    assert list_tensors(path)[0]["a"].dtype == "bfloat16"


def write_as(path, state, dtype):
    """Write a state dict with numbers of which the bits do not matter."""
    arrays = {
        name: (bytes(array.size * ITEM_SIZES[dtype]), list(array.shape))
        for name, array in state.items()
    }
    return write_typed(path, arrays, dtype)


@pytest.mark.parametrize("dtype", ["I8", "I64", "F8_E4M3", "F8_E5M2"])
def test_other_types_are_refused_by_name(tmp_path, dtype):
    path = write_as(tmp_path / "a.safetensors", make_state_dict(), dtype)
    message = rf"'conv1.weight' must be of type float16 or .* or float64, not {dtype}"
    with pytest.raises(ValueError, match=message):
        inspect_file(identify_file(path), "ResNet18")


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HOSTILE = {
    "a header of 2^60": (b"{}", b"", 2**60, "its header would have 1152921504606846976 bytes"),
    "a header longer than the file": (b"{}", b"", 1000, "its header would have 1000 bytes"),
    "a header of 2 MB": (b"{" + b" " * 2_000_000 + b"}", b"", None, "would have 2000002 bytes"),
    "no header": (b"{", b"", 0, "is not a safetensors file"),
    "no JSON": (b"{]", b"", None, "invalid JSON"),
    "nested lists": (b'{"a":' + b"[" * 900_000, b"", None, "recursion limit"),
    "nested objects": (b'{"a":' * 100_000, b"", None, "is not a safetensors file"),
    "a huge number": (b'{"a":' + b"9" * 900_000 + b"}", b"", None, "is not a safetensors file"),
    "a shape that is too large": ({"a": entry(shape=[2**40])}, b"abcd", None, "invalid shape"),
    "a shape that overflows": ({"a": entry(shape=[2**63, 2**63])}, b"abcd", None, "overflow"),
    "a negative shape": ({"a": entry(shape=[-1])}, b"abcd", None, "invalid"),
    "overlapping offsets": (
        {"a": entry(), "b": entry(offsets=[2, 6])}, b"abcdef", None, "invalid offset",
    ),
    "offsets beyond the file": ({"a": entry()}, b"ab", None, "not fully covered"),
    "offsets from 2^62": ({"a": entry(offsets=[2**62, 2**62 + 4])}, b"abcd", None, "invalid offset"),
    "bytes left over": ({"a": entry()}, b"abcdef", None, "not fully covered"),
    "an unknown type": ({"a": entry("F99")}, b"abcd", None, "F99"),
    "duplicate keys": (
        b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}",
        b"abcd", None, "lists 'a' twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_errors_and_take_no_memory(tmp_path, case):
    header, data, size, message = HOSTILE[case]
    path = write_header(tmp_path / "a.safetensors", header, data, size)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as error:
            inspect_file(identify_file(path), "ResNet18")
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
    assert repr(path) in str(error.value)
    error.match("is damaged, or is not a safetensors file: .* Download it again")


def test_a_file_that_is_cut_off_is_an_error(tmp_path):
    whole = tmp_path / "a.safetensors"
    save_file(make_state_dict(), whole)
    cut = tmp_path / "cut.safetensors"
    for n_bytes in (9, 500, 100_000):
        cut.write_bytes(whole.read_bytes()[:n_bytes])
        with pytest.raises(ValueError, match=r"cut\.safetensors' is damaged, or is not a safeten"):
            inspect_file(identify_file(cut), "ResNet18")


def test_a_file_without_tensors_is_an_error(tmp_path):
    path = write_header(tmp_path / "a.safetensors", {"__metadata__": {"format": "pt"}})
    with pytest.raises(ValueError, match="it holds no ResNet: its tensors begin with nothing"):
        inspect_file(identify_file(path), "ResNet18")


def test_only_the_layers_asked_for_are_read(tmp_path):
    state = make_state_dict()
    path = str(tmp_path / "a.safetensors")
    save_file(state, path)
    read_arrays(path, "ResNet18", {"conv1"})  # imports
    tracemalloc.start()
    try:
        found = read_arrays(path, "ResNet18", {"conv1"})
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert found.keys() == {"conv1"}
    np.testing.assert_array_equal(found["conv1"][0].transpose(3, 2, 0, 1), state["conv1.weight"])
    assert sum(array.nbytes for array in state.values()) > 600_000
