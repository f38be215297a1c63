"""Boxes of TIFF files: only the strips or tiles that hold them are decoded."""

import io
import math
import struct
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from sklearn_resnet._images.decoding.limits import DECOMPRESSORS, check_segment
from sklearn_resnet._images.decoding.pixels import Pixels
from sklearn_resnet._images.decoding.selection import PAGES_AS_CHANNELS
from sklearn_resnet._images.decoding.tiff import decode_opened, list_page_levels, list_series_levels
from sklearn_resnet._images.decoding.tiff_samples import decode_by_pillow, is_packed, unpack_rows
from sklearn_resnet._images.decoding.tiff_tags import is_planar, read_orientation
from sklearn_resnet._images.decoding.tiles import assemble, cut_tile, list_tiles, read_rows
from sklearn_resnet._images.image_cache import ImageCache

_MAX_TILE_BYTES = 2**25  # of a strip or tile, half of the cache
_OLD_JPEG = 6  # its tables are elsewhere in the file
_JPEG = (6, 7, 34892, 33007)  # of which tifffile passes tables to the decoder
_WIDTH, _HEIGHT, _ROWS_PER_STRIP = 256, 257, 278
_STRIP_OFFSETS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT = 273, 279, 322, 323
_TILE_OFFSETS, _TILE_BYTES = 324, 325
_JPEG_TABLES = 347
# the tags that say how samples are decoded, from BitsPerSample to ReferenceBlackWhite
_COPIED = (258, 259, 262, 266, 277, 284, 292, 293, 317, 320, 332, 338, 339, 347, 529, 530, 531, 532)
_LONG = 4


class Tile(NamedTuple):
    """A strip or tile that Pillow decoded, in the cache.

    Attributes
    ----------
    pixels : Pixels
    tags : dict
        The tags of the page, as decoding left them.
    """

    pixels: Pixels
    tags: dict

    @property
    def nbytes(self):
        """The size of the samples."""
        samples = self.pixels.samples
        if isinstance(samples, Image.Image):
            return samples.width * samples.height * len(samples.getbands())
        return samples.nbytes


