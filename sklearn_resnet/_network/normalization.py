"""Normalisation of images before the first layer, by name or as mean and standard deviation."""

from dataclasses import dataclass

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller

_LIMIT = 1e18  # of numbers whose quotients are float32


@dataclass(frozen=True)
class Normalization:
    """The mean and standard deviation by which images are normalised.

    Attributes
    ----------
    mean, std : tuple of float
        In units of the value range, of which black is 0 and white is 1. One value for each channel,
        those of colour images in the order R, G, B, or one value for all channels.
    order : {"RGB", "BGR"}, default="RGB"
        The order in which the channels of colour images enter the network.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str = "RGB"

    def levels(self, value_range):
        """Return the levels of each channel that become 0 and 1, in the order of the network.

        Returns
        -------
        zero, step : ndarray of float32
            A value x becomes (x - zero) / step.
        """
        black, white = value_range
        zero = black + (white - black) * np.array(self.mean)
        step = (white - black) * np.array(self.std)
        if self.order == "BGR":
            zero, step = zero[::-1], step[::-1]
        return zero.astype(np.float32), step.astype(np.float32)


# The modes of `keras.applications.imagenet_utils.preprocess_input`. "caffe" subtracts the mean of
# ImageNet from values up to 255.
NORMALIZATIONS = {
    "tf": Normalization((0.5,), (0.5,)),
    "caffe": Normalization((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, "BGR"),
    "torch": Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def parse_normalization(normalization):
    """Parse the parameter `normalization` of `ResNetFeatures`.

    Parameters
    ----------
    normalization : str, (mean, std) or (mean, std, "BGR")

    Returns
    -------
    Normalization

    Raises
    ------
    ParameterError
        If it is none of these.
    """
    if isinstance(normalization, str) and normalization in NORMALIZATIONS:
        return NORMALIZATIONS[normalization]
    try:
        mean, std, order = (*normalization, "RGB")[:3]
        mean, std = (tuple(np.atleast_1d(values).astype(float).tolist()) for values in (mean, std))
        std = std * len(mean) if len(std) == 1 else std
        mean = mean * len(std) if len(mean) == 1 else mean
        is_valid = (
            len(normalization) in (2, 3)
            and not isinstance(normalization, str)
            and len(mean) == len(std) > 0
            and np.abs([*mean, *std]).max() < _LIMIT  # and not NaN
            and min(std) > 1 / _LIMIT
            and order in ("RGB", "BGR")
        )
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise ParameterError(
            "normalization",
            f"must be None, one of {', '.join(map(repr, NORMALIZATIONS))}, (mean, std) with finite "
            "numbers, one for each channel or one for all, and std above 0, or (mean, std, 'BGR')",
            repr(normalization),
        )
    return Normalization(mean, std, order)


def merge_equal_values(normalization):
    """Return one value for all channels if the values of all channels are equal."""
    if len(set(normalization.mean)) == len(set(normalization.std)) == 1:
        return Normalization(normalization.mean[:1], normalization.std[:1], normalization.order)
    return normalization


def warn_about_units(normalization, is_range_inferred):
    """Warn if a mean seems to be in units of the pixels rather than of the value range.

    Parameters
    ----------
    normalization : Normalization
    is_range_inferred : bool
        Whether the value range was inferred, so that all values are within it.
    """
    highest = max(normalization.mean)
    if highest > (1 if is_range_inferred else 10):
        warn_caller(
            f"The normalization has a mean of {highest:g}, but it is in units of the value range, of "
            "which black is 0 and white is 1. If it is in units of the pixels, divide the mean and the "
            "standard deviation by white: by 255 for 8 bits."
        )


def check_normalization(normalization, n_channels, is_given):
    """Raise ParameterError unless a normalisation fits a number of channels.

    Parameters
    ----------
    normalization : Normalization
    n_channels : int
        Number of channels that the network takes.
    is_given : bool
        Whether the user chose it, rather than the architecture.
    """
    n_values = len(normalization.mean)
    if n_values in (1, n_channels) and (normalization.order == "RGB" or n_channels == 3):
        return
    values = "one value in each" if n_channels == 1 else f"{n_channels} values, or one, in each"
    if is_given and normalization.order == "BGR" and n_channels != 3:
        values += " without 'BGR'"
    got = f"{n_values} values in the order {normalization.order}" if is_given else None
    raise ParameterError(
        "normalization",
        f"must be (mean, std) with {values}, as the weights take images with {n_channels} "
        f"channel{'s' * (n_channels > 1)}",
        got,
        hint="It is in units of the value range: black is 0, white is 1."
        if is_given
        else "The normalisation of the architecture is for RGB images.",
    )
