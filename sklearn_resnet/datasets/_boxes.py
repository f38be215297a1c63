"""Boxes as annotations give them, checked, to a table of regions."""

from dataclasses import dataclass, field

import numpy as np

from sklearn_resnet._runtime.warnings import warn_caller
from sklearn_resnet.datasets._region_tables import make_region_table

_MAX = 2**31  # pixels; more are no coordinates
# Boxes are rounded outwards, unless less than this share of a pixel is cut: the digits of a file, such
# as the six of relative coordinates, do not hold a whole number of pixels exactly.
_SLACK = 0.05
_OUTSIDE = 0.01  # by which relative coordinates may be outside of the image, rounded


@dataclass
class Boxes:
    """Boxes in the order of their file.

    Attributes
    ----------
    images : list of str
        The path of the image of each box.
    sizes : list of (tuple of 2 number, or None)
        Height and width of that image; None if they are unknown.
    corners : list of tuple of 4 number
        Left, top, right and bottom, in pixels from the left and the top of the image, not rounded.
    places : list of tuple of str
        The file and the place in it, for messages.
    columns : dict of str to list
    """

    images: list = field(default_factory=list)
    sizes: list = field(default_factory=list)
    corners: list = field(default_factory=list)
    places: list = field(default_factory=list)
    columns: dict = field(default_factory=dict)

    def add(self, image, size, corners, place, **columns):
        """Add a box; all have the same columns, and None is a missing value."""
        if corners[2] < corners[0] or corners[3] < corners[1]:
            raise annotation_error(
                *place, "a box must not have a negative width or height", _list(corners)
            )
        self.images.append(image)
        self.sizes.append(size)
        self.corners.append(corners)
        self.places.append(place)
        for name, value in columns.items():
            self.columns.setdefault(name, []).append(value)

    def to_table(self, names):
        """Round the boxes, clip them to their images, and make the table.

        Parameters
        ----------
        names : sequence of str
            The columns that the table always has.

        Returns
        -------
        DataFrame
            Without the boxes that have no pixels in their image, of which a warning tells, and without
            columns that have no values.
        """
        left, top, right, bottom = np.array(self.corners, float).reshape(-1, 4).T
        is_empty = (left == right) | (top == bottom)
        sizes = [(_MAX, _MAX) if size is None else size for size in self.sizes]
        heights, widths = np.array(sizes, float).reshape(-1, 2).T
        top, bottom = _round(top, bottom, heights)
        left, right = _round(left, right, widths)
        is_empty |= (bottom <= top) | (right <= left)
        if is_empty.any():
            file, place = self.places[is_empty.argmax()]
            warn_caller(
                f"{is_empty.sum()} of {len(is_empty)} boxes have no pixels in their images and are left "
                f"out. The first one is {place} of {file!r}."
            )
        kept = np.flatnonzero(~is_empty)
        columns = {name: [] for name in names}
        for name, values in self.columns.items():
            if name in names or any(value is not None for value in values):
                columns[name] = [values[i] for i in kept]
        boxes = np.stack([top, left, bottom, right], axis=1)[kept]
        return make_region_table([self.images[i] for i in kept], boxes, columns)


def _round(starts, ends, lengths):
    """Round intervals outwards, and clip them to lengths."""
    starts = np.floor(starts + _SLACK)
    ends = np.maximum(np.ceil(ends - _SLACK), starts + 1)
    return np.clip(starts, 0, lengths).astype(np.int64), np.clip(ends, 0, lengths).astype(np.int64)


def annotation_error(file, place, problem, got=None, remedy=""):
    """Make the error of a malformed annotation.

    Parameters
    ----------
    file, place : str
        The file, and where in it: ``"annotations[3]"``.
    problem : str
        The rule that it breaks, without a period.
    got : str, default=None
    remedy : str, default=""

    Returns
    -------
    ValueError
    """
    got = f" Got {got} instead." if got is not None else ""
    return ValueError(f"{place} of {file!r}: {problem}.{got} {remedy}".rstrip())


def check_numbers(values, n_values, place, what="a box"):
    """Return numbers as floats; raise an error for anything else, NaN and infinity.

    Parameters
    ----------
    values : object
        A list of `n_values` numbers.
    n_values : int
    place : tuple of str
        As in `Boxes`.
    what : str, default="a box"

    Returns
    -------
    list of float
    """
    is_list = isinstance(values, (list, tuple)) and len(values) == n_values
    if not is_list or not all(map(_is_number, values)):
        raise annotation_error(
            *place, f"{what} must be {n_values} finite numbers below 2**31", _list(values)
        )
    return [float(value) for value in values]


def check_relative(values, n_values, place, what="a box"):
    """Check numbers as `check_numbers` does, and that they are shares of the size of an image."""
    values = check_numbers(values, n_values, place, what)
    if min(values) < -_OUTSIDE or max(values) > 1 + _OUTSIDE:
        raise annotation_error(
            *place, f"{what} must be relative to the size of its image, from 0 to 1", _list(values)
        )
    return values


def _is_number(value):
    # NaN is not below
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) < _MAX


def _list(values):
    shown = repr(list(values) if isinstance(values, tuple) else values)
    return shown if len(shown) <= 100 else f"{shown[:100]}..."
