"""What points are coloured by: labels, numbers on a scale, or nothing."""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from sklearn_resnet.plotting._palette import MISSING, PALETTE, assign_styles

MAX_CLASSES = 60  # more names than that fit no legend, and more colours no eye
_DARK = 0.45  # of the brightness, which keeps dark colours apart from the others


@dataclass
class Labels:
    """Points coloured by label.

    Attributes
    ----------
    names : list of str
        In natural order; empty where there is nothing to tell apart.
    codes : ndarray of shape (n,), dtype int
        The place of each point's label among `names`; -1 where there is none.
    colors : ndarray of shape (n_names, 3)
    markers : list of str
    """

    names: list
    codes: np.ndarray
    colors: np.ndarray
    markers: list

    @property
    def is_missing(self):
        return self.codes < 0

    def values_of(self, points):
        """What is averaged where points fall together: their colours, of shape (n, 3)."""
        return self.colors_of(points)

    def paint(self, means):
        """The colours of means of values."""
        return means

    def colors_of(self, points):
        """The colours of some points, of shape (n, 3)."""
        return self.colors[self.codes[points]]

    def without_markers(self):
        """The same, told apart by colours alone: the second of each twenty is dark."""
        is_dark = np.arange(len(self.colors)) // len(PALETTE) % 2 == 1
        colors = np.where(is_dark[:, None], self.colors * _DARK, self.colors)
        return Labels(self.names, self.codes, colors, ["o"] * len(self.colors))


@dataclass
class Scale:
    """Points coloured by number.

    Attributes
    ----------
    numbers : ndarray of shape (n,), dtype float
        NaN where there is none.
    mappable : matplotlib ScalarMappable
        From numbers to colours.
    """

    numbers: np.ndarray
    mappable: object

    names = markers = ()

    @property
    def codes(self):
        return np.where(self.is_missing, -1, 0)

    @property
    def is_missing(self):
        return np.isnan(self.numbers)

    def values_of(self, points):
        """What is averaged where points fall together: their numbers, of shape (n, 1)."""
        return self.numbers[points, None]

    def paint(self, means):
        """The colours of means of values."""
        return self.mappable.to_rgba(means[..., 0])[..., :3]

    def colors_of(self, points):
        """The colours of some points, of shape (n, 3)."""
        return self.paint(self.values_of(points))

    def without_markers(self):
        """The same: a scale has no markers."""
        return self


def color_points(y, n_points, palette=None):
    """Decide what colour each point gets.

    Parameters
    ----------
    y : ndarray of shape (n_points,) or None
        As `as_array` makes it.
    n_points : int
    palette : str, list or dict, default=None
        See `EmbeddingDisplay.plot`.

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
    if is_scale(y[~missing]):
        numbers = np.full(n_points, np.nan)
        numbers[~missing] = y[~missing].astype(float)
        mappable = ScalarMappable(cmap=palette or "viridis")
        mappable.set_clim(np.nanmin(numbers), np.nanmax(numbers))
        return Scale(numbers, mappable)
    names, codes = _group(np.array([as_label(value) for value in y[~missing].tolist()]))
    all_codes = np.full(n_points, -1)
    all_codes[~missing] = codes
    if isinstance(palette, dict):
        palette = {as_label(value): color for value, color in palette.items()}
    return Labels(names, all_codes, *assign_styles(names, palette))


def _group(labels):
    """Names in natural order, the rarest of too many as one, and their places for each label."""
    from natsort import natsorted

    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    names = names.tolist()
    chosen = natsorted(names)
    if len(names) > MAX_CLASSES:
        often = np.argsort(-counts, kind="stable")[: MAX_CLASSES - 1]
        chosen = natsorted(names[i] for i in often)
    place = {name: i for i, name in enumerate(chosen)}
    codes = np.array([place.get(name, len(chosen)) for name in names])[codes]
    if len(chosen) < len(names):
        chosen.append(f"{len(names) - len(chosen)} others")
    return chosen, codes


def as_array(y):
    """Make an array of values, in which missing ones are still None or NaN."""
    import pandas as pd

    if isinstance(getattr(y, "dtype", None), pd.CategoricalDtype):
        y = [None if pd.isna(value) else as_label(value) for value in y]
    # of a list, numpy alone would make the text "nan" of a NaN among text
    return np.asarray(y) if hasattr(y, "dtype") else np.asarray(y, dtype=object)


def as_label(value):
    """Write a label as the legend does, without the decimals that a missing value brings."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def is_missing(y):
    """Which values of an array are None, NaN or infinite."""
    import pandas as pd

    if y.dtype.kind == "f":
        return ~np.isfinite(y)
    is_infinite = [isinstance(value, float) and np.isinf(value) for value in y.tolist()]
    return np.asarray(pd.isna(y)) | np.array(is_infinite, bool)


def is_scale(y):
    """Whether values are numbers on a scale rather than labels."""
    if y.dtype.kind not in "iuf" and not all(
        isinstance(value, Real) and not isinstance(value, bool) for value in y.tolist()
    ):
        return False
    numbers = y.astype(float)
    return bool((numbers % 1).any()) or len(np.unique(numbers)) > MAX_CLASSES
