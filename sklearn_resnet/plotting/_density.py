"""Point density as an image, as datashader draws it: colour shows the labels, opacity the count."""

import numpy as np

from sklearn_resnet.plotting._palette import MISSING

MAX_POINTS_AS_DOTS = 50_000  # more are drawn as density by default
_CELLS_PER_INCH = 150
_BANDWIDTH = 0.8  # standard deviation of a point, in cells
_MIN_OPACITY = 0.6  # of a single point: paler colours are hard to distinguish


def draw_density(ax, xy, coloring):
    """Draw the mean colour of the points in each cell of a grid, with their count as opacity.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that contain the points.
    xy : ndarray of shape (n, 2)
    coloring : Labels or Scale
        Points without a value are drawn below the others.
    """
    from matplotlib.colors import to_rgb

    missing = np.flatnonzero(coloring.is_missing)
    known = np.flatnonzero(~coloring.is_missing)
    if len(missing):
        grey = np.tile(to_rgb(MISSING), (len(missing), 1))
        _draw(ax, xy[missing], grey, lambda means: means)
    if len(known):
        _draw(ax, xy[known], coloring.values_of(known), coloring.paint)


def _draw(ax, xy, values, paint):
    from scipy.ndimage import gaussian_filter

    low, high = np.sort(np.transpose([ax.get_xlim(), ax.get_ylim()]), axis=0)
    pixels = np.array(ax.get_window_extent().size)
    width, height = np.maximum(1, np.rint(pixels / ax.figure.dpi * _CELLS_PER_INCH)).astype(int)
    column, row = np.clip(
        ((xy - low) / (high - low) * (width, height)).astype(int), 0, (width - 1, height - 1)
    ).T
    cell = row * width + column

    def smooth(weights=None):
        grid = np.bincount(cell, weights, width * height).reshape(height, width)
        return gaussian_filter(grid.astype(float), _BANDWIDTH, mode="constant", truncate=3)

    counts = smooth()
    peak = 1 / (2 * np.pi * _BANDWIDTH**2)  # of a single point
    visible = np.sort(counts[counts > peak / 2])
    # histogram equalization: each opacity is equally frequent
    opacity = _MIN_OPACITY + (1 - _MIN_OPACITY) * np.searchsorted(visible, counts) / len(visible)
    opacity *= np.minimum(1, counts / peak)  # soft edges
    means = np.stack([smooth(weights) for weights in values.T], axis=-1)
    means /= np.maximum(counts, 1e-3 * peak)[..., None]
    ax.imshow(
        np.dstack([np.clip(paint(means), 0, 1), opacity]),
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect=ax.get_aspect(),
        interpolation="antialiased",
        zorder=1,
    )
