"""Forms of images: their shape and dtype, and the errors of images that differ in it."""

from typing import NamedTuple

import numpy as np

from sklearn_resnet._images.items import is_cut, name_of
from sklearn_resnet._runtime.errors import ParameterError

_MAX_CHANNELS = 20  # in a message


class Form(NamedTuple):
    """The shape and the dtype of each image."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @classmethod
    def of(cls, image):
        """Return the form of an array."""
        return cls(image.shape, image.dtype)


def size_error(difference):
    """Make the error of images of different sizes.

    Parameters
    ----------
    difference : str
        From `describe_difference`.

    Returns
    -------
    ParameterError
    """
    return ParameterError(
        "size",
        "must be given for images of different sizes",
        got=None,
        hint=f"{difference}.",
        remedy="Pass size= to ImageLoader, as in ImageLoader(size=64).",
    )


def channels_error(difference):
    """Make the error of images that differ in their number of channels or their depth."""
    return ParameterError(
        "channels",
        "must name channels that all images have, in one depth",
        got=None,
        hint=f"{difference}.",
        remedy="Pass channels=[...] to ImageLoader for images of different channels, or mode='RGB' for "
        "images of different depths.",
    )


def names_error(difference):
    """Make the error of files that name their channels differently."""
    return ParameterError(
        "channels",
        "must name the channels of files that name them differently",
        got=None,
        hint=f"{difference}. Choose channels by name to take them by name in each file.",
        remedy="Pass channels=[...] with names to ImageLoader.",
    )


def describe_difference(first, form, other, other_form):
    """Describe two images of different forms: their sizes if these differ, else their channels.

    Parameters
    ----------
    first, other : str
        From `describe_name`.
    form, other_form : Form

    Returns
    -------
    str
    """
    is_size = form.shape[:2] != other_form.shape[:2]
    return f"{_describe(first, form, is_size)} and {_describe(other, other_form, is_size)}"


def describe_name(item, position):
    """Name an item of X: by its path if it has one. A region is named by its row, too."""
    if is_cut(item):
        return f"row {position} of the table" + (f" ({name_of(item)!r})" if name_of(item) else "")
    return repr(name_of(item)) if name_of(item) else f"image {position} of X"


def _describe(name, form, is_size):
    if is_size:
        return f"{name} has {form.shape[0]} x {form.shape[1]} pixels"
    return f"{name} has {count_channels(form.shape[2])} of {form.dtype}"


def list_channels(names):
    """List the names of channels for a message."""
    return ", ".join([*map(repr, names[:_MAX_CHANNELS]), *["..."] * (len(names) > _MAX_CHANNELS)])


def count_channels(n_channels):
    """Return ``"1 channel"`` or ``"3 channels"``."""
    return f"{n_channels} channel{'s' * (n_channels != 1)}"
