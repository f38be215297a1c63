"""Tables of regions: the images they are in, and the columns that all of them have."""

import os
import re

import numpy as np
import pandas as pd

from sklearn_resnet._images.items import Region, name_of
from sklearn_resnet._images.regions import BOX
from sklearn_resnet._images.validation import as_sequence, check_size
from sklearn_resnet._runtime.errors import ParameterError


def list_images(images):
    """List images whose regions are to be found.

    Parameters
    ----------
    images : sequence of path or image
        As for `ImageLoader`.

    Returns
    -------
    list of path, array-like, PIL Image or EncodedImage

    Raises
    ------
    ValueError
        If it is a single image, empty, or holds other objects.
    """
    try:
        items = as_sequence(images)
    except ValueError as exc:
        raise ValueError(re.sub(r"\bX\b", "images", str(exc))) from exc
    n_axes = len(getattr(images, "shape", ()))
    if items is None and n_axes in (3, 4):
        return list(images)
    if not items:
        got = f"an object of type {type(images).__name__}" if items is None else "an empty sequence"
        remedy = "Pass [image] for one image." if n_axes == 2 else ""
        raise ParameterError("images", "must be a list of paths or images", got, remedy)
    if any(isinstance(item, Region) for item in items):
        raise ParameterError("images", "must be whole images", "a table with boxes or pages")
    return items


def check_patch_size(size):
    """Return ``(height, width)`` of patches or tiles; raise ParameterError if `size` is none."""
    if size is None:
        raise ParameterError("size", "must be an int of at least 1 or (height, width)", "None")
    return check_size("size", size)


def describe_image(images, i):
    """Name an image in a message: its path, or its position."""
    name = name_of(images[i])
    return repr(name) if name else f"images[{i}]"


def make_region_table(images, boxes, columns):
    """Make a table of regions.

    Parameters
    ----------
    images : sequence of path or image
        The image of each region.
    boxes : array-like of shape (n_regions, 4)
        Top, left, bottom and right.
    columns : dict of str to array-like
        Further columns.

    Returns
    -------
    DataFrame
    """
    paths = [os.fspath(image) if isinstance(image, os.PathLike) else image for image in images]
    boxes = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    return pd.DataFrame(
        {
            "path": pd.Series(paths, dtype=object),
            **dict(zip(BOX, boxes.T, strict=True)),
            **columns,
        }
    )
