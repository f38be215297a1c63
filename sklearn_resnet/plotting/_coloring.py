"""The colour of each point: by label, by number on a scale, or one for all."""

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from sklearn_resnet._io.csv_text import escape_text
from sklearn_resnet.plotting._palette import MISSING, PALETTE, assign_styles

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

MAX_CLASSES = 60  # a legend of more labels does not fit, and their colours are hard to distinguish
_DARK_BRIGHTNESS = 0.45  # of the dark variant of a colour


@dataclass
class Labels:
    """Points coloured by label.

    Attributes
    ----------
    names : list of str
        In natural order. Empty if all points have the same colour.
    codes : ndarray of shape (n,), dtype int
        The index of each point's label in `names`; -1 for points without one.
    colors : ndarray of shape (n_names, 3)
    markers : list of str
        As matplotlib names them.
    """

    names: list[str]
    codes: np.ndarray
    colors: np.ndarray
    markers: list[str]

    @property
    def is_missing(self):
        """Which points have no label."""
        return self.codes < 0

    def colors_of(self, points):
        """The colours of some points, of shape (n, 3)."""
        return self.colors[self.codes[points]]

    def values_of(self, points):
        """The values to average where points coincide: their colours, of shape (n, 3)."""
        return self.colors_of(points)

    def paint(self, means):
        """The colours of averaged values."""
        return means

    def without_markers(self):
        """The same labels, distinguished by colour alone: every second ten gets dark variants."""
        is_dark = np.arange(len(self.colors)) // len(PALETTE) % 2 == 1
        colors = np.where(is_dark[:, None], self.colors * _DARK_BRIGHTNESS, self.colors)
        return Labels(self.names, self.codes, colors, ["o"] * len(self.colors))


@dataclass
class Scale:
    """Points coloured by number.

    Attributes
    ----------
    numbers : ndarray of shape (n,), dtype float
        NaN for points without one.
    mappable : matplotlib ScalarMappable
        Maps numbers to colours.
    """

    numbers: np.ndarray
    mappable: "ScalarMappable"

    names = markers = ()

    @property
    def codes(self):
        """Numbers have no labels: 0, or -1 for points without one."""
        return np.where(self.is_missing, -1, 0)

    @property
    def is_missing(self):
        """Which points have no number."""
        return np.isnan(self.numbers)

    def colors_of(self, points):
        """The colours of some points, of shape (n, 3)."""
        return self.paint(self.values_of(points))

    def values_of(self, points):
        """The values to average where points coincide: their numbers, of shape (n, 1)."""
        return self.numbers[points, None]

    def paint(self, means):
        """The colours of averaged values."""
        return self.mappable.to_rgba(means[..., 0])[..., :3]

    def without_markers(self):
        """The same: a scale has no markers."""
        return self


