"""Zarr: arrays, and images of OME-Zarr with axes, channels and levels."""

import shutil

import numpy as np
import pytest
import zarr
from ome_zarr import add_array, write_image

from sklearn_resnet import ImageReadError
from sklearn_resnet._images.decoding import hash_opened, open_image, read_image
from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.selection import Selection
from sklearn_resnet._images.decoding.zarr_stores import decode_zarr, hash_zarr
from sklearn_resnet._io.paths import as_path
from sklearn_resnet._runtime.imports import hidden_module

DATA = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 32, 48)).astype(np.uint8)  # tczyx
NAMES = ["DAPI", "GFP", "RFP"]


@pytest.mark.parametrize("form", [2, 3])
def test_the_only_array_of_a_store(tmp_path, form):
    image = np.moveaxis(DATA[0, :, 0], 0, -1)
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=image, chunks=(16, 16, 3), zarr_format=form)
    np.testing.assert_array_equal(read_image(path), image)
    np.testing.assert_array_equal(read_image(path, mode="channels", channels=(2,)), image[..., 2:])


def test_arrays_are_named_by_their_path(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    add_array(group, "b/x", DATA[0, 0])
    add_array(group, "y", DATA[0, 0, 0])
    add_array(group, "vector", np.arange(3))
    path = str(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_image(f"{path}::/b/x", mode="L", page=2), DATA[0, 0, 2])
    np.testing.assert_array_equal(read_image(f"{path}::y", mode="L"), DATA[0, 0, 0])
    np.testing.assert_array_equal(read_image(f"{path}::b", mode="L", page=-1), DATA[0, 0, 3])
    with pytest.raises(ImageReadError) as raised:
        read_image(path)
    assert raised.value.cause == ("it holds several arrays: 'y' (32, 48), 'b/x' (4, 32, 48)")
    with pytest.raises(ImageReadError, match=r"it has no array 'z', but 'y' \(32, 48\)"):
        read_image(f"{path}::z")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("old", [False, True])
def test_ome_has_axes_and_channels(tmp_path, version, old):
    path = tmp_path / "a.zarr"
    write_image(path, DATA, names=NAMES, version=version, old=old)
    for page in (0, 5, -1):
        channels = read_image(path, mode="channels", page=page)
        expected = DATA[page // 4 if page >= 0 else 1, :, page % 4]
        np.testing.assert_array_equal(channels, np.moveaxis(expected, 0, -1))
    chosen = read_image(path, mode="channels", page=0, channels=("RFP", 0))
    np.testing.assert_array_equal(chosen, np.moveaxis(DATA[0, [2, 0], 0], 0, -1))
    with pytest.raises(ImageReadError, match="its axes are T 2, C 3, Z 4, Y 32, X 48"):
        read_image(path, mode="channels")
    with pytest.raises(ImageReadError, match=r"0 \('DAPI'\), 1 \('GFP'\), 2 \('RFP'\)"):
        read_image(path, page=0)


@pytest.mark.parametrize("page", ["max", "mean", "middle"])
def test_pages_are_projected_along_z(tmp_path, page):
    path = tmp_path / "a.zarr"
    write_image(path, DATA[0], axes="czyx")
    stack = np.moveaxis(DATA[0], 0, -1)
    expected = {"max": stack.max(0), "mean": np.rint(stack.mean(0)), "middle": stack[2]}[page]
    np.testing.assert_array_equal(read_image(path, mode="channels", page=page), expected)


@pytest.mark.parametrize(("axes", "turn"), [("yx", np.asarray), ("xy", np.transpose)])
def test_a_plane_has_rows_of_x(tmp_path, axes, turn):
    write_image(tmp_path / "a.zarr", turn(DATA[0, 0, 0]), axes=axes)
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr", mode="L"), DATA[0, 0, 0])


def test_axes_without_a_description_are_those_of_old_versions(tmp_path):
    group = write_image(tmp_path / "a.zarr", DATA[:1, :, :1], names=NAMES, version="0.4")
    metadata = group.attrs["multiscales"]
    del metadata[0]["axes"]
    group.attrs["multiscales"] = metadata
    channels = read_image(tmp_path / "a.zarr", mode="channels")
    np.testing.assert_array_equal(channels, np.moveaxis(DATA[0, :, 0], 0, -1))


def test_axes_that_are_no_image(tmp_path):
    write_image(tmp_path / "a.zarr", DATA[0, 0], axes="czy")
    with pytest.raises(ImageReadError, match="its axes, c, z, y, are not those of an image"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({}, 0),
        ({"level": 2}, 2),
        ({"size": (4, 6)}, 2),
        ({"size": (5, 6)}, 1),
        ({"size": (4, 7)}, 1),
        ({"size": (8, 12)}, 1),
        ({"size": (9, 12)}, 0),
        ({"size": (99, 99)}, 0),
        ({"size": (4, 6), "level": 0}, 0),
    ],
)
def test_the_smallest_level_that_is_twice_as_large_is_read(tmp_path, options, level):
    levels = [np.full((32 >> i, 48 >> i), i, np.uint8) for i in range(3)]
    group = write_image(tmp_path / "a.zarr", levels[0], axes="yx", n_levels=3)
    for i, values in enumerate(levels):
        group[str(i)][...] = values
    image = read_image(tmp_path / "a.zarr", mode="L", **options)
    assert (image == level).all()
    assert image.shape == options.get("size", levels[level].shape)


def test_a_level_that_is_missing_is_named(tmp_path):
    write_image(tmp_path / "a.zarr", DATA[0, 0, 0], axes="yx", n_levels=2)
    for level in (2, -1):
        with pytest.raises(
            ImageReadError, match=f"it has no level {level} of resolution, only 0 to 1"
        ):
            read_image(tmp_path / "a.zarr", level=level)


def test_only_the_wanted_chunks_are_read(tmp_path):
    write_image(tmp_path / "a.zarr", DATA, n_levels=2)
    shutil.rmtree(tmp_path / "a.zarr" / "0" / "c")  # chunks of the full resolution
    assert read_image(tmp_path / "a.zarr", mode="channels", page=0, level=1).any()


def test_several_images_are_named_and_labels_are_none(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for well in ("B/2/0", "A/1/0", "A/10/0"):
        image = group.create_group(well)
        write_image(image, DATA[0, 0, 0], axes="yx")
        write_image(image.create_group("labels/cells"), DATA[0, 0, 0], axes="yx")
    path = str(tmp_path / "a.zarr")
    listed = r"'A/1/0' \(32, 48\), 'A/10/0' \(32, 48\), 'B/2/0' \(32, 48\)"
    with pytest.raises(ImageReadError, match=f"it holds several arrays: {listed}"):
        read_image(path)
    with pytest.raises(ImageReadError, match=f"it has no array 'A/2/0', but {listed}"):
        read_image(f"{path}::A/2/0")
    with pytest.raises(ImageReadError, match=r"several arrays: 'A/1/0' .*, 'A/10/0'"):
        read_image(f"{path}::A")
    for name in ("A/1/0", "B", "B/2/0/0"):
        np.testing.assert_array_equal(read_image(f"{path}::{name}", mode="L"), DATA[0, 0, 0])


def test_a_store_behind_a_url(tmp_path):
    write_image(tmp_path / "a.zarr", DATA[0, 0, 0], axes="yx")
    url = f"memory://{tmp_path.name}/a.zarr"
    for file in (tmp_path / "a.zarr").rglob("*"):
        if file.is_file():
            target = as_path(f"{url}/{file.relative_to(tmp_path / 'a.zarr').as_posix()}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    np.testing.assert_array_equal(read_image(url, mode="L"), DATA[0, 0, 0])
    np.testing.assert_array_equal(read_image(f"{url}::0", mode="L"), DATA[0, 0, 0])


def test_the_fill_value_is_no_data(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", data=DATA[0, 0, 0], attributes={"_FillValue": 7})
    assert array.attrs["_FillValue"] == 7
    pixels = decode_zarr(str(tmp_path / "a.zarr"), Selection(), None, print)
    assert pixels.no_data == 7


def test_what_is_no_array_of_numbers_is_named(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(ImageReadError, match="it is no Zarr store"):
        read_image(tmp_path / "empty.zarr")
    zarr.create_array(tmp_path / "complex.zarr", data=np.zeros((2, 2), complex))
    with pytest.raises(ImageReadError, match="not that of numbers"):
        read_image(tmp_path / "complex.zarr")
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.zarr")


def test_the_limit_of_pixels_holds(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(10**5, 10**5), chunks=(9, 9), dtype="u1")
    with pytest.raises(ImageReadError, match="100000 x 100000 pixels, more than the limit"):
        read_image(tmp_path / "a.zarr", max_pixels=10**6)
    zarr.create_array(tmp_path / "b.zarr", shape=(10, 10), chunks=(10**4, 10**4), dtype="u1")
    with pytest.raises(ImageReadError, match=r"its chunks have the shape \(10000, 10000\)"):
        read_image(tmp_path / "b.zarr", max_pixels=10**6)
    write_image(tmp_path / "c.zarr", DATA[0, :, 0], axes="cyx")
    options = {"mode": "channels", "max_pixels": 32 * 48 // 2}
    with pytest.raises(ImageReadError, match="32 x 48 pixels, more than the limit"):
        read_image(tmp_path / "c.zarr", **options)


def test_zarr_that_is_missing_is_named(tmp_path):
    with hidden_module("zarr"), pytest.raises(FormatError) as raised:
        decode_zarr(str(tmp_path), Selection(), None, print)
    assert raised.value.remedy == "Install it with: pip install zarr"


def test_other_files_in_a_store_are_passed_over(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    add_array(group, "x", DATA[0, 0, 0])
    (tmp_path / "a.zarr" / "notes.txt").write_text("")
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr", mode="L"), DATA[0, 0, 0])


@pytest.mark.parametrize("use_cache", [False, True])
def test_a_name_that_is_not_in_the_store_is_told_beside_those_that_are(tmp_path, use_cache):
    add_array(zarr.open_group(tmp_path / "a.zarr", mode="w"), "x", DATA[0, 0, 0])
    with pytest.raises(ImageReadError, match="it has no array 'y', but 'x'"):
        read_image(f"{tmp_path}/a.zarr::y", use_cache=use_cache)


def test_the_hash_follows_the_files(tmp_path):
    path = str(tmp_path / "a.zarr")
    array = zarr.create_array(path, data=DATA[0, 0, 0])
    before = hash_zarr(path, b"options")
    with open_image(path, path) as opened:
        assert hash_opened(opened, b"options") == before
    assert hash_zarr(path, b"others") != before
    array[0, 0] = array[0, 0] + 1
    assert hash_zarr(path, b"options") != before


@pytest.mark.cache
def test_images_are_cached_until_they_change(tmp_path):
    path = tmp_path / "a.zarr"
    group = write_image(path, DATA[0, 0, 0], axes="yx")
    read_image(path, mode="L", use_cache=True)
    assert read_image(path, mode="L", use_cache=True) is read_image(path, mode="L", use_cache=True)
    group["0"][...] = 255 - DATA[0, 0, 0]
    np.testing.assert_array_equal(read_image(path, mode="L", use_cache=True), 255 - DATA[0, 0, 0])
