"""Sheets of thumbnails: many images side by side in a few WebP files."""

import base64
import io
import math
from itertools import islice

import numpy as np
from PIL import Image

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.intensity import to_uint8
from sklearn_resnet._images.lazy import warn_about_failures
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._images.validation import is_path
from sklearn_resnet.plotting._thumbnails import find_shown_range, read_chosen, shrink

_SHEET_SIDE = 2048  # pixels: the largest image that all browsers and phones can draw
_QUALITY = 75
# maximum number of images, and side of a thumbnail: smaller for more, to limit the size of the page
_SIDES = ((1_500, 160), (5_000, 96), (20_000, 64), (math.inf, 32))
_BATCH_SIZE = 256


def thumbnail_side(images):
    """The side of the square that contains a thumbnail, in pixels."""
    side = next(side for max_images, side in _SIDES if len(images) <= max_images)
    if getattr(images, "ndim", 1) < 3:  # paths, or images of different sizes
        return side
    return min(side, max(images.shape[1:3]))


def make_sheets(images, side):
    """Arrange thumbnails in sheets, row by row.

    Parameters
    ----------
    images : LazyImages, array or sequence of ndarray or of path
        Images that cannot be read leave their square empty, unless that is an error.
    side : int
        The side of a square, in pixels.

    Returns
    -------
    sheets : list of str
        WebP files, encoded in base64.
    n_columns : int
        The number of squares in a row, and of rows in a full sheet.
    """
    if not as_source(images).is_lazy and is_path(images[0]):
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
    warn_about_failures(as_source(images).failures, n_images, "their squares are empty")
    return sheets, n_columns


def _read(images, side):
    """Yield images as PIL images in RGB, or None for those that cannot be read."""
    if as_source(images).is_lazy:
        decoded = (image for batch in images.batches(64) for image in batch)
        for i, image in enumerate(decoded):
            yield None if i in images.failures else shrink(image, side)
        return
    value_range = None
    if isinstance(images, np.ndarray) and images.ndim > 2 and images.dtype != np.uint8:
        value_range = find_shown_range(images)  # of all images, so that a dark one stays dark
    for start in range(0, len(images), _BATCH_SIZE):
        rows = range(start, min(start + _BATCH_SIZE, len(images)))
        if value_range is None:
            yield from read_chosen(images, rows, side)
        else:
            block = to_uint8(images[rows.start : rows.stop], value_range)
            yield from read_chosen(block, range(len(block)), side)
