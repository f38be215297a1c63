"""Flags of poor quality."""

import numpy as np
import pytest

from sklearn_resnet.checks._quality import FLAGS, flag_quality

GOOD = [0.05, 0.1, 0.9]


def flags_of(quantiles=GOOD, sharpness=0.2, size=(40, 60)):
    """The flags of one image among twenty good ones."""
    flags = flag_quality(
        np.array([GOOD] * 20 + [quantiles]),
        np.array([0.2] * 20 + [sharpness]),
        np.array([(40, 60)] * 20 + [size], float),
    )
    assert list(flags) == list(FLAGS)
    assert not any(found[:20].any() for found in flags.values())
    return {name for name, found in flags.items() if found[20]}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, set()),
        ({"quantiles": [0.0, 0.0, 0.2]}, {"dark"}),
        ({"quantiles": [0.8, 0.9, 1.0]}, {"bright"}),
        ({"quantiles": [0.4, 0.42, 0.5]}, {"low_contrast"}),
        ({"quantiles": [0.5, 0.5, 0.5], "sharpness": 0.0}, {"low_contrast", "blank"}),
        ({"sharpness": 0.05}, {"blurry"}),
        ({"size": (160, 240)}, {"odd_size"}),
        ({"size": (10, 15)}, {"odd_size"}),
        ({"size": (60, 40)}, set()),
        ({"size": (25, 100)}, {"odd_aspect"}),
        ({"size": (np.nan, np.nan)}, set()),
        ({"quantiles": [np.nan] * 3, "sharpness": np.nan}, set()),
    ],
)
def test_flags(image, expected):
    assert flags_of(**image) == expected


def test_a_class_with_soft_edges_is_not_blurry():
    sharpness = np.array([1.0, 1.1, 0.9, 1.0, 0.2, 0.2, 0.22, 0.05])
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    quantiles, sizes = np.tile([0.1, 0.2, 0.9], (8, 1)), np.full((8, 2), 30.0)
    assert flag_quality(quantiles, sharpness, sizes)["blurry"].tolist() == [False] * 4 + [True] * 4
    of_classes = flag_quality(quantiles, sharpness, sizes, codes)["blurry"]
    assert of_classes.tolist() == [False] * 7 + [True]
