"""A contact sheet: each query image, and beside it its neighbors."""

import warnings

import numpy as np

from sklearn_resnet.plotting._saving import save_figure

_MAX_COLUMNS = 6  # of neighbors; the query has a column of its own
_TILE, _LINE = 1.5, 0.14  # inches
LINE_LENGTH = 25  # characters that fit below a tile


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

    n_neighbors = max(len(neighbors) for _, _, neighbors in blocks)
    n_columns = -(-n_neighbors // -(-n_neighbors // _MAX_COLUMNS))  # rows of about equal length
    heights = [-(-len(neighbors) // n_columns) for _, _, neighbors in blocks]
    captions = [caption for _, caption, _ in blocks]
    captions += [caption for _, _, neighbors in blocks for _, caption in neighbors]
    below = _LINE * (1 + max(caption.count("\n") for caption in captions)) + 0.15
    height = sum(heights) * (_TILE + below) + 0.1
    figure = Figure(figsize=((n_columns + 1) * (_TILE + 0.15) + 0.15, height))
    grid = figure.add_gridspec(
        sum(heights),
        n_columns + 1,
        left=0.01,
        right=0.99,
        bottom=below / height,
        top=1 - 0.1 / height,
        wspace=0.1,
        hspace=below / _TILE,
    )
    row = 0
    for (image, caption, neighbors), height in zip(blocks, heights, strict=True):
        _draw_tile(figure.add_subplot(grid[row, 0]), image, caption, is_query=True)
        for i, tile in enumerate(neighbors):
            _draw_tile(figure.add_subplot(grid[row + i // n_columns, 1 + i % n_columns]), *tile)
        row += height
    return figure


def save_sheet(figure, path):
    """Save the figure, in the format of the file's suffix."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in another script
        save_figure(figure, path)


def _draw_tile(ax, image, caption, is_query=False):
    ax.set(xticks=[], yticks=[], anchor="N")
    for spine in ax.spines.values():
        spine.set(visible=is_query or image is None, color="tab:red" if is_query else "0.8")
        spine.set_linewidth(2.5 if is_query else 1)
    if image is None:
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.text(0.5, 0.5, "no image", ha="center", va="center", color="0.5", fontsize="small")
    else:
        is_tiny = max(image.shape[:2]) < 64  # single pixels are worth seeing
        ax.imshow(
            np.squeeze(image),
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest" if is_tiny else "antialiased",
        )
    ax.set_xlabel(
        caption,
        fontsize="x-small",
        fontweight="bold" if is_query else "normal",
        parse_math=False,
        labelpad=3,
    )
