"""The value range of images: its black and white levels, inferred, checked and applied."""

import math
import numbers
from typing import NamedTuple

import numpy as np

from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet._runtime.warnings import warn_caller

# Cubic and Lanczos interpolation overshoot black and white by up to a fifth of their distance.
_OVERSHOOT = 0.25
_TRACE = 0.01  # the share of values that may overshoot without a warning
_DARK = 1 / 16  # images that are not brighter than this share of white are nearly black
_N_LEVELS = 256  # that float32 should tell apart in a value range
_SCAN_BYTES = 2**20
_NUMERIC = "buif"


class Extent(NamedTuple):
    """The values of images of one dtype.

    Attributes
    ----------
    dtype : dtype
    min, max : float
        The smallest and the largest value. For unsigned integers of up to 16 bits the scan ends at
        a value that is bright enough to settle their white level.
    n_values : int
        The number of values.
    n_outside : int
        The number of floats outside the value range.
    """

    dtype: np.dtype
    min: float
    max: float
    n_values: int = 0
    n_outside: int = 0

    def __str__(self):
        return f"{self.min:.6g} to {self.max:.6g}"


class InferredRange(NamedTuple):
    """The value range of images, inferred from their dtype and values.

    Attributes
    ----------
    value_range : tuple of 2 float
        ``(black, white)``.
    extent : Extent
    is_guess : bool
        Whether the values may as well have another range: integers and floats with negative values,
        and floats that are neither on the scale of 1 nor on that of 255.
    bits : int or None
        The significant bits, if they were given.
    """

    value_range: tuple[float, float]
    extent: Extent
    is_guess: bool = False
    bits: int | None = None

    @property
    def seen(self):
        """The value range, widened to the values: what `fit` saw."""
        black, white = self.value_range
        return min(black, self.extent.min), max(white, self.extent.max)

    @property
    def is_blank(self):
        """Whether all values are 0, which fits any range."""
        return self.extent.min == self.extent.max == 0

    @property
    def is_dark(self):
        """Whether the brightest value is nearly black; never for dtypes of 8 bits."""
        has_8_bits = self.extent.dtype.itemsize == 1
        return not has_8_bits and 0 < self.extent.max <= _darkest(self.value_range[1])

    @property
    def overshoots(self):
        """Whether more than a trace of the values lies outside the value range."""
        return self.extent.n_outside > _TRACE * self.extent.n_values

    @property
    def is_finite(self):
        """Whether no value is NaN or infinity."""
        return math.isfinite(self.extent.min) and math.isfinite(self.extent.max)

    @property
    def of_file(self):
        """The value range of a file on its own: for a guess, from its darkest to its brightest value."""
        if not self.is_finite:
            raise ValueError("it holds NaN or infinity")
        if not self.is_guess:
            return self.value_range
        low, high = self.extent.min, self.extent.max
        return low, (high if high > low else low + 1)


def infer_value_range(images, *, bits=None):
    """Infer the black and the white level of images of one dtype.

    Black is 0. White is

    - for bool, and for integers of which all are 0 or 1 (8 and 16 bits: of which some are 0 and
      some 1): 1,
    - for unsigned integers of up to 16 bits: the maximum of `bits`, or of the dtype,
    - for other integers of at least 0: the first of 255, 65535 and the maximum of the dtype that no
      value exceeds,
    - for floats from 0 to 1: 1,
    - for floats from 0 to 255 of which one is above 16: 255.

    Floats may overshoot their range by a quarter, as interpolation does. Any other range is a guess.

    Parameters
    ----------
    images : ndarray, or iterable of ndarray
        An array of any shape, or its blocks.
    bits : int, default=None
        The number of significant bits of unsigned integers; None means all.

    Returns
    -------
    InferredRange

    Raises
    ------
    TypeError
        If images are not of a bool, integer or float dtype.
    """
    extents = []
    for block in [images] if isinstance(images, np.ndarray) else images:
        extents.append(_measure(block, bits))
        if extents[-1].max > _settling(extents[-1].dtype, bits):
            break
    return _infer(extents, bits)


def infer_list_range(images):
    """Infer the black and the white level of a list of images, which may have several dtypes.

    Parameters
    ----------
    images : sequence of ndarray
        After `unify_scales`.

    Returns
    -------
    InferredRange
    """
    ranges = list(_infer_by_dtype(images).values())
    sure = [inferred for inferred in ranges if inferred.is_finite and not inferred.is_blank]
    return max(sure or ranges, key=lambda inferred: (inferred.is_guess, inferred.extent.max))


