"""Decode an image file, or convert an array, to an upright 8-bit image of a size and mode."""

import contextlib
import lzma
import math
import os
import re
import zlib
from itertools import islice
from typing import TypedDict

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, COMPRESSION, PLANAR_CONFIGURATION, SAMPLEFORMAT

from sklearn_resnet._images.errors import (
    ImageIsFolderError,
    ImageNotFoundError,
    ImageOpenError,
    ImagePermissionError,
    ImageReadError,
)
from sklearn_resnet._images.hashing import hash_stream
from sklearn_resnet._images.image_cache import image_cache
from sklearn_resnet._images.intensity import find_value_range, to_uint8
from sklearn_resnet._io.paths import open_file, suffix_of

# The formats that Pillow may try. Formats that run other programs (EPS) or are not images (PDF) are
# excluded. Pillow opens MPO files as JPEG.
_PILLOW_FORMATS = (
    "JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP", "PPM", "JPEG2000", "AVIF",
)  # fmt: skip
# Those that Pillow registers for these formats and MPO, and .npy.
EXTENSIONS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".tiff", ".gif", ".bmp",
    ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
    ".avif", ".avifs", ".npy",
))  # fmt: skip
# Those that need a package: its module, and the extra that installs it.
OPTIONAL_EXTENSIONS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), ("pillow_heif", "heif")),
    ".jxl": ("pillow_jxl", "jxl"),
}

# Pillow shrinks a JPEG while decoding, and averages blocks of pixels, as long as the result is at
# least this many times as large as the target of the exact filter: the value of its `thumbnail`.
_REDUCING_GAP = 2.0
MAX_PIXELS = 89_478_485  # Pillow's own: a quarter of a GiB in RGB
_PIXEL_BYTES = 4  # larger pixels of arrays count more: one of float64 as two
_BAND_BYTES = 2**20
# Each scan of a JPEG updates all pixels; a dozen are usual. Only its first bytes are searched.
_MAX_SCANS = 100
_COUNTED_BYTES = 2**24
_HEADER_BYTES = 2**16  # most files have their first scan there
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
# By the number of a TIFF compression, the decompressors that tifffile calls without a bound.
_UNPACKERS = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}


class DecodingOptions(TypedDict):
    """How images are brought to one form; see `read_image`."""

    size: tuple[int, int] | None
    resize: str
    mode: str


def read_image(path, *, size=None, resize="crop", mode="RGB", max_pixels=None, use_cache=False):
    """Read an image file.

    Parameters
    ----------
    path : str or path-like
        A file that Pillow reads, a TIFF file that tifffile reads, or a ``.npy`` file; on disk, a
        URL of fsspec, or a member of an archive (``"shards/a.tar/00001.jpg"``).
    size : tuple of 2 int, default=None
        ``(height, width)`` of the result; None keeps the size of the file.
    resize : {"crop", "pad", "stretch"}, default="crop"
        How an image of another aspect ratio is brought to `size`.
    mode : {"RGB", "L"}, default="RGB"
        Colour or grey.
    max_pixels : int, default=None
        The largest number of pixels, of up to 4 bytes in arrays; None leaves the limit to Pillow.
    use_cache : bool, default=False
        Whether to look up the image in `image_cache` by the content of the file, and to store it.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width), dtype uint8
        Upright (the EXIF orientation is applied), on white where it was transparent, and scaled to
        0 to 255 from other bit depths.

    Raises
    ------
    ImageReadError
        If the file is not an image, is damaged, has no pixels or too many, or changed while it was
        read. If it cannot be opened, the error is also an OSError: FileNotFoundError,
        IsADirectoryError, PermissionError or a plain one.
    ImportError
        If `path` is a URL, and the package that reads it is not installed.
    """
    name = str(path) if not isinstance(path, os.PathLike) else os.fspath(path)
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_file(name))
        except ImportError:
            raise
        except Exception as exc:  # stores behind URLs raise errors of their own
            raise _opening_error(name, exc) from exc
        try:
            options = name, size, resize, mode, max_pixels
            key = _make_key(file, *options) if use_cache else None
            image = None if key is None else image_cache.get(key)
            if image is None:
                image = _decode_and_fit(file, *options)
            opened.close()  # raises an error if the file has changed
        except PermissionError as exc:
            raise _opening_error(name, exc) from exc
        except Exception as exc:
            raise _decoding_error(name, exc) from exc
    if key is not None:
        image_cache.put(key, image)
    return image


