"""The parameters of `ImageLoader` that choose channels and rescale them, and the ranges that `fit` learns."""

import math
import numbers

import numpy as np

from sklearn_resnet._images.decoding.channels import find_percentiles
from sklearn_resnet._images.intensity import check_value_range
from sklearn_resnet._runtime.errors import ParameterError

PERCENTILE, WINDOW = "percentile", "window"
_PERCENTILES = (0.1, 99.9)


def resolve_rescale(rescale, value_range):
    """Resolve the parameters `rescale` and `value_range`, which exclude each other.

    Parameters
    ----------
    rescale : None, str or sequence
    value_range : None or sequence

    Returns
    -------
    value_range : tuple of 2 float or None
        The black and the white level, from either parameter.
    rescale : None, ("window",) or ("percentile", p, q)
        How to find them for each image or channel.

    Raises
    ------
    ParameterError
        If one is invalid, or both are given.
    """
    if rescale is None:
        return None if value_range is None else check_value_range(value_range), None
    if value_range is not None:
        raise ParameterError(
            "rescale",
            "must be None if value_range is given",
            f"{rescale!r} and {value_range!r}",
            "Pass one of them.",
        )
    if rescale == WINDOW:
        return None, (WINDOW,)
    given = rescale
    if isinstance(rescale, str):
        rescale = (rescale, *_PERCENTILES)
    if len(rescale) == 3 and rescale[0] == PERCENTILE and _are_numbers(rescale[1:]):
        low, high = map(float, rescale[1:])
        if 0 <= low < high <= 100:
            return None, (PERCENTILE, low, high)
    elif len(rescale) == 2 and _are_numbers(rescale) and rescale[0] < rescale[1]:
        return tuple(map(float, rescale)), None
    raise ParameterError(
        "rescale",
        "must be None, (low, high), 'percentile', ('percentile', p, q) or 'window', with finite low less "
        "than high, and percentiles from 0 to 100",
        repr(given),
    )


def _are_numbers(values):
    return all(isinstance(value, numbers.Real) and math.isfinite(value) for value in values)


def check_channel_choice(channels, mode):
    """Check the parameter `channels` of `ImageLoader`.

    Parameters
    ----------
    channels : None or sequence of int and str
    mode : {"RGB", "L", "channels"}

    Returns
    -------
    tuple of int and str, or None

    Raises
    ------
    ParameterError
        If it is not a list of indices and names, or if there are not as many as `mode` needs.
    """
    if channels is None:
        return None
    is_valid = len(channels) > 0 and all(
        isinstance(channel, str)
        or (isinstance(channel, numbers.Integral) and not isinstance(channel, bool))
        for channel in channels
    )
    if not is_valid:
        raise ParameterError(
            "channels",
            "must be None or a list of channels, each an index or a name",
            repr(channels),
        )
    if mode != "channels" and len(channels) not in (1, 3):
        raise ParameterError(
            "channels",
            "must be a list of 1 channel, or of 3 that become R, G and B before grey, with mode='L'"
            if mode == "L"
            else "must be a list of 3 channels, or of 1 for grey, with mode='RGB'",
            repr(channels),
            "Pass mode='channels' for any number of channels.",
        )
    return tuple(c if isinstance(c, str) else int(c) for c in channels)


def learn_ranges(samples, percentiles):
    """Find the range of each channel of a collection.

    Parameters
    ----------
    samples : list of list of ndarray
        For each image, the values of each channel. A grey image among those of more channels counts
        for all of them.
    percentiles : tuple of 2 float

    Returns
    -------
    ndarray of shape (n_channels, 2), dtype float64
    """
    n_channels = max(map(len, samples))
    of_channels = (
        np.concatenate([np.ravel(image[min(i, len(image) - 1)]) for image in samples])
        for i in range(n_channels)
    )
    return np.array([find_percentiles(values, *percentiles) for values in of_channels])
