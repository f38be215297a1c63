"""Boxes of arrays in files: of .npy only their rows are read, of HDF5 and Zarr only their chunks."""

import math

import numpy as np

from sklearn_resnet._images.decoding.limits import check_array
from sklearn_resnet._images.decoding.named_arrays import check_chunks
from sklearn_resnet._images.decoding.npy import check_file_shape, decode_array, read_npy_header
from sklearn_resnet._images.decoding.selection import PAGES_AS_CHANNELS
from sklearn_resnet._images.decoding.tiles import assemble, read_rows
from sklearn_resnet._images.decoding.zarr_stores import decode_ome

_MAX_TILE_BYTES = 2**25  # half of the cache
_MIN_SIDE = 256  # of a tile; smaller chunks are read together


class ChunkedArray:
    """An array of h5py or Zarr, of which planes are read by chunks through a cache.

    Parameters
    ----------
    array : h5py.Dataset or zarr.Array
    yx : tuple of 2 int
        The axes of height and width.
    cache : ImageCache
    """

    def __init__(self, array, yx, cache):
        self._array, self._cache, self._yx = array, cache, yx
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.attrs, self.chunks = array.attrs, array.chunks
        self._name = getattr(array, "path", array.name)

    @property
    def tile_shape(self):
        """The height and the width of what is read at once; None if there are no chunks."""
        if self.chunks is None:
            return None
        sides = (self.chunks[axis] for axis in self._yx)
        return tuple(side * -(-_MIN_SIDE // side) for side in sides)

    def __getitem__(self, key):
        """Read an index of ints and slices, with a slice of bounds for height and width."""
        y, x = self._yx
        tile_shape = self.tile_shape
        if tile_shape is None:
            return np.asarray(self._array[key])
        kept = [i for i in range(self.ndim) if isinstance(key[i], slice)]
        order = [kept.index(y), kept.index(x), *(kept.index(i) for i in kept if i not in (y, x))]

        def read(row, column):
            part = list(key)
            part[y] = slice(row * tile_shape[0], (row + 1) * tile_shape[0])
            part[x] = slice(column * tile_shape[1], (column + 1) * tile_shape[1])
            name = self._name, repr(part)
            tile = self._cache.get(name)
            if tile is None:
                tile = np.asarray(self._array[tuple(part)]).transpose(order)
                self._cache.put(name, tile)
            return tile

        box = key[y].start, key[x].start, key[y].stop, key[x].stop
        return assemble(box, tile_shape, read).transpose(np.argsort(order))


class _RowArray:
    """An array that is stored row by row, of which boxes are read."""

    def __init__(self, file, offset, shape, dtype):
        self._file, self._offset = file, offset
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)
        self.tile_shape = None

    def __getitem__(self, key):
        """Read an index of two slices for height and width, after one int for a page."""
        offset, plane = self._offset, self.shape
        if isinstance(key[0], int):
            page, *key = key
            plane = plane[1:]
            offset += page * math.prod(plane) * self.dtype.itemsize
        rows, columns = key[:2]
        box = rows.start, columns.start, rows.stop, columns.stop
        return read_rows(self._file, offset, plane, self.dtype, box)


class _CroppedArray:
    """A box of the planes of an array, with the shape of the whole array."""

    def __init__(self, array, y, box):
        self._array, self._y, self._box = array, y, box
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, page):
        top, left, bottom, right = self._box
        pages = [int(page)] if self._y else []
        others = [slice(None)] * (len(self.shape) - self._y - 2)
        return self._array[(*pages, slice(top, bottom), slice(left, right), *others)]


class ArraySource:
    """An open array of which boxes are read; attributes as of `TiffSource`.

    Parameters
    ----------
    array : ChunkedArray or _RowArray
    selection : Selection
    no_data : float, default=None
    """

    orientation = 1

    def __init__(self, array, selection, no_data=None):
        check_file_shape(array.shape, selection._replace(mode="channels"))
        self._array, self._selection, self._no_data = array, selection, no_data
        self._y = 0 if selection.page is None else 1
        plane = array.shape[self._y :]
        self._n_read = math.prod(plane[2:])
        if selection.page == PAGES_AS_CHANNELS:
            self._n_read *= array.shape[0]
        self.shapes = [plane[:2]]
        self.tile_shapes = [array.tile_shape or (1, plane[1])]
        self.n_bytes = math.prod(plane[:2]) * self._n_read * array.dtype.itemsize
        tile_bytes = math.prod((*self.tile_shapes[0], *plane[2:])) * array.dtype.itemsize
        self.is_possible = tile_bytes <= _MAX_TILE_BYTES

    def decode(self, box, level, report, max_pixels):
        """Decode a box.

        Returns
        -------
        Pixels
        """
        shape = box[2] - box[0], box[3] - box[1], self._n_read
        check_array(shape, self._array.dtype, max_pixels)
        check_chunks(self._array, max_pixels)
        selection = self._selection._replace(level=None)
        cropped = _CroppedArray(self._array, self._y, box)
        return decode_array(cropped, selection, report, self._no_data)


class OmeSource:
    """An open image of OME-Zarr of which boxes are read; attributes as of `TiffSource`."""

    orientation = 1

    def __init__(self, image, selection, cache):
        self._selection = selection
        self.shapes = image.plane_shapes
        levels = [ChunkedArray(array, image.yx, cache) for array in image.levels]
        self._image = image._replace(levels=levels)
        self.tile_shapes = [
            array.tile_shape or (1, shape[1])
            for array, shape in zip(levels, self.shapes, strict=True)
        ]
        sizes = dict(zip(image.axes, levels[0].shape, strict=True))
        n_read = sizes.get("C", 1)
        if selection.channels is not None:
            n_read = len(selection.channels)
        self.n_bytes = math.prod(self.shapes[0]) * n_read * levels[0].dtype.itemsize
        # one plane at a time
        tiles = [math.prod(shape) * levels[0].dtype.itemsize for shape in self.tile_shapes]
        self.is_possible = max(tiles) <= _MAX_TILE_BYTES

    def decode(self, box, level, report, max_pixels):
        """Decode a box of a level.

        Returns
        -------
        Pixels
        """
        selection = self._selection._replace(level=None)
        return decode_ome(self._image, level, selection, max_pixels, report, box)


def open_npy_rows(file):
    """Open an array that numpy.save wrote row by row; None for others."""
    shape, is_by_column, dtype = read_npy_header(file)
    if dtype.hasobject or is_by_column or len(shape) < 2:
        return None
    return _RowArray(file, file.tell(), shape, dtype)
