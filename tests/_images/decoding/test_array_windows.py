"""Boxes of arrays in files: they are those of the array that is read as a whole."""

import h5py
import numpy as np
import pytest
from windows import check_boxes

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (37, 53, 3)).astype(np.uint8)
PAGES = RNG.integers(0, 4000, (4, 37, 53)).astype(np.uint16)
ARRAYS = {
    "colours": (COLOURS, {}),
    "grey": (COLOURS[..., 0], {"mode": "L"}),
    "mask": (COLOURS[..., 0] > 250, {}),
    "alpha": (np.concatenate([COLOURS, COLOURS[..., :1]], axis=2), {}),
    "floats": (COLOURS[..., 0] * np.float32(3.3) - 9, {}),
    "big-endian": (PAGES[0].astype(">u2"), {"mode": "channels"}),
    "int64": (PAGES[0].astype(np.int64), {}),
    "page": (PAGES, {"page": 2}),
    "brightest": (PAGES, {"page": "max"}),
    "pages as channels": (PAGES, {"page": "channels", "mode": "channels"}),
    "colour pages": (np.stack([COLOURS, 255 - COLOURS]), {"page": -1}),
    "channels": (RNG.random((37, 53, 7)).astype(np.float32), {"mode": "channels"}),
    "some channels": (RNG.random((37, 53, 7)).astype(np.float32), {"channels": (5, 0, 6)}),
    "percentiles": (
        RNG.random((37, 53, 7)),
        {"mode": "channels", "rescale": ("percentile", 1.0, 99.0)},
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_box_of_npy_is_that_of_the_whole_array(tmp_path, name):
    array, options = ARRAYS[name]
    np.save(tmp_path / "a.npy", array)
    assert check_boxes(tmp_path / "a.npy", options)


def cut_chunks(array, options):
    """Chunks that do not divide the array."""
    sides = [5 if side in (37, 53) else side for side in array.shape]
    if options.get("page") is not None:
        sides[0] = 2
    return tuple(sides)


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("name", ARRAYS)
def test_a_box_of_hdf5_is_that_of_the_whole_array(tmp_path, name, is_chunked, monkeypatch):
    monkeypatch.setattr("sklearn_resnet._images.decoding.array_windows._MIN_SIDE", 8)
    array, options = ARRAYS[name]
    chunks = {"chunks": cut_chunks(array, options), "compression": "gzip"} if is_chunked else {}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=array, **chunks)
        file.create_dataset("other", data=[1])
    assert check_boxes(tmp_path / "a.h5", options)
    assert check_boxes(f"{tmp_path}/a.h5::/images", options)


def test_no_data_of_hdf5_is_known(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", data=PAGES[0], chunks=(5, 5)).attrs["_FillValue"] = PAGES[
            0, 3, 5
        ]
    assert check_boxes(tmp_path / "a.h5", {})


@pytest.mark.parametrize("name", ARRAYS)
def test_a_box_of_zarr_is_that_of_the_whole_array(tmp_path, name, monkeypatch):
    zarr = pytest.importorskip("zarr")
    monkeypatch.setattr("sklearn_resnet._images.decoding.array_windows._MIN_SIDE", 8)
    array, options = ARRAYS[name]
    if array.dtype == ">u2":
        array = array.astype("=u2")
    stored = zarr.create_array(
        tmp_path / "a.zarr", shape=array.shape, chunks=cut_chunks(array, options), dtype=array.dtype
    )
    stored[...] = array
    assert check_boxes(tmp_path / "a.zarr", options)


@pytest.mark.parametrize("axes", ["tczyx", "cyx", "yx", "xyc", "czxy"])
@pytest.mark.parametrize("options", [{"mode": "channels"}, {"channels": (0,)}, {"page": "max"}])
def test_a_box_of_ome_zarr_is_that_of_the_whole_image(tmp_path, axes, options, monkeypatch):
    pytest.importorskip("zarr")
    from ome_zarr import write_image

    monkeypatch.setattr("sklearn_resnet._images.decoding.array_windows._MIN_SIDE", 8)
    sizes = {"t": 1, "c": 2, "z": 3, "y": 37, "x": 53}
    data = RNG.integers(0, 4000, [sizes[axis] for axis in axes]).astype(np.uint16)
    write_image(tmp_path / "a.zarr", data, axes=axes, n_levels=3, names=["a", "b"])
    check_boxes(tmp_path / "a.zarr", options)
    options = options | {"mode": "channels"}
    assert check_boxes(tmp_path / "a.zarr", options)
    for level in (1, 2):
        assert check_boxes(tmp_path / "a.zarr", options | {"level": level}, level=level)


def test_a_short_npy_is_an_error(tmp_path):
    from sklearn_resnet._images.decoding.windows import open_windows
    from sklearn_resnet._images.errors import ImageReadError

    np.save(tmp_path / "a.npy", COLOURS)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-300])
    options = {"size": None, "resize": "crop", "mode": "RGB", "value_range": (0.0, 255.0)}
    windows = open_windows(tmp_path / "a.npy", options, min_bytes=0)
    np.testing.assert_array_equal(windows.read((0, 0, 30, 53)), COLOURS[:30])
    with pytest.raises(ImageReadError, match="too short for its shape"):
        windows.read((30, 0, 37, 53))
    windows.close()
