"""Scientific images from files to features: channels, depths, and a class that one channel tells."""

import numpy as np
import pytest
import tifffile
from cells import CHANNELS, WHITE, make_cells
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_resnet import ImageLoader, ResNetFeatures

SEPARATE = {"layers": 16, "channels": "separate", "weights": "procedural", "cache": None}


def write_planar(path, image):
    names = {"axes": "CYX", "Channel": {"Name": [f"dye {i}" for i in range(image.shape[2])]}}
    tifffile.imwrite(path, np.moveaxis(image, -1, 0), metadata=names, ome=True)


def write_interleaved(path, image):
    tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig")


def write_pyramid(path, image):
    planes = np.moveaxis(image, -1, 0)
    with tifffile.TiffWriter(path, ome=True) as file:
        options = {"tile": (16, 16), "photometric": "minisblack"}
        file.write(planes, subifds=1, metadata={"axes": "CYX"}, **options)
        file.write(planes[:, ::2, ::2], subfiletype=1, **options)


def write_imagej(path, image):
    planes = np.moveaxis(image, -1, 0)
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "CYX"})


@pytest.mark.parametrize("n_channels", [5, 40])
@pytest.mark.parametrize("write", [write_planar, write_interleaved, write_pyramid, write_imagej])
def test_pixels_are_those_of_tifffile_and_features_those_of_each_channel_alone(
    tmp_path, write, n_channels
):
    rng = np.random.default_rng(0)
    stored = rng.integers(0, WHITE + 1, (2, 48, 40, n_channels), dtype=np.uint16)
    paths = [str(tmp_path / f"{i}.ome.tif") for i in range(2)]
    for path, image in zip(paths, stored, strict=True):
        write(path, image)
        first = tifffile.imread(path)
        np.testing.assert_array_equal(
            first if write is write_interleaved else np.moveaxis(first, 0, -1), image
        )
    images = ImageLoader(mode="channels").fit_transform(paths)
    assert images.dtype == np.uint16
    np.testing.assert_array_equal(images, stored)

    lazy = ImageLoader(mode="channels", lazy=True).fit_transform(paths)
    resnet = ResNetFeatures(value_range=(0, WHITE), **SEPARATE)
    features = resnet.fit_transform(lazy)
    parts = np.split(features, n_channels, axis=1)
    grey = ResNetFeatures(16, value_range=(0, WHITE), weights="procedural", cache=None)
    for i in (0, 3, n_channels - 1):
        np.testing.assert_array_equal(parts[i], grey.fit_transform(stored[..., i]))
    prefix = "dye 0_" if write is write_planar else "channel0_"
    assert resnet.get_feature_names_out()[0].startswith(prefix)


def test_twelve_bits_are_scaled_to_the_whole_range(tmp_path):
    stored = np.arange(4096, dtype=np.uint16).reshape(1, 64, 64)
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, stored[0])
    images = ImageLoader(mode="channels", rescale=(0, WHITE)).fit_transform([path])
    expected = np.rint(stored[..., np.newaxis] * (65535 / WHITE))
    np.testing.assert_array_equal(images, expected)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    images, y = make_cells(120)
    paths = [str(folder / f"{i}.ome.tif") for i in range(len(images))]
    metadata = {"axes": "CYX", "Channel": {"Name": list(CHANNELS)}}
    for path, image in zip(paths, images, strict=True):
        tifffile.imwrite(path, np.moveaxis(image, -1, 0), metadata=metadata)
    return paths, y


@pytest.mark.parametrize(
    ("channels", "low", "high"),
    [
        (None, 0.9, 1),
        (["mitochondria"], 0.9, 1),
        (["DAPI", "actin", "tubulin"], 0, 0.4),
        ([0, 1, 2, 4], 0, 0.4),  # there are four classes
    ],
)
def test_a_class_in_one_channel_is_found_with_this_channel_only(cells, channels, low, high):
    paths, y = cells
    loader = ImageLoader(mode="channels", channels=channels, rescale="percentile", lazy=True)
    features = ResNetFeatures(51, channels="separate", weights="procedural").fit_transform(
        loader.fit_transform(paths)
    )
    score = cross_val_score(KNeighborsClassifier(5), features, y, cv=5).mean()
    assert low <= score <= high
