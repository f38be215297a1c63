"""Limits of decoding, checked before memory is allocated or time is spent."""

import lzma
import math
import os
import re
import zlib
from itertools import islice

from PIL import Image

MAX_PIXELS = 89_478_485  # Pillow's own: a quarter of a GiB in RGB
_PIXEL_BYTES = 4  # larger pixels of arrays count more: one of float64 as two
# Each scan of a JPEG updates all pixels; a dozen are usual. Only its first bytes are searched.
_MAX_SCANS = 100
_COUNTED_BYTES = 2**24
_HEADER_BYTES = 2**16  # most files have their first scan there
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
# By the number of a TIFF compression, the decompressors of the standard library, which know no bound.
DECOMPRESSORS = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}
_MAX_RATIOS = dict.fromkeys((8, 32946), 1032)  # zlib's own bound


def check_pixels(shape, max_pixels, subject="it"):
    """Refuse an image that would need too much memory, before allocating any."""
    if max_pixels is not None and math.prod(shape[:2]) > max_pixels:
        raise ValueError(
            f"{subject} has {shape[0]} x {shape[1]} pixels, more than the limit of {max_pixels} that "
            "ImageLoader(max_pixels=) sets"
        )


def check_array(shape, dtype, max_pixels):
    """Refuse an array that is too large or has no pixels, because all its bytes are read.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width, ...)``.
    dtype : dtype
    max_pixels : int or None
        None leaves the limit to Pillow.
    """
    if 0 in shape:
        raise ValueError(f"it has no pixels, its shape is {shape}")
    check_pixels(shape, max_pixels)
    n_pixels, n_bytes = math.prod(shape[:2]), dtype.itemsize * math.prod(shape[2:])
    if max_pixels is not None and n_bytes * n_pixels > _PIXEL_BYTES * max_pixels:
        raise ValueError(
            f"it has {shape[0]} x {shape[1]} pixels of {n_bytes} bytes, more than the limit of "
            f"{max_pixels} pixels of {_PIXEL_BYTES} that ImageLoader(max_pixels=) sets"
        )
    if max_pixels is None and Image.MAX_IMAGE_PIXELS and n_pixels > 2 * Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"it has {n_pixels} pixels, which could be a decompression bomb")


def check_scans(file, image):
    """Refuse a JPEG with too many scans, which would take very long to decode."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(min(n_bytes, _HEADER_BYTES))
    if "progressive" not in image.info and next(_find_scans(start), 0) == image.layers:
        return  # one scan of all channels: decoding ends with it
    content = start + file.read(min(n_bytes, _COUNTED_BYTES) - len(start))
    if sum(1 for _ in islice(_find_scans(content), _MAX_SCANS + 1)) > _MAX_SCANS:
        raise ValueError(f"it has more than {_MAX_SCANS} scans, which would take long to decode")


def _find_scans(content):
    """Yield the number of channels of each scan of a JPEG."""
    found = _MARKER.search(content)
    while found and found[0] != b"\xff\xd9":
        header = content[found.end() : found.end() + 3]
        if found[0] == b"\xff\xda":
            yield header[-1]
        found = _MARKER.search(content, found.end() + int.from_bytes(header[:2]))


def check_unpacked(file, page, compression, max_pixels):
    """Refuse a TIFF with a strip or tile that unpacks to too many bytes."""
    if max_pixels is None or compression not in DECOMPRESSORS:
        return
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
        check_segment(file, offset, size, compression, max_pixels)


def check_segment(file, offset, size, compression, max_pixels):
    """Refuse a strip or tile of a TIFF that unpacks to too many bytes."""
    if max_pixels is None or compression not in DECOMPRESSORS:
        return
    max_bytes = _PIXEL_BYTES * max_pixels
    if size * _MAX_RATIOS.get(compression, math.inf) <= 2 * max_bytes:
        return  # it cannot, and unpacking it twice would take longer than decoding it
    file.seek(offset)
    unpacked = DECOMPRESSORS[compression]().decompress(file.read(size), max_bytes + 1)
    if len(unpacked) > max_bytes:
        raise ValueError("it unpacks to more than it claims to hold")
