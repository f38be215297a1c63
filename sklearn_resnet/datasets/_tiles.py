"""Images to tables of tiles, with or without those of background."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_resnet._images.decoding.overviews import read_overview, read_size
from sklearn_resnet._images.intensity import is_nearly_black
from sklearn_resnet._images.validation import check_size
from sklearn_resnet._runtime.errors import ParameterError
from sklearn_resnet.datasets._region_tables import (
    check_patch_size,
    describe_image,
    list_images,
    make_region_table,
)

_MAX_SIDE = 2048  # of the overview on which foreground is found
_FRAME = 0.02  # share of the shorter side that is the border of an overview
_N_LEVELS = 16  # of a channel, between which colours of the border are counted
_CONTRAST = ("percentile", 0.1, 99.9)  # of images of more than 8 bits that are nearly black
_MIN_CONTRAST = 10  # of 255; less is noise, also after JPEG


def make_tiles(
    images: Sequence[Any],
    size: int | tuple[int, int],
    step: int | tuple[int, int] | None = None,
    *,
    min_content: float = 0.0,
    page: int | str | None = None,
) -> pd.DataFrame:
    """Cut images into tiles of a grid, and leave out tiles of background.

    Parameters
    ----------
    images : sequence of path or image
        As for `ImageLoader`. They are not decoded; of large files, an overview is read in bounded
        memory if `min_content` needs one.
    size : int or tuple of 2 int
        Height and width of a tile, in pixels of the full resolution. An int is the side of a square.
        To get tiles of 256 pixels from a lower resolution, pass a multiple of 256 here and
        ``size=256`` to `ImageLoader`, which chooses the level of a pyramid.
    step : int or tuple of 2 int, default=None
        Distance from a tile to the next one, down and to the right. None takes `size`, so that tiles
        do not overlap.
    min_content : float, default=0.0
        The smallest share of a tile that must be foreground, from 0 to 1. 0 keeps all tiles, and
        reads no overview.
    page : int or str, default=None
        The page of each image, as for `ImageLoader`. The table holds an int as a column ``page``; pass
        other values to `ImageLoader`, too.

    Returns
    -------
    tiles : DataFrame
        A row for each tile, by image and from the top left, with the columns ``path``, ``top``,
        ``left``, ``bottom``, ``right``, ``tile_row`` and ``tile_column``, the place in the grid. With
        `min_content`, also ``content``, the share of foreground.

    Raises
    ------
    ValueError
        If an image is smaller than a tile.
    ImageReadError
        If a file cannot be read.

    See Also
    --------
    sample_patches : Draws random places.
    find_regions : Finds the regions of label images.

    Notes
    -----
    The grid begins at the top left. Tiles are complete; pixels at the bottom and at the right that
    fill no tile are left out.

    Foreground is a colour unlike that of the background: tissue on glass, cells in the dark, a scene
    in a frame without data. The background is the most frequent colour along the border of the image.
    Otsu's threshold splits the pixels of an overview of at most 2048 x 2048 pixels by the root of the
    largest difference of a channel to that colour; the root keeps pale tissue. Differences of up to 10
    of 255 are background, so that an empty image has no foreground. An image of more than 8 bits that
    is nearly black in its range, such as 12 bits in 16, is first scaled between percentiles.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_resnet.datasets import make_tiles
    >>> slide = np.full((512, 768, 3), 255, np.uint8)
    >>> slide[100:400, 300:500] = 170, 80, 150
    >>> tiles = make_tiles([slide], 256, min_content=0.2)
    >>> tiles[["top", "left", "bottom", "right", "content"]].round(2)
       top  left  bottom  right  content
    0    0   256     256    512     0.48
    1  256   256     512    512     0.44
    """
    images = list_images(images)
    shape = check_patch_size(size)
    steps = check_size("step", step) or shape
    if not 0 <= min_content <= 1:
        raise ParameterError("min_content", "must be from 0 to 1", repr(min_content))
    sizes = [_check_size(images, i, shape, page) for i in range(len(images))]
    paths, places, contents = [], [], []
    for image, image_size in zip(images, sizes, strict=True):
        starts = [
            np.arange(0, length - tile + 1, distance)
            for length, tile, distance in zip(image_size, shape, steps, strict=True)
        ]
        grid = np.indices((len(starts[0]), len(starts[1]))).reshape(2, -1).T
        if min_content > 0:
            content = _find_content(image, image_size, starts, shape, page).ravel()
            is_kept = content >= min_content
            grid, content = grid[is_kept], content[is_kept]
            contents.append(content)
        paths += [image] * len(grid)
        places.append(grid)
    tile_row, tile_column = np.concatenate(places).T
    columns = {"tile_row": tile_row, "tile_column": tile_column}
    if min_content > 0:
        columns["content"] = np.concatenate(contents)
    if isinstance(page, numbers.Integral):
        columns["page"] = np.full(len(tile_row), page)
    corners = np.stack([tile_row * steps[0], tile_column * steps[1]], axis=1)
    return make_region_table(paths, np.hstack([corners, corners + shape]), columns)


def _check_size(images, i, shape, page):
    """Return the size of an image, if a tile fits into it."""
    size = read_size(images[i], page=page)
    if size[0] < shape[0] or size[1] < shape[1]:
        raise ParameterError(
            "size",
            "must be at most the size of each image",
            f"tiles of {shape[0]} x {shape[1]} pixels for {describe_image(images, i)} of {size[0]} x "
            f"{size[1]} pixels",
            "Pass a smaller size, or leave the image out.",
        )
    return size


def _find_content(image, image_size, starts, shape, page):
    """Find the share of foreground in each tile of a grid."""
    is_foreground = find_foreground(_read_overview(image, page)).astype(float)
    rows, columns = (
        _weigh(starts[k], starts[k] + shape[k], image_size[k], is_foreground.shape[k])
        for k in range(2)
    )
    # sums of floats that miss 1 by a little
    return (rows @ is_foreground @ columns.T).round(6)


def _read_overview(image, page):
    """Read the overview of an image, with contrast also if it has 12 bits in 16."""
    overview, _ = read_overview(image, _MAX_SIDE, page=page)
    if not is_nearly_black(overview):
        return overview
    channels, _ = read_overview(image, _MAX_SIDE, page=page, mode="channels")
    if channels.dtype == np.uint8:
        return overview
    return read_overview(image, _MAX_SIDE, page=page, rescale=_CONTRAST)[0]


def _weigh(starts, ends, length, n_pixels):
    """Weigh the pixels of one side of an overview by their share of each interval."""
    edges = np.arange(n_pixels + 1) * (length / n_pixels)
    starts, ends = starts[:, np.newaxis], ends[:, np.newaxis]
    shares = np.minimum(ends, edges[1:]) - np.maximum(starts, edges[:-1])
    return shares.clip(0) / (ends - starts)


def find_foreground(overview):
    """Find the pixels that differ from the background.

    Parameters
    ----------
    overview : ndarray of shape (height, width, 3), dtype uint8

    Returns
    -------
    ndarray of bool of shape (height, width)
    """
    from skimage.filters import threshold_otsu  # slow to import

    background = _find_background(overview)
    difference = np.abs(overview.astype(np.int16) - background).max(axis=2)
    threshold = _MIN_CONTRAST
    if difference.max() > threshold:
        # the roots bring pale tissue nearer to dark tissue than to the background
        threshold = max(threshold, threshold_otsu(np.sqrt(difference, dtype=np.float32)) ** 2)
    return difference > threshold


def _find_background(overview):
    """Find the most frequent colour along the border."""
    width = max(1, round(_FRAME * min(overview.shape[:2])))
    is_border = np.ones(overview.shape[:2], bool)
    is_border[width:-width, width:-width] = False
    colours = overview[is_border]
    bins = (colours // (256 // _N_LEVELS)).astype(np.int64) @ [1, _N_LEVELS, _N_LEVELS**2]
    most = np.bincount(bins).argmax()
    return np.median(colours[bins == most], axis=0).astype(np.int16)
