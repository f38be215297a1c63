"""The parameters that choose and rescale channels, and the percentiles of a collection."""

import numpy as np
import pytest

from sklearn_resnet._images.rescaling import (
    check_channel_choice,
    learn_ranges,
    resolve_rescale,
)


@pytest.mark.parametrize(
    ("rescale", "value_range", "expected"),
    [
        (None, None, (None, None)),
        (None, (0, 4095), ((0.0, 4095.0), None)),
        ((-100, 400), None, ((-100.0, 400.0), None)),
        ([-0.5, 0.5], None, ((-0.5, 0.5), None)),
        ("percentile", None, (None, ("percentile", 0.1, 99.9))),
        (("percentile", 0, 100), None, (None, ("percentile", 0.0, 100.0))),
        (["percentile", 1, 99], None, (None, ("percentile", 1.0, 99.0))),
        ("window", None, (None, ("window",))),
    ],
)
def test_rescale_and_value_range_say_the_same_in_one_form(rescale, value_range, expected):
    assert resolve_rescale(rescale, value_range) == expected


@pytest.mark.parametrize(
    "rescale",
    [
        (1, 1),
        (2, 1),
        (0, 1, 2),
        (),
        (0, "1"),
        ("percentile",),
        ("percentile", 1),
        ("percentile", 99, 1),
        ("percentile", 50, 50),
        ("percentile", -1, 99),
        ("percentile", 1, 100.5),
        ("percentile", "1", "99"),
        ("window", 1, 99),
        (np.nan, 1),
    ],
)
def test_an_invalid_rescale_is_an_error(rescale):
    with pytest.raises(ValueError, match="The 'rescale' parameter must be None, \\(low, high\\)"):
        resolve_rescale(rescale, None)


def test_rescale_and_value_range_exclude_each_other():
    with pytest.raises(ValueError, match="must be None if value_range is given"):
        resolve_rescale("percentile", (0, 1))


@pytest.mark.parametrize("channels", [[0], ("DAPI", 2, 1), [0, 0, 0], [-1, 0, 1], [np.int64(2)]])
@pytest.mark.parametrize("mode", ["RGB", "L", "channels"])
def test_channels_are_indices_and_names(channels, mode):
    assert check_channel_choice(channels, mode) == tuple(channels)


def test_without_a_choice_all_channels_are_taken():
    assert check_channel_choice(None, "RGB") is None


@pytest.mark.parametrize("channels", [[], [1.5], [True], [None], [[0, 1]], [b"DAPI"]])
def test_an_invalid_choice_of_channels_is_an_error(channels):
    with pytest.raises(ValueError, match="must be None or a list of channels, each an index or a"):
        check_channel_choice(channels, "channels")


def test_an_image_in_colour_has_three_channels_or_a_grey_one():
    assert check_channel_choice([0, 1], "channels") == (0, 1)
    with pytest.raises(ValueError, match="must be a list of 3 channels, or of 1 for grey"):
        check_channel_choice([0, 1], "RGB")


def test_the_range_of_a_collection_is_that_of_the_values_of_all_its_images():
    rng = np.random.default_rng(0)
    samples = [[rng.integers(0, 100 + 900 * i, 500), rng.normal(i, 1, 300)] for i in range(3)]
    expected = [
        np.percentile(np.concatenate([image[i] for image in samples]), [1, 99]) for i in (0, 1)
    ]
    np.testing.assert_array_equal(learn_ranges(samples, (1, 99)), expected)


def test_a_grey_image_counts_for_all_colours():
    colour = [np.array([0, 10]), np.array([0, 20]), np.array([0, 30])]
    ranges = learn_ranges([colour, [np.array([5, 100])]], (0, 100))
    np.testing.assert_array_equal(ranges, [[0, 100]] * 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([7, 7, 7], [7, 8]), ([], [0, 1]), ([0] * 9999 + [5], [0, 1]), ([1, 3], [1, 2.98])],
)
def test_a_constant_channel_has_a_range_too(values, expected):
    ranges = learn_ranges([[np.array(values, int)]], (0, 99))
    np.testing.assert_allclose(ranges, [expected])
