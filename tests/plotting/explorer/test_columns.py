"""Columns of a page: their values, and colours and markers like those of a figure."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.colors import to_hex

from sklearn_resnet import EmbeddingDisplay
from sklearn_resnet.plotting.explorer.columns import (
    as_columns,
    color_column,
    describe_column,
    list_scale_colors,
)


def as_lists(described):
    """A description with lists, and None for NaN, in place of arrays."""
    lists = {name: np.asarray(values).tolist() for name, values in described.items()}
    return {
        name: [None if value != value else value for value in values]
        for name, values in lists.items()
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["b", "a", "b"], {"names": ["a", "b"], "codes": [1, 0, 1]}),
        ([10, 9, 9], {"names": ["9", "10"], "codes": [1, 0, 0]}),
        ([0.5, None, 2], {"values": [0.5, None, 2.0]}),
        ([None, "x", np.nan], {"names": ["x"], "codes": [-1, 0, -1]}),
        (["img10", "img9"], {"names": ["img9", "img10"], "codes": [1, 0]}),
        ([None, None], {"names": [], "codes": [-1, -1]}),
    ],
)
def test_columns_are_labels_or_numbers(values, expected):
    assert as_lists(describe_column(values)) == expected


def test_labels_have_the_colours_and_the_order_of_a_legend():
    y = np.array([f"kind {i % 90}" for i in range(100)] + [None] * 3, object)
    display = EmbeddingDisplay.from_embedding(np.random.RandomState(0).rand(103, 2), y)
    handles = display.legend_.legend_handles
    *groups, missing = color_column(y)["groups"]
    assert [group["name"] for group in groups] == [
        text.get_text() for text in display.legend_.get_texts()
    ]
    assert [group["color"] for group in groups] == [
        to_hex(handle.get_color()) for handle in handles
    ]
    names = {
        "o": "circle",
        "^": "triangle",
        "s": "square",
        "*": "star",
        "D": "diamond",
        "P": "plus",
    }
    assert [group["marker"] for group in groups] == [
        names[handle.get_marker()] for handle in handles
    ]
    assert missing == {"name": "no label", "count": 3, "color": None, "marker": "circle"}


def test_rare_labels_belong_to_the_group_of_others():
    y = [f"often {i % 59}" for i in range(118)] + [f"rare {i}" for i in range(7)]
    described, colored = describe_column(y), color_column(y)
    assert colored["groups"][-1]["name"] == "7 others"
    assert [group["count"] for group in colored["groups"]] == [2] * 59 + [7]
    rare = [described["names"].index(f"rare {i}") for i in range(7)]
    assert {colored["groupOf"][code] for code in rare} == {59}
    often = [described["names"].index(f"often {i}") for i in range(59)]
    assert [colored["groupOf"][code] for code in often] == list(range(59))


@pytest.mark.parametrize(("n", "markers"), [(50_000, {"circle", "triangle"}), (50_001, {"circle"})])
def test_many_points_have_no_markers_as_in_a_figure(n, markers):
    groups = color_column(np.arange(n) % 20)["groups"]
    assert {group["marker"] for group in groups} == markers
    assert len({(group["color"], group["marker"]) for group in groups}) == 20


def test_points_that_all_lack_a_label_are_one_group():
    assert color_column([None, None], "in no cluster") == {
        "groups": [{"name": "in no cluster", "count": 2, "color": None, "marker": "circle"}],
        "groupOf": [],
    }


def test_a_scale_has_its_ends():
    assert color_column([0.5, None, 2, np.inf]) == {"low": 0.5, "high": 2.0}
    colors = list_scale_colors()
    assert len(colors) == 256
    assert (colors[0], colors[-1]) == ("#440154", "#fde725")  # viridis


def test_names_of_columns_are_text_as_in_the_page():
    columns = as_columns({2: ["a"], "b": [1]})
    assert list(columns) == ["2", "b"]
    assert list(as_columns(["a", "b"])) == ["label"]
    assert as_columns(None) == {}


def test_labels_that_are_no_unicode_can_be_written():
    y = ["a\udcff", "b"]
    assert describe_column(y)["names"] == ["a\\udcff", "b"]
    assert [group["name"] for group in color_column(y)["groups"]] == ["a\\udcff", "b"]


def test_infinite_numbers_of_a_scale_are_missing():
    assert as_lists(describe_column([0.5, np.inf, 2]))["values"] == [0.5, None, 2.0]


def test_labels_of_one_column_are_raveled_and_others_are_an_error():
    column = np.arange(4)[:, None]
    for labels in (column, {"label": column}, pd.DataFrame({"label": range(4)})):
        assert as_columns(labels)["label"].shape == (4,)
    assert as_columns(pl.DataFrame({"label": range(4)}))["label"].tolist() == [0, 1, 2, 3]
    for labels in (np.zeros((4, 2)), "text", {"a": None}):
        with pytest.raises(ValueError, match="labels must hold one value for each point"):
            as_columns(labels)


def test_names_that_are_no_utf_8_are_escaped():
    (name,) = as_columns({"caf\udce9": ["caf\udce9"]})
    assert name == "caf\\udce9"
    assert describe_column(["caf\udce9"])["names"] == ["caf\\udce9"]


@pytest.mark.parametrize("library", [pd, pl])
def test_columns_of_arrays_are_left_out(library):
    arrays = [np.ones((2, 3)), np.ones((1, 1)), None]
    columns = {"path": arrays, "kind": ["a", None, "b"], "mask": arrays}
    if library is pl:
        columns |= {name: pl.Series(name, arrays, dtype=pl.Object) for name in ("path", "mask")}
    assert list(as_columns(library.DataFrame(columns))) == ["kind"]


def test_columns_of_one_name_are_an_error():
    table = pd.DataFrame(np.zeros((3, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match="columns of different names"):
        as_columns(table)
