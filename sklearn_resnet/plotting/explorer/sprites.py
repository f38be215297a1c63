"""Sheets of thumbnails: many images side by side in a few WebP files."""

import io
import math
import tempfile
from functools import partial

import numpy as np
from PIL import Image

from sklearn_resnet._images.composite import (
    choose_lazy_rendering,
    choose_rendering,
    is_grey_or_rgb,
    render,
    spread_evenly,
)
from sklearn_resnet._images.failures import warn_about_failures
from sklearn_resnet._images.intensity import to_uint8
from sklearn_resnet._images.items import is_array
from sklearn_resnet._images.lazy import LazyImages
from sklearn_resnet._images.sources import as_source
from sklearn_resnet._runtime.threads import count_threads, prefetch_map
from sklearn_resnet.plotting._thumbnails import (
    find_shown_range,
    open_files,
    read_list,
    show_lazy,
)
from sklearn_resnet.plotting.explorer.overviews import as_regions

_SHEET_SIDE = 2048  # pixels: the largest image that all browsers and phones can draw
_QUALITY = 75
# maximum number of images, and side of a thumbnail: smaller for more, to limit the size of the page
_SIDES = ((1_500, 160), (5_000, 96), (20_000, 64), (math.inf, 32))
_BATCH_SIZE = 256
_MAX_IN_MEMORY = 256_000_000  # bytes of thumbnails


def thumbnail_side(images):
    """The side of the square that contains a thumbnail, in pixels."""
    side = next(side for max_images, side in _SIDES if len(images) <= max_images)
    is_resized = isinstance(images, LazyImages) and images.options["size"] is not None
    regions = as_regions(images)
    if regions is not None and not is_resized:
        return min(side, max(map(_longer_side, regions)))
    shape = as_source(images).shape
    if len(shape) < 3:  # paths, or images of different sizes
        return side
    return min(side, max(shape[1:3]))


def _longer_side(region):
    if region.box is None:
        return math.inf
    top, left, bottom, right = region.box
    return max(bottom - top, right - left)


