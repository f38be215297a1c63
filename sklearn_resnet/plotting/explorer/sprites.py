"""Sheets of thumbnails: many images side by side in a few WebP files."""

import base64
import io
import math
from itertools import islice

import numpy as np
from PIL import Image

from sklearn_resnet._images.composite import (
    choose_rendering,
    is_grey_or_rgb,
    render,
    spread_evenly,
)
from sklearn_resnet._images.failures import warn_about_failures
from sklearn_resnet._images.intensity import to_uint8
from sklearn_resnet._images.items import is_array
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import as_source
from sklearn_resnet.plotting._thumbnails import (
    find_shown_range,
    open_files,
    read_list,
    show_lazy,
)
from sklearn_resnet.plotting.explorer.overviews import as_regions

_SHEET_SIDE = 2048  # pixels: the largest image that all browsers and phones can draw
_QUALITY = 75
# maximum number of images, and side of a thumbnail: smaller for more, to limit the size of the page
_SIDES = ((1_500, 160), (5_000, 96), (20_000, 64), (math.inf, 32))
_BATCH_SIZE = 256


def thumbnail_side(images):
    """The side of the square that contains a thumbnail, in pixels."""
    side = next(side for max_images, side in _SIDES if len(images) <= max_images)
    is_resized = isinstance(images, LazyImages) and images.options["size"] is not None
    regions = as_regions(images)
    if regions is not None and not is_resized:
        return min(side, max(map(_longer_side, regions)))
    shape = as_source(images).shape
    if len(shape) < 3:  # paths, or images of different sizes
        return side
    return min(side, max(shape[1:3]))


def _longer_side(region):
    if region.box is None:
        return math.inf
    top, left, bottom, right = region.box
    return max(bottom - top, right - left)


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
    source = as_source(images, _as_array_or_list)
    if len(source.shape) < 3 and not all(map(is_array, images)):
        source = open_files(list(images), side)
    tiles = show_lazy(source, side) if source.is_lazy else _read_values(source, images, side)
    n_images = len(source)
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
    warn_about_failures(source.failures, n_images, "their squares are empty")
    return sheets, n_columns


def _as_array_or_list(images):
    return images if isinstance(images, np.ndarray) else list(images)


def _read_values(source, images, side):
    """Yield the images of a source that is not lazy as PIL images in RGB."""
    value_range = rendering = None
    if len(source.shape) > 3 and not is_grey_or_rgb(source.shape[1:]):
        chosen = spread_evenly(len(source))
        rendering = choose_rendering([np.asarray(images[i]) for i in chosen])
    elif len(source.shape) > 2 and not source.reads_in_blocks and source.dtype != np.uint8:
        # of all images, so that a dark one stays dark
        value_range = find_shown_range(source.arrays)
    for start in range(0, len(source), _BATCH_SIZE):
        rows = range(start, min(start + _BATCH_SIZE, len(source)))
        if rendering is not None:
            block = [render(np.asarray(images[i]), rendering) for i in rows]
        elif value_range is None:
            block = [images[i] for i in rows]
        else:
            block = list(to_uint8(images[rows.start : rows.stop], value_range))
        yield from read_list(block, side)