def color_points(y, n_points, palette=None, max_classes=MAX_CLASSES):
    """Choose the colour of each point.

    Parameters
    ----------
    y : ndarray of shape (n_points,) or None
        As `as_array` returns it.
    n_points : int
    palette : str, list or dict, default=None
        See `EmbeddingDisplay.plot`.
    max_classes : int, default=MAX_CLASSES
        The largest number of distinct whole numbers that are labels.

    Returns
    -------
    Labels or Scale
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import to_rgb

    if y is None:
        return Labels([], np.zeros(n_points, int), np.array([to_rgb(PALETTE[0])]), ["o"])
    missing = is_missing(y)
    if missing.all():
        return Labels([], np.full(n_points, -1), np.array([to_rgb(MISSING)]), ["o"])
    if is_scale(y[~missing], max_classes):
        numbers = np.full(n_points, np.nan)
        numbers[~missing] = y[~missing].astype(float)
        mappable = ScalarMappable(cmap=palette or "viridis")
        mappable.set_clim(np.nanmin(numbers), np.nanmax(numbers))
        return Scale(numbers, mappable)
    names, codes = group_rare(*encode_labels(y))
    if isinstance(palette, dict):
        palette = {as_label(value): color for value, color in palette.items()}
    return Labels(names, codes, *assign_styles(names, palette))


def encode_labels(y):
    """Replace labels by codes.

    Parameters
    ----------
    y : ndarray of shape (n,)
        As `as_array` returns it.

    Returns
    -------
    names : list of str
        The distinct labels, in natural order.
    codes : ndarray of shape (n,), dtype int
        The index of each value in `names`; -1 for missing values.
    """
    from natsort import natsorted

    known = ~is_missing(y)
    values, indices = _find_distinct(y[known])
    labels = np.array([as_label(value) for value in values], dtype=str)
    distinct, inverse = np.unique(labels, return_inverse=True)
    inverse = inverse[indices]
    names = natsorted(distinct.tolist())
    position = {name: i for i, name in enumerate(names)}
    codes = np.full(len(y), -1)
    codes[known] = np.array([position[name] for name in distinct.tolist()], int)[inverse]
    return names, codes


def _find_distinct(y):
    """Return distinct values, and the index of each value among them."""
    import pandas as pd

    # among other objects, 1 and True are equal, but not as labels
    if y.dtype == object and pd.api.types.infer_dtype(y, skipna=False) != "string":
        return y.tolist(), np.arange(len(y))
    indices, values = pd.factorize(y)
    return values.tolist(), indices


def group_rare(names, codes):
    """Group the rarest of more than `MAX_CLASSES` labels as the last one, named "n others".

    Of equally rare labels, the first in lexical order keep their names.
    """
    if len(names) <= MAX_CLASSES:
        return names, codes
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    in_lexical_order = np.argsort(names)
    order = in_lexical_order[np.argsort(-counts[in_lexical_order], kind="stable")]
    kept = np.sort(order[: MAX_CLASSES - 1])
    group = np.full(len(names), len(kept))
    group[kept] = np.arange(len(kept))
    others = f"{len(names) - len(kept)} others"
    return [*(names[i] for i in kept), others], np.where(codes < 0, -1, group[codes])


def as_array(y):
    """Convert to an array in which missing values remain None or NaN."""
    import pandas as pd

    if isinstance(getattr(y, "dtype", None), pd.CategoricalDtype):
        y = [None if pd.isna(value) else as_label(value) for value in y]
    # given a list, numpy alone would turn a NaN among text into the text "nan"
    return np.asarray(y) if hasattr(y, "dtype") else np.asarray(y, dtype=object)


def check_column(y, name="y"):
    """Convert labels or numbers to an array of one dimension, also those in an array of one column.

    Raises
    ------
    ValueError
        If they have another shape.
    """
    y = as_array(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(
            f"{name} must hold one value for each point. Got an array of shape {y.shape} "
            "instead. Pass one of its columns."
        )
    return y


def as_label(value):
    """Convert a value to text that can be drawn, without the decimals that missing values add."""
    return escape_text(int(value) if isinstance(value, float) and value.is_integer() else value)


def is_missing(y):
    """Which values of an array are None, NaN, infinite or empty text."""
    import pandas as pd

    if y.dtype.kind == "f":
        return ~np.isfinite(y)
    if y.dtype.kind == "U":  # columns of tables have no None
        return y == ""
    if y.dtype.kind in "iub":
        return np.zeros(len(y), bool)
    is_other = [
        isinstance(value, float | str) and value in ("", np.inf, -np.inf) for value in y.tolist()
    ]
    return np.asarray(pd.isna(y)) | np.array(is_other, bool)


def is_scale(y, max_classes=MAX_CLASSES):
    """Whether values are numbers on a scale rather than labels."""
    if y.dtype.kind not in "iuf" and not all(
        isinstance(value, Real) and not isinstance(value, bool) for value in y.tolist()
    ):
        return False
    numbers = y.astype(float)
    return bool((numbers % 1).any()) or len(np.unique(numbers)) > max_classes
