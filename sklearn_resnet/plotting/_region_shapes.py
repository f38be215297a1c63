"""Regions of an image as shapes: boxes, outlines of masks, and heat maps."""

import numpy as np

from sklearn_resnet.plotting._palette import MISSING

_MAX_HEATMAP_SIDE = 1024  # pixels
_MAX_VECTORS = 5_000  # more shapes make vector files large, so they are rasterized
_MIN_LINE, _MAX_LINE = 0.4, 2  # widths, in points
_HALO = (1, 1, 1, 0.5)  # around lines, so that dark ones are visible on dark images
_HALO_SHARE = 0.4  # of the width of the line, on both sides together
_SHARE_OF_LINE = 1 / 12  # the width of a line, as a share of the side of its region


def box_corners(boxes):
    """Return the corners of boxes, where pixels have their centres at whole numbers.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4)
        Top, left, bottom and right, half open.

    Returns
    -------
    ndarray of shape (n, 4, 2)
        x and y of each corner.
    """
    top, left, bottom, right = boxes.T - 0.5
    return np.stack([[left, right, right, left], [top, top, bottom, bottom]]).T


def trace_outlines(masks, boxes):
    """Trace the outlines of masks, with their holes.

    Parameters
    ----------
    masks : iterable of ndarray of shape (height, width), dtype bool
    boxes : ndarray of shape (n, 4)
        The box of each mask in the image.

    Returns
    -------
    list of matplotlib Path
        In coordinates where pixels have their centres at whole numbers. Empty for an empty mask.
    """
    from matplotlib.path import Path
    from skimage.measure import find_contours

    outlines = []
    for mask, (top, left) in zip(masks, boxes[:, :2], strict=True):
        contours = find_contours(np.pad(mask, 1), 0.5, fully_connected="high")
        rings = [Path(contour[:, ::-1] + (left - 1, top - 1), closed=True) for contour in contours]
        outlines.append(Path.make_compound_path(*rings))
    return outlines


def average_boxes(boxes, values, shape):
    """Average the values of the boxes that cover each pixel.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4), dtype int
        Top, left, bottom and right, half open. Parts outside of the image are left out.
    values : ndarray of shape (n, n_values)
    shape : tuple of 2 int
        Height and width of the image.

    Returns
    -------
    means : ndarray of shape (height, width, n_values)
        NaN where no box is.
    """
    top, left, bottom, right = np.clip(boxes, 0, np.tile(shape, 2)).T
    columns = np.column_stack([np.ones(len(boxes)), values])
    totals = np.zeros((shape[0] + 1, shape[1] + 1, columns.shape[1]))
    # each box adds a step at its corners; summed along both axes, the steps are the boxes
    for row, column, sign in (
        (top, left, 1),
        (top, right, -1),
        (bottom, left, -1),
        (bottom, right, 1),
    ):
        np.add.at(totals, (row, column), sign * columns)
    totals = totals.cumsum(0).cumsum(1)[:-1, :-1]
    counts = np.rint(totals[..., :1])
    return np.where(counts > 0, totals[..., 1:] / np.maximum(counts, 1), np.nan)


def draw_heatmap(ax, boxes, coloring, rows, shape, alpha):
    """Draw the mean colour of the boxes at each pixel.

    Parameters
    ----------
    ax : matplotlib Axes
    boxes : ndarray of shape (n, 4), dtype int
    coloring : Labels or Scale
    rows : ndarray of shape (n,)
        Index of each box in `coloring`.
    shape : tuple of 2 int
        Height and width of the image.
    alpha : float
        Opacity, from 0 to 1.

    Returns
    -------
    matplotlib AxesImage
    """
    known = ~coloring.is_missing[rows]
    step = max(1.0, max(shape) / _MAX_HEATMAP_SIDE)
    height, width = (max(1, round(side / step)) for side in shape)
    factors = np.tile((height / shape[0], width / shape[1]), 2)
    small = np.rint(boxes[known] * factors).astype(int)
    small[:, 2:] = np.maximum(small[:, 2:], small[:, :2] + 1)
    means = average_boxes(small, coloring.values_of(rows[known]), (height, width))
    covered = ~np.isnan(means[..., 0])
    colors = np.zeros((height, width, 4))
    colors[covered, :3] = np.clip(coloring.paint(means[covered]), 0, 1)
    colors[covered, 3] = alpha
    extent = (-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5)
    return ax.imshow(colors, extent=extent, interpolation="nearest", zorder=1)


def draw_shapes(ax, boxes, outlines, colors, alpha):
    """Draw boxes or outlines, small ones on top of large ones.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with the limits of the image.
    boxes : ndarray of shape (n, 4), dtype int
    outlines : list of n matplotlib Path or None
        None draws the boxes.
    colors : ndarray of shape (n, 3)
    alpha : float
        Opacity of the inside, from 0 to 1.

    Returns
    -------
    matplotlib PathCollection or PolyCollection
    """
    from matplotlib.collections import PathCollection, PolyCollection

    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    order = np.argsort(-areas, kind="stable")
    points_per_pixel = ax.get_window_extent().width / abs(np.diff(ax.get_xlim())[0])
    points_per_pixel *= 72 / ax.figure.dpi
    sides = np.sqrt(areas[order]) * points_per_pixel
    widths = np.clip(sides * _SHARE_OF_LINE, _MIN_LINE, _MAX_LINE)

    def add(**style):
        style |= {"rasterized": len(boxes) > _MAX_VECTORS}
        if outlines is None:
            shapes = PolyCollection(box_corners(boxes[order]), **style)
        else:
            shapes = PathCollection([outlines[i] for i in order], **style)
        return ax.add_collection(shapes, autolim=False)

    add(edgecolors=_HALO, facecolors="none", linewidths=(1 + _HALO_SHARE) * widths, zorder=1.9)
    return add(
        edgecolors=colors[order],
        facecolors=np.column_stack([colors, np.full(len(colors), alpha)])[order],
        linewidths=widths,
        zorder=2,
    )


def colors_of(coloring, rows):
    """The colours of some rows, of shape (n, 3): grey for those without a value."""
    from matplotlib.colors import to_rgb

    colors = np.tile(to_rgb(MISSING), (len(rows), 1))
    known = ~coloring.is_missing[rows]
    colors[known] = coloring.colors_of(rows[known])
    return colors
