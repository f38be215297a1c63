"""Boxes: rounded to whole pixels, clipped, and checked."""

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_resnet.datasets._boxes import Boxes, check_numbers, check_relative

PLACE = ("boxes.json", "Box 3")
CUT = 0.05  # of a pixel, at most


def round_box(left, top, right, bottom, size=None):
    boxes = Boxes()
    boxes.add("a.png", size, (left, top, right, bottom), PLACE, label="x")
    table = boxes.to_table(["label"])
    return table[["left", "top", "right", "bottom"]].to_numpy().tolist()


lengths = st.floats(0.001, 500)
starts = st.floats(-100, 500)


@settings(deadline=None, derandomize=True, database=None)
@given(starts, starts, lengths, lengths)
def test_rounded_boxes_hold_nearly_all(left, top, width, height):
    right, bottom = left + width, top + height
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = round_box(left, top, right, bottom, (300, 400))
    if not found:
        outside = left >= 400 - CUT or top >= 300 - CUT or right <= 1 or bottom <= 1
        assert outside
        return
    (box,) = found
    exact = (left, top, right, bottom)
    for i, (value, limit) in enumerate(zip(box, (400, 300, 400, 300), strict=True)):
        assert 0 <= value <= limit
        outwards = (value - exact[i]) * (-1 if i < 2 else 1)
        if 0 < value < limit:
            # of a narrow box, the end is one pixel from the start
            assert -CUT - 1e-9 <= outwards < 1 + CUT + 1e-9
    assert box[2] > box[0]
    assert box[3] > box[1]


@settings(deadline=None, derandomize=True, database=None)
@given(
    st.tuples(*[st.integers(0, 1000)] * 2),
    st.tuples(*[st.integers(1, 1000)] * 2),
    st.floats(-0.04, 0.04),
)
def test_whole_pixels_stay(corner, size, error):
    left, top = corner
    right, bottom = left + size[0], top + size[1]
    found = round_box(left + error, top - error, right + error, bottom - error)
    assert found == [[left, top, right, bottom]]


def test_a_negative_size_is_an_error():
    with pytest.raises(
        ValueError, match=r"^Box 3 of 'boxes.json': a box must not have a negative width"
    ):
        Boxes().add("a.png", None, (3, 3, 2, 5), PLACE)


def test_columns_without_values_are_left_out():
    boxes = Boxes()
    for score in (None, 0.5):
        boxes.add("a.png", None, (0, 0, 1, 1), PLACE, label="x", score=score, other=None)
    table = boxes.to_table(["label"])
    assert list(table)[5:] == ["label", "score"]
    assert math.isnan(table["score"][0])
    assert list(Boxes().to_table(["label", "score"]))[5:] == ["label", "score"]


@pytest.mark.parametrize(
    "values", [None, 3, "1234", [1, 2, 3], [1, 2, 3, None], [1, 2, 3, math.nan], [True] * 4]
)
def test_other_values_are_no_numbers(values):
    with pytest.raises(ValueError, match="Box 3 of 'boxes.json': a box must be 4 finite numbers"):
        check_numbers(values, 4, PLACE)


def test_long_values_are_shortened():
    with pytest.raises(ValueError, match=r"Got \[0, 0.*\.\.\. instead") as caught:
        check_numbers([0] * 10_000, 4, PLACE)
    assert len(str(caught.value)) < 300


def test_relative_values_may_be_rounded():
    assert check_relative([-0.001, 0, 1, 1.001], 4, PLACE) == [-0.001, 0, 1, 1.001]
    for value in (-0.02, 1.02):
        with pytest.raises(ValueError, match="relative to the size of its image"):
            check_relative([0, 0, 1, value], 4, PLACE)
