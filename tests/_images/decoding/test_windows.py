"""Windows of files: when there are any, what they say of a file, threads, and the end."""

import contextlib
import itertools
import pickle
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from hostile_corpus import make_crafted, make_mutants
from PIL import Image

from sklearn_resnet._images.decoding import (
    MAX_PIXELS,
    read_channel_names,
    read_image,
    read_samples,
)
from sklearn_resnet._images.decoding.tiff_windows import TiffCrop
from sklearn_resnet._images.decoding.windows import open_windows
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.intensity import InferredRange
from sklearn_resnet._images.items import EncodedImage

RGB = np.random.default_rng(0).integers(0, 256, (90, 130, 3)).astype(np.uint8)
OPTIONS = {"size": None, "resize": "crop", "mode": "RGB", "value_range": None}


def open_all(item, **options):
    limits = {name: options.pop(name) for name in ("max_pixels",) if name in options}
    windows = open_windows(item, OPTIONS | options, min_bytes=0, **limits)
    return contextlib.closing(windows)


@pytest.fixture
def path(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB, tile=(16, 32), compression="deflate", metadata=None)
    return tmp_path / "a.tif"


def test_small_files_have_no_windows(path):
    assert open_windows(path, OPTIONS) is None
    assert open_windows(path, OPTIONS, min_bytes=RGB.nbytes) is None
    windows = open_windows(path, OPTIONS, min_bytes=RGB.nbytes - 1)
    assert windows.shape == RGB.shape[:2]
    assert windows.n_bytes == RGB.nbytes
    windows.close()


def test_other_formats_have_no_windows(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "bad.tif").write_bytes(b"II*\0 is all")
    (tmp_path / "empty.tif").touch()
    np.savez(tmp_path / "a.npz", RGB)
    np.save(tmp_path / "columns.npy", np.asfortranarray(RGB))
    for name in ("a.png", "bad.tif", "empty.tif", "a.npz", "columns.npy", "missing.tif"):
        assert open_windows(tmp_path / name, OPTIONS, min_bytes=0) is None, name
    for item in (RGB, Image.fromarray(RGB), RGB.tolist()):
        assert open_windows(item, OPTIONS, min_bytes=0) is None


def test_members_of_archives_have_no_windows(path):
    with zipfile.ZipFile(path.with_name("a.zip"), "w") as archive:
        archive.write(path, "a.tif")
    assert open_windows(path.with_name("a.zip") / "a.tif", OPTIONS, min_bytes=0) is None


def test_a_file_in_memory_has_windows(path):
    with open_all(EncodedImage(path.read_bytes(), "a.tif")) as windows:
        np.testing.assert_array_equal(windows.read((1, 2, 50, 60)), RGB[1:50, 2:60])


def test_an_unsuitable_large_file_is_an_error_that_names_the_cause(tmp_path):
    planes = np.zeros((5, 40, 40), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, metadata={"axes": "CYX"}, tile=(16, 16))
    with pytest.raises(ImageReadError, match="5 channels that are no colours"):
        open_windows(tmp_path / "a.ome.tif", OPTIONS, min_bytes=0)
    with pytest.raises(ImageReadError, match="it has no page 7"):
        open_windows(tmp_path / "a.ome.tif", OPTIONS | {"page": 7, "channels": (0,)}, min_bytes=0)


def test_a_box_must_be_inside(path):
    with open_all(path) as windows:
        for box in ((-1, 0, 5, 5), (0, 0, 91, 5), (0, 0, 5, 131), (5, 5, 5, 9)):
            with pytest.raises(ValueError, match="box must be inside"):
                windows.read(box)


def test_max_pixels_bounds_a_box_and_not_the_file(path):
    with open_all(path, max_pixels=100) as windows:
        assert windows.read((0, 0, 10, 10)).shape == (10, 10, 3)
        with pytest.raises(ImageReadError, match="more than the limit of 100"):
            windows.read((0, 0, 10, 11))


def test_reports_are_those_of_the_whole_file(tmp_path):
    pages = np.full((3, 40, 50), 700, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pages, tile=(16, 16), photometric="minisblack")
    read_image(tmp_path / "a.tif", report=(reports := []).append)
    with open_all(tmp_path / "a.tif") as windows:
        assert list(windows.reports) == reports
        assert list(windows.reports) == reports
    assert {type(report).__name__ for report in reports} == {"Remark", "InferredRange"}
    with open_all(tmp_path / "a.tif", value_range=(0.0, 9.0)) as windows:
        assert not any(isinstance(report, InferredRange) for report in windows.reports)


