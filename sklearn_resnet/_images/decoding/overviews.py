"""Overviews: whole images, reduced in bounded memory, and their sizes."""

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.reading import convert_image, convert_pillow_image, read_image
from sklearn_resnet._images.items import is_array

_WHOLE = {"size": None, "resize": "stretch", "mode": "RGB", "value_range": None}


def read_overview(item, max_side, *, max_pixels=None, **options):
    """Read a whole image, reduced.

    Parameters
    ----------
    item : path, array, PIL Image or EncodedImage
        As an item of `LazyImages`.
    max_side : int
        The largest height and width of the result. Smaller images are not enlarged.
    max_pixels : int, default=None
        As for `read_image`; it does not bound files that are read by windows.
    **options
        As for `read_image`: mode ("RGB" by default), channels, page, value_range, rescale.

    Returns
    -------
    overview : ndarray of shape (height, width, 3), (height, width) or (height, width, n_channels)
        uint8, unless the mode is "channels".
    scale : float
        How many pixels of the image are one of the overview; at least 1.
    """
    image = _read_whole(item, _WHOLE | options, max_pixels)
    height, width = image.shape[:2]
    scale = max(1.0, max(height, width) / max_side)
    if scale > 1:
        size = max(1, round(height / scale)), max(1, round(width / scale))
        image = _read_whole(item, _WHOLE | options | {"size": size}, max_pixels)
    return image, scale


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
    """
    return _read_whole(item, _WHOLE | {"page": page, "mode": "channels"}, max_pixels).shape[:2]


def _read_whole(item, options, max_pixels):
    if is_array(item):
        return convert_image(np.asarray(item), **options)
    if isinstance(item, Image.Image):
        return convert_pillow_image(item, max_pixels=max_pixels, **options)
    return read_image(item, max_pixels=max_pixels, **options)
