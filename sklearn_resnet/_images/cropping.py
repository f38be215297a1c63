"""Regions cut out of images: boxes with a margin, padded and masked."""

import numbers

import numpy as np

from sklearn_resnet._images.decoding.formats import FormatError
from sklearn_resnet._images.decoding.limits import check_pixels
from sklearn_resnet._images.decoding.tiles import scale_box


def crop_region(image, region, margin=0, pad=None, max_pixels=None):
    """Cut a region out of an image.

    Parameters
    ----------
    image : WholeImage or WindowedImage
    region : Region
    margin : int or float, default=0
        As for `ImageLoader`.
    pad : {"reflect", "black"}, default=None
        As for `ImageLoader`.
    max_pixels : int, default=None
        The largest number of pixels of a region with its margin.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, n_channels)
        Pixels outside the mask are 0; those of the margin are outside, too.

    Raises
    ------
    ValueError
        If the region has too many pixels.
    FormatError
        If it reaches beyond the border and `pad` is None, or is entirely outside, or if the
        mask has another shape.
    """
    box = region.box or (0, 0, *image.shape)
    frame = add_margin(box, margin)
    _check_box(box, frame, image.shape, pad)
    _check_mask(region.mask, box)
    level = image.choose_level(frame)
    scaled = scale_box(frame, image.shape, image.find_shape(level))
    check_pixels((scaled[2] - scaled[0], scaled[3] - scaled[1]), max_pixels, "its region")
    cut = _read(image, scaled, level, pad)
    return cut if region.mask is None else _blank(cut, region.mask, box, frame)


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
    if not isinstance(margin, numbers.Integral):
        y, x = round(margin * (bottom - top)), round(margin * (right - left))
    return top - y, left - x, bottom + y, right + x


def _check_box(box, frame, shape, pad):
    """Raise FormatError if a box is outside an image, or its frame crosses the border without padding."""
    height, width = shape
    size = f"the image of {height} x {width} pixels"
    if box[0] >= height or box[1] >= width or box[2] <= 0 or box[3] <= 0:
        raise FormatError(
            f"its region ({_describe(box)}) is outside {size}",
            "Boxes count pixels of the upright image in full resolution.",
        )
    if pad is None and not (frame[0] >= 0 <= frame[1] and frame[2] <= height and frame[3] <= width):
        with_margin = "" if frame == box else f", with its margin ({_describe(frame)}),"
        raise FormatError(
            f"its region ({_describe(box)}){with_margin} reaches beyond the border of {size}",
            "Pass pad='reflect' or pad='black' to ImageLoader, or clip the box.",
        )


def _check_mask(mask, box):
    shape = box[2] - box[0], box[3] - box[1]
    if mask is not None and mask.shape != shape:
        raise FormatError(
            f"its mask has {mask.shape[0]} x {mask.shape[1]} pixels, and its region has "
            f"{shape[0]} x {shape[1]}"
        )


def _describe(box):
    names = ("top", "left", "bottom", "right")
    return ", ".join(f"{name} {value}" for name, value in zip(names, box, strict=True))


def _read(image, frame, level, pad):
    """Read a frame of a level, and pad it where it crosses the border."""
    height, width = image.find_shape(level)
    top, left, bottom, right = frame
    if top >= 0 <= left and bottom <= height and right <= width:
        return image.read(frame, level)
    rows, columns = _reflect(top, bottom, height), _reflect(left, right, width)
    needed = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    read = image.read(tuple(map(int, needed)), level)
    padded = read[(rows - needed[0])[:, np.newaxis], columns - needed[1]]
    if pad == "black":
        padded[_is_outside(top, bottom, height)] = 0
        padded[:, _is_outside(left, right, width)] = 0
    return padded


def _reflect(start, stop, n):
    """Replace the pixels from start to stop by those of an axis of n, as NumPy's "reflect" does."""
    places = np.arange(start, stop)
    if n == 1:
        return np.zeros_like(places)
    return np.abs((places + n - 1) % (2 * (n - 1)) - (n - 1))


def _is_outside(start, stop, n):
    places = np.arange(start, stop)
    return (places < 0) | (places >= n)


def _blank(cut, mask, box, frame):
    """Blank the pixels of a frame that are outside a mask; the frame may be scaled."""
    height, width = frame[2] - frame[0], frame[3] - frame[1]
    is_kept = np.zeros((height, width), bool)
    top, left = box[0] - frame[0], box[1] - frame[1]
    is_kept[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
    if cut.shape[:2] != (height, width):
        rows, columns = (
            (2 * np.arange(n) + 1) * full // (2 * n)
            for n, full in zip(cut.shape, (height, width), strict=False)
        )
        is_kept = is_kept[rows[:, np.newaxis], columns]
    is_kept = is_kept.reshape(is_kept.shape + (1,) * (cut.ndim - 2))
    return np.where(is_kept, cut, cut.dtype.type(0))
