"""Arrays in HDF5 files."""

import io

import h5py
import numpy as np
import pytest

from sklearn_resnet import ImageReadError
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.hdf5 import decode_hdf5
from sklearn_resnet._images.decoding.selection import Selection
from sklearn_resnet._images.items import EncodedImage

STACK = np.random.default_rng(0).integers(0, 2**16, (4, 12, 16)).astype(np.uint16)


def write(fill):
    """The content of a file that a function fills."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def decode(content, dataset=None, max_pixels=10**6, **selection):
    return decode_hdf5(
        io.BytesIO(content), Selection(**selection), max_pixels, print, dataset=dataset
    )


def fill(file):
    file["a/grey"] = STACK[0]
    file["a/stack"] = STACK
    file["b"] = np.moveaxis(STACK, 0, -1)
    file["vector"], file["scalar"], file["text"] = np.arange(3), 1, [["a"]]
    file["complex"] = np.zeros((3, 3), complex)
    file["soft"] = h5py.SoftLink("/b")


def test_arrays_are_named_by_their_path(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(write(fill))
    for name in ("/a/grey", "a/grey"):
        np.testing.assert_array_equal(
            read_image(f"{path}::{name}", mode="channels")[..., 0], STACK[0]
        )
    channels = read_image(f"{path}::b", mode="channels", channels=(3, 0))
    np.testing.assert_array_equal(channels, np.moveaxis(STACK[[3, 0]], 0, -1))
    with pytest.raises(ImageReadError) as raised:
        read_image(path)
    assert raised.value.cause == (
        "it holds several arrays: '/a/grey' (12, 16), '/a/stack' (4, 12, 16), '/b' (12, 16, 4)"
    )
    assert raised.value.remedy == "Append the name of one to the path, as in '...::/a/grey'."


def test_the_only_array_needs_no_name():
    def fill(file):
        file["x"], file["y"] = STACK[0], np.arange(9)

    np.testing.assert_array_equal(decode(write(fill)).samples[..., 0], STACK[0])


def test_an_array_that_is_missing_is_named():
    for name in ("c", "text", "complex", "a", "scalar"):
        with pytest.raises(FormatError, match=f"it has no array '/{name}', but '/a/grey'"):
            decode(write(fill), name)
    with pytest.raises(FormatError, match="it holds no array of numbers with 2 or more"):
        decode(write(lambda file: file.create_dataset("x", data=[1])))


@pytest.mark.parametrize("page", [0, 2, -1, "max", "mean", "middle"])
def test_pages_are_the_first_axis(page):
    expected = {"max": STACK.max(axis=0), "middle": STACK[2]}.get(page)
    if page == "mean":
        expected = np.rint(STACK.mean(axis=0))
    expected = STACK[page] if expected is None else expected
    pixels = decode(write(fill), "a/stack", page=page)
    np.testing.assert_array_equal(pixels.samples[..., 0], expected)


def test_pages_can_be_channels():
    pixels = decode(write(fill), "a/stack", page="channels", channels=(2, 0))
    np.testing.assert_array_equal(pixels.samples, np.moveaxis(STACK[[2, 0]], 0, -1))
    assert pixels.channel_names == ("2", "0")


def test_only_the_wanted_page_is_read(monkeypatch):
    keys = []
    get = h5py.Dataset.__getitem__

    def watch(self, key, **kwargs):
        keys.append(key)
        return get(self, key, **kwargs)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watch)
    decode(write(fill), "a/stack", page=2)
    assert keys == [2]


def test_the_fill_value_is_no_data():
    def fill(file):
        file["x"] = STACK[0]
        file["x"].attrs["_FillValue"] = STACK[0, 3, 4]

    content = write(fill)
    assert decode(content).no_data == STACK[0, 3, 4]
    image = read_image(EncodedImage(content), mode="L", value_range=(0, 65535))
    assert image[3, 4] == 255
    assert image[0, 0] == np.rint(STACK[0, 0, 0] / 257)


def test_the_fill_value_takes_no_part_in_projections():
    stack = STACK.copy()
    stack[0, :4] = 65535

    def fill(file):
        file["x"] = stack
        file["x"].attrs["_FillValue"] = np.uint16(65535)

    expected = np.ma.masked_equal(stack, 65535).max(axis=0)
    np.testing.assert_array_equal(decode(write(fill), page="max").samples[..., 0], expected)


def test_other_files_are_not_opened(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(range(100)))
    (tmp_path / "b.h5").write_bytes(write(fill))
    layout = h5py.VirtualLayout((12, 16), "u2")
    layout[:] = h5py.VirtualSource(str(tmp_path / "b.h5"), "a/grey", (12, 16))

    def link(file):
        file.create_dataset(
            "x", (10, 10), "u1", external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        )
        file.create_virtual_dataset("y", layout)
        file["z"] = h5py.ExternalLink(str(tmp_path / "b.h5"), "b")

    for name in "xy":
        with pytest.raises(FormatError, match=f"its array '/{name}' is in another file"):
            decode(write(link), name)
    with pytest.raises(FormatError, match="it has no array '/z'"):
        decode(write(link), "z")


def test_the_limit_of_pixels_holds():
    def fill(file):
        file.create_dataset("x", (10**5, 10**5), "u1", chunks=(100, 100))
        file.create_dataset("y", (10, 10), "u1", chunks=(10**4, 10**4), maxshape=(None, None))

    with pytest.raises(ValueError, match="100000 x 100000 pixels, more than the limit"):
        decode(write(fill), "x")
    with pytest.raises(FormatError, match=r"its chunks have the shape \(10000, 10000\)"):
        decode(write(fill), "y")
    assert decode(write(fill), "y", max_pixels=10**8).samples.shape == (10, 10, 1)


@pytest.mark.parametrize("n_bytes", [8, 100, 1500])
def test_a_file_that_ends_too_early_is_named(n_bytes):
    with pytest.raises(ImageReadError):
        read_image(EncodedImage(write(fill)[:n_bytes]))
