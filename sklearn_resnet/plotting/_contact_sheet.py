"""show_images: a contact sheet of images with captions."""

import math
import textwrap
import warnings
from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sklearn_resnet._images.failures import describe_failures
from sklearn_resnet._images.items import is_array
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller
from sklearn_resnet.plotting._saving import PRINT_DPI
from sklearn_resnet.plotting._thumbnails import as_images, open_files, read_list, show_lazy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sklearn_resnet.plotting._embedding_display import Images

TILE = 1.5  # inches: the largest side of an image
_GAP, _LINE, _MARGIN = 0.15, 0.14, 0.1  # inches
_WIDTH = 10  # inches, of the figure; less for few images
_MIN_TILE = 0.4  # inches
_LARGE_COLUMNS, _MAX_COLUMNS = 6, 12  # the former for up to 36 images
_MAX_IMAGES = 400
_MAX_LINES = 6  # of a caption
_MAX_TITLE = 100  # characters in a line
_FEW_PIXELS = 64  # an image of fewer is worth seeing pixel by pixel


class Tile(NamedTuple):
    """An image of a contact sheet.

    Attributes
    ----------
    image : ndarray of shape (height, width[, 3]), dtype uint8, PIL Image or None
        None if it cannot be read.
    caption : str
    is_query : bool, default=False
        Whether to mark it by a frame and bold letters.
    """

    image: Any
    caption: str = ""
    is_query: bool = False


