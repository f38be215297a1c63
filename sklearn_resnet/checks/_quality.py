"""Flags of images that are dark, blank, blurred, or of an odd size."""

import numpy as np

_DARK = 0.3  # the 99th percentile of the grey values lies below
_BRIGHT = 0.85  # the 5th percentile lies above
_LOW_CONTRAST = 0.15  # range of the grey values, from the 1st to the 99th percentile
_BLANK = 0.01  # the same range
_BLURRY = 0.4  # of the median sharpness
_ODD_SIZE = 3.0  # times, or a third of, the median of the geometric mean of the sides
_ODD_ASPECT = 2.0  # times the median ratio of the longer side to the shorter one
QUANTILES = (0.01, 0.05, 0.99)

FLAGS = ("dark", "bright", "low_contrast", "blurry", "odd_size", "odd_aspect", "blank")


def flag_quality(quantiles, sharpness, sizes, codes=None):
    """Flag images of poor quality.

    Parameters
    ----------
    quantiles : ndarray of shape (n, 3)
        Those of the grey values, from 0 to 1, for `QUANTILES`.
    sharpness : ndarray of shape (n,)
        The share of the standard deviation that a blur removes. NaN for unreadable images.
    sizes : ndarray of shape (n, 2)
        Height and width; NaN if unknown.
    codes : ndarray of shape (n,), dtype int, default=None
        The classes, in each of which sharpness is compared; None for one class.

    Returns
    -------
    dict of str to ndarray of bool
        By the names in `FLAGS`.
    """
    low, shadow, light = quantiles.T
    is_blank = light - low <= _BLANK
    side = np.sqrt(sizes.prod(1))
    aspect = sizes.max(1) / np.maximum(sizes.min(1), 1)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are False
        size_ratio = side / _median(side)
        return {
            "dark": light < _DARK,
            "bright": shadow > _BRIGHT,
            "low_contrast": light - low < _LOW_CONTRAST,
            "blurry": (sharpness < _BLURRY * _find_usual(sharpness, codes, is_blank)) & ~is_blank,
            "odd_size": np.maximum(size_ratio, 1 / np.maximum(size_ratio, 1e-9)) > _ODD_SIZE,
            "odd_aspect": aspect > _ODD_ASPECT * _median(aspect),
            "blank": is_blank,
        }


def _find_usual(sharpness, codes, is_blank):
    """Return the median of the class of each image, or that of all if the class is sharper."""
    usual = np.full(len(sharpness), _median(sharpness[~is_blank]))
    for code in np.unique(codes) if codes is not None else ():
        of_class = codes == code
        median = _median(sharpness[of_class & ~is_blank])
        usual[of_class] = np.fmin(usual[of_class], median)
    return usual


def _median(values):
    known = values[np.isfinite(values)]
    return np.median(known) if len(known) else np.nan
