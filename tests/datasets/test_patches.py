"""Random patches of an image, and the errors of images that are too small."""

import numpy as np
import pytest
from PIL import Image

from sklearn_resnet.datasets import sample_patches


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
        (0, 3, "The 'n' parameter must be at least 1. Got 0"),
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
