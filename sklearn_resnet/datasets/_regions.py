"""Random patches of an image."""

import os
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from sklearn_resnet._images.decoding import pillow_to_array, read_image
from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._images.items import is_path
from sklearn_resnet._images.validation import check_size
from sklearn_resnet._runtime.errors import ParameterError


def sample_patches(
    image: "ArrayLike | os.PathLike | Image.Image",
    n: int,
    size: int | tuple[int, int],
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Cut patches from random places of an image.

    Parameters
    ----------
    image : path, PIL Image, or array of shape (height, width) or (height, width, channels)
        `ImageLoader` describes how files are read.
    n : int
        Number of patches, at most the number of different places.
    size : int or tuple of 2 int
        Height and width of a patch, in pixels. An int is the side of a square.
    random_state : int, RandomState instance or None, default=None
        Draws the places, with replacement.

    Returns
    -------
    patches : ndarray of shape (n, height, width) or (n, height, width, channels)
        They have the dtype of `image`; uint8 for a file.

    Raises
    ------
    ValueError
        If the image is too small.
    ImageReadError
        If the file cannot be read.

    See Also
    --------
    sklearn.feature_extraction.image.extract_patches_2d : Cuts the patches.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_image
    >>> from sklearn_resnet.datasets import sample_patches
    >>> sample_patches(load_sample_image("flower.jpg"), 5, 64, random_state=0).shape
    (5, 64, 64, 3)
    """
    name = repr(os.fspath(image)) if is_path(image) else "the image"
    if is_path(image):
        pixels = _read_and_warn(image)
    else:
        pixels = pillow_to_array(image) if isinstance(image, Image.Image) else np.asarray(image)
    shape = check_size("size", size)
    places = np.subtract(pixels.shape[:2], shape) + 1
    if n < 1:
        raise ParameterError("n", "must be at least 1", repr(n))
    if min(places) < 1 or n > places.prod():
        raise ParameterError(
            "size",
            f"must leave at least {n} different places for a patch",
            f"patches of {shape[0]} x {shape[1]} pixels for {name} of {pixels.shape[0]} x "
            f"{pixels.shape[1]} pixels",
            "Pass a smaller size, fewer patches or a larger image.",
        )
    from sklearn.feature_extraction.image import extract_patches_2d  # slow to import

    return extract_patches_2d(pixels, shape, max_patches=n, random_state=random_state)


def _read_and_warn(path):
    """Read an image file, and warn if its value range may be wrong."""
    file_log = FileLog()
    pixels = read_image(path, report=partial(file_log.add, path))
    file_log.warn()
    return pixels
