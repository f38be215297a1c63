"""Points as dots, whose size depends on their number."""

import numpy as np

from sklearn_resnet.plotting._palette import MISSING

_MAX_VECTORS = 5_000  # more dots make vector files large, so they are rasterized
_COVERAGE = 0.2  # the share of the axes that all dots would cover side by side
_MIN_SIZE, _MAX_SIZE = 1.5, 40  # in points^2
_FEW_POINTS = 5_000
_ALPHA_OF_FEW, _ALPHA_OF_MANY = 0.8, 0.6


def draw_dots(ax, xy, coloring, size=None, alpha=None):
    """Draw points as dots.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out.
    xy : ndarray of shape (n, 2)
    coloring : Labels or Scale
    size : float, default=None
        Area of a dot, in points^2.
    alpha : float, default=None
        Opacity, from 0 to 1.
    """
    from matplotlib.markers import MarkerStyle

    if size is None:
        area = np.prod(np.array(ax.get_window_extent().size) / ax.figure.dpi * 72)
        size = np.clip(_COVERAGE * area / len(xy), _MIN_SIZE, _MAX_SIZE)
    if alpha is None:
        alpha = _ALPHA_OF_FEW if len(xy) < _FEW_POINTS else _ALPHA_OF_MANY
    style = {"s": size, "alpha": alpha, "linewidth": 0, "rasterized": len(xy) > _MAX_VECTORS}
    missing = coloring.is_missing
    if missing.any():
        ax.scatter(*xy[missing].T, color=MISSING, **style)
    if missing.all():
        return
    # in a fixed random order, so that no label is drawn on top of all others
    order = np.random.RandomState(0).permutation(np.flatnonzero(~missing))
    dots = ax.scatter(*xy[order].T, color=coloring.colors_of(order), **style)
    if len(set(coloring.markers)) > 1:
        markers = [MarkerStyle(marker) for marker in coloring.markers]
        shapes = [marker.get_path().transformed(marker.get_transform()) for marker in markers]
        dots.set_paths([shapes[code] for code in coloring.codes[order]])
