"""How the map of a layer becomes features: poolings, the cells of a grid, names and their order.

The features of an image are in the order of layers, poolings, cells (row by row) and channels of the
layer.
"""

import numbers
from itertools import product

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError

POOLINGS = ("avg", "max", "gem")
# Generalised mean: the mean of max(x, epsilon) ** power, to the power of 1 / power. The values are
# those of Radenovic, Tolias and Chum (2019).
GEM_POWER = 3
GEM_EPSILON = 1e-6


def resolve_pooling(pooling):
    """Return the parameter `pooling` as a tuple; raise ParameterError if it is invalid."""
    poolings = (pooling,) if isinstance(pooling, str) else tuple(map(str, pooling))
    if not poolings or len({*poolings} & {*POOLINGS}) < len(poolings):
        raise ParameterError(
            "pooling", "must be 'avg', 'max', 'gem' or a list of these, each once", repr(pooling)
        )
    return poolings


def resolve_grid(grid):
    """Return the parameter `grid` as (rows, columns); raise ParameterError if it is invalid."""
    if grid is None:
        return 1, 1
    cells = tuple(grid) if np.ndim(grid) == 1 else ()
    if len(cells) != 2 or not all(map(_is_count, cells)):
        raise ParameterError(
            "grid", "must be None or (rows, columns), two ints of at least 1", repr(grid)
        )
    return int(cells[0]), int(cells[1])


def _is_count(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value > 0


def cell_bounds(n_cells, size):
    """Return the bounds of the cells along an axis, as PyTorch's adaptive pooling has them.

    Parameters
    ----------
    n_cells : int
    size : int
        The length of the axis. If it is no multiple of `n_cells`, neighbouring cells overlap.

    Returns
    -------
    list of (start, stop)
    """
    return [(i * size // n_cells, -(-(i + 1) * size // n_cells)) for i in range(n_cells)]


def count_features(layer, pooling, grid):
    """Return the number of features of a layer."""
    return layer.width * len(pooling) * grid[0] * grid[1]


def name_features(layer, pooling, grid):
    """Name the features of a layer, in their order.

    Parameters
    ----------
    layer : Layer
    pooling : tuple of str
        A single one is not in the names.
    grid : tuple of 2 int
        A single cell is not in the names.

    Returns
    -------
    list of str
    """
    poolings = [f"_{name}" for name in pooling] if len(pooling) > 1 else [""]
    cells = [f"_cell{row}x{column}" for row, column in np.ndindex(grid)] if grid != (1, 1) else [""]
    return [
        f"{layer.name}{name}{cell}_{i}"
        for name, cell, i in product(poolings, cells, range(layer.width))
    ]


def split_layers(values, layers, n_channels=1):
    """Split an array along its last axis, which is that of features, by layer.

    Parameters
    ----------
    values : ndarray of shape (n, n_features)
    layers : list of Layer
        In the order of the features, with the same poolings and grid.
    n_channels : int, default=1
        The number of channels of the image, each with all layers.

    Returns
    -------
    list of ndarray of shape (n, n_features of the layer)
        With the channels of the image side by side.
    """
    n, n_features = values.shape
    of_channels = np.reshape(values, (n, n_channels, n_features // n_channels))
    widths = np.array([layer.width for layer in layers])
    stops = np.cumsum(widths * (of_channels.shape[2] // widths.sum()))[:-1]  # poolings and cells
    parts = np.split(of_channels, stops, axis=2)
    return [part.reshape(n, n_channels * part.shape[2]) for part in parts]
