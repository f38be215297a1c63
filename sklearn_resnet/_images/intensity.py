"""The value range of images: its black and white levels, found, checked and applied."""

import numbers
import warnings

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError


def find_value_range(images):
    """Find the black and the white level of images.

    Black is 0. The white level of integers follows from their dtype: 255 for uint8, 65535 for
    uint16. That of wider and signed dtypes, which often hold smaller values, is the first of 255,
    65535 and the maximum of the dtype that no value exceeds. That of floats is 1 if no value exceeds
    it, and 255 otherwise.

    Parameters
    ----------
    images : ndarray, or list of ndarray
        Arrays of any shapes and numeric dtypes.

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
        max_value = images.max()
        return 0.0, min(white for white in (255.0, 65535.0, limit) if max_value <= white)
    raise TypeError(f"Images must be of a bool, integer or float dtype. Got {dtype} instead.")


def check_value_range(value_range):
    """Check the parameter `value_range`.

    Parameters
    ----------
    value_range : sequence

    Returns
    -------
    tuple of 2 float
        ``(black, white)``.

    Raises
    ------
    ParameterError
        If it is not a pair of numbers, or black is not less than white.
    """
    is_pair = len(value_range) == 2 and all(
        isinstance(value, numbers.Real) for value in value_range
    )
    if not is_pair or not value_range[0] < value_range[1]:
        raise ParameterError(
            "value_range",
            "must be None or (black, white), with black less than white",
            repr(value_range),
        )
    return tuple(map(float, value_range))


def warn_about_another_range(value_range, fitted_range):
    """Warn if images seem to be on another scale than those in `fit`.

    Parameters
    ----------
    value_range, fitted_range : tuple of 2 float
        The value ranges that `find_value_range` found for these images and for those in `fit`.
    """
    if value_range[1] != fitted_range[1]:
        warnings.warn(
            f"X seems to hold values from 0 to {value_range[1]:g}, but fit saw values "
            f"from 0 to {fitted_range[1]:g}. Bring both to one range.",
            stacklevel=3,
        )


def warn_about_values_outside(arrays, value_range, remedy):
    """Warn about floats outside their value range.

    Parameters
    ----------
    arrays : sequence of ndarray
    value_range : tuple of 2 float
    remedy : str
        The last sentence of the warning.
    """
    for array in arrays:
        if array.dtype.kind != "f":  # integers are in their range, and may be too many to scan
            continue
        min_value, max_value = array.min(), array.max()
        if min_value < value_range[0] or max_value > value_range[1]:
            warnings.warn(
                f"X holds values from {min_value:.3g} to {max_value:.3g}, but the value range is "
                f"{value_range[0]:g} to {value_range[1]:g}. {remedy}",
                stacklevel=3,
            )
            return


def to_uint8(images, value_range):
    """Scale values from `value_range` to 0 to 255, round them, and clip those outside."""
    if images.dtype == np.uint8 and tuple(value_range) == (0, 255):
        return images
    low, high = value_range
    scaled = (images.astype(np.float64 if images.dtype.itemsize > 2 else np.float32) - low) * (
        255 / (high - low)
    )
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
