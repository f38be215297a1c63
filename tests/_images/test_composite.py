"""Composites of channels: their colours, ranges, and values that are missing."""

import numpy as np
import pytest

from sklearn_resnet._images.composite import choose_rendering, make_composite, render

CYAN, MAGENTA, YELLOW = (0, 255, 255), (255, 0, 255), (255, 255, 0)
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def blobs(n_channels, dtype=np.uint16, high=4000, n=3, side=40):
    """Images with a bright square of each channel in a place of its own."""
    images = np.full((n, side, side, n_channels), 100, dtype)
    for i in range(n_channels):
        top, left = divmod(i, 6)
        images[:, 6 * top : 6 * top + 5, 6 * left : 6 * left + 5, i] = high
    return images


def color_at(image, channel):
    top, left = divmod(channel, 6)
    return tuple(image[6 * top + 2, 6 * left + 2].tolist())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int32, np.float64])
def test_each_channel_has_its_colour_on_black(dtype):
    images = make_composite(blobs(3, dtype, 200), ["actin", "tubulin", "lamin"])
    for image in images:
        assert image.shape == (40, 40, 3)
        assert image.dtype == np.uint8
        assert [color_at(image, i) for i in range(3)] == [CYAN, MAGENTA, YELLOW]
        assert not image[30:].any()


@pytest.mark.parametrize("n_channels", [2, 4, 5, 6, 7, 12, 36])
def test_any_number_of_channels_has_different_bright_colours(n_channels):
    image = make_composite(blobs(n_channels))[0]
    colors = {color_at(image, i) for i in range(n_channels)}
    assert len(colors) == n_channels
    assert min(max(color) for color in colors) == 255


@pytest.mark.parametrize(
    ("names", "colors"),
    [
        (["B", "G", "R"], [(0, 0, 255), (0, 255, 0), (255, 0, 0)]),
        (["Red", "actin"], [RED, CYAN]),
        (["Red", "GFP"], [RED, GREEN]),
        (["1", "2", "3", "lamin", "Red"], [CYAN, MAGENTA, YELLOW, GREEN, RED]),
        (["actin", "DAPI", "EGFP"], [CYAN, BLUE, GREEN]),
        (["mCherry", "gfp", "Hoechst 33342"], [RED, GREEN, BLUE]),
        (["Alexa Fluor 488", "AF568", "alexa_647", "A594"], [GREEN, RED, MAGENTA, CYAN]),
        (["Cy3", "GFP-tubulin", "TL", "Cy5"], [RED, GREEN, GREY, MAGENTA]),
        (["Phase contrast", "fitc", "BF"], [GREY, GREEN, CYAN]),
        (["dapix", "Far red", "indices"], [CYAN, MAGENTA, YELLOW]),
        (None, [(255, 0, 0), (0, 255, 0), (0, 0, 255)]),
        (["4", "2", "0"], [(255, 0, 0), (0, 255, 0), (0, 0, 255)]),
    ],
)
def test_names_give_colours(names, colors):
    image = make_composite(blobs(len(colors)), names)[0]
    assert [color_at(image, i) for i in range(len(colors))] == colors


def test_three_dyes_are_stretched():
    """Their colours are those of a photo, but they are none."""
    images = blobs(3, np.uint8, 200)
    assert color_at(make_composite(images, ["RFP", "GFP", "DAPI"])[0], 1) == GREEN
    assert color_at(make_composite(images, ["R", "G", "B"])[0], 1) == (100, 200, 100)


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 5, 5, 1), (2, 5, 5, 3)])
def test_bytes_of_grey_and_rgb_are_shown_as_they_are(shape):
    images = np.random.default_rng(0).integers(20, 90, shape, dtype=np.uint8)
    expected = np.broadcast_to(images.reshape(2, 5, 5, -1), (2, 5, 5, 3))
    np.testing.assert_array_equal(make_composite(images), expected)


