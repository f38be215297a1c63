"""Windows: boxes of large images, of which only the tiles that are needed are decoded."""

import contextlib
import math
import threading

from sklearn_resnet._images.decoding.array_windows import (
    ArraySource,
    ChunkedArray,
    OmeSource,
    open_npy_rows,
)
from sklearn_resnet._images.decoding.channels import extract_channels
from sklearn_resnet._images.decoding.named_arrays import read_fill_value
from sklearn_resnet._images.decoding.reading import (
    ReadOptions,
    find_kind,
    naming_errors,
    open_image,
    opening,
    to_array,
)
from sklearn_resnet._images.decoding.selection import Selection, choose_level
from sklearn_resnet._images.decoding.tiff import open_tiff
from sklearn_resnet._images.decoding.tiff_windows import TiffSource
from sklearn_resnet._images.decoding.tiles import cut_blocks, scale_box
from sklearn_resnet._images.decoding.whole_ranges import (
    find_whole_ranges,
    has_whole_ranges,
    sample_channels,
)
from sklearn_resnet._images.errors import ImageReadError
from sklearn_resnet._images.image_cache import ImageCache
from sklearn_resnet._images.intensity import InferredRange
from sklearn_resnet._images.items import EncodedImage, is_path, name_of
from sklearn_resnet._io.paths import file_version, is_url, is_zarr, split_dataset, split_member

WINDOW_BYTES = 2**26  # larger images are read by windows
_CACHE_BYTES = 2**26
_MAX_BYTES = 2**38  # of an image; more are claimed, not stored, and would take hours to scan
_BLOCK_PIXELS = 2**22  # at least, where a whole image is read in blocks
# by the orientation of EXIF
_FLIPPED_ROWS, _FLIPPED_COLUMNS, _FIRST_TRANSPOSED = (3, 4, 7, 8), (2, 3, 6, 7), 5


class _NoWindowsError(Exception):
    """A file has to be decoded as a whole."""


def open_windows(item, options, *, max_pixels=None, min_bytes=WINDOW_BYTES):
    """Open an image file for reading boxes of it.

    Parameters
    ----------
    item : path, EncodedImage or other
        As for `read_image`; anything else has no windows.
    options : DecodingOptions
        With the page of the region, if it has one. `resize` is ignored. With a `size` and without a
        `level`, boxes of a pyramid may be read at a lower level.
    max_pixels : int, default=None
        The largest number of pixels of a box, as for `read_image`.
    min_bytes : int, default=64 MiB
        Files with one level of resolution that need no more bytes when they are decoded have no
        windows.

    Returns
    -------
    Windows or None
        None if the file has to be decoded as a whole, by `read_image`: if it is small, of a format
        without tiles, or cannot be read (`read_image` names the cause).

    Examples
    --------
    >>> with contextlib.closing(open_windows("slide.svs", options)) as windows:  # doctest: +SKIP
    ...     height, width = windows.shape
    ...     level = windows.choose_level((0, 0, 512, 512), size=(64, 64))
    ...     image = windows.read((0, 0, 512, 512), level)
    """
    windows = make_windows(item, options, max_pixels)
    if windows is None:
        return None
    has_level = len(windows.level_shapes) > 1 and (
        options["size"] is not None or options.get("level") is not None
    )
    try:
        if (has_level or windows.n_bytes > min_bytes) and windows.prepare():
            return windows
    except BaseException:
        windows.close()
        raise
    windows.close()
    return None


def make_windows(item, options, max_pixels=None):
    """Make the `Windows` of a file, to describe it; None if it has none, or cannot be opened."""
    if not is_path(item) and not isinstance(item, EncodedImage):
        return None
    file, _ = split_dataset(name_of(item))
    is_remote = is_path(item) and not is_zarr(file) and (is_url(file) or split_member(file)[1])
    if is_remote:  # these are read as a whole
        return None
    try:
        return Windows(item, options, max_pixels)
    except (ImageReadError, _NoWindowsError, ImportError):
        return None


