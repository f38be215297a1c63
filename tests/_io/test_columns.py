"""Columns of tables: their arrays, and the text of a .csv made into them."""

import numpy as np
import pandas as pd
import pytest

from sklearn_resnet._io.columns import label_texts, parse_texts, to_array


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], np.array([1, 2])),
        (np.array([1, 2], np.uint8), np.array([1, 2], np.uint8)),
        (pd.array([1, 2], "Int32"), np.array([1, 2], np.int32)),
        (pd.array([1, None], "Int64"), np.array([1, np.nan])),
        ([0.5, None], np.array([0.5, np.nan])),
        ([True, False], np.array([True, False])),
        (pd.array([True, None], "boolean"), np.array([1, np.nan])),
        (np.array([1, 2], object), np.array([1, 2])),
        (["a", None, np.nan, "1"], np.array(["a", "", "", "1"])),
        (pd.Categorical([3, 1]), np.array([3, 1])),
        (pd.Categorical(["b", "a"]), np.array(["b", "a"])),
        (np.array(["2026-01-02"], "datetime64[s]"), np.array(["2026-01-02 00:00:00"])),
        (["x", 2], np.array(["x", "2"])),
    ],
)
def test_a_column_is_numbers_booleans_or_text(values, expected):
    array = to_array(values)
    np.testing.assert_array_equal(array, expected)
    assert array.dtype.kind == expected.dtype.kind
    if expected.dtype.kind != "U":
        assert array.dtype == expected.dtype


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "-20", "0"], np.array([1, -20, 0])),
        (["1", "", "2"], np.array([1, np.nan, 2])),
        (["0.5", "1e-07", "-3"], np.array([0.5, 1e-7, -3])),
        (["True", "False"], np.array([True, False])),
        (["True", ""], np.array(["True", ""])),
        (["001", "2"], np.array(["001", "2"])),
        (["1.1", "1.10"], np.array(["1.1", "1.10"])),
        (["1234567890123456789"], np.array(["1234567890123456789"])),
        (["nan", "NA"], np.array(["nan", "NA"])),
        (["", ""], np.array(["", ""])),
        ([], np.array([], str)),
    ],
)
def test_text_becomes_numbers_where_nothing_is_lost(texts, expected):
    array = parse_texts(texts)
    np.testing.assert_array_equal(array, expected)
    assert array.dtype.kind == expected.dtype.kind


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        ([1.0, 2.0], ["1.0", "2.0"]),
        ([1.0, np.nan, 2.0], ["1", "", "2"]),
        ([0.5, np.nan, 2.0], ["0.5", "", "2.0"]),
        ([np.nan, np.nan], ["", ""]),
        (["a", "nan"], ["a", "nan"]),
        ([1, 2], ["1", "2"]),
    ],
)
def test_labels_as_text(labels, texts):
    assert label_texts(np.array(labels)) == texts