class Sheets:
    """Thumbnails of images in sheets, in an order of levels.

    The first level fills a sheet with the exemplars and a sample that is spread over the map; each
    further level is four times as large. Within a level, images near each other on the map are near each other
    in the sheets. So any view of the map needs few sheets.

    Parameters
    ----------
    images : LazyImages, array or sequence of ndarray or of path
        Images that cannot be read leave their square empty, unless that is an error.
    xy : ndarray of shape (n, 2), default=None
        The map. By default, the order is that of the images.
    side : int, default=None
        The side of a square, in pixels. By default, it depends on the number of images.
    exemplars : sequence of int, default=()
        Distinct images that are shown first. Up to half of a sheet of them are in the first one.

    Attributes
    ----------
    side : int
    n_columns : int
        The number of squares in a row, and of rows in a full sheet.
    n_sheets : int
    place : ndarray of shape (n,)
        The number of the square of each image, row by row, through all sheets.
    """

    def __init__(self, images, xy=None, side=None, exemplars=()):
        self.side = thumbnail_side(images) if side is None else side
        n_images = len(images)
        self.n_columns = max(1, min(_SHEET_SIDE // self.side, math.ceil(math.sqrt(n_images))))
        n_per_sheet = self.n_columns**2
        self.n_sheets = math.ceil(n_images / n_per_sheet)
        self.place = np.arange(n_images)
        if xy is not None and self.n_sheets > 1:
            order = order_by_levels(xy, n_per_sheet, exemplars[: n_per_sheet // 2])
            self.place[order] = np.arange(n_images)
        self._images = images
        self._reader = None

    def make(self, k):
        """Make a sheet, and read only its images.

        Parameters
        ----------
        k : int

        Returns
        -------
        bytes
            A WebP file.
        """
        if self._reader is None:
            self._reader = _Reader(self._images, self.side)
        n_per_sheet = self.n_columns**2
        rows = np.flatnonzero(self.place // n_per_sheet == k)
        tiles = _Tiles(len(rows), self.side)
        for row, tile in zip(rows, self._reader.read(rows), strict=True):
            tiles.put(self.place[row] - k * n_per_sheet, tile)
        return tiles.encode_sheet(0, self.n_columns)

    def make_all(self):
        """Yield all sheets, after one pass over the images in their own order."""
        reader = _Reader(self._images, self.side)
        tiles = _Tiles(len(self.place), self.side)
        for place, tile in zip(self.place, reader.read_all(), strict=True):
            tiles.put(place, tile)
        warn_about_failures(reader.failures, len(self.place), "their squares are empty")
        n_threads = count_threads()
        encode = partial(tiles.encode_sheet, n_columns=self.n_columns)
        yield from prefetch_map(encode, range(self.n_sheets), n_threads, 2 * n_threads)


def make_sheets(images, side):
    """Make all sheets of images in their order; return them and their number of columns."""
    sheets = Sheets(images, side=side)
    return list(sheets.make_all()), sheets.n_columns


def order_by_levels(xy, n_first, exemplars=()):
    """Order points by level, and within a level along a curve that fills the map.

    Parameters
    ----------
    xy : ndarray of shape (n, 2)
    n_first : int
        The number of points of the first level. Each further level has four times as many.
    exemplars : sequence of int, default=()
        Distinct points that begin the first level.

    Returns
    -------
    ndarray of shape (n,)
        The points, those of the first level first.
    """
    extent = np.ptp(xy, axis=0)
    unit = (xy - xy.min(0)) / np.where(extent > 0, extent, 1)
    levels = [np.array(exemplars, np.intp)]
    left = np.random.RandomState(0).permutation(len(xy))
    left = left[~np.isin(left, levels[0])]
    n_level, n_wanted = n_first, n_first - len(exemplars)
    while len(left):
        # the first point of each cell of a grid, then others
        n_cells = max(1, round(math.sqrt(2 * n_wanted)))
        cells = np.minimum((unit[left] * n_cells).astype(np.int64), n_cells - 1)
        firsts = np.unique(cells @ [n_cells, 1], return_index=True)[1]
        is_first = np.zeros(len(left), bool)
        is_first[np.sort(firsts)[:n_wanted]] = True
        others = np.flatnonzero(~is_first)[: max(0, n_wanted - is_first.sum())]
        is_first[others] = True
        level = left[is_first]
        levels.append(level[np.argsort(_interleave(unit[level]), kind="stable")])
        left, n_level = left[~is_first], 4 * n_level
        n_wanted = n_level
    return np.concatenate(levels)


def _interleave(unit):
    """Number points of the unit square along Morton's curve, by interleaved bits."""
    bits = np.minimum((unit * 2**16).astype(np.uint64), 2**16 - 1)
    for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
    return bits[:, 0] | (bits[:, 1] << np.uint64(1))


class _Tiles:
    """Thumbnails by place, in a temporary file if they are many."""

    def __init__(self, n_tiles, side):
        shape = (n_tiles, side, side, 3)
        self._side = side
        self._sizes = np.zeros((n_tiles, 2), np.uint16)  # width and height; 0 for an empty square
        if math.prod(shape) > _MAX_IN_MEMORY:
            with tempfile.TemporaryFile() as file:  # the mapping outlives it
                self._pixels = np.memmap(file, np.uint8, "w+", shape=shape)
        else:
            self._pixels = np.zeros(shape, np.uint8)

    def put(self, place, image):
        if image is not None:
            self._sizes[place] = image.size
            self._pixels[place, : image.height, : image.width] = np.asarray(image)

    def encode_sheet(self, k, n_columns):
        first, side = k * n_columns**2, self._side
        sizes = self._sizes[first : first + n_columns**2]
        sheet = Image.new("RGBA", (n_columns * side, math.ceil(len(sizes) / n_columns) * side))
        for place, (width, height) in enumerate(sizes.tolist()):
            if width:
                image = Image.fromarray(self._pixels[first + place, :height, :width])
                row, column = divmod(place, n_columns)
                margin = (side - width) // 2, (side - height) // 2
                sheet.paste(image, (column * side + margin[0], row * side + margin[1]))
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=_QUALITY, method=2)
        return file.getvalue()


class _Reader:
    """Reads images as PIL images in RGB that fit a square, all of them in the same way."""

    def __init__(self, images, side):
        source = as_source(images, _as_array_or_list)
        if len(source.shape) < 3 and not all(map(is_array, images)):
            source = open_files(list(images), side)
        self._source, self._images, self._side = source, images, side
        self._rendering = self._value_range = None
        if source.is_lazy:
            self._rendering = choose_lazy_rendering(source)
        elif len(source.shape) > 3 and not is_grey_or_rgb(source.shape[1:]):
            chosen = spread_evenly(len(source))
            self._rendering = choose_rendering([np.asarray(images[i]) for i in chosen])
        elif len(source.shape) > 2 and not source.reads_in_blocks and source.dtype != np.uint8:
            # of all images, so that a dark one stays dark
            self._value_range = find_shown_range(source.arrays)

    @property
    def failures(self):
        return self._source.failures

    def read_all(self):
        """Yield all images."""
        if self._source.is_lazy:
            yield from show_lazy(self._source, self._side, self._rendering)
            return
        for start in range(0, len(self._source), _BATCH_SIZE):
            yield from self._read(range(start, min(start + _BATCH_SIZE, len(self._source))))

    def read(self, rows):
        """Yield the images of some rows."""
        if self._source.is_lazy:
            yield from show_lazy(self._source[rows], self._side, self._rendering)
            return
        for start in range(0, len(rows), _BATCH_SIZE):
            yield from self._read(rows[start : start + _BATCH_SIZE].tolist())

    def _read(self, rows):
        images = self._images
        if self._rendering is not None:
            block = [render(np.asarray(images[i]), self._rendering) for i in rows]
        elif self._value_range is None:
            block = [images[i] for i in rows]
        else:
            values = images[rows.start : rows.stop] if isinstance(rows, range) else images[rows]
            block = list(to_uint8(values, self._value_range))
        yield from read_list(block, self._side)


def _as_array_or_list(images):
    return images if isinstance(images, np.ndarray) else list(images)
