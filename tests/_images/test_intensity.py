"""Value ranges: inferred, checked and applied; and their warnings."""

import pickle
import warnings

import numpy as np
import pytest
import skimage.util

from sklearn_resnet._images.intensity import (
    ValueRangeWarning,
    check_value_range,
    infer_list_range,
    infer_value_range,
    is_nearly_black,
    to_uint8,
    unify_scales,
    warn_about_another_range,
    warn_about_inferred,
)
from sklearn_resnet._runtime.errors import ParameterError


@pytest.mark.parametrize(
    ("dtype", "max_value", "white"),
    [
        (bool, 0, 1),
        (np.uint8, 0, 255),
        (np.uint8, 1, 1),
        (np.uint8, 2, 255),
        (np.uint8, 3, 255),
        (np.uint16, 0, 65_535),
        (np.uint16, 1, 1),
        (np.uint16, 3, 65_535),
        (">u2", 3, 65_535),
        (">u2", 1, 1),
        (np.int8, 1, 1),
        (np.int8, 3, 127),
        (np.int16, 255, 255),
        (np.int16, 256, 32_767),
        (">i2", 256, 32_767),
        (np.int32, 0, 255),
        (np.int32, 1, 1),
        (np.int32, 255, 255),
        (np.int32, 256, 65_535),
        (np.int32, 65_536, 2**31 - 1),
        (np.uint32, 1, 1),
        (np.uint32, 2**32 - 1, 2**32 - 1),
        (np.int64, 255, 255),
        (np.int64, 2**63 - 1, 2.0**63),
        (np.uint64, 2**64 - 1, 2.0**64),
        (np.float16, 1, 1),
        (np.float32, 1, 1),
        (np.float64, 1.001, 1),
        (np.float32, 1.25, 1),
        (">f4", 17, 255),
        (np.float64, 255.4, 255),
        (np.float64, 300, 255),
    ],
)
def test_infer_value_range(dtype, max_value, white):
    inferred = infer_value_range(np.array([[0, max_value]], dtype))
    assert inferred.value_range == inferred.of_file == (0, white)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65_535), (np.int32, 1)])
def test_bytes_that_are_all_1_are_dark_not_a_mask(dtype, white):
    ones = np.ones((2, 2), dtype)
    assert infer_value_range(ones).value_range == (0, white)
    assert infer_value_range(iter([ones, ones * 0])).value_range == (0, 1)


@pytest.mark.parametrize(
    ("bits", "values", "white"),
    [(12, [0, 4095], 4095), (10, [5], 1023), (12, [0, 1], 1), (1, [0, 1], 1), (16, [2], 65_535)],
)
def test_significant_bits_set_the_white_level(bits, values, white):
    assert infer_value_range(np.array([values], np.uint16), bits=bits).value_range == (0, white)


def test_significant_bits_of_wide_integers_set_the_white_level():
    inferred = infer_value_range(np.array([[7]], np.uint32), bits=24)
    assert inferred.value_range == (0, 2**24 - 1)


@pytest.mark.parametrize(
    ("dtype", "values", "white"),
    [
        (np.int16, [-1024, 3071], 32_767),
        (np.int8, [-1, 100], 127),
        (np.int32, [-3, 8848], 65_535),
        (np.int64, [-1, 1], 1),
        (np.float32, [-1, 1], 1),
        (np.float64, [-0.26, 1], 1),
        (np.float64, [0, 1.26], 255),
        (np.float64, [0, 4], 255),
        (np.float16, [0, 16], 255),
        (np.float64, [-64, 255], 255),
        (np.float64, [0, 319], 255),
        (np.float64, [0, 1000], 255),
    ],
)
def test_values_that_fit_several_ranges_are_a_guess(dtype, values, white):
    inferred = infer_value_range(np.array([values], dtype))
    assert inferred.is_guess
    assert inferred.value_range == (0, white)
    assert inferred.of_file == (values[0], values[1])
    with pytest.warns(UserWarning, match=rf"X holds values .* to {white}[:.] .* Pass value_range="):
        warn_about_inferred(inferred, "So what.")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_have_no_range(value):
    with pytest.raises(ValueError, match="it holds NaN or infinity"):
        infer_value_range(np.array([[0.5, value]])).of_file  # noqa: B018