def test_one_channel_is_grey_and_stretched():
    images = np.linspace(1000, 1500, 10_000, dtype=np.float32).reshape(1, 100, 100)
    (image,) = make_composite(images)
    assert (image == image[..., :1]).all()
    np.testing.assert_allclose(image[50, 0], 127, atol=2)
    assert (image[0] == 0).all()
    assert (image[-1, -1] == 255).all()


def test_the_range_is_that_of_all_images():
    images = blobs(2)
    images[1] = (images[1] - 100) // 4 + 100  # a quarter as bright
    first, second, _ = make_composite(images)
    assert color_at(first, 1) == MAGENTA
    np.testing.assert_allclose(color_at(second, 1), (64, 0, 64), atol=1)


def test_one_hot_pixel_does_not_darken_the_images():
    images = blobs(2)
    images[0, 39, 39] = 65535
    assert color_at(make_composite(images)[0], 0) == CYAN


def test_a_few_bright_spots_on_a_constant_are_seen():
    images = np.zeros((1, 100, 100, 2), np.uint16)
    images[0, 50, 50, 0] = 300  # less than a 500th of the pixels
    (image,) = make_composite(images)
    assert tuple(image[50, 50]) == CYAN
    assert not image[:50].any()


@pytest.mark.parametrize("value", [0, 7, -7, 2.0**60, np.nan, np.inf])
def test_constant_channels_are_black(value):
    images = np.full((2, 4, 4, 2), value, np.float32)
    images[..., 1] = np.nan
    assert not np.any(make_composite(images))


def test_pixels_without_data_are_black_and_left_out_of_the_range():
    values = np.linspace(280, 300, 1600, dtype=np.float32).reshape(1, 40, 40, 1)
    images = np.concatenate([values, values[:, ::-1]], axis=3)
    with_gaps = images.copy()
    with_gaps[:, :, :20] = 0
    with_gaps[:, :, 20:22] = np.nan
    with_gaps[:, 0, 39] = np.inf
    (image,) = make_composite(with_gaps)
    assert not image[:, :22].any()
    assert not image[0, 39].any()
    np.testing.assert_allclose(image[1:, 22:39], make_composite(images)[0][1:, 22:39], atol=4)


def test_channels_that_all_show_the_same_are_not_washed_out():
    """As the bands of a satellite do: their sum keeps the contrast of one of them."""
    band = np.linspace(0, 1000, 10_000, dtype=np.float32).reshape(1, 100, 100, 1) + 1
    (image,) = make_composite(np.repeat(band, 8, axis=3))
    rows = image.max(axis=(1, 2))
    np.testing.assert_allclose(rows[50], 127, atol=3)
    assert (np.diff(rows.astype(int)) >= 0).all()
    assert (rows == 255).mean() < 0.02


def test_a_known_range_is_kept():
    sample = np.full((1, 4, 4, 2), [0.25, 0.5])
    rendering = choose_rendering(sample, ["actin", "tubulin"], (0.0, 1.0))
    # cyan and magenta share blue, whose sum stays below white
    assert tuple(render(sample[0], rendering)[0, 0]) == (128, 64, 191)


def test_images_of_several_sizes_share_a_range():
    small, large = blobs(2, n=1, side=15)[0], blobs(2, n=1, side=40)[0]
    found = make_composite([small, large])
    assert [image.shape for image in found] == [(15, 15, 3), (40, 40, 3)]
    assert color_at(found[0], 0) == color_at(found[1], 0) == CYAN


def test_values_of_32_bits_keep_their_differences():
    images = np.array([2**31 - 4, 2**31 - 3, 2**31 - 2], np.uint32).repeat(100).reshape(1, 3, 100)
    (image,) = make_composite(images)
    np.testing.assert_allclose(image[:, 0, 0], [0, 128, 255], atol=2)


def test_the_same_pixels_are_drawn_each_time():
    images = np.random.default_rng(1).integers(0, 4096, (2, 700, 700, 2), dtype=np.uint16)
    first, second = choose_rendering(images), choose_rendering(images)
    np.testing.assert_array_equal(first.ranges, second.ranges)
    np.testing.assert_allclose(first.ranges, [[41, 4087]] * 2, atol=8)
