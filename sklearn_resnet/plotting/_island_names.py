"""Names of labels, written where their points lie."""

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

MAX_NAMES = 20
_N_CELLS = 100  # along the longer side of the axes
_N_NEAR = 10
_APART = 0.75  # of a label's points, to lie among their own
_SAMPLE_SIZE = 20_000


def find_places(points, codes, sizes, window):
    """Find for each label the densest place that is mostly its own.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        In pixels, from the lower left corner of the axes.
    codes : ndarray of shape (n,), dtype int
        Labels, from 0.
    sizes : ndarray of shape (n_labels, 2)
        Width and height of the names, in pixels.
    window : ndarray of shape (2,)
        Width and height of the axes, in pixels.

    Returns
    -------
    places : ndarray of shape (n_labels, 2)
        Of the names' middles. They do not overlap, where there is room.
    reads_well : bool
        Whether labels lie apart, and each name stands where most points are its own, free of the
        other names, and hides less than two thirds of its points.
    """
    cell = window.max() / _N_CELLS
    shape = np.ceil(window / cell).astype(int)
    cells = np.clip((points / cell).astype(int), 0, shape - 1)
    density = np.zeros((len(sizes), *shape))
    np.add.at(density, (codes, *cells.T), 1)
    spread = np.clip(30 / np.sqrt(len(points)), 2, 5)  # in cells: wider for few points
    density = gaussian_filter(density, (0, spread, spread), mode="constant")
    is_own = density > density.sum(0) / 2
    middles = (np.moveaxis(np.indices(shape), 0, -1) + 0.5) * cell
    places, placed, reads_well = np.zeros((len(sizes), 2)), [], lie_apart(points, codes)
    for label in np.argsort(is_own.sum((1, 2)), kind="stable"):  # those of least choice first
        free = ((middles >= sizes[label] / 2) & (middles <= window - sizes[label] / 2)).all(-1)
        for other in placed:
            apart = np.abs(middles - places[other]) >= (sizes[label] + sizes[other]) / 2
            free &= apart.any(-1)
        best = np.where(free & is_own[label], density[label], 0)
        if not best.any():  # the nearest to the densest that is free
            reads_well = False
            densest = middles[np.unravel_index(density[label].argmax(), shape)]
            best = -np.linalg.norm(middles - densest, axis=-1) - np.where(free, 0, window.sum())
        places[label] = middles[np.unravel_index(best.argmax(), shape)]
        hidden = codes[(np.abs(points - places[label]) < sizes[label] / 2).all(1)] == label
        reads_well &= hidden.sum() < 2 / 3 * (codes == label).sum()
        reads_well &= 2 * hidden.sum() >= len(hidden)
        placed.append(label)
    return places, bool(reads_well)


def lie_apart(points, codes):
    """Whether of each label three in four points have mostly their own among their ten nearest."""
    sample = np.random.RandomState(0).permutation(len(points))[:_SAMPLE_SIZE]
    points, codes = points[sample], codes[sample]
    if len(points) <= _N_NEAR:
        return False
    near = cKDTree(points).query(points, _N_NEAR + 1)[1][:, 1:]  # the first is the point itself
    among_own = (codes[near] == codes[:, None]).mean(1) > 0.5
    totals = np.bincount(codes)
    return bool((np.bincount(codes, among_own) >= _APART * totals).all())


def write_names(ax, xy, coloring, *, always):
    """Write names at islands.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that hold the points.
    xy : ndarray of shape (n, 2)
    coloring : Labels
    always : bool
        Whether to write them even if they do not read well.

    Returns
    -------
    list of matplotlib Text
        Empty if they were not written.
    """
    from matplotlib.patheffects import withStroke

    if not always and len(coloring.names) > MAX_NAMES:
        return []
    window, point = ax.get_window_extent(), ax.figure.dpi / 72
    font_size = np.clip(0.035 * window.height / point, 7, 11)
    texts = [
        ax.text(
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
        for name in coloring.names
    ]
    sizes = np.array([text.get_window_extent().size for text in texts]) + font_size / 2 * point
    known = coloring.codes >= 0
    points = ax.transData.transform(xy[known]) - window.p0
    places, reads_well = find_places(points, coloring.codes[known], sizes, np.array(window.size))
    if not (reads_well or always):
        for text in texts:
            text.remove()
        return []
    for text, place in zip(
        texts, ax.transData.inverted().transform(places + window.p0), strict=True
    ):
        text.set_position(place)
    return texts
