"""Points as dots, sized by how many there are."""

import numpy as np

from sklearn_resnet.plotting._palette import MISSING

_MAX_VECTORS = 5_000  # more dots make vector files large: they are pixels in them
_COVERED = 0.2  # of the axes, by all dots
_SMALLEST, _LARGEST = 1.5, 40  # in points^2
_OPACITIES = ((5_000, 0.8), (np.inf, 0.6))  # of up to so many dots


def draw_dots(ax, xy, coloring, size=None, alpha=None):
    """Draw points as dots.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out.
    xy : ndarray of shape (n, 2)
    coloring : Labels or Scale
    size : float, default=None
        Area, in points^2.
    alpha : float, default=None
        Opacity, from 0 to 1.
    """
    from matplotlib.markers import MarkerStyle

    if size is None:
        area = np.prod(np.array(ax.get_window_extent().size) / ax.figure.dpi * 72)
        size = np.clip(_COVERED * area / len(xy), _SMALLEST, _LARGEST)
    if alpha is None:
        alpha = next(opacity for most, opacity in _OPACITIES if len(xy) < most)
    style = {"s": size, "alpha": alpha, "linewidth": 0, "rasterized": len(xy) > _MAX_VECTORS}
    missing = coloring.is_missing
    if missing.any():
        ax.scatter(*xy[missing].T, color=MISSING, **style)
    if missing.all():
        return
    # a fixed shuffle, so that no class covers the others for coming last
    order = np.random.RandomState(0).permutation(np.flatnonzero(~missing))
    dots = ax.scatter(*xy[order].T, color=coloring.colors_of(order), **style)
    if len(set(coloring.markers)) > 1:
        markers = [MarkerStyle(marker) for marker in coloring.markers]
        shapes = [marker.get_path().transformed(marker.get_transform()) for marker in markers]
        dots.set_paths([shapes[code] for code in coloring.codes[order]])
