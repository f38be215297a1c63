"""What points are coloured by."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from sklearn_resnet.plotting._coloring import Labels, Scale, as_array, as_label, color_points
from sklearn_resnet.plotting._palette import PALETTE


@pytest.mark.parametrize(
    ("y", "names", "codes"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        (["10", "9", None], ["9", "10"], [1, 0, -1]),
        ([2.0, np.nan, 1.0], ["1", "2"], [1, -1, 0]),
        ([None, None], [], [-1, -1]),
    ],
)
def test_labels_are_codes_of_names_in_natural_order(y, names, codes):
    coloring = color_points(as_array(y), len(y))
    assert isinstance(coloring, Labels)
    assert coloring.names == names
    assert coloring.codes.tolist() == codes
    assert coloring.is_missing.tolist() == [code < 0 for code in codes]


def test_points_without_y_are_of_one_colour_and_no_name():
    coloring = color_points(None, 3)
    assert coloring.names == []
    assert not coloring.is_missing.any()
    assert [to_hex(color) for color in coloring.colors_of([0, 2])] == [PALETTE[0]] * 2
    assert [to_hex(color) for color in coloring.without_markers().colors_of([1])] == [PALETTE[0]]


def test_the_rarest_labels_become_one_at_the_end():
    y = np.array(["zz"] * 3 + [f"often {i % 58}" for i in range(116)] + list("abc"))
    coloring = color_points(y, len(y))
    assert len(coloring.names) == 60
    assert coloring.names[-2:] == ["zz", "3 others"]
    assert coloring.codes[:3].tolist() == [58] * 3
    assert coloring.codes[-3:].tolist() == [59] * 3


def test_of_equally_rare_labels_the_first_in_lexical_order_keep_their_names():
    y = np.array([f"c{i}" for i in range(1, 62)])
    coloring = color_points(y, len(y))
    assert coloring.names == [*(f"c{i}" for i in range(1, 62) if i not in (8, 9)), "2 others"]
    assert np.flatnonzero(coloring.codes == 59).tolist() == [7, 8]


def test_numbers_are_a_scale():
    coloring = color_points(as_array([0.5, None, 2.5, 1.5]), 4)
    assert isinstance(coloring, Scale)
    assert coloring.is_missing.tolist() == [False, True, False, False]
    assert coloring.codes.tolist() == [0, -1, 0, 0]
    assert coloring.mappable.get_clim() == (0.5, 2.5)
    viridis = coloring.mappable.get_cmap()
    np.testing.assert_allclose(coloring.colors_of([0, 3]), [viridis(0.0)[:3], viridis(0.5)[:3]])
    assert coloring.without_markers() is coloring


def test_means_of_a_scale_have_colours_of_the_scale_and_of_labels_mixed_ones():
    scale = color_points(np.array([0.0, 0.5, 1.0]), 3)
    np.testing.assert_allclose(scale.paint(np.array([[0.5]])), scale.colors_of([1]))
    labels = color_points(np.array(["a", "b"]), 2, ["#000000", "#ffffff"])
    means = labels.values_of([0, 1]).mean(0, keepdims=True)
    np.testing.assert_allclose(labels.paint(means), [[0.5, 0.5, 0.5]])


def test_without_markers_every_second_ten_is_dark():
    y = np.arange(25)
    coloring = color_points(y, 25)
    plain = coloring.without_markers()
    assert plain.markers == ["o"] * 25
    np.testing.assert_array_equal(plain.colors[:10], coloring.colors[:10])
    assert np.all(plain.colors[10:20].max(1) < 0.5 * coloring.colors[10:20].max(1))
    np.testing.assert_array_equal(plain.colors[20:], coloring.colors[20:])


@pytest.mark.parametrize(
    ("value", "label"), [(1.0, "1"), (1.5, "1.5"), ("1.0", "1.0"), (True, "True"), (7, "7")]
)
def test_labels_are_written_without_needless_decimals(value, label):
    assert as_label(value) == label


def test_sixty_whole_numbers_are_labels_and_more_are_a_scale():
    assert color_points(np.arange(60), 60).names == [str(i) for i in range(60)]
    assert isinstance(color_points(np.arange(61), 61), Scale)


@pytest.mark.parametrize("dtype", [float, object])
def test_infinite_numbers_are_no_values(dtype):
    scale = color_points(np.array([0.5, np.inf, 1.5, -np.inf], dtype), 4)
    assert scale.is_missing.tolist() == [False, True, False, True]
    assert scale.mappable.get_clim() == (0.5, 1.5)
    labels = color_points(np.array([2, np.inf, 1, -np.inf], dtype), 4)
    assert labels.names == ["1", "2"]
    assert labels.codes.tolist() == [1, -1, 0, -1]


def test_points_without_a_label_stay_so_beside_the_others():
    y = np.array([f"c{i}" for i in range(61)] + [None], object)
    assert color_points(y, 62).codes[-2:].tolist() == [58, -1]


@pytest.mark.parametrize("dtype", [str, object])
def test_an_empty_cell_of_a_table_is_no_label(dtype):
    labels = color_points(np.array(["b", "", "a", ""], dtype), 4)
    assert labels.names == ["a", "b"]
    assert labels.codes.tolist() == [1, -1, 0, -1]


def test_nan_among_text_is_no_label():
    assert color_points(as_array(["a", float("nan")]), 2).names == ["a"]


def test_whole_numbers_have_no_decimals_as_categories_and_in_a_palette():
    y = as_array(pd.Series([1.0, 2.0, None]).astype("category"))
    coloring = color_points(y, 3, {1.0: "red", 2.0: "blue"})
    assert coloring.names == ["1", "2"]
    assert [to_hex(color) for color in coloring.colors] == ["#ff0000", "#0000ff"]
