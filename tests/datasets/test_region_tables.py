"""The images that the makers take, and the tables that they make."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from sklearn_resnet.datasets._region_tables import (
    describe_image,
    list_images,
    make_region_table,
)

ARRAY = np.zeros((3, 5, 3), np.uint8)


@pytest.mark.parametrize(
    "images",
    [
        ["a.png"],
        ("a.png",),
        np.array(["a.png"]),
        pd.Series(["a.png"]),
        pl.Series(["a.png"]),
        pd.DataFrame({"path": ["a.png"], "label": ["x"]}),
        pl.DataFrame({"path": ["a.png"]}),
    ],
)
def test_paths_of_any_sequence(images):
    assert list_images(images) == ["a.png"]


def test_images_of_any_form():
    picture = Image.fromarray(ARRAY)
    assert list_images([picture, ARRAY])[0] is picture
    assert [image.shape for image in list_images(np.zeros((2, 3, 5, 3)))] == [(3, 5, 3)] * 2
    assert [image.shape for image in list_images(np.zeros((2, 3, 5)))] == [(3, 5)] * 2


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            "a.png",
            r"^images must be a list of paths. Got the single path 'a.png' instead; pass \[path\].",
        ),
        (Path("a.png"), "Got the single path"),
        (Image.fromarray(ARRAY), r"images must be a list of images.*; pass \[X\]|pass \[images\]"),
        (ARRAY[..., 0], r"Got an object of type ndarray instead. Pass \[image\] for one image"),
        ([], "must be a list of paths or images. Got an empty sequence"),
        (3, "must be a list of paths or images. Got an object of type int"),
        ({"data": ["a.png"]}, "images must be images or a list of paths. Got a dict"),
        (iter(["a.png"]), r"images must be a list .*; pass list\(images\)"),
        (["a.png", 3], r"images\[1\] must be a path or an image"),
        (
            pd.DataFrame({"path": ["a"], "page": [3]}),
            "must be whole images. Got a table with boxes or pages",
        ),
    ],
)
def test_other_images_are_errors(images, message):
    with pytest.raises(ValueError, match=message):
        list_images(images)


def test_images_have_names():
    assert describe_image(["a.png", ARRAY], 0) == "'a.png'"
    assert describe_image(["a.png", ARRAY], 1) == "images[1]"


def test_columns_of_a_table():
    table = make_region_table([Path("a.png"), "b.png"], [[1, 2, 3, 4], [5, 6, 7, 8]], {"x": [0, 1]})
    assert list(table) == ["path", "top", "left", "bottom", "right", "x"]
    assert table["path"].tolist() == ["a.png", "b.png"]
    assert table["bottom"].tolist() == [3, 7]
    arrays = make_region_table([ARRAY, ARRAY], [[0, 0, 1, 1]] * 2, {})
    assert arrays["path"][1] is ARRAY
    empty = make_region_table([], [], {"x": []})
    assert list(empty) == list(table)
    assert (empty.dtypes[1:5] == np.int64).all()
    assert empty["path"].dtype == table["path"].dtype