def _make_key(file, name, *options):
    """Hash the content of a file and all that changes its image; None if it is too large."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if n_bytes > image_cache.max_bytes:  # a sparse file can claim any size
        return None
    settings = (options, suffix_of(name), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    key = hash_stream(file, repr(settings).encode())
    file.seek(0)
    return key


def _decode_and_fit(file, name, size, resize, mode, max_pixels):
    """Decode a file to an array of the size and mode."""
    image = _fit(_decode(file, name, size, mode, max_pixels), size, resize)
    # each copy of a large image costs a tenth of its decoding
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _opening_error(path, exc):
    """The error of a file that cannot be opened."""
    if isinstance(exc, FileNotFoundError):
        remedy = (
            f"Check the path, which is relative to the folder {os.getcwd()!r} unless it is "
            "absolute."
        )
        return ImageNotFoundError("there is no such file", path, remedy=remedy)
    if isinstance(exc, IsADirectoryError):
        return ImageIsFolderError(
            "it is a folder", path, remedy="load_image_folder() lists its images."
        )
    kind = ImagePermissionError if isinstance(exc, PermissionError) else ImageOpenError
    cause = getattr(exc, "strerror", None) or str(exc).rstrip(".") or type(exc).__name__
    return kind(cause, path, remedy="Check the file, or leave it out.")


def _decoding_error(path, exc):
    """The error of a file that is not an image, or damaged.

    Pillow's decoders raise errors of many types for damaged files: OSError, SyntaxError,
    struct.error, OverflowError, DecompressionBombError and more.
    """
    if isinstance(exc, UnidentifiedImageError):
        cause = "its content is of no known image format"
    else:
        # the other lines of NumPy's messages advise the user to trust the file
        cause = str(getattr(exc, "strerror", None) or exc).partition("\n")[0].rstrip(".")
    return ImageReadError(
        cause or type(exc).__name__, path, remedy="Replace the file or leave it out."
    )


def convert_image(array, value_range, *, size=None, resize="crop", mode="RGB"):
    """Convert an image in memory to the form that `read_image` returns.

    Parameters
    ----------
    array : ndarray of shape (height, width) or (height, width, {1, 3, 4})
        Grey, RGB, or RGB with alpha.
    value_range : tuple of float
        The black and the white level of `array`.
    size, resize, mode
        As for `read_image`.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width), dtype uint8

    Raises
    ------
    ValueError
        If the array is not an image.
    """
    image = _without_alpha(_from_array(array, value_range))
    return np.asarray(_fit(image, size, resize).convert(mode))


def _decode(file, name, size, mode, max_pixels):
    """Decode a file to an upright PIL image of mode L or RGB."""
    if suffix_of(name) == ".npy":
        return _decode_npy(file, max_pixels)
    # Given a path, Pillow 13 maps an uncompressed TIFF into memory, and swaps the sides of a rotated
    # one, which scrambles its pixels. Given a file object, it does not.
    try:
        image = Image.open(file, formats=_PILLOW_FORMATS)
    except UnidentifiedImageError:
        return _decode_tiff(file, max_pixels)
    _check_pixels(image.size[::-1], max_pixels)
    if image.format == "JPEG":
        _check_scans(file, image)
    if image.format == "TIFF" and _is_misread(image.tag_v2):
        return _decode_tiff(file, max_pixels)
    if size is not None:
        # affects only JPEGs; the sides of a rotated one are still swapped
        longest = int(max(size) * _REDUCING_GAP)
        image.draft(mode, (longest, longest))
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return _without_alpha(_to_8_bit(image))


def _check_pixels(shape, max_pixels):
    """Refuse an image that would need too much memory, before allocating any."""
    if max_pixels is not None and math.prod(shape[:2]) > max_pixels:
        raise ValueError(
            f"it has {shape[0]} x {shape[1]} pixels, more than the limit of {max_pixels} that "
            "ImageLoader(max_pixels=) sets"
        )


def _check_scans(file, image):
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


def _check_array(shape, dtype, max_pixels):
    """Refuse an array that is not an image or is too large, because all its bytes are read."""
    _check_shape(shape)
    _check_pixels(shape, max_pixels)
    n_bytes = dtype.itemsize * math.prod(shape[2:])
    if max_pixels is not None and n_bytes * math.prod(shape[:2]) > _PIXEL_BYTES * max_pixels:
        raise ValueError(
            f"it has {shape[0]} x {shape[1]} pixels of {n_bytes} bytes, more than the limit of "
            f"{max_pixels} pixels of {_PIXEL_BYTES} that ImageLoader(max_pixels=) sets"
        )


def _decode_npy(file, max_pixels):
    """Decode an array that numpy.save wrote."""
    shape, dtype = read_npy_header(file)
    if not dtype.hasobject:  # a sparse file can claim any size
        _check_array(shape, dtype, max_pixels)
    file.seek(0)
    # numpy.load opens .npz, and its errors name the way to unpickle
    array = np.lib.format.read_array(file, allow_pickle=False)
    return _without_alpha(_from_array(array, _file_value_range(array)))


def read_npy_header(file):
    """Read the shape and the dtype of an array that numpy.save wrote."""
    npy = np.lib.format
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    return shape, dtype


def _is_misread(tags):
    """Whether Pillow 13 misreads a TIFF as 8 bits: uncompressed planes of 16 bits."""
    bits = tags.get(BITSPERSAMPLE, (1,))
    is_plain_planar = tags.get(PLANAR_CONFIGURATION) == 2 and tags.get(COMPRESSION, 1) == 1
    return is_plain_planar and len(bits) > 1 and max(bits) > 8


def _decode_tiff(file, max_pixels):
    """Decode a TIFF that Pillow cannot read, or misreads: float64, or 16 bits and colour."""
    file.seek(0)
    if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise UnidentifiedImageError
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages[0]
        shape = page.shape
        is_planar = len(shape) == 3 and shape[-1] not in (3, 4) and shape[0] in (3, 4)
        shape = (*shape[1:], shape[0]) if is_planar else shape
        _check_array(shape, np.dtype(page.dtype), max_pixels)
        if max_pixels is not None:
            _check_unpacked(file, page, _PIXEL_BYTES * max_pixels)
        array = page.asarray()  # tiff.asarray() may read other pages too
    if is_planar:
        array = np.moveaxis(array, 0, -1)
    return _without_alpha(_from_array(array, _file_value_range(array)))


def _check_unpacked(file, page, max_bytes):
    """Refuse a TIFF with a strip or tile that unpacks to too many bytes."""
    if page.compression not in _UNPACKERS:
        return
    for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
        file.seek(offset)
        unpacked = _UNPACKERS[page.compression]().decompress(file.read(size), max_bytes + 1)
        if len(unpacked) > max_bytes:
            raise ValueError("it unpacks to more than it claims to hold")


def _to_8_bit(image):
    """Scale modes of more than 8 bits, which Pillow's `convert` would clip."""
    if not image.mode.startswith(("I", "F")):
        return image
    array = np.asarray(image)
    if image.mode == "I":
        if image.format == "PPM":
            array = array.astype(np.uint16)  # Pillow scales all depths to 16 bits
        elif image.format == "TIFF" and 1 in image.tag_v2.get(SAMPLEFORMAT, (1,)):
            array = array.view(np.uint32)  # Pillow reads these bits as signed
    scaled = _from_array(array, _file_value_range(array))
    if "transparency" in image.info:
        scaled.putalpha(Image.fromarray(np.uint8(255) * (array != image.info["transparency"])))
    return scaled


