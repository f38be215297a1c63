"""Random patches of images, and the errors of images that are too small."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_resnet import ImageLoader
from sklearn_resnet.datasets import sample_patches

BOX = ["top", "left", "bottom", "right"]


@pytest.mark.parametrize(
    ("shape", "size", "patch_shape"),
    [((9, 12), 3, (3, 3)), ((9, 12, 3), (4, 5), (4, 5, 3)), ((5, 5, 3), 2, (2, 2, 3))],
)
def test_patches_are_parts_of_the_image(shape, size, patch_shape):
    image = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    patches = sample_patches(image, 8, size, random_state=0)
    assert patches.shape == (8, *patch_shape)
    assert patches.dtype == np.int16
    width = shape[1]
    n_channels = int(np.prod(shape[2:]))
    for patch in patches:
        row, column = divmod(int(patch.flat[0]) // n_channels, width)
        part = image[row : row + patch_shape[0], column : column + patch_shape[1]]
        np.testing.assert_array_equal(patch, part)
    assert len({patch.tobytes() for patch in patches}) > 1


def test_patches_of_a_file_are_those_of_its_pixels(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (9, 12, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    expected = sample_patches(pixels, 5, 4, random_state=3)
    for path in (tmp_path / "image.png", str(tmp_path / "image.png")):
        patches = sample_patches(path, 5, 4, random_state=3)
        assert patches.dtype == np.uint8
        np.testing.assert_array_equal(patches, expected)


def test_patches_of_an_image_of_pillow_are_those_of_its_colours():
    image = Image.new("RGB", (12, 9), "red").quantize(4)
    patches = sample_patches(image, 2, 4, random_state=0)
    np.testing.assert_array_equal(patches, np.tile(np.uint8([255, 0, 0]), (2, 4, 4, 1)))


def test_patches_are_repeated_by_their_random_state():
    image = np.random.RandomState(0).random_sample((30, 30))
    first, same, other = (sample_patches(image, 9, 4, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("n", "size", "message"),
    [
        (1, 10, "Got patches of 10 x 10 pixels for the image of 9 x 12 pixels instead"),
        (1, (3, 13), "patches of 3 x 13"),
        (81, (1, 4), None),
        (82, (1, 4), "The 'size' parameter must leave at least 82 different places"),
        (0, 3, "The 'n' parameter must be an int of at least 1. Got 0"),
        (1, 0, "The 'size' parameter must be .* Got 0"),
        (1, (3, 3, 3), r"The 'size' parameter must be .* Got \(3, 3, 3\)"),
    ],
)
def test_an_image_too_small_for_the_patches_is_an_error(n, size, message):
    image = np.zeros((9, 12))
    if message is None:
        assert len(sample_patches(image, n, size)) == n
        return
    with pytest.raises(ValueError, match=message):
        sample_patches(image, n, size)


def test_a_file_too_small_for_the_patches_is_named(tmp_path):
    Image.new("L", (4, 3)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="small.png' of 3 x 4 pixels"):
        sample_patches(tmp_path / "small.png", 1, 5)


def make_images():
    return [np.zeros((20, 30)), np.zeros((40, 60, 3)), np.zeros((10, 10))]


def test_patches_of_several_images_are_a_table():
    images = make_images()
    regions = sample_patches(images, 200, (8, 10), random_state=0)
    assert list(regions) == ["path", *BOX]
    assert (regions.dtypes[BOX] == np.int64).all()
    top, left, bottom, right = regions[BOX].to_numpy().T
    assert set(bottom - top) == {8}
    assert set(right - left) == {10}
    assert min(top.min(), left.min()) >= 0
    shapes = np.array([path.shape[:2] for path in regions["path"]])
    assert (bottom <= shapes[:, 0]).all()
    assert (right <= shapes[:, 1]).all()
    order = [next(i for i, image in enumerate(images) if image is path) for path in regions["path"]]
    assert order == sorted(order)
    assert len(ImageLoader(8).fit_transform(regions)) == 200


def test_all_places_of_all_images_are_equally_likely():
    images = [np.zeros((4, 3)), np.zeros((2, 5))]  # 3 * 2 and 1 * 4 places
    n_draws = 2000
    regions = pd.concat(
        [sample_patches(images, 10, 2, random_state=seed) for seed in range(n_draws)]
    )
    keys = [id(path) for path in regions["path"]]
    limits = [path.shape for path in regions["path"]]
    assert (regions[["bottom", "right"]].to_numpy() <= limits).all()
    counts = regions.assign(path=keys).groupby(["path", "top", "left"]).size()
    assert len(counts) == 10
    assert counts.between(n_draws * 0.9, n_draws * 1.1).all()


@pytest.mark.parametrize("wrap", [list, tuple, np.array, pd.Series])
def test_paths_of_several_images(tmp_path, wrap):
    pixels = np.random.RandomState(0).randint(0, 256, (9, 12, 3), np.uint8)
    paths = [str(tmp_path / f"{i}.png") for i in range(2)]
    for path in paths:
        Image.fromarray(pixels).save(path)
    regions = sample_patches(wrap(paths), 12, 4, random_state=0)
    assert sorted(set(regions["path"])) == paths
    expected = [pixels[t:b, left:r] for t, left, b, r in regions[BOX].to_numpy()]
    np.testing.assert_array_equal(ImageLoader().fit_transform(regions), expected)
    pd.testing.assert_frame_equal(regions, sample_patches(wrap(paths), 12, 4, random_state=0))


def test_one_image_in_a_list_is_a_table():
    assert len(sample_patches([np.zeros((9, 9))], 3, 4)) == 3


@pytest.mark.parametrize("image", [[[1, 2, 3]] * 3, [[[1, 2, 3]] * 4] * 3, [np.arange(3)] * 3])
def test_nested_lists_are_one_image(image):
    patches = sample_patches(image, 2, 2)
    assert patches.shape[:3] == (2, 2, 2)


@pytest.mark.parametrize(
    ("images", "n", "message"),
    [
        ([np.zeros((9, 9)), np.zeros((3, 9))], 1, r"images\[1\] of 3 x 9 pixels"),
        (
            [np.zeros((4, 4)), np.zeros((4, 5))],
            4,
            r"at least 4 different places .* images\[0\] and the others",
        ),
        ([np.zeros((9, 9))], 0, "The 'n' parameter must be an int of at least 1. Got 0"),
        ([np.zeros((9, 9))], 1.5, "The 'n' parameter must be an int of at least 1. Got 1.5"),
        ([], 1, "must be a list of paths or images. Got an empty sequence"),
        ([np.zeros((9, 9)), "no.png"], 1, "'no.png' does not exist"),
        ([np.zeros((9, 9)), 3], 1, r"images\[1\] must be a path or an image. Got the number 3"),
    ],
)
def test_images_too_small_for_the_patches_are_errors(images, n, message):
    with pytest.raises(ValueError, match=message):
        sample_patches(images, n, 4)


def test_patches_need_a_size():
    with pytest.raises(ValueError, match="The 'size' parameter must be an int .* Got None"):
        sample_patches(np.zeros((9, 9)), 1, None)