class Windows:
    """Boxes of one image file. Several threads may read them at the same time.

    It holds the open files, one for each thread that reads at the same time, and a cache of tiles, of
    64 MiB. It cannot be pickled. `open_windows` makes it, and `close` releases all.

    Attributes
    ----------
    shape : tuple of 2 int
        The height and the width of the upright image in full resolution.
    level_shapes : list of tuple of 2 int
        Those of each level of resolution, upright; the first one is `shape`.
    tile_shapes : list of tuple of 2 int
        About how many rows and columns of each level, upright, are decoded together.
    n_bytes : int
        Those that the decoded image would need in full resolution.
    """

    def __init__(self, item, options, max_pixels):
        self._item, self._name = item, name_of(item)
        self._size = options["size"]
        self._options = ReadOptions(**{**options, "size": None}, max_pixels=max_pixels)
        self._cache = ImageCache(_CACHE_BYTES, threading.Lock())
        self._lock, self._resolving = threading.Lock(), threading.Lock()
        self._free, self._is_closed = [], False  # open files that no thread is reading
        self._first, self._resolved, self._reports = None, None, []
        with opening(item, self._name) as opened:
            self._kind = find_kind(opened, self._name)
        if self._kind not in _SOURCES:
            raise _NoWindowsError
        self._version = self._find_version()
        with naming_errors(self._name), self._source(self._reports.append) as source:
            self._is_possible = source.is_possible and source.n_bytes <= _MAX_BYTES
            self._orientation = source.orientation
            self._stored_shapes, self._tile_shapes = source.shapes, source.tile_shapes
            self.n_bytes = source.n_bytes
            if min(map(min, self._stored_shapes)) < 1:
                raise ValueError("it has no pixels")
        turned = slice(None, None, -1 if self._orientation >= _FIRST_TRANSPOSED else 1)
        self.level_shapes = [tuple(shape)[turned] for shape in self._stored_shapes]
        self.tile_shapes = [tuple(shape)[turned] for shape in self._tile_shapes]
        self.shape = self.level_shapes[0]

    @property
    def reports(self):
        """The reports on the file, as `read_image` gives them to `report`."""
        self._resolve()
        return tuple(self._reports)

    @property
    def channel_names(self):
        """The names of the channels that boxes have in the mode "channels"; see `read_channel_names`."""
        return extract_channels(self._first, self._options.select()._replace(is_deep=True)).names

    def prepare(self):
        """Read one pixel, which raises the errors of a file of an unsuitable kind.

        Returns
        -------
        bool
            Whether boxes and value ranges can be read without the whole image in memory.
        """
        if not self._is_possible:
            return False
        level = self._options.level
        with naming_errors(self._name):
            choose_level(self._stored_shapes, self._options.select())
            with self._source() as source:
                self._first = source.decode(
                    (0, 0, 1, 1), level or 0, self._reports.append, self._options.max_pixels
                )
            is_possible = has_whole_ranges(self._options, self._first, math.prod(self.shape))
            if is_possible:
                to_array(self._first, self._options, (reports := []).append)
                self._reports += [one for one in reports if not isinstance(one, InferredRange)]
        return is_possible

    def choose_level(self, box, size):
        """Choose the level for a box that is resized.

        Parameters
        ----------
        box : tuple of 4 int
            ``(top, left, bottom, right)`` of the upright image in full resolution.
        size : tuple of 2 int or None
            ``(height, width)``; None for the full resolution.

        Returns
        -------
        int
            ``options["level"]`` if it is given; else the smallest level in which the box is at least
            twice as high and wide as `size`.
        """
        if self._options.level is not None:
            return self._options.level
        height, width = box[2] - box[0], box[3] - box[1]
        shapes = [
            (height * rows / self.shape[0], width * columns / self.shape[1])
            for rows, columns in self.level_shapes
        ]
        return choose_level(shapes, Selection(size=size))

    def scale_box(self, box, level):
        """Scale a box from the full resolution to a level; it may cross the border.

        Returns
        -------
        tuple of 4 int
            At least one pixel high and wide.
        """
        return scale_box(box, self.shape, self.level_shapes[level])

    def read(self, box, level=0):
        """Read a box.

        Parameters
        ----------
        box : tuple of 4 int
            ``(top, left, bottom, right)`` of the upright image in full resolution, inside of it.
        level : int, default=0

        Returns
        -------
        ndarray
            The crop of what `read_image` returns with ``size=None`` and this level for the whole file,
            at ``scale_box(box, level)``.

        Raises
        ------
        ImageReadError
            As `read_image` does; if the file has changed since it was opened; or if the box has more
            than `max_pixels`.
        """
        if not (0 <= box[0] < box[2] <= self.shape[0] and 0 <= box[1] < box[3] <= self.shape[1]):
            raise ValueError(f"box must be inside {self.shape}. Got {box} instead.")
        return self.read_at_level(self.scale_box(box, level), level)

    def read_at_level(self, box, level):
        """Read a box that counts the pixels of a level; as `read` in all else."""
        options = self._resolve()
        stored = _flip(box, self.level_shapes[level], self._orientation)
        if self._orientation >= _FIRST_TRANSPOSED:
            stored = stored[1], stored[0], stored[3], stored[2]
        with naming_errors(self._name):
            with self._source() as source:
                pixels = source.decode(stored, level, _ignore, options.max_pixels)
            if self._find_version() != self._version:
                raise ValueError("it changed while it was read")
            return to_array(pixels, options, _ignore)

    def sample_values(self, max_values):
        """Read a sample of the values of each channel, before any rescaling, as `read_samples` does.

        Parameters
        ----------
        max_values : int
            The largest number of values of a channel.

        Returns
        -------
        list of ndarray of shape (n_values,)
            Of a pyramid without a chosen level, from the smallest level with that many pixels.
        """
        level = self._options.level
        if level is None:
            counts = [math.prod(shape) for shape in self.level_shapes]
            level = max(i for i, count in enumerate(counts) if count >= min(max_values, counts[0]))
        options = self._options._replace(rescale=None, value_range=None)
        blocks = self._decode_blocks(level)
        with naming_errors(self._name):
            return sample_channels(options, self._stored_shapes[level], blocks, max_values)

    def close(self):
        """Close the files, those that are being read after that, and forget the tiles."""
        with self._lock:
            free, self._free, self._is_closed = self._free, [], True
        self._cache.clear()
        for opened, _ in free:
            _close(opened)

    def _resolve(self):
        """Find the value ranges of the whole image, once; return the options with them."""
        with self._resolving:
            if self._resolved is None:
                level = self._options.level or 0
                with naming_errors(self._name):
                    self._resolved = find_whole_ranges(
                        self._options,
                        self._first,
                        lambda: (pixels for _, pixels in self._decode_blocks(level)),
                        self._reports.append,
                    )
            return self._resolved

    def _decode_blocks(self, level):
        """Yield the box of each block of a level as it is stored, and its record."""
        shape = self._stored_shapes[level]
        n_samples = max(1, self.n_bytes // math.prod(self.shape))
        max_pixels = self._options.max_pixels
        max_pixels = None if max_pixels is None else max(max_pixels, _BLOCK_PIXELS)
        for box in cut_blocks(shape, self._tile_shapes[level], n_samples):
            with naming_errors(self._name), self._source() as source:
                pixels = source.decode(box, level, _ignore, max_pixels)
            yield box, pixels

    @contextlib.contextmanager
    def _source(self, report=None):
        """Take an open file that no other thread is reading, or open one."""
        with self._lock:
            found = self._free.pop() if self._free else None
        if found is None:
            open_source = _SOURCES[self._kind]
            selection = self._options.select()
            with contextlib.ExitStack() as opened:
                file = opened.enter_context(open_image(self._item, self._name))
                source = open_source(file, self._name, selection, self._cache, report or _ignore)
                source = opened.enter_context(source)
                found = opened.pop_all(), source
        try:
            yield found[1]
        finally:
            with self._lock:
                is_closed = self._is_closed
                if not is_closed:
                    self._free.append(found)
            if is_closed:
                _close(found[0])

    def _find_version(self):
        if isinstance(self._item, EncodedImage) or self._kind == "Zarr":
            return None
        return file_version(split_dataset(self._name)[0])


def _close(opened):
    with contextlib.suppress(Exception):  # each read has checked that the file is the same
        opened.close()


def _flip(box, shape, orientation):
    """Flip a box in an image of a shape as an orientation does, without its transposition."""
    top, left, bottom, right = box
    if orientation in _FLIPPED_ROWS:
        top, bottom = shape[0] - bottom, shape[0] - top
    if orientation in _FLIPPED_COLUMNS:
        left, right = shape[1] - right, shape[1] - left
    return top, left, bottom, right


def _ignore(report):
    """Do nothing with a report."""


@contextlib.contextmanager
def _open_tiff(file, name, selection, cache, report):
    with open_tiff(file, report) as opened:
        yield TiffSource(opened, selection, cache)


@contextlib.contextmanager
def _open_hdf5(file, name, selection, cache, report):
    from sklearn_resnet._images.decoding.hdf5 import open_hdf5

    with open_hdf5(file, split_dataset(name)[1]) as array:
        y = 0 if selection.page is None else 1
        no_data = read_fill_value(array.attrs, array.dtype)
        yield ArraySource(ChunkedArray(array, (y, y + 1), cache), selection, no_data)


@contextlib.contextmanager
def _open_zarr(file, name, selection, cache, report):
    from sklearn_resnet._images.decoding.zarr_stores import describe_ome, open_node

    node = open_node(*split_dataset(name))
    if hasattr(node, "dtype"):
        y = 0 if selection.page is None else 1
        no_data = read_fill_value(node.attrs, node.dtype)
        yield ArraySource(ChunkedArray(node, (y, y + 1), cache), selection, no_data)
    else:
        yield OmeSource(describe_ome(node), selection, cache)


@contextlib.contextmanager
def _open_npy(file, name, selection, cache, report):
    array = open_npy_rows(file)
    if array is None:
        raise _NoWindowsError
    yield ArraySource(array, selection)


_SOURCES = {"TIFF": _open_tiff, "HDF5": _open_hdf5, "Zarr": _open_zarr, "npy": _open_npy}
