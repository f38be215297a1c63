"""Value ranges that are found in blocks: they are those of the whole image."""

import numpy as np
import pytest

from sklearn_resnet._images.decoding.pixels import STRAIGHT, Pixels
from sklearn_resnet._images.decoding.reading import ReadOptions, to_array
from sklearn_resnet._images.decoding.whole_ranges import find_whole_ranges, has_whole_ranges

RNG = np.random.default_rng(0)


def cut(pixels):
    """Cut a record into blocks of 7 rows."""
    for top in range(0, len(pixels.samples), 7):
        yield Pixels(**vars(pixels) | {"samples": pixels.samples[top : top + 7]})


SAMPLES = {
    "bytes": RNG.integers(0, 256, (40, 30, 3)).astype(np.uint8),
    "mask": np.repeat([0, 1], 20)[:, None, None] * np.ones((40, 30, 1), np.uint8),
    "ones": np.ones((40, 30, 1), np.uint16),
    "16 bits": RNG.integers(0, 65536, (400, 300, 1)).astype(np.uint16),
    "12 bits": RNG.integers(0, 4096, (40, 30, 1)).astype(np.uint16),
    "signed": RNG.integers(-9, 300, (40, 30, 1)).astype(np.int16),
    "floats": RNG.random((40, 30, 3)).astype(np.float32),
    "float guess": RNG.normal(3, 900, (40, 30, 3)),
    "dark first": np.linspace(0, 255, 1200, dtype=np.float32).reshape(40, 30, 1),
    "no data first": np.r_[np.full(210, 7), RNG.uniform(400, 900, 990)].reshape(40, 30, 1),
    "all no data": np.full((40, 30, 1), 7, np.uint16),
}
OPTIONS = [
    {},
    {"mode": "L"},
    {"channels": (0,)},
    {"rescale": ("percentile", 0.1, 99.9)},
    {"rescale": ("percentile", 5.0, 90.0), "mode": "channels"},
    {"value_range": (3.0, 99.0)},
    {"rescale": ((1.0, 9.0),), "channels": (0,)},
]


@pytest.mark.parametrize("no_data", [None, 7.0])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", SAMPLES)
def test_blocks_are_scaled_as_the_whole_image(name, options, no_data):
    samples = SAMPLES[name]
    space = "grey" if samples.shape[2] == 1 else "RGB"
    bits = (
        12
        if name == "12 bits"
        else 8 * samples.dtype.itemsize
        if samples.dtype.kind == "u"
        else None
    )
    pixels = Pixels(
        samples=samples, space=space, bits=bits, no_data=no_data, white_is_zero=name == "16 bits"
    )
    options = ReadOptions(**options)
    reports, found = [], []
    whole = to_array(pixels, options, reports.append)
    first = next(cut(pixels))
    assert has_whole_ranges(options, first, samples.size)
    fixed = find_whole_ranges(options, first, lambda: cut(pixels), found.append)
    blocks = [to_array(block, fixed, lambda _: None) for block in cut(pixels)]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert [one.value_range for one in found] == [one.value_range for one in reports]


def test_ranges_that_need_the_whole_image_are_left_to_it():
    percentiles = ReadOptions(rescale=("percentile", 1.0, 99.0))
    alpha = np.zeros((2, 2, 4), np.float32)
    pixels = Pixels(samples=alpha, space="RGB", extra=(STRAIGHT,), alpha_has_range=True)
    assert not has_whole_ranges(percentiles, pixels, 4)
    assert has_whole_ranges(percentiles._replace(mode="channels"), pixels, 4)
    assert has_whole_ranges(ReadOptions(), pixels, 10**9)
    assert not has_whole_ranges(percentiles, Pixels(samples=alpha, space="CMYK"), 4)
    grey = Pixels(samples=alpha[..., :1])
    assert has_whole_ranges(percentiles, grey, 10**6)
    assert not has_whole_ranges(percentiles, grey, 10**8)
    counted = Pixels(samples=np.zeros((2, 2, 1), np.uint16), bits=16)
    assert has_whole_ranges(percentiles, counted, 10**10)