def show_images(
    images: "Images",
    captions: Iterable | None = None,
    *,
    n_columns: int | None = None,
    title: str | None = None,
) -> "Figure":
    """Draw a contact sheet: images side by side, with captions below them.

    Parameters
    ----------
    images : array-like of n_images images or paths
        At most 400 images, as `EmbeddingDisplay` accepts them: an array of shape (n, height, width)
        or (n, height, width, channels), a list of arrays or paths, `LazyImages`, or a table of
        regions. Files are cropped to squares, except regions; `LazyImages` are shown as they are
        decoded. Channels other than grey or RGB become a composite. An image that cannot be read
        leaves an empty place.
    captions : array-like of shape (n_images,), default=None
        Captions, converted to text. None omits a caption. Long lines are wrapped, and the text is cut
        after six lines.
    n_columns : int, default=None
        Number of columns. By default up to 6, or up to 12 for more than 36 images.
    title : str, default=None
        Title of the sheet. Long lines are wrapped.

    Returns
    -------
    figure : matplotlib Figure
        The contact sheet. Each image has its own axes, in the order of `images`.

    Raises
    ------
    ValueError
        If `images` does not hold images or holds more than 400, if `captions` has a different
        length, or if `n_columns` is not a positive integer.

    Warns
    -----
    UserWarning
        If images cannot be read.

    See Also
    --------
    EmbeddingDisplay : Draws images at their points of a map.

    Examples
    --------
    The first image of each digit:

    >>> import numpy as np
    >>> from sklearn_resnet import show_images
    >>> from sklearn_resnet.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> digits, rows = np.unique(y, return_index=True)
    >>> figure = show_images(X[rows], digits, title="Ten digits")
    >>> figure.savefig("digits.png")  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt

    from sklearn_resnet.plotting._notebook_figure import NotebookFigure

    checked = _check_images(images)
    captions = _check_captions(captions, len(checked))
    n_columns = _check_columns(n_columns, len(checked))
    side = min(TILE, max(_MIN_TILE, (_WIDTH - _GAP) / n_columns - _GAP))
    read = _read(checked, math.ceil(side * PRINT_DPI))
    tiles = list(map(Tile, read, captions))
    figure = plt.figure(FigureClass=NotebookFigure)
    draw_tiles(figure, tiles, n_columns, side=side, title=title)
    return figure


def draw_tiles(figure, tiles, n_columns, *, side=TILE, title=None):
    """Draw images with captions in rows, and set the size of the figure.

    Parameters
    ----------
    figure : matplotlib Figure
        An empty figure.
    tiles : list of Tile or None
        Row by row; None leaves a place free.
    n_columns : int
    side : float, default=TILE
        The side of the square that contains an image, in inches.
    title : str, default=None
    """
    width = n_columns * (side + _GAP) + _GAP
    probe = figure.text(0, 0, "", fontsize="medium", parse_math=False)
    lines = [] if title is None else _wrap(probe, title, width - 2 * _GAP, _MAX_TITLE)
    above = _MARGIN + 1.6 * _LINE * len(lines)
    probe.set_fontsize("x-small")
    captions = [[] if tile is None else _wrap_caption(probe, tile, side) for tile in tiles]
    probe.remove()
    n_lines = max(map(len, captions), default=0)
    below = _GAP + _LINE * n_lines
    n_rows = -(-len(tiles) // n_columns)
    height = above + n_rows * (side + below)
    figure.set_layout_engine("none")  # whatever the style sets
    figure.set_size_inches(width, height)
    if lines:
        text = "\n".join(lines)
        figure.suptitle(text, y=1 - _MARGIN / height, fontsize="medium", parse_math=False)
    grid = figure.add_gridspec(
        n_rows,
        n_columns,
        left=_GAP / width,
        right=1 - _GAP / width,
        bottom=below / height,
        top=1 - above / height,
        wspace=_GAP / side,
        hspace=below / side,
    )
    for i, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        if tile is not None:
            ax = figure.add_subplot(grid[i // n_columns, i % n_columns])
            _draw_tile(ax, tile, "\n".join(caption))


def find_columns(n_images, max_columns):
    """Choose the number of columns: rows of about equal length."""
    return -(-n_images // -(-n_images // max_columns))


def _draw_tile(ax, tile, caption):
    is_empty, is_query = tile.image is None, tile.is_query
    ax.set(xticks=[], yticks=[], anchor="N")
    for spine in ax.spines.values():
        spine.set(visible=is_query or is_empty, color="tab:red" if is_query else "0.8")
        spine.set_linewidth(2.5 if is_query else 1)
    if is_empty:
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.text(0.5, 0.5, "no image", ha="center", va="center", color="0.5", fontsize="x-small")
    else:
        image = np.asarray(tile.image)
        is_tiny = max(image.shape[:2]) < _FEW_PIXELS
        ax.imshow(
            image[..., 0] if image.shape[2:] == (1,) else image,
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest" if is_tiny else "antialiased",
        )
    weight = "bold" if is_query else "normal"
    ax.set_xlabel(caption, fontsize="x-small", fontweight=weight, parse_math=False, labelpad=3)


def _wrap_caption(probe, tile, side):
    """Wrap a caption to the width of its image, and cut it if it has too many lines."""
    probe.set_fontweight("bold" if tile.is_query else "normal")
    lines = _wrap(probe, tile.caption, side + 0.8 * _GAP, _MAX_TITLE)
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], f"{lines[_MAX_LINES - 1][:-1]}…"]
    return lines


def _wrap(probe, text, width, n_characters):
    """Wrap text until no line is wider than `width`, in inches: a list of lines."""
    # no more than can be shown, so that a text of megabytes costs no time
    text = escape_text(text)[: _MAX_LINES * n_characters]
    with warnings.catch_warnings():
        # of a letter that the font lacks; drawing it warns
        warnings.filterwarnings("ignore", "Glyph .* missing")
        while True:
            # matplotlib breaks no long word; textwrap does
            lines = [
                part.strip()
                for line in text.split("\n")
                for part in textwrap.wrap(line, n_characters)
            ]
            probe.set_text("\n".join(lines))
            excess = probe.get_window_extent().width / (width * probe.figure.dpi)
            if excess <= 1 or n_characters == 1:
                return lines
            n_characters = max(1, min(n_characters - 1, int(n_characters / excess)))


def _check_images(images):
    if isinstance(images, np.ndarray) and images.ndim == 3:
        shape = images.shape
        if shape[2] in (3, 4) and shape[1] > 4:
            got = f"one image, of shape {shape},"
            raise ParameterError("images", "must be several images", got, "Pass [image].")
    found = as_images(images)
    if found is None or not len(found):
        raise ParameterError(
            "images",
            "must hold images, in an array of shape (n, height, width) or (n, height, width, "
            "channels), a list of arrays or of paths, or a table of regions",
            type(images).__name__ if found is None else "nothing",
            "Reshape rows of pixels first, as in X.reshape(-1, height, width).",
        )
    if len(found) > _MAX_IMAGES:
        raise ParameterError(
            "images",
            f"must hold at most {_MAX_IMAGES} images",
            f"{len(found):,}",
            "Pass some of them, as in images[:100]. EmbeddingDisplay.to_html shows many more.",
        )
    return found


def _check_captions(captions, n_images):
    if captions is None:
        return [""] * n_images
    if isinstance(captions, (str, bytes)):
        raise ParameterError("captions", "must hold a text for each image", "one text")
    captions = list(captions)
    if len(captions) != n_images:
        raise ParameterError(
            "captions", f"must hold one text for each of the {n_images} images", str(len(captions))
        )
    return ["" if caption is None else escape_text(caption) for caption in captions]


def _check_columns(n_columns, n_images):
    if n_columns is None:
        is_large = n_images <= _LARGE_COLUMNS**2
        return find_columns(n_images, _LARGE_COLUMNS if is_large else _MAX_COLUMNS)
    if not isinstance(n_columns, Integral) or isinstance(n_columns, bool) or n_columns < 1:
        raise ParameterError("n_columns", "must be an integer of at least 1", repr(n_columns))
    return min(int(n_columns), n_images)


def _read(images, side):
    """Read all images as PIL images in RGB; None for those that cannot be read."""
    source = as_source(images)
    if not source.is_lazy and all(map(is_array, images)):
        return read_list(list(images), side)
    if source.is_lazy:
        source = images[:]  # with failures of its own
        source.on_error = "nan"
    else:
        source = open_files(list(images), side)
    shown = list(show_lazy(source, side))
    if source.failures:
        failures = sorted(source.failures.values())
        warn_caller(describe_failures(failures, len(source), "their places are empty"))
    return shown
