"""Thumbnails: images drawn at their points, as many as fit without overlap."""

import numpy as np

from sklearn_resnet._image_loader import ImageLoader
from sklearn_resnet._images.composite import (
    choose_lazy_rendering,
    is_grey_or_rgb,
    make_composite,
    render,
    shrink,
)
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.failures import warn_about_failures
from sklearn_resnet._images.intensity import infer_value_range, to_uint8
from sklearn_resnet._images.items import Region, is_array
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._images.validation import as_sequence
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.plotting._palette import MISSING
from sklearn_resnet.plotting._saving import PRINT_DPI

_MIN_SIDE, _MAX_SIDE = 16, 48  # in points
_N_PROBED = 16  # files, to see whether they are colours


def as_images(images):
    """Return `images` as a sequence that can be read one by one, or None if it holds no images."""
    source = as_source(images)
    if images is None or source.is_delayed:
        return None
    # the shape of lazy images may cost a read
    if source.is_lazy or len(getattr(images, "shape", ())) in (3, 4):
        return images
    if hasattr(images, "columns") and "path" not in images.columns:  # a table of features
        return None
    return as_sequence(images) or None


def choose_thumbnail_side(ax, n_points):
    """Choose the size of thumbnails, and widen the margins so that those at the edge fit.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that contain the points.
    n_points : int

    Returns
    -------
    float
        The side of the square that contains a thumbnail, in points.
    """
    window = np.array(ax.get_window_extent().size) / ax.figure.dpi * 72
    side = np.clip(0.9 * np.sqrt(window.prod() / n_points), _MIN_SIDE, _MAX_SIDE)
    side = min(side, window.min() / 6)
    ax.margins(*np.maximum(0.05, 0.6 * side / (window - 1.2 * side)))
    ax.autoscale_view()
    ax.apply_aspect()
    return side


def choose_points(points, codes, side, window):
    """Choose points at which squares do not overlap, taking the labels in turn.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
    codes : ndarray of shape (n,), dtype int
    side : float
        The side of a square, in the unit of `points`.
    window : ndarray of shape (2, 2)
        Corners of the region that contains all squares.

    Returns
    -------
    list of int
        Indices, the same in each call with the same points.
    """
    import pandas as pd

    order = np.random.RandomState(0).permutation(len(points))
    turn = pd.Series(codes[order]).groupby(codes[order]).cumcount()
    candidates = order[np.argsort(turn.to_numpy(), kind="stable")]
    inside = (points >= window[0] + side / 2) & (points <= window[1] - side / 2)
    candidates = candidates[inside[candidates].all(1)]
    chosen = []
    while len(candidates):
        chosen.append(int(candidates[0]))
        is_free = (np.abs(points[candidates] - points[chosen[-1]]) >= side).any(1)
        candidates = candidates[is_free]
    return chosen


def read_chosen(images, chosen, side):
    """Read only the chosen images.

    Parameters
    ----------
    images : LazyImages, ndarray, or list as `as_sequence` returns it
    chosen : list of int
    side : int
        The greatest width and height, in pixels. Files and images of Pillow are cropped to squares.

    Returns
    -------
    list of PIL Image or None
        In RGB. None for an image that cannot be read, unless that is an error.

    Raises
    ------
    ValueError
        If an array does not have the shape of an image.
    """
    if as_source(images).is_lazy:
        return _read_lazy(images[chosen], side)
    return read_list([images[i] for i in chosen], side)


def read_list(images, side):
    """Read all of a list, as `read_chosen` does."""
    if not all(map(is_array, images)):
        return _read_lazy(open_files(images, side), side)
    return [shrink(image, side) for image in _as_bytes(list(map(np.asarray, images)))]


def open_files(images, side):
    """Open files for thumbnails: in RGB, or with all channels if RGB would not show them well.

    Parameters
    ----------
    images : list
        As `as_sequence` returns it.
    side : int
        The greatest width and height, in pixels.

    Returns
    -------
    LazyImages
    """
    options = {"size": side, "lazy": True, "on_error": "nan"}
    if any(isinstance(image, Region) and image.is_cut for image in images):  # shown whole
        options |= {"resize": "pad", "pad": "black"}
    colours = ImageLoader(**options).fit_transform(images)
    channels = ImageLoader(mode="channels", **options).fit_transform(images)
    chosen = np.unique(np.linspace(0, len(images) - 1, _N_PROBED).astype(int))
    needs_channels = [_needs_channels(colours, channels, int(i)) for i in chosen]
    return channels if all(needs_channels) else colours


def _needs_channels(colours, channels, i):
    """Whether a file is grey in more than 8 bits, which may be dark, or has channels that are no colours."""
    try:
        image = channels[i]
    except (ImageReadError, OSError, ParameterError):  # the last: its channels have another form
        return False
    if image.dtype != np.uint8 and image.shape[2] == 1:
        return True
    try:
        return colours[i] is None
    except (ImageReadError, OSError):
        return True


