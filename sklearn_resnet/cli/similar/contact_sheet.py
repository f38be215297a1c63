"""A contact sheet: each query image, and beside it its neighbors."""

import warnings

from sklearn_resnet.plotting._contact_sheet import Tile, draw_tiles, find_columns
from sklearn_resnet.plotting._saving import save_figure

_MAX_COLUMNS = 6  # of neighbors; the query has a column of its own
LINE_LENGTH = 25  # characters that usually fit below a tile


def draw_sheet(blocks):
    """Draw queries and their neighbors.

    Parameters
    ----------
    blocks : list of tuple of (image, str, list of tuple of (image, str))
        One tuple for each query: its image and caption, and those of its neighbors, nearest first.
        An image is an array of shape (height, width[, 3]), dtype uint8, or None if it cannot be
        read. A caption has lines of up to `LINE_LENGTH` characters.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    n_columns = find_columns(max(len(neighbors) for _, _, neighbors in blocks), _MAX_COLUMNS)
    tiles = []
    for image, caption, neighbors in blocks:
        for start in range(0, len(neighbors), n_columns):
            tiles.append(None if start else Tile(image, caption, is_query=True))
            row = [Tile(*neighbor) for neighbor in neighbors[start : start + n_columns]]
            tiles += [*row, *[None] * (n_columns - len(row))]
    figure = Figure()
    draw_tiles(figure, tiles, n_columns + 1)
    return figure


def save_sheet(figure, path):
    """Save the figure, in the format of the file's suffix."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in another script
        save_figure(figure, path)
