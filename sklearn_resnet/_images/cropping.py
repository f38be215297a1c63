"""Regions of decoded images: their boxes with a margin, cut out, padded and masked."""

import numpy as np

from sklearn_resnet._images.decoding.formats import FormatError


def crop_region(image, region, margin=0, pad=None):
    """Cut a region out of an image.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, n_channels)
        The whole upright image.
    region : Region
    margin : int or float, default=0
        As for `ImageLoader`.
    pad : {"reflect", "black"}, default=None
        As for `ImageLoader`.

    Returns
    -------
    ndarray
        A copy. Pixels outside the mask are 0; those of the margin are outside, too.

    Raises
    ------
    FormatError
        If the box reaches beyond the border and `pad` is None, or is entirely outside, or if the mask
        has another shape.
    """
    height, width = image.shape[:2]
    box = region.box or (0, 0, height, width)
    _check_inside(box, height, width)
    top, left, bottom, right = frame = add_margin(box, margin)
    if top >= 0 and left >= 0 and bottom <= height and right <= width:
        cut = image[top:bottom, left:right].copy()
    elif pad is None:
        raise _border_error(region.box, frame, height, width)
    else:
        rows, is_row_inside = _find_indices(top, bottom, height)
        columns, is_column_inside = _find_indices(left, right, width)
        cut = image[rows[:, np.newaxis], columns]
        if pad == "black":
            cut[~is_row_inside] = 0
            cut[:, ~is_column_inside] = 0
    if region.mask is not None:
        _blank(cut, region.mask, box, frame)
    return cut


def add_margin(box, margin):
    """Return a box with a margin on all sides.

    Parameters
    ----------
    box : tuple of 4 int
        ``(top, left, bottom, right)``.
    margin : int or float
        Pixels, or the share of the height and of the width.

    Returns
    -------
    tuple of 4 int
    """
    top, left, bottom, right = box
    y = x = margin
    if isinstance(margin, float):
        y, x = round(margin * (bottom - top)), round(margin * (right - left))
    return top - y, left - x, bottom + y, right + x


def _check_inside(box, height, width):
    top, left, bottom, right = box
    if bottom <= 0 or right <= 0 or top >= height or left >= width:
        raise FormatError(
            f"its region ({_describe(box)}) is outside the image of {height} x {width} pixels",
            "Boxes count pixels of the upright image in full resolution.",
        )


def _border_error(box, frame, height, width):
    with_margin = "" if frame == box else f", with its margin ({_describe(frame)}),"
    return FormatError(
        f"its region ({_describe(box or frame)}){with_margin} reaches beyond the border of the image "
        f"of {height} x {width} pixels",
        "Pass pad='reflect' or pad='black' to ImageLoader, or clip the box.",
    )


def _describe(box):
    names = ("top", "left", "bottom", "right")
    return ", ".join(f"{name} {value}" for name, value in zip(names, box, strict=True))


def _find_indices(start, stop, n):
    """Find the pixels along an axis of n that replace those from start to stop, by reflection.

    Also return which of them are inside.
    """
    places = np.arange(start, stop)
    period = max(1, 2 * (n - 1))  # the border is not repeated
    reflected = np.abs((places + n - 1) % period - (n - 1)) if n > 1 else np.zeros_like(places)
    return reflected, (places >= 0) & (places < n)


def _blank(cut, mask, box, frame):
    """Blank the pixels outside a mask in place."""
    height, width = box[2] - box[0], box[3] - box[1]
    if mask.shape != (height, width):
        raise FormatError(
            f"its mask has the shape {mask.shape}, and the image has {height} x {width} pixels"
        )
    is_kept = np.zeros(cut.shape[:2], bool)
    top, left = box[0] - frame[0], box[1] - frame[1]
    is_kept[top : top + height, left : left + width] = mask
    cut[~is_kept] = 0
