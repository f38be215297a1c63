"""Arrays with a name: the choice among them, and their limits."""

from types import SimpleNamespace

import numpy as np
import pytest

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.named_arrays import (
    check_chunks,
    choose_array,
    is_numeric,
    read_fill_value,
)

SHAPES = {"a": (3,), "b": (2, 3), "c": (2, 3, 4)}


@pytest.mark.parametrize("name", SHAPES)
def test_any_array_can_be_named(name):
    assert choose_array(SHAPES, name) == name


def test_the_only_image_needs_no_name():
    assert choose_array({"a": (3,), "b": (2, 3)}, None) == "b"


def test_arrays_that_could_be_meant_are_listed():
    with pytest.raises(FormatError) as raised:
        choose_array(SHAPES, None)
    assert raised.value.cause == "it holds several arrays: 'b' (2, 3), 'c' (2, 3, 4)"
    assert raised.value.remedy == "Append the name of one to the path, as in '...::b'."
    with pytest.raises(
        FormatError, match=r"it has no array 'd', but 'b' \(2, 3\), 'c' \(2, 3, 4\)"
    ):
        choose_array(SHAPES, "d")
    with pytest.raises(FormatError, match="it holds no array of numbers"):
        choose_array({"a": (3,)}, None)


def test_only_the_first_ten_are_listed():
    with pytest.raises(FormatError) as raised:
        choose_array({str(i): (2, 2) for i in range(11)}, None)
    assert raised.value.cause.endswith("'9' (2, 2), ...")
    with pytest.raises(FormatError) as raised:
        choose_array({str(i): (2, 2) for i in range(10)}, None)
    assert raised.value.cause.endswith("'9' (2, 2)")


def test_chunks_have_a_limit():
    array = SimpleNamespace(chunks=(10, 20), dtype=np.dtype(np.uint16))
    check_chunks(array, 100)
    with pytest.raises(FormatError, match=r"its chunks have the shape \(10, 20\)"):
        check_chunks(array, 99)
    check_chunks(array, None)
    check_chunks(SimpleNamespace(dtype=np.dtype(np.uint16)), 1)


@pytest.mark.parametrize(
    ("attributes", "dtype", "value"),
    [
        ({}, "u1", None),
        ({"_FillValue": 7}, "u1", 7),
        ({"missing_value": np.array([7])}, "u1", 7),
        ({"_FillValue": 300}, "u1", None),
        ({"_FillValue": "a"}, "u1", None),
        ({"_FillValue": [1, 2]}, "u1", None),
        ({"_FillValue": 0.1}, "f4", float(np.float32(0.1))),
    ],
)
def test_the_fill_value_is_read_if_a_pixel_can_have_it(attributes, dtype, value):
    assert read_fill_value(attributes, np.dtype(dtype)) == value


def test_numbers():
    kinds = {"u1": True, "f8": True, "?": True, "c8": False, "U3": False, "M8[s]": False}
    assert {dtype: is_numeric(np.dtype(dtype)) for dtype in kinds} == kinds