def unify_scales(images, *, reset):
    """Convert images to 8 bits, each by the white level of its dtype, if these levels differ.

    Parameters
    ----------
    images : sequence of ndarray
    reset : bool
        Whether to warn about floats of two scales, as `fit` does.

    Returns
    -------
    sequence of ndarray
        `images`, if their dtypes have one white level, or if they are not finite or no numbers.

    Warns
    -----
    UserWarning
        If a white level may be wrong.
    """
    if not all(image.dtype.kind in _NUMERIC for image in images):
        return images
    if reset:
        _warn_about_floats_of_two_scales(images)
    if len({image.dtype for image in images}) == 1:
        return images
    ranges = _infer_by_dtype(images)
    whites = {inferred.value_range[1] for inferred in ranges.values() if not inferred.is_blank}
    if len(whites) < 2 or not all(inferred.is_finite for inferred in ranges.values()):
        return images
    for inferred in ranges.values():
        warn_about_inferred(inferred)
    return [to_uint8(image, ranges[image.dtype].value_range) for image in images]


def _infer_by_dtype(images):
    groups = {}
    for image in images:
        groups.setdefault(image.dtype, []).append(image)
    return {dtype: infer_value_range(iter(group)) for dtype, group in groups.items()}


def _warn_about_floats_of_two_scales(images):
    highest = {i: float(image.max()) for i, image in enumerate(images) if image.dtype.kind == "f"}
    low = next((i for i, high in highest.items() if 0 < high <= 1 + _OVERSHOOT), None)
    high = next((i for i, high in highest.items() if high > _darkest(255)), None)
    if low is not None and high is not None:
        warn_caller(
            ValueRangeWarning(
                f"X holds floats up to {highest[low]:.6g} in image {low}, and up to "
                f"{highest[high]:.6g} in image {high}: the white level of all is 255."
            )
        )


def _infer(extents, bits=None):
    """Infer the value range of images from the extents of their parts."""
    if not extents:
        return InferredRange((0.0, 255.0), Extent(np.dtype(np.uint8), 0.0, 0.0))
    dtype = extents[0].dtype
    low, high = (  # NaN if one is
        float(np.min([extent.min for extent in extents])),
        float(np.max([extent.max for extent in extents])),
    )
    white = _infer_white(dtype, low, high, bits)
    # a dark part of floats to 255 has counted the values above 1
    counted = [
        extent for extent in extents if dtype.kind != "f" or _float_white(extent.max) == white
    ]
    extent = Extent(
        dtype,
        low,
        high,
        sum(extent.n_values for extent in extents),
        sum(extent.n_outside for extent in counted),
    )
    if dtype.kind != "f":
        return InferredRange((0.0, white), extent, is_guess=low < 0, bits=bits)
    is_too_dark = white > 1 and high <= _darkest(white)
    is_guess = is_too_dark or not _may_overshoot(low, high, white)
    return InferredRange((0.0, white), extent, is_guess)


def _infer_white(dtype, low, high, bits=None):
    """Infer the white level of images from their smallest and their largest value."""
    if dtype.kind == "b":
        return 1.0
    if dtype.kind == "f":
        return _float_white(high)
    limit = float(np.iinfo(dtype).max if bits is None else 2**bits - 1)
    if _has_known_white(dtype, bits):
        return 1.0 if (low, high) == (0, 1) else limit
    if high == 1:
        return 1.0
    return min(white for white in (255.0, 65535.0, limit) if high <= white)


def _float_white(high):
    return 1.0 if high <= 1 + _OVERSHOOT else 255.0


def _may_overshoot(low, high, white):
    """Whether values leave their range no further than interpolation does."""
    return low >= -_OVERSHOOT * white and high <= (1 + _OVERSHOOT) * white


def _has_known_white(dtype, bits):
    """Whether the white level follows from the dtype, unless all values are 0 or 1."""
    return dtype.kind == "u" and (bits is not None or dtype.itemsize <= 2)


def _settling(dtype, bits):
    """The value above which others need not be known."""
    if dtype.kind == "b":
        return 0.0
    if not _has_known_white(dtype, bits):
        return math.inf
    return 1.0 if dtype.itemsize == 1 else _darkest(_infer_white(dtype, 0, math.inf, bits))


def is_nearly_black(image):
    """Whether no value of an image from 0 to the white of its dtype is above a sixteenth of white."""
    white = np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1.0
    return bool(image.max(initial=0) <= _darkest(white))


def _darkest(white):
    """The largest value that is nearly black: a sixteenth of white."""
    return (white + 1 if white > 1 else white) / 16  # 255 is the last of 256 levels


