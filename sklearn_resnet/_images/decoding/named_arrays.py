"""Arrays with a name in a file that holds several, such as .npz and HDF5."""

import math

import numpy as np

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.limits import MAX_PIXELS, check_array
from sklearn_resnet._images.decoding.selection import PAGES_AS_CHANNELS

_MAX_NAMED = 10  # arrays in a message
_REPLACE = "Replace the file or leave it out."


def choose_array(shapes, dataset):
    """Choose an array by its name, or the only one that can be an image.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        The shapes of all arrays of numbers, by name.
    dataset : str or None
        The name that the path of the file ends in.

    Returns
    -------
    str

    Raises
    ------
    FormatError
        If there is no such array, or several could be the image. The error lists the arrays.
    """
    images = [name for name, shape in shapes.items() if len(shape) > 1]
    if dataset is None and len(images) == 1:
        return images[0]
    if dataset in shapes:
        return dataset
    if not images:
        raise FormatError("it holds no array of numbers with 2 or more dimensions", _REPLACE)
    listed = [f"{name!r} {shapes[name]}" for name in images[:_MAX_NAMED]]
    names = ", ".join(listed) + ", ..." * (len(images) > _MAX_NAMED)
    problem = "holds several arrays" if dataset is None else f"has no array {dataset!r}"
    raise FormatError(
        f"it {problem}: {names}" if dataset is None else f"it {problem}, but {names}",
        f"Append the name of one to the path, as in '...::{images[0]}'.",
    )


def check_planes(array, selection, max_pixels):
    """Refuse an array of which too much would be read at once, as `check_array` does.

    Parameters
    ----------
    array : array-like
        Of h5py or Zarr, with `chunks`. With pages, one is read at once.
    selection : Selection
    max_pixels : int or None
    """
    shape = array.shape if selection.page is None else array.shape[1:]
    if selection.page == PAGES_AS_CHANNELS:
        shape = (*array.shape[1:], array.shape[0])
    if len(shape) > 1:
        check_array(shape, array.dtype, max_pixels)
    check_chunks(array, max_pixels)


def check_chunks(array, max_pixels):
    """Refuse an array with chunks that unpack to too many bytes; they may be larger than the array."""
    chunks = getattr(array, "chunks", None) or ()
    if array.dtype.itemsize * math.prod(chunks) > 4 * (max_pixels or MAX_PIXELS):
        raise FormatError(
            f"its chunks have the shape {tuple(chunks)}, more than the limit of "
            "ImageLoader(max_pixels=)",
            "Pass a larger max_pixels, or store it in smaller chunks.",
        )


def is_numeric(dtype):
    """Whether the values of a dtype can be brightness."""
    return dtype.kind in "biuf"


def read_fill_value(attributes, dtype):
    """Read the value of pixels without data from attributes, as netCDF names it; None without one."""
    values = np.ravel(attributes.get("_FillValue", attributes.get("missing_value", [])))
    try:
        return float(dtype.type(float(values[0]))) if len(values) == 1 else None
    except (TypeError, ValueError, OverflowError):
        return None
