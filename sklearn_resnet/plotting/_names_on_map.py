"""Names of clusters written on the map, the coarser the larger, with exemplar images beside them."""

import numpy as np

from sklearn_resnet.plotting._labels_on_data import write_label
from sklearn_resnet.plotting._thumbnails import draw_images, read_chosen
from sklearn_resnet.plotting._saving import PRINT_DPI

_FONT_SIZES = (1.35, 1.0, 0.8)  # by level, relative to that of labels on the data
_MIN_FONT_SIZE = 6
_SIDES = (1.0, 0.75, 0.6)  # of an image by level, relative to `side`
_N_IMAGES = (3, 2, 1)  # by level
_SHIFTS = np.array(  # from the nearest to the farthest, in half sizes of the box
    sorted(
        ((x, y) for x in np.arange(-2.5, 3, 0.5) for y in np.arange(-2.5, 3, 0.5)),
        key=lambda shift: (np.hypot(*shift), shift),
    )
)


def list_written(clusters):
    """The clusters that add something to the map: not those that a coarser one already names."""
    return [
        cluster
        for cluster in clusters
        if cluster.parent is None or clusters[cluster.parent].count != cluster.count
    ]


def place_box(anchor, size, window, taken, shifts=_SHIFTS):
    """Find the nearest free place of a box.

    Parameters
    ----------
    anchor : ndarray of shape (2,)
        The desired centre, in pixels from the lower left corner of the axes.
    size : ndarray of shape (2,)
    window : ndarray of shape (2,)
        Width and height of the axes.
    taken : list of tuple of ndarray
        The centres and sizes of the boxes that are already placed.
    shifts : ndarray of shape (n_shifts, 2)
        The places to try, in half sizes from the anchor.

    Returns
    -------
    ndarray of shape (2,) or None
        The centre; None if no place is free.
    """
    centers = anchor + shifts * size / 2
    is_free = ((centers >= size / 2) & (centers <= window - size / 2)).all(1)
    for other, other_size in taken:
        is_free &= (np.abs(centers - other) >= (size + other_size) / 2).any(1)
    return centers[is_free.argmax()] if is_free.any() else None


def draw_names(ax, clusters, coloring, images=None, side=None):
    """Write the names of clusters, and draw their exemplars if there are images.

    A name that finds no place is left out. A finer cluster with the label of the coarser one around
    it is not named again.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that contain the points.
    clusters : tuple of Cluster
    coloring : Labels or Scale
    images : LazyImages, ndarray, or list of ndarray or of path, default=None
    side : float, default=None
        The side of the largest images, in points.

    Returns
    -------
    texts : list of matplotlib Text
    thumbnails : list of matplotlib AnnotationBbox
    """
    window, point = ax.get_window_extent(), ax.figure.dpi / 72
    extent = np.array(window.size)
    base = np.clip(0.035 * window.height / point, 7, 11)
    taken, texts, places = [], [], []
    for cluster in list_written(clusters):
        at = ax.transData.transform(cluster.at) - window.p0
        is_named = cluster.parent is None or cluster.label is None
        is_named |= cluster.parent is not None and clusters[cluster.parent].label != cluster.label
        place, size = at, np.zeros(2)
        if is_named:
            font_size = max(_MIN_FONT_SIZE, base * _FONT_SIZES[cluster.level])
            text = write_label(ax, cluster.name, font_size)
            size = np.array(text.get_window_extent().size) + font_size / 3 * point
            place = place_box(at, size, extent, taken)
            if place is None:
                text.remove()
                continue
            text.set_position(ax.transData.inverted().transform(place + window.p0))
            texts.append(text)
            taken.append((place, size))
        places.append((cluster, place, size))
    if images is None:
        return texts, []
    chosen = _place_images(places, extent, taken, side * point)
    return texts, _draw_exemplars(ax, chosen, images, coloring, point)


def _place_images(places, extent, taken, side):
    """Choose exemplars and their places: a row below the name, above it or beside it.

    Returns
    -------
    list of tuple
        Rows with the centre and the side of their image, in pixels from the corner of the axes.
    """
    chosen = []
    for cluster, place, size in places:
        own = side * _SIDES[cluster.level]
        for n_images in range(min(_N_IMAGES[cluster.level], len(cluster.medoids)), 0, -1):
            box = own * np.array([n_images, 1])
            apart = (size + box) / box  # half sizes from the name to a box that touches it
            shifts = np.array([[0, -1], [0, 1], [1, 0], [-1, 0]]) * apart
            if not size.any():
                shifts = _SHIFTS
            center = place_box(place, box, extent, taken, shifts)
            if center is not None:
                taken.append((center, box))
                left = center[0] - box[0] / 2 + own / 2
                chosen += [
                    (row, np.array([left + i * own, center[1]]), own)
                    for i, row in enumerate(cluster.medoids[:n_images])
                ]
                break
    return chosen


def _draw_exemplars(ax, chosen, images, coloring, point):
    window = ax.get_window_extent()
    rows = [row for row, *_ in chosen]
    if not rows:
        return []
    largest = max(side for *_, side in chosen) / point
    read = read_chosen(images, rows, int(np.ceil(largest * PRINT_DPI / 72)))
    places = ax.transData.inverted().transform(
        np.array([place for _, place, _ in chosen]) + window.p0
    )
    sides = [side / point for *_, side in chosen]
    return draw_images(ax, rows, places, read, coloring, sides)
