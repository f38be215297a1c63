"""Arrays of numpy.savez."""

import io
import zipfile

import numpy as np
import pytest

from sklearn_resnet import ImageReadError
from sklearn_resnet._images.decoding import read_image
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.npy import decode_npz
from sklearn_resnet._images.decoding.selection import Selection
from sklearn_resnet._images.file_log import Remark

STACK = np.random.default_rng(0).integers(0, 2**16, (4, 12, 16)).astype(np.uint16)


def write(**arrays):
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content


def decode(content, dataset=None, max_pixels=10**6, **selection):
    return decode_npz(content, Selection(**selection), max_pixels, print, dataset=dataset)


def test_arrays_are_named_after_the_path(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=STACK, y=np.moveaxis(STACK, 0, -1), labels=np.arange(4))
    np.testing.assert_array_equal(
        read_image(f"{path}::x", mode="channels", page=2)[..., 0], STACK[2]
    )
    channels = read_image(f"{path}::y", mode="channels", channels=(1,))
    np.testing.assert_array_equal(channels[..., 0], STACK[1])
    with pytest.raises(ImageReadError, match=r"'x' \(4, 12, 16\), 'y' \(12, 16, 4\)\. Append"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_first_axis_can_be_channels(tmp_path, suffix, order):
    path = tmp_path / f"a{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, np.array(STACK, order=order))
    image = read_image(path, mode="channels", page="channels")
    np.testing.assert_array_equal(image, np.moveaxis(STACK, 0, -1))
    image = read_image(path, mode="channels", page="channels", channels=(2, 0))
    np.testing.assert_array_equal(image, np.moveaxis(STACK[[2, 0]], 0, -1))
    image = read_image(path, page="channels", channels=(2, 1, 0), value_range=(0, 65535))
    np.testing.assert_array_equal(image, np.rint(np.moveaxis(STACK[2::-1], 0, -1) / 257))
    told = "4 channels that are no colours: 0 to 3"
    with pytest.raises(ImageReadError, match=told):
        read_image(path, page="channels")
    with pytest.raises(ImageReadError, match=r"not \(4, 12, 16\).*page='channels'"):
        read_image(path)
    with pytest.raises(ImageReadError, match="more than the limit"):
        read_image(path, mode="channels", page="channels", max_pixels=150)
    read_image(path, mode="channels", page=0, max_pixels=STACK[0].size * 4)


@pytest.mark.parametrize(
    ("shape", "options", "is_told"),
    [
        ((4, 12, 16), {"mode": "channels"}, True),
        ((4, 12, 16), {"channels": (0,)}, True),
        ((12, 16, 4), {"mode": "channels"}, False),
        ((12, 16, 13), {"mode": "channels"}, False),
        ((12, 12, 12), {"mode": "channels"}, False),
        ((4, 12, 16), {"mode": "channels", "page": "channels"}, False),
        ((4, 12, 16), {"mode": "channels", "page": 0}, False),
    ],
)
def test_channels_that_seem_to_come_first_are_told(tmp_path, shape, options, is_told):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    reports = []
    read_image(tmp_path / "a.npy", report=reports.append, **options)
    remedies = [report.remedy for report in reports if isinstance(report, Remark)]
    assert remedies == ["If so, pass ImageLoader(page='channels')."] * is_told


def test_the_only_array_needs_no_name():
    pixels = decode(write(x=STACK[0], y=np.arange(3), z=np.array([["text"]])))
    np.testing.assert_array_equal(pixels.samples[..., 0], STACK[0])


def test_objects_are_not_unpickled():
    with pytest.raises(FormatError, match="it holds no array of numbers"):
        decode(write(x=np.array([[{}]], dtype=object)))


def test_the_limit_of_pixels_holds_before_anything_is_unpacked():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array_header_1_0(
            file, {"shape": (10**5, 10**5), "fortran_order": False, "descr": "|u1"}
        )
    with pytest.raises(ValueError, match="100000 x 100000 pixels, more than the limit"):
        decode(content)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(write(x=STACK[0]).getvalue()[:100])
    with pytest.raises(ImageReadError):
        read_image(path)
