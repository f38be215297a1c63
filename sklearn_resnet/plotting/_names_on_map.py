"""Names of clusters written on the map, the coarser the larger, with exemplar images beside them."""

import numpy as np

from sklearn_resnet.plotting._labels_on_data import write_label
from sklearn_resnet.plotting._saving import PRINT_DPI
from sklearn_resnet.plotting._thumbnails import draw_images, read_chosen

_FONT_SIZES = (1.35, 1.0, 0.8)  # by level, relative to that of labels on the data
_MIN_FONT_SIZE = 6
_MIN_SIDE, _MAX_SIDE = 16, 34  # of an image of the coarsest level, in points
_SIDES = (1.0, 0.75, 0.6)  # by level, relative to that
_N_IMAGES = (3, 2, 1)  # by level
_MAX_SHIFTS = (2.5, 1.5, 1.5)  # of a name by level, in half sizes of its box
_SHIFTS = np.stack(np.meshgrid(*[np.arange(-3, 3.1, 0.5)] * 2), axis=-1).reshape(-1, 2)
_HIDING_COST = 4  # half sizes that an image may move away in order not to hide its whole cluster
_MAX_HIDDEN = 2 / 3  # the share of its cluster that a name may hide
_CELL = 4  # pixels, of the grid that counts hidden points


def list_written(clusters):
    """The clusters that add something to the map: not those that a coarser one already names."""
    return [
        cluster
        for cluster in clusters
        if cluster.parent is None or clusters[cluster.parent].count != cluster.count
    ]


def place_box(anchor, size, window, taken, shifts, costs):
    """Find the free place of a box that costs least.

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
        The places to try, relative to the anchor, in half sizes of the box.
    costs : callable
        Costs of boxes with these centres.

    Returns
    -------
    ndarray of shape (2,) or None
        The centre; None if no place is free.
    """
    centers = anchor + shifts * size / 2
    is_free = ((centers >= size / 2) & (centers <= window - size / 2)).all(1)
    for other, other_size in taken:
        is_free &= (np.abs(centers - other) >= (size + other_size) / 2).any(1)
    if not is_free.any():
        return None
    return centers[np.where(is_free, costs(centers), np.inf).argmin()]


def draw_names(ax, xy, clusters, coloring, images=None):
    """Write the names of clusters, and draw their exemplars if there are images.

    A name that finds no place near its cluster is left out, and so are exemplars that find none near
    their name. A finer cluster with the label of the coarser one around it is not named again.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that contain the points.
    xy : ndarray of shape (n, 2)
    clusters : tuple of Cluster
    coloring : Labels or Scale
    images : LazyImages, ndarray, or list of ndarray or of path, default=None

    Returns
    -------
    texts : list of matplotlib Text
    thumbnails : list of matplotlib AnnotationBbox
    """
    ax.figure.figure.draw_without_rendering()
    corner, extent = ax.get_window_extent().p0, np.array(ax.get_window_extent().size)
    point = ax.figure.dpi / 72
    font_size = np.clip(0.035 * extent[1] / point, 7, 11)
    count_hidden = _make_counter(ax.transData.transform(xy) - corner, extent)
    taken, texts, places = [], [], []
    for cluster in list_written(clusters):
        place = ax.transData.transform(cluster.at) - corner
        size = np.zeros(2)
        name = _shorten(cluster, clusters)
        if name is not None:
            own = max(_MIN_FONT_SIZE, font_size * _FONT_SIZES[cluster.level])
            text = write_label(ax, name, own)
            size = np.array(text.get_window_extent().size) + own / 3 * point
            place = _place_name(cluster, place, size, extent, taken, count_hidden)
            if place is None:
                text.remove()
                continue
            text.set_position(ax.transData.inverted().transform(place + corner))
            texts.append(text)
            taken.append((place, size))
        places.append((cluster, place, size))
    if images is None:
        return texts, []
    side = np.clip(0.08 * extent.min() / point, _MIN_SIDE, _MAX_SIDE) * point
    chosen = _place_images(places, extent, taken, side, count_hidden)
    return texts, _draw_exemplars(ax, chosen, images, coloring, point)


def _shorten(cluster, clusters):
    """The name to write; None for a part of a cluster with the same label."""
    if cluster.parent is None:
        return cluster.name
    if cluster.name.startswith(f"{clusters[cluster.parent].name}, part "):
        return None
    return cluster.name.removeprefix("cluster ")


def _place_name(cluster, at, size, extent, taken, count_hidden):
    def cost(centers):
        hidden = count_hidden(centers, size) / cluster.count
        excess = np.maximum(0, hidden - _MAX_HIDDEN) / (1 - _MAX_HIDDEN)
        return _distance(centers, at, size) + _HIDING_COST * excess

    shifts = _SHIFTS[np.hypot(*_SHIFTS.T) <= _MAX_SHIFTS[cluster.level]]
    return place_box(at, size, extent, taken, shifts, cost)


def _distance(centers, at, size):
    return np.linalg.norm((centers - at) / (size / 2), axis=1)


def _make_counter(points, extent):
    """Make a function that counts the points in boxes."""
    shape = np.ceil(extent / _CELL).astype(int)
    edges = [np.arange(n + 1) * _CELL for n in shape]
    counts, *_ = np.histogram2d(*points.T, bins=edges)
    sums = np.pad(counts.cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def count(centers, size):
        low = np.clip(np.rint((centers - size / 2) / _CELL).astype(int), 0, shape)
        high = np.clip(np.rint((centers + size / 2) / _CELL).astype(int), 0, shape)
        (left, bottom), (right, top) = low.T, high.T
        return sums[right, top] - sums[left, top] - sums[right, bottom] + sums[left, bottom]

    return count


def _place_images(places, extent, taken, side, count_hidden):
    """Choose exemplars and their places: a row near the name that hides few points.

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
            reach = (size + box) / 2  # from the name to a box that touches it

            def cost(centers, place=place, box=box, reach=reach, count=cluster.count):
                hidden = count_hidden(centers, box) / count
                return _distance(centers, place, 2 * reach) + _HIDING_COST * hidden

            shifts = _list_near_shifts(reach, own) / (box / 2)
            center = place_box(place, box, extent, taken, shifts, cost)
            if center is None:
                continue
            taken.append((center, box))
            left = center[0] - box[0] / 2 + own / 2
            chosen += [
                (row, np.array([left + i * own, center[1]]), own)
                for i, row in enumerate(cluster.medoids[:n_images])
            ]
            break
    return chosen


def _list_near_shifts(reach, side):
    """Shifts of a row from a name that leave a gap of at most half an image between them."""
    gaps = np.array([0, side / 4, side / 2])
    along = [np.concatenate([[0, each / 2], each + gaps]) for each in reach]
    steps = [np.concatenate([-each[:0:-1], each]) for each in along]
    shifts = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2)
    return shifts[np.linalg.norm(np.maximum(0, np.abs(shifts) - reach), axis=1) <= side / 2]


def _draw_exemplars(ax, chosen, images, coloring, point):
    if not chosen:
        return []
    rows, centers, sides = zip(*chosen, strict=True)
    sides = np.array(sides) / point
    read = read_chosen(images, list(rows), int(np.ceil(sides.max() * PRINT_DPI / 72)))
    corner = ax.get_window_extent().p0
    places = ax.transData.inverted().transform(np.array(centers) + corner)
    return draw_images(ax, rows, places, read, coloring, sides)