def test_channel_names_and_samples_are_those_of_the_whole_file(tmp_path):
    planes = np.random.default_rng(0).integers(0, 5000, (3, 40, 50)).astype(np.uint16)
    metadata = {"axes": "CYX", "Channel": {"Name": ["a", "b", "c"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, metadata=metadata, tile=(16, 16))
    options = OPTIONS | {"mode": "channels", "channels": (2, "a")}
    with open_all(tmp_path / "a.ome.tif", **options) as windows:
        assert windows.channel_names == read_channel_names(tmp_path / "a.ome.tif", options)
        for max_values in (100, 700, 10**6):
            found = windows.sample_values(max_values)
            wanted = read_samples(tmp_path / "a.ome.tif", options, max_values)
            assert [sorted(part) for part in found] == [sorted(part) for part in wanted]


def test_samples_of_pixels_without_data_are_left_out(tmp_path):
    image = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    extratags = [(42113, 2, 0, "7", True)]
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(16, 16), extratags=extratags, metadata=None)
    with open_all(tmp_path / "a.tif", mode="channels") as windows:
        (found,) = windows.sample_values(10**6)
    assert sorted(found) == [value for value in range(2000) if value != 7]


def test_scaled_boxes_adjoin_and_cross_the_border(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((301, 203), np.uint8), subifds=1, tile=(64, 64), metadata=None)
        file.write(np.zeros((43, 29), np.uint8), subfiletype=1, tile=(64, 64), metadata=None)
    with open_all(tmp_path / "a.tif", size=(4, 4)) as windows:
        assert windows.scale_box((0, 0, 301, 203), 1) == (0, 0, 43, 29)
        edges = [windows.scale_box((i, 0, i + 20, 9), 1) for i in range(0, 280, 20)]
        assert all(a[2] == b[0] for a, b in itertools.pairwise(edges))
        assert windows.scale_box((-70, -70, 371, 273), 1) == (-10, -10, 53, 39)
        assert windows.scale_box((17, 10, 18, 11), 1)[:2] == (2, 1)
        assert windows.scale_box((18, 11, 40, 99), 1)[:2] == (3, 2)
        assert windows.scale_box((-5, 3, 7, 9), 0) == (-5, 3, 7, 9)
        for box in ((300, 202, 301, 203), (0, 0, 1, 1), (150, 100, 151, 101)):
            top, left, bottom, right = windows.scale_box(box, 1)
            assert (bottom - top, right - left) == (1, 1)
            assert windows.read(box, 1).shape == (1, 1, 3)


def test_threads_read_at_the_same_time(path):
    boxes = [(i % 60, i % 90, i % 60 + 25, i % 90 + 30) for i in range(0, 4000, 7)]
    with open_all(path) as windows, ThreadPoolExecutor(4) as pool:
        for box, found in zip(boxes, pool.map(windows.read, boxes), strict=True):
            np.testing.assert_array_equal(found, RGB[box[0] : box[2], box[1] : box[3]])
        assert len(windows._free) <= 4


def test_tiles_in_the_cache_are_not_decoded_again(path, monkeypatch):
    decoded, decode = [], TiffCrop._decode_segment

    def count(self, *args):
        decoded.append(args[-1])
        return decode(self, *args)

    monkeypatch.setattr(TiffCrop, "_decode_segment", count)
    with open_all(path, value_range=(0.0, 255.0)) as windows:
        windows.read((0, 0, 20, 40))
        assert sorted(decoded) == [0, 1, 5, 6]
        windows.read((10, 20, 32, 64))
        assert sorted(decoded) == [0, 1, 5, 6]


def test_a_file_that_changed_is_an_error(path):
    with open_all(path) as windows:
        windows.read((0, 0, 5, 5))
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(ImageReadError, match="it changed while it was read"):
            windows.read((0, 0, 5, 5))


def test_close_releases_the_files(path):
    windows = open_windows(path, OPTIONS, min_bytes=0)
    windows.read((0, 0, 5, 5))
    (_, source), *_ = windows._free
    windows.close()
    assert source._opened.file.closed
    assert not windows._free
    assert len(windows._cache) == 0


def test_a_file_that_is_read_while_closing_is_closed_after_that(path):
    windows = open_windows(path, OPTIONS, min_bytes=0)
    windows.read((0, 0, 5, 5))
    with windows._source() as source:
        windows.close()
        assert not source._opened.file.closed
    assert source._opened.file.closed


def test_they_cannot_be_pickled(path):
    with open_all(path) as windows, pytest.raises(TypeError):
        pickle.dumps(windows)


def test_ranges_are_found_once(path, monkeypatch):
    image = np.linspace(-1, 5, 90 * 130, dtype=np.float32).reshape(90, 130)
    tifffile.imwrite(path, image, tile=(16, 16), metadata=None)
    with open_all(path) as windows, ThreadPoolExecutor(4) as pool:
        calls, decode = [], windows._decode_blocks
        monkeypatch.setattr(
            windows, "_decode_blocks", lambda level: calls.append(1) or decode(level)
        )
        barrier = threading.Barrier(4)
        list(pool.map(lambda _: (barrier.wait(), windows.read((0, 0, 9, 9))), range(4)))
    assert calls == [1]


def read_or_none(read, *args, **options):
    """What a function returns; None where it raises the error of a bad file."""
    with contextlib.suppress(ImageReadError):
        return read(*args, **options)


@pytest.mark.filterwarnings("ignore")
def test_hostile_files_are_read_as_whole_images_are_or_refused(tmp_path):
    """Crafted ones and mutants; damage that is not in the box need not be found."""
    n_read = 0
    for name, content in [*make_crafted().items(), *make_mutants(2900, 3100)]:
        path = tmp_path / name
        path.write_bytes(content)
        limits = {"min_bytes": 0, "max_pixels": MAX_PIXELS}
        windows = read_or_none(open_windows, path, OPTIONS, **limits)
        if windows is None:
            continue
        with contextlib.closing(windows):
            height, width = (min(side, 100) for side in windows.shape)
            found = read_or_none(windows.read, (0, 0, height, width))
        whole = read_or_none(read_image, path, max_pixels=MAX_PIXELS)
        if found is not None and whole is not None:
            np.testing.assert_array_equal(found, whole[:height, :width], name)
            n_read += 1
    assert n_read > 10
