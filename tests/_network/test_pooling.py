"""Poolings and grids: their parameters, the cells, the names and the order of features."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_resnet._network.layers import layer_table
from sklearn_resnet._network.pooling import (
    cell_bounds,
    count_features,
    name_features,
    resolve_grid,
    resolve_pooling,
    split_layers,
)
from sklearn_resnet._runtime.errors import ParameterError

LAYERS = [layer_table("ResNet50V2")[i] for i in (16, 2)]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("gem", ("gem",)),
        (["avg", "max"], ("avg", "max")),
        (("gem", "max", "avg"), ("gem", "max", "avg")),
        (np.array(["max"]), ("max",)),
    ],
)
def test_poolings_are_any_of_three_in_any_order(pooling, expected):
    assert repr(resolve_pooling(pooling)) == repr(expected)  # it is a part of cache keys


@pytest.mark.parametrize("pooling", ["mean", [], ["avg", "avg"], ["gem", 3], "avgmax"])
def test_another_pooling_is_an_error(pooling):
    with pytest.raises(
        ParameterError, match="'pooling' parameter must be 'avg', 'max', 'gem' or a list"
    ):
        resolve_pooling(pooling)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [(None, (1, 1)), ((1, 1), (1, 1)), ([2, 3], (2, 3)), (np.array([4, 1]), (4, 1))],
)
def test_a_grid_has_rows_and_columns(grid, expected):
    assert resolve_grid(grid) == expected
    assert repr(resolve_grid(grid)) == repr(expected)  # it is a part of cache keys


@pytest.mark.parametrize("grid", [3, (2,), (2, 2, 2), (0, 1), (2, -1), (1.5, 2), "22", (True, 2)])
def test_another_grid_is_an_error(grid):
    with pytest.raises(
        ParameterError, match=r"'grid' parameter must be None or \(rows, columns\)"
    ) as caught:
        resolve_grid(grid)
    assert f"Got {grid!r} instead" in str(caught.value)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 90))
def test_cells_cover_an_axis_and_differ_by_few_pixels(n_cells, size):
    """Those of PyTorch's adaptive pooling, also if there are more of them than pixels."""
    bounds = cell_bounds(n_cells, size)
    starts, stops = np.transpose(bounds)
    np.testing.assert_array_equal(starts, np.floor(np.arange(n_cells) * size / n_cells))
    np.testing.assert_array_equal(stops, np.ceil((np.arange(n_cells) + 1) * size / n_cells))
    assert starts[0] == 0
    assert stops[-1] == size
    assert (starts[1:] <= stops[:-1]).all()
    assert (stops > starts).all()


def test_features_are_named_after_layer_pooling_cell_and_channel():
    names = [name for layer in LAYERS for name in name_features(layer, ("max", "gem"), (2, 3))]
    assert names == [
        f"{layer}_{pooling}_cell{row}x{column}_{i}"
        for layer, width in (("conv2_block1_out", 256), ("conv1_conv", 64))
        for pooling in ("max", "gem")
        for row in range(2)
        for column in range(3)
        for i in range(width)
    ]
    assert sum(count_features(layer, ("max", "gem"), (2, 3)) for layer in LAYERS) == len(names)


def test_one_pooling_and_one_cell_are_not_in_the_names():
    assert name_features(LAYERS[1], ("gem",), (1, 1))[3:5] == ["conv1_conv_3", "conv1_conv_4"]
    assert name_features(LAYERS[1], ("gem",), (1, 2))[64] == "conv1_conv_cell0x1_0"
    assert name_features(LAYERS[1], ("gem", "avg"), (1, 1))[0] == "conv1_conv_gem_0"


@pytest.mark.parametrize(("pooling", "grid"), [(("avg",), (1, 1)), (("max", "gem"), (3, 2))])
def test_features_are_split_by_layer(pooling, grid):
    names = np.array([name for layer in LAYERS for name in name_features(layer, pooling, grid)])
    parts = split_layers(names[np.newaxis], LAYERS)
    for layer, part in zip(LAYERS, parts, strict=True):
        assert part[0].tolist() == name_features(layer, pooling, grid)
    none = split_layers(np.empty((0, names.size)), LAYERS)
    assert [part.shape for part in none] == [(0, part.shape[1]) for part in parts]


def test_features_of_several_channels_are_split_by_layer():
    """Those of each channel of the image have all layers; a layer has the channels side by side."""
    widths = [layer.width for layer in LAYERS]
    values = np.concatenate(
        [np.full(2 * n, 10 * c + i) for c in range(3) for i, n in enumerate(widths)]
    )
    first, second = split_layers(values[np.newaxis], LAYERS, n_channels=3)
    assert first[0].tolist() == [0] * 512 + [10] * 512 + [20] * 512
    assert second[0].tolist() == [1] * 128 + [11] * 128 + [21] * 128
