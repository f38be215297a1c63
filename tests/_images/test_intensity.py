"""Value ranges: inferred, checked and applied; and their warnings."""

import numpy as np
import pytest
import skimage.util

from sklearn_resnet._images.intensity import (
    check_value_range,
    find_value_range,
    to_uint8,
    warn_about_another_range,
    warn_about_values_outside,
)
from sklearn_resnet._runtime.errors import ParameterError


@pytest.mark.parametrize(
    ("dtype", "max_value", "white"),
    [
        (bool, 0, 1),
        (np.uint8, 3, 255),
        (np.uint16, 3, 65_535),
        (">u2", 3, 65_535),
        (np.int8, 3, 127),
        (np.int16, 255, 255),
        (np.int16, 256, 32_767),
        (np.int32, 255, 255),
        (np.int32, 256, 65_535),
        (np.int32, 65_536, 2**31 - 1),
        (np.uint32, 2**32 - 1, 2**32 - 1),
        (np.int64, 255, 255),
        (np.int64, 2**63 - 1, 2.0**63),
        (np.uint64, 2**64 - 1, 2.0**64),
        (np.float16, 1, 1),
        (np.float32, 1, 1),
        (np.float64, 1.001, 255),
        (np.float64, 1000, 255),
    ],
)
def test_find_value_range(dtype, max_value, white):
    assert find_value_range(np.array([[0, max_value]], dtype)) == (0, white)


@pytest.mark.parametrize("dtype", [complex, object, str, "datetime64[s]"])
def test_other_dtypes_have_no_value_range(dtype):
    with pytest.raises(TypeError, match=r"bool, integer or float dtype\. Got "):
        find_value_range(np.zeros((2, 2)).astype(dtype))


@pytest.mark.parametrize(
    ("values", "dtype", "value_range", "expected"),
    [
        ([False, True], bool, (0, 1), [0, 255]),
        ([0, 51, 255], np.uint8, (0, 255), [0, 51, 255]),
        ([0, 1], np.uint8, (0, 1), [0, 255]),
        ([100, 150, 200], np.uint8, (100, 200), [0, 128, 255]),
        ([50, 250], np.uint8, (100, 200), [0, 255]),
        ([0, 127], np.int8, (0, 127), [0, 255]),
        ([-5, 0, 300], np.int64, (0, 255), [0, 0, 255]),
        ([0, 2**31, 2**32 - 1], np.uint32, (0, 2**32 - 1), [0, 128, 255]),
        ([0, 0.2, 1, 7], np.float16, (0, 1), [0, 51, 255, 255]),
        ([0.4, 0.6, 254.6], np.float32, (0, 255), [0, 1, 255]),
        ([-1, -0.6, 1], np.float64, (-1, 1), [0, 51, 255]),
    ],
)
def test_to_uint8_scales_rounds_and_clips(values, dtype, value_range, expected):
    images = np.array(values, dtype)
    images.flags.writeable = False
    converted = to_uint8(images, value_range)
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, expected)


def test_to_uint8_of_every_16_bit_value():
    values = np.arange(65_536, dtype=np.uint16).reshape(16, 16, 256)
    expected = np.rint(values / 257)
    np.testing.assert_array_equal(to_uint8(values, (0, 65_535)), expected)


def test_to_uint8_copies_nothing_that_needs_no_scaling():
    images = np.arange(12, dtype=np.uint8)
    assert to_uint8(images, (0.0, 255.0)) is images


def test_integers_are_not_scanned_for_values_outside_their_range():
    class Unscanned(np.ndarray):
        def min(self, *args, **kwargs):
            raise AssertionError("scanned")

        max = min

    warn_about_values_outside([np.zeros((2, 3, 3), np.uint8).view(Unscanned)], (0, 255), "")
    with pytest.raises(AssertionError, match="scanned"):
        warn_about_values_outside([np.zeros((2, 3, 3)).view(Unscanned)], (0, 255), "")


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, 1, 2), ("a", "b"), (0, None)])
def test_an_invalid_value_range_is_an_error_of_the_parameter(value_range):
    with pytest.raises(ParameterError, match="black less than white") as caught:
        check_value_range(value_range)
    assert caught.value.parameter == "value_range"


def test_another_white_level_is_warned_about():
    with pytest.warns(UserWarning, match="from 0 to 255, but fit saw values .* to 1"):
        warn_about_another_range((0.0, 255.0), (0.0, 1.0))
    warn_about_another_range((0.0, 1.0), (0.0, 1.0))


def test_floats_outside_their_range_are_warned_about():
    with pytest.warns(
        UserWarning, match=r"from -1 to 2, but the value range is 0 to 1\. Mend it\."
    ):
        warn_about_values_outside([np.array([-1.0, 2.0])], (0, 1), "Mend it.")


@pytest.mark.parametrize("values", [[-0.5, 1.0], [0.0, 1.5]])
def test_floats_outside_either_end_are_warned_about_once(values):
    arrays = [np.array([0.5]), np.array(values), np.array(values)]
    with pytest.warns(UserWarning, match="but the value range is 0 to 1") as caught:
        warn_about_values_outside(arrays, (0, 1), "")
    assert len(caught) == 1


def test_floats_within_their_range_are_not_warned_about():
    warn_about_values_outside([np.array([0.0, 1.0])], (0, 1), "")


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float64])
def test_values_just_below_and_above_a_half_are_rounded_apart(dtype):
    """Single precision cannot tell them apart."""
    white = 2**31 - 1
    halves = [(2 * level + 1) * white / 510 for level in range(255)]
    below, above = (np.array([int(half) + i for half in halves], dtype) for i in (0, 1))
    np.testing.assert_array_equal(to_uint8(below, (0, white)), np.arange(255))
    np.testing.assert_array_equal(to_uint8(above, (0, white)), np.arange(1, 256))


def test_the_range_of_a_list_is_that_of_its_brightest_image():
    images = [np.full((2, 2), value) for value in (0.5, 200.0, 0.25)]
    assert find_value_range(images) == (0, 255)
    assert find_value_range(images[::2]) == (0, 1)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
def test_to_uint8_agrees_with_scikit_image(dtype):
    images = np.random.default_rng(0).random((3, 20, 20)) > 0.5
    if dtype is not bool:
        images = np.random.default_rng(0).random((3, 20, 20)).astype(dtype)
    np.testing.assert_array_equal(to_uint8(images, (0, 1)), skimage.util.img_as_ubyte(images))
