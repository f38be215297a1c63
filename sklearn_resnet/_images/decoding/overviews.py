"""Overviews: whole images, reduced in bounded memory, and their sizes."""

import contextlib

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.pillow import FORMATS, REDUCING_GAP, read_pillow_size
from sklearn_resnet._images.decoding.reading import (
    convert_image,
    convert_pillow_image,
    open_image,
    read_image,
)
from sklearn_resnet._images.decoding.resizing import fit_channels
from sklearn_resnet._images.decoding.selection import Selection, choose_level
from sklearn_resnet._images.decoding.windows import make_windows, open_windows
from sklearn_resnet._images.items import is_array, is_path, name_of
from sklearn_resnet._io.paths import is_url

_DEFAULTS = {"size": None, "resize": "stretch", "mode": "RGB", "value_range": None}


def read_overview(item, max_side, *, max_pixels=None, **options):
    """Read a whole image, reduced.

    Parameters
    ----------
    item : path, array, PIL Image or EncodedImage
        As an item of `LazyImages`.
    max_side : int
        The largest height and width of the result. Smaller images are not enlarged.
    max_pixels : int, default=None
        As for `read_image`. It does not bound files that have windows.
    **options
        As for `read_image`: mode ("RGB" by default), channels, page, value_range, rescale.

    Returns
    -------
    overview : ndarray of shape (height, width, 3), (height, width) or (height, width, n_channels)
        uint8, unless the mode is "channels".
    scale : float
        How many pixels of the image, in full resolution, are one of the overview; at least 1.

    Raises
    ------
    ImageReadError
        As `read_image` does.
    """
    options = {**_DEFAULTS, **options}
    height, width = read_size(item, page=options.get("page"), max_pixels=max_pixels)
    scale = max(1.0, max(height, width) / max_side)
    size = None
    if scale > 1:
        size = max(1, round(height / scale)), max(1, round(width / scale))
        windows = open_windows(item, options, max_pixels=max_pixels)
        if windows is not None:
            with contextlib.closing(windows):
                return _reduce(windows, size), scale
    return _read_whole(item, options | {"size": size}, max_pixels), scale


def read_size(item, *, page=None, max_pixels=None):
    """Read the size of an image, where possible without decoding it.

    Parameters
    ----------
    item : path, array, PIL Image or EncodedImage
        As an item of `LazyImages`.
    page : int or str, default=None
        As for `read_image`.
    max_pixels : int, default=None
        As for `read_image`, if the image has to be decoded.

    Returns
    -------
    height, width : int
        Of the upright image in full resolution.

    Raises
    ------
    ImageReadError
        As `read_image` does.
    """
    if is_array(item):
        return np.shape(item)[:2]
    if isinstance(item, Image.Image):
        return read_pillow_size(item)
    options = {**_DEFAULTS, "page": page, "mode": "channels"}
    windows = make_windows(item, options)
    if windows is not None:
        windows.close()
        return windows.shape
    return _read_pillow_size(item) or _read_whole(item, options, max_pixels).shape[:2]


def _read_pillow_size(item):
    """Read the size of a file from its header; None if Pillow does not open it."""
    if is_path(item) and is_url(item):  # to be read once
        return None
    try:
        with open_image(item, name_of(item)) as file, Image.open(file, formats=FORMATS) as image:
            return read_pillow_size(image)
    except Exception:  # decoding it names the cause
        return None


def _read_whole(item, options, max_pixels):
    if is_array(item):
        return convert_image(np.asarray(item), **options)
    if isinstance(item, Image.Image):
        return convert_pillow_image(item, max_pixels=max_pixels, **options)
    return read_image(item, max_pixels=max_pixels, **options)


def _reduce(windows, size):
    """Reduce an image as `fit_image` does, but block by block: by means of boxes, then to the size."""
    level = choose_level(windows.level_shapes, Selection(size=size))
    shape = windows.level_shapes[level]
    scales = (full / REDUCING_GAP / side for full, side in zip(shape, size, strict=True))
    height, width = (max(1, int(scale)) for scale in scales)
    total, counts, dtype = None, None, None
    for (top, left, bottom, right), block in windows.read_blocks(level):
        rows, n_rows = _find_parts(top, bottom, height)
        columns, n_columns = _find_parts(left, right, width)
        sums = np.add.reduceat(block, rows - top, axis=0, dtype=np.float64)
        sums = np.add.reduceat(np.atleast_3d(sums), columns - left, axis=1)
        if total is None:
            total = np.zeros((-(-shape[0] // height), -(-shape[1] // width), sums.shape[2]))
            counts, dtype, n_dims = np.zeros((*total.shape[:2], 1)), block.dtype, block.ndim
        part = np.ix_(rows // height, columns // width)
        total[part] += sums
        counts[part] += np.outer(n_rows, n_columns)[..., np.newaxis]
    means = total / counts
    means = (np.rint(means) if dtype.kind == "u" else means).astype(dtype)
    reduced = fit_channels(means, size, "stretch")
    return reduced[..., 0] if n_dims == 2 else reduced


def _find_parts(first, last, size):
    """Cut a range at the multiples of a size: the starts and the sizes of its parts."""
    starts = np.unique(np.r_[first, np.arange(-(-first // size) * size, last, size)])
    return starts, np.diff(np.r_[starts, last])
