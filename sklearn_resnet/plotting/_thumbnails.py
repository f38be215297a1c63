"""Images at their points, as many as fit without overlap."""

import numpy as np
from PIL import Image

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.dask import is_dask
from sklearn_resnet._images.intensity import find_value_range, to_uint8
from sklearn_resnet._images.lazy import LazyImages, warn_of_failures
from sklearn_resnet._images.validation import as_sequence, is_path
from sklearn_resnet.plotting._palette import MISSING

_SMALLEST, _LARGEST = 16, 48  # sides, in points
_DPI = 300  # at which pictures are printed


def as_images(images):
    """A sequence of images or paths that can be read one by one, or None of what is no such."""
    if images is None or is_dask(images):
        return None
    if isinstance(images, LazyImages) or getattr(images, "ndim", 0) in (3, 4):
        return images
    return as_sequence(images) or None


def make_way(ax, n_points):
    """Choose the size of thumbnails, and leave room for half of one around the points.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that hold the points.
    n_points : int

    Returns
    -------
    float
        The side of the squares that they are fitted into, in points.
    """
    window = np.array(ax.get_window_extent().size) / ax.figure.dpi * 72
    side = np.clip(0.9 * np.sqrt(window.prod() / n_points), _SMALLEST, _LARGEST)
    side = min(side, window.min() / 6)
    ax.margins(*np.maximum(0.05, 0.6 * side / (window - 1.2 * side)))
    ax.autoscale_view()
    ax.apply_aspect()
    return side


def choose_points(points, codes, side, window):
    """Choose points at which squares do not overlap, of all labels in turn.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    codes : ndarray of shape (n,), dtype int
    side : float
        Of a square, in the unit of `points`.
    window : ndarray of shape (2, 2)
        Corners of what squares stay within.

    Returns
    -------
    list of int
        The same for the same points.
    """
    import pandas as pd

    order = np.random.RandomState(0).permutation(len(points))
    turn = pd.Series(codes[order]).groupby(codes[order]).cumcount()
    left = order[np.argsort(turn.to_numpy(), kind="stable")]
    inside = (points >= window[0] + side / 2) & (points <= window[1] - side / 2)
    left = left[inside[left].all(1)]
    chosen = []
    while len(left):
        chosen.append(int(left[0]))
        left = left[(np.abs(points[left] - points[chosen[-1]]) >= side).any(1)]
    return chosen


def read_chosen(images, chosen, side):
    """Read some images, and none but these.

    Parameters
    ----------
    images : LazyImages, ndarray, or list of ndarray or of path
    chosen : list of int
    side : int
        The most pixels that a side keeps. Files are cropped to squares.

    Returns
    -------
    list of PIL Image or None
        In RGB. None is for an image that cannot be read, where that is no error.

    Raises
    ------
    ValueError
        If they are no images.
    """
    if isinstance(images, LazyImages):
        files = images[chosen]
    else:
        images = [images[i] for i in chosen]
        if not all(map(is_path, images)):
            return [shrink(image, side) for image in _as_bytes(list(map(np.asarray, images)))]
        files = ImageLoader(size=side, lazy=True, on_error="nan").fit_transform(images)
    found = [shrink(image, side) for batch in files.batches(16) for image in batch]
    warn_of_failures(files.failures, len(chosen), "are not drawn")
    return [None if i in files.failures else image for i, image in enumerate(found)]


def _as_bytes(images):
    for image in images:
        if image.ndim not in (2, 3) or not image.size or image.shape[2:] not in ((), (1,), (3,)):
            raise ValueError(
                "The 'images' parameter must hold images of shape (height, width) or (height, "
                f"width, {{1, 3}}), or paths. Got an array of shape {image.shape} among them "
                "instead. ImageLoader() brings images of other kinds to this."
            )
    groups = {}
    for image in images:
        groups.setdefault(image.dtype, []).append(image)
    ranges = {dtype: find_shown_range(group) for dtype, group in groups.items()}
    return [to_uint8(image, ranges[image.dtype]) for image in images]


def find_shown_range(images):
    """The values of black and white, narrower where these would be all dark, as 0 to 16 is."""
    black, white = find_value_range(images)
    least = min(image.min() for image in images)
    largest = max(image.max() for image in images)
    if images[0].dtype in (bool, np.uint8) or not least < largest:
        return black, white
    black = min(black, least)
    return black, (white if (white - black) / 2 <= largest - black <= white - black else largest)


def shrink(image, side):
    """Bring an array of bytes to at most `side` pixels; a PIL image in RGB."""
    image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    image.thumbnail((side, side))
    return image.convert("RGB")


def draw_thumbnails(ax, xy, images, coloring, side):
    """Draw images at their points, in frames of their colour, as many as fit without overlap.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that hold the points.
    xy : ndarray of shape (n, 2)
    images : LazyImages, ndarray, or list of ndarray or of path
    coloring : Labels or Scale
    side : float
        In points.

    Returns
    -------
    list of matplotlib AnnotationBbox
    """
    from matplotlib.colors import to_rgb
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    line = max(1.2, side / 16)
    box = side + 2 * line  # with the frame, and a gap
    scale = ax.figure.dpi / 72
    window = ax.get_window_extent()
    points = ax.transData.transform(xy)
    chosen = choose_points(points, coloring.codes, box * scale, np.array([window.p0, window.p1]))
    n_pixels = int(np.ceil(side * _DPI / 72))
    drawn = []
    for i, image in zip(chosen, read_chosen(images, chosen, n_pixels), strict=True):
        if image is None:
            continue
        color = MISSING if coloring.is_missing[i] else coloring.colors_of([i])[0]
        drawn.append(
            AnnotationBbox(
                OffsetImage(np.asarray(image), zoom=(side - line) / max(image.size)),
                xy[i],
                pad=0,
                frameon=True,
                bboxprops={"edgecolor": to_rgb(color), "linewidth": line},
                zorder=5,
            )
        )
        ax.add_artist(drawn[-1])
    return drawn
