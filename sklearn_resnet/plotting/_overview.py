"""Whole images, reduced to be shown with their regions."""

import warnings

import numpy as np
from PIL import Image

from sklearn_resnet._images.composite import make_composite
from sklearn_resnet._images.decoding import MAX_PIXELS
from sklearn_resnet._images.decoding.overviews import read_overview, read_size
from sklearn_resnet._images.items import is_array
from sklearn_resnet.plotting._thumbnails import read_list


def read_whole(item, page, max_side):
    """Read an image in colours: as it is, or its channels in added colours if it is not grey or RGB.

    Parameters
    ----------
    item : path, array-like, PIL Image or EncodedImage
        As `as_item` returns it.
    page : int, str or None
        As for `ImageLoader`.
    max_side : int
        The largest height and width of the result.

    Returns
    -------
    image : ndarray of shape (height, width, 3), dtype uint8
    shape : tuple of 2 int
        Height and width of the image in full resolution.

    Raises
    ------
    ImageReadError
        If it cannot be read.
    """
    if is_array(item):
        return np.asarray(read_list([item], max_side)[0]), np.shape(item)[:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of images that are wanted
        return _read_file(item, max_side, {"page": page, "max_pixels": _find_max_pixels()})


def _find_max_pixels():
    """Return the largest number of pixels that Pillow decodes, as the user may have set it."""
    limit = Image.MAX_IMAGE_PIXELS
    return None if limit is None else 2 * max(limit, MAX_PIXELS)


def _read_file(item, max_side, options):
    try:
        image, _ = read_overview(item, max_side, **options)
    except ValueError:  # its channels are no colours, or it cannot be read at all
        image = None
    if image is None or (image == image[..., :1]).all():  # grey of more than 8 bits may be dark
        channels, _ = read_overview(item, max_side, mode="channels", **options)
        if image is None or channels.dtype != np.uint8:
            image = make_composite([channels])[0]
    return image, read_size(item, **options)