@pytest.mark.parametrize("dtype", [complex, object, str, "datetime64[s]"])
def test_other_dtypes_have_no_value_range(dtype):
    with pytest.raises(TypeError, match=r"bool, integer or float dtype\. Got "):
        infer_value_range(np.zeros((2, 2)).astype(dtype))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_blocks_have_the_range_of_the_whole(dtype):
    """The brightest block comes last."""
    values = np.linspace(0, 250, 1000).astype(dtype).reshape(10, 10, 10)
    inferred = infer_value_range(values[i : i + 3] for i in range(0, 10, 3))
    assert inferred == infer_value_range(values)
    assert inferred.extent.max == 250
    assert inferred.value_range == (0, 65_535 if dtype == np.uint16 else 255)


def test_no_pixels_are_blank():
    assert infer_value_range(np.zeros((0, 3), np.float32)).is_blank
    assert infer_value_range(iter([])).is_blank


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.linspace(0, 1, 200), False),
        (np.r_[-0.03, np.linspace(0, 1, 298), 1.2], False),
        (np.r_[-0.03, np.linspace(0, 1, 98), 1.2], True),
        (np.r_[np.linspace(0, 255, 299), 260], False),
        (np.r_[np.linspace(0, 255, 98), 260, -9], True),
    ],
)
def test_more_than_a_trace_of_overshoot_is_warned_about(values, told):
    """Interpolation leaves some values below black and above white."""
    for part in (values, iter(np.split(values, 2))):
        inferred = infer_value_range(part)
        assert not inferred.is_guess
        assert inferred.overshoots == told
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_about_inferred(inferred)
    assert ["but the value range is 0 to" in str(w.message) for w in caught] == [True] * told


def test_overshoot_of_a_dark_block_is_none_of_the_whole():
    values = np.full((2, 100), 1.2)
    values[1] = 200
    assert infer_value_range(values[:1]).overshoots
    assert not infer_value_range(iter(values)).overshoots


@pytest.mark.parametrize(
    ("dtype", "max_value", "bits", "is_dark"),
    [
        (np.uint8, 2, None, False),
        (np.int8, 2, None, False),
        (np.uint16, 4095, None, True),
        (np.uint16, 4097, None, False),
        (np.uint16, 4095, 12, False),
        (np.uint16, 255, 12, True),
        (np.int32, 3000, None, True),
        (np.int64, 16, None, True),
        (np.int64, 17, None, False),
        (np.float32, 0.06, None, True),
        (np.float32, 0.07, None, False),
        (np.float32, 0, None, False),
        (np.uint16, 1, None, False),
    ],
)
def test_images_below_a_sixteenth_of_white_are_dark(dtype, max_value, bits, is_dark):
    inferred = infer_value_range(np.array([[0, max_value]], dtype), bits=bits)
    assert inferred.is_dark == is_dark
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_about_inferred(inferred)
    assert ["the images are nearly black" in str(w.message) for w in caught] == [True] * is_dark
    remedy = (
        "Pass value_range=(black, white), or rescale='percentile' to ImageLoader, to change this."
    )
    assert all(str(w.message).endswith(remedy) for w in caught)


@pytest.mark.parametrize(
    ("dtype", "high"), [(np.uint8, 16), (np.uint16, 4096), (np.float32, 1 / 16)]
)
def test_an_image_below_a_sixteenth_of_white_is_nearly_black(dtype, high):
    image = np.zeros((2, 2, 3), dtype)
    assert is_nearly_black(image)
    image[1, 1, 1] = high
    assert is_nearly_black(image)
    image[1, 1, 1] = high * 1.07
    assert not is_nearly_black(image)


