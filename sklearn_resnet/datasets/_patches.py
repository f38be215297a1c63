"""Random patches of images."""

import numbers
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from PIL import Image
from sklearn.utils import check_random_state

from sklearn_resnet._images.decoding import pillow_to_array, read_image
from sklearn_resnet._images.decoding.overviews import read_size
from sklearn_resnet._images.file_log import FileLog
from sklearn_resnet._images.items import is_image_item, is_path
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.datasets._region_tables import (
    check_patch_size,
    describe_image,
    list_images,
    make_region_table,
)


def sample_patches(
    image: "ArrayLike | os.PathLike | Image.Image | Sequence[Any]",
    n: int,
    size: int | tuple[int, int],
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | pd.DataFrame:
    """Cut patches from random places of an image, or choose such places in several images.

    Parameters
    ----------
    image : path, PIL Image, array of shape (height, width) or (height, width, channels), or list of these
        `ImageLoader` describes how files are read. The images of a list are not decoded.
    n : int
        Number of patches, at most the number of different places. Of several images, all places are
        equally likely, so that larger images have more patches.
    size : int or tuple of 2 int
        Height and width of a patch, in pixels. An int is the side of a square.
    random_state : int, RandomState instance or None, default=None
        Draws the places, with replacement.

    Returns
    -------
    patches : ndarray of shape (n, height, width) or (n, height, width, channels)
        They have the dtype of `image`; uint8 for a file.
    regions : DataFrame if `image` is a list
        A row for each patch, in the order of the images, with the columns ``path``, ``top``,
        ``left``, ``bottom`` and ``right``, which `ImageLoader` reads.

    Raises
    ------
    ValueError
        If an image is too small.
    ImageReadError
        If a file cannot be read.

    See Also
    --------
    make_tiles : Cuts images into tiles of a grid.
    sklearn.feature_extraction.image.extract_patches_2d : Cuts the patches.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_image, load_sample_images
    >>> from sklearn_resnet.datasets import sample_patches
    >>> sample_patches(load_sample_image("flower.jpg"), 5, 64, random_state=0).shape
    (5, 64, 64, 3)

    Of several images, a table of regions:

    >>> regions = sample_patches(load_sample_images().images, 5, 64, random_state=0)
    >>> from sklearn_resnet import ImageLoader
    >>> ImageLoader().fit_transform(regions).shape
    (5, 64, 64, 3)
    """
    shape = check_patch_size(size)
    if not isinstance(n, numbers.Integral) or n < 1:
        raise ParameterError("n", "must be an int of at least 1", repr(n))
    if _is_list(image):
        return _sample_regions(list_images(image), n, shape, random_state)
    name = repr(os.fspath(image)) if is_path(image) else "the image"
    if is_path(image):
        pixels = _read_and_warn(image)
    else:
        pixels = pillow_to_array(image) if isinstance(image, Image.Image) else np.asarray(image)
    if _count_places(pixels.shape, shape) < n:
        raise _too_small(n, shape, pixels.shape, name)
    from sklearn.feature_extraction.image import extract_patches_2d  # slow to import

    return extract_patches_2d(pixels, shape, max_patches=n, random_state=random_state)


def _is_list(image):
    """Whether images are in a list or a column, rather than one image, which may be nested lists."""
    if is_image_item(image):
        return False
    if not isinstance(image, (list, tuple)):
        return getattr(getattr(image, "dtype", None), "kind", "O") not in "biufc"
    is_nested = len(image) and (isinstance(image[0], (list, tuple)) or np.ndim(image[0]) == 1)
    return not is_nested


def _sample_regions(images, n, shape, random_state):
    """Draw places of all images together."""
    sizes = [read_size(image) for image in images]
    counts = np.array([_count_places(size, shape) for size in sizes])
    if counts.min() < 1:
        i = int(counts.argmin())
        raise _too_small(1, shape, sizes[i], describe_image(images, i))
    ends = np.cumsum(counts)
    if ends[-1] < n:
        raise _too_small(n, shape, sizes[0], f"{describe_image(images, 0)} and the others")
    drawn = np.sort(check_random_state(random_state).randint(ends[-1], size=n, dtype=np.int64))
    owners = np.searchsorted(ends, drawn, side="right")
    widths = np.array([width for _, width in sizes])[owners] - shape[1] + 1
    top, left = np.divmod(drawn - (ends - counts)[owners], widths)
    boxes = np.stack([top, left, top + shape[0], left + shape[1]], axis=1)
    return make_region_table([images[i] for i in owners], boxes, {})


def _count_places(size, shape):
    """Count the places of a patch in an image."""
    rows, columns = np.subtract(size[:2], shape) + 1
    return int(rows) * int(columns) if min(rows, columns) > 0 else 0


def _too_small(n, shape, size, name):
    return ParameterError(
        "size",
        f"must leave at least {n} different places for a patch",
        f"patches of {shape[0]} x {shape[1]} pixels for {name} of {size[0]} x {size[1]} pixels",
        "Pass a smaller size, fewer patches or a larger image.",
    )


def _read_and_warn(path):
    """Read an image file, and warn if its value range may be wrong."""
    file_log = FileLog()
    pixels = read_image(path, report=partial(file_log.add, path))
    file_log.warn()
    return pixels
