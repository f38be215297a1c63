"""Overviews of whole images, and their sizes."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from sklearn_resnet._images.decoding import overviews, read_image
from sklearn_resnet._images.decoding.overviews import read_overview, read_size
from sklearn_resnet._images.decoding.windows import open_windows
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.items import EncodedImage

RGB = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)).resize(
        (650, 450)
    )
)


@pytest.fixture
def windowed(monkeypatch):
    """Read small files by windows, too."""

    def open_small(item, options, **limits):
        return open_windows(item, options, min_bytes=0, **limits)

    monkeypatch.setattr(overviews, "open_windows", open_small)


def test_an_overview_has_the_longest_side_and_the_scale(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    overview, scale = read_overview(tmp_path / "a.png", 100)
    assert overview.shape == (69, 100, 3)
    assert scale == 6.5
    wanted = read_image(tmp_path / "a.png", size=(69, 100), resize="stretch")
    np.testing.assert_array_equal(overview, wanted)
    for item in (RGB, Image.fromarray(RGB), EncodedImage((tmp_path / "a.png").read_bytes())):
        np.testing.assert_array_equal(read_overview(item, 100)[0], overview)


def test_small_images_are_not_enlarged():
    overview, scale = read_overview(RGB, 1000, mode="L")
    assert overview.shape == (450, 650)
    assert scale == 1


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (RGB, {}),
        (RGB[..., 1], {"mode": "L"}),
        (RGB[..., 0].astype(np.float32) * 9 - 40, {}),
        (RGB[..., 0].astype(np.uint16) * 99, {"mode": "channels"}),
        (RGB, {"mode": "channels", "rescale": ("percentile", 1.0, 99.0)}),
    ],
)
@pytest.mark.parametrize(
    ("layout", "orientation"),
    [({"tile": (48, 32)}, 1), ({"tile": (48, 32)}, 6), ({"rowsperstrip": 7}, 1), ({}, 8)],
)
@pytest.mark.parametrize("max_side", [33, 640])
def test_it_is_that_of_the_whole_image(
    tmp_path, windowed, image, options, layout, orientation, max_side, monkeypatch
):
    monkeypatch.setattr(overviews, "_BLOCK_PIXELS", 50_000)
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", image, extratags=tags, metadata=None, **layout)
    overview, scale = read_overview(tmp_path / "a.tif", max_side, **options)
    size = overview.shape[:2]
    assert max(size) == max_side
    assert scale == 650 / max_side
    wanted = read_image(tmp_path / "a.tif", size=size, resize="stretch", **options)
    assert overview.dtype == wanted.dtype
    np.testing.assert_array_equal(overview, wanted)


def test_colours_are_reduced_in_grey(tmp_path, windowed):
    tifffile.imwrite(tmp_path / "a.tif", RGB, tile=(48, 32), metadata=None)
    overview, _ = read_overview(tmp_path / "a.tif", 100, mode="L")
    wanted = read_image(tmp_path / "a.tif", size=(69, 100), resize="stretch", mode="L")
    assert np.abs(overview.astype(int) - wanted).max() <= 2  # of rounding


def test_a_level_of_a_pyramid_is_reduced(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB, subifds=1, tile=(64, 64), metadata=None)
        file.write(255 - RGB[::2, ::2], subfiletype=1, tile=(64, 64), metadata=None)
    assert np.abs(read_overview(tmp_path / "a.tif", 300)[0].astype(int).mean() - RGB.mean()) < 1
    low, scale = read_overview(tmp_path / "a.tif", 100)
    assert scale == 6.5
    assert np.abs(low.astype(int).mean() - (255 - RGB).mean()) < 1


def save(path):
    if path.suffix == ".npy":
        np.save(path, RGB)
    elif path.suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["a"] = RGB
    else:
        image = Image.fromarray(RGB)
        exif = image.getexif()
        exif[0x0112] = 1 if "upright" in path.stem else 6
        image.save(path, exif=exif)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize(("stem", "size"), [("upright", (450, 650)), ("turned", (650, 450))])
def test_sizes_are_those_of_upright_images(tmp_path, suffix, stem, size, monkeypatch):
    path = tmp_path / (stem + suffix)
    save(path)
    assert read_image(path).shape[:2] == size
    monkeypatch.setattr(overviews, "read_image", None)  # nothing is decoded
    assert read_size(path) == size
    assert read_size(EncodedImage(path.read_bytes())) == size
    with Image.open(path) as image:
        assert read_size(image) == size


def test_sizes_of_arrays_are_those_of_their_pages(tmp_path, monkeypatch):
    for name in ("a.npy", "a.h5"):
        save(tmp_path / name)
    assert read_size(RGB) == read_size(RGB.tolist()) == (450, 650)
    pages = np.zeros((3, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", pages, metadata={"axes": "CYX"})
    np.save(tmp_path / "pages.npy", pages)
    tifffile.imwrite(tmp_path / "strip.tif", RGB, compression="deflate", rowsperstrip=450)
    monkeypatch.setattr(overviews, "read_image", None)  # nothing is decoded
    for name in ("a.npy", "a.h5", "strip.tif"):
        assert read_size(tmp_path / name) == (450, 650)
    assert read_size(tmp_path / "a.ome.tif") == (20, 30)
    assert read_size(tmp_path / "pages.npy", page=1) == (20, 30)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    for read in (read_size, lambda path: read_overview(path, 10)):
        with pytest.raises(ImageReadError):
            read(tmp_path / "a.png")
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "missing.png")