def _measure(array, bits):
    """Measure the extent of the values of an array."""
    array, dtype = np.atleast_1d(array), array.dtype
    if dtype.kind not in _NUMERIC:
        raise TypeError(f"Images must be of a bool, integer or float dtype. Got {dtype} instead.")
    if not array.size:
        return Extent(dtype, 0.0, 0.0)
    if dtype.kind == "b":
        return Extent(dtype, 0.0, 1.0, array.size)
    if _has_known_white(dtype, bits):
        high = _find_bright(array, _settling(dtype, bits))
        return Extent(dtype, float(array.min()) if high == 1 else 0.0, high, array.size)
    low, high = float(array.min()), float(array.max())
    if dtype.kind != "f":
        return Extent(dtype, low, high, array.size)
    white, n_outside = _float_white(high), 0
    if (low < 0 or high > white) and _may_overshoot(low, high, white):
        n_outside = sum(
            np.count_nonzero(part < 0) + np.count_nonzero(part > white) for part in _parts(array)
        )
    return Extent(dtype, low, high, array.size, n_outside)


def _find_bright(array, settling):
    """Find the largest value of an array, or any value above `settling`."""
    high = 0.0
    for part in _parts(array):
        high = max(high, float(part.max()))
        if high > settling:
            break
    return high


def _parts(array):
    """Cut an array into parts of about a MiB."""
    n_rows = max(1, _SCAN_BYTES * len(array) // array.nbytes)
    return (array[i : i + n_rows] for i in range(0, len(array), n_rows))


class ValueRangeWarning(UserWarning):
    """The value range of images may be wrong.

    Parameters
    ----------
    problem : str
        The values, and the range.
    is_dark : bool, default=False
        Whether images are nearly black.
    """

    def __init__(self, problem, is_dark=False):
        super().__init__(problem, is_dark)
        self.problem = problem
        self.is_dark = is_dark

    def __str__(self):
        other = ", or rescale='percentile' to ImageLoader," if self.is_dark else ""
        return f"{self.problem} Pass value_range=(black, white){other} to change this."


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
        If it is not a pair of finite numbers, or black is not less than white.
    """
    is_pair = len(value_range) == 2 and all(
        isinstance(value, numbers.Real) and math.isfinite(value) for value in value_range
    )
    if not is_pair or not value_range[0] < value_range[1]:
        raise ParameterError(
            "value_range",
            "must be None or (black, white), with black less than white, and finite",
            repr(value_range),
        )
    return tuple(map(float, value_range))


def check_network_range(value_range):
    """Check `value_range`; warn if float32, in which the network computes, has too few levels in it."""
    black, white = check_value_range(value_range)
    step = np.finfo(np.float32).eps * max(abs(black), abs(white))
    if white - black < _N_LEVELS * step:
        warn_caller(
            f"float32, in which the network computes, has less than {_N_LEVELS} levels from "
            f"{black:.15g} to {white:.15g}, the value range. Subtract {black:.15g} from X, and pass "
            f"value_range=(0, {white - black:.15g})."
        )
    return black, white


def warn_about_inferred(inferred, consequence=""):
    """Warn if the value range that `fit` inferred may be wrong.

    Parameters
    ----------
    inferred : InferredRange
    consequence : str, default=""
        What happens to values outside, as a sentence.
    """
    if not inferred.is_finite:  # an error follows where the values are used
        return
    black, white = inferred.value_range
    problem = (
        f"X holds values from {inferred.extent}, but the value range is {black:g} to {white:g}"
    )
    is_inside = black <= inferred.extent.min and inferred.extent.max <= white
    if is_inside and (inferred.is_guess or inferred.is_dark):
        warn_caller(ValueRangeWarning(f"{problem}: the images are nearly black.", is_dark=True))
    elif inferred.is_guess or inferred.overshoots:
        warn_caller(ValueRangeWarning(" ".join(filter(None, (f"{problem}.", consequence)))))


def warn_about_another_range(inferred, fitted_range, seen):
    """Warn if images seem to be on another scale than those in `fit`.

    Parameters
    ----------
    inferred : InferredRange
        Inferred for these images.
    fitted_range : tuple of 2 float
        Inferred for the images in `fit`.
    seen : tuple of 2 float
        The `InferredRange.seen` of `fit`.
    """
    if inferred.is_blank or not inferred.is_finite:
        return
    if inferred.is_guess:  # dark images of a brighter collection may look like one
        low, high = inferred.extent.min, inferred.extent.max
        overshoot = _OVERSHOOT * (seen[1] - seen[0])
        is_another = low < seen[0] - overshoot or high > seen[1] + overshoot
    else:
        low, high = inferred.value_range
        is_another = high != fitted_range[1]
    if is_another:
        warn_caller(
            f"X seems to hold values from {low:.6g} to {high:.6g}, but fit saw values from "
            f"{seen[0]:.6g} to {seen[1]:.6g}. Bring both to one range."
        )


def to_uint8(images, value_range):
    """Scale values from `value_range` to 0 to 255, round them, and clip those outside."""
    if images.dtype == np.uint8 and tuple(value_range) == (0, 255):
        return images
    low, high = value_range
    scaled = (images.astype(np.float64 if images.dtype.itemsize > 2 else np.float32) - low) * (
        255 / (high - low)
    )
    return np.rint(scaled).clip(0, 255).astype(np.uint8)
