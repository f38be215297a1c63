"""Normalisation by name, and as mean and standard deviation."""

import warnings

import numpy as np
import pytest

from sklearn_resnet import ResNetFeatures
from sklearn_resnet._network.normalization import (
    NORMALIZATIONS,
    Normalization,
    check_normalization,
    merge_equal_values,
    parse_normalization,
)

X = np.random.default_rng(0).integers(0, 256, (3, 9, 8, 3), np.uint8)


def pixels(**parameters):
    """The features of layer 0 are the means of the normalised channels."""
    resnet = ResNetFeatures(0, weights=None, random_state=0, cache=None, **parameters)
    return resnet.fit_transform(X)


@pytest.mark.parametrize("mode", ["tf", "caffe", "torch"])
@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_the_names_are_the_modes_of_keras(mode, engine):
    from keras.applications.imagenet_utils import preprocess_input

    expected = preprocess_input(X.astype(np.float32), mode=mode).mean((1, 2))
    actual = pixels(normalization=mode, engine=engine)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("architecture", "mode"),
    [("ResNet50V2", "tf"), ("ResNet50", "caffe"), ("ResNet18", "torch"), ("ResNetV2-50", "tf")],
)
def test_none_is_the_normalisation_of_the_architecture(architecture, mode):
    found = pixels(architecture=architecture)
    np.testing.assert_array_equal(found, pixels(architecture=architecture, normalization=mode))


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_a_mean_and_a_deviation_for_each_channel_are_in_units_of_the_value_range(engine):
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    expected = ((X / 255 - mean) / std).mean((1, 2))
    for images, value_range in ((X, None), (X / 255 * 40 + 10, (10, 50))):
        resnet = ResNetFeatures(
            0, weights=None, normalization=(mean, std), value_range=value_range, engine=engine
        )
        np.testing.assert_allclose(resnet.fit_transform(images), expected, rtol=1e-4, atol=1e-5)
    assert resnet.normalization_ == (mean, std, "RGB")


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_in_bgr_order_the_channels_enter_in_reverse(engine):
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    expected = pixels(normalization=(mean, std), engine=engine)[:, ::-1]
    actual = pixels(normalization=(mean, std, "BGR"), engine=engine)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
@pytest.mark.parametrize("normalization", [None, "torch", ((0.1, 0.5, 0.9), 0.3, "BGR")])
def test_a_grey_image_is_one_of_three_equal_channels(normalization, engine):
    parameters = {"weights": None, "random_state": 0, "cache": None, "engine": engine}
    grey = X[..., 0]
    resnet = ResNetFeatures(4, normalization=normalization, **parameters)
    actual = resnet.fit_transform(grey)
    expected = resnet.fit_transform(np.repeat(grey[..., None], 3, axis=-1))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_another_normalisation_is_another_entry_of_the_cache():
    first = pixels()
    cached = ResNetFeatures(0, weights=None, random_state=0)
    np.testing.assert_array_equal(cached.fit_transform(X), first)
    assert np.abs(cached.set_params(normalization="torch").fit_transform(X) - first).max() > 0.1


def test_one_number_is_for_all_channels():
    assert parse_normalization((0.5, 0.25)) == Normalization((0.5,), (0.25,))
    assert parse_normalization(([0.1, 0.2], 0.25)) == Normalization((0.1, 0.2), (0.25, 0.25))
    assert parse_normalization(np.array([[0.1, 0.2, 0.3], [1, 1, 1]])).mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    "normalization",
    [
        "imagenet",
        (0.5,),
        (0.5, 0.0),
        (0.5, -1.0),
        (0.5, 1.0, "GBR"),
        (0.5, 1.0, "RGB", 1),
        ((0.1, 0.2), (0.1, 0.2, 0.3)),
        ((), ()),
        (np.nan, 1.0),
        (0.5, np.nan),
        (0.5, np.inf),
        (0.5, 1e-300),  # 0 in float32
        (1e300, 1.0),
        ("a", "b"),
        ([[0.1, 0.2]], 1.0),
        "tf0",
        "12",
    ],
)
def test_anything_else_is_an_error(normalization):
    with pytest.raises(ValueError, match="'normalization' parameter must be None, one of 'tf'"):
        pixels(normalization=normalization)


def test_a_normalisation_must_fit_the_channels():
    check_normalization(NORMALIZATIONS["tf"], 13, is_given=False)
    with pytest.raises(ValueError, match="13 values, or one, in each.*for RGB images"):
        check_normalization(NORMALIZATIONS["torch"], 13, is_given=False)
    with pytest.raises(ValueError, match="3 values, or one, in each.*Got 2 values"):
        pixels(normalization=((0.1, 0.2), (1, 1)))
    with pytest.raises(
        ValueError, match="in each without 'BGR', as .* Got 1 values in the order BGR"
    ):
        check_normalization(Normalization((0.5,), (0.5,), "BGR"), 2, is_given=True)


@pytest.mark.parametrize(
    ("normalization", "value_range", "warns"),
    [
        (((123.7, 116.8, 103.9), (58.4, 57.1, 57.4)), None, True),
        (((1.2, 0.5, 0.5), (1, 1, 1)), None, True),
        ((1.0, 1.0), None, False),
        ((1353.0, 65.0), (0, 10_000), True),
        ((-12.5, 5.0), (0, 1), False),  # decibels
        ((5.0, 2.0), (0, 50), False),
        ("caffe", None, False),
    ],
)
def test_a_mean_in_units_of_the_pixels_gives_a_warning(normalization, value_range, warns):
    resnet = ResNetFeatures(
        0, weights=None, normalization=normalization, value_range=value_range, cache=None
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resnet.fit(X)
    assert ["units of the value range" in str(w.message) for w in caught] == [True] * warns


def test_equal_values_for_rgb_are_one_for_other_channels():
    assert merge_equal_values(Normalization((0.5,) * 3, (0.2,) * 3)) == Normalization(
        (0.5,), (0.2,)
    )
    other = Normalization((0.5, 0.5, 0.4), (0.2,) * 3)
    assert merge_equal_values(other) is other