def test_a_warning_survives_pickling():
    warning = ValueRangeWarning("It is black.", is_dark=True)
    assert str(pickle.loads(pickle.dumps(warning))) == str(warning)


class Counted(np.ndarray):
    """Counts the values that its maxima have seen."""

    seen = 0

    def max(self, *args, **kwargs):
        Counted.seen += self.size
        return super().max(*args, **kwargs)

    def min(self, *args, **kwargs):
        raise AssertionError("scanned")


@pytest.mark.parametrize(("dtype", "bright"), [(np.uint8, 2), (np.uint16, 5000)])
def test_integers_of_known_white_are_scanned_up_to_a_bright_value(dtype, bright):
    images = np.zeros((100, 256, 256), dtype).view(Counted)
    images[30, 0, 0] = bright
    Counted.seen = 0
    assert infer_value_range(images).extent.max == bright
    assert 30 * 256**2 < Counted.seen < 60 * 256**2


def test_further_blocks_are_not_read_after_a_bright_value():
    def read():
        yield np.zeros((2, 2), np.uint16)
        yield np.full((2, 2), 9000, np.uint16)
        pytest.fail("read")

    assert infer_value_range(read()).value_range == (0, 65_535)


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


@pytest.mark.parametrize(
    "value_range", [(1, 0), (0, 0), (0, 1, 2), ("a", "b"), (0, None), (0, np.inf), (np.nan, 1)]
)
def test_an_invalid_value_range_is_an_error_of_the_parameter(value_range):
    with pytest.raises(ParameterError, match="black less than white") as caught:
        check_value_range(value_range)
    assert caught.value.parameter == "value_range"


def infer(*values, dtype=float):
    return infer_value_range(np.array([values], dtype))


@pytest.mark.parametrize(
    ("inferred", "fitted_white", "seen"),
    [
        (infer(200.0), 1, "from 0 to 255"),
        (infer(0.5), 255, "from 0 to 1"),
        (infer(0, 1, dtype=np.uint8), 255, "from 0 to 1"),
        (infer(9, dtype=np.uint8), 1, "from 0 to 255"),
        (infer(9, dtype=np.uint8), 65_535, "from 0 to 255"),
        (infer(-2, 2), 1, "from -2 to 2"),
        (infer(-1, 1), 1, "from -1 to 1"),
        (infer(0, 1000), 255, "from 0 to 1000"),
        (infer(-1000, 100, dtype=np.int16), 255, "from -1000 to 100"),
        (infer(0, 5), 1, "from 0 to 5"),
    ],
)
def test_another_range_is_warned_about(inferred, fitted_white, seen):
    with pytest.warns(UserWarning, match=f"{seen}, but fit saw values .* to {fitted_white}"):
        warn_about_another_range(inferred, (0.0, fitted_white), (0.0, fitted_white))


@pytest.mark.parametrize(
    ("inferred", "fitted_white"),
    [
        (infer(0.5), 1),
        (infer(0, 1.2), 1),
        (infer(12.0), 255),
        (infer(0.0), 255),
        (infer(0, dtype=np.uint8), 1),
        (infer(9, dtype=np.uint8), 255),
    ],
)
def test_images_that_fit_the_range_of_fit_are_not_warned_about(inferred, fitted_white):
    warn_about_another_range(inferred, (0.0, fitted_white), (0.0, fitted_white))


def test_a_guess_is_compared_with_the_values_in_fit():
    fitted = infer(-3.1, 2.9)
    assert fitted.seen == (-3.1, 255)
    warn_about_another_range(infer(-3.5, 2.7), fitted.value_range, fitted.seen)
    with pytest.warns(UserWarning, match="from -99 to 2, but fit saw values from -3.1 to 255"):
        warn_about_another_range(infer(-99, 2), fitted.value_range, fitted.seen)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.float64])
def test_values_just_below_and_above_a_half_are_rounded_apart(dtype):
    """Single precision cannot tell them apart."""
    white = 2**31 - 1
    halves = [(2 * level + 1) * white / 510 for level in range(255)]
    below, above = (np.array([int(half) + i for half in halves], dtype) for i in (0, 1))
    np.testing.assert_array_equal(to_uint8(below, (0, white)), np.arange(255))
    np.testing.assert_array_equal(to_uint8(above, (0, white)), np.arange(1, 256))


