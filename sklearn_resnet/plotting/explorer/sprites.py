"""Thumbnails of many images, side by side in a few sheets."""

import base64
import io
import math
from itertools import islice

import numpy as np
from PIL import Image

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.intensity import to_uint8
from sklearn_resnet._images.lazy import LazyImages, warn_of_failures
from sklearn_resnet._images.validation import is_path
from sklearn_resnet.plotting._thumbnails import find_shown_range, read_chosen, shrink

_SHEET_SIDE = 2048  # pixels: what every browser, and every phone, can draw
_QUALITY = 75
_SIDES = ((1_500, 160), (5_000, 96), (20_000, 64), (math.inf, 32))  # so that pages stay small
_AT_ONCE = 256


def thumbnail_side(images):
    """The side of the square that thumbnails are fitted into, in pixels."""
    side = next(side for most, side in _SIDES if len(images) <= most)
    if getattr(images, "ndim", 1) < 3:  # paths, or of sizes of their own
        return side
    return min(side, max(images.shape[1:3]))


def make_sheets(images, side):
    """Fit images into squares, and lay these side by side, row by row.

    Parameters
    ----------
    images : LazyImages, array or sequence of ndarray or of path
        Those that cannot be read, if that is no error, leave their square empty.
    side : int
        Of a square, in pixels.

    Returns
    -------
    sheets : list of str
        WebP in base64.
    n_columns : int
        The squares of a row, and the rows of a full sheet.
    """
    if not isinstance(images, (LazyImages, np.ndarray)) and is_path(images[0]):
        images = ImageLoader(size=side, lazy=True, on_error="nan").fit_transform(list(images))
    n_images, tiles = len(images), _read(images, side)
    n_columns = max(1, min(_SHEET_SIDE // side, math.ceil(math.sqrt(n_images))))
    sheets = []
    for start in range(0, n_images, n_columns**2):
        n_here = min(n_columns**2, n_images - start)
        sheet = Image.new("RGBA", (n_columns * side, math.ceil(n_here / n_columns) * side))
        for place, image in enumerate(islice(tiles, n_here)):
            if image is not None:
                row, column = divmod(place, n_columns)
                margin = (side - image.width) // 2, (side - image.height) // 2
                sheet.paste(image, (column * side + margin[0], row * side + margin[1]))
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=_QUALITY, method=2)
        sheets.append(base64.b64encode(file.getvalue()).decode())
    if isinstance(images, LazyImages):
        warn_of_failures(images.failures, n_images, "their squares are empty")
    return sheets, n_columns


def _read(images, side):
    """Images, one by one, as PIL has them in RGB; None of those that cannot be read."""
    if isinstance(images, LazyImages):
        decoded = (image for batch in images.batches(64) for image in batch)
        for i, image in enumerate(decoded):
            yield None if i in images.failures else shrink(image, side)
        return
    value_range = None
    if isinstance(images, np.ndarray) and images.ndim > 2 and images.dtype != np.uint8:
        value_range = find_shown_range(images)  # of all, so that one dark image stays dark
    for start in range(0, len(images), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(images)))
        if value_range is None:
            yield from read_chosen(images, rows, side)
        else:
            block = to_uint8(images[rows.start : rows.stop], value_range)
            yield from read_chosen(block, range(len(block)), side)