def _file_value_range(array):
    """Find a value range; it is the minimum to the maximum for floats outside 0 to 255."""
    if array.dtype.kind == "f" and array.size and (array.min() < 0 or array.max() > 255):
        low, high = float(array.min()), float(array.max())
        return low, (high if high > low else low + 1)
    return find_value_range(array) if array.size else (0, 255)


def _from_array(array, value_range):
    """Convert an array to a PIL image of mode L, RGB or RGBA."""
    _check_shape(array.shape)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("it holds NaN or infinity")
    return Image.fromarray(np.ascontiguousarray(_scale(array, value_range)))


def _check_shape(shape):
    if 0 in shape:
        raise ValueError(f"it has no pixels, its shape is {shape}")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(
            "it must have the shape (height, width) or (height, width, channels) with 1, 3 or 4 "
            f"channels, not {shape}"
        )


def _scale(array, value_range):
    """Apply `to_uint8` in bands of rows, because it makes copies in float64."""
    if array.dtype == np.uint8 or array.nbytes <= _BAND_BYTES:
        return to_uint8(array, value_range)
    scaled = np.empty(array.shape, np.uint8)
    n_rows = max(1, _BAND_BYTES // array[0].nbytes)
    for start in range(0, len(array), n_rows):
        rows = slice(start, start + n_rows)
        scaled[rows] = to_uint8(array[rows], value_range)
    return scaled


def _without_alpha(image):
    """Convert an image to mode L or RGB, on white where it is transparent."""
    if image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _fit(image, size, resize):
    """Resize a PIL image to ``size = (height, width)``."""
    if size is None or image.size == (size[1], size[0]):
        return image
    width, height = size[1], size[0]
    scale_x, scale_y = width / image.width, height / image.height
    box, inner = None, (width, height)
    if resize == "crop":
        scale = max(scale_x, scale_y)
        # rounding may make them slightly negative, which Pillow rejects
        margin_x = max(0.0, (image.width - width / scale) / 2)
        margin_y = max(0.0, (image.height - height / scale) / 2)
        box = (margin_x, margin_y, image.width - margin_x, image.height - margin_y)
    elif resize == "pad":
        scale = min(scale_x, scale_y)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resized = image.resize(inner, Image.Resampling.BILINEAR, box, _REDUCING_GAP)
    if inner == (width, height):
        return resized
    padded = Image.new(image.mode, (width, height))
    padded.paste(resized, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return padded
