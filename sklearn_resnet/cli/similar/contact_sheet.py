"""A picture of queries, and beside each the images that were found for it."""

import warnings

import numpy as np

_MAX_COLUMNS = 6  # of images that were found; the query stands in a column of its own
_TILE, _LINE = 1.5, 0.14  # inches
LINE_LENGTH = 25  # characters that fit below an image


def draw_sheet(blocks):
    """Draw queries and what was found for them.

    Parameters
    ----------
    blocks : list of tuple of (image, str, list of tuple of (image, str))
        For each query: its image and caption, and those that were found, in order. An image is an
        array of shape (height, width[, 3]), dtype uint8, or None where it cannot be read. A caption
        has lines of up to `LINE_LENGTH` characters.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    most = max(len(found) for _, _, found in blocks)
    n_columns = -(-most // -(-most // _MAX_COLUMNS))  # so that rows are about equally long
    heights = [-(-len(found) // n_columns) for _, _, found in blocks]
    captions = [text for _, first, found in blocks for text in (first, *(of for _, of in found))]
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
    for (image, caption, found), height in zip(blocks, heights, strict=True):
        _draw_tile(figure.add_subplot(grid[row, 0]), image, caption, is_query=True)
        for i, tile in enumerate(found):
            _draw_tile(figure.add_subplot(grid[row + i // n_columns, 1 + i % n_columns]), *tile)
        row += height
    return figure


def save_sheet(figure, path):
    """Write the picture to `path`, in the format of its ending."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in another script
        figure.savefig(path, dpi=150)


def _draw_tile(ax, image, caption, is_query=False):
    ax.set(xticks=[], yticks=[], anchor="N")
    for spine in ax.spines.values():
        spine.set(visible=is_query or image is None, color="tab:red" if is_query else "0.8")
        spine.set_linewidth(2.5 if is_query else 1)
    if image is None:
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.text(0.5, 0.5, "no image", ha="center", va="center", color="0.5", fontsize="small")
    else:
        is_tiny = max(image.shape[:2]) < 64  # whose pixels are worth seeing
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