def _read_lazy(images, side):
    found = list(show_lazy(images, side))
    warn_about_failures(images.failures, len(images), "are not drawn")
    return found


def show_lazy(images, side, rendering=None):
    """Yield lazy images as PIL images in RGB, or None for those that cannot be read.

    Parameters
    ----------
    images : LazyImages
    side : int
        The greatest width and height, in pixels.
    rendering : optional
        As `choose_lazy_rendering` returns it. By default, it is chosen for these images.
    """
    if rendering is None:
        rendering = choose_lazy_rendering(images)
    order = images.reading_order()
    if order is None:
        for _, image in _show_in_order(images, range(len(images)), rendering, side):
            yield image
        return
    # regions of one image may lie apart; thumbnails are small enough to be held until their turn
    shown = dict(_show_in_order(images, order.tolist(), rendering, side))
    yield from (shown[i] for i in range(len(images)))


def _show_in_order(images, positions, rendering, side):
    decoded = (image for batch in images.batches(16, positions) for image in batch)
    for i, image in zip(positions, decoded, strict=True):
        if i in images.failures:
            yield i, None
        else:
            yield i, shrink(image if rendering is None else render(image, rendering), side)


def _as_bytes(images):
    groups = {}
    for i, image in enumerate(images):
        _check_shape(image.shape)
        n_channels = None if is_grey_or_rgb(image.shape) else image.shape[2]
        groups.setdefault((image.dtype, n_channels), []).append(i)
    shown = list(images)
    for (_, n_channels), rows in groups.items():
        group = [images[i] for i in rows]
        if n_channels is None:
            value_range = find_shown_range(group)
            group = [to_uint8(image, value_range) for image in group]
        else:
            group = make_composite(group)
        for i, image in zip(rows, group, strict=True):
            shown[i] = image
    return shown


def _check_shape(shape):
    is_image = len(shape) in (2, 3) and 0 not in shape
    is_planar = is_image and shape[0] in (1, 3) and not is_grey_or_rgb(shape)
    if not is_image or is_planar:
        raise ParameterError(
            "images",
            "must hold images of shape (height, width) or (height, width, channels), or paths",
            f"an array of shape {shape} among them",
            "np.moveaxis(images, 1, -1) puts channels last that come first."
            if is_planar
            else "ImageLoader() converts other images to this shape.",
        )


def find_shown_range(images):
    """The values shown as black and white, chosen so that images of a narrow range are not dark."""
    black, white = infer_value_range(iter(images)).value_range
    lowest = min(image.min() for image in images)
    highest = max(image.max() for image in images)
    if images[0].dtype in (bool, np.uint8) or not lowest < highest:
        return black, white
    black = min(black, lowest)
    is_well_exposed = (white - black) / 2 <= highest - black <= white - black
    return black, white if is_well_exposed else highest


def draw_thumbnails(ax, xy, images, coloring, side):
    """Draw thumbnails in frames of their points' colours, as many as fit without overlap.

    Parameters
    ----------
    ax : matplotlib Axes
        Laid out, with limits that contain the points.
    xy : ndarray of shape (n, 2)
    images : LazyImages, ndarray, or list of ndarray or of path
    coloring : Labels or Scale
    side : float
        The side of the square that contains a thumbnail, in points.

    Returns
    -------
    list of matplotlib AnnotationBbox
    """
    box = side + 2 * _frame_width(side)  # with the frame and a gap
    scale = ax.figure.dpi / 72
    window = ax.get_window_extent()
    points = ax.transData.transform(xy)
    chosen = choose_points(points, coloring.codes, box * scale, np.array([window.p0, window.p1]))
    read = read_chosen(images, chosen, int(np.ceil(side * PRINT_DPI / 72)))
    return draw_images(ax, chosen, xy[chosen], read, coloring, [side] * len(chosen))


def _frame_width(side):
    return max(1.2, side / 16)


def draw_images(ax, rows, places, images, coloring, sides):
    """Draw images in frames of their points' colours.

    Parameters
    ----------
    ax : matplotlib Axes
    rows : list of int
        The points of the images.
    places : ndarray of shape (n_images, 2)
        The centres of the images, in coordinates of the data.
    images : list of PIL Image or None
        None for an image that is left out.
    coloring : Labels or Scale
    sides : list of float
        The sides of the squares that contain the images, in points.

    Returns
    -------
    list of matplotlib AnnotationBbox
    """
    from matplotlib.colors import to_rgb
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    drawn = []
    for row, place, image, side in zip(rows, places, images, sides, strict=True):
        if image is None:
            continue
        line_width = _frame_width(side)
        color = MISSING if coloring.is_missing[row] else coloring.colors_of([row])[0]
        drawn.append(
            AnnotationBbox(
                OffsetImage(np.asarray(image), zoom=(side - line_width) / max(image.size)),
                place,
                pad=0,
                frameon=True,
                bboxprops={"edgecolor": to_rgb(color), "linewidth": line_width},
                zorder=5,
            )
        )
        ax.add_artist(drawn[-1])
    return drawn
