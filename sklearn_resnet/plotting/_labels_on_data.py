"""Labels written on the data, at the densest region of each cluster."""

import numpy as np

MAX_LABELS = 20
_N_CELLS = 100  # along the longer side of the axes
_N_NEIGHBORS = 10
_MIN_PURE = 0.75  # share of a label's points with mostly the same label nearby
_SAMPLE_SIZE = 20_000


def place_labels(points, codes, sizes, window):
    """Find a position for each label, at the densest region where it is in the majority.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        In pixels, from the lower left corner of the axes.
    codes : ndarray of shape (n,), dtype int
        The label of each point, from 0.
    sizes : ndarray of shape (n_labels, 2)
        Width and height of each label's text, in pixels.
    window : ndarray of shape (2,)
        Width and height of the axes, in pixels.

    Returns
    -------
    positions : ndarray of shape (n_labels, 2)
        The centres of the texts, which do not overlap if there is enough space.
    is_readable : bool
        Whether the clusters are separated and each text is where most points have its label,
        overlaps no other text, and hides less than two thirds of its points.
    """
    cell = window.max() / _N_CELLS
    shape = np.ceil(window / cell).astype(int)
    density = _estimate_densities(points, codes, len(sizes), cell, shape)
    is_majority = density > density.sum(0) / 2
    centers = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * cell
    positions, placed, is_readable = np.zeros((len(sizes), 2)), [], are_separated(points, codes)
    # labels with the fewest possible positions come first
    for label in np.argsort(is_majority.sum((1, 2)), kind="stable"):
        free = ((centers >= sizes[label] / 2) & (centers <= window - sizes[label] / 2)).all(-1)
        for other in placed:
            distance = np.abs(centers - positions[other])
            free &= (distance >= (sizes[label] + sizes[other]) / 2).any(-1)
        score = np.where(free & is_majority[label], density[label], 0)
        if not score.any():  # the free position nearest to the densest one
            is_readable = False
            densest = centers[np.unravel_index(density[label].argmax(), shape)]
            score = -np.linalg.norm(centers - densest, axis=-1) - np.where(free, 0, window.sum())
        positions[label] = centers[np.unravel_index(score.argmax(), shape)]
        is_hidden = (np.abs(points - positions[label]) < sizes[label] / 2).all(1)
        has_label = codes[is_hidden] == label
        is_readable &= has_label.sum() < 2 / 3 * (codes == label).sum()
        is_readable &= 2 * has_label.sum() >= len(has_label)
        placed.append(label)
    return positions, bool(is_readable)


def _estimate_densities(points, codes, n_labels, cell, shape):
    """The density of each label's points on a grid, of shape (n_labels, *shape)."""
    from scipy.ndimage import gaussian_filter

    cells = np.clip((points / cell).astype(int), 0, shape - 1)
    density = np.zeros((n_labels, *shape))
    np.add.at(density, (codes, *cells.T), 1)
    bandwidth = np.clip(30 / np.sqrt(len(points)), 2, 5)  # in cells, wider for fewer points
    return gaussian_filter(density, (0, bandwidth, bandwidth), mode="constant")


def are_separated(points, codes):
    """Whether, for each label, most points have mostly that label among their nearest neighbours."""
    from scipy.spatial import cKDTree

    sample = np.random.RandomState(0).permutation(len(points))[:_SAMPLE_SIZE]
    points, codes = points[sample], codes[sample]
    if len(points) <= _N_NEIGHBORS:
        return False
    # the first neighbour is the point itself
    neighbors = cKDTree(points).query(points, _N_NEIGHBORS + 1)[1][:, 1:]
    is_pure = (codes[neighbors] == codes[:, None]).mean(1) > 0.5
    counts = np.bincount(codes)
    return bool((np.bincount(codes, is_pure) >= _MIN_PURE * counts).all())


def draw_labels_on_data(ax, xy, coloring, *, always):
    """Write the labels on the data.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that contain the points.
    xy : ndarray of shape (n, 2)
    coloring : Labels
    always : bool
        Whether to write the labels even if they are hard to read there.

    Returns
    -------
    list of matplotlib Text
        Empty if the labels were not written.
    """
    if not always and len(coloring.names) > MAX_LABELS:
        return []
    window, point = ax.get_window_extent(), ax.figure.dpi / 72
    font_size = np.clip(0.035 * window.height / point, 7, 11)
    texts = [write_label(ax, name, font_size) for name in coloring.names]
    sizes = np.array([text.get_window_extent().size for text in texts]) + font_size / 2 * point
    known = coloring.codes >= 0
    points = ax.transData.transform(xy[known]) - window.p0
    positions, is_readable = place_labels(
        points, coloring.codes[known], sizes, np.array(window.size)
    )
    if not (is_readable or always):
        for text in texts:
            text.remove()
        return []
    positions = ax.transData.inverted().transform(positions + window.p0)
    for text, position in zip(texts, positions, strict=True):
        text.set_position(position)
    return texts


def write_label(ax, name, font_size):
    """Write a name, still without a position, in letters that can be read on points."""
    from matplotlib.patheffects import withStroke

    return ax.text(
        0,
        0,
        name,
        parse_math=False,
        fontsize=font_size,
        fontweight="bold",
        color="0.1",
        ha="center",
        va="center",
        path_effects=[withStroke(linewidth=font_size / 4, foreground="white")],
        zorder=6,
    )
