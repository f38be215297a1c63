"""Overviews: whole images, reduced in bounded memory, and their sizes."""

import contextlib

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.formats import read_head_shape
from sklearn_resnet._images.decoding.limits import check_pixels
from sklearn_resnet._images.decoding.pillow import FORMATS, REDUCING_GAP, read_pillow_size
from sklearn_resnet._images.decoding.reading import (
    convert_image,
    convert_pillow_image,
    open_image,
    read_image,
)
from sklearn_resnet._images.decoding.selection import Selection, choose_level
from sklearn_resnet._images.decoding.windows import make_windows, open_windows
from sklearn_resnet._images.items import is_array, is_path, name_of
from sklearn_resnet._io.paths import is_url

_MIN_ROWS, _BLOCK_PIXELS = 256, 2**21  # of what is read at once
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
    return _read_pillow_size(item, max_pixels) or _read_whole(item, options, max_pixels).shape[:2]


def _read_pillow_size(item, max_pixels):
    """Read the size of a file from its header; None if Pillow does not open it."""
    if is_path(item) and is_url(item):  # to be read once
        return None
    try:
        with open_image(item, name_of(item)) as file:
            check_pixels(read_head_shape(file), max_pixels)  # Pillow would warn
            with Image.open(file, formats=FORMATS) as image:
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
    """Reduce an image to the pixels that `fit_channels` makes of it, but block by block."""
    level = choose_level(windows.level_shapes, Selection(size=size))
    shape, tile_shape = windows.level_shapes[level], windows.tile_shapes[level]
    sides = list(zip(shape, size, strict=True))
    factors = [int(full / side / REDUCING_GAP) or 1 for full, side in sides]  # as Pillow's resize
    planes, form = None, None
    for box in _cut(shape, tile_shape, factors):
        block = windows.read_at_level(box, level)
        form = form or (block.dtype, block.ndim)
        block = np.atleast_3d(block if block.dtype == np.uint8 else block.astype(np.float32))
        if planes is None:
            sides = [-(-full // factor) for full, factor in zip(shape, factors, strict=True)]
            planes = np.empty((block.shape[2], *sides), block.dtype)
        y, x = box[0] // factors[0], box[1] // factors[1]
        for i, plane in enumerate(planes):
            channel = Image.fromarray(np.ascontiguousarray(block[..., i]))
            part = np.asarray(channel.reduce((factors[1], factors[0])))
            plane[y : y + part.shape[0], x : x + part.shape[1]] = part
    inner = 0, 0, shape[1] / factors[1], shape[0] / factors[0]
    bilinear = Image.Resampling.BILINEAR
    fitted = [Image.fromarray(plane).resize(size[::-1], bilinear, inner) for plane in planes]
    dtype, n_dims = form
    overview = np.stack([np.asarray(image) for image in fitted], axis=-1)
    overview = (np.rint(overview) if dtype.kind == "u" else overview).astype(dtype)
    return overview[..., 0] if n_dims == 2 else overview


def _cut(shape, tile_shape, factors):
    """Cut an image into boxes of about a row of tiles, whose sides are multiples of the factors."""
    height = factors[0] * max(1, max(tile_shape[0], _MIN_ROWS) // factors[0])
    width = factors[1] * max(1, min(shape[1], _BLOCK_PIXELS // height) // factors[1])
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            yield top, left, min(top + height, shape[0]), min(left + width, shape[1])