def test_the_range_of_a_file_of_one_value_is_not_empty():
    assert infer(900, 1000).of_file == (900, 1000)
    assert infer(-3, -3).of_file == (-3, -2)


def test_the_range_of_a_list_is_that_of_its_brightest_image():
    images = [np.full((2, 2), value) for value in (0.5, 200.0, 0.25)]
    assert infer_list_range(images).value_range == (0, 255)
    assert infer_list_range(images[::2]).value_range == (0, 1)
    assert infer_list_range([images[0], images[1].astype(np.uint8)]).value_range == (0, 255)


def test_a_doubt_about_an_image_of_a_list_is_kept():
    signed, photo = np.array([[-5, 100]], np.int16), np.full((2, 2), 200, np.uint8)
    for images in ([signed, photo], [photo, signed]):
        assert infer_list_range(images).is_guess


def test_black_images_of_a_list_fit_any_range():
    black = np.zeros((2, 2))
    assert infer_list_range([black, np.full((2, 2), 9, np.uint8)]).value_range == (0, 255)


def test_images_of_several_scales_are_converted_by_their_dtypes():
    values = np.array([[0, 51, 255]])
    images = [
        values.astype(np.uint8),
        values / 255,
        (values / 255).astype(np.float32),
        (values * 257).astype(np.uint16),
        values > 99,
        values * 0.0,
    ]
    found = unify_scales(images, reset=True)
    assert all(image.dtype == np.uint8 for image in found)
    for image in found[:4]:
        np.testing.assert_array_equal(image, values)
    np.testing.assert_array_equal(found[4], [[0, 0, 255]])
    assert not found[5].any()


def test_a_dark_image_is_converted_by_the_white_level_of_its_dtype():
    photo = np.full((2, 2), 0.5)
    dark, bright = np.full((2, 2), 100, np.int32), np.full((2, 2), 25_700, np.int32)
    assert (unify_scales([photo, dark, bright], reset=False)[1] == 0).all()
    assert (unify_scales([photo, dark], reset=False)[1] == 100).all()


@pytest.mark.parametrize(
    "images",
    [
        [np.full((2, 2), 9, np.uint8), np.full((2, 2), 9, np.int16)],
        [np.full((2, 2), 0.9), np.full((2, 2), 0.9, np.float32)],
        [np.full((2, 2), 9, np.uint8), np.zeros((2, 2))],
        [np.full((2, 2), 9, np.uint8), np.full((2, 2), 0.5), np.full((2, 2), np.nan, np.float32)],
    ],
)
def test_images_of_one_scale_are_left_as_they_are(images):
    assert unify_scales(images, reset=True) is images


def test_floats_of_two_scales_are_warned_about_by_fit():
    images = [np.full((2, 2), value) for value in (0.0, 0.5, 200.0, 0.25)]
    with pytest.warns(
        UserWarning, match=r"up to 0\.5 in image 1, and up to 200 in image 2: .* 255"
    ):
        assert unify_scales(images, reset=True) is images
    assert unify_scales(images, reset=False) is images
    assert unify_scales([images[1], images[2] / 20], reset=True)


def test_a_doubt_about_a_dtype_is_told_before_it_is_converted():
    with pytest.warns(UserWarning, match="values from -9 to 0.5, but"):
        unify_scales([np.full((2, 2), 9, np.uint8), np.array([[-9, 0.5]])], reset=False)


@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
def test_to_uint8_agrees_with_scikit_image(dtype):
    images = np.random.default_rng(0).random((3, 20, 20)) > 0.5
    if dtype is not bool:
        images = np.random.default_rng(0).random((3, 20, 20)).astype(dtype)
    np.testing.assert_array_equal(to_uint8(images, (0, 1)), skimage.util.img_as_ubyte(images))
