"""The value range of images: black and white level, found, checked and applied."""

import numbers
import warnings

import numpy as np


def find_value_range(images):
    """Find the values that stand for black and white.

    Integers go by their dtype: 255 for uint8, 65535 for uint16. Wider and signed
    ones, which often hold smaller values, go by the smallest of 255, 65535 and
    their dtype's maximum that holds the largest value seen. Floats go from 0 to 1
    if none is larger than 1, and else from 0 to 255.

    Parameters
    ----------
    images : ndarray, or list of ndarray
        Of any shapes and numeric dtypes.

    Returns
    -------
    tuple of float
        ``(black, white)``.
    """
    if isinstance(images, list):
        return max((find_value_range(image) for image in images), key=lambda found: found[1])
    kind, dtype = images.dtype.kind, images.dtype
    if kind == "b":
        return 0.0, 1.0
    if kind == "f":
        return 0.0, (1.0 if images.max() <= 1 else 255.0)
    if kind in "iu":
        limit = float(np.iinfo(dtype).max)
        if kind == "u" and dtype.itemsize <= 2:
            return 0.0, limit
        largest = images.max()
        return 0.0, min(white for white in (255.0, 65535.0, limit) if largest <= white)
    raise TypeError(f"Images must be of a bool, integer or float dtype. Got {dtype} instead.")


def check_value_range(value_range):
    """Bring the parameter `value_range`, if it is not None, to ``(black, white)`` as floats.

    Raises
    ------
    ValueError
        If it is no such pair, or black is not less than white.
    """
    is_pair = len(value_range) == 2 and all(
        isinstance(value, numbers.Real) for value in value_range
    )
    if not is_pair or not value_range[0] < value_range[1]:
        raise ValueError(
            "The 'value_range' parameter must be None or (black, white), black being less "
            f"than white. Got {value_range!r} instead."
        )
    return tuple(map(float, value_range))


def warn_of_another_range(images, value_range):
    """Warn if images seem to be on another scale than those that `fit` saw.

    Parameters
    ----------
    images : ndarray, or list of ndarray
    value_range : tuple of 2 float
        What `find_value_range` found then.
    """
    white = find_value_range(images)[1]
    if white != value_range[1]:
        warnings.warn(
            f"X seems to hold values from 0 to {white:g}, and those that fit saw went from 0 to "
            f"{value_range[1]:g}. Bring both to one range.",
            stacklevel=3,
        )


def warn_of_values_beyond(images, value_range, remedy):
    """Warn of floats that lie outside the range found for them."""
    for array in images if isinstance(images, list) else [images]:
        if array.dtype.kind != "f":  # integers fit their range, and may be too many to scan
            continue
        least, largest = array.min(), array.max()
        if least < value_range[0] or largest > value_range[1]:
            warnings.warn(
                f"X holds values from {least:.3g} to {largest:.3g}, while black is taken to be "
                f"{value_range[0]:g} and white {value_range[1]:g}. {remedy}",
                stacklevel=3,
            )
            return


def to_uint8(images, value_range):
    """Scale values from `value_range` to 0 to 255, round them, and clip what lies outside."""
    if images.dtype == np.uint8 and tuple(value_range) == (0, 255):
        return images
    low, high = value_range
    scaled = (images.astype(np.float64 if images.dtype.itemsize > 2 else np.float32) - low) * (
        255 / (high - low)
    )
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