class TiffCrop(NamedTuple):
    """A box of the pages of a TIFF file.

    Attributes
    ----------
    box : tuple of 4 int
        ``(top, left, bottom, right)`` of the page as it is stored.
    cache : ImageCache
        Of decoded strips and tiles.
    max_pixels : int or None
    """

    box: tuple[int, int, int, int]
    cache: ImageCache
    max_pixels: int | None

    @property
    def shape(self):
        """The height and the width of the box."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def decode(self, file, page, key):
        """Decode the box of a page.

        Parameters
        ----------
        file : binary file object
        page : tifffile.TiffPage or TiffFrame
        key : tifffile.TiffPage
            With the tags of `page`.

        Returns
        -------
        ndarray of shape (height, width, n_samples)
        """
        if is_raw(key):
            return self._read_raw(file, page, key)
        tile_shape = find_tile_shape(key)

        def read(row, column):
            i = _find_index(key, row, column)
            tile = self.cache.get((page.offset, i))
            if tile is None:
                indices = _list_segments(key, i)
                parts = [self._decode_segment(file, page, key, index) for index in indices]
                tile = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
                self.cache.put((page.offset, i), tile)
            return tile

        return assemble(self.box, tile_shape, read)

    def decode_by_pillow(self, file, page, key, tags, selection):
        """Decode the box of a page of a compression that tifffile does not know.

        Parameters
        ----------
        file, page, key
            As for `decode`.
        tags : dict
            Changed as `tiff_samples.decode_by_pillow` does.
        selection : Selection

        Returns
        -------
        Pixels
            Not turned upright.
        """
        tile_shape, image = find_tile_shape(key), None
        for row, column in list_tiles(self.box, tile_shape):
            i = _find_index(key, row, column)
            tile = self.cache.get((page.offset, i))
            if tile is None:
                content = io.BytesIO(self._extract(file, page, key, i))
                left = dict(tags)
                tile = Tile(decode_by_pillow(content, 0, key, left, selection), left)
                self.cache.put((page.offset, i), tile)
            samples = tile.pixels.samples
            if image is None:
                first, image = tile, _make_blank(samples, self.shape)
            (top, left), (rows, columns) = cut_tile(self.box, tile_shape, row, column)
            if isinstance(samples, Image.Image):
                box = columns.start, rows.start, columns.stop, rows.stop
                size = min(box[2], samples.width), min(box[3], samples.height)
                image.paste(samples.crop((*box[:2], *size)), (left, top))
            else:
                part = samples[rows, columns]
                image[top : top + part.shape[0], left : left + part.shape[1]] = part
        tags.update(first.tags)
        return replace(first.pixels, samples=image, orientation=tags["orientation"])

    def _read_raw(self, file, page, key):
        """Read rows of samples that are stored as they are."""
        n_samples = key.samplesperpixel
        n_together = 1 if is_planar(key) else n_samples
        shape = key.imagelength, key.imagewidth, n_together
        dtype = np.dtype(key.parent.byteorder + key.dtype.char)
        n_bytes = math.prod(shape) * dtype.itemsize
        offsets = (page.dataoffsets[0] + i * n_bytes for i in range(n_samples // n_together))
        planes = [read_rows(file, offset, shape, dtype, self.box) for offset in offsets]
        return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)

    def _decode_segment(self, file, page, key, index):
        """Decode a strip or tile, which has one sample if each has planes of its own."""
        height, width = find_tile_shape(key)
        n_samples = 1 if is_planar(key) else key.samplesperpixel
        if not key.is_tiled:
            n_down = -(-key.imagelength // height)
            height = min(height, key.imagelength - index % n_down * height)
        shape = height, width, n_samples
        if is_packed(key):
            content = self._read_segment(file, page, key, index) or b""
            if key.compression != 1:
                content = DECOMPRESSORS[key.compression]().decompress(content)
            return unpack_rows(content, shape, key.bitspersample, key.fillorder)
        content = self._read_segment(file, page, key, index)
        if content is None:  # left out, as all its pixels are blank
            is_listed = index < len(page.dataoffsets)
            return np.broadcast_to(key.dtype.type(key.nodata if is_listed else 0), shape)
        tables = {}
        if key.compression in _JPEG:
            tables = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
        return key.decode(content, index, **tables)[0][0]

    def _read_segment(self, file, page, key, index):
        """Read the bytes of a strip or tile; None if the file leaves it out."""
        if index >= min(len(page.dataoffsets), len(page.databytecounts)):
            return None
        offset, n_bytes = page.dataoffsets[index], page.databytecounts[index]
        if offset == 0 or n_bytes == 0:
            return None
        if self.max_pixels is not None:  # a box may be smaller than a tile
            max_pixels = max(self.max_pixels, _MAX_TILE_BYTES // 4)
            check_segment(file, offset, n_bytes, key.compression, max_pixels)
        file.seek(offset)
        return file.read(n_bytes)

    def _extract(self, file, page, key, i):
        """Make a TIFF file of one strip or tile."""
        height, width = find_tile_shape(key)
        if not key.is_tiled:
            height = min(height, key.imagelength - i * height)
        indices = _list_segments(key, i)
        segments = [self._read_segment(file, page, key, index) or b"" for index in indices]
        return _write_tiff(_copy_tags(file, page, key), (height, width), segments, key)


def is_raw(key):
    """Whether the samples of a page are stored as they are, row by row."""
    return key.is_contiguous and key.fillorder == 1 and not (is_packed(key) or key.is_subsampled)


def find_tile_shape(key):
    """Find the height and the width of the strips or tiles of a page."""
    if key.is_tiled:
        return key.tilelength, key.tilewidth
    return min(key.rowsperstrip, key.imagelength), key.imagewidth


def _find_index(key, row, column):
    """Find the index of a strip or tile in its plane."""
    return row * -(-key.imagewidth // find_tile_shape(key)[1]) + column


def _list_segments(key, i):
    """List the indices of a strip or tile in all planes."""
    height, width = find_tile_shape(key)
    n_in_plane = -(-key.imagelength // height) * -(-key.imagewidth // width)
    n_planes = key.samplesperpixel if is_planar(key) else 1
    return [i + plane * n_in_plane for plane in range(n_planes)]


def _make_blank(samples, shape):
    """Make an image or array of a size, of the kind of another one."""
    if not isinstance(samples, Image.Image):
        return np.zeros((*shape, samples.shape[2]), samples.dtype)
    image = Image.new(samples.mode, shape[::-1])
    image.info = dict(samples.info)
    if samples.palette is not None:
        image.palette = samples.palette.copy()
        image.putpalette(samples.getpalette("RGB"), "RGB")
    return image


def _copy_tags(file, page, key):
    """Copy the tags that say how samples are decoded: type, count and bytes of each."""
    copied = {}
    for code in _COPIED:
        tag = key.tags.get(code)
        if tag is not None:
            file.seek(tag.valueoffset)
            copied[code] = int(tag.dtype), tag.count, file.read(tag.valuebytecount)
    if page.jpegtables is not None:
        copied[_JPEG_TABLES] = 7, len(page.jpegtables), page.jpegtables
    return copied


def _write_tiff(tags, shape, segments, key):
    """Write a TIFF file of one tile or strip, in the byte order of another file."""
    order = key.parent.byteorder
    names = (_TILE_OFFSETS, _TILE_BYTES) if key.is_tiled else (_STRIP_OFFSETS, _STRIP_BYTES)
    sides = {_HEIGHT: shape[0], _WIDTH: shape[1]}
    sides |= (
        {_TILE_HEIGHT: shape[0], _TILE_WIDTH: shape[1]}
        if key.is_tiled
        else {_ROWS_PER_STRIP: shape[0]}
    )

    def pack(values):
        return _LONG, len(values), struct.pack(f"{order}{len(values)}I", *values)

    tags = tags | {code: pack([side]) for code, side in sides.items()}
    sizes = [len(segment) for segment in segments]
    tags = tags | dict.fromkeys(names, pack(sizes))
    start = 8 + 2 + 12 * len(tags) + 4
    n_outside = sum(len(value) + len(value) % 2 for *_, value in tags.values() if len(value) > 4)
    offsets = [start + n_outside + sum(sizes[:i]) for i in range(len(sizes))]
    tags[names[0]] = pack(offsets)
    entries, outside = [], b""
    for code, (kind, count, value) in sorted(tags.items()):
        entry = value.ljust(4, b"\0")
        if len(value) > 4:
            entry = struct.pack(f"{order}I", start + len(outside))
            outside += value + b"\0" * (len(value) % 2)
        entries.append(struct.pack(f"{order}HHI", code, kind, count) + entry)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    header = magic + struct.pack(f"{order}IH", 8, len(entries))
    return b"".join([header, *entries, bytes(4), outside, *segments])


class TiffSource:
    """An open TIFF file of which boxes are read; see `find_source`.

    Attributes
    ----------
    shapes : list of tuple of 2 int
        The height and the width of each level, as they are stored.
    tile_shapes : list of tuple of 2 int
    orientation : int
        As defined by EXIF.
    n_bytes : int
        Those that the decoded image needs in full resolution.
    """

    def __init__(self, opened, selection, cache):
        self._opened, self._selection, self._cache = opened, selection, cache
        opened.tiff.pages.cache = True
        keys, n_planes, self.is_possible = _list_keys(opened, selection)
        self.shapes = [(key.imagelength, key.imagewidth) for key in keys]
        self.tile_shapes = [
            (1, key.imagewidth) if is_raw(key) else find_tile_shape(key) for key in keys
        ]
        self.orientation = read_orientation(keys[0])
        n_samples = n_planes * keys[0].samplesperpixel
        itemsize = keys[0].dtype.itemsize if keys[0].dtype is not None else 1
        self.n_bytes = math.prod(self.shapes[0]) * n_samples * itemsize

    def decode(self, box, level, report, max_pixels):
        """Decode a box of a level as it is stored.

        Returns
        -------
        Pixels
        """
        selection = self._selection._replace(level=level or None)
        crop = TiffCrop(box, self._cache, max_pixels)
        return decode_opened(self._opened, selection, max_pixels, report, crop)


def _list_keys(opened, selection):
    """List the pages with the tags of each level; count the planes; and whether boxes can be read."""
    if opened.found:
        levels, selection = list_series_levels(opened.found, selection)
        keys = [level.series.keyframe for level in levels]
        sizes = dict(zip(levels[0].axes, levels[0].shape, strict=True))
        n_planes = sizes.get("C", 1)
        if selection.page == PAGES_AS_CHANNELS:
            n_planes = math.prod(levels[0].shape)
        is_possible = all(
            not level.is_whole
            and level.n_in_page == 1
            and len(level.series) >= math.prod(level.shape)
            for level in levels
        )
    else:
        n_planes = len(opened.whole)
        is_one = selection.page is None or isinstance(selection.page, int)
        i = opened.whole[selection.page or 0 if is_one else n_planes // 2]
        levels = list_page_levels(opened, i, selection._replace(level=0))
        keys = [page for _, page in levels]
        n_planes, is_possible = 1 if is_one else n_planes, True
    return keys, n_planes, is_possible and all(map(_is_in_tiles, keys))


def _is_in_tiles(key):
    """Whether boxes of a page can be read without decoding much more."""
    if is_raw(key):
        return True
    is_odd = 0 in find_tile_shape(key) or key.tiledepth > 1 or key.planarconfig not in (1, 2)
    if is_odd or key.compression == _OLD_JPEG:
        return False
    itemsize = 2 if is_packed(key) or key.dtype is None else key.dtype.itemsize
    n_bytes = math.prod(find_tile_shape(key)) * key.samplesperpixel * itemsize
    n_tiles = math.prod(
        -(-side // size)
        for side, size in zip((key.imagelength, key.imagewidth), find_tile_shape(key), strict=True)
    )
    return n_bytes <= _MAX_TILE_BYTES and len(key.dataoffsets) >= n_tiles
