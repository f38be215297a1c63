"""Boxes of images that are stored in tiles, strips or rows: only the tiles that hold them are read."""

import math

import numpy as np

_BLOCK_VALUES = 2**22  # of the blocks that an image is cut into


def assemble(box, tile_shape, read_tile):
    """Read a box of an image from its tiles.

    Parameters
    ----------
    box : tuple of 4 int
        ``(top, left, bottom, right)``.
    tile_shape : tuple of 2 int
        ``(height, width)``; the last tiles may be smaller or larger than the image.
    read_tile : callable
        Takes the row and the column of a tile, and returns its array.

    Returns
    -------
    ndarray
    """
    box_shape = box[2] - box[0], box[3] - box[1]
    assembled = None
    for row, column in list_tiles(box, tile_shape):
        tile = read_tile(row, column)
        if assembled is None:
            assembled = np.zeros((*box_shape, *tile.shape[2:]), tile.dtype)
        (top, left), part = cut_tile(box, tile_shape, row, column)
        part = tile[part]
        assembled[top : top + part.shape[0], left : left + part.shape[1]] = part
    return assembled


def list_tiles(box, tile_shape):
    """List the rows and columns of the tiles that hold a box."""
    height, width = tile_shape
    rows = range(box[0] // height, -(-box[2] // height))
    columns = range(box[1] // width, -(-box[3] // width))
    return [(row, column) for row in rows for column in columns]


def cut_tile(box, tile_shape, row, column):
    """Find where a tile begins in a box, and which slices of the tile are inside."""
    top, left = row * tile_shape[0], column * tile_shape[1]
    corner = max(0, top - box[0]), max(0, left - box[1])
    rows = slice(max(0, box[0] - top), box[2] - top)
    columns = slice(max(0, box[1] - left), box[3] - left)
    return corner, (rows, columns)


def scale_box(box, shape, level_shape):
    """Scale a box from the full resolution to that of a level; it may cross the border.

    Parameters
    ----------
    box : tuple of 4 int
    shape, level_shape : tuple of 2 int
        Height and width of the image in full resolution, and of the level.

    Returns
    -------
    tuple of 4 int
        At least one pixel high and wide.
    """
    scaled = [0] * 4
    for axis in (0, 1):
        full, side = shape[axis], level_shape[axis]
        first, last = (
            (2 * edge * side + full) // (2 * full) for edge in (box[axis], box[axis + 2])
        )
        if last <= first:  # of a box inside, inside
            first = min(first, max(side - 1, first - 1))
            last = first + 1
        scaled[axis], scaled[axis + 2] = first, last
    return tuple(scaled)


def cut_blocks(shape, tile_shape, n_samples=1):
    """Cut an image into boxes of whole tiles, and of a bounded size.

    Parameters
    ----------
    shape, tile_shape : tuple of 2 int
        ``(height, width)``.
    n_samples : int, default=1
        The number of values of a pixel.

    Yields
    ------
    box : tuple of 4 int
    """
    max_pixels = max(1, _BLOCK_VALUES // max(1, n_samples))
    height, width = (min(side, size) for side, size in zip(tile_shape, shape, strict=True))
    width *= max(1, min(math.ceil(shape[1] / width), max_pixels // (height * width)))
    height *= max(1, max_pixels // (height * width))
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            yield top, left, min(top + height, shape[0]), min(left + width, shape[1])


def read_rows(file, offset, shape, dtype, box):
    """Read a box of an array that is stored row by row.

    Parameters
    ----------
    file : binary file object
    offset : int
        Where the array begins.
    shape : tuple of int
        ``(height, width, ...)``.
    dtype : dtype
    box : tuple of 4 int

    Returns
    -------
    ndarray of shape (box_height, box_width, ...)
    """
    top, left, bottom, right = box
    pixel_bytes = dtype.itemsize * math.prod(shape[2:])
    array = np.empty((bottom - top, right - left, *shape[2:]), dtype)
    target = memoryview(array).cast("B") if array.size else b""
    n_bytes = (right - left) * pixel_bytes
    n_rows = 1
    if right - left == shape[1]:
        n_bytes, n_rows = array.nbytes, bottom - top
    for i, row in enumerate(range(top, bottom, n_rows)):
        file.seek(offset + (row * shape[1] + left) * pixel_bytes)
        if file.readinto(target[i * n_bytes : (i + 1) * n_bytes]) < n_bytes:
            raise ValueError("it is damaged: it is too short for its shape")
    return array.astype(dtype.newbyteorder("="), copy=False)
